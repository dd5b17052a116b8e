"""Contexts: what text precedes each stimulus."""

import pandas as pd
import pytest
from brainalign.errors import InputError
from brainalign.reading.contexts import chains, join
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds.naive_reading import naive_text
from worlds.reading_models import stories

pieces = st.text(alphabet="ab ,.", min_size=1, max_size=8).filter(str.strip)


def table(texts, groups):
    return pd.DataFrame({"text": texts, "context_group": groups})


def read_texts(stimuli, context):
    """Row → (context's text, whole text)."""
    read = {}
    for chain in chains(stimuli, context):
        for row, start, end in zip(chain.rows, chain.starts, chain.ends, strict=True):
            assert row not in read
            read[row] = (chain.text[:start], chain.text[:end])
    return [read[row] for row in range(len(stimuli))]


def test_join_is_brain_scores():
    assert (
        join(["It was", "", " ", "late , he said", ". Then", "!"]) == "It was late, he said. Then!"
    )


@settings(deadline=None)
@given(st.lists(pieces, min_size=1, max_size=8), st.sampled_from(["story", "passage", "corpus"]))
def test_every_stimulus_is_read_after_all_before_it(texts, context):
    groups = ["a" if k % 3 else "b" for k in range(len(texts))]  # interleaved
    for row, (_, text) in enumerate(read_texts(table(texts, groups), context)):
        assert text == naive_text(table(texts, groups), row, context)[1]


@settings(deadline=None)
@given(st.lists(pieces, min_size=1, max_size=8), st.integers(1, 6))
def test_windows_count_words_and_never_cut_the_stimulus(texts, length):
    stimuli = table(texts, ["a"] * len(texts))
    flat = " ".join(texts).split()
    stop = 0
    for text, (_, read) in zip(texts, read_texts(stimuli, f"window:{length}"), strict=True):
        stop += len(text.split())
        first = max(0, stop - max(length, len(text.split())))
        assert read == join(flat[first:stop])


def test_none_reads_each_stimulus_alone():
    assert [read for _, read in read_texts(stories(), "none")] == [
        join([text]) for text in stories()["text"]
    ]


def test_one_chain_per_group_and_one_for_a_windows_beginning():
    assert len(chains(stories(), "story")) == 3
    words = table([f"w{k}" for k in range(10)], ["a"] * 10)
    assert [len(chain.rows) for chain in chains(words, "window:4")] == [4, 1, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("context", ["story", "window:3", "none"])
def test_characters_of_a_stimulus_include_its_joining_space(context):
    stimuli = stories()
    for text, (before, read) in zip(stimuli["text"], read_texts(stimuli, context), strict=True):
        assert read[len(before) :].strip() == join([text]).strip()


@pytest.mark.parametrize("text", ["", "  ", "\n"])
@pytest.mark.parametrize("context", ["story", "window:3", "none"])
def test_a_stimulus_without_text_is_named(context, text):
    stimuli = stories().iloc[:3].assign(text=["the miller", text, "walked"])
    with pytest.raises(InputError, match="stimulus a1: nothing to read"):
        chains(stimuli, context)
