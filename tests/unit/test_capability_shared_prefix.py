"""Attention to a prefix that is held once, against attention to a copy of it for every row."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from brainalign.capability import batches
from brainalign.capability.shared_prefix import SharedPrefix, attention, can_share
from brainalign.errors import InputError
from transformers.cache_utils import DynamicCache
from worlds import capability_world as world


def first_row(n_groups: int, n_tokens: int, n_units: int) -> DynamicCache:
    """The cache of one row in a model of one layer."""
    cache = DynamicCache()
    cache.update(*torch.randn(2, 1, n_groups, n_tokens, n_units), 0)
    return cache


@pytest.mark.parametrize("n_groups", [4, 2, 1], ids=["plain", "grouped", "one key for all"])
@pytest.mark.parametrize("scaling", [None, 0.3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_equal_to_attention_with_a_copy_per_row(
    n_groups: int, scaling: float | None, dtype: torch.dtype
) -> None:
    torch.manual_seed(0)
    rows, heads, new, before, part, units = 3, 4, 5, 11, 8, 6
    first = first_row(n_groups, before, units)
    first.layers[0].keys, first.layers[0].values = (
        each.to(dtype) for each in (first.layers[0].keys, first.layers[0].values)
    )
    query = torch.randn(rows, heads, new, units).to(dtype)
    key, value = torch.randn(2, rows, n_groups, part, units).to(dtype)
    seen = torch.ones(part, part).tril()[-new:].bool().repeat(rows, 1, 1, 1)
    seen[1, ..., :4] = False  # padding on the left
    mask = torch.where(seen, 0.0, torch.finfo(torch.float32).min)
    result, _ = attention(
        SimpleNamespace(layer_idx=0), query, key, value, mask, scaling=scaling,
        shared_prefix=SharedPrefix(first),
    )  # fmt: skip

    def joined(held: torch.Tensor, each: torch.Tensor) -> torch.Tensor:
        copies = torch.cat([held.expand(rows, -1, -1, -1), each], dim=2)
        return copies.repeat_interleave(heads // n_groups, dim=1).double()

    layer = first.layers[0]
    truth = torch.nn.functional.scaled_dot_product_attention(
        query.double(), joined(layer.keys, key), joined(layer.values, value),
        attn_mask=torch.cat([torch.ones(rows, 1, new, before).bool(), seen], dim=3),
        scale=scaling,
    )  # fmt: skip
    assert result.dtype == dtype and result.shape == (rows, new, heads, units)
    tolerance = 1e-6 if dtype == torch.float32 else 0.03
    np.testing.assert_allclose(
        result.transpose(1, 2).double(), truth, atol=tolerance, rtol=tolerance
    )


@torch.inference_mode()
@pytest.mark.parametrize(
    ("kind", "shares"), [("gpt2", True), ("llama", True), ("bloom", False), ("gemma2", False)]
)
def test_the_prefix_is_held_once_where_the_attention_can_share_it(kind: str, shares: bool) -> None:
    model = world.model(kind)
    assert can_share(model.model) == shares
    rows = [[5, 6, 7, 8, 9, *part] for part in ([10, 11, 12], [13, 14], [15, 16])]
    (context,) = batches.contexts(model, rows, lambda _, context: context, new_tokens=4)
    held = context.cache.layers[0].keys.shape[2]
    assert held == (3 if shares else 8)
    _, context = context.read(torch.tensor([[11], [12], [13]]))
    alone = model.model(input_ids=torch.tensor([[*rows[1], 12]])).logits[0, -1]
    np.testing.assert_allclose(context.logits[1], alone, atol=1e-4, rtol=1e-4)


def test_a_layer_that_ignores_the_prefix_is_an_error() -> None:
    shared = SharedPrefix(first_row(1, 3, 2))
    shared.layer(0)
    shared.check_attended("Net")
    with pytest.raises(InputError, match="Net: 0 of 1 layers attended to the shared prefix"):
        shared.check_attended("Net")
