"""The tool of the workflow catalogue deploys a local clone of this project."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPOSITORY

pytestmark = [
    pytest.mark.workflow,
    pytest.mark.long,
    pytest.mark.skipif(
        shutil.which("snakedeploy") is None,
        reason="snakedeploy is not installed (requirements-dev.txt)",
    ),
]


def test_a_deployed_workflow_plans_the_default_study(tmp_path: Path) -> None:
    clone, deployed = tmp_path / "brainalign", tmp_path / "mine"
    subprocess.run(["git", "clone", "-q", REPOSITORY, clone], check=True)
    command = ["snakedeploy", "deploy-workflow", clone, deployed, "--branch", "main"]
    subprocess.run(command, check=True, capture_output=True)
    # Of a local clone the tool writes a relative path, which it leaves to the user to complete.
    snakefile = deployed / "workflow" / "Snakefile"
    text = snakefile.read_text(encoding="utf-8")
    assert '"workflow/Snakefile"' in text
    complete = text.replace('"workflow/Snakefile"', repr(str(clone / "workflow" / "Snakefile")))
    snakefile.write_text(complete, encoding="utf-8")
    assert planned_jobs(deployed) == planned_jobs(clone, "--snakefile", "workflow/Snakefile") > 100


def planned_jobs(folder: Path, *arguments: str) -> int:
    """How many jobs a dry run plans."""
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--dry-run", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return len(re.findall(r"^(?:local)?rule \w+:$", done.stdout, re.MULTILINE))
