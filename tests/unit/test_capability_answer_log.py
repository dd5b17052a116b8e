"""Answers survive a kill, and only answers to the same questions are kept."""

import json
from pathlib import Path

from brainalign.capability.answer_log import AnswerLog


def records(*names: str) -> list[dict]:
    return [{"question_id": name, "correct": True, "value": 0.1 + 0.2} for name in names]


def test_answers_go_on_where_they_stopped(tmp_path: Path) -> None:
    path = tmp_path / "deep" / ".mmlu.partial.jsonl"
    with AnswerLog(path, ["model", 1]) as log:
        log.add(records("a", "b"))
        assert (
            len(path.read_text(encoding="utf-8").splitlines()) == 3
        )  # on disk before the next batch
    with AnswerLog(path, ["model", 1]) as log:
        assert log.answered == {"a", "b"}
        assert log.records == records("a", "b")  # floats exact
        log.add(records("c"))
    with AnswerLog(path, ["model", 1]) as log:
        assert log.answered == {"a", "b", "c"}
        log.discard()
    assert not path.exists()


def test_a_torn_last_line_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with AnswerLog(path, "key") as log:
        log.add(records("a", "b"))
    full = path.read_bytes()
    for cut in range(len(full) + 1):
        path.write_bytes(full[:cut])
        with AnswerLog(path, "key") as log:
            assert log.answered <= {"a", "b"}
            log.add(records("z"))
        for line in path.read_text(encoding="utf-8").splitlines():
            json.loads(line)


def test_answers_to_other_questions_are_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with AnswerLog(path, {"scoring": "legacy"}) as log:
        log.add(records("a"))
    with AnswerLog(path, {"scoring": "loglikelihood"}) as log:
        assert log.answered == set()
    with AnswerLog(path, {"scoring": "legacy"}) as log:
        assert log.answered == set()
