"""Tests of paired differences: signed ranks, Student's t."""

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from brainalign.analysis.association import ranks
from brainalign.intervals import LEVEL

EXACT_RANKS = 50  # with more differences Wilcoxon's test takes the normal approximation
EXACT_TIES = 13  # and with more than these where some are 0 or tied; both as in SciPy


@dataclass(frozen=True)
class PairedTests:
    """Two-sided p-values that differences are centred at 0; `note` says why there is none."""

    n: int
    p_wilcoxon: float
    p_t: float
    note: str = ""

    @classmethod
    def none(cls, n: int, note: str) -> "PairedTests":
        """No test of `n` differences, and why."""
        return cls(n, np.nan, np.nan, note)


def paired_tests(differences: np.ndarray) -> PairedTests:
    """Wilcoxon's signed-rank test and paired t of differences [n].

    With m differences that are not 0 no exact two-sided p can be below 2^(1−m), so fewer than 6
    cannot reach .05; `note` says so.
    """
    d = np.asarray(differences, float)
    d = d[~np.isnan(d)]
    n = len(d)
    if n < 2:
        return PairedTests.none(n, f"{n} paired values, 2 are needed")
    nonzero = int(np.count_nonzero(d))
    if not nonzero:
        return PairedTests.none(n, "all differences are 0")
    few = 2.0 ** (1 - nonzero) >= LEVEL
    note = f"{nonzero} differences other than 0 cannot reach p < .05" if few else ""
    return PairedTests(n, wilcoxon_p(d), t_p(d), note)


def wilcoxon_p(differences: np.ndarray) -> float:
    """Two-sided p of Wilcoxon's signed-rank test of differences [n]; those of 0 are left out.

    What `scipy.stats.wilcoxon` gives. Its exact test with ties goes through all signs in Python, a
    tenth of a second each; here the distribution of the sum of the positive differences' ranks is
    built up rank by rank.
    """
    d = np.asarray(differences, float)
    tied = len(np.unique(np.abs(d[d != 0]))) < len(d)
    if len(d) > (EXACT_TIES if tied else EXACT_RANKS):
        from scipy import stats

        return float(stats.wilcoxon(d).pvalue)
    d = d[d != 0]
    doubled = (2 * ranks(np.abs(d))).astype(int)  # mid-ranks are halves
    chance = np.zeros(doubled.sum() + 1)  # of every sum
    chance[0] = 1
    for rank in doubled:
        chance[rank:] += chance[:-rank]  # NumPy copies what overlaps
        chance /= 2
    observed = doubled[d > 0].sum()
    return float(min(1.0, 2 * min(chance[: observed + 1].sum(), chance[observed:].sum())))


def t_p(differences: np.ndarray) -> float:
    """Two-sided p of the one-sample t test; NaN where the differences [n] do not vary."""
    d = np.asarray(differences, float)
    if len(d) < 2 or np.ptp(d) <= 1e-12 * np.abs(d).max():
        return np.nan
    t = d.mean() / (d.std(ddof=1) / np.sqrt(len(d)))
    return float(2 * stdtr(len(d) - 1, -abs(t)))
