"""Examples of instruction tuning as token ids with labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from brainalign.errors import InputError
from brainalign.training.prompts import Example

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

IGNORED = -100  # a label that the loss leaves out

Row = dict[str, list[int]]
"""`input_ids` and `labels` (`IGNORED` where no loss is taken); of a preference pair these are
of the preferred output, and `rejected_ids` and `rejected_labels` of the other."""


class Encoded(NamedTuple):
    """Examples as tokens, and what was done to them.

    rows : the usable ones; origin : the example that each row comes from.
    truncated : rows that were cut at `max_length`; too_long : examples left out because they are
        longer; unlearnable : examples left out because no label is left of them.
    """

    rows: list[Row]
    origin: list[int]
    truncated: int
    too_long: int
    unlearnable: int


def encode(
    examples: Sequence[Example],
    tokenizer: PreTrainedTokenizerFast,
    *,
    encoder_decoder: bool,
    max_length: int,
    loss_on: str = "response",
    too_long: str = "truncate",
) -> Encoded:
    """Encode examples.

    A decoder alone reads prompt, response and end of text as one sequence, tokenised as one text;
    a token belongs to the response if it ends after the prompt does. The first token of a sequence
    is predicted from nothing and has no label. An encoder-decoder reads the prompt and writes the
    response and the end of text; what it reads of an empty prompt is the end of text.

    Raises
    ------
    InputError : the tokenizer has no end-of-text token.
    """
    end = tokenizer.eos_token_id
    if end is None:
        raise InputError("the tokenizer has no end-of-text token to close a response with")
    if not examples:
        return Encoded([], [], 0, 0, 0)
    labelled = (_pairs if encoder_decoder else _sequences)(examples, tokenizer, end, loss_on)
    rows, origin, cut, left_out, unlearnable = [], [], 0, 0, 0
    for number, row in enumerate(labelled):
        long = max(map(len, row.values())) > max_length
        if long and too_long == "drop":
            left_out += 1
            continue
        row = {key: ids[:max_length] for key, ids in row.items()}
        if all(label == IGNORED for label in row["labels"]):
            unlearnable += 1
            continue
        rows.append(row)
        origin.append(number)
        cut += long
    return Encoded(rows, origin, cut, left_out, unlearnable)


def tokens_of(row: Row, *, encoder_decoder: bool) -> int:
    """Tokens that a model reads in a row: encoder and decoder together, both outputs of a pair."""
    read = [key for key in row if encoder_decoder or key.endswith("_ids")]
    return sum(len(row[key]) for key in read)


def _sequences(
    examples: Sequence[Example], tokenizer: PreTrainedTokenizerFast, end: int, loss_on: str
) -> list[Row]:
    first = [token for token in tokenizer("")["input_ids"] if token != end]  # LLaMA's <s>
    encoded = tokenizer(
        [prompt + response for prompt, response in examples],
        add_special_tokens=False,
        return_offsets_mapping=True,
    )
    rows = []
    for (prompt, _), ids, spans in zip(
        examples, encoded["input_ids"], encoded["offset_mapping"], strict=True
    ):
        labels = [
            token if loss_on == "all" or stop > len(prompt) else IGNORED
            for token, (_, stop) in zip(ids, spans, strict=True)
        ]
        labels = [*[IGNORED] * len(first), *labels, end]
        rows.append({"input_ids": [*first, *ids, end], "labels": [IGNORED, *labels[1:]]})
    return rows


def _pairs(
    examples: Sequence[Example], tokenizer: PreTrainedTokenizerFast, end: int, _: str
) -> list[Row]:
    prompts = tokenizer([prompt for prompt, _ in examples])["input_ids"]
    responses = tokenizer([said for _, said in examples], add_special_tokens=False)["input_ids"]
    return [
        {"input_ids": prompt or [end], "labels": [*response, end]}
        for prompt, response in zip(prompts, responses, strict=True)
    ]
