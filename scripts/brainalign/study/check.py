"""The config checked before anything runs: every fault is one line with key path, value, remedy.

The classes of the settings say what each entry takes. What no class can know is checked here (names
that lead nowhere, circles, partners of models) and in `check_benchmarks` (settings that do not suit
the data or models that they name).
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from brainalign.datasets.surprisal_settings import Surprisal
from brainalign.encoding.settings import Similarity
from brainalign.models.settings import Baseline, Hub
from brainalign.models.stages import Chain, Given, Revisions
from brainalign.settings import faults, not_known, read, references
from brainalign.study.check_benchmarks import benchmark_faults, missing_parts, surprisal_faults
from brainalign.study.models import (
    Models,
    StudyModel,
    all_models,
    checkpoint_names,
    counts_tokens,
    parent,
    partner,
    role,
)
from brainalign.study.settings import Study
from brainalign.training.settings import Untrained

Config = Mapping[str, Any]


def config_faults(config: Config) -> list[str]:
    """All faults of the first step of the check that has any.

    Returns
    -------
    One line per fault: the key, the value given, what is allowed. Empty when the config is good.
    """
    for step in _steps(config):
        if lines := list(dict.fromkeys(step)):
            return lines
    return []


def _steps(config: Config) -> Iterator[Iterable[str]]:
    """Faults step by step: each step relies on those before."""
    yield faults(config, Study)
    study = read(config, Study)
    tuned = {name: None for _, name in checkpoint_names(study.tuning, {})}
    trained = {name: config[name] for name in ("tuning", "stages") if name in config}
    yield _unknown_names(trained, study, {"model of this study": {**study.models, **tuned}})
    yield _trajectory_faults(study)
    models = all_models(study.models, study.tuning, study.stages)
    baselines = [n for n, m in models.items() if role(m) == "baseline" and not counts_tokens(m)]
    known = {"model of this study": models, "baseline of this study": baselines}
    yield _unknown_names(config, study, known)
    yield [*_model_faults(study, models), *benchmark_faults(study, models)]
    yield missing_parts(study, models)


def _unknown_names(
    config: Config, study: Study, models: Mapping[str, Collection[str]]
) -> Iterator[str]:
    """A line for each name in a part of the config that leads nowhere.

    models : kind of entry → names, of models.
    """
    known: Mapping[str, Collection[str]] = {
        "entry of section models": study.models,
        "dataset of this study": study.datasets,
        "dataset, or default": [*study.datasets, "default"],
        "localizer of this study": [n for n, d in study.datasets.items() if d.source.localizer],
        "benchmark, task or text here": study.scorable,
        **models,
    }
    for path, kind, name in references(config, Study):
        if name not in known[kind]:
            yield not_known(path, name, known[kind], kind)


def _trajectory_faults(study: Study) -> Iterator[str]:
    """Faults of sections `tuning` and `stages`, whose checkpoints become models of the study."""
    for name, experiment in study.tuning.items():
        if isinstance(study.models[experiment.base].source, Baseline):
            yield f"tuning.{name}.base: {experiment.base!r} is a baseline; name a language model"
    for name, stages in study.stages.items():
        path = f"stages.{name}"
        if name in study.tuning:
            yield f"{path}: {name!r} is a tuning experiment's name; take another"
        match stages:
            case Revisions():
                yield from _trained_faults(f"{path}.of", [stages.of], study)
                yield from _revision_faults(path, stages, study)
            case Given():
                yield from _trained_faults(f"{path}.base", [stages.base], study)
            case Chain():
                yield from _trained_faults(f"{path}.models", stages.models, study)
    for section in ("tuning", "stages"):
        for name, entry in getattr(study, section).items():
            for scored in entry.scored_on or ():
                benchmark = study.alignment.get(scored)
                if benchmark and isinstance(benchmark.regression, Similarity):
                    yield (
                        f"{section}.{name}.scored_on: {scored!r} is a similarity; trajectories "
                        "hold r alone"
                    )
    made = dict.fromkeys(study.models, "a model of the study")
    for path, model in checkpoint_names(study.tuning, study.stages):
        if model in made:
            yield f"{path}: its checkpoint {model!r} is already {made[model]}"
        made[model] = f"a checkpoint of {path.split('.', 1)[1]}"


def _trained_faults(path: str, names: Iterable[str], study: Study) -> Iterator[str]:
    """A model of a trajectory is one with weights that was trained."""
    for name in names:
        source = study.models[name].source if name in study.models else None
        if isinstance(source, Baseline | Untrained):
            yield f"{path}: {name!r} was never trained; name a language model that was"
        elif isinstance(source, Surprisal):
            yield f"{path}: {name!r} has no weights; name a model that has"


def _revision_faults(path: str, stages: Revisions, study: Study) -> Iterator[str]:
    source = study.models[stages.of].source
    if not isinstance(source, Hub):
        yield f"{path}.of: {stages.of!r} has no revisions; name a model whose source is a hub's"
    elif source.revision in stages.revisions:
        yield f"{path}.revisions: {source.revision!r} is the model {stages.of!r} itself"


def _model_faults(study: Study, models: Models) -> Iterator[str]:
    for name, model in models.items():
        for key, other in (("base", model.base), ("source.of", parent(model))):
            if other is not None:
                yield from _made_from_faults(f"models.{name}.{key}", name, other, models)
        yield from _circle(name, models)
        yield from _partner_faults(f"models.{name}.base", name, model, models)
        if isinstance(model.source, Surprisal):
            yield from surprisal_faults(f"models.{name}", model, study)


def _made_from_faults(path: str, name: str, other: str, models: Models) -> Iterator[str]:
    """A model's `base` and `source.of` are language models of the study, and others than itself."""
    source = models[other].source
    if other == name:
        yield f"{path}: {other!r} is the model itself; name another model"
    elif role(models[other]) in ("baseline", "truth"):
        yield f"{path}: {other!r} is a baseline; name a language model"
    elif path.endswith(".of") and isinstance(source, Surprisal):
        if not counts_tokens(models[name]):
            yield f"{path}: {other!r} has no weights; name a model that has"
        elif not source.counts_tokens:
            yield (
                f"{path}: the published surprisal of {other!r} does not say how many tokens a word "
                "has; name a model with weights, or of release michaelov2024"
            )


def _circle(name: str, models: Models) -> Iterator[str]:
    """Models that are made from each other; a circle is said once, of its first name."""
    chain, step = [name], parent(models[name])
    while step is not None and step not in chain:
        chain.append(step)
        step = parent(models[step])
    if step == name and len(chain) > 1 and name == min(chain):
        yield f"models.{name}.source.of: {' → '.join([*chain, name])} is a circle"


def _partner_faults(path: str, name: str, model: StudyModel, models: Models) -> Iterator[str]:
    """The partner of a tuned model is vanilla."""
    vanilla = partner(model)
    if vanilla is None or vanilla == name:
        return
    if role(models[vanilla]) == "untrained":
        yield f"{path}: {vanilla!r} is untrained; name a vanilla model"
    root = partner(models[vanilla])
    if root is not None and root != vanilla and role(models[root]) == "vanilla":
        yield (
            f"{path}: {vanilla!r} is itself tuned from {root!r}, and models tuned from one model "
            f"count together; name a vanilla model (base: {root})"
        )
