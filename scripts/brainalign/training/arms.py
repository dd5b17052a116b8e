"""The arms of a tuning experiment: what each reads, step by step, and how much of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from brainalign.errors import InputError
from brainalign.training.labelling import IGNORED, Encoded, Row, encode, tokens_of
from brainalign.training.prompts import Example, example
from brainalign.training.samples import Sample
from brainalign.training.settings import Recipe

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


class Course(NamedTuple):
    """All that a model reads in its training.

    rows : sequences; steps : per optimisation step the rows that it learns from, in order.
    samples : int [step], samples seen after each step of arm instruction, the pace of all arms.
    tokens, learned : int [step], tokens that this arm has read after each step, and tokens that
        its loss was on. held_out : rows of samples that no arm is trained on, with instructions.
    facts : counts of what was left out.
    """

    rows: list[Row]
    steps: list[list[int]]
    samples: np.ndarray
    tokens: np.ndarray
    learned: np.ndarray
    held_out: list[Row]
    facts: dict[str, int]


def course(
    samples: Sequence[Sample],
    recipe: Recipe,
    tokenizer: PreTrainedTokenizerFast,
    seed: int,
    *,
    encoder_decoder: bool = False,
    documents: Sequence[str] = (),
) -> Course:
    """What a model reads in an arm.

    All arms of a seed draw the same samples in the same order. Arm instruction sets the pace: in
    every step the others read as many tokens as it (`recipe.match: tokens`; to the nearest whole
    sequence), going through their rows more often or less. The rows of arm continued are running
    text in pieces of arm instruction's lengths, so tokens and shapes are equal exactly; an
    encoder-decoder reads a piece and writes the one that follows it (prefix language modelling,
    Raffel et al. 2020, section 3.2.1).

    Parameters
    ----------
    seed : draws the samples and their order.
    documents : running text of arm continued; if empty, the samples' inputs and outputs.

    Raises
    ------
    InputError : fewer samples than asked for or than a batch, too little text.
    """
    rng = np.random.default_rng(seed)
    drawn, held = _draw(samples, recipe, rng)

    def encoded(examples: Sequence[Example]) -> Encoded:
        return encode(
            examples,
            tokenizer,
            encoder_decoder=encoder_decoder,
            max_length=recipe.max_length,
            loss_on=recipe.loss_on,
            too_long=recipe.too_long,
        )

    def size(row: Row) -> int:
        return tokens_of(row, encoder_decoder=encoder_decoder)

    pace = encoded([example(sample, recipe.prompt) for sample in drawn])
    if len(pace.rows) < recipe.batch_size:
        raise InputError(
            f"{len(pace.rows)} usable samples ({len(drawn) - len(pace.rows)} of {len(drawn)} are "
            f"too long for max_length {recipe.max_length}), fewer than a batch of "
            f"{recipe.batch_size}"
        )
    kept = [drawn[i] for i in pace.origin]
    seen = recipe.seen(len(pace.rows))
    order = list(_order(len(pace.rows), seen, rng))
    batches = [order[i : i + recipe.batch_size] for i in range(0, seen, recipe.batch_size)]
    facts = {"drawn_samples": len(drawn), "trained_samples": len(kept), **_counts(pace)}

    arm, rows, steps = recipe.arm, pace.rows, batches
    if arm == "continued":
        texts = documents or [f"{sample['input']} {sample['output']}".strip() for sample in kept]
        pieces = _pieces(_stream(texts, tokenizer), pace.rows, order, encoder_decoder)
        rows, numbers = list(pieces), iter(range(seen))
        steps = [[next(numbers) for _ in batch] for batch in batches]
    elif arm != "instruction":
        instructed = encoded(_examples(kept, recipe))
        rows = instructed.rows
        if arm == "preference":
            rejected = encoded(_examples(kept, recipe, "rejected"))
            rows = _pairs(instructed, rejected)
            facts["rejected_truncated_samples"] = rejected.truncated
        if not rows:
            raise InputError(
                f"arm {arm}: no sample is usable"
                + (" (none has an output that is `rejected`)" if arm == "preference" else "")
            )
        facts |= {f"{arm}_{key}": value for key, value in _counts(instructed).items()}
        facts[f"{arm}_samples"] = len(rows)
        steps = _paced(batches, pace.rows, rows, recipe, size)

    def cumulated(count: Callable[[Row], int]) -> np.ndarray:
        per_row = np.array([count(row) for row in rows])
        return np.cumsum([per_row[step].sum() for step in steps])

    return Course(
        rows,
        steps,
        np.cumsum([len(batch) for batch in batches]),
        cumulated(size),
        cumulated(_learned),
        encoded([example(sample, recipe.prompt) for sample in held]).rows,
        facts,
    )


def _draw(
    samples: Sequence[Sample], recipe: Recipe, rng: np.random.Generator
) -> tuple[list[Sample], list[Sample]]:
    order = rng.permutation(len(samples))
    held, rest = order[: recipe.held_out], order[recipe.held_out :]
    n = len(rest) if recipe.samples is None else recipe.samples
    if n > len(rest) or not n:
        raise InputError(
            f"samples: {n} asked for and {recipe.held_out} held out, but the file has "
            f"{len(samples)}"
        )
    return [samples[i] for i in rest[:n]], [samples[i] for i in held]


def _order(n: int, seen: int, rng: np.random.Generator) -> Iterator[int]:
    """Rows in the order in which they are seen; the first time as they were drawn."""
    for start in range(0, seen, n):
        yield from (range(n) if start == 0 else rng.permutation(n).tolist())[: seen - start]


def _counts(encoded: Encoded) -> dict[str, int]:
    return {
        "truncated_samples": encoded.truncated,
        "too_long_samples": encoded.too_long,
        "unlearnable_samples": encoded.unlearnable,
    }


def _learned(row: Row) -> int:
    """Tokens of a row that the loss is on."""
    labels = [*row["labels"], *row.get("rejected_labels", ())]
    return sum(label != IGNORED for label in labels)


def _pairs(preferred: Encoded, rejected: Encoded) -> list[Row]:
    """Preference pairs of the samples both of whose outputs are usable."""
    other = dict(zip(rejected.origin, rejected.rows, strict=True))
    return [
        {
            **row,
            "rejected_ids": other[i]["input_ids"],
            "rejected_labels": other[i]["labels"],
        }
        for i, row in zip(preferred.origin, preferred.rows, strict=True)
        if i in other
    ]


def _examples(samples: Sequence[Sample], recipe: Recipe, output: str = "output") -> list[Example]:
    if recipe.arm == "preference":
        return [
            example({**sample, "output": sample[output]}, recipe.prompt)
            for sample in samples
            if "rejected" in sample
        ]
    if recipe.arm == "shuffled":
        # The samples are in random order: the next one's output is a random other's.
        return [
            example({**sample, "output": other["output"]}, recipe.prompt)
            for sample, other in zip(samples, [*samples[1:], samples[0]], strict=True)
        ]
    return [
        example(sample, recipe.prompt, instructed=False)
        for sample in samples
        if recipe.empty_input == "keep" or sample["input"].strip()
    ]


def _paced(
    batches: Sequence[Sequence[int]],
    pace: Sequence[Row],
    rows: Sequence[Row],
    recipe: Recipe,
    size: Callable[[Row], int],
) -> list[list[int]]:
    """Steps over `rows`, again and again in their order, at the pace of arm instruction; none is
    empty."""
    steps: list[list[int]] = []
    at = due = read = 0
    for batch in batches:
        step: list[int] = []
        due += sum(size(pace[i]) for i in batch)
        while True:
            tokens = size(rows[at % len(rows)])
            enough = (
                len(step) >= len(batch)
                if recipe.match == "samples"
                else read + tokens - due > due - read  # one more is farther from what is due
            )
            if enough and step:
                break
            step.append(at % len(rows))
            read += tokens
            at += 1
        steps.append(step)
    return steps


def _stream(texts: Sequence[str], tokenizer: PreTrainedTokenizerFast) -> np.ndarray:
    """Texts as one stream of token ids, each closed by the end of text."""
    encoded = tokenizer(list(texts), add_special_tokens=False)["input_ids"]
    return np.concatenate([[*ids, tokenizer.eos_token_id] for ids in encoded]).astype(np.int64)


def _pieces(
    stream: np.ndarray, pace: Sequence[Row], order: Sequence[int], encoder_decoder: bool
) -> Iterator[dict[str, Any]]:
    """The stream, a ring, in pieces of the lengths of `pace`, one after the other."""
    longest = max(sum(map(len, row.values())) for row in pace)
    if len(stream) < longest:
        raise InputError(f"arm continued: {len(stream)} tokens of text, fewer than {longest}")
    at = 0
    for i in order:
        read = len(pace[i]["input_ids"])
        length = read + (len(pace[i]["labels"]) if encoder_decoder else 0)
        piece = stream[(at + np.arange(length)) % len(stream)].tolist()
        at += length
        if encoder_decoder:
            yield {"input_ids": piece[:read], "labels": piece[read:]}
        else:
            yield {"input_ids": piece, "labels": [IGNORED, *piece[1:]]}
