"""Local jobs as forks of a process that has already imported what their scripts import.

Starting Python with torch and transformers takes seconds, which is most of a small job's time.
Snakemake's method that runs a Python script is replaced for jobs that run on this machine in this
environment on one thread. All else, and every job where that method is not the one known here, runs
as Snakemake runs it.
"""

import ast
import hashlib
import inspect
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Lock
from typing import Any

from psutil import NoSuchProcess
from snakemake.benchmark import benchmarked
from snakemake.logging import logger
from snakemake.script import PythonScript

# SHA-256 of the source of the method that is replaced (Snakemake 9.27.1).
KNOWN = "f8f5d2f25a6908fe7a34698ffea662a9107e32b3a44aa44c54d3b30e14fee3f5"
PYTHON = sys.executable  # as a path: rules/common.smk quotes it for shells later
SERVER = Path(__file__).with_name("fork_server.py")
THREADS = ("OMP", "GOTO", "OPENBLAS", "MKL", "VECLIB_MAXIMUM", "NUMEXPR")
# What Snakemake's preamble of a script imports, and what models import when they are loaded.
ALWAYS = ("snakemake.iocontainers", "snakemake.logging")
LATER = {
    "language-model": (
        "sympy",
        "transformers.models.llama.modeling_llama",
        "transformers.models.t5.modeling_t5",
    )
}


def is_known() -> bool:
    """Whether Snakemake's method is the one that this module stands in for."""
    source = inspect.getsource(PythonScript.execute_script)
    return hashlib.sha256(source.encode()).hexdigest() == KNOWN


def install(kind_of: Callable[[str], str | None], scripts: Callable[[str], Iterable[Path]]) -> bool:
    """Run scripts as forks from now on, in this process; whether that could be done.

    Parameters
    ----------
    kind_of : name of a rule → kind of work (a server each), or None: as Snakemake runs it.
    scripts : kind of work → the scripts of its rules, whose imports its server has.
    """
    if sys.platform != "linux" or not is_known():
        return False
    servers: dict[str, Server] = {}
    lock = Lock()
    plain = PythonScript.execute_script

    def execute_script(self: Any, fname: str, edit: bool = False) -> None:
        kind = kind_of(self.rulename)
        elsewhere = self.conda_env or self.container_img or self.env_modules or self.shadow_dir
        if kind is None or elsewhere or edit or self.threads != 1:
            return plain(self, fname, edit)
        with lock:
            if kind not in servers:
                servers[kind] = Server([*ALWAYS, *imports(scripts(kind)), *LATER.get(kind, ())])
        servers[kind].run(fname, self.resources.get("tmpdir"), self.bench_record)
        return None

    PythonScript.execute_script = execute_script
    return True


def imports(scripts: Iterable[Path]) -> list[str]:
    """The modules that scripts import at their beginning, in order, once each."""
    modules: dict[str, None] = {}
    for script in scripts:
        for node in ast.parse(script.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Import):
                modules.update(dict.fromkeys(name.name for name in node.names))
            elif isinstance(node, ast.ImportFrom) and node.module:
                modules[node.module] = None
    return list(modules)


class Server:
    """A fork server, started when it is made; it ends when this process does."""

    def __init__(self, modules: Iterable[str]) -> None:
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self.process = subprocess.Popen(
                [PYTHON, str(SERVER), str(theirs.fileno()), *modules],
                pass_fds=[theirs.fileno()],
                env={**os.environ, "PYTHONPATH": _search_path(), **_one_thread()},
            )
        self._lock = Lock()

    def run(self, script: str, temporary: str | None, bench_record: Any = None) -> None:
        """Run a script in a fork and wait for its end.

        Parameters
        ----------
        temporary : the folder for temporary files.
        bench_record : Snakemake's record of the job's time and memory, or None.

        Raises
        ------
        subprocess.CalledProcessError : the script failed, or its process or the server was killed.
        """
        environment = {**os.environ, **_one_thread()}
        if temporary:
            environment |= dict.fromkeys(("TMPDIR", "TMP", "TEMPDIR", "TEMP"), str(temporary))
        request = json.dumps({"script": script, "environment": environment}).encode()
        ours, theirs = socket.socketpair()
        with ours, ours.makefile() as answers:
            try:
                with theirs, self._lock:
                    socket.send_fds(self._requests, [request], [theirs.fileno()])
                pid = int(answers.readline())
                with benchmarked(pid if bench_record else False, bench_record):
                    ours.sendall(b"\n")  # measured from now on: the script may begin
                    code = int(answers.readline())
            except (OSError, ValueError, NoSuchProcess):  # the server has died
                logger.error(f"the process that runs {script} was killed")
                code = 1
        if code:
            raise subprocess.CalledProcessError(code, f"{PYTHON} {script}")


def _one_thread() -> dict[str, str]:
    """As Snakemake tells numerical libraries of a job's threads."""
    return {f"{library}_NUM_THREADS": "1" for library in THREADS}


def _search_path() -> str:
    scripts = str(Path(__file__).parents[2])
    return os.pathsep.join(filter(None, [scripts, os.environ.get("PYTHONPATH")]))
