"""One study run on a cluster, and the same study run locally."""

import copy
import importlib.util
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import REPOSITORY
from workflow.conftest import Study, every_rule

from slurm.cluster import ACCOUNT, Cluster, obstacle

PROFILE = REPOSITORY / "profiles" / "slurm"


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A running cluster. These tests run only when asked for: without one they fail."""
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        pytest.fail("the plugin is missing: pip install -r requirements-slurm.txt")
    if reason := obstacle():
        pytest.fail(reason)
    with Cluster(tmp_path_factory.mktemp("cluster")) as running:
        yield running


@pytest.fixture(scope="session")
def config() -> dict[str, Any]:
    """A study with every rule, whose trained models say that they are as large as real ones.

    The cluster goes by the declared number of parameters: they ask for GPUs. Checkpoints have it
    from their base, the untrained twin says another.
    """
    small = every_rule(yaml.safe_load((REPOSITORY / "config.yaml").read_text(encoding="utf-8")))
    small["models"]["sim-decoder-s"]["parameters"] = 1e9
    small["models"]["sim-decoder-s-untrained"]["parameters"] = 1e6
    return small


@pytest.fixture(scope="session")
def local_run(config: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The study run without a cluster."""
    study = Study(tmp_path_factory.mktemp("local"), copy.deepcopy(config))
    study.run("--quiet", "rules", "host")
    return study


@dataclass
class ClusterRun:
    """The study run on the cluster: interrupted once, then resumed to its end."""

    study: Study
    interrupted: int  # exit code of the run that was interrupted
    left: list[str]  # jobs in the cluster's queue after the interruption
    kept: set[str]  # files under results/ that the interruption left
    jobs: list[dict[str, str]]  # all that were submitted


@pytest.fixture(scope="session")
def cluster_run(
    cluster: Cluster, config: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> ClusterRun:
    """Submit with the project's profile, interrupt when its first model is to be read, resume."""
    study = Study(tmp_path_factory.mktemp("submitted"), copy.deepcopy(config))
    profile = test_profile(study.folder / "profile")
    # A shell that starts tests in the background lets them, and what they start, ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    log = (study.folder / "interrupted.log").open("w", encoding="utf-8")
    started = study.start(log, "--profile", str(profile))
    try:
        wait_for_reading(cluster, started)
        started.send_signal(signal.SIGINT)
        interrupted = started.wait(120)
    finally:
        started.kill()
        log.close()
    left = emptied(cluster)
    kept = {
        path.relative_to(study.folder).as_posix()
        for path in (study.folder / "results").rglob("*")
        if path.is_file()
    }
    done = study.snakemake("--profile", str(profile))
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-8000:]
    return ClusterRun(study, interrupted, left, kept, cluster.jobs())


def test_profile(folder: Path) -> Path:
    """The project's profile as a user fills it in, and with shorter waits.

    The first attempt at pre-training gets less memory than the job takes (0.6 GB with Snakemake).
    """
    shutil.copytree(PROFILE, folder)
    settings = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    settings["default-resources"]["slurm_account"] = ACCOUNT
    settings.pop("report-stylesheet")  # its path is relative to the profile
    settings["set-resources"]["pretrain_model"] = {"mem_mb": "400 * attempt ** 2"}
    settings |= {
        "slurm-partition-config": str(folder / "partitions.yaml"),
        "slurm-init-seconds-before-status-checks": 3,
        "seconds-between-status-checks": 3,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return folder


def wait_for_reading(cluster: Cluster, run: "subprocess.Popen[str]") -> None:
    """Until the jobs that read with a model are there: a group takes longer than its cancelling."""
    while True:
        there = [*cluster.waiting(), *cluster.running()]
        if any(comment.startswith("rule_reading_") for comment in there):
            return
        assert run.poll() is None, "the run ended before it could be interrupted"
        time.sleep(0.2)


def emptied(cluster: Cluster, seconds: float = 60) -> list[str]:
    """What is left in the queue once cancelled jobs had time to end."""
    end = time.monotonic() + seconds
    while (left := cluster.queue()) and time.monotonic() < end:
        time.sleep(1)
    return left
