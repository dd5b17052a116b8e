import json
import subprocess
import sys

import accelerate
import numpy as np
import pytest
import torch
from brainalign.errors import InputError
from brainalign.models.architectures import FAMILIES, capture, run_body
from brainalign.models.loading import empty, load, load_tokenizer
from brainalign.models.manifest import describe
from brainalign.reading.surprisal import word_surprisal
from safetensors.torch import load_file, save_file
from transformers import ByT5Tokenizer
from worlds.extraction import extract
from worlds.reading_models import stories, tiny, words
from worlds.tiny_checkpoints import network, save, write

IDS = torch.tensor([[5, 9, 200, 31, 7, 120]])
ROUNDING = 1e-6  # GPT-2's GELU is computed by torch's own kernel, attention mostly too


def described(folder, **settings):
    return describe(folder, "tiny", {"type": "folder"}, simulated=False, **settings)


@pytest.mark.parametrize("kind", FAMILIES)
def test_what_is_loaded_computes_what_was_saved(kind, tmp_path):
    saved = write(kind, tmp_path)
    loaded = load(described(tmp_path))
    inputs = {"input_ids": IDS}
    if loaded.architecture == "encoder-decoder":
        inputs["decoder_input_ids"] = IDS[:, :3]
    with torch.no_grad():
        result, expected = (network(**inputs).logits for network in (loaded.model, saved))
    size = max(1.0, float(expected.abs().max()))
    torch.testing.assert_close(result, expected, rtol=0, atol=ROUNDING * size)
    with capture(loaded.model) as states:
        run_body(loaded.model, **inputs)
    assert tuple(states) == loaded.layers
    assert {state.shape[-1] for state in states.values()} == {loaded.d_model}
    assert not any(p.requires_grad for p in loaded.model.parameters())
    assert not any(module.training for module in loaded.model.modules())
    encoded = loaded.tokenizer("the lazy fox", return_offsets_mapping=True)
    assert encoded["offset_mapping"][-1][1] == len("the lazy fox")


_WINDOW = {"sliding_window": 5}
_ONE_WINDOWED = {"layer_types": ["sliding_attention", "full_attention", "full_attention"]}


@pytest.mark.parametrize(
    ("kind", "settings", "kernel"),
    [
        ("gemma2", {"attn_logit_softcapping": 0.05, **_WINDOW}, "eager"),
        ("gemma2", {"attn_logit_softcapping": None, **_WINDOW}, "sdpa"),
        ("gemma2", {"attn_logit_softcapping": None, **_WINDOW, **_ONE_WINDOWED}, "sdpa"),
        ("gemma3_text", {"final_logit_softcapping": 0.5, **_WINDOW, **_ONE_WINDOWED}, "sdpa"),
        ("mistral", _WINDOW, "sdpa"),
        ("mixtral", _WINDOW, "sdpa"),
        ("phi3", _WINDOW, "sdpa"),
        ("olmo3", {**_WINDOW, **_ONE_WINDOWED}, "sdpa"),
        ("qwen2", {"use_sliding_window": True, "max_window_layers": 1, **_WINDOW}, "sdpa"),
        ("qwen3", {"use_sliding_window": True, "max_window_layers": 1, **_WINDOW}, "sdpa"),
        ("smollm3", {"use_sliding_window": True, "no_rope_layers": [0, 1, 1], **_WINDOW}, "sdpa"),
        ("granite", {"attention_multiplier": 0.02}, "sdpa"),
        ("olmo", {"clip_qkv": 0.01}, "sdpa"),
        ("phi", {"qk_layernorm": True}, "sdpa"),
        ("falcon", {"alibi": True}, "sdpa"),
        ("falcon", {"new_decoder_architecture": True, "num_kv_heads": 1}, "sdpa"),
        ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, "sdpa"),
        ("gpt2", {"scale_attn_weights": False}, "sdpa"),
        ("gpt2", {"reorder_and_upcast_attn": True}, "eager"),
        ("llama", {"attention_bias": True, "sliding_window": 64}, "sdpa"),
    ],
)
def test_what_a_config_asks_of_attention_is_done(kind, settings, kernel, tmp_path):
    """Scores are large, texts longer than the windows, one is padded; the truth is written out."""
    saved = network(kind, **settings)
    with torch.no_grad():
        for name, parameter in saved.named_parameters():
            if parameter.ndim == 2 and "embed" not in name and "wte" not in name:
                parameter *= 4
    save(saved, tmp_path)
    manifest = described(tmp_path)
    loaded = load(manifest).model
    assert (manifest["attention"], loaded.config._attn_implementation) == (kernel, kernel)
    assert saved.config._attn_implementation == "eager"
    if settings == {"alibi": True}:
        # transformers' eager Falcon adds the biases twice: to the scores, and in the mask.
        for block in saved.transformer.h:
            block.self_attention.register_forward_pre_hook(
                lambda _, args, kwargs: (args, {**kwargs, "alibi": 0 * kwargs["alibi"]}),
                with_kwargs=True,
            )
    ids = torch.arange(5, 45).reshape(2, 20)
    mask = torch.ones_like(ids)
    mask[1, 12:] = 0
    with torch.no_grad():
        actual, expected = (
            one(input_ids=ids, attention_mask=mask).logits[mask.bool()] for one in (loaded, saved)
        )
        plain = network(kind).eval()
        plain.load_state_dict(saved.state_dict(), strict=False)
        without = plain(input_ids=ids, attention_mask=mask).logits[mask.bool()]
    torch.testing.assert_close(actual, expected, rtol=0, atol=3e-5 * float(expected.abs().max()))
    if not {"reorder_and_upcast_attn", "attention_bias"} & settings.keys():  # the same function
        assert (without - expected).abs().max() > 1e-3 * expected.abs().max()


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("gemma3_text", {"attn_logit_softcapping": 50.0}),
        ("llama", {"attn_logit_softcapping": 30.0}),
        ("llama", {"final_logit_softcapping": 30.0}),
        ("llama", {"sliding_window": 32}),
        ("qwen2", {"attention_sink_size": 4}),
        ("gpt_neox", {"alibi": True}),
        ("mistral", {"layer_types": ["sliding_attention", "full_attention", "full_attention"]}),
        ("bert", {"position_embedding_type": "relative_key"}),
        ("mpt", {"attn_config": {"alibi": False}}),
    ],
)
def test_what_an_architecture_does_not_do_is_refused(kind, asked, tmp_path):
    write(kind, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | asked))
    with pytest.raises(InputError, match=rf"{next(iter(asked))}.*(does not do|always has it)"):
        described(tmp_path)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_dtype(dtype, tmp_path):
    write("llama", tmp_path)
    loaded = load(described(tmp_path, dtype=dtype))
    assert loaded.dtype is getattr(torch, dtype)
    assert {p.dtype for p in loaded.model.parameters()} == {loaded.dtype}


def test_float16_that_overflows_is_refused(tmp_path):
    model = write("llama", tmp_path)
    model.model.layers[1].mlp.down_proj.weight.data *= 1e6
    model.save_pretrained(tmp_path)
    load(described(tmp_path, dtype="bfloat16"))
    with pytest.raises(InputError, match=r"float16 overflows from layer layer\.2 on; give dtype"):
        load(described(tmp_path, dtype="float16"))


def test_float16_that_transformers_clamps_is_refused(tmp_path):
    """T5's blocks hold infinite states to a number just within the range."""
    model = write("t5", tmp_path)
    model.encoder.block[0].layer[0].SelfAttention.o.weight.data *= 1e6
    model.save_pretrained(tmp_path)
    load(described(tmp_path, dtype="bfloat16"))
    with pytest.raises(InputError, match=r"float16 overflows from layer encoder\.1 on"):
        load(described(tmp_path, dtype="float16"))


def test_untied_t5_keeps_its_head(tmp_path):
    """T5 v1.1 and Flan-T5 have a head of their own, and no scaling before it; T5 v1.0 has both."""
    write("t5", tmp_path, tie_word_embeddings=False, feed_forward_proj="gated-gelu")
    tensors = load_file(tmp_path / "model.safetensors")
    tensors["lm_head.weight"] = torch.randn(320, 16)
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    # As on the hub, where configs were written by earlier versions of transformers.
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    config.pop("scale_decoder_outputs")
    (tmp_path / "config.json").write_text(
        json.dumps(config | {"tie_word_embeddings": False}), encoding="utf-8"
    )
    model = load(described(tmp_path)).model
    assert torch.equal(model.lm_head.weight, tensors["lm_head.weight"])
    assert torch.equal(model.shared.weight, tensors["shared.weight"])
    with capture(model, ("decoder.final",)) as states:
        logits = model(input_ids=IDS, decoder_input_ids=IDS).logits
    torch.testing.assert_close(
        logits, states["decoder.final"] @ tensors["lm_head.weight"].T, rtol=1e-5, atol=1e-6
    )


def test_a_base_model_without_its_tied_head_loads(tmp_path):
    """openai-community/gpt2 stores GPT2Model's names, without the prefix and the head."""
    model = write("gpt2", tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    stripped = {name.removeprefix("transformer."): tensor for name, tensor in tensors.items()}
    save_file(stripped, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with torch.no_grad():
        torch.testing.assert_close(
            load(described(tmp_path)).model(IDS).logits,
            model(IDS).logits,
            rtol=0,
            atol=ROUNDING,
        )


def test_absent_weights_are_an_error(tmp_path):
    write("llama", tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors["model.layers.1.mlp.up_proj.weight"]
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"1 weights are not in.*layers.1.mlp.up_proj.weight"):
        load(described(tmp_path))


def test_weights_of_another_shape_are_an_error(tmp_path):
    write("llama", tmp_path)
    manifest = described(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    tensors["model.norm.weight"] = torch.ones(8)
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match="cannot be loaded"):
        load(manifest)


def test_corrupted_weights_are_an_error(tmp_path):
    write("llama", tmp_path)
    manifest = described(tmp_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(InputError, match="cannot be loaded"):
        load(manifest)


def test_tokenizer_that_is_too_large_is_an_error(tmp_path):
    write("llama", tmp_path)
    manifest = described(tmp_path)
    tokenizer = load_tokenizer(manifest)
    tokenizer.add_tokens([f"<{n}>" for n in range(10)])
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"a token of id \d+, the model only 320"):
        load(manifest)


def test_unreadable_tokenizer_is_an_error(tmp_path):
    write("llama", tmp_path)
    manifest = described(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="the tokenizer cannot be loaded"):
        load(manifest)


@pytest.mark.parametrize("name", ["gpt2", "t5"])
def test_offloaded_weights_read_the_same(name):
    """Weights that lie elsewhere and come in layer by layer, as `sharded` does without memory."""
    model = tiny.__wrapped__(name)
    expected, _ = extract(model, stories(), "story")
    bits = word_surprisal(model, words(), "story")["bits"]
    accelerate.cpu_offload(model.model)
    assert model.model.get_output_embeddings().weight.is_meta
    measured, _ = extract(model, stories(), "story")
    for layer, values in expected.items():
        np.testing.assert_allclose(measured[layer], values, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(word_surprisal(model, words(), "story")["bits"], bits, rtol=1e-5)


def test_a_tokenizer_without_offsets_is_refused(tmp_path):
    ByT5Tokenizer().save_pretrained(tmp_path)
    with pytest.raises(InputError, match="ByT5Tokenizer gives no character offsets"):
        load_tokenizer({"folder": str(tmp_path), "trust_remote_code": False})


def test_sharded_computes_the_same(tmp_path):
    saved = write("llama", tmp_path)
    loaded = load(described(tmp_path), device="sharded")
    with torch.no_grad():
        logits = loaded.model(IDS.to(loaded.device)).logits
        torch.testing.assert_close(logits.cpu(), saved(IDS).logits, rtol=1e-5, atol=1e-6)


@pytest.mark.long
def test_a_network_is_loaded_with_the_threads_that_it_is_given(tmp_path):
    write("llama", tmp_path)
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(described(tmp_path)), encoding="utf-8")
    code = (
        "import json; from brainalign.models.loading import load\n"
        f"load(json.load(open({str(path)!r})), threads=1)\n"
        "import torch; assert torch.get_num_threads() == 1"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": "scripts"})


def test_an_empty_network_has_the_names_shapes_and_dtype_of_the_loaded(tmp_path):
    write("llama", tmp_path)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    (tmp_path / "config.json").write_text(
        json.dumps({**config, "dtype": "bfloat16"}), encoding="utf-8"
    )
    manifest = {**described(tmp_path), "dtype": "float32"}
    full, without = load(manifest).model, empty(manifest)
    assert {name: (p.shape, p.dtype) for name, p in without.named_parameters()} == {
        name: (p.shape, p.dtype) for name, p in full.named_parameters()
    }
    buffers = dict(full.named_buffers())
    assert buffers.keys() == dict(without.named_buffers()).keys()
    assert all(torch.equal(b, buffers[name]) for name, b in without.named_buffers())
