import json
import subprocess
import sys

import pytest
import torch
from brainalign.errors import InputError
from brainalign.formats.atomic import sha256_of
from brainalign.models.architectures import FAMILIES
from brainalign.models.loading import load
from brainalign.models.manifest import KEYS, MADE_HERE, check, check_files, describe
from safetensors.torch import load_file, save_file
from worlds.tiny_checkpoints import write

# Families without a longest text, and how many tokens theirs were trained with.
ENDLESS = {
    "t5": 512, "mt5": 512, "bloom": 2048, "mamba": 2048, "mamba2": 2048, "falcon_mamba": 8192,
}  # fmt: skip


def described(folder, **settings):
    return describe(folder, "tiny", {"type": "folder"}, simulated=False, **settings)


@pytest.mark.parametrize(
    ("kind", "tied"),
    [(kind, True) for kind in FAMILIES]
    + [(kind, False) for kind in FAMILIES if FAMILIES[kind].architecture != "masked"],
)
def test_parameters_are_those_of_the_loaded_model(kind, tied, tmp_path):
    model = write(kind, tmp_path, tie_word_embeddings=tied)
    manifest = described(tmp_path)
    check(manifest)
    assert set(KEYS) <= manifest.keys()
    assert manifest["parameters"] == sum(p.numel() for p in model.parameters())
    assert manifest["d_model"] == 16
    assert manifest["vocabulary"] == 320
    assert manifest["max_context"] == ENDLESS.get(kind, 64)
    assert manifest["model_class"] == type(model).__name__
    assert manifest["files"]["model.safetensors"] == sha256_of(tmp_path / "model.safetensors")
    assert "tokenizer.json" in manifest["files"]
    assert json.loads(json.dumps(manifest)) == manifest


@pytest.mark.parametrize(
    ("kind", "now", "before"),
    [
        ("llama", "max_position_embeddings", "max_sequence_length"),
        ("bloom", "hidden_size", "n_embed"),
    ],
)
def test_early_conversions_had_other_keys(kind, now, before, tmp_path):
    write(kind, tmp_path)
    of_now = described(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    config[before] = config.pop(now)
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    same = ("layers", "d_model", "max_context", "parameters")
    assert [described(tmp_path)[key] for key in same] == [of_now[key] for key in same]
    assert load(described(tmp_path)).model.config.num_hidden_layers == 3


@pytest.mark.parametrize(
    ("kind", "copies", "buffers"),
    [
        ("gpt2", {"lm_head.weight": "transformer.wte.weight"},
         {"transformer.h.0.attn.bias": (1, 1, 64, 64), "h.0.attn.masked_bias": ()}),
        ("llama", {"lm_head.weight": "model.embed_tokens.weight"},
         {"model.layers.0.self_attn.rotary_emb.inv_freq": (4,)}),
        ("t5", {"encoder.embed_tokens.weight": "shared.weight",
                "decoder.embed_tokens.weight": "shared.weight", "lm_head.weight": "shared.weight"},
         {"decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight": (32, 2)}),
        ("bert", {"cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
                  "cls.predictions.decoder.bias": "cls.predictions.bias"},
         {"bert.embeddings.position_ids": (1, 64), "bert.pooler.dense.weight": (16, 16),
          "bert.pooler.dense.bias": (16,), "cls.seq_relationship.weight": (2, 16)}),
        ("gpt_neox", {}, {"gpt_neox.layers.0.attention.bias": (1, 1, 64, 64),
                          "gpt_neox.layers.0.attention.rotary_emb.inv_freq": (2,)}),
    ],
)  # fmt: skip
def test_what_hub_checkpoints_hold_besides_is_not_counted(kind, copies, buffers, tmp_path):
    """Published checkpoints hold causal masks, rotary constants, other heads, tied copies."""
    model = write(kind, tmp_path, tie_word_embeddings=True)
    path = tmp_path / "model.safetensors"
    tensors = load_file(path)
    tensors |= {copy: tensors[name].clone() for copy, name in copies.items()}
    tensors |= {name: torch.ones(shape) for name, shape in buffers.items()}
    save_file(tensors, path, metadata={"format": "pt"})
    assert described(tmp_path)["parameters"] == sum(p.numel() for p in model.parameters())


def test_shards(tmp_path):
    model = write("llama", tmp_path, options={"max_shard_size": "20KB"})
    shards = sorted(tmp_path.glob("model-*.safetensors"))
    assert len(shards) > 1
    manifest = described(tmp_path)
    assert manifest["parameters"] == sum(p.numel() for p in model.parameters())
    assert {shard.name for shard in shards} <= manifest["files"].keys()
    shards[0].unlink()
    with pytest.raises(InputError, match=rf"shard {shards[0].name}.*missing"):
        described(tmp_path)
    with pytest.raises(InputError, match=rf"{shards[0].name} does not exist"):
        check(manifest)


def test_nothing_heavy_is_imported(tmp_path):
    write("llama", tmp_path)
    code = (
        "import sys; from pathlib import Path; from brainalign.models.manifest import describe\n"
        f"describe(Path({str(tmp_path)!r}), 'tiny', {{'type': 'folder'}}, simulated=True)\n"
        "assert not {'torch', 'transformers', 'sklearn'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": "scripts"})


def test_max_context(tmp_path):
    write("llama", tmp_path / "rotary")
    write("gpt2", tmp_path / "table")
    assert described(tmp_path / "rotary", max_context=100)["max_context"] == 100
    assert described(tmp_path / "table", max_context=10)["max_context"] == 10
    with pytest.raises(InputError, match="max_context 100, but it has only 64 positions"):
        described(tmp_path / "table", max_context=100)
    with pytest.raises(InputError, match="max_context 0"):
        described(tmp_path / "rotary", max_context=0)


def edited(folder, drop=(), **keys):
    """Edit a checkpoint's config.json."""
    path = folder / "config.json"
    config = {
        k: v for k, v in json.loads(path.read_text(encoding="utf-8")).items() if k not in drop
    }
    path.write_text(json.dumps(config | keys), encoding="utf-8")


def test_the_context_of_llamas_first_conversions(tmp_path):
    write("llama", tmp_path)
    edited(tmp_path, ["max_position_embeddings"])
    with pytest.raises(InputError, match="key max_position_embeddings is None"):
        described(tmp_path)
    assert described(tmp_path, max_context=50)["max_context"] == 50
    edited(tmp_path, max_sequence_length=40)
    assert described(tmp_path)["max_context"] == 40


@pytest.mark.parametrize("kind", ["dynamic", "longrope", "su"])
def test_positions_that_depend_on_the_length_are_refused_beyond_it(kind, tmp_path):
    write("llama", tmp_path)
    rope = {"rope_type": kind, "original_max_position_embeddings": 32, "rope_theta": 10000.0}
    edited(tmp_path, rope_parameters=rope)
    with pytest.raises(InputError, match=r"beyond 32 tokens .* give max_context: 32"):
        described(tmp_path)
    assert described(tmp_path, max_context=32)["max_context"] == 32


@pytest.mark.parametrize("keys", [{"is_causal": False}, {"use_bidirectional_attention": True}])
def test_models_that_read_in_both_directions_are_refused(keys, tmp_path):
    write("llama", tmp_path)
    edited(tmp_path, **{key: not value for key, value in keys.items()})
    described(tmp_path)
    edited(tmp_path, **keys)
    with pytest.raises(InputError, match=f"{next(iter(keys))} is .* in both directions"):
        described(tmp_path)


def test_a_special_token_without_an_embedding_is_no_mismatch(tmp_path):
    """Gemma 3's tokenizer has a token of images, which its text models lack."""
    write("llama", tmp_path)
    path = tmp_path / "tokenizer.json"
    tokenizer = json.loads(path.read_text(encoding="utf-8"))
    token = {**tokenizer["added_tokens"][0], "id": 320, "content": "<image>", "special": True}
    tokenizer["added_tokens"].append(token)
    path.write_text(json.dumps(tokenizer), encoding="utf-8")
    load(described(tmp_path))


def test_extra_keys(tmp_path):
    write("gpt2", tmp_path)
    assert described(tmp_path, trained_samples=52000)["trained_samples"] == 52000


def _shorten(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def _pickle_only(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def _no_tokenizer(folder):
    for path in folder.glob("*token*"):
        path.unlink()


def _foreign_tokenizer(folder):
    path = folder / "tokenizer.json"
    tokenizer = json.loads(path.read_text(encoding="utf-8"))
    token = {**tokenizer["added_tokens"][0], "id": 320, "content": "<x>", "special": False}
    tokenizer["added_tokens"].append(token)
    path.write_text(json.dumps(tokenizer), encoding="utf-8")


def _other_kind(folder):
    path = folder / "config.json"
    path.write_text(
        json.dumps(json.loads(path.read_text(encoding="utf-8")) | {"model_type": "xlnet"}),
        encoding="utf-8",
    )


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_shorten, r"model.safetensors: \d+ bytes, but its header tells of \d+: truncated"),
        (_pickle_only, "pytorch_model.bin, which runs code.*refs/pr/N"),
        (_no_tokenizer, "no tokenizer.*tokenizer.json"),
        (_foreign_tokenizer, "token id 320, but the model has only 320 embeddings"),
        (_other_kind, "config.json: model_type 'xlnet' is not known"),
        (lambda folder: (folder / "config.json").unlink(), "config.json: no such file"),
        (
            lambda folder: (folder / "config.json").write_text("{", encoding="utf-8"),
            "config.json: not JSON",
        ),
        (lambda folder: (folder / "model.safetensors").unlink(), "no model.safetensors"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"x"), "not a safetensors file"),
    ],
)
def test_bad_checkpoints(spoil, message, tmp_path):
    write("gpt2", tmp_path)
    spoil(tmp_path)
    with pytest.raises(InputError, match=message):
        described(tmp_path)


def test_bad_manifests(tmp_path):
    write("gpt2", tmp_path)
    manifest = described(tmp_path)
    with pytest.raises(InputError, match="model tiny: key layers is missing"):
        check({key: value for key, value in manifest.items() if key != "layers"})
    with pytest.raises(InputError, match="dtype 'int8'"):
        check(manifest | {"dtype": "int8"})
    with pytest.raises(InputError, match="dtype 'int8'"):
        described(tmp_path, dtype="int8")


@pytest.mark.parametrize("kind", [*MADE_HERE, "hub"])
@pytest.mark.parametrize("file", ["model.safetensors", "config.json"])
def test_a_changed_byte_in_a_checkpoint(kind, file, tmp_path):
    write("llama", tmp_path)
    manifest = describe(tmp_path, "tiny", {"type": kind}, simulated=False)
    check_files(manifest)
    content = bytearray((tmp_path / file).read_bytes())
    content[-3] ^= 1
    (tmp_path / file).write_bytes(content)
    if kind == "hub":  # checked when it is fetched
        check_files(manifest)
        return
    with pytest.raises(InputError, match=f"{tmp_path}: {file} is damaged.*remove it and run"):
        check_files(manifest)
