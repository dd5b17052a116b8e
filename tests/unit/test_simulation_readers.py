"""Simulated readers: the planted slopes, exactly and as a regression finds them."""

import numpy as np
import pandas as pd
import pytest
from brainalign.simulation import readers
from brainalign.simulation.readers import (
    AT_PUNCTUATION,
    BASE,
    NOISE_SD,
    PER_BIT,
    PER_BIT_BEFORE,
    PER_CHARACTER,
    PER_CHARACTER_NEXT,
    UNREAD,
    reading_times,
)
from worlds.entries import fit_reading_times, simulate

N = 3000


PLANTED = [PER_BIT, PER_CHARACTER, PER_BIT_BEFORE, AT_PUNCTUATION, PER_CHARACTER_NEXT]


def words(seed=0):
    """Bits, characters, punctuation, story."""
    rng = np.random.default_rng(seed)
    bits, lengths = rng.gamma(1.0, 3.0, N), rng.integers(1, 10, N)
    return bits, lengths, rng.random(N) < 0.2, np.repeat(np.arange(10), N // 10)


def times(n_readers=20, seed=1):
    return reading_times(*words(), n_readers, np.random.default_rng(seed))


def drivers():
    """Bits, characters, bits of the word before, punctuation, characters of the next word."""
    bits, lengths, punctuation, stories = words()
    before = pd.Series(bits).groupby(stories).shift(1).fillna(0.0)
    following = pd.Series(lengths).groupby(stories).shift(-1).fillna(0)
    return np.column_stack([bits, lengths, before, punctuation, following])


@pytest.mark.parametrize("n_readers", [1, 2, 20])
def test_without_noise_the_mean_reader_has_the_planted_slopes_exactly(monkeypatch, n_readers):
    for name in ("NOISE_SD", "BASE_SD", "UNREAD"):
        monkeypatch.setattr(readers, name, 0.0)
    expected = BASE + drivers() @ PLANTED
    np.testing.assert_allclose(times(n_readers).mean(axis=1), expected)


def test_regression_finds_the_slopes_within_their_standard_errors():
    design = np.column_stack([np.ones(N), drivers()])
    result = np.linalg.lstsq(design, np.nanmean(times(), axis=1), rcond=None)[0]
    # A missing reader takes away his base and slope: at most 60 ms of noise grows to 80.
    error = 80 / np.sqrt(20 * (1 - UNREAD)) * np.sqrt(np.diag(np.linalg.inv(design.T @ design)))
    assert (np.abs(result[1:] - PLANTED) < 4 * error[1:]).all()


def test_readers_differ_in_slope_and_skip_words():
    made = times()
    design = np.column_stack([np.ones(N), drivers()])
    slopes = []
    for reader in made.T:
        read = ~np.isnan(reader)
        slopes.append(np.linalg.lstsq(design[read], reader[read], rcond=None)[0][1] / PER_BIT)
    # Standard error of a reader's slope: 60 ms / (3 bits · √3000) / 6 = 0.06.
    assert np.sort(slopes) == pytest.approx(np.linspace(0.5, 1.5, 20), abs=0.25)
    # 60,000 draws: standard error 0.0007.
    assert np.isnan(made).mean() == pytest.approx(UNREAD, abs=0.003)


def test_the_behaviour_fit_finds_the_slope_of_the_true_surprisal():
    """Partial slopes of a word and of the word before, in ms per bit of the mean reader.

    Noise of the mean over 20 readers: 60/√20 ms. Given its covariates a word's surprisal keeps a
    standard deviation of more than 1 bit, so over some 550 words a slope has a standard error of
    less than 13.5/√550 = 0.6 ms.
    """
    made = simulate("reading", {}, {}, seed=2)
    bits = made.stimuli[["stimulus_id"]].assign(bits=made.stimuli["true_surprisal"])
    table = fit_reading_times(bits, made.stimuli, made.responses, "controlled")
    actual = table[table["kind"] == "all"].set_index("measure")["value"]
    assert actual["slope_ms_per_bit"] == pytest.approx(PER_BIT, abs=4 * 0.6)
    assert actual["slope_ms_per_bit_1_back"] == pytest.approx(PER_BIT_BEFORE, abs=4 * 0.6)
    assert actual["slope_ms_per_bit_2_back"] == pytest.approx(0.0, abs=4 * 0.6)
    assert actual["delta_loglik_per_word"] > 0


def test_the_noise_has_its_size():
    made = times()
    noise = np.nanstd(np.diff(made - np.nanmean(made, axis=1, keepdims=True), axis=0)) / np.sqrt(2)
    # Differences of neighbours keep a reader's slope deviation (0.3 of some 25 ms) and lose 1/20.
    assert noise == pytest.approx(NOISE_SD, rel=0.05)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(4))
def test_tokens_gain_nothing_where_readers_follow_the_layout_alone(seed, monkeypatch):
    """Pieces of three characters, and punctuation by itself.

    Without punctuation and the next word, the count of tokens seems to predict times.
    """
    for name in ("PER_BIT", "PER_BIT_BEFORE"):
        monkeypatch.setattr(readers, name, 0.0)
    made = simulate("reading", {"stories": 10}, {}, seed)
    stimuli = made.stimuli
    letters = stimuli["length"] - stimuli["punctuation"]
    tokens = np.ceil(letters / 3) + stimuli["punctuation"]
    counts = stimuli[["stimulus_id"]].assign(bits=tokens)

    def gain(**options):
        fit = fit_reading_times(counts, stimuli, made.responses, "controlled", **options)
        return fit[fit["kind"] == "all"].set_index("measure").loc["delta_loglik_per_word"]

    # Three regressors that say nothing: of 1,200 words each costs 1/2 nat, and by chance gains 1.
    chance = 3 / 1200
    assert gain(covariates=["length", "log_frequency", "position"])["value"] > chance
    measured = gain()
    assert measured["low"] <= 0
    assert measured["value"] < chance


def test_words_and_marks_as_tokens_are_the_covariates_themselves():
    made = simulate("reading", {}, {}, 3)
    counts = made.stimuli[["stimulus_id"]].assign(bits=1.0 + made.stimuli["punctuation"])
    fit = fit_reading_times(counts, made.stimuli, made.responses, "controlled")
    seen = fit[fit["kind"] == "all"].set_index("measure")
    assert seen.loc["delta_loglik_per_word", "value"] == pytest.approx(0, abs=1e-9)
    assert np.isnan(seen.loc["partial_r", "value"])
    assert seen.loc["partial_r", "note"].startswith("not computable: the covariates determine")
