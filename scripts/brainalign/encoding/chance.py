"""Chance: what targets score where nothing relates the features to their responses.

Two null distributions of r (docs/methods/chance.md). `test`: the predictions stay, and each fold's
held-out responses are surrogates. `refit`: all responses are surrogates, to which the map is fitted
and by which it is tested. What a fold's map needs of the features does not depend on the responses,
so that only products with these are repeated.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import chain, islice
from math import prod

import numpy as np
import pandas as pd
from array_api_compat import array_namespace

from brainalign.encoding.arrays import column_products, fetch
from brainalign.encoding.benchmark import RegressionBenchmark
from brainalign.encoding.cells import Cell, cells
from brainalign.encoding.correlation import Aggregate, agreement, correlation, pearson
from brainalign.encoding.features import Features
from brainalign.encoding.inner_folds import Demand
from brainalign.encoding.regression import Fit, Ridge, RidgeFit
from brainalign.encoding.responses import TARGETS_AT_A_TIME, Responses
from brainalign.encoding.splits import Split
from brainalign.encoding.surrogates import Surrogate, arrangements, stretches, surrogates
from brainalign.errors import InputError
from brainalign.multiplicity import adjust_within

Key = tuple[str, str]


@dataclass(frozen=True)
class Null:
    """r of targets and of their summaries, as measured and under draws of a null distribution.

    p, q : of each target, [target], NaN where it has no r.
    r : of each target, mean over folds, float32 [1 + draw, target]; the measured one first.
    means : subject and region → its aggregate, mean over folds, [1 + draw]; the measured one first.
    """

    p: np.ndarray
    q: np.ndarray
    r: np.ndarray
    means: dict[Key, np.ndarray]

    def p_of(self, key: Key) -> float:
        """p of a summary."""
        return float(p_values(self.means[key]))

    def group_p(self, region: str) -> float:
        """p of Student's t over subjects of a region; NaN of fewer than two subjects."""
        subjects = [m for (who, where), m in self.means.items() if who != "all" and where == region]
        defined = [m for m in subjects if not np.isnan(m).any()]
        return float(p_values(t_over_subjects(np.array(defined)))) if defined else np.nan


def p_values(r: np.ndarray) -> np.ndarray:
    """(1 + draws that reach the measured value) / (1 + draws), [...] of r [1 + draw, ...].

    The measured value is first, and counts among the draws: p is never 0 (Phipson & Smyth 2010).
    NaN where it is NaN.
    """
    return np.where(np.isnan(r[0]), np.nan, (r >= r[0]).sum(axis=0) / len(r))


def t_over_subjects(means: np.ndarray) -> np.ndarray:
    """Student's t over subjects of each draw, [1 + draw] of means [subject, 1 + draw], without its
    factor √subjects; NaN of fewer than two subjects, 0 where they do not differ.

    Its null distribution is that of the same t under the draws, which all subjects share, so that
    what their responses have in common beside the features makes no p small.
    """
    if len(means) < 2:
        return np.full(means.shape[1:], np.nan)
    spread = means.std(axis=0, ddof=1)
    return means.mean(axis=0) / np.where(spread > 0, spread, np.inf)


def q_values(p: np.ndarray, subjects: np.ndarray) -> np.ndarray:
    """Benjamini & Hochberg's adjusted p [target], the targets of each subject by themselves."""
    return adjust_within(pd.DataFrame({"subject": subjects, "p": p}), "subject").to_numpy()


def check_chance(responses: Responses, benchmark: RegressionBenchmark) -> None:
    """Raise an InputError where the folds hold too few rows for what `chance` asks."""
    chance = benchmark.chance
    if chance is None:
        return
    of_targets: dict[bytes, list[float]] = {}
    for cell in cells(responses, benchmark):
        result = arrangements(chance.method, _stretches(cell, benchmark), chance.block)
        of_targets.setdefault(cell.columns.tobytes(), []).append(result)
    # Each fold has other surrogates under `test`; all have the same ones under `refit`.
    least = min(
        prod(each) if chance.distribution == "test" else each[0] for each in of_targets.values()
    )
    if least * chance.level < 1:
        raise InputError(
            f"chance: the rows have {least:.0f} arrangements by method {chance.method}, so that no "
            f"p is below {1 / least:.2g}, and level is {chance.level:g}; hold out more rows at a "
            "time (fewer folds), or give a shorter block"
        )


def null_distribution(
    features: Sequence[Features],
    responses: Responses,
    benchmark: RegressionBenchmark,
    aggregate: Aggregate,
) -> Null:
    """The null distribution of r under the layer of each fold.

    Parameters
    ----------
    features : of each fold, the layer that stands for the model.
    """
    assert benchmark.chance is not None
    n_folds, n_targets = len(benchmark.splits), responses.measured.size
    drawn = (1 + benchmark.chance.permutations, n_targets)
    total, n_defined = np.zeros(drawn, dtype=np.float32), np.zeros(n_targets, dtype=np.int64)
    summaries: dict[Key, list[np.ndarray]] = {key: [] for key in aggregate.parts}
    scores = _tested if benchmark.chance.distribution == "test" else _refitted
    every = cells(responses, benchmark)
    for fold in range(n_folds):
        r = np.full(drawn, np.nan, dtype=np.float32)
        for cell in every:
            if cell.fold == fold:
                r[:, cell.columns] = scores(features[fold], cell, benchmark)
        r[:, ~responses.measured] = np.nan
        for key, values in aggregate(r).items():
            summaries[key].append(values)
        n_defined += ~np.isnan(r[0])
        total += np.nan_to_num(r)
    mean = np.where(n_defined > 0, total / np.maximum(n_defined, 1), np.nan)
    means = {key: _mean_of_defined(np.array(folds)) for key, folds in summaries.items()}
    if benchmark.chance.distribution == "test" and n_folds > 1:
        mean, means = _widened(mean), {key: _widened(values) for key, values in means.items()}
    p = p_values(mean)
    return Null(p, q_values(p, responses.targets.subjects), mean, means)


def _widened(r: np.ndarray) -> np.ndarray:
    """r [1 + draw, ...], the draws' distances from their mean times √2.

    Two folds train on each other's test rows, so that their r rise and fall together: the relation
    of features and responses in one fold with that in the other counts in both. Surrogates of held-
    out responses know nothing of it. With every pair of folds counted twice, the variance of the
    mean over folds is at most twice that of independent folds, whatever their number.
    """
    middle = r[1:].mean(axis=0)
    return np.concatenate([r[:1], middle + np.sqrt(2).astype(r.dtype) * (r[1:] - middle)])


def _mean_of_defined(values: np.ndarray) -> np.ndarray:
    """Means [draw] over folds [fold, draw]; a fold is defined in all draws or in none."""
    defined = values[~np.isnan(values[:, 0])]
    return defined.mean(axis=0) if len(defined) else np.full(values.shape[1], np.nan)


def _tested(features: Features, cell: Cell, benchmark: RegressionBenchmark) -> np.ndarray:
    """r of a cell's predictions with its test responses and their surrogates, [1 + draw, target].

    These have one mean and one sum of squares.
    """
    draws = list(_draws(cell, benchmark))
    fit = _maps(features, cell, benchmark)(cell.responses)
    r = np.empty((1 + len(draws), cell.columns.size), dtype=np.float32)
    for block in cell.responses.blocks(TARGETS_AT_A_TIME):
        train, test = cell.responses.fold(cell.split, block)
        prediction, _ = fit.predict(train)
        test = test - array_namespace(test).mean(test, axis=0)
        sums = agreement(prediction, test, 0.0 * test[0, :]).sums
        for into, drawn in zip(r, chain([test], (draw(test) for draw in draws)), strict=True):
            covariance = column_products(prediction.values, drawn)
            result = correlation(sums._replace(covariance=covariance), benchmark.epsilon)
            into[block] = fetch(result)
    return r


def _refitted(features: Features, cell: Cell, benchmark: RegressionBenchmark) -> np.ndarray:
    """r of a cell's responses, and of surrogates that train and test, [1 + draw, target]."""
    rows, fit_to = np.flatnonzero(~cell.missed), _maps(features, cell, benchmark)
    drawn = (cell.responses.surrogates(draw, rows) for draw in _draws(cell, benchmark))
    every = chain([cell.responses], drawn)
    return np.stack([_r(fit_to(each), each, cell.split, benchmark.epsilon) for each in every])


def _r(fit: Fit, responses: Responses, split: Split, epsilon: float) -> np.ndarray:
    """r of responses under a fit of their fold, float32 [target]."""
    r = np.empty(responses.measured.size, dtype=np.float32)
    for block in responses.blocks(TARGETS_AT_A_TIME):
        train, test = responses.fold(split, block)
        prediction, _ = fit.predict(train)
        r[block] = fetch(pearson(prediction.values, test, epsilon))
    return r


def _maps(
    features: Features, cell: Cell, benchmark: RegressionBenchmark
) -> Callable[[Responses], Fit]:
    """The fit of a cell to given responses: one for all, unless these share a penalty."""
    regression = benchmark.regression
    design, rows = features.design(cell.split)
    inner: list[Split] = []
    if isinstance(regression, Ridge) and regression.by_folds:
        inner = benchmark.inner(cell.split.train, regression.inner_folds)
    assert benchmark.chance is not None
    n_targets = cell.columns.size * (1 + benchmark.chance.permutations)
    demand = Demand(cell.responses.on_device.dtype, n_targets, inner_r=False)
    fit = regression.fit(design, rows, inner, demand)
    if not (isinstance(regression, Ridge) and regression.shared):
        return lambda responses: fit
    assert isinstance(fit, RidgeFit)
    shared_choice, with_alpha = fit.shared_choice, cache(fit.with_alpha)
    return lambda responses: with_alpha(shared_choice(responses.gram(cell.split)))


def _draws(cell: Cell, benchmark: RegressionBenchmark) -> Iterator[Surrogate]:
    """The surrogates of a cell's test rows, or of all rows, the same in every fold."""
    chance = benchmark.chance
    assert chance is not None
    stream = [benchmark.seed, cell.fold] if chance.distribution == "test" else [benchmark.seed]
    parts = _stretches(cell, benchmark)
    endless = surrogates(chance.method, parts, chance.block, np.random.default_rng(stream))
    return islice(endless, chance.permutations)


def _stretches(cell: Cell, benchmark: RegressionBenchmark) -> list[slice]:
    """Stretches of the rows whose responses are surrogates, as positions in them."""
    assert benchmark.contexts is not None and benchmark.chance is not None
    of_test = benchmark.chance.distribution == "test"
    return stretches(
        cell.split.test if of_test else np.flatnonzero(~cell.missed), benchmark.contexts
    )
