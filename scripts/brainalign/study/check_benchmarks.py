"""Settings that do not suit the data or models that they name, which no class can know."""

from collections.abc import Iterator, Mapping

from brainalign.behavior.settings import ControlledReading, ReadingBenchmark
from brainalign.datasets.names import reported_as
from brainalign.datasets.registry import reader
from brainalign.datasets.surprisal_settings import Surprisal, SurprisalTable
from brainalign.encoding.settings import BrainBenchmark, Cka, Ridge, Rsa
from brainalign.encoding.splits import Shuffled
from brainalign.errors import InputError
from brainalign.models.settings import Oasm
from brainalign.reading.settings import Dataset
from brainalign.settings import not_known, plain, tag_of
from brainalign.study.models import (
    Models,
    StudyModel,
    counts_tokens,
    instruction_data,
    is_simulated,
    role,
    scored_on,
)
from brainalign.study.settings import Study
from brainalign.study.text_controls import altered_benchmarks, altered_datasets
from brainalign.training.settings import PUBLISHED_INSTRUCTIONS, Pretrain, Tune


def benchmark_faults(study: Study, models: Models) -> Iterator[str]:
    """Faults of sections `alignment` and `behavior`; the names in them are known."""
    for name, benchmark in study.alignment.items():
        path, dataset = f"alignment.{name}", study.datasets[benchmark.dataset]
        yield from _models_faults(path, name, benchmark, models)
        yield from _kind_faults(path, benchmark, dataset)
        yield from _timing_faults(path, benchmark, dataset)
        yield from _selection_faults(path, benchmark, dataset)
        yield from _reduction_faults(path, name, benchmark, models)
        yield from _nuisance_faults(path, benchmark, models)
    for name, fit in study.behavior.items():
        path, dataset = f"behavior.{name}", study.datasets[fit.dataset]
        yield from _models_faults(path, name, fit, models)
        yield from _kind_faults(path, fit, dataset)
        yield from _measure_faults(path, fit, dataset)
        if isinstance(fit, ControlledReading) and fit.by_layer:
            yield from _layer_faults(path, name, fit, models)
    yield from _companion_faults(study.alignment)
    yield from _average_faults(study.alignment)
    yield from _text_faults(study)


def _models_faults(
    path: str, name: str, entry: BrainBenchmark | ReadingBenchmark, models: Models
) -> Iterator[str]:
    """The models that a benchmark names can be scored on it."""
    brain = isinstance(entry, BrainBenchmark)
    for model in entry.models or ():
        only = models[model].scored_on or (name,)
        counts = counts_tokens(models[model])
        without_surprisal = role(models[model]) in ("baseline", "truth") and not counts
        if name not in only:
            yield f"{path}.models: {model!r} is scored on {', '.join(only)} alone"
        elif brain and (counts or isinstance(models[model].source, Surprisal)):
            yield f"{path}.models: {model!r} is a model of reading times alone; leave it out"
        elif not brain and without_surprisal:
            yield f"{path}.models: {model!r} has no surprisal; leave it out"


def _kind_faults(
    path: str, entry: BrainBenchmark | ReadingBenchmark, dataset: Dataset
) -> Iterator[str]:
    """A benchmark of brain data or of reading times names a dataset that holds them."""
    brain, reading = isinstance(entry, BrainBenchmark), dataset.source.reading
    if dataset.source.localizer:
        yield (
            f"{path}.dataset: {entry.dataset!r} is a localizer, which holds no responses; name it "
            "in reduce.localizer of a benchmark"
        )
    elif reading is not None and brain == reading:  # None: only the files of a user's dataset tell
        holds, section = ("reading times", "behavior") if reading else ("brain data", "alignment")
        yield (
            f"{path}.dataset: {entry.dataset!r} holds {holds}; put the benchmark into section "
            f"{section}"
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
        yield not_known(f"{path}.measure", str(entry.measure), measures, "measure of eye movements")
    elif measures == () and entry.measure is not None:
        yield f"{path}.measure: {entry.dataset!r} holds one measure; leave the key out"


def _layer_faults(path: str, name: str, entry: ControlledReading, models: Models) -> Iterator[str]:
    """A depth profile of reading times has some model with layers."""
    networks = (
        model
        for model, made in models.items()
        if role(made) in ("vanilla", "tuned", "untrained")
        and not isinstance(made.source, Surprisal)
    )
    if not any(scored_on(model, {name: entry.models}, models) for model in networks):
        yield f"{path}.by_layer: no model with weights is scored on it; leave the key out"


def _reduction_faults(path: str, name: str, entry: BrainBenchmark, models: Models) -> Iterator[str]:
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
                f"{path}.reduce.dimensions: {dimensions}, but each {among} of {model!r} has "
                f"{units} units; give no more than these"
            )


def _nuisance_faults(path: str, entry: BrainBenchmark, models: Models) -> Iterator[str]:
    beyond = () if entry.unique_variance is None else entry.unique_variance.beyond
    if entry.split.holds_out_groups and {type(models[b].source) for b in beyond} == {Oasm}:
        yield (
            f"{path}.unique_variance.beyond: oasm says nothing of held-out groups (split.scheme "
            f"{tag_of(entry.split)}); name further baselines"
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
                f"{others[names[name]]} is; a companion needs another report_as"
            )


def _average_faults(benchmarks: Mapping[str, BrainBenchmark]) -> Iterator[str]:
    """Two regressions of the same models on the same data, which tables would average."""
    first: dict[tuple[str, str, str], str] = {}
    for name, entry in benchmarks.items():
        if entry.companion or isinstance(entry.regression, Rsa | Cka):
            continue
        key = entry.dataset, entry.mode, reported_as(plain(entry))
        other = first.setdefault(key, name)
        models, others = entry.models, benchmarks[other].models
        if other != name and (not models or not others or {*models} & {*others}):
            yield (
                f"alignment.{name}: {other} scores the same dataset in the same mode, and tables "
                "would average both; give one of them companion: true and another report_as"
            )


def _text_faults(study: Study) -> Iterator[str]:
    """Altered texts of datasets that no brain benchmark scores, or of a name that is taken."""
    scored = {entry.dataset for entry in study.alignment.values() if not entry.companion}
    for name, dataset in study.datasets.items():
        if dataset.text and name not in scored:
            yield f"datasets.{name}.text: no brain benchmark scores {name!r}; leave the key out"
        if "classes" in dataset.text and dataset.source.word_classes is False:
            yield f"datasets.{name}.text: classes, but {name!r} has no word classes"
    for name in (
        *altered_datasets(study.datasets),
        *altered_benchmarks(study.alignment, study.datasets),
    ):
        if name in study.datasets or name in study.alignment:
            yield f"datasets: the key text makes {name!r}, which is another entry's name; rename it"


def surprisal_faults(path: str, model: StudyModel, study: Study) -> Iterator[str]:
    """A model of published surprisal: its release, what it is scored on, what is made of it."""
    source, further = model.source, model.presented is not None
    assert isinstance(source, Surprisal)
    if not isinstance(source, SurprisalTable):
        try:
            reader(source).raw_files(source)
        except InputError as error:
            where = f"models.{model.presented}.presentations" if further else f"{path}.source"
            yield f"{where}: {error}"
    if further:  # the rest is said of its first presentation
        return
    fitting = [
        name
        for name, benchmark in study.behavior.items()
        if source.is_of(benchmark.dataset, study.datasets[benchmark.dataset].source)
    ]
    if not fitting:
        yield f"{path}: no benchmark of section behavior has the words of its surprisal"
    for name in model.scored_on or ():
        if name not in fitting:
            yield (
                f"{path}.scored_on: {name!r} needs weights or other words; published surprisal is "
                f"scored on {', '.join(fitting) or 'nothing here'}"
            )


def missing_parts(study: Study, models: Models) -> Iterator[str]:
    """Tuning without instruction data; two fits to reading times under one name; simulated data
    without a simulated world."""
    bases = {
        f"tuning.{m.experiment}" if m.experiment else f"models.{name}.source": m.source.of
        for name, m in models.items()
        if isinstance(m.source, Tune)
        and m.presented is None
        and instruction_data(name, models) is None
    }
    for path, base in bases.items():
        yield (
            f"{path}: key 'instructions' is missing; {base!r} was not trained on the simulated "
            "world, so there is no default; allowed: simulated, "
            f"{', '.join(PUBLISHED_INSTRUCTIONS)}, or a path that ends in .json or .jsonl"
        )
    reported: dict[tuple[str, str], str] = {}
    for name, entry in study.behavior.items():
        first = reported.setdefault((reported_as(plain(entry)), tag_of(entry)), name)
        if first != name:
            yield (
                f"behavior.{name}.report_as: {reported_as(plain(entry))!r} is {first}'s in mode "
                f"{tag_of(entry)}; give it another name"
            )
    if study.simulation is None and _uses_simulation(study, models):
        yield "simulation: section is missing; the study names simulated datasets, tasks or models"


def _uses_simulation(study: Study, models: Models) -> bool:
    """Whether anything in the study comes from the simulated world."""
    sources = [
        *(tag_of(entry.source) for entry in study.datasets.values()),
        *(tag_of(entry.source) for entry in study.next_word.values()),
        *(tag_of(entry.questions) for entry in study.capability.values()),
        *(getattr(model.source, "text", None) for model in models.values()),
    ]
    return "simulated" in sources or any(is_simulated(name, models) for name in models)
