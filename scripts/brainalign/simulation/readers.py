"""Simulated readers: self-paced reading times that follow the grammar's surprisal."""

import numpy as np

BASE, BASE_SD = 320.0, 40.0
PER_BIT, PER_CHARACTER, PER_BIT_BEFORE = 6.0, 4.0, 3.0
NOISE_SD = 60.0
UNREAD = 0.03


def reading_times(
    bits: np.ndarray,
    lengths: np.ndarray,
    stories: np.ndarray,
    n_readers: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Reading times in ms, float64 [word, reader], NaN where a reader skipped a word (3 %).

    time = base of the reader + 6 · bits + 4 · characters + 3 · bits of the word before (spill-over, none
    at the start of a story) + normal noise of 60 ms. Readers' bases vary by 40 ms; each reader's
    three slopes are scaled by a factor of their own, uniform in 0.5 to 1.5 with mean 1.
    """
    before = np.concatenate([[0.0], bits[:-1]])
    before[np.concatenate([[True], stories[1:] != stories[:-1]])] = 0.0
    drive = PER_BIT * bits + PER_CHARACTER * lengths + PER_BIT_BEFORE * before
    factor = rng.uniform(0.5, 1.5, n_readers)
    times = (
        BASE
        + BASE_SD * rng.standard_normal(n_readers)
        + np.outer(drive, factor)
        + NOISE_SD * rng.standard_normal((len(bits), n_readers))
    )
    times[rng.random(times.shape) < UNREAD] = np.nan
    return times
