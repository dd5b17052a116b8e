"""Planning needs few packages: with --sdm conda it runs in Snakemake's own environment."""

import re
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
# Packages of jobs (README.md, "With `--sdm conda`", names those of planning).
JOBS = (
    "h5netcdf", "matplotlib", "nibabel", "pyarrow", "safetensors", "scipy", "seaborn", "sklearn",
    "tokenizers", "torch", "transformers", "xarray",
)  # fmt: skip


def test_rules_import_no_package_of_jobs() -> None:
    files = [REPOSITORY / "Snakefile", *(REPOSITORY / "rules").glob("*.smk")]
    result = [
        re.findall(r"^(?:from|import) (brainalign[\w.]*)", file.read_text(encoding="utf-8"), re.M)
        for file in files
    ]
    modules = sorted({module for each in result for module in each})
    assert "brainalign.study.check_own" in modules
    lines = ["import sys", f"sys.modules.update(dict.fromkeys({JOBS}))"]
    lines += [f"import {module}" for module in modules]
    command = [sys.executable, "-c", "\n".join(lines)]
    done = subprocess.run(
        command, cwd=REPOSITORY / "scripts", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
