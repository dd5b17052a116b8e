"""Features that know a given share of the planted state: models whose effect of tuning is known."""

from collections.abc import Sequence

import numpy as np

from brainalign.simulation.subjects import centred

VANILLA = "planted-vanilla"
SHARES = {VANILLA: 0.5, "planted-alike": 0.5, "planted-better": 0.6}
"""Name → the share of the state's variance that the features know. The last two stand for models
tuned from `VANILLA`: tuning has no effect, or adds a tenth of the state."""


def partly_known(
    state: np.ndarray, groups: Sequence[str], share: float, rng: np.random.Generator
) -> np.ndarray:
    """√share · state + √(1 − share) · noise, float64 [row, feature].

    The noise is white, independent of the state, and has its covariance, so the best linear
    prediction of any map of the state correlates √share with it, and √share · ceiling with a
    response of that ceiling.

    Parameters
    ----------
    state : float64 [row, feature], of mean 0 in each group.
    groups : what folds hold out; the noise has mean 0 in each of them too.
    share : 0 to 1.
    """
    values, vectors = np.linalg.eigh(np.cov(state, rowvar=False))
    root = vectors * np.sqrt(np.clip(values, 0, None))
    noise = centred(rng.standard_normal(state.shape), groups) @ root.T
    return np.sqrt(share) * state + np.sqrt(1 - share) * noise
