"""The config checked before anything runs: every fault is one line with key path, value, remedy.

The classes of the settings say what each entry takes. What no class can know is checked here and in
`check_models`: names that lead nowhere, circles, partners, and settings that do not suit the
dataset they name.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from brainalign.behavior.settings import ReadingBenchmark
from brainalign.datasets.names import reported_as
from brainalign.datasets.surprisal_settings import Surprisal
from brainalign.encoding.settings import BrainBenchmark, Ridge
from brainalign.encoding.splits import Grouped, Shuffled
from brainalign.models.settings import Oasm
from brainalign.reading.settings import Dataset
from brainalign.settings import faults, plain, read, tag_of
from brainalign.study.check_models import (
    model_faults,
    stage_faults,
    tuning_faults,
    unknown,
    without_instructions,
)
from brainalign.study.models import (
    Models,
    all_models,
    counts_tokens,
    is_simulated,
    role,
    scored_on,
)
from brainalign.study.settings import Study
from brainalign.study.text_controls import altered_benchmarks, altered_datasets
from brainalign.training.settings import Pretrain

Config = Mapping[str, Any]


def config_faults(config: Config) -> list[str]:
    """All faults of a config: of form (the classes), then of reference (names that lead nowhere).

    Returns
    -------
    One line per fault: the key, the value given, what is allowed. Empty when the config is good.
    """
    if form := list(dict.fromkeys(faults(config, Study))):
        return form
    study = read(config, Study)
    if named := [*tuning_faults(study), *stage_faults(study)]:
        return named
    models = all_models(study.models, study.tuning, study.stages)
    references = [*model_faults(study, models), *_benchmark_faults(study, models)]
    return references or [*without_instructions(models), *_missing_parts(study, models)]


def _benchmark_faults(study: Study, models: Models) -> Iterator[str]:
    for name in study.only or ():
        if name not in models:
            yield unknown("only", name, models, "model of this study")
    for section in ("alignment", "behavior"):
        for name, entry in getattr(study, section).items():
            path = f"{section}.{name}"
            if (entry.report_as or entry.dataset) == "average":
                key = "report_as" if entry.report_as else "dataset"
                yield f"{path}.{key}: 'average' is the name of the mean in tables; take another"
            yield from _models_faults(path, name, entry, models)
            if entry.dataset not in study.datasets:
                yield unknown(
                    f"{path}.dataset", entry.dataset, study.datasets, "dataset of this study"
                )
                continue
            dataset = study.datasets[entry.dataset]
            yield from _kind_faults(path, entry, dataset)
            if isinstance(entry, BrainBenchmark):
                yield from _timing_faults(path, entry, dataset)
                yield from _selection_faults(path, entry, dataset)
            else:
                yield from _measure_faults(path, entry, dataset)
    for name, benchmark in study.alignment.items():
        yield from _reduction_faults(name, benchmark, models)
        yield from _localizer_faults(name, benchmark, study)
        yield from _nuisance_faults(f"alignment.{name}", benchmark, models)
    yield from _companion_faults(study.alignment)
    yield from _text_faults(study)


def _models_faults(
    path: str, name: str, entry: BrainBenchmark | ReadingBenchmark, models: Models
) -> Iterator[str]:
    """The models that a benchmark names: they are in the study and can be scored on it."""
    for model in entry.models or ():
        if model not in models:
            yield unknown(f"{path}.models", model, models, "model of this study")
            continue
        only = models[model].scored_on or (name,)
        published = isinstance(models[model].source, Surprisal)
        counts = counts_tokens(models[model])
        without_surprisal = role(models[model]) in ("baseline", "truth") and not counts
        if name not in only:
            yield f"{path}.models: {model!r} is scored on {', '.join(only)} alone"
        elif isinstance(entry, BrainBenchmark) and (counts or published):
            yield f"{path}.models: {model!r} is a model of reading times alone; leave it out"
        elif not isinstance(entry, BrainBenchmark) and without_surprisal:
            yield f"{path}.models: {model!r} has no surprisal; leave it out"


def _kind_faults(
    path: str, entry: BrainBenchmark | ReadingBenchmark, dataset: Dataset
) -> Iterator[str]:
    """A benchmark of brain data or of reading times names a dataset that holds them."""
    if dataset.source.localizer:
        yield (
            f"{path}.dataset: {entry.dataset!r} is a localizer, which holds no responses; name it "
            "in reduce.localizer of a benchmark"
        )
        return
    if dataset.source.reading is None:  # only the files of a user's dataset tell
        return
    brain = isinstance(entry, BrainBenchmark)
    if brain and dataset.source.reading:
        yield (
            f"{path}.dataset: {entry.dataset!r} holds reading times; put the benchmark into "
            "section behavior"
        )
    elif not brain and not dataset.source.reading:
        yield (
            f"{path}.dataset: {entry.dataset!r} holds brain data; put the benchmark into section "
            "alignment"
        )


def _timing_faults(path: str, entry: BrainBenchmark, dataset: Dataset) -> Iterator[str]:
    timed = dataset.source.timed
    if timed and entry.timing is None:
        yield (
            f"{path}: key 'timing' is missing; the rows of {entry.dataset!r} are volumes: give it, "
            "for instance {features: fir, delays: [1, 2, 3, 4]} (docs/adding-a-dataset.md, Timed "
            "data)"
        )
    elif timed is False and entry.timing is not None:
        yield (
            f"{path}.timing: the rows of {entry.dataset!r} are stimuli, not volumes of a scan; "
            "leave the key out"
        )


def _selection_faults(path: str, entry: BrainBenchmark, dataset: Dataset) -> Iterator[str]:
    regression = entry.regression
    if (
        entry.unique_variance is not None
        and isinstance(regression, Ridge)
        and regression.selection != "folds-per-target"
        and not isinstance(entry.split, Shuffled)
        and dataset.source.neighbours
    ):
        yield (
            f"{path}.regression.selection: {regression.selection} takes rows for independent, and "
            f"those of {entry.dataset!r} are neighbours in one text or scan, so unique_variance "
            "would be of penalties that are too small; take folds-per-target"
        )


def _measure_faults(path: str, entry: ReadingBenchmark, dataset: Dataset) -> Iterator[str]:
    measures = dataset.source.measures
    if measures and entry.measure is None:
        yield (
            f"{path}: key 'measure' is missing; {entry.dataset!r} holds several: "
            f"{', '.join(measures)}"
        )
    elif measures and entry.measure not in measures:
        known = dict.fromkeys(measures)
        yield unknown(f"{path}.measure", str(entry.measure), known, "measure of eye movements")
    elif measures == () and entry.measure is not None:
        yield f"{path}.measure: {entry.dataset!r} holds one measure; leave the key out"


def _reduction_faults(name: str, entry: BrainBenchmark, models: Models) -> Iterator[str]:
    """Models that are pre-trained here with fewer units than every layer should be reduced to.

    (Only the files tell the width of others, and then the table does.)
    """
    if entry.reduce is None:
        return
    dimensions, among = entry.reduce.dimensions, entry.reduce.among
    for model, made in models.items():
        source = made.source
        if not isinstance(source, Pretrain) or not scored_on(model, {name: entry.models}, models):
            continue
        blocks = source.layers * (2 if source.architecture == "encoder-decoder" else 1)
        units = source.width * (blocks if among == "model" else 1)
        if units < dimensions:
            yield (
                f"alignment.{name}.reduce.dimensions: {dimensions}, but each {among} of {model!r} "
                f"has {units} units; give no more than these"
            )


def _localizer_faults(name: str, entry: BrainBenchmark, study: Study) -> Iterator[str]:
    """The localizer that a benchmark keeps units by is one of the study's."""
    named = None if entry.reduce is None else entry.reduce.localizer
    localizers = {n: d for n, d in study.datasets.items() if d.source.localizer}
    if named is not None and named not in localizers:
        key = f"alignment.{name}.reduce.localizer"
        yield unknown(key, named, localizers, "localizer of this study")


def _text_faults(study: Study) -> Iterator[str]:
    """Altered texts of datasets that no brain benchmark scores, or of a name that is taken."""
    scored = {entry.dataset for entry in study.alignment.values() if not entry.companion}
    for name, dataset in study.datasets.items():
        if dataset.text and name not in scored:
            yield f"datasets.{name}.text: no brain benchmark scores {name!r}; leave the key out"
        if "classes" in dataset.text and dataset.source.word_classes is False:
            yield f"datasets.{name}.text: classes, but {name!r} has no word classes"
    made = [*altered_datasets(study.datasets)]
    if not set(study.datasets) >= {entry.dataset for entry in study.alignment.values()}:
        return
    made += altered_benchmarks(study.alignment, study.datasets)
    for name in made:
        if name in study.datasets or name in study.alignment:
            yield f"datasets: the key text makes {name!r}, which is another entry's name; rename it"


def _nuisance_faults(path: str, entry: BrainBenchmark, models: Models) -> Iterator[str]:
    if entry.unique_variance is None:
        return
    key, beyond = f"{path}.unique_variance.beyond", entry.unique_variance.beyond
    baselines = {
        name: type(model.source)
        for name, model in models.items()
        if role(model) == "baseline" and not counts_tokens(model)
    }
    for other in beyond:
        if other not in baselines:
            yield unknown(key, other, baselines, "baseline of this study")
    known = {baselines[other] for other in beyond if other in baselines}
    if isinstance(entry.split, Grouped) and known == {Oasm}:
        yield (
            f"{key}: oasm says nothing of held-out groups (split.scheme grouped); name further "
            "baselines"
        )


def _companion_faults(benchmarks: Mapping[str, BrainBenchmark]) -> Iterator[str]:
    """Companions stand beside other benchmarks in the tables, under a name of their own."""
    names = {name: reported_as(plain(entry)) for name, entry in benchmarks.items()}
    others = {names[name]: name for name, entry in benchmarks.items() if not entry.companion}
    if benchmarks and not others:
        yield "alignment: every benchmark is a companion, expected one without companion: true"
    for name, entry in benchmarks.items():
        if entry.companion and names[name] in others:
            yield (
                f"alignment.{name}: tables would call it {names[name]!r}, as "
                f"{others[names[name]]} is; a companion needs a report_as of its own"
            )


def _missing_parts(study: Study, models: Models) -> Iterator[str]:
    """Two fits to reading times under one name; simulated data without a simulated world."""
    reported: dict[tuple[str, str], str] = {}
    for name, entry in study.behavior.items():
        key = (reported_as(plain(entry)), tag_of(entry))
        if key in reported:
            yield (
                f"behavior.{name}.report_as: {key[0]!r} is {reported[key]}'s in mode {key[1]}; "
                "give it another name"
            )
        reported.setdefault(key, name)
    if study.simulation is None and _uses_simulation(study, models):
        yield "simulation: section is missing; the study names simulated datasets, tasks or models"


def _uses_simulation(study: Study, models: Models) -> bool:
    """Whether anything in the study comes from the simulated world."""
    if any(is_simulated(name, models) for name in models):
        return True
    sources = [
        *(tag_of(entry.source) for entry in study.datasets.values()),
        *(tag_of(entry.questions) for entry in study.capability.values()),
        *(tag_of(entry.source) for entry in study.next_word.values()),
    ]
    texts = (getattr(model.source, "text", None) for model in models.values())
    return "simulated" in (*sources, *texts)
