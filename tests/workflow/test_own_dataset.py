"""docs/adding-a-dataset.md, done as it says: two files, a config, one command, no code."""

import copy
import os
import re
import shlex
import subprocess
import sys

import nibabel
import numpy as np
import pandas as pd
import pytest

from workflow.conftest import Study

pytestmark = pytest.mark.workflow

TARGET = "results/mine/alignment/length/stories-controlled.parquet"


def run(repository, folder):
    """The command of the page as it is written, in a folder that is not the project's."""
    page = (repository / "docs/adding-a-dataset.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"```bash\n(.*?)\n```", page, re.DOTALL)
    program, *arguments = shlex.split(command)
    assert program == "snakemake"
    elsewhere = ["--snakefile", repository / "Snakefile", "--directory", folder]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", "snakemake", *elsewhere, *arguments],
        cwd=folder, capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip


@pytest.fixture
def study(tmp_path, repository, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = (repository / "docs/adding-a-dataset.md").read_text(encoding="utf-8")
    # The others are of reading times and of timed data.
    example, _ = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    config, _, _ = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert "this as `studies/stories.yaml`" in page
    exec(compile(example, "docs/adding-a-dataset.md", "exec"), {})
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies/stories.yaml").write_text(config, encoding="utf-8")
    return tmp_path


def test_the_documented_study_runs_and_finds_what_it_says(study, repository):
    done = run(repository, study)
    assert done.returncode == 0, done.stderr[-3000:]
    assert re.search(r"(\d+) of \1 jobs done in \d+:\d\d", done.stderr)
    assert "Finished jobid" not in done.stderr
    (part,) = (study / ".snakemake/log").glob("*.snakemake.log")
    assert "Finished jobid" in part.read_text(encoding="utf-8")
    table = pd.read_parquet(study / TARGET)
    full = table[(table["subject"] == "all") & (table["region"] == "all") & (table["fold"] == -1)]
    assert full["r"].iloc[0] == pytest.approx(0.6, abs=0.05)  # the page says "about 0.6"
    assert (study / "results/mine/data/stories/card.json").exists()
    # Another table under the same name: what was made of them is made again.
    pd.read_csv("stimuli.csv").iloc[:-1].to_csv("stimuli.csv", index=False)
    again = run(repository, study)
    assert again.returncode != 0
    log = (study / "results/mine/logs/prepare_dataset/stories.log").read_text(encoding="utf-8")
    assert "120 rows of responses for 119 stimuli" in log


def test_the_planted_truth_is_not_asked_of_data_that_have_none(tmp_path, small_config):
    config = copy.deepcopy(small_config)
    config["models"]["truth"] = {"source": {"type": "baseline", "kind": "truth"}}
    part = {"type": "own", "stimuli": "stimuli.csv", "responses": "responses.nc"}
    config["datasets"]["lab"] = {"source": part, "context": "passage"}
    legacy = config["alignment"]["sim-passages-legacy"]
    config["alignment"]["lab-legacy"] = {**legacy, "dataset": "lab"}
    for name in ("stimuli.csv", "responses.nc"):
        (tmp_path / name).touch()
    jobs = Study(tmp_path, config).jobs()
    assert "alignment truth,sim-passages-legacy" in jobs
    assert "alignment oasm,lab-legacy" in jobs
    assert not {job for job in jobs if "truth,lab" in job}


def test_regions_are_drawn_of_benchmarks_with_scores_alone(tmp_path, small_config):
    config = copy.deepcopy(small_config)
    files = {"stimuli": "stimuli.csv", "responses": "responses.nc"}
    config["datasets"]["lab"] = {"source": {"type": "own", **files}, "context": "passage"}
    legacy = config["alignment"]["sim-passages-legacy"] | {"dataset": "lab"}
    config["alignment"]["lab-decoder"] = legacy | {"models": ["sim-decoder-s"]}
    config["alignment"]["lab-oasm"] = legacy | {"models": ["oasm"]}
    config["only"] = ["oasm", "sim-decoder-s-untrained"]
    for name in files.values():
        (tmp_path / name).touch()
    drawn = {job for job in Study(tmp_path, config).jobs() if job.startswith("plot_regions")}
    assert drawn == {"plot_regions lab-oasm"}


def test_a_model_folder_that_is_not_there_is_named_by_a_dry_run(tmp_path, small_config):
    config = copy.deepcopy(small_config)
    config["models"]["mine"] = {"source": {"type": "folder", "path": "checkpoints/mine"}}
    target = "results/models/mine/manifest.json"
    plan = Study(tmp_path, config).snakemake("--dry-run", "--cores", "1", "--", target)
    assert plan.returncode == 0, plan.stderr
    last = plan.stderr.strip().splitlines()[-1]
    assert last == "missing: models.mine.source: checkpoints/mine is not there"


def test_the_runs_without_a_file_are_named_by_a_dry_run(tmp_path, small_config):
    config = copy.deepcopy(small_config)
    surfaces = {"anna": {"left": ["a1.func.gii", "a2.func.gii"]}}
    files = {"stimuli": "words.csv", "responses": surfaces, "space": "fsaverage5"}
    source = {"type": "own", "kind": "brain", "voxels": True, **files}
    config["datasets"]["lab"] = {"source": source}
    (tmp_path / "words.csv").touch()
    target = "results/data/lab/raw.json"
    plan = Study(tmp_path, config).snakemake("--dry-run", "--cores", "1", "--", target)
    assert plan.returncode == 0, plan.stderr
    lines = plan.stderr.strip().splitlines()
    for run in (1, 2):
        says = f"datasets.lab.source: a{run}.func.gii is not there (run {run} of anna.left)"
        assert any(says in line for line in lines[-2:])


def test_scans_on_another_grid_than_the_mask_are_named_by_a_dry_run(tmp_path, small_config):
    config = copy.deepcopy(small_config)
    files = {"stimuli": "words.csv", "responses": {"anna": ["a.nii.gz"]}, "atlas": "mask.nii.gz"}
    config["datasets"]["lab"] = {"source": {"type": "own", "kind": "brain", **files}}
    for path, shape in (("a.nii.gz", (4, 4, 4, 9)), ("mask.nii.gz", (4, 4, 5))):
        nibabel.Nifti1Image(np.ones(shape, np.int16), np.eye(4)).to_filename(tmp_path / path)
    plan = Study(tmp_path, config).plan("--cores", "1")
    assert plan.returncode != 0
    fault = "datasets.lab.source: a.nii.gz: shape (4, 4, 4, 9), expected [x, y, z, volume] on the"
    assert fault in plan.stdout + plan.stderr
    # A process that runs a job, on a cluster or in an environment, does not look again.
    for mode in ("subprocess", "remote"):
        job = Study(tmp_path, config).plan("--mode", mode, "--", "results/data/lab/raw.json")
        assert job.returncode == 0, job.stdout + job.stderr


@pytest.mark.long
def test_a_users_questions_and_texts_are_prepared(tmp_path, small_config):
    config = copy.deepcopy(small_config)
    quiz = {"type": "own", "path": "quiz.csv"}
    config["capability"]["quiz"] = {
        "questions": quiz, "format": "multiple-choice", "scoring": "loglikelihood", "shots": 1,
    }  # fmt: skip
    config["next_word"]["mine"] = {"source": {"type": "own", "path": "mine.txt"}}
    study = Study(tmp_path, config)
    made = ("--", "results/questions/quiz.parquet", "results/texts/mine.txt")
    missing = study.snakemake("--cores", "1", *made)
    assert missing.returncode != 0
    assert "capability.quiz.questions: quiz.csv is not there" in missing.stdout + missing.stderr
    rows = "Two?,2,3,A,dev\nThree?,2,3,B,test\n"
    (tmp_path / "quiz.csv").write_text(f"question,A,B,answer,split\n{rows}", encoding="utf-8")
    (tmp_path / "mine.txt").write_text("One day it rained.\n", encoding="utf-8")
    study.run("--quiet", "rules", "host", *made)
    questions = pd.read_parquet(tmp_path / "results" / "questions" / "quiz.parquet")
    assert questions["gold"].tolist() == [0, 1]
    text = (tmp_path / "results" / "texts" / "mine.txt").read_text(encoding="utf-8")
    assert text == "One day it rained.\n"
    assert study.jobs(*made) == set()
    (tmp_path / "mine.txt").write_text("Another day.\n", encoding="utf-8")
    assert study.jobs(*made) == {"fetch_text mine", "prepare_text mine"}


@pytest.mark.long
def test_word_vectors_that_change_are_read_again(tmp_path, small_config):
    config = copy.deepcopy(small_config)
    vectors = tmp_path / "vectors.txt"
    vectors.write_text("the 1.0 0.5\na 0.25 2.0\n", encoding="utf-8")
    source = {"type": "baseline", "kind": "static", "path": "vectors.txt"}
    config["models"]["static"] = {"source": source}
    study = Study(tmp_path, config)
    target = ("--", "results/activations/static/sim-passages.safetensors")
    study.run("--quiet", "rules", "host", *target)
    assert study.jobs(*target) == set()
    vectors.write_text("the 1.0 0.5\na 0.25 3.0\n", encoding="utf-8")
    assert study.jobs(*target) == {"baseline_activations static,sim-passages"}


def test_files_that_do_not_fit_stop_the_run_with_one_line(study, repository):
    pd.read_csv("stimuli.csv").iloc[:-1].to_csv("stimuli.csv", index=False)
    done = run(repository, study)
    assert done.returncode != 0
    log = (study / "results/mine/logs/prepare_dataset/stories.log").read_text(encoding="utf-8")
    assert "120 rows of responses for 119 stimuli" in log
    assert "Traceback" not in log
    prepared = study / "results/mine/data/stories"
    assert [path.name for path in prepared.iterdir()] == ["raw.json"]
