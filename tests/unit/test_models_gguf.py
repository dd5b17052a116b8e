"""A GGUF file becomes the model that it stands for, or is refused by what is not known."""

import json
from functools import partial

import gguf
import gguf_files
import numpy as np
import pytest
import torch
from brainalign.errors import InputError
from brainalign.formats.atomic import sha256_of
from brainalign.models.gguf_tokenizer import tokenizer_of
from brainalign.models.loading import load
from brainalign.models.manifest import describe
from brainalign.models.settings import Gguf
from brainalign.models.sources import resolve
from brainalign.settings import plain
from msgspec.structs import replace
from safetensors.torch import load_file
from tokenizers import Tokenizer, decoders, models, normalizers, processors, trainers
from transformers import PreTrainedTokenizerFast
from worlds.tiny_checkpoints import VOCABULARY, network, tokenizer

IDS = (torch.arange(100) % (VOCABULARY - 3) + 3)[None]
_LLAMA31 = {
    "rope_type": "llama3", "rope_theta": 10_000.0, "factor": 8.0, "low_freq_factor": 1.0,
    "high_freq_factor": 4.0, "original_max_position_embeddings": 24,
}  # fmt: skip
_YARN = {
    "rope_type": "yarn", "rope_theta": 10_000.0, "factor": 4.0,
    "original_max_position_embeddings": 24,
}  # fmt: skip
_LINEAR = {"rope_type": "linear", "rope_theta": 10_000.0, "factor": 4.0}


def llama31(width):
    """The divisors of LLaMA 3.1's frequencies (its converter's generate_extra_tensors)."""
    divisors = []
    for frequency in 10_000.0 ** (-np.arange(0, width, 2) / width):
        wave = 2 * np.pi / frequency
        if wave < 24 / 4:
            divisors.append(1.0)
        elif wave > 24 / 1:
            divisors.append(8.0)
        else:
            smooth = (24 / wave - 1) / (4 - 1)
            divisors.append(1 / ((1 - smooth) / 8 + smooth))
    return {"rope_freqs.weight": np.array(divisors, np.float32)}


def yarn(writer):
    writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
    writer.add_rope_scaling_factor(4.0)
    writer.add_rope_scaling_orig_ctx_len(24)


def linear(writer):
    writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
    writer.add_rope_scaling_factor(4.0)


def old_linear(writer):
    writer.add_float32("llama.rope.scale_linear", 4.0)


def converted(path, **settings):
    result = resolve(Gguf(str(path)), converted=path.with_suffix(""), **settings)
    return load(describe(result.folder, "tiny", {"type": "gguf"}, simulated=False)), result


def large(kind, **settings):
    """A model whose scores are large, in contexts of 128 tokens."""
    model = network(kind, max_position_embeddings=128, **settings)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "q_proj.weight" in name or "k_proj.weight" in name:
                parameter *= 4
    return model


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize(
    ("kind", "settings", "file"),
    [
        ("llama", {}, {}),
        ("llama", {"attention_bias": True, "mlp_bias": True}, {}),
        ("llama", {"rope_parameters": _LLAMA31}, {"more": llama31(8)}),
        ("llama", {"rope_parameters": _LINEAR}, {"fields": linear}),
        ("llama", {"rope_parameters": _LINEAR}, {"fields": old_linear}),
        ("llama", {"rope_parameters": _YARN}, {"fields": yarn}),
        ("mistral", {"sliding_window": None}, {}),
        ("mistral", {"sliding_window": 7}, {"fields": lambda w: w.add_sliding_window(7)}),
        ("qwen2", {}, {}),
        ("qwen2", {"rope_parameters": _YARN}, {"fields": yarn}),
        ("qwen3", {}, {}),
        ("gemma", {}, {}),
        ("gemma2", {"query_pre_attn_scalar": 8, "sliding_window": 7,
                    "attn_logit_softcapping": 0.5, "final_logit_softcapping": 1.0}, {}),
        ("gemma3_text", {"query_pre_attn_scalar": 8, "sliding_window": 7, "num_hidden_layers": 7},
         {}),
    ],
)  # fmt: skip
def test_values_are_those_of_the_model(kind, settings, file, tied, tmp_path):
    """Texts of 100 tokens, beyond the original length of 24; the truth is written-out attention."""
    model = large(kind, tie_word_embeddings=tied, **settings)
    gguf_files.write(tmp_path / "tiny.gguf", model, **file)
    copy, actual = converted(tmp_path / "tiny.gguf")
    assert copy.model.num_parameters() == model.num_parameters()
    with torch.no_grad():
        logits, expected = copy.model(IDS).logits, model(IDS).logits
    torch.testing.assert_close(logits, expected, rtol=0, atol=3e-5 * float(expected.abs().max()))
    assert actual.conversion["parts"] == {"tiny.gguf": sha256_of(tmp_path / "tiny.gguf")}
    assert actual.conversion["quantisation"].keys() == {"F32"}
    if "rope_parameters" in settings:
        plain = large(kind, tie_word_embeddings=tied)
        plain.load_state_dict(model.state_dict())
        with torch.no_grad():
            assert (plain(IDS).logits - expected).abs().max() > 0.01 * expected.abs().max()


def test_all_parts_of_a_split_file_are_read(tmp_path):
    model = large("llama", tie_word_embeddings=False)
    n = len(gguf_files.tensors(model))

    def part(number, writer, tensors=n):
        writer.add_uint16("split.no", number)
        writer.add_uint16("split.count", 2)
        writer.add_int32("split.tensors.count", tensors)

    first, second = (tmp_path / f"tiny-0000{k}-of-00002.gguf" for k in (1, 2))
    late = lambda name: name.startswith(("blk.2.", "output"))  # noqa: E731
    gguf_files.write(first, model, partial(part, 0), keep=lambda name: not late(name))
    with pytest.raises(InputError, match=r"its part tiny-00002-of-00002\.gguf is missing"):
        converted(first)
    gguf_files.write(second, model, partial(part, 1), keep=late)
    copy, actual = converted(first)
    with torch.no_grad():
        torch.testing.assert_close(copy.model(IDS).logits, model(IDS).logits, rtol=0, atol=1e-5)
    assert list(actual.conversion["parts"]) == [first.name, second.name]
    with pytest.raises(InputError, match="a later part of a split GGUF file"):
        converted(second)
    gguf_files.write(second, model, partial(part, 0), keep=late)
    with pytest.raises(InputError, match="do not say that it is part 2 of 2"):
        converted(first)
    gguf_files.write(second, model, partial(part, 1), keep=lambda name: name.startswith("output."))
    with pytest.raises(InputError, match=rf"tensors in its parts, expected {n}"):
        converted(first)
    first.rename(tmp_path / "tiny.gguf")
    with pytest.raises(InputError, match="its name must end in -00001-of-00002"):
        converted(tmp_path / "tiny.gguf")


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0", "F16", "BF16"])
def test_quantised_weights_are_the_numbers_that_the_file_stands_for(kind, tmp_path):
    model = network("llama", hidden_size=64, intermediate_size=64, head_dim=32)
    name, ours = "blk.1.ffn_up.weight", "model.layers.1.mlp.up_proj.weight"
    quantisation = gguf.GGMLQuantizationType[kind]
    data = gguf.quantize(gguf_files.tensors(model)[name], quantisation)
    gguf_files.write(tmp_path / "tiny.gguf", model, stored={name: (data, quantisation)})
    actual = converted(tmp_path / "tiny.gguf")[1]
    stored = load_file(actual.folder / "model.safetensors")[ours]
    assert torch.equal(stored, torch.from_numpy(gguf.dequantize(data, quantisation)))
    assert actual.conversion["quantisation"][kind] == 1


def test_an_unknown_quantisation_is_named(tmp_path, monkeypatch):
    model = network("llama")
    gguf_files.write(tmp_path / "tiny.gguf", model)

    def not_known(*_):
        raise NotImplementedError

    monkeypatch.setattr("brainalign.models.gguf_checkpoint.dequantize", not_known)
    with pytest.raises(InputError, match=r"tensor token_embd\.weight is quantised as F32, which"):
        converted(tmp_path / "tiny.gguf")


@pytest.mark.parametrize(
    ("kind", "file", "message"),
    [
        ("llama", {"fields": lambda w: w.add_expert_count(8)}, r"llama\.expert_count is 8, not"),
        ("llama", {"fields": lambda w: w.add_causal_attention(False)}, "attention.causal is False"),
        ("llama", {"fields": lambda w: w.add_logit_scale(0.1)}, r"llama\.logit_scale is 0\.1"),
        ("llama", {"fields": lambda w: w.add_rope_scaling_type(gguf.RopeScalingType.LONGROPE)},
         r"rope\.scaling\.type is 'longrope'"),
        ("llama", {"fields": linear, "more": llama31(8)}, "rope_freqs.weight and rope.scaling"),
        ("qwen2", {"more": llama31(8)}, "rope_freqs.weight and rope.scaling"),
        ("llama", {"more": llama31(16)}, r"rope_freqs.weight has shape \(8,\)"),
        ("llama", {"fields": lambda w: w.add_array("llama.rope.dimension_sections", [1, 2])},
         "differs between layers"),
        ("qwen2", {"fields": lambda w: w.add_sliding_window(9)}, "sliding_window is not known"),
        ("qwen3", {"fields": lambda w: w.add_rope_dimension_count(4)}, "is 4, expected 8"),
        ("llama", {"keep": lambda name: name != "output_norm.weight"}, "first model.norm.weight's"),
        ("qwen2", {"keep": lambda name: "attn_k.bias" not in name}, "3 tensors are not in it"),
        ("llama", {"more": {"blk.0.attn_sinks.weight": np.ones(2, np.float32)}},
         r"tensor blk\.0\.attn_sinks\.weight has no part in a llama"),
        ("llama", {"more": {"blk.0.ffn_gate_inp.weight": np.ones((2, 16), np.float32)}},
         "has no part in a llama"),
        ("llama", {"more": {"output.weight": np.ones((320, 8), np.float32)}}, "has shape"),
        ("llama", {"fields": lambda w: w.add_bool("tokenizer.ggml.add_sep_token", True)},
         "add_sep_token is True"),
        ("llama", {"fields": lambda w: w.add_remove_extra_whitespaces(True)}, "whitespaces is Tr"),
        ("llama", {"pre": "viking"}, "splits words as 'viking'.*`tokenizer` of the source"),
    ],
)  # fmt: skip
def test_what_is_not_known_is_refused_by_name(kind, file, message, tmp_path):
    model = network(kind, tie_word_embeddings=True)
    gguf_files.write(tmp_path / "tiny.gguf", model, **file)
    with pytest.raises(InputError, match=message):
        converted(tmp_path / "tiny.gguf")
    assert not (tmp_path / "tiny").exists()


def test_another_architecture_is_refused(tmp_path):
    writer = gguf.GGUFWriter(tmp_path / "falcon.gguf", "falcon")
    writer.add_tensor("token_embd.weight", np.ones((4, 2), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with pytest.raises(InputError, match=r"architecture is 'falcon'; GGUF files of llama, qwen2"):
        converted(tmp_path / "falcon.gguf")


# Tokenizers ------------------------------------------------------------------------------------


def test_the_tokenizer_of_a_byte_level_file(tmp_path):
    template = "{% for m in messages %}[{{ m.content }}]{% endfor %}"
    model = network("llama")
    gguf_files.write(
        tmp_path / "tiny.gguf", model, lambda writer: writer.add_chat_template(template)
    )
    copy, measured = converted(tmp_path / "tiny.gguf")
    tokens = copy.tokenizer
    assert (tokens.pad_token, tokens.eos_token, tokens.bos_token) == ("<pad>", "</s>", "<s>")
    text = "The quick  brown fox's 1999 dogs\n\n jumped 7.5 times </s> é"
    assert tokens.decode(tokens(text)["input_ids"]) == text
    assert 1 in tokens(text)["input_ids"]  # a control token is one token in text
    assert tokens("in  1999").tokens()[-4:] == ["1", "9", "9", "9"]
    assert tokens.apply_chat_template([{"content": "hi"}], tokenize=False) == "[hi]"
    assert measured.conversion["begins_with"] == []


@pytest.mark.parametrize(
    ("begin", "end", "pre", "around"),
    [
        (True, True, "smollm", ([2], [1])),
        (True, False, "llama-bpe", ([2], [])),
        (False, True, "qwen2", ([], [1])),
        (None, None, "qwen2", ([], [])),
        (None, None, "llama-bpe", ([2], [])),  # llama.cpp's default for this one
    ],
)
def test_begin_and_end_tokens_are_the_files(begin, end, pre, around, tmp_path):
    def fields(writer):
        if begin is not None:
            writer.add_add_bos_token(begin)
        if end is not None:
            writer.add_add_eos_token(end)

    gguf_files.write(tmp_path / "tiny.gguf", network("llama"), fields, pre=pre)
    copy, measured = converted(tmp_path / "tiny.gguf")
    encoded = copy.tokenizer("the fox", return_offsets_mapping=True)
    inner = copy.tokenizer("the fox", add_special_tokens=False)["input_ids"]
    assert encoded["input_ids"] == [*around[0], *inner, *around[1]]
    assert max(end for _, end in encoded["offset_mapping"]) == len("the fox")
    assert measured.conversion["begins_with"] == [*around[0], *around[1]]


@pytest.mark.parametrize("prefix", [True, False])
def test_sentencepiece_is_as_the_models_tokenizer(prefix):
    """Against a BPE trained here: pieces and their ranks are all that the file holds."""
    lines = ["a cat sat on the mat", "the cats looked at the moon", "naïve cafés at the mat"] * 3
    rows = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    spaces = normalizers.Replace(" ", "▁")
    rows.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), spaces]) if prefix else spaces
    rows.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(),
         *([decoders.Strip(" ", 1, 0)] if prefix else [])]
    )  # fmt: skip
    special = ["<unk>", "<s>", "</s>", *(f"<0x{n:02X}>" for n in range(256))]
    rows.train_from_iterator(lines, trainers.BpeTrainer(vocab_size=330, special_tokens=special))
    trained = json.loads(rows.to_str())
    rows = Tokenizer.from_str(json.dumps({**trained, "added_tokens": trained["added_tokens"][:3]}))
    rows.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", 1)]
    )
    pieces = [rows.id_to_token(n) for n in range(rows.get_vocab_size())]
    merged = ["".join(merge) for merge in trained["model"]["merges"]]
    fields = {
        "model": "llama", "tokens": pieces, "add_space_prefix": prefix,
        "scores": [-float(merged.index(p)) if p in merged else -1e4 for p in pieces],
        "token_type": [2, 3, 3, *[6] * 256, *[1] * (len(pieces) - 259)],
        "bos_token_id": 1, "eos_token_id": 2, "unknown_token_id": 0,
    }  # fmt: skip
    made = tokenizer_of({f"tokenizer.ggml.{key}": value for key, value in fields.items()}, "file")
    truth = PreTrainedTokenizerFast(tokenizer_object=rows)
    for text in [*lines[:3], "the  dog 99 </s> Ω cat\n\n", " the", ""]:
        measured, expected = made(text)["input_ids"], truth(text)["input_ids"]
        assert measured == expected, text
        assert made.decode(measured, skip_special_tokens=True) == truth.decode(
            expected, skip_special_tokens=True
        )


def test_another_tokenizer_may_be_given(tmp_path):
    gguf_files.write(tmp_path / "odd.gguf", network("llama"), pre="viking")
    tokenizer().save_pretrained(tmp_path / "tokens")
    source = Gguf(str(tmp_path / "odd.gguf"), tokenizer=str(tmp_path / "tokens"))
    resolve(source, converted=tmp_path / "checkpoint")
    loaded = load(describe(tmp_path / "checkpoint", "tiny", plain(source), simulated=False))
    assert loaded.tokenizer("the fox")["input_ids"] == tokenizer()("the fox")["input_ids"]


def test_files_that_are_none_are_named(tmp_path):
    path = tmp_path / "tiny.gguf"
    source = Gguf(str(path))
    with pytest.raises(InputError, match="no such GGUF file"):
        resolve(source, converted=tmp_path / "c")
    gguf_files.write(path, network("llama"))
    with pytest.raises(InputError, match=r"tiny.gguf: sha256 is [0-9a-f]{64}, expected 0000"):
        resolve(replace(source, sha256="0" * 64), converted=tmp_path / "c")
    half = resolve(source, converted=tmp_path / "half", dtype="bfloat16")
    assert load_file(half.folder / "model.safetensors")["model.norm.weight"].dtype == torch.bfloat16
    path.write_bytes(b"GGUF" + b"\0" * 100)
    with pytest.raises(InputError, match="this GGUF file cannot be read"):
        resolve(source, converted=tmp_path / "c")
    assert not list(tmp_path.glob("*c*/")) + list(tmp_path.glob(".c*"))
