"""Controls of a text: what they keep, what a truth that knows order loses, and nothing else."""

import numpy as np
import pandas as pd
import pytest
from brainalign.analysis.records import model_table
from brainalign.analysis.scores import collect_scores
from brainalign.analysis.text_controls import COLUMNS, what_is_lost
from brainalign.encoding.settings import BrainBenchmark, NoCeiling
from brainalign.encoding.surrogates import surrogate_features
from brainalign.errors import InputError
from brainalign.formats.activations import open_activations, write_activations
from brainalign.reading.contexts import chains
from brainalign.reading.settings import Dataset
from brainalign.reading.text_controls import alter, in_words
from brainalign.settings import read
from brainalign.study.text_controls import (
    altered_benchmarks,
    altered_datasets,
    read_altered,
    scored_altered,
)
from worlds.entries import align, simulate
from worlds.reading_models import stories

SHUFFLES = ("shuffled:sentence", "shuffled:passage")
RIDGE = {
    "type": "ridge", "selection": "gcv-per-target",
    "alphas": {"low": 1e-4, "high": 1e4, "n": 9, "relative": True},
}  # fmt: skip
ENTRY = {
    "mode": "controlled", "regression": RIDGE, "layers": "nested",
    "split": {"scheme": "grouped", "folds": 6}, "aggregate": "mean",
}  # fmt: skip


def bare(texts):
    return sorted(word.strip(".,!?:;") for text in texts for word in text.split())


@pytest.mark.parametrize("control", SHUFFLES)
def test_shuffled_texts_keep_words_numbers_and_punctuation(control):
    stimuli = stories()
    altered = alter(stimuli, control, seed=1)
    assert altered["text"].tolist() == alter(stimuli, control, seed=1)["text"].tolist()
    assert altered["text"].tolist() != alter(stimuli, control, seed=2)["text"].tolist()
    for group, rows in stimuli.groupby("context_group"):
        there = altered[altered["context_group"] == group]
        assert bare(there["text"]) == bare(rows["text"])
        assert (
            there["text"].str.split().str.len().tolist()
            == rows["text"].str.split().str.len().tolist()
        )
        marks = [[w[-1] for w in t.split() if not w[-1].isalpha()] for t in rows["text"]]
        assert [[w[-1] for w in t.split() if not w[-1].isalpha()] for t in there["text"]] == marks
    columns = stimuli.columns.drop("text")
    pd.testing.assert_frame_equal(altered[columns], stimuli[columns])


def test_words_stay_in_their_sentence_which_may_reach_over_stimuli():
    stimuli = pd.DataFrame(
        {
            "stimulus_id": list("abc"), "context_group": "g",
            "text": ["one two three four", "five six. Seven eight", "nine ten eleven twelve."],
        }
    )  # fmt: skip
    altered = " ".join(alter(stimuli, "shuffled:sentence", 3)["text"]).split()
    first, second = altered[:6], altered[6:]
    assert bare(first) == bare(["one two three four five six"]) and first[-1].endswith(".")
    assert bare(second) == bare(["Seven eight nine ten eleven twelve"])
    by_id = stimuli.assign(sentence_id=["x", "y", "y"])
    texts = alter(by_id, "shuffled:sentence", 3)["text"].tolist()
    assert bare(texts[:1]) == bare(["one two three four"])


def read_texts(stimuli, context):
    """Row → what is read before it, and itself."""
    result = {}
    for chain in chains(stimuli, context):
        for row, start, stop in zip(chain.rows, chain.starts, chain.ends, strict=True):
            result[row] = chain.text[:start], chain.text[start:stop].strip()
    return [result[row] for row in range(len(stimuli))]


def test_contexts_of_the_sentence_and_in_reverse_order():
    stimuli = pd.DataFrame(
        {
            "stimulus_id": list("abcd"), "context_group": ["g", "g", "g", "h"],
            "text": ["one two three", "four. Five six", "seven eight.", "nine ten"],
        }
    )  # fmt: skip
    assert read_texts(stimuli, "sentence") == [
        ("", "one two three"), ("one two three", "four. Five six"), ("Five six", "seven eight."),
        ("", "nine ten"),
    ]  # fmt: skip
    assert read_texts(stimuli, "reversed") == [
        ("", "one two three"), ("three two one", "four. Five six"),
        ("six Five four. three two one", "seven eight."), ("", "nine ten"),
    ]  # fmt: skip
    by_id = stimuli.assign(sentence_id=["x", "y", "y", "z"])
    assert read_texts(by_id, "sentence")[1:3] == [
        ("", "four. Five six"),
        ("four. Five six", "seven eight."),
    ]


def test_word_classes_stand_for_words_and_must_be_one_for_each():
    made = simulate("passages", {"passages_per_topic": 1, "sentences": 3}, {}, 1).stimuli
    altered = alter(made, "classes", 0)["text"]
    assert altered.tolist() == made["word_classes"].tolist()
    assert all("thing" in text or "it" in text for text in altered.str.lower())
    assert {word.strip(".,:?") for text in altered for word in text.split()} & {"colour", "mood"}
    with pytest.raises(InputError, match="no column word_classes"):
        alter(stories(), "classes", 0)
    with pytest.raises(InputError, match="has 1 classes for"):
        alter(made.assign(word_classes="thing"), "classes", 0)


@pytest.mark.parametrize("rows", [60, 61])
def test_surrogates_keep_autocorrelation_and_covariance_and_lose_the_rest(rows):
    random = np.random.default_rng(0)
    values = np.cumsum(random.standard_normal((rows, 5)), axis=0)
    values = (values - values.mean(axis=0)).astype(np.float32)
    made = surrogate_features(values, "model", 1)
    assert made.shape == values.shape and made.dtype == np.float32
    np.testing.assert_allclose(made.T @ made, values.T @ values, rtol=1e-3, atol=1e-2)
    for lag in (1, 2, 7):  # in a circle, as the Fourier transform has it
        ours, theirs = (np.mean(x * np.roll(x, lag, axis=0), axis=0) for x in (made, values))
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)
    assert not np.allclose(made, surrogate_features(values, "other", 1))
    drawn = [surrogate_features(values, f"m{i}", 1) for i in range(300)]
    r = [np.corrcoef(values[:, 0], one[:, 0])[0, 1] for one in drawn]
    assert abs(np.mean(r)) < 4 * np.std(r) / np.sqrt(300)


def test_one_key_makes_a_family_of_datasets_and_benchmarks():
    source = {"type": "simulated", "kind": "passages"}
    text = ["shuffled:sentence", "context:window:5", "surrogate"]
    datasets = {"d": read({"source": source, "text": text}, Dataset)}
    benchmark = read(
        {"dataset": "d", **ENTRY, "ceiling": {"method": "disattenuation"}}, BrainBenchmark
    )
    other = read({"dataset": "d", **ENTRY, "companion": True, "report_as": "x"}, BrainBenchmark)
    names = ["shuffled-sentence", "context-window-5", "surrogate"]
    assert list(altered_datasets(datasets)) == [f"d-{name}" for name in names]
    made = altered_benchmarks({"b": benchmark, "c": other}, datasets)
    assert list(made) == [f"b-{name}" for name in names]
    assert [entry.control for entry in made.values()] == text
    assert [read_altered(datasets["d"], c).context for c in text] == ["story", "window:5", "story"]
    assert isinstance(scored_altered(benchmark).ceiling, NoCeiling)
    assert [in_words(c) for c in text] == [
        "words shuffled within sentences", "window of 5 words",
        "random features, equally autocorrelated",
    ]  # fmt: skip


def states(texts, decay, words, width=12):
    """A reader that knows its truth: the state after each text, s ← decay · s + word vector."""
    made = np.zeros((len(texts), width))
    for row, text in enumerate(texts):
        for word in text.lower().replace(".", "").split():
            made[row] = decay * made[row] + words[word]
    return made


def lost_of(folder, stimuli, responses, features):
    """The table of what a model loses; `features`: control ('' as it is) → [row, unit]."""
    results = []
    benchmarks = {}
    for control, values in features.items():
        name = f"b-{control}" if control else "b"
        path = folder / f"{name}.safetensors"
        write_activations(
            {"layer.1": values.astype(np.float32)}, stimuli["stimulus_id"].tolist(), path, {}
        )
        table = align(open_activations(path), stimuli, responses, ENTRY, "cpu", 0)
        results.append(("m", name, table))
        benchmarks[name] = {"dataset": "d", **ENTRY}
    models = model_table(
        {"m": {"base": None, "family": "f", "role": "vanilla", "simulated": True}}, []
    )
    tables = collect_scores(results, {}, models, benchmarks, ["d"])
    controls = {f"b-{control}": ("b", control) for control in features if control}
    return what_is_lost(tables["scores"], tables["subjects"], controls)


@pytest.mark.parametrize(("decay", "loses"), [(1.0, False), (0.5, True)])
def test_a_truth_blind_to_order_loses_nothing_by_shuffling_and_one_that_knows_it_does(
    tmp_path, decay, loses
):
    """Both are read by a model that has the truth's own state of whatever text it is given."""
    made = simulate("passages", {"subjects": 4, "targets": 20}, {"drift": 0.0}, 1)
    stimuli, responses = made.stimuli, made.responses
    random = np.random.default_rng(0)
    every = {w for t in stimuli["text"] for w in t.lower().replace(".", "").split()}
    words = {word: random.standard_normal(12) for word in sorted(every)}
    truth = states(stimuli["text"], decay, words)
    truth = (truth - truth.mean(axis=0)) / truth.std(axis=0)
    shape = responses["responses"].shape
    signal = truth @ random.standard_normal((12, shape[1])) / np.sqrt(12)
    responses["responses"][:] = signal + random.standard_normal(shape)
    shuffled = alter(stimuli, "shuffled:sentence", 1)["text"]
    table = lost_of(
        tmp_path,
        stimuli,
        responses,
        {
            "": states(stimuli["text"], decay, words),
            "shuffled:sentence": states(shuffled, decay, words),
            "surrogate": surrogate_features(states(stimuli["text"], decay, words), "m", 1),
        },
    )
    assert tuple(table.columns) == COLUMNS
    actual = table.set_index("control")
    row = actual.loc["shuffled:sentence"]
    assert row["r"] > 0.3
    assert bool(row["passed"]) is loses
    if loses:
        assert row["kept"] < 0.8 and row["low"] > 0
    else:
        assert row["lost"] == pytest.approx(0, abs=1e-6) and row["kept"] == pytest.approx(1)
    assert actual.loc["surrogate", "passed"]
    assert abs(actual.loc["surrogate", "r_control"]) < 0.1
