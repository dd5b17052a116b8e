"""The behavioural answer once more, from raw files and NumPy alone: no reader, no fit of ours."""

import gzip
import json
import string

import numpy as np
import pandas as pd
import pytest
from wordfreq import zipf_frequency

pytestmark = pytest.mark.real

PAIRS = {
    **{f"Llama-2-{size}-chat-hf": f"Llama-2-{size}-hf" for size in ("7b", "13b", "70b")},
    **{f"falcon-{size}-instruct": f"falcon-{size}" for size in ("7b", "40b")},
}
TIMES = "natural_stories/processed_wordinfo.tsv.gz"
RELEASE = "surprisal_kuribayashi2024"


@pytest.fixture(scope="module")
def words(real_file):
    """Words in reading order: story, position, if it begins a sentence, mean time, covariates."""
    with gzip.open(real_file(f"{RELEASE}/tokens.json.gz"), "rt", encoding="utf-8") as file:
        sentences = json.load(file)
    rows = [
        (int(story), word, position == 0)
        for story in sorted(sentences, key=int)
        for sentence in sentences[story]
        for position, word in enumerate(sentence)
    ]
    table = pd.DataFrame(rows, columns=["item", "word", "initial"])
    table["zone"] = table.groupby("item").cumcount() + 1
    times = pd.read_csv(real_file(TIMES), sep="\t", quoting=3)
    table = table.merge(times[["item", "zone", "meanItemRT"]], on=["item", "zone"], how="left")
    assert len(table) == 10256
    bare = table["word"].str.strip(string.punctuation).str.lower()
    table["length"] = table["word"].str.len().astype(float)
    table["frequency"] = [zipf_frequency(word, "en") for word in bare]
    return table


@pytest.fixture(scope="module")
def bits(real_file, words):
    """Bits per word of every model of a pair; sentence-initial words are unknown."""

    def of(model):
        path = real_file(f"{RELEASE}/{model}/surprisal.json.gz")
        with gzip.open(path, "rt", encoding="utf-8") as file:
            stories = json.load(file)
        nats = [
            value for story in sorted(stories, key=int) for sent in stories[story] for value in sent
        ]
        values = np.array(nats, float) / np.log(2)
        return np.where(words["initial"], np.nan, values)

    return {model: of(model) for pair in PAIRS.items() for model in pair}


def test_correlations_with_mean_times(words, bits):
    y = words["meanItemRT"].to_numpy()
    for model, expected in (("Llama-2-7b-hf", 0.206), ("Llama-2-7b-chat-hf", 0.218)):
        known = ~np.isnan(y) & ~np.isnan(bits[model])
        assert np.corrcoef(bits[model][known], y[known])[0, 1] == pytest.approx(expected, abs=5e-4)


def test_all_five_pairs_gain(words, bits):
    """Least squares, leave one story out; lags 0-2 of surprisal, length and frequency, position."""

    def lags(values):
        by_story = pd.Series(values).groupby(words["item"])
        return np.column_stack([by_story.shift(k) for k in range(3)])

    controls = np.column_stack(
        [np.ones(len(words)), lags(words["length"]), lags(words["frequency"]), words["zone"]]
    )
    y, item = words["meanItemRT"].to_numpy(), words["item"].to_numpy()

    def loglik(x, known):
        total = 0.0
        for story in range(1, 11):
            train, test = known & (item != story), known & (item == story)
            weights = np.linalg.lstsq(x[train], y[train], rcond=None)[0]
            variance = np.mean((y[train] - x[train] @ weights) ** 2)
            error = y[test] - x[test] @ weights
            total -= 0.5 * np.sum(np.log(2 * np.pi * variance) + error**2 / variance)
        return total / known.sum()

    surprisals = {model: lags(values) for model, values in bits.items()}
    known = ~np.isnan(np.column_stack([y, controls, *surprisals.values()])).any(1)
    null = loglik(controls, known)
    gain = {
        model: loglik(np.column_stack([controls, x]), known) - null
        for model, x in surprisals.items()
    }
    assert min(gain.values()) > 0
    assert all(gain[tuned] > gain[vanilla] for tuned, vanilla in PAIRS.items())
