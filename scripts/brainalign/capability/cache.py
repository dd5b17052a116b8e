"""Keys and values of a batch, kept so that a further token costs no copy of those before."""

import copy
from typing import Any

import torch
from transformers.cache_utils import DynamicLayer


def copied(cache: Any) -> Any:
    """A cache whose layers can be changed without changing the original; no tensor is copied."""
    result = copy.copy(cache)
    result.layers = [copy.copy(layer) for layer in cache.layers]
    return result


def widened(cache: Any, n_rows: int) -> Any:
    """The cache of one row as that of `n_rows` equal rows; no tensor is copied."""
    result = copied(cache)
    for layer in result.layers:
        layer.keys = layer.keys.expand(n_rows, -1, -1, -1)
        layer.values = layer.values.expand(n_rows, -1, -1, -1)
    return result


class RoomyLayer(DynamicLayer):
    """Keys and values of a layer in tensors with room for further tokens.

    transformers' own layer copies everything that it holds to append a token.

    Parameters
    ----------
    keys, values : [row, head, token, unit]; what follows the tokens held is room.
    length : how many tokens are held.
    """

    def __init__(self, keys: torch.Tensor, values: torch.Tensor, length: int = 0) -> None:
        super().__init__()
        self.lazy_initialization(keys, values)
        self._keys, self._values = keys, values
        self.hold(length)

    @classmethod
    def like(cls, layer: Any, n_rows: int, room: int) -> "RoomyLayer":
        """An empty layer for `n_rows` with room for `room` tokens of another layer's form."""
        # Zeros, not any memory: masked padding may lie in the room, and no mask undoes NaN.
        return cls(*(
            held.new_zeros(n_rows, held.shape[1], room, held.shape[3])
            for held in (layer.keys, layer.values)
        ))  # fmt: skip

    def hold(self, length: int) -> None:
        """Take the first `length` tokens for those held."""
        self.length = length
        self.keys = self._keys[..., :length, :]
        self.values = self._values[..., :length, :]

    def part(self, rows: slice, length: int) -> "RoomyLayer":
        """Some rows with their first `length` tokens, in the same memory."""
        return RoomyLayer(self._keys[rows], self._values[rows], length)

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        start, stop = self.length, self.length + key_states.shape[-2]
        missing = stop - self._keys.shape[-2]
        if missing > 0:
            room = (0, 0, 0, missing)
            self._keys = torch.nn.functional.pad(self._keys, room)
            self._values = torch.nn.functional.pad(self._values, room)
        self._keys[..., start:stop, :] = key_states
        self._values[..., start:stop, :] = value_states
        self.hold(stop)
        return self._keys[..., :stop, :], self._values[..., :stop, :]

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        self._keys, self._values = self._keys[indices], self._values[indices]
        self.hold(self.length)
