"""What features add to covariates in reading times of held-out stories: least squares or ridge.

Stories are left out in turn, and inside the others again to choose the penalty: no word of a story
predicts another word of it. The covariates have no penalty. All fits come from sums of products
over the words of each part of the stories, so that a fit without some parts is a difference of
sums.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from brainalign.behavior.terms import ROUNDING

PARTS = 10  # more stories than these are left out several at a time
LEAST_PARTS = 3  # a story to predict, one to choose by, one to fit
# Multiples of the mean eigenvalue of the features' products beyond the covariates; decreasing, so
# that of equal losses the first has the largest penalty.
PENALTIES = tuple(np.geomspace(1e6, 1e-2, 17).tolist())
NO_PENALTY = (0.0,)


@dataclass(frozen=True)
class HeldOut:
    """Predictions of every word by the fits to other stories.

    error, base_error : truth minus prediction, with and without the features, float64 [word].
    variance, base_variance : of the fits that predicted the word, float64 [word].
    loss : what inner folds say of the features, mean squared error [part]; penalty : [part].
    """

    error: np.ndarray
    base_error: np.ndarray
    variance: np.ndarray
    base_variance: np.ndarray
    loss: np.ndarray
    penalty: np.ndarray

    def loglik_gain(self) -> np.ndarray:
        """Gain in log-likelihood of each word, nats, float64 [word]."""
        return normal_loglik(self.error, self.variance) - normal_loglik(
            self.base_error, self.base_variance
        )

    def added(self) -> np.ndarray:
        """What the features add to the prediction of each word, float64 [word]."""
        return self.base_error - self.error


def normal_loglik(error: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """Log-density (nats) of `error` [...] under normal distributions with mean 0 and `variance`
    [...], float64 [...]."""
    return -0.5 * (np.log(2 * np.pi * variance) + error**2 / variance)


class Stories:
    """Reading times and covariates, and the parts that are left out in turn.

    Parameters
    ----------
    covariates : float64 [word, covariate], of about one scale. times : float64 [word].
    story : labels [word].
    """

    def __init__(self, covariates: np.ndarray, times: np.ndarray, story: np.ndarray) -> None:
        self.covariates = np.column_stack([np.ones(len(times)), covariates])
        self.times = times - times.mean()
        names, index = np.unique(story, return_inverse=True)
        self.part = index % PARTS
        self.n_parts = min(len(names), PARTS)

    def predict(self, features: np.ndarray, penalties: Sequence[float]) -> HeldOut | None:
        """Nested cross-validation of features [word, feature] beyond the covariates.

        Parameters
        ----------
        penalties : to choose from, decreasing; `NO_PENALTY` is least squares, whose variance is
            that of the training residuals. With a penalty these say nothing: the variance is that
            of the inner folds, with and without the features.

        Returns
        -------
        None where the covariates determine the features.
        """
        features, n_features = self._beyond(features)
        if n_features == 0:
            return None
        data = np.column_stack([self.covariates, features, self.times])
        rows = [np.flatnonzero(self.part == part) for part in range(self.n_parts)]
        sums = np.stack([data[inside].T @ data[inside] for inside in rows])
        total, n_covariates = sums.sum(0), self.covariates.shape[1]

        def fit(*left_out: int) -> np.ndarray:
            products = total - sums[list(left_out)].sum(0)
            return _fit(products, n_covariates, np.array(penalties) / n_features)

        def errors(weights: np.ndarray, part: int) -> np.ndarray:
            """[word of the part, fit]: without the features, then with each penalty."""
            inside = data[rows[part]]
            return np.asarray(inside[:, -1:] - inside[:, :-1] @ weights)

        inner = np.zeros((self.n_parts, 1 + len(penalties)))
        for one, other in combinations(range(self.n_parts), 2):
            weights = fit(one, other)
            inner[one] += (errors(weights, other) ** 2).sum(0)
            inner[other] += (errors(weights, one) ** 2).sum(0)
        sizes = np.array([len(inside) for inside in rows])
        inner /= (sizes.sum() - sizes)[:, None]
        both, variances = np.empty((2, len(data))), np.empty((2, len(data)))
        chosen = inner[:, 1:].argmin(1)
        for part, best in enumerate(chosen):
            columns = [0, 1 + int(best)]
            weights = fit(part)[:, columns]
            both[:, rows[part]] = errors(weights, part).T
            variance = inner[part, columns]
            if penalties == NO_PENALTY:
                others = [errors(weights, k) for k in range(self.n_parts) if k != part]
                variance = np.mean(np.concatenate(others) ** 2, axis=0)
            variances[:, rows[part]] = variance[:, None]
        loss, penalty = inner[np.arange(self.n_parts), 1 + chosen], np.array(penalties)[chosen]
        return HeldOut(both[1], both[0], variances[1], variances[0], loss, penalty)

    def _beyond(self, features: np.ndarray) -> tuple[np.ndarray, int]:
        """The features that the covariates do not determine, centred, and their number. Where they
        are more than the words, their coordinates in the space that the words span: ridge predicts
        the same."""
        centred = np.asarray(features, float) - features.mean(0)
        fitted = np.linalg.lstsq(self.covariates, centred, rcond=None)[0]
        left = np.linalg.norm(centred - self.covariates @ fitted, axis=0)
        kept = centred[:, left > ROUNDING * np.linalg.norm(features, axis=0)]
        if kept.shape[1] <= len(kept):
            return kept, kept.shape[1]
        values, vectors = np.linalg.eigh(kept @ kept.T)
        return vectors * np.sqrt(np.clip(values, 0, None)), kept.shape[1]


def _fit(products: np.ndarray, n_covariates: int, penalties: np.ndarray) -> np.ndarray:
    """Weights [regressor, 1 + penalty]: of the covariates alone, and with each penalty.

    The covariates are taken out of features and times, and ridge is fitted to what is left: the
    same as a penalty on the features alone (Frisch & Waugh 1933).

    Parameters
    ----------
    products : [regressor + 1, regressor + 1], of covariates, features and times, summed over the
        training words.
    penalties : multiples of the sum of the eigenvalues of the features' products.
    """
    c, f, y = slice(n_covariates), slice(n_covariates, -1), -1
    known = np.linalg.pinv(products[c, c], hermitian=True)
    of_features, of_times = known @ products[c, f], known @ products[c, y]
    left = products[f, f] - products[f, c] @ of_features
    values, vectors = np.linalg.eigh(left)
    values = np.clip(values, 0, None)
    along = vectors.T @ (products[f, y] - products[f, c] @ of_times)
    spanned = values > ROUNDING * values[-1]
    sizes = [np.where(spanned, values, np.inf) + penalty * values.sum() for penalty in penalties]
    weights = vectors @ (along[:, None] / np.column_stack(sizes))
    alone = np.concatenate([of_times, np.zeros(len(values))])[:, None]
    return np.hstack([alone, np.vstack([of_times[:, None] - of_features @ weights, weights])])
