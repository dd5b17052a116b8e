"""How models are trained here: `pretrain`, `tune` and `untrained` sources, and section `tuning`."""

import math
from collections.abc import Sequence
from typing import Annotated, Literal

from brainalign.datasets.text_settings import Alpaca
from brainalign.errors import InputError
from brainalign.models.settings import EntryName, ModelName, ScoredOn, Seed
from brainalign.settings import Settings, key

Arm = Literal["instruction", "no-instruction", "shuffled", "continued", "preference"]
# Published instruction data by the name that a `tune` source gives them → their source.
PUBLISHED_INSTRUCTIONS = {
    "alpaca": Alpaca("full"),
    "alpaca-subset2000": Alpaca("subset2000"),
}
InstructionData = (
    Annotated[
        str,
        key(
            "instruction data; default: simulated, of a simulated base",
            pattern=r"^(simulated|alpaca|alpaca-subset2000|.+\.jsonl?)$",
            allowed="simulated, alpaca, alpaca-subset2000, or a path that ends in .json or .jsonl",
        ),
    ]
    | None
)
TrainingText = (
    Annotated[
        str,
        key(
            "running text of arm continued; default: inputs and outputs of the samples",
            pattern=r"^(simulated|.+\.txt)$",
            allowed="simulated, or a path that ends in .txt",
        ),
    ]
    | None
)


class Lora(Settings, frozen=True):
    """Low-rank adapters (Hu et al. 2021); they are merged into the weights of a checkpoint."""

    rank: Annotated[int, key("rank of an adapter", ge=1)] = 16
    alpha: Annotated[int, key("its scale is alpha / rank", ge=1)] = 32
    dropout: Annotated[float, key("share of its inputs that are dropped", ge=0, lt=1)] = 0.0
    targets: Annotated[
        Literal["all-linear"] | Annotated[tuple[str, ...], key("", min_length=1)],
        key(
            "endings of the names of the modules that get one; all-linear: all but the head",
            allowed="all-linear, or a list of module names",
        ),
    ] = "all-linear"


class Hyperparameters(Settings, frozen=True):
    """How a model is tuned; the defaults are Stanford Alpaca's.

    (tatsu-lab/stanford_alpaca, README: batch 128, learning rate 2e-5, 3 epochs, length 512,
    cosine, 3 % warm-up. Its train.py computes the loss on the response only and keeps long
    samples truncated.)
    """

    prompt: Annotated[Literal["alpaca", "plain"], key("the template that a sample is put into")] = (
        "alpaca"
    )
    samples: (
        Annotated[int, key("drawn from the file, without replacement; default: all", ge=1)] | None
    ) = None
    epochs: Annotated[float, key("how often each sample is seen", gt=0)] = 3.0
    learning_rate: Annotated[float, key("the largest", gt=0)] = 2e-5
    warm_up: Annotated[float, key("share of the steps", ge=0, le=1)] = 0.03
    weight_decay: Annotated[float, key("of AdamW", ge=0)] = 0.0
    batch_size: Annotated[int, key("samples of one optimisation step", ge=1)] = 128
    micro_batch: (
        Annotated[int, key("samples at a time, which changes no result; default: all", ge=1)] | None
    ) = None
    max_length: Annotated[
        int,
        key("tokens of prompt and response together (of each, in an encoder-decoder)", ge=2),
    ] = 512
    loss_on: Annotated[
        Literal["response", "all"], key("tokens that are learned (all: a decoder alone)")
    ] = "response"
    too_long: Annotated[
        Literal["truncate", "drop"],
        key("samples beyond max_length: truncate cuts them, drop leaves them out"),
    ] = "truncate"
    empty_input: Annotated[
        Literal["keep", "drop"],
        key(
            "arm no-instruction: samples without input are their response (keep) or left out (drop)"
        ),
    ] = "keep"
    match: Annotated[
        Literal["tokens", "samples"],
        key("what other arms read as many of, in every step, as arm instruction"),
    ] = "tokens"
    beta: Annotated[
        float, key("arm preference: how much a departure from the base's odds costs", gt=0)
    ] = 0.1
    held_out: Annotated[
        int, key("samples that no arm is trained on, for the held-out loss", ge=0)
    ] = 0
    lora: Annotated[Lora | None, key("adapters in place of all weights")] = None

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


class Recipe(Hyperparameters, frozen=True):
    """How a model is tuned in one arm of an experiment.

    `instruction`: the whole sample. `no-instruction`: the same without its instruction. `shuffled`:
    each instruction with another sample's output. `continued`: running text, in pieces as long as
    the samples. `preference`: the samples' outputs preferred to their `rejected` ones (direct
    preference optimisation, Rafailov et al. 2023).
    """

    arm: Annotated[Arm, key("what the model is trained on")] = "instruction"


class Pretrain(Settings, tag_field="type", tag="pretrain", frozen=True):
    """A small model that is pre-trained in the workflow on the simulated world."""

    architecture: Annotated[Literal["decoder-only", "encoder-decoder"], key("which kind")]
    layers: Annotated[int, key("blocks (of each stack)", ge=1)]
    width: Annotated[int, key("units of a layer", ge=1)]
    heads: Annotated[int, key("attention heads; the width is an even multiple of them", ge=1)]
    steps: Annotated[int, key("optimisation steps", ge=1)]
    batch_tokens: Annotated[int, key("tokens of a step", ge=1)]
    learning_rate: Annotated[float, key("the largest", gt=0)]

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise InputError(f"heads: {self.heads} heads do not divide the width, {self.width}")
        if (self.width // self.heads) % 2:
            raise InputError(
                f"heads: {self.heads} heads of {self.width // self.heads} units, expected an even "
                "number of units each (rotary positions)"
            )


class Tune(Recipe, tag_field="type", tag="tune", kw_only=True, frozen=True):
    """Instruction tuning of another model of the study."""

    of: ModelName
    instructions: InstructionData = None
    text: TrainingText = None
    seed: Seed = None

    def __post_init__(self) -> None:
        _require_rejected("arm", (self.arm,), self.instructions)


def _require_rejected(name: str, arms: Sequence[Arm], instructions: str | None) -> None:
    """Raise an InputError where arm preference has published samples, none with a rejected output.

    name : the key that says the arms.
    """
    if "preference" in arms and instructions in PUBLISHED_INSTRUCTIONS:
        raise InputError(
            f"{name}: samples of {instructions} have no rejected output; for arm preference give "
            "instructions: simulated, or a file whose samples have `rejected`"
        )


class Checkpoint(Tune, tag_field="type", tag="tune", kw_only=True, frozen=True):
    """A checkpoint of a training; `checkpoint` 0 is the last one."""

    checkpoint: Annotated[int, key("samples seen", ge=0)] = 0


class Untrained(Settings, tag_field="type", tag="untrained", frozen=True):
    """The architecture and tokenizer of another model, with random weights."""

    of: ModelName
    seed: Seed = None


class Experiment(Settings, frozen=True):
    """The tuning of a base, scored along it: checkpoints BASE-ARM-sSEED-SAMPLES."""

    base: EntryName
    arms: Annotated[tuple[Arm, ...], key("what is trained on", min_length=1, unique=True)]
    checkpoints: Annotated[
        tuple[Annotated[int, key("", ge=1)], ...],
        key("training samples seen by arm instruction", min_length=1, unique=True),
    ]
    instructions: InstructionData = None
    text: TrainingText = None
    seeds: Annotated[
        tuple[Annotated[int, key("", ge=0)], ...],
        key("one training each", min_length=1, unique=True),
    ] = (1,)
    scored_on: ScoredOn = None
    recipe: Annotated[Hyperparameters, key("as of a tune source")] = Hyperparameters()

    def __post_init__(self) -> None:
        _require_rejected("arms", self.arms, self.instructions)
        end = (self.recipe.samples or math.inf) * self.recipe.epochs
        for seen in self.checkpoints:
            if seen > end:
                raise InputError(
                    f"checkpoints: {seen} is beyond the training's end, {end:g} samples "
                    "(samples × epochs)"
                )
