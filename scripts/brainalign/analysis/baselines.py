"""What remains: each language model beside the baselines and untrained models."""

from typing import Any

import numpy as np
import pandas as pd

from brainalign.analysis.multiplicity import adjust_within
from brainalign.analysis.resampling import paired_tests
from brainalign.intervals import mean_interval

COLUMNS = (
    "model", "against", "against_role", "benchmark", "dataset", "mode", "r", "r_against",
    "difference", "low", "high", "unit", "n", "p", "p_least", "p_adjusted",
    "note", "simulated",
)  # fmt: skip
TRAINED = ("vanilla", "tuned")


def against_baselines(scores: pd.DataFrame, subjects: pd.DataFrame) -> pd.DataFrame:
    """r of every vanilla and tuned model minus r of every baseline and untrained model.

    Paired over subjects: Student's 95 % interval of the mean difference (centred on the difference
    of the scores), Wilcoxon signed-rank p, adjusted within a benchmark. Without at least two
    subjects there is neither. The difference is not unique variance: a baseline and a model may
    explain the same or different parts of a response.

    Parameters
    ----------
    scores, subjects : tables of `scores.collect_scores`.

    Returns
    -------
    COLUMNS (docs/outputs.md).
    """
    whole = scores[scores["region"] == "all"]
    per_subject = subjects[subjects["fold"] == -1]
    rows: list[dict[str, Any]] = []
    for benchmark, part in whole.groupby("benchmark", sort=False):
        own = per_subject[per_subject["benchmark"] == benchmark]
        table = own.pivot_table(index="model", columns="subject", values="r")
        entries = part.to_dict("records")
        for model in (entry for entry in entries if entry["role"] in TRAINED):
            for other in (entry for entry in entries if entry["role"] not in TRAINED):
                pair = table.reindex([model["model"], other["model"]]).to_numpy(float)
                difference = (pair[0] - pair[1])[~np.isnan(pair).any(axis=0)]
                tests = paired_tests(difference)
                low, high = mean_interval(difference)
                score = model["r"] - other["r"]
                shift = score - difference.mean() if len(difference) > 1 else np.nan
                rows.append(
                    {
                        "model": model["model"], "against": other["model"],
                        "against_role": other["role"], "benchmark": benchmark,
                        "dataset": model["dataset"], "mode": model["mode"], "r": model["r"],
                        "r_against": other["r"], "difference": score, "low": low + shift,
                        "high": high + shift, "unit": "subjects", "n": tests.n,
                        "p": tests.p_wilcoxon, "p_least": tests.p_least, "note": tests.note,
                        "simulated": model["simulated"],
                    }
                )  # fmt: skip
    result = pd.DataFrame(rows).reindex(columns=list(COLUMNS))
    result["p_adjusted"] = adjust_within(result, "benchmark")
    return result
