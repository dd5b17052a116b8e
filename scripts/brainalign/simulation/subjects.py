"""Simulated subjects: responses that are linear in a planted state, with noise of known size."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

PERSISTENCE = 0.9
"""Correlation of the drift between neighbouring rows of a group."""

SPREAD = 1 / 3
"""By this share the first subject has less voxel noise than the mean subject, the last one more."""


class Noise(NamedTuple):
    """Standard deviations within the groups that folds hold out, in units of the signal's.

    drift : of the slow change that each target has for itself.
    subject : of the noise that all targets of a subject share.
    voxel : of the noise that each target has for itself; of the mean subject.
    """

    drift: float
    subject: float
    voxel: float


class Responses(NamedTuple):
    """Responses float64 [row, target], the subject of each target, and each target's ceiling."""

    values: np.ndarray
    subject: np.ndarray
    true_ceiling: np.ndarray


def respond(
    states: Sequence[np.ndarray],
    context_groups: Sequence[str],
    split_groups: Sequence[str],
    targets_per_subject: int,
    noise: Noise,
    rng: np.random.Generator,
    strength: float | np.ndarray = 1.0,
) -> Responses:
    """Draw the responses of subjects to stimuli.

    A target's response is its signal, a random linear map of its subject's state (standard normal
    weights) scaled to variance `strength`²; plus drift, an AR(1) process that starts anew in each
    context group; plus noise that all targets of a subject share (with random signs); plus noise of
    one target alone. Drift is drawn for each target apart. All four have mean 0 in each split
    group, as scans have that were cleaned run by run, so that a correlation over a held-out group
    is the same quantity as one over all rows. Then

        true_ceiling = strength / √(strength² + drift² + subject² + voxel²)

    is the correlation of the noiseless with the measured response, over a split group or over all
    rows, up to the sampling error of the noise in these rows: what a model that knows the weights
    scores, and the most that any model can score under folds that hold out split groups. Folds
    that share context groups can score more, by predicting drift.

    Parameters
    ----------
    states : of each subject float64 [row, feature], from `centred`.
    context_groups : what drift does not cross (passage, story, run); their rows are neighbours.
    split_groups : what grouped folds hold out; a context group lies in one of them.
    strength : standard deviation of the signal, of all targets or [target]; 0: noise alone.
    """
    context, split = (_numbered(groups) for groups in (context_groups, split_groups))
    first = np.concatenate([[True], context[1:] != context[:-1]])
    white = _scale(split, np.arange(len(split)), persistence=0.0)
    slow = _scale(split, context, PERSISTENCE)
    shape = (len(split), targets_per_subject)
    values, ceilings = [], []
    for state, factor in zip(states, _voxel_factors(len(states)), strict=True):
        signal = state @ rng.standard_normal((state.shape[1], targets_per_subject))
        signs = rng.choice([-1.0, 1.0], targets_per_subject)
        shared = white * rng.standard_normal((len(split), 1)) * signs
        of_target = white * rng.standard_normal(shape)
        drift = slow * autocorrelated(first, targets_per_subject, rng)
        voxel = noise.voxel * factor
        disturbance = noise.drift * drift + noise.subject * shared + voxel * of_target
        values.append(
            strength * signal / signal.std(axis=0) + _less_group_means(disturbance, split)
        )
        variance = strength**2 + noise.drift**2 + noise.subject**2 + voxel**2
        known = np.where(np.greater(strength, 0), variance, 1.0)
        ceilings.append(np.full(targets_per_subject, strength * known**-0.5))
    names = [f"subject {i + 1}" for i in range(len(states))]
    return Responses(
        np.concatenate(values, axis=1),
        np.repeat(names, targets_per_subject),
        np.concatenate(ceilings),
    )


def ceiling_of_mean(true_ceiling: np.ndarray, n: int) -> np.ndarray:
    """The ceiling [target] of the mean of n responses that differ in noise alone, from
    `true_ceiling` [target], that of one of them: the Spearman-Brown formula of their squares.
    """
    with np.errstate(divide="ignore"):
        noise = true_ceiling**-2.0 - 1  # per variance of the signal; infinite without one
    return (1 + noise / n) ** -0.5


def centred(state: np.ndarray, split_groups: Sequence[str]) -> np.ndarray:
    """The state [row, feature] with mean 0 in each split group, and standard deviation 1 over all
    rows.
    """
    deviation = _less_group_means(state, _numbered(split_groups))
    return deviation / deviation.std(axis=0)


def weightings(n_subjects: int, n_features: int, spread: float, seed: int) -> np.ndarray:
    """How much each subject weighs each dimension of the state, float64 [subject, feature].

    Log-normal with median 1; `spread` is the standard deviation of the logarithm, so 0 gives 1
    everywhere. Responses stay linear in the state, and their ceilings are what they were.
    """
    drawn = np.random.default_rng([seed, 10]).standard_normal((n_subjects, n_features))
    return np.exp(spread * drawn)


def lags(n_subjects: int, spread: float, seed: int) -> np.ndarray:
    """Seconds [subject] by which each subject's haemodynamic response is later than the canonical
    one.

    Evenly from -`spread` to `spread`, in random order; a single subject has 0.
    """
    if n_subjects == 1:
        return np.zeros(1)
    even = np.linspace(-spread, spread, n_subjects)
    return np.random.default_rng([seed, 11]).permutation(even)


def autocorrelated(first: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """`n` AR(1) processes [row, n] of variance 1 that start anew where `first` is true."""
    drift = rng.standard_normal((len(first), n))
    for row in range(1, len(first)):
        if not first[row]:
            drift[row] = PERSISTENCE * drift[row - 1] + (1 - PERSISTENCE**2) ** 0.5 * drift[row]
    return drift


def _scale(split: np.ndarray, context: np.ndarray, persistence: float) -> np.ndarray:
    """Factor [row, 1] for variance 1 in each split group when its mean has been taken out.

    The mean over n rows of covariance C has variance ΣΣC / n²; taking it out leaves 1 − ΣΣC / n².
    A context group of m rows adds Σ_ij persistence^|i − j| to ΣΣC.
    """
    scale = np.empty((len(split), 1))
    for group in range(split.max() + 1):
        rows = split == group
        lengths = np.unique(context[rows], return_counts=True)[1]
        total = sum(
            (persistence ** np.abs(np.subtract.outer(np.arange(m), np.arange(m)))).sum()
            for m in lengths
        )
        left = 1 - total / rows.sum() ** 2
        if left <= 0:
            raise ValueError(f"split group {group} has {rows.sum()} rows, expected 2 or more")
        scale[rows] = left**-0.5
    return scale


def _voxel_factors(n_subjects: int) -> np.ndarray:
    """How much voxel noise each subject has, as a multiple of the mean subject's."""
    return np.linspace(1 - SPREAD, 1 + SPREAD, n_subjects) if n_subjects > 1 else np.ones(1)


def _less_group_means(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    result = np.empty_like(values)
    for group in range(groups.max() + 1):
        rows = groups == group
        result[rows] = values[rows] - values[rows].mean(axis=0)
    return result


def _numbered(groups: Sequence[str]) -> np.ndarray:
    return np.unique(np.asarray(groups), return_inverse=True)[1]
