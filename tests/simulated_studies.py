"""Simulated studies: tables of scores with a planted cause, for power and false-positive rates.

Models come in families of several sizes; every size has one vanilla and some tuned models.
`benchmarks/analysis.py` takes the rates of docs/methods/analysis.md from them.
"""

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

Families = tuple[tuple[str, tuple[float, ...]], ...]

# Families and log10 of the parameters of their vanilla models. EIGHT are the paper's.
TWELVE: Families = (
    ("A", (7.9, 8.4, 8.9, 9.5, 10.0)),
    ("B", (9.8, 10.1, 10.5)),
    ("C", (8.1, 8.6, 8.9, 9.2)),
)
EIGHT: Families = (("T5", (7.9, 8.4, 8.9, 9.5, 10.0)), ("LLaMA", (9.8, 10.1, 10.5)))
FOLDS = 6
DATASETS = {"reading": 10, "listening": 6, "chapter": 6}  # name → subjects

Findings = dict[str, bool]
# What the table's names are called in findings.
NAMES = {
    "pearson": "Pearson",
    "spearman": "Spearman",
    "log10_parameters": "size",
    "mmlu": "accuracy",
    "blimp": "grammar",
    "log10_parameters, bits_per_byte text": "size and loss",
    "bits_per_byte text": "loss",
}


@dataclass(frozen=True)
class Plant:
    """What drives alignment (per standard deviation of the cause), and the effect of tuning."""

    size: float = 0.0
    knowledge: float = 0.0
    formal: float = 0.0
    tuning: float = 0.0
    base_sd: float = 0.02  # between vanilla models
    family_sd: float = 0.0  # between families
    model_sd: float = 0.005  # between a tuned model and its partner, beyond the tuning effect
    slope_sd: float = 0.0  # of the effect of tuning between vanilla models
    family_slope_sd: float = 0.0  # of the effect of tuning between families
    subject_sd: float = 0.01  # of a model's deviation in one subject
    cell_sd: float = 0.01  # of a model's deviation in one subject and fold
    stimulus_sd: float = 0.0  # of a model's deviation in one fold, for all subjects
    accuracy_sd: float = 0.0  # of a measured accuracy around the model's own
    tuned_per_base: int = 2
    families: Families = TWELVE


def study(plant: Plant, rng: np.random.Generator, modes: tuple[str, ...] = ("controlled",)) -> dict:
    """Tables `scores`, `subjects`, `capabilities` of one study.

    Knowledge (accuracy) correlates .8 with log10 size; what is left of it is each model's own.
    """
    models = _models(plant)
    truth, knowledge, _ = _truth(plant, models, rng)
    scores, subjects = [], []
    for mode in modes:
        for dataset, n_subjects in DATASETS.items():
            deviation = rng.normal(0, plant.subject_sd, (len(models), n_subjects))
            by_subject = truth[:, None] + rng.normal(0, 0.03, n_subjects) + deviation
            # What a fold has that others lack is the same for all subjects, or a cell's own.
            shape = (len(models), n_subjects, FOLDS)
            cells = by_subject[..., None] + rng.normal(0, plant.cell_sd, shape)
            cells += rng.normal(0, 0.03, FOLDS)
            cells += rng.normal(0, plant.stimulus_sd, (len(models), 1, FOLDS))
            r = cells.mean(2)
            about = _about(models).assign(
                dataset=dataset,
                benchmark=f"{dataset}-{mode}",
                mode=mode,
                simulated=True,
                companion=False,
            )
            scores.append(
                about.assign(
                    tuned=about["role"] == "tuned", layer_choice="nested", layer="nested",
                    depth=0.5, region="all", r=r.mean(1), ceiling=0.4, ratio=r.mean(1) / 0.4,
                    low=r.mean(1) - 0.03, high=r.mean(1) + 0.03,
                    scope="new subjects, new stimuli", n_targets=100, n_undefined=0,
                    n_subjects=n_subjects, n_stimuli=FOLDS,
                )
            )  # fmt: skip
            about["held_out"] = "stimuli" if mode == "controlled" else ""
            subjects += [
                about.assign(subject=f"s{s}", fold=fold, r=values, n_targets=10)
                for s in range(n_subjects)
                for fold, values in ((-1, r[:, s]), *enumerate(cells[:, s].T))
            ]
    measured = 0.45 + 0.08 * knowledge + rng.normal(0, plant.accuracy_sd, len(models))
    answers = []
    for category, shift in (("all", 0.0), ("facts", 0.05), ("logic", -0.05)):
        accuracy = np.clip(measured + shift, 0.01, 0.99)
        answers.append(
            _about(models).assign(
                task="mmlu", category=category, average="questions", accuracy=accuracy,
                low=accuracy - 0.02, high=accuracy + 0.02, n=2000, n_truncated=0, n_ties=0,
                unanswered=0.0, n_nothing=0, n_cut=0, n_thinking=0,
                scoring="loglikelihood", simulated=True,
            )
        )  # fmt: skip
    return {
        "scores": pd.concat(scores, ignore_index=True),
        "subjects": pd.concat(subjects, ignore_index=True),
        "capabilities": with_shared_answers(pd.concat(answers, ignore_index=True)),
    }


def with_shared_answers(capabilities: pd.DataFrame) -> pd.DataFrame:
    """capabilities.csv with the answers that a model shares with its partner, as by chance."""
    columns = ["model", "task", "category", "accuracy"]
    partner = capabilities[columns].rename(columns={"model": "base", "accuracy": "other"})
    table = capabilities.merge(partner, on=["base", "task", "category"], how="left")
    n, part, other = table["n"], table["accuracy"], table.pop("other")
    both = (n * part * other).round()
    return table.assign(
        n_both=both, n_gained=(n * part).round() - both, n_lost=(n * other).round() - both
    )


@functools.cache
def _models(plant: Plant) -> pd.DataFrame:
    rows = {}
    for family, sizes in plant.families:
        for i, size in enumerate(sizes):
            base = f"{family}{i}"
            rows[base] = (family, "vanilla", None, size, base)
            for k in range(plant.tuned_per_base):
                rows[f"{base}-tuned{k}"] = (family, "tuned", base, size, base)
    columns = ["family", "role", "base", "log10", "anchor"]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def _truth(
    plant: Plant, models: pd.DataFrame, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every model's alignment, its knowledge (standard deviation 1, .8 with log10 size), and its
    formal competence (.8 with knowledge)."""
    z = models["log10"].to_numpy()
    z = (z - z.mean()) / z.std(ddof=1)
    knowledge = 0.8 * z + 0.6 * rng.normal(size=len(models))
    formal = 0.8 * knowledge + 0.6 * rng.spawn(1)[0].normal(size=len(models))
    anchor, family = (pd.factorize(models[name])[0] for name in ("anchor", "family"))
    truth = 0.2 + plant.size * z + plant.knowledge * knowledge + plant.formal * formal
    truth += _shared(anchor, plant.base_sd, rng) + _shared(family, plant.family_sd, rng)
    effect = plant.tuning + rng.normal(0, plant.model_sd, len(models))
    effect += _shared(anchor, plant.slope_sd, rng) + _shared(family, plant.family_slope_sd, rng)
    return truth + (models["role"] == "tuned").to_numpy() * effect, knowledge, formal


def _shared(group: np.ndarray, sd: float, rng: np.random.Generator) -> np.ndarray:
    """One draw per group (numbered from 0), for all its models."""
    return rng.normal(0, sd, group.max() + 1)[group]


def _about(models: pd.DataFrame) -> pd.DataFrame:
    about = models[["base", "family", "role"]].assign(
        model=models.index, label=models.index, parameters=10 ** models["log10"], published=None
    )
    return about.reset_index(drop=True)


def averages(plant: Plant, rng: np.random.Generator) -> pd.DataFrame:
    """A study's models: alignment averaged over datasets (`r`), `accuracy`, `grammar`, `loss` (−.8
    with log10 size).

    What the tables of `study` average to, drawn at once: rates take thousands of studies.
    """
    models = _models(plant)
    truth, knowledge, formal = _truth(plant, models, rng)
    noise = plant.subject_sd * np.sqrt(sum(1 / n for n in DATASETS.values())) / len(DATASETS)
    accuracy = 0.45 + 0.08 * knowledge + rng.normal(0, plant.accuracy_sd, len(models))
    r = truth + rng.normal(0, noise, len(models))
    z = (models["log10"] - models["log10"].mean()) / models["log10"].std()
    loss = 1 - 0.08 * z + 0.06 * rng.spawn(1)[0].normal(size=len(models))
    return models.assign(r=r, accuracy=accuracy, grammar=0.7 + 0.04 * formal, loss=loss)


def _as_scores(models: pd.DataFrame) -> pd.DataFrame:
    """scores.csv of one dataset, of `averages`."""
    return _about(models).assign(
        r=models["r"].to_numpy(), low=np.nan, dataset="d", benchmark="d", mode="controlled",
        region="all", simulated=True, companion=False,
    )  # fmt: skip


def rates(repetitions: Iterable[Findings]) -> dict[str, float]:
    """How often each finding was made, as a share of the studies."""
    studies = list(repetitions)
    counts = Counter(name for findings in studies for name, yes in findings.items() if yes)
    return {name: counts[name] / len(studies) for name in studies[0]}


def contrast_findings(plant: Plant, seed: list[int]) -> Findings:
    """What the whole table of contrasts says of the effect of tuning."""
    from brainalign.analysis.contrasts import contrasts
    from brainalign.analysis.mixed_effects import mixed_effects

    tables = study(plant, np.random.default_rng(seed))
    fit = mixed_effects(tables["scores"], tables["subjects"])
    fit = fit[fit["dataset"] == "average"].set_index("term")["p"]
    table = contrasts(tables["scores"], tables["subjects"])
    overall = table[table["level"] == "overall"].set_index(["unit", "dataset"])
    pairs = overall.loc[("pairs", "average")]
    pair = table[table["level"] == "pair"]
    pair = pair[pair["tuned"] == pair["tuned"].iloc[0]].set_index("dataset")
    return {
        "one pair, 10 subjects": pair.loc["reading", "p"] < 0.05,
        "one pair, 6 subjects": pair.loc["listening", "p"] < 0.05,
        "one pair, average of three datasets": pair.loc["average", "p"] < 0.05,
        "bases": overall.loc[("bases", "average"), "p"] < 0.05,
        "mixed model, tuned": fit["tuned"] < 0.05,
        "mixed model, size": fit["log10_parameters"] < 0.05,
        "bases, any dataset after adjustment": overall.loc["bases", "p_adjusted"].min() < 0.05,
        "all pairs": pairs["p"] < 0.05,
        "all pairs, Wilcoxon, pairs as independent": pairs["p_independent"] < 0.05,
        "interval of all pairs misses the truth": (
            not pairs["low"] <= plant.tuning <= pairs["high"]
        ),
    }


def _excludes_0(row: Mapping[str, float] | pd.Series) -> bool:
    """Whether the interval from `low` to `high` leaves out 0."""
    return bool(row["low"] > 0 or row["high"] < 0)


def correlation_findings(plant: Plant, seed: list[int]) -> Findings:
    """Which tests of a correlate of alignment reject at .05, which intervals exclude 0."""
    from brainalign.analysis.correlations import correlations

    models = averages(plant, np.random.default_rng(seed))
    answers = pd.concat(
        _about(models).assign(
            task=task, category="all", accuracy=models[column].to_numpy(), scoring=scoring,
            simulated=True,
        )
        for task, column, scoring in (
            ("mmlu", "accuracy", "loglikelihood"), ("blimp", "grammar", "sentences"),
        )
    )  # fmt: skip
    losses = _about(models).assign(text="text", bits_per_byte=models["loss"].to_numpy())
    table = correlations(_as_scores(models), capabilities=answers, losses=losses)
    table = table[(table["y"] == "brain average") & (table["subset"] == "all")]
    result: Findings = {}
    for row in table.to_dict("records"):
        group, method, x, given = (
            NAMES.get(row[name], row[name]) for name in ("models", "method", "x", "controlled_for")
        )
        what = f"{x} given {given}" if given else x
        result[f"{group}: {method}, {what}"] = row["p"] < 0.05
        if row["n_bases"] < row["n"] or (plant.tuned_per_base == 1 and group == "tuned"):
            result[f"{group}: {method}, models as independent, {what}"] = (
                row["p_independent"] < 0.05
            )
        elif method == "Pearson":  # of the others it leaves out 0 where p < .05
            result[f"{group}: interval of r excludes 0, {x}"] = _excludes_0(row)
        if method == "Pearson" and row["n_families"] > 2:
            ends = {"low": row["low_families"], "high": row["high_families"]}
            result[f"{group}: interval over families, {x}"] = _excludes_0(ends)
    return result


def beside_size_and_loss(plant: Plant, seed: list[int]) -> Findings:
    """Of `correlation_findings` what is left of accuracy and grammar given size and loss."""
    findings = correlation_findings(plant, seed)
    return {name: yes for name, yes in findings.items() if name.endswith("given size and loss")}


def _read(
    rng: np.random.Generator, stories: int, words: int, slope: float = 0.0
) -> tuple[pd.DataFrame, xr.Dataset, np.ndarray]:
    """Stimuli, reading times that follow word length, and the bits that slow readers by `slope` ms
    each."""
    n = stories * words
    story = np.repeat([f"story{s}" for s in range(stories)], words)
    length = rng.integers(1, 12, n).astype(float)
    frequency = -0.6 * length + rng.normal(size=n)
    ids = [f"w{i}" for i in range(n)]
    stimuli = pd.DataFrame(
        {
            "stimulus_id": ids, "context_group": story, "length": length,
            "log_frequency": frequency, "position": np.tile(np.arange(1.0, words + 1), stories),
            "word_in_sentence": np.tile(np.arange(words) % 15 + 1, stories),
        }
    )  # fmt: skip
    # Stories differ in pace, and successive times go together.
    noise = rng.normal(0, 20, n)
    noise[1:] += 0.3 * noise[:-1]
    bits = 6 - frequency + rng.normal(0, 2, n)
    times = 300 + 3 * length + slope * bits
    times += np.repeat(rng.normal(0, 10, stories), words) + noise
    responses = xr.Dataset(
        {"responses": (("stimulus", "target"), times[:, None])},
        coords={"target_id": ("target", ["mean"])},
        attrs={"kind": "reading-times"},
    )
    stimuli["punctuation"] = rng.random(n) < 0.1
    return stimuli, responses, bits


def reading_findings(seed: list[int], stories: int = 10, words: int = 100) -> Findings:
    """Which measures of reading times that surprisal has no part in seem to show one.

    The times follow word length, which surprisal goes with.
    """
    from worlds.entries import fit_reading_times

    stimuli, responses, bits = _read(np.random.default_rng(seed), stories, words)
    surprisal = stimuli[["stimulus_id"]].assign(bits=bits)
    table = fit_reading_times(surprisal, stimuli, responses, "controlled")
    rows = table[table["kind"] == "all"].set_index("measure")
    partial, gain = rows.loc["partial_r"], rows.loc["delta_loglik_per_word"]
    slope = rows.loc["slope_ms_per_bit"]
    return {
        "partial r, interval over stories excludes 0": partial["low"] > 0 or partial["high"] < 0,
        "slope, interval over stories excludes 0": slope["low"] > 0 or slope["high"] < 0,
        "Δ log-likelihood, interval over stories above 0": gain["low"] > 0,
    }


def pair_contrasts(
    results: list[tuple[str, str, pd.DataFrame]], benchmarks: dict[str, dict[str, str]]
) -> pd.Series:
    """p of the tuned model `t` against its vanilla partner `v`, by mode and measure.

    Parameters
    ----------
    results : (model, benchmark, fit to reading times).
    """
    from brainalign.analysis.collect import collect_behaviors
    from brainalign.analysis.contrasts import contrasts
    from brainalign.analysis.records import model_table

    models = {
        name: {
            "base": base, "family": "F", "role": "tuned" if base else "vanilla", "label": name,
            "published": None, "parameters": 1e8, "simulated": True,
        }
        for name, base in (("v", None), ("t", "v"))
    }  # fmt: skip
    table = contrasts(**collect_behaviors(results, model_table(models, []), benchmarks, []))
    return table[table["level"] == "pair"].set_index(["mode", "measure"])["p"]


def reading_pair_findings(
    better: float, seed: list[int], stories: int = 10, words: int = 100
) -> Findings:
    """Whether contrasts tell two models' fits to reading times apart.

    Their surprisals have independent errors, the tuned model's by the share `better` smaller.
    """
    from worlds.entries import fit_reading_times

    rng = np.random.default_rng(seed)
    stimuli, responses, bits = _read(rng, stories, words, slope=4)
    benchmarks = {mode: {"dataset": "d", "mode": mode} for mode in ("legacy", "controlled")}
    results = []
    for name, error in (("v", 3.0), ("t", 3.0 * (1 - better))):
        surprisal = stimuli[["stimulus_id"]].assign(bits=bits + rng.normal(0, error, len(bits)))
        results += [
            (name, mode, fit_reading_times(surprisal, stimuli, responses, mode))
            for mode in benchmarks
        ]
    pair = pair_contrasts(results, benchmarks)
    return {
        "one pair, r": pair["legacy", "r"] < 0.05,
        "one pair, Δ log-likelihood": pair["controlled", "delta_loglik_per_word"] < 0.05,
    }


def family_answer_findings(gain: float, shared: float, seed: list[int]) -> Findings:
    """Whether accuracy over 12 vanilla models seems to gain: 300 questions, a tuned model each,
    which share some of the luck with questions (standard deviation `shared`)."""
    from brainalign.analysis.contrasts import contrasts

    rng = np.random.default_rng(seed)
    models = _models(Plant(tuned_per_base=1))
    hard, luck = rng.normal(size=(1, 300)), shared * rng.normal(size=(1, 300))
    tuned = (models["role"] == "tuned").to_numpy()[:, None]
    skill = 0.3 + rng.normal(0, 0.2, (len(models), 1)) + tuned * (gain + luck)
    part = np.sqrt(0.5 - shared**2 * tuned / 2)
    correct = hard + part * rng.normal(size=(len(models), 300)) < skill
    table = _about(models).assign(
        task="mmlu", category="all", accuracy=correct.mean(1), low=correct.mean(1) - 0.05,
        high=correct.mean(1) + 0.05, n=300, scoring="loglikelihood", simulated=True,
    )  # fmt: skip
    table = contrasts(capabilities=with_shared_answers(table))
    overall = table[table["level"] == "overall"].set_index("unit")["p_these_stimuli"]
    return {
        "bases, these questions": overall["bases"] < 0.05,
        "all pairs, these questions": overall["pairs"] < 0.05,
    }


def answer_findings(seed: list[int], questions: int = 300) -> Findings:
    """Whether two equally good models seem to differ on questions that are hard for both or easy
    for both."""
    from brainalign.analysis.capabilities import wilson
    from brainalign.analysis.proportions import mcnemar_p, paired_interval

    rng = np.random.default_rng(seed)
    hard = rng.normal(size=questions)
    chosen, other = (hard + 0.5 * rng.normal(size=questions) < 0.3 for _ in range(2))
    both, gained, lost = (
        (a & b).sum() for a, b in ((chosen, other), (chosen, ~other), (~chosen, other))
    )
    ends = [(x.mean(), *wilson(float(x.mean()), questions)) for x in (chosen, other)]
    counts = (int(both), int(gained), int(lost), int(questions - both - gained - lost))
    low, high = paired_interval(ends[0], ends[1], counts)
    return {
        "one pair, McNemar over questions": mcnemar_p(int(gained), int(lost)) < 0.05,
        "one pair, Newcombe's interval excludes 0": low > 0 or high < 0,
    }


def repeat(findings: Callable[..., Findings], n: int, seed: int, *given: Any) -> list[Findings]:
    """The findings of n studies of their own seeds."""
    return [findings(*given, [seed, i]) for i in range(n)]


def loss_findings(
    tuning: float, pairs: int, stimulus_sd: float, seed: list[int], stories: int = 10
) -> Findings:
    """What contrasts of reading times find where fit rises with next-word loss (.007 per bit).

    Families of 3, 2, 4 and 8 vanilla models, as of one release of published surprisal; `pairs` of
    them have tuned models, whose loss is higher by .2 to .6 bits, and whose fit is better by
    `tuning` than that. A pair shares a deviation from the line, each model has another one, and
    each story has one for all models and one for tuned models (`stimulus_sd`).
    """
    from brainalign.analysis.reading_loss import reading_loss

    rng = np.random.default_rng(seed)
    easy, favours = rng.normal(0, 0.02, stories), rng.normal(0, stimulus_sd, stories)
    words = rng.integers(800, 1200, stories)
    full, parts = [], []
    left = pairs
    for family, size in (("A", 3), ("B", 2), ("C", 4), ("D", 8)):
        level = rng.normal(0, 0.002)
        for i in range(size):
            loss, shared = rng.uniform(5.2, 6.9), rng.normal(0, 0.001)
            models = [(f"{family}{i}", "vanilla", None, loss, 0.0)]
            if left:
                change = rng.uniform(0.2, 0.6)
                models.append((f"{family}{i}t", "tuned", f"{family}{i}", loss + change, tuning))
                left -= 1
            for name, role, base, bits, effect in models:
                fit = level + 0.007 * bits + shared + effect + rng.normal(0, 0.001)
                fits = fit + easy + (role == "tuned") * favours + rng.normal(0, 0.003, stories)
                about = {"model": name, "role": role, "base": base, "family": family}
                values = {
                    "mean_bits": bits, "delta_loglik_per_word": np.average(fits, weights=words),
                }  # fmt: skip
                full += [{**about, "measure": m, "value": value} for m, value in values.items()]
                parts += [
                    {**about, "measure": "delta_loglik_per_word", "group": s, "value": v, "n": n}
                    for s, (v, n) in enumerate(zip(fits, words, strict=True))
                ]
    same = {"dataset": "reading", "benchmark": "reading", "mode": "controlled", "simulated": True}
    table = reading_loss(
        pd.DataFrame(full).assign(**same), pd.DataFrame(parts).assign(kind="story", **same)
    )
    table = table[table["model"] == "all"].set_index("method")
    return {
        f"{method}{scope}": bool(table.loc[method, column] < 0.05)
        for method in ("as it is", "given loss")
        for scope, column in (("", "p"), (", these stories", "p_these_stimuli"))
    }
