"""A group of jobs as a cluster's node runs it: in turn, and what has finished not again."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from workflow.conftest import Study

pytestmark = [pytest.mark.workflow, pytest.mark.long]

MODEL = "sim-decoder-s"
ACTIVATIONS = f"activations/{MODEL}/sim-passages.safetensors"
ANSWERS = f"capability/{MODEL}/mmlu-sim.parquet"
MEMBERS = {  # job → its output
    f"activations:model={MODEL},dataset=sim-passages": ACTIVATIONS,
    f"surprisal:model={MODEL},dataset=sim-reading": f"surprisal/{MODEL}/sim-reading.parquet",
    f"next_word_loss:model={MODEL},text=sim-held-out": f"next_word/{MODEL}/sim-held-out.json",
    f"capability:model={MODEL},task=mmlu-sim": ANSWERS,
}
SUBMITTED = [  # how Snakemake starts itself in a group's job
    "--force", "--mode", "remote", "--nolock", "--no-hooks", "--ignore-incomplete",
    "--retries", "0", "--target-files-omit-workdir-adjustment", "--keep-incomplete",
    "--default-resources", "turn=1",
    "--rerun-triggers", "mtime", "params", "input", "software-env", "--local-groupid", "group",
]  # fmt: skip


def run_group(study: Study, attempt: int) -> subprocess.CompletedProcess[str]:
    rules = sorted({member.split(":")[0] for member in MEMBERS})
    return study.snakemake(
        "--cores", "2", "--target-jobs", *MEMBERS, "--allowed-rules", *rules,
        "--attempt", str(attempt), *SUBMITTED,
    )  # fmt: skip


def started(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Rules in the order of their start; each ends before the next one starts."""
    events = re.findall(
        r"^(?:local)?(rule \w+):$|^(Finished) jobid|^(Error) in rule", done.stderr, re.MULTILINE
    )
    events = ["".join(event) for event in events]
    assert all(event.startswith("rule") for event in events[::2]), events
    assert all(event in ("Finished", "Error") for event in events[1::2]), events
    return [event.removeprefix("rule ") for event in events[::2]]


def test_a_failing_member_does_not_repeat_finished_ones(
    finished_study: Callable[[], Study], tmp_path: Path
) -> None:
    study = finished_study()
    results = study.folder / "results"
    outputs = [results / path for path in MEMBERS.values()]
    before = {path: path.stat().st_ino for path in outputs}
    expected = {path: path.read_bytes() for path in outputs}
    obstacle = (results / ANSWERS).with_name(".mmlu-sim.partial.jsonl")
    obstacle.mkdir()  # where the job keeps its answers

    first = run_group(study, 1)
    assert first.returncode != 0
    assert sorted(started(first)) == sorted(member.split(":")[0] for member in MEMBERS)
    assert {path for path in outputs if not path.exists()} == {results / ANSWERS}
    made = {path: path.stat() for path in outputs if path.exists()}
    assert all(stat.st_ino != before[path] for path, stat in made.items())

    obstacle.rmdir()
    second = run_group(study, 2)
    assert second.returncode == 0, second.stderr[-4000:]
    assert started(second) == ["capability"]
    for path, stat in made.items():
        assert path.stat().st_mtime_ns == stat.st_mtime_ns
    assert {path: path.read_bytes() for path in outputs} == expected
