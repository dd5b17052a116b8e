"""Loss by altered text: each model's score on the text as it is, and on controls."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from brainalign.analysis.crossed import NOTHING, held_out_by, of_pair, tested, unit_tables
from brainalign.intervals import LEVEL
from brainalign.multiplicity import adjust_within

COLUMNS = (
    "model", "family", "role", "benchmark", "dataset", "mode", "control", "r", "r_control", "lost",
    "low", "high", "scope", "n_subjects", "n_stimuli", "test", "p", "p_adjusted",
    "p_these_stimuli", "kept", "passed", "note", "simulated",
)  # fmt: skip


def what_is_lost(
    scores: pd.DataFrame, subjects: pd.DataFrame, controls: Mapping[str, tuple[str, str]]
) -> pd.DataFrame:
    """r of every model on the text as it is minus r of the same model on each control.

    Paired in every subject and fold; interval and p as of `baselines.against_baselines`, p adjusted
    within a benchmark. `passed`: the adjusted p is below .05 and the text as it is scores higher.

    Parameters
    ----------
    scores, subjects : tables of `scores.collect_scores`, of benchmarks and their altered ones.
    controls : altered benchmark → the benchmark, and the control.

    Returns
    -------
    COLUMNS (docs/outputs.md).
    """
    overall = scores[scores["region"] == "all"]
    by_name = {(row["model"], row["benchmark"]): row for row in overall.to_dict("records")}
    cells = subjects[(subjects["subject"] != "all") & (subjects["fold"] >= 0)]
    rows: list[dict[str, Any]] = []
    for altered, (benchmark, control) in controls.items():
        # Under one name, for their folds are the same.
        both = [
            cells[cells["benchmark"] == name].assign(benchmark="") for name in (benchmark, altered)
        ]
        held_out = held_out_by(both[0])
        for model in (name for name, of in by_name if of == altered):
            before, after = by_name[model, benchmark], by_name[model, altered]
            one, other = (unit_tables(part, [model])[0] for part in both)
            known = ~np.isnan(one - other)
            lost = before["r"] - after["r"]
            variance, fixed = (of_pair(one - other, held) for held in (held_out, NOTHING))
            kept = after["r"] / before["r"] if before["low"] > 0 else np.nan
            rows.append(
                {
                    "model": model, "family": before["family"], "role": before["role"],
                    "benchmark": benchmark, "dataset": before["dataset"], "mode": before["mode"],
                    "control": control, "r": before["r"], "r_control": after["r"], "lost": lost,
                    **tested(lost, variance, fixed),
                    "n_subjects": int(known.any(axis=1).sum()),
                    "n_stimuli": int(known.any(axis=0).sum()) if held_out else 0,
                    "kept": kept, "simulated": before["simulated"],
                }
            )  # fmt: skip
    table = pd.DataFrame(rows).reindex(columns=list(COLUMNS))
    table["p_adjusted"] = adjust_within(table, "benchmark")
    table["passed"] = (table["p_adjusted"] < LEVEL) & (table["lost"] > 0)
    return table
