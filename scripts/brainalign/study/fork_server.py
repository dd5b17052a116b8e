"""A process that has imported what scripts need, and forks itself for each of them.

Started by `brainalign.study.forks`, as a program: `fork_server.py FD MODULE …`. FD is the number of
its end of a socket pair; each message on the other end asks for one script. The server ends when
that end is closed, and its forks with it.
"""

import ctypes
import gc
import importlib
import json
import os
import runpy
import selectors
import signal
import socket
import sys
import traceback
from contextlib import suppress
from types import FrameType

PR_SET_PDEATHSIG = 1
MESSAGE_BYTES = 1 << 20


def serve(requests: socket.socket) -> None:
    """Fork for each request until the other end is closed.

    A request is one JSON message {script, environment} with a socket, on which the server answers
    the process id of the fork, and its exit code when it has ended, a line each. In between, who
    asked writes a line: only then the script begins, so that its process is there to be measured.
    """
    jobs: dict[int, socket.socket] = {}
    woken, wake = socket.socketpair()
    for end in (woken, wake):
        end.setblocking(False)
    signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, _noted)
    # Signals to all processes are for the scripts; the server ends when Snakemake does.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    with selectors.DefaultSelector() as selector:
        selector.register(requests, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in selector.select()}
            if woken in ready:
                woken.recv(4096)
                _answer_ended(jobs)
            if requests in ready:
                message, fds, _, _ = socket.recv_fds(requests, MESSAGE_BYTES, 1)
                if not message:
                    for pid in jobs:
                        os.kill(pid, signal.SIGKILL)
                    return
                connection = socket.socket(fileno=fds[0])
                pid = os.fork()
                if pid == 0:
                    selector.close()
                    _run(connection, **json.loads(message))
                jobs[pid] = connection
                _tell(connection, pid)


def _noted(number: int, frame: FrameType | None) -> None:
    """A handler is needed for the wake-up; the number that it writes is not."""


def _answer_ended(jobs: dict[int, socket.socket]) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        with jobs.pop(pid) as connection:
            _tell(connection, os.waitstatus_to_exitcode(status))


def _tell(connection: socket.socket, number: int) -> None:
    with suppress(OSError):  # who asked has gone; the server is about to end
        connection.sendall(b"%d\n" % number)


def _run(connection: socket.socket, script: str, environment: dict[str, str]) -> None:
    """Run a script as Python would run it alone, when the asking process says so; never returns."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # A server that is killed takes its forks along.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        with connection:
            if not connection.recv(1):
                sys.exit("who asked for this script has gone")
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = [script]
        runpy.run_path(script, run_name="__main__")
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as end:
        # Nothing of what is imported becomes garbage, and what a fork does not touch it shares.
        gc.disable()
        for module in sys.argv[2:]:
            importlib.import_module(module)
        gc.enable()
        gc.freeze()
        serve(end)
