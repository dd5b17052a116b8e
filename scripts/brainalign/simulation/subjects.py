"""Simulated subjects: responses that are linear in a planted state, with noise of known size."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

PERSISTENCE = 0.9
"""Correlation of the drift between neighbouring rows of a group."""


class Noise(NamedTuple):
    """Standard deviations in units of each target's signal."""

    drift: float
    subject: float
    voxel: float


class Responses(NamedTuple):
    """Responses float64 [row, target], the subject of each target, and each target's ceiling."""

    values: np.ndarray
    subject: np.ndarray
    true_ceiling: np.ndarray


def respond(
    state: np.ndarray,
    groups: Sequence[str],
    n_subjects: int,
    targets_per_subject: int,
    noise: Noise,
    rng: np.random.Generator,
) -> Responses:
    """Draw the responses of subjects to stimuli.

    A target's response is its signal, a random linear map of the state, scaled to mean 0 and variance
    1 over the rows; plus drift, an AR(1) process of its own that starts anew in each group; plus noise
    that all targets of a subject share (with random signs); plus noise of its own. The last is between
    2/3 (first subject) and 4/3 (last) of `noise.voxel`. So

        true_ceiling = 1 / √(1 + drift² + subject² + voxel²),

    the expected correlation of the noiseless with the measured response (up to the sampling error
    of the noise over the rows).

    Parameters
    ----------
    state : [row, feature]
    groups : what drift does not cross: passage, story, run; rows of a group follow each other.
    """
    n_rows = len(state)
    group = np.asarray(groups)
    first = np.concatenate([[True], group[1:] != group[:-1]])
    values, ceilings = [], []
    for size in np.linspace(2 / 3, 4 / 3, n_subjects) if n_subjects > 1 else [1.0]:
        signal = state @ rng.standard_normal((state.shape[1], targets_per_subject))
        signal = (signal - signal.mean(axis=0)) / signal.std(axis=0)
        shared = rng.standard_normal((n_rows, 1)) * rng.choice([-1, 1], targets_per_subject)
        own = rng.standard_normal((n_rows, targets_per_subject))
        values.append(
            signal
            + noise.drift * autocorrelated(first, targets_per_subject, rng)
            + noise.subject * shared
            + noise.voxel * size * own
        )
        variance = 1 + noise.drift**2 + noise.subject**2 + (noise.voxel * size) ** 2
        ceilings.append(np.full(targets_per_subject, variance**-0.5))
    names = [f"subject {i + 1}" for i in range(n_subjects)]
    return Responses(
        np.concatenate(values, axis=1),
        np.repeat(names, targets_per_subject),
        np.concatenate(ceilings),
    )


def autocorrelated(first: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """`n` independent AR(1) processes [row, n] of variance 1 that start anew where `first` is true."""
    drift = rng.standard_normal((len(first), n))
    for row in range(1, len(first)):
        if not first[row]:
            drift[row] = PERSISTENCE * drift[row - 1] + (1 - PERSISTENCE**2) ** 0.5 * drift[row]
    return drift
