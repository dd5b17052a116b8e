"""Finished answers on disk, so that a killed job resumes where it stopped."""

import hashlib
import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self

Record = dict[str, Any]


class AnswerLog:
    """A file of answers, one JSON record a line, below a line that says what they answer.

    A file of other questions, another model or another code is begun anew. A last line that was
    cut off by a kill is dropped. Used as a context manager, which closes the file.

    Parameters
    ----------
    path : where the answers are kept until they are complete.
    key : what the answers depend on (JSON-able).
    """

    def __init__(self, path: Path, key: Any) -> None:
        self.path = path
        text = json.dumps(key, sort_keys=True, default=str)
        header = json.dumps({"answers_to": hashlib.sha256(text.encode()).hexdigest()})
        self.records = self._kept(header)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8") as file:  # without a torn line, were there one
            file.writelines(line + "\n" for line in (header, *map(json.dumps, self.records)))
        self._file = path.open("a", encoding="utf-8")

    @property
    def answered(self) -> set[str]:
        """The ids of the questions that have an answer."""
        return {record["question_id"] for record in self.records}

    def add(self, records: list[Record]) -> None:
        """Keep the answers of a batch: on disk when this returns."""
        self._file.writelines(json.dumps(record) + "\n" for record in records)
        self._file.flush()
        self.records += records

    def discard(self) -> None:
        """Remove the file: the answers are complete, and written elsewhere."""
        self._file.close()
        self.path.unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def _kept(self, header: str) -> list[Record]:
        if not self.path.exists():
            return []
        lines = self.path.read_text(encoding="utf-8").split("\n")
        if lines[0] != header:
            return []
        return [json.loads(line) for line in lines[1:-1]]
