"""Readers crossed with stories: variances against their truth, derivatives against differences."""

import numpy as np
import pytest
from brainalign.behavior.held_out import held_out_loglik
from brainalign.behavior.readers import crossed_readers, of_mean_observation, of_mean_times
from brainalign.intervals import Crossed, jackknife

STORIES, READERS, WORDS = 8, 12, 5


def drawn(rng, of_reader, of_story, of_word, nested):
    """Values [word, reader] with a mean of 0; nested: a reader reads one story only."""
    story = np.repeat(np.arange(STORIES), WORDS)
    shape = (len(story), READERS * (STORIES if nested else 1))
    values = of_reader * rng.normal(size=shape[1]) + of_word * rng.normal(size=shape)
    values += of_story * rng.normal(size=STORIES)[story][:, None]
    if nested:
        values[story[:, None] != np.arange(shape[1]) // READERS] = np.nan
    return values, story


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("sds", [(1.0, 0.0, 1.0), (1.0, 1.0, 1.0), (0.2, 0.5, 1.0)])
def test_the_variance_over_both_is_that_of_means_over_draws(sds, nested):
    rng = np.random.default_rng(1)
    means, variances = [], []
    for _ in range(400):
        values, story = drawn(rng, *sds, nested)
        n = (~np.isnan(values)).sum()
        mean = np.nansum(values) / n
        of_stories = np.array([np.nansum(values[story == s] - mean) / n for s in range(STORIES)])
        over_stories = STORIES / (STORIES - 1) * (of_stories**2).sum()
        means.append(mean)
        variances.append(over_stories + of_mean_observation(values, story).added)
    # 400 draws know their variance to 7 %; what is added is cut at 0, which raises the mean.
    truth = np.var(means)
    assert 0.85 * truth < np.mean(variances) < 1.2 * truth


def test_one_story_per_reader_adds_little():
    """The spread over stories holds that of their readers."""
    rng = np.random.default_rng(2)
    values, story = drawn(rng, 2.0, 0.5, 1.0, nested=True)
    variance = of_mean_observation(values, story)
    assert variance.added < 0.2 * variance.alone
    assert variance.freedom == STORIES * READERS - 1


def test_complete_tables_have_the_mean_squares_of_analysis_of_variance():
    """Without noise inside cells V(readers) is MS(readers) over the number of values."""
    rng = np.random.default_rng(3)
    story = np.arange(STORIES)
    values = rng.normal(size=(STORIES, READERS))
    variance = of_mean_observation(values, story)
    squares = STORIES * ((values.mean(0) - values.mean()) ** 2).sum() / (READERS - 1)
    assert variance.alone == pytest.approx(squares / values.size)


def test_the_part_of_readers_is_about_the_jackknife_over_them():
    rng = np.random.default_rng(4)
    story, x = np.repeat(np.arange(5), 40), rng.normal(size=200)
    slopes = 3 + rng.normal(size=30)
    times = 300 + x[:, None] * slopes + 40 * rng.normal(size=30) + 5 * rng.normal(size=(200, 30))

    def slope(columns):
        return np.polyfit(x, times[:, columns].mean(1), 1)[0]

    every = np.arange(30)
    without = np.array([slope(every[every != r]) for r in every])
    expected = 29 / 30 * ((without - without.mean()) ** 2).sum()
    centred = x - x.mean()
    variance = of_mean_times(centred / (centred @ centred), times, story)
    assert variance.alone == pytest.approx(expected, rel=1e-6)
    assert variance.added == pytest.approx(slopes.var(ddof=1) / 30, rel=0.3)


def test_a_single_reader_has_no_part():
    assert crossed_readers(np.ones((4, 1)), np.ones(4), np.arange(4)) is None


def test_derivatives_of_the_held_out_log_likelihood():
    rng = np.random.default_rng(5)
    x = np.column_stack([np.ones(45), rng.normal(size=(45, 2))])
    y, story = rng.normal(size=45), np.repeat([0, 1, 2], 15)
    derivatives = held_out_loglik(x, y, story)[1]
    step = 1e-5 * np.eye(45)
    for i in range(0, 45, 4):
        ends = [held_out_loglik(x, y + sign * step[i], story)[0].sum() for sign in (1, -1)]
        assert derivatives[i] == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=1e-6)


def test_intervals_hold_both_parts():
    sums = np.column_stack([np.array([1.0, 2.0, 4.0, 3.0, 5.0]), np.ones(5)])

    def mean(s):
        return s[:, 0] / s[:, 1]

    alone = jackknife(sums, mean)
    same = jackknife(sums, mean, crossed=Crossed(0.0, 0.1, 9))
    assert (same.low, same.high) == pytest.approx((alone.low, alone.high))
    variance = sums[:, 0].var(ddof=1) / 5
    both = jackknife(sums, mean, crossed=Crossed(variance, variance, 4))
    # Two equal variances of 4 degrees of freedom have 8: t is 2.306.
    assert both.high - 3 == pytest.approx(2.306004 * np.sqrt(2 * variance))
    readers = jackknife(sums, mean, crossed=Crossed(0.0, 9 * variance, 7))
    assert readers.high - 3 == pytest.approx(2.364624 * 3 * np.sqrt(variance))
