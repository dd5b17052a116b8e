"""Questions of the user's own: CSV, TSV, Parquet, or JSON Lines."""

import io
import json
import string
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from brainalign.datasets.own_csv import records, without_edges
from brainalign.datasets.question_settings import OwnQuestions
from brainalign.datasets.raw import RawFile, Record, content, user_file
from brainalign.errors import InputError
from brainalign.formats.text import decode

SPLITS = ("test", "dev")  # asked; worked examples before the questions
LETTERS = string.ascii_uppercase
NAMES = ("question_id", "split", "subject", "category")

Question = dict[str, Any]


def raw_files(source: OwnQuestions) -> list[RawFile]:
    """The file that the config names."""
    return [user_file(source.path)]


def read(records: Sequence[Record], source: OwnQuestions, seed: int) -> pd.DataFrame:
    """The questions table (docs/architecture.md), in the file's order.

    Columns of the file: `question`; `answer`; the choices, as columns `A`, `B`, … or as a list
    `choices` (JSON Lines, Parquet): with these the questions are multiple-choice, without them
    answers are written. May be absent: `question_id` (the file's name and the row), `split` (test),
    `subject` (the file's name), `category` (the subject). Further columns are left out.

    Raises
    ------
    InputError : a column or cell is missing, an answer is none of the choices, an id is repeated;
        names file, row (as a spreadsheet counts: the header is row 1) and value.
    """
    (record,) = records
    where = record.path
    rows = list(_READERS[Path(where).suffix](content(record), where))
    if not rows:
        raise InputError(f"{where}: no questions")
    has_choices = any("choices" in row for _, row in rows)
    stem = Path(where).stem
    table = pd.DataFrame(
        _question(row, stem, n, has_choices, f"{where}: row {n}") for n, row in rows
    )
    repeated = table["question_id"].duplicated()
    if repeated.any():
        first = int(repeated.to_numpy().argmax())
        raise InputError(
            f"{where}: row {rows[first][0]}: question_id {table['question_id'][first]} is repeated"
        )
    if has_choices:
        return table[[*NAMES, "question", "choices", "gold"]]
    table["task"] = table["subject"]
    return table[[*NAMES, "task", "input", "target"]]


def check_shots(questions: pd.DataFrame, shots: int, where: str) -> None:
    """Raise an InputError unless every subject has so many worked examples.

    These are its questions of split `dev`; written answers without any take the first ones asked.
    """
    written = "target" in questions
    for subject, rows in questions.groupby("subject", sort=False):
        shown = int((rows["split"] == "dev").sum())
        if len(rows) == shown:
            raise InputError(f"{where}: subject {subject}: no question of split test")
        if written and not shown and len(rows) > shots:
            continue
        if shown < shots:
            raise InputError(
                f"{where}: subject {subject}: {shown} rows of split dev (worked examples), but the "
                f"task has shots: {shots}; add some, or say fewer shots"
            )


def _table(data: bytes, where: str) -> Iterator[tuple[int, Question]]:
    """The rows of CSV or TSV."""
    delimiter, lines = records(data, where)
    filled = [(row, cells) for row, cells in enumerate(lines, 1) if any(map(without_edges, cells))]
    header = [without_edges(name) for name in filled[0][1]] if filled else []
    check_columns(header, where, delimiter)
    for number, cells in filled[1:]:
        if len(cells) != len(header):
            raise InputError(
                f"{where}: row {number}: {len(cells)} cells, the header has {len(header)}"
            )
        yield number, _with_choices(dict(zip(header, cells, strict=True)), header)


def _parquet(data: bytes, where: str) -> Iterator[tuple[int, Question]]:
    try:
        frame = pd.read_parquet(io.BytesIO(data))
    # A damaged file makes the Parquet layer fail in many ways; all mean the same.
    except Exception as error:
        raise InputError(f"{where}: not a whole Parquet file ({error})") from error
    header = [str(name) for name in frame]
    check_columns(header, where)
    for number, row in enumerate(frame.to_dict("records"), 2):
        yield number, _with_choices({str(name): cell for name, cell in row.items()}, header)


def _json_lines(data: bytes, where: str) -> Iterator[tuple[int, Question]]:
    """The objects of a JSON Lines file, with the numbers of their lines; empty ones are skipped."""
    for number, line in enumerate(decode(data, where).splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{where}: row {number}: not JSON ({error})") from error
        if not isinstance(row, dict):
            raise InputError(f"{where}: row {number}: {str(row)[:40]!r}, expected an object")
        yield number, _with_choices(row, list(row))


_READERS = {".csv": _table, ".tsv": _table, ".parquet": _parquet, ".jsonl": _json_lines}


def check_columns(header: Sequence[str], where: str, delimiter: str = ",") -> None:
    """Raise an InputError unless a table of questions has its columns."""
    missing = [name for name in ("question", "answer") if name not in header]
    if missing:
        spelt = next((name for name in header if name.strip().lower() == missing[0]), "")
        asked = f" (is it {spelt!r}?)" if spelt else ""
        hint = f", divided by {delimiter!r}" if where.endswith((".csv", ".tsv")) else ""
        raise InputError(
            f"{where}: column {', '.join(missing)} is missing{asked}; its columns{hint} are "
            f"{', '.join(header)}"
        )
    letters = [letter for letter in LETTERS if letter in header]
    if len(letters) == 1 or letters != list(LETTERS[: len(letters)]):
        raise InputError(
            f"{where}: columns {', '.join(letters)} are choices, expected A, B, … without gaps"
        )


def _with_choices(row: Question, header: Sequence[str]) -> Question:
    """Cells that hold something; columns `A`, `B`, … become `choices`, up to the last filled."""
    cells = {name: cell for name, cell in row.items() if not _is_missing(cell)}
    letters = [letter for letter in LETTERS if letter in header]
    if letters:
        given = [cells.get(letter) for letter in letters]
        while given and given[-1] is None:
            given.pop()
        cells["choices"] = given
    return cells


def _is_missing(cell: object) -> bool:
    if isinstance(cell, str):
        return not without_edges(cell)
    return cell is None or (isinstance(cell, float) and cell != cell)


def _question(row: Question, stem: str, number: int, has_choices: bool, where: str) -> Question:
    """A row of the questions table, from a row of the file."""
    for name in ("question", "answer"):
        if name not in row:
            raise InputError(f"{where}: column {name} is empty")
    made: Question = {name: _text(row[name], name, where) for name in NAMES if name in row}
    made.setdefault("question_id", f"{stem}.{number:04d}")
    split = made.setdefault("split", SPLITS[0])
    if split not in SPLITS:
        raise InputError(
            f"{where}: split is {split!r}, expected test (is asked) or dev (a worked example)"
        )
    subject = made.setdefault("subject", stem)
    made.setdefault("category", subject)
    for name in ("subject", "category"):
        if made[name] == "all":
            raise InputError(f"{where}: {name} 'all': tables call the mean over all of them so")
    question = _text(row["question"], "question", where)
    if not has_choices:
        return {**made, "input": question, "target": _text(row["answer"], "answer", where)}
    choices = _choices(row, where)
    gold = _gold(row["answer"], choices, where)
    return {**made, "question": question, "choices": choices, "gold": gold}


def _text(cell: object, name: str, where: str) -> str:
    """A cell as text; numbers are written out (7.0 as 7)."""
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    if isinstance(cell, bool) or not isinstance(cell, str | int | float):
        raise InputError(f"{where}: column {name} holds {str(cell)[:40]!r}, expected text")
    return without_edges(str(cell))


def _choices(row: Question, where: str) -> list[str]:
    cells: Any = row.get("choices")
    cells = cells.tolist() if hasattr(cells, "tolist") else cells
    if not isinstance(cells, list) or len(cells) < 2:
        raise InputError(f"{where}: {cells!r} are the choices, expected a list of 2 or more")
    choices = []
    for letter, cell in zip(LETTERS, cells, strict=False):
        if _is_missing(cell):
            raise InputError(f"{where}: choice {letter} is empty")
        choices.append(_text(cell, f"choice {letter}", where))
    if len(cells) > len(LETTERS):
        raise InputError(f"{where}: {len(cells)} choices, expected at most {len(LETTERS)}")
    return choices


def _gold(answer: object, choices: Sequence[str], where: str) -> int:
    """Which choice is right: a letter, a choice's text, or (no CSV) a number from 0."""
    if isinstance(answer, int | float) and not isinstance(answer, bool):
        if answer in range(len(choices)):
            return int(answer)
        raise InputError(f"{where}: answer {answer}, expected 0 to {len(choices) - 1}, or a letter")
    said = _text(answer, "answer", where)
    letter = LETTERS.find(said.upper()) if len(said) == 1 else -1
    by_letter = {letter} if 0 <= letter < len(choices) else set()
    by_text = {index for index, choice in enumerate(choices) if choice == said}
    right = by_letter | by_text
    if len(right) == 1:
        return right.pop()
    if right:
        raise InputError(
            f"{where}: answer {said!r} is both a letter and the text of another choice, or of two "
            "choices; give the letter of a choice with another text"
        )
    raise InputError(
        f"{where}: answer {said!r}, expected a letter from A to {LETTERS[len(choices) - 1]}, or "
        f"the text of a choice ({', '.join(choices)})"
    )
