"""What planning costs: `snakemake -n` of the paper's study, and of 100 models × 10 brain datasets.

    python benchmarks/dag.py

prints jobs, CPU seconds, wall seconds and the largest resident memory of each plan. Nothing of a
study is run or fetched; each is planned in an empty folder, so that every job is to be done.
"""

import copy
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).parents[1]
MODELS, DATASETS = 100, 10


def enlarged(study: dict[str, Any], models: int, datasets: int) -> dict[str, Any]:
    """A study with so many models and brain datasets: its own, and copies under other names (of
    fetched models, in another revision: other weights)."""
    large = copy.deepcopy(study)
    entries = list(study["models"].items())
    for i in range(models - len(entries)):
        name, entry = entries[i % len(entries)]
        copied = copy.deepcopy(entry)
        if copied["source"]["type"] == "hub":
            copied["source"]["revision"] = f"copy-{i}"
        large["models"][f"{name}-copy-{i}"] = copied
    brain = {benchmark["dataset"] for benchmark in study["alignment"].values()}
    source = "pereira2018-384"
    for i in range(datasets - len(brain)):
        large["datasets"][f"{source}-copy-{i}"] = copy.deepcopy(study["datasets"][source])
        for mode in ("legacy", "controlled"):
            large["alignment"][f"{source}-copy-{i}-{mode}"] = {
                **study["alignment"][f"{source}-{mode}"],
                "dataset": f"{source}-copy-{i}",
                "report_as": f"{source}-copy-{i}",
            }
    return large


def plan(study: dict[str, Any]) -> str:
    """Plan a study in a process of its own; what it cost, in words."""
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "study.yaml"
        config.write_text(yaml.safe_dump(study, sort_keys=False), encoding="utf-8")
        command = [
            sys.executable, "-m", "snakemake", "--dry-run", "--quiet", "rules", "host",
            "--snakefile", str(REPOSITORY / "Snakefile"), "--configfile", str(config),
            "--directory", folder, "--workflow-profile", str(REPOSITORY / "profiles/default"),
        ]  # fmt: skip
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        wall = time.monotonic() - started
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    (jobs,) = set(re.findall(r"^total\s+(\d+)", done.stdout + done.stderr, re.MULTILINE))
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return (
        f"{len(study['models'])} models, {len(study['datasets'])} datasets: {jobs} jobs, "
        f"{cpu:.1f} s CPU, {wall:.1f} s wall, {after.ru_maxrss / 1024:.0f} MB"
    )


def main() -> None:
    study = yaml.safe_load((REPOSITORY / "studies" / "aw2024.yaml").read_text(encoding="utf-8"))
    # The smaller plan first: ru_maxrss is the largest of all children so far.
    print(plan(study), flush=True)
    print(plan(enlarged(study, MODELS, DATASETS)), flush=True)


if __name__ == "__main__":
    main()
