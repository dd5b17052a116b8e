"""Reading measures of each word from the fixations on a text, in their order.

Definitions: Rayner 1998, Psychological Bulletin 124:372-422; docs/methods/reading-times.md.
"""

import numpy as np

from brainalign.datasets.measures import MEASURES


def word_measures(words: np.ndarray, durations: np.ndarray, n_words: int) -> dict[str, np.ndarray]:
    """Every measure of one reader's reading of one sentence.

    The first pass over a word begins with the first fixation on it, provided that no later word
    was fixated before, and ends when the eyes leave the word.

    Parameters
    ----------
    words : int [fixation], the fixated word, from 0, in the order of the fixations. Fixations off
        all words are left out before.
    durations : float [fixation], ms.
    n_words : number of words of the sentence.

    Returns
    -------
    measure → float64 [word], NaN where it is not defined:
    `first-fixation` : duration of the first fixation of the first pass.
    `gaze` : sum over the first pass.
    `go-past` : sum of all fixations, on earlier words too, from the beginning of the first pass to
        the first fixation on a later word.
    `total` : sum of all fixations on the word; NaN, not 0, where there is none.
    `skipping` : 1 if the word had no first pass, 0 if it had; defined for every word.
    `regression-out` : 1 if the eyes went from the word to an earlier one before any later word was
        fixated; defined for words with a first pass.
    `regression-in` : 1 if the eyes came to the word from a later one; defined for every word.
    """
    result = {name: np.full(n_words, np.nan) for name in MEASURES}
    result["skipping"] = np.ones(n_words)
    result["regression-in"] = np.zeros(n_words)
    if not len(words):
        return result
    furthest = np.maximum.accumulate(words)
    before = np.concatenate([[-1], furthest[:-1]])
    for start in np.flatnonzero(words > before):  # the beginning of each first pass
        word = words[start]
        beyond = np.flatnonzero(furthest > word)
        passed = beyond[0] if beyond.size else len(words)
        away = np.flatnonzero(words[start:] != word)
        left = start + away[0] if away.size else len(words)
        result["first-fixation"][word] = durations[start]
        result["gaze"][word] = durations[start:left].sum()
        result["go-past"][word] = durations[start:passed].sum()
        result["skipping"][word] = 0
        result["regression-out"][word] = float((words[start:passed] < word).any())
    total = np.bincount(words, durations, minlength=n_words)
    fixated = np.bincount(words, minlength=n_words) > 0
    result["total"][fixated] = total[fixated]
    result["regression-in"][words[1:][words[1:] < words[:-1]]] = 1
    return result
