"""Prediction: how probable a model finds each token, given what precedes it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from brainalign.errors import InputError
from brainalign.models.architectures import run_body
from brainalign.models.head import logits_in_parts
from brainalign.models.inputs import decoder_start, padded
from brainalign.models.loading import LanguageModel
from brainalign.reading.forward import batch_budget, in_batches
from brainalign.reading.sequences import Specials, TokenSequence, special_tokens

METHODS = ("prefix", "infilling", "teacher-forcing")
SENTINEL = "<extra_id_0>"
WHITESPACES = ("leading", "trailing")
SPACES = (
    "▁",
    "Ġ",
    "Ċ",
    "ĉ",
    "č",
    " ",
    "\n",
    "\t",
    "\r",
    "<0x09>",
    "<0x0A>",
    "<0x0D>",
    "<0x20>",
)  # of SentencePiece, of byte-level BPE, plain

_Batch = list[TokenSequence]
_States = Callable[[_Batch], tuple[Tensor, list[int]]]
# As `Predictor.states`, but of several layers: one hidden state after the other.
LayerStates = Callable[[_Batch], tuple[Iterable[Tensor], list[int]]]


@dataclass(frozen=True)
class Predictor:
    """One way to get the probabilities of a sequence's tokens out of a model.

    `limit` is the most text tokens of a sequence. `share`: stimuli do not see what follows them in
    a sequence, so several may share one. `predicts_first`: there is something before the first
    token of a text that predicts it. `specials` stand around each text. `states` gives for a batch
    the hidden states [sequence, position, unit] and, per sequence, the distance from a token's
    token in the sequence to the position that predicts it.
    """

    model: LanguageModel
    limit: int
    share: bool
    predicts_first: bool
    specials: Specials
    states: _States


def predictor(
    model: LanguageModel, bos: str = "default", method: str = "prefix", presentation: str = "raw"
) -> Predictor:
    """How `model` predicts tokens.

    Parameters
    ----------
    bos, presentation : what stands before the text (see `sequences.special_tokens`).
    method : for encoder-decoder models, others have one. `prefix`: the encoder reads the
        context, the decoder says the word (prefix language models). `infilling`: the encoder
        reads the context and a sentinel, the decoder says the word after that sentinel (models
        trained by span corruption). `teacher-forcing`: the encoder reads nothing but its end
        token, the decoder everything.

    Raises
    ------
    InputError : an unknown setting; a masked model; no sentinel in the vocabulary; a model that
        does more to its logits than is known here.
    """
    if method not in METHODS:
        raise InputError(f"surprisal {method!r}: expected one of {', '.join(METHODS)}")
    if model.architecture == "masked":
        raise InputError(
            f"model {model.name}: a masked model sees both sides of a word; it has no surprisal"
        )
    _check_logits(model)
    specials = special_tokens(model.tokenizer, model.architecture, bos, presentation)
    limit = model.max_context - len(specials)
    if model.architecture == "decoder-only":
        return Predictor(
            model, limit, True, bool(specials.before), specials, _causal(model, specials)
        )
    if method == "teacher-forcing":
        limit = model.max_context - 1
        return Predictor(model, limit, True, True, specials, _teacher_forcing(model, specials))
    between = _sentinel(model) if method == "infilling" else []
    limit -= max(1, len(between))
    return Predictor(model, limit, False, True, specials, _continuation(model, specials, between))


def read_bits(
    reader: Predictor,
    sequences: Sequence[TokenSequence],
    names: Sequence[str],
    batch_tokens: int | None = None,
    whitespace: str = "leading",
) -> np.ndarray:
    """Bits of each stimulus: the sum over its own tokens of -log2 p.

    Parameters
    ----------
    sequences : in which every row from 0 to len(names) - 1 is read once.
    names : of the rows, for messages.
    batch_tokens : padded tokens of a batch (default: `forward.batch_budget`).
    whitespace : `leading`: the space before a word belongs to it, as its tokens have it.
        `trailing`: the space after a word does; the product of the tokens' probabilities is
        multiplied by p(a word ends here) after the word and divided by the same before it
        (Oh & Schuler 2024; Pimentel & Meister 2024). Words without a space before them have no
        such divisor.

    Returns
    -------
    float64 [row]; NaN where a token has nothing before it.

    Raises
    ------
    InputError : an unknown setting; `trailing` for a tokenizer without tokens that begin with
        whitespace; probabilities that are not finite.
    """

    def states(batch: _Batch) -> tuple[list[Tensor], list[int]]:
        hidden, shifts = reader.states(batch)
        return [hidden], shifts

    return read_layer_bits(reader.model, states, 1, sequences, names, batch_tokens, whitespace)[0]


def read_layer_bits(
    model: LanguageModel,
    states: LayerStates,
    n_layers: int,
    sequences: Sequence[TokenSequence],
    names: Sequence[str],
    batch_tokens: int | None = None,
    whitespace: str = "leading",
) -> np.ndarray:
    """Bits of each stimulus by each of the hidden states that `states` gives.

    Returns
    -------
    float64 [layer, row]; all else is as of `read_bits`.

    Raises
    ------
    InputError : an unknown `whitespace`; as `read_bits`.
    """
    if whitespace not in WHITESPACES:
        raise InputError(f"whitespace {whitespace!r}: expected one of {', '.join(WHITESPACES)}")
    budget = batch_budget(model.device, batch_tokens)
    bits = np.zeros((n_layers, len(names)))
    ends = _ends_word(model) if whitespace == "trailing" else None

    def bits_at(
        tokens: _Positions, hidden: Tensor, sign: int, members: Tensor | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The row of each token, and the bits of its token, or of all `members`, with a sign."""
        unknown = tokens.rows[tokens.positions < 0]
        tokens = tokens.where(tokens.positions >= 0)
        at = hidden[torch.from_numpy(tokens.sequences), torch.from_numpy(tokens.positions)]
        if members is None:
            result = token_bits(model, at, torch.from_numpy(tokens.tokens))
        else:
            result = mass_bits(model, at, members)
        values = result.double().cpu().numpy()
        if not np.isfinite(values).all():
            name = names[tokens.rows[~np.isfinite(values)][0]]
            raise InputError(
                f"model {model.name}: stimulus {name}: no finite probability ({model.dtype})"
            )
        return np.concatenate([unknown, tokens.rows]), np.concatenate(
            [np.full(unknown.size, np.nan), sign * values]
        )

    def work(batch: list[int]) -> None:
        chosen = [sequences[k] for k in batch]
        layers, shifts = states(chosen)
        result = []
        for layer, hidden in enumerate(layers):
            result.append((layer, *bits_at(_positions(chosen, shifts, range), hidden, 1)))
            if ends is not None:
                before = _positions(chosen, shifts, lambda start, stop: [start])
                spaced = before.where(ends.numpy()[before.tokens])
                result.append((layer, *bits_at(spaced, hidden, -1, ends)))
                after = _positions(chosen, shifts, lambda start, stop: [stop])
                result.append((layer, *bits_at(after, hidden, 1, ends)))
        # At the end, all at once: where the memory did not suffice, the work is done again.
        for layer, rows, values in result:
            np.add.at(bits[layer], rows, values)

    with torch.inference_mode():
        lengths = [len(s.ids) for s in sequences]
        in_batches(lengths, budget, work, "predictions", model.wants_equal_lengths)
    return bits


@dataclass(frozen=True)
class _Positions:
    """Tokens of a batch, int64 [token]: row, sequence, predicting position, token id (or -1)."""

    rows: np.ndarray
    sequences: np.ndarray
    positions: np.ndarray
    tokens: np.ndarray

    def where(self, chosen: np.ndarray) -> _Positions:
        """The tokens that `chosen`, bool [token], marks."""
        return _Positions(
            self.rows[chosen], self.sequences[chosen], self.positions[chosen], self.tokens[chosen]
        )


def _positions(
    batch: _Batch, shifts: list[int], of: Callable[[int, int], Iterable[int]]
) -> _Positions:
    """The tokens `of(start, stop)` of every stimulus; `stop` itself is what would come next."""
    result = [
        (
            row,
            k,
            position + shifts[k],
            sequence.ids[position] if position < len(sequence.ids) else -1,
        )
        for k, sequence in enumerate(batch)
        for row, start, stop in zip(sequence.rows, sequence.starts, sequence.stops, strict=True)
        for position in of(start, stop)
    ]
    return _Positions(*np.array(result, np.int64).T.copy())


def token_bits(model: LanguageModel, hidden: Tensor, tokens: Tensor) -> Tensor:
    """-log2 p of each token.

    Parameters
    ----------
    hidden : the body's last hidden states [token, unit], each at the position before its token.
    tokens : int64 [token].

    Returns
    -------
    float32 [token], on the device of the output embeddings.
    """
    total = hidden.new_full((len(hidden),), -math.inf, dtype=torch.float32)
    of_token = torch.zeros_like(total)
    for first, logits in _logits(model, hidden):
        total, of_token = total.to(logits.device), of_token.to(logits.device)
        total = torch.logaddexp(total, logits.logsumexp(1))
        positions = tokens.to(logits.device) - first
        here = (positions >= 0) & (positions < logits.shape[1])
        of_token[here] = logits[here, positions[here]]
    return (total - of_token) / math.log(2)


def mass_bits(model: LanguageModel, hidden: Tensor, members: Tensor) -> Tensor:
    """-log2 p(the next token is one of `members`), bool [vocabulary]; float32 [position]."""
    total = hidden.new_full((len(hidden),), -math.inf, dtype=torch.float32)
    mass = total
    for first, logits in _logits(model, hidden):
        total, mass = total.to(logits.device), mass.to(logits.device)
        total = torch.logaddexp(total, logits.logsumexp(1))
        ids = members[first : first + logits.shape[1]].nonzero()[:, 0].to(logits.device)
        mass = torch.logaddexp(mass, logits[:, ids].logsumexp(1))
    return (total - mass) / math.log(2)


def _logits(model: LanguageModel, hidden: Tensor) -> Iterator[tuple[int, Tensor]]:
    """The logits after hidden states, float32 [position, token], some of the vocabulary at a time.

    With each part comes the id of its first token.
    """
    head: Any = model.model.get_output_embeddings()  # type: ignore[operator]
    with _present(head):
        weight, bias = head.weight, getattr(head, "bias", None)
        hidden = _scaled(model, hidden.to(weight.device).float())
        first = 0
        for logits in logits_in_parts(hidden, weight, bias):
            yield first, _capped(model, logits)
            first += logits.shape[1]


def _check_logits(model: LanguageModel) -> None:
    """Raise an InputError unless `_logits` are the model's own, on a few tokens."""
    network: Any = model.model
    tokens = torch.arange(1, 5, device=model.device)[None]  # T5Gemma takes 0 for padding
    both = {"input_ids": tokens}
    decoder = None
    if model.architecture == "encoder-decoder":
        both["decoder_input_ids"] = decoder = tokens
    with torch.inference_mode():
        hidden = run_body(network, tokens, torch.ones_like(tokens), decoder).last_hidden_state[0]
        ours = torch.cat([part.cpu() for _, part in _logits(model, hidden)], dim=1)
        logits = network(**both).logits[0].float().cpu()
    if not torch.allclose(ours, logits, rtol=0, atol=0.02 * float(logits.abs().max())):
        raise InputError(
            f"model {model.name}: its logits are not what reading/prediction.py makes of its last "
            "hidden states and output embeddings; it has no surprisal until `_scaled` or `_capped` "
            "there does what the model does"
        )


def _present(module: Any) -> AbstractContextManager[Any]:
    """Keeps the weights of a module that was offloaded (device sharded) where it computes."""
    if not module.weight.is_meta:
        return nullcontext()
    from accelerate.utils import align_module_device

    return align_module_device(module)


def whitespace_of(model: LanguageModel, choice: str) -> str:
    """What `by-tokenizer` means for a model: `trailing` where tokens begin with whitespace
    (byte-level BPE, SentencePiece), so that a word's tokens do not say that it ends; else
    `leading` (WordPiece, whole words). Other choices stay as they are.
    """
    if choice != "by-tokenizer":
        return choice
    return "trailing" if any(_spaced(model)) else "leading"


def _spaced(model: LanguageModel) -> list[bool]:
    """Which tokens begin with whitespace, by id."""
    pieces = model.tokenizer.convert_ids_to_tokens(list(range(len(model.tokenizer))))
    return [str(piece).startswith(SPACES) for piece in pieces]


def _ends_word(model: LanguageModel) -> Tensor:
    """Which tokens show that the word before them has ended, bool [token id]."""
    special = set(model.tokenizer.all_special_ids)
    spaced = _spaced(model)
    if not any(spaced):
        raise InputError(
            f"model {model.name}: whitespace trailing needs tokens that begin with whitespace; "
            "its tokenizer has none"
        )
    return torch.tensor([k in special or begins for k, begins in enumerate(spaced)])


def _scaled(model: LanguageModel, hidden: Tensor) -> Tensor:
    config: Any = model.model.config
    if getattr(config, "scale_decoder_outputs", False):  # T5 with tied embeddings
        return hidden * config.d_model**-0.5
    factor = getattr(config, "lm_head_multiplier", 1.0)  # Falcon-H1
    return hidden * factor / getattr(config, "logits_scaling", 1.0)  # Granite


def _capped(model: LanguageModel, logits: Tensor) -> Tensor:
    config: Any = model.model.config
    config = config.get_text_config(decoder=True)  # T5Gemma's decoder has one
    cap = getattr(config, "final_logit_softcapping", None)  # Gemma 2
    return logits if cap is None else torch.tanh(logits / cap) * cap


def _causal(model: LanguageModel, specials: Specials) -> _States:
    before = list(specials.before)

    def states(batch: _Batch) -> tuple[Tensor, list[int]]:
        ids, _ = padded([before + sequence.ids.tolist() for sequence in batch], model.device)
        return run_body(model.model, ids).last_hidden_state, [len(before) - 1] * len(batch)

    return states


def _teacher_forcing(model: LanguageModel, specials: Specials) -> _States:
    start, nothing = [decoder_start(model.model)], _surrounded(model, specials, [])

    def states(batch: _Batch) -> tuple[Tensor, list[int]]:
        ids, mask = padded([nothing] * len(batch), model.device)
        decoder_ids, _ = padded([start + sequence.ids.tolist() for sequence in batch], model.device)
        output = run_body(model.model, ids, mask, decoder_ids)
        return output.last_hidden_state, [0] * len(batch)

    return states


def _continuation(model: LanguageModel, specials: Specials, between: list[int]) -> _States:
    """The encoder reads what precedes the one stimulus of a sequence, the decoder says it."""
    opening: list[int] = [decoder_start(model.model), *between]

    def states(batch: _Batch) -> tuple[Tensor, list[int]]:
        contexts = [sequence.ids[: sequence.starts[0]].tolist() + between for sequence in batch]
        ids, mask = padded([_surrounded(model, specials, c) for c in contexts], model.device)
        words = [
            sequence.ids[sequence.starts[0] : sequence.stops[0]].tolist() for sequence in batch
        ]
        decoder_ids, _ = padded([opening + word for word in words], model.device)
        output = run_body(model.model, ids, mask, decoder_ids)
        return output.last_hidden_state, [len(between) - s.starts[0] for s in batch]

    return states


def _surrounded(model: LanguageModel, specials: Specials, ids: list[int]) -> list[int]:
    """An encoder's input; where it would be empty, the end-of-text token alone."""
    surrounded = [*specials.before, *ids, *specials.after]
    if surrounded:
        return surrounded
    if model.tokenizer.eos_token_id is None:
        raise InputError(
            f"model {model.name}: no end-of-text token, which its encoder reads for no context"
        )
    return [model.tokenizer.eos_token_id]


def _sentinel(model: LanguageModel) -> list[int]:
    if SENTINEL not in model.tokenizer.get_vocab():
        raise InputError(
            f"model {model.name}: surprisal by infilling needs {SENTINEL} in the vocabulary; "
            "use prefix or teacher-forcing"
        )
    return [model.tokenizer.get_vocab()[SENTINEL]]
