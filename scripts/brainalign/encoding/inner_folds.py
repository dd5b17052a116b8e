"""Ridge in one fold, the penalty of each target chosen by folds inside the training rows."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from array_api_compat import array_namespace, device

from brainalign.encoding.arrays import (
    Array,
    column_products,
    fetch,
    like,
    product,
    rows_of,
    trapezoid_product,
)
from brainalign.encoding.correlation import Prediction, pearson, shares_of_variance
from brainalign.encoding.operators import (
    Design,
    around_mean,
    eigenbasis,
    few_units,
    leave_out_errors,
    ridge_inverse,
    shrunken,
    training_gram,
    triangle,
)
from brainalign.encoding.splits import Split
from brainalign.encoding.unit_folds import UnitFoldsFit, fit_units_by_folds

ROWS_AT_A_TIME = 512  # of a triangle: what is left of them is not kept
# Targets per training row from which a triangle saves more operations than it takes to make.
TRIANGLE_PAYS = 2.5


class Demand(NamedTuple):
    """Products that a fit is for.

    dtype : of the responses; None: float64.
    n_targets : how many columns of responses there will be in all.
    inner_r : whether r of the inner folds' predictions is asked for.
    """

    dtype: Any = None
    n_targets: int = 0
    inner_r: bool = True


EXACT = Demand()


class Panel(NamedTuple):
    """Some rows of what makes errors out of responses, for every alpha.

    operators : [alpha, row, training row from `start` on]; to the left they are zero.
    triangular : whether they are zero below the diagonal, too.
    test : positions of training rows whose variance divides the squares (1 - R²); None: nothing.
        A target that is constant over them has no R² there: it counts for nothing.
    """

    start: int
    operators: Array
    triangular: bool = False
    test: np.ndarray | None = None


@dataclass(frozen=True)
class FoldsFit:
    """Ridge in one fold, up to its responses. Operators have the dtype of the responses.

    alphas : absolute, decreasing.
    operators, levels : [alpha, test, train], predictions relative to their mean over the test rows,
        and [alpha, train], that mean.
    inner : folds as positions in the training rows.
    panels : truth minus prediction of all inner folds. Squares of products sum to the loss.
    inner_operators : of each inner fold [alpha, inner test, train], predictions relative to their
        mean; empty if not asked for.
    """

    alphas: np.ndarray
    operators: Array
    levels: Array
    inner: tuple[Split, ...]
    panels: tuple[Panel, ...]
    inner_operators: tuple[Array, ...]
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
        for panel in self.panels:
            seen = centred[panel.start :, :]
            for index in range(self.alphas.size):
                operator = like(responses, panel.operators[index, ...], responses.dtype)
                errors = (trapezoid_product if panel.triangular else product)(operator, seen)
                squares = column_products(errors, errors)
                if panel.test is not None:
                    squares = squares * shares_of_variance(responses, panel.test)
                total[index, :] += squares
        return total

    def predict(self, responses: Array) -> tuple[Prediction, Array]:
        """Predictions [test, target] and the index [target] of each target's alpha, from
        `responses` [train, target].
        """
        choice = array_namespace(responses).argmin(self.losses(responses), axis=0)
        return self.predict_with(responses, choice)

    def predict_with(self, responses: Array, choice: Array) -> tuple[Prediction, Array]:
        """Predictions with the alpha of index `choice` [target]: one product per alpha."""
        xp = array_namespace(responses)

        def operator(index: int) -> Array:
            return xp.concat((self.operators[index, ...], self.levels[index, ...][None, :]))

        predicted = _by_choice(operator, responses, choice)
        return Prediction(predicted[:-1, :], predicted[-1, :]), choice

    def predict_inside(
        self, responses: Array, epsilon: float = 0.0
    ) -> tuple[Prediction, Array, Array]:
        """What `predict` gives, and r [inner fold, target] of the inner folds' predictions.

        That is Pearson's, over their test rows, with the alpha that the target chose, and otherwise
        as `agreement` has it.
        """
        prediction, choice = self.predict(responses)
        scores = []
        for part, operators in zip(self.inner, self.inner_operators, strict=True):
            predicted = _by_choice(operators.__getitem__, responses, choice)
            scores.append(pearson(predicted, rows_of(responses, part.test), epsilon))
        return prediction, choice, array_namespace(responses).stack(scores)


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
    design: Design,
    split: Split,
    inner: Sequence[Split],
    alphas: np.ndarray,
    criterion: str,
    demand: Demand = EXACT,
) -> FoldsFit | UnitFoldsFit:
    """Ridge of a fold and of its inner folds.

    Few units are fitted in the eigenbasis of their covariance. Else predictions are operators on
    responses, made for one alpha after the other, so that no more than one is held in float64.

    Parameters
    ----------
    inner : splits of positions in the training rows.
    alphas : float64 [alpha]; absolute, decreasing.
    criterion : what is minimised, `squared-error` or `r2`.
    """
    if few_units(design, split.train):
        fit = fit_units_by_folds(design, split, inner, alphas, criterion, demand.dtype)
        if fit is not None:
            return fit
    folds = [Split(split.train[part.train], split.train[part.test]) for part in inner]
    apart, *apart_inside = (design.tells_apart(fold) for fold in (split, *folds))
    many = demand.n_targets > TRIANGLE_PAYS * split.train.size
    triangular = many and criterion == "squared-error"
    panels = _empty_panels(design, split, inner, alphas, criterion, triangular, demand)
    operators, levels = [], []
    inside: list[list[Array]] = [[] for _ in inner]
    for index, (operator, errors) in enumerate(_by_alpha(design, split, inner, folds, alphas)):
        xp = array_namespace(operator)
        operators.append(_cast(around_mean(operator, apart), demand))
        levels.append(_cast(xp.mean(operator, axis=0), demand))
        _fill(panels, index, errors, design.intercept)
        for into, part, fold, tells in zip(inside, inner, errors, apart_inside, strict=True):
            if demand.inner_r:
                into.append(_cast(around_mean(_picks(part.test, fold) - fold, tells), demand))
    return FoldsFit(
        alphas,
        xp.stack(operators),
        xp.stack(levels),
        tuple(inner),
        panels,
        tuple(xp.stack(each) for each in inside if each),
        design.intercept,
    )


def _cast(values: Array, demand: Demand) -> Array:
    return like(values, values, demand.dtype)


def _picks(rows: np.ndarray, operator: Array) -> Array:
    """What picks rows out of responses, [row, training row], as an operator like the one given."""
    xp = array_namespace(operator)
    n_rows = operator.shape[1]
    return rows_of(xp.eye(n_rows, dtype=operator.dtype, device=device(operator)), rows)


def _by_alpha(
    design: Design,
    split: Split,
    inner: Sequence[Split],
    folds: Sequence[Split],
    alphas: np.ndarray,
) -> Iterator[tuple[Array, list[Array]]]:
    """For each alpha, predictions [test, train] of the fold and errors of each inner fold.

    All inner folds share one inverse where that has digits enough (`leave_out_errors`), and have
    eigenbases of their own where it has not. `folds` are the inner folds in rows of the design.
    """
    gram = training_gram(design, split.train)
    _, cross = design.gram_form(split.train, split.test)
    basis_of_fold = cache(lambda: eigenbasis(design, split))
    each = cache(lambda: [eigenbasis(design, fold) for fold in folds])
    for alpha in alphas:
        inverse = ridge_inverse(gram, float(alpha), design.intercept)
        if inverse is not None:
            yield cross @ inverse, [leave_out_errors(inverse, part) for part in inner]
            continue
        errors = []
        for basis, part in zip(each(), inner, strict=True):
            operator = shrunken(basis, alpha) + float(design.intercept) / part.train.size
            tested = _picks(part.test, gram)
            errors.append(tested - operator @ _picks(part.train, gram))
        yield shrunken(basis_of_fold(), alpha), errors


def _empty_panels(
    design: Design,
    split: Split,
    inner: Sequence[Split],
    alphas: np.ndarray,
    criterion: str,
    triangular: bool,
    demand: Demand,
) -> tuple[Panel, ...]:
    """Panels to be filled: of a triangle, which pays with many targets, else one per inner fold.

    The squared errors of all folds are a quadratic form of the responses; a triangle takes half the
    operations.
    """
    n_rows, n_alphas = split.train.size, alphas.size
    held: Array = design.gram if design.units is None else design.units
    xp = array_namespace(held)
    empty = partial(xp.empty, dtype=demand.dtype or held.dtype, device=device(held))
    if triangular:
        return tuple(
            Panel(
                start, empty((n_alphas, min(ROWS_AT_A_TIME, n_rows - start), n_rows - start)), True
            )
            for start in range(0, n_rows, ROWS_AT_A_TIME)
        )
    return tuple(
        Panel(
            0,
            empty((n_alphas, part.test.size, n_rows)),
            test=part.test if criterion == "r2" else None,
        )
        for part in inner
    )


def _fill(panels: Sequence[Panel], index: int, errors: Sequence[Array], intercept: bool) -> None:
    """Write down one alpha, scaled so that squares sum to the mean over inner folds of the mean."""
    scaled = [fold * (1.0 / (len(errors) * fold.shape[0]) ** 0.5) for fold in errors]
    if not panels[0].triangular:
        for panel, fold in zip(panels, scaled, strict=True):
            panel.operators[index, ...] = like(panel.operators, fold, panel.operators.dtype)
        return
    factor = triangle(array_namespace(scaled[0]).concat(scaled), intercept)
    for panel in panels:
        rows = factor[panel.start : panel.start + panel.operators.shape[1], panel.start :]
        panel.operators[index, ...] = like(panel.operators, rows, panel.operators.dtype)
