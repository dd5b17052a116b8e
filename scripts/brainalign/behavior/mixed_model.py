"""Linear mixed models of single reading times: crossed readers and items, slopes of readers.

The model of lme4's `y ~ x + (1 + z || reader) + (1 | item)`, by maximum likelihood, with the
profiled deviance of Bates, Mächler, Bolker & Walker 2015 (Journal of Statistical Software 67(1),
section 3). Items have an intercept each and nothing else, so they are eliminated in closed form
(Woodbury); what is left is dense and as small as the readers' effects.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.sparse
from scipy.optimize import minimize

from brainalign.errors import InputError

START = 0.5  # of each ratio of standard deviations
NEAR = 0.02  # how far the ratios of nearly the same observations are expected to lie
LARGEST = 100.0
TOLERANCE = 1e-5  # of a ratio: the deviance is then known far better than it is reported


@dataclass(frozen=True)
class ItemSums:
    """Sums over observations of some items.

    Columns: the effects of every reader (reader by reader), the regressors, the response.

    Attributes
    ----------
    products : float64 [column, column], sums of products over observations.
    totals : float64 [item, column], sums over an item's observations. sizes : float64 [item], how
        many these are.
    n_effects (all readers'), effects_per_reader : int.
    """

    products: np.ndarray
    totals: np.ndarray
    sizes: np.ndarray
    n_effects: int
    effects_per_reader: int


@dataclass(frozen=True)
class CrossedSums:
    """What the likelihood needs of a set of observations, with the columns of `ItemSums`.

    Attributes
    ----------
    products : float64 [column, column], sums of products over observations.
    grams : per size of item, sums of products of item totals over all items of that size.
    totals, sizes : float64 [item, column] and [item], the items that no gram holds.
    gram_sizes, gram_items : [gram], the size, and how many items have it.
    n_observations, n_effects (all readers'), effects_per_reader : int.
    """

    products: np.ndarray
    grams: np.ndarray
    gram_sizes: np.ndarray
    gram_items: np.ndarray
    totals: np.ndarray
    sizes: np.ndarray
    n_observations: int
    n_effects: int
    effects_per_reader: int


@dataclass(frozen=True)
class CrossedModel:
    """A fitted model.

    Attributes
    ----------
    weights, standard_errors : float64 [regressor]; of the weights given the variances.
    sigma : standard deviation of an observation's error, in units of the response.
    reader_sd : float64 [effect], standard deviations of readers' effects; item_sd : of items.
    loglik : maximum log-likelihood (nats); aic : as lme4 counts it, with weights, standard
        deviations and sigma as parameters.
    n : observations.
    """

    weights: np.ndarray
    standard_errors: np.ndarray
    sigma: float
    reader_sd: np.ndarray
    item_sd: float
    loglik: float
    n: int

    @property
    def ratios(self) -> np.ndarray:
        """Standard deviations over sigma, float64 [effect, then items]."""
        return np.append(self.reader_sd, self.item_sd) / self.sigma

    @property
    def aic(self) -> float:
        """Akaike's criterion."""
        parameters = len(self.weights) + len(self.reader_sd) + 2
        return 2 * parameters - 2 * self.loglik


def crossed_sums(
    x: np.ndarray, y: np.ndarray, z: np.ndarray, reader: np.ndarray, item: np.ndarray
) -> CrossedSums:
    """Sums over observations: `combined` of a single part, whose parameters these are.

    x : [observation, regressor]. y : [observation]. z : [observation, effect]. reader, item : int
    [observation].
    """
    return combined([item_sums(x, y, z, reader, item)])


def item_sums(
    x: np.ndarray,
    y: np.ndarray,
    z: np.ndarray,
    reader: np.ndarray,
    item: np.ndarray,
    readers: np.ndarray | None = None,
) -> ItemSums:
    """Sums over observations, and over those of every item.

    Parameters
    ----------
    x : float64 [observation, regressor], with a column of ones for the intercept.
    y : float64 [observation].
    z : float64 [observation, effect], the regressors whose slopes differ between readers; a column
        of ones for their intercepts.
    reader, item : labels [observation].
    readers : labels, sorted, of the readers whose effects are columns (default: those of `reader`).

    Raises
    ------
    InputError : lengths differ; a value is not finite.
    """
    n = len(y)
    if not len(x) == len(z) == len(reader) == len(item) == n:
        lengths = len(x), n, len(z), len(reader), len(item)
        raise InputError(f"mixed model: lengths of x, y, z, reader and item differ: {lengths}")
    for name, values in (("x", x), ("y", y), ("z", z)):
        if not np.isfinite(values).all():
            row = int(np.argwhere(~np.isfinite(values))[0][0])
            raise InputError(f"mixed model: {name} of observation {row} is not finite")
    readers = np.unique(reader) if readers is None else readers
    which = np.searchsorted(readers, reader)
    items, of = np.unique(item, return_inverse=True)
    effects = z.shape[1]
    n_effects = len(readers) * effects
    positions = which[:, None] * effects + np.arange(effects)
    observation = np.repeat(np.arange(n), effects)
    of_readers = scipy.sparse.csr_array(
        (z.ravel(), (observation, positions.ravel())), shape=(n, n_effects)
    )
    columns = scipy.sparse.hstack([of_readers, np.column_stack([x, y])], format="csr")
    member = scipy.sparse.csr_array((np.ones(n), (of, np.arange(n))), shape=(len(items), n))
    return ItemSums(
        products=(columns.T @ columns).toarray(),
        totals=(member @ columns).toarray(),
        sizes=np.bincount(of).astype(float),
        n_effects=n_effects,
        effects_per_reader=effects,
    )


def combined(parts: Sequence[ItemSums]) -> CrossedSums:
    """Sums over the observations of parts that have the same readers and share no item."""
    first = parts[0]
    totals = np.concatenate([part.totals for part in parts])
    sizes = np.concatenate([part.sizes for part in parts])
    # Items of one size are shrunk alike: one matrix stands for all of them.
    width = totals.shape[1]
    kinds, kind, counts = np.unique(sizes, return_inverse=True, return_counts=True)
    many = counts > width / 8
    members = (totals[kind == k] for k in np.flatnonzero(many))
    grams = [each.T @ each for each in members]
    alone = ~many[kind]
    return CrossedSums(
        products=np.sum([part.products for part in parts], axis=0),
        grams=np.array(grams).reshape(-1, width, width),
        gram_sizes=kinds[many],
        gram_items=counts[many].astype(float),
        totals=totals[alone],
        sizes=sizes[alone],
        n_observations=int(sizes.sum()),
        n_effects=first.n_effects,
        effects_per_reader=first.effects_per_reader,
    )


def fit(sums: CrossedSums, near: CrossedModel | None = None) -> CrossedModel:
    """Maximum likelihood over the ratios of standard deviations to sigma; the rest is closed form.

    Parameters
    ----------
    near : a model fitted to nearly the same observations, whose ratios the search starts from.

    Raises
    ------
    InputError : a regressor is a linear combination of the others.
    """
    ratios = _best_ratios(sums, near)
    inner, logdet = _generalised_products(sums, ratios)
    weights, rest = _least_squares(inner)
    n = sums.n_observations
    variance = rest / n
    covariance = variance * np.linalg.inv(inner[:-1, :-1])
    sigma = float(np.sqrt(variance))
    return CrossedModel(
        weights=weights,
        standard_errors=np.sqrt(np.diag(covariance)),
        sigma=sigma,
        reader_sd=ratios[:-1] * sigma,
        item_sd=float(ratios[-1] * sigma),
        loglik=-0.5 * _profiled_deviance(rest, logdet, n),
        n=n,
    )


def loglik(model: CrossedModel, sums: CrossedSums) -> float:
    """Log-likelihood (nats) of observations under a fitted model, all of them together.

    The difference between all observations and those that the model was fitted to is the
    log-likelihood of the others given these: readers' effects are predicted from what is known of
    them, and their uncertainty counts.
    """
    inner, logdet = _generalised_products(sums, model.ratios)
    residual = np.append(-model.weights, 1.0)
    squares = residual @ inner @ residual / model.sigma**2
    constant = sums.n_observations * np.log(2 * np.pi * model.sigma**2)
    return float(-0.5 * (constant + logdet + squares))


def _best_ratios(sums: CrossedSums, near: CrossedModel | None) -> np.ndarray:
    """Ratios (readers' effects, then items) of least profiled deviance."""

    def deviance(ratios: np.ndarray) -> float:
        inner, logdet = _generalised_products(sums, ratios)
        return _profiled_deviance(_least_squares(inner)[1], logdet, sums.n_observations)

    n = sums.effects_per_reader + 1
    start, step = np.full(n, START), START / 2
    if near is not None:
        start, step = near.ratios, NEAR
    result = minimize(
        deviance, start, method="COBYQA", bounds=[(0, LARGEST)] * n,
        options={"final_tr_radius": TOLERANCE, "initial_tr_radius": step},
    )  # fmt: skip
    return np.asarray(result.x, float)


def _generalised_products(sums: CrossedSums, ratios: np.ndarray) -> tuple[np.ndarray, float]:
    """[X y]ᵀ V⁻¹ [X y] and log |V|, where V is the covariance of the response over sigma².

    V = I + item ratio² · items' blocks of ones + readers' effects. An item of size c is shrunk by
    w = ratio² / (1 + c · ratio²); then the readers' block of what is left is factored.
    """
    of_items = ratios[-1] ** 2
    shrink = of_items / (1 + sums.gram_sizes * of_items)
    left = sums.products - np.tensordot(shrink, sums.grams, axes=1)
    weight = of_items / (1 + sums.sizes * of_items)
    left = left - sums.totals.T @ (weight[:, None] * sums.totals)
    logdet = (sums.gram_items * np.log1p(sums.gram_sizes * of_items)).sum()
    logdet += np.log1p(sums.sizes * of_items).sum()

    n = sums.n_effects
    scale = np.tile(ratios[:-1], n // sums.effects_per_reader)
    effects = left[:n, :n] * scale * scale[:, None]
    effects[np.diag_indices(n)] += 1.0
    factor = scipy.linalg.cholesky(effects, lower=True, check_finite=False, overwrite_a=True)
    across = scipy.linalg.solve_triangular(
        factor, left[:n, n:] * scale[:, None], lower=True, check_finite=False
    )
    logdet += 2 * np.log(np.diag(factor)).sum()
    return left[n:, n:] - across.T @ across, float(logdet)


def _least_squares(inner: np.ndarray) -> tuple[np.ndarray, float]:
    """Weights and the sum of squares that they leave, from [X y]ᵀ V⁻¹ [X y]."""
    spread = np.sqrt(np.diag(inner)[:-1])
    scaled = inner[:-1, :-1] / spread / spread[:, None]
    if np.linalg.cond(scaled) > 1e12:
        raise InputError("mixed model: a regressor is a linear combination of the others")
    weights = np.linalg.solve(scaled, inner[:-1, -1] / spread) / spread
    return weights, float(inner[-1, -1] - inner[:-1, -1] @ weights)


def _profiled_deviance(rest: float, logdet: float, n: int) -> float:
    """−2 log-likelihood at the best sigma (Bates et al. 2015, equation 34)."""
    return float(logdet + n * (1 + np.log(2 * np.pi * rest / n)))
