"""Correlation of two quantities over models: Pearson, Spearman, partial, with N, p and the reason
when there is none."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

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

    p is two-sided from t = r √((n−2)/(1−r²)) with n−2 degrees of freedom.
    """
    x, y = _complete(x, y)
    note = _undefined(x, y)
    if note:
        return Correlation(np.nan, np.nan, len(x), note=note)
    r, slope = _r_and_slope(x, y)
    return Correlation(r, correlation_p(r, len(x)), len(x), slope)


def spearman(x: np.ndarray, y: np.ndarray) -> Correlation:
    """Spearman correlation (Pearson of mid-ranks); p by the same t approximation."""
    x, y = _complete(x, y)
    note = _undefined(x, y)
    if note:
        return Correlation(np.nan, np.nan, len(x), note=note)
    r, _ = _r_and_slope(ranks(x), ranks(y))
    return Correlation(r, correlation_p(r, len(x)), len(x))


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
    for name, whole, part in zip("xy", (x, y), rest, strict=True):
        if np.ptp(part) <= 1e-9 * np.ptp(whole):
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
    return float(2 * stdtr(freedom, -t))


def bootstrap_pearson(x: np.ndarray, y: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """95 % percentile interval of Pearson's r.

    Parameters
    ----------
    x, y : float [n]
    weights : [samples, n], how often each pair is drawn in each bootstrap sample
        (`resampling.cluster_weights`). Samples whose x or y is constant are left out; when they
        are more than half of all, the interval is not defined (NaN).
    """
    present = ~(np.isnan(x) | np.isnan(y))
    if present.sum() < MINIMUM_MODELS:
        return np.nan, np.nan
    x, y, w = x[present], y[present], np.asarray(weights, float)[:, present]
    x, y = x - x.mean(), y - y.mean()
    total = w.sum(1)
    with np.errstate(invalid="ignore", divide="ignore"):
        sums = (w @ np.column_stack([x, y, x * x, y * y, x * y])) / total[:, None]
        mean_x, mean_y, xx, yy, xy = sums.T
        var_x, var_y = xx - mean_x**2, yy - mean_y**2
        defined = (var_x > 1e-12 * np.var(x)) & (var_y > 1e-12 * np.var(y))
        r = (xy - mean_x * mean_y) / np.sqrt(var_x * var_y)
    if defined.sum() <= len(w) / 2:
        return np.nan, np.nan
    low, high = np.quantile(np.clip(r[defined], -1, 1), [0.025, 0.975])
    return float(low), float(high)


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1, ties share their mean rank; float [n]."""
    _, index, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return ((2 * last - counts + 1) / 2)[index]


def _complete(*arrays: np.ndarray) -> list[np.ndarray]:
    stacked = np.array([np.asarray(a, dtype=float) for a in arrays])
    return list(stacked[:, ~np.isnan(stacked).any(axis=0)])


def _undefined(x: np.ndarray, y: np.ndarray) -> str:
    if len(x) < MINIMUM_MODELS:
        return f"{len(x)} models have both values, {MINIMUM_MODELS} are needed"
    for name, values in (("x", x), ("y", y)):
        if np.ptp(values) <= 1e-12 * max(1.0, np.abs(values).max()):
            return f"{name} is constant"
    return ""


def _r_and_slope(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    x, y = x - x.mean(), y - y.mean()
    xx, yy, xy = x @ x, y @ y, x @ y
    return float(np.clip(xy / np.sqrt(xx * yy), -1, 1)), float(xy / xx)
