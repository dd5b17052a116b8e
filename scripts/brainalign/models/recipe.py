"""The recipe of an instruction tuning: what a `tune` source says besides model and data."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from brainalign.errors import InputError
from brainalign.models.prompts import TEMPLATES

ARMS = ("instruction", "no-instruction", "shuffled", "continued")
CHOICES: Mapping[str, tuple[str, ...]] = {
    "arm": ARMS,
    "prompt": tuple(TEMPLATES),
    "loss_on": ("response", "all"),
    "too_long": ("truncate", "drop"),
    "empty_input": ("keep", "drop"),
    "match": ("tokens", "samples"),
}


@dataclass(frozen=True)
class Lora:
    """Low-rank adapters (Hu et al. 2021); they are merged into the weights of a checkpoint.

    Attributes
    ----------
    targets : endings of the names of the modules that get one, or `all-linear` (all but the head).
    """

    rank: int = 16
    alpha: int = 32
    dropout: float = 0.0
    targets: str | tuple[str, ...] = "all-linear"


@dataclass(frozen=True)
class Recipe:
    """How a model is tuned; the defaults are Stanford Alpaca's.

    (tatsu-lab/stanford_alpaca, README: batch 128, learning rate 2e-5, 3 epochs, length 512,
    cosine, 3 % warm-up. Its train.py computes the loss on the response only and keeps long
    samples truncated.)

    Attributes
    ----------
    arm : `instruction`: the whole sample. `no-instruction`: the same without its instruction.
        `shuffled`: each instruction with another sample's output. `continued`: running text, in
        pieces as long as the samples.
    prompt : see `prompts.TEMPLATES`.
    samples : how many samples are drawn from the file, without replacement; None: all, in random
        order.
    epochs : how often each is seen.
    batch_size : samples of one optimisation step; micro_batch: how many of them at a time (default
        all), which changes memory and no result.
    max_length : tokens of prompt and response together (of each, in an encoder-decoder).
    loss_on : `response`, or `all` tokens (a decoder alone; an encoder-decoder writes only
        responses).
    too_long : samples longer than `max_length` are cut at their end (`truncate`) or left out
        (`drop`).
    empty_input : in arm no-instruction, samples without an input are reduced to their response
        (`keep`) or left out (`drop`).
    match : in every step, the other arms read as many `tokens` as arm instruction, or as many
        `samples`.
    held_out : samples of the file that no arm is trained on, for the held-out loss.
    lora : None trains all weights.
    """

    arm: str = "instruction"
    prompt: str = "alpaca"
    samples: int | None = None
    epochs: float = 3.0
    learning_rate: float = 2e-5
    warm_up: float = 0.03
    weight_decay: float = 0.0
    batch_size: int = 128
    micro_batch: int | None = None
    max_length: int = 512
    loss_on: str = "response"
    too_long: str = "truncate"
    empty_input: str = "keep"
    match: str = "tokens"
    held_out: int = 0
    lora: Lora | None = None

    @classmethod
    def of(cls, source: Mapping[str, Any]) -> "Recipe":
        """The recipe in a `tune` source.

        Raises
        ------
        InputError : an unknown key or value.
        """
        known = {field.name for field in fields(cls)}
        elsewhere = ("type", "of", "instructions", "text", "seed", "checkpoint")
        given = {key: value for key, value in source.items() if key not in elsewhere}
        for key in given:
            if key not in known:
                raise InputError(f"source.{key}: unknown key, expected one of {sorted(known)}")
        if isinstance(given.get("lora"), Mapping):
            given["lora"] = Lora(**given["lora"])
        recipe = cls(**given)
        for key, allowed in CHOICES.items():
            if getattr(recipe, key) not in allowed:
                raise InputError(
                    f"{key}: {getattr(recipe, key)!r}, expected one of {', '.join(allowed)}"
                )
        return recipe

    @property
    def micro_batches(self) -> int:
        """Forward passes of one step."""
        return math.ceil(self.batch_size / (self.micro_batch or self.batch_size))

    def seen(self, samples: int) -> int:
        """Samples seen in the whole training, of `samples` usable ones."""
        return max(1, round(self.epochs * samples))

    def step_of(self, seen: int) -> int:
        """The step after which `seen` samples have been seen."""
        return math.ceil(seen / self.batch_size)
