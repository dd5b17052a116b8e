"""What an edit reruns: exactly the jobs concerned, and nothing when nothing changed.

The study behind it has one model (`sim-decoder-s`), its tuned partner, its untrained twin, a
baseline of brains and one of reading times; a dataset with two brain benchmarks, one with two of
reading times; two tasks; a text. It is run once; each edit is planned by a dry run.
"""

import copy
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from conftest import REPOSITORY

from workflow.conftest import Study, jobs_in, with_tuning

pytestmark = pytest.mark.workflow

VANILLA, TUNED, UNTRAINED = "sim-decoder-s", "sim-decoder-s-instruct", "sim-decoder-s-untrained"
NETWORKS = (VANILLA, TUNED, UNTRAINED)
MODELS = (*NETWORKS, "oasm")
TASKS = ("mmlu-sim", "bbh-sim", "pairs-sim")
BRAIN = ("sim-passages-legacy", "sim-passages-controlled")
ARMS = ("instruction", "shuffled")
READING = ("sim-reading-legacy", "sim-reading-controlled")

# What is made of each kind of number: tables, and the figures drawn from them.
EFFECTS = {
    "contrasts", "correlations", "headline", "pages", "report", "plot_improvement",
    "plot_correlates", "plot_behavior",
}  # fmt: skip
SCORES = EFFECTS | {
    "scores", "baselines", "profiles", "mixed_effects", "truth", "plot_layer_curves",
    "plot_alignment", "plot_legacy_controlled", "plot_profiles", "plot_baselines",
    "plot_mixed_effects",
}  # fmt: skip
BEHAVIORS = EFFECTS | {
    "behaviors", "reading_loss", "reading_baselines", "plot_reading_loss",
    "plot_reading_measures",
}  # fmt: skip
CAPABILITIES = EFFECTS | {"capabilities"}
LOSSES = {
    "losses", "reading_loss", "correlations", "headline", "pages", "report", "plot_correlates",
    "plot_behavior", "plot_losses", "plot_reading_loss",
}  # fmt: skip
TABLES = SCORES | BEHAVIORS | CAPABILITIES | LOSSES
PUBLISHED = {"double_descent", "published_check", "plot_published", "headline", "pages", "report"}
DATASET_FIGURES = {"plot_dataset sim-passages", "plot_dataset sim-reading"}


def brain(model: str, benchmarks: tuple[str, ...] = BRAIN) -> set[str]:
    return {f"alignment {model},{benchmark}" for benchmark in benchmarks}


def reading_times(model: str) -> set[str]:
    return {f"behavior {model},{benchmark}" for benchmark in READING}


COUNTS = {"token_counts tokens,sim-reading", *reading_times("tokens")}


def answers(model: str) -> set[str]:
    return set() if model == UNTRAINED else {f"capability {model},{task}" for task in TASKS}


def reads(model: str) -> set[str]:
    """All that a model does with text, and what is fitted to that (its tokens, too)."""
    loss = set() if model == UNTRAINED else {f"next_word_loss {model},sim-held-out"}
    rows = {f"activations {model},sim-passages", f"surprisal {model},sim-reading"}
    counts = COUNTS if model == VANILLA else set()
    return rows | loss | brain(model) | reading_times(model) | counts


def every(jobs: Callable[[str], set[str]], models: tuple[str, ...]) -> set[str]:
    return set().union(*map(jobs, models))


TRAINED_ALONE = {f"instruction_tune {TUNED}", *reads(TUNED), *answers(TUNED), "plot_training"}
TWIN_ALONE = {f"initialise_untrained {UNTRAINED}", *reads(UNTRAINED)}
OASM_ALONE = {"baseline_activations oasm,sim-passages", *brain("oasm")}
FIGURES = {
    "plot_published", "plot_layer_curves", "plot_alignment", "plot_legacy_controlled",
    "plot_improvement", "plot_training", "plot_correlates", "plot_behavior", "plot_profiles",
    "plot_baselines", "plot_mixed_effects", "plot_losses", "plot_reading_loss",
    "plot_reading_measures", "report", *DATASET_FIGURES,
}  # fmt: skip
VANILLA_ON = {
    f"pretrain_model {VANILLA}", *reads(VANILLA), *answers(VANILLA), *TRAINED_ALONE, *TWIN_ALONE,
    *TABLES,
}  # fmt: skip
SIMULATED_WORLD = {
    "simulate_corpus", "simulate_dataset sim-passages", "simulate_dataset sim-reading",
    *(f"simulate_questions {task}" for task in TASKS), *(f"ceiling {name}" for name in BRAIN),
    *VANILLA_ON, *OASM_ALONE, *DATASET_FIGURES,
}  # fmt: skip


# An edit of the config: where, and what is put there (a mapping is merged) → the jobs that run.
CONFIG_EDITS: dict[str, tuple[str, object, set[str]]] = {
    "nothing": ("study", None, set()),
    "what changes speed and memory alone": ("batch_tokens", 4096, set()),
    "where models run": ("device", "cpu", set()),
    "a label and a declared size": (  # the tuned model has the size from it
        f"models.{VANILLA}", {"label": "Small", "parameters": 123456}, {*TABLES, "plot_training"},
    ),
    "the label of a tuned model": (
        f"models.{TUNED}", {"label": "Tuned"}, {*TABLES, "plot_training"},
    ),
    "a tuned model": (f"models.{TUNED}.source.samples", 96, {*TRAINED_ALONE, *TABLES}),
    "the model that others are made from": (f"models.{VANILLA}.source.steps", 21, VANILLA_ON),
    "an untrained model": (
        f"models.{UNTRAINED}.source.seed", 2, {*TWIN_ALONE, *SCORES, *BEHAVIORS},
    ),
    "a baseline": (  # beyond it the controlled benchmark asks for the models' own variance
        "models.oasm.source.sigma", 2.0,
        {*OASM_ALONE, *every(lambda m: brain(m, BRAIN[1:]), MODELS), *SCORES},
    ),
    "how a model reads": (  # and so do those that are made from it
        f"models.{VANILLA}.bos", "none",
        {*every(reads, (VANILLA, TUNED, UNTRAINED)), *SCORES, *BEHAVIORS, *LOSSES},
    ),
    "another model": (
        "models.newcomer",
        {"source": {"type": "untrained", "of": VANILLA, "seed": 9}, "family": "sim-decoder"},
        {
            "initialise_untrained newcomer", "activations newcomer,sim-passages",
            "surprisal newcomer,sim-reading", *brain("newcomer"), *reading_times("newcomer"),
            *TABLES,
        },
    ),
    "fewer models": ("only", [VANILLA, TUNED, "oasm"], TABLES),
    "another brain benchmark": (
        "alignment.another",
        {
            "dataset": "sim-passages", "report_as": "another", "mode": "legacy",
            "regression": {"type": "ols"},
            "split": {"scheme": "shuffled", "folds": 5, "train": 0.9, "seed": 1},
            "aggregate": "mean", "layers": "best", "ceiling": {"method": "extrapolation"},
        },
        {"ceiling another", *every(lambda m: brain(m, ("another",)), MODELS), *SCORES},
    ),
    "a brain benchmark's folds": (
        f"alignment.{BRAIN[0]}.split.folds", 5,
        {f"ceiling {BRAIN[0]}", *every(lambda m: brain(m, BRAIN[:1]), MODELS), *SCORES},
    ),
    "how a ceiling is estimated": (
        f"alignment.{BRAIN[1]}.ceiling.bootstraps", 150, {f"ceiling {BRAIN[1]}", *SCORES},
    ),
    "the name of a benchmark in the tables": (
        f"alignment.{BRAIN[0]}.report_as", "passages", SCORES,
    ),
    "the choice of a layer": (
        f"alignment.{BRAIN[0]}.layers", "nested",
        {*every(lambda m: brain(m, BRAIN[:1]), MODELS), *SCORES},
    ),
    "a file of every target's scores": (
        f"alignment.{BRAIN[0]}.targets", True,
        {
            *every(lambda m: {f"alignment_of_targets {m},{BRAIN[0]}"}, MODELS),
            *every(lambda m: {f"maps {m},{BRAIN[0]}"}, MODELS),
            *SCORES,
        },
    ),
    "a default that is said": (f"alignment.{BRAIN[0]}.epsilon", 0.0, set()),
    "the noise of simulated voxels": (
        "simulation.voxel_noise", 0.9,
        {
            "simulate_dataset sim-passages", "plot_dataset sim-passages",
            *(f"activations {model},sim-passages" for model in NETWORKS),
            *(f"ceiling {name}" for name in BRAIN), *every(brain, NETWORKS), *OASM_ALONE, *SCORES,
        },
    ),
    "the length of simulated tasks": (
        "simulation.items_per_task", 7,
        {
            "simulate_corpus", "simulate_questions bbh-sim", "simulate_questions pairs-sim",
            *VANILLA_ON,
        },
    ),
    "a benchmark of reading times": (
        f"behavior.{READING[1]}.spillover", 1,
        {*(f"behavior {model},{READING[1]}" for model in (*NETWORKS, "tokens")), *BEHAVIORS},
    ),
    "the models that a benchmark is for": (
        f"behavior.{READING[0]}.models", [VANILLA, TUNED, "tokens"], BEHAVIORS,
    ),
    "the models that a brain benchmark is for": (
        f"alignment.{BRAIN[0]}.models", [VANILLA, TUNED, "oasm"], SCORES,
    ),
    "a task's worked examples": (
        "capability.bbh-sim.shots", 2,
        {f"capability {VANILLA},bbh-sim", f"capability {TUNED},bbh-sim", *CAPABILITIES},
    ),
    "another task": (
        "capability.another",
        {
            "questions": {"type": "simulated"}, "format": "multiple-choice",
            "scoring": "loglikelihood",
        },
        {
            "simulate_questions another", f"capability {VANILLA},another",
            f"capability {TUNED},another", *CAPABILITIES,
        },
    ),
    "how a text is read": (
        "next_word.sim-held-out.window", 64,
        {f"next_word_loss {m},sim-held-out" for m in (VANILLA, TUNED)} | LOSSES,
    ),
    "a dataset's pooling": (
        "datasets.sim-passages.pooling", "last",
        {
            *(f"activations {model},sim-passages" for model in NETWORKS),
            *every(brain, NETWORKS), *SCORES,
        },
    ),
    "a dataset": (
        "datasets.sim-reading.source.readers", 21,
        {
            "simulate_dataset sim-reading", "plot_dataset sim-reading", *BEHAVIORS,
            *(f"surprisal {model},sim-reading" for model in NETWORKS),
            *every(reading_times, NETWORKS), *COUNTS,
        },
    ),
    "the seed": (
        "seed", 2,
        SIMULATED_WORLD | TABLES,
    ),
}  # fmt: skip


@pytest.mark.parametrize("edit", CONFIG_EDITS)
def test_an_edit_of_the_config(finished_study: Callable[[], Study], edit: str) -> None:
    study = finished_study()
    path, value, expected = CONFIG_EDITS[edit]
    *above, key = path.split(".")
    section = study.config
    for name in above:
        section = section[name]
    merged = isinstance(value, Mapping) and key in section
    section[key] = {**section[key], **value} if merged else value
    assert study.jobs() == expected


# An edit of the project's code: file, text → other text → the jobs that run.
CODE_EDITS: dict[str, tuple[str, str, str, set[str]]] = {
    "a comment": (
        "encoding/correlation.py", "    xp = array", "    # so\n    xp = array", set(),
    ),
    "a docstring": (
        "encoding/correlation.py", '"""Pearson\'s r of each', '"""The r of each', set(),
    ),
    "formatting": (
        "encoding/correlation.py", "column_products(p, t)", "column_products(\n        p, t\n    )",
        set(),
    ),
    "a formula of brain alignment": (
        "encoding/correlation.py", "column_products(p, t)", "column_products(t, p)",
        {*every(brain, MODELS), *(f"ceiling {name}" for name in BRAIN), *SCORES, *PUBLISHED},
    ),
    "a formula of reading times": (
        "behavior/reading_times.py", '\n\ndef ', "\n\nEDITED = 1\n\n\ndef ",
        {*every(reading_times, (*NETWORKS, "tokens")), *BEHAVIORS},
    ),
    "surprisal": (
        "reading/surprisal.py", "\n\ndef ", "\n\nEDITED = 1\n\n\ndef ",
        {
            *(f"surprisal {model},sim-reading" for model in NETWORKS),
            *every(reading_times, NETWORKS), *COUNTS, *BEHAVIORS,
        },
    ),
    "prompts": (
        "capability/prompts.py", "\n\ndef ", "\n\nEDITED = 1\n\n\ndef ",
        {*every(answers, (VANILLA, TUNED)), *CAPABILITIES},
    ),
    "instruction tuning": (
        "training/tuning.py", "\n\ndef ", "\n\nEDITED = 1\n\n\ndef ", {*TRAINED_ALONE, *TABLES},
    ),
    "the figures' style": (
        "figures/style.py", "\n\ndef ", "\n\nEDITED = 1\n\n\ndef ", FIGURES,
    ),
    "one figure": (
        "figures/training.py", "\n\ndef ", "\n\nEDITED = 1\n\n\ndef ", {"plot_training", "report"},
    ),
    "a script": (
        "../mixed_effects.py", "\nwith job", "\nEDITED = 1\n\nwith job",
        {"mixed_effects", "plot_mixed_effects", "pages", "report"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("edit", CODE_EDITS)
def test_an_edit_of_the_code(finished_study: Callable[[], Study], edit: str) -> None:
    study = finished_study()
    name, old, new, expected = CODE_EDITS[edit]
    with edited(study.code / "scripts" / "brainalign" / name, old, new):
        assert study.jobs() == expected


def test_a_plan_in_a_fork_is_that_of_a_separate_process(
    finished_study: Callable[[], Study],
) -> None:
    study = finished_study()
    study.config["models"]["oasm"]["source"]["sigma"] = 2.0
    alone = study.snakemake("--dry-run")
    assert alone.returncode == 0
    assert jobs_in(alone.stdout + alone.stderr) == study.jobs() != set()
    study.config["sede"] = 1
    alone, forked = study.snakemake("--dry-run"), study.plan()
    assert alone.returncode == forked.returncode != 0
    assert "did you mean 'seed'" in forked.stdout
    assert (alone.stdout, alone.stderr) == (forked.stdout, forked.stderr)


def test_a_published_table(finished_study: Callable[[], Study]) -> None:
    study = finished_study()
    with edited(study.code / "resources" / "published" / "models.csv", "\n", "\n\n"):
        assert study.jobs() == PUBLISHED


def test_a_project_that_has_moved(finished_study: Callable[[], Study], tmp_path: Path) -> None:
    study = finished_study()
    shutil.copytree(study.folder, tmp_path / "study")
    shutil.copytree(study.code, tmp_path / "code")
    assert Study(tmp_path / "study", study.config, tmp_path / "code").jobs() == set()


def test_touched_files_of_the_same_content(finished_study: Callable[[], Study]) -> None:
    """Every result and published table is touched, the inputs of a job after its outputs."""
    study = finished_study()
    results = study.folder / "results"
    files = [
        path for path in results.rglob("*") if path.is_file() and ".snakemake" not in path.name
    ]
    files += (study.code / "resources" / "published").glob("*.csv")
    before = {path: path.stat() for path in files}
    last = max(stat.st_mtime for stat in before.values())
    try:
        for path in files:  # each newer than all that is made of it
            mirrored = last + (last - before[path].st_mtime) + 1
            os.utime(path, (mirrored, mirrored))
        assert study.jobs() == set()
    finally:
        for path, stat in before.items():
            os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


# An edit of a tuning experiment → the checkpoints that are made and scored.
TUNING_EDITS: dict[str, tuple[str, object, list[str]]] = {
    "nothing": ("seeds", [1], []),
    "a checkpoint between": ("checkpoints", [32, 48, 64], ["instruction-s1-48", "shuffled-s1-48"]),
    "a later checkpoint": ("checkpoints", [32, 64, 80], ["instruction-s1-80", "shuffled-s1-80"]),
    "an arm": (
        "arms", ["instruction", "shuffled", "continued"], ["continued-s1-32", "continued-s1-64"],
    ),
    "a seed": ("seeds", [1, 2], [f"{arm}-s2-{n}" for arm in ARMS for n in (32, 64)]),
}  # fmt: skip
TRAJECTORY = "results/tables/trajectory.csv"


@pytest.fixture(scope="module")
def tuned_study(
    finished_study: Callable[[], Study], tmp_path_factory: pytest.TempPathFactory
) -> Study:
    """A copy of the finished study, with a tuning experiment run up to its table and figure, and
    with word vectors as a baseline.
    """
    study = finished_study()
    study.folder = tmp_path_factory.mktemp("tuned")
    shutil.copytree(finished_study().folder, study.folder, dirs_exist_ok=True)
    study.config = with_tuning(study.config)
    vectors = {"type": "baseline", "kind": "embedding", "of": VANILLA}
    study.config["models"]["embedding"] = {"source": vectors}
    study.run(TRAJECTORY, "results/figures/trajectory.svg")
    return study


def test_what_ran_has_every_rule_of_the_default_study(tuned_study: Study, tmp_path: Path) -> None:
    default = Study(tmp_path, yaml.safe_load((REPOSITORY / "config.yaml").read_text("utf-8")))
    benchmarks = tuned_study.folder / "results" / "benchmarks"
    ran = {path.name.removesuffix(".tsv") for path in benchmarks.iterdir()}
    assert {job.split()[0] for job in default.jobs()} <= ran


@pytest.mark.parametrize("edit", TUNING_EDITS)
def test_an_edit_of_a_tuning_experiment(tuned_study: Study, edit: str) -> None:
    key, value, added = TUNING_EDITS[edit]
    study = Study(tuned_study.folder, copy.deepcopy(tuned_study.config), tuned_study.code)
    study.config["tuning"]["sim"][key] = value
    expected = {"trajectory"} if added else set()
    for name in (f"{VANILLA}-{ending}" for ending in added):
        expected |= {f"instruction_tune {name}", f"activations {name},sim-passages"}
        expected |= brain(name, BRAIN[:1])
    assert study.jobs(TRAJECTORY) == expected


@contextmanager
def edited(path: Path, old: str, new: str) -> Iterator[None]:
    """A file in which the first `old` is `new`, until the end of the block; then as it was."""
    text, stat = path.read_text(encoding="utf-8"), path.stat()
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    try:
        yield
    finally:
        path.write_text(text, encoding="utf-8")
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
