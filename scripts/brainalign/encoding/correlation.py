"""Pearson's r per target, and its aggregates over targets and subjects by name."""

from collections.abc import Callable, Sequence

import numpy as np
from array_api_compat import array_namespace

from brainalign.encoding.arrays import Array
from brainalign.errors import InputError

AGGREGATES = ("median-pooled", "median-within-subject", "mean")


def pearson(prediction: Array, response: Array, epsilon: float = 0.0) -> Array:
    """Pearson's r of each column.

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
    p = prediction - xp.mean(prediction, axis=0)
    t = response - xp.mean(response, axis=0)
    covariance = xp.sum(p * t, axis=0)
    norm_p, norm_t = xp.sqrt(xp.sum(p * p, axis=0)), xp.sqrt(xp.sum(t * t, axis=0))
    if epsilon:
        return covariance / ((norm_p + epsilon) * (norm_t + epsilon))
    # What centring leaves of a constant column is rounding.
    rounding = 4 * xp.finfo(t.dtype).eps * xp.sqrt(xp.sum(response * response, axis=0))
    undefined = norm_t <= rounding
    r = covariance / xp.where(undefined | (norm_p == 0), 1.0, norm_p * norm_t)
    return xp.where(undefined, xp.nan, xp.where(norm_p == 0, 0.0, r))


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
        places = [str(region) for region in np.unique(where)]
        # One entry per (subject, region): the targets of each subject that takes part.
        self.parts: dict[tuple[str, str], list[np.ndarray]] = {}
        for region in ["all", *places]:
            within = [
                targets if region == "all" else targets[where[targets] == region]
                for targets in members.values()
            ]
            self.parts["all", region] = [targets for targets in within if targets.size]
            for subject, targets in zip(members, within, strict=True):
                if targets.size:
                    self.parts[subject, region] = [targets]

    def targets(self, subject: str, region: str) -> np.ndarray:
        """Indices of the targets behind one summary."""
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
                each = np.stack([_defined(middle, values[..., part]) for part in parts])
                summaries[key] = _defined(np.nanmean, np.moveaxis(each, 0, -1))
        return summaries


def _defined(reduce: Callable[..., np.ndarray], values: np.ndarray) -> np.ndarray:
    """`reduce` over the last axis; NaN, without a warning, where nothing is defined."""
    empty = np.isnan(values).all(axis=-1)
    if not empty.any():
        return reduce(values, axis=-1)
    result = np.full(values.shape[:-1], np.nan)
    if (~empty).any():
        result[~empty] = reduce(values[~empty], axis=-1)
    return result
