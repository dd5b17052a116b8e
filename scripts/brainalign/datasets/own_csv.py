"""Delimited tables of the user's own, as spreadsheets, R and Python write them."""

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from brainalign.datasets.own_findings import Findings
from brainalign.errors import InputError
from brainalign.formats.text import decode

BEGINNING = 1 << 16  # bytes; longer than any header
DELIMITERS = ",;\t|"
MISSING = frozenset({"na", "n/a", "nan", "none", "null", "-", "--", ".", "?"})

# Blanks of all kinds, control characters, and characters that nobody sees.
_EDGE = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u00ad\u200b\u200e\u200f\u2060\ufeff]+")
_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?", re.ASCII)
_INTEGER = re.compile(r"[-+]?\d{1,18}", re.ASCII)
_ZEROS = re.compile(r"[-+]?0\d+", re.ASCII)  # a code, not a number
_COMMA = re.compile(r"[-+]?\d*,\d+([eE][-+]?\d+)?", re.ASCII)
_RETURN = re.compile(r"\r(?!\n)")  # no part of a line end
_EXCEL = re.compile(r"sep=[,;\t|][,;\t|]*\r?(\n|\Z)", re.IGNORECASE)
_FLAGS = {"true": True, "false": False}


@dataclass(frozen=True)
class Columns:
    """How the cells of a table's columns are read, by the columns' names.

    Attributes
    ----------
    is_text : cells stay as they stand.
    is_number : cells are numbers or empty; any other cell is an error. Of further columns the cells
        decide: numbers if all are, flags if all are, else text.
    na_is_missing : `NA`, `NaN` and the like in columns of numbers are missing numbers, not errors.
    """

    is_text: Callable[[str], bool]
    is_number: Callable[[str], bool]
    na_is_missing: bool = False


def delimiter_of(text: str, where: str) -> str:
    """The delimiter of a table: tabs in a `.tsv` file, else what its header has most of.

    Excel may write it into a first line, `sep=;`.
    """
    header = text.lstrip("\r\n").partition("\n")[0].partition("\r")[0]
    if _EXCEL.match(header):
        return header[len("sep=")]
    tabs = where.removesuffix(".gz").endswith(".tsv")
    return "\t" if tabs else max(DELIMITERS, key=header.count)


def read_csv(
    content: bytes, where: str, columns: Columns, findings: Findings
) -> tuple[pd.DataFrame, list[int]]:
    """The table, a column per named column of the file, and the row of each of its records in the
    file (the header is row 1).

    Commas, semicolons, tabs and bars divide cells; where it is not commas, numbers may have a
    decimal comma. `findings` gets one change that says both.

    Raises
    ------
    InputError : it is no such table; names column, row and cell.
    """
    delimiter, lines = records(content, where)
    filled = [(row, cells) for row, cells in enumerate(lines, 1) if any(map(without_edges, cells))]
    if not filled:
        raise InputError(f"{where}: not a readable table (the file is empty)")
    first, header = filled[0]
    header = [without_edges(name) for name in header]
    _check_header(header, where)
    rows, blank = [row for row, _ in filled[1:]], len(lines) - first + 1 - len(filled)
    if blank:
        findings.dropped.append({"what": "rows of the table", "n": blank, "why": "all cells empty"})
    table = [_row(cells, header, f"{where}: row {row}") for row, cells in filled[1:]]
    made, commas = {}, []
    for column, name in enumerate(header):
        cells = [row[column] for row in table]
        if name:
            if delimiter != "," and not columns.is_text(name):
                cells, n = _with_points(cells, columns.is_number(name))
                commas += [n] if n else []
            made[name] = _column(name, cells, rows, where, columns, findings)
        elif any(cells):
            why = "no name in the header (row numbers?)"
            findings.dropped.append({"what": "columns of the table", "n": 1, "why": why})
    tabs = where.removesuffix(".gz").endswith(".tsv")
    said = [f"divided by {delimiter!r}"] if delimiter != "," and not tabs else []
    if commas:
        each = f"{len(commas)} column{'s' * (len(commas) > 1)}"
        said.append(f"{sum(commas)} decimal commas in {each} read as points")
    if said:
        findings.changed.append(f"{where}: {', '.join(said)}")
    return pd.DataFrame(made), rows


def header_of(content: bytes, where: str) -> list[str]:
    """The names of a table's columns; no more of the content than its beginning is read."""
    _, lines = records(content[: content.rfind(b"\n", 0, BEGINNING) + 1] or content, where)
    filled = [cells for cells in lines if any(map(without_edges, cells))]
    return [name for name in map(without_edges, filled[0]) if name] if filled else []


def records(content: bytes, where: str) -> tuple[str, list[list[str]]]:
    """The delimiter, and the cells of each row; that of Excel's `sep=;` is empty.

    Raises
    ------
    InputError : it is an Excel workbook, in another encoding, or no delimited table.
    """
    if content.startswith(b"PK\x03\x04"):
        raise InputError(f'{where}: an Excel workbook; save it as "CSV UTF-8 (comma delimited)"')
    text = decode(content, where)
    delimiter = delimiter_of(text, where)
    # Python and R leave a carriage return inside a cell without quotes, where it would end the row.
    # No text holds NUL (`decode`).
    if "\n" in text:
        text = _RETURN.sub("\0", text)
    try:
        parsed = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        lines = [[cell.replace("\0", "\r") for cell in cells] for cells in parsed]
    except csv.Error as error:
        raise InputError(f"{where}: not a readable table ({error})") from error
    if _EXCEL.match(text):
        lines[0] = []
    return delimiter, lines


def without_edges(text: str) -> str:
    """A text without blanks, control and invisible characters at its ends."""
    start, end = _EDGE.match(text), len(text)
    while end and _EDGE.fullmatch(text[end - 1]):
        end -= 1
    return text[start.end() if start and start.end() <= end else 0 : end]


def _check_header(header: Sequence[str], where: str) -> None:
    twice = next((name for name in header if name and header.count(name) > 1), None)
    if twice:
        raise InputError(f"{where}: column {twice} appears twice in the header")


def _row(cells: list[str], header: Sequence[str], where: str) -> list[str]:
    width = len(header)
    if len(cells) < width or any(cells[width:]):
        excess = f", the first too many is {cells[width]!r}" if len(cells) > width else ""
        raise InputError(
            f"{where}: {len(cells)} cells, expected {width} as in the header "
            f"({', '.join(header)}){excess} (a text with a comma stands in double quotes)"
        )
    return cells[:width]


def _with_points(cells: list[str], is_number: bool) -> tuple[list[str], int]:
    """Cells with decimal points for commas, and how many have changed.

    `is_number` : whether it is a column of numbers. In another one all known cells have to be
    numbers, or nothing changes.
    """
    stripped = [without_edges(cell) for cell in cells]
    commas = [bool(_COMMA.fullmatch(cell)) for cell in stripped]
    known = [cell for cell in stripped if cell and cell.lower() not in MISSING]
    numbers = all(_COMMA.fullmatch(cell) or _NUMBER.fullmatch(cell) for cell in known)
    if not any(commas) or not (is_number or numbers):
        return cells, 0
    pairs = zip(stripped, commas, strict=True)
    return [cell.replace(",", ".") if comma else cell for cell, comma in pairs], sum(commas)


def _column(
    name: str,
    cells: list[str],
    rows: Sequence[int],
    where: str,
    columns: Columns,
    findings: Findings,
) -> pd.Series:
    if columns.is_text(name):
        return pd.Series([cell if cell else None for cell in cells], dtype="str")
    stripped = [without_edges(cell) for cell in cells]
    if columns.is_number(name):
        if columns.na_is_missing:
            stripped = ["" if cell.lower() in MISSING else cell for cell in stripped]
        for row, cell in zip(rows, stripped, strict=True):
            if cell and not _NUMBER.fullmatch(cell):
                raise InputError(
                    f"{where}: row {row}: {no_number(name, cell, columns.na_is_missing)}"
                )
        return _numbers(stripped)
    filled = [cell for cell in stripped if cell]
    if filled and all(cell.lower() in _FLAGS for cell in filled) and len(filled) == len(cells):
        return pd.Series([_FLAGS[cell.lower()] for cell in stripped], dtype=bool)
    if any(map(_ZEROS.fullmatch, filled)):
        return pd.Series([cell if cell else None for cell in cells], dtype="str")
    if all(map(_NUMBER.fullmatch, filled)):
        return _numbers(stripped)
    odd = [cell for cell in filled if not _NUMBER.fullmatch(cell)]
    if all(map(_COMMA.fullmatch, odd)):
        row = rows[stripped.index(odd[0])]
        raise InputError(f"{where}: row {row}: {no_number(name, odd[0])}")
    if len(odd) < len(filled) and all(cell.lower() in MISSING for cell in odd):
        findings.notes.append(
            f"column {name} holds numbers and {odd[0]!r} ({len(odd)} times): read as text; leave "
            "cells of missing numbers empty"
        )
    return pd.Series([cell if cell else None for cell in cells], dtype="str")


def no_number(name: str, cell: str, na_is_missing: bool = False) -> str:
    """The fault of a cell that should be a number; `na_is_missing` as of `Columns`."""
    hint = ""
    if _COMMA.fullmatch(cell):
        hint = f" with a point ({cell.replace(',', '.')})"
    elif cell.lower() in MISSING:
        hint = ", or an empty cell where none is known"
    elif na_is_missing:
        hint = "; an empty cell or NA where none was measured"
    return f"column {name} holds {cell!r}, expected a number{hint}"


def _numbers(cells: Sequence[str]) -> pd.Series:
    if cells and all(map(_INTEGER.fullmatch, cells)):
        return pd.Series([int(cell) for cell in cells], dtype=np.int64)
    return pd.Series([float(cell) if cell else np.nan for cell in cells], dtype=float)
