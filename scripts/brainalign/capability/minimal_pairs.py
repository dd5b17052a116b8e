"""Minimal pairs (BLiMP): of two sentences, the one that a model finds likelier.

A sentence's log-likelihood is the sum over all its tokens. It is that of lm-eval's task `blimp`:
a space stands before the sentence, and the token that begins a text (if the tokenizer has none,
the one that ends it) before that, so that the first word counts, too. An encoder reads no text (or
only the sentinel, by `infilling`), its decoder says the sentence. Masked models have the
pseudo-log-likelihood: each token is predicted from all others (Salazar et al. 2020, ACL, section
2).
"""

import hashlib
import math
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from brainalign.capability.decoding import TIE
from brainalign.capability.tasks import Task
from brainalign.errors import InputError
from brainalign.models.inputs import padded
from brainalign.models.loading import LanguageModel
from brainalign.reading.forward import batch_budget, in_batches
from brainalign.reading.prediction import predictor, read_bits
from brainalign.reading.sequences import TokenSequence, special_tokens

SIDES = ("good", "bad")
PAIRS = 256  # judged together; a killed job resumes after the last of them


def answer(
    model: LanguageModel,
    questions: pd.DataFrame,
    task: Task,
    *,
    batch_tokens: int | None = None,
    done: Container[str] = (),
) -> Iterator[list[dict[str, Any]]]:
    """Judge every pair.

    Parameters
    ----------
    questions : rows with `question_id`, `subject`, `task`, `category`, `good`, `bad`.
    task : whose `method` says how an encoder-decoder model reads (`prediction.predictor`).
    batch_tokens : padded tokens of a batch. It changes no value but by rounding.
    done : ids of pairs that are judged already; they change no value of the others.

    Yields
    ------
    Rows of capability/{model}/{task}.parquet, some pairs at a time.

    Raises
    ------
    InputError : as `loglikelihoods`.
    """
    rows = questions.to_dict("records")
    for start in range(0, len(rows), PAIRS):
        part = rows[start : start + PAIRS]
        if all(row["question_id"] in done for row in part):
            continue
        sentences = [row[side] for row in part for side in SIDES]
        names = [f"{row['question_id']} ({side})" for row in part for side in SIDES]
        values, tokens = loglikelihoods(model, sentences, names, task.method, batch_tokens)
        yield [
            _record(row, values[2 * k : 2 * k + 2], tokens[2 * k : 2 * k + 2], task)
            for k, row in enumerate(part)
            if row["question_id"] not in done
        ]


def loglikelihoods(
    model: LanguageModel,
    sentences: Sequence[str],
    names: Sequence[str],
    method: str = "prefix",
    batch_tokens: int | None = None,
) -> tuple[list[float], list[int]]:
    """The log-likelihood (nats) of each sentence, and how many tokens it has.

    Parameters
    ----------
    names : of the sentences, for messages.
    method : for encoder-decoder models (`prediction.predictor`).

    Raises
    ------
    InputError : a sentence without tokens, or longer than the model's limit; a tokenizer without
        tokens that begin or end a text; probabilities that are not finite.
    """
    encoded = model.tokenizer([f" {text}" for text in sentences], add_special_tokens=False)
    ids = [np.array(tokens, np.int64) for tokens in encoded["input_ids"]]
    read = _masked_bits if model.architecture == "masked" else _bits
    bits = read(model, ids, names, method, batch_tokens)
    return (-bits * math.log(2)).tolist(), [len(tokens) for tokens in ids]


def _bits(
    model: LanguageModel,
    ids: list[np.ndarray],
    names: Sequence[str],
    method: str,
    batch_tokens: int | None,
) -> np.ndarray:
    reader = predictor(model, bos="tokenizer", method=method)
    begin = [] if reader.predicts_first else [_text_end(model)]
    _check_lengths(model, ids, names, reader.limit - len(begin))
    sequences = [
        TokenSequence(
            np.concatenate([np.array(begin, np.int64), tokens]),
            [row], [len(begin)], [len(begin) + len(tokens)],
        )
        for row, tokens in enumerate(ids)
    ]  # fmt: skip
    return read_bits(reader, sequences, names, batch_tokens)


def _masked_bits(
    model: LanguageModel,
    ids: list[np.ndarray],
    names: Sequence[str],
    method: str,
    batch_tokens: int | None,
) -> np.ndarray:
    """Each token is masked in turn and predicted from all others."""
    around = special_tokens(model.tokenizer, model.architecture, "default")
    mask = model.tokenizer.mask_token_id
    if mask is None:
        raise InputError(f"model {model.name}: its tokenizer has no mask token")
    _check_lengths(model, ids, names, model.max_context - len(around))
    positions = [(row, index) for row, tokens in enumerate(ids) for index in range(len(tokens))]
    bits = np.zeros(len(ids))

    def work(batch: list[int]) -> None:
        texts, at, hidden = [], [], []
        for row, index in (positions[k] for k in batch):
            text = ids[row].tolist()
            hidden.append(text[index])
            text[index] = mask
            texts.append([*around.before, *text, *around.after])
            at.append(len(around.before) + index)
        tokens, attended = padded(texts, model.device)
        logits = model.model(input_ids=tokens, attention_mask=attended).logits
        chosen = logits[torch.arange(len(at)), torch.tensor(at)].float().log_softmax(1)
        result = -chosen[torch.arange(len(hidden)), torch.tensor(hidden)].double().cpu().numpy()
        np.add.at(bits, [positions[k][0] for k in batch], result / math.log(2))

    with torch.inference_mode():
        lengths = [len(ids[row]) + len(around) for row, _ in positions]
        in_batches(lengths, batch_budget(model.device, batch_tokens), work, "masked tokens")
    if not np.isfinite(bits).all():
        name = names[int(np.flatnonzero(~np.isfinite(bits))[0])]
        raise InputError(f"model {model.name}: pair {name}: no finite probability ({model.dtype})")
    return bits


def _text_end(model: LanguageModel) -> int:
    if model.tokenizer.eos_token_id is None:
        raise InputError(
            f"model {model.name}: its tokenizer has no token that begins or ends a text: nothing "
            "predicts a sentence's first word"
        )
    return int(model.tokenizer.eos_token_id)


def _check_lengths(
    model: LanguageModel, ids: Sequence[np.ndarray], names: Sequence[str], longest: int
) -> None:
    for tokens, name in zip(ids, names, strict=True):
        if not 1 <= len(tokens) <= longest:
            raise InputError(
                f"pair {name}: {len(tokens)} tokens, model {model.name} reads 1 to {longest}"
            )


def _record(
    row: Mapping[Any, Any], values: list[float], tokens: list[int], task: Task
) -> dict[str, Any]:
    tie = abs(values[0] - values[1]) <= TIE
    likelier = int(values[1] > values[0])
    return {
        "question_id": row["question_id"],
        "subject": row["subject"],
        "task": row["task"],
        "category": row["category"],
        "gold": 0,
        "prediction": -1 if tie else likelier,
        "correct": 0.5 if tie else float(likelier == 0),
        "tie": tie,
        "unanswered": "",
        "choice_loglikelihoods": values,
        "choice_tokens": tokens,
        "normalisation": task.normalisation,
        "shots": 0,
        "shots_kept": 0,
        "prompt_tokens": 0,
        "truncated": False,
        "prompt_sha256": hashlib.sha256(f"{row['good']}\n{row['bad']}".encode()).hexdigest(),
        "scoring": task.scoring,
    }
