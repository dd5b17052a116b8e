"""How a job ends: one line that says what to do, and nothing half done."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from brainalign.errors import InputError
from brainalign.job import job

HOLDER = """
import sys, time
from pathlib import Path
sys.path.insert(0, {scripts!r})
from brainalign.formats.atomic import atomic_path
from brainalign.job import job
with job({log!r}):
    with atomic_path({output!r}) as path:
        path.write_text("half")
        Path({ready!r}).touch()
        time.sleep({seconds})
        path.write_text("whole")
"""


def start(folder: Path, scripts: Path, seconds: float) -> subprocess.Popen[str]:
    """A job in a process of its own that is in the middle of writing `output`."""
    text = HOLDER.format(
        scripts=str(scripts), log=str(folder / "job.log"), output=str(folder / "output"),
        ready=str(folder / "ready"), seconds=seconds,
    )  # fmt: skip
    process = subprocess.Popen([sys.executable, "-c", text], stderr=subprocess.PIPE, text=True)
    while not (folder / "ready").exists():
        assert process.poll() is None
        time.sleep(0.01)
    return process


def test_sigterm_leaves_nothing_half_written(tmp_path: Path, repository: Path) -> None:
    process = start(tmp_path, repository / "scripts", seconds=60)
    process.terminate()
    assert process.wait(30) == 143
    assert "stopped by SIGTERM" in (tmp_path / "job.log").read_text(encoding="utf-8")
    assert {path.name for path in tmp_path.iterdir()} == {"job.log", "ready"}


def test_a_second_process_waits_for_the_first(tmp_path: Path, repository: Path) -> None:
    first = start(tmp_path, repository / "scripts", seconds=2)
    with job(tmp_path / "job.log"):
        assert (tmp_path / "output").read_text(encoding="utf-8") == "whole"
    assert first.wait(30) == 0


def test_a_killed_process_is_not_waited_for(tmp_path: Path, repository: Path) -> None:
    first = start(tmp_path, repository / "scripts", seconds=600)
    first.kill()
    first.wait(30)
    with job(tmp_path / "job.log"):
        assert not (tmp_path / "output").exists()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (InputError("file x: row 3:\n no text"), "error: file x: row 3: no text"),
        (OSError(28, "No space left on device", "a/b"), "error: [Errno 28] No space left"),
        (MemoryError("Unable to allocate 9 GiB"), "error: out of memory: run fewer jobs"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "error: out of memory"),
        (RuntimeError("process 1 ended with signal SIGKILL"), "error: out of memory"),
        (RuntimeError("in process 1: torch.OutOfMemoryError: CUDA"), "error: out of memory"),
        (RuntimeError("a bug"), "unexpected error\nTraceback"),
    ],
)
def test_an_error_is_in_the_log(tmp_path: Path, error: Exception, message: str) -> None:
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as ended, job(tmp_path / "logs" / "job.log"):
        raise error
    assert ended.value.code == 1
    assert message in (tmp_path / "logs" / "job.log").read_text(encoding="utf-8")
    assert signal.getsignal(signal.SIGTERM) == handler


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("no folder", encoding="utf-8")
    with pytest.raises(SystemExit) as ended, job(tmp_path / "logs" / "job.log"):
        os.abort()
    assert ended.value.code == 1


@pytest.mark.parametrize(("patience", "shown"), [(20.0, False), (-1.0, True)])
def test_the_terminal_hears_of_short_jobs_only_what_matters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys, patience: float, shown: bool
) -> None:
    monkeypatch.setattr("brainalign.job.PATIENCE", patience)
    path = tmp_path / "results" / "logs" / "alignment" / "gpt2" / "passages.log"
    with job(path) as log:
        log.info("layer 1")
        log.warning("a constant target")
    said = capsys.readouterr().err
    assert "a constant target" not in said  # the end of the run counts it
    assert ("alignment gpt2 passages: layer 1" in said) == shown
    assert [line.split(" ", 1)[1] for line in path.read_text(encoding="utf-8").splitlines()] == [
        "layer 1", "warning: a constant target",
    ]  # fmt: skip
