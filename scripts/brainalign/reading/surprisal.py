"""Surprisal: how unexpected each word is to a model, in bits.

The bits of a word are the sum over its tokens of -log2 p(token | everything before it in view).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from brainalign.errors import InputError
from brainalign.models.architectures import run_body
from brainalign.models.loading import LanguageModel
from brainalign.reading.contexts import chains
from brainalign.reading.forward import decoder_start, in_batches, pad
from brainalign.reading.sequences import Plan, Specials, TokenSequence, plan, special_tokens

METHODS = ("prefix", "infilling", "teacher-forcing")
SENTINEL = "<extra_id_0>"
_LOGITS_AT_ONCE = 2**25  # 128 MiB in float32

# From a batch of sequences to hidden states [sequence, position, unit] and, per sequence, the
# distance from a token's place in the sequence to the position that predicts it.
_Predict = Callable[[list[TokenSequence]], tuple[Tensor, list[int]]]


def word_surprisal(
    model: LanguageModel,
    stimuli: pd.DataFrame,
    context: str,
    bos: str = "none",
    method: str = "prefix",
    stride: int | None = None,
    chat: bool = False,
    batch_tokens: int = 4096,
) -> pd.DataFrame:
    """The surprisal of every stimulus (word) in its context.

    Parameters
    ----------
    stimuli : table with `stimulus_id`, `text` and `context_group`, in reading order.
    context : a rule of reading/contexts.py; `story` starts afresh in each context group,
        `corpus` never does.
    bos, chat : what stands before the text (see `sequences.special_tokens`).
    method : for encoder-decoder models, others have one way. `prefix`: the encoder reads the
        context, the decoder says the word (prefix language models). `infilling`: the encoder
        reads the context and a sentinel, the decoder says the word after that sentinel (models
        trained by span corruption). `teacher-forcing`: the encoder reads nothing but its end
        token, the decoder everything.
    stride : approximation for contexts beyond the model's limit (see `sequences.plan`); None: each
        word is read after as much context as fits.
    batch_tokens : padded tokens of a batch.

    Returns
    -------
    A row per stimulus: `stimulus_id`, `word`, `bits` (float64; NaN where nothing precedes the
    word), `n_tokens`, `context_tokens` (text tokens in view before the word), `truncated`.

    Raises
    ------
    InputError : an unknown setting; a masked model; no sentinel in the vocabulary; a stimulus
        without tokens or longer than the model's limit; probabilities that are not finite.
    """
    if method not in METHODS:
        raise InputError(f"surprisal {method!r}: expected one of {', '.join(METHODS)}")
    if model.architecture == "masked":
        raise InputError(
            f"model {model.name}: a masked model sees both sides of a word; it has no surprisal"
        )
    specials = special_tokens(model.tokenizer, model.architecture, bos, chat)
    room, share = model.max_context - len(specials), True
    if model.architecture == "decoder-only":
        predict = _causal(model, specials)
    elif method == "teacher-forcing":
        predict, room = _teacher_forcing(model, specials), model.max_context - 1
    else:
        between = _sentinel(model) if method == "infilling" else []
        predict, share = _continuation(model, specials, between), False
        room -= max(1, len(between))
    ids = stimuli["stimulus_id"].tolist()
    reading = plan(chains(stimuli, context), model.tokenizer, room, ids, share=share, stride=stride)
    return pd.DataFrame(
        {
            "stimulus_id": ids,
            "word": stimuli["text"].to_numpy(),
            "bits": _score(model, reading, predict, ids, batch_tokens),
            "n_tokens": reading.n_tokens,
            "context_tokens": reading.context_tokens,
            "truncated": reading.truncated,
        }
    )


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
    head: Any = model.model.get_output_embeddings()  # type: ignore[operator]
    place = head.weight.device
    size = max(1, _LOGITS_AT_ONCE // head.weight.shape[0])
    bits = []
    for some, wanted in zip(hidden.split(size), tokens.split(size), strict=True):
        logits = _adjusted(model, head(_scaled(model, some.to(place)))).float()
        chosen = logits.gather(1, wanted.to(place)[:, None])[:, 0]
        bits.append((logits.logsumexp(1) - chosen) / math.log(2))
    return torch.cat(bits)


def _scaled(model: LanguageModel, hidden: Tensor) -> Tensor:
    config: Any = model.model.config
    if getattr(config, "scale_decoder_outputs", False):  # T5 with tied embeddings
        return hidden * config.d_model**-0.5
    return hidden


def _adjusted(model: LanguageModel, logits: Tensor) -> Tensor:
    cap = getattr(model.model.config, "final_logit_softcapping", None)  # Gemma 2
    return logits if cap is None else torch.tanh(logits / cap) * cap


def _score(
    model: LanguageModel, reading: Plan, predict: _Predict, names: list[str], batch_tokens: int
) -> np.ndarray:
    bits = np.zeros(len(names))
    sequences = reading.sequences

    def work(batch: list[int]) -> None:
        chosen = [sequences[k] for k in batch]
        hidden, shifts = predict(chosen)
        wanted = [
            (row, k, token + shift, sequence.ids[token])
            for k, (sequence, shift) in enumerate(zip(chosen, shifts, strict=True))
            for row, start, stop in zip(sequence.rows, sequence.starts, sequence.stops, strict=True)
            for token in range(start, stop)
        ]
        rows, where, positions, tokens = np.array(wanted, np.int64).T
        bits[rows[positions < 0]] = np.nan
        seen = torch.from_numpy(positions >= 0)
        picked = hidden[torch.from_numpy(where)[seen], torch.from_numpy(positions)[seen]]
        found = token_bits(model, picked, torch.from_numpy(tokens)[seen]).cpu().double().numpy()
        if not np.isfinite(found).all():
            row = rows[positions >= 0][~np.isfinite(found)][0]
            raise InputError(
                f"model {model.name}: stimulus {names[row]}: no finite probability ({model.dtype})"
            )
        np.add.at(bits, rows[positions >= 0], found)

    with torch.inference_mode():
        in_batches([len(s.ids) for s in sequences], batch_tokens, work, "surprisal")
    return bits


def _causal(model: LanguageModel, specials: Specials) -> _Predict:
    before = list(specials.before)

    def predict(batch: list[TokenSequence]) -> tuple[Tensor, list[int]]:
        ids, _ = pad([before + sequence.ids for sequence in batch], model.device)
        return run_body(model.model, ids).last_hidden_state, [len(before) - 1] * len(batch)

    return predict


def _teacher_forcing(model: LanguageModel, specials: Specials) -> _Predict:
    start, nothing = [decoder_start(model.model)], _surrounded(model, specials, [])

    def predict(batch: list[TokenSequence]) -> tuple[Tensor, list[int]]:
        ids, mask = pad([nothing] * len(batch), model.device)
        decoder_ids, _ = pad([start + sequence.ids for sequence in batch], model.device)
        output = run_body(model.model, ids, mask, decoder_ids)
        return output.last_hidden_state, [0] * len(batch)

    return predict


def _continuation(model: LanguageModel, specials: Specials, between: list[int]) -> _Predict:
    """The encoder reads what precedes the one stimulus of a sequence, the decoder says it."""
    opening: list[int] = [decoder_start(model.model), *between]

    def predict(batch: list[TokenSequence]) -> tuple[Tensor, list[int]]:
        contexts = [sequence.ids[: sequence.starts[0]] + between for sequence in batch]
        ids, mask = pad([_surrounded(model, specials, c) for c in contexts], model.device)
        words = [sequence.ids[sequence.starts[0] : sequence.stops[0]] for sequence in batch]
        decoder_ids, _ = pad([opening + word for word in words], model.device)
        output = run_body(model.model, ids, mask, decoder_ids)
        return output.last_hidden_state, [len(between) - s.starts[0] for s in batch]

    return predict


def _surrounded(model: LanguageModel, specials: Specials, ids: list[int]) -> list[int]:
    """An encoder's input; where it would be empty, the end-of-text token alone."""
    whole = [*specials.before, *ids, *specials.after]
    if whole:
        return whole
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
