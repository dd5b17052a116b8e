"""Next-word loss: each token scored once, with the context it should have."""

import numpy as np
import pytest
import torch
from brainalign.errors import InputError
from brainalign.reading.next_word import next_word_loss
from worlds.reading_models import TEXT, tiny


def naive_bits(model, ids, window, stride):
    """transformers' documented sliding-window perplexity, in bits per scored token."""
    bits, done = [], 1
    while done < len(ids):
        stop = min(len(ids), max(window, done + stride))
        begin = max(0, stop - window)
        logits = model.model(input_ids=torch.tensor([ids[begin:stop]])).logits[0].double()
        surprise = -torch.log_softmax(logits, -1) / np.log(2)
        bits += [float(surprise[t - begin - 1, ids[t]]) for t in range(done, stop)]
        done = stop
    return bits


@pytest.mark.parametrize(("window", "stride"), [(512, 256), (40, 10), (40, 39), (7, 1)])
def test_equal_to_a_sliding_window_loop(window, stride):
    model = tiny("gpt2")
    ids = model.tokenizer(TEXT)["input_ids"]
    bits = naive_bits(model, ids, window, stride)
    loss = next_word_loss(model, [TEXT], window=window, stride=stride)
    assert loss["tokens"] == len(bits) == len(ids) - 1
    assert loss["unscored_tokens"] == 1
    assert loss["bits"] == pytest.approx(sum(bits), rel=1e-5)
    assert loss["bits_per_token"] == pytest.approx(np.mean(bits), rel=1e-5)
    assert loss["perplexity"] == pytest.approx(2 ** np.mean(bits), rel=1e-4)


def test_units_are_of_the_scored_text():
    model = tiny("llama")
    text = "Nobody knew – no! – the heron."
    loss = next_word_loss(model, [text, text], bos="tokenizer")
    assert (loss["words"], loss["bytes"]) == (14, 2 * len(text.encode()))
    assert loss["bits_per_byte"] == pytest.approx(loss["bits"] / loss["bytes"])
    assert loss["bits_per_word"] == pytest.approx(loss["bits"] / 14)


@pytest.mark.parametrize("text", ["日本語", "😀", "the 日 heron", "日日日日"])
@pytest.mark.parametrize("bos", ["none", "tokenizer"])
def test_bytes_are_of_the_scored_tokens_where_characters_are_split(text, bos):
    """A byte-level tokenizer without merges of these characters has a token per byte."""
    model = tiny("gpt2")
    n = len(model.tokenizer(text)["input_ids"])
    loss = next_word_loss(model, [text], bos=bos)
    first = len(model.tokenizer.decode(model.tokenizer(text)["input_ids"][:1]).encode())
    first = 1 if text[0] != "t" else first
    expected = len(text.encode()) - (first if bos == "none" else 0)
    assert loss["tokens"] == n - (bos == "none")
    assert loss["bytes"] == pytest.approx(expected)
    part = next_word_loss(model, ["日本語日本語"], max_tokens=4)
    assert (part["tokens"], part["bytes"]) == (3, pytest.approx(3))


def test_unknown_tokens_are_counted():
    known = next_word_loss(tiny("t5"), [TEXT], method="teacher-forcing")
    text = f"{TEXT} ☃☃☃ {TEXT}"
    loss = next_word_loss(tiny("t5"), [text], method="teacher-forcing")
    assert loss["unknown_tokens"] == 2 * known["unknown_tokens"] + 1


def test_documents_do_not_see_each_other():
    one, two = TEXT.split("\n")[:2]
    apart = [next_word_loss(tiny("gpt2"), [text])["bits"] for text in (one, two)]
    assert next_word_loss(tiny("gpt2"), [one, two])["bits"] == pytest.approx(sum(apart), rel=1e-5)


@pytest.mark.parametrize("method", ["prefix", "teacher-forcing"])
def test_encoder_decoder_models_score_every_token(method):
    model = tiny("t5")
    loss = next_word_loss(model, [TEXT], method=method, window=60, stride=20)
    assert loss["tokens"] == len(model.tokenizer(TEXT, add_special_tokens=False)["input_ids"])
    assert loss["method"] == method
    assert np.isfinite(loss["bits"])


def test_max_tokens_stops_early():
    loss = next_word_loss(tiny("gpt2"), [TEXT, TEXT], max_tokens=30)
    assert (loss["tokens"], loss["unscored_tokens"]) == (29, 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 600}, "window 600: expected 2 to 512"),
        ({"window": 10, "stride": 10}, "stride 10: expected 1 to 9"),
        ({"max_tokens": 1}, "no token to predict"),
        ({"method": "mask"}, "surprisal 'mask'"),
    ],
)
def test_settings_that_cannot_be(options, message):
    with pytest.raises(InputError, match=message):
        next_word_loss(tiny("gpt2"), [TEXT], **options)
