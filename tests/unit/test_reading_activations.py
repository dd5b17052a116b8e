"""Activations equal those of a naive loop: one stimulus, one forward pass, its full context."""

import re

import numpy as np
import pytest
import torch
from brainalign.errors import InputError
from brainalign.models.architectures import FAMILIES
from brainalign.reading.activations import extract
from eager_attention import eager
from reading_models import ALL, stories, tiny, words


def naive_text(stimuli, row, context):
    """Brain-Score's preparation of the text of one stimulus, and its context's."""
    group = stimuli["context_group"].iloc[row]
    before = [
        stimuli["text"].iloc[k]
        for k in range(row)
        if context == "corpus" or stimuli["context_group"].iloc[k] == group
    ]
    own = stimuli["text"].iloc[row]
    if context == "none":
        before = []
    if context.startswith("window:"):
        limit = int(context.split(":")[1])
        before = " ".join(before).split()
        before = before[max(0, len(before) + len(own.split()) - limit) :]

    def join(parts):
        return re.sub(r"\s+([.,!?;:])", r"\1", " ".join(parts))

    return join(before), join([*before, own])


def naive(model, stimuli, context, pooling="last", bos="default", decoder_input="shifted"):
    """Layer name → [stimulus, unit], a loop over stimuli with transformers' own hidden states."""
    tokenizer = model.tokenizer
    rows = []
    for row in range(len(stimuli)):
        before, text = naive_text(stimuli, row, context)
        encoded = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        own = [k for k, (_, end) in enumerate(encoded["offset_mapping"]) if end > len(before)]
        n_own = len(encoded["input_ids"]) - own[0]
        if model.architecture == "decoder-only":
            begins = bos == "tokenizer" or tokenizer("a")["input_ids"][0] == tokenizer.bos_token_id
            left, right = ([tokenizer.bos_token_id] if begins else []), []
        elif model.architecture == "masked":
            left, right = [tokenizer.cls_token_id], [tokenizer.sep_token_id]
        else:
            left, right = [], [tokenizer.eos_token_id]
        ids = encoded["input_ids"][-(model.max_context - len(left) - len(right)) :]
        stop = len(left) + len(ids)
        inputs = {"input_ids": torch.tensor([left + ids + right])}
        if model.architecture == "encoder-decoder":
            decoder = [0, *ids] if decoder_input == "shifted" else [0]
            inputs["decoder_input_ids"] = torch.tensor([decoder])
        with eager(model.model) as network:
            output = network(**inputs, output_hidden_states=True)
        own = slice(stop - (1 if pooling == "last" else n_own), stop)
        if model.architecture == "encoder-decoder":
            width = len(decoder)
            answer = slice(width - (own.stop - own.start), width)
            stacks = [
                ("encoder.", output.encoder_hidden_states, own),
                ("decoder.", output.decoder_hidden_states, answer),
            ]
        else:
            stacks = [("", output.hidden_states, own)]
        reduce = torch.mean if pooling == "mean" else torch.sum
        rows.append(
            {
                name: reduce(state[0, span], 0).numpy()
                for prefix, states, span in stacks
                for name, state in zip(_names(prefix, len(states) - 1), states, strict=True)
            }
        )
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def _names(prefix, n_blocks):
    """What transformers' hidden states are: the last is taken after the final norm."""
    block = prefix + "{}" if prefix else "layer.{}"
    return [f"{prefix}embedding", *(block.format(k) for k in range(1, n_blocks)), f"{prefix}final"]


def agree(ours, theirs, tolerance=1e-5):
    compared = 0
    for name, expected in theirs.items():
        name = "layer.3" if name == "final" and name not in ours else name  # no final norm
        if name == "decoder.embedding":
            continue  # the encoder's, shifted: not a layer
        compared += 1
        scale = max(1.0, float(np.abs(expected).max()))
        difference = float(np.abs(ours[name] - expected).max())
        assert difference <= tolerance * scale, (name, difference, scale)
    assert compared > 3


@pytest.mark.parametrize("pooling", ["last", "mean", "sum"])
@pytest.mark.parametrize("name", ALL)
def test_equal_to_one_forward_per_stimulus(name, pooling):
    model = tiny(name)
    layers, metadata = extract(model, stories(), "story", pooling)
    assert tuple(layers) == model.layers
    assert metadata["truncated"] == 0
    agree(layers, naive(model, stories(), "story", pooling))


@pytest.mark.parametrize("context", ["story", "corpus"])
@pytest.mark.parametrize("name", ALL)
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
        without, _ = extract(tiny(name), stories(), "story", pooling="mean")
        assert np.abs(without["layer.3"] - layers["layer.3"]).max() > 0.01


@pytest.mark.parametrize("name", ALL)
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
        ({"context": "story", "chat": True}, "chat template"),
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
    with pytest.raises(InputError, match="stimulus a1 has no token of its own"):
        extract(tiny("bert"), stimuli, "story")
