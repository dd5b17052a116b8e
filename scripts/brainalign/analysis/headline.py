"""The study on one page: question, legacy answer, controlled answer."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pandas as pd

from brainalign.analysis.averages import AVERAGE, dataset_scores
from brainalign.analysis.predictors import LOSS, MODELS, READING, SIZE, WHOLE, found_for
from brainalign.analysis.records import MODES
from brainalign.analysis.wording import p_text, r_text, said, signed

COLUMNS = ("data", "question", "legacy", "controlled", "simulated")
PUBLISHED = "published tables, Aw et al. 2024"
UNITS = {"tuned": "tuned models", "bases": "vanilla models (mean of their tuned ones)"}
NONE = "not computable: the study has none"

Answers = dict[str, str]


def headline(
    check: pd.DataFrame,
    scores: pd.DataFrame | None = None,
    contrasts: pd.DataFrame | None = None,
    correlations: pd.DataFrame | None = None,
    capabilities: pd.DataFrame | None = None,
    losses: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Put the study's answers into words.

    Parameters
    ----------
    check : tables/published_check.csv.
    scores, contrasts, correlations, capabilities, losses : tables of the same names, as far as the
        study has them.

    Returns
    -------
    `data` (what the row is about), `question`, `legacy`, `controlled`, `simulated`. Every answer
    states N and test, or why there is none.
    """
    rows: list[dict[str, object]] = []
    if scores is not None:
        texts = [] if losses is None else list(losses["text"].unique())
        for simulated in sorted(scores["simulated"].unique(), reverse=True):
            answers = _study(scores, contrasts, correlations, capabilities, texts, bool(simulated))
            data = "this study, simulated data" if simulated else "this study, real data"
            rows += [
                {"data": data, "question": question, **found, "simulated": bool(simulated)}
                for question, found in answers
            ]
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
    scores: pd.DataFrame,
    contrasts: pd.DataFrame | None,
    correlations: pd.DataFrame | None,
    capabilities: pd.DataFrame | None,
    texts: list[str],
    simulated: bool,
) -> Iterator[tuple[str, Answers]]:
    averages = dataset_scores(scores[scores["simulated"] == simulated])
    averages = averages[averages["dataset"] == AVERAGE]
    roles = scores.drop_duplicates("model").set_index("model")["role"]
    averages = averages.assign(role=averages["model"].map(roles))
    yield (
        "Does instruction tuning raise brain alignment?",
        _each(partial(_gain, contrasts, dict.fromkeys(MODES, "r"), simulated, AVERAGE)),
    )
    yield (
        "Do language models beat the baselines without a network?",
        _each(partial(_against_baselines, averages)),
    )
    yield (
        "Do trained models beat untrained ones?",
        _each(partial(_against_untrained, averages)),
    )
    tasks = [] if capabilities is None else list(capabilities["task"].unique())
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
        yield (
            f"Does it grow with {task} among models of equal size?",
            _each(partial(_correlation, correlations, task, simulated, method="partial")),
        )
    reading = _reading_datasets(contrasts, simulated)
    for dataset in reading:
        yield (
            f"Does instruction tuning raise the fit to reading times ({dataset})?",
            _each(partial(_gain, contrasts, READING, simulated, dataset)),
        )
    for task in tasks:
        answer = _accuracy(capabilities, task)
        yield f"Are tuned models better at {task}?", dict.fromkeys(MODES, answer)


def _each(answer: Callable[[str], str]) -> Answers:
    return {mode: answer(mode) for mode in MODES}


def _reading_datasets(contrasts: pd.DataFrame | None, simulated: bool) -> list[str]:
    if contrasts is None:
        return []
    rows = contrasts["measure"].isin(READING.values()) & (contrasts["simulated"] == simulated)
    return list(contrasts.loc[rows, "dataset"].unique())


def _gain(
    contrasts: pd.DataFrame | None,
    measures: dict[str, str],
    simulated: bool,
    dataset: str,
    mode: str,
) -> str:
    """Mean change over pairs with its interval, and the test over vanilla models."""
    if contrasts is None:
        return NONE
    rows = contrasts[
        (contrasts["mode"] == mode)
        & (contrasts["measure"] == measures[mode])
        & (contrasts["simulated"] == simulated)
        & (contrasts["dataset"] == dataset)
    ]
    overall = rows[rows["level"] == "overall"].set_index("unit")
    pairs = rows.loc[rows["level"] == "pair", "absolute"].dropna()
    if not {"pairs", "bases"} <= set(overall.index) or pairs.empty:
        return "not computable: no pair of a tuned and a vanilla model"
    mean, tested = overall.loc["pairs"], overall.loc["bases"]
    text = f"{signed(mean['absolute'])}"
    if pd.notna(mean["low"]):
        text += f" [{signed(mean['low'])}, {signed(mean['high'])}]"
    if pd.notna(mean["relative"]):
        text += f", {100 * mean['relative']:+.1f} %".replace("-", "−")
    text += f"; {int((pairs > 0).sum())} of {len(pairs)} pairs gain"
    if pd.isna(tested["p"]):
        return f"{text}; not testable over {tested['n']:.0f} vanilla models"
    return f"{text}; Wilcoxon over {tested['n']:.0f} vanilla models {p_text(tested['p'])}"


def _against_baselines(averages: pd.DataFrame, mode: str) -> str:
    own = averages[(averages["mode"] == mode)].dropna(subset=["r"])
    networks = own[own["role"].isin(["vanilla", "tuned"])]
    baselines = own[own["role"] == "baseline"]
    if networks.empty or baselines.empty:
        return NONE
    best, other = (part.nlargest(1, "r").iloc[0] for part in (networks, baselines))
    above = int((networks["r"] > other["r"]).sum())
    return (
        f"{above} of {len(networks)} do; best model {r_text(best['r'], 3)} ({best['model']}), best "
        f"baseline {r_text(other['r'], 3)} ({other['model']})"
    )


def _against_untrained(averages: pd.DataFrame, mode: str) -> str:
    own = averages[(averages["mode"] == mode)].dropna(subset=["r"])
    trained, untrained = (
        own.loc[own["role"].isin(roles), "r"] for roles in (("vanilla", "tuned"), ("untrained",))
    )
    if trained.empty or untrained.empty:
        return NONE
    return (
        f"mean of {len(trained)} trained {r_text(trained.mean(), 3)}, "
        f"of {len(untrained)} untrained {r_text(untrained.mean(), 3)}"
    )


def _correlation(
    correlations: pd.DataFrame | None, x: str, simulated: bool, mode: str, method: str = "pearson"
) -> str:
    if correlations is None:
        return NONE
    models = MODELS[mode]
    found = found_for(correlations, f"brain {AVERAGE}", mode, simulated)
    rows = found[(found["x"] == x) & (found["models"] == models) & (found["method"] == method)]
    if rows.empty:
        return NONE
    row = rows.iloc[0]
    if pd.isna(row["r"]):
        return said(row["note"]) or f"not computable with N = {row['n']:.0f}"
    name = "r" if method == "pearson" else "partial r"
    return f"{name} = {r_text(row['r'])}, {p_text(row['p'])}, N = {row['n']:.0f} {UNITS[models]}"


def _accuracy(capabilities: pd.DataFrame | None, task: str) -> str:
    if capabilities is None:
        return NONE
    rows = capabilities[(capabilities["task"] == task) & (capabilities["category"] == WHOLE)]
    by_model = rows.drop_duplicates("model").set_index("model")
    tuned = by_model[by_model["role"] == "tuned"]
    partner = by_model["accuracy"].reindex(tuned["base"]).to_numpy()
    both = ~np.isnan(partner)
    if not both.any():
        return "not computable: no pair of a tuned and a vanilla model"
    accuracy, partner = tuned["accuracy"].to_numpy()[both], partner[both]
    return (
        f"{int((accuracy > partner).sum())} of {both.sum()} are; mean accuracy tuned "
        f"{accuracy.mean():.3f}, vanilla {partner.mean():.3f}"
    )


def _published(check: pd.DataFrame) -> Iterator[tuple[str, Answers]]:
    by_name = check.drop_duplicates("quantity").set_index("quantity")

    def value(quantity: str) -> float:
        return float(by_name["recomputed"].get(quantity, np.nan))

    def r_and_p(r: str, p: str) -> str:
        n = by_name["n"].get(r, np.nan)
        return f"r = {r_text(value(r))}, {p_text(value(p))}, N = {n:.0f}"

    def tested(p: str, units: str) -> str:
        return f"Wilcoxon over {by_name['n'].get(p, np.nan):.0f} {units} {p_text(value(p))}"

    gain = value("mean relative gain over models and datasets")
    yield (
        "Does instruction tuning raise brain alignment?",
        {
            "legacy": f"mean gain {100 * gain:+.1f} %; "
            + tested("Wilcoxon p, tuned against vanilla average", "pairs"),
            "controlled": tested("Wilcoxon p, one value per base model", "vanilla models"),
        },
    )
    yield (
        "Does alignment grow with size?",
        {
            "legacy": r_and_p(
                "Pearson r, average × log10_parameters, tuned models",
                "Pearson p, average × log10_parameters, tuned models",
            ),
            "controlled": "at equal MMLU: partial "
            + r_and_p(
                "partial r, average × log10_parameters given mmlu",
                "partial p, average × log10_parameters given mmlu",
            ),
        },
    )
    yield (
        "Does it grow with world knowledge (MMLU)?",
        {
            "legacy": r_and_p(
                "Pearson r, average × mmlu, tuned models", "Pearson p, average × mmlu, tuned models"
            ),
            "controlled": "at equal size: partial "
            + r_and_p(
                "partial r, average × mmlu given log10_parameters",
                "partial p, average × mmlu given log10_parameters",
            ),
        },
    )
