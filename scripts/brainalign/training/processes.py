"""A function in several processes at once, one per GPU, that torch.distributed joins."""

import logging
import logging.handlers
import os
import queue
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch.multiprocessing
from torch.multiprocessing.spawn import ProcessException

from brainalign.errors import InputError

LOG = logging.getLogger("brainalign")
_POLL_SECONDS = 0.5
_COUNT = "BRAINALIGN_PROCESSES"  # a cluster's WORLD_SIZE and RANK are of other processes


def count() -> int:
    """How many processes work together with this one, itself included."""
    return int(os.environ.get(_COUNT, "1"))


def is_first() -> bool:
    """Whether this process is the one of them that writes files and tells of progress."""
    return count() == 1 or int(os.environ["RANK"]) == 0


def run(function: Callable[..., Any], n: int, *arguments: Any) -> Any:
    """`function(*arguments)` in `n` processes (with fewer than 2: in this one).

    The function is one of a module, its arguments and its result can be pickled. A script that
    calls this does so under `if __name__ == "__main__"`: the processes import it.

    Returns
    -------
    What the first process returned. Its log records reach this process' log.

    Raises
    ------
    InputError : one of the processes raised one (an OSError counts as one); the others are ended.
    """
    if n < 2:
        return function(*arguments)
    messages: Any = torch.multiprocessing.get_context("spawn").Queue()
    with _environment(n):
        context = torch.multiprocessing.start_processes(
            _work, (function, arguments, messages), nprocs=n, join=False, daemon=True
        )
        assert context is not None
        said: dict[str, Any] = {}
        try:
            while not context.join(timeout=_POLL_SECONDS):
                said = _drained(messages) | said
                if "error" in said:  # the others may wait for the one that failed
                    break
        except ProcessException as error:
            said = _drained(messages) | said
            if "error" not in said:
                raise
            raise InputError(said["error"]) from error
        finally:
            for process in context.processes:
                process.kill()
        said = _drained(messages) | said
    if "error" in said:
        raise InputError(said["error"])
    return said["result"]


@contextmanager
def _environment(n: int) -> Iterator[None]:
    """What the processes' imports and torch.distributed read from the environment."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    before = dict(os.environ)
    os.environ |= {
        _COUNT: str(n), "WORLD_SIZE": str(n), "LOCAL_WORLD_SIZE": str(n),
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
    }  # fmt: skip
    try:
        yield
    finally:
        os.environ.clear()
        os.environ |= before


def _work(
    rank: int, function: Callable[..., Any], arguments: tuple[Any, ...], messages: Any
) -> None:
    # A process that waits for a GPU or for another does not act on a lesser signal.
    multiprocessing: Any = torch.multiprocessing
    multiprocessing._prctl_pr_set_pdeathsig(signal.SIGKILL)
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank)}
    LOG.setLevel(logging.INFO if is_first() else logging.ERROR)
    LOG.addHandler(logging.handlers.QueueHandler(messages))
    try:
        result = function(*arguments)
    except (InputError, OSError) as error:
        messages.put({"error": str(error)})
        raise
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    if is_first():
        messages.put({"result": result})


def _drained(messages: Any) -> dict[str, Any]:
    """What the processes have said so far; log records go to the log."""
    said: dict[str, Any] = {}
    while True:
        try:
            item = messages.get_nowait()
        except queue.Empty:
            return said
        if isinstance(item, logging.LogRecord):
            LOG.handle(item)
        else:
            said = item | said  # the first error is the cause
