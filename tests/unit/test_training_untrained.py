import json

import pytest
import torch
from brainalign.errors import InputError
from brainalign.models.architectures import FAMILIES
from brainalign.models.loading import load
from brainalign.models.manifest import describe
from brainalign.training.untrained import write_untrained
from safetensors.torch import load_file, save_file
from worlds.tiny_checkpoints import VOCABULARY, write


def manifest_of(folder, **settings):
    return describe(folder, "tiny", {"type": "folder"}, simulated=False, **settings)


@pytest.mark.parametrize("kind", FAMILIES)
def test_twin_has_the_shape_and_none_of_the_weights(kind, tmp_path):
    trained = write(kind, tmp_path / "trained", options={"max_shard_size": "20KB"})
    original = manifest_of(tmp_path / "trained")
    write_untrained(original, tmp_path / "twin", seed=3)
    twin = manifest_of(tmp_path / "twin")
    same = ("architecture", "layers", "d_model", "parameters", "vocabulary", "max_context")
    assert {key: twin[key] for key in same} == {key: original[key] for key in same}
    assert twin["files"]["tokenizer.json"] == original["files"]["tokenizer.json"]
    weights = dict(load(twin).model.named_parameters())
    for name, value in trained.named_parameters():
        assert weights[name].shape == value.shape
        assert not torch.equal(weights[name], value), name


def test_weights_follow_the_seed_alone(tmp_path):
    write("gpt2", tmp_path / "trained", n_embd=64)
    original = manifest_of(tmp_path / "trained")
    state = torch.get_rng_state()
    drawn = {}
    for position, seed in {"one": 1, "again": 1, "two": 2}.items():
        torch.manual_seed(len(position))
        write_untrained(original, tmp_path / position, seed)
        drawn[position] = load_file(tmp_path / position / "model.safetensors")[
            "transformer.wte.weight"
        ]
    torch.manual_seed(0)
    before = torch.get_rng_state()
    write_untrained(original, tmp_path / "one", 1)
    assert torch.equal(torch.get_rng_state(), before)
    torch.set_rng_state(state)
    assert torch.equal(drawn["one"], drawn["again"])
    assert not torch.equal(drawn["one"], drawn["two"])


def test_weights_are_drawn_as_the_config_says(tmp_path):
    write("gpt2", tmp_path / "trained", n_embd=64, initializer_range=0.05)
    write_untrained(manifest_of(tmp_path / "trained"), tmp_path / "twin", seed=1)
    weights = load_file(tmp_path / "twin" / "model.safetensors")
    embedding = weights["transformer.wte.weight"]  # 320 × 64 draws: standard error of sd 0.5 %
    assert abs(embedding.std().item() / 0.05 - 1) < 0.03
    assert torch.equal(weights["transformer.ln_f.weight"], torch.ones(64))


def test_dtype_and_t5_flavour_are_kept(tmp_path):
    write("t5", tmp_path / "trained", tie_word_embeddings=False, feed_forward_proj="gated-gelu")
    write_untrained(manifest_of(tmp_path / "trained", dtype="bfloat16"), tmp_path / "twin", 1)
    tensors = load_file(tmp_path / "twin" / "model.safetensors")
    assert {tensor.dtype for tensor in tensors.values()} == {torch.bfloat16}
    config = json.loads((tmp_path / "twin" / "config.json").read_text(encoding="utf-8"))
    assert config["feed_forward_proj"] == "gated-gelu"
    assert load(manifest_of(tmp_path / "twin")).model.config.scale_decoder_outputs is False


def test_twin_of_an_untied_t5_has_a_separate_head(tmp_path):
    write("t5", tmp_path / "trained", tie_word_embeddings=False, feed_forward_proj="gated-gelu")
    path = tmp_path / "trained" / "model.safetensors"
    tensors = load_file(path) | {"lm_head.weight": torch.randn(VOCABULARY, 16)}
    save_file(tensors, path, metadata={"format": "pt"})
    original = manifest_of(tmp_path / "trained")
    write_untrained(original, tmp_path / "twin", 1)
    twin = manifest_of(tmp_path / "twin")
    assert twin["parameters"] == original["parameters"]
    model = load(twin).model
    head, embeddings = model.lm_head.weight, model.shared.weight
    assert not torch.equal(head, embeddings)
    # 5,120 draws each: the ratio of the two sds has a standard error of 1.4 %.
    assert abs((head.std() / embeddings.std()).item() - 1) < 0.06


def test_a_config_of_another_model_is_an_error(tmp_path):
    write("gpt2", tmp_path / "trained")
    manifest = manifest_of(tmp_path / "trained")
    with pytest.raises(InputError, match=r"its config gives \d+ parameters, its checkpoint has 7"):
        write_untrained(manifest | {"parameters": 7}, tmp_path / "twin", 1)
    assert not (tmp_path / "twin").exists()
