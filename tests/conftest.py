"""What all tests share: one thread per process, the repository, the mirror of real data."""

import os
import resource
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# For this process, whose tests import libraries of numbers later, and for those that tests start:
# several test processes run side by side, and threads that wait for each other spin.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

# The same inputs on every run, or more of them and others on each (`make test-all`).
settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("long", max_examples=300, deadline=None)
settings.load_profile("ci")

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the working tree under test."""
    return REPOSITORY


def mirror_folder() -> Path:
    """Where real raw data would be."""
    return Path(os.environ.get("BRAINALIGN_MIRROR", REPOSITORY.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The local folder of real raw data; the test is skipped where there is none."""
    folder = mirror_folder()
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} is not a folder (set BRAINALIGN_MIRROR)")
    return folder


# Peak memory (MB) of the test processes, and of the largest process that one of them started.
PEAKS: list[tuple[float, float]] = []


def peak() -> tuple[float, float]:
    """Of this process and the largest of its children that have ended."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    rows, children = (resource.getrusage(kind).ru_maxrss / 1024 for kind in kinds)
    return rows, children


def pytest_sessionfinish(session: pytest.Session) -> None:
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["peak"] = peak()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    if "peak" in getattr(node, "workeroutput", {}):
        PEAKS.append(node.workeroutput["peak"])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    part, children = map(max, zip(*PEAKS or [peak()], strict=True))
    terminalreporter.write_line(
        f"peak memory of a test process {part:,.0f} MB, of one that it started {children:,.0f} MB"
    )
