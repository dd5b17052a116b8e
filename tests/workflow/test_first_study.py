"""docs/first-study.md: the files that it shows are there, and its commands do what it says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from brainalign.datasets import own, own_questions, own_text
from brainalign.datasets.raw import locate
from brainalign.models.manifest import describe
from brainalign.settings import read
from brainalign.study.check_own import own_faults
from brainalign.study.settings import Study
from brainalign.training.tiny_pair import write_pair

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def page():
    return (Path(__file__).parents[2] / "docs/first-study.md").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path, repository, monkeypatch):
    """A folder with the study's files, without checkpoints."""
    left_out = shutil.ignore_patterns("checkpoints")
    shutil.copytree(repository / "studies/own", tmp_path / "studies/own", ignore=left_out)
    shutil.copy(repository / "studies/own.yaml", tmp_path / "studies")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_the_page_shows_of_files_is_what_they_hold(page, repository):
    study = (repository / "studies/own.yaml").read_text(encoding="utf-8")
    shown = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert len(shown) == 3 and all(part.strip() in study for part in shown)
    named = r"`(studies/own/\w+\.\w+)`(?:(?!studies/own/).)*?```(?:csv|text)\n(.*?)```"
    files = re.findall(named, page, re.DOTALL)
    assert {Path(name).name for name, _ in files} == {
        path.name for path in (repository / "studies/own").iterdir() if path.is_file()
    }
    for name, head in files:
        assert (repository / name).read_text(encoding="utf-8").startswith(head), name


def test_its_files_are_read_without_a_doubt(folder):
    study = read(yaml.safe_load(Path("studies/own.yaml").read_text(encoding="utf-8")), Study)
    assert list(own_faults(study)) == []
    for dataset, shape in (("stories", (54, 6)), ("reading", (224, 4))):
        source = study.datasets[dataset].source
        prepared = own.read(locate(own.raw_files(source), None, "downloads"), source)
        assert prepared.responses["responses"].shape == shape
        assert prepared.card["notes"] == []
    questions = study.capability["quiz"].questions
    asked = own_questions.read(
        locate(own_questions.raw_files(questions), None, "d"), questions, seed=1
    )
    own_questions.check_shots(asked, study.capability["quiz"].shots, "questions.csv")
    (text,) = own_text.read(locate(own_text.raw_files(study.next_word["diary"].source), None, "d"))
    assert text.startswith("Monday.")


def test_the_two_checkpoints_are_always_the_same_and_differ(tmp_path):
    for position in ("one", "two"):
        assert [path.name for path in write_pair(tmp_path / position)] == ["base", "tuned"]
    weights = {
        (position, name): (tmp_path / position / name / "model.safetensors").read_bytes()
        for position in ("one", "two")
        for name in ("base", "tuned")
    }
    assert weights["one", "base"] == weights["two", "base"] != weights["one", "tuned"]
    assert weights["one", "tuned"] == weights["two", "tuned"]
    result = describe(
        tmp_path / "one/tuned", "tuned", {"type": "folder", "path": "."}, simulated=False
    )
    assert result["parameters"] == 35_072  # the page says 35,000


@pytest.mark.long
def test_the_commands_of_the_page_do_what_it_says(folder, page, repository):
    commands = re.findall(r"```bash\n(.*?)\n```", page, re.DOTALL)[0].splitlines()
    assert commands[0] == ". .venv/bin/activate"
    bin_folder = Path(sys.executable).parent
    environment = os.environ | {
        "PATH": f"{bin_folder}:{os.environ['PATH']}",
        "OMP_NUM_THREADS": "1",
    }
    said = ""
    for command in commands[1:]:
        here = command.replace("PYTHONPATH=scripts", f"PYTHONPATH={repository}/scripts")
        here = here.replace("snakemake ", f"snakemake --snakefile {repository}/Snakefile ")
        run = {"cwd": folder, "env": environment, "capture_output": True, "text": True}
        done = subprocess.run(["bash", "-c", here], check=False, **run)
        assert done.returncode == 0, done.stdout + done.stderr
        said = done.stdout
    promised = re.findall(r"```text\n(in words.*?)```", page, re.DOTALL)[0].strip()
    assert said.strip().endswith(promised)
    assert len(said.splitlines()) < 40
    for line in promised.splitlines():
        assert (folder / line.split(": ")[1]).stat().st_size > 0
    tables = folder / "results/own/tables"
    scores = pd.read_csv(tables / "scores.csv")
    assert {"base", "tuned", "length"} <= set(scores["model"])
    behaviors = pd.read_csv(tables / "behaviors.csv").set_index(["model", "mode", "measure"])
    assert behaviors.loc[("base", "legacy", "r"), "value"] == pytest.approx(0.76, abs=0.005)
    gain = behaviors.loc[("base", "controlled", "delta_loglik_per_word")]
    assert gain["low"] < 0 < gain["high"]
    assert len(pd.read_csv(tables / "losses.csv")) == 2
    assert set(pd.read_csv(tables / "accuracies.csv")["model"]) == {"base", "tuned"}
    headline = (tables / "headline.txt").read_text(encoding="utf-8")
    beaten = headline.partition("beat the baselines without a network?")[2].splitlines()[1:3]
    assert [line.split()[1] for line in beaten] == ["no:", "no:"]
    reading = headline.partition("Does surprisal predict reading times (reading)?")[2]
    legacy, controlled = reading.splitlines()[1:3]
    assert "yes: |r| +0.7585 on average" in legacy and "highest base +0.7601 [" in legacy
    assert "cannot tell: Δ log-likelihood" in controlled and "above 0 in 0 of 2" in controlled
