"""The logit lens equals a model that is cut after a block, and transformers' own hidden states."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from brainalign.errors import InputError
from brainalign.models.architectures import body, family
from brainalign.reading import lens
from brainalign.reading.surprisal import layer_surprisal, word_surprisal
from torch import nn
from worlds.families import crossed, every
from worlds.reading_models import CAUSAL, ENCODER_DECODER, tiny, words

# Its embeddings hold a part for every block: without a block they do not fit.
COMPLETE = "gemma4-e2b"


def cut(model, blocks):
    """The model without its blocks after the first `blocks`: all else, the head too, is its."""
    network = deepcopy(model.model)
    stack = family(network.config.to_dict()).stacks[-1]
    path, _, name = stack.blocks.rpartition(".")
    parent = body(network).get_submodule(path)
    setattr(parent, name, nn.ModuleList(getattr(parent, name)[:blocks]))
    for config in (network.config, parent.config):
        for key in ("num_hidden_layers", "n_layer", "n_layers"):
            if key in config.to_dict():
                setattr(config, key, blocks)
    return replace(model, model=network)


def compare(model, text, names, **settings):
    """Every layer but the last with a model that is cut there; the last with the model itself."""
    bits_by_layer = layer_surprisal(model, text, **settings)
    assert list(bits_by_layer) == ["stimulus_id", *names]
    bits = word_surprisal(model, text, **settings)["bits"]
    np.testing.assert_allclose(bits_by_layer[names[-1]], bits, rtol=0, atol=1e-6)
    blocks = [name for name in names if name != "embedding"]
    for k, name in enumerate(blocks[:-1], start=1):
        expected = word_surprisal(cut(model, k), text, **settings)["bits"]
        np.testing.assert_allclose(bits_by_layer[name], expected, atol=2e-4)
        assert abs(bits_by_layer[name] - bits).max() > 0.05


LAYERS = ["embedding", "layer.1", "layer.2", "layer.3"]


@pytest.mark.parametrize(
    ("name", "whitespace"),
    crossed([name for name in CAUSAL if name != COMPLETE], "leading", "trailing"),
)
def test_equal_to_the_model_cut_after_each_block(name, whitespace):
    settings = {"context": "story", "bos": "tokenizer", "whitespace": whitespace}
    compare(tiny(name), words()[:20], LAYERS, **settings)


@pytest.mark.parametrize("method", ["prefix", "infilling", "teacher-forcing"])
@pytest.mark.parametrize("name", every(ENCODER_DECODER))
def test_layers_of_a_decoder_that_predicts(name, method):
    model = tiny(name)
    decoder = [n for n in model.layers if n.startswith("decoder.") and n != "decoder.final"]
    compare(model, words()[:20], decoder, context="story", method=method)


@pytest.mark.parametrize("name", ["gpt2", "gemma2", "granite", "opt", COMPLETE])
def test_equal_to_transformers_hidden_states(name):
    """Its last hidden state has had the final norm, the others have not."""
    model, text = tiny(name), words()[:8]
    network, config = model.model, model.model.config
    end = body(network).get_submodule(family(config.to_dict()).stacks[0].norm)
    bits_by_layer = layer_surprisal(model, text, "window:4", "tokenizer")
    ids = [model.tokenizer.bos_token_id]
    ids += model.tokenizer(" ".join(text["text"][:1]), add_special_tokens=False)["input_ids"]
    with torch.inference_mode():
        output = network(input_ids=torch.tensor([ids]), output_hidden_states=True)
        for k, (layer, state) in enumerate(zip(LAYERS, output.hidden_states, strict=True)):
            logits = network.lm_head(state if k == 3 else end(state))[0]
            logits = logits / getattr(config, "logits_scaling", 1)
            if cap := getattr(config, "final_logit_softcapping", None):
                logits = cap * torch.tanh(logits / cap)
            bits = -torch.log_softmax(logits.double(), -1)[range(len(ids) - 1), ids[1:]] / np.log(2)
            assert bits_by_layer[layer][0] == pytest.approx(float(bits.sum()), abs=1e-4)


def test_batches_change_nothing():
    alone = layer_surprisal(tiny("llama"), words(), "window:4", batch_tokens=1)
    together = layer_surprisal(tiny("llama"), words(), "window:4", batch_tokens=10**6)
    np.testing.assert_allclose(alone[LAYERS], together[LAYERS], atol=1e-4)


def test_past_the_models_limit():
    compare(tiny("gpt2", 32), words(), LAYERS, context="corpus", bos="tokenizer", stride=8)


def test_words_without_context_have_none():
    bits_by_layer = layer_surprisal(tiny("gpt2"), words(), "story")
    assert bits_by_layer[LAYERS].isna().sum().tolist() == [2, 2, 2, 2]


def test_masked_models_have_none():
    with pytest.raises(InputError, match="masked"):
        layer_surprisal(tiny("bert"), words(), "story")


def test_a_model_that_does_more_than_a_final_norm_is_refused(monkeypatch):
    monkeypatch.setattr(lens, "ending", lambda _: (nn.Tanh(),))
    with pytest.raises(InputError, match="it has no logit lens until"):
        layer_surprisal(tiny("gpt2"), words(), "story")
