"""The progress line of a run: jobs done, jobs left, and jobs that run now."""

import logging
import re
import shutil
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import IO, Any

from brainalign.terminal import clearing

SHOWN = 3  # running jobs that a line names
# What Snakemake says at every job's end and at every step of its scheduler, and that a script ended
# with an error, which the script has said itself.
BOOKKEEPING = re.compile(
    r"Select jobs to execute\.\.\.|Execute \d+ jobs\.\.\.|Conda environments: ignored"
    r"|Elapsed time: .*|Complete log\(s\): .*"
    r"|WorkflowError:\nAt least one job did not complete successfully\.\s*"
    r"|(?s:RuleException:\nCalledProcessError in file .*)"
)
# How Snakemake, a shell and study/forks.py say that a job's process was killed from outside.
KILLED = re.compile(r"SIGKILL|exit status 137|was killed")
COUNTED = {"progress", "job_finished", "run_info", "resources_info"}  # events


@dataclass(frozen=True)
class _Job:
    rule: str
    name: str  # rule and wildcards
    started: float


class Progress(logging.Handler):
    """Writes a line when a job ends, at most one in `every` seconds, from Snakemake's log events.

    On a terminal the line replaces the one before. `failed` has the log of every failed job;
    `killed` says whether the process of one was killed from outside.

    Each job to come is expected to last as long as the finished jobs of its rule did on average
    (where none has finished, as all finished jobs), and as many to run side by side as did so
    far. On a cluster a job lasts from its submission on.

    Parameters
    ----------
    stream : where lines go.
    every : seconds between two lines, by default 1 on a terminal, else 60; the last one is always
        written.
    clock : seconds since any moment.
    """

    def __init__(
        self,
        stream: IO[str] = sys.stderr,
        every: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        self._stream, self._clock = stream, clock
        self._clearing = clearing(stream)
        self._every = (1.0 if self._clearing else 60.0) if every is None else every
        self.failed: list[str] = []
        self.killed = False
        self._began = self._written = clock()
        self._to_do: Counter[str] = Counter()
        self._running: dict[int, _Job] = {}
        self._lasted: dict[str, list[float]] = defaultdict(list)

    def emit(self, record: logging.LogRecord) -> None:
        """Take up one log record; those that are no events are passed over."""
        event = getattr(record, "event", None)
        if event == "run_info":
            self._plan(record.__dict__["stats"])
        elif event == "job_info":
            self._start(record.__dict__)
        elif event == "job_error":
            self._running.pop(record.__dict__["jobid"], None)
            self.failed += list(record.__dict__.get("log") or [])[:1]
        elif event == "job_finished":
            self._finish(record.__dict__["job_id"])
        elif event == "progress":
            self._write(record.__dict__["done"], record.__dict__["total"])
        elif (record.levelno or 0) >= logging.ERROR and KILLED.search(record.getMessage()):
            self.killed = True

    def _plan(self, jobs: Mapping[str, int]) -> None:
        self._began = self._clock()
        self._to_do = Counter({rule: n for rule, n in jobs.items() if rule != "total"})
        print(f"jobs: {self._to_do.total()}, rules: {len(self._to_do)}", file=self._stream)

    def _start(self, job: Mapping[str, Any]) -> None:
        values = map(str, dict(job.get("wildcards") or {}).values())
        name = " ".join([job["rule_name"], *values])
        self._running[job["jobid"]] = _Job(job["rule_name"], name, self._clock())

    def _finish(self, jobid: int) -> None:
        job = self._running.pop(jobid, None)
        if job:
            self._lasted[job.rule].append(self._clock() - job.started)
            self._to_do[job.rule] -= 1

    def left(self) -> float | None:
        """Seconds that the run is expected to go on, or None before any job has finished."""
        every = [seconds for rule in self._lasted.values() for seconds in rule]
        passed = self._clock() - self._began
        running = sum(self._clock() - job.started for job in self._running.values())
        if not every or not passed:
            return None
        side_by_side = max(1.0, (sum(every) + running) / passed)
        expected = sum(
            n * fmean(self._lasted.get(rule) or every) for rule, n in self._to_do.items() if n > 0
        )
        return max(0.0, expected - running) / side_by_side

    def _write(self, done: int, total: int) -> None:
        now = self._clock()
        if now - self._written < self._every and done < total:
            return
        self._written = now
        line = f"{done} of {total} jobs done in {_span(now - self._began)}"
        left = self.left()
        if done < total and left is not None:
            line += f", about {_span(left)} left"
        jobs = [job.name for job in self._running.values()]
        if jobs:
            more = f" and {len(jobs) - SHOWN} more" if len(jobs) > SHOWN else ""
            line += f"; running: {', '.join(jobs[:SHOWN])}{more}"
        if self._clearing:
            line = f"{self._clearing}{line[: shutil.get_terminal_size().columns - 1]}"
        print(line, end="\n" if done == total or not self._clearing else "", file=self._stream)
        self._stream.flush()

    def lets(self, record: logging.LogRecord) -> bool:
        """Whether a log record of Snakemake's tells something that the line does not.

        As a filter of the terminal it takes the line away before what Snakemake writes;
        Snakemake's log keeps everything.
        """
        if getattr(record, "event", None) in COUNTED:
            return False
        if BOOKKEEPING.fullmatch(record.getMessage()):
            return False
        self._stream.write(self._clearing)
        return True


def _span(seconds: float) -> str:
    """`4:05`, or `2:04:05` from an hour on."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
