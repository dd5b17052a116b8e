"""Correlation of two quantities over models: Pearson, Spearman, partial, with N, p and the reason
when there is none; and the test where models come in clusters."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from brainalign.analysis.wording import counted
from brainalign.intervals import (
    Inference,
    correlation,
    jackknife,
    paired_sums,
    partial_correlation,
    two_sided_p,
)

MINIMUM_MODELS = 3


@dataclass(frozen=True)
class Correlation:
    """A correlation coefficient; where it is not defined, r, p, slope are NaN and `note` says why.

    `slope` is the least-squares slope of y on x (Pearson only; NaN otherwise).
    """

    r: float
    p: float
    n: int
    slope: float = np.nan
    note: str = ""


def pearson(x: np.ndarray, y: np.ndarray) -> Correlation:
    """Pearson correlation of x and y, float [n]; pairs with a NaN are left out and not counted.

    For a few models: r comes with its p, its slope, and the reason where there is none.
    p is two-sided from t = r √((n−2)/(1−r²)) with n−2 degrees of freedom.
    """
    x, y = _complete(x, y)
    note = _undefined(x, y)
    if note:
        return Correlation(np.nan, np.nan, len(x), note=note)
    r, slope = _r_and_slope(x, y)
    return Correlation(r, correlation_p(r, len(x)), len(x), slope)


def spearman(x: np.ndarray, y: np.ndarray) -> Correlation:
    """Spearman correlation of `x` and `y` [n] (Pearson of mid-ranks).

    p is that of the same t, but not below 2 / n!, the least that n ranks can give: the
    approximation says 0 where two orders are the same.
    """
    x, y = _complete(x, y)
    note = _undefined(x, y)
    if note:
        return Correlation(np.nan, np.nan, len(x), note=note)
    r, _ = _r_and_slope(ranks(x), ranks(y))
    least = 2 / math.factorial(len(x))
    return Correlation(r, max(correlation_p(r, len(x)), least), len(x))


def partial(x: np.ndarray, y: np.ndarray, given: Sequence[np.ndarray]) -> Correlation:
    """Pearson correlation of x and y with `given` (arrays [n]) regressed out of both.

    p from t with n − 2 − len(given) degrees of freedom (Fisher 1924).
    """
    x, y, *controls = _complete(x, y, *given)
    note = _undefined(x, y)
    n, k = len(x), len(controls)
    if not note and n - 2 - k < 1:
        note = f"{n} models are too few to control for {k}"
    if note:
        return Correlation(np.nan, np.nan, n, note=note)
    design = np.column_stack([np.ones(n), *[c - c.mean() for c in controls]])
    basis, singular, _ = np.linalg.svd(design, full_matrices=False)
    basis = basis[:, singular > singular[0] * 1e-12]
    rest = [v - basis @ (basis.T @ v) for v in (x, y)]
    for name, values, part in zip("xy", (x, y), rest, strict=True):
        if np.ptp(part) <= 1e-9 * np.ptp(values):
            return Correlation(np.nan, np.nan, n, note=f"{name} is explained by what is held fixed")
    r, _ = _r_and_slope(*rest)
    return Correlation(r, correlation_p(r, n, k), n)


def within_groups(x: np.ndarray, y: np.ndarray, groups: np.ndarray) -> Correlation:
    """Pearson correlation of x and y around the means of their groups (labels [n]).

    p from t with n − 1 − (number of groups) degrees of freedom: analysis of covariance with a
    level per group (Bland & Altman 1995, correlation within subjects). Groups of one add nothing.
    """
    present = ~(np.isnan(x) | np.isnan(y))
    names = np.unique(groups[present])
    return partial(x, y, [(groups == name).astype(float) for name in names[1:]])


def correlation_p(r: float, n: int, controlled: int = 0) -> float:
    """Two-sided p of a (partial) correlation of n pairs under independence and normality."""
    freedom = n - 2 - controlled
    if freedom < 1 or np.isnan(r):
        return np.nan
    if abs(r) >= 1:
        return 0.0
    t = abs(r) * np.sqrt(freedom / (1 - r * r))
    return two_sided_p(t, freedom)


def over_clusters(
    x: np.ndarray,
    y: np.ndarray,
    clusters: np.ndarray,
    given: Sequence[np.ndarray] = (),
    ranked: bool = False,
) -> Inference:
    """Interval and test of a correlation when whole clusters are independent, not their members.

    Fisher's z against its delete-one-cluster jackknife standard error, Student's t with
    (clusters − 1) degrees of freedom.

    Parameters
    ----------
    x, y : float [n]; pairs with a NaN are left out.
    clusters : label of each pair's cluster [n].
    given : arrays float [n], regressed out of both: the partial correlation.
    ranked : of the ranks among all [n] (Spearman's). p is not below 2 / clusters!, the least that
        so many orders can give: where few clusters agree, leaving one out changes next to nothing.

    Returns
    -------
    low, high, p; NaN with fewer than three clusters, or where r is not defined (or ±1) with all of
    them or without one.
    """
    present = ~np.isnan(np.sum([x, y, *given], axis=0))
    x, y, *fixed = (values[present] for values in (x, y, *given))
    clusters = clusters[present]
    m = len(set(clusters))
    if m < MINIMUM_MODELS:
        return Inference(note=f"{m} clusters, {MINIMUM_MODELS} are needed")
    if ranked:
        x, y = ranks(x), ranks(y)
    sums = [paired_sums(one, other, clusters) for one, other in combinations((x, y, *fixed), 2)]
    inference = jackknife(
        np.hstack(sums), partial_correlation if fixed else correlation, bounded=True
    )
    least = 2 / math.factorial(m) if ranked else 0.0
    return replace(inference, p=float(np.maximum(inference.p, least)))


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks of `values` [n] from 1, ties share their mean rank; float64 [n]."""
    _, index, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return ((2 * last - counts + 1) / 2)[index]


def _complete(*arrays: np.ndarray) -> list[np.ndarray]:
    stacked = np.array([np.asarray(a, dtype=float) for a in arrays])
    return list(stacked[:, ~np.isnan(stacked).any(axis=0)])


def _undefined(x: np.ndarray, y: np.ndarray) -> str:
    if len(x) < MINIMUM_MODELS:
        count = counted(len(x), "model has", "models have")
        return f"{count} both values, {MINIMUM_MODELS} are needed"
    for name, values in (("x", x), ("y", y)):
        if np.ptp(values) <= 1e-12 * max(1.0, np.abs(values).max()):
            return f"{name} is constant"
    return ""


def _r_and_slope(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    x, y = x - x.mean(), y - y.mean()
    xx, yy, xy = x @ x, y @ y, x @ y
    return float(np.clip(xy / np.sqrt(xx * yy), -1, 1)), float(xy / xx)
