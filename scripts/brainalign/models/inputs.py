"""What a network is fed: padded token ids, the token that a decoder begins with."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from brainalign.errors import InputError


def padded(
    sequences: Sequence[Sequence[int]], device: torch.device, left: bool = False
) -> tuple[Tensor, Tensor]:
    """Token ids padded with 0 on the right (or left), and their mask; int64 [sequence, token]."""
    width = max(len(ids) for ids in sequences)
    ids = torch.zeros((len(sequences), width), dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for row, sequence in enumerate(sequences):
        index = slice(width - len(sequence), width) if left else slice(0, len(sequence))
        ids[row, index] = torch.tensor(sequence, dtype=torch.int64)
        mask[row, index] = 1
    return ids.to(device), mask.to(device)


def decoder_start(network: Any) -> int:
    """The token id that an encoder-decoder's decoder begins with.

    Raises
    ------
    InputError : the model's configs name none.
    """
    generation = getattr(network, "generation_config", None)
    for config, key in (
        (generation, "decoder_start_token_id"),
        (network.config, "decoder_start_token_id"),
        (network.config, "pad_token_id"),
    ):
        token = getattr(config, key, None)
        if token is not None:
            return int(token)
    raise InputError("the model's config.json has no decoder_start_token_id")
