"""Ridge in one fold, the penalty of each target chosen by folds inside the training rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from array_api_compat import array_namespace, device

from brainalign.encoding.arrays import Array, column_products, fetch, like, product, rows_of
from brainalign.encoding.correlation import Prediction, pearson, spread
from brainalign.encoding.operators import (
    Design,
    around_mean,
    eigenbasis,
    leave_out_errors,
    ridge_inverses,
    shrunken,
    triangle,
)
from brainalign.encoding.splits import Split

ROWS_AT_A_TIME = 64  # of a triangle: its zeros are skipped by so many rows
# Targets per training row from which a triangle saves more operations than it takes to make.
TRIANGLE_PAYS = 2.5


class Panel(NamedTuple):
    """Some rows of what makes errors out of responses, for every alpha.

    operators : float64 [alpha, row, training row from `start` on]; to the left they are zero.
    test : positions of training rows whose variance divides the squares (1 - R²); None: nothing.
        A target that is constant over them has no R² there: it counts for nothing.
    """

    start: int
    operators: Array
    test: np.ndarray | None = None


@dataclass(frozen=True)
class FoldsFit:
    """Ridge in one fold, up to its responses.

    alphas : absolute, decreasing.
    operators, levels : float64 [alpha, test, train], predictions relative to their mean over the
        test rows, and [alpha, train], that mean.
    inner : folds as positions in the training rows.
    errors : of each inner fold, float64 [alpha, inner test, train]: truth minus prediction.
    apart : whether the training rows of each inner fold tell its test rows apart.
    criterion : what is minimised, `squared-error` or `r2`.
    """

    alphas: np.ndarray
    operators: Array
    levels: Array
    inner: tuple[Split, ...]
    errors: tuple[Array, ...]
    apart: tuple[bool, ...]
    criterion: str
    intercept: bool

    def losses(self, responses: Array) -> Array:
        """The loss [alpha, target], on training rows only.

        It is the mean over inner folds of the mean squared error (or of 1 - R²): the sum of the
        squares of all panels' products with the responses.
        """
        xp = array_namespace(responses)
        centred = responses - xp.mean(responses, axis=0) if self.intercept else responses
        total = xp.zeros((self.alphas.size, responses.shape[1]), dtype=responses.dtype,
                         device=device(responses))  # fmt: skip
        many = responses.shape[1] > TRIANGLE_PAYS * responses.shape[0]
        for panel in self._triangles if many and self.criterion != "r2" else self._folds:
            n_alphas, n_rows, n_columns = panel.operators.shape
            stacked = xp.reshape(panel.operators, (n_alphas * n_rows, n_columns))
            operator = like(responses, stacked, responses.dtype)
            errors = product(operator, centred[panel.start :, :])
            errors = xp.reshape(errors, (n_alphas, n_rows, -1))
            squares = xp.stack([column_products(e, e) for e in errors])
            if panel.test is not None:
                tested = rows_of(responses, panel.test)
                own = spread(tested, xp.mean(tested, axis=0))
                varying = xp.where(own.constant, 1.0, own.squares)
                squares *= xp.where(own.constant, 0.0, panel.test.size / varying)
            total = total + squares
        return total

    def predict(self, responses: Array) -> tuple[Prediction, Array]:
        """Predictions of the test rows and the index of each target's alpha."""
        choice = array_namespace(responses).argmin(self.losses(responses), axis=0)
        return self.predict_with(responses, choice)

    def predict_with(self, responses: Array, choice: Array) -> tuple[Prediction, Array]:
        """Predictions with the alpha of index `choice` [target]: one product per alpha."""
        xp = array_namespace(responses)

        def operator(index: int) -> Array:
            return xp.concat((self.operators[index, ...], self.levels[index, ...][None, :]))

        predicted = _by_choice(operator, responses, choice)
        return Prediction(predicted[:-1, :], predicted[-1, :]), choice

    def inner_r(self, responses: Array, choice: Array, epsilon: float = 0.0) -> Array:
        """Pearson's r [inner fold, target] of the inner folds' own predictions of their test rows.

        With the alpha of index `choice` [target], and otherwise as `agreement` has it.
        """
        xp = array_namespace(responses)
        scores = []
        for part, errors, apart in zip(self.inner, self.errors, self.apart, strict=True):
            rows = xp.eye(responses.shape[0], dtype=errors.dtype, device=device(errors))
            truth = rows_of(rows, part.test)

            def operator(
                index: int, truth: Array = truth, errors: Array = errors, apart: bool = apart
            ) -> Array:
                return around_mean(truth - errors[index, ...], apart)

            predicted = _by_choice(operator, responses, choice)
            scores.append(pearson(predicted, rows_of(responses, part.test), epsilon))
        return xp.stack(scores)

    @cached_property
    def _scaled(self) -> list[Array]:
        """`errors` whose squares sum to the mean over inner folds of the mean squared error."""
        shares = [1.0 / (len(self.inner) * part.test.size) ** 0.5 for part in self.inner]
        return [fold * share for fold, share in zip(self.errors, shares, strict=True)]

    @cached_property
    def _folds(self) -> list[Panel]:
        tests = [part.test if self.criterion == "r2" else None for part in self.inner]
        return [Panel(0, fold, test) for fold, test in zip(self._scaled, tests, strict=True)]

    @cached_property
    def _triangles(self) -> list[Panel]:
        # The squared errors of all folds are a quadratic form of the responses; a triangle takes
        # half the operations.
        xp = array_namespace(self.errors[0])
        joined = xp.concat(self._scaled, axis=1)
        factors = xp.stack([triangle(joined[k, ...], self.intercept) for k in range(len(joined))])
        return [
            Panel(start, factors[:, start : start + ROWS_AT_A_TIME, start:])
            for start in range(0, factors.shape[1], ROWS_AT_A_TIME)
        ]


def _by_choice(operator: Callable[[int], Array], responses: Array, choice: Array) -> Array:
    """Products [row, target] of each target's responses with the operator [row, train] it chose."""
    xp = array_namespace(responses)
    chosen = fetch(choice)
    order = np.argsort(chosen, kind="stable")
    grouped = xp.take(responses, like(responses, order), axis=1)
    indices, first = np.unique(chosen[order], return_index=True)
    edges = [*first.tolist(), chosen.size]
    parts = [
        product(like(responses, operator(int(index)), responses.dtype), grouped[:, start:stop])
        for index, (start, stop) in zip(indices, pairwise(edges), strict=True)
    ]
    return xp.take(xp.concat(parts, axis=1), like(responses, np.argsort(order)), axis=1)


def fit_by_folds(
    design: Design, split: Split, inner: Sequence[Split], alphas: np.ndarray, criterion: str
) -> FoldsFit:
    """Ridge operators of a fold and of its inner folds.

    All inner folds share one inverse per alpha where that has digits enough (`leave_out_errors`).

    Parameters
    ----------
    inner : splits of positions in the training rows.
    alphas : absolute, decreasing.
    criterion : what is minimised, `squared-error` or `r2`.
    """
    inverses = ridge_inverses(design, split.train, alphas)
    if inverses is None:
        predictions = shrunken(eigenbasis(design, split), alphas)
        errors = [_errors(design, split.train, part, alphas) for part in inner]
    else:
        _, cross = design.gram_form(split.train, split.test)
        predictions = [cross @ inverse for inverse in inverses]
        errors = [[leave_out_errors(inverse, part) for inverse in inverses] for part in inner]
    xp = array_namespace(predictions[0])
    apart = design.tells_apart(split)
    folds = [Split(split.train[part.train], split.train[part.test]) for part in inner]
    return FoldsFit(
        alphas,
        xp.stack([around_mean(operator, apart) for operator in predictions]),
        xp.stack([xp.mean(operator, axis=0) for operator in predictions]),
        tuple(inner),
        tuple(xp.stack(list(fold)) for fold in errors),
        tuple(design.tells_apart(fold) for fold in folds),
        criterion,
        design.intercept,
    )


def _errors(design: Design, train: np.ndarray, part: Split, alphas: np.ndarray) -> list[Array]:
    """`leave_out_errors` of every alpha from the inner fold's own eigenbasis."""
    predictions = shrunken(eigenbasis(design, Split(train[part.train], train[part.test])), alphas)
    xp = array_namespace(predictions[0])
    rows = xp.eye(train.size, dtype=predictions[0].dtype, device=device(predictions[0]))
    mean = float(design.intercept) / part.train.size
    return [
        rows_of(rows, part.test) - (operator + mean) @ rows_of(rows, part.train)
        for operator in predictions
    ]
