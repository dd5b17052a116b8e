"""How reliable mean reading times are: the ceiling of a correlation with them."""

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from brainalign.behavior.settings import NoCeiling, SplitHalf

AT_LEAST = "at least"
WEAK = "weak"
LEAST_HALVES = 4.0  # standard errors of r between halves of readers, 1/√words, for a ceiling


@dataclass(frozen=True)
class Ceiling:
    """A ceiling (NaN where there is none, `note` says why) and the method it comes from.

    `weak`: halves of the readers agree too little for the root of their reliability to be known.
    """

    value: float
    method: str
    note: str = ""
    weak: bool = False

    def root(self) -> "Ceiling":
        """The largest correlation with the measured mean that a perfect predictor can reach."""
        if self.method == "none":
            return self
        value = float(np.sqrt(self.value)) if self.value > 0 else np.nan
        method = f"root of {self.method.removeprefix(f'{AT_LEAST} ')}"
        bound = f"{AT_LEAST} " if self.method.startswith(AT_LEAST) else ""
        return replace(self, value=value, method=f"{f'{WEAK} ' if self.weak else bound}{method}")


def reliability(
    responses: xr.Dataset,
    rows: np.ndarray | None,
    method: SplitHalf | NoCeiling,
    seed: int,
    beyond: np.ndarray | None = None,
) -> Ceiling:
    """Reliability of the mean over readers.

    Parameters
    ----------
    responses : `responses` (stimulus, target); means may come with variables `sd` and `n`.
    rows : bool [stimulus], the words that count; None for all.
    method, seed : the halvings; the seed where `method` names none.
    beyond : regressors [row of `rows`, regressor]: the reliability of what they (and an intercept)
        leave of the means, which is the ceiling of a partial correlation. None: of the means.

    Returns
    -------
    From readers the split-half reliability (`weak` where r between halves is below four standard
    errors: the ceiling is then known within no better than an eighth). From published means, with
    `sd` and `n`, a bound from below, `at least`: their spread counts readers' base speeds as noise
    (see `analytic_reliability`).
    """
    times = responses["responses"].values.astype(float)
    chosen = np.ones(len(times), bool) if rows is None else rows
    if isinstance(method, NoCeiling):
        return Ceiling(np.nan, "none")
    if times.shape[1] > 1:
        of_halvings = seed if method.seed is None else method.seed
        value = split_half(times[chosen], method.n, of_halvings, beyond)
        read = np.isfinite(times[chosen]).any(1).sum()
        halves = value / (2 - value)  # the correlation that Spearman and Brown correct
        return Ceiling(value, "split-half", weak=not halves >= LEAST_HALVES / np.sqrt(read))
    if "sd" in responses and "n" in responses:
        sd, n = (responses[name].values[:, 0].astype(float)[chosen] for name in ("sd", "n"))
        value = analytic_reliability(times[chosen, 0], sd, n, beyond)
        return Ceiling(value, f"{AT_LEAST} analytic")
    return Ceiling(np.nan, "none", "no ceiling: only mean reading times, without sd and n")


def split_half(
    times: np.ndarray, splits: int, seed: int, beyond: np.ndarray | None = None
) -> float:
    """Median Spearman-Brown corrected correlation of the means of two random halves of the readers.

    Parameters
    ----------
    times : [word, reader], NaN where unread.
    splits : number of random halvings.
    seed : of a `RandomState`, which Brain-Score's Futrell2018 draws from with seed 0.
    beyond : [word, regressor]; what they leave of each half's means is correlated.
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
        halves = np.column_stack([one[both], other[both]])
        if beyond is not None:
            halves = residual(halves, beyond[both])
        r = np.corrcoef(halves.T)[0, 1]
        corrected.append(2 * r / (1 + r))
    return float(np.median(corrected))


def analytic_reliability(
    mean: np.ndarray, sd: np.ndarray, n: np.ndarray, beyond: np.ndarray | None = None
) -> float:
    """Reliability of means [word] of `n` readers with standard deviation `sd`, at least.

    1 − E(sd²/n) / var(mean): the share of the variance of the means that is not sampling noise, if
    readers' times were independent. Readers differ in base speed, so `sd` is larger than the noise
    of a word beside another that the same readers read: the reliability is at least this.

    Parameters
    ----------
    beyond : [word, regressor]; the reliability of what they leave of the means.
    """
    known = ~np.isnan(mean + sd + n) & (n > 0)
    if known.sum() < 3 or np.ptp(mean[known]) == 0:
        return np.nan
    noise = np.mean(sd[known] ** 2 / n[known])
    of = np.zeros((len(mean), 0)) if beyond is None else beyond
    rest = residual(mean[known], of[known])
    freedom = known.sum() - 1 - np.linalg.matrix_rank(of[known] - of[known].mean(0))
    return float(1 - noise / ((rest @ rest) / freedom))


def residual(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """What least squares on x [row, regressor] and an intercept leaves of y [row] or [row, y]."""
    design = np.column_stack([np.ones(len(x)), x])
    return y - design @ np.linalg.lstsq(design, y, rcond=None)[0]


def _mean(times: np.ndarray) -> np.ndarray:
    read = ~np.isnan(times)
    counts = read.sum(1)
    return np.where(read, times, 0).sum(1) / np.where(counts > 0, counts, np.nan)
