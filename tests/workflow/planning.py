"""Snakemake in forks of one process that has imported it, for dry runs: a separate start would
take most of their time. The code under test is imported by each fork anew.
"""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

SECONDS = 600
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["snakemake.cli", "snakemake.workflow", "pandas", "jsonschema"])


def snakemake(
    arguments: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """What `snakemake ARGUMENTS` says in a folder, with these variables of the environment."""
    with tempfile.TemporaryDirectory() as said:
        files = [Path(said) / name for name in ("out", "err")]
        running = _CONTEXT.Process(
            target=_main, args=(list(arguments), folder, dict(environment), files)
        )
        running.start()
        running.join(SECONDS)
        if running.exitcode is None:
            running.kill()
            raise subprocess.TimeoutExpired(list(arguments), SECONDS)
        out, err = (file.read_text(encoding="utf-8") for file in files)
    return subprocess.CompletedProcess(list(arguments), running.exitcode, out, err)


def _main(
    arguments: list[str], folder: Path, environment: dict[str, str], files: list[Path]
) -> None:
    for descriptor, path in enumerate(files, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), descriptor)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.argv = ["snakemake", *arguments]
    from snakemake.cli import main

    main(arguments)
