"""The study's models: what each is made from, its role, its partner."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any, Literal

from msgspec.structs import asdict, replace

from brainalign.datasets.surprisal_settings import Presentation, Surprisal
from brainalign.models.settings import Baseline, Hub, Tokens, Truth
from brainalign.models.stages import Chain, Given, Revisions, Stages
from brainalign.study.model_settings import Model
from brainalign.training.settings import Arm, Checkpoint, Experiment, Pretrain, Tune, Untrained

Role = Literal["vanilla", "tuned", "untrained", "baseline", "truth", "checkpoint", "presentation"]


class StudyModel(Model, kw_only=True, frozen=True):
    """A model of the study: an entry of its config, a checkpoint, or a further presentation.

    experiment : of a checkpoint. stage_of : the model whose training it is a checkpoint of, where
    others trained it. presented : the model whose further presentation this is.
    known_role : where it does not follow from the entry.
    """

    experiment: str | None = None
    stage_of: str | None = None
    presented: str | None = None
    presentation: Presentation | None = None
    known_role: Role | None = None

    def __post_init__(self) -> None:
        """The entries were checked as `Model`; the source of a presentation names it, too."""


Models = Mapping[str, StudyModel]

FETCHED = ("hub", "folder", "gguf", "package", "delta")

# What a model has from the one it is made from, unless its entry says otherwise: whom it is
# compared with, how large it is, how it is read, what it is scored on.
INHERITED = (
    "family", "parameters", "dtype", "max_context", "chat", "presentations", "bos",
    "decoder_input", "surprisal", "scored_on",
)  # fmt: skip
# Arm → the keys of an experiment that say what the arm is trained on.
DATA_OF = {
    "instruction": ("instructions",),
    "no-instruction": ("instructions",),
    "shuffled": ("instructions",),
    "continued": ("instructions", "text"),
    "preference": ("instructions",),
}


def all_models(
    entries: Mapping[str, Model],
    tuning: Mapping[str, Experiment],
    stages: Mapping[str, Stages] | None = None,
) -> dict[str, StudyModel]:
    """The study's models: its entries, and the checkpoints of its tuning experiments and `stages`.

    A model that is made from another (a checkpoint, a tuned model, an untrained twin) has the keys
    `INHERITED` from it. A checkpoint is called BASE-ARM-sSEED-SAMPLES, a revision of a model
    MODEL-REVISION. The last one of arm instruction is the base's tuned partner; the others have the
    role `checkpoint`.
    """
    models = {name: StudyModel(**asdict(entry)) for name, entry in entries.items()}
    for name, experiment in tuning.items():
        for arm, seed, seen in checkpoints(experiment):
            models[checkpoint_name(experiment.base, arm, seed, seen)] = StudyModel(
                source=_checkpoint(experiment, arm, seed, seen),
                experiment=name,
                known_role=(
                    "tuned"
                    if arm == "instruction" and seen == max(experiment.checkpoints)
                    else "checkpoint"
                ),
            )
    for name, entry in (stages or {}).items():
        models |= _stage_models(name, entry, models)
    models = {name: replace(model, **_inherited(name, models)) for name, model in models.items()}
    for name, model in list(models.items()):
        if role(model) == "checkpoint":  # in between, or of an ablation: its first one alone
            continue
        first, *further = model.presentations or (presentation(model),)
        if isinstance(model.source, Surprisal):  # each presentation is a separate file
            models[name] = replace(model, source=replace(model.source, presentation=first))
        for other in further:
            models[presentation_name(name, other)] = _presented(name, model, other)
    return models


def _checkpoint(experiment: Experiment, arm: Arm, seed: int, seen: int) -> Checkpoint:
    data = {key: getattr(experiment, key) for key in DATA_OF[arm]}
    return Checkpoint(
        of=experiment.base, arm=arm, seed=seed, checkpoint=seen, **data, **asdict(experiment.recipe)
    )


def _stage_models(name: str, stages: Stages, models: Models) -> dict[str, StudyModel]:
    """The models that an entry of section `stages` adds to the study; a chain adds none."""
    match stages:
        case Revisions():
            source = models[stages.of].source
            assert isinstance(source, Hub)
            return {
                revision_name(stages.of, revision): StudyModel(
                    source=replace(source, revision=revision),
                    experiment=name,
                    stage_of=stages.of,
                    known_role="checkpoint",
                )
                for revision in stages.revisions
            }
        case Given():
            last = max((c.samples for c in stages.checkpoints if c.arm == "instruction"), default=0)
            return {
                checkpoint_name(stages.base, c.arm, c.seed, c.samples): StudyModel(
                    source=c.source,
                    base=stages.base,
                    experiment=name,
                    stage_of=stages.base,
                    known_role=(
                        "tuned" if (c.arm, c.samples) == ("instruction", last) else "checkpoint"
                    ),
                )
                for c in stages.checkpoints
            }
        case Chain():
            return {}


def presentation_name(name: str, presentation: str) -> str:
    """What a model in one of its further presentations is called in the study."""
    return f"{name}-as-{presentation}"


def presentation(model: StudyModel) -> str:
    """How texts are presented to a model: `raw`, `chat`, `instruction` or `prefix`."""
    named = "chat" if model.chat else getattr(model.source, "presentation", None)
    return model.presentation or (model.presentations or (named or "raw",))[0]


def weights_of(name: str, models: Models) -> str:
    """The model that holds a model's weights: itself, or the one that it is a presentation of."""
    return _presented_weights(models[name]) or name


def _presented_weights(model: StudyModel) -> str | None:
    """The model whose weights a further presentation has; one of published surprisal has none."""
    return None if isinstance(model.source, Surprisal) else model.presented


def _presented(name: str, model: StudyModel, presentation: Presentation) -> StudyModel:
    """A further presentation of a model: its weights, or another published table."""
    source = model.source
    if isinstance(source, Surprisal):
        source = replace(source, presentation=presentation)
    return replace(
        model, source=source, presentations=None, label=None, known_role="presentation",
        presented=name, presentation=presentation,
    )  # fmt: skip


def _inherited(name: str, models: Models) -> dict[str, Any]:
    """What a model has from those that it is made from, the nearest first; {} if from none."""
    model = models[name]
    if role(model) == "baseline":
        return {}
    values = {key: getattr(model, key) for key in INHERITED}
    oldest, made_from = name, parent(model)
    seen = {name}  # the check of the study reports circles, and asks for its models first
    while made_from is not None and made_from in models and made_from not in seen:
        other = models[made_from]
        values = {k: getattr(other, k) if v is None else v for k, v in values.items()}
        seen.add(made_from)
        oldest, made_from = made_from, parent(other)
    return {} if oldest == name else values | {"family": values["family"] or oldest}


def checkpoints(experiment: Experiment) -> Iterator[tuple[Arm, int, int]]:
    """Arm, seed and samples seen of every checkpoint of a tuning experiment."""
    return product(experiment.arms, experiment.seeds, sorted(experiment.checkpoints))


def checkpoint_name(base: str, arm: str, seed: int, seen: int) -> str:
    """What a checkpoint is called in the study."""
    return f"{base}-{arm}-s{seed}-{seen}"


def checkpoint_names(
    tuning: Mapping[str, Experiment], stages: Mapping[str, Stages]
) -> Iterator[tuple[str, str]]:
    """The config's entry and the name of each model that tuning experiments and `stages` make."""
    for name, experiment in tuning.items():
        for checkpoint in checkpoints(experiment):
            yield f"tuning.{name}", checkpoint_name(experiment.base, *checkpoint)
    for name, entry in stages.items():
        match entry:
            case Revisions():
                made = [revision_name(entry.of, revision) for revision in entry.revisions]
            case Given():
                made = [
                    checkpoint_name(entry.base, c.arm, c.seed, c.samples) for c in entry.checkpoints
                ]
            case Chain():
                made = []
        yield from ((f"stages.{name}", model) for model in made)


def revision_name(of: str, revision: str) -> str:
    """What a revision of a model is called in the study."""
    return f"{of}-{revision}"


def previous_checkpoint(name: str, models: Models) -> str | None:
    """The checkpoint that a tuned model is continued from, or None: it starts from its base."""
    source = models[name].source
    if not isinstance(source, Checkpoint):
        return None
    earlier = {
        other.source.checkpoint: other_name
        for other_name, other in models.items()
        if isinstance(other.source, Checkpoint)
        and (other.experiment, other.source.arm, other.source.seed)
        == (models[name].experiment, source.arm, source.seed)
        and other.source.checkpoint < source.checkpoint
    }
    return earlier[max(earlier)] if earlier else None


def role(model: StudyModel) -> Role:
    """`truth` (the planted features), `baseline` (no network), `untrained`, `tuned` (has a vanilla
    partner, or says so), `checkpoint` (of a tuning experiment, in between or of an ablation),
    `presentation` (a further presentation of a model) or `vanilla`."""
    if model.known_role is not None:
        return model.known_role
    if isinstance(model.source, Truth):
        return "truth"
    if isinstance(model.source, Baseline):
        return "baseline"
    if isinstance(model.source, Untrained):
        return "untrained"
    return "tuned" if partner(model) or model.tuned else "vanilla"


def counts_tokens(model: Model) -> bool:
    """Whether this is the baseline of reading times: the number of tokens of each word."""
    return isinstance(model.source, Tokens)


def partner(model: Model) -> str | None:
    """The vanilla model that a tuned model is compared with, or None."""
    return model.base or (model.source.of if isinstance(model.source, Tune) else None)


def parent(model: StudyModel) -> str | None:
    """The model that this one is made from in the workflow (a tuned model, an untrained twin, a
    count of tokens, word vectors, a further presentation), or whose training it is a checkpoint of
    where others trained it, or None."""
    return _presented_weights(model) or model.stage_of or getattr(model.source, "of", None)


def lineage(name: str, models: Models) -> Iterator[str]:
    """A model's name and those of the models that it is made from in the workflow."""
    made_from: str | None = name
    while made_from is not None:
        yield made_from
        made_from = parent(models[made_from])


def is_simulated(name: str, models: Models) -> bool:
    """Whether a model was trained on the simulated world (baselines follow their dataset)."""
    source = models[name].source
    if isinstance(source, Pretrain) or getattr(source, "instructions", None) == "simulated":
        return True
    made_from = parent(models[name])
    return made_from is not None and is_simulated(made_from, models)


def instruction_data(name: str, models: Models) -> str | None:
    """What a `tune` model is tuned on: `simulated`, a key of `PUBLISHED_INSTRUCTIONS` or a path.

    Where its source does not say, a simulated model is tuned on the simulated instructions; for a
    real one there is no default (None).
    """
    source = models[name].source
    assert isinstance(source, Tune)
    return source.instructions or ("simulated" if is_simulated(source.of, models) else None)


def scored_on(
    name: str, models_of: Mapping[str, Sequence[str] | None], models: Models
) -> list[str]:
    """Names of the benchmarks, tasks or texts that a model's `scored_on` and their own `models`
    (`models_of`; None: all) allow. A presentation counts as the model that it is one of, too."""
    model = models[name]
    wanted = models_of if model.scored_on is None else model.scored_on
    called = {name, model.presented or name}
    return [
        key
        for key, only in models_of.items()
        if key in wanted and not called.isdisjoint(called if only is None else only)
    ]


def narrow(models: Models, only: Sequence[str]) -> dict[str, StudyModel]:
    """The models named in `only`, in all their presentations and in the study's order; all models
    when it is empty."""
    return {
        name: model
        for name, model in models.items()
        if not only or name in only or model.presented in only
    }
