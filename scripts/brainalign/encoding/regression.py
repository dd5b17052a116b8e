"""Least squares and ridge with an intercept: fits, and how ridge's penalty is chosen.

What a fit needs of the features is in operators.py; products with the responses have the responses'
dtype, all else is float64.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol

import numpy as np
from array_api_compat import array_namespace, device

from brainalign.encoding import settings
from brainalign.encoding.arrays import Array, like, product
from brainalign.encoding.correlation import Prediction
from brainalign.encoding.inner_folds import EXACT, Demand, FoldsFit, fit_by_folds
from brainalign.encoding.operators import (
    Basis,
    Design,
    around_mean,
    eigenbasis,
    least_squares_operator,
)
from brainalign.encoding.splits import Split
from brainalign.encoding.unit_folds import UnitFoldsFit

InnerFolds = Callable[[int], Sequence[Split]]


class Fit(Protocol):
    """A regression fitted to the training rows of one fold, up to its responses."""

    def predict(self, responses: Array) -> tuple[Prediction, Array | None]:
        """Predictions of the test rows and the index of each target's alpha.

        `responses` [training row, target]; with an intercept a constant added to a target changes
        nothing.
        """


@dataclass(frozen=True)
class LinearFit:
    """The same linear map for all targets in one fold.

    `operator` [test, train] gives predictions relative to their mean, `level` [train] that mean.
    """

    operator: Array
    level: Array

    @classmethod
    def of_operator(cls, operator: Array, apart: bool) -> "LinearFit":
        """The fit of an operator [test, train] that gives whole predictions.

        `apart`: whether the design tells the test rows apart.
        """
        return cls(around_mean(operator, apart), array_namespace(operator).mean(operator, axis=0))

    def predict(self, responses: Array) -> tuple[Prediction, Array | None]:
        """As `Fit.predict`: `responses` and predictions are [train, target] and [test, target]."""
        operator, level = (like(responses, x, responses.dtype) for x in (self.operator, self.level))
        return Prediction(product(operator, responses), level @ responses), None


def _centred(responses: Array, basis: Basis) -> Array:
    if not basis.intercept:
        return responses
    return responses - array_namespace(responses).mean(responses, axis=0)


@dataclass(frozen=True)
class RidgeFit:
    """Ridge in one fold, penalties chosen in the eigenbasis: absolute alphas (decreasing), and how.

    The basis' `cross` gives predictions relative to their mean, `level` [k] that mean.
    """

    basis: Basis
    level: Array
    alphas: np.ndarray
    selection: str

    def losses(self, responses: Array) -> Array:
        """The loss [alpha, target] that the selection minimises, on training rows only."""
        basis = self.basis.cast(responses)
        return self._losses(basis, responses, product(basis.vectors.T, responses))

    def predict(self, responses: Array) -> tuple[Prediction, Array]:
        """As `Fit.predict`: `responses` and predictions are [train, target] and [test, target]."""
        xp = array_namespace(responses)
        basis = self.basis.cast(responses)
        weights = product(basis.vectors.T, responses)
        choice = xp.argmin(self._losses(basis, responses, weights), axis=0)
        return self._predict(basis, weights, choice), choice

    def predict_with(self, responses: Array, choice: Array) -> tuple[Prediction, Array]:
        """Predictions with the alpha of index `choice` [target]."""
        basis = self.basis.cast(responses)
        return self._predict(basis, product(basis.vectors.T, responses), choice), choice

    def shared_choice(self, gram: Array) -> int:
        """Index of the one alpha with the least squared leave-one-out error over all targets.

        `gram` : float64 [train, train], products of training rows' responses, summed over targets.
        Errors are E y, so their squares over all targets are the trace of E gram E'.
        """
        basis = self.basis
        xp, n_rows = array_namespace(gram), basis.vectors.shape[0]
        outside = 0.0
        if not basis.complete:
            outside = xp.eye(n_rows, dtype=gram.dtype, device=device(gram))
            outside = outside - basis.vectors @ basis.vectors.T - float(basis.intercept) / n_rows
        losses = []
        for alpha in self.alphas:
            left = float(alpha) / (basis.values + float(alpha))
            errors = (basis.vectors * left) @ basis.vectors.T + outside
            errors = errors / self._without_leverage(basis, left)[:, None]
            losses.append(float(xp.sum((errors @ gram) * errors)))
        return int(np.argmin(losses))

    def with_alpha(self, choice: int) -> LinearFit:
        """The fit of all targets with the alpha of index `choice`."""
        size = self.basis.values + float(self.alphas[choice])
        both = (self.basis.cross / size, self.level / size)
        return LinearFit(*(part @ self.basis.vectors.T for part in both))

    def _predict(self, basis: Basis, weights: Array, choice: Array) -> Prediction:
        xp = array_namespace(weights)
        shrinkage = 1.0 / (basis.values[:, None] + like(weights, self.alphas, weights.dtype))
        shrunk = weights * xp.take(shrinkage, choice, axis=1)
        level = like(weights, self.level, weights.dtype)
        return Prediction(product(basis.cross, shrunk), level @ shrunk)

    def _losses(self, basis: Basis, responses: Array, weights: Array) -> Array:
        if self.selection == "gcv-per-target":
            return self._gcv_losses(basis, responses, weights)
        return self._loo_losses(basis, responses, weights)

    def _loo_losses(self, basis: Basis, responses: Array, weights: Array) -> Array:
        """Mean squared leave-one-out error, exact: residual over one minus leverage.

        Both are written with alpha / (lambda + alpha), so that nothing cancels when alpha is
        small. With an intercept the constant direction has no residual.
        """
        xp = array_namespace(responses)
        residual = None
        if not basis.complete:
            residual = _centred(responses, basis) - product(basis.vectors, weights)
        losses = []
        for alpha in self.alphas:
            left = float(alpha) / (basis.values + float(alpha))
            without_leverage = self._without_leverage(basis, left)
            error = product((basis.vectors / without_leverage[:, None]) * left, weights)
            if residual is not None:
                error = error + residual / without_leverage[:, None]
            losses.append(xp.mean(error**2, axis=0))
        return xp.stack(losses)

    def _without_leverage(self, basis: Basis, left: Array) -> Array:
        """One minus the leverage of each row [train], where `left` [k] is left of each vector."""
        squared = basis.vectors**2
        without_leverage = squared @ left
        if basis.complete:
            return without_leverage
        n_rows = basis.vectors.shape[0]
        outside = 1.0 - array_namespace(without_leverage).sum(squared, axis=1)
        return without_leverage + outside - (1.0 / n_rows if basis.intercept else 0.0)

    def _gcv_losses(self, basis: Basis, responses: Array, weights: Array) -> Array:
        """Generalised cross-validation (Golub, Heath & Wahba 1979): n RSS / (n - dof)²."""
        xp = array_namespace(responses)
        power = weights**2
        n_rows, rank = basis.vectors.shape
        alphas = like(responses, self.alphas, responses.dtype)
        left = alphas[:, None] / (basis.values + alphas[:, None])
        rss = left**2 @ power
        freedom = xp.sum(left, axis=1)
        if not basis.complete:
            outside = xp.sum(_centred(responses, basis) ** 2, axis=0) - xp.sum(power, axis=0)
            rss = rss + xp.where(outside > 0, outside, 0.0)
            freedom = freedom + (n_rows - rank - (1 if basis.intercept else 0))
        return n_rows * rss / freedom[:, None] ** 2


@dataclass(frozen=True)
class LeastSquares:
    """Ordinary least squares."""

    intercept: bool = True
    alphas: ClassVar[tuple[float, ...]] = (np.nan,)  # no penalty
    by_folds: ClassVar[bool] = False

    def fit(
        self, design: Design, split: Split, inner: Sequence[Split] = (), demand: Demand = EXACT
    ) -> LinearFit:
        operator = least_squares_operator(design, split)
        return LinearFit.of_operator(operator, design.tells_apart(split))

    def fit_fold(
        self,
        design: Design,
        split: Split,
        inner: InnerFolds,
        gram: Callable[[], Array],
        demand: Demand = EXACT,
    ) -> tuple[LinearFit, None]:
        """The fit of a fold; there is no penalty to choose, so `inner` and `gram` ([train, train])
        are not used.
        """
        return self.fit(design, split), None


@dataclass(frozen=True)
class Ridge:
    """Ridge regression and the rule that chooses its penalty.

    Selections: `gcv-shared`, one alpha for all targets by the mean squared leave-one-out error
    (scikit-learn's and Brain-Score's "GCV"); `loo-per-target`, the same per target;
    `gcv-per-target`, generalised cross-validation in the eigenbasis; `folds-per-target`, inner
    folds. Equal losses choose the larger alpha.

    `alphas` increase; with `relative` they are multiples of the mean eigenvalue of the fold's
    centred training Gram matrix.
    """

    selection: str
    alphas: tuple[float, ...]
    relative: bool = False
    inner_folds: int = 5
    criterion: str = "squared-error"
    intercept: bool = True

    @property
    def shared(self) -> bool:
        return self.selection == "gcv-shared"

    @property
    def by_folds(self) -> bool:
        """Whether folds inside the training rows choose the penalty."""
        return self.selection == "folds-per-target"

    def fit(
        self, design: Design, split: Split, inner: Sequence[Split] = (), demand: Demand = EXACT
    ) -> RidgeFit | FoldsFit | UnitFoldsFit:
        """Decompose a fold; `inner` are splits of positions in its training rows."""
        unit = design.mean_eigenvalue(split.train) if self.relative else 1.0
        alphas = np.asarray(self.alphas[::-1]) * (unit or 1.0)
        if self.by_folds:
            return fit_by_folds(design, split, inner, alphas, self.criterion, demand)
        basis = eigenbasis(design, split, float(alphas[-1]))
        xp = array_namespace(basis.values)
        level = xp.mean(basis.cross, axis=0)
        # Constant predictions show this, products with directions of all sizes do not.
        size = basis.values + float(alphas[-1])
        varying = around_mean(basis.cross / size, design.tells_apart(split)) * size
        return RidgeFit(replace(basis, cross=varying), level, alphas, self.selection)

    def fit_fold(
        self,
        design: Design,
        split: Split,
        inner: InnerFolds,
        gram: Callable[[], Array],
        demand: Demand = EXACT,
    ) -> tuple[Fit, int | None]:
        """The fit of a fold, and the index of the alpha of all targets where they share one.

        Parameters
        ----------
        inner : gives so many folds inside the training rows, as positions in them.
        demand : what products the fit is for.
        gram : gives products of training rows' responses, float64 [train, train], as
            `RidgeFit.shared_choice` takes them.
        """
        fit = self.fit(design, split, inner(self.inner_folds) if self.by_folds else (), demand)
        if not self.shared:
            return fit, None
        assert isinstance(fit, RidgeFit)
        choice = fit.shared_choice(gram())
        return fit.with_alpha(choice), choice


def make_regression(entry: settings.Ols | settings.Ridge) -> LeastSquares | Ridge:
    """The regression that a benchmark's settings describe."""
    if isinstance(entry, settings.Ols):
        return LeastSquares(entry.intercept)
    grid = entry.alphas
    return Ridge(
        entry.selection,
        tuple(np.geomspace(grid.low, grid.high, grid.n).tolist()),
        grid.relative,
        entry.inner_folds,
        entry.criterion,
        entry.intercept,
    )
