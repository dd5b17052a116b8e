"""What no class can know of models: partners, parents, circles, and what they are scored on."""

import difflib
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from brainalign.datasets.registry import reader
from brainalign.datasets.surprisal_settings import PublishedSurprisal, Surprisal, SurprisalTable
from brainalign.encoding.settings import Cka, Rsa
from brainalign.errors import InputError
from brainalign.models.settings import Baseline, Hub, Model
from brainalign.models.stages import Chain, Given, Revisions, Stages
from brainalign.study.models import (
    PUBLISHED_INSTRUCTIONS,
    Models,
    StudyModel,
    checkpoint_name,
    checkpoints,
    counts_tokens,
    instruction_data,
    parent,
    partner,
    revision_name,
    role,
)
from brainalign.study.settings import Study
from brainalign.training.settings import Arm, Experiment, Tune, Untrained


def unknown(path: str, value: str, known: Mapping[str, Any], what: str) -> str:
    """The fault of a name that leads nowhere, with the nearest name that does not."""
    near = difflib.get_close_matches(value, list(known), n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{path}: {value!r} is no {what}; {hint}allowed: {', '.join(known) or 'none defined'}"


def model_faults(study: Study, models: Models) -> Iterator[str]:
    """Faults of reference in the entries of models (`study.models.all_models`)."""
    for name, model in models.items():
        path = f"models.{name}"
        yield from _made_from_faults(path, name, model, models)
        yield from _circle(name, models)
        yield from _partner_faults(path, name, model, models)
        sigma = getattr(model.source, "sigma", None)
        for dataset in sorted(set(sigma if isinstance(sigma, dict) else ()) - {"default"}):
            if dataset not in study.datasets:
                yield unknown(f"{path}.source.sigma", dataset, study.datasets, "dataset")
        if model.experiment is None:
            yield from _scored_on_faults(path, model, study)
            if isinstance(model.source, Tune):
                yield from _preference_faults(
                    f"{path}.source.arm", (model.source.arm,), model.source.instructions
                )
        if isinstance(model.source, PublishedSurprisal):
            yield from _surprisal_faults(path, model, model.source, study)


def _made_from_faults(path: str, name: str, model: StudyModel, models: Models) -> Iterator[str]:
    """A model's `base` and `source.of`: language models of the study, and others than itself."""
    for key, other in (("base", model.base), ("source.of", parent(model))):
        if other is None:
            continue
        if other not in models:
            yield unknown(f"{path}.{key}", other, models, "model of this study")
        elif other == name:
            yield f"{path}.{key}: {other!r} is the model itself; name another model"
        elif role(models[other]) in ("baseline", "truth"):
            yield f"{path}.{key}: {other!r} is a baseline; name a language model"
        elif key == "source.of" and isinstance(published := models[other].source, Surprisal):
            if not counts_tokens(model):
                yield f"{path}.{key}: {other!r} has no weights; name a model that has"
            elif not published.counts_tokens:
                yield (
                    f"{path}.{key}: the published surprisal of {other!r} does not say how many "
                    "tokens a word has; name a model with weights, or of release michaelov2024"
                )


def _circle(name: str, models: Models) -> Iterator[str]:
    """Models that are made from each other; a circle is said once, of its first name."""
    chain, step = [name], parent(models[name])
    while step is not None and step in models and step not in chain:
        chain.append(step)
        step = parent(models[step])
    if step == name and len(chain) > 1 and name == min(chain):
        yield f"models.{name}.source.of: {' → '.join([*chain, name])} is a circle"


def _partner_faults(path: str, name: str, model: StudyModel, models: Models) -> Iterator[str]:
    """The partner of a tuned model is vanilla."""
    vanilla = partner(model)
    if vanilla is None or vanilla not in models or vanilla == name:
        return
    if role(models[vanilla]) == "untrained":
        yield f"{path}.base: {vanilla!r} is untrained; name a vanilla model"
    root = partner(models[vanilla])
    if root is not None and root in models and root != vanilla and role(models[root]) == "vanilla":
        yield (
            f"{path}.base: {vanilla!r} is itself tuned from {root!r}, and models tuned from one "
            f"model count together; name a vanilla model (base: {root})"
        )


def tuning_faults(study: Study) -> Iterator[str]:
    """Faults of tuning experiments, whose checkpoints become models of the study."""
    models: dict[str, str] = dict.fromkeys(study.models, "a model of the study")
    for name, experiment in study.tuning.items():
        path, base = f"tuning.{name}", experiment.base
        if base not in study.models:
            yield unknown(f"{path}.base", base, study.models, "model of this study")
        elif isinstance(study.models[base].source, Baseline):
            yield f"{path}.base: {base!r} is a baseline; name a language model"
        yield from _trajectory_faults(path, experiment, study)
        yield from _preference_faults(f"{path}.arms", experiment.arms, experiment.instructions)
        end = (experiment.recipe.samples or math.inf) * experiment.recipe.epochs
        for seen in experiment.checkpoints:
            if seen > end:
                yield (
                    f"{path}.checkpoints: {seen} is beyond the training's end, {end:g} samples "
                    "(samples × epochs)"
                )
        for arm, seed, seen in checkpoints(experiment):
            made = checkpoint_name(base, arm, seed, seen)
            if made in models:
                yield f"{path}: its checkpoint {made!r} is already {models[made]}"
            models[made] = f"a checkpoint of {name}"


def _preference_faults(path: str, arms: Sequence[Arm], data: str | None) -> Iterator[str]:
    """Arm preference is trained on samples with a rejected output; published ones have none."""
    if "preference" in arms and data in PUBLISHED_INSTRUCTIONS:
        yield (
            f"{path}: samples of {data} have no rejected output; for arm preference give "
            "instructions: simulated, or a file whose samples have `rejected`"
        )


def stage_faults(study: Study) -> Iterator[str]:
    """Faults of section `stages`, whose checkpoints become models of the study."""
    made_here = {
        checkpoint_name(experiment.base, *checkpoint): f"a checkpoint of {name}"
        for name, experiment in study.tuning.items()
        for checkpoint in checkpoints(experiment)
    }
    models = {**dict.fromkeys(study.models, "a model of the study"), **made_here}
    for name, stages in study.stages.items():
        path = f"stages.{name}"
        if name in study.tuning:
            yield f"{path}: {name!r} is a tuning experiment's name; take another"
        yield from _trajectory_faults(path, stages, study)
        made = []
        match stages:
            case Revisions():
                yield from _trained_faults(f"{path}.of", stages.of, study)
                yield from _revision_faults(path, stages, study)
                made = [revision_name(stages.of, revision) for revision in stages.revisions]
            case Given():
                yield from _trained_faults(f"{path}.base", stages.base, study)
                made = [
                    checkpoint_name(stages.base, c.arm, c.seed, c.samples)
                    for c in stages.checkpoints
                ]
            case Chain():
                for model in stages.models:
                    if model not in made_here:
                        yield from _trained_faults(f"{path}.models", model, study)
        for model in made:
            if model in models:
                yield f"{path}: its checkpoint {model!r} is already {models[model]}"
            models[model] = f"a checkpoint of {name}"


def _trained_faults(path: str, name: str, study: Study) -> Iterator[str]:
    """A model of a trajectory is one with weights that was trained."""
    if name not in study.models:
        yield unknown(path, name, study.models, "model of this study")
    elif isinstance(study.models[name].source, Baseline | Untrained):
        yield f"{path}: {name!r} was never trained; name a language model that was"
    elif isinstance(study.models[name].source, Surprisal):
        yield f"{path}: {name!r} has no weights; name a model that has"


def _revision_faults(path: str, stages: Revisions, study: Study) -> Iterator[str]:
    if stages.of not in study.models:
        return
    source = study.models[stages.of].source
    if not isinstance(source, Hub):
        yield f"{path}.of: {stages.of!r} has no revisions; name a model whose source is a hub's"
    elif source.revision in stages.revisions:
        yield f"{path}.revisions: {source.revision!r} is the model {stages.of!r} itself"


def _trajectory_faults(path: str, entry: Experiment | Stages, study: Study) -> Iterator[str]:
    """What a trajectory is scored on: names of the study, and no similarities."""
    yield from _scored_on_faults(path, entry, study)
    for scored in entry.scored_on or ():
        benchmark = study.alignment.get(scored)
        if benchmark and isinstance(benchmark.regression, Rsa | Cka):
            yield f"{path}.scored_on: {scored!r} is a similarity; trajectories hold r alone"


def _scorable(study: Study) -> dict[str, None]:
    """Names of all that models are scored on."""
    sections = (study.alignment, study.behavior, study.capability, study.next_word)
    return dict.fromkeys(name for section in sections for name in section)


def _scored_on_faults(path: str, entry: Model | Experiment | Stages, study: Study) -> Iterator[str]:
    scorable = _scorable(study)
    for scored in entry.scored_on or ():
        if scored not in scorable:
            yield unknown(f"{path}.scored_on", scored, scorable, "benchmark, task or text here")


def _surprisal_faults(
    path: str, model: StudyModel, source: PublishedSurprisal, study: Study
) -> Iterator[str]:
    """A model of published surprisal: its release, what it is scored on, what is made of it."""
    further = model.presented is not None
    if not isinstance(source, SurprisalTable):
        try:
            reader(source).raw_files(source)
        except InputError as error:
            where = f"models.{model.presented}.presentations" if further else f"{path}.source"
            yield f"{where}: {error}"
    if further:  # the rest is said of its first presentation
        return
    if isinstance(source, SurprisalTable) and source.dataset not in study.datasets:
        yield unknown(f"{path}.source.dataset", source.dataset, study.datasets, "dataset here")
        return
    fitting = [
        name
        for name, benchmark in study.behavior.items()
        if (dataset := study.datasets.get(benchmark.dataset)) is not None
        and source.is_of(benchmark.dataset, dataset.source)
    ]
    if not fitting:
        yield f"{path}: no benchmark of section behavior has the words of its surprisal"
    for name in model.scored_on or ():
        if name in _scorable(study) and name not in fitting:
            yield (
                f"{path}.scored_on: {name!r} needs weights or other words; published surprisal is "
                f"scored on {', '.join(fitting) or 'nothing here'}"
            )


def without_instructions(models: Models) -> Iterator[str]:
    """Models that are tuned on data for which there is no default."""
    bases: dict[str, str | None] = {}
    for name, model in models.items():
        if (
            isinstance(model.source, Tune)
            and model.presented is None
            and instruction_data(name, models) is None
        ):
            path = f"tuning.{model.experiment}" if model.experiment else f"models.{name}.source"
            bases[path] = model.source.of
    for path, base in bases.items():
        yield (
            f"{path}: key 'instructions' is missing; {base!r} was not trained on the simulated "
            "world, so there is no default; allowed: simulated, "
            f"{', '.join(PUBLISHED_INSTRUCTIONS)}, or a path that ends in .json or .jsonl"
        )
