"""The line about a run's progress, from the events that Snakemake logs."""

import io
import logging

import pytest
from brainalign.study.progress import Progress


class Run:
    """A run on a clock of the test's own."""

    def __init__(self, every=0.0):
        self.now, self.stream = 100.0, io.StringIO()
        self.progress = Progress(self.stream, every, lambda: self.now)
        self.done = 0

    def log(self, event, **fields):
        self.progress.handle(logging.makeLogRecord({"event": event, **fields}))

    def start(self, jobid, rule, **wildcards):
        self.log("job_info", jobid=jobid, rule_name=rule, wildcards=wildcards)

    def finish(self, jobid, total):
        self.done += 1
        self.log("job_finished", job_id=jobid)
        self.log("progress", done=self.done, total=total)

    def lines(self):
        """The lines after that of the plan."""
        return self.stream.getvalue().splitlines()[1:]


def test_time_left_follows_the_rules_durations_and_the_parallelism():
    """`read` lasts 10 s, `fit` 2 s; 3 and 5 of them are left; 12 s of jobs took 10 s."""
    run = Run()
    run.log("run_info", stats={"read": 4, "fit": 6, "total": 10})
    run.start(1, "read", model="gpt2")
    run.now += 8
    run.start(2, "fit", model="gpt2")
    run.now += 2
    run.finish(1, 10)
    run.finish(2, 10)
    assert run.progress.left() == pytest.approx((3 * 10 + 5 * 2) / 1.2)


def test_a_rule_not_seen_yet_counts_as_the_average_and_running_time_is_taken_off():
    run = Run()
    run.log("run_info", stats={"read": 2, "new": 1, "total": 3})
    run.start(1, "read")
    run.now += 10
    run.finish(1, 3)
    run.start(2, "read")
    run.now += 4
    assert run.progress.left() == pytest.approx(10 + 10 - 4)


def test_the_line_names_what_runs():
    run = Run()
    run.log("run_info", stats={"surprisal": 5, "all": 1, "total": 6})
    for i, model in enumerate(("a", "b", "c", "d", "e")):
        run.start(i, "surprisal", model=model, dataset="stories")
    run.now += 3700
    run.finish(0, 6)
    assert run.lines()[-1].startswith("1 of 6 jobs done in 1:01:40, about ")
    assert run.lines()[-1].endswith(
        "; running: surprisal b stories, surprisal c stories, surprisal d stories and 1 more"
    )


def test_lines_are_rare_but_the_last_one_is_written():
    run = Run(every=10)
    run.log("run_info", stats={"fit": 30, "total": 30})
    for jobid in range(30):
        run.start(jobid, "fit")
        run.now += 1
        run.finish(jobid, 30)
    assert len(run.lines()) == 3
    assert run.lines()[-1] == "30 of 30 jobs done in 0:30"


def test_failed_jobs_are_no_longer_running_and_other_records_are_passed_over():
    run = Run()
    run.log("run_info", stats={"fit": 2, "total": 2})
    run.start(1, "fit", model="lost")
    run.log("job_error", jobid=1)
    run.progress.handle(logging.makeLogRecord({"msg": "no event"}))
    run.start(2, "fit", model="kept")
    run.now += 5
    run.finish(2, 2)
    assert run.lines() == ["1 of 2 jobs done in 0:05, about 0:05 left"]


@pytest.mark.parametrize(
    ("message", "fields", "kept"),
    [
        ("3 of 9 steps (33%) done", {"event": "progress"}, False),
        ("Finished jobid: 2 (Rule: fit)", {"event": "job_finished"}, False),
        ("Select jobs to execute...", {}, False),
        ("Execute 12 jobs...", {}, False),
        ("WorkflowError:\nAt least one job did not complete successfully.", {}, False),
        ("WorkflowError:\nanother", {}, True),
        ('RuleException:\nCalledProcessError in file "a.smk", line 1:\nCommand', {}, False),
        ("RuleException:\nanother", {}, True),
        ("Job stats:", {"event": "run_info"}, False),
        ("rule fit:", {"event": "job_info"}, True),
        ("Error in rule fit:", {"event": "job_error"}, True),
        ("Execute 12 jobs... or not", {}, True),
    ],
)
def test_the_terminal_is_spared_what_the_line_says(message, fields, kept):
    run = Run()
    assert run.progress.lets(logging.makeLogRecord({"msg": message, **fields})) == kept


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_on_a_terminal_the_line_is_overwritten():
    run = Run()
    run.stream = Terminal()
    run.progress = Progress(run.stream, 0.0, lambda: run.now)
    run.log("run_info", stats={"fit": 3, "total": 3})
    for jobid in range(3):
        run.start(jobid, "fit")
        run.now += 1
        if jobid == 1:
            assert run.progress.lets(logging.makeLogRecord({"msg": "an error"}))
            run.stream.write("an error\n")
        run.finish(jobid, 3)
    shown = [line.rpartition("\r\x1b[K")[2] for line in run.stream.getvalue().split("\n")[:-1]]
    assert shown == ["jobs: 3, rules: 1", "an error", "3 of 3 jobs done in 0:03"]


@pytest.mark.parametrize(
    ("message", "killed"),
    [
        ("Command 'python a.py' died with <Signals.SIGKILL: 9>.", True),
        ("Command 'set -e; python a.py' returned non-zero exit status 137.", True),
        ("the process that runs a.py was killed", True),
        ("Command 'python a.py' returned non-zero exit status 1.", False),
        ("Command 'python a.py' died with <Signals.SIGTERM: 15>.", False),
    ],
)
def test_a_killed_job_is_known(message, killed):
    """The messages are those of Python's CalledProcessError and of study/forks.py."""
    run = Run()
    run.progress.handle(logging.makeLogRecord({"msg": message, "levelno": logging.INFO}))
    assert not run.progress.killed
    run.progress.handle(logging.makeLogRecord({"msg": message, "levelno": logging.ERROR}))
    assert run.progress.killed is killed


def test_the_logs_of_failed_jobs_are_known():
    run = Run()
    run.log("run_info", stats={"fit": 2, "total": 2})
    run.start(1, "fit")
    run.log("job_error", jobid=1, log=["logs/fit/a.log"])
    run.log("job_error", jobid=2, log=[])
    assert run.progress.failed == ["logs/fit/a.log"]
