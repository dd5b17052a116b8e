"""Tables of invented studies, small and large, in the columns of docs/architecture.md."""

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from brainalign.analysis.baselines import against_baselines
from brainalign.analysis.contrasts import contrasts
from brainalign.analysis.correlations import correlations
from brainalign.analysis.double_descent import double_descent
from brainalign.analysis.measured import measured_beside_published
from brainalign.analysis.mixed_effects import mixed_effects
from brainalign.analysis.presentations import presentation_contrasts
from brainalign.analysis.profiles import layer_profiles
from brainalign.analysis.published import published_check, published_models
from brainalign.analysis.reading_loss import reading_loss
from brainalign.analysis.target_contrasts import compare_targets
from simulated_studies import with_shared_answers

SMALL = (("sim-gpt", 3, 1), ("sim-t5", 1, 1))
# As many networks as a page of a figure holds.
LARGE = (("t5", 5, 2), ("llama", 3, 2), ("gpt2", 4, 1), ("gemma", 2, 1))
DATASETS = ("passages", "stories", "chapter")


def models(families: Sequence[tuple[str, int, int]] = SMALL) -> pd.DataFrame:
    """Families (name, sizes, tuned partners per size), an untrained twin each, three baselines."""
    rows = []
    for family, sizes, partners in families:
        for size in range(sizes):
            parameters = 10 ** (6 + size + 0.1 * len(family))
            base = f"{family}-{'abcdefgh'[size]}"
            rows.append((base, None, family, "vanilla", parameters))
            for partner in range(partners):
                rows.append((f"{base}-tuned-{partner + 1}", base, family, "tuned", parameters))
        rows.append(
            (f"{family}-a-untrained", None, family, "untrained", 10 ** (6 + 0.1 * len(family)))
        )
    rows += [(name, None, None, "baseline", np.nan) for name in ("oasm", "position", "length")]
    table = pd.DataFrame(rows, columns=["model", "base", "family", "role", "parameters"])
    return table.assign(published=None)


def _true_r(row: pd.Series, mode: str, dataset: str, noise: np.random.Generator) -> float:
    level = {"passages": 0.35, "stories": 0.2, "chapter": 0.1}.get(dataset, 0.25)
    if row.role == "baseline":
        value = 1.1 * level if row.model == "oasm" and mode == "legacy" else 0.05 * level
    elif row.role == "untrained":
        value = (0.7 if mode == "legacy" else 0.3) * level
    else:
        value = level * (0.5 + 0.1 * (np.log10(row.parameters) - 6)) + 0.01 * (row.role == "tuned")
        value *= 1 if mode == "legacy" else 0.5
    return float(value + noise.normal(0, 0.01))


def scores(
    families: Sequence[tuple[str, int, int]] = SMALL,
    datasets: Sequence[str] = DATASETS,
    simulated: bool = True,
    seed: int = 0,
) -> pd.DataFrame:
    """scores.csv: every model on every dataset in both modes, region `all` and one region more."""
    noise = np.random.default_rng(seed)
    rows = []
    for row in models(families).itertuples():
        for dataset in datasets:
            for mode in ("legacy", "controlled"):
                r = _true_r(pd.Series(row._asdict()), mode, dataset, noise)
                ceiling = {"passages": 0.36, "stories": 0.21, "chapter": 0.104}.get(dataset, 0.3)
                for region in ("all", "LIFG"):
                    rows.append(
                        {
                            "model": row.model,
                            "label": row.model,
                            "base": row.base,
                            "family": row.family,
                            "role": row.role,
                            "tuned": row.role == "tuned",
                            "parameters": row.parameters,
                            "published": row.published,
                            "dataset": dataset,
                            "benchmark": f"{dataset}-{mode}",
                            "companion": False,
                            "mode": mode,
                            "layer_choice": "best" if mode == "legacy" else "nested",
                            "layer": "layer.2" if mode == "legacy" else "nested",
                            "depth": 0.5 if mode == "legacy" else np.nan,
                            "region": region,
                            "r": r,
                            "ceiling": ceiling,
                            "ceiling_method": "extrapolation" if mode == "legacy" else "split-half",
                            "ratio": r / ceiling,
                            "r2": r * abs(r),
                            "unique_r2": 0.3 * r * r
                            if mode == "controlled" and row.role != "baseline"
                            else np.nan,
                            "low": r - 0.012,
                            "high": r + 0.015,
                            "n_targets": 60,
                            "n_significant": np.nan,
                            "n_subjects": 5,
                            "n_stimuli": 6 * (mode == "controlled"),
                            "scope": "new subjects, "
                            + ("new stimuli" if mode == "controlled" else "these stimuli"),
                            "simulated": simulated,
                        }
                    )
    table = pd.DataFrame(rows)
    return table.assign(
        unique_low=table["unique_r2"] - 0.004, unique_high=table["unique_r2"] + 0.005
    )


def layers(
    families: Sequence[tuple[str, int, int]] = SMALL,
    datasets: Sequence[str] = DATASETS,
    simulated: bool = True,
    seed: int = 0,
) -> pd.DataFrame:
    """layers.csv that fits `scores`: a bow-shaped profile, the nested choice in controlled mode."""
    noise = np.random.default_rng(seed)
    rows = []
    for score in scores(families, datasets, simulated, seed).query("region == 'all'").itertuples():
        common = {
            name: getattr(score, name)
            for name in ("model", "family", "role", "dataset", "benchmark", "mode")
        } | {"simulated": simulated}
        if score.role == "baseline":
            rows.append(
                common
                | {
                    "layer": "features",
                    "depth": 0.0,
                    "r": score.r,
                    "r_sd": 0.01,
                    "r_sd_subjects": 0.03,
                    "chosen": True,
                }
            )
            continue
        depths = np.linspace(0, 1, 6)
        profile = score.r * (1 - 0.6 * (depths - 0.6) ** 2) + noise.normal(0, 0.004, 6)
        if "t5" in score.model:
            names = ["encoder.embedding", "encoder.1", "encoder.final"]
            names += ["decoder.embedding", "decoder.1", "decoder.final"]
        else:
            names = ["embedding", *(f"layer.{i}" for i in range(1, 5)), "final"]
        best = int(np.argmax(profile)) if score.mode == "legacy" else -1
        for i, (name, depth, r) in enumerate(zip(names, depths, profile, strict=True)):
            rows.append(
                common
                | {
                    "layer": name,
                    "depth": depth,
                    "r": r,
                    "r_sd": 0.012,
                    "r_sd_subjects": 0.03,
                    "chosen": i == best,
                }
            )
        if score.mode == "controlled":
            rows.append(
                common
                | {
                    "layer": "nested",
                    "depth": 0.6,
                    "r": score.r,
                    "r_sd": 0.012,
                    "r_sd_subjects": 0.03,
                    "chosen": True,
                }
            )
    return pd.DataFrame(rows)


def subjects(table: pd.DataFrame, seed: int = 1) -> pd.DataFrame:
    """The table `subjects` that fits a table of scores: five subjects around every score."""
    noise = np.random.default_rng(seed)
    full = table[table["region"] == "all"]
    full = full.assign(held_out=np.where(full["mode"] == "controlled", "stimuli", ""))
    parts = []
    for subject in ("s1", "s2", "s3", "s4", "s5"):
        level = full["r"] + noise.normal(0, 0.01, len(full))
        parts += [
            full.assign(subject=subject, fold=fold, r=level + noise.normal(0, 0.01, len(full)))
            for fold in range(-1, 6)
        ]
    columns = ["model", "base", "family", "role", "dataset", "benchmark", "mode", "subject", "fold"]
    return pd.concat(parts, ignore_index=True)[
        [*columns, "held_out", "r", "n_targets", "simulated"]
    ]


TASKS = {
    "mmlu": ("STEM", "Humanities", "Social Sciences", "Others"),
    "bbh": ("algorithmic", "language understanding", "world knowledge", "multilingual", "others"),
}


def capabilities(
    families: Sequence[tuple[str, int, int]] = SMALL, simulated: bool = True, seed: int = 2
) -> pd.DataFrame:
    """capabilities.csv: accuracy grows with size and with tuning; baselines answer nothing."""
    noise = np.random.default_rng(seed)
    rows = []
    for row in models(families).query("role != 'baseline'").itertuples():
        for task, categories in TASKS.items():
            for category in ("all", *categories):
                level = 0.25 if row.role == "untrained" else 0.3
                level += 0.04 * (np.log10(row.parameters) - 6) + 0.08 * (row.role == "tuned")
                accuracy = float(np.clip(level + noise.normal(0, 0.02), 0.01, 0.99))
                rows.append(
                    row._asdict()
                    | {
                        "task": task,
                        "category": category,
                        "accuracy": accuracy,
                        "low": accuracy - 0.03,
                        "high": accuracy + 0.03,
                        "n": 400,
                        "n_truncated": 0,
                        "scoring": "loglikelihood",
                        "simulated": simulated,
                    }
                )
    return with_shared_answers(pd.DataFrame(rows).drop(columns="Index"))


def behaviors(
    families: Sequence[tuple[str, int, int]] = SMALL, simulated: bool = True, seed: int = 3
) -> pd.DataFrame:
    """behaviors.csv: r and |r| in legacy mode, covariate-controlled measures in the other."""
    noise = np.random.default_rng(seed)
    measures = {
        "legacy": ("r", "abs_r", "mean_bits"),
        "controlled": ("r", "partial_r", "delta_loglik_per_word", "mean_bits"),
    }
    rows = []
    for row in models(families).query("role != 'baseline'").itertuples():
        size = np.log10(row.parameters) - 6
        for mode, names in measures.items():
            r = 0.2 + 0.03 * size - 0.1 * (row.role == "untrained") + noise.normal(0, 0.02)
            values = {
                "r": r,
                "abs_r": abs(r),
                "partial_r": 0.6 * r,
                "delta_loglik_per_word": 0.02 * r,
                "mean_bits": 9 - 0.6 * size,
            }
            for measure in names:
                value = values[measure]
                rows.append(
                    row._asdict()
                    | {
                        "label": row.model,
                        "dataset": "reading",
                        "benchmark": f"reading-{mode}",
                        "mode": mode,
                        "measure": measure,
                        "value": value,
                        "low": 0.85 * value,
                        "high": 1.12 * value,
                        "interval": "stories",
                        "n": 2400,
                        "ceiling": 0.858 if "r" in measure.split("_") else np.nan,
                        "ceiling_method": "split-half" if "r" in measure.split("_") else "",
                        "ratio": value / 0.858 if "r" in measure.split("_") else np.nan,
                        "note": "",
                        "simulated": simulated,
                    }
                )
    return pd.DataFrame(rows).drop(columns="Index")


def stories(table: pd.DataFrame, n: int = 6) -> pd.DataFrame:
    """stories.csv of `behaviors`: each value in `n` stories around its own."""
    noise = np.random.default_rng(6)
    parts = []
    for story in range(n):
        around = table["value"] * (1 + noise.normal(0, 0.1, len(table)))
        parts.append(table.assign(kind="story", group=f"story{story}", value=around))
    return pd.concat(parts, ignore_index=True)


def reading_profiles(layers: pd.DataFrame) -> pd.DataFrame:
    """reading_profiles.csv of the models of `layers`, as if r there were added variance."""
    rows = layers[layers["mode"] == "controlled"]
    rows = rows[rows["benchmark"] == rows["benchmark"].iloc[0]]
    rows = rows.assign(dataset="reading", benchmark="reading-controlled", delta_r2=rows["r"] / 8)
    rows = rows.assign(low=rows["delta_r2"] - 0.01, high=rows["delta_r2"] + 0.01, note="")
    networks = rows[rows["role"] != "baseline"].assign(predictor="surprisal")
    return pd.concat([networks, rows.assign(predictor="states")], ignore_index=True)


def on_altered_texts(scores: pd.DataFrame) -> pd.DataFrame:
    """text_controls.csv of the networks of `scores`: each control keeps a part of r."""
    networks = scores[
        (scores["region"] == "all") & scores["role"].isin(["vanilla", "tuned", "untrained"])
    ]
    kept = {"shuffled:sentence": 0.8, "shuffled:passage": 0.4, "context:none": 0.6, "surrogate": 0}
    parts = [
        networks.assign(
            control=control,
            r_control=share * networks["r"],
            passed=share < 0.7,
            p_adjusted=np.where(networks["mode"] == "legacy", np.nan, share / 14),
        )
        for control, share in kept.items()
    ]
    return pd.concat(parts, ignore_index=True)


def in_presentations(table: pd.DataFrame) -> pd.DataFrame:
    """presentations.csv of `behaviors`: every model in its chat template too, a little better."""
    facts = table.drop_duplicates("model").set_index("model")
    chat = {name: f"{name}-as-chat" for name in facts.index}
    models = {
        name: {"presented": name, "presentation": "raw", **facts.loc[name, ["base", "family"]]}
        for name in facts.index
    }
    models |= {
        other: {**models[name], "presented": name, "presentation": "chat"}
        for name, other in chat.items()
    }
    other = table.assign(model=table["model"].map(chat), value=1.1 * table["value"])
    both = pd.concat([table, other], ignore_index=True)
    return presentation_contrasts(models, behaviors=both, stories=stories(both))


def losses(
    families: Sequence[tuple[str, int, int]] = SMALL, simulated: bool = True, seed: int = 4
) -> pd.DataFrame:
    """losses.csv of one text: the loss falls with size."""
    noise = np.random.default_rng(seed)
    table = models(families).query("role != 'baseline'").reset_index(drop=True)
    size = np.log10(table["parameters"].astype(float)) - 6
    bits = 1.6 - 0.1 * size + 0.5 * (table["role"] == "untrained")
    bits += noise.normal(0, 0.03, len(table))
    return table.assign(
        label=table["model"], text="held-out", bits_per_byte=bits, bits_per_word=5.8 * bits,
        tokens=5000, window=255, simulated=simulated,
    )  # fmt: skip


PUBLISHED = Path(__file__).parents[2] / "resources" / "published"


@functools.cache
def widths() -> pd.DataFrame:
    """tables/double_descent.csv."""
    return double_descent(pd.read_csv(PUBLISHED / "models.csv"))


def published() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """published_models, published_check, the paper's Table 2 and scores by width."""
    names = (
        "models", "ceilings", "capability_categories", "correlates", "improvement", "similarity",
    )  # fmt: skip
    tables = [pd.read_csv(PUBLISHED / f"{name}.csv") for name in names]
    return published_models(tables[0]), published_check(*tables, widths()), tables[2], widths()


def alignment(
    families: Sequence[tuple[str, int, int]] = SMALL, names: Sequence[str] = ("LIFG", "LATL")
) -> pd.DataFrame:
    """Alignment files of one benchmark below each other, with what the script adds."""
    curve = layers(families).query("benchmark == 'stories-controlled'")
    parts = [
        curve.assign(region=name, subject="all", fold=-1, n_targets=5, r=curve["r"] * (1 - 0.1 * i))
        for i, name in enumerate(names)
    ]
    parts.append(curve.assign(region="all", subject="all", fold=-1, n_targets=5 * len(names)))
    return pd.concat(parts, ignore_index=True)


def ceilings(names: Sequence[str] = ("LIFG", "LATL")) -> pd.DataFrame:
    """Summary rows of a ceiling file."""
    return pd.DataFrame(
        {"target_id": "all", "region": names, "ceiling": 0.2, "method": "split-half"}
    )


def dataset(
    seed: int = 0, subjects_count: int = 4, missing: float = 0.03
) -> tuple[pd.DataFrame, xr.Dataset, dict[str, object]]:
    """A prepared dataset: 5 stories of 30 fragments, two regions per subject."""
    rng = np.random.default_rng(seed)
    stimuli = pd.DataFrame(
        {
            "stimulus_id": [f"s{i}" for i in range(150)],
            "text": "the fox went home",
            "context_group": [f"story-{i // 30}" for i in range(150)],
            "position": range(150),
            "split_group": [f"story-{i // 30}" for i in range(150)],
            "onset": np.nan,
            "offset": np.nan,
        }
    )
    shared = rng.normal(size=(150, 1))
    values = 0.5 * shared + rng.normal(size=(150, 2 * subjects_count))
    values[rng.random(values.shape) < missing] = np.nan
    responses = xr.Dataset(
        {"responses": (("stimulus", "target"), values)},
        coords={
            "stimulus_id": ("stimulus", stimuli["stimulus_id"].to_numpy()),
            "target_id": ("target", [f"t{i}" for i in range(values.shape[1])]),
            "subject": ("target", [f"sub-{i // 2}" for i in range(values.shape[1])]),
            "region": ("target", ["LIFG", "LATL"] * subjects_count),
        },
        attrs={
            "kind": "brain", "units": "z", "source": "simulated world", "licence": "CC0",
            "simulated": 1,
        },
    )  # fmt: skip
    dropped = [{"what": "fragments", "n": 3, "why": "they hold no word"}]
    return stimuli, responses, {"dataset": "stories", "dropped": dropped}


def training_logs(
    families: Sequence[tuple[str, int, int]] = SMALL, steps: int = 120
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """Loss logs of all tuned models, and what is known of these models."""
    rng = np.random.default_rng(0)
    tuned = models(families).query("role == 'tuned'")
    logs = {
        name: pd.DataFrame(
            {
                "step": range(steps),
                "loss": 1 + 3 * np.exp(-np.arange(steps) / 40) + rng.normal(0, 0.1, steps),
            }
        )
        for name in tuned["model"]
    }
    facts = tuned[["model", "family", "role"]].assign(label=tuned["model"], simulated=True)
    return logs, facts


def target_contrasts(n_regions: int = 5, targets: int = 4, draws: int = 99) -> pd.DataFrame:
    """The rows of target_contrasts.csv of a pair: tuning raises r in the later regions alone."""
    noise = np.random.default_rng(7)
    regions = [f"area {i + 1}" for i in range(n_regions) for _ in range(targets)]
    subjects = ["s1", "s2", "s10"]
    n = len(subjects) * len(regions)
    shift = np.tile(np.linspace(0, 0.06, len(regions)), len(subjects))
    about = {
        "target_id": ("target", [f"t{i}" for i in range(n)]),
        "subject": ("target", np.repeat(subjects, len(regions))),
        "region": ("target", regions * len(subjects)),
    }
    tuned, vanilla = (
        xr.Dataset(
            {
                "r": ("target", 0.1 + gain * shift + noise.normal(0, 0.005, n)),
                "r_drawn": (("draw", "target"), noise.normal(0, 0.005, (draws, n))),
            },
            coords=about,
        )
        for gain in (1, 0)
    )
    return compare_targets(tuned, vanilla, 0.05)[1]


ARMS = ("instruction", "no-instruction", "shuffled", "continued")


def trajectory(seeds: int = 3, experiments: Sequence[str] = ("arms",)) -> pd.DataFrame:
    """trajectory.csv: every arm begins at its vanilla model and drifts apart with samples."""
    noise = np.random.default_rng(5)
    quantities = (
        ("brain", "average", "legacy", "r", 0.2), ("brain", "average", "controlled", "r", 0.1),
        *(("brain", d, mode, "r", 0.3) for d in DATASETS for mode in ("legacy", "controlled")),
        ("capability", "mmlu", None, "accuracy", 0.3),
        ("capability", "bbh", None, "accuracy", 0.1),
        ("next-word", "held-out", None, "bits_per_token", 1.2),
        ("reading-times", "reading", "legacy", "abs_r", 0.3),
    )  # fmt: skip
    gain = {"instruction": 0.02}
    rows = [
        {
            "experiment": experiment, "base": "sim-gpt-b", "arm": arm, "seed": seed,
            "along": "samples", "position": samples, "kind": kind, "quantity": quantity,
            "mode": mode, "model": f"sim-gpt-b-{arm}-s{seed}-{samples}" if samples else "sim-gpt-b",
            "measure": measure, "simulated": True,
            "value": start + (samples > 0) * (gain.get(arm, 0) + noise.normal(0, 0.01)),
        }
        for experiment in experiments
        for arm in ARMS
        for seed in range(seeds)
        for samples in (0, 500, 1000, 2500)
        for kind, quantity, mode, measure, start in quantities
    ]  # fmt: skip
    return pd.DataFrame(rows)


def stages() -> pd.DataFrame:
    """trajectory.csv of others' checkpoints: the steps of a pre-training, and a chain after it."""
    steps = {f"b-step{step}": step for step in (0, 64, 1000, 8000)} | {"b": 143000}
    chain = {"b": 0, "b-sft": 1, "b-dpo": 2, "b-instruct": 3}
    rows = [
        {
            "experiment": name, "base": "b", "arm": arm, "seed": 1, "along": along,
            "position": position, "model": model, "kind": kind, "quantity": quantity, "mode": mode,
            "measure": measure, "value": 0.1 + 0.01 * n, "simulated": False,
        }
        for name, arm, along, points in (
            ("pythia", "pre-training", "steps", steps), ("olmo", "stages", "stages", chain),
        )
        for n, (model, position) in enumerate(points.items())
        for kind, quantity, mode, measure in (
            ("brain", "average", "controlled", "r"), ("capability", "mmlu", "", "accuracy"),
        )
    ]  # fmt: skip
    return pd.DataFrame(rows)


def measured(count: int = 4) -> pd.DataFrame:
    """measured_published.csv of a study of real models that the paper has."""
    paper = pd.read_csv(PUBLISHED / "models.csv")
    names = list(paper["model"].head(count))
    table = scores([("t5", count, 0)], ("pereira2018", "blank2014", "wehbe2014"), simulated=False)
    trained = table[table["role"] == "vanilla"]
    known = dict(zip(trained["model"].unique(), names, strict=True))
    table = trained.assign(
        published=trained["model"].map(known), label=trained["model"].map(known),
        model=trained["model"].map(known),
    )  # fmt: skip
    return measured_beside_published(published_models(paper), table)


def fits(seed: int = 0) -> pd.DataFrame:
    """published_fits.csv of 26 models on mean times and 14 on Maze times."""
    noise = np.random.default_rng(seed)
    rows = []
    for index in range(40):
        release = "kuribayashi2024" if index < 26 else "michaelov2024"
        role = "tuned" if index < 26 and index % 5 == 0 else "vanilla"
        about = {"model": f"m{index}", "role": role, "release": release}
        gain = 0.005 + noise.random() / 100
        if index < 26:
            numbers = {
                "delta_loglik_per_word": (gain, gain / 2, gain / 2.5, gain),
                "slope_1_back": (-gain * 20, -gain * 21, gain * 40, np.nan),
            }
        else:
            numbers = {"aic": (133500 - 3e4 * gain, 133500 - 3e4 * gain, np.nan, gain)}
        rows += [
            {**about, "statistic": name, "published": published, "recomputed": recomputed,
             "in_place": aligned, "ours": ours}
            for name, (published, recomputed, aligned, ours) in numbers.items()
        ]  # fmt: skip
    return pd.DataFrame(rows)


def study(
    families: tuple[tuple[str, int, int], ...] = SMALL, datasets: tuple[str, ...] = DATASETS
) -> dict[str, pd.DataFrame]:
    """All tables of a study (shared: not to be changed); contrasts and correlations computed."""
    return _study(families, datasets)


@functools.cache  # takes an argument given and the same by default for two
def _study(
    families: tuple[tuple[str, int, int], ...], datasets: tuple[str, ...]
) -> dict[str, pd.DataFrame]:
    tables = {
        "scores": scores(families, datasets),
        "behaviors": behaviors(families),
        "capabilities": capabilities(families),
        "losses": losses(families),
    }
    complete = tables["scores"]
    return (
        tables
        | analysed(tables)
        | {
            "layers": layers(families, datasets),
            "profiles": layer_profiles(layers(families, datasets)),
            "baselines": against_baselines(complete, subjects(complete)),
            "mixed_effects": mixed_effects(complete, subjects(complete)),
            "reading_loss": reading_loss(tables["behaviors"], stories(tables["behaviors"])),
            "presentations": in_presentations(tables["behaviors"]),
            "reading_profiles": reading_profiles(layers(families, datasets)),
            "text_controls": on_altered_texts(complete),
        }
    )


def analysed(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """contrasts and correlations of what `tables` has."""
    more = {"subjects": subjects(tables["scores"])} if "scores" in tables else {}
    contrasted = {name: table for name, table in tables.items() if name != "losses"}
    return {
        "contrasts": contrasts(**contrasted, **more),
        "correlations": correlations(**tables),
    }
