"""The study on a cluster: what each job asks for, faults and interruptions, the same tables."""

import re
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from brainalign.study.resources import memory_mb, training_memory_mb
from workflow.conftest import Study
from worlds.study_models import models_of

from slurm.cluster import Cluster
from slurm.conftest import ClusterRun

pytestmark = pytest.mark.timeout(5400)

VANILLA = "sim-decoder-s"
TUNED, UNTRAINED = f"{VANILLA}-instruction-s1-32", f"{VANILLA}-untrained"
ANALYSIS = {"scores", "contrasts", "headline", "plot_alignment", "published_check"}
READING = {"activations", "surprisal", "capability", "next_word_loss"}


def of_rule(run: ClusterRun, rule: str, wildcards: str = "") -> list[dict[str, str]]:
    """Submissions of a rule in order of time; `wildcards` narrows them to one job."""
    of_job = f"{wildcards}(_.*)?" if wildcards else ".*"
    pattern = re.compile(rf"rule_{rule}(_wildcards_{of_job})?$")
    result = [job for job in run.jobs if pattern.match(job["Comment"])]
    return sorted(result, key=lambda job: int(job["JobID"]))


def of_group(jobs: list[dict[str, str]], model: str) -> list[dict[str, str]]:
    """Submissions of the jobs that read with a model, which are one group, in order of time."""
    actual = [job for job in jobs if job["Comment"].startswith(f"rule_reading_{model}_")]
    return sorted(actual, key=lambda job: int(job["JobID"]))


def asked_mb(job: dict[str, str]) -> float:
    """Memory that a job asked for, in MB."""
    number, unit = re.fullmatch(r"([\d.]+)([MG])", job["ReqMem"]).groups()
    return float(number) * (1024 if unit == "G" else 1)


def tables(study: Study) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (study.folder / "results/tables").iterdir()}


def test_tables_are_those_of_a_local_run_byte_for_byte(
    cluster_run: ClusterRun, local_run: Study
) -> None:
    expected = tables(local_run)
    assert {"scores.csv", "contrasts.csv", "headline.csv"} <= set(expected)
    assert tables(cluster_run.study) == expected


def test_a_job_over_its_memory_is_killed_and_gets_more(cluster_run: ClusterRun) -> None:
    attempts = of_rule(cluster_run, "pretrain_model")
    killed, *_, last = attempts
    assert asked_mb(killed) == 400
    assert killed["State"] in ("OUT_OF_MEMORY", "FAILED", "CANCELLED", "CANCELLED by 0")
    assert asked_mb(last) >= 1600
    assert last["State"] == "COMPLETED"


def test_an_interruption_cancels_the_jobs_and_keeps_what_is_finished(
    cluster_run: ClusterRun,
) -> None:
    assert cluster_run.interrupted != 0
    assert cluster_run.left == []
    assert any(job["State"].startswith("CANCELLED") for job in cluster_run.jobs)
    assert f"results/models/{VANILLA}/manifest.json" in cluster_run.kept
    done = [j for j in of_rule(cluster_run, "pretrain_model") if j["State"] == "COMPLETED"]
    assert len(done) == 1  # not run again by the resumed study


@pytest.mark.parametrize(
    ("rule", "model", "on_gpu"),
    [
        ("reading", VANILLA, True),
        ("reading", TUNED, True),
        ("reading", UNTRAINED, False),
        ("instruction_tune", TUNED, True),
        ("alignment", VANILLA, False),
    ],
)
def test_gpus_and_partitions_follow_the_size_of_the_model(
    cluster_run: ClusterRun, rule: str, model: str, on_gpu: bool
) -> None:
    reading = rule == "reading"
    jobs = of_group(cluster_run.jobs, model) if reading else of_rule(cluster_run, rule, model)
    assert jobs
    for job in jobs:
        assert job["Partition"] == ("gpu" if on_gpu else "cpu")
        assert ("gres/gpu=1" in job["ReqTRES"]) == on_gpu


def test_memory_and_run_time_follow_the_size_of_the_model(
    cluster_run: ClusterRun, config: dict[str, Any]
) -> None:
    """A group asks for its members' run times together and the memory of one: they take turns."""
    models = models_of(config["models"], config["tuning"])
    tuning = of_rule(cluster_run, "instruction_tune", TUNED)[0]
    for job, mb, minutes in (
        # activations, surprisal; no answers and no loss of an untrained model
        (of_group(cluster_run.jobs, UNTRAINED)[0], memory_mb(UNTRAINED, models), 30 + 90),
        # activations, surprisal, answers to two tasks, next-word loss
        (
            of_group(cluster_run.jobs, VANILLA)[0],
            memory_mb(VANILLA, models, on_gpu=True),
            5 + 16 + 2 * 32 + 5,
        ),
        (tuning, training_memory_mb(TUNED, models), 120 + 120),
    ):
        assert asked_mb(job) == pytest.approx(mb, rel=0.01)  # SLURM rounds to a tenth of a GB
        assert int(job["TimelimitRaw"]) == minutes


def test_small_jobs_are_submitted_in_groups(cluster_run: ClusterRun) -> None:
    alone = {
        m[1]
        for job in cluster_run.jobs
        if (m := re.match(r"rule_([a-z_]+?)(_wild|$)", job["Comment"]))
    }
    assert not alone & (ANALYSIS | READING)
    assert len(cluster_run.jobs) < 35  # of 61 jobs, with two retries and what was cancelled


def test_nothing_is_left_to_do(cluster_run: ClusterRun) -> None:
    assert cluster_run.study.jobs() == set()


def test_a_failing_member_of_a_group_repeats_no_finished_one(
    cluster: Cluster, cluster_run: ClusterRun, tmp_path: Path
) -> None:
    study = Study(
        shutil.copytree(cluster_run.study.folder, tmp_path / "study"), cluster_run.study.config
    )
    answers, *others = outputs = [
        study.folder / "results" / path
        for path in (
            f"capability/{TUNED}/mmlu-sim.parquet",
            f"activations/{TUNED}/sim-passages.safetensors",
            f"surprisal/{TUNED}/sim-reading.parquet",
            f"next_word/{TUNED}/sim-held-out.json",
        )
    ]
    expected = [path.read_bytes() for path in outputs]
    for path in outputs:
        path.unlink()
    obstacle = answers.with_name(".mmlu-sim.partial.jsonl")
    obstacle.mkdir()  # where the job keeps its answers
    command = [
        "--profile", str(study.folder / "profile"),
        *(str(path.relative_to(study.folder)) for path in outputs),
    ]  # fmt: skip
    before = len(of_group(cluster.jobs(), TUNED))

    failed = study.snakemake(*command, "--retries", "1")
    assert failed.returncode != 0
    attempts = of_group(cluster.jobs(), TUNED)[before:]
    assert len(attempts) == 2
    assert not answers.exists()
    made = {path: path.stat().st_mtime_ns for path in others}
    assert max(made.values()) / 1e9 < datetime.fromisoformat(attempts[1]["Submit"]).timestamp()

    obstacle.rmdir()
    done = study.snakemake(*command)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-8000:]
    assert {path: path.stat().st_mtime_ns for path in others} == made
    assert of_group(cluster.jobs(), TUNED)[-1]["Comment"] == f"rule_reading_{TUNED}_capability"
    assert [path.read_bytes() for path in outputs] == expected
