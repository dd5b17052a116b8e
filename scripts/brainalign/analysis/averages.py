"""From benchmarks to datasets to the average: what one model's alignment is, per mode."""

import numpy as np
import pandas as pd

from brainalign.notes import not_computable

AVERAGE = "average"
KEY = ["model", "mode", "simulated"]


def dataset_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """One row per model, mode and dataset, and one for the average over datasets.

    A `companion` of other benchmarks (the same at equal width, say) is left out, so that it counts
    in no average, contrast, correlation or comparison with the paper. Other benchmarks that are
    reported as the same dataset are averaged first (Pereira2018 has two experiments), then the
    datasets (Aw et al. 2024, Table 5). An average is defined only for models that have every
    dataset of their mode and kind (simulated or real).

    Parameters
    ----------
    scores : the table `scores`; rows of single regions are left out.

    Returns
    -------
    `model`, `mode`, `simulated`, `dataset`, `r`, `low` (the least lower end of the intervals of the
    scores behind it, NaN where one has none), `note` (why r is NaN).
    """
    overall = scores[(scores["region"] == "all") & ~scores["companion"]]
    expected: dict[tuple, dict[str, list[str]]] = {}  # mode, simulated → dataset → benchmarks
    result: dict[tuple, dict[str, float]] = {}  # model, mode, simulated → benchmark → r
    ends: dict[tuple, dict[str, float]] = {}  # the same → low
    columns = [*KEY, "dataset", "benchmark", "r", "low"]
    for *key, dataset, benchmark, r, low in overall[columns].itertuples(index=False, name=None):
        benchmarks = expected.setdefault(tuple(key[1:]), {}).setdefault(dataset, [])
        if benchmark not in benchmarks:
            benchmarks.append(benchmark)
        result.setdefault(tuple(key), {})[benchmark] = r
        ends.setdefault(tuple(key), {})[benchmark] = low
    rows: list[tuple] = []
    for key_of_model, scored in result.items():
        means, lows, notes = [], [], []
        for dataset, benchmarks in sorted(expected[key_of_model[1:]].items()):
            values = [scored.get(benchmark, np.nan) for benchmark in benchmarks]
            missing = [b for b, r in zip(benchmarks, values, strict=True) if np.isnan(r)]
            note = not_computable(f"no score for {', '.join(missing)}") if missing else ""
            notes += [note] if note else []
            means.append(float(np.mean(values)))
            low = [ends[key_of_model].get(benchmark, np.nan) for benchmark in benchmarks]
            lows.append(float(np.min(low)))
            rows.append((*key_of_model, dataset, means[-1], lows[-1], note))
        note = notes[0] if notes else ""
        rows.append((*key_of_model, AVERAGE, float(np.mean(means)), float(np.min(lows)), note))
    return pd.DataFrame(rows, columns=[*KEY, "dataset", "r", "low", "note"])


def over_datasets(scores: pd.DataFrame) -> str:
    """What an average is over, in words: datasets, or the only one of `scores` (dataset_scores)."""
    names = scores.loc[scores["dataset"] != AVERAGE, "dataset"].unique()
    return f"on {names[0]}" if len(names) == 1 else "averaged over datasets"


def model_facts(*tables: pd.DataFrame | None) -> pd.DataFrame:
    """What the tables say of each model, once: `base`, `family`, `role`, `parameters`."""
    columns = ["model", "base", "family", "role", "parameters"]
    present = [table[columns] for table in tables if table is not None and len(table)]
    if not present:
        return pd.DataFrame(columns=columns).set_index("model")
    return pd.concat(present).drop_duplicates("model").set_index("model")
