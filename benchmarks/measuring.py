"""What a timed run measures of itself; runs in the peers' environments too (numpy alone)."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


class Measured:
    """CPU and wall seconds and the growth of the peak memory of a `with` block (Linux).

    The peak is the process' own VmHWM, set back to its present size at the block's beginning:
    what was needed before does not hide what is needed now.
    """

    def __enter__(self) -> "Measured":
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
        self.memory = _status_kb("VmRSS")
        self.wall, self.cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *error: object) -> None:
        self.cpu, self.wall = time.process_time() - self.cpu, time.perf_counter() - self.wall
        self.memory = _status_kb("VmHWM") - self.memory

    def report(self, values: Any, share: float = 1.0, limit: float | None = None) -> dict[str, Any]:
        """What is written: `share` is the part of the work that was done, where a peer is slow."""
        figures = {
            "cpu_s": self.cpu, "wall_s": self.wall, "growth_mb": self.memory / 1024,
            "values": np.asarray(values), "share": share,
        }  # fmt: skip
        return figures if limit is None else {**figures, "limit_s": limit}


def write(result: dict[str, Any], target: str | Path) -> None:
    """Write a report where `comparison.run_worker` finds it."""
    np.savez(target, **result)


def matrix_rate(draw: Callable[[int, int], Any], size: int = 1536) -> float:
    """Floating-point operations per CPU second of a matrix product, the best of five.

    `draw(rows, columns)` makes a random matrix of the library whose rate is wanted.
    """
    left, right = draw(size, size), draw(size, size)
    left @ right
    times = []
    for _ in range(5):
        start = time.process_time()
        left @ right
        times.append(time.process_time() - start)
    return 2 * size**3 / min(times)


def _status_kb(key: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1])
    raise OSError(f"/proc/self/status has no {key}")
