"""Surprisal that others computed: a source of models without weights."""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from brainalign.errors import InputError

# On Natural Stories, models of 3e9 parameters that read the story so far reach 4.3 bits per word. A
# good model's nats, called bits, lie below 3.8.
LEAST_BITS_PER_WORD = 3.8
UNITS = {"bits": 1.0, "nats": 1 / np.log(2)}

LOG = logging.getLogger("brainalign")


@dataclass(frozen=True)
class PublishedSurprisal:
    """Surprisal of one model on the words of one dataset.

    Attributes
    ----------
    bits : float64 [word], NaN where it is not defined.
    n_tokens : float64 [word], NaN where the release does not say.
    record : how the words were read: `citation`, `unit`, `context`, `first_word`.
    """

    bits: np.ndarray
    n_tokens: np.ndarray
    record: dict[str, Any]

    def table(self, stimuli: pd.DataFrame) -> pd.DataFrame:
        """The rows of a surprisal file (docs/architecture.md, "surprisal"): `stimulus_id`, `word`,
        `bits`, `n_tokens` and columns that a release does not say.
        """
        return pd.DataFrame(
            {
                "stimulus_id": stimuli["stimulus_id"],
                "word": stimuli["text"],
                "bits": self.bits,
                "n_tokens": self.n_tokens,
                "context_tokens": np.nan,
                "unknown_tokens": np.nan,
                "truncated": False,
            }
        )

    def summary(self) -> dict[str, Any]:
        """The record with the numbers of words, of undefined ones, and the mean in bits."""
        undefined = int(np.isnan(self.bits).sum())
        return {
            **self.record,
            "words": len(self.bits),
            "undefined": undefined,
            "mean_bits": float(np.nanmean(self.bits)),
        }


def in_bits(values: np.ndarray, unit: str, stimuli: pd.DataFrame, where: str) -> np.ndarray:
    """Surprisal [word] in bits, from bits or nats; NaN stays NaN.

    Raises
    ------
    InputError : no word has a value, or a value is negative or infinite; names the word.
    """
    bad = np.flatnonzero((values < 0) | np.isinf(values))
    if bad.size:
        row = stimuli.iloc[int(bad[0])]
        raise InputError(
            f"{where}: {_position(row)}, word {row['text']!r}: surprisal {values[bad[0]]:g}, "
            "expected a number from 0 up"
        )
    if np.isnan(values).all():
        raise InputError(f"{where}: no word has a surprisal")
    bits = values * UNITS[unit]
    mean = float(np.nanmean(bits))
    if mean < LEAST_BITS_PER_WORD:
        LOG.warning(
            "%s: %.2f bits per word on average, less than any model reaches on prose (%.1f): is "
            "the unit right?", where, mean, LEAST_BITS_PER_WORD,
        )  # fmt: skip
    return bits


def same_words(words: list[str], stimuli: pd.DataFrame, where: str) -> None:
    """Check that `words` are the column `text` of a dataset's stimuli, word by word.

    Raises
    ------
    InputError : a word differs, or words are missing or left over; names story, position and both
        words.
    """
    expected = stimuli["text"].tolist()
    for index, (result, shown) in enumerate(zip(words, expected, strict=False)):
        if result != shown:
            raise InputError(
                f"{where}: {_position(stimuli.iloc[index])} is {result!r}, expected {shown!r}: the "
                "table is of another text, another order or another tokenisation"
            )
    if len(words) != len(expected):
        raise InputError(f"{where}: {len(words)} words, expected {len(expected)}")


def _position(row: pd.Series) -> str:
    return f"{row['context_group']}, position {row['position']}"
