"""Logits in float32 of models in 16 bits, against products in float64."""

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from brainalign.capability.answering import answer
from brainalign.models.architectures import run_body
from brainalign.models.head import logits_in_parts, use_float32
from brainalign.models.loading import LanguageModel
from brainalign.reading.prediction import token_bits
from worlds import capability_world as world
from worlds.entries import asked


def in_16_bits(kind: str, dtype: torch.dtype = torch.bfloat16) -> LanguageModel:
    model = world.model(kind)
    network = deepcopy(model.model).to(dtype)
    use_float32(network)
    return replace(model, model=network, dtype=dtype)


@pytest.mark.parametrize("bias", [False, True])
def test_parts_are_the_full_product(bias: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brainalign.models.head._WEIGHTS_AT_ONCE", 100)
    torch.manual_seed(0)
    head = torch.nn.Linear(32, 57, bias=bias, dtype=torch.bfloat16).requires_grad_(False)
    hidden = 8 * torch.randn(5, 32, dtype=torch.bfloat16)
    parts = list(logits_in_parts(hidden, head.weight, head.bias))
    assert len(parts) > 10 and parts[0].dtype is torch.float32
    truth = hidden.double().numpy() @ head.weight.double().numpy().T
    truth += head.bias.double().numpy() if bias else 0
    np.testing.assert_allclose(torch.cat(parts, 1).numpy(), truth, rtol=0, atol=1e-4)


@pytest.mark.parametrize("kind", ["gpt2", "llama", "gemma2", "granite", "bloom", "opt", "t5"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_logits_are_those_of_float64_on_the_models_hidden_states(
    kind: str, dtype: torch.dtype
) -> None:
    model = in_16_bits(kind, dtype)
    tokens = torch.arange(5, 17)[None]
    both = {"decoder_input_ids": tokens} if kind == "t5" else {}
    with torch.inference_mode():
        logits = model.model(input_ids=tokens, **both).logits[0]
        hidden = run_body(
            model.model, tokens, torch.ones_like(tokens), both.get("decoder_input_ids")
        ).last_hidden_state[0]
        bits = token_bits(model, hidden[:-1], tokens[0, 1:])
    weight = model.model.get_output_embeddings().weight
    truth = hidden.double() @ weight.double().T
    config = model.model.config
    if getattr(config, "scale_decoder_outputs", False):
        truth *= config.d_model**-0.5
    truth /= getattr(config, "logits_scaling", 1.0)
    if cap := getattr(config, "final_logit_softcapping", None):
        truth = cap * torch.tanh(truth / cap)
    assert logits.dtype is torch.float32
    # T5 scales its hidden states in its dtype before the head.
    atol = 0.02 * float(truth.abs().max()) if kind == "t5" else 1e-4
    torch.testing.assert_close(logits.double(), truth, rtol=1e-5, atol=atol)
    rows = -truth.log_softmax(-1)[:-1].gather(1, tokens[0, 1:, None])[:, 0] / np.log(2)
    torch.testing.assert_close(bits.double(), rows, rtol=1e-5, atol=1e-4)


def test_letters_of_a_16_bit_model_do_not_tie() -> None:
    """Logits near 20 (a bias that changes no probability), a few tenths apart."""
    task = asked({"format": "multiple-choice", "scoring": "loglikelihood", "shots": 2})
    questions = world.multiple_choice(40)

    def ties(use: bool) -> float:
        model = world.model("llama")
        network = deepcopy(model.model).to(torch.bfloat16)
        head = network.get_output_embeddings()
        head.weight.mul_(0.1)
        head.bias = torch.nn.Parameter(torch.full((len(head.weight),), 20.0).bfloat16())
        if use:
            use_float32(network)
        model = replace(model, model=network, dtype=torch.bfloat16)
        records = [record for batch in answer(model, questions, task) for record in batch]
        return float(np.mean([record["tie"] for record in records]))

    assert ties(False) > 0.1
    assert ties(True) == 0


def test_a_float32_model_keeps_its_head() -> None:
    network = deepcopy(world.model("gpt2").model)
    use_float32(network)
    assert "forward" not in vars(network.get_output_embeddings())
