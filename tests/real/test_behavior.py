"""Natural Stories with the corpus' own GPT-3 probabilities: the known facts of reading times."""

import gzip
import io

import numpy as np
import pandas as pd
import pytest
from brainalign.behavior.reliability import analytic_reliability
from brainalign.behavior.token_counts import token_counts
from brainalign.datasets import natural_stories
from brainalign.datasets.raw import locate
from brainalign.datasets.settings import NaturalStories
from worlds.entries import fit_reading_times

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def corpus(mirror, tmp_path_factory):
    source = NaturalStories("mean")
    files = natural_stories.raw_files(source)
    return natural_stories.read(locate(files, mirror, tmp_path_factory.mktemp("ns")), source)


@pytest.fixture(scope="module")
def gpt3(mirror, corpus):
    """Surprisal of every word: the bits of its tokens added up; a space begins a word."""
    raw = gzip.decompress((mirror / "natural_stories/all_stories_gpt3.csv.gz").read_bytes())
    tokens = pd.read_csv(io.BytesIO(raw), keep_default_na=False)
    tokens["bits"] = -pd.to_numeric(tokens["logprob"], errors="coerce") / np.log(2)
    bits, counts = [], []
    for story, words in corpus.stimuli.groupby("context_group", sort=False)["text"]:
        chosen = tokens[tokens["story"] == int(story.removeprefix("story")) - 1]
        number = chosen["token"].str.match(r"\s").cumsum()
        spelt = chosen.groupby(number)["token"].agg("".join).str.strip()
        differ = [pair for pair in zip(spelt, words, strict=True) if pair[0] != pair[1]]
        assert differ in ([], [("peeked", "peaked")])
        bits += chosen.groupby(number)["bits"].agg(lambda part: part.sum(skipna=False)).to_list()
        counts += chosen.groupby(number).size().to_list()
    words = corpus.stimuli["text"]
    ids = corpus.stimuli["stimulus_id"]
    return pd.DataFrame({"stimulus_id": ids, "word": words, "bits": bits, "n_tokens": counts})


@pytest.fixture(scope="module")
def fits(corpus, gpt3):
    return {
        mode: fit_reading_times(
            gpt3, corpus.stimuli, corpus.responses, mode
        )
        for mode in ("legacy", "controlled")
    }  # fmt: skip


def overall(table):
    return table[table["kind"] == "all"].set_index("measure")


def test_surprisal_predicts_reading_times_in_every_story(fits):
    legacy, controlled = overall(fits["legacy"]), overall(fits["controlled"])
    assert legacy.loc["abs_r", "n"] + 481 == 10256  # sentence-initial words are left out
    assert legacy.loc["r", "low"] > 0.1
    stories = fits["legacy"][fits["legacy"]["kind"] == "story"]
    assert len(stories) == 10
    assert (stories["value"] > 0).all()
    assert 0 < controlled.loc["partial_r", "value"] < controlled.loc["r", "value"]
    assert controlled.loc["slope_ms_per_bit", "low"] > 0
    gain = fits["controlled"][fits["controlled"]["measure"] == "delta_loglik_per_word"]
    assert controlled.loc["delta_loglik_per_word", "value"] == pytest.approx(0.0176, abs=2e-4)
    assert (gain.loc[gain["kind"] == "story", "value"] > 0).sum() == 9


def test_no_word_is_lost_for_its_frequency(corpus, fits):
    assert corpus.stimuli["log_frequency"].notna().all()
    assert (~corpus.stimuli["frequency_known"]).sum() == 7
    reason = overall(fits["controlled"]).loc["delta_loglik_per_word", "reason"]
    assert reason == ("481 sentence-initial, 30 without values of their neighbours")


def gains(corpus, surprisal, **options):
    """Gain per word and its interval, and the gain of each story."""
    fit = fit_reading_times(surprisal, corpus.stimuli, corpus.responses, "controlled", **options)
    rows = fit[fit["measure"] == "delta_loglik_per_word"].set_index("group")
    return rows.loc["all"], rows.loc[rows["kind"] == "story", "value"]


def test_a_language_model_says_more_than_the_number_of_tokens(corpus, gpt3):
    """With length, frequency and position alone the number of tokens is far above GPT-3."""
    counts = token_counts(gpt3, "gpt3")
    model, by_story = gains(corpus, gpt3)
    tokens, tokens_by_story = gains(corpus, counts)
    assert tokens["value"] == pytest.approx(0.0048, abs=2e-4)
    assert tokens["low"] < 0
    assert model["value"] > 3 * tokens["value"]
    assert (by_story > tokens_by_story).sum() >= 8
    few = {"covariates": ["length", "log_frequency", "position"]}
    assert gains(corpus, counts, **few)[0]["value"] > 4 * gains(corpus, gpt3, **few)[0]["value"]


@pytest.mark.parametrize(
    "options",
    [
        {"times": "log"},
        {
            "covariates": [
                "spline(length)", "spline(log_frequency)", "length*log_frequency", "position",
                "word_in_sentence", "punctuation", "next(length)",
            ]
        },
    ],
)  # fmt: skip
def test_so_it_does_with_log_times_and_splines(corpus, gpt3, options):
    model, by_story = gains(corpus, gpt3, **options)
    tokens, tokens_by_story = gains(corpus, token_counts(gpt3, "gpt3"), **options)
    assert model["value"] > 2 * tokens["value"]
    assert (by_story > tokens_by_story).sum() >= 7


def test_the_corrected_release_is_aligned(fits):
    lags = fits["legacy"][fits["legacy"]["kind"] == "lag"].set_index("group")["value"]
    assert lags.idxmax() == "0"


def test_means_reach_the_reliability_of_their_readers(mirror, fits):
    """From means, standard deviations and counts: near the split-half .858 of the old release.

    At least that: the spread holds readers' base speeds.
    """
    path = mirror / "natural_stories/processed_wordinfo.tsv.gz"
    table = pd.read_csv(path, sep="\t", quoting=3)
    columns = ("meanItemRT", "sdItemRT", "nItem")
    value = analytic_reliability(*(table[name].to_numpy(float) for name in columns))
    assert value == pytest.approx(0.858, abs=0.04)
    score = overall(fits["legacy"]).loc["abs_r"]  # of the words inside sentences
    assert score["ceiling_method"] == "at least analytic"
    assert score["ceiling"] == pytest.approx(value, abs=0.04)
