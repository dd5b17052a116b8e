"""What a batch's rows remember: keys and values of every token, or states of one size.

Keys and values are kept so that a further token costs no copy of those before.
"""

import copy
from typing import Any

import torch
from transformers.cache_utils import DynamicLayer, LinearAttentionCacheLayerMixin

STATES = ("conv_states", "recurrent_states")


def copied(cache: Any) -> Any:
    """A cache whose layers can be changed without changing the original.

    No keys and values are copied; states are, for a model overwrites them.
    """
    result = copy.copy(cache)
    result.layers = [copy.copy(layer) for layer in cache.layers]
    for layer in result.layers:
        for name in STATES if has_states(layer) else ():
            held = getattr(layer, name).items()
            setattr(layer, name, {k: None if s is None else s.clone() for k, s in held})
    return result


def widened(cache: Any, n_rows: int) -> Any:
    """The cache of one row as that of `n_rows` equal rows; only states are copied."""
    result = copied(cache)
    for layer in result.layers:
        if has_states(layer):
            layer.reorder_cache(torch.zeros(n_rows, dtype=torch.int64))
            continue
        layer.keys = layer.keys.expand(n_rows, -1, -1, -1)
        layer.values = layer.values.expand(n_rows, -1, -1, -1)
    return result


def selected(cache: Any, rows: torch.Tensor) -> Any:
    """A cache of the rows given, int64 [row], in that order; rows may recur."""
    result = copied(cache)
    for layer in result.layers:
        select = layer.reorder_cache if has_states(layer) else layer.batch_select_indices
        select(rows)
    return result


def has_states(layer: Any) -> bool:
    """Whether a layer remembers by a state of one size (beside keys and values, or alone)."""
    return isinstance(layer, LinearAttentionCacheLayerMixin)


def held_tensors(layer: Any) -> list[torch.Tensor]:
    """All that a layer holds of its rows, tensors [row, ...] of the model's dtype."""
    held = [getattr(layer, name, None) for name in ("keys", "values")]
    held += [state for name in STATES for state in getattr(layer, name, {}).values()]
    return [tensor for tensor in held if tensor is not None]


class PreallocatedLayer(DynamicLayer):
    """Keys and values of a layer in tensors with memory for further tokens.

    transformers' layer copies everything that it holds to append a token.

    Parameters
    ----------
    keys, values : [row, head, token, unit]; what follows the tokens held is spare.
    length : how many tokens are held.
    """

    def __init__(self, keys: torch.Tensor, values: torch.Tensor, length: int = 0) -> None:
        super().__init__()
        self.lazy_initialization(keys, values)
        self._keys, self._values = keys, values
        self.hold(length)

    @classmethod
    def like(cls, layer: Any, n_rows: int, spare: int) -> "PreallocatedLayer":
        """An empty layer for `n_rows` with memory for `spare` tokens of another layer's form."""
        # Zeros, not any memory: masked padding may lie in the spare part, and no mask undoes NaN.
        return cls(*(
            held.new_zeros(n_rows, held.shape[1], spare, held.shape[3])
            for held in (layer.keys, layer.values)
        ))  # fmt: skip

    def hold(self, length: int) -> None:
        """Take the first `length` tokens for those held."""
        self.length = length
        self.keys = self._keys[..., :length, :]
        self.values = self._values[..., :length, :]

    def part(self, rows: slice, length: int) -> "PreallocatedLayer":
        """Some rows with their first `length` tokens, in the same memory."""
        return PreallocatedLayer(self._keys[rows], self._values[rows], length)

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append keys and values [row, head, token, unit]; all that are held, of the same form."""
        start, stop = self.length, self.length + key_states.shape[-2]
        missing = stop - self._keys.shape[-2]
        if missing > 0:
            padding = (0, 0, 0, missing)
            self._keys = torch.nn.functional.pad(self._keys, padding)
            self._values = torch.nn.functional.pad(self._values, padding)
        self._keys[..., start:stop, :] = key_states
        self._values[..., start:stop, :] = value_states
        self.hold(stop)
        return self._keys[..., :stop, :], self._values[..., :stop, :]

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Keep the rows `indices`, int64 [row], in their order."""
        self._keys, self._values = self._keys[indices], self._values[indices]
        self.hold(self.length)
