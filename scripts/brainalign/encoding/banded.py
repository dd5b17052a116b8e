"""Variance partitioning: what a layer explains beyond nuisance features, by banded ridge."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf

import numpy as np
from array_api_compat import array_namespace

from brainalign.encoding.arrays import fetch
from brainalign.encoding.benchmark import RegressionBenchmark
from brainalign.encoding.cells import Cell, cells
from brainalign.encoding.correlation import agreement
from brainalign.encoding.features import Features
from brainalign.encoding.inner_folds import Demand
from brainalign.encoding.operators import FEW_UNITS, Design
from brainalign.encoding.regression import Ridge
from brainalign.encoding.responses import TARGETS_AT_A_TIME, Responses
from brainalign.encoding.splits import Scheme, Split
from brainalign.errors import InputError

# For benchmarks whose regression has no penalty per target.
RIDGE = Ridge("folds-per-target", tuple(np.geomspace(1e-4, 1e4, 9).tolist()), relative=True)
# Concentrations of the Dirichlet distribution, in turn: sparse mixtures and even ones.
CONCENTRATIONS = (1.0, 0.1)
# What a layer may have of a mixture, the rest being the nuisance's.
SHARES = (0.1, 0.5, 0.9)
# Layers are shifted against the responses by this part of all rows at least.
LEAST_SHIFT = 0.1


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


def with_copies(weights: np.ndarray) -> np.ndarray:
    """`weights` [candidate, space] and all that they become by more of one space, each once.

    A layer that is one of these spaces makes, at a share of `SHARES`, no mixture but these.
    """
    n_spaces = weights.shape[1]
    more = [
        (1 - share) * row + share * np.eye(n_spaces)[space]
        for row in weights
        for share in SHARES
        for space in range(n_spaces)
    ]
    every = np.vstack([weights, *more])
    _, first = np.unique(every.round(12), axis=0, return_index=True)
    return every[np.sort(first)]


def with_layer(weights: np.ndarray) -> np.ndarray:
    """Mixtures `weights` [candidate, space] with a layer as first space, at each of `SHARES`."""
    return np.stack([[share, *((1 - share) * row)] for row in weights for share in SHARES])


@dataclass
class Search:
    """The best mixture of feature spaces so far: its loss and R² for each target, float64 [target].

    `loss` is over training rows; infinite before the first mixture.
    """

    loss: np.ndarray
    r2: np.ndarray

    @classmethod
    def start(cls, n_targets: int) -> "Search":
        return cls(np.full(n_targets, np.inf), np.full(n_targets, np.nan))

    def copy(self) -> "Search":
        return Search(self.loss.copy(), self.r2.copy())

    def extend(
        self,
        mixed: Iterable[Design],
        rows: Split,
        responses: Responses,
        split: Split,
        inner: Sequence[Split],
        ridge: Ridge,
    ) -> None:
        """Try further mixtures; of equal ones the first tried stays."""
        demand = Demand(responses.on_device.dtype, responses.measured.size, inner_r=False)
        for design in mixed:
            fit = ridge.fit(design, rows, inner, demand)
            for block in responses.blocks(TARGETS_AT_A_TIME):
                train, test = responses.fold(split, block)
                xp = array_namespace(train)
                losses = fit.losses(train)
                least = fetch(xp.min(losses, axis=0))
                better = least < self.loss[block]
                if not better.any():
                    continue
                prediction, _ = fit.predict_with(train, xp.argmin(losses, axis=0))
                baseline = xp.mean(train, axis=0) * float(ridge.intercept)
                result = fetch(agreement(prediction, test, baseline).r2)
                self.loss[block] = np.where(better, least, self.loss[block])
                self.r2[block] = np.where(better, result, self.r2[block])


def _mixed(spaces: Sequence[Design], weights: np.ndarray) -> Iterator[Design]:
    """The mixture of scaled spaces of each row of `weights`: a sum of their Gram matrices.

    Units side by side have the same products.
    """
    intercept = spaces[0].intercept
    for row in weights.tolist():
        used = [(w, space) for w, space in zip(row, spaces, strict=True) if w]
        if spaces[0].units is None:
            yield Design.of_gram(sum(w * space.gram for w, space in used), intercept)
        else:
            units = [w**0.5 * space.units for w, space in used]
            yield Design(array_namespace(*units).concat(units, axis=1), None, intercept)


def _scaled(spaces: Sequence[Features], split: Split) -> tuple[list[Design], Split]:
    """The spaces, training Gram matrices of mean eigenvalue 1, and the fold in their rows.

    They are units where all of these together are few, so that nothing has the size of rows × rows;
    else Gram matrices. Zero where a space is constant over the training rows.
    """
    designs = [features.design(split) for features in spaces]
    rows = designs[0][1]
    widths = [inf if design.units is None else design.units.shape[1] for design, _ in designs]
    few = sum(widths) <= FEW_UNITS * rows.train.size
    scaled = []
    for design, _ in designs:
        size = design.mean_eigenvalue(rows.train)
        scale = 1.0 / size if size else 0.0
        if few:
            scaled.append(Design(design.units * scale**0.5, None, design.intercept))
        else:
            scaled.append(Design.of_gram(design.gram_of_all_rows() * scale, design.intercept))
    return scaled, rows


class Nuisance:
    """Nuisance feature spaces of a benchmark, and what they explain without a model.

    A weighted sum of the spaces' Gram matrices, under one penalty, is ridge with a penalty for each
    space. The mixture and the penalty of a target are those of the least loss on training rows, as
    in himalaya's `solve_multiple_kernel_ridge_random_search`. The penalties are chosen as the
    benchmark's ridge regression chooses them, by inner folds where it has none per target. A layer
    is added to `candidates` mixtures of the spaces at each of `SHARES`; the spaces alone are tried
    in these mixtures and in all that a copy of a space would make of them, and what is best without
    the layer stays where no mixture with it has less loss. So the layer is compared with spaces
    that were mixed as well as it is: a copy of a space adds nothing.

    Parameters
    ----------
    spaces : name → features of the rows that are scored.
    candidates : mixtures of the spaces that a layer is added to.
    shifts : draws of the null distribution (`null`); 0: none.
    """

    def __init__(
        self,
        spaces: Mapping[str, Features],
        responses: Responses,
        benchmark: RegressionBenchmark,
        candidates: int = 5,
        shifts: int = 0,
    ) -> None:
        self.names = tuple(spaces)
        self.spaces = list(spaces.values())
        self.responses = responses
        self.benchmark = benchmark
        self.shifts = shifts
        regression = benchmark.regression
        self.ridge = replace(RIDGE, intercept=benchmark.intercept)
        if isinstance(regression, Ridge) and not regression.shared:
            self.ridge = regression
        self.cells = cells(responses, benchmark)
        self.weights = mixtures(len(spaces), candidates, benchmark.seed)
        self.searches = [self._alone(cell) for cell in self.cells]

    @property
    def alone(self) -> np.ndarray:
        """R² of the nuisance alone, float64 [fold, target]: the same for every layer of a model."""
        return self._measured([search.r2 for search in self.searches])

    def unique(self, features: Sequence[Features]) -> np.ndarray:
        """What the features of each fold add to the nuisance's R², float64 [fold, target].

        R²(features and nuisance) - R²(nuisance): negative where the features only add noise.
        """
        pairs = zip(self.cells, self.searches, strict=True)
        joint = [self._joint(features[cell.fold], cell, search) for cell, search in pairs]
        return self._measured(joint) - self.alone

    def null(self, features: Sequence[Features]) -> np.ndarray:
        """`unique` of features that are shifted in a circle against the responses.

        The shift leaves the features their autocorrelation and takes from them what they know of
        the responses: float64 [shift, fold, target].
        """
        n_rows = len(features[0].values)
        random = np.random.default_rng(self.benchmark.seed)
        least = max(1, round(LEAST_SHIFT * n_rows))
        lags = random.choice(np.arange(least, n_rows - least + 1), self.shifts).tolist()
        drawn = []
        for lag in lags:
            moved = {layer: layer.shifted(lag) for layer in dict.fromkeys(features)}
            drawn.append(self.unique([moved[layer] for layer in features]))
        return np.stack(drawn)

    def _inner(self, cell: Cell) -> list[Split]:
        """Folds inside a cell's training rows, as positions, where they choose the penalty."""
        if not self.ridge.by_folds:
            return []
        return self.benchmark.inner(cell.split.train, self.ridge.inner_folds)

    def _alone(self, cell: Cell) -> Search:
        scaled, rows = _scaled(self.spaces, cell.split)
        search = Search.start(cell.columns.size)
        mixed = _mixed(scaled, with_copies(self.weights))
        search.extend(mixed, rows, cell.responses, cell.split, self._inner(cell), self.ridge)
        return search

    def _joint(self, features: Features, cell: Cell, alone: Search) -> np.ndarray:
        """R² [target] of the nuisance with a layer in one cell."""
        scaled, rows = _scaled([features, *self.spaces], cell.split)
        mixed = _mixed(scaled, with_layer(self.weights))
        search = alone.copy()
        search.extend(mixed, rows, cell.responses, cell.split, self._inner(cell), self.ridge)
        return search.r2

    def _measured(self, of_cells: Sequence[np.ndarray]) -> np.ndarray:
        """[fold, target], NaN of targets that are not measured or not presented in a fold."""
        measured = self.responses.measured
        r2 = np.full((len(self.benchmark.splits), measured.size), np.nan)
        for cell, values in zip(self.cells, of_cells, strict=True):
            r2[cell.fold, cell.columns] = values
        return np.where(measured, r2, np.nan)


def held_out_autocorrelation(kinds: Mapping[str, str], scheme: Scheme) -> list[str]:
    """Names of nuisance spaces that can say nothing of held-out groups: `oasm`'s.

    Its features of a group are zero in every other one. `kinds`: name → kind of baseline.

    Raises
    ------
    InputError : none is left.
    """
    if not scheme.holds_out_groups:
        return []
    empty = [name for name, kind in kinds.items() if kind == "oasm"]
    if len(empty) == len(kinds):
        raise InputError(
            f"unique_variance.beyond: {', '.join(empty)} says nothing of held-out groups; name "
            "further baselines"
        )
    return empty
