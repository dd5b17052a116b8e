"""The rows of ceiling tables: single targets, and summaries with intervals."""

import numpy as np
import pandas as pd

from brainalign.encoding.correlation import Aggregate
from brainalign.encoding.responses import Targets
from brainalign.intervals import TAILS


def ceiling_table(
    values: np.ndarray, samples: np.ndarray, targets: Targets, aggregate: str, method: str
) -> pd.DataFrame:
    """One row per target and the summary rows `target_id = all`, per region and for all.

    Parameters
    ----------
    values : ceiling of each target. `samples` : [target, sample] bootstrap estimates, whose
        percentiles are the interval; summaries are intervals of the summary of each sample.
    """
    low, high = _interval(samples)
    rows = pd.DataFrame(
        {
            "target_id": targets.ids,
            "subject": targets.subjects,
            "region": targets.regions,
            "ceiling": values,
            "low": low,
            "high": high,
        }
    )
    summarise = Aggregate(aggregate, targets.subjects.tolist(), targets.regions.tolist())
    centers, spreads = summarise(values), summarise(samples.T)
    summaries = []
    for (subject, region), center in centers.items():
        if subject != "all":
            continue
        low, high = _interval(spreads[subject, region][None])
        summaries.append(("all", subject, region, float(center), float(low[0]), float(high[0])))
    table = pd.concat([pd.DataFrame(summaries, columns=rows.columns), rows], ignore_index=True)
    table["method"] = method
    return table


def _interval(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Percentiles over the last axis; NaN where a single sample tells nothing of the spread."""
    if samples.shape[1] < 2:
        nothing = np.full(samples.shape[0], np.nan)
        return nothing, nothing
    low, high = np.quantile(samples, TAILS, axis=1)
    return low, high


def with_resampled_subjects(
    table: pd.DataFrame,
    samples: np.ndarray,
    targets: Targets,
    aggregate: str,
    random: np.random.Generator,
) -> pd.DataFrame:
    """The table with intervals of its summaries over resampled subjects.

    `samples` [sample, target] are of resampled folds; each gets a draw of subjects of its own.
    """
    summarise = Aggregate(aggregate, targets.subjects.tolist(), targets.regions.tolist())
    by_subject = summarise(samples)
    for region in table.loc[table["target_id"] == "all", "region"].tolist():
        members = [s for s, g in summarise.parts if g == region and s != "all"]
        members = [s for s in members if not np.isnan(by_subject[s, region]).all()]
        if not members:
            continue
        values = np.stack([by_subject[s, region] for s in members], axis=1)
        draws = random.integers(len(members), size=values.shape)
        if aggregate == "median-pooled":
            parts = [summarise.targets(s, region) for s in members]
            resampled = [
                np.nanmedian(sample[np.concatenate([parts[i] for i in drawn])])
                for sample, drawn in zip(samples, draws, strict=True)
            ]
        else:
            resampled = np.take_along_axis(values, draws, axis=1).mean(axis=1)
        row = (table["target_id"] == "all") & (table["region"] == region)
        table.loc[row, ["low", "high"]] = np.quantile(resampled, TAILS)
    return table
