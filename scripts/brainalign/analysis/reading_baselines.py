"""Fits to reading times of each language model beside what knows no language."""

import pandas as pd

from brainalign.analysis.contrasts import paired
from brainalign.analysis.records import TRAINED
from brainalign.analysis.values_and_units import values_and_units
from brainalign.behavior.fits import GAINS, R
from brainalign.multiplicity import adjust_within

# Measures that stories have values of: others have no interval of a difference.
MEASURES = (R, *GAINS)
COLUMNS = (
    "model", "against", "against_role", "benchmark", "dataset", "mode", "measure", "value",
    "value_against", "difference", "low", "high", "scope", "n_stimuli", "test", "p", "p_adjusted",
    "note", "simulated",
)  # fmt: skip


def reading_baselines(behaviors: pd.DataFrame, stories: pd.DataFrame) -> pd.DataFrame:
    """Every vanilla and tuned model minus every count of tokens and untrained model.

    Paired in every story; interval and p of the difference by `crossed.over_units`, as those of a
    pair in contrasts.csv, p adjusted within a benchmark and measure.

    Parameters
    ----------
    behaviors, stories : tables of `collect.collect_behaviors`.

    Returns
    -------
    COLUMNS (docs/outputs.md).
    """
    known = behaviors[behaviors["measure"].isin(MEASURES)]
    values, units = values_and_units(None, None, known, stories)
    roles = behaviors.drop_duplicates("model").set_index("model")["role"]
    trained = roles.index[roles.isin(TRAINED)]
    rows = [
        {**row, "against": other, "against_role": roles[other]}
        for other in roles.index[~roles.isin(TRAINED)]
        for row in paired(pd.DataFrame({"base": other, "family": ""}, trained), values, units)
        if row["level"] == "pair"
    ]
    if not rows:
        return pd.DataFrame(columns=list(COLUMNS))
    table = pd.DataFrame(rows).rename(columns={"tuned": "model", "absolute": "difference"})
    of = known.set_index(["model", "benchmark", "measure"])[["value", "n"]]
    counts = []
    for column, model in (("value", "model"), ("value_against", "against")):
        keys = pd.MultiIndex.from_frame(table[[model, "benchmark", "measure"]])
        table[column] = of["value"].reindex(keys).to_numpy()
        counts.append(of["n"].reindex(keys))
    table = table.reindex(columns=list(COLUMNS))
    table["note"] = [
        note if n == others else "; ".join(filter(None, [note, f"n is {n:.0f}, {others:.0f}"]))
        for note, n, others in zip(table["note"].fillna(""), *counts, strict=True)
    ]
    # A model may be scored where the other is not.
    table = table[table["difference"].notna()].reset_index(drop=True)
    family = table["benchmark"].astype(str) + " " + table["measure"].astype(str)
    table["p_adjusted"] = adjust_within(table.assign(family=family), "family")
    return table
