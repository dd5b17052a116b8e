"""Timed data: from words to the volumes of a scan, and cleaning of the scans."""

import copy
import math
from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from scipy import sparse

from brainalign.encoding.settings import Cosine, Timing
from brainalign.errors import InputError
from brainalign.formats.datasets import WORDS_OF_VOLUME, assign_volumes

HRF_LENGTH = 32.0  # seconds
LOBES = 3  # of the resampling filter, on either side
UNITS_AT_A_TIME = 512  # of words that are averaged: no more of them are held in float64


def averaging(assigned: np.ndarray, n_volumes: int) -> sparse.csr_array:
    """[volume, word]: the mean over the words of a volume (`assigned` int [word], -1 for none); a
    row of zeros where there are none."""
    words = np.flatnonzero(assigned >= 0)
    counts = np.bincount(assigned[words], minlength=n_volumes)
    weights = 1.0 / counts[assigned[words]]
    return sparse.csr_array((weights, (assigned[words], words)), shape=(n_volumes, assigned.size))


class VolumeMeans(NamedTuple):
    """Words averaged in their volume, which is all that `features: fir` needs of them.

    volumes : int [mean], the volumes with words; -1 first, if words fall into none.
    counts : int [mean], words of each. weights : float64 [mean, word].
    """

    volumes: np.ndarray
    counts: np.ndarray
    weights: sparse.csr_array

    @classmethod
    def of(cls, assigned: np.ndarray) -> "VolumeMeans":
        """The means of words, of which `assigned` (int [word], -1 for none) are the volumes."""
        volumes, mean = np.unique(assigned, return_inverse=True)
        return cls(volumes, np.bincount(mean), averaging(mean, volumes.size))

    def __call__(self, words: np.ndarray) -> np.ndarray:
        """Means [mean, unit] of words [word, unit], float32."""
        means = np.empty((self.volumes.size, words.shape[1]), dtype=np.float32)
        for start in range(0, words.shape[1], UNITS_AT_A_TIME):
            units = slice(start, start + UNITS_AT_A_TIME)
            means[:, units] = self.weights @ words[:, units].astype(np.float64)
        return means

    @property
    def metadata(self) -> dict[str, Any]:
        """Their mark in an activation file, whose rows are named by the volumes."""
        return {"rows": WORDS_OF_VOLUME, "words": self.counts.tolist()}


def canonical_hrf(seconds: np.ndarray) -> np.ndarray:
    """SPM's (and nilearn's) canonical haemodynamic response at `seconds` [...] after an impulse,
    float64 [...], with integral 1 over 32 s.

    A gamma density of shape 6 minus one sixth of a gamma density of shape 16, both with scale 1 s
    (spm_hrf with its default parameters 6, 16, 1, 1, 6, 0, 32); zero outside 0-32 s.
    """
    inside = (seconds > 0) & (seconds <= HRF_LENGTH)
    t = np.where(inside, seconds, 1.0)
    peak = t**5 * np.exp(-t) / math.gamma(6)
    undershoot = t**15 * np.exp(-t) / math.gamma(16)
    return np.where(inside, (peak - undershoot / 6) / (1 - 1 / 6), 0.0)


def convolving(
    words: np.ndarray, volumes: np.ndarray, runs: np.ndarray, assigned: np.ndarray
) -> sparse.csr_array:
    """[volume, word]: the response at a volume's onset to an impulse at each word of its run.

    words, volumes : times in seconds [word], [volume]. runs : of each volume. assigned : the volume
    in which each word begins, -1 for none."""
    lag = volumes[:, None] - words[None, :]
    weights = canonical_hrf(lag)
    run_of_word = np.where(assigned >= 0, runs[np.maximum(assigned, 0)], -1)
    weights[(runs[:, None] != run_of_word[None, :])] = 0.0
    return sparse.csr_array(weights)


def resampling(
    words: np.ndarray, volumes: np.ndarray, runs: np.ndarray, assigned: np.ndarray, tr: float
) -> sparse.csr_array:
    """[volume, word]: the Lanczos filter of three lobes, from words to the middles of volumes.

    sinc(x) sinc(x / 3) for |x| < 3, x volumes from word to volume: a low-pass filter at half the
    rate of volumes. A word reaches volumes of the same run alone. Weights are not scaled to sum to
    1: more words make larger features (HuthLab/deep-fMRI-dataset, interpdata.lanczosinterp2D).

    Parameters
    ----------
    words, volumes : times in seconds, [word], [volume]. runs : of each volume. assigned : the
        volume in which each word begins, -1 for none.
    """
    heard = np.flatnonzero(assigned >= 0)
    middles = volumes + tr / 2
    nearest = np.searchsorted(middles, words[heard])
    rows = nearest[:, None] + np.arange(-LOBES - 1, LOBES + 1)
    inside = (rows >= 0) & (rows < volumes.size)
    rows = np.where(inside, rows, 0)
    x = (middles[rows] - words[heard, None]) / tr
    inside &= (np.abs(x) < LOBES) & (runs[rows] == runs[assigned[heard]][:, None])
    word = np.broadcast_to(heard[:, None], rows.shape)
    weights = np.sinc(x) * np.sinc(x / LOBES)
    return sparse.csr_array(
        (weights[inside], (rows[inside], word[inside])), shape=(volumes.size, words.size)
    )


def delayed(features: np.ndarray, delays: Sequence[int], runs: np.ndarray) -> np.ndarray:
    """`features` [volume, unit] at each delay, side by side, of their dtype [volume, delay · unit];
    zeros before the start of a run (`runs` [volume])."""
    columns = []
    for delay in delays:
        shifted = np.zeros_like(features)
        for run in np.unique(runs):
            rows = np.flatnonzero(runs == run)
            shifted[rows[delay:]] = features[rows[: max(rows.size - delay, 0)]]
        columns.append(shifted)
    return np.concatenate(columns, axis=1)


def kept_volumes(runs: np.ndarray, trim: tuple[int, int]) -> np.ndarray:
    """Numbers of the volumes that are left when each run (`runs` [volume]) loses its first and last
    ones, int [volume].

    Raises
    ------
    InputError : a run is shorter than what it loses."""
    kept = []
    for run in dict.fromkeys(runs.tolist()):
        rows = np.flatnonzero(runs == run)
        if rows.size <= sum(trim):
            raise InputError(f"timing.trim: {list(trim)} leaves nothing of run {run}, {rows.size}")
        kept.append(rows[trim[0] : rows.size - trim[1]])
    return np.concatenate(kept)


def zscored(values: np.ndarray, groups: np.ndarray | None = None) -> np.ndarray:
    """Columns of `values` [row, column] with mean 0 and standard deviation 1 within each group
    (`groups` [row]), float64; constant columns 0."""
    result = np.zeros_like(values)
    groups = np.zeros(len(values)) if groups is None else groups
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        part = values[rows] - values[rows].mean(axis=0)
        spread = part.std(axis=0)
        constant = np.ptp(values[rows], axis=0) == 0
        result[rows] = np.where(constant, 0.0, part / np.where(constant, 1.0, spread))
    return result


class WordsToVolumes:
    """The map from words to the kept volumes of a scan.

    Parameters
    ----------
    words, ends : onsets and offsets of the words in seconds, NaN where there is no offset.
    """

    def __init__(
        self,
        timing: Timing,
        words: np.ndarray,
        volumes: np.ndarray,
        runs: np.ndarray,
        tr: float,
        ends: np.ndarray | None = None,
    ) -> None:
        self.timing = timing
        self.runs = runs
        self.tr = tr
        self.kept = kept_volumes(runs, timing.trim)
        self.n_volumes = volumes.size
        self.assigned = assign_volumes(words, volumes, tr)
        self.counts = np.ones(words.size)  # words that a row of features is the mean of
        if timing.features == "fir":
            self.matrix = averaging(self.assigned, volumes.size)
        elif timing.features == "lanczos":
            middles = words if ends is None else np.where(np.isnan(ends), words, (words + ends) / 2)
            self.matrix = resampling(middles, volumes, runs, self.assigned, tr)
        else:
            self.matrix = convolving(words, volumes, runs, self.assigned)

    def of_means(self, volumes: np.ndarray, counts: np.ndarray) -> Self:
        """The same map for words that are averaged in their volume already (`VolumeMeans`).

        Parameters
        ----------
        volumes, counts : int [mean], the volume of each mean, and the number of its words.

        Raises
        ------
        InputError : they are means of other words; the benchmark does not average words.
        """
        means = VolumeMeans.of(self.assigned)
        if self.timing.features != "fir":
            raise InputError(f"timing.features: {self.timing.features} needs each word, not means")
        if not (np.array_equal(means.volumes, volumes) and np.array_equal(means.counts, counts)):
            raise InputError("means over the words of volumes, but of other words")
        same = copy.copy(self)
        same.assigned, same.counts = volumes, counts
        same.matrix = averaging(volumes, self.n_volumes)
        return same

    def words_in(self, rows: np.ndarray) -> np.ndarray:
        """Numbers of the words that are heard in the kept rows `rows`, int [word]."""
        return np.flatnonzero(np.isin(self.assigned, self.kept[rows]))

    def __call__(self, words: np.ndarray) -> np.ndarray:
        """Features [kept volume, unit × delay], float64, of word features [word, unit]."""
        words = words.astype(np.float64)
        if self.timing.silence == "mean":
            words = words - np.average(words, axis=0, weights=self.counts)
        volumes = self.matrix @ words
        if self.timing.features != "hrf":
            volumes = delayed(volumes, self.timing.delays, self.runs)
        return finish_volumes(volumes, self.timing, self.runs, self.kept)

    def cleaned(self, features: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """`features` [row, unit] of the kept rows `rows`, without drift and z-scored, as the
        benchmark says; float [row, unit]."""
        if self.timing.detrend is not None:
            volumes = self.kept[rows]
            features = without_drift(
                features.astype(np.float64),
                volumes,
                self.runs[volumes],
                self.tr,
                self.timing.detrend,
            )
        return zscored(features) if "fold" in self.timing.zscore else features


def finish_volumes(
    volumes: np.ndarray, timing: Timing, runs: np.ndarray, kept: np.ndarray
) -> np.ndarray:
    """The `kept` rows of features `volumes` [volume, unit], z-scored within runs if the benchmark
    says so; float [row, unit]."""
    volumes = volumes[kept]
    return zscored(volumes, runs[kept]) if "run" in timing.zscore else volumes


def without_drift(
    values: np.ndarray,
    volumes: np.ndarray,
    runs: np.ndarray,
    tr: float,
    detrend: int | Cosine,
) -> np.ndarray:
    """`values` [row, column] without their slow changes over each run, its mean included.

    An integer `detrend` is the order of a polynomial; `Cosine` a discrete cosine set of
    all periods above `seconds` (SPM's high-pass filter). The rows of a run are fitted by
    themselves, over the time from the first to the last of them. So training and test rows are
    cleaned apart: drift fitted to training rows would have to be extrapolated, and would give all
    subjects the same wrong slope, which looks like shared signal.

    Parameters
    ----------
    volumes, runs : volume number (increasing) and run of each row. tr : seconds per volume.
    """
    result = np.empty_like(values)
    for run in np.unique(runs):
        rows = np.flatnonzero(runs == run)
        time = volumes[rows] - volumes[rows[0]]
        index = (time + 0.5) / (time[-1] + 1)
        if isinstance(detrend, Cosine):
            order = int(2 * (time[-1] + 1) * tr / detrend.cosine)
            basis = np.cos(np.pi * np.arange(order + 1) * index[:, None])
        else:
            basis = np.polynomial.legendre.legvander(2 * index - 1, detrend)
        weights = np.linalg.lstsq(basis, values[rows], rcond=None)[0]
        result[rows] = values[rows] - basis @ weights
    return result


def residual(
    train: np.ndarray, test: np.ndarray, train_nuisance: np.ndarray, test_nuisance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Training and test responses without what nuisance explains, fitted to training rows only;
    float [row, target] each.

    Parameters
    ----------
    train, test : [row, target].
    train_nuisance, test_nuisance : [row, regressor]; a constant is added.
    """
    train_nuisance, test_nuisance = (
        np.column_stack([np.ones(len(z)), z]) for z in (train_nuisance, test_nuisance)
    )
    weights = np.linalg.lstsq(train_nuisance, train, rcond=None)[0]
    return train - train_nuisance @ weights, test - test_nuisance @ weights
