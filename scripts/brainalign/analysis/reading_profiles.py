"""Depth profiles of reading times: what every layer of every model adds to the covariates."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import pandas as pd

from brainalign.analysis.records import describe

COLUMNS = (
    "model", "label", "base", "family", "role", "dataset", "benchmark", "mode", "predictor",
    "layer", "layer_index", "depth", "n_features", "delta_r2", "low", "high", "interval", "p", "r",
    "delta_loglik_per_word", "mean_bits", "penalty", "n", "n_dropped", "reason", "note", "chosen",
    "simulated",
)  # fmt: skip


def collect_profiles(
    results: Iterable[tuple[str, str, pd.DataFrame]],
    models: pd.DataFrame,
    benchmarks: Mapping[str, Mapping[str, Any]],
    simulated_datasets: Collection[str],
) -> pd.DataFrame:
    """Collect the profiles of all models: a row per model, benchmark, predictor and layer.

    Parameters are those of `scores.collect_scores`; `results` are (model, benchmark, profile).
    """
    tables = [
        table.assign(**describe(model, benchmark, models, benchmarks, simulated_datasets))
        for model, benchmark, table in results
    ]
    return pd.concat(tables, ignore_index=True)[list(COLUMNS)]
