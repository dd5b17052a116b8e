"""What a simulated study planted beside what it finds: the controls of its methods."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from brainalign.analysis.averages import AVERAGE

COLUMNS = (
    "question", "model", "dataset", "benchmark", "mode", "planted", "estimate", "low", "high",
    "covered", "p", "scope", "note", "simulated",
)  # fmt: skip
EFFECT, SCORE, CEILING = "effect of tuning", "score of the planted state", "ceiling"


def planted_and_estimated(
    scores: pd.DataFrame,
    ceilings: Mapping[str, pd.DataFrame],
    contrasts: pd.DataFrame,
    true_ceilings: Mapping[str, float],
    shares: Mapping[str, float],
    vanilla: str,
) -> pd.DataFrame:
    """Every planted quantity of the controlled benchmarks of brain data with its estimate.

    Parameters
    ----------
    scores : tables/scores.csv.
    ceilings : benchmark → ceiling table, of the benchmarks in `true_ceilings`.
    contrasts : `contrasts` of the models in `shares`, `vanilla` the partner of the others.
    true_ceilings : benchmark → the planted ceiling, summarised as the benchmark summarises targets.
    shares : model → the share of the state's variance that it knows.

    Returns
    -------
    `COLUMNS`. `planted` is what a regression that knew the weights would find: √share of the
    ceiling of a model, and differences of these. `covered`: it lies in the interval.
    """
    rows = [*_effects(contrasts, true_ceilings, shares, vanilla)]
    rows += _scores(scores, true_ceilings)
    rows += _ceilings(scores, ceilings, true_ceilings)
    table = pd.DataFrame(rows).reindex(columns=list(COLUMNS)).assign(simulated=True)
    known = table["low"].notna() & table["planted"].notna()
    inside = (table["low"] <= table["planted"]) & (table["planted"] <= table["high"])
    table["covered"] = np.where(known, np.where(inside, "yes", "no"), "no interval")
    return table.fillna({"note": "", "scope": ""})


def _effects(
    contrasts: pd.DataFrame,
    true_ceilings: Mapping[str, float],
    shares: Mapping[str, float],
    vanilla: str,
) -> list[dict[str, Any]]:
    """The planted pairs, dataset by dataset and on the average over datasets."""
    pairs = contrasts[(contrasts["level"] == "pair") & (contrasts["mode"] == "controlled")]
    rows = []
    for pair in pairs.to_dict("records"):
        ceiling = true_ceilings.get(pair["benchmark"])
        if pair["dataset"] == AVERAGE:
            ceiling = float(np.mean(list(true_ceilings.values())))
        gain = np.sqrt(shares[pair["tuned"]]) - np.sqrt(shares[vanilla])
        rows.append(
            {
                **{key: pair[key] for key in ("dataset", "benchmark", "mode")},
                **{key: pair[key] for key in ("low", "high", "p", "scope", "note")},
                "question": EFFECT, "model": pair["tuned"], "estimate": pair["absolute"],
                "planted": np.nan if ceiling is None else gain * ceiling,
            }
        )  # fmt: skip
    return rows


def _scores(scores: pd.DataFrame, true_ceilings: Mapping[str, float]) -> list[dict[str, Any]]:
    """The planted state as a model: it scores the ceiling, less what estimating weights costs."""
    of_truth = scores[(scores["role"] == "truth") & (scores["region"] == "all")]
    of_truth = of_truth[of_truth["benchmark"].isin(list(true_ceilings))]
    return [
        {
            **{key: row[key] for key in ("model", "dataset", "benchmark", "mode")},
            **{key: row[key] for key in ("low", "high", "scope")},
            "question": SCORE, "planted": true_ceilings[row["benchmark"]], "estimate": row["r"],
        }
        for row in of_truth.to_dict("records")
    ]  # fmt: skip


def _ceilings(
    scores: pd.DataFrame,
    ceilings: Mapping[str, pd.DataFrame],
    true_ceilings: Mapping[str, float],
) -> list[dict[str, Any]]:
    about = scores.drop_duplicates("benchmark").set_index("benchmark")
    rows = []
    for benchmark, planted in true_ceilings.items():
        table = ceilings[benchmark]
        row = table[(table["target_id"] == "all") & (table["region"] == "all")].iloc[0]
        rows.append(
            {
                "question": CEILING, "model": "", "benchmark": benchmark,
                **{key: about.loc[benchmark, key] for key in ("dataset", "mode")},
                "planted": planted, "estimate": row["ceiling"],
                **{key: row[key] for key in ("low", "high", "note")},
            }
        )  # fmt: skip
    return rows
