"""Ridge with a penalty per target chosen by inner folds, where rows far outnumber the units.

Predictions are made of products of units and responses, X'Y [unit, target]. Those of a fold's
training rows are those of all rows less those of the rows left out: one projection serves all
folds, and nothing has the size of rows × rows.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from brainalign.encoding.arrays import Array, column_products, like, product, rows_of
from brainalign.encoding.correlation import Prediction, pearson, shares_of_variance
from brainalign.encoding.operators import Design, around_mean, has_digits, spectrum
from brainalign.encoding.splits import Split


@dataclass(frozen=True)
class UnitFold:
    """One fold in the eigenbasis of the covariance of its training rows.

    left : training rows of the outer fold that do not train here, and leave its products.
    n_rows, mean : of the rows that train, how many, and their mean [unit] (zero without intercept).
    values, vectors : eigenvalues [k] and vectors [unit, k].
    cross, level : [test, k], test rows times vectors around their mean over test rows; [k] it.
    """

    left: np.ndarray
    n_rows: int
    mean: Array
    values: Array
    vectors: Array
    cross: Array
    level: Array


@dataclass(frozen=True)
class UnitFoldsFit:
    """Ridge of few units in one fold, up to its responses, whose dtype its matrices have.

    alphas : absolute, decreasing.
    units : [train, unit].
    outer : the fold; inner, folds : those inside its training rows, positions in them.
    criterion : what is minimised, `squared-error` or `r2`.
    """

    alphas: np.ndarray
    units: Array
    outer: UnitFold
    inner: tuple[Split, ...]
    folds: tuple[UnitFold, ...]
    criterion: str
    intercept: bool

    def losses(self, responses: Array) -> Array:
        """The loss [alpha, target], on training rows only, as `FoldsFit.losses`."""
        centred, products = self._projected(responses)
        return self._losses(centred, self._inside(centred, products))

    def predict(self, responses: Array) -> tuple[Prediction, Array]:
        """Predictions [test, target] and the index [target] of each target's alpha, from
        `responses` [train, target].
        """
        centred, products = self._projected(responses)
        losses = self._losses(centred, self._inside(centred, products))
        choice = array_namespace(responses).argmin(losses, axis=0)
        return self._of_outer(centred, products, choice), choice

    def predict_with(self, responses: Array, choice: Array) -> tuple[Prediction, Array]:
        """Predictions with the alpha of index `choice` [target]."""
        return self._of_outer(*self._projected(responses), choice), choice

    def predict_inside(
        self, responses: Array, epsilon: float = 0.0
    ) -> tuple[Prediction, Array, Array]:
        """As `FoldsFit.predict_inside`, for `responses` [train, target]."""
        xp = array_namespace(responses)
        centred, products = self._projected(responses)
        inside = list(self._inside(centred, products))
        choice = xp.argmin(self._losses(centred, inside), axis=0)
        scores = []
        for part, fold, (weights, _) in zip(self.inner, self.folds, inside, strict=True):
            predicted = self._predicted(fold, weights, choice).values
            scores.append(pearson(predicted, rows_of(responses, part.test), epsilon))
        return self._of_outer(centred, products, choice), choice, xp.stack(scores)

    def _projected(self, responses: Array) -> tuple[Array, Array]:
        """Centred responses, and their products with the units over all rows [unit, target]."""
        xp = array_namespace(responses)
        centred = responses - xp.mean(responses, axis=0) if self.intercept else responses
        return centred, product(like(responses, self.units, responses.dtype).T, centred)

    def _weights(self, fold: UnitFold, centred: Array, products: Array) -> tuple[Array, Array]:
        """Products with a fold's vectors [k, target], and the mean [target] of its training rows.

        The mean is zero without intercept.
        """
        xp, dtype = array_namespace(centred), centred.dtype
        vectors = like(centred, fold.vectors, dtype)
        if not fold.left.size:
            return product(vectors.T, products), 0.0 * products[0, :]
        left = rows_of(centred, fold.left)
        products = products - product(rows_of(like(centred, self.units, dtype), fold.left).T, left)
        total = xp.sum(left, axis=0) * -float(self.intercept)  # centred, so that all rows sum to 0
        products -= like(centred, fold.mean, dtype)[:, None] * total
        return product(vectors.T, products), total / fold.n_rows

    def _inside(self, centred: Array, products: Array) -> Iterator[tuple[Array, Array]]:
        """`_weights` of each inner fold."""
        return (self._weights(fold, centred, products) for fold in self.folds)

    def _losses(self, centred: Array, inside: Iterable[tuple[Array, Array]]) -> Array:
        xp, dtype = array_namespace(centred), centred.dtype
        total: list[Array] = [0.0] * self.alphas.size
        for part, fold, (weights, mean) in zip(self.inner, self.folds, inside, strict=True):
            truth = rows_of(centred, part.test) - mean
            cross = like(centred, fold.cross + fold.level, dtype)
            share: Array = 1.0 / (len(self.inner) * part.test.size)
            if self.criterion == "r2":
                share = share * shares_of_variance(centred, part.test)
            for index, alpha in enumerate(self.alphas):
                shrinkage = like(centred, 1.0 / (fold.values + float(alpha)), dtype)
                errors = truth - product(cross, weights * shrinkage[:, None])
                total[index] = total[index] + column_products(errors, errors) * share
        return xp.stack(total)

    def _of_outer(self, centred: Array, products: Array, choice: Array) -> Prediction:
        weights, _ = self._weights(self.outer, centred, products)
        return self._predicted(self.outer, weights, choice)

    def _predicted(self, fold: UnitFold, weights: Array, choice: Array) -> Prediction:
        """Predictions of a fold's test rows, each target with its alpha."""
        xp, dtype = array_namespace(weights), weights.dtype
        alphas = like(weights, self.alphas, dtype)
        shrunk = weights / (like(weights, fold.values, dtype)[:, None] + xp.take(alphas, choice))
        cross, level = (like(weights, part, dtype) for part in (fold.cross, fold.level))
        return Prediction(product(cross, shrunk), level @ shrunk)


def fit_units_by_folds(
    design: Design,
    split: Split,
    inner: Sequence[Split],
    alphas: np.ndarray,
    criterion: str,
    dtype: Any,
) -> UnitFoldsFit | None:
    """Ridge of a fold and of its inner folds, as `fit_by_folds` with `alphas`, float64 [alpha], and
    matrices of `dtype`; None if digits are few.
    """
    units = rows_of(design.units, split.train)
    covariance = units.T @ units
    if not has_digits(covariance, float(alphas[-1])):
        return None
    every, least = np.arange(split.train.size), float(alphas[-1])
    tests = rows_of(design.units, split.test)
    outer = _unit_fold(units, covariance, every[:0], tests, design, split, least, dtype)
    folds = []
    for part in inner:
        left, tests = np.setdiff1d(every, part.train), rows_of(units, part.test)
        rows = Split(split.train[part.train], split.train[part.test])
        folds.append(_unit_fold(units, covariance, left, tests, design, rows, least, dtype))
    units = like(units, units, dtype)
    return UnitFoldsFit(
        alphas, units, outer, tuple(inner), tuple(folds), criterion, design.intercept
    )


def _unit_fold(
    units: Array,
    covariance: Array,
    left: np.ndarray,
    tests: Array,
    design: Design,
    rows: Split,
    alpha: float,
    dtype: Any,
) -> UnitFold:
    """The fold `rows` of a design, whose training rows are those of `units` but the ones left out.

    Parameters
    ----------
    units, covariance : float64 [row, unit], and sums of their products [unit, unit].
    tests : [test, unit]. alpha : the least penalty.
    """
    xp = array_namespace(units)
    out, n_rows = rows_of(units, left), units.shape[0] - left.size
    mean = (xp.sum(units, axis=0) - xp.sum(out, axis=0)) / n_rows * float(design.intercept)
    values, vectors = spectrum(covariance - out.T @ out - n_rows * mean[:, None] * mean)
    cross = (tests - mean) @ vectors
    # Constant predictions show whether the test rows are told apart, as in `Ridge.fit`.
    size = values + alpha
    varying = around_mean(cross / size, design.tells_apart(rows)) * size
    vectors, varying = (like(part, part, dtype) for part in (vectors, varying))
    return UnitFold(left, n_rows, mean, values, vectors, varying, xp.mean(cross, axis=0))
