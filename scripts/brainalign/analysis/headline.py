"""The study on one page: question, legacy answer, controlled answer."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from brainalign.analysis.averages import AVERAGE, dataset_scores
from brainalign.analysis.correlations import WITHIN
from brainalign.analysis.predictors import LOSS, MODELS, READ_LOSS, READING, SIZE, WHOLE, found_for
from brainalign.analysis.records import MODES
from brainalign.analysis.truth import CEILING, EFFECT, SCORE
from brainalign.analysis.wording import p_text, r_text, said

COLUMNS = ("data", "question", "legacy", "controlled", "simulated")
PUBLISHED = "published tables, Aw et al. 2024"
UNITS = {"tuned": "tuned models", "bases": "vanilla models (mean of their tuned ones)"}
NAMED = {
    "r": "r",
    "abs_r": "|r|",
    "delta_loglik_per_word": "Δ log-likelihood per word (nats)",
}
TRAINED = ["vanilla", "tuned"]
NONE = "not computable: the study has no"
LEVEL = 0.05  # of the tests behind a verdict

Answers = dict[str, str]


def headline(
    check: pd.DataFrame,
    scores: pd.DataFrame | None = None,
    contrasts: pd.DataFrame | None = None,
    correlations: pd.DataFrame | None = None,
    capabilities: pd.DataFrame | None = None,
    losses: pd.DataFrame | None = None,
    behaviors: pd.DataFrame | None = None,
    baselines: pd.DataFrame | None = None,
    reading_loss: pd.DataFrame | None = None,
    truth: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Put the study's answers into words.

    Parameters
    ----------
    check : tables/published_check.csv.
    scores, contrasts, correlations, capabilities, losses, behaviors, baselines, reading_loss, truth
        : tables of the same names, as far as the study has them.

    Returns
    -------
    `data` (what the row is about), `question`, `legacy`, `controlled`, `simulated`. Every answer
    states N and test, or why there is none.
    """
    rows: list[dict[str, object]] = []
    tables = (
        scores, contrasts, correlations, capabilities, losses, behaviors, baselines, reading_loss,
    )  # fmt: skip
    measured = [table for table in (scores, behaviors, capabilities) if table is not None]
    worlds = {bool(simulated) for table in measured for simulated in table["simulated"]}
    for simulated in sorted(worlds, reverse=True):
        own = [
            None if table is None else table[table["simulated"] == simulated] for table in tables
        ]
        data = "this study, simulated data" if simulated else "this study, real data"
        rows += [
            {"data": data, "question": question, **found, "simulated": simulated}
            for question, found in _study(simulated, *own)
        ]
        if simulated and truth is not None:
            question = "Is a planted effect of tuning found, and none where none is planted?"
            answers = {"legacy": "controlled benchmarks only", "controlled": _planted(truth)}
            rows.append({"data": data, "question": question, **answers, "simulated": True})
    rows += [
        {"data": PUBLISHED, "question": question, **found, "simulated": False}
        for question, found in _published(check)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def as_text(table: pd.DataFrame) -> str:
    """The headline table for a terminal: a block per question."""
    lines = []
    for data, part in table.groupby("data", sort=False):
        lines += ["", str(data), "=" * len(str(data))]
        for row in part.to_dict("records"):
            lines.append(row["question"])
            lines += [f"  {mode:<11}{row[mode]}" for mode in MODES]
    return "\n".join(lines[1:])


def _study(
    simulated: bool,
    scores: pd.DataFrame | None,
    contrasts: pd.DataFrame | None,
    correlations: pd.DataFrame | None,
    capabilities: pd.DataFrame | None,
    losses: pd.DataFrame | None,
    behaviors: pd.DataFrame | None,
    baselines: pd.DataFrame | None,
    reading_loss: pd.DataFrame | None,
) -> Iterator[tuple[str, Answers]]:
    """Questions and answers of what was measured on simulated data, or on real."""
    tasks = _names(capabilities, "task")
    if scores is not None and len(scores):
        yield from _alignment(
            scores, contrasts, correlations, baselines, tasks, _names(losses, "text"), simulated
        )
    for dataset in _names(behaviors, "dataset"):
        if not _paired(contrasts, "reading-times", simulated, dataset):
            yield (
                f"Do models predict reading times ({dataset})?",
                _each(partial(_prediction, behaviors, dataset)),
            )
            continue
        yield (
            f"Does instruction tuning raise the fit to reading times ({dataset})?",
            _each(partial(_gain, contrasts, READING, simulated, dataset)),
        )
        if reading_loss is not None and (reading_loss["dataset"] == dataset).any():
            yield (
                f"Does it raise the fit by more than its loss of prediction explains ({dataset})?",
                _each(partial(_beyond_loss, reading_loss, dataset)),
            )
    for task in tasks:
        answer = _accuracy(capabilities, contrasts, task)
        yield f"Are tuned models better at {task}?", dict.fromkeys(MODES, answer)


def _paired(contrasts: pd.DataFrame | None, kind: str, simulated: bool, dataset: str) -> bool:
    """Whether the study has a pair of a tuned and a vanilla model with scores on a dataset."""
    if contrasts is None:
        return False
    rows = contrasts[(contrasts["kind"] == kind) & (contrasts["dataset"] == dataset)]
    pairs = rows[(rows["simulated"] == simulated) & (rows["level"] == "pair")]
    return bool(pairs["absolute"].notna().any())


def _prediction(behaviors: pd.DataFrame | None, dataset: str, mode: str) -> str:
    """Which trained models have a fit whose interval lies above 0, beside untrained ones."""
    if behaviors is None:
        return _no_benchmark(mode, dataset)
    rows = behaviors[
        (behaviors["dataset"] == dataset)
        & (behaviors["mode"] == mode)
        & (behaviors["measure"] == READING[mode])
    ].dropna(subset=["value"])
    trained = rows[rows["role"].isin(TRAINED)]
    if trained.empty:
        return _no_benchmark(mode, dataset) if rows.empty else f"{NONE} trained model with a score"
    above, n = int((trained["low"] > 0).sum()), len(trained)
    verdict = "yes" if above == n else "not shown" if above == 0 else "some do"
    name = NAMED[READING[mode]]
    text = f"{verdict}: {name} {_change(trained['value'].mean())}"
    if n == 1:
        low, high = trained[["low", "high"]].iloc[0]
        over = trained["interval"].iloc[0]
        text += f" [{_change(low)}, {_change(high)}] over {over}, 1 trained model"
    else:
        text += f" on average, interval above 0 in {above} of {n} trained models"
    untrained = rows.loc[rows["role"] == "untrained", "value"]
    return text + (f"; untrained {_change(untrained.mean())}" if len(untrained) else "")


def _no_benchmark(mode: str, dataset: str) -> str:
    return f"{NONE} {mode} benchmark of {'brain data' if dataset == AVERAGE else dataset}"


def _planted(truth: pd.DataFrame) -> str:
    """The planted effects beside the estimates, and how many other planted values are covered."""
    effects = truth[truth["question"] == EFFECT]
    average = effects[effects["dataset"] == AVERAGE]
    parts = [
        f"planted {_change(row['planted'])}: {_change(row['estimate'])} "
        f"[{_change(row['low'])}, {_change(row['high'])}], {p_text(row['p'])} ({row['scope']})"
        for row in (average if len(average) else effects).to_dict("records")
    ]
    for question in (SCORE, CEILING):
        rows = truth[truth["question"] == question]
        if len(rows):
            n = int((rows["covered"] == "yes").sum())
            parts.append(f"{question} within its interval on {n} of {len(rows)} datasets")
    return "; ".join(parts)


def _beyond_loss(table: pd.DataFrame, dataset: str, mode: str) -> str:
    """The verdict on tuning at equal surprisal, and the difference."""
    if not ((table["dataset"] == dataset) & (table["mode"] == mode)).any():
        return _no_benchmark(mode, dataset)
    rows = table[
        (table["dataset"] == dataset)
        & (table["mode"] == mode)
        & (table["measure"] == READING[mode])
        & (table["loss"] == READ_LOSS)
        & (table["model"] == "all")
    ]
    found = rows.set_index("method").to_dict("index")
    equal = found.get("given loss")
    if equal is None:
        return "not computable: no pair of a tuned and a vanilla model"
    if np.isnan(equal["low"]):
        return said(equal["note"]) or "not computable: too few vanilla models"
    verdict = "yes" if equal["low"] > 0 else "no, by less" if equal["high"] < 0 else "not shown"
    return (
        f"{verdict}: change in {NAMED[READING[mode]]} at equal surprisal "
        f"{_change(equal['difference'])} [{_change(equal['low'])}, {_change(equal['high'])}], "
        f"{_over_bases(equal)}"
    )


def _names(table: pd.DataFrame | None, column: str) -> list[str]:
    return [] if table is None else list(table[column].unique())


def _alignment(
    scores: pd.DataFrame,
    contrasts: pd.DataFrame | None,
    correlations: pd.DataFrame | None,
    baselines: pd.DataFrame | None,
    tasks: list[str],
    texts: list[str],
    simulated: bool,
) -> Iterator[tuple[str, Answers]]:
    """What alignment answers to: tuning, baselines, training, and its correlates."""
    facts = scores.drop_duplicates("model").set_index("model")[["role", "family", "parameters"]]
    aligned = dataset_scores(scores).dropna(subset=["r"]).join(facts, on="model")
    yield (
        "Does instruction tuning raise brain alignment?",
        _each(partial(_gain, contrasts, dict.fromkeys(MODES, "r"), simulated, AVERAGE)),
    )
    yield (
        "Do language models beat the baselines without a network?",
        _each(partial(_against_baselines, aligned, baselines)),
    )
    yield (
        "Do trained models beat untrained ones?",
        _each(partial(_against_untrained, aligned)),
    )
    for x, name in ((SIZE, "size"), *((task, task) for task in tasks)):
        yield (
            f"Does alignment grow with {name}?",
            _each(partial(_correlation, correlations, x, simulated)),
        )
    for text in texts:
        yield (
            f"Does alignment go with next-word loss ({text})?",
            _each(partial(_correlation, correlations, f"{LOSS} {text}", simulated)),
        )
    for task in tasks:
        for x, name, given, held in ((task, task, SIZE, "size"), (SIZE, "size", task, task)):
            yield (
                f"Does it grow with {name} among models of equal {held}?",
                _each(partial(_correlation, correlations, x, simulated, given=given)),
            )


def _each(answer: Callable[[str], str]) -> Answers:
    return {mode: answer(mode) for mode in MODES}


def _gain(
    contrasts: pd.DataFrame | None,
    measures: dict[str, str],
    simulated: bool,
    dataset: str,
    mode: str,
) -> str:
    """The verdict, then the mean change over vanilla models with its interval and test, and for
    whom these speak.

    The relative change is the paper's, over pairs: for an average, the mean over its datasets. It
    is left out where a pair has none or a change takes a score below 0.
    """
    if contrasts is None:
        return f"{NONE} table of contrasts"
    rows = contrasts[
        (contrasts["mode"] == mode)
        & (contrasts["measure"] == measures[mode])
        & (contrasts["simulated"] == simulated)
        & (contrasts["dataset"] == dataset)
    ]
    kind = "brain" if dataset == AVERAGE else "reading-times"
    if rows.empty and _paired(contrasts, kind, simulated, dataset):
        return _no_benchmark(mode, dataset)
    overall = rows[rows["level"] == "overall"].set_index("unit").to_dict("index")
    pairs = rows[(rows["level"] == "pair") & rows["absolute"].notna()]
    if not {"pairs", "bases"} <= set(overall) or pairs.empty:
        return "not computable: no pair of a tuned and a vanilla model"
    mean = overall["bases"]
    text = f"{_verdict(mean)}: change in {NAMED[measures[mode]]} {_change(mean['absolute'])}"
    if pd.notna(mean["low"]):
        text += f" [{_change(mean['low'])}, {_change(mean['high'])}]"
    text += f"; {_over_bases(mean)}"
    relative = overall["pairs"]["relative_by_dataset" if dataset == AVERAGE else "relative"]
    if pd.notna(relative) and (pairs["relative"] > -1).all():
        text += f"; relative {_percent(relative)}"
    return f"{text}; {int((pairs['absolute'] > 0).sum())} of {len(pairs)} pairs gain"


def _verdict(tested: Mapping[Any, Any]) -> str:
    """What a two-sided test at .05 says of a rise, and whether it takes the stimuli as they are."""
    p = _p(tested)
    if pd.isna(p):
        return "not testable"
    if p >= LEVEL:
        return "not shown"
    verdict = "yes" if tested["absolute"] > 0 else "no, it lowers it"
    return verdict + (" (for these stimuli)" if pd.isna(tested["p"]) else "")


def _p(tested: Mapping[Any, Any]) -> float:
    """p for new stimuli, where there is none for these."""
    return float(tested["p"] if pd.notna(tested["p"]) else tested["p_these_stimuli"])


def _over_bases(tested: Mapping[Any, Any]) -> str:
    """The test of a contrast over vanilla models, and for whom it speaks."""
    n = f"{tested['n']:.0f} vanilla model{'s' * (tested['n'] != 1)}"
    p = _p(tested)
    if pd.isna(p):
        return f"not testable over {n}"
    return f"{p_text(p)} over {n} ({tested['scope']})"


def _change(value: Any) -> str:
    return f"{value:+.4f}".replace("-", "−")


def _percent(share: Any) -> str:
    return f"{100 * share:+.1f} %".replace("-", "−")


def _against_baselines(aligned: pd.DataFrame, differences: pd.DataFrame | None, mode: str) -> str:
    """Every model beside the best baseline, and the mean model: no maximum beside a maximum.

    On single datasets those models are counted whose interval lies above every baseline (an
    intersection-union test: each comparison at its level keeps the level of all).
    """
    own = aligned[aligned["mode"] == mode]
    networks = own[own["role"].isin(TRAINED)]
    best = own[own["role"] == "baseline"].sort_values("r", ascending=False)
    best = best.drop_duplicates("dataset").set_index("dataset")
    means = networks.groupby("dataset")["r"].mean()
    if AVERAGE not in best.index or AVERAGE not in means.index:
        return _missing(
            aligned, mode, {"vanilla or tuned model": TRAINED, "baseline": ["baseline"]}
        )
    levels, names = best["r"].to_dict(), best["model"].to_dict()
    level = levels[AVERAGE]
    averages = networks.loc[networks["dataset"] == AVERAGE, "r"]
    text = (
        f"{int((averages > level).sum())} of {len(averages)} do, averaged over datasets; mean "
        f"model {r_text(means[AVERAGE], 3)}, best baseline {r_text(level, 3)} ({names[AVERAGE]})"
    )
    if differences is not None:
        compared = (differences["mode"] == mode) & differences["dataset"].isin(own["dataset"])
        text += _above_all(differences[compared])
    lost = [
        f"{dataset} ({names[dataset]} {r_text(levels[dataset], 3)}, mean model {r_text(mean, 3)})"
        for dataset, mean in means.to_dict().items()
        if dataset != AVERAGE and levels.get(dataset, -1.0) > mean
    ]
    return text + (f"; the best baseline beats the mean model on {', '.join(lost)}" if lost else "")


def _above_all(differences: pd.DataFrame) -> str:
    """On how many benchmarks the intervals of how many models lie above every baseline."""
    rows = differences[differences["against_role"] == "baseline"]
    counts = []
    for benchmark, part in rows.groupby("benchmark", sort=False):
        least = part.groupby("model")["low"].min()
        if part["low"].notna().all():
            stimuli = " or ".join(part["scope"].str.rpartition(", ")[2].unique())
            counts.append(f"{int((least > 0).sum())} of {len(least)} on {benchmark} ({stimuli})")
    return f"; intervals above every baseline: {', '.join(counts)}" if counts else ""


def _missing(aligned: pd.DataFrame, mode: str, needed: Mapping[str, list[str]]) -> str:
    """Which of the roles `needed` (name → roles) has no alignment on every dataset of a mode."""
    own = aligned[aligned["mode"] == mode]
    if own.empty:
        return f"{NONE} benchmark of alignment in {mode} mode"
    whole = own[own["dataset"] == AVERAGE]
    absent = [name for name, roles in needed.items() if not whole["role"].isin(roles).any()]
    return f"{NONE} {' and no '.join(absent)} with an alignment on every dataset"


def _against_untrained(aligned: pd.DataFrame, mode: str) -> str:
    """Each untrained model beside the mean of the trained ones of its family and size."""
    own = aligned[aligned["mode"] == mode]
    trained, untrained = (own[own["role"].isin(roles)] for roles in (TRAINED, ["untrained"]))
    averages = [part.loc[part["dataset"] == AVERAGE, "r"] for part in (trained, untrained)]
    if any(part.empty for part in averages):
        return _missing(
            aligned, mode, {"vanilla or tuned model": TRAINED, "untrained model": ["untrained"]}
        )
    alike = ["dataset", "family", "parameters"]
    partners = trained.dropna(subset=alike).groupby(alike, as_index=False)["r"].mean()
    pairs = untrained.merge(partners, on=alike, suffixes=("", "_trained"))
    whole = pairs[pairs["dataset"] == AVERAGE]
    if whole.empty:
        return (
            f"mean of {len(averages[0])} trained {r_text(averages[0].mean(), 3)}, of "
            f"{len(averages[1])} untrained {r_text(averages[1].mean(), 3)}, averaged over "
            "datasets; unpaired means (none share family and size), no test"
        )
    text = (
        f"trained ones are better in {int((whole['r_trained'] > whole['r']).sum())} of "
        f"{len(whole)} cases of one family and size, averaged over datasets; mean trained "
        f"{r_text(whole['r_trained'].mean(), 3)}, untrained {r_text(whole['r'].mean(), 3)}"
    )
    means = pairs[pairs["dataset"] != AVERAGE].groupby("dataset")[["r", "r_trained"]].mean()
    lost = [
        f"{dataset} ({r_text(row['r'], 3)}, trained {r_text(row['r_trained'], 3)})"
        for dataset, row in means.iterrows()
        if row["r"] > row["r_trained"]
    ]
    alone = len(averages[1]) - len(whole)
    text += f"; {alone} more have no trained one of their size" if alone else ""
    text += f"; untrained ones are better on {', '.join(lost)}" if lost else ""
    return f"{text}; no test here (per model: baselines.csv)"


def _correlation(
    correlations: pd.DataFrame | None, x: str, simulated: bool, mode: str, given: str = ""
) -> str:
    """Pearson's r of alignment with `x`, or the partial one, `given` held fixed."""
    if correlations is None:
        return f"{NONE} table of correlations"
    models = MODELS[mode]
    found = found_for(correlations, f"brain {AVERAGE}", mode, simulated)
    method = "partial" if given else "pearson"
    rows = found[(found["x"] == x) & (found["models"] == models) & (found["method"] == method)]
    rows = rows[rows["controlled_for"].fillna("") == given]
    if rows.empty:
        return f"{NONE} {UNITS[models]} with {x} and an alignment in {mode} mode"
    row = rows.iloc[0]
    if pd.isna(row["r"]):
        return said(row["note"]) or f"not computable with N = {row['n']:.0f}"
    name = "partial r" if given else "r"
    text = f"{name} = {r_text(row['r'])}, {p_text(row['p'])} (these stimuli)"
    text += f", N = {row['n']:.0f} {UNITS[models]}"
    if row["n_bases"] < row["n"]:
        why = said(row["note"]) if pd.isna(row["p"]) else ""
        return (
            f"{text} of {row['n_bases']:.0f} vanilla ones ({why}{'; ' * bool(why)}"
            f"taking models as independent, as the paper does, {p_text(row['p_independent'])})"
        )
    within = found[(found["x"] == x) & (found["method"] == WITHIN) & found["r"].notna()]
    if not given and len(within):
        other = within.iloc[0]
        text += (
            f"; p takes models of one family as independent: around the means of the "
            f"{row['n_families']:.0f} families r = {r_text(other['r'])}, {p_text(other['p'])}"
        )
    return text


def _accuracy(capabilities: pd.DataFrame | None, contrasts: pd.DataFrame | None, task: str) -> str:
    if capabilities is None:
        return f"{NONE} table of capabilities"
    rows = capabilities[(capabilities["task"] == task) & (capabilities["category"] == WHOLE)]
    by_model = rows.drop_duplicates("model").set_index("model")
    tuned = by_model[by_model["role"] == "tuned"]
    partner = by_model["accuracy"].reindex(tuned["base"]).to_numpy()
    both = ~np.isnan(partner)
    if not both.any():
        return "not computable: no pair of a tuned and a vanilla model"
    accuracy, partner = tuned["accuracy"].to_numpy()[both], partner[both]
    text = (
        f"{int((accuracy > partner).sum())} of {both.sum()} are; mean accuracy tuned "
        f"{r_text(accuracy.mean(), 3)}, vanilla {r_text(partner.mean(), 3)}"
    )
    if contrasts is None:
        return text
    world = bool(tuned["simulated"].iloc[0])
    rows = contrasts[(contrasts["kind"] == "capability") & (contrasts["dataset"] == WHOLE)]
    rows = rows[(rows["benchmark"] == task) & (rows["simulated"] == world)]
    overall = rows[(rows["level"] == "overall") & (rows["unit"] == "bases")]
    better = rows[(rows["level"] == "pair") & (rows["absolute"] > 0)]
    return (
        f"{text}; better by McNemar's test (adjusted p < .05): "
        f"{int((better['p_adjusted'] < 0.05).sum())}; {_over_bases(overall.iloc[0].to_dict())}"
    )


def _published(check: pd.DataFrame) -> Iterator[tuple[str, Answers]]:
    by_name = check.drop_duplicates("quantity").set_index("quantity")

    def value(quantity: str) -> float:
        return float(by_name["recomputed"].get(quantity, np.nan))

    def tuned(quantity: str) -> str:
        return f"{by_name['n'].get(quantity, np.nan):.0f} tuned models"

    def as_printed(what: str) -> str:
        r, p = (f"Pearson {name}, average × {what}, tuned models" for name in "rp")
        text = f"r = {r_text(value(r))}, {p_text(value(p))}"
        return f"{text} taking models as independent, N = {tuned(r)}"

    def partially(what: str) -> str:
        r = f"partial r, average × {what}"
        p = f"p over vanilla models, average × {what}, tuned models"
        over = f"over {by_name['n'].get(p, np.nan):.0f} vanilla models"
        text = f"partial r = {r_text(value(r))}, {p_text(value(p))} {over}"
        return f"{text}, N = {tuned(r)}"

    def tested(p: str, units: str) -> str:
        return f"Wilcoxon over {by_name['n'].get(p, np.nan):.0f} {units} {p_text(value(p))}"

    gain = value("mean relative gain over models and datasets")
    yield (
        "Does instruction tuning raise brain alignment?",
        {
            "legacy": f"mean gain {_percent(gain)}; "
            + tested("Wilcoxon p, tuned against vanilla average", "pairs taken as independent"),
            "controlled": tested("Wilcoxon p, one value per base model", "vanilla models"),
        },
    )
    yield (
        "Does alignment grow with size?",
        {
            "legacy": as_printed("log10_parameters"),
            "controlled": f"at equal MMLU: {partially('log10_parameters given mmlu')}",
        },
    )
    yield (
        "Does it grow with world knowledge (MMLU)?",
        {
            "legacy": as_printed("mmlu"),
            "controlled": f"at equal size: {partially('mmlu given log10_parameters')}",
        },
    )
    what = "Pearson r over widths, blank2014 × features of time alone"
    some, whole = f"{what}, up to 4096 units", f"{what}, all widths"
    yield (
        "Is the Blank2014 column about language?",
        {
            "legacy": "simulated states that hold time alone follow it: "
            f"r = {r_text(value(some))} over {by_name['n'].get(some, np.nan):.0f} widths "
            "up to 4096 units, "
            f"{r_text(value(whole))} over all {by_name['n'].get(whole, np.nan):.0f}",
            "controlled": f"{NONE} printed score with whole stories held out",
        },
    )
