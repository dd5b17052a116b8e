"""The stimuli table of own data: CSV as spreadsheets, R and Python write it, or Parquet."""

import csv
import difflib
import io
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from brainalign.errors import InputError
from brainalign.formats.datasets import STIMULUS_COLUMNS
from brainalign.formats.text import decode

NAMES = ("stimulus_id", "context_group", "split_group")
TEXT = (*NAMES, "text", "sentence_id")  # columns that are read as they stand
NUMBERS = ("position", "onset", "offset", "word_in_sentence", "length", "log_frequency")
UNTIMED = ("onset", "offset")  # columns that may be absent
MISSING = frozenset({"na", "n/a", "nan", "none", "null", "-", "--", ".", "?"})

# Blanks of all kinds, control characters, and characters that nobody sees.
_EDGE = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u00ad\u200b\u200e\u200f\u2060\ufeff]+")
_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d+)?", re.ASCII)
_WHOLE = re.compile(r"[-+]?\d{1,18}", re.ASCII)
_ZEROS = re.compile(r"[-+]?0\d+", re.ASCII)  # a code, not a number
_COMMA = re.compile(r"[-+]?\d*,\d+", re.ASCII)
_RETURN = re.compile(r"\r(?!\n)")  # no part of a line end
_FLAGS = {"true": True, "false": False}
# What a model's tokens depend on and nobody sees: kept, and told.
_INSIDE = {
    "line ends or tabs inside": re.compile(r"[\t\n\v\f\r\x85\u2028\u2029]"),
    "no-break, wide or zero-width blanks inside": re.compile(
        r"[\u00a0\u1680\u2000-\u200b\u202f\u205f\u2060\u3000\ufeff]"
    ),
    "several blanks in a row inside": re.compile("  "),
    "U+FFFD, which a program wrote for letters that it could not read": re.compile("\ufffd"),
    "letters that look like UTF-8 read as Latin-1": re.compile(
        "[\u00c2\u00c3][\u0080-\u00bf]|\u00e2\u20ac|\u00e2\u0080"
    ),
}  # fmt: skip


@dataclass
class Findings:
    """What a reader found in own data, for the data card.

    Attributes
    ----------
    changed : a line per change of what the files say.
    notes : a line per fact that was left as it is.
    dropped : `what`, `n`, `why` of what was left out.
    """

    changed: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    dropped: list[dict[str, object]] = field(default_factory=list)


def read_stimuli(content: bytes, where: str, findings: Findings) -> pd.DataFrame:
    """The stimuli table in the project's own form, its names and texts without blanks at the ends.

    Parameters
    ----------
    content : of a CSV file if `where` ends in .csv or .csv.gz, else of a Parquet file.
    where : the file's path, for errors.
    findings : told what was changed, left out and noticed.

    Raises
    ------
    InputError : it is not such a table; names column, row (as a spreadsheet counts: the header is
        row 1) and cell.
    """
    if where.removesuffix(".gz").endswith(".csv"):
        stimuli, rows = _csv_table(decode(_readable(content, where), where), where, findings)
    else:
        stimuli = _parquet_table(content, where)
        rows = list(range(2, len(stimuli) + 2))
    for name in UNTIMED:
        if name not in stimuli:
            stimuli[name] = np.nan
    missing = [name for name in STIMULUS_COLUMNS if name not in stimuli]
    if missing:
        raise InputError(f"{where}: {_absent(missing, [str(name) for name in stimuli])}")
    for name in (*NAMES, "text"):
        stimuli[name] = _without_edges(stimuli[name], name, stimuli["stimulus_id"], findings)
    _check_ids(stimuli["stimulus_id"], rows, where)
    findings.notes += _inside(stimuli)
    return stimuli


def without_edges(text: str) -> str:
    """A text without blanks, control and invisible characters at its ends."""
    start, end = _EDGE.match(text), len(text)
    while end and _EDGE.fullmatch(text[end - 1]):
        end -= 1
    return text[start.end() if start and start.end() <= end else 0 : end]


def _readable(content: bytes, where: str) -> bytes:
    if content.startswith(b"PK\x03\x04"):
        raise InputError(f'{where}: an Excel workbook; save it as "CSV UTF-8 (comma delimited)"')
    return content


# CSV -----------------------------------------------------------------------------------------


def _csv_table(text: str, where: str, findings: Findings) -> tuple[pd.DataFrame, list[int]]:
    """The table, and the row of each stimulus in the file."""
    # Python and R leave a carriage return inside a cell without quotes, where it would end the row.
    # No text holds NUL (`decode`).
    if "\n" in text:
        text = _RETURN.sub("\0", text)
    try:
        lines = csv.reader(io.StringIO(text, newline=""), strict=True)
        records = [[cell.replace("\0", "\r") for cell in cells] for cells in lines]
    except csv.Error as error:
        raise InputError(f"{where}: not a readable table ({error})") from error
    filled = [
        (row, cells) for row, cells in enumerate(records, 1) if any(map(without_edges, cells))
    ]
    if not filled:
        raise InputError(f"{where}: not a readable table (the file is empty)")
    first, header = filled[0]
    header = [without_edges(name) for name in header]
    _check_header(header, where)
    rows, blank = [row for row, _ in filled[1:]], len(records) - first + 1 - len(filled)
    if blank:
        findings.dropped.append({"what": "rows of the table", "n": blank, "why": "all cells empty"})
    table = [_row(cells, len(header), f"{where}: row {row}") for row, cells in filled[1:]]
    columns = {}
    for place, name in enumerate(header):
        cells = [row[place] for row in table]
        if name:
            columns[name] = _column(name, cells, rows, where, findings)
        elif any(cells):
            why = "no name in the header (row numbers?)"
            findings.dropped.append({"what": "columns of the table", "n": 1, "why": why})
    return pd.DataFrame(columns), rows


def _check_header(header: Sequence[str], where: str) -> None:
    twice = next((name for name in header if name and header.count(name) > 1), None)
    if twice:
        raise InputError(f"{where}: column {twice} appears twice in the header")
    (only, *more) = header
    if only.lower().startswith("sep="):
        raise InputError(
            f"{where}: the first line is {only!r}; save the table separated by commas, without it"
        )
    separator = next((mark for mark in (";", "\t", "|") if mark in only), None)
    if separator and not more:
        raise InputError(
            f"{where}: its only column is {only[:60]!r}: separated by {separator!r}, expected ','; "
            'save the table as "CSV UTF-8 (comma delimited)", its numbers with points'
        )


def _row(cells: list[str], width: int, where: str) -> list[str]:
    if len(cells) < width or any(cells[width:]):
        found = f", the first too many is {cells[width]!r}" if len(cells) > width else ""
        raise InputError(
            f"{where}: {len(cells)} cells, expected {width} as in the header{found} (a text with a "
            "comma stands in double quotes)"
        )
    return cells[:width]


def _column(
    name: str, cells: list[str], rows: Sequence[int], where: str, findings: Findings
) -> pd.Series:
    if name in TEXT:
        return pd.Series([cell if cell else None for cell in cells], dtype="str")
    stripped = [without_edges(cell) for cell in cells]
    filled = [cell for cell in stripped if cell]
    if name in NUMBERS:
        for row, cell in zip(rows, stripped, strict=True):
            if cell and not _NUMBER.fullmatch(cell):
                raise InputError(f"{where}: row {row}: {_no_number(name, cell)}")
        return _numbers(stripped)
    if filled and all(cell.lower() in _FLAGS for cell in filled) and len(filled) == len(cells):
        return pd.Series([_FLAGS[cell.lower()] for cell in stripped], dtype=bool)
    if any(map(_ZEROS.fullmatch, filled)):
        return pd.Series([cell if cell else None for cell in cells], dtype="str")
    if all(map(_NUMBER.fullmatch, filled)):
        return _numbers(stripped)
    odd = [cell for cell in filled if not _NUMBER.fullmatch(cell)]
    if all(map(_COMMA.fullmatch, odd)):
        row = rows[stripped.index(odd[0])]
        raise InputError(f"{where}: row {row}: {_no_number(name, odd[0])}")
    if len(odd) < len(filled) and all(cell.lower() in MISSING for cell in odd):
        findings.notes.append(
            f"column {name} holds numbers and {odd[0]!r} ({len(odd)} times): read as text; leave "
            "cells of missing numbers empty"
        )
    return pd.Series([cell if cell else None for cell in cells], dtype="str")


def _no_number(name: str, cell: str) -> str:
    hint = ""
    if _COMMA.fullmatch(cell):
        hint = f" with a point ({cell.replace(',', '.')})"
    elif cell.lower() in MISSING:
        hint = ", or an empty cell where none is known"
    return f"column {name} holds {cell!r}, expected a number{hint}"


def _numbers(cells: Iterable[str]) -> pd.Series:
    cells = list(cells)
    if cells and all(map(_WHOLE.fullmatch, cells)):
        return pd.Series([int(cell) for cell in cells], dtype=np.int64)
    return pd.Series([float(cell) if cell else np.nan for cell in cells], dtype=float)


# Parquet -------------------------------------------------------------------------------------


def _parquet_table(content: bytes, where: str) -> pd.DataFrame:
    try:
        table = pd.read_parquet(io.BytesIO(content))
    # A damaged Parquet file fails in many ways; all mean the same.
    except Exception as error:
        raise InputError(f"{where}: not a readable table ({error})") from error
    named = any(name is not None for name in table.index.names)
    table = table.reset_index(drop=not named)
    table.columns = pd.Index([str(name) for name in table.columns])
    for name in TEXT:
        if name in table:
            cells = [_as_text(cell, name, where) for cell in table[name].tolist()]
            table[name] = pd.Series(cells, dtype="str")
    for column in table:
        extended = not isinstance(table[column].dtype, np.dtype)
        if extended and pd.api.types.is_numeric_dtype(table[column]):
            table[column] = table[column].astype(float)
    return table


def _as_text(value: Any, name: str, where: str) -> str | None:
    """A cell of a column of names or texts: byte strings are UTF-8, 7.0 is 7."""
    if isinstance(value, bytes):
        return decode(value, f"{where}: column {name}")
    if value is None or (not isinstance(value, str) and pd.isna(value)):
        return None
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


# Both ----------------------------------------------------------------------------------------


def _absent(missing: Sequence[str], found: Sequence[str]) -> str:
    near = difflib.get_close_matches(missing[0].lower(), [name.lower() for name in found], n=1)
    spelt = next((name for name in found if near and name.lower() == near[0]), "")
    hint = f" (is it {spelt!r}?)" if spelt and spelt not in STIMULUS_COLUMNS else ""
    return f"column {', '.join(missing)} is missing{hint}; it has {', '.join(found) or 'none'}"


def _without_edges(cells: pd.Series, name: str, ids: pd.Series, findings: Findings) -> pd.Series:
    clean = cells.map(without_edges, na_action="ignore")
    changed = (clean != cells) & cells.notna()
    if changed.any():
        first = without_edges(str(ids[changed].iloc[0]))
        findings.changed.append(
            f"{name}: blanks or invisible characters at the ends of {int(changed.sum())} are taken "
            f"off, first of stimulus {first}"
        )
    return clean.where(clean != "", None).astype("str")


def _check_ids(ids: pd.Series, rows: Sequence[int], where: str) -> None:
    seen: dict[str, int] = {}
    for name, row in zip(ids, rows, strict=True):
        if not isinstance(name, str):
            raise InputError(f"{where}: row {row}: stimulus_id is missing")
        if name in seen:
            raise InputError(
                f"{where}: row {row}: stimulus_id {name!r} is that of row {seen[name]}"
            )
        seen[name] = row


def _inside(stimuli: pd.DataFrame) -> list[str]:
    """A line for each oddity inside the stimuli that a model's tokens depend on."""
    texts = stimuli["text"].fillna("")
    found: dict[str, Callable[[str], object]] = {
        what: pattern.search for what, pattern in _INSIDE.items()
    }
    found["letters and accents apart (not Unicode's composed form, NFC)"] = lambda text: (
        not unicodedata.is_normalized("NFC", text)
    )
    lines = []
    for what, has in found.items():
        odd = texts.map(lambda text, has=has: bool(has(text))).to_numpy(bool)
        if odd.any():
            first = stimuli["stimulus_id"][odd].iloc[0]
            lines.append(
                f"{int(odd.sum())} of {len(texts)} stimuli hold {what}, first {first}: kept, as "
                "models read them"
            )
    return lines
