"""A job does not take packages from the Python that runs Snakemake."""

import site
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from conftest import REPOSITORY

PREAMBLE = """
import sys
sys.path.extend([{outer!r}, {scripts!r}])
"""
JOB = """
from brainalign.job import job
with job({log!r}) as log:
    import numpy
    {inside}
    log.info("done")
"""


@pytest.fixture
def outer(tmp_path: Path) -> Path:
    """A folder of packages that this Python does not have."""
    folder = tmp_path / "outer" / "site-packages"
    (folder / "foreign").mkdir(parents=True)
    (folder / "foreign" / "__init__.py").write_text("", encoding="utf-8")
    (folder / "foreign" / "part.py").write_text("def function(): pass\n", encoding="utf-8")
    return folder


def run(
    outer: Path, top: str, inside: str = "pass", python: str = sys.executable
) -> tuple[int, str]:
    script, log = outer.parent / "script.py", outer.parent / "job.log"
    preamble = PREAMBLE.format(outer=str(outer), scripts=str(REPOSITORY / "scripts"))
    script.write_text(preamble + top + JOB.format(log=str(log), inside=inside), encoding="utf-8")
    done = subprocess.run([python, script], capture_output=True, text=True, check=False)
    return done.returncode, log.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "top",
    ["import foreign", "import foreign.part as p", "from foreign.part import function"],
)
def test_an_import_from_outside_ends_the_job(outer: Path, top: str) -> None:
    code, log = run(outer, top)
    assert code == 1
    assert "package foreign is not in this job's environment" in log


def test_a_late_import_does_not_reach_outside(outer: Path) -> None:
    code, log = run(outer, "", "import foreign")
    assert code == 1
    assert "No module named 'foreign'" in log


def test_packages_of_the_environment_are_used(outer: Path) -> None:
    code, log = run(outer, "import yaml")
    assert code == 0
    assert "done" in log


def test_packages_in_a_path_file_belong_to_the_environment(outer: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "env")
    (packages,) = (tmp_path / "env" / "lib").glob("python3*/site-packages")
    shared = [*site.getsitepackages(), str(outer)]
    (packages / "shared.pth").write_text("\n".join(shared) + "\n", encoding="utf-8")
    code, log = run(outer, "import foreign", python=str(tmp_path / "env" / "bin" / "python"))
    assert (code, log.split()[-1]) == (0, "done")
