"""Simulated readers: self-paced reading times that follow the grammar's surprisal and layout."""

import numpy as np

BASE, BASE_SD = 320.0, 40.0  # ms, over readers
PER_BIT, PER_CHARACTER, PER_BIT_BEFORE = 6.0, 4.0, 3.0  # ms, of the mean reader
# What real readers do and tokens go with: they pause at punctuation, and before a long word.
AT_PUNCTUATION, PER_CHARACTER_NEXT = 15.0, 2.0  # ms, of the mean reader
SLOWEST, FASTEST = 1.5, 0.5  # readers' slopes, as multiples of the mean reader's
NOISE_SD = 60.0  # ms, per word and reader
UNREAD = 0.03  # share of times that are missing


def reading_times(
    bits: np.ndarray,
    lengths: np.ndarray,
    punctuation: np.ndarray,
    stories: np.ndarray,
    n_readers: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Reading times in ms, float64 [word, reader], NaN where a reader skipped a word (3 %).

    time = base of the reader + slope of the reader · (6 · bits + 4 · characters + 3 · bits of the
    word before + 15 where the word ends with punctuation + 2 · characters of the next word) +
    normal noise of 60 ms. Nothing crosses stories. The readers' slopes are evenly spread over 0.5
    to 1.5 with mean exactly 1, so the mean reader has the slopes 6, 4, 3, 15 and 2.

    Parameters
    ----------
    bits, lengths (characters), punctuation (bool), stories : [word], in reading order.
    """
    new_story = stories[1:] != stories[:-1]
    before, following = np.zeros(len(bits)), np.zeros(len(bits))
    before[1:] = np.where(new_story, 0.0, bits[:-1])
    following[:-1] = np.where(new_story, 0.0, lengths[1:])
    drive = (
        PER_BIT * bits
        + PER_CHARACTER * lengths
        + PER_BIT_BEFORE * before
        + AT_PUNCTUATION * punctuation
        + PER_CHARACTER_NEXT * following
    )
    slopes = rng.permutation(np.linspace(FASTEST, SLOWEST, n_readers))
    times = (
        BASE
        + BASE_SD * rng.standard_normal(n_readers)
        + np.outer(drive, slopes / slopes.mean())
        + NOISE_SD * rng.standard_normal((len(bits), n_readers))
    )
    times[rng.random(times.shape) < UNREAD] = np.nan
    return times
