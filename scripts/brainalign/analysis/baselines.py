"""Each language model beside the baselines and untrained models."""

from typing import Any

import numpy as np
import pandas as pd

from brainalign.analysis.crossed import NOTHING, held_out_by, of_pair, tested, unit_tables
from brainalign.analysis.records import TRAINED
from brainalign.multiplicity import adjust_within

COLUMNS = (
    "model", "against", "against_role", "benchmark", "dataset", "mode", "r", "r_against",
    "difference", "low", "high", "scope", "n_subjects", "n_stimuli", "test", "p", "p_adjusted",
    "p_these_stimuli", "note", "simulated",
)  # fmt: skip


def against_baselines(scores: pd.DataFrame, subjects: pd.DataFrame) -> pd.DataFrame:
    """r of every vanilla and tuned model minus r of every baseline and untrained model.

    Paired in every subject and fold; interval and p of the difference of the scores by
    `crossed.over_units`, p adjusted within a benchmark. The difference is not unique variance: a
    baseline and a model may explain the same or different parts of a response.

    Parameters
    ----------
    scores, subjects : tables of `scores.collect_scores`.

    Returns
    -------
    COLUMNS (docs/outputs.md).
    """
    overall = scores[scores["region"] == "all"]
    cells = subjects[(subjects["subject"] != "all") & (subjects["fold"] >= 0)]
    rows: list[dict[str, Any]] = []
    for benchmark, part in overall.groupby("benchmark", sort=False):
        of_benchmark = cells[cells["benchmark"] == benchmark]
        held_out = held_out_by(of_benchmark)
        entries = part.to_dict("records")
        names = [str(entry["model"]) for entry in entries]
        tables = dict(zip(names, unit_tables(of_benchmark, names), strict=True))
        for model in (entry for entry in entries if entry["role"] in TRAINED):
            for other in (entry for entry in entries if entry["role"] not in TRAINED):
                units = tables[model["model"]] - tables[other["model"]]
                known = ~np.isnan(units)
                score = model["r"] - other["r"]
                variance, fixed = (of_pair(units, held) for held in (held_out, NOTHING))
                rows.append(
                    {
                        "model": model["model"], "against": other["model"],
                        "against_role": other["role"], "benchmark": benchmark,
                        "dataset": model["dataset"], "mode": model["mode"], "r": model["r"],
                        "r_against": other["r"], "difference": score,
                        **tested(score, variance, fixed),
                        "n_subjects": int(known.any(axis=1).sum()),
                        "n_stimuli": int(known.any(axis=0).sum()) if held_out else 0,
                        "simulated": model["simulated"],
                    }
                )  # fmt: skip
    result = pd.DataFrame(rows).reindex(columns=list(COLUMNS))
    result["p_adjusted"] = adjust_within(result, "benchmark")
    return result
