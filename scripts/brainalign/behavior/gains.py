"""Rows of a gain in log-likelihood: of all words with its interval, and of every story."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from brainalign.intervals import Crossed, jackknife


def gain_rows(
    measure: str,
    gain: np.ndarray,
    story: np.ndarray,
    counts: np.ndarray | None = None,
    readers: Crossed | None = None,
) -> Iterator[dict[str, Any]]:
    """Mean gain (nats) per count, for all (with its interval) and per story.

    Parameters
    ----------
    gain : float64 [part], sums of gains. story : labels [part].
    counts : float64 [part], of words or observations; default: 1 each.
    readers : the part of readers in the variance of the mean gain; None: they are taken as they
        are, and the interval is over stories.
    """
    counts = np.ones(len(gain)) if counts is None else counts
    names, index = np.unique(story, return_inverse=True)
    sums, totals = np.bincount(index, gain), np.bincount(index, counts)
    per_story = np.column_stack([sums, totals])
    result = jackknife(per_story, lambda s: s[:, 0] / s[:, 1], crossed=readers)
    yield {
        "measure": measure, "kind": "all", "group": "all", "value": sums.sum() / totals.sum(),
        "low": result.low, "high": result.high, "interval": units(readers), "n": int(totals.sum()),
    }  # fmt: skip
    for name, total, count in zip(names, sums, totals, strict=True):
        value = total / count if count else np.nan
        yield {"measure": measure, "kind": "story", "group": name, "value": value, "n": int(count)}


def units(readers: Crossed | None) -> str:
    """What an interval is over."""
    return "stories" if readers is None else "stories and readers"
