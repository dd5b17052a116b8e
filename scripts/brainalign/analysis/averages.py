"""From benchmarks to datasets to the average: what one model's alignment is, per mode."""

import numpy as np
import pandas as pd

AVERAGE = "average"
KEY = ["model", "mode", "simulated"]


def dataset_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """One row per model, mode and dataset, and one for the average over datasets.

    Benchmarks that are reported as the same dataset are averaged first (Pereira2018 has two
    experiments), then the datasets (Aw et al. 2024, Table 5). An average is defined only for models
    that have every dataset of their mode and kind (simulated or real).

    Parameters
    ----------
    scores : the table `scores`; rows of single regions are left out.

    Returns
    -------
    `model`, `mode`, `simulated`, `dataset`, `r`, `note` (why r is NaN).
    """
    whole = scores[scores["region"] == "all"]
    kinds = whole.groupby(["mode", "simulated"])
    expected = {kind: part.groupby("dataset")["benchmark"].agg(set) for kind, part in kinds}
    rows = []
    for (model, mode, simulated), group in whole.groupby(KEY, sort=False):
        r: dict[str, float] = {}
        notes: list[str] = []
        for name, benchmarks in expected[mode, simulated].items():
            dataset = str(name)
            part = group[group["dataset"] == dataset].set_index("benchmark")["r"]
            missing = sorted(b for b in benchmarks if np.isnan(part.get(b, np.nan)))
            note = f"not computable: no score for {', '.join(missing)}" if missing else ""
            notes += [note] if note else []
            r[dataset] = np.nan if missing else part.mean()
            rows.append((model, mode, simulated, dataset, r[dataset], note))
        average = np.nan if notes else float(np.mean(list(r.values())))
        rows.append((model, mode, simulated, AVERAGE, average, notes[0] if notes else ""))
    return pd.DataFrame(rows, columns=[*KEY, "dataset", "r", "note"])


def model_facts(*tables: pd.DataFrame | None) -> pd.DataFrame:
    """What the tables say of each model, once: `base`, `family`, `role`, `parameters`."""
    columns = ["model", "base", "family", "role", "parameters"]
    present = [table[columns] for table in tables if table is not None and len(table)]
    if not present:
        return pd.DataFrame(columns=columns).set_index("model")
    return pd.concat(present).drop_duplicates("model").set_index("model")
