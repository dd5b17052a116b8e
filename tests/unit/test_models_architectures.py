import pytest
import torch
from brainalign.errors import InputError
from brainalign.models.architectures import FAMILIES, capture, family, layer_names, run_body
from worlds.tiny_checkpoints import network
from worlds.tiny_networks import WITHOUT_EMBEDDING

DECODERS = [kind for kind in FAMILIES if FAMILIES[kind].architecture == "decoder-only"]
IDS = torch.tensor([[5, 9, 200, 31, 7, 120], [40, 41, 42, 43, 44, 45]])


def hidden(model, **inputs):
    with torch.no_grad():
        return model(**inputs, output_hidden_states=True)


def captured(model, layers=None, keep=None, **inputs):
    with torch.no_grad(), capture(model, layers, keep) as states:
        run_body(model, **inputs)
    return states


@pytest.mark.parametrize("kind", DECODERS)
def test_layers_of_decoders_are_transformers_hidden_states(kind):
    model = network(kind)
    states = captured(model, input_ids=IDS)
    assert list(layer_names(model.config.to_dict())) == [
        "embedding", "layer.1", "layer.2", "layer.3", "final",
    ]  # fmt: skip
    # transformers puts the state after the final norm as the last block's output.
    theirs = hidden(model, input_ids=IDS).hidden_states
    given = ["embedding", "layer.1", "layer.2", "final"]
    if kind in WITHOUT_EMBEDDING:
        given = ["layer.1", "layer.2", "layer.3", "final"]
        embedded = model.get_input_embeddings()(IDS)
        torch.testing.assert_close(states["embedding"], embedded, rtol=0, atol=0)
    for name, state in zip(given, theirs, strict=True):
        torch.testing.assert_close(states[name], state, rtol=0, atol=0)
    norm = model.base_model.get_submodule(FAMILIES[kind].stacks[0].norm)
    with torch.no_grad():
        torch.testing.assert_close(norm(states["layer.3"]), states["final"])
    assert not torch.allclose(states["layer.3"], states["final"])


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("bert", ["embedding", "layer.1", "layer.2", "layer.3"]),
        ("modernbert", ["embedding", "layer.1", "layer.2", "layer.3", "final"]),
    ],
)
def test_layers_of_masked_models(kind, names):
    model = network(kind)
    states = captured(model, input_ids=IDS)
    theirs = hidden(model, input_ids=IDS).hidden_states
    assert list(layer_names(model.config.to_dict())) == list(states) == names
    given = names[:3] + names[-1:]  # transformers writes a final norm as the last block's output
    for name, state in zip(given, theirs, strict=True):
        torch.testing.assert_close(states[name], state, rtol=0, atol=0)


def test_layers_of_an_encoder_decoder_with_a_config_per_stack():
    model = network("t5gemma")
    states = captured(model, input_ids=IDS, decoder_input_ids=IDS[:, :4])
    theirs = hidden(model, input_ids=IDS, decoder_input_ids=IDS[:, :4])
    assert list(states) == [
        "encoder.embedding", "encoder.1", "encoder.2", "encoder.3", "encoder.final",
        "decoder.1", "decoder.2", "decoder.final",
    ]  # fmt: skip
    for name, state in zip(
        ["encoder.embedding", "encoder.1", "encoder.2", "encoder.final"],
        theirs.encoder_hidden_states, strict=True,
    ):  # fmt: skip
        torch.testing.assert_close(states[name], state, rtol=0, atol=0)
    for name, state in zip(
        ["decoder.1", "decoder.final"], theirs.decoder_hidden_states[1:], strict=True
    ):
        torch.testing.assert_close(states[name], state, rtol=0, atol=0)


@pytest.mark.parametrize("projection", ["relu", "gated-gelu"])
def test_layers_of_encoder_decoders(projection):
    model = network("t5", feed_forward_proj=projection, tie_word_embeddings=projection == "relu")
    mask = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0]])
    inputs = {"input_ids": IDS, "attention_mask": mask, "decoder_input_ids": IDS[:, :4]}
    states = captured(model, **inputs)
    theirs = hidden(model, **inputs)
    assert list(states) == [
        "encoder.embedding", "encoder.1", "encoder.2", "encoder.3", "encoder.final",
        "decoder.1", "decoder.2", "decoder.final",
    ]  # fmt: skip
    expected = dict(
        zip(["encoder.embedding", "encoder.1", "encoder.2", "encoder.final"],
            theirs.encoder_hidden_states, strict=True)
    ) | dict(
        zip(["decoder.1", "decoder.final"], theirs.decoder_hidden_states[1:], strict=True)
    )  # fmt: skip
    for name, state in expected.items():
        torch.testing.assert_close(states[name], state, rtol=0, atol=0)


def test_post_norm_opt_has_no_final_layer():
    """OPT-350m: a norm after each block, and embeddings that are narrower than the blocks."""
    model = network("opt", do_layer_norm_before=False, word_embed_proj_dim=8)
    states = captured(model, input_ids=IDS)
    assert list(states) == ["embedding", "layer.1", "layer.2", "layer.3"]
    assert {state.shape[-1] for state in states.values()} == {16}


def test_the_head_is_not_computed_and_hooks_are_gone():
    model = network("gpt2")
    calls = []
    model.lm_head.register_forward_hook(lambda *_: calls.append(1))
    states = captured(
        model, ("layer.2",), lambda state: state[:, -1], input_ids=IDS, attention_mask=None
    )
    assert not calls
    assert list(states) == ["layer.2"]
    assert states["layer.2"].shape == (2, 16)
    before = states["layer.2"].clone()
    with torch.no_grad():
        model(input_ids=IDS[:1])
    assert calls
    assert torch.equal(states["layer.2"], before)


def test_hooks_are_gone_after_an_error():
    model = network("llama")
    with pytest.raises(RuntimeError, match="on purpose"), capture(model):
        raise RuntimeError("on purpose")
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_unknown_names_are_an_error():
    with pytest.raises(InputError, match=r"m/config.json: model_type 'xlnet'.*gpt2.*llama.*t5"):
        family({"model_type": "xlnet"}, "m/config.json")
    with pytest.raises(InputError, match=r"n_layer is None"):
        layer_names({"model_type": "gpt2"})
    with (
        pytest.raises(InputError, match=r"layer layer.9 does not exist.*layer.3"),
        capture(network("gpt2"), ("layer.9",)),
    ):
        pass
    with pytest.raises(InputError, match="decoder_input_ids"):
        run_body(network("t5"), IDS)
