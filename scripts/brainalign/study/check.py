"""The config checked before anything runs: every fault is one line with key path, value, remedy.

The classes of the settings say what each entry takes. What no class can know is checked here: names
that lead nowhere, circles, partners, and settings that do not suit the dataset they name.
"""

import difflib
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from brainalign.datasets.measures import MEASURES, reported_as
from brainalign.datasets.registry import (
    COUNTED_RELEASES,
    MEASURED,
    READING,
    TIMED,
    reader,
    surprisal_fits,
)
from brainalign.encoding.settings import RIDGE
from brainalign.errors import InputError
from brainalign.settings import faults, read
from brainalign.study.models import (
    PUBLISHED_INSTRUCTIONS,
    all_models,
    checkpoint_name,
    checkpoints,
    counts_tokens,
    instruction_data,
    parent,
    partner,
    role,
    scored_on,
)
from brainalign.study.settings import Study
from brainalign.training.settings import Course

Config = Mapping[str, Any]

SCORED = ("alignment", "behavior", "capability", "next_word")  # sections that score models

ISOLATED = ("tuckute2024",)  # datasets whose rows are no neighbours: sentences without context


def config_faults(config: Config) -> list[str]:
    """All faults of a config: of form (the classes), then of reference (names that lead nowhere).

    Returns
    -------
    One line per fault: the key, the value found, what is allowed. Empty when the config is good.
    """
    form = list(dict.fromkeys(faults(config, Study)))
    if form or (tuning := list(_tuning_faults(config))):
        return form or tuning
    if presented := list(_presentation_faults(config["models"])):
        return presented
    resolved = {**config, "models": all_models(config)}
    return list(_reference_faults(resolved)) or list(_training_data_faults(resolved))


def duplicate_keys(config_path: str | Path) -> list[str]:
    """Keys that a YAML file gives twice in one mapping (YAML readers keep the last, silently)."""
    root = yaml.compose(Path(config_path).read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    return [f"{config_path}: {line}" for line in _duplicates(root, "")] if root else []


def _duplicates(node: yaml.Node, path: str) -> Iterator[str]:
    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            name = f"{path}.{key.value}" if path else str(key.value)
            line = key.start_mark.line + 1
            if name in lines:
                yield f"{name}: given twice, in lines {lines[name]} and {line}; names are unique"
            lines[name] = line
            yield from _duplicates(value, name)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _duplicates(value, f"{path}[{index}]")


def _reference_faults(config: Config) -> Iterator[str]:
    models, datasets = config["models"], config.get("datasets", {})
    for name, model in models.items():
        for key, other in (("base", model.get("base")), ("source.of", parent(model))):
            if other is None:
                continue
            if other not in models:
                yield _unknown(f"models.{name}.{key}", other, models, "model of this study")
            elif other == name:
                yield f"models.{name}.{key}: {other!r} is the model itself; name another model"
            elif role(models[other]) in ("baseline", "truth"):
                yield f"models.{name}.{key}: {other!r} is a baseline; name a language model"
            elif key == "source.of" and models[other]["source"]["type"] == "surprisal":
                if not counts_tokens(model):
                    yield f"models.{name}.{key}: {other!r} has no weights; name a model that has"
                elif models[other]["source"].get("release") not in COUNTED_RELEASES:
                    yield (
                        f"models.{name}.{key}: the published surprisal of {other!r} does not say "
                        "how many tokens a word has; name a model with weights, or of release "
                        f"{', '.join(COUNTED_RELEASES)}"
                    )
        chain, step = [name], parent(model)
        while step in models and step not in chain:
            chain.append(step)
            step = parent(models[step])
        if step == name and len(chain) > 1 and name == min(chain):  # a circle is told once
            yield f"models.{name}.source.of: {' → '.join([*chain, name])} is a circle"
        sigma = model["source"].get("sigma")
        for dataset in sorted(set(sigma if isinstance(sigma, dict) else ()) - {"default"}):
            if dataset not in datasets:
                yield _unknown(f"models.{name}.source.sigma", dataset, datasets, "dataset")
        vanilla = partner(model)
        if vanilla in models and role(models[vanilla]) == "untrained":
            yield f"models.{name}.base: {vanilla!r} is untrained; name a vanilla model"
        root = partner(models[vanilla]) if vanilla in models and vanilla != name else None
        if root in models and root != vanilla and role(models[root]) == "vanilla":
            yield (
                f"models.{name}.base: {vanilla!r} is itself tuned from {root!r}, and models tuned "
                f"from one model count together; name a vanilla model (base: {root})"
            )
        if "experiment" not in model:
            yield from _scored_on_faults(f"models.{name}", model, config)
        if model["source"]["type"] == "surprisal":
            yield from _surprisal_faults(f"models.{name}", model, config)
    for name in config.get("only") or []:
        if name not in models:
            yield _unknown("only", name, models, "model of this study")
    for section in ("alignment", "behavior"):
        for name, benchmark in config.get(section, {}).items():
            yield from _models_faults(section, name, benchmark, models)
            if benchmark["dataset"] not in datasets:
                path = f"{section}.{name}.dataset"
                yield _unknown(path, benchmark["dataset"], datasets, "dataset of this study")
            yield from _dataset_faults(section, name, benchmark, datasets)
    for name, benchmark in config.get("behavior", {}).items():
        yield from _measure_faults(f"behavior.{name}", benchmark, datasets)
    yield from _companion_faults(config.get("alignment", {}))
    for name, benchmark in config.get("alignment", {}).items():
        path, dataset = f"alignment.{name}", datasets.get(benchmark["dataset"])
        yield from _reduction_faults(path, name, benchmark, models)
        yield from _nuisance_faults(path, benchmark, models)
        yield from _selection_faults(path, benchmark, dataset)
        timed = _is_timed(datasets.get(benchmark["dataset"]))
        given = benchmark.get("timing") is not None
        if timed is not None and timed != given:
            found = f"the rows of {benchmark['dataset']!r} are {'volumes' if timed else 'stimuli'}"
            yield (
                f"alignment.{name}: key 'timing' is missing; {found}: give it, for instance "
                "{features: fir, delays: [1, 2, 3, 4]} (docs/adding-a-dataset.md, Timed data)"
                if timed
                else f"alignment.{name}.timing: {found}, not volumes of a scan; leave the key out"
            )


def _reduction_faults(path: str, name: str, benchmark: Config, models: Config) -> Iterator[str]:
    """Models that are pre-trained here with fewer units than every layer should be reduced to.

    (Only the files tell the width of others, and then the table does.)
    """
    reduce = benchmark.get("reduce", {"dimensions": 0})
    for model, entry in models.items():
        width = entry["source"].get("width", math.inf)
        scored = scored_on(model, {name: benchmark.get("models")}, models)
        if entry["source"]["type"] == "pretrain" and scored and width < reduce["dimensions"]:
            yield (
                f"{path}.reduce.dimensions: {reduce['dimensions']}, but layers of {model!r} have "
                f"{width} units and would stay as they are; give no more than these"
            )


def _models_faults(section: str, name: str, benchmark: Config, models: Config) -> Iterator[str]:
    """The models that a benchmark names: they are in the study and can be scored on it."""
    path = f"{section}.{name}.models"
    for model in benchmark.get("models", ()):
        if model not in models:
            yield _unknown(path, model, models, "model of this study")
        elif name not in models[model].get("scored_on", [name]):
            yield f"{path}: {model!r} is scored on {', '.join(models[model]['scored_on'])} alone"
        elif section == "alignment" and _has_surprisal_alone(models[model]):
            yield f"{path}: {model!r} is a model of reading times alone; leave it out"
        elif section == "behavior" and not _has_surprisal(models[model]):
            yield f"{path}: {model!r} has no surprisal; leave it out"


def _has_surprisal_alone(model: Config) -> bool:
    """Whether this is a count of tokens or published surprisal, which have no activations."""
    return counts_tokens(model) or model["source"]["type"] == "surprisal"


def _has_surprisal(model: Config) -> bool:
    return counts_tokens(model) or role(model) not in ("baseline", "truth")


def _dataset_faults(section: str, name: str, benchmark: Config, datasets: Config) -> Iterator[str]:
    reported, dataset = benchmark.get("report_as"), datasets.get(benchmark["dataset"])
    if (reported or benchmark["dataset"]) == "average":
        key = "report_as" if reported else "dataset"
        yield f"{section}.{name}.{key}: 'average' is what tables call the mean; take another name"
    reading = None if dataset is None else _is_reading(dataset)
    if reading is not None and reading != (section == "behavior"):
        found, place = ("reading times", "behavior") if reading else ("brain data", "alignment")
        yield (
            f"{section}.{name}.dataset: {benchmark['dataset']!r} holds {found}; "
            f"put the benchmark into section {place}"
        )


def _companion_faults(benchmarks: Config) -> Iterator[str]:
    """Companions stand beside other benchmarks in the tables, under a name of their own."""
    others = {
        reported_as(entry): name for name, entry in benchmarks.items() if not entry.get("companion")
    }
    if benchmarks and not others:
        yield "alignment: every benchmark is a companion, expected one without companion: true"
    for name, entry in benchmarks.items():
        reported = reported_as(entry)
        if entry.get("companion") and reported in others:
            yield (
                f"alignment.{name}: tables would call it {reported!r}, as {others[reported]} is; "
                "a companion needs a report_as of its own"
            )


def _measure_faults(path: str, benchmark: Config, datasets: Config) -> Iterator[str]:
    dataset = datasets.get(benchmark["dataset"])
    kind = "own" if dataset is None else dataset["source"]["type"]
    if kind in MEASURED and "measure" not in benchmark:
        yield (
            f"{path}: key 'measure' is missing; {benchmark['dataset']!r} holds several: "
            f"{', '.join(MEASURES)}"
        )
    elif kind in MEASURED and benchmark["measure"] not in MEASURES:
        known = dict.fromkeys(MEASURES)
        yield _unknown(f"{path}.measure", benchmark["measure"], known, "measure of eye movements")
    elif kind not in (*MEASURED, "own") and "measure" in benchmark:
        yield f"{path}.measure: {benchmark['dataset']!r} holds one measure; leave the key out"


def _selection_faults(path: str, benchmark: Config, dataset: Config | None) -> Iterator[str]:
    regression = benchmark["regression"]
    selection = regression.get("selection", RIDGE.selection)
    if (
        "unique_variance" in benchmark
        and regression["type"] == "ridge"
        and selection != "folds-per-target"
        and benchmark["split"]["scheme"] != "shuffled"
        and _are_neighbours(dataset)
    ):
        yield (
            f"{path}.regression.selection: {selection} takes rows for independent, and those of "
            f"{benchmark['dataset']!r} are neighbours in one text or scan, so unique_variance "
            "would be of penalties that are too small; take folds-per-target"
        )


def _are_neighbours(dataset: Config | None) -> bool:
    """Whether rows follow each other in a text or scan (only the run tells of one's own data)."""
    return dataset is not None and dataset["source"]["type"] not in (*ISOLATED, "own")


def _nuisance_faults(path: str, benchmark: Config, models: Config) -> Iterator[str]:
    asked = benchmark.get("unique_variance")
    if asked is None:
        return
    baselines = {
        name: model
        for name, model in models.items()
        if role(model) == "baseline" and not counts_tokens(model)
    }
    for other in asked["beyond"]:
        if other not in baselines:
            key = f"{path}.unique_variance.beyond"
            yield _unknown(key, other, baselines, "baseline of this study")
    known = [baselines[other]["source"]["kind"] for other in asked["beyond"] if other in baselines]
    if benchmark["split"]["scheme"] == "grouped" and known and set(known) == {"oasm"}:
        yield (
            f"{path}.unique_variance.beyond: oasm says nothing of held-out groups "
            "(split.scheme grouped); name further baselines"
        )


def _tuning_faults(config: Config) -> Iterator[str]:
    models: dict[str, str] = dict.fromkeys(config["models"], "a model of the study")
    for name, experiment in config.get("tuning", {}).items():
        path, base = f"tuning.{name}", experiment["base"]
        if base not in config["models"]:
            yield _unknown(f"{path}.base", base, config["models"], "model of this study")
        elif role(config["models"][base]) in ("baseline", "truth"):
            yield f"{path}.base: {base!r} is a baseline; name a language model"
        yield from _scored_on_faults(path, experiment, config)
        for scored in experiment.get("scored_on", ()):
            benchmark = config.get("alignment", {}).get(scored)
            if benchmark and benchmark["regression"]["type"] in ("rsa", "cka"):
                yield f"{path}.scored_on: {scored!r} is a similarity; trajectories hold r alone"
        recipe = read(experiment.get("recipe", {}), Course)
        end = (recipe.samples or math.inf) * recipe.epochs
        for seen in experiment["checkpoints"]:
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


def _scored_on_faults(path: str, entry: Config, config: Config) -> Iterator[str]:
    scorable = dict.fromkeys(name for key in SCORED for name in config.get(key, {}))
    for scored in entry.get("scored_on", ()):
        if scored not in scorable:
            yield _unknown(f"{path}.scored_on", scored, scorable, "benchmark, task or text here")


def _presentation_faults(models: Config) -> Iterator[str]:
    """Published surprisal has a file for each presentation, and its source may name one."""
    for name, model in models.items():
        source, presented = model["source"], model.get("presentations", ())
        if source["type"] != "surprisal":
            continue
        if "chat" in model:
            yield (
                f"models.{name}.chat: of models with weights; of published surprisal the source "
                "says it (presentation: chat)"
            )
        if presented and "presentation" in source:
            yield (
                f"models.{name}.source.presentation: {source['presentation']!r}, but "
                "presentations are given, too; give one of them"
            )
        if len(presented) > 1 and "path" in source:
            yield (
                f"models.{name}.presentations: a table of your own is of one presentation; make a "
                "model of each table"
            )


def _surprisal_faults(path: str, model: Config, config: Config) -> Iterator[str]:
    """A model of published surprisal: its release, what it is scored on, what is made of it."""
    source, datasets = model["source"], config.get("datasets", {})
    further = "presented" in model
    if "release" in source:
        try:
            reader(source).raw_files(source)
        except InputError as error:
            where = f"models.{model['presented']}.presentations" if further else f"{path}.source"
            yield f"{where}: {error}"
    if further:  # the rest is said of its first presentation
        return
    if "release" not in source and source["dataset"] not in datasets:
        yield _unknown(f"{path}.source.dataset", source["dataset"], datasets, "dataset here")
        return
    behavior = config.get("behavior", {})
    fitting = [
        name
        for name, benchmark in behavior.items()
        if (dataset := datasets.get(benchmark["dataset"])) is not None
        and surprisal_fits(source, benchmark["dataset"], dataset["source"])
    ]
    if not fitting:
        yield f"{path}: no benchmark of section behavior has the words of its surprisal"
    for name in model.get("scored_on", ()):
        if any(name in config.get(section, {}) for section in SCORED) and name not in fitting:
            yield (
                f"{path}.scored_on: {name!r} needs weights or other words; published surprisal is "
                f"scored on {', '.join(fitting) or 'nothing here'}"
            )


def _is_timed(dataset: Mapping[str, Any] | None) -> bool | None:
    """Whether rows are volumes; None where only the files of one's own dataset tell."""
    if dataset is None or dataset["source"]["type"] == "own":
        return None
    source = dataset["source"]
    return source["type"] in TIMED or source.get("kind") == "chapter"


def _is_reading(dataset: Mapping[str, Any]) -> bool | None:
    """Whether responses are reading times; None where only the files of one's own dataset tell."""
    source = dataset["source"]
    if source["type"] == "own":
        return None
    return source["type"] in READING or source.get("kind") == "reading"


def _training_data_faults(config: Config) -> Iterator[str]:
    without: dict[str, str | None] = {}
    for name, model in config["models"].items():
        tuned = model["source"]["type"] == "tune"
        if tuned and instruction_data(name, config["models"]) is None:
            experiment = model.get("experiment")
            path = f"tuning.{experiment}" if experiment else f"models.{name}.source"
            without[path] = parent(model)
    for path, base in without.items():
        yield (
            f"{path}: key 'instructions' is missing; {base!r} was not trained on the simulated "
            "world, so there is no default; allowed: simulated, "
            f"{', '.join(PUBLISHED_INSTRUCTIONS)}, or a path that ends in .json or .jsonl"
        )
    told: dict[tuple[str, str], str] = {}
    for name, benchmark in config.get("behavior", {}).items():
        key = (reported_as(benchmark), benchmark["mode"])
        if key in told:
            yield (
                f"behavior.{name}.report_as: {key[0]!r} is {told[key]}'s in mode {key[1]}; "
                "give it another name"
            )
        told.setdefault(key, name)
    if uses_simulation(config) and "simulation" not in config:
        yield "simulation: section is missing; the study names simulated datasets, tasks or models"


def uses_simulation(config: Config) -> bool:
    """Whether anything in the study comes from the simulated world."""
    models = config["models"]
    sources = [
        *(model["source"]["type"] for model in models.values()),
        *(model["source"].get("instructions") for model in models.values()),
        *(model["source"].get("text") for model in models.values()),
        *(dataset["source"]["type"] for dataset in config.get("datasets", {}).values()),
        *(task["questions"]["type"] for task in config.get("capability", {}).values()),
        *(text["source"]["type"] for text in config.get("next_word", {}).values()),
    ]
    return any(source in ("pretrain", "simulated") for source in sources)


def _unknown(path: str, value: str, known: Mapping[str, Any], what: str) -> str:
    near = difflib.get_close_matches(value, list(known), n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{path}: {value!r} is no {what}; {hint}allowed: {', '.join(known) or 'none defined'}"
