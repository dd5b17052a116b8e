"""Attention of many rows to one prefix that they have in common, which is held once.

A row attends to the prefix and to its own tokens under one softmax. The prefix's part is one matrix
product over all rows (Juravsky et al. 2024, Hydragen), in place of one per row that reads its own
copy of the prefix's keys and values.
"""

from typing import Any

import torch
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, eager_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from brainalign.errors import InputError
from brainalign.models.architectures import family

NAME = "shared_prefix"


class SharedPrefix:
    """Keys and values of one row of tokens, as the models' attention takes them.

    Parameters
    ----------
    cache : of one row.
    """

    def __init__(self, cache: Any) -> None:
        self._layers = [(layer.keys[0], layer.values[0]) for layer in cache.layers]
        self._asked = 0
        self.length = int(cache.get_seq_length())

    def layer(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values of a layer, [head, token, unit] each, of the model's dtype."""
        self._asked += 1
        return self._layers[index]

    def check_attended(self, name: str) -> None:
        """Raise an InputError unless each layer asked once since the last check."""
        asked, self._asked = self._asked, 0
        if asked != len(self._layers):
            raise InputError(
                f"{name}: {asked} of {len(self._layers)} layers attended to the shared prefix: its "
                "attention does not take what it is given"
            )


def can_share(network: Any) -> bool:
    """Whether the network's attention is transformers' plain one, which `attention` replaces."""
    config = network.config.get_text_config()
    return (
        family(network.config.to_dict()).memory == "keys and values"
        and network._supports_attention_backend
        and network.config._attn_implementation in ("sdpa", NAME)
        and set(getattr(config, "layer_types", None) or ["full_attention"]) == {"full_attention"}
        and not getattr(config, "sliding_window", None)
        and not getattr(config, "attn_logit_softcapping", None)
    )


def attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    shared_prefix: SharedPrefix | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """An attention function of transformers.

    Parameters
    ----------
    query : [row, head, token, unit].
    key, value : [row, key's head, token held, unit], the rows' tokens.
    attention_mask : added to the scores of the own tokens.
    scaling : factor of the scores, 1 / sqrt(units) when None.
    shared_prefix : tokens before each row's own; without, transformers' function answers.

    Returns
    -------
    [row, token, head, unit] of the dtype of `value`, and None for the weights.
    """
    if shared_prefix is None:
        sdpa = ALL_ATTENTION_FUNCTIONS["sdpa"]
        return sdpa(module, query, key, value, attention_mask, scaling=scaling, **options)
    n_rows, n_heads, n_tokens, n_units = query.shape
    n_groups = key.shape[1]  # heads that share their keys make one group
    scaling = n_units**-0.5 if scaling is None else scaling
    grouped = (query * scaling).reshape(n_rows, n_groups, -1, n_units)
    before_key, before_value = shared_prefix.layer(module.layer_idx)
    together = grouped.transpose(0, 1).reshape(n_groups, -1, n_units)
    before = (together @ before_key.transpose(1, 2)).float()
    scores = (grouped @ key.transpose(2, 3)).float()
    if attention_mask is not None:
        scores.view(n_rows, n_heads, n_tokens, -1).add_(attention_mask)

    def by_row(each: torch.Tensor) -> torch.Tensor:
        return each.view(n_groups, n_rows, -1, each.shape[-1]).transpose(0, 1)

    # One softmax over both parts, in place.
    top = torch.maximum(by_row(before.amax(2, keepdim=True)), scores.amax(3, keepdim=True))
    scores.sub_(top).exp_()
    by_row(before).sub_(top).exp_()
    total = by_row(before.sum(2, keepdim=True)) + scores.sum(3, keepdim=True)
    mixed = by_row(before.to(value.dtype) @ before_value) + scores.to(value.dtype) @ value
    mixed = (mixed / total).to(value.dtype)
    return mixed.reshape(n_rows, n_heads, n_tokens, -1).transpose(1, 2), None


def enable(network: Any) -> None:
    """Let the network's attention take `shared_prefix` from the call of its `forward`."""
    network.set_attn_implementation(NAME)


ALL_ATTENTION_FUNCTIONS.register(NAME, attention)
ALL_MASK_ATTENTION_FUNCTIONS.register(NAME, eager_mask)
