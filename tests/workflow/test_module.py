"""Another workflow imports this one: with and without a prefix, and two studies at once."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import REPOSITORY

from workflow.conftest import Study, every_rule

pytestmark = pytest.mark.workflow

MODULE = """
module {name}:
    snakefile: {snakefile!r}
    config: config[{name!r}]
{prefix}

use rule * from {name} as {name}_*
"""


def importing(
    folder: Path, prefixes: dict[str, str | None], config: dict[str, Any], *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run a workflow that imports this one under several names, each with a study of that name."""
    text = "configfile: 'studies.yaml'\n"
    for name, prefix in prefixes.items():
        line = f"    prefix: {prefix!r}" if prefix else ""
        snakefile = str(REPOSITORY / "Snakefile")
        text += MODULE.format(name=name, snakefile=snakefile, prefix=line)
    (folder / "Snakefile").write_text(text, encoding="utf-8")
    studies = {name: {**config, "study": name} for name in prefixes}
    (folder / "studies.yaml").write_text(yaml.safe_dump(studies), encoding="utf-8")
    command = [str(Study(folder, config).python), "-m", "snakemake", "--cores", "2", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture
def smallest() -> dict[str, Any]:
    return every_rule(yaml.safe_load((REPOSITORY / "config.yaml").read_text(encoding="utf-8")))


@pytest.mark.long
def test_jobs_of_a_module_run(tmp_path: Path, smallest: dict[str, Any]) -> None:
    """A job of every package: world, data, model, reading, encoding, questions, figures …"""
    made = [
        "ceilings/sim-passages-controlled.parquet",
        "alignment/oasm/sim-passages-legacy.parquet",
        "behavior/sim-decoder-s/sim-reading-legacy.parquet",
        "capability/sim-decoder-s/mmlu-sim.parquet",
        "tables/double_descent.csv",
        "figures/datasets/sim-passages.svg",
    ]
    targets = [f"sub/results/a/{file}" for file in made]
    done = importing(tmp_path, {"a": "sub"}, smallest, "--", *targets)
    assert done.returncode == 0, done.stderr[-6000:]
    assert not (tmp_path / "results").exists()
    assert all((tmp_path / target).stat().st_size for target in targets)


def test_two_studies_are_two_modules(tmp_path: Path, smallest: dict[str, Any]) -> None:
    done = importing(tmp_path, {"a": None, "b": "sub"}, smallest, "--dry-run", "a_all", "b_all")
    assert done.returncode == 0, done.stderr[-6000:]
    for name, folder in (("a", "results/a"), ("b", "sub/results/b")):
        assert f"rule {name}_alignment:" in done.stdout
        assert f"output: {folder}/tables/scores.csv" in done.stdout


def test_a_fault_of_a_module_is_reported(tmp_path: Path, smallest: dict[str, Any]) -> None:
    smallest["device"] = "gpu"
    done = importing(tmp_path, {"a": None}, smallest, "--dry-run", "a_all")
    assert done.returncode != 0
    said = done.stdout + done.stderr  # of a dry run, stdout
    assert "device: 'gpu' is not allowed; allowed: auto, cpu, cuda" in said
