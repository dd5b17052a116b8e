"""Ridge in one fold, the penalty of each target chosen by folds inside the training rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from array_api_compat import array_namespace, device

from brainalign.encoding.arrays import Array, column_products, fetch, like, product, rows_of
from brainalign.encoding.correlation import Prediction, spread
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
    panels : the loss of an alpha is the sum of the squares of all panels' products with the
        responses, which is the mean over inner folds of the mean squared error (or of 1 - R²).
    """

    alphas: np.ndarray
    operators: Array
    levels: Array
    panels: tuple[Panel, ...]
    intercept: bool

    def losses(self, responses: Array) -> Array:
        """The loss [alpha, target], on training rows only."""
        xp = array_namespace(responses)
        centred = responses - xp.mean(responses, axis=0) if self.intercept else responses
        total = xp.zeros((self.alphas.size, responses.shape[1]), dtype=responses.dtype,
                         device=device(responses))  # fmt: skip
        for panel in self.panels:
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
        chosen = fetch(choice)
        order = np.argsort(chosen, kind="stable")
        grouped = xp.take(responses, like(responses, order), axis=1)
        edges = np.searchsorted(chosen[order], np.arange(self.alphas.size + 1)).tolist()
        parts = []
        for index, (first, last) in enumerate(pairwise(edges)):
            operators = (self.operators[index, ...], self.levels[index, ...][None, :])
            both = like(responses, xp.concat(operators), responses.dtype)
            parts.append(product(both, grouped[:, first:last]))
        predicted = xp.take(xp.concat(parts, axis=1), like(responses, np.argsort(order)), axis=1)
        return Prediction(predicted[:-1, :], predicted[-1, :]), choice


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
    return FoldsFit(
        alphas,
        xp.stack([around_mean(operator, apart) for operator in predictions]),
        xp.stack([xp.mean(operator, axis=0) for operator in predictions]),
        tuple(_panels(errors, inner, criterion, design.intercept)),
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


def _panels(
    errors: Sequence[Sequence[Array]], inner: Sequence[Split], criterion: str, intercept: bool
) -> list[Panel]:
    """Of `errors` [inner fold][alpha], each [inner test, train]."""
    xp = array_namespace(errors[0][0])
    shares = [1.0 / (len(inner) * part.test.size) ** 0.5 for part in inner]
    scaled = [xp.stack(list(fold)) * share for fold, share in zip(errors, shares, strict=True)]
    if criterion == "r2":  # each fold's squares have a divisor of their own
        return [Panel(0, fold, part.test) for fold, part in zip(scaled, inner, strict=True)]
    # The squared errors of all folds are a quadratic form of the responses; a triangle takes half
    # the operations.
    whole = xp.concat(scaled, axis=1)
    factors = xp.stack([triangle(whole[k, ...], intercept) for k in range(whole.shape[0])])
    return [
        Panel(start, factors[:, start : start + ROWS_AT_A_TIME, start:])
        for start in range(0, factors.shape[1], ROWS_AT_A_TIME)
    ]
