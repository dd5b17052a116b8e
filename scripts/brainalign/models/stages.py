"""The config's section `stages`: trajectories of checkpoints that others trained."""

import re
from collections.abc import Iterator
from typing import Annotated, NamedTuple

from brainalign.errors import InputError
from brainalign.models.settings import EntryName, Fetched, ModelName, ScoredOn
from brainalign.settings import Settings, key

Count = Annotated[int, key("", ge=0)]
NamePart = Annotated[
    str,
    key(
        "",
        pattern="^[A-Za-z0-9][A-Za-z0-9.-]*$",
        allowed="a name of letters, digits, hyphens and dots (it becomes part of a folder's)",
    ),
]
_NUMBERS = re.compile(r"(?P<part>(?:[A-Za-z0-9.]+-)*)step(?P<step>\d+)(?:-tokens(?P<tokens>\d+)B)?")


class Progress(NamedTuple):
    """How far a training is at a revision: optimisation steps and the tokens read, if known.

    part : what the revision's name begins with; steps of other parts are counted apart.
    """

    step: int
    tokens: int | None
    part: str = ""


def progress(revision: str) -> Progress | None:
    """The numbers in a revision's name: `step1000`, `stage1-step1000-tokens3B` (billions, rounded);
    None where it has no step."""
    result = _NUMBERS.fullmatch(revision)
    if result is None:
        return None
    billions = result["tokens"]
    return Progress(
        int(result["step"]), None if billions is None else int(billions) * 10**9, result["part"]
    )


class Revisions(Settings, tag_field="type", tag="revisions", frozen=True):
    """Revisions of a model's hub repository along its training: models OF-REVISION.

    A revision's name says its step, and its tokens if any: `step1000`, `stage1-step1000-tokens3B`.
    """

    of: Annotated[
        str,
        key(
            "a model of the study from the hub, the end of the training",
            names="entry of section models",
        ),
    ]
    revisions: Annotated[tuple[NamePart, ...], key("their names", min_length=1, unique=True)]
    tokens_per_step: (
        Annotated[int, key("tokens of a step; default: the revisions' names say them", ge=1)] | None
    ) = None
    final_step: (
        Annotated[
            int,
            key(
                "the step of the model `of`; default: its revision's name says it, else it is "
                "no point of the trajectory",
                ge=1,
            ),
        ]
        | None
    ) = None
    scored_on: ScoredOn = None

    def __post_init__(self) -> None:
        parts, steps = {}, {self.final_step: "final_step"}
        for revision in self.revisions:
            numbers = progress(revision)
            if numbers is None:
                raise InputError(
                    f"revisions: {revision!r} does not say its step; expected a name such as "
                    "step1000 or stage1-step1000-tokens3B"
                )
            if numbers.step in steps:
                raise InputError(
                    f"revisions: {revision!r} and {steps[numbers.step]!r} are both step "
                    f"{numbers.step}"
                )
            parts[numbers.part] = steps[numbers.step] = revision
        if len(parts) > 1:
            first, second, *_ = parts.values()
            raise InputError(
                f"revisions: steps of {first!r} and {second!r} are counted apart; make an entry "
                "of each"
            )

    def points(self, final: str | None) -> Iterator[tuple[str | None, Progress]]:
        """Every revision and how far the training is there, in order.

        `final` is the revision of the model `of`, whose point comes with None as its
        revision, where its step is known.
        """
        numbers = {revision: progress(revision) for revision in self.revisions}
        result: dict[str | None, Progress] = {k: n for k, n in numbers.items() if n is not None}
        end = progress(final or "")
        part = next(iter(result.values())).part
        if self.final_step is not None:
            result[None] = Progress(self.final_step, None)
        elif end is not None and end.part == part:
            result[None] = end
        for revision, known in sorted(result.items(), key=lambda item: item[1].step):
            of_steps = known.step * self.tokens_per_step if self.tokens_per_step else known.tokens
            yield revision, known._replace(tokens=of_steps)


class Chain(Settings, tag_field="type", tag="chain", frozen=True):
    """Models of the study that were trained one from the other: base, SFT, DPO, RLVR."""

    models: Annotated[
        tuple[ModelName, ...], key("in the order of their training", min_length=2, unique=True)
    ]
    scored_on: ScoredOn = None


class GivenCheckpoint(Settings, frozen=True):
    """A checkpoint of a training, and how far it is."""

    source: Annotated[Fetched, key("where it comes from")]
    samples: Annotated[int, key("training samples seen by then", ge=1)]
    arm: Annotated[NamePart, key("what it is trained on")] = "instruction"
    seed: Annotated[int, key("which of several trainings", ge=0)] = 1
    tokens: Annotated[Count, key("tokens read by then")] | None = None
    learned_tokens: Annotated[Count, key("those of them that the loss was on")] | None = None
    held_out_loss: Annotated[float, key("loss of held-out samples (nats per label)")] | None = None


class Given(Settings, tag_field="type", tag="checkpoints", frozen=True):
    """Checkpoints of a model's tuning, made elsewhere: models BASE-ARM-sSEED-SAMPLES.

    The last one of arm instruction is the base's tuned partner, as in a tuning experiment here.
    """

    base: EntryName
    checkpoints: Annotated[tuple[GivenCheckpoint, ...], key("the checkpoints", min_length=1)]
    scored_on: ScoredOn = None


Stages = Revisions | Chain | Given
