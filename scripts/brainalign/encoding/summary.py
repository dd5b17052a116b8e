"""The rows of alignment tables: scores of targets as summaries per subject, region and fold."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from brainalign.encoding.arrays import fetch
from brainalign.encoding.correlation import Aggregate, Agreement, Sums, correlation, over_defined

# What is only of the chosen layer.
OF_CHOSEN = (
    "r_null", "r_p", "group_p", "n_significant", "unique_r2", "unique_null", "unique_p",
)  # fmt: skip
COLUMNS = (
    "layer", "layer_index", "depth", "subject", "region", "fold", "r", "r_sd", "r_stacked",
    "r_null", "r_p", "group_p", "n_significant", "r2", "unique_r2", "unique_null", "unique_p",
    "beyond", "n_targets", "n_undefined", "reason", "n_missed", "alpha", "alpha_at_edge",
    "alpha_at_lowest", "units_per_row", "reduction", "chosen",
)  # fmt: skip

Columns = dict[str, list[Any]]


@dataclass(frozen=True)
class Scores:
    """What each target scores in each fold, [fold, target] each.

    `r` and `r2` are NaN where undefined, `sums` [3, fold, target] are the sums that r is made of
    (`correlation.Sums`: covariance, prediction, response; zero where undefined), `alpha` is an
    index of the grid (None for least squares), `inner_r` is r inside the training rows of the fold,
    the mean over the inner folds that choose the penalty (None of other regressions).
    """

    r: np.ndarray
    r2: np.ndarray
    sums: np.ndarray
    alpha: np.ndarray | None
    inner_r: np.ndarray | None = None

    @classmethod
    def undefined(
        cls, n_folds: int, n_targets: int, penalties: bool, inner: bool = False
    ) -> "Scores":
        """Scores to be written, NaN until then; with `alpha` and `inner_r` if asked for."""
        shape = (n_folds, n_targets)
        alpha = np.zeros(shape, dtype=np.int64) if penalties else None
        inner_r = np.full(shape, np.nan) if inner else None
        nothing = np.zeros((3, *shape))
        return cls(np.full(shape, np.nan), np.full(shape, np.nan), nothing, alpha, inner_r)

    @classmethod
    def of_folds(cls, folds: Sequence["Scores"]) -> "Scores":
        """The scores of several folds, in their order."""
        alphas = [fold.alpha for fold in folds if fold.alpha is not None]
        inner = [fold.inner_r for fold in folds if fold.inner_r is not None]
        return cls(
            np.concatenate([fold.r for fold in folds]),
            np.concatenate([fold.r2 for fold in folds]),
            np.concatenate([fold.sums for fold in folds], axis=1),
            np.concatenate(alphas) if alphas else None,
            inner_r=np.concatenate(inner) if inner else None,
        )

    def write(self, fold: int, block: slice, agreement: Agreement) -> None:
        """Write down the scores of some targets in one fold."""
        self.r[fold, block], self.r2[fold, block] = fetch(agreement.r), fetch(agreement.r2)
        varies = ~fetch(agreement.sums.constant)
        for into, values in zip(self.sums, agreement.sums[:3], strict=True):
            into[fold, block] = fetch(values) * varies

    def only(self, measured: np.ndarray) -> "Scores":
        """These scores, NaN for targets that are not `measured` [target]."""
        self.r[:, ~measured] = np.nan
        self.r2[:, ~measured] = np.nan
        self.sums[:, :, ~measured] = 0.0
        if self.inner_r is not None:
            self.inner_r[:, ~measured] = np.nan
        return self

    def insert(self, folds: Sequence[int], columns: np.ndarray, other: "Scores") -> None:
        """Write down the scores of some targets in some folds: `columns`, int [column], of `other`
        [fold, column].
        """
        rows = np.asarray(folds)[:, None]
        for name in ("r", "r2", "alpha", "inner_r"):
            if getattr(self, name) is not None:
                getattr(self, name)[rows, columns] = getattr(other, name)
        self.sums[:, rows, columns] = other.sums

    def take(self, fold: int, other: "Scores") -> None:
        """Write down one fold's scores of `other`."""
        for name in ("r", "r2", "alpha"):
            if getattr(self, name) is not None:
                getattr(self, name)[fold] = getattr(other, name)[fold]
        self.sums[:, fold] = other.sums[:, fold]

    @property
    def stacked(self) -> np.ndarray:
        """r [target] of all folds' test rows one below the other, predictions and responses centred
        in each fold. NaN where the response is constant in every fold.
        """
        sums = self.sums.sum(axis=1)
        return correlation(Sums(sums[0], sums[1], sums[2], sums[2] == 0))


def summarise(
    scores: Scores, aggregate: Aggregate, alphas: Sequence[float], unmeasured: np.ndarray
) -> pd.DataFrame:
    """Rows of the alignment table for one layer: subject × region × fold, fold -1 the mean.

    `alphas`: the grid in increasing order; a score's alpha counts from its largest. `unmeasured`
    says of each target in each fold [fold, target] why it has no score, or nothing.
    """
    grid = np.asarray(alphas)[::-1]
    undefined = np.isnan(scores.r)
    explained = aggregate(scores.r2)
    stacked = aggregate(scores.stacked)
    parts = []
    for (subject, region), values in aggregate(scores.r).items():
        targets = aggregate.targets(subject, region)
        lost = undefined[:, targets]
        rows = fold_rows(subject, region, values, targets.size)
        rows["r_stacked"][0] = float(stacked[subject, region])
        rows["r2"] = with_mean(explained[subject, region])
        rows["n_undefined"] = [int(lost.any(axis=0).sum()), *lost.sum(axis=1).tolist()]
        why = unmeasured[:, targets]
        anywhere = np.flatnonzero(lost.any(axis=0))
        first = why[lost[:, anywhere].argmax(axis=0), anywhere]
        rows["reason"] = list(map(reason, (first, *(w[k] for w, k in zip(why, lost, strict=True)))))
        inside = ~lost.all(axis=0)
        scored = targets[inside]
        if scores.alpha is not None and scored.size:
            index = scores.alpha[:, scored]
            rows["alpha"] = _with_all(np.median, np.nanmedian, grid[index], lost[:, inside])
            if grid.size > 1:
                lowest = index == grid.size - 1
                for name, at in (
                    ("alpha_at_edge", lowest | (index == 0)), ("alpha_at_lowest", lowest),
                ):  # fmt: skip
                    rows[name] = _with_all(np.mean, np.nanmean, at, lost[:, inside])
        parts.append(rows)
    return table_of(parts)


def _with_all(
    reduce: Callable[..., Any], of_defined: Callable[..., Any], values: np.ndarray, lost: np.ndarray
) -> list[float]:
    """`reduce` over all `values` [fold, target], then over each fold; `lost` ones do not count."""
    if not lost.any():
        return [reduce(values), *reduce(values, axis=1)]
    values = np.where(lost, np.nan, values)
    return [over_defined(of_defined, values.ravel()).item(), *over_defined(of_defined, values)]


def reason(unmeasured: np.ndarray) -> str:
    """Why targets have no r, counted: `2 NaN, 1 constant in the fold`; '' where there are none.

    `unmeasured` [target]: '' of what is measured and presented and yet without r: it does not vary
    over the test rows.
    """
    counted = Counter(str(why) or "constant in the fold" for why in unmeasured)
    return ", ".join(f"{n} {why}" for why, n in sorted(counted.items()))


def fold_rows(subject: str, region: str, values: np.ndarray, n_targets: int) -> Columns:
    """Rows of one subject and region from `values` [fold]: first the mean over folds, then each
    fold."""
    n_rows = values.size + 1
    return {
        "subject": [subject] * n_rows,
        "region": [region] * n_rows,
        "fold": [-1, *range(values.size)],
        "r": with_mean(values),
        "r_sd": [spread_of_defined(values), *[np.nan] * values.size],
        "r_stacked": [np.nan] * n_rows,
        "r2": [np.nan] * n_rows,
        "n_targets": [n_targets] * n_rows,
        "n_undefined": [0] * n_rows,
        "reason": [""] * n_rows,
        "alpha": [np.nan] * n_rows,
        "alpha_at_edge": [np.nan] * n_rows,
        "alpha_at_lowest": [np.nan] * n_rows,
    }


def table_of(parts: Sequence[Columns]) -> pd.DataFrame:
    """One table (`COLUMNS`, as far as `parts` have them) of the rows of several subjects and
    regions.

    A data frame for each subject and region would take most of an alignment job's time.
    """
    return pd.DataFrame({name: list(chain(*(part[name] for part in parts))) for name in parts[0]})


def with_mean(values: np.ndarray) -> list[float]:
    """The mean over folds, then the folds, of `values` [fold]."""
    return [mean_of_defined(values), *values.tolist()]


def mean_of_defined(values: np.ndarray) -> float:
    """The mean of `values` [fold] without NaN; NaN where all are."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if defined.size else np.nan


def spread_of_defined(values: np.ndarray) -> float:
    """The standard deviation (n − 1) of `values` [fold] without NaN; NaN where fewer than two are
    left.
    """
    defined = values[~np.isnan(values)]
    return float(defined.std(ddof=1)) if defined.size > 1 else np.nan
