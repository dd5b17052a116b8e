"""The end of a run: warnings counted once per kind, the reason of a failure."""

from pathlib import Path

import pytest
from brainalign.job import CHANGED, job
from brainalign.study.logs import SHOWN, reason, warnings


def test_warnings_that_differ_in_numbers_are_one_line_with_a_count(tmp_path: Path) -> None:
    for model, n in (("a", 3), ("b", 12), ("c", 4.5)):
        with job(tmp_path / "logs" / "alignment" / f"{model}.log") as log:
            log.info("layer 1 of 2: no warning")
            log.warning("%s targets have no r", n)
    with job(tmp_path / "logs" / "scores.log") as log:
        log.warning("a model lacks a score")
    assert warnings(tmp_path / "logs") == [
        "3 × alignment: 3 targets have no r", "1 × scores: a model lacks a score",
    ]  # fmt: skip
    assert warnings(tmp_path / "none") == []


def test_how_files_were_read_stands_below_doubts(tmp_path: Path) -> None:
    for n in (1, 2):
        with job(tmp_path / "logs" / "prepare_dataset" / f"{n}.log") as log:
            log.warning("%sa.csv: divided by ';'", CHANGED)
    with job(tmp_path / "logs" / "prepare_dataset" / "z.log") as log:
        log.warning("3 times are odd")
    assert [line.rpartition(": ")[2] for line in warnings(tmp_path / "logs")] == [
        "3 times are odd", "divided by ';'",
    ]  # fmt: skip


def test_many_kinds_are_cut_and_counted(tmp_path: Path) -> None:
    with job(tmp_path / "logs" / "scores.log") as log:
        for i in range(SHOWN + 2):
            log.warning("kind %s", "x" * (i + 1))
    result = warnings(tmp_path / "logs")
    assert len(result) == SHOWN + 1 and result[-1] == "2 more kinds of warnings"


def test_the_reason_is_the_last_line_of_the_log(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "fit.log"
    with pytest.raises(SystemExit), job(path) as log:
        log.info("begins")
        raise OSError("disk is full")
    assert reason(path).endswith("error: disk is full")
    assert reason(tmp_path / "absent.log") == ""
