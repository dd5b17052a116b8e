"""What all releases of reading times share: their responses, their unit, their lag profile.

The lag profile tells an aligned release from a shifted one.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from brainalign.errors import InputError
from brainalign.formats.datasets import responses_to

LEAST_MEDIAN = 10.0  # ms: below it times are in another unit
LAGS = (-2, -1, 0, 1, 2)

LOG = logging.getLogger("brainalign")


def reading_responses(
    variables: Mapping[str, np.ndarray],
    stimuli: pd.DataFrame,
    targets: Sequence[str],
    attributes: Mapping[str, Any],
) -> xr.Dataset:
    """responses.nc of one reading time per word and target (a reader, or `mean`).

    Parameters
    ----------
    variables : `responses` and further ones, each float [word, target].
    """
    labels = {"target_id": targets, "subject": targets, "region": ["reading"] * len(targets)}
    return responses_to(stimuli, variables, labels, attributes)


def check_milliseconds(times: np.ndarray, where: str) -> None:
    """Check that times [word, target] can be milliseconds.

    Raises
    ------
    InputError : their median is below 10.
    """
    median = float(np.nanmedian(times))
    if median < LEAST_MEDIAN:
        raise InputError(
            f"{where}: the median reading time is {median:.3g} ms; these are seconds (multiply by "
            "1000), logarithms or z-scores, expected milliseconds"
        )


def at_lags(
    values: np.ndarray, times: np.ndarray, story: np.ndarray
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Pair each word's value with the reading time of the word `lag` words earlier.

    Parameters
    ----------
    values, times, story : [word], in reading order; pairs never cross a story, those with a NaN
        are left out.

    Yields
    ------
    lag (-2 … 2), values [pair], times [pair]. Where times are shifted to the next word, those that
    belong together meet at lag -1.
    """
    for lag in LAGS:
        word = np.arange(max(lag, 0), len(values) + min(lag, 0))
        word = word[story[word] == story[word - lag]]
        x, y = values[word].astype(float), times[word - lag]
        known = ~np.isnan(x) & ~np.isnan(y)
        yield lag, x[known], y[known]


def lag_profile(length: np.ndarray, times: np.ndarray, story: np.ndarray) -> dict[str, float]:
    """Correlation of word length with the reading time of the word `lag` words earlier.

    Parameters
    ----------
    length, times, story : [word], as for `at_lags`.

    Returns
    -------
    lag ("-2" … "2") → Pearson r. An aligned release peaks at lag 0: a long word slows its own
    reading most. Where times are shifted to the next word, the peak is at -1.
    """
    return {str(lag): float(np.corrcoef(x, y)[0, 1]) for lag, x, y in at_lags(length, times, story)}


def lean(profile: Mapping[str, float]) -> str:
    """Whose time, the previous or the next word's, goes better with the length of a word."""
    previous, following = profile["1"], profile["-1"]
    side, other = ("previous", "next") if previous > following else ("next", "previous")
    return (
        f"word length goes better with the {side} word's reading time "
        f"(r {max(previous, following):.3f}) than with the {other} word's "
        f"({min(previous, following):.3f}); with the word's own, r is {profile['0']:.3f}"
    )


def warn_if_misaligned(profile: Mapping[str, float], what: str) -> list[str]:
    """A warning, logged and returned for the data card, unless the profile peaks at lag 0."""
    peak = max(profile, key=lambda lag: profile[lag])
    if peak == "0":
        return []
    message = (
        f"{what}: word length goes best with the reading time {abs(int(peak))} word(s) "
        f"{'earlier' if int(peak) > 0 else 'later'} (r {profile[peak]:.3f}, at lag 0 "
        f"{profile['0']:.3f}): the reading times are shifted"
    )
    LOG.warning(message)
    return [message]
