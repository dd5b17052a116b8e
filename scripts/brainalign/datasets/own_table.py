"""Tables of the user's own, CSV, TSV or Parquet, and the stimuli table among them."""

import difflib
import io
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from brainalign.datasets.own_csv import (
    Columns,
    Findings,
    header_of,
    no_number,
    read_csv,
    without_edges,
)
from brainalign.errors import InputError
from brainalign.formats.datasets import STIMULUS_COLUMNS, check_stimuli
from brainalign.formats.text import decode

NAMES = ("stimulus_id", "context_group", "split_group")
TEXT = (*NAMES, "text", "sentence_id")  # columns that are read as they stand
NUMBERS = ("position", "onset", "offset", "word_in_sentence", "length", "log_frequency")
UNTIMED = ("onset", "offset")  # columns that may be absent
STRINGS = ("stimulus_id", "text", "condition")  # columns of a localizer
STIMULI = Columns(TEXT.__contains__, NUMBERS.__contains__)
DELIMITED = (".csv", ".tsv")

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


def read_table(
    content: bytes, where: str, columns: Columns, findings: Findings
) -> tuple[pd.DataFrame, list[int]]:
    """A table, and the row of each of its records as a spreadsheet counts (the header is row 1).

    Parameters
    ----------
    content : of a delimited file if `where` ends in .csv or .tsv (or these and .gz), else of a
        Parquet file.
    where : the file's path, for errors.
    findings : records what was changed, left out and noticed.

    Raises
    ------
    InputError : it is not such a table; names column, row and cell.
    """
    if where.removesuffix(".gz").endswith(DELIMITED):
        return read_csv(content, where, columns, findings)
    table = _parquet_table(content, where, columns)
    return table, list(range(2, len(table) + 2))


def read_stimuli(
    content: bytes, where: str, findings: Findings, *, timed: bool = False
) -> tuple[pd.DataFrame, list[int]]:
    """The stimuli table in the project's own form, its names and texts without blanks at the ends,
    and the row of each stimulus in the file.

    Parameters
    ----------
    content, where, findings : as of `read_table`.
    timed : whether the responses are volumes of a scan, which need an onset of each stimulus.

    Raises
    ------
    InputError : as `read_table`, or it is no table of stimuli.
    """
    stimuli, rows = read_table(content, where, STIMULI, findings)
    require_stimuli(stimuli, where, timed=timed)
    for name in UNTIMED:
        if name not in stimuli:
            stimuli[name] = np.nan
    tidy(stimuli, (*NAMES, "text"), rows, where, findings)
    check_stimuli(stimuli, where, rows)
    return stimuli, rows


def tidy(
    stimuli: pd.DataFrame,
    columns: Sequence[str],
    rows: Sequence[int],
    where: str,
    findings: Findings,
) -> None:
    """Take blanks off the ends of names and texts, in place, and note what is odd inside texts.

    Parameters
    ----------
    stimuli : has `stimulus_id`, `text` and the other `columns` of text, a record in each row.
    rows : of the file, where each record stands.

    Raises
    ------
    InputError : an id is missing or that of another row.
    """
    for name in columns:
        stimuli[name] = _without_edges(stimuli[name], name, stimuli["stimulus_id"], findings)
    _check_ids(stimuli["stimulus_id"], rows, where)
    findings.notes += _inside(stimuli)


def header(content: bytes, where: str) -> list[str]:
    """The names of a table's columns, content and path as of `read_table`.

    Raises
    ------
    InputError : it is no such table.
    """
    if where.removesuffix(".gz").endswith(DELIMITED):
        return header_of(content, where)
    from pyarrow import ArrowException
    from pyarrow.parquet import read_schema

    try:
        return list(read_schema(io.BytesIO(content)).names)
    except (ArrowException, OSError) as error:
        raise InputError(f"{where}: not a readable table ({error})") from error


def require_stimuli(columns: Iterable[object], where: str, *, timed: bool) -> None:
    """Raise an InputError unless a table of stimuli has its columns; `timed` as of `read_stimuli`.

    Columns of times may be absent, the onset only without a scan.
    """
    absent_too = UNTIMED[1:] if timed else UNTIMED
    require(columns, [name for name in STIMULUS_COLUMNS if name not in absent_too], where)


def require_strings(columns: Iterable[object], where: str) -> None:
    """Raise an InputError unless a table of a localizer's strings has its columns."""
    require(columns, STRINGS, where)


def require(columns: Iterable[object], names: Sequence[str], where: str) -> None:
    """Raise an InputError unless a table has columns; names those that it has."""
    present = [str(name) for name in columns]
    missing = [name for name in names if name not in present]
    if not missing:
        return
    near = difflib.get_close_matches(missing[0].lower(), [name.lower() for name in present], n=1)
    spelt = next(
        (
            name
            for name in present
            if name.lower() in near or missing[0].endswith(f"_{name.lower()}")
        ),
        "",
    )
    hint = f" (is it {spelt!r}?)" if spelt and spelt not in names else ""
    times = "; timed responses need the onset of each stimulus" if "onset" in missing else ""
    raise InputError(
        f"{where}: column {', '.join(missing)} is missing{hint}; the columns found are "
        f"{', '.join(present) or 'none'}{times}"
    )


def _parquet_table(content: bytes, where: str, columns: Columns) -> pd.DataFrame:
    try:
        table = pd.read_parquet(io.BytesIO(content))
    # A damaged Parquet file fails in many ways; all mean the same.
    except Exception as error:
        raise InputError(f"{where}: not a readable table ({error})") from error
    named = any(name is not None for name in table.index.names)
    table = table.reset_index(drop=not named)
    table.columns = pd.Index([str(name) for name in table.columns])
    for name in map(str, table.columns):
        if columns.is_text(name):
            cells = [_as_text(cell, name, where) for cell in table[name].tolist()]
            table[name] = pd.Series(cells, dtype="str")
        elif pd.api.types.is_numeric_dtype(table[name]):
            if not isinstance(table[name].dtype, np.dtype):
                table[name] = table[name].astype(float)
        elif columns.is_number(name):
            table[name] = _as_numbers(table[name], name, where)
    return table


def _as_text(value: Any, name: str, where: str) -> str | None:
    """A cell of a column of names or texts: byte strings are UTF-8, 7.0 is 7."""
    if isinstance(value, bytes):
        return decode(value, f"{where}: column {name}")
    if value is None or (not isinstance(value, str) and pd.isna(value)):
        return None
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _as_numbers(cells: pd.Series, name: str, where: str) -> pd.Series:
    """A column of objects that are numbers, or missing."""
    for row, cell in enumerate(cells, 2):
        if not (isinstance(cell, int | float) or pd.isna(cell)):
            raise InputError(f"{where}: row {row}: {no_number(name, str(cell))}")
    return cells.astype(float)


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
    tests: dict[str, Callable[[str], object]] = {
        what: pattern.search for what, pattern in _INSIDE.items()
    }
    tests["letters and accents apart (not Unicode's composed form, NFC)"] = lambda text: (
        not unicodedata.is_normalized("NFC", text)
    )
    lines = []
    for what, has in tests.items():
        odd = texts.map(lambda text, has=has: bool(has(text))).to_numpy(bool)
        if odd.any():
            first = stimuli["stimulus_id"][odd].iloc[0]
            lines.append(
                f"{int(odd.sum())} of {len(texts)} stimuli hold {what}, first {first}: kept, as "
                "models read them"
            )
    return lines
