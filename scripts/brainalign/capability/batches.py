"""Batches of prompts that a model has read, each distinct token once.

The few-shot prefix that a subject's prompts have in common is read once; its keys and values are
shared by all of them. What differs is read in batches, padded on the left, with exact positions and
masks, so that padding, batching and sharing change a value by rounding only. A model that carries
a state from token to token (Mamba) goes on from copies of the prefix's state, in batches of one
length.
"""

import copy
import inspect
import logging
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, takewhile
from typing import Any, Self, TypeVar

import torch

from brainalign.capability.cache import (
    PreallocatedLayer,
    copied,
    has_states,
    held_tensors,
    selected,
    widened,
)
from brainalign.capability.shared_prefix import SharedPrefix, can_share, enable
from brainalign.errors import InputError
from brainalign.models.architectures import Family, family
from brainalign.models.inputs import decoder_start, padded
from brainalign.models.loading import LanguageModel
from brainalign.models.memory import cached_tokens, fits

LOG = logging.getLogger("brainalign")

Result = TypeVar("Result")

BATCH_TOKENS = 8192
# Tokens read at once: as many as a matrix product needs to be fast, few enough that rows of like
# length meet (little padding) and that what is computed in between stays in the processor's cache.
PART_TOKENS = 512


@dataclass(frozen=True)
class DecoderContext:
    """Rows of tokens read by a decoder-only model.

    logits : float32 [row, vocabulary], of the token that follows each row.
    prefix : what all rows have read before, held once; None: the cache holds everything.
    cache : the model's keys and values.
    mask : int64 [row, token], 1 where the cache holds a token of the row, 0 where padding.
    """

    network: Any
    prefix: SharedPrefix | None
    logits: torch.Tensor
    cache: Any
    mask: torch.Tensor

    def select(self, rows: torch.Tensor) -> Self:
        """A context of the rows given, int [row], in that order; rows may recur.

        `rows` is on the CPU: a sharded model's tensors are on several devices.
        """
        return self._with(self.logits[rows], selected(self.cache, rows), self.mask[rows])

    def read(self, ids: torch.Tensor) -> tuple[torch.Tensor, Self]:
        """Read further tokens [row, token]: logits [row, token, vocabulary], and the context.

        The keys and values are added to this context's own, which can then not be read on again.
        """
        mask = torch.cat([self.mask, torch.ones_like(ids)], dim=1)
        logits, cache = _read(self.network, ids, self.prefix, self.cache, mask, last_only=False)
        return logits, self._with(logits[:, -1], cache, mask)

    def _with(self, *state: Any) -> Self:
        return type(self)(self.network, self.prefix, *state)


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
        """A context of the rows given, int [row], in that order; rows may recur.

        `rows` is on the CPU: a sharded model's tensors are on several devices.
        """
        cache = copy.copy(self.cache)
        cache.self_attention_cache = selected(self.cache.self_attention_cache, rows)
        cache.cross_attention_cache = selected(self.cache.cross_attention_cache, rows)
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
    work: Callable[[list[int], Context], Result],
    *,
    batch_tokens: float = BATCH_TOKENS,
    new_tokens: int = 1,
    done: Container[int] = (),
) -> Iterator[Result]:
    """Read prompts in batches, longest first, whatever they share once, and work on each batch.

    Parameters
    ----------
    model : decoder-only (the prompts' common prefix is shared) or encoder-decoder.
    prompts : token ids, none empty.
    work : is given the positions in `prompts` of a batch's rows, and their context. When the memory
        does not suffice to read or to work, half as many rows are tried, then and later.
    batch_tokens : tokens of a batch, padding included; on a GPU fewer if the keys and values of so
        many do not fit its free memory.
    new_tokens : how many tokens will be read after a prompt at most.
    done : prompts that are not needed; a batch of which all are done is not read. The batches
        depend on all prompts, so that what is already done changes no value of the others.

    Yields
    ------
    What `work` returns for each batch.

    Raises
    ------
    InputError : the model is neither decoder-only nor encoder-decoder, or it hands out no memory
        to read on from, or the memory does not suffice for one prompt.
    """
    if not prompts:
        return
    shared, held, alike = 0, 0, False
    if model.architecture == "decoder-only":
        shared = _shared_length(prompts) if len(prompts) > 1 else 0
        alike = _minds_padding(model.model, max(len(ids) for ids in prompts) + new_tokens)
        if _family(model.model).memory == "none":
            raise InputError(
                f"model {model.name}: models of its type hand out no memory of what they have "
                "read, so it answers no questions: name its benchmarks in scored_on"
            )
    elif model.architecture != "encoder-decoder":
        raise InputError(
            f"model {model.name}: architecture {model.architecture} generates no answers"
        )
    sharing = bool(shared) and can_share(model.model)
    held = 0 if sharing else shared  # else a row's copy of the shared tokens counts
    first = None

    def read(rows: Sequence[int]) -> Context:
        rest = [prompts[row][shared:] for row in rows]
        if model.architecture == "encoder-decoder":
            return _encode(model, rest)
        if sharing:
            return _read_parts(model, first, rest, new_tokens)
        return _read_rows(model, first, shared, rest)

    def tried(rows: list[int]) -> list[Result]:
        """The result; none where the memory does not suffice."""
        results: list[Result] = []
        return results if fits(lambda: results.append(work(rows, read(rows)))) else []

    lengths = [len(ids) - shared for ids in prompts]
    order = sorted(range(len(lengths)), key=lambda row: (-lengths[row], row))
    budget = batch_tokens
    if model.device.type == "cuda":
        budget = min(budget, cached_tokens(token_bytes(model, prompts[0][0])))
    while order:
        rows = _batch(order, lengths, budget, held=held, alike=alike)
        if any(row not in done for row in rows):
            if shared and first is None:
                first = _read_first(model, prompts[0][:shared])
            if result := tried(rows):
                yield from result
            elif len(rows) > 1:
                budget = len(rows) // 2 * (held + lengths[rows[0]])
                LOG.info("out of memory: batches of %d tokens from here on", budget)
                continue
            else:
                raise InputError(
                    f"model {model.name}: the memory does not suffice for one prompt of "
                    f"{len(prompts[rows[0]])} tokens"
                )
        order = order[len(rows) :]


@torch.inference_mode()
def token_bytes(model: LanguageModel, token: int) -> dict[torch.device, int]:
    """Bytes of the keys and values of one token, per device that holds some of them.

    A state, which a row has once, is counted with each of its tokens: batches are smaller than
    they could be.
    """
    if model.architecture == "encoder-decoder":
        cache = _encode(model, [[token]]).cache.cross_attention_cache
    else:
        cache = _read_first(model, [token])
    result: dict[torch.device, int] = {}
    for layer in cache.layers:
        for held in held_tensors(layer):
            result[held.device] = result.get(held.device, 0) + held.nbytes
    return result


def _shared_length(prompts: Sequence[Sequence[int]]) -> int:
    """How many first tokens all prompts have in common, less than the shortest prompt has."""
    most = min(len(ids) for ids in prompts) - 1
    columns = zip(*(ids[:most] for ids in prompts), strict=True)
    return sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))


def _batch(
    order: Sequence[int],
    lengths: Sequence[int],
    batch_tokens: float,
    held: int = 0,
    alike: bool = False,
) -> list[int]:
    """The first rows of `order` (by falling length), each with `held` tokens before it; `alike`: of
    one length."""
    width = lengths[order[0]]
    rows = list(order[: max(1, int(batch_tokens // max(1, held + width)))])
    return [row for row in rows if lengths[row] == width] if alike else rows


def _read_first(model: LanguageModel, ids: Sequence[int]) -> Any:
    """The keys and values of one row of tokens."""
    tokens = torch.tensor([list(ids)], device=model.device)
    _, cache = _read(model.model, tokens, None, None, torch.ones_like(tokens), last_only=True)
    _check_memory(model, cache)
    return cache


def _check_memory(model: LanguageModel, cache: Any) -> None:
    """Raise an InputError unless every layer remembers as the model's family is known to."""
    states = _family(model.model).memory != "keys and values"
    if any(has_states(layer) and not states for layer in cache.layers):
        raise InputError(f"model {model.name}: its memory is not keys and values of every token")


def _read_rows(
    model: LanguageModel, first: Any, shared: int, rows: Sequence[Sequence[int]]
) -> DecoderContext:
    """Read rows, padded on the left, after `shared` tokens in common (in the cache `first`)."""
    ids, mask = padded(rows, model.device, left=True)
    cache = widened(first, len(rows)) if first else None
    mask = torch.nn.functional.pad(mask, (shared, 0), value=1)
    logits, cache = _read(model.model, ids, None, cache, mask, last_only=True)
    _check_memory(model, cache)
    return DecoderContext(model.model, None, logits[:, -1], cache, mask)


def _read_parts(
    model: LanguageModel, first: Any, rows: Sequence[Sequence[int]], new_tokens: int
) -> DecoderContext:
    """The same where the attention takes a shared prefix: `first` is not copied for the rows.

    The rows, longest first, are read a few at a time, without the padding that these have in
    common, into memory for `new_tokens` tokens more.
    """
    ids, mask = padded(rows, model.device, left=True)
    width = ids.shape[1]
    prefix, cache = SharedPrefix(first), copied(first)
    cache.layers = [
        PreallocatedLayer.like(layer, len(rows), width + new_tokens) for layer in first.layers
    ]
    logits, start = [], 0
    while start < len(ids):
        padding = int((mask[start] == 0).sum())
        part = slice(start, start + max(1, PART_TOKENS // (width - padding)))
        some = copied(cache)
        some.layers = [layer.part(part, padding) for layer in cache.layers]
        some_logits, _ = _read(
            model.model, ids[part, padding:], prefix, some, mask[part], last_only=True
        )
        logits.append(some_logits[:, -1])
        start = part.stop
    for layer in cache.layers:
        layer.hold(width)
    return DecoderContext(model.model, prefix, torch.cat(logits), cache, mask)


def _read(
    network: Any,
    ids: torch.Tensor,
    prefix: SharedPrefix | None,
    cache: Any,
    mask: torch.Tensor,
    last_only: bool,
) -> tuple[torch.Tensor, Any]:
    """Read the last tokens of the rows: float32 logits, and the cache that holds them too.

    `mask` [row, token] is that of the tokens in the cache, then of `ids`. A model with a state has
    rows without padding, and needs none.
    """
    memory = _family(network).memory
    if memory == "stepped state" and cache is not None and ids.shape[1] > 1:
        logits = []
        for token in ids.split(1, dim=1):
            some, cache = _read(network, token, None, cache, mask, last_only)
            logits.append(some)
        return torch.cat(logits[-1:] if last_only else logits, dim=1), cache
    accepted = inspect.signature(network.forward).parameters
    options: dict[str, Any] = {}
    if "position_ids" in accepted:
        before = prefix.length if prefix else 0
        positions = (before + mask.cumsum(1) - 1).clamp(min=0)
        options["position_ids"] = positions[:, -ids.shape[1] :]
    if last_only and "logits_to_keep" in accepted:
        options["logits_to_keep"] = 1
    if prefix:
        enable(network)
        options["shared_prefix"] = prefix
    if memory == "keys and values":
        options["attention_mask"] = mask
    held = "past_key_values" if "past_key_values" in accepted else "cache_params"  # Mamba's
    output = network(input_ids=ids, use_cache=True, **{held: cache}, **options)
    if prefix:
        prefix.check_attended(type(network).__name__)
    logits = output.logits[:, -1:] if last_only else output.logits
    return logits.float(), output[held]


def _encode(model: LanguageModel, rows: Sequence[Sequence[int]]) -> EncoderContext:
    """Read prompts, longest first, in the encoder, and the start token in the decoder."""
    ids, mask = padded(rows, model.device)
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
    start = torch.full((len(rows), 1), decoder_start(network), device=model.device)
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


def _minds_padding(network: Any, longest: int) -> bool:
    """Whether padding after shared tokens changes what rows of `longest` tokens make of them."""
    kind = _family(network)
    states = kind.memory != "keys and values"
    return states or kind.counts_positions or longest > _sliding_window(network)


def _family(network: Any) -> Family:
    return family(network.config.to_dict())


def _sliding_window(network: Any) -> float:
    """How far back the model's shortest attention looks, in tokens."""
    config = network.config.get_text_config()
    window = getattr(config, "sliding_window", None)
    if not window or not getattr(config, "use_sliding_window", True):
        return float("inf")
    return int(window)
