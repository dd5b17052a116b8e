"""Pearson's r and R² per target, and their aggregates over targets and subjects by name."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from array_api_compat import array_namespace

from brainalign.encoding.arrays import Array, column_products, rows_of
from brainalign.errors import InputError

AGGREGATES = ("median-pooled", "median-within-subject", "mean")
# A response whose mean is so many standard deviations from 0 is centred before it is squared.
DEVIATIONS = 2.0


class Prediction(NamedTuple):
    """What a fitted regression says of the test rows.

    values : [test row, target], relative to their mean over the test rows; exactly zero where
        the features do not tell the test rows apart.
    mean : [target], that mean, relative to the mean of the training rows (to 0 without intercept).
    """

    values: Array
    mean: Array


class Sums(NamedTuple):
    """Sums over test rows of products of a fold's centred columns, [..., target].

    `constant` tells which responses vary by rounding alone.
    """

    covariance: Array
    prediction: Array
    response: Array
    constant: Array


class Agreement(NamedTuple):
    """Pearson's r and R² of each target, [target], and the sums that r is made of."""

    r: Array
    r2: Array
    sums: Sums


class Spread(NamedTuple):
    """Sums of squares of columns around their means, [target].

    `far` tells whose mean is so far from 0 that the column was centred first, and `constant` those
    among them that vary by rounding alone.
    """

    squares: Array
    far: Array
    constant: Array


def spread(values: Array, mean: Array) -> Spread:
    """The spread of the columns of `values` [row, target] around their `mean` [target].

    Squares around the mean are those around 0 less the mean's, unless that would lose digits, and
    so wherever only rounding is left.
    """
    xp, offset = array_namespace(values), values.shape[0] * mean**2
    squares = column_products(values, values) - offset
    far = offset >= DEVIATIONS**2 * squares
    constant = xp.zeros_like(far)
    if xp.any(far):
        columns = values[:, far]
        centred = _centred(columns)
        squares[far] = column_products(centred, centred)
        rounding = 4 * float(xp.finfo(values.dtype).eps)
        constant[far] = squares[far] <= rounding**2 * column_products(columns, columns)
    return Spread(squares, far, constant)


def shares_of_variance(responses: Array, test: np.ndarray) -> Array:
    """What turns mean squared errors over the rows `test` into 1 - R²: [target] of `responses`
    [row, target], of their dtype; 0 for a constant response."""
    xp = array_namespace(responses)
    tested = rows_of(responses, test)
    around = spread(tested, xp.mean(tested, axis=0))
    varying = xp.where(around.constant, 1.0, around.squares)
    return xp.where(around.constant, 0.0, test.size / varying)


def _centred(columns: Array) -> Array:
    """Columns around their means; the first row leaves exactly nothing of a constant."""
    shifted = columns - columns[0, :]
    return shifted - array_namespace(columns).mean(shifted, axis=0)


def _sums(p: Array, t: Array, mean: Array) -> Sums:
    """Of predictions that are centred and responses that are not, [row, target]."""
    squares, far, constant = spread(t, mean)
    covariance = column_products(p, t)
    if array_namespace(t).any(far):
        covariance[far] = column_products(p[:, far], _centred(t[:, far]))
    return Sums(covariance, column_products(p, p), squares, constant)


def pearson(prediction: Array, response: Array, epsilon: float = 0.0) -> Array:
    """Pearson's r of each column, for many columns, in any dtype and on any device.

    Parameters
    ----------
    prediction, response : [row, target], same floating dtype.
    epsilon : added to both norms. Brain-Score's metric adds 1e-8
        (brainscore_language.metrics.linear_predictivity), and so scores constant columns 0.

    Returns
    -------
    [target]. Without epsilon a constant response has no r (NaN), and a prediction that is exactly
    constant over the rows has r = 0: it says nothing about them.
    """
    xp = array_namespace(prediction, response)
    centred = prediction - xp.mean(prediction, axis=0)
    return correlation(_sums(centred, response, xp.mean(response, axis=0)), epsilon)


def agreement(
    prediction: Prediction, response: Array, baseline: Array, epsilon: float = 0.0
) -> Agreement:
    """Pearson's r, as `pearson` has it, and R² out of sample.

    R² is 1 - squared error / squared distance from `baseline` [target], the mean of the training
    rows (0 without intercept): what a regression without features would predict. Not clipped.
    It is NaN where the response is constant over the test rows.
    """
    xp, n_rows = array_namespace(response), response.shape[0]
    mean = xp.mean(response, axis=0)
    sums = _sums(prediction.values, response, mean)
    distance = mean - baseline
    error = sums.response - 2 * sums.covariance + sums.prediction
    error = error + n_rows * (distance - prediction.mean) ** 2
    total = xp.where(sums.constant, 1.0, sums.response + n_rows * distance**2)
    r2 = xp.where(sums.constant, xp.nan, 1 - error / total)
    return Agreement(correlation(sums, epsilon), r2, sums)


def correlation(sums: Sums, epsilon: float = 0.0) -> Array:
    """Pearson's r [..., target] from sums of products, of their dtype; NaN for constant
    responses."""
    xp = array_namespace(sums.response)
    norm_p, norm_t = xp.sqrt(sums.prediction), xp.sqrt(sums.response)
    if epsilon:
        return sums.covariance / ((norm_p + epsilon) * (norm_t + epsilon))
    r = sums.covariance / xp.where(sums.constant | (norm_p == 0), 1.0, norm_p * norm_t)
    return xp.where(sums.constant, xp.nan, xp.where(norm_p == 0, 0.0, r))


class Aggregate:
    """Summaries of per-target values: for every subject and region, `all` included.

    `median-pooled` is the median over the targets of all subjects (Brain-Score's);
    `median-within-subject` the mean over subjects of each one's median; `mean` the mean over
    subjects of each one's mean. NaN targets are left out, so count them.

    Parameters
    ----------
    name : one of `AGGREGATES`.
    subjects, regions : one per target.
    """

    def __init__(self, name: str, subjects: Sequence[str], regions: Sequence[str]) -> None:
        if name not in AGGREGATES:
            raise InputError(f"aggregate: {name!r}, expected one of {', '.join(AGGREGATES)}")
        self.name = name
        who, where = np.asarray(subjects), np.asarray(regions)
        members = {str(s): np.flatnonzero(who == s) for s in np.unique(who)}
        names = [str(region) for region in np.unique(where)]
        # One entry per (subject, region): the targets of each subject that takes part.
        self.parts: dict[tuple[str, str], list[np.ndarray]] = {}
        for region in ["all", *names]:
            within = [
                targets if region == "all" else targets[where[targets] == region]
                for targets in members.values()
            ]
            self.parts["all", region] = [targets for targets in within if targets.size]
            for subject, targets in zip(members, within, strict=True):
                if targets.size:
                    self.parts[subject, region] = [targets]

    def targets(self, subject: str, region: str) -> np.ndarray:
        """Indices of the targets behind one summary, int [target]."""
        return np.concatenate(self.parts[subject, region])

    def __call__(self, values: np.ndarray) -> dict[tuple[str, str], np.ndarray]:
        """(subject, region) → summary [...] of `values` [..., target], NaN if none is defined."""
        middle: Callable[..., np.ndarray] = np.mean if self.name == "mean" else np.median
        if np.isnan(values).any():
            middle = np.nanmean if self.name == "mean" else np.nanmedian
        summaries = {}
        with np.errstate(invalid="ignore"):
            for key, parts in self.parts.items():
                if self.name == "median-pooled":
                    parts = [np.concatenate(parts)]
                each = np.stack([over_defined(middle, values[..., part]) for part in parts])
                summaries[key] = over_defined(np.nanmean, np.moveaxis(each, 0, -1))
        return summaries


def over_defined(reduce: Callable[..., np.ndarray], values: np.ndarray) -> np.ndarray:
    """`reduce` (np.nanmean, …) of `values` [..., k] over the last axis: float [...]; NaN, without a
    warning, where all is NaN."""
    empty = np.isnan(values).all(axis=-1)
    if not empty.any():
        return reduce(values, axis=-1)
    result = np.full(values.shape[:-1], np.nan)
    if (~empty).any():
        result[~empty] = reduce(values[~empty], axis=-1)
    return result
