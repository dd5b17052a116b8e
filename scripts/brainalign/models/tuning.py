"""Instruction tuning with transformers' Trainer."""

import json
import logging
import math
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from transformers import (
    DataCollatorForSeq2Seq,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from brainalign.errors import InputError
from brainalign.models.prompts import Example, example

LOG = logging.getLogger("brainalign")
IGNORED = -100  # a label that the loss leaves out
LOSS_ON = ("response", "all")


@dataclass(frozen=True)
class Recipe:
    """A `tune` source without `type`, `of`, `instructions`; the defaults are Stanford Alpaca's.

    (tatsu-lab/stanford_alpaca, README: batch 128, learning rate 2e-5, 3 epochs, length 512,
    cosine, 3 % warm-up. Its train.py computes the loss on the response only.)

    Attributes
    ----------
    arm, prompt : see prompts.example.
    samples : how many samples are drawn from the file, without replacement; None: all, in random
        order.
    max_length : tokens of prompt and response together; what is longer is cut at its end.
    loss_on : `response`, or `all` tokens (a decoder alone; an encoder-decoder writes only
        responses).
    """

    arm: str = "instruction"
    prompt: str = "alpaca"
    samples: int | None = None
    epochs: float = 3.0
    learning_rate: float = 2e-5
    batch_size: int = 128
    max_length: int = 512
    loss_on: str = "response"

    @classmethod
    def of(cls, source: Mapping[str, Any]) -> "Recipe":
        """Raises an InputError for an unknown key or value."""
        known = {field.name for field in fields(cls)}
        elsewhere = ("type", "of", "instructions")
        given = {key: value for key, value in source.items() if key not in elsewhere}
        for key in given:
            if key not in known:
                raise InputError(f"source.{key}: unknown key, expected one of {sorted(known)}")
        recipe = cls(**given)
        if recipe.loss_on not in LOSS_ON:
            raise InputError(f"loss_on: {recipe.loss_on!r}, expected one of {', '.join(LOSS_ON)}")
        return recipe


class Encoded(NamedTuple):
    """Samples as tokens, and what was done to them.

    rows : per sample `input_ids` and `labels` (`IGNORED` where no loss is taken).
    truncated : samples that were cut at `max_length`; dropped : of these, the ones without any
        label left, which are in no row.
    """

    rows: list[dict[str, list[int]]]
    truncated: int
    dropped: int


class Tuned(NamedTuple):
    """A tuned model; its log (step, samples, tokens, loss, learning_rate, seconds); its counts."""

    model: PreTrainedModel
    log: pd.DataFrame
    facts: dict[str, Any]


def read_samples(path: str | Path) -> list[dict[str, str]]:
    """Read instruction samples in Alpaca's JSON: `instruction`, `output`, and `input` if any.

    An empty output is a sample too (Alpaca has some): the model learns to end at once.

    Raises
    ------
    InputError : no such file, not a JSON list, or a sample without instruction or output, by its
        number.
    """
    try:
        samples = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: not JSON ({error})") from error
    if not isinstance(samples, list) or not samples:
        raise InputError(f"{path}: expected a list of samples")
    for number, sample in enumerate(samples):
        for key, empty in (("instruction", False), ("output", True)):
            text = sample.get(key) if isinstance(sample, dict) else None
            if not isinstance(text, str) or not (empty or text.strip()):
                raise InputError(f"{path}: sample {number} has no {key}")
    return samples


def encode(
    examples: Sequence[Example],
    tokenizer: PreTrainedTokenizerFast,
    *,
    encoder_decoder: bool,
    max_length: int,
    loss_on: str,
) -> Encoded:
    """Examples as token ids with labels.

    A decoder alone reads prompt, response and end of text as one sequence, tokenised as one text;
    a token belongs to the response if it ends after the prompt does. An encoder-decoder reads the
    prompt and writes the response and the end of text.
    """
    end = tokenizer.eos_token_id
    if end is None:
        raise InputError("the tokenizer has no end-of-text token to close a response with")
    rows, truncated = [], 0
    for prompt, response in examples:
        if encoder_decoder:
            ids = tokenizer(prompt)["input_ids"]
            labels = [*_bare(tokenizer, response)["input_ids"], end]
            truncated += max(len(ids), len(labels)) > max_length
            rows.append({"input_ids": ids[:max_length], "labels": labels[:max_length]})
            continue
        ids = [*_opening(tokenizer), *(encoded := _bare(tokenizer, prompt + response))["input_ids"]]
        spans = [(0, 0)] * len(_opening(tokenizer)) + encoded["offset_mapping"]
        labels = [
            token if loss_on == "all" or stop > len(prompt) else IGNORED
            for token, (_, stop) in zip(ids, spans, strict=True)
        ]
        truncated += len(ids) + 1 > max_length
        rows.append({"input_ids": [*ids, end][:max_length], "labels": [*labels, end][:max_length]})
    kept = [
        row for row in rows if row["input_ids"] and any(label != IGNORED for label in row["labels"])
    ]
    return Encoded(kept, truncated, len(rows) - len(kept))


def tune(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    samples: Sequence[Mapping[str, str]],
    recipe: Recipe,
    seed: int,
) -> Tuned:
    """Tune a model on instruction samples: AdamW, 3 % warm-up, cosine decay, clipped gradients.

    Parameters
    ----------
    model : changed in place; on a GPU if there is one.
    seed : draws the samples and their order; on a CPU, equal seeds give equal weights.

    Raises
    ------
    InputError : fewer samples than a batch or than `recipe.samples`, no label left, a loss that is
        not finite.
    """
    model.requires_grad_(True)  # a model loaded for reading is frozen
    rng = np.random.default_rng(seed)
    n = len(samples) if recipe.samples is None else recipe.samples
    if n > len(samples):
        raise InputError(f"samples: {n} asked for, but the file has {len(samples)}")
    chosen = [samples[i] for i in rng.permutation(len(samples))[:n]]
    examples = [example(sample, recipe.arm, recipe.prompt) for sample in chosen]
    encoded = encode(
        examples,
        tokenizer,
        encoder_decoder=model.config.is_encoder_decoder,
        max_length=recipe.max_length,
        loss_on=recipe.loss_on,
    )
    if len(encoded.rows) < recipe.batch_size:
        raise InputError(
            f"{len(encoded.rows)} usable samples ({encoded.dropped} of {n} are too long for "
            f"max_length {recipe.max_length}), fewer than a batch of {recipe.batch_size}"
        )
    steps = max(1, round(recipe.epochs * math.ceil(len(encoded.rows) / recipe.batch_size)))
    progress = _Progress(steps, recipe.batch_size)
    with tempfile.TemporaryDirectory() as scratch:
        arguments = TrainingArguments(
            output_dir=scratch,
            max_steps=steps,
            per_device_train_batch_size=recipe.batch_size,
            learning_rate=recipe.learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=math.ceil(0.03 * steps),
            logging_steps=1,
            logging_nan_inf_filter=False,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=not torch.cuda.is_available(),
            dataloader_pin_memory=torch.cuda.is_available(),
            seed=seed,
            data_seed=seed,
            include_num_input_tokens_seen="non_padding",
        )
        trainer = Trainer(
            model=model,
            args=arguments,
            train_dataset=encoded.rows,
            data_collator=DataCollatorForSeq2Seq(tokenizer, label_pad_token_id=IGNORED),
            callbacks=[progress],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    model.eval()
    log = pd.DataFrame(progress.records)
    facts = {
        "trained_samples": len(encoded.rows),
        "truncated_samples": encoded.truncated,
        "dropped_samples": encoded.dropped,
        "steps": steps,
        "tokens": int(log["tokens"].iloc[-1]),
        "first_loss": float(log["loss"].iloc[0]),
        "last_loss": float(log["loss"].tail(max(1, steps // 10)).mean()),
    }
    return Tuned(model, log, facts)


class _Progress(TrainerCallback):
    """Keeps the log, shows it ten times, and stops at a loss that is not finite."""

    def __init__(self, steps: int, batch_size: int) -> None:
        self.steps, self.batch_size = steps, batch_size
        self.records: list[dict[str, float]] = []
        self.begun = time.monotonic()

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        if not logs or "loss" not in logs:
            return
        record = {
            "step": state.global_step,
            "samples": state.global_step * self.batch_size,
            "tokens": int(state.num_input_tokens_seen),
            "loss": float(logs["loss"]),
            "learning_rate": float(logs["learning_rate"]),
            "seconds": time.monotonic() - self.begun,
        }
        self.records.append(record)
        if not math.isfinite(record["loss"]):
            raise InputError(f"step {state.global_step}: the loss is {record['loss']}")
        if state.global_step % max(1, self.steps // 10) == 0:
            LOG.info("step %d of %d, loss %.3f", state.global_step, self.steps, record["loss"])


def _bare(tokenizer: PreTrainedTokenizerFast, text: str) -> Any:
    return tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)


def _opening(tokenizer: PreTrainedTokenizerFast) -> list[int]:
    """The special tokens that the tokenizer puts before a text (LLaMA's beginning of sequence)."""
    ids = tokenizer("")["input_ids"]
    return [token for token in ids if token != tokenizer.eos_token_id]
