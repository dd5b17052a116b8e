"""Batches of prompts that a model has read, each distinct token once.

The few-shot prefix that a subject's prompts have in common is read once; its keys and values are
shared by all of them. What differs is read in batches, padded on the left, with exact positions and
masks, so that padding, batching and sharing change a value by rounding only.
"""

import copy
import inspect
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, takewhile
from typing import Any, Self, cast

import torch

from brainalign.errors import InputError
from brainalign.models import startup
from brainalign.models.loading import LanguageModel

with startup.short():
    from transformers.cache_utils import DynamicLayer

BATCH_TOKENS = 8192
# Tokens read at once: as many as a matrix product needs to be fast, few enough that rows of like
# length meet (little padding) and that what is computed on the way stays in the processor's cache.
PART_TOKENS = 512


@dataclass(frozen=True)
class DecoderContext:
    """Rows of tokens read by a decoder-only model.

    logits : float32 [row, vocabulary], of the token that follows each row.
    cache : the model's keys and values.
    mask : int64 [row, token], 1 where the cache holds a token of the row, 0 where padding.
    lengths : int64 [row], how many tokens each row has.
    """

    network: Any
    logits: torch.Tensor
    cache: Any
    mask: torch.Tensor
    lengths: torch.Tensor

    def select(self, rows: torch.Tensor) -> Self:
        """A context of the rows given, in that order; rows may recur.

        `rows` is on the CPU: a sharded model's tensors are on several devices.
        """
        cache = _copied(self.cache)
        cache.batch_select_indices(rows)
        return self._with(self.logits[rows], cache, self.mask[rows], self.lengths[rows])

    def read(self, ids: torch.Tensor) -> tuple[torch.Tensor, Self]:
        """Read further tokens [row, token]: logits [row, token, vocabulary], and the context.

        The keys and values are added to this context's own, which can then not be read on again.
        """
        mask = torch.ones_like(ids)
        logits, cache, mask, lengths = _read(
            self.network, ids, mask, self.cache, self.mask, self.lengths, last_only=False
        )
        return logits, self._with(logits[:, -1], cache, mask, lengths)

    def _with(self, *state: Any) -> Self:
        return type(self)(self.network, *state)


@dataclass(frozen=True)
class EncoderContext:
    """Prompts read by an encoder, and the tokens that the decoder has read after its start token.

    logits : float32 [row, vocabulary], of the decoder's next token.
    encoded : the encoder's output; mask : int64 [row, token] of its input.
    cache : the decoder's keys and values.
    """

    network: Any
    logits: torch.Tensor
    encoded: Any
    mask: torch.Tensor
    cache: Any

    def select(self, rows: torch.Tensor) -> Self:
        """A context of the rows given, in that order; rows may recur.

        `rows` is on the CPU: a sharded model's tensors are on several devices.
        """
        cache = copy.copy(self.cache)
        cache.self_attention_cache = _copied(self.cache.self_attention_cache)
        cache.cross_attention_cache = _copied(self.cache.cross_attention_cache)
        cache.batch_select_indices(rows)
        encoded = type(self.encoded)(last_hidden_state=self.encoded.last_hidden_state[rows])
        return type(self)(self.network, self.logits[rows], encoded, self.mask[rows], cache)

    def read(self, ids: torch.Tensor) -> tuple[torch.Tensor, Self]:
        """Read further tokens [row, token]: logits [row, token, vocabulary], and the context."""
        logits, cache = _decode(self.network, ids, self.encoded, self.mask, self.cache)
        return logits, type(self)(self.network, logits[:, -1], self.encoded, self.mask, cache)


Context = DecoderContext | EncoderContext


@torch.inference_mode()
def contexts(
    model: LanguageModel,
    prompts: Sequence[Sequence[int]],
    *,
    batch_tokens: float = BATCH_TOKENS,
    room: int = 1,
    done: Container[int] = (),
) -> Iterator[tuple[list[int], Context]]:
    """Read prompts in batches, longest first, whatever they share once.

    Parameters
    ----------
    model : decoder-only (the prompts' common prefix is shared) or encoder-decoder.
    prompts : token ids, none empty.
    batch_tokens : tokens of a batch, shared ones (a row's keys and values) and padding included.
    room : how many tokens will be read after a prompt at most.
    done : prompts that are not needed; a batch of which all are done is not read. The batches
        depend on all prompts, so that what is already done changes no value of the others.

    Yields
    ------
    The positions in `prompts` of the batch's rows, and their context.

    Raises
    ------
    InputError : the model is neither decoder-only nor encoder-decoder, or its memory is not keys
        and values of every token.
    """
    if not prompts:
        return
    if model.architecture == "encoder-decoder":
        for rows in _batches([len(ids) for ids in prompts], batch_tokens):
            if any(row not in done for row in rows):
                yield rows, _encode(model, [prompts[row] for row in rows])
        return
    if model.architecture != "decoder-only":
        raise InputError(
            f"model {model.name}: architecture {model.architecture} generates no answers"
        )
    shared = _shared_length(prompts) if len(prompts) > 1 else 0
    lengths = [len(ids) - shared for ids in prompts]
    alike = max(len(ids) for ids in prompts) + room > _sliding_window(model.model)
    prefix = None
    for rows in _batches(lengths, batch_tokens, held=shared, alike=alike):
        if all(row in done for row in rows):
            continue
        if shared and prefix is None:
            prefix = _read_prefix(model, prompts[0][:shared])
        yield rows, _read_rows(model, prefix, [prompts[row][shared:] for row in rows], room)


def _shared_length(prompts: Sequence[Sequence[int]]) -> int:
    """How many first tokens all prompts have in common, less than the shortest prompt has."""
    most = min(len(ids) for ids in prompts) - 1
    columns = zip(*(ids[:most] for ids in prompts), strict=True)
    return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))


def _batches(
    lengths: Sequence[int], batch_tokens: float, held: int = 0, alike: bool = False
) -> Iterator[list[int]]:
    """Rows by falling length, each with `held` tokens before it; `alike`: of one length."""
    order = sorted(range(len(lengths)), key=lambda row: (-lengths[row], row))
    start = 0
    while start < len(order):
        width = lengths[order[start]]
        rows = order[start : start + max(1, int(batch_tokens // (held + width)))]
        if alike:
            rows = [row for row in rows if lengths[row] == width]
        yield rows
        start += len(rows)


def _read_prefix(model: LanguageModel, ids: Sequence[int]) -> Any:
    """The keys and values of one row of tokens."""
    tokens = torch.tensor([list(ids)], device=model.device)
    none = torch.empty(1, 0, dtype=torch.long, device=model.device)
    _, cache, _, _ = _read(
        model.model, tokens, torch.ones_like(tokens), None, none, none.sum(1), last_only=True
    )
    _check_memory(model, cache)
    return cache


def _check_memory(model: LanguageModel, cache: Any) -> None:
    """Raise an InputError unless every layer remembers by keys and values."""
    if not all(hasattr(layer, "keys") for layer in cache.layers):
        raise InputError(f"model {model.name}: its memory is not keys and values of every token")


def _read_rows(
    model: LanguageModel, prefix: Any, rows: Sequence[Sequence[int]], room: int
) -> DecoderContext:
    """Read rows, longest first, after a shared prefix (or none), padded on the left."""
    ids, mask = _padded(rows, model.device, left=True)
    shared = prefix.get_seq_length() if prefix is not None else 0
    held = torch.ones(len(rows), shared, dtype=torch.long, device=model.device)
    cache = _widened(prefix, len(rows), ids.shape[1] + room) if prefix is not None else None
    if cache is not None and all(isinstance(layer, RoomyLayer) for layer in cache.layers):
        return _read_parts(model, cache, ids, torch.cat([held, mask], dim=1))
    logits, cache, mask, lengths = _read(
        model.model, ids, mask, cache, held, held.sum(1), last_only=True
    )
    _check_memory(model, cache)
    return DecoderContext(model.model, logits[:, -1], cache, mask, lengths)


def _read_parts(
    model: LanguageModel, cache: Any, ids: torch.Tensor, mask: torch.Tensor
) -> DecoderContext:
    """Read rows a few at a time, without the padding that these have in common.

    Parameters
    ----------
    cache : of all rows, in roomy layers, which the parts fill.
    ids : [row, token], longest rows first. mask : [row, token held or to be read].
    """
    shared = mask.shape[1] - ids.shape[1]
    logits, start = [], 0
    while start < len(ids):
        held = shared + int((mask[start, shared:] == 0).sum())
        part = slice(start, start + max(1, PART_TOKENS // (mask.shape[1] - held)))
        some = copy.copy(cache)
        some.layers = [layer.part(part, held) for layer in cache.layers]
        before, new = mask[part, :held], mask[part, held:]
        some_logits, *_ = _read(
            model.model, ids[part, held - shared :], new, some, before, before.sum(1),
            last_only=True,
        )  # fmt: skip
        logits.append(some_logits[:, -1])
        start = part.stop
    for layer in cache.layers:
        layer.hold(mask.shape[1])
    return DecoderContext(model.model, torch.cat(logits), cache, mask, mask.sum(1))


def _read(
    network: Any,
    ids: torch.Tensor,
    mask: torch.Tensor,
    cache: Any,
    held: torch.Tensor,
    lengths: torch.Tensor,
    last_only: bool,
) -> tuple[torch.Tensor, Any, torch.Tensor, torch.Tensor]:
    """Read `ids` after the tokens held: float32 logits, and the state after them."""
    accepted = inspect.signature(network.forward).parameters
    whole = torch.cat([held, mask], dim=1)
    options: dict[str, Any] = {}
    if "position_ids" in accepted:
        options["position_ids"] = (lengths[:, None] + mask.cumsum(1) - 1).clamp(min=0)
    if last_only and "logits_to_keep" in accepted:
        options["logits_to_keep"] = 1
    output = network(
        input_ids=ids, attention_mask=whole, past_key_values=cache, use_cache=True, **options
    )
    logits = output.logits[:, -1:] if last_only else output.logits
    return logits.float(), output.past_key_values, whole, lengths + mask.sum(1)


def _encode(model: LanguageModel, rows: Sequence[Sequence[int]]) -> EncoderContext:
    """Read prompts, longest first, in the encoder, and the start token in the decoder."""
    ids, mask = _padded(rows, model.device, left=False)
    network: Any = model.model
    encoder, width = network.get_encoder(), ids.shape[1]
    if model.wants_equal_lengths:
        parts = []
        for length, same in groupby(range(len(rows)), key=lambda row: len(rows[row])):
            encoded = encoder(input_ids=ids[list(same), :length], return_dict=True)
            state = encoded.last_hidden_state
            parts.append(torch.nn.functional.pad(state, (0, 0, 0, width - length)))
        encoded = type(encoded)(last_hidden_state=torch.cat(parts))
    else:
        encoded = encoder(input_ids=ids, attention_mask=mask, return_dict=True)
    start = torch.full((len(rows), 1), _start_token(network), device=model.device)
    logits, cache = _decode(network, start, encoded, mask, None)
    return EncoderContext(network, logits[:, -1], encoded, mask, cache)


def _decode(
    network: Any, ids: torch.Tensor, encoded: Any, mask: torch.Tensor, cache: Any
) -> tuple[torch.Tensor, Any]:
    output = network(
        encoder_outputs=encoded,
        attention_mask=mask,
        decoder_input_ids=ids,
        past_key_values=cache,
        use_cache=True,
    )
    return output.logits.float(), output.past_key_values


def _start_token(network: Any) -> int:
    for config in (network.generation_config, network.config):
        start = getattr(config, "decoder_start_token_id", None)
        if start is not None:
            return int(start)
    raise InputError("the model's config names no decoder_start_token_id")


def _padded(
    rows: Sequence[Sequence[int]], device: torch.device, left: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and mask, int64 [row, longest]; padding has id 0 and mask 0."""
    width = max(len(row) for row in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for index, row in enumerate(rows):
        place = slice(width - len(row), width) if left else slice(0, len(row))
        ids[index, place] = torch.tensor(list(row))
        mask[index, place] = 1
    return ids.to(device), mask.to(device)


def _copied(cache: Any) -> Any:
    """A cache whose layers can be changed without changing the original; no tensor is copied."""
    result = copy.copy(cache)
    result.layers = [copy.copy(layer) for layer in cache.layers]
    return result


class RoomyLayer(DynamicLayer):
    """Keys and values of a layer in tensors with room for further tokens.

    transformers' own layer copies everything that it holds to append a token.

    Parameters
    ----------
    keys, values : [row, head, token, unit]; what follows the tokens held is room.
    length : how many tokens are held.
    """

    def __init__(self, keys: torch.Tensor, values: torch.Tensor, length: int) -> None:
        super().__init__()
        self.lazy_initialization(keys, values)
        self._keys, self._values = keys, values
        self.hold(length)

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


def _roomy(held: torch.Tensor, n_rows: int, room: int) -> torch.Tensor:
    """One row of keys or values as `n_rows` equal rows, with room for `room` tokens."""
    _, n_heads, n_held, size = held.shape
    result = held.new_empty(n_rows, n_heads, n_held + room, size)
    result[..., :n_held, :] = held
    # Zeros, not any memory: masked padding may lie in the room, and no mask undoes NaN.
    result[..., n_held:, :] = 0
    return result


def _widened(cache: Any, n_rows: int, room: int) -> Any:
    """The cache of one row as that of `n_rows` equal rows, with room for further tokens."""
    result = _copied(cache)
    layers: list[Any] = result.layers
    for place, layer in enumerate(layers):
        if type(layer) is DynamicLayer:
            keys, values = cast(torch.Tensor, layer.keys), cast(torch.Tensor, layer.values)
            layers[place] = RoomyLayer(
                _roomy(keys, n_rows, room), _roomy(values, n_rows, room), keys.shape[-2]
            )
        else:  # a sliding window keeps the last tokens only
            layer.keys = layer.keys.expand(n_rows, -1, -1, -1)
            layer.values = layer.values.expand(n_rows, -1, -1, -1)
    return result


def _sliding_window(network: Any) -> float:
    """How far back the model's shortest attention looks, in tokens."""
    config = network.config.get_text_config()
    window = getattr(config, "sliding_window", None)
    if not window or not getattr(config, "use_sliding_window", True):
        return float("inf")
    return int(window)
