"""Two models' answers to the same questions: test and interval of the difference in accuracy."""

import math


def mcnemar_p(gained: int, lost: int) -> float:
    """Two-sided mid-p of McNemar's test; NaN where the models never differ.

    The exact binomial p less half the probability of what was observed: the exact p rejects too
    seldom with few discordant answers, the mid-p close to its level (Fagerland, Lydersen & Laake
    2013, BMC Med Res Methodol 13:91).

    Parameters
    ----------
    gained, lost : questions that only the one, only the other model answers right.
    """
    from scipy.stats import binom

    fewer, discordant = min(gained, lost), gained + lost
    if not discordant:
        return math.nan
    return float(2 * binom.cdf(fewer, discordant, 0.5) - binom.pmf(fewer, discordant, 0.5))


def paired_interval(
    first: tuple[float, float, float],
    second: tuple[float, float, float],
    counts: tuple[int, int, int, int],
) -> tuple[float, float]:
    """95 % interval of the first accuracy minus the second (Newcombe 1998, Stat Med 17:2635).

    Method 10: both score intervals, squared and added, less what the answers' correlation takes
    away.

    Parameters
    ----------
    first, second : accuracy, low, high of each model.
    counts : questions that both, only the first, only the second, neither answers right.
    """
    (p1, low1, high1), (p2, low2, high2) = first, second
    difference, phi = p1 - p2, _phi(*counts)

    def reach(one: float, other: float) -> float:
        return math.sqrt(max(one**2 - 2 * phi * one * other + other**2, 0.0))

    return difference - reach(p1 - low1, high2 - p2), difference + reach(high1 - p1, p2 - low2)


def _phi(both: int, first: int, second: int, neither: int) -> float:
    """Correlation of two models' answers, corrected for continuity where it is positive."""
    margins = math.prod((both + first, second + neither, both + second, first + neither))
    if not margins:
        return 0.0
    excess = float(both * neither - first * second)
    if excess > 0:
        excess = max(excess - (both + first + second + neither) / 2, 0.0)
    return excess / math.sqrt(margins)
