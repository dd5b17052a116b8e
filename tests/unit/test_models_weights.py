"""A loaded network has the weights of its files, or is refused."""

import json
from pathlib import Path

import accelerate
import pytest
import torch
from brainalign.errors import InputError
from brainalign.models.architectures import FAMILIES
from brainalign.models.loading import load
from brainalign.models.manifest import describe
from brainalign.models.weights import check_weights
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM
from worlds.families import every
from worlds.tiny_checkpoints import network, save, write


def described(folder, **settings):
    return describe(folder, "tiny", {"type": "folder"}, simulated=False, **settings)


def opened(folder, **settings):
    return load(described(folder, **settings)).model


def change(folder: Path, **tensors: torch.Tensor | None) -> None:
    """Store other tensors under these names (`__` for `.`); None removes one."""
    path = folder / "model.safetensors"
    held = load_file(path) | {name.replace("__", "."): value for name, value in tensors.items()}
    held = {name: value.clone() for name, value in held.items() if value is not None}
    save_file(held, path, metadata={"format": "pt"})


def configure(folder: Path, **keys: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | keys))


@pytest.mark.parametrize("shards", [{}, {"max_shard_size": "20KB"}], ids=["one file", "shards"])
@pytest.mark.parametrize(
    ("kind", "tied"),
    every(FAMILIES, True)
    + every((kind for kind in FAMILIES if FAMILIES[kind].architecture != "masked"), False),
)
def test_every_family_is_loaded_as_it_was_saved(kind, tied, shards, tmp_path):
    saved = write(kind, tmp_path, options=shards, tie_word_embeddings=tied)
    loaded = opened(tmp_path, dtype="bfloat16").state_dict()
    assert loaded.keys() == saved.state_dict().keys()
    for name, tensor in saved.state_dict().items():
        assert torch.equal(loaded[name], tensor.to(loaded[name].dtype)), name


def test_a_separate_head_of_a_t5_is_kept(tmp_path):
    """Stored by this transformers, which says so by scale_decoder_outputs."""
    saved = network("t5", tie_word_embeddings=False)
    saved.lm_head.weight = torch.nn.Parameter(torch.randn(320, 16))
    save(saved, tmp_path)
    again = opened(tmp_path)
    save(again, tmp_path / "again")
    for model in (again, opened(tmp_path / "again")):
        assert torch.equal(model.lm_head.weight, saved.lm_head.weight)
        assert torch.equal(model.shared.weight, saved.shared.weight)
        assert not model.config.scale_decoder_outputs


@pytest.mark.parametrize("names", [["encoder"], ["decoder"], ["encoder", "decoder"]])
@pytest.mark.parametrize("tied", [True, False])
def test_a_t5_that_reads_its_head_is_refused(names, tied, tmp_path):
    """huggingface/transformers issue 48154: without shared.weight the head replaces it."""
    embeddings = write("t5", tmp_path).shared.weight.data
    held = {f"{name}__embed_tokens__weight": embeddings for name in names}
    change(tmp_path, shared__weight=None, lm_head__weight=torch.randn(320, 16), **held)
    configure(tmp_path, tie_word_embeddings=tied)
    with pytest.raises(InputError, match=r"embed_tokens|shared"):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("kind", "name", "value", "what"),
    [
        ("llama", "model.layers.1.mlp.up_proj.weight", None, "would be random"),
        ("llama", "model.norm.weight", None, "would be random"),
        ("gpt2", "transformer.h.2.attn.c_attn.bias", None, "would be random"),
        ("qwen2", "model.layers.0.self_attn.q_proj.bias", None, "would be random"),
        ("opt", "model.decoder.embed_positions.weight", None, "would be random"),
        ("mixtral", "model.layers.1.block_sparse_moe.experts.2.w1.weight", None, ""),
        ("mixtral", "model.layers.1.block_sparse_moe.experts.4.w1.weight", (24, 16), ""),
        ("llama", "model.layers.0.self_attn.q_proj.bias", (16,), "but not in a model"),
        ("llama", "model.layers.0.self_attn.sinks", (2,), "but not in a model"),
        ("llama", "model.layers.3.mlp.up_proj.weight", (24, 16), "but not in a model"),
        ("qwen3", "v_head.summary.weight", (1, 16), "but not in a model"),
        ("bert", "bert.encoder.layer.0.attention.self.distance_embedding.weight", (9, 8), "not in"),
        ("mpt", "transformer.norm_f.bias", (16,), "but not in a model"),
    ],
)
def test_tensors_that_are_absent_or_too_many_are_named(kind, name, value, what, tmp_path):
    write(kind, tmp_path)
    opened(tmp_path)
    change(tmp_path, **{name: value and torch.ones(value)})
    with pytest.raises(InputError, match=rf"{what}.*{name}" if what else "cannot be loaded"):
        opened(tmp_path)


def test_a_head_that_differs_from_the_embeddings_it_is_tied_to_is_refused(tmp_path):
    model = write("llama", tmp_path, tie_word_embeddings=True)
    change(tmp_path, lm_head__weight=model.lm_head.weight.data)  # a copy is no contradiction
    assert opened(tmp_path).config.tie_word_embeddings
    head = torch.randn(320, 16)
    change(tmp_path, lm_head__weight=head)
    with pytest.raises(InputError, match=r"are not the embeddings.*first lm_head\.weight"):
        opened(tmp_path)
    configure(tmp_path, tie_word_embeddings=False)
    assert torch.equal(opened(tmp_path).lm_head.weight, head)


@pytest.mark.parametrize("kind", ["llama", "gpt2", "t5"])
def test_a_head_that_is_absent_though_nothing_is_tied_is_refused(kind, tmp_path):
    write(kind, tmp_path, tie_word_embeddings=True)
    configure(tmp_path, tie_word_embeddings=False)
    with pytest.raises(InputError, match=r"not in the (files|checkpoint).*lm_head\.weight"):
        opened(tmp_path)


def test_values_are_compared(tmp_path):
    write("llama", tmp_path)
    for name, position in (
        ("model.norm.weight", 3),
        ("model.layers.2.mlp.down_proj.weight", (0, 5)),
        ("model.embed_tokens.weight", (319, 0)),
    ):
        model = opened(tmp_path)
        check_weights(model, tmp_path)
        model.get_parameter(name).data[position] += 0.5
        with pytest.raises(InputError, match=f"{name}: the model has other values"):
            check_weights(model, tmp_path)
        change(tmp_path, **{name: torch.nan * model.get_parameter(name).data})
        with pytest.raises(InputError, match=f"{name} has values that are NaN"):
            opened(tmp_path)
        write("llama", tmp_path)


@pytest.mark.parametrize("kind", ["gpt2", "t5", "mixtral"])
def test_offloaded_weights_are_compared_where_they_lie(kind, tmp_path):
    write(kind, tmp_path)
    model = opened(tmp_path)
    accelerate.cpu_offload(model)
    assert model.get_output_embeddings().weight.is_meta
    check_weights(model, tmp_path)
    name, tensor = next(iter(load_file(tmp_path / "model.safetensors").items()))
    change(tmp_path, **{name: tensor + 1})
    with pytest.raises(InputError, match="the model has other values"):
        check_weights(model, tmp_path)


def test_an_adapter_beside_the_weights_is_refused(tmp_path):
    model = write("llama", tmp_path)
    manifest = described(tmp_path)
    tuned = get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj"]))
    tuned.save_pretrained(tmp_path)
    with pytest.raises(InputError, match=r"adapter_config\.json lies beside the weights"):
        described(tmp_path)
    with pytest.raises(InputError, match=r"adapter_config\.json lies beside the weights"):
        load(manifest)  # it came later
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "adapter_config.json").rename(tmp_path / "other.json")
    with pytest.raises(InputError, match="holds an adapter alone"):
        described(tmp_path)


def test_a_folder_that_holds_two_checkpoints_is_refused(tmp_path):
    write("llama", tmp_path, options={"max_shard_size": "20KB"})
    described(tmp_path)
    network("llama", seed=1).save_pretrained(tmp_path / "other")
    (tmp_path / "other" / "model.safetensors").rename(tmp_path / "model.safetensors")
    with pytest.raises(InputError, match="are two checkpoints: remove one"):
        described(tmp_path)


def test_an_index_that_says_other_than_its_shards_is_refused(tmp_path):
    write("llama", tmp_path, options={"max_shard_size": "20KB"})
    path = tmp_path / "model.safetensors.index.json"
    index = json.loads(path.read_text())
    del index["weight_map"]["model.norm.weight"]
    path.write_text(json.dumps(index))
    with pytest.raises(InputError, match=r"do not agree about tensor model\.norm\.weight"):
        described(tmp_path)


@pytest.mark.parametrize(
    "keys",
    [
        {"quantization_config": {"quant_method": "gptq", "bits": 4}},
        {"transformers_weights": "other.safetensors"},
    ],
)
def test_weights_that_are_elsewhere_or_quantised_are_refused(keys, tmp_path):
    write("llama", tmp_path)
    configure(tmp_path, **keys)
    with pytest.raises(InputError, match=next(iter(keys))):
        described(tmp_path)


def test_what_is_read_is_in_the_manifest(tmp_path):
    write("gpt_neox", tmp_path)
    n = len(load_file(tmp_path / "model.safetensors"))
    masks = {f"gpt_neox__layers__{k}__attention__bias": torch.ones(1, 1, 8, 8) for k in range(3)}
    change(tmp_path, **masks)
    manifest = described(tmp_path)
    assert manifest["tensors"] == n
    assert manifest["not_read"] == ["gpt_neox.layers.N.attention.bias"]
    assert manifest["attention"] == "sdpa"
    load(manifest)


def test_transformers_alone_would_apply_the_adapter(tmp_path):
    """The reason for the refusal; when this fails, transformers has changed its mind."""
    model = write("llama", tmp_path)
    tuned = get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj"]))
    tuned.save_pretrained(tmp_path)
    names = dict(AutoModelForCausalLM.from_pretrained(tmp_path).named_parameters())
    assert any("lora" in name for name in names)
