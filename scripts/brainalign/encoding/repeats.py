"""Ceilings from repeats: how much of a response returns when the same text is heard again."""

from typing import NamedTuple

import numpy as np
import xarray as xr

from brainalign.encoding.responses import TARGETS_AT_A_TIME, Responses
from brainalign.errors import InputError

ROWS_OF_A_BLOCK = 10  # that are resampled together


class Repeats(NamedTuple):
    """values : [repeat, row, target], NaN in a run that the target's subject heard fewer times.

    rows : int64, numbers of the repeated rows.
    """

    values: np.ndarray
    rows: np.ndarray


class Powers(NamedTuple):
    """Variances of the signal that repeats share and of one repeat's noise, [sample, target].

    The first sample is of all rows, the others of resampled blocks of rows.
    """

    signal: np.ndarray
    noise: np.ndarray

    @property
    def explainable(self) -> np.ndarray:
        """The share of signal in the variance of one repeat, [sample, target]; not clipped."""
        return self.signal / (self.signal + self.noise)

    def highest_r(self, share: float | np.ndarray) -> np.ndarray:
        """cc_max [sample, target]: r of the signal with responses that hold `share` (a number, or
        [target]) of one repeat's noise variance (Schoppe et al. 2016).

        Where more noise than variance was measured the power is negative (Schoppe et al. leave such
        targets out). Then it is minus what a positive power of that size gives, so that the mean
        over targets without signal is 0.
        """
        power = np.abs(self.signal)
        return np.sign(self.signal) * np.sqrt(power / (power + share * self.noise))


def noise_share(repeats: Repeats, rows: np.ndarray) -> np.ndarray:
    """The mean over `rows` of 1 / n, where a response is the mean of n repeats; [target]."""
    inside = np.isin(repeats.rows, rows)
    n = (~np.isnan(repeats.values[:, inside])).sum(axis=0)
    return 1 - (1 - 1 / np.maximum(n, 1)).sum(axis=0) / rows.size


def repeats_of(dataset: xr.Dataset, responses: Responses) -> Repeats:
    """The repeats of a dataset's responses, `repeats` [repeat, row, target], without the rows that
    the benchmark trims.

    Rows are numbered and targets ordered as in `responses`.

    Raises
    ------
    InputError : there are no repeats, too few rows of them are left, or responses are cleaned by
        regressors of one scan.
    """
    if "repeats" not in dataset:
        raise InputError(
            "ceiling.method: repeats, but the responses have none (variable repeats, "
            "docs/architecture.md)"
        )
    if responses.nuisance:
        raise InputError(
            "ceiling.method: repeats, but timing.nuisance removes regressors that the repeats do "
            "not have; take nuisance: false"
        )
    order = responses.targets.indices_in(dataset)
    rows = dataset["repeated"].values
    kept = np.arange(responses.n_rows) if responses.volumes is None else responses.volumes
    inside = np.isin(rows, kept)
    if inside.sum() < 2:
        raise InputError(
            f"ceiling.method: repeats, but timing.trim leaves {int(inside.sum())} of "
            f"{rows.size} repeated rows"
        )
    each = dataset["repeats"].values
    values = each[np.ix_(np.arange(len(each)), inside, order)]
    return Repeats(values, np.searchsorted(kept, rows[inside]))


def signal_and_noise(
    repeats: Repeats, responses: Responses, bootstraps: int, random: np.random.Generator
) -> Powers:
    """Powers of signal and noise (Sahani & Linden 2003; Schoppe et al. 2016).

    The variance of the mean of n repeats is signal + noise / n, and noise is what varies between
    repeats. Each repeat is cleaned as the benchmark cleans scans, and has the mean 0 in each run.
    Only rows with two repeats or more count. NaN of targets without any, or not measured.
    """
    _, n_rows, n_targets = repeats.values.shape
    labels = np.arange(n_rows) // ROWS_OF_A_BLOCK
    n_blocks = int(labels[-1]) + 1
    draws = random.multinomial(n_blocks, np.full(n_blocks, 1 / n_blocks), bootstraps)
    weights = np.vstack([np.ones((1, n_blocks)), draws])[:, labels]  # [sample, row]
    runs = np.zeros(n_rows) if responses.runs is None else responses.runs[repeats.rows]
    signal, noise = np.empty((2, 1 + bootstraps, n_targets))
    for start in range(0, n_targets, TARGETS_AT_A_TIME):
        block = slice(start, start + TARGETS_AT_A_TIME)
        values = repeats.values[:, :, block].astype(float)
        present = ~np.isnan(values)  # in whole runs: zeros stay zeros when drift is taken out
        each = np.stack(
            [
                _around_means(responses.without_drift(scan, repeats.rows), runs)
                for scan in np.where(present, values, 0.0)
            ]
        )
        n = present.sum(axis=0)
        twice = n > 1
        mean = each.sum(axis=0) / np.maximum(n, 1)
        within = ((each - mean) ** 2 * present).sum(axis=0) / np.maximum(n - 1, 1)
        power = np.where(twice, mean**2 - within / np.maximum(n, 1), 0.0)
        n_runs = sum(twice[runs == run].any(axis=0) for run in np.unique(runs))
        freedom = weights @ twice - n_runs
        freedom = np.where(freedom > 0, freedom, np.nan)
        noise[:, block] = weights @ (within * twice) / freedom
        signal[:, block] = weights @ power / freedom
    signal[:, ~responses.measured] = noise[:, ~responses.measured] = np.nan
    return Powers(signal, noise)


def _around_means(values: np.ndarray, runs: np.ndarray) -> np.ndarray:
    """Columns [row, target] around their means in each run."""
    result = values.copy()
    for run in np.unique(runs):
        result[runs == run] -= values[runs == run].mean(axis=0)
    return result
