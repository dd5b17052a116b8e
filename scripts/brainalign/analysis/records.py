"""What every table says of each model and benchmark, besides its numbers."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from brainalign.datasets.names import reported_as
from brainalign.errors import InputError

MODES = ("legacy", "controlled")
TRAINED = ("vanilla", "tuned")  # roles of trained language models
MODEL_COLUMNS = ("model", "label", "base", "family", "role", "parameters", "published")


def model_table(
    models: Mapping[str, Mapping[str, Any]], manifests: Sequence[Mapping[str, Any]]
) -> pd.DataFrame:
    """A row per model: MODEL_COLUMNS, `tuned` and `simulated`, indexed by model.

    Parameters
    ----------
    models : name → base, family, role, label, parameters (declared, or None), published (name in
        the published tables, or None), simulated.
    manifests : those of the models that have one; a declared number of parameters goes before
        the measured one, a model with neither has NaN.
    """
    measured = {manifest["name"]: manifest["parameters"] for manifest in manifests}
    rows = []
    for name, entry in models.items():
        parameters = entry.get("parameters") or measured.get(name)
        rows.append(
            {
                "model": name,
                "label": entry.get("label") or name,
                "base": entry.get("base"),
                "family": entry.get("family") or name,
                "role": entry["role"],
                "parameters": np.nan if parameters is None else float(parameters),
                "published": entry.get("published"),
                "tuned": entry["role"] == "tuned",
                "simulated": bool(entry["simulated"]),
            }
        )
    return pd.DataFrame(rows).set_index("model", drop=False)


def describe(
    model: str,
    benchmark: str,
    models: pd.DataFrame,
    benchmarks: Mapping[str, Mapping[str, Any]],
    simulated_datasets: Collection[str],
) -> dict[str, Any]:
    """The columns that identify a row: model, benchmark, dataset (as reported), mode, simulated.

    `dataset` is what the benchmark is reported as. A row is simulated
    when its model or its dataset is.

    Raises
    ------
    InputError : `model` or `benchmark` is not in the study.
    """
    if model not in models.index:
        raise InputError(f"model {model} has a result but is not in the study")
    if benchmark not in benchmarks:
        raise InputError(f"benchmark {benchmark} has a result but is not in the study")
    record = {str(key): value for key, value in models.loc[model].items()}
    entry = benchmarks[benchmark]
    return {
        **record,
        "dataset": reported_as(entry),
        "benchmark": benchmark,
        "mode": entry["mode"],
        "simulated": record["simulated"] or entry["dataset"] in simulated_datasets,
    }
