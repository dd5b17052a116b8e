"""Intervals and tests of statistics of few independent units: Student's t, and the jackknife."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from scipy.special import stdtr, stdtrit

LEVEL = 0.05  # of tests; intervals cover the other 95 %
TAILS = (LEVEL / 2, 1 - LEVEL / 2)  # the quantiles at both ends of an interval
NORMAL = 1.959963984540054  # the upper of them, of the standard normal distribution


@dataclass(frozen=True)
class Inference:
    """95 % interval of a statistic, and the two-sided p of its being 0: below .05 where the
    interval leaves out 0. NaN where they are not defined; `note` says why there is no p.
    """

    low: float = np.nan
    high: float = np.nan
    p: float = np.nan
    note: str = ""


@dataclass(frozen=True)
class Crossed:
    """The part that further units, crossed with the clusters, have in a statistic's variance.

    `added`: variance beyond that over clusters; `alone`: variance over these units alone, which the
    whole is not below; `freedom`: degrees of freedom of either.
    """

    added: float
    alone: float
    freedom: float

    def scaled(self, factor: float) -> "Crossed":
        """That of a statistic whose derivative by this one is `factor`."""
        return Crossed(self.added * factor**2, self.alone * factor**2, self.freedom)


def reach(freedom: float) -> float:
    """How many standard errors a 95 % interval with `freedom` degrees of freedom reaches."""
    return float(stdtrit(freedom, TAILS[1]))


def two_sided_p(t: float, freedom: float) -> float:
    """p of Student's t with `freedom` degrees of freedom, either sign counting."""
    return float(2 * stdtr(freedom, -abs(t)))


def welch_satterthwaite(variances: np.ndarray, freedom: np.ndarray) -> np.ndarray:
    """Degrees of freedom [...] of a sum of independent variances [part, ...] with their own.

    Welch 1947; 0 where no part varies. A part without degrees of freedom counts as constant.
    """
    variances = np.where(freedom > 0, np.nan_to_num(variances), 0)
    total, terms = variances.sum(0), (variances**2 / np.maximum(freedom, 1)).sum(0)
    return np.where(terms > 0, total**2 / np.where(terms > 0, terms, 1), 0)


def student(value: float, error: float, freedom: float) -> Inference:
    """Interval and test of a value with its standard error, which has degrees of freedom."""
    half = reach(freedom) * error
    p = two_sided_p(value / error, freedom) if error > 0 else np.nan
    return Inference(value - half, value + half, p, "" if error > 0 else "its standard error is 0")


def jackknife(
    sums: np.ndarray,
    statistic: Callable[[np.ndarray], np.ndarray],
    bounded: bool = False,
    crossed: Crossed | None = None,
) -> Inference:
    """Interval and test of a statistic of summed data, leaving out one cluster after another.

    The standard error is the jackknife's (Efron & Tibshirani 1993, section 11.3), its reach
    Student's t with m − 1 degrees of freedom; where units are crossed with clusters, Welch and
    Satterthwaite's, never fewer than those of the smaller of both.

    Parameters
    ----------
    sums : [m, k], the sums of every cluster.
    statistic : sums [rows, k] → values [rows].
    bounded : the statistic is a correlation: all is computed on Fisher's z = artanh r.
    crossed : the part of further units, on the scale of the statistic.

    Returns
    -------
    NaN with fewer than two clusters, or where the statistic (z: at r = ±1) is not defined with all
    of them or without one. p is NaN too where no cluster makes a difference.
    """
    m, total = len(sums), sums.sum(0)
    if m < 2:
        return Inference(note=f"{m} clusters, 2 are needed")
    values = statistic(np.vstack([total, total - sums]))
    if bounded:
        with np.errstate(divide="ignore"):
            values = np.arctanh(values)
    if not np.isfinite(values).all():
        why = "not defined, or ±1," if bounded else "not defined"
        return Inference(note=f"{why} with all of them or without one")
    value, without = values[0], values[1:]
    error = np.sqrt((m - 1) / m * np.sum((without - without.mean()) ** 2))
    if error <= 1e-12 * abs(value):
        error = 0.0  # what rounding leaves
    freedom = float(m - 1)
    if crossed is not None and error > 0:
        # dz / dr = 1 / (1 − r²)
        part = crossed.scaled(float(np.cosh(value) ** 2) if bounded else 1.0)
        variances = np.array([error**2, part.added])
        joint = float(welch_satterthwaite(variances, np.array([m - 1, part.freedom])))
        freedom = max(joint, min(m - 1, part.freedom))
        if part.alone > variances.sum():
            variances, freedom = np.array([part.alone]), part.freedom
        error = np.sqrt(variances.sum())
    result = student(float(value), float(error), freedom)
    if bounded:
        low, high = float(np.tanh(result.low)), float(np.tanh(result.high))
        return replace(result, low=low, high=high)
    return result


def paired_sums(x: np.ndarray, y: np.ndarray, cluster: np.ndarray) -> np.ndarray:
    """Sums [m, 6] over the n of every cluster of 1, x, y, x², y², xy; x and y centred over all."""
    _, index = np.unique(cluster, return_inverse=True)
    x, y = x - x.mean(), y - y.mean()
    terms = (np.ones(len(x)), x, y, x * x, y * y, x * y)
    return np.column_stack([np.bincount(index, term) for term in terms])


def correlation(sums: np.ndarray) -> np.ndarray:
    """Pearson's r [rows] from sums [rows, 6] of `paired_sums`; NaN where x or y is constant.

    From sums, because the jackknife leaves a cluster out by subtraction.
    """
    var_x, var_y, cov = _moments(sums)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.clip(cov / np.sqrt(var_x * var_y), -1, 1)


def partial_correlation(sums: np.ndarray) -> np.ndarray:
    """Partial r [rows] of x and y given one or more z from sums [rows, 6 · pairs].

    The sums are `paired_sums` of every two of x, y, z₁, z₂ …, in the order of
    `itertools.combinations`. NaN where one is constant, or the z leave nothing of x or y.
    """
    pairs = sums.shape[1] // 6
    v = round((1 + np.sqrt(1 + 8 * pairs)) / 2)  # variables
    r = np.broadcast_to(np.eye(v), (len(sums), v, v)).copy()
    for (i, j), part in zip(combinations(range(v), 2), np.split(sums, pairs, axis=1), strict=True):
        r[:, i, j] = r[:, j, i] = correlation(part)
    partial = np.full(len(sums), np.nan)
    known = np.isfinite(r).all(axis=(1, 2))
    of_z = r[known][:, :2, 2:]  # of x and y with each z
    # What is left of the correlations of x and y with themselves and each other.
    left = r[known][:, :2, :2] - of_z @ np.linalg.pinv(r[known][:, 2:, 2:], hermitian=True) @ (
        of_z.transpose(0, 2, 1)
    )
    variances = left[:, 0, 0] * left[:, 1, 1]
    with np.errstate(invalid="ignore"):
        partial[known] = left[:, 0, 1] / np.sqrt(np.where(variances > 1e-12, variances, np.nan))
    return np.clip(partial, -1, 1)


def slope(sums: np.ndarray) -> np.ndarray:
    """Slope [rows] of y on x from sums [rows, 6] of `paired_sums`; NaN where either is constant."""
    var_x, var_y, cov = _moments(sums)
    with np.errstate(invalid="ignore", divide="ignore"):
        return cov / (var_x + 0 * var_y)


def _moments(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n, sum_x, sum_y, xx, yy, xy = sums.T
    squares = [(xx, xx - sum_x**2 / n), (yy, yy - sum_y**2 / n)]
    var_x, var_y = (np.where(var > 1e-9 * square, var, np.nan) for square, var in squares)
    return var_x, var_y, xy - sum_x * sum_y / n
