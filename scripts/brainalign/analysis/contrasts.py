"""Does instruction tuning help? Tuned minus vanilla, per pair, per family and over all."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from brainalign.analysis.answer_contrasts import answer_contrasts
from brainalign.analysis.averages import model_facts
from brainalign.analysis.pair_means import Row, contrast_rows
from brainalign.analysis.pairs import Members, pairs_of
from brainalign.analysis.values_and_units import MEASURED, values_and_units
from brainalign.multiplicity import adjust_within

COLUMNS = (
    "level", "tuned", "vanilla", "family", "benchmark", "dataset", "mode", "kind", "measure",
    "absolute", "relative", "relative_by_dataset", "low", "high", "scope", "test", "unit", "n",
    "n_stimuli", "p", "p_adjusted", "p_these_stimuli", "p_independent", "test_family", "note",
    "simulated",
)  # fmt: skip


def contrasts(
    scores: pd.DataFrame | None = None,
    subjects: pd.DataFrame | None = None,
    behaviors: pd.DataFrame | None = None,
    stories: pd.DataFrame | None = None,
    capabilities: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Tuned minus vanilla for every measure that the study has.

    Parameters
    ----------
    scores, subjects : tables of `scores.collect_scores`.
    behaviors, stories : tables of `collect.collect_behaviors`.
    capabilities : table of `collect.collect_capabilities`.

    Returns
    -------
    COLUMNS (docs/outputs.md). Level `pair`: one tuned model. Levels `family` and `overall`: means
    over pairs (`unit` pairs), vanilla models varying within family, and in the paper's way
    (`p_independent`, although pairs that share a vanilla model are not independent); and over one
    mean per vanilla model (`unit` bases). Interval and p of a row belong to its `absolute`.
    """
    facts = model_facts(scores, behaviors, capabilities)
    tuned = facts[(facts["role"] == "tuned") & facts["base"].notna()]
    rows = list(paired(tuned, *values_and_units(scores, subjects, behaviors, stories)))
    if capabilities is not None:
        rows += answer_contrasts(tuned, capabilities)
    return _adjusted(pd.DataFrame(rows).reindex(columns=list(COLUMNS)))


def paired(members: pd.DataFrame, values: pd.DataFrame, units: pd.DataFrame) -> Iterator[Row]:
    """Model minus partner for every measure that both have: per pair, per family, over all.

    Parameters
    ----------
    members : `base` (the partner) and `family`, a row per model, indexed by it.
    values, units : of `values_and_units`.
    """
    for key, part in values.groupby(MEASURED, sort=False):
        about = dict(zip(MEASURED, key, strict=True))
        present = members[members.index.isin(part["model"])]
        measured = units[(units[MEASURED] == list(key)).all(axis=1)]
        if len(present):
            datasets = {
                str(name): pairs_of(present, group, measured[measured["dataset"] == name])
                for name, group in part.groupby("dataset", sort=False)
            }
            for row in contrast_rows(Members.of(present), datasets):
                yield {**about, **row}


def _adjusted(table: pd.DataFrame) -> pd.DataFrame:
    """p adjusted within the tests that ask one question of several models or datasets."""
    table["simulated"] = table["simulated"].astype(bool)
    columns = ["mode", "kind", "measure", "level", "unit"]
    world = np.where(table["simulated"], "simulated", "real")
    table["test_family"] = [
        ", ".join(map(str, key))
        for key in zip(*(table[name] for name in columns), world, strict=True)
    ]
    table["p_adjusted"] = adjust_within(table, "test_family")
    table["note"] = table["note"].fillna("")
    return table
