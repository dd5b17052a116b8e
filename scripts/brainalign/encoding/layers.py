"""The layers of an activation file as features of a benchmark's rows."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
import xarray as xr

from brainalign.encoding.features import Features, check_finite, ordered_like
from brainalign.encoding.responses import run_numbers
from brainalign.encoding.settings import Reduction, Timing
from brainalign.encoding.timing import VolumeMeans, WordsToVolumes
from brainalign.errors import InputError
from brainalign.formats.activations import ActivationFile
from brainalign.formats.datasets import VOLUME, WORDS_OF_VOLUME, assign_volumes

LOG = logging.getLogger("brainalign")


class Layers(Protocol):
    """The layers of a model, read one after the other."""

    def __call__(self, names: Sequence[str]) -> Iterator[tuple[str, Features]]: ...


@dataclass(frozen=True)
class FeatureReader:
    """Makes features of the rows that a benchmark scores out of activation files.

    words : the map from stimuli to volumes, for timed data. seed : of a random projection.
    """

    stimuli: pd.DataFrame
    dataset: xr.Dataset
    words: WordsToVolumes | None
    intercept: bool
    device: str
    seed: int

    def layers(self, file: ActivationFile, reduce: Reduction | None) -> Layers:
        """The layers of a file, which are read when they are asked for.

        Raises
        ------
        InputError : as `row_order`; when a layer is read, NaN or Inf in it.
        """
        order = row_order(file, self.stimuli, self.dataset, self.words)
        ids = np.asarray(file.stimulus_ids)
        words = self.words
        if words is not None and file.metadata.get("rows") == WORDS_OF_VOLUME:
            words = words.of_means(ids.astype(int), np.asarray(file.metadata["words"]))
        reduced = file.metadata.get("reduction", {})

        def read(names: Sequence[str]) -> Iterator[tuple[str, Features]]:
            for name in names:
                values = file.layer(name)
                check_finite(values, ids, f"{file.path}: layer {name}")
                features = Features(
                    values[order],
                    words,
                    per_volume=file.metadata.get("rows") == VOLUME,
                    reduce=reduce,
                    intercept=self.intercept,
                    device=self.device,
                    seed=self.seed,
                    reduction=reduced.get(name, ""),
                )
                yield name, features

        return read

    def only_layer(self, name: str, file: ActivationFile) -> Features:
        """The one layer of a baseline, not reduced.

        Raises
        ------
        InputError : it has several.
        """
        if len(file.layers) != 1:
            raise InputError(
                f"unique_variance.beyond: {name} has {len(file.layers)} layers, expected one"
            )
        ((_, features),) = self.layers(file, None)(file.layers)
        return features


def words_to_volumes(
    timing: Timing | None, stimuli: pd.DataFrame, dataset: xr.Dataset
) -> WordsToVolumes | None:
    """The map from stimuli to volumes of a timed dataset; None for an untimed one.

    `stimuli` has `onset` and `offset`, `dataset` the coordinate `onset` [volume], all in seconds of
    one clock.

    Raises
    ------
    InputError : a stimulus without an onset.
    """
    if timing is None:
        return None
    onsets = _onsets(stimuli)
    volumes = dataset["onset"].values.astype(float)
    ends = stimuli["offset"].to_numpy(dtype=float)
    words = WordsToVolumes(
        timing, onsets, volumes, run_numbers(dataset), float(dataset.attrs["tr"]), ends
    )
    outside = int((words.assigned < 0).sum())
    if outside:
        LOG.warning("%d of %d stimuli fall into no volume and are left out", outside, onsets.size)
    return words


def volume_means(stimuli: pd.DataFrame, dataset: xr.Dataset) -> VolumeMeans:
    """The means of a timed dataset's stimuli over each volume.

    `stimuli` has `onset`, `dataset` the coordinate `onset` [volume], in seconds of one clock.

    Raises
    ------
    InputError : a stimulus without an onset.
    """
    volumes = dataset["onset"].values.astype(float)
    return VolumeMeans.of(assign_volumes(_onsets(stimuli), volumes, float(dataset.attrs["tr"])))


def _onsets(stimuli: pd.DataFrame) -> np.ndarray:
    onsets = stimuli["onset"].to_numpy(dtype=float)
    if np.isnan(onsets).any():
        first = stimuli["stimulus_id"].iloc[int(np.flatnonzero(np.isnan(onsets))[0])]
        raise InputError(f"stimuli: {first} has no onset, but the responses are timed")
    return onsets


def row_order(
    activations: ActivationFile,
    stimuli: pd.DataFrame,
    dataset: xr.Dataset,
    words: WordsToVolumes | None,
) -> np.ndarray:
    """Row numbers, int [row], that bring activations into the order of the stimuli, or of the
    volumes.

    Rows per volume are named by the volume's number, from 0. Means over the words of a volume
    (`timing.VolumeMeans`) have such names, too, and keep their order.

    Raises
    ------
    InputError : rows per volume for other responses, or activations of other stimuli.
    """
    ids = np.asarray(activations.stimulus_ids)
    if activations.metadata.get("rows") == WORDS_OF_VOLUME:
        return np.arange(ids.size)
    if activations.metadata.get("rows") != VOLUME:
        wanted = stimuli["stimulus_id"].to_numpy().astype(str)
        if ids.size > wanted.size:
            LOG.warning(
                "%s: %d of its %d rows are of no stimulus of the dataset, and are left out",
                activations.path, ids.size - wanted.size, ids.size,
            )  # fmt: skip
        return ordered_like(ids, wanted, str(activations.path))
    n_volumes = dataset["responses"].shape[0]
    if words is None or ids.size != n_volumes:
        raise InputError(
            f"{activations.path}: {ids.size} rows, one per volume, for responses of "
            f"{n_volumes} {dataset['responses'].dims[0]} rows"
        )
    return ordered_like(ids, np.arange(n_volumes).astype(str), str(activations.path))
