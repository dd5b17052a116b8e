"""Variance partitioning: what a layer explains beyond nuisance features, by banded ridge."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from array_api_compat import array_namespace

from brainalign.encoding.arrays import Array, fetch
from brainalign.encoding.benchmark import Benchmark
from brainalign.encoding.correlation import agreement
from brainalign.encoding.features import Features
from brainalign.encoding.operators import Design
from brainalign.encoding.regression import Ridge
from brainalign.encoding.responses import TARGETS_AT_A_TIME, Responses
from brainalign.encoding.splits import Split

CANDIDATES = 20
# For benchmarks whose own regression has no penalty per target.
RIDGE = Ridge("folds-per-target", tuple(np.geomspace(1e-4, 1e4, 9).tolist()), relative=True)
# Concentrations of the Dirichlet distribution, in turn: sparse mixtures and even ones.
CONCENTRATIONS = (1.0, 0.1)


def mixtures(n_spaces: int, candidates: int, seed: int) -> np.ndarray:
    """Weights of feature spaces to try, float64 [candidate, space], rows that sum to 1.

    The first is even, the others are drawn from Dirichlet distributions (the random search of
    Dupré la Tour et al. 2022).
    """
    random = np.random.default_rng(seed)
    drawn = [
        random.dirichlet(np.full(n_spaces, CONCENTRATIONS[i % len(CONCENTRATIONS)]))
        for i in range(candidates - 1)
    ]
    return np.stack([np.full(n_spaces, 1 / n_spaces), *drawn])


def banded_r2(
    spaces: Sequence[Features],
    responses: Responses,
    split: Split,
    inner: Sequence[Split],
    ridge: Ridge,
    weights: np.ndarray,
) -> np.ndarray:
    """R² (`correlation.agreement`) of each target in one fold, each with its own mixture of spaces.

    A weighted sum of the spaces' Gram matrices, under one penalty, is ridge with a penalty for each
    space. The mixture and the penalty of a target are those of the least loss on training rows, as
    in himalaya's `solve_multiple_kernel_ridge_random_search`.

    Parameters
    ----------
    spaces : feature spaces. Each is scaled to a training Gram matrix of mean eigenvalue 1.
    inner : folds as positions in the training rows, for selection by folds.
    weights : [candidate, space].

    Returns
    -------
    float64 [target], not clipped; NaN where the target is not measured or constant over test rows.
    """
    designs = [features.design(split) for features in spaces]
    rows = designs[0][1]
    grams = [_scaled_gram(design, rows) for design, _ in designs]
    n_targets = responses.measured.size
    loss, r2 = np.full(n_targets, np.inf), np.full(n_targets, np.nan)
    for mixture in weights:
        total = sum(float(w) * gram for w, gram in zip(mixture, grams, strict=True))
        fit = ridge.fit(Design.of_gram(total, ridge.intercept), rows, inner)
        for block in responses.blocks(TARGETS_AT_A_TIME):
            train, test = responses.fold(split, block)
            xp = array_namespace(train)
            losses = fit.losses(train)
            choice = xp.argmin(losses, axis=0)
            prediction, _ = fit.predict_with(train, choice)
            baseline = xp.mean(train, axis=0) * float(ridge.intercept)
            found = fetch(agreement(prediction, test, baseline).r2)
            least = fetch(xp.min(losses, axis=0))
            better = least < loss[block]
            loss[block] = np.where(better, least, loss[block])
            r2[block] = np.where(better, found, r2[block])
    return np.where(responses.measured, r2, np.nan)


def _scaled_gram(design: Design, rows: Split) -> Array:
    """The Gram matrix [row, row] of a space, its training part of mean eigenvalue 1.

    Zero where the space is constant over the training rows.
    """
    unit = design.mean_eigenvalue(rows.train)
    return design.whole_gram() * (1.0 / unit if unit else 0.0)


class Nuisance:
    """Nuisance feature spaces of a benchmark, and what they explain without a model.

    The penalties are chosen as the benchmark's own ridge regression chooses them, by inner folds
    where it has none per target.

    Parameters
    ----------
    spaces : name → features of the rows that are scored.
    candidates : mixtures of the spaces that are tried.
    """

    def __init__(
        self,
        spaces: Mapping[str, Features],
        responses: Responses,
        benchmark: Benchmark,
        candidates: int = CANDIDATES,
    ) -> None:
        self.spaces = list(spaces.values())
        self.responses = responses
        self.benchmark = benchmark
        own = benchmark.regression
        self.ridge = replace(RIDGE, intercept=benchmark.intercept)
        if isinstance(own, Ridge) and not own.shared:
            self.ridge = own
        self.inner = (
            [benchmark.inner(split.train, self.ridge.inner_folds) for split in benchmark.splits]
            if self.ridge.selection == "folds-per-target"
            else [[] for _ in benchmark.splits]
        )
        self.candidates = candidates
        # R² [fold, target] of the nuisance alone: the same for every layer of a model.
        self.alone = self._r2(self.spaces)

    def unique(self, features: Features) -> np.ndarray:
        """What `features` add to the nuisance's R², float64 [fold, target].

        R²(features and nuisance) - R²(nuisance): negative where the features only add noise.
        """
        return self._r2([*self.spaces, features]) - self.alone

    def _r2(self, spaces: Sequence[Features]) -> np.ndarray:
        weights = mixtures(len(spaces), self.candidates, self.benchmark.seed)
        folds = zip(self.benchmark.splits, self.inner, strict=True)
        return np.stack(
            [
                banded_r2(spaces, self.responses, split, inner, self.ridge, weights)
                for split, inner in folds
            ]
        )
