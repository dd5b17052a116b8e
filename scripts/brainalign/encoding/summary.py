"""The rows of alignment tables: scores of targets as summaries per subject, region and fold."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from brainalign.encoding.correlation import Aggregate

COLUMNS = (
    "layer", "layer_index", "depth", "subject", "region", "fold", "r", "r_sd", "n_targets",
    "n_undefined", "alpha", "alpha_at_edge", "chosen",
)  # fmt: skip


@dataclass(frozen=True)
class Scores:
    """r [fold, target], NaN where undefined, and each target's alpha as an index of the grid."""

    r: np.ndarray
    alpha: np.ndarray | None


def summarise(scores: Scores, aggregate: Aggregate, alphas: Sequence[float]) -> pd.DataFrame:
    """Rows of the alignment table for one layer: subject × region × fold, fold -1 the mean.

    `alphas`: the grid in increasing order; a score's alpha counts from its largest.
    """
    grid = np.asarray(alphas)[::-1]
    undefined = np.isnan(scores.r)
    tables = []
    for (subject, region), values in aggregate(scores.r).items():
        targets = aggregate.targets(subject, region)
        lost = undefined[:, targets]
        table = fold_rows(subject, region, values, targets.size)
        table["n_undefined"] = [int(lost.any(axis=0).sum()), *lost.sum(axis=1).tolist()]
        if scores.alpha is not None:
            index = scores.alpha[:, targets]
            edge = (index == 0) | (index == grid.size - 1)
            table["alpha"] = [np.median(grid[index]), *np.median(grid[index], axis=1)]
            table["alpha_at_edge"] = [edge.mean(), *edge.mean(axis=1)]
        tables.append(table)
    return pd.concat(tables, ignore_index=True)


def fold_rows(subject: str, region: str, values: np.ndarray, n_targets: int) -> pd.DataFrame:
    """Rows of one subject and region: first the mean over folds, then each fold."""
    return pd.DataFrame(
        {
            "subject": subject,
            "region": region,
            "fold": [-1, *range(values.size)],
            "r": [mean_of_defined(values), *values],
            "r_sd": [spread_of_defined(values), *[np.nan] * values.size],
            "n_targets": n_targets,
            "n_undefined": 0,
            "alpha": np.nan,
            "alpha_at_edge": np.nan,
        }
    )


def mean_of_defined(values: np.ndarray) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else np.nan


def spread_of_defined(values: np.ndarray) -> float:
    defined = values[~np.isnan(values)]
    return float(defined.std(ddof=1)) if defined.size > 1 else np.nan
