"""Least squares and ridge with an intercept, from one Gram matrix per layer.

No units × targets matrix of coefficients is ever formed: with K the Gram matrix of the training
rows, k that of test with training rows (both centred by the training rows), predictions are
k (K + alpha I)⁺ Y. With fewer units than training rows the same is done with the units' covariance.
All decompositions are float64; products with the responses have the responses' dtype.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from array_api_compat import array_namespace, device

from brainalign.encoding.arrays import Array, inverse_factored, like, rows_of, solve_factored
from brainalign.encoding.correlation import Prediction
from brainalign.encoding.splits import Split
from brainalign.errors import InputError

EPSILON = float(np.finfo(np.float64).eps)
# A Cholesky pivot below this share of the largest hints at a singular matrix, or at one whose
# inverse has few true digits.
PIVOT_SHARE = 1e-11
INVERSE_PIVOT_SHARE = 1e-7
# Predictions that vary over the test rows by less than this share of their size are constant.
CONSTANT_SHARE = 1e-6
SELECTIONS = ("gcv-shared", "loo-per-target", "gcv-per-target", "folds-per-target")
CRITERIA = ("squared-error", "r2")


class Design:
    """The features of all rows, held as whatever is smaller: themselves or their Gram matrix."""

    def __init__(self, units: Array | None, gram: Array | None, intercept: bool) -> None:
        self.units = units
        self.gram = gram
        self.intercept = intercept

    @classmethod
    def of_features(cls, features: Array, intercept: bool = True) -> "Design":
        """Features [row, unit] of any floating dtype. Units that never vary count as zero."""
        xp = array_namespace(features)
        units = xp.astype(features, xp.float64)
        if intercept:
            # A shift by the mean of all rows loses no digits to large constant offsets and
            # changes nothing else: every fold is centred by its own training rows.
            varies = xp.any(features != features[0, :], axis=0)
            units -= xp.mean(units, axis=0)
            if not xp.all(varies):
                units = xp.where(varies, units, 0.0)
        if units.shape[1] < units.shape[0]:
            return cls(units, None, intercept)
        return cls(None, units @ units.T, intercept)

    @classmethod
    def of_gram(cls, gram: Array, intercept: bool = True) -> "Design":
        """A Gram matrix [row, row], float64, for instance a sum of several feature spaces'."""
        return cls(None, gram, intercept)

    def whole_gram(self) -> Array:
        """The Gram matrix of all rows, float64, not centred by any fold."""
        if self.units is None:
            return self.gram
        return self.units @ self.units.T

    def covariance_form(self, train: np.ndarray, test: np.ndarray) -> tuple[Array, Array]:
        """Units of training and test rows, centred by the training rows."""
        xp = array_namespace(self.units)
        units, others = rows_of(self.units, train), rows_of(self.units, test)
        if not self.intercept:
            return units, others
        mean = xp.mean(units, axis=0)
        return units - mean, others - mean

    def gram_form(self, train: np.ndarray, test: np.ndarray) -> tuple[Array, Array]:
        """Gram matrices [train, train] and [test, train], centred by the training rows."""
        if self.gram is None:
            units, others = self.covariance_form(train, test)
            return units @ units.T, others @ units.T
        xp = array_namespace(self.gram)
        by_train = rows_of(self.gram.T, train).T  # symmetric, so columns are rows
        gram, cross = rows_of(by_train, train), rows_of(by_train, test)
        if not self.intercept:
            return gram, cross
        mean = xp.mean(gram, axis=0)
        grand = xp.mean(mean)
        gram = gram - mean - mean[:, None] + grand
        cross = cross - xp.mean(cross, axis=1)[:, None] - mean + grand
        return gram, cross


class Fit(Protocol):
    """A regression fitted to the training rows of one fold, up to its responses."""

    def predict(self, responses: Array) -> tuple[Prediction, Array | None]:
        """Predictions of the test rows and the index of each target's alpha.

        `responses` [training row, target]; with an intercept a constant added to a target changes
        nothing.
        """


def contrast(operator: Array) -> Array:
    """`operator` [test row, ...] minus its mean over test rows; exactly zero if nothing is left."""
    xp = array_namespace(operator)
    centred = operator - xp.mean(operator, axis=0)
    small = CONSTANT_SHARE * xp.linalg.vector_norm(operator)
    return xp.where(xp.linalg.vector_norm(centred) <= small, 0.0, centred)


def solve_positive(matrix: Array, right: Array) -> Array:
    """matrix⁺ right for a symmetric positive semi-definite matrix, minimum norm if singular."""
    factor = _cholesky(matrix, PIVOT_SHARE)
    if factor is not None:
        return solve_factored(factor, right)
    xp = array_namespace(matrix)
    values, vectors = xp.linalg.eigh(matrix)
    keep = values > values.shape[0] * EPSILON * xp.max(xp.abs(values))
    inverse = xp.where(keep, 1.0 / xp.where(keep, values, 1.0), 0.0)
    return vectors @ (inverse[:, None] * (vectors.T @ right))


def _cholesky(matrix: Array, share: float) -> Array | None:
    """The lower Cholesky factor; None where a pivot falls below `share` of the largest."""
    xp = array_namespace(matrix)
    try:
        factor = xp.linalg.cholesky(matrix)
    except (ValueError, RuntimeError):  # numpy's and torch's LinAlgError: not positive definite
        return None
    pivots = xp.linalg.diagonal(factor) ** 2
    return factor if xp.min(pivots) > share * xp.max(pivots) else None


def least_squares_operators(design: Design, splits: Sequence[Split]) -> list[Array]:
    """`least_squares_operator` of several folds, all from one inverse where there is one.

    With Q the inverse of the Gram matrix of all rows (bordered by ones for the intercept),
    predictions of left-out rows B from the other rows T are -Q_BB⁻¹ Q_BT Y_T (Dubrule 1983,
    Mathematical Geology 15, eq. 9).
    """
    inverse = None if design.gram is None else _bordered_inverse(design.gram, design.intercept)
    if inverse is None:
        return [least_squares_operator(design, split) for split in splits]
    return [_leave_out(inverse, split, design.intercept) for split in splits]


def _leave_out(inverse: Array, split: Split, intercept: bool) -> Array:
    """H [test, train] of one fold, relative to its training mean, from `_bordered_inverse`."""
    left_out = np.setdiff1d(np.arange(inverse.shape[0]), split.train)
    rows = rows_of(inverse, left_out)
    inside, across = (rows_of(rows.T, part).T for part in (left_out, split.train))
    operator = solve_positive(inside, -across)
    if intercept:  # the weights of a whole prediction sum to 1
        operator = operator - 1.0 / split.train.size
    return rows_of(operator, np.searchsorted(left_out, split.test))


def _bordered_inverse(gram: Array, intercept: bool) -> Array | None:
    """The inverse of a Gram matrix, bordered by ones for an intercept; None if digits are few."""
    if intercept:
        # The border of ones takes out whatever is added along the constant.
        gram = gram + _spread(gram) / gram.shape[0]
    factor = _cholesky(gram, INVERSE_PIVOT_SHARE)
    if factor is None:
        return None
    inverse = inverse_factored(factor)
    if not intercept:
        return inverse
    xp = array_namespace(inverse)
    sums = xp.sum(inverse, axis=0)
    return inverse - sums * (sums / xp.sum(sums))[:, None]


def ridge_operators(
    design: Design, train: np.ndarray, splits: Sequence[Split], alphas: np.ndarray
) -> list[Array]:
    """Ridge inside the training rows: H [alpha, test, train] of each fold, float64.

    `splits` are positions in `train`. The Gram matrix of the training rows with each alpha on its
    diagonal is inverted once for all folds; where that leaves few digits, each fold has its own
    eigenbasis.
    """
    inverses = []
    if design.gram is not None:
        gram = rows_of(rows_of(design.gram, train).T, train)
        xp = array_namespace(gram)
        unit = xp.eye(train.size, dtype=gram.dtype, device=device(gram))
        for alpha in alphas:
            inverses.append(_bordered_inverse(gram + float(alpha) * unit, design.intercept))
    operators = []
    for split in splits:
        if inverses and all(inverse is not None for inverse in inverses):
            each = [_leave_out(inverse, split, design.intercept) for inverse in inverses]
        else:
            basis = eigenbasis(design, _within(train, split))
            each = [
                (basis.cross / (basis.values + float(alpha))) @ basis.vectors.T for alpha in alphas
            ]
        operators.append(array_namespace(each[0]).stack(each))
    return operators


def least_squares_operator(design: Design, split: Split) -> Array:
    """H [test, train], float64, such that H Y are the least-squares predictions.

    Its rows sum to zero, so predictions are relative to the training mean. Where units exceed
    rows it is the minimum-norm solution (scikit-learn's `LinearRegression`); singular directions
    are left out below n · 2.2e-16 of the largest.
    """
    if design.units is not None and design.units.shape[1] < split.train.size:
        units, others = design.covariance_form(split.train, split.test)
        return solve_positive(units.T @ units, others.T).T @ units.T
    gram, cross = design.gram_form(split.train, split.test)
    if design.intercept:
        # The centred matrix is singular along the constant, which no prediction uses: fill it.
        gram = gram + _spread(gram) / gram.shape[0]
    return solve_positive(gram, cross.T).T


def _spread(gram: Array) -> float:
    """The mean eigenvalue of a Gram matrix, 1 for a matrix of zeros."""
    xp = array_namespace(gram)
    mean = float(xp.mean(xp.linalg.diagonal(gram)))
    return mean if mean > 0 else 1.0


@dataclass(frozen=True)
class LeastSquaresFit:
    """Least squares in one fold.

    `operator` [test, train] gives predictions relative to their mean, `level` [train] that mean.
    """

    operator: Array
    level: Array

    @classmethod
    def of_operator(cls, operator: Array) -> "LeastSquaresFit":
        """The fit of an operator [test, train] that gives whole predictions."""
        return cls(contrast(operator), array_namespace(operator).mean(operator, axis=0))

    def predict(self, responses: Array) -> tuple[Prediction, Array | None]:
        operator, level = (like(responses, x, responses.dtype) for x in (self.operator, self.level))
        return Prediction(operator @ responses, level @ responses), None


@dataclass(frozen=True)
class Basis:
    """Training features in their eigenbasis.

    `values` [k] are the eigenvalues of the centred Gram matrix, `vectors` [train, k] its
    eigenvectors without the constant, `cross` [test, k] the test rows' Gram matrix times
    `vectors`. `complete` tells that `vectors` span every response that is centred.
    """

    values: Array
    vectors: Array
    cross: Array
    complete: bool
    intercept: bool

    def cast(self, responses: Array) -> "Basis":
        parts = (self.values, self.vectors, self.cross)
        values, vectors, cross = (like(responses, part, responses.dtype) for part in parts)
        return replace(self, values=values, vectors=vectors, cross=cross)


def eigenbasis(design: Design, split: Split) -> Basis:
    """The eigenbasis of a fold, from a thin SVD where units are few and the Gram matrix else."""
    if design.units is not None and 2 * design.units.shape[1] <= split.train.size:
        units, others = design.covariance_form(split.train, split.test)
        xp = array_namespace(units)
        vectors, singular, right = xp.linalg.svd(units, full_matrices=False)
        keep = singular > max(units.shape) * EPSILON * xp.max(singular)
        vectors, singular, right = vectors[:, keep], singular[keep], right[keep, :]
        return Basis(singular**2, vectors, (others @ right.T) * singular, False, design.intercept)
    gram, cross = design.gram_form(split.train, split.test)
    xp = array_namespace(gram)
    if not design.intercept:
        values, vectors = xp.linalg.eigh(gram)
    else:
        # Lift the constant above every other eigenvalue: it is the last vector, and is left out.
        bound = float(xp.max(xp.sum(xp.abs(gram), axis=1)))
        lifted = gram + 2.0 * (bound or 1.0) / gram.shape[0]
        values, vectors = xp.linalg.eigh(lifted)
        values, vectors = values[:-1], vectors[:, :-1]
    values = xp.where(values > 0, values, 0.0)
    return Basis(values, vectors, cross @ vectors, True, design.intercept)


def _centred(responses: Array, basis: Basis) -> Array:
    if not basis.intercept:
        return responses
    return responses - array_namespace(responses).mean(responses, axis=0)


@dataclass(frozen=True)
class RidgeFit:
    """Ridge in one fold: the eigenbasis, absolute alphas (decreasing) and how one is chosen.

    The basis' `cross` gives predictions relative to their mean, `level` [k] that mean.
    """

    basis: Basis
    level: Array
    alphas: np.ndarray
    selection: str
    inner: tuple[tuple[Array, Split], ...] = ()
    criterion: str = "squared-error"

    def losses(self, responses: Array) -> Array:
        """The loss [alpha, target] that the selection minimises, on training rows only."""
        basis = self.basis.cast(responses)
        return self._losses(basis, responses, basis.vectors.T @ responses)

    def predict(self, responses: Array) -> tuple[Prediction, Array]:
        xp = array_namespace(responses)
        basis = self.basis.cast(responses)
        weights = basis.vectors.T @ responses
        choice = xp.argmin(self._losses(basis, responses, weights), axis=0)
        return self._predict(basis, weights, choice), choice

    def predict_with(self, responses: Array, choice: Array) -> tuple[Prediction, Array]:
        """Predictions with the alpha of index `choice` [target]."""
        basis = self.basis.cast(responses)
        return self._predict(basis, basis.vectors.T @ responses, choice), choice

    def _predict(self, basis: Basis, weights: Array, choice: Array) -> Prediction:
        xp = array_namespace(weights)
        shrinkage = 1.0 / (basis.values[:, None] + like(weights, self.alphas, weights.dtype))
        shrunk = weights * xp.take(shrinkage, choice, axis=1)
        level = like(weights, self.level, weights.dtype)
        return Prediction(basis.cross @ shrunk, level @ shrunk)

    def _losses(self, basis: Basis, responses: Array, weights: Array) -> Array:
        if self.selection == "folds-per-target":
            return self._inner_fold_losses(responses)
        if self.selection == "gcv-per-target":
            return self._gcv_losses(basis, responses, weights)
        return self._loo_losses(basis, responses, weights)

    def _loo_losses(self, basis: Basis, responses: Array, weights: Array) -> Array:
        """Mean squared leave-one-out error, exact: residual over one minus leverage.

        Both are written with alpha / (lambda + alpha), so that nothing cancels when alpha is
        small. With an intercept the constant direction has no residual.
        """
        xp = array_namespace(responses)
        squared = basis.vectors**2
        n_rows = basis.vectors.shape[0]
        if basis.complete:
            residual, slack = None, None
        else:
            residual = _centred(responses, basis) - basis.vectors @ weights
            slack = 1.0 - xp.sum(squared, axis=1) - (1.0 / n_rows if basis.intercept else 0.0)
        losses = []
        for alpha in self.alphas:
            left = float(alpha) / (basis.values + float(alpha))
            room = squared @ left
            if slack is not None:
                room = room + slack
            error = ((basis.vectors / room[:, None]) * left) @ weights
            if residual is not None:
                error = error + residual / room[:, None]
            losses.append(xp.mean(error**2, axis=0))
        return xp.stack(losses)

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

    def _inner_fold_losses(self, responses: Array) -> Array:
        """Mean over inner folds of the squared error (or of 1 - R²) of each alpha."""
        xp = array_namespace(responses)
        total: Array | None = None
        for operators, split in self.inner:
            fitted = rows_of(responses, split.train)
            truth = rows_of(responses, split.test)
            if self.basis.intercept:
                truth = truth - xp.mean(fitted, axis=0)
            stacked = xp.reshape(operators, (-1, fitted.shape[0]))
            predicted = like(responses, stacked, responses.dtype) @ fitted
            shape = (operators.shape[0], *truth.shape)
            loss = xp.mean((truth - xp.reshape(predicted, shape)) ** 2, axis=1)
            if self.criterion == "r2":
                loss = loss / xp.var(truth, axis=0)
            total = loss if total is None else total + loss
        assert total is not None
        return total / len(self.inner)


@dataclass(frozen=True)
class LeastSquares:
    """Ordinary least squares."""

    intercept: bool = True

    def fit(self, design: Design, split: Split, inner: Sequence[Split] = ()) -> LeastSquaresFit:
        return LeastSquaresFit.of_operator(least_squares_operator(design, split))


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

    def fit(self, design: Design, split: Split, inner: Sequence[Split] = ()) -> RidgeFit:
        """Decompose a fold; `inner` are splits of positions in its training rows."""
        basis = eigenbasis(design, split)
        xp = array_namespace(basis.values)
        unit = float(xp.sum(basis.values)) / split.train.size if self.relative else 1.0
        alphas = np.asarray(self.alphas[::-1]) * (unit or 1.0)
        folds: tuple[tuple[Array, Split], ...] = ()
        if self.selection == "folds-per-target":
            operators = ridge_operators(design, split.train, inner, alphas)
            folds = tuple(zip(operators, inner, strict=True))
        return RidgeFit(
            replace(basis, cross=contrast(basis.cross)), xp.mean(basis.cross, axis=0), alphas,
            self.selection, folds, self.criterion,
        )  # fmt: skip


def _within(train: np.ndarray, part: Split) -> Split:
    return Split(train[part.train], train[part.test])


def make_regression(entry: Mapping[str, Any]) -> LeastSquares | Ridge:
    """The regression of a benchmark's `regression` entry.

    `{type: ols}`, or `{type: ridge, selection, alphas: {low, high, n, relative}, inner_folds,
    criterion}`; alphas are n values from low to high in equal steps of the logarithm.

    Raises
    ------
    InputError : an unknown type, selection or criterion, or no increasing positive alphas.
    """
    kind = entry.get("type")
    intercept = entry.get("intercept", True)
    if kind == "ols":
        return LeastSquares(intercept)
    if kind != "ridge":
        raise InputError(f"regression.type: {kind!r}, expected ols or ridge")
    selection = entry.get("selection", "folds-per-target")
    if selection not in SELECTIONS:
        raise InputError(
            f"regression.selection: {selection!r}, expected one of {', '.join(SELECTIONS)}"
        )
    criterion = entry.get("criterion", "squared-error")
    if criterion not in CRITERIA:
        raise InputError(
            f"regression.criterion: {criterion!r}, expected one of {', '.join(CRITERIA)}"
        )
    grid = {"low": 1e-3, "high": 1e3, "n": 7, "relative": False} | dict(entry.get("alphas", {}))
    if not 0 < grid["low"] <= grid["high"] or grid["n"] < 1:
        raise InputError(f"regression.alphas: {grid}, expected 0 < low <= high and n >= 1")
    alphas = np.geomspace(grid["low"], grid["high"], int(grid["n"]))
    return Ridge(
        selection,
        tuple(float(alpha) for alpha in alphas),
        bool(grid["relative"]),
        int(entry.get("inner_folds", 5)),
        criterion,
        intercept,
    )
