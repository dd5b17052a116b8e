"""From the activations of one layer to the design matrix of each fold."""

import copy
from collections.abc import Sequence

import numpy as np

from brainalign.encoding.arrays import to_device
from brainalign.encoding.operators import Design
from brainalign.encoding.reduction import principal_components, random_projection
from brainalign.encoding.settings import Reduction
from brainalign.encoding.splits import Split
from brainalign.encoding.timing import WordsToVolumes, finish_volumes
from brainalign.errors import InputError


class Features:
    """One layer's features of the rows that are scored.

    Parameters
    ----------
    values : [stimulus, unit]; or [volume, unit] where `per_volume`.
    words : the map from words to volumes, for timed data.
    per_volume : features that are per volume already: neither averaged, delayed nor convolved.
    reduce : to k dimensions, or None. PCA is fitted to the stimuli of
        the training rows of each fold. A layer of no more than k units keeps its width.
    reduction : where `values` are reduced already, how.

    Attributes
    ----------
    reduction : what became of the units: `pca 100`, `localizer 100`, or `none: 48 units` where
        these are no more than asked for; '' where the benchmark does not reduce.

    Raises
    ------
    InputError : not two-dimensional; NaN or Inf.
    """

    def __init__(
        self,
        values: np.ndarray,
        words: WordsToVolumes | None = None,
        *,
        per_volume: bool = False,
        reduce: Reduction | None = None,
        intercept: bool = True,
        device: str = "cpu",
        seed: int = 0,
        reduction: str = "",
    ) -> None:
        if values.ndim != 2:
            raise InputError(f"features: shape {values.shape}, expected [row, unit]")
        check_finite(values, np.arange(len(values)), "features")
        self.words = words
        self.per_volume = per_volume
        self.intercept = intercept
        self.device = device
        self.components: int | None = None
        self.reduction = reduction
        if reduce:
            width = values.shape[1]
            size = reduce.number(width)
            self.reduction = f"{reduce.method} {size}" if width > size else f"none: {width} units"
            if reduce.method == "pca":
                self.components = size
            elif width > size:
                values = random_projection(values, size, seed)
        self.values = values
        self.by_fold = words is not None and (
            "fold" in words.timing.zscore or words.timing.detrend is not None
        )
        # Whether a fold's features depend on its training rows.
        self.fitted = self.by_fold or self.components is not None
        self.shared: Design | None = None

    def units_per_row(self, splits: Sequence[Split]) -> float:
        """Columns of the design over training rows (mean over folds); 1: least squares is worst."""
        columns = min(self.components or self.values.shape[1], self.values.shape[1])
        if self.words is not None and not self.per_volume:
            columns *= self.words.timing.copies
        return columns / float(np.mean([split.train.size for split in splits]))

    def shifted(self, lag: int) -> "Features":
        """The same with values moved in a circle by `lag` stimuli (or volumes, if per volume)."""
        moved = copy.copy(self)
        moved.values, moved.shared = np.roll(self.values, lag, axis=0), None
        return moved

    def rows(self, train: np.ndarray) -> np.ndarray:
        """Features [row, unit] of all scored rows; PCA, if any, by the rows `train`, int [row].

        Raises
        ------
        InputError : PCA of fewer than two training rows.
        """
        stimuli = self.values
        if self.components is not None:
            fitted = train
            if self.words is not None:
                fitted = self.words.kept[train] if self.per_volume else self.words.words_in(train)
            if fitted.size < 2:
                raise InputError(f"PCA: {fitted.size} stimuli in training rows, expected 2 or more")
            stimuli = principal_components(stimuli, fitted, self.components)
        if self.words is None:
            return stimuli
        if self.per_volume:
            return finish_volumes(stimuli, self.words.timing, self.words.runs, self.words.kept)
        return self.words(stimuli)

    def design(self, split: Split) -> tuple[Design, Split]:
        """The design of a fold and the fold in its row numbers.

        The same design serves all folds unless it is fitted to the training rows.
        """
        if not self.fitted:
            if self.shared is None:
                rows = to_device(np.ascontiguousarray(self.rows(split.train)), self.device)
                self.shared = Design.of_features(rows, self.intercept)
            return self.shared, split
        rows = self.rows(split.train)
        if not self.by_fold:
            return Design.of_features(to_device(rows, self.device), self.intercept), split
        assert self.words is not None
        parts = [self.words.cleaned(rows[part], part) for part in (split.train, split.test)]
        local = Split(np.arange(split.train.size), split.train.size + np.arange(split.test.size))
        design = Design.of_features(to_device(np.concatenate(parts), self.device), self.intercept)
        return design, local


def check_finite(values: np.ndarray, ids: np.ndarray, where: str) -> None:
    """Raise an InputError that names the first row of `values` [row, unit] with NaN or Inf by its
    id (`ids` [row])."""
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if bad.size:
        raise InputError(f"{where}: {bad.size} rows hold NaN or Inf, first {ids[bad[0]]}")


def ordered_like(ids: np.ndarray, wanted: np.ndarray, where: str) -> np.ndarray:
    """Row numbers, int [row], that bring rows with `ids` [row] into the order `wanted` [row].

    Raises
    ------
    InputError : repeated ids, or wanted ones that are not there. Rows beside them are left out.
    """
    row_of = {str(name): row for row, name in enumerate(ids)}
    if len(row_of) != len(ids):
        raise InputError(f"{where}: {len(ids) - len(row_of)} repeated stimulus ids")
    missing = [str(name) for name in wanted if str(name) not in row_of]
    if missing:
        raise InputError(
            f"{where}: no activations of {len(missing)} of {len(wanted)} stimuli, "
            f"first {missing[0]}"
        )
    return np.asarray([row_of[str(name)] for name in wanted])
