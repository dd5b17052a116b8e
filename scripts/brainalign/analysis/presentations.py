"""Is it the tuning, or how a text is presented? Contrasts at equal presentation, equal weights."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from brainalign.analysis.contrasts import paired
from brainalign.analysis.values_and_units import values_and_units
from brainalign.multiplicity import adjust_within

# `comparison` says what is subtracted from what.
EQUAL_PRESENTATION = "tuned - vanilla"
EQUAL_WEIGHTS = "presentation - first"
COLUMNS = (
    "comparison", "presentation", "level", "model", "reference", "family", "benchmark", "dataset",
    "mode", "kind", "measure", "absolute", "low", "high", "unit", "n", "scope", "test", "p",
    "p_these_stimuli", "p_adjusted", "test_family", "note", "simulated",
)  # fmt: skip

Members = dict[str, dict[str, Any]]


def presentation_contrasts(
    models: Mapping[str, Mapping[str, Any]],
    scores: pd.DataFrame | None = None,
    subjects: pd.DataFrame | None = None,
    behaviors: pd.DataFrame | None = None,
    stories: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Contrasts of models in their presentations: a row per pair, family, and over all.

    Parameters
    ----------
    models : name → `presented` (the model; its own name for its first presentation),
        `presentation`, `base` (the vanilla model in its first presentation, or None), `family`.
    scores, subjects, behaviors, stories : as of `contrasts.contrasts`, of all these models.

    Returns
    -------
    COLUMNS (docs/outputs.md). `tuned - vanilla`: a tuned model and its vanilla partner in the same
    presentation. `presentation - first`: a model in a further presentation and in its first.
    """
    values, units = values_and_units(scores, subjects, behaviors, stories)
    rows = [
        {"comparison": comparison, "presentation": presentation, **row}
        for (comparison, presentation), members in _comparisons(models).items()
        for row in paired(pd.DataFrame.from_dict(members, orient="index"), values, units)
    ]
    table = pd.DataFrame(rows).rename(columns={"tuned": "model", "vanilla": "reference"})
    table = table.reindex(columns=list(COLUMNS))
    table["simulated"] = table["simulated"].astype(bool)
    asked = ["comparison", "mode", "kind", "measure", "level", "unit", "simulated"]
    table["test_family"] = table[asked].astype(str).agg(", ".join, axis=1) if len(table) else ""
    table["p_adjusted"] = adjust_within(table, "test_family")
    table["note"] = table["note"].fillna("")
    return table


def _comparisons(models: Mapping[str, Mapping[str, Any]]) -> dict[tuple[str, str], Members]:
    """Comparison and presentation → model → `base`, `family`."""
    contrasts: dict[tuple[str, str], Members] = {}
    for key, name, partner in _pairs(models):
        pair = {"base": partner, "family": models[name]["family"]}
        contrasts.setdefault(key, {})[name] = pair
    return contrasts


def _pairs(
    models: Mapping[str, Mapping[str, Any]],
) -> Iterator[tuple[tuple[str, str], str, str]]:
    named = {(model["presented"], model["presentation"]): name for name, model in models.items()}
    for name, model in models.items():
        presentation = model["presentation"]
        vanilla = named.get((model["base"], presentation))
        if vanilla is not None:
            yield (EQUAL_PRESENTATION, presentation), name, vanilla
        if name != model["presented"]:
            yield (EQUAL_WEIGHTS, presentation), name, model["presented"]
