"""Every measured value of a study, and the units that it is a mean of: subjects, folds, stories."""

import pandas as pd

from brainalign.analysis.averages import dataset_scores
from brainalign.analysis.crossed import STIMULI
from brainalign.behavior.fits import GAINS, UNFITTED

EVERY = "all"
MEASURED = ["simulated", "mode", "kind", "measure"]
VALUES = [*MEASURED, "dataset", "benchmark", "model", "value", "low", "note"]
UNITS = [
    *MEASURED, "dataset", "benchmark", "subject", "fold", "held_out", "fitted", "model", "value",
]  # fmt: skip


def values_and_units(
    scores: pd.DataFrame | None,
    subjects: pd.DataFrame | None,
    behaviors: pd.DataFrame | None,
    stories: pd.DataFrame | None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every measured value of every model (`VALUES`), and what each is a mean of (`UNITS`).

    Parameters
    ----------
    scores, subjects, behaviors, stories : tables of the same names (docs/outputs.md); None: the
        study has none.
    """
    values, units = _alignment(scores, subjects)
    more_values, more_units = _behavior(behaviors, stories)
    return _stacked(values, more_values), _stacked(units, more_units)


def _stacked(one: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """Both tables' rows (an empty table's columns would decide the types)."""
    filled = [table for table in (one, other) if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else one


def _alignment(
    scores: pd.DataFrame | None, subjects: pd.DataFrame | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Values per dataset and for the average; units: every subject in every fold."""
    if scores is None or subjects is None:
        return pd.DataFrame(columns=VALUES), pd.DataFrame(columns=UNITS)
    values = dataset_scores(scores).rename(columns={"r": "value"})
    values = values.assign(kind="brain", measure="r")
    all_regions = scores[scores["region"] == "all"]
    names = all_regions.groupby("dataset")["benchmark"].nunique()
    single = all_regions.drop_duplicates("dataset").set_index("dataset")["benchmark"][names == 1]
    values["benchmark"] = [single.get(name, "all") for name in values["dataset"]]
    cells = subjects[(subjects["subject"] != "all") & (subjects["fold"] >= 0)]
    units = cells.rename(columns={"r": "value"}).assign(kind="brain", measure="r", fitted=True)
    return values[VALUES], units[UNITS]


def _behavior(
    behaviors: pd.DataFrame | None, stories: pd.DataFrame | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Values, and stories as the units, of all readers together."""
    if behaviors is None:
        return pd.DataFrame(columns=VALUES), pd.DataFrame(columns=UNITS)
    values = behaviors.assign(kind="reading-times")[VALUES]
    if stories is None:
        return values, pd.DataFrame(columns=UNITS)
    units = by_words(stories[stories["kind"] == "story"]).rename(columns={"group": "fold"})
    units = units.assign(
        subject=EVERY, fold=units["fold"].astype(str), kind="reading-times", held_out=STIMULI,
        fitted=~units["measure"].isin(UNFITTED),
    )  # fmt: skip
    return values, units[UNITS]


def by_words(stories: pd.DataFrame) -> pd.DataFrame:
    """Stories whose gains count by their share of the words, so that their mean is the gain over
    all words: the gain, plus each story's deviation from it times its words over the mean number.

    (The linearised ratio of sums to counts: Cochran 1977, Sampling Techniques, section 6.3.)

    `stories` : `benchmark`, `model`, `measure`, `n` words, `value`.
    """
    means = stories["measure"].isin(GAINS) & stories["value"].notna()
    part = stories[means]
    keys = [part[name] for name in ("benchmark", "model", "measure")]
    n = part["n"].astype(float)

    def sums(values: pd.Series) -> pd.Series:
        return values.groupby(keys, sort=False).transform("sum")

    gain = sums(n * part["value"]) / sums(n)
    share = n / n.groupby(keys, sort=False).transform("mean")
    return stories.assign(value=stories["value"].mask(means, gain + share * (part["value"] - gain)))
