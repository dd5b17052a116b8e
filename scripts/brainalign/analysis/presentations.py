"""Is it the tuning, or how the text is presented? Contrasts at equal presentation and weights."""

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from brainalign.analysis.contrasts import paired
from brainalign.analysis.multiplicity import adjust_within

# `comparison` → what is subtracted from what.
EQUAL_PRESENTATION = "tuned - vanilla"
EQUAL_WEIGHTS = "presentation - first"
COLUMNS = (
    "comparison", "presentation", "level", "model", "reference", "family", "benchmark", "dataset",
    "mode", "kind", "measure", "absolute", "low", "high", "unit", "n", "scope", "test", "p",
    "p_these_stimuli", "p_adjusted", "note", "simulated",
)  # fmt: skip


def presentation_contrasts(
    values: pd.DataFrame, units: pd.DataFrame, models: Mapping[str, Mapping[str, Any]]
) -> pd.DataFrame:
    """Contrasts of models in their presentations: a row per pair, family and over all.

    Parameters
    ----------
    values, units : of `contrasts.measured`, of all presentations of all models.
    models : name → `presented` (the model, its own name for its first presentation),
        `presentation`, `base` (the vanilla model, or None), `family`.

    Returns
    -------
    COLUMNS (docs/outputs.md). `tuned - vanilla`: a tuned model and its vanilla partner in the same
    presentation. `presentation - first`: a model in a further presentation and in its first.
    """
    tables = []
    for comparison, presentation, members in _comparisons(models):
        rows = pd.DataFrame(paired(members, values, units))
        tables.append(rows.assign(comparison=comparison, presentation=presentation))
    if not tables:
        return pd.DataFrame(columns=list(COLUMNS))
    table = pd.concat(tables, ignore_index=True)
    table = table.rename(columns={"tuned": "model", "vanilla": "reference"})
    keys = ["comparison", "mode", "kind", "measure", "level", "unit", "simulated"]
    table["test_family"] = table[keys].astype(str).agg(", ".join, axis=1)
    table["p_adjusted"] = adjust_within(table, "test_family")
    table["note"] = table["note"].fillna("")
    return table.reindex(columns=list(COLUMNS))


def _comparisons(
    models: Mapping[str, Mapping[str, Any]],
) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Members of each comparison: a row per pair, `base` and `family`, indexed by model."""
    named = {(model["presented"], model["presentation"]): name for name, model in models.items()}
    rows: dict[tuple[str, str], dict[str, dict[str, str]]] = {}
    for name, model in models.items():
        presentation = model["presentation"]
        vanilla = named.get((model["base"], presentation))
        if vanilla is not None:
            pair = {"base": vanilla, "family": model["family"]}
            rows.setdefault((EQUAL_PRESENTATION, presentation), {})[name] = pair
        if name != model["presented"]:
            pair = {"base": model["presented"], "family": model["family"]}
            rows.setdefault((EQUAL_WEIGHTS, presentation), {})[name] = pair
    for (comparison, presentation), members in rows.items():
        yield comparison, presentation, pd.DataFrame.from_dict(members, orient="index")
