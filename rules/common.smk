"""From config to lookups: names, paths and the part of the config that each rule uses."""

import csv
import json
import os
import re
import shlex
import sys
from functools import cache
from pathlib import Path

from msgspec.structs import replace
from snakemake.dag import DAG
from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

# This project's folder, also where another workflow imports it as a module.
PROJECT = Path(workflow.current_basedir).parent
sys.path.insert(0, str(PROJECT / "scripts"))

from brainalign.datasets.own_keys import runs_of_files
from brainalign.datasets.own_paths import own_paths as user_paths_of
from brainalign.datasets.registry import reader_files
from brainalign.encoding.settings import UNIT_METHODS, Cka, Rsa
from brainalign.models.settings import Delta
from brainalign.reading.text_controls import SURROGATE
from brainalign.settings import plain, read, tag_of
from brainalign.study import forks, groups, logs
from brainalign.study.alignment_size import (
    activations_shape,
    alignment_mb,
    alignment_minutes,
    responses_shape,
)
from brainalign.study.check import config_faults
from brainalign.study.check_own import own_faults
from brainalign.study.duplicate_keys import duplicate_keys
from brainalign.study.digest import source_digest
from brainalign.study.figure_pages import families_of, figure_pages
from brainalign.study.models import (
    FETCHED,
    all_models,
    scored_on,
    counts_tokens,
    instruction_data,
    is_simulated,
    lineage,
    narrow,
    parent,
    partner,
    presentation,
    previous_checkpoint,
    role,
    weights_of,
)
from brainalign.study.progress import Progress
from brainalign.study.resources import (
    gpu_memory_mb,
    gpus,
    memory_mb,
    parameter_count,
    preparing_memory_mb,
    reading_minutes,
    training_gpus,
    training_memory_mb,
)
from brainalign.study.settings import Study
from brainalign.study.text_controls import (
    altered_benchmarks,
    altered_datasets,
    altered_name,
    read_altered,
    scored_altered,
)
from brainalign.study.volumes import averaged_by_volume
from brainalign.training.settings import PUBLISHED_INSTRUCTIONS

if {"{", "}"} & {*str(PROJECT), *os.getcwd()}:
    raise WorkflowError(
        f"{os.getcwd()}: Snakemake cannot work in a folder whose path has braces; move or rename it"
    )

# Snakemake puts the path of its Python into shell commands as it is: one with a blank, a quote or a
# bracket has to be quoted here.
sys.executable = shlex.quote(sys.executable)

if isinstance(config.get("only"), str):
    config["only"] = [
        name.strip() for name in config["only"].split(",") if name.strip()
    ]

CONFIG_FILES = workflow.overwrite_configfiles or [PROJECT / "config.yaml"]
if not IS_MAIN:  # the study is what the importing workflow passes
    CONFIG_FILES = []
faults = [line for path in CONFIG_FILES for line in duplicate_keys(path)]
faults = faults or config_faults(config)
if faults:
    raise WorkflowError("the study's config is not valid:\n" + "\n".join(faults))

STUDY = read(config, Study)
# Processes that run a job do not open all the user's files again.
if workflow.is_main_process and (faults := list(own_faults(STUDY))):
    raise WorkflowError("\n".join(faults))
# Scripts look these up themselves: where and how a job runs, which changes no result.
config |= {key: getattr(STUDY, key) for key in ("device", "mirror", "batch_tokens")}

RESULTS = Path("results", STUDY.study or "").as_posix()
ALL_MODELS = all_models(STUDY.models, STUDY.tuning, STUDY.stages)
NARROWED = narrow(ALL_MODELS, STUDY.only or [])
# Checkpoints of tuning experiments are read and scored as all models are, and have separate tables.
CHECKPOINTS = [name for name in NARROWED if role(NARROWED[name]) == "checkpoint"]
# Further presentations of a model are read and scored for a separate table.
PRESENTED = [name for name in NARROWED if role(NARROWED[name]) == "presentation"]
MODELS = {n: m for n, m in NARROWED.items() if n not in (*CHECKPOINTS, *PRESENTED)}
DATASETS = STUDY.datasets
# Datasets that are read with altered text, and their benchmarks, for a separate table.
ALTERED = altered_datasets(DATASETS)
ALTERED_BENCHMARKS = altered_benchmarks(STUDY.alignment, DATASETS)
READ_DATASETS = DATASETS | {
    name: read_altered(DATASETS[made.of], made.control)
    for name, made in ALTERED.items()
}
SURROGATES = [n for n, made in ALTERED.items() if made.control == SURROGATE]
ALIGNMENT = STUDY.alignment | {
    name: scored_altered(STUDY.alignment[made.of])
    for name, made in ALTERED_BENCHMARKS.items()
}
# Similarities have another scale than r. They have a separate table, and enter no other.
SIMILARITIES = {
    n: b for n, b in ALIGNMENT.items() if isinstance(b.regression, Rsa | Cka)
}
REGRESSIONS = {
    n: b
    for n, b in ALIGNMENT.items()
    if n not in SIMILARITIES and n not in ALTERED_BENCHMARKS
}
BEHAVIOR = STUDY.behavior
CAPABILITY = STUDY.capability
TEXTS = STUDY.next_word
# Benchmark → the models that it is for, where it says so.
MODELS_OF = {n: b.models for n, b in [*ALIGNMENT.items(), *BEHAVIOR.items()]}


def result(*parts):
    """A path under the study's results folder."""
    return "/".join([RESULTS, *parts])


def log_of(rule_name, *wildcards):
    """Where a rule logs."""
    return result("logs", rule_name, *(f"{{{name}}}" for name in wildcards)) + ".log"


def benchmark_of(rule_name, *wildcards):
    """Where Snakemake records a job's run time and memory."""
    return (
        result("benchmarks", rule_name, *(f"{{{name}}}" for name in wildcards)) + ".tsv"
    )


@cache
def digest_of(script, *others):
    """Digest of a script, of what it imports, and of other files."""
    return source_digest(PROJECT / "scripts" / f"{script}.py", *others)


def code(script, *others):
    """Digest of the code that a rule runs, and of other files that it reads: an edited formula reruns
    the rule, a comment does not.

    It is taken when a job of the rule is planned: a job on a cluster reads the code of its rule only.
    """
    return lambda wildcards: digest_of(script, *others)


def reader_code(script, source):
    """The same of a rule that reads data whose `source` is looked up by wildcards: the code and
    tables of other readers do not count.
    """
    return lambda wildcards: digest_of(script, *reader_files(source(wildcards)))


def kind_of_work(rule):
    """What a rule's scripts need, by the environment that it names; None of a rule without script."""
    return Path(str(rule.conda_env)).stem if rule.script else None


def script_of(rule):
    """The file of a rule's script."""
    return PROJECT / "scripts" / Path(rule.script).name


def one_of(names):
    """A wildcard constraint: one of these names (a pattern that matches nothing if there are none)."""
    return "|".join(map(re.escape, names)) or r"(?!)"


def models_from(*source_types):
    """Names of the models, narrowed out or not, whose source has one of these types."""
    return [
        name
        for name, m in ALL_MODELS.items()
        if tag_of(m.source) in source_types and weights_of(name, ALL_MODELS) == name
    ]


def models_with(*roles):
    """Names of the study's models in one of these roles."""
    return [name for name, model in MODELS.items() if role(model) in roles]


LANGUAGE_MODELS = models_with("vanilla", "tuned", "untrained")
# Models without weights, whose surprisal others have published: scored on reading times alone.
PUBLISHED_SURPRISAL = models_from("surprisal")
SURPRISAL_ALONE = [name for name in LANGUAGE_MODELS if name in PUBLISHED_SURPRISAL]
RUN_MODELS = [name for name in LANGUAGE_MODELS if name not in PUBLISHED_SURPRISAL]
# Those whose release gives a fit to reading times that the study has, too → release and dataset.
PUBLISHED_FITS = {
    name: {"release": MODELS[name].source.reader, "dataset": dataset}
    for name in SURPRISAL_ALONE
    for dataset, entry in DATASETS.items()
    if presentation(MODELS[name]) == "raw"
    and MODELS[name].source.fitted
    and isinstance(entry.source, MODELS[name].source.fitted)
}
# A baseline of reading times alone, each counting the tokens of a language model.
TOKEN_COUNTS = [name for name, model in MODELS.items() if counts_tokens(model)]
# All whose weights are read: these, checkpoints, and further presentations of models with weights.
READ_MODELS = [
    *RUN_MODELS,
    *CHECKPOINTS,
    *(name for name in PRESENTED if name not in PUBLISHED_SURPRISAL),
]
# An untrained model can only guess: its answers and its loss are not worth the time they take.
TRAINED_MODELS = [name for name in RUN_MODELS if role(MODELS[name]) != "untrained"]
SIMULATED_DATASETS = [n for n, d in DATASETS.items() if tag_of(d.source) == "simulated"]
REAL_DATASETS = [n for n in DATASETS if n not in SIMULATED_DATASETS]
# Datasets without responses, whose two conditions tell language units apart.
LOCALIZERS = [n for n, d in DATASETS.items() if d.source.localizer]
SIMULATED_TASKS = [
    n for n, t in CAPABILITY.items() if tag_of(t.questions) == "simulated"
]
SIMULATED_TEXTS = [n for n, t in TEXTS.items() if tag_of(t.source) == "simulated"]
REAL_TEXTS = [n for n in TEXTS if n not in SIMULATED_TEXTS]
REAL_TASKS = [n for n in CAPABILITY if n not in SIMULATED_TASKS]


def model_entry(wildcards):
    return ALL_MODELS[wildcards.model]


def model_key(key, default=None):
    """A lookup of one key of the model's config entry, for a rule's params."""

    def value(wildcards):
        given = getattr(ALL_MODELS[wildcards.model], key)
        return default if given is None else given

    return value


def model_source(wildcards):
    """The model's source, with all defaults."""
    return plain(model_entry(wildcards).source)


def model_seed(wildcards):
    """The seed of a model that is made here."""
    seed = model_entry(wildcards).source.seed
    return STUDY.seed if seed is None else seed


def scored(model, names):
    """Those of `names` (benchmarks, tasks or texts → entry) that a model is scored on: all, unless
    its entry says which, or theirs say for which models they are; the planted truth on simulated
    data only, as real data have none; a count of tokens and published surprisal on reading times
    only, the latter of the words that it is of; the units of a model on models with weights only.
    """
    planted = role(ALL_MODELS[model]) == "truth"
    counted = counts_tokens(ALL_MODELS[model])
    read_by = parent(ALL_MODELS[model]) if counted else model
    return [
        name
        for name in scored_on(model, {n: MODELS_OF.get(n) for n in names}, ALL_MODELS)
        if (name in BEHAVIOR or not counted)
        and not (planted and ALIGNMENT[name].dataset in REAL_DATASETS)
        and not (keeps_units(name) and role(ALL_MODELS[model]) in ("baseline", "truth"))
        and (
            read_by not in PUBLISHED_SURPRISAL
            or (name in BEHAVIOR and surprisal_fits(read_by, BEHAVIOR[name].dataset))
        )
    ]


def keeps_units(name):
    """Whether a benchmark is of some units of each model, which baselines do not have."""
    reduce = ALIGNMENT[name].reduce if name in ALIGNMENT else None
    return reduce is not None and reduce.method in UNIT_METHODS


def surprisal_fits(model, dataset):
    """Whether a model's published surprisal is of the words of a dataset."""
    return ALL_MODELS[model].source.is_of(dataset, DATASETS[dataset].source)


def dataset_key(key):
    """A lookup of one key of the dataset's config entry, for a rule's params."""
    return lambda wildcards: plain(getattr(READ_DATASETS[wildcards.dataset], key))


def dataset_source(wildcards):
    return DATASETS[wildcards.dataset].source


def user_paths(source):
    """The user's files and folders of checkpoints that a source names."""
    if isinstance(source, Delta):
        return [*user_paths(source.base), *user_paths(source.delta)]
    return [Path(path) for path in user_paths_of(source)]


def user_files(source):
    """The user's files of a source that exist. They are inputs, so that everything made of
    them is made again when they change. (A run reports missing files when it starts.)
    """
    files = []
    for path in user_paths(source):
        inside = [path / "config.json", *sorted(path.glob("*.safetensors"))]
        files += [str(file) for file in (path, *inside) if file.is_file()]
    return files


def user_source(wildcards):
    """The source that a job of these wildcards reads, and its key in the config."""
    if name := wildcards.get("model"):
        model = ALL_MODELS[name]
        entry = f"stages.{model.experiment}" if model.stage_of else f"models.{name}"
        return f"{entry}.source", model.source
    if task := wildcards.get("task"):
        return f"capability.{task}.questions", task_source(wildcards)
    if text := wildcards.get("text"):
        return f"next_word.{text}.source", text_source(wildcards)
    return f"datasets.{wildcards.dataset}.source", dataset_source(wildcards)


def missing_files(jobs):
    """A line for each file of the user that one of these jobs needs and that does not exist."""
    lines = []
    for job in jobs:
        if "user" in job.input.keys():
            key, source = user_source(job.wildcards)
            runs = runs_of_files(getattr(source, "images", {}))
            for path in user_paths(source):
                if not path.exists():
                    run = f" ({runs[str(path)]})" if str(path) in runs else ""
                    lines.append(f"{key}: {path} is not there{run}")
    return sorted(set(lines))


def read_dataset(benchmark):
    """The dataset that models read for a brain benchmark; of an altered text, the altered one."""
    dataset = ALIGNMENT[benchmark].dataset
    made = ALTERED_BENCHMARKS.get(benchmark)
    return altered_name(dataset, made.control) if made else dataset


def benchmark_dataset(section, *parts):
    """The path of a file of the dataset that a benchmark names."""
    return lambda wildcards: result(
        "data", section[wildcards.benchmark].dataset, *parts
    )


def model_records(models=MODELS):
    """What tables say of each model: nothing that needs the model itself."""
    return {
        name: {
            "base": partner(model),
            "family": model.family or name,
            "role": role(model),
            "label": model.label or name,
            "parameters": model.parameters,
            "published": model.published,
            "simulated": is_simulated(name, ALL_MODELS),
        }
        for name, model in models.items()
    }


def memory(mb):
    """Memory (MB) of a job without a model; as much again at each attempt."""
    return lambda wildcards, attempt: mb * attempt


def preparing_memory(wildcards, attempt):
    """Memory (MB) of the job that prepares a dataset."""
    return preparing_memory_mb(dataset_source(wildcards), attempt)


def model_memory(wildcards, attempt):
    """Memory (MB) of a job that reads with a model."""
    return memory_mb(
        wildcards.model, ALL_MODELS, attempt, on_gpu=model_gpus(wildcards) == 1
    )


def host_memory(wildcards, attempt):
    """Memory (MB) of a job that holds a model's weights without a GPU."""
    return memory_mb(wildcards.model, ALL_MODELS, attempt)


def initialising_memory(wildcards, attempt):
    """Memory (MB) of a job that draws a model's weights: float32, whatever it is read in."""
    drawn = replace(model_entry(wildcards), dtype="float32")
    return memory_mb(wildcards.model, {**ALL_MODELS, wildcards.model: drawn}, attempt)


def tuning_memory(wildcards, attempt):
    """Memory (MB) of a job that tunes a model."""
    return training_memory_mb(wildcards.model, ALL_MODELS, attempt)


def model_gpus(wildcards):
    """GPUs of a job that runs a model, for a cluster."""
    return gpus(wildcards.model, ALL_MODELS, STUDY.device)


def model_gpu_memory(wildcards):
    """Memory (MB) that each GPU of a job that reads with a model must have, for a cluster."""
    return gpu_memory_mb(wildcards.model, ALL_MODELS, STUDY.device)


def tuning_gpus(wildcards):
    """GPUs of a job that tunes a model."""
    return training_gpus(wildcards.model, ALL_MODELS)


def run_time(minutes, per_billion=0):
    """Minutes that a cluster gives a job, `per_billion` of them for every 1e9 parameters of its
    model; as many again at each attempt. Rules without it have the profile's default.
    """

    def allowed(wildcards, attempt):
        billions = (
            parameter_count(wildcards.model, ALL_MODELS) / 1e9 if per_billion else 0
        )
        return int(attempt * (minutes + per_billion * billions))

    return allowed


def reading_time(kind):
    """Minutes that a cluster gives a job that reads with a model; a key of `READING_MINUTES`."""
    return lambda wildcards, attempt: reading_minutes(
        kind, wildcards.model, ALL_MODELS, STUDY.device, attempt
    )


def surprisal_time(wildcards, attempt):
    """The same of surprisal."""
    dataset = DATASETS[wildcards.dataset]
    endless = dataset.context == "corpus" and not dataset.stride
    return reading_time("endless surprisal" if endless else "surprisal")(
        wildcards, attempt
    )


# `keep: scores` drops activations once all that reads them is done.
kept_activations = temp if STUDY.keep == "scores" else lambda path: path

# With `keep: volumes`, datasets of whose words benchmarks need only the means over volumes.
AVERAGED = averaged_by_volume(STUDY)
BY_VOLUME = [
    name
    for name in READ_DATASETS
    if (ALTERED[name].of if name in ALTERED else name) in AVERAGED
]
