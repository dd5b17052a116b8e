"""r and R² of every target: features against responses, fold by fold."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from brainalign.encoding.arrays import fetch, like, product, rows_of, runs_of
from brainalign.encoding.benchmark import RegressionBenchmark
from brainalign.encoding.correlation import Prediction, agreement
from brainalign.encoding.features import Features
from brainalign.encoding.inner_folds import Demand, FoldsFit
from brainalign.encoding.operators import Design, least_squares_operators, row_weights
from brainalign.encoding.regression import LeastSquares, LinearFit, Ridge
from brainalign.encoding.responses import TARGETS_AT_A_TIME, Responses
from brainalign.encoding.splits import Split
from brainalign.encoding.summary import Scores
from brainalign.encoding.unit_folds import UnitFoldsFit
from brainalign.errors import InputError


def score_design(
    design: Design, rows: Split, responses: Responses, benchmark: RegressionBenchmark, split: Split
) -> Scores:
    """Scores of one fold, [1, target]; `rows` are the fold's rows in `design`."""
    demand = Demand(responses.on_device.dtype, responses.measured.size, benchmark.chooses_once)
    fit, shared = benchmark.fit(
        design, rows, partial(benchmark.inner, split.train), partial(responses.gram, split), demand
    )
    scores = _undefined(1, responses, benchmark)
    for block in responses.blocks(TARGETS_AT_A_TIME):
        train, test = responses.fold(split, block)
        if scores.inner_r is not None and isinstance(fit, FoldsFit | UnitFoldsFit):
            prediction, chosen, each = fit.predict_inside(train, benchmark.epsilon)
            defined = np.ma.masked_invalid(fetch(each))
            scores.inner_r[0, block] = defined.mean(axis=0).filled(np.nan)
        else:
            prediction, chosen = fit.predict(train)
        baseline = array_namespace(train).mean(train, axis=0) * float(benchmark.intercept)
        scores.write(0, block, agreement(prediction, test, baseline, benchmark.epsilon))
        if scores.alpha is not None:
            scores.alpha[0, block] = fetch(chosen) if shared is None else shared
    return scores.only(responses.measured)


def score_layer(
    features: Features,
    responses: Responses,
    benchmark: RegressionBenchmark,
    splits: Sequence[Split],
) -> Scores:
    """Cross-validated r and R² of every target under every fold.

    What a subject missed neither trains nor tests its targets (`Benchmark.presented`).

    Raises
    ------
    InputError : features and responses have different numbers of rows.
    """
    if features.words is None and len(features.values) != len(responses.values):
        raise InputError(
            f"features have {len(features.values)} rows, responses {len(responses.values)}"
        )
    if not responses.missed:
        return _score_layer(features, responses, benchmark, splits)
    scores = _undefined(len(splits), responses, benchmark)
    for part in responses.parts:
        presented = {k: benchmark.presented(split, part.missed) for k, split in enumerate(splits)}
        kept = {fold: split for fold, split in presented.items() if split is not None}
        if kept:
            of_part = _score_layer(features, part.responses, benchmark, list(kept.values()))
            scores.insert(list(kept), part.columns, of_part)
    return scores


def _undefined(n_folds: int, responses: Responses, benchmark: RegressionBenchmark) -> Scores:
    penalties = isinstance(benchmark.regression, Ridge)
    return Scores.undefined(n_folds, responses.measured.size, penalties, benchmark.chooses_once)


def _score_layer(
    features: Features,
    responses: Responses,
    benchmark: RegressionBenchmark,
    splits: Sequence[Split],
) -> Scores:
    least_squares = isinstance(benchmark.regression, LeastSquares)
    if least_squares and not features.fitted and not responses.cleaned:
        return _score_layer_at_once(features, responses, benchmark, splits)
    return Scores.of_folds(
        [score_design(*features.design(split), responses, benchmark, split) for split in splits]
    )


def _score_layer_at_once(
    features: Features,
    responses: Responses,
    benchmark: RegressionBenchmark,
    splits: Sequence[Split],
) -> Scores:
    """`score_layer` for least squares where all folds see the same features and responses.

    The folds' operators come from one inverse, and read the responses where they are, uncopied.
    Two more rows of each give the means of the predictions and of the training rows.
    """
    design, _ = features.design(splits[0])
    on_device = responses.on_device
    xp = array_namespace(on_device)
    operators = []
    for split, every_row in zip(splits, least_squares_operators(design, splits), strict=True):
        fit = LinearFit.of_operator(every_row, design.tells_apart(split))
        baseline = row_weights(split.train, responses.n_rows) * float(benchmark.intercept)
        means = (fit.level[None, :], like(every_row, baseline)[None, :])
        operators.append(like(on_device, xp.concat((fit.operator, *means)), on_device.dtype))
    runs = [runs_of(split.train) for split in splits]
    scores = Scores.undefined(len(splits), responses.measured.size, penalties=False)
    for block in responses.blocks(TARGETS_AT_A_TIME):
        seen = on_device[:, block]
        for fold, (split, operator) in enumerate(zip(splits, operators, strict=True)):
            part: Any = None
            for run in runs[fold]:
                part = product(operator[:, run], seen[run, :], part)
            prediction, baseline = Prediction(part[:-2, :], part[-2, :]), part[-1, :]
            test = rows_of(seen, split.test)
            scores.write(fold, block, agreement(prediction, test, baseline, benchmark.epsilon))
    return scores.only(responses.measured)
