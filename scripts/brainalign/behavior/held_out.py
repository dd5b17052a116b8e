"""Log-likelihood of reading times in stories that a regression was not fitted to."""

import numpy as np


def held_out_loglik(
    x: np.ndarray, y: np.ndarray, story: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Log-likelihood (nats) of each y under least squares fitted to the other stories.

    Parameters
    ----------
    x : float64 [word, regressor]. y : float64 [word]. story : labels [word].

    Returns
    -------
    The log-likelihood [word], and the derivatives of its sum by each y [word]: of the word as it is
    predicted, and as it takes part in the fits to the other stories (weights and variance).
    """
    loglik, gradient = np.empty(len(y)), np.zeros(len(y))
    for name in np.unique(story):
        test = story == name
        trained = x[~test]
        weights = np.linalg.lstsq(trained, y[~test], rcond=None)[0]
        rest = y[~test] - trained @ weights
        variance = np.mean(rest**2)
        error = y[test] - x[test] @ weights
        loglik[test] = -0.5 * (np.log(2 * np.pi * variance) + error**2 / variance)
        gradient[test] -= error / variance
        by_weights = x[test].T @ error / variance
        gradient[~test] += np.linalg.lstsq(trained.T, by_weights, rcond=None)[0]
        by_variance = np.sum(error**2 / variance - 1) / (2 * variance)
        gradient[~test] += by_variance * 2 * rest / len(rest)
    return loglik, gradient
