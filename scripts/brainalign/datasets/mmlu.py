"""MMLU: multiple-choice questions in 57 subjects (Hendrycks et al. 2021), from three releases."""

import csv
import io
import tarfile
from collections.abc import Iterator, Sequence

import pandas as pd

from brainalign.datasets.prepared import expect
from brainalign.datasets.question_counts import MMLU
from brainalign.datasets.question_settings import Mmlu
from brainalign.datasets.raw import RawFile, Record, content, raw_table, table_rows, text
from brainalign.datasets.subset import stratified
from brainalign.errors import InputError
from brainalign.formats.tables import read_table
from brainalign.formats.text import decode
from brainalign.resources import RESOURCES

LICENCE = "MIT"
SPLITS = ("dev", "test")
COUNTS = MMLU
HEADER = ["question", "choice0", "choice1", "choice2", "choice3", "answer"]
COLUMNS = ("subject", "question", "choices", "answer")  # of the hub's release
LETTERS = "ABCD"

Row = tuple[str, str, str, list[str], int]  # subject, split, question, choices, gold


def raw_files(source: Mmlu) -> list[RawFile]:
    """The files of the release that `source` names: `csv` (a file per subject), `tar`, or `hub`."""
    table = raw_table("mmlu", LICENCE)
    ending = {"csv": ".csv", "tar": ".tar", "hub": ".parquet"}[source.release]
    return [file for path, file in table.items() if path.endswith(ending)]


def read(records: Sequence[Record], source: Mmlu, seed: int) -> pd.DataFrame:
    """The questions table (docs/architecture.md), the dev split whole, `per_subject` of the test.

    Raises
    ------
    InputError : a file is no table of questions, an answer is outside A-D, a subject is unknown or
        missing.
    """
    reader = {"csv": _from_csv, "tar": _from_tar, "hub": _from_hub}[source.release]
    table = pd.DataFrame(
        [row for record in records for row in reader(record)],
        columns=["subject", "split", "question", "choices", "gold"],
    )
    where = records[0].path if len(records) == 1 else f"mmlu ({source.release})"
    categories = read_table(RESOURCES / "categories" / "mmlu.csv").set_index("subject")["category"]
    strange = sorted(set(table["subject"]) ^ set(categories.index))
    if strange:
        raise InputError(f"{where}: subjects {', '.join(strange[:5])} are unknown or missing")
    # The releases order subjects differently; within a subject they agree.
    order = {name: i for i, name in enumerate(sorted(categories.index))}
    table = table.sort_values(
        ["split", "subject"],
        key=lambda column: column.map(order) if column.name == "subject" else column,
        kind="stable",
        ignore_index=True,
    )
    for split, expected in COUNTS.items():
        expect(
            int((table["split"] == split).sum()), expected, where, f"number of {split} questions"
        )
    number = table.groupby(["split", "subject"]).cumcount()
    table.insert(
        0,
        "question_id",
        table["subject"] + "." + table["split"] + "." + number.map("{:04d}".format),
    )
    table["category"] = table["subject"].map(categories)
    table = table[["question_id", "split", "subject", "category", "question", "choices", "gold"]]
    return stratified(table, source.per_subject, seed, keep=table["split"] == "dev")


def _from_csv(record: Record) -> Iterator[Row]:
    """One subject and split, with a header; the answer is an index 0-3."""
    subject, split = _subject_and_split(record.name, record.path)
    rows = _csv_rows(text(record), record.path)
    if next(rows, None) != HEADER:
        raise InputError(f"{record.path}: header is not {','.join(HEADER)}")
    for number, row in enumerate(rows):
        yield _row(subject, split, row, "0123", f"{record.path}: question {number}")


def _from_tar(record: Record) -> Iterator[Row]:
    """The authors' archive: data/SPLIT/SUBJECT_SPLIT.csv without header, the answer a letter."""
    try:
        with tarfile.open(fileobj=io.BytesIO(content(record))) as archive:
            for member in archive:
                parts = member.name.split("/")
                if not member.isfile() or len(parts) != 3 or parts[1] not in SPLITS:
                    continue
                where = f"{record.path}: {member.name}"
                file = archive.extractfile(member)
                subject, split = _subject_and_split(member.name, where)
                rows = _csv_rows(decode(file.read() if file else b"", where), where)
                for number, row in enumerate(rows):
                    yield _row(subject, split, row, LETTERS, f"{where}: question {number}")
    except tarfile.TarError as error:
        raise InputError(f"{record.path}: not a whole tar archive ({error})") from error


def _from_hub(record: Record) -> Iterator[Row]:
    """One split of cais/mmlu, configuration all: question, subject, choices, answer 0-3."""
    split = record.name.split("/")[-1].split("-")[0]
    for number, line in enumerate(table_rows(record, COLUMNS)):
        where = f"{record.path}: question {number}"
        subject, question, choices, answer = (line[name] for name in COLUMNS)
        if not isinstance(choices, list):
            raise InputError(f"{where}: no list of choices")
        texts = [subject, question, *choices]
        if not all(isinstance(entry, str) for entry in texts):
            odd = next(entry for entry in texts if not isinstance(entry, str))
            raise InputError(f"{where}: {odd!r} where a text is expected")
        yield _row(subject, split, [question, *choices, str(answer)], "0123", where)


def _subject_and_split(name: str, where: str) -> tuple[str, str]:
    stem = name.split("/")[-1].removesuffix(".csv")
    subject, _, split = stem.rpartition("_")
    if split not in SPLITS:
        raise InputError(f"{where}: {stem} is not SUBJECT_dev or SUBJECT_test")
    return subject, split


def _csv_rows(table: str, where: str) -> Iterator[list[str]]:
    try:
        yield from csv.reader(io.StringIO(table, newline=""), strict=True)
    except csv.Error as error:
        raise InputError(f"{where}: not a CSV table ({error})") from error


def _row(subject: str, split: str, fields: list[str], answers: str, where: str) -> Row:
    if len(fields) != 6:
        raise InputError(f"{where}: {len(fields)} fields, expected {len(HEADER)}")
    question, *choices, answer = fields
    if len(answer) != 1 or answer not in answers:
        raise InputError(f"{where}: answer {answer!r}, expected one of {', '.join(answers)}")
    if not question.strip():
        raise InputError(f"{where}: the question is empty")
    return subject, split, question, choices, answers.index(answer)
