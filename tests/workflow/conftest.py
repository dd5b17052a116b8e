"""Run Snakemake for real, in a folder of the test's own, on a study that the test writes."""

import copy
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import pytest
import yaml
from conftest import REPOSITORY
from filelock import FileLock

from workflow import planning

JOB = re.compile(r"^(?:local)?rule (?P<rule>\w+):$")
WILDCARDS = re.compile(r"^\s+wildcards: (?P<wildcards>.+)$")


@dataclass
class Study:
    """A study in a folder of its own: its config can be edited and run again."""

    folder: Path
    config: dict[str, Any]
    code: Path = REPOSITORY
    python: Path = Path(sys.executable)  # that Snakemake runs in
    within: tuple[str, ...] = ()  # a command that runs Snakemake, such as prlimit

    def snakemake(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Snakemake on the study; its output and exit code are the test's to judge."""
        running = self.start(subprocess.PIPE, *arguments)
        out, err = running.communicate()
        return subprocess.CompletedProcess(running.args, running.returncode, out, err)

    def start(self, output: int | IO[str], *arguments: str) -> subprocess.Popen[str]:
        """Start Snakemake on the study, with stdout and stderr each going to `output`."""
        return subprocess.Popen(
            [*self.within, str(self.python), "-m", "snakemake", *self.arguments(*arguments)],
            cwd=self.folder, env=self.environment, stdout=output, stderr=output, text=True,
        )  # fmt: skip

    def plan(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A dry run of the study; its output and exit code are the test's to judge."""
        if self.within or self.python != Path(sys.executable):
            return self.snakemake("--dry-run", *arguments)
        asked = self.arguments("--dry-run", *arguments)
        return planning.snakemake(asked, self.folder, self.environment)

    def arguments(self, *arguments: str) -> list[str]:
        """Arguments of Snakemake for the study, whose config is written."""
        path = self.folder / "study.yaml"
        path.write_text(yaml.safe_dump(self.config, sort_keys=False), encoding="utf-8")
        return [
            "--snakefile", str(self.code / "Snakefile"),
            "--directory", str(self.folder), "--configfile", str(path),
            "--workflow-profile", str(self.code / "profiles" / "default"), *arguments,
        ]  # fmt: skip

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "XDG_CACHE_HOME": str(self.folder / "cache")}

    def run(self, *arguments: str) -> None:
        """Run to the end, or fail the test with what Snakemake said."""
        done = self.snakemake("--cores", "2", *arguments)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-8000:]

    def jobs(self, *arguments: str) -> set[str]:
        """The jobs that a run would execute now: `rule` or `rule value,value` by wildcards."""
        done = self.plan(*arguments)
        assert done.returncode == 0, done.stderr[-8000:]
        return jobs_in(done.stdout + done.stderr)


def jobs_in(said: str) -> set[str]:
    """The jobs that a run names: `rule` or `rule value,value` by wildcards."""
    result: set[str] = set()
    rule = ""
    for line in said.splitlines():
        if job := JOB.match(line):
            rule = job["rule"]
            result.add(rule)
        elif (match := WILDCARDS.match(line)) and rule:
            values = [pair.split("=", 1)[1] for pair in match["wildcards"].split(", ")]
            result.discard(rule)
            result.add(f"{rule} {','.join(values)}")
    return result - {"all"}


@pytest.fixture(scope="session")
def small_config() -> dict[str, Any]:
    """The default study cut to one pair of models, their untrained twin and one baseline."""
    config = yaml.safe_load((REPOSITORY / "config.yaml").read_text(encoding="utf-8"))
    return cut(config)


def cut(config: Mapping[str, Any]) -> dict[str, Any]:
    """Cut the default study down to seconds, with every kind of noun left in it."""
    small = copy.deepcopy(dict(config))
    keep = ("sim-decoder-s", "sim-decoder-s-instruct", "oasm")
    small["models"] = {name: small["models"][name] for name in keep}
    small["models"]["sim-decoder-s-untrained"] = {
        "source": {"type": "untrained", "of": "sim-decoder-s", "seed": 1},
        "family": "sim-decoder",
    }
    small["models"]["tokens"] = {
        "source": {"type": "baseline", "kind": "tokens", "of": "sim-decoder-s"}
    }
    small["models"]["sim-decoder-s"]["source"]["steps"] = 20
    small["models"]["sim-decoder-s-instruct"]["source"]["samples"] = 64
    del small["tuning"]
    small["datasets"] = {name: small["datasets"][name] for name in ("sim-passages", "sim-reading")}
    used = set(small["datasets"])
    for section in ("alignment", "behavior"):
        small[section] = {n: b for n, b in small[section].items() if b["dataset"] in used}
    controlled = small["alignment"]["sim-passages-controlled"]
    controlled["unique_variance"] = {"beyond": ["oasm"], "candidates": 1, "shifts": 2}
    controlled["split"] = {"scheme": "contiguous", "folds": 4}
    small["simulation"] |= {"documents": 400, "instructions": 200, "items_per_task": 6}
    return small


def with_tuning(config: Mapping[str, Any]) -> dict[str, Any]:
    """The cut study with a tuning experiment: two arms of two checkpoints, one benchmark."""
    tuning = {
        "base": "sim-decoder-s", "arms": ["instruction", "shuffled"], "seeds": [1],
        "checkpoints": [32, 64], "scored_on": ["sim-passages-legacy"],
        "recipe": {"prompt": "plain", "samples": 96, "epochs": 1, "batch_size": 16},
    }  # fmt: skip
    return {**config, "tuning": {"sim": tuning}}


def every_rule(config: Mapping[str, Any]) -> dict[str, Any]:
    """The default study at its shortest: all its rules, each in as few and small jobs as can be.

    Its tuned model is the checkpoint of a tuning experiment.
    """
    small = with_tuning(cut(config))
    small["tuning"]["sim"] |= {
        "arms": ["instruction"], "checkpoints": [32], "scored_on": ["sim-held-out"],
    }  # fmt: skip
    small["tuning"]["sim"]["recipe"]["samples"] = 32
    del small["models"]["sim-decoder-s-instruct"]
    del small["behavior"]["sim-reading-controlled"], small["capability"]["bbh-sim"]
    for dataset, size in (
        ("sim-passages", {"passages_per_topic": 5, "sentences": 3, "subjects": 3, "targets": 6}),
        ("sim-reading", {"stories": 3, "sentences": 6, "readers": 4}),
    ):
        small["datasets"][dataset]["source"] |= size
    return small


@pytest.fixture
def study(tmp_path: Path, small_config: dict[str, Any]) -> Study:
    """A small study that nothing has been run of."""
    return Study(tmp_path, copy.deepcopy(small_config))


@pytest.fixture(scope="session")
def finished_study(
    tmp_path_factory: pytest.TempPathFactory, worker_id: str, small_config: dict[str, Any]
) -> Callable[[], Study]:
    """A factory of the small study, run to its end by a copy of the project beside it.

    It is run once in all; every test process has a copy of its files (not of the code, whose path
    is that of inputs of jobs). Tests must leave them as they are.
    """
    base = tmp_path_factory.getbasetemp()
    shared = (base if worker_id == "master" else base.parent) / "finished"
    with FileLock(shared.with_suffix(".lock")):
        if not (shared / "finished").exists():
            unrelated = shutil.ignore_patterns(".*", "results", "downloads", "__pycache__")
            shutil.copytree(REPOSITORY, shared / "code", ignore=unrelated)
            Study(shared, small_config, shared / "code").run()
            (shared / "finished").touch()
    folder = shutil.copytree(shared, tmp_path_factory.mktemp("copies") / "study")

    def as_run() -> Study:
        return Study(folder, copy.deepcopy(small_config), shared / "code")

    return as_run
