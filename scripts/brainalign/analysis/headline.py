"""The study on one page: question, legacy answer, controlled answer."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from brainalign.analysis.averages import AVERAGE, dataset_scores
from brainalign.analysis.correlations import WITHIN
from brainalign.analysis.predictors import LOSS, MODELS, SIZE, WHOLE, found_for
from brainalign.analysis.records import MODES
from brainalign.analysis.truth import CEILING, EFFECT, SCORE
from brainalign.analysis.verdicts import (
    CANNOT_TELL,
    CORRELATION,
    LEVEL,
    NO,
    PARTIAL,
    YES,
    Answer,
    of_every,
    of_interval,
    of_test,
)
from brainalign.analysis.wording import counted, p_text, r_text, said, signed
from brainalign.behavior.fits import READ_LOSS, READING

PER_MODE = ("verdict", "line", "measure", "effect", "low", "high")
COLUMNS = (
    "data", "question", "legacy", "controlled", "simulated",
    *(f"{mode}_{name}" for mode in MODES for name in PER_MODE),
)  # fmt: skip
PUBLISHED = "published tables, Aw et al. 2024"
UNITS = {"tuned": "tuned model", "bases": "vanilla model"}
MEAN_OF_TUNED = {"tuned": "", "bases": " (mean of their tuned ones)"}
NAMED = {
    "r": "r",
    "abs_r": "|r|",
    "delta_loglik_per_word": "Δ log-likelihood per word (nats)",
}
TRAINED = ["vanilla", "tuned"]
NONE = "not computable: the study has no"
NO_PAIR = "not computable: no pair of a tuned and a vanilla model"

Answers = dict[str, Answer]


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
    COLUMNS: `data` (what the row is about), `question`, `legacy`, `controlled` (statistics in
    words: N and test, or why there is none), `simulated`; for each mode `verdict` (yes, no, cannot
    tell), `line` (one sentence), and `measure`, `effect`, `low`, `high` (the estimate behind it and
    its 95 % interval; NaN where there is none).
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
            _row(data, question, answers, simulated)
            for question, answers in _study(simulated, *own)
        ]
        if simulated and truth is not None:
            question = "Is a planted effect of tuning found, and none where none is planted?"
            answers = {
                "legacy": Answer("controlled benchmarks only"),
                "controlled": _planted(truth),
            }
            rows.append(_row(data, question, answers, True))
    rows += [_row(PUBLISHED, question, answers, False) for question, answers in _published(check)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def as_text(table: pd.DataFrame) -> str:
    """The headline table with all statistics: a block per question."""
    lines = []
    for data, part in table.groupby("data", sort=False):
        lines += ["", str(data), "=" * len(str(data))]
        for row in part.to_dict("records"):
            lines.append(row["question"])
            lines += [f"  {mode:<11}{row[f'{mode}_verdict']}: {row[mode]}" for mode in MODES]
    return "\n".join(lines[1:])


def as_verdicts(table: pd.DataFrame) -> str:
    """The headline table for a terminal: a line per question with both verdicts.

    Questions after the first that have no answer in either mode are counted in one line.
    """
    width = len(CANNOT_TELL) + 2
    lines = []
    for data, part in table.groupby("data", sort=False):
        lines.append("".join(f"{mode:<{width}}" for mode in MODES) + f"[{data}]")
        unanswered = 0
        for place, row in enumerate(part.to_dict("records")):
            verdicts = [str(row[f"{mode}_verdict"]) for mode in MODES]
            if place and set(verdicts) == {CANNOT_TELL}:
                unanswered += 1
            else:
                lines.append("".join(f"{word:<{width}}" for word in verdicts) + row["question"])
        if unanswered:
            more = counted(unanswered, "more question")
            lines.append(f"{CANNOT_TELL:<{width}}" * len(MODES) + more)
    return "\n".join(lines)


def _row(data: str, question: str, answers: Answers, simulated: bool) -> dict[str, object]:
    row: dict[str, object] = {"data": data, "question": question, "simulated": simulated}
    for mode, answer in answers.items():
        row[mode] = answer.text
        row |= {f"{mode}_{name}": getattr(answer, name) for name in PER_MODE}
    return row


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


def _prediction(behaviors: pd.DataFrame | None, dataset: str, mode: str) -> Answer:
    """How many trained models have a fit whose interval lies above 0, beside untrained ones."""
    if behaviors is None:
        return _no_benchmark(mode, dataset)
    rows = behaviors[
        (behaviors["dataset"] == dataset)
        & (behaviors["mode"] == mode)
        & (behaviors["measure"] == READING[mode])
    ].dropna(subset=["value"])
    trained = rows[rows["role"].isin(TRAINED)]
    if trained.empty:
        return (
            _no_benchmark(mode, dataset)
            if rows.empty
            else Answer(f"{NONE} trained model with a score")
        )
    above, below, n = trained["low"] > 0, trained["high"] < 0, len(trained)
    name, mean = NAMED[READING[mode]], float(trained["value"].mean())
    text = f"{name} {signed(mean)}"
    low = high = np.nan
    basis = f"on average over {counted(n, 'trained model')}"
    reason = f"the interval of {above.sum()} of {n} lies above 0"
    if n == 1:
        low, high = (float(end) for end in trained[["low", "high"]].iloc[0])
        over = trained["interval"].iloc[0]
        text += f" [{signed(low)}, {signed(high)}] over {over}, 1 trained model"
        basis, reason = "of one trained model", ""
    else:
        text += f" on average, interval above 0 in {above.sum()} of {n} trained models"
    untrained = rows.loc[rows["role"] == "untrained", "value"]
    text += f"; untrained {signed(untrained.mean())}" if len(untrained) else ""
    return Answer(text, of_every(above, below), mean, low, high, name, basis, reason)


def _no_benchmark(mode: str, dataset: str) -> Answer:
    return Answer(f"{NONE} {mode} benchmark of {'brain data' if dataset == AVERAGE else dataset}")


def _planted(truth: pd.DataFrame) -> Answer:
    """The planted effects beside the estimates, and how many other planted values are covered."""
    effects = truth[truth["question"] == EFFECT]
    average = effects[effects["dataset"] == AVERAGE]
    effects = average if len(average) else effects
    parts = [
        f"planted {signed(row['planted'])}: {signed(row['estimate'])} "
        f"[{signed(row['low'])}, {signed(row['high'])}], {p_text(row['p'])} ({row['scope']})"
        for row in effects.to_dict("records")
    ]
    for question in (SCORE, CEILING):
        rows = truth[truth["question"] == question]
        if len(rows):
            n = int((rows["covered"] == "yes").sum())
            parts.append(f"{question} within its interval on {n} of {len(rows)} datasets")
    text = "; ".join(parts)
    if effects.empty:
        return Answer(text or "not computable: nothing was planted")
    seen = (effects["planted"] <= 0) | (effects["low"] > 0)
    seen &= (effects["planted"] >= 0) | (effects["high"] < 0)
    covered = effects["covered"]
    verdict = NO if (covered == "no").any() else CANNOT_TELL
    if (covered == "yes").all() and seen.all():
        verdict = YES
    largest = effects.sort_values("planted").iloc[-1]
    return Answer(
        text, verdict, largest["estimate"], largest["low"], largest["high"],
        "change in r", f"where {signed(largest['planted'])} is planted",
    )  # fmt: skip


def _beyond_loss(table: pd.DataFrame, dataset: str, mode: str) -> Answer:
    """The difference that tuning makes at equal surprisal; its interval gives the verdict."""
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
        return Answer(NO_PAIR)
    if np.isnan(equal["low"]):
        return Answer(said(equal["note"]) or "not computable: too few vanilla models")
    measure = f"change in {NAMED[READING[mode]]} at equal surprisal"
    ends = equal["difference"], equal["low"], equal["high"]
    text = f"{measure} {signed(ends[0])} [{signed(ends[1])}, {signed(ends[2])}]"
    return Answer(
        f"{text}, {_over_bases(equal)}", of_interval(*ends[1:]), *ends, measure, _basis(equal)
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
        _each(partial(_against_untrained, aligned, baselines)),
    )
    for x, name in ((SIZE, "size"), *((task, task) for task in tasks)):
        yield (
            f"Does alignment grow with {name}?",
            _each(partial(_correlation, correlations, x, simulated)),
        )
    for text in texts:
        yield (
            f"Does alignment grow with next-word loss ({text})?",
            _each(partial(_correlation, correlations, f"{LOSS} {text}", simulated)),
        )
    for task in tasks:
        for x, name, given, held in ((task, task, SIZE, "size"), (SIZE, "size", task, task)):
            yield (
                f"Does alignment grow with {name} among models of equal {held}?",
                _each(partial(_correlation, correlations, x, simulated, given=given)),
            )


def _each(answer: Callable[[str], Answer]) -> Answers:
    return {mode: answer(mode) for mode in MODES}


def _gain(
    contrasts: pd.DataFrame | None,
    measures: dict[str, str],
    simulated: bool,
    dataset: str,
    mode: str,
) -> Answer:
    """The mean change over vanilla models with its interval and test, and for whom these speak.

    The relative change is the paper's, over pairs: for an average, the mean over its datasets. It
    is left out where a pair has none or a change takes a score below 0.
    """
    if contrasts is None:
        return Answer(f"{NONE} table of contrasts")
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
        return Answer(NO_PAIR)
    mean = overall["bases"]
    effect, low, high = (float(mean[name]) for name in ("absolute", "low", "high"))
    measure = f"change in {NAMED[measures[mode]]}"
    text = f"{measure} {signed(effect)}"
    if pd.notna(low):
        text += f" [{signed(low)}, {signed(high)}]"
    text += f"; {_over_bases(mean)}"
    relative = overall["pairs"]["relative_by_dataset" if dataset == AVERAGE else "relative"]
    if pd.notna(relative) and (pairs["relative"] > -1).all():
        text += f"; relative {_percent(relative)}"
    text += f"; {_gaining(int((pairs['absolute'] > 0).sum()), len(pairs))}"
    p = _p(mean)
    verdict = of_test(effect, p)
    reason = "" if pd.notna(low) else "not testable" if pd.isna(p) else p_text(p)
    return Answer(text, verdict, effect, low, high, measure, _basis(mean), reason)


def _gaining(gaining: int, pairs: int) -> str:
    if pairs == 1:
        return "the one pair gains" if gaining else "the one pair does not gain"
    return f"{gaining} of {pairs} pairs gain"


def _p(tested: Mapping[Any, Any]) -> float:
    """p for new stimuli, where there is none for these."""
    return float(tested["p"] if pd.notna(tested["p"]) else tested["p_these_stimuli"])


def _basis(tested: Mapping[Any, Any]) -> str:
    """What a mean over vanilla models is over, and whether it takes the stimuli as they are."""
    these = pd.isna(tested["p"]) and pd.notna(tested["p_these_stimuli"])
    models = counted(tested["n"], "vanilla model")
    return f"over {models}" + " (for these stimuli)" * bool(these)


def _over_bases(tested: Mapping[Any, Any]) -> str:
    """The test of a contrast over vanilla models, and for whom it speaks."""
    n = counted(tested["n"], "vanilla model")
    p = _p(tested)
    if pd.isna(p):
        return f"not testable over {n}"
    return f"{p_text(p)} over {n} ({tested['scope']})"


def _percent(share: Any) -> str:
    return f"{100 * share:+.1f} %".replace("-", "−")


def _against_baselines(
    aligned: pd.DataFrame, differences: pd.DataFrame | None, mode: str
) -> Answer:
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
    lost = [
        f"{dataset} ({names[dataset]} {r_text(levels[dataset], 3)}, mean model {r_text(mean, 3)})"
        for dataset, mean in means.to_dict().items()
        if dataset != AVERAGE and levels.get(dataset, -1.0) > mean
    ]
    worse = f"; the best baseline beats the mean model on {', '.join(lost)}" if lost else ""
    gap = float(means[AVERAGE] - level)
    measure = f"mean model minus the best baseline ({names[AVERAGE]}), in r"
    if differences is None:
        return Answer(text + worse, effect=gap, measure=measure)
    compared = (differences["mode"] == mode) & differences["dataset"].isin(own["dataset"])
    compared &= differences["against_role"] == "baseline"
    counts, above, below = _beside_every_baseline(differences[compared])
    text += f"; intervals above every baseline: {', '.join(counts)}" if counts else ""
    reason = f"above every baseline {', '.join(counts)}" if counts else "no intervals"
    return Answer(text + worse, of_every(above, below), gap, measure=measure, reason=reason)


def _beside_every_baseline(
    differences: pd.DataFrame,
) -> tuple[list[str], pd.Series, pd.Series]:
    """On each benchmark, how many models have intervals above every baseline.

    Returns
    -------
    A count in words per benchmark with intervals; and, a row per benchmark and model, whether its
    interval lies above every baseline, and whether it lies below some baseline.
    """
    counts = []
    known = [
        part
        for _, part in differences.groupby("benchmark", sort=False)
        if part["low"].notna().all()
    ]
    for part in known:
        least = part.groupby("model")["low"].min()
        stimuli = " or ".join(part["scope"].str.rpartition(", ")[2].unique())
        counts.append(
            f"{int((least > 0).sum())} of {len(least)} on {part['benchmark'].iloc[0]} ({stimuli})"
        )
    every = pd.concat(known) if known else differences.iloc[:0]
    ends = every.groupby(["benchmark", "model"])[["low", "high"]].min()
    return counts, ends["low"] > 0, ends["high"] < 0


def _missing(aligned: pd.DataFrame, mode: str, needed: Mapping[str, list[str]]) -> Answer:
    """Which of the roles `needed` (name → roles) has no alignment on every dataset of a mode."""
    own = aligned[aligned["mode"] == mode]
    if own.empty:
        return Answer(f"{NONE} benchmark of alignment in {mode} mode")
    whole = own[own["dataset"] == AVERAGE]
    absent = [name for name, roles in needed.items() if not whole["role"].isin(roles).any()]
    return Answer(f"{NONE} {' and no '.join(absent)} with an alignment on every dataset")


def _against_untrained(
    aligned: pd.DataFrame, differences: pd.DataFrame | None, mode: str
) -> Answer:
    """Each untrained model beside the trained ones of its family and size: mean, and intervals."""
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
        return Answer(
            f"mean of {len(averages[0])} trained {r_text(averages[0].mean(), 3)}, of "
            f"{len(averages[1])} untrained {r_text(averages[1].mean(), 3)}, averaged over "
            "datasets; unpaired means (none share family and size), no test",
            reason="no trained and untrained model share family and size",
        )
    better, cases = int((whole["r_trained"] > whole["r"]).sum()), len(whole)
    text = (
        f"trained ones are better in {better} of {counted(cases, 'case')} of one family and size, "
        f"averaged over datasets; mean trained "
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
    gap = float((whole["r_trained"] - whole["r"]).mean())
    measure = "trained minus untrained, in r"
    if differences is None:
        return Answer(text, effect=gap, measure=measure)
    twins = _twins(own, differences[differences["mode"] == mode])
    above, below = twins["low"] > 0, twins["high"] < 0
    count = f"intervals above 0 in {above.sum()} of {counted(len(twins), 'comparison')}"
    return Answer(
        f"{text}; {count}, model by model and benchmark by benchmark (baselines.csv)",
        of_every(above, below), gap, measure=measure, reason=count,
    )  # fmt: skip


def _twins(aligned: pd.DataFrame, differences: pd.DataFrame) -> pd.DataFrame:
    """The comparisons of trained models with untrained ones of their family and size."""
    rows = differences[
        (differences["against_role"] == "untrained")
        & differences["dataset"].isin(aligned["dataset"])
    ].dropna(subset=["low"])
    facts = aligned.drop_duplicates("model").set_index("model")[["family", "parameters"]]
    own, other = (facts.reindex(rows[name]).to_numpy() for name in ("model", "against"))
    return rows[(own == other).all(axis=1)]


def _correlation(
    correlations: pd.DataFrame | None, x: str, simulated: bool, mode: str, given: str = ""
) -> Answer:
    """Pearson's r of alignment with `x`, or the partial one, `given` held fixed."""
    if correlations is None:
        return Answer(f"{NONE} table of correlations")
    models = MODELS[mode]
    found = found_for(correlations, f"brain {AVERAGE}", mode, simulated)
    method = "partial" if given else "pearson"
    rows = found[(found["x"] == x) & (found["models"] == models) & (found["method"] == method)]
    rows = rows[rows["controlled_for"].fillna("") == given]
    if rows.empty:
        return Answer(f"{NONE} {UNITS[models]} with {x} and an alignment in {mode} mode")
    row = rows.iloc[0]
    if pd.isna(row["r"]):
        return Answer(said(row["note"]) or f"not computable with N = {row['n']:.0f}")
    name = "partial r" if given else "r"
    text = f"{name} = {r_text(row['r'])}, {p_text(row['p'])} (these stimuli)"
    text += f", N = {counted(row['n'], UNITS[models])}{MEAN_OF_TUNED[models]}"
    within = found[(found["x"] == x) & (found["method"] == WITHIN) & found["r"].notna()]
    if row["n_bases"] < row["n"]:
        why = said(row["note"]) if pd.isna(row["p"]) else ""
        text += (
            f" of {row['n_bases']:.0f} vanilla ones ({why}{'; ' * bool(why)}"
            f"taking models as independent, as the paper does, {p_text(row['p_independent'])})"
        )
    elif not given and len(within):
        other = within.iloc[0]
        text += (
            f"; p takes models of one family as independent: around the means of the "
            f"{row['n_families']:.0f} families r = {r_text(other['r'])}, {p_text(other['p'])}"
        )
    return Answer(
        text, of_test(row["r"], row["p"]), row["r"], row["low"], row["high"],
        PARTIAL if given else CORRELATION, f"over {counted(row['n'], UNITS[models])}",
        "" if pd.notna(row["low"]) else p_text(row["p"]),
    )  # fmt: skip


def _accuracy(
    capabilities: pd.DataFrame | None, contrasts: pd.DataFrame | None, task: str
) -> Answer:
    if capabilities is None:
        return Answer(f"{NONE} table of capabilities")
    rows = capabilities[(capabilities["task"] == task) & (capabilities["category"] == WHOLE)]
    by_model = rows.drop_duplicates("model").set_index("model")
    tuned = by_model[by_model["role"] == "tuned"]
    partner = by_model["accuracy"].reindex(tuned["base"]).to_numpy()
    both = ~np.isnan(partner)
    if not both.any():
        return Answer(NO_PAIR)
    accuracy, partner = tuned["accuracy"].to_numpy()[both], partner[both]
    text = (
        f"{int((accuracy > partner).sum())} of {counted(both.sum(), 'is', 'are')}; mean accuracy "
        f"tuned {r_text(accuracy.mean(), 3)}, vanilla {r_text(partner.mean(), 3)}"
    )
    if contrasts is None:
        return Answer(text)
    world = bool(tuned["simulated"].iloc[0])
    rows = contrasts[(contrasts["kind"] == "capability") & (contrasts["dataset"] == WHOLE)]
    rows = rows[(rows["benchmark"] == task) & (rows["simulated"] == world)]
    overall = rows[(rows["level"] == "overall") & (rows["unit"] == "bases")].iloc[0].to_dict()
    better = rows[(rows["level"] == "pair") & (rows["absolute"] > 0)]
    text += (
        f"; better by McNemar's test (adjusted p < .05): "
        f"{int((better['p_adjusted'] < LEVEL).sum())}; {_over_bases(overall)}"
    )
    effect, low, high = (float(overall[name]) for name in ("absolute", "low", "high"))
    models = counted(overall["n"], "vanilla model")
    return Answer(
        text, of_test(effect, _p(overall)), effect, low, high, "change in accuracy",
        f"over {models} (for these questions)",
    )  # fmt: skip


def _published(check: pd.DataFrame) -> Iterator[tuple[str, Answers]]:
    by_name = check.drop_duplicates("quantity").set_index("quantity")

    def value(quantity: str) -> float:
        return float(by_name["recomputed"].get(quantity, np.nan))

    def n_of(quantity: str) -> float:
        return float(by_name["n"].get(quantity, np.nan))

    def as_printed(what: str) -> Answer:
        r, p = (f"Pearson {name}, average × {what}, tuned models" for name in "rp")
        over = f"{n_of(r):.0f} tuned models"
        text = f"r = {r_text(value(r))}, {p_text(value(p))} taking models as independent"
        verdict = of_test(value(r), value(p))
        return Answer(
            f"{text}, N = {over}", verdict, value(r), measure=CORRELATION,
            basis=f"over {over} taken as independent", reason=p_text(value(p)),
        )  # fmt: skip

    def partially(what: str, held: str) -> Answer:
        r = f"partial r, average × {what}"
        p = f"p over vanilla models, average × {what}, tuned models"
        over = f"over {n_of(p):.0f} vanilla models"
        text = f"at equal {held}: partial r = {r_text(value(r))}, {p_text(value(p))} {over}"
        return Answer(
            f"{text}, N = {n_of(r):.0f} tuned models", of_test(value(r), value(p)), value(r),
            measure=PARTIAL, basis=f"at equal {held} {over}", reason=p_text(value(p)),
        )  # fmt: skip

    gain = value("mean relative gain over models and datasets")
    pairs, models = (
        "Wilcoxon p, tuned against vanilla average", "Wilcoxon p, one value per base model",
    )  # fmt: skip
    of_pairs = f"Wilcoxon over {n_of(pairs):.0f} pairs taken as independent {p_text(value(pairs))}"
    of_models = f"Wilcoxon over {n_of(models):.0f} vanilla models {p_text(value(models))}"
    yield (
        "Does instruction tuning raise brain alignment?",
        {
            "legacy": Answer(
                f"mean gain {_percent(gain)}; {of_pairs}", of_test(gain, value(pairs)),
                reason=f"mean gain {_percent(gain)}; {of_pairs}",
            ),
            "controlled": Answer(of_models, of_test(gain, value(models))),
        },
    )  # fmt: skip
    yield (
        "Does alignment grow with size?",
        {
            "legacy": as_printed("log10_parameters"),
            "controlled": partially("log10_parameters given mmlu", "MMLU"),
        },
    )
    yield (
        "Does it grow with world knowledge (MMLU)?",
        {
            "legacy": as_printed("mmlu"),
            "controlled": partially("mmlu given log10_parameters", "size"),
        },
    )
    what = "Pearson r over widths, blank2014 × features of time alone"
    some, whole = f"{what}, up to 4096 units", f"{what}, all widths"
    yield (
        "Is the Blank2014 column about language?",
        {
            "legacy": Answer(
                "simulated states that hold time alone follow it: "
                f"r = {r_text(value(some))} over {n_of(some):.0f} widths "
                "up to 4096 units, "
                f"{r_text(value(whole))} over all {n_of(whole):.0f}"
            ),
            "controlled": Answer(f"{NONE} printed score with whole stories held out"),
        },
    )
