"""A benchmark entry of the config, resolved for the rows of its dataset."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from brainalign.encoding.regression import LeastSquares, Ridge, make_regression
from brainalign.encoding.responses import gather_responses
from brainalign.encoding.similarity import METRICS, Similarity, make_similarity
from brainalign.encoding.splits import (
    LEAST_TEST_ROWS,
    Split,
    inner_splits,
    make_splits,
    presented,
    require_groups,
)
from brainalign.encoding.timing import Timing
from brainalign.errors import InputError
from brainalign.formats.datasets import is_timed

INNER_FOLDS = 5


@dataclass(frozen=True)
class Benchmark:
    """All that a benchmark says of how to score a layer, for the rows at hand.

    `layers`: best, nested, or a relative depth, in an encoder-decoder model that of `stack`.
    """

    regression: LeastSquares | Ridge | Similarity
    scheme: Mapping[str, Any]
    splits: tuple[Split, ...]
    groups: np.ndarray | None
    aggregate: str
    layers: str | float
    reduce: Mapping[str, Any] | None
    epsilon: float
    seed: int
    stack: str = "encoder"

    def inner(self, train: np.ndarray, folds: int) -> list[Split]:
        """Folds inside training rows, as positions in them."""
        return inner_splits(self.scheme, train, self.groups, folds)

    def inner_folds(self) -> list[list[Split]]:
        """For each fold the folds inside its training rows, in numbers of all rows."""
        folds = self.scheme.get("inner_folds", INNER_FOLDS)
        return [
            [
                Split(split.train[part.train], split.train[part.test])
                for part in self.inner(split.train, folds)
            ]
            for split in self.splits
        ]

    def presented(self, split: Split, missed: np.ndarray) -> Split | None:
        """A fold without the rows that a subject missed, bool [row]; as `splits.presented`."""
        groups = self.groups if self.scheme.get("scheme") == "grouped" else None
        return presented(split, missed, groups)

    @property
    def chooses_once(self) -> bool:
        """Whether the folds that choose the penalty choose the layer, too."""
        own = self.regression
        return (
            self.layers == "nested"
            and isinstance(own, Ridge)
            and own.selection == "folds-per-target"
        )

    @property
    def alphas(self) -> tuple[float, ...]:
        """The grid of penalties, increasing; a single NaN where there are none."""
        return self.regression.alphas if isinstance(self.regression, Ridge) else (np.nan,)

    @property
    def intercept(self) -> bool:
        return isinstance(self.regression, Similarity) or self.regression.intercept


def read_timing(entry: Mapping[str, Any]) -> Timing | None:
    """The `timing` of a benchmark entry, None where it has none."""
    return Timing.of(entry["timing"]) if entry.get("timing") is not None else None


def in_rows(scheme: Mapping[str, Any], tr: float | None) -> dict[str, Any]:
    """A `split` entry whose `gap_seconds` and `trim_seconds` are whole rows, rounded up.

    `tr`: seconds from row to row, None where the rows are not timed.
    """
    resolved = dict(scheme)
    for key in ("gap", "trim"):
        seconds = resolved.pop(f"{key}_seconds", None)
        if seconds is None:
            continue
        if tr is None:
            raise InputError(f"split.{key}_seconds: the dataset's rows have no times; give {key}")
        if key in resolved:
            raise InputError(f"split: {key} and {key}_seconds are given, expected one of them")
        resolved[key] = math.ceil(round(seconds / tr, 6))
    return resolved


def read_benchmark(
    entry: Mapping[str, Any], stimuli: pd.DataFrame, dataset: xr.Dataset, seed: int
) -> Benchmark:
    """A benchmark entry of the config, resolved for the rows of its dataset.

    Rows are the stimuli, or the volumes that `timing.trim` leaves. Groups of rows are the
    stimuli's `split_group`, or the volumes' runs.
    """
    groups: np.ndarray
    scheme = in_rows(entry["split"], float(dataset.attrs["tr"]) if is_timed(dataset) else None)
    if is_timed(dataset):
        responses = gather_responses(dataset, read_timing(entry))
        assert responses.runs is not None and responses.volumes is not None
        ids: Sequence[Any] = responses.volumes.tolist()
        groups = contexts = responses.runs
    else:
        ids = stimuli["stimulus_id"].to_numpy().astype(str).tolist()
        groups = stimuli["split_group"].to_numpy().astype(str)
        contexts = stimuli["context_group"].to_numpy().astype(str)
    reduce = entry.get("reduce")
    pca = (entry.get("timing") or {}).get("pca")
    if pca is not None:
        if reduce:
            raise InputError("reduce: and timing.pca are given, expected one of them")
        reduce = {"method": "pca", "dimensions": int(pca)}
    kind = entry["regression"].get("type")
    if kind in METRICS and reduce and reduce["method"] == "pca":
        raise InputError(f"reduce.method: pca is fitted to training rows, and {kind} has none")
    layers = entry.get("layers", "best")
    stack = "encoder"
    if isinstance(layers, Mapping):
        stack = layers.get("stack", stack)
        layers = float(layers["depth"])
    elif layers not in ("best", "nested"):
        raise InputError(f"layers: {layers!r}, expected best, nested or {{depth: 0-1}}")
    regression: LeastSquares | Ridge | Similarity
    if kind in METRICS:
        regression = make_similarity(entry["regression"], contexts)
    else:
        regression = make_regression(entry["regression"])
    if "unique_variance" in entry and scheme.get("scheme") != "shuffled":
        _refuse_independence(regression, contexts)
    if scheme.get("scheme") == "grouped":
        require_groups(scheme.get("folds"), groups, _inner_levels(regression, layers, scheme))
        if "unique_variance" in entry and (not isinstance(regression, Ridge) or regression.shared):
            # Its banded ridge then chooses its penalties by inner folds of its own.
            level = ("the penalties of unique variance", "unique_variance", Ridge.inner_folds)
            require_groups(scheme.get("folds"), groups, [level])
    splits = tuple(make_splits(scheme, ids, groups))
    if not isinstance(regression, Similarity):
        _of_enough_rows(splits, scheme)
    return Benchmark(
        regression,
        scheme,
        splits,
        groups,
        entry.get("aggregate", "median-within-subject"),
        layers,
        reduce,
        float(entry.get("epsilon", 0.0)),
        seed,
        stack,
    )


def _of_enough_rows(splits: Sequence[Split], scheme: Mapping[str, Any]) -> None:
    """Raise an InputError where a fold tests so few rows that its r says little."""
    least = min(split.test.size for split in splits)
    if least >= LEAST_TEST_ROWS:
        return
    remedy = "fewer folds test more rows at a time"
    if scheme.get("scheme") == "shuffled":
        remedy = "a smaller share of training rows leaves more to test"
    raise InputError(
        f"split: scheme {scheme.get('scheme')} has a fold of {least} test rows, expected "
        f"{LEAST_TEST_ROWS} or more, for r of few rows is biased towards ±1; {remedy}"
    )


def _refuse_independence(
    regression: LeastSquares | Ridge | Similarity, contexts: np.ndarray
) -> None:
    """Raise an InputError if penalties are chosen as if neighbouring rows were independent.

    Their noise is shared: where no neighbour of a test row trains, penalties are then too small,
    and R² with more features the lower for it.
    """
    if not isinstance(regression, Ridge) or regression.selection == "folds-per-target":
        return
    if np.unique(contexts).size < contexts.size:
        raise InputError(
            f"regression.selection: {regression.selection} takes rows for independent, and "
            "these are neighbours in context groups or runs, so unique_variance would be of "
            "penalties that are too small; take folds-per-target"
        )


def _inner_levels(
    regression: LeastSquares | Ridge | Similarity, layers: str | float, scheme: Mapping[str, Any]
) -> list[tuple[str, str, int]]:
    """The levels of folds inside the training rows, as `require_groups` takes them.

    There is one at most: the folds that choose the penalty choose the layer, too.
    """
    if isinstance(regression, Ridge) and regression.selection == "folds-per-target":
        key = "regression.selection: folds-per-target"
        return [("the penalty", key, regression.inner_folds)]
    if layers == "nested":
        return [("the layer", "layers: nested", scheme.get("inner_folds", INNER_FOLDS))]
    return []
