"""The order of models in every figure: families, bases, then what was made from them."""

from collections.abc import Iterator
from typing import Any

import pandas as pd

from brainalign.analysis.averages import AVERAGE
from brainalign.analysis.records import MODES, TRAINED
from brainalign.figures.style import FEATURES, ROLES

MODEL_COLUMNS = ("model", "base", "family", "role", "parameters")


def model_order(table: pd.DataFrame) -> pd.DataFrame:
    """One row per model of a table with `MODEL_COLUMNS` (and `label`, the name to print, if any).

    Networks come first (by family, then size of the base, each base followed by its tuned models
    and its untrained twins), baselines last.

    Returns
    -------
    Columns model, label, group (the base, that of the trained twin, or the
    model itself), family, role, parameters.
    """
    models = table.drop_duplicates("model")
    label = models["label"] if "label" in models else models["model"]
    models = models[list(MODEL_COLUMNS)].assign(
        label=label.fillna(models["model"]).astype(str),
        group=_groups(models).where(~models["role"].isin(FEATURES), ""),
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


def twins(models: pd.DataFrame) -> pd.Series:
    """The vanilla model (else the first other) of an untrained model's family and size.

    Parameters
    ----------
    models : a row per model with `model`, `family`, `role`, `parameters`.

    Returns
    -------
    Name of the twin, indexed by the untrained models that have one.
    """
    key = ["family", "parameters"]
    trained = models[models["role"].isin(TRAINED)].dropna(subset=["parameters"])
    trained = trained.sort_values("role", ascending=False).drop_duplicates(key)  # vanilla first
    untrained = models[models["role"] == "untrained"]
    both = untrained.merge(trained, on=key, suffixes=("", "_trained"))
    return both.set_index("model")["model_trained"]


def _groups(models: pd.DataFrame) -> pd.Series:
    """The base of every model: its vanilla partner, that of its trained twin, or itself."""
    base = models["base"].astype(object).fillna(models["model"])  # all empty: read as numbers
    known = dict(zip(models["model"], base, strict=True))
    return models["model"].map(twins(models)).map(known).fillna(base)


def mode_order(modes: pd.Series) -> list[str]:
    """The modes that occur in the column `mode`: legacy, controlled, then any other by name."""
    known = {mode: i for i, mode in enumerate(MODES)}
    return sorted(modes.dropna().unique(), key=lambda mode: (known.get(mode, len(known)), mode))


def dataset_order(table: pd.DataFrame) -> list[str]:
    """Every dataset of the column `dataset`, as they occur, then the average of several."""
    names = [str(name) for name in table["dataset"].unique() if name != AVERAGE]
    return names + [AVERAGE] * (AVERAGE in set(table["dataset"]) and len(names) > 1)


def each(table: pd.DataFrame) -> Iterator[Any]:
    """The rows of a table, whatever its columns, as named tuples."""
    return iter(table.itertuples())


def benchmark_order(table: pd.DataFrame) -> list[str]:
    """The benchmarks of a table (`dataset`, `mode`, `benchmark`): by dataset as they occur, the
    modes of one side by side.
    """
    return [
        str(benchmark)
        for dataset in table["dataset"].unique()
        for mode in mode_order(table.loc[table["dataset"] == dataset, "mode"])
        for benchmark in table.loc[
            (table["dataset"] == dataset) & (table["mode"] == mode), "benchmark"
        ].unique()
    ]
