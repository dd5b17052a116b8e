"""Activations equal those of a naive loop: one stimulus, one forward pass, its full context."""

import numpy as np
import pytest
import torch
from brainalign.errors import InputError
from brainalign.models.architectures import FAMILIES
from brainalign.reading.contexts import join
from worlds.extraction import extract
from worlds.families import REPRESENTATIVES, crossed
from worlds.naive_reading import agree, naive, naive_text
from worlds.reading_models import ALL, stories, tiny, words


@pytest.mark.parametrize(("name", "pooling"), crossed(ALL, "mean", "last", "sum"))
def test_equal_to_one_forward_per_stimulus(name, pooling):
    model = tiny(name)
    layers, metadata = extract(model, stories(), "story", pooling)
    assert tuple(layers) == model.layers
    assert metadata["truncated"] == 0
    agree(layers, naive(model, stories(), "story", pooling))


@pytest.mark.parametrize(("name", "context"), crossed(ALL, "corpus", "story"))
def test_equal_past_the_models_limit(name, context):
    model = tiny(name, 48)
    layers, metadata = extract(model, stories(), context, "mean")
    assert metadata["truncated"] >= 2
    agree(layers, naive(model, stories(), context, "mean"))


@pytest.mark.parametrize("context", ["none", "window:5", "window:1", "passage"])
@pytest.mark.parametrize("name", ["gpt2", "llama", "t5", "bert"])
def test_contexts(name, context):
    for stimuli in (stories(), words()):
        layers, _ = extract(tiny(name), stimuli, context)
        agree(layers, naive(tiny(name), stimuli, context))


def test_the_last_layer_before_and_after_the_final_norm():
    for name, norm in (("gpt2", "transformer.ln_f"), ("llama", "model.norm")):
        model = tiny(name)
        layers, _ = extract(model, stories(), "story")
        normed = model.model.get_submodule(norm)(torch.from_numpy(layers["layer.3"])).numpy()
        np.testing.assert_allclose(normed, layers["final"], atol=1e-5)
        assert np.abs(layers["layer.3"] - layers["final"]).max() > 0.1


@pytest.mark.parametrize("name", ["llama", "t5"])
def test_bos_and_a_decoder_that_reads_only_its_start(name):
    options = {"bos": "tokenizer", "decoder_input": "start", "pooling": "mean"}
    layers, _ = extract(tiny(name), stories(), "story", **options)
    agree(layers, naive(tiny(name), stories(), "story", **options))
    if name == "llama":
        without, _ = extract(tiny(name), stories(), "story", bos="none", pooling="mean")
        assert np.abs(without["layer.3"] - layers["layer.3"]).max() > 0.01


@pytest.mark.parametrize("name", REPRESENTATIVES)
def test_batches_change_nothing(name):
    alone, _ = extract(tiny(name), stories(), "window:7", "mean", batch_tokens=1)
    together, _ = extract(tiny(name), stories(), "window:7", "mean", batch_tokens=10**6)
    agree(together, alone)


def test_every_family_is_compared():
    assert {tiny(name).model.config.model_type for name in ALL} == set(FAMILIES)


def test_each_token_is_fed_once():
    stimuli = stories()
    _, metadata = extract(tiny("gpt2"), stimuli, "story")
    texts = [naive_text(stimuli, row, "story")[1] for row in (7, 13, 14)]
    tokens = sum(len(ids) for ids in tiny("gpt2").tokenizer(texts)["input_ids"])
    assert (metadata["tokens_fed"], metadata["sequences"]) == (tokens, 3)


def test_unknown_words_are_counted():
    stimuli = stories()
    assert extract(tiny("bert"), stimuli, "none")[1]["unknown_tokens"] == 0
    strange = stimuli.assign(text=stimuli["text"] + " ☃")
    assert extract(tiny("bert"), strange, "none")[1]["unknown_tokens"] == len(stimuli)
    assert extract(tiny("gpt2"), strange, "none")[1]["unknown_tokens"] == 0  # reads bytes


def test_text_whose_tokens_depend_on_what_follows():
    """`no".` ends in one token `".`: the stimulus before the full stop is read as it stands."""
    model = tiny("gpt2")
    encode = model.tokenizer.backend_tokenizer.encode
    assert '".' in encode('no".').tokens and '"' in encode('no"').tokens
    stimuli = stories().iloc[:4].assign(text=['He said "no"', ". Then  ", 'no"', ", and went "])
    layers, metadata = extract(model, stimuli, "story", "mean")
    agree(layers, naive(model, stimuli, "story", "mean"))
    assert metadata["sequences"] > 1


@pytest.mark.parametrize("name", ["bert", "t5"])
def test_encoders_read_an_instruction_inside_their_special_tokens(name):
    model = tiny(name)
    tokenizer = model.tokenizer
    stimuli = stories().iloc[:3]
    layers, metadata = extract(model, stimuli, "story", presentation="instruction")
    text = join(stimuli["text"].tolist())
    ids = tokenizer(metadata["opening"] + text)["input_ids"]
    inputs = {"input_ids": torch.tensor([ids])}
    n = len(ids) - len(tokenizer(metadata["opening"].strip())["input_ids"])
    if name == "t5":
        inputs["decoder_input_ids"] = torch.tensor([[0, *ids[-n - 1 : -1]]])
    with torch.no_grad():
        output = model.model(**inputs, output_hidden_states=True)
    if name == "t5":
        last = output.encoder_hidden_states[-1][0, -2], output.decoder_hidden_states[-1][0, -1]
        ours_last = layers["encoder.final"][2], layers["decoder.final"][2]
    else:
        last, ours_last = (output.hidden_states[-1][0, -2],), (layers["layer.3"][2],)
    for ours, theirs in zip(ours_last, last, strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"context": "windows:3"}, "context 'windows:3'"),
        ({"context": "window:0"}, "context 'window:0'"),
        ({"context": "window:L"}, "context 'window:L'"),
        ({"context": "story", "pooling": "max"}, "pooling 'max'"),
        ({"context": "story", "bos": "yes"}, "bos 'yes'"),
        ({"context": "story", "decoder_input": "none"}, "decoder_input 'none'"),
        ({"context": "story", "batch_tokens": 0}, "batch_tokens is 0"),
        ({"context": "story", "presentation": "chat"}, "chat template"),
    ],
)
def test_settings_that_are_unknown(options, message):
    with pytest.raises(InputError, match=message):
        extract(tiny("gpt2"), stories(), **options)


def test_a_stimulus_longer_than_the_limit_is_named():
    with pytest.raises(InputError, match=r"stimulus c0 has \d+ tokens, the model reads at most 12"):
        extract(tiny("gpt2", 12), stories().iloc[[-1]], "story")


def test_text_that_the_tokenizer_drops_is_named():
    stimuli = stories().iloc[:2].assign(text=["the miller", "\N{ZERO WIDTH SPACE}"])
    with pytest.raises(InputError, match="stimulus a1 has no token"):
        extract(tiny("bert"), stimuli, "story")
