"""Special tokens around a text, and how stimuli share sequences."""

import numpy as np
import pytest
from brainalign.errors import InputError
from brainalign.reading.contexts import chains
from brainalign.reading.sequences import Specials, plan, special_tokens
from brainalign.reading.surprisal import word_surprisal
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds.reading_models import stories, tiny, tokenizer, words


@pytest.mark.parametrize(
    ("kind", "architecture", "bos", "expected"),
    [
        ("bytes", "decoder-only", "none", Specials()),
        ("bytes", "decoder-only", "default", Specials()),  # GPT-2 adds nothing by itself
        ("metaspace", "decoder-only", "default", Specials((1,))),  # LLaMA adds its BOS
        ("unigram", "decoder-only", "default", Specials()),  # no end token: the text goes on
        ("unigram", "encoder-decoder", "default", Specials((), (1,))),
        ("wordpiece", "masked", "default", Specials((2,), (3,))),
        ("bytes", "decoder-only", "tokenizer", Specials((0,))),
        ("metaspace", "decoder-only", "tokenizer", Specials((1,))),  # its template adds it, too
        ("metaspace", "decoder-only", "none", Specials()),
        ("metaspace", "encoder-decoder", "tokenizer", Specials((1,))),  # never doubled
        ("bytes", "encoder-decoder", "tokenizer", Specials((0,))),
        ("unigram", "decoder-only", "tokenizer", Specials()),  # has none
        ("unigram", "encoder-decoder", "none", Specials((), (1,))),
        ("wordpiece", "masked", "tokenizer", Specials((2,), (3,))),
    ],
)
def test_special_tokens(kind, architecture, bos, expected):
    assert special_tokens(tokenizer(kind), architecture, bos) == expected


def lay(stimuli, context="story", limit=512, **options):
    made = chains(stimuli, context)
    return plan(made, tokenizer("bytes"), limit, list(stimuli["stimulus_id"]), **options)


def test_every_row_is_read_once_and_counted():
    for share in (True, False):
        laid = lay(words(), limit=40, share=share)
        rows = [row for sequence in laid.sequences for row in sequence.rows]
        assert sorted(rows) == list(range(60))
        assert (laid.context_tokens + laid.n_tokens <= 40).all()
        assert (laid.context_tokens + laid.n_tokens == 40)[laid.truncated].all()
    assert len(lay(words(), share=True).sequences) == 2
    assert len(lay(words(), share=False).sequences) == 60


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(["a", "heron", 'no"', ".", "the miller", "x  ", "…é"]), min_size=1),
    st.integers(8, 60),
    st.sampled_from([None, 5, 20]),
)
def test_a_stimulus_ends_in_the_tokens_of_its_text(texts, limit, stride):
    stimuli = words().iloc[[0] * len(texts)].assign(text=texts)
    encode = tokenizer("bytes")
    for chain_context in ("story", "window:3"):
        made = chains(stimuli, chain_context)
        laid = plan(made, encode, limit, ["s"] * len(texts), share=True, stride=stride)
        texts_read = {
            row: chain.text[:end]
            for chain in made
            for row, end in zip(chain.rows, chain.ends, strict=True)
        }
        for sequence in laid.sequences:
            for row, stop in zip(sequence.rows, sequence.stops, strict=True):
                expected = encode(texts_read[row])["input_ids"]
                assert sequence.ids[:stop].tolist() == expected[len(expected) - stop :]
                if stride is None:
                    assert stop == min(len(expected), limit)
                else:
                    assert stop >= min(len(expected), limit - stride)


def test_long_texts_are_compared_at_their_ends():
    """Beyond 512 characters only the end of a prefix is tokenised again; the result is the same."""
    texts = (list(words()["text"]) * 8)[:400]
    stimuli = words().iloc[[0] * 400].assign(text=texts)
    for kind in ("bytes", "metaspace", "unigram", "wordpiece"):
        (chain,) = chains(stimuli, "story")
        laid = plan([chain], tokenizer(kind), 10**6, [""] * 400, share=True)
        assert len(chain.text) > 1500
        for sequence in laid.sequences:
            for row, stop in zip(sequence.rows, sequence.stops, strict=True):
                expected = tokenizer(kind)(chain.text[: chain.ends[row]], add_special_tokens=False)
                np.testing.assert_array_equal(sequence.ids[:stop], expected["input_ids"])


def test_strides_and_whitespace_that_cannot_be():
    with pytest.raises(InputError, match="stride 0"):
        lay(stories(), share=True, stride=0)
    with pytest.raises(InputError, match="has none"):
        model = tiny("llama")
        plain = type(model)(**{**vars(model), "tokenizer": tokenizer("wordpiece")})
        word_surprisal(plain, words(), "story", whitespace="trailing")
