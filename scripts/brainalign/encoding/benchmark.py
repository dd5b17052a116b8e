"""A benchmark's settings, resolved for the rows of its dataset."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from brainalign.encoding.arrays import Array
from brainalign.encoding.inner_folds import Demand
from brainalign.encoding.operators import Design
from brainalign.encoding.regression import (
    Fit,
    InnerFolds,
    LeastSquares,
    Ridge,
    make_regression,
)
from brainalign.encoding.responses import run_numbers
from brainalign.encoding.settings import Chance, Cka, Depth, Reduction, Rsa, Scoring
from brainalign.encoding.similarity import Similarity, make_similarity
from brainalign.encoding.splits import (
    LEAST_TEST_ROWS,
    HeldOut,
    Scheme,
    Shuffled,
    Split,
    presented,
)
from brainalign.encoding.timing import kept_volumes
from brainalign.errors import InputError
from brainalign.formats.datasets import is_timed
from brainalign.settings import tag_of

Metric = LeastSquares | Ridge | Similarity


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """What a benchmark says of the rows at hand, however a layer is scored.

    layers : best, nested, or a relative depth, in an encoder-decoder model that of `stack`.
    contexts : of each row, the text or run in which rows are neighbours.
    """

    scheme: Scheme
    splits: tuple[Split, ...]
    groups: np.ndarray | None
    aggregate: str
    layers: str | float
    reduce: Reduction | None
    seed: int
    stack: str = "encoder"
    contexts: np.ndarray | None = None

    def inner(self, train: np.ndarray, folds: int) -> list[Split]:
        """Folds inside the training rows `train`, int [train], as positions in them."""
        return self.scheme.inner(train, self.groups, folds)

    def inner_folds(self) -> list[list[Split]]:
        """For each fold the folds inside its training rows, in numbers of all rows."""
        return [
            [
                Split(split.train[part.train], split.train[part.test])
                for part in self.inner(split.train, self.scheme.inner_folds)
            ]
            for split in self.splits
        ]

    def presented(self, split: Split, missed: np.ndarray) -> Split | None:
        """A fold without the rows that a subject missed, bool [row]; as `splits.presented`."""
        groups = self.groups if self.scheme.holds_out_groups else None
        return presented(split, missed, groups)

    @property
    def intercept(self) -> bool:
        """Whether a constant added to a feature changes nothing."""
        return True


@dataclass(frozen=True, kw_only=True)
class SimilarityBenchmark(Benchmark):
    """A benchmark that compares a layer with the responses by a similarity, without a fit."""

    similarity: Similarity


@dataclass(frozen=True, kw_only=True)
class RegressionBenchmark(Benchmark):
    """A benchmark that predicts the responses from a layer.

    chance : blocks in rows; None: not asked for.
    """

    regression: LeastSquares | Ridge
    epsilon: float
    chance: Chance | None = None

    @property
    def chooses_once(self) -> bool:
        """Whether the folds that choose the penalty choose the layer, too."""
        return self.layers == "nested" and self.regression.by_folds

    @property
    def alphas(self) -> tuple[float, ...]:
        """The grid of penalties, increasing; a single NaN where there are none."""
        return self.regression.alphas

    @property
    def intercept(self) -> bool:
        return self.regression.intercept

    def fit(
        self,
        design: Design,
        rows: Split,
        inner: InnerFolds,
        gram: Callable[[], Array],
        demand: Demand,
    ) -> tuple[Fit, int | None]:
        """The regression fitted to one fold, as `regression.Ridge.fit_fold`; `gram` gives float64
        [train, train].
        """
        return self.regression.fit_fold(design, rows, inner, gram, demand)


def read_benchmark(
    scoring: Scoring, stimuli: pd.DataFrame, dataset: xr.Dataset, seed: int
) -> RegressionBenchmark | SimilarityBenchmark:
    """A benchmark's settings, resolved for the rows of its dataset.

    Rows are the stimuli, or the volumes that `timing.trim` leaves. Groups of rows are the stimuli's
    `split_group`, or the volumes' runs. Held-out rows are those of the dataset's coordinate
    `held_out`, bool [row].

    Raises
    ------
    InputError : too few rows or groups, or settings that do not suit the data.
    """
    marked = dataset["held_out"].values.astype(bool) if "held_out" in dataset else None
    if is_timed(dataset):
        assert scoring.timing is not None  # `gather_responses` refuses timed data without
        runs = run_numbers(dataset)
        kept = kept_volumes(runs, scoring.timing.trim)
        names = dataset["run"].values.astype(str)[kept]
        tr = float(dataset.attrs["tr"])
        held_out = None if marked is None else marked[kept]
        return of_rows(scoring, kept.tolist(), names, runs[kept], seed, tr, held_out)
    ids = stimuli["stimulus_id"].to_numpy().astype(str).tolist()
    groups = stimuli["split_group"].to_numpy().astype(str)
    contexts = stimuli["context_group"].to_numpy().astype(str)
    return of_rows(scoring, ids, groups, contexts, seed, held_out=marked)


def of_rows(
    scoring: Scoring,
    ids: Sequence[Any],
    groups: np.ndarray,
    contexts: np.ndarray,
    seed: int = 0,
    tr: float | None = None,
    held_out: np.ndarray | None = None,
) -> RegressionBenchmark | SimilarityBenchmark:
    """A benchmark's settings, resolved for rows.

    Parameters
    ----------
    ids, groups, contexts : of each row, its name, what grouped folds hold out together, and the
        text or run in which rows are neighbours.
    tr : seconds from row to row, of timed rows.
    held_out : rows that the dataset holds out, bool [row]; None: it does not say.

    Raises
    ------
    InputError : too few rows or groups, or settings that do not suit them.
    """
    if not len(ids) == len(groups) == len(contexts):
        raise InputError(
            f"{len(ids)} rows, but groups of {len(groups)} and contexts of {len(contexts)}"
        )
    scheme = scoring.split.in_rows(tr)
    layers: str | float
    if isinstance(scoring.layers, Depth):
        layers, stack = scoring.layers.depth, scoring.layers.stack
    else:
        layers, stack = scoring.layers, "encoder"
    regression: Metric
    if isinstance(scoring.regression, Rsa | Cka):
        regression = make_similarity(scoring.regression, contexts)
    else:
        regression = make_regression(scoring.regression)
    unique = scoring.unique_variance is not None
    if unique and not isinstance(scheme, Shuffled):
        _refuse_independence(regression, contexts)
    scoring.require_groups(groups)
    splits = tuple(scheme.split(ids, groups, held_out))
    if isinstance(scheme, HeldOut):
        levels = scoring.inner_levels()
        if unique:
            levels.append(("the penalties of unique variance", "unique_variance", 0))
        _require_training_groups(groups[splits[0].train], levels)
    rows: dict[str, Any] = {
        "scheme": scheme, "splits": splits, "groups": groups, "aggregate": scoring.aggregate,
        "layers": layers, "stack": stack, "reduce": scoring.reduction, "seed": seed,
        "contexts": contexts,
    }  # fmt: skip
    if isinstance(regression, Similarity):
        return SimilarityBenchmark(**rows, similarity=regression)
    _of_enough_rows(splits, scheme)
    chance = None if scoring.chance is None else scoring.chance.in_rows(tr)
    return RegressionBenchmark(
        **rows, regression=regression, epsilon=scoring.epsilon, chance=chance
    )


def _require_training_groups(groups: np.ndarray, inner: Sequence[tuple[str, str, int]]) -> None:
    """Raise an InputError where folds inside the training rows have a single group."""
    if inner and np.unique(groups).size < 2:
        chooses, asking, _ = inner[0]
        raise InputError(
            f"{asking}: split.scheme held-out leaves {groups[0]} alone to train on, and the folds "
            f"inside the training rows, which choose {chooses}, need 2 or more groups (stories, "
            "runs)"
        )


def _of_enough_rows(splits: Sequence[Split], scheme: Scheme) -> None:
    """Raise an InputError where a fold tests so few rows that its r says little."""
    least = min(split.test.size for split in splits)
    if least >= LEAST_TEST_ROWS:
        return
    remedy = "fewer folds test more rows at a time"
    if isinstance(scheme, Shuffled):
        remedy = "a smaller share of training rows leaves more to test"
    elif isinstance(scheme, HeldOut):
        remedy = "hold out longer stories"
    raise InputError(
        f"split: scheme {tag_of(scheme)} has a fold of {least} test rows, expected "
        f"{LEAST_TEST_ROWS} or more, for r of few rows is biased towards ±1; {remedy}"
    )


def _refuse_independence(regression: Metric, contexts: np.ndarray) -> None:
    """Raise an InputError if penalties are chosen as if neighbouring rows were independent.

    Their noise is shared: where no neighbour of a test row trains, penalties are then too small,
    and R² with more features the lower for it.
    """
    if not isinstance(regression, Ridge) or regression.by_folds:
        return
    if np.unique(contexts).size < contexts.size:
        raise InputError(
            f"regression.selection: {regression.selection} takes rows for independent, and "
            "these are neighbours in context groups or runs, so unique_variance would be of "
            "penalties that are too small; take folds-per-target"
        )
