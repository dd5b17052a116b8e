"""How reliable mean reading times are: the ceiling of a correlation with them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from brainalign.errors import InputError


@dataclass(frozen=True)
class Ceiling:
    """A ceiling (NaN where there is none, `note` says why) and the method it comes from."""

    value: float
    method: str
    note: str = ""

    def root(self) -> "Ceiling":
        """The largest correlation with the measured mean that a perfect predictor can reach."""
        if self.method == "none":
            return self
        value = float(np.sqrt(self.value)) if self.value > 0 else np.nan
        return replace(self, value=value, method=f"root of {self.method}")


def reliability(
    responses: xr.Dataset, rows: np.ndarray | None, options: Mapping[str, Any], seed: int
) -> Ceiling:
    """Reliability of the mean over readers.

    Parameters
    ----------
    responses : `responses` (stimulus, target); means may come with variables `sd` and `n`.
    rows : bool [stimulus], the words that count; None for all.
    options : `method` (`split-half`, the default, or `none`), `n` splits (10), `seed`.
    """
    method = options.get("method", "split-half")
    if method not in ("split-half", "none"):
        raise InputError(f"behaviour ceiling: method {method!r}, expected split-half or none")
    times = responses["responses"].values.astype(float)
    chosen = np.ones(len(times), bool) if rows is None else rows
    if method == "none":
        return Ceiling(np.nan, "none")
    if times.shape[1] > 1:
        value = split_half(times[chosen], options.get("n", 10), options.get("seed", seed))
        return Ceiling(value, "split-half")
    if "sd" in responses and "n" in responses:
        sd, n = (responses[name].values[:, 0].astype(float)[chosen] for name in ("sd", "n"))
        return Ceiling(analytic_reliability(times[chosen, 0], sd, n), "analytic")
    return Ceiling(np.nan, "none", "no ceiling: only mean reading times, without sd and n")


def split_half(times: np.ndarray, splits: int, seed: int) -> float:
    """Median Spearman-Brown corrected correlation of the means of two random halves of the readers.

    Parameters
    ----------
    times : [word, reader], NaN where unread.
    splits : number of random halvings.
    seed : of a `RandomState`, which Brain-Score's Futrell2018 draws from with seed 0.
    """
    draw = np.random.RandomState(seed)
    n_readers = times.shape[1]
    corrected = []
    for _ in range(splits):
        half = np.zeros(n_readers, bool)
        half[draw.choice(n_readers, size=n_readers // 2, replace=False)] = True
        one, other = _mean(times[:, half]), _mean(times[:, ~half])
        both = ~np.isnan(one + other)
        if both.sum() < 3 or np.ptp(one[both]) == 0 or np.ptp(other[both]) == 0:
            corrected.append(np.nan)
            continue
        r = np.corrcoef(one[both], other[both])[0, 1]
        corrected.append(2 * r / (1 + r))
    return float(np.median(corrected))


def analytic_reliability(mean: np.ndarray, sd: np.ndarray, n: np.ndarray) -> float:
    """Reliability of means [word] of `n` readers with standard deviation `sd`.

    1 − E(sd²/n) / var(mean): the share of the variance of the means that is not sampling noise.
    """
    known = ~np.isnan(mean + sd + n) & (n > 0)
    if known.sum() < 3 or np.var(mean[known]) == 0:
        return np.nan
    noise = np.mean(sd[known] ** 2 / n[known])
    return float(1 - noise / np.var(mean[known], ddof=1))


def _mean(times: np.ndarray) -> np.ndarray:
    read = ~np.isnan(times)
    counts = read.sum(1)
    return np.where(read, times, 0).sum(1) / np.where(counts > 0, counts, np.nan)
