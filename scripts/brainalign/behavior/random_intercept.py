"""Linear mixed model of single reading times: a random intercept per reader."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class RandomIntercept:
    """A fitted model y = X w + u_reader + e.

    `weights` [regressor]; `variance` of e; `ratio` = var(u) / var(e); `loglik` (nats), the
    maximum likelihood's.
    """

    weights: np.ndarray
    variance: float
    ratio: float
    loglik: float


@dataclass(frozen=True)
class Sums:
    """Sufficient statistics of a set of observations, per reader where the model needs them."""

    xx: np.ndarray
    xy: np.ndarray
    yy: float
    n: np.ndarray
    x: np.ndarray
    y: np.ndarray

    def __sub__(self, other: "Sums") -> "Sums":
        return Sums(
            self.xx - other.xx, self.xy - other.xy, self.yy - other.yy,
            self.n - other.n, self.x - other.x, self.y - other.y,
        )  # fmt: skip


def sums(x: np.ndarray, times: np.ndarray) -> Sums:
    """Sums over the observations of x [word, regressor] and times [word, reader], NaN = unread."""
    read = ~np.isnan(times)
    y = np.where(read, times, 0.0)
    return Sums(
        xx=x.T @ (read.sum(1)[:, None] * x),
        xy=x.T @ y.sum(1),
        yy=float((y * y).sum()),
        n=read.sum(0).astype(float),
        x=read.T.astype(float) @ x,
        y=y.sum(0),
    )


def fit(s: Sums) -> RandomIntercept:
    """Maximum likelihood: closed form given the variance ratio, which is searched over.

    With V = I + ratio·11ᵀ per reader, V⁻¹ = I − shrink·11ᵀ, shrink = ratio / (1 + ratio·n).
    """
    from scipy.optimize import minimize_scalar

    total = s.n.sum()

    def solve(ratio: float) -> tuple[np.ndarray, float, float]:
        shrink = ratio / (1 + ratio * s.n)
        a = s.xx - s.x.T @ (shrink[:, None] * s.x)
        b = s.xy - s.x.T @ (shrink * s.y)
        weights = np.linalg.lstsq(a, b, rcond=1e-12)[0]
        rest = s.yy - (shrink * s.y**2).sum() - weights @ b
        variance = rest / total
        logdet = np.log1p(ratio * s.n).sum()
        return weights, variance, -0.5 * (total * (np.log(2 * np.pi * variance) + 1) + logdet)

    result = minimize_scalar(lambda log: -solve(np.exp(log))[2], bounds=(-15, 5), method="bounded")
    ratio = float(np.exp(result.x))
    if solve(0.0)[2] >= -result.fun:
        ratio = 0.0
    weights, variance, loglik = solve(ratio)
    return RandomIntercept(weights, float(variance), ratio, float(loglik))


def held_out_loglik(
    model: RandomIntercept, trained: Sums, x: np.ndarray, times: np.ndarray
) -> np.ndarray:
    """Log-likelihood (nats) of new `times` [word, reader] given regressors `x` [word, regressor],
    float64 [word, reader]; NaN where unread.

    A reader's intercept is predicted from the training times; its uncertainty widens the variance
    (a reader without training times has the prior's).
    """
    shrink = model.ratio / (1 + model.ratio * trained.n)
    intercept = shrink * (trained.y - trained.x @ model.weights)
    variance = model.variance * (1 + shrink)
    error = times - (x @ model.weights)[:, None] - intercept
    return -0.5 * (np.log(2 * np.pi * variance) + error**2 / variance)


def cross_validated_gain(
    full: np.ndarray, null: np.ndarray, times: np.ndarray, story: np.ndarray
) -> np.ndarray:
    """Held-out log-likelihood of the full model minus the null model's, by leaving out stories.

    Parameters
    ----------
    full, null : [word, regressor] with a column of ones.
    times : [word, reader] in ms, NaN where unread.
    story : [word].

    Returns
    -------
    Gain in nats, float64 [word, reader], NaN where unread.
    """
    centre = np.nanmean(times)  # the sums of squares stay small next to the residuals
    times = times - centre
    gain = np.where(np.isnan(times), np.nan, 0.0)
    for design, sign in ((full, 1), (null, -1)):
        everything = sums(design, times)
        for name in np.unique(story):
            test = story == name
            trained = everything - sums(design[test], times[test])
            gain[test] += sign * held_out_loglik(fit(trained), trained, design[test], times[test])
    return gain
