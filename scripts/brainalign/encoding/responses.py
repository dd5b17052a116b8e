"""The responses of a benchmark: targets, cleaning, and what a fold sees of them."""

import copy
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr
from array_api_compat import array_namespace

from brainalign.encoding.arrays import Array, rows_of, to_device
from brainalign.encoding.settings import Timing
from brainalign.encoding.splits import Split
from brainalign.encoding.timing import (
    kept_volumes,
    residual,
    without_drift,
    zscored,
)
from brainalign.errors import InputError
from brainalign.formats.datasets import is_timed, missed_rows, target_blocks

# Targets multiplied at a time: wide enough for full matrix speed, small enough for the caches.
TARGETS_AT_A_TIME = 4096
# Cleaned responses of folds that are kept for the next layer.
KEPT_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Targets:
    """Who and where each target is: strings, one per target."""

    ids: np.ndarray
    subjects: np.ndarray
    regions: np.ndarray

    def indices_in(self, dataset: xr.Dataset) -> np.ndarray:
        """Where each target stands among those of a dataset, int64 [target]."""
        return pd.Index(dataset["target_id"].values.astype(str)).get_indexer(self.ids)


class Part(NamedTuple):
    """Targets whose subjects missed the same rows.

    columns : int64, of all responses. missed : bool [row]. responses : of these targets alone; they
    mean nothing in the missed rows.
    """

    columns: np.ndarray
    missed: np.ndarray
    responses: "Responses"


class Responses:
    """Responses [row, target] with a common order of targets, sorted by subject.

    Rows in which a subject has NaN in all its targets are `missed` (subject → bool [row]; only of
    subjects who missed some): folds leave them out for this subject. A target with NaN in any other
    row, or constant over all others, is not `measured` (`unmeasured` says why, '' where it is): it
    gets no score and is counted as undefined.

    Parameters
    ----------
    values : [row, target], float32 or float64: the dtype of all products with them.
    targets : their coordinates, in the same order.
    overwrite : whether `values` are for these responses alone and may be written over.
    nuisance : subject → [row, regressor] to remove, fitted to the training rows.
    timing, runs, volumes, tr : of timed data, for the rows given.

    Raises
    ------
    InputError : `values` and `targets` do not fit; no target is measured.
    """

    def __init__(
        self,
        values: np.ndarray,
        targets: Targets,
        *,
        overwrite: bool = False,
        timing: Timing | None = None,
        runs: np.ndarray | None = None,
        volumes: np.ndarray | None = None,
        tr: float = 1.0,
        nuisance: dict[str, np.ndarray] | None = None,
        device: str = "cpu",
    ) -> None:
        if values.ndim != 2 or values.shape[1] != targets.ids.size:
            raise InputError(
                f"responses: shape {values.shape}, expected [row, target] with {targets.ids.size} "
                "targets"
            )
        order = np.argsort(targets.subjects, kind="stable")
        self.targets = Targets(targets.ids[order], targets.subjects[order], targets.regions[order])
        if (order != np.arange(order.size)).any():
            values = values[:, order]
        mean, constant = _level(values)
        self.missed = missed_rows(values, self.targets.subjects, np.isnan(mean))
        for subject, missed in self.missed.items():
            of_subject = np.flatnonzero(self.targets.subjects == subject)
            mean[of_subject], constant[of_subject] = _level(values[np.ix_(~missed, of_subject)])
        self.unmeasured = np.where(np.isnan(mean), "NaN", np.where(constant, "constant", ""))
        self.measured = self.unmeasured == ""
        if not self.measured.any():
            raise InputError("responses: every target holds NaN or is constant")
        # Centred, so that float32 products lose nothing to signals on a large offset.
        self.mean = np.where(self.measured, mean, 0.0)
        self.values = np.subtract(
            values, mean.astype(values.dtype), out=values if overwrite else None
        )
        self.values[:, ~self.measured] = 0.0
        for subject, missed in self.missed.items():
            self.values[np.ix_(missed, self.targets.subjects == subject)] = 0.0
        self.timing = timing
        self.runs = runs
        self.volumes = volumes
        self.tr = tr
        self.nuisance = nuisance or {}
        self.device = device
        self.on_device = to_device(self.values, device)
        self._kept: dict[tuple[Any, ...], tuple[Array, Array]] = {}
        self._spare = KEPT_BYTES
        self._gram: Array = None

    @property
    def cleaned(self) -> bool:
        """Whether what a fold sees is fitted to its training rows."""
        timing = self.timing
        return timing is not None and (
            bool(self.nuisance) or timing.detrend is not None or "fold" in timing.zscore
        )

    @property
    def n_rows(self) -> int:
        return int(self.values.shape[0])

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """The measured subjects' targets by the rows that they missed."""
        nothing = np.zeros(self.n_rows, dtype=bool)
        if not self.missed:
            return (Part(np.arange(self.measured.size), nothing, self),)
        alike: dict[bytes, list[str]] = {}
        for subject in np.unique(self.targets.subjects[self.measured]).tolist():
            alike.setdefault(self.missed.get(subject, nothing).tobytes(), []).append(subject)
        parts = []
        for subjects in alike.values():
            columns = np.flatnonzero(np.isin(self.targets.subjects, subjects))
            missed = self.missed.get(subjects[0], nothing)
            parts.append(Part(columns, missed, self.only(columns)))
        return tuple(parts)

    def only(self, columns: np.ndarray) -> "Responses":
        """The responses of the targets `columns`, int [column]."""
        targets = self.targets
        return Responses(
            self.values[:, columns],
            Targets(targets.ids[columns], targets.subjects[columns], targets.regions[columns]),
            timing=self.timing,
            runs=self.runs,
            volumes=self.volumes,
            tr=self.tr,
            nuisance=self.nuisance,
            device=self.device,
        )

    def surrogates(self, draw: Callable[[Array], Array], rows: np.ndarray) -> "Responses":
        """The same responses with surrogates in `rows`, int [row], which are cleaned before: drift
        would be torn up.

        Folds clean them again, as they clean the responses themselves. `draw` takes and gives
        responses [row, target] and keeps the columns' means.
        """
        drawn = copy.copy(self)
        for name in ("parts", "_clean"):  # cached, of the responses themselves
            drawn.__dict__.pop(name, None)
        drawn.values = self.values.copy()
        drawn.values[rows] = draw(self._clean[rows])
        drawn.on_device = to_device(drawn.values, self.device)
        drawn._kept, drawn._spare, drawn._gram = {}, 0, None
        return drawn

    @cached_property
    def _clean(self) -> np.ndarray:
        """All rows without drift and nuisance, which are fitted to all of them."""
        if not self.cleaned:
            return self.values
        rows = np.arange(self.n_rows)
        clean = self.without_drift(self.values.astype(np.float64), rows)
        for subject in np.unique(self.targets.subjects) if self.nuisance else ():
            of_subject = self.targets.subjects == subject
            regressors = self.without_drift(self.nuisance[str(subject)], rows)
            clean[:, of_subject] = residual(
                clean[:, of_subject], clean[:, of_subject], regressors, regressors
            )[0]
        return clean.astype(self.values.dtype)

    def blocks(self, size: int) -> Iterator[slice]:
        """Slices of at most `size` targets."""
        n_targets = self.values.shape[1]
        for start in range(0, n_targets, size):
            yield slice(start, min(start + size, n_targets))

    def fold(self, split: Split, block: slice) -> tuple[Array, Array]:
        """Responses [train, target] and [test, target] of some targets, cleaned as the benchmark
        says, of the dtype of `values`.
        """
        if not self.cleaned:
            part = self.on_device[:, block]
            return rows_of(part, split.train), rows_of(part, split.test)
        # The same for every layer: worth keeping, if it is small.
        key = (split.train.tobytes(), split.test.tobytes(), block.start, block.stop)
        if key in self._kept:
            return self._kept[key]
        dtype = self.values.dtype
        train, test = (
            to_device(part.astype(dtype), self.device) for part in self._cleaned(split, block)
        )
        size = sum(part.shape[0] * part.shape[1] * dtype.itemsize for part in (train, test))
        if size <= self._spare:
            self._spare -= size
            self._kept[key] = train, test
        return train, test

    def gram(self, split: Split) -> Array:
        """Products of training responses, float64 [train, train], summed over targets.

        Targets that are not measured are zero.
        """
        blocks = self.blocks(TARGETS_AT_A_TIME)
        if self.cleaned:
            return _products(self.fold(split, block)[0] for block in blocks)
        if self._gram is None:  # the same for every layer and fold
            self._gram = _products(self.on_device[:, block] for block in blocks)
        return rows_of(rows_of(self._gram, split.train).T, split.train)

    def _cleaned(self, split: Split, block: slice) -> tuple[np.ndarray, np.ndarray]:
        assert self.timing is not None
        train, test = (
            self.without_drift(self.values[rows, block].astype(np.float64), rows)
            for rows in (split.train, split.test)
        )
        if self.nuisance:
            subjects = self.targets.subjects[block]
            for subject in np.unique(subjects):
                of_subject = subjects == subject
                train[:, of_subject], test[:, of_subject] = residual(
                    train[:, of_subject],
                    test[:, of_subject],
                    *self._regressors(split, str(subject)),
                )
        if "fold" in self.timing.zscore:
            train, test = zscored(train), zscored(test)
        return train, test

    def _regressors(self, split: Split, subject: str) -> tuple[np.ndarray, np.ndarray]:
        regressors = self.nuisance[subject]
        train, test = (
            self.without_drift(regressors[rows], rows) for rows in (split.train, split.test)
        )
        return train, test

    def without_drift(self, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """`values` [row, column] of the given rows, int [row], without drift, if the benchmark
        removes it.
        """
        if self.timing is None or self.timing.detrend is None:
            return values
        assert self.runs is not None and self.volumes is not None
        detrend = self.timing.detrend
        return without_drift(values, self.volumes[rows], self.runs[rows], self.tr, detrend)


def _read(dataset: xr.Dataset, rows: np.ndarray | slice, order: np.ndarray) -> np.ndarray:
    """Responses [row, target] of some rows, targets in `order`, read some targets at a time."""
    variable = dataset["responses"]
    floats = variable.dtype in (np.float32, np.float64)
    n_rows = np.arange(variable.shape[0])[rows].size
    values = np.empty((n_rows, order.size), variable.dtype if floats else np.float64)
    columns = np.argsort(order)
    for block in target_blocks(*variable.shape):
        values[:, columns[block]] = variable[:, block].values[rows]
    return values


def _level(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means [target] of values [row, target], NaN where any row is, and which are constant."""
    constant = np.ones(values.shape[1], dtype=bool)
    for row in values[1:]:
        constant &= row == values[0]
    return values.mean(axis=0, dtype=np.float64), constant


def _products(parts: Iterable[Array]) -> Array:
    """Sum over parts [row, target] of their products of rows, float64 [row, row]."""
    total: Array = 0.0
    for part in parts:
        exact = array_namespace(part).astype(part, array_namespace(part).float64)
        total = total + exact @ exact.T
    return total


def read_targets(dataset: xr.Dataset) -> Targets:
    """The coordinates `target_id`, `subject` and `region`, str [target], of a responses file."""
    names = ("target_id", "subject", "region")
    return Targets(*(dataset[name].values.astype(str) for name in names))


def run_numbers(dataset: xr.Dataset) -> np.ndarray:
    """The run of each volume, int64 [volume], numbered in the sorted order of their names."""
    return np.unique(dataset["run"].values.astype(str), return_inverse=True)[1]


def gather_responses(
    dataset: xr.Dataset, timing: Timing | None = None, device: str = "cpu"
) -> Responses:
    """The responses of a dataset as a benchmark sees them.

    Parameters
    ----------
    dataset : `responses` [stimulus or volume, target] with its coordinates, and `nuisance`
        [subject, volume, regressor] where `timing` asks for it (docs/architecture.md, "Files").

    Raises
    ------
    InputError : responses that are not the brain's, timed data without `timing`, or nuisance asked
        for that a subject does not have.
    """
    kind = dataset.attrs.get("kind", "brain")
    if kind != "brain":
        raise InputError(f"responses of kind {kind!r} are no brain responses; see section behavior")
    targets = read_targets(dataset)
    order = np.argsort(targets.subjects, kind="stable")
    in_order = Targets(targets.ids[order], targets.subjects[order], targets.regions[order])
    if not is_timed(dataset):
        if timing is not None:
            raise InputError("timing: the dataset's responses are per stimulus, not per volume")
        return Responses(
            _read(dataset, slice(None), order), in_order, overwrite=True, device=device
        )
    if timing is None:
        raise InputError(
            "timing: missing, but the dataset's responses are per volume; see "
            "docs/adding-a-dataset.md, Timed data"
        )
    runs = run_numbers(dataset)
    kept = kept_volumes(runs, timing.trim)
    nuisance: dict[str, np.ndarray] = {}
    if timing.nuisance:
        if "nuisance" not in dataset:
            raise InputError("timing.nuisance: true, but the responses hold no nuisance regressors")
        present = dataset["subject_id"].values.astype(str).tolist()
        for subject in np.unique(targets.subjects).tolist():
            if subject not in present:
                raise InputError(f"timing.nuisance: no regressors of subject {subject}")
            regressors = dataset["nuisance"].values[present.index(subject)][kept]
            if not np.isfinite(regressors).all():
                raise InputError(f"timing.nuisance: NaN or Inf in subject {subject}'s regressors")
            # One scale, so that no regressor falls below another's rounding.
            nuisance[subject] = zscored(regressors.astype(np.float64))
    return Responses(
        _read(dataset, kept, order),
        in_order,
        overwrite=True,
        timing=timing,
        runs=runs[kept],
        volumes=kept,
        tr=float(dataset.attrs["tr"]),
        nuisance=nuisance,
        device=device,
    )
