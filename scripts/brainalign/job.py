"""What every workflow script does around its work: log, progress lines, one-line errors."""

import fcntl
import logging
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TextIO

from brainalign.environment import leave_outer_packages
from brainalign.errors import InputError
from brainalign.terminal import clearing

OUT_OF_MEMORY = (
    "out of memory: run fewer jobs at a time (--cores, or --resources mem_mb=N to let them share "
    "N MB), lower batch_tokens, or use a machine with more; then run again"
)


# A job that ends within so many seconds tells the terminal of nothing but errors: the line of the
# workflow's progress says what runs, and its end which warnings the logs hold.
PATIENCE = 120.0
WARNING = "warning: "  # before a warning in a log
CHANGED = "changed: "  # begins a warning that only says how a file was read
OUT_OF_MEMORY_WORDS = ("can't allocate memory", "OutOfMemoryError", "with signal SIGKILL")


class Terminated(BaseException):
    """SIGTERM: a time limit, or somebody stops the workflow."""


@contextmanager
def job(log_path: str | Path) -> Iterator[logging.Logger]:
    """Run the body of a workflow script with its log file open, one process at a time.

    Log records go to `log_path`, errors (after `PATIENCE` seconds all but warnings) also to stderr,
    with the job's name; warnings are marked in the log (`WARNING`) and counted at the end of the
    run. An `InputError`, an `OSError`, a lack of memory or SIGTERM ends the job with one line; the
    traceback of any other exception is kept in the log as well. The exit code is 1, after SIGTERM
    143. The log is locked while the job runs: a process that finds another one at it (left behind
    by a Snakemake that was killed) waits for its end.

    Parameters
    ----------
    log_path : where the job's log is written; its folder is created.

    Yields
    ------
    The logger to report progress with.
    """
    log_path = Path(log_path)
    log = logging.getLogger("brainalign")
    log.setLevel(logging.INFO)
    log.propagate = False
    handlers: list[logging.Handler] = []
    previous = signal.signal(signal.SIGTERM, _terminate)

    def tell(handler: logging.Handler, line: str) -> None:
        handler.setFormatter(_Line(line, "%H:%M:%S"))
        handlers.append(handler)
        log.addHandler(handler)

    try:
        terminal = logging.StreamHandler(sys.stderr)
        terminal.addFilter(_worth_telling(time.monotonic(), handlers))
        tell(terminal, f"{clearing(sys.stderr)}%(asctime)s {_name(log_path)}: %(message)s")
        log_path.parent.mkdir(parents=True, exist_ok=True)
        with log_path.open("a", encoding="utf-8") as locked:
            _wait_for_lock(locked, log)
            tell(
                logging.FileHandler(log_path, mode="w", encoding="utf-8"), "%(asctime)s %(message)s"
            )
            leave_outer_packages()
            yield log
    except Terminated:
        log.error("stopped by SIGTERM (a time limit?); what is finished is kept: run again")
        sys.exit(128 + signal.SIGTERM)
    except (InputError, OSError) as error:
        log.error("error: %s", " ".join(str(error).split()))
        sys.exit(1)
    except Exception as error:
        if _is_out_of_memory(error):
            log.error("error: %s (%s)", OUT_OF_MEMORY, str(error).partition("\n")[0])
        else:
            log.error("unexpected error\n%s", traceback.format_exc())
        sys.exit(1)
    finally:
        signal.signal(signal.SIGTERM, previous)
        for handler in handlers:
            handler.close()
            log.removeHandler(handler)


def _name(log_path: Path) -> str:
    """A job's name, from where its log is: `rule wildcard wildcard`."""
    parts = log_path.with_suffix("").parts
    return " ".join(parts[parts.index("logs") + 1 :] if "logs" in parts else parts[-1:])


class _Line(logging.Formatter):
    """A record on a line, warnings marked."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        if record.levelno == logging.WARNING:
            record.message = WARNING + record.message
        return super().formatMessage(record)


def _worth_telling(
    began: float, handlers: list[logging.Handler]
) -> Callable[[logging.LogRecord], bool]:
    """A filter for the terminal, where many jobs speak at once.

    Warnings go there as long as no log is open (`handlers` has one entry).
    """

    def worth_telling(record: logging.LogRecord) -> bool:
        if record.levelno == logging.WARNING:
            return len(handlers) == 1
        return record.levelno > logging.INFO or time.monotonic() - began > PATIENCE

    return worth_telling


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated


def _wait_for_lock(file: TextIO, log: logging.Logger) -> None:
    """Lock the open file until it is closed, when no other process has it locked any more."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        log.warning("waiting: a process of an earlier run is still at this job")
        fcntl.flock(file, fcntl.LOCK_EX)
    except OSError as error:
        log.warning("no locks on this file system (%s)", error)


def _is_out_of_memory(error: Exception) -> bool:
    """numpy raises a MemoryError, torch an OutOfMemoryError on GPUs, a RuntimeError on CPUs.

    The words of another process' error stand in the one that tells of it (`training/processes.py`);
    Linux kills one that takes too much memory.
    """
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or any(said in str(error) for said in OUT_OF_MEMORY_WORDS)
    )
