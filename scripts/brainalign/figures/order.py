"""The order of models in every figure: families, bases, then what was made from them."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from brainalign.analysis.records import MODES
from brainalign.figures.style import FEATURES, ROLES

MODEL_COLUMNS = ("model", "base", "family", "role", "parameters")


def model_order(table: pd.DataFrame) -> pd.DataFrame:
    """One row per model of a table with `MODEL_COLUMNS` (and `label`, the name to print, if any).

    Networks come first (by family, then size of the base, each base followed by its tuned models
    and its untrained twin), baselines last.

    Returns
    -------
    Columns model, label, group (the base, or the model itself), family, role, parameters.
    """
    models = table.drop_duplicates("model")
    label = models["label"] if "label" in models else models["model"]
    models = models[list(MODEL_COLUMNS)].assign(
        label=label.fillna(models["model"]).astype(str),
        group=models["base"].fillna(models["model"]).where(~models["role"].isin(FEATURES), ""),
        family=models["family"].fillna("").astype(str),
        rank=models["role"].map({role: i for i, role in enumerate(ROLES)}),
        is_features=models["role"].isin(FEATURES),
    )
    groups = models.sort_values("rank").groupby("group")
    # A tuned partner may be filed under a family of its own; the group stays in one piece.
    models["group_family"] = models["group"].map(groups["family"].first())
    models["group_size"] = models["group"].map(groups["parameters"].max())
    ordered = models.sort_values(
        ["is_features", "group_family", "group_size", "group", "rank", "model"], na_position="last"
    )
    return ordered[["model", "label", "group", "family", "role", "parameters"]].reset_index(
        drop=True
    )


def mode_order(modes: pd.Series) -> list[str]:
    """The modes that occur: legacy, controlled, then any other by name."""
    known = {mode: i for i, mode in enumerate(MODES)}
    return sorted(modes.dropna().unique(), key=lambda mode: (known.get(mode, len(known)), mode))


def each(table: pd.DataFrame) -> Iterator[Any]:
    """The rows of a table as named tuples."""
    return iter(table.itertuples())
