"""The study on a cluster: what each job asks for, faults and interruptions, the same tables."""

import re
from typing import Any

import pytest
from brainalign.study.models import all_models
from brainalign.study.resources import memory_mb, training_memory_mb
from workflow.conftest import Study

from slurm.conftest import ClusterRun

pytestmark = pytest.mark.timeout(5400)

VANILLA = "sim-decoder-s"
TUNED, UNTRAINED = f"{VANILLA}-instruction-s1-32", f"{VANILLA}-untrained"
ANALYSIS = {"scores", "contrasts", "headline", "plot_alignment", "published_check"}


def of_rule(run: ClusterRun, rule: str, wildcards: str = "") -> list[dict[str, str]]:
    """Submissions of a rule in order of time; `wildcards` narrows them to one job."""
    of_job = f"{wildcards}(_.*)?" if wildcards else ".*"
    pattern = re.compile(rf"rule_{rule}(_wildcards_{of_job})?$")
    found = [job for job in run.jobs if pattern.match(job["Comment"])]
    return sorted(found, key=lambda job: int(job["JobID"]))


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
        ("activations", VANILLA, True),
        ("capability", VANILLA, True),
        ("surprisal", TUNED, True),
        ("instruction_tune", TUNED, True),
        ("next_word_loss", TUNED, True),
        ("activations", UNTRAINED, False),
        ("surprisal", UNTRAINED, False),
        ("alignment", VANILLA, False),
    ],
)
def test_gpus_and_partitions_follow_the_size_of_the_model(
    cluster_run: ClusterRun, rule: str, model: str, on_gpu: bool
) -> None:
    jobs = of_rule(cluster_run, rule, model)
    assert jobs
    for job in jobs:
        assert job["Partition"] == ("gpu" if on_gpu else "cpu")
        assert ("gres/gpu=1" in job["ReqTRES"]) == on_gpu


def test_memory_and_run_time_follow_the_size_of_the_model(
    cluster_run: ClusterRun, config: dict[str, Any]
) -> None:
    models = all_models(config)
    for rule, model, mb, minutes in (
        ("activations", UNTRAINED, memory_mb(UNTRAINED, models), 60),
        ("activations", VANILLA, memory_mb(VANILLA, models, on_gpu=True), 20),
        ("instruction_tune", TUNED, training_memory_mb(TUNED, models), 120 + 120 * 0.2),
    ):
        job = of_rule(cluster_run, rule, model)[0]
        assert asked_mb(job) == pytest.approx(mb, rel=0.01)  # SLURM rounds to a tenth of a GB
        assert int(job["TimelimitRaw"]) == minutes


def test_small_jobs_are_submitted_in_groups(cluster_run: ClusterRun) -> None:
    alone = {
        m[1]
        for job in cluster_run.jobs
        if (m := re.match(r"rule_([a-z_]+?)(_wild|$)", job["Comment"]))
    }
    assert not alone & ANALYSIS
    assert len(cluster_run.jobs) < 45  # of 61 jobs, with two retries and what was cancelled


def test_nothing_is_left_to_do(cluster_run: ClusterRun) -> None:
    assert cluster_run.study.jobs() == set()
