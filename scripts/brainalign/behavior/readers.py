"""What single readers contribute to a measure: variance over new readers beside new stories.

Readers and stories are crossed, or a reader reads few of them. Of a statistic that sums what each
reader contributes in each story, the variance over both is V(stories) + V(readers) − V(reader in
story) (Cameron, Gelbach & Miller 2011, J Bus Econ Stat 29:238, equation 2.11).
"""

import numpy as np

from brainalign.intervals import Crossed


def of_mean_times(gradient: np.ndarray, times: np.ndarray, story: np.ndarray) -> Crossed | None:
    """The part of readers in a statistic of the mean time per word.

    Parameters
    ----------
    gradient : float64 [word], the statistic's derivatives by the mean times.
    times : float64 [word, reader], NaN where unread; each word has a time.
    story : labels [word].

    Returns
    -------
    None with fewer than two readers or stories.
    """
    read = ~np.isnan(times)
    n = read.sum(1)
    mean = np.where(read, times, 0).sum(1) / n
    return crossed_readers(times - mean[:, None], gradient / n, story)


def of_mean_observation(values: np.ndarray, story: np.ndarray) -> Crossed | None:
    """The part of readers in the mean over observations of `values` [word, reader], NaN = unread;
    `story` [word]."""
    n = (~np.isnan(values)).sum()
    return crossed_readers(values - np.nansum(values) / n, np.full(len(values), 1 / n), story)


def crossed_readers(
    deviations: np.ndarray, weights: np.ndarray, story: np.ndarray
) -> Crossed | None:
    """The part of readers in the variance of Σ weight · deviation.

    What a reader has in common in all words (speed, above all) is in the spread over stories only
    as far as stories have different readers. So it counts in V(reader in story) by the share of
    readers that a story lacks: not at all where all read all, fully where each reads another one.

    Parameters
    ----------
    deviations : float64 [word, reader], NaN where unread. weights : float64 [word].
    story : labels [word].
    """
    read = ~np.isnan(deviations)
    names, index = np.unique(story, return_inverse=True)
    member = np.zeros((len(names), len(story)))
    member[index, np.arange(len(story))] = 1
    words = read.sum(0)
    deviations = np.where(read, deviations, 0)
    common = deviations.sum(0) / np.maximum(words, 1)
    sums = member @ (weights[:, None] * deviations)
    of_common = member @ (weights[:, None] * read) * common
    readers, stories = int((words > 0).sum()), len(names)
    if min(readers, stories) < 2:
        return None
    lacking = 1 - ((member @ read) > 0).sum(1) / readers
    alone = readers / (readers - 1) * (sums.sum(0) ** 2).sum()
    in_story = ((sums - of_common) ** 2).sum() + (lacking[:, None] * of_common**2).sum()
    added = alone - stories / (stories - 1) * in_story
    return Crossed(max(float(added), 0.0), float(alone), readers - 1)
