"""The logit lens: the next-token probabilities that each layer of a model leads to.

The state after each block goes through the final norm and the output head, as the state after the
last block does in the model itself (nostalgebraist 2020, "interpreting GPT: the logit lens").
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from brainalign.errors import InputError
from brainalign.models.architectures import capture, ending
from brainalign.models.loading import LanguageModel
from brainalign.reading.prediction import Predictor, read_layer_bits
from brainalign.reading.sequences import TokenSequence

AGREEMENT = 1e-3  # of the largest value: how far the last state may lie from the model's


def lens_layers(model: LanguageModel) -> list[str]:
    """The layers whose states can go through the final norm: the input of the first block and the
    output of every block. Of an encoder-decoder model these are the decoder's, which predict.
    """
    stack = "decoder." if model.architecture == "encoder-decoder" else ""
    return [name for name in model.layers if name.startswith(stack) and not name.endswith("final")]


def read_bits_by_layer(
    reader: Predictor,
    sequences: Sequence[TokenSequence],
    names: Sequence[str],
    batch_tokens: int | None = None,
    whitespace: str = "leading",
) -> dict[str, np.ndarray]:
    """Bits of each stimulus by the logit lens at every layer.

    Parameters and errors are those of `prediction.read_bits`. The last layer is the model itself:
    its bits are those of `read_bits`.

    Returns
    -------
    Layer name → float64 [row].

    Raises
    ------
    InputError : the final norm of the last block's output is not the model's last hidden state.
    """
    model = reader.model
    layers = lens_layers(model)
    modules = ending(model.model)

    def ended(state: Tensor) -> Tensor:
        for module in modules:
            state = module(state)
        return state

    def states(batch: list[TokenSequence]) -> tuple[Iterator[Tensor], list[int]]:
        last, shifts = reader.states(batch)
        ours = ended(captured[layers[-1]]).to(last.device)
        if not torch.allclose(ours, last, rtol=0, atol=AGREEMENT * float(last.abs().max())):
            raise InputError(
                f"model {model.name}: its last hidden states are not the final norm of its last "
                "block's output; it has no logit lens until models/architectures.py (`ending`) "
                "does what the model does"
            )
        return (last if name == layers[-1] else ended(captured[name]) for name in layers), shifts

    with torch.inference_mode(), capture(model.model, tuple(layers)) as captured:
        bits = read_layer_bits(
            model, states, len(layers), sequences, names, batch_tokens, whitespace
        )
    return dict(zip(layers, bits, strict=True))
