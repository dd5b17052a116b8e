"""From the features of a fold to operators on responses: least squares and ridge in the dual.

No units × targets matrix of coefficients is ever formed: with K the Gram matrix of the training
rows, k that of test with training rows (both centred by the training rows), predictions are
k (K + alpha I)⁺ Y. With fewer units than training rows the same is done with the units' covariance.
Everything here is float64 and knows no responses.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from array_api_compat import array_namespace, device

from brainalign.encoding.arrays import (
    Array,
    diagonal,
    in_torch,
    inverse_factored,
    like,
    rows_of,
    solve_factored,
    solve_triangular,
)
from brainalign.encoding.splits import Split

EPSILON = float(np.finfo(np.float64).eps)
ROUNDING = 64.0  # rounding errors that a sum may have gathered
# A Cholesky pivot below this share of the largest hints at a singular matrix, or at one whose
# inverse has few true digits.
PIVOT_SHARE = 1e-11
INVERSE_PIVOT_SHARE = 1e-7
# Units per training row up to which their covariance is the better basis: its operations are about
# as many as a Gram matrix's there, and it takes far less memory.
FEW_UNITS = 0.55
# A penalty above this share of all squares is exact beside eigenvalues of the units' covariance.
COVARIANCE_SHARE = 1e-9
# Predictions that vary over the test rows by less than this share of their size are constant.
CONSTANT_SHARE = 1e-6
# Rows per unit up to which residuals of all rows, once, take fewer operations than every fold's own
# system.
ROWS_PER_UNIT = 4
# Training rows whose products with test rows are looked at together.
ROWS_AT_A_TIME = 64


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
        if intercept:
            # A shift by the mean of all rows loses no digits to large constant offsets and
            # changes nothing else: every fold is centred by its training rows.
            units = features - xp.sum(features, axis=0, dtype=xp.float64) / features.shape[0]
            varies = features[0, :] != features[-1, :]
            if not xp.all(varies):
                varies |= xp.any(features != features[0, :], axis=0)
                units = xp.where(varies, units, 0.0)
        else:
            units = xp.astype(features, xp.float64)
        if units.shape[1] < units.shape[0]:
            return cls(units, None, intercept)
        return cls(None, units @ units.T, intercept)

    @classmethod
    def of_gram(cls, gram: Array, intercept: bool = True) -> "Design":
        """A Gram matrix [row, row], float64, for instance a sum of several feature spaces'."""
        return cls(None, gram, intercept)

    @property
    def n_rows(self) -> int:
        held: Array = self.gram if self.units is None else self.units
        return int(held.shape[0])

    def gram_of_all_rows(self) -> Array:
        """The Gram matrix [row, row] of all rows, float64, not centred by any fold."""
        if self.units is None:
            return self.gram
        return self.units @ self.units.T

    def covariance_form(self, train: np.ndarray, test: np.ndarray) -> tuple[Array, Array]:
        """Units [train, unit] and [test, unit], float64, centred by the training rows."""
        xp = array_namespace(self.units)
        units, others = rows_of(self.units, train), rows_of(self.units, test)
        if not self.intercept:
            return units, others
        mean = xp.mean(units, axis=0)
        if _only_rounding(
            xp.sum((units - mean) ** 2), xp.sum(units**2), (train.size * EPSILON) ** 2
        ):
            return xp.zeros_like(units), xp.zeros_like(others)
        return units - mean, others - mean

    def mean_eigenvalue(self, train: np.ndarray) -> float:
        """The mean eigenvalue of the Gram matrix [train, train], centred by the training rows."""
        xp = array_namespace(self.gram if self.units is None else self.units)
        if self.units is None:
            gram, _ = self.gram_form(train, train[:1])
            return float(xp.mean(xp.linalg.diagonal(gram)))
        units, _ = self.covariance_form(train, train[:1])
        return float(xp.sum(units**2)) / train.size

    def tells_apart(self, split: Split) -> bool:
        """Whether the training rows say anything of how the test rows differ.

        They do where a product of a test row, less the mean of the test rows, with a training row
        is above rounding, n · eps · √(|test|² |train|²) for n training rows. Below, predictions
        are rounding errors: of test rows that share no feature with any training row, for example
        (an identity matrix smoothed inside blocks that folds hold out).
        """
        rows = np.concatenate([split.test, split.train])
        xp = array_namespace(self.gram if self.units is None else self.units)
        if self.units is None:
            sizes = xp.sqrt(xp.linalg.diagonal(self.gram))
            sizes = xp.take(sizes, like(sizes, rows), axis=0)
            against = rows_of(self.gram, split.test)
            total = xp.mean(xp.take(against, like(sizes, split.train), axis=1), axis=1)
        else:
            units, others = self.covariance_form(split.train, split.test)
            sizes = xp.concat([xp.linalg.vector_norm(part, axis=1) for part in (others, units)])
            total = xp.zeros(split.test.size, dtype=units.dtype, device=device(units))
        # Rows far below the others hold nothing but the others' rounding errors.
        sizes = xp.where(sizes > xp.mean(sizes), sizes, xp.mean(sizes))
        n_test, floor = split.test.size, split.train.size * EPSILON
        for start in range(0, split.train.size, ROWS_AT_A_TIME):
            part = slice(start, start + ROWS_AT_A_TIME)
            if self.units is None:
                columns = like(sizes, split.train[part])
                cross = xp.take(against, columns, axis=1)
                cross = cross - total[:, None] if self.intercept else cross
            else:
                cross = others @ units[part, :].T
            cross = cross - xp.mean(cross, axis=0)
            limit = floor * sizes[:n_test, None] * sizes[n_test:][part]
            if xp.any(xp.abs(cross) > limit):
                return True
        return False

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
        size = xp.sum(xp.linalg.diagonal(gram))
        gram = gram - mean - mean[:, None] + grand
        if _only_rounding(xp.sum(xp.linalg.diagonal(gram)), size, EPSILON):
            return xp.zeros_like(gram), xp.zeros_like(cross)
        cross = cross - xp.mean(cross, axis=1)[:, None] - mean + grand
        return gram, cross


def _only_rounding(squares: Array, before: Array, share: float) -> bool:
    """Whether features that are constant over the training rows are what centring has left."""
    return float(squares) <= ROUNDING * share * float(before)


def around_mean(operator: Array, apart: bool) -> Array:
    """`operator` [test row, ...] minus its mean over test rows; exactly zero if nothing is left.

    `apart`: whether the design `tells_apart` the test rows; if not, nothing is left.
    """
    xp = array_namespace(operator)
    if not apart:
        return xp.zeros_like(operator)
    centred = operator - xp.mean(operator, axis=0)
    small = CONSTANT_SHARE * xp.linalg.vector_norm(operator)
    return centred if xp.linalg.vector_norm(centred) > small else xp.zeros_like(centred)


def solve_positive(matrix: Array, right: Array) -> Array:
    """matrix⁺ right [row, column] for a symmetric positive semi-definite `matrix` [row, row]; the
    solution of minimum norm where it is singular.
    """
    factor = _cholesky(matrix, PIVOT_SHARE)
    if factor is not None and right.shape[1] > 2 * matrix.shape[0]:
        return inverse_factored(factor) @ right  # at the rate of a product, unlike a solve
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

    Each is [test, all rows of the design], zero for rows that do not train. With Q the inverse of
    the Gram matrix of all rows (bordered by ones for the intercept), predictions of left-out rows B
    from the other rows T are -Q_BB⁻¹ Q_BT Y_T (Dubrule 1983, Mathematical Geology 15, eq. 9). Where
    rows outnumber the units, Q is what makes residuals of all rows, 1 - H with H the hat matrix:
    errors of left-out rows are Q_BB⁻¹ times their residuals (Cook & Weisberg 1982, sec. 2.2).
    """
    inverse = None
    if design.units is None:
        inverse = _bordered_inverse(design.gram, design.intercept)
    elif design.n_rows <= ROWS_PER_UNIT * design.units.shape[1]:
        inverse = _residual_maker(design.units, design.intercept)
    operators = []
    for split in splits:
        if inverse is None or not _rows_determined(inverse, split):
            part = least_squares_operator(design, split)
            operator = array_namespace(part).zeros(
                (split.test.size, design.n_rows), dtype=part.dtype, device=device(part)
            )
            operator[:, like(part, split.train)] = part
        else:
            train = like(inverse, row_weights(split.train, design.n_rows))
            operator = leave_out_errors(inverse, split) * (train * -float(split.train.size))
            if design.intercept:  # the weights of a whole prediction sum to 1
                operator -= train
        operators.append(operator)
    return operators


def row_weights(rows: np.ndarray, n_rows: int) -> np.ndarray:
    """Float64 [row] whose product with responses is their mean over `rows`."""
    weights = np.zeros(n_rows)
    weights[rows] = 1.0 / rows.size
    return weights


def leave_out_errors(inverse: Array, split: Split) -> Array:
    """Errors of one fold, truth minus prediction, as an operator [test, all rows].

    `inverse` is `_bordered_inverse` of the rows that `split` counts; rows that neither train nor
    are tested have zero columns.
    """
    left_out = np.delete(np.arange(inverse.shape[0]), split.train)
    rows = rows_of(inverse, left_out)
    inside = rows_of(rows.T, left_out).T
    return rows_of(solve_positive(inside, rows), np.searchsorted(left_out, split.test))


def _bordered_inverse(gram: Array, intercept: bool) -> Array | None:
    """The inverse of a Gram matrix, bordered by ones for an intercept; None if digits are few."""
    if intercept:
        # The border of ones takes out whatever is added along the constant.
        gram = gram + _spread(gram) / gram.shape[0]
    factor = _cholesky(in_torch(gram, gram.shape[0] ** 3), INVERSE_PIVOT_SHARE)
    if factor is None:
        return None
    inverse = like(gram, inverse_factored(factor))
    if intercept:
        xp = array_namespace(inverse)
        sums = xp.sum(inverse, axis=0)
        inverse -= sums * (sums / xp.sum(sums))[:, None]
    return inverse


def _residual_maker(units: Array, intercept: bool) -> Array | None:
    """1 - H [row, row], H the hat matrix of all rows; None if digits are few."""
    xp = array_namespace(units)
    if intercept:
        units = units - xp.mean(units, axis=0)
    factor = _cholesky(units.T @ units, INVERSE_PIVOT_SHARE)
    if factor is None:
        return None
    half = solve_triangular(factor, units.T)
    maker = half.T @ half * -1.0 - float(intercept) / units.shape[0]
    diagonal(maker)[:] += 1.0
    return maker


def _rows_determined(inverse: Array, split: Split) -> bool:
    """Whether a fold's training rows determine its test rows, with digits enough."""
    left_out = np.delete(np.arange(inverse.shape[0]), split.train)
    inside = rows_of(rows_of(inverse, left_out).T, left_out)
    return _cholesky(inside, INVERSE_PIVOT_SHARE) is not None


def training_gram(design: Design, train: np.ndarray) -> Array:
    """The training rows' Gram matrix [train, train], float64, not centred by them."""
    if design.units is None:
        return rows_of(rows_of(design.gram, train).T, train)
    units = rows_of(design.units, train)
    return units @ units.T


def ridge_inverse(gram: Array, alpha: float, intercept: bool) -> Array | None:
    """The inverse [row, row] of a Gram matrix with alpha on its diagonal and, with `intercept`, a
    border of ones, float64.

    None where it has few digits: then `shrunken`, from an eigenbasis, is for each fold what this is
    for all of them.
    """
    xp = array_namespace(gram)
    matrix = xp.asarray(gram, copy=True)
    diagonal(matrix)[:] += alpha
    return _bordered_inverse(matrix, intercept)


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
        """The basis with the dtype and device of `responses` [train, target]."""
        parts = (self.values, self.vectors, self.cross)
        values, vectors, cross = (like(responses, part, responses.dtype) for part in parts)
        return replace(self, values=values, vectors=vectors, cross=cross)


def few_units(design: Design, train: np.ndarray) -> bool:
    """Whether there are at most `FEW_UNITS` units per training row, int [train], so that the units
    are the better basis.
    """
    return design.units is not None and int(design.units.shape[1]) <= FEW_UNITS * train.size


def eigenbasis(design: Design, split: Split, alpha: float = 0.0) -> Basis:
    """The eigenbasis of a fold, for penalties of `alpha` or more.

    Where units are few it comes from their covariance, or from a thin SVD where the covariance has
    too few digits for the penalty; else from the Gram matrix.
    """
    if few_units(design, split.train):
        units, others = design.covariance_form(split.train, split.test)
        xp = array_namespace(units)
        covariance = units.T @ units
        if has_digits(covariance, alpha):
            values, right = spectrum(covariance)
            vectors = (units @ right) / xp.sqrt(values)
            return Basis(values, vectors, others @ right * xp.sqrt(values), False, design.intercept)
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


def has_digits(covariance: Array, alpha: float) -> bool:
    """Whether eigenvalues of sums of products [unit, unit] are exact enough beside a penalty
    `alpha`.
    """
    trace = float(array_namespace(covariance).sum(diagonal(covariance)))
    return trace > 0 and alpha > COVARIANCE_SHARE * trace


def spectrum(covariance: Array) -> tuple[Array, Array]:
    """Eigenvalues [k] and vectors [unit, k] of a covariance, without those that are rounding."""
    xp = array_namespace(covariance)
    values, vectors = xp.linalg.eigh(covariance)
    keep = values > values.shape[0] * EPSILON * xp.max(values)
    return values[keep], vectors[:, keep]


def shrunken(basis: Basis, alpha: float) -> Array:
    """Ridge predictions relative to the training mean as an operator [test, train]."""
    return (basis.cross / (basis.values + float(alpha))) @ basis.vectors.T


def triangle(matrix: Array, intercept: bool) -> Array:
    """R [row, column], zero left of the diagonal, with |R y| = |matrix y|.

    With `intercept`, for every y that sums to zero, as do the rows of `matrix`.
    """
    gram = matrix.T @ matrix
    if intercept:
        gram = gram + _spread(gram) / gram.shape[0]
    factor = _cholesky(in_torch(gram, gram.shape[0] ** 3), PIVOT_SHARE)
    if factor is not None:
        return like(gram, factor.T)
    return array_namespace(matrix).linalg.qr(matrix)[1]
