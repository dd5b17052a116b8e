"""The project may lie in any folder, whatever blanks and signs its path has."""

import os
import shutil
import site
import subprocess
import venv
from pathlib import Path

import pytest
from conftest import REPOSITORY

pytestmark = [pytest.mark.workflow, pytest.mark.long]


def test_a_job_runs_in_a_folder_whose_path_has_blanks_and_quotes(tmp_path: Path) -> None:
    project = tmp_path / "My Drive (2)" / "it's mine & Jörg's [1]"
    unrelated = shutil.ignore_patterns(".*", "results", "downloads", "__pycache__", "tests")
    shutil.copytree(REPOSITORY, project, ignore=unrelated)
    venv.create(project / ".venv", symlinks=True)
    (packages,) = (project / ".venv" / "lib").glob("python3*/site-packages")
    (packages / "shared.pth").write_text("\n".join(site.getsitepackages()), encoding="utf-8")
    done = subprocess.run(
        [project / ".venv" / "bin" / "python", "-m", "snakemake", "--cores", "1",
         "results/simulation/corpus.txt"],
        cwd=project, capture_output=True, text=True, check=False,
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert (project / "results" / "simulation" / "corpus.txt").stat().st_size
