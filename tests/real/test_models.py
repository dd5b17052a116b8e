"""SmolLM2-135M-Instruct as a Python package carries it: fetched, converted, loaded, asked."""

import pytest
import torch
from brainalign.models.loading import load
from brainalign.models.manifest import describe
from brainalign.training.untrained import write_untrained

pytestmark = pytest.mark.real


def perplexity(model, text):
    tokens = model.tokenizer(text, return_tensors="pt")["input_ids"][:, :1024]
    with torch.inference_mode():
        return model.model(tokens, labels=tokens).loss.exp().item()


def test_manifest(manifest):
    assert manifest["parameters"] == 134_515_008  # as the model's page on the hub says
    assert manifest["d_model"] == 576
    assert len(manifest["layers"]) == 32
    assert manifest["max_context"] == 8192
    assert manifest["vocabulary"] == 49152


def test_it_knows_the_capital_of_france(manifest):
    model = load(manifest)
    tokens = model.tokenizer("The capital of France is", return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        best = model.model(tokens).logits[0, -1].argmax()
    assert model.tokenizer.decode([best]) == " Paris"


def test_tokenizer(manifest):
    tokenizer = load(manifest).tokenizer
    assert (tokenizer.bos_token, tokenizer.eos_token) == ("<|im_start|>", "<|im_end|>")
    text = "In 1984, they didn't.\n\n  It   cost $7.50 <|im_end|>"
    encoded = tokenizer(text, return_offsets_mapping=True)
    assert tokenizer.decode(encoded["input_ids"]) == text
    assert tokenizer.convert_ids_to_tokens(encoded["input_ids"])[-1] == "<|im_end|>"
    # Every digit is a token of its own, also after a space.
    digits = [text[start:stop] for start, stop in encoded["offset_mapping"]]
    assert [piece for piece in digits if any(map(str.isdigit, piece))] == list("1984750")
    chat = tokenizer.apply_chat_template([{"role": "user", "content": "Hi"}], tokenize=False)
    assert "<|im_start|>user\nHi<|im_end|>" in chat


def test_perplexity_on_wikitext(manifest, wikitext, tmp_path):
    assert perplexity(load(manifest), wikitext) == pytest.approx(13.9, abs=0.1)
    write_untrained(manifest, tmp_path / "twin", seed=1)
    twin = load(describe(tmp_path / "twin", "twin", {"type": "untrained"}, simulated=False))
    # An untrained model is near uniform over its 49,152 tokens.
    assert 30_000 < perplexity(twin, wikitext) < 90_000
