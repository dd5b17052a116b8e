"""Responses as a table: a column per target, or a row per response."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from brainalign.datasets.own_csv import Columns, without_edges
from brainalign.datasets.own_findings import Findings
from brainalign.datasets.own_form import REGION, made_responses
from brainalign.datasets.own_table import header, read_table, require
from brainalign.datasets.settings import Own
from brainalign.errors import InputError

if TYPE_CHECKING:  # planning goes without it
    import xarray as xr

TEXT = ("stimulus_id", "subject", "region", "run")
RESPONSE = "response"  # the column that makes a table a long one
ABOUT_ROWS = ("stimulus_id", "onset", "run")
COLUMNS = Columns(TEXT.__contains__, lambda name: name not in TEXT, na_is_missing=True)


def read(
    content: bytes,
    where: str,
    source: Own,
    targets: pd.DataFrame | None,
    findings: Findings,
) -> xr.Dataset:
    """`responses` [stimulus or volume, target], float64, of a table; with a column `response` it
    has a row per response, else a column per target.

    A wide table has `stimulus_id` (timed: a volume per row, and may have `run` and `onset`); its
    other columns are called SUBJECT or SUBJECT.REGION, or stand in `targets` by `target_id`. A long
    one has `stimulus_id`, `subject` and `response`, and may have `region`. Empty cells, NA and NaN
    are missing responses.

    Raises
    ------
    InputError : it is no such table; names column, row (the header is row 1) and cell.
    """
    require_responses(header(content, where), where, source)
    table, rows = read_table(content, where, COLUMNS, findings)
    for name in TEXT:
        if name in table:
            table[name] = table[name].map(without_edges, na_action="ignore")
    if source.tr is None:
        _check_filled(table, "stimulus_id", rows, where)
    long = RESPONSE in table
    return (_long if long else _wide)(table, rows, where, source, targets)


def require_responses(columns: Sequence[str], where: str, source: Own) -> None:
    """Raise an InputError unless a table of responses has its columns."""
    long = RESPONSE in columns
    if source.tr is not None:
        if long:
            raise InputError(
                f"{where}: column {RESPONSE} (a row per response), but tr says that rows are "
                "volumes of a scan; give a column per target"
            )
        return
    require(columns, ["stimulus_id", *(["subject"] if long else [])], where)
    if not long and "subject" in columns:
        raise InputError(
            f"{where}: column {RESPONSE} is missing, which a table with a row per response (column "
            f"subject) has; the columns found are {', '.join(columns)}"
        )


def _wide(
    table: pd.DataFrame,
    rows: Sequence[int],
    where: str,
    source: Own,
    targets: pd.DataFrame | None,
) -> xr.Dataset:
    timed = source.tr is not None
    if not timed:
        twice = table["stimulus_id"].duplicated().to_numpy()
        if twice.any():
            row = int(twice.argmax())
            raise InputError(
                f"{where}: row {rows[row]}: stimulus_id {table['stimulus_id'][row]!r} appears "
                "twice; in a table with a row per response the column is called response; the "
                f"columns found are {', '.join(map(str, table))}"
            )
    names = [name for name in map(str, table) if name not in ABOUT_ROWS]
    if not names:
        raise InputError(
            f"{where}: no column of responses; the columns found are {', '.join(map(str, table))}"
        )
    targets = _named(names, where, str(source.kind)) if targets is None else targets
    absent = [name for name in targets["target_id"].tolist() if name not in names]
    if absent or len(targets) != len(names):
        other = absent or [name for name in names if name not in set(targets["target_id"])]
        raise InputError(
            f"{where}: target {other[0]} is {'no column of it' if absent else 'not in targets'}; "
            f"its columns of responses are {', '.join(names)}"
        )
    if "run" in table and timed:
        _check_filled(table, "run", rows, where)
    return made_responses(
        table[targets["target_id"].tolist()].to_numpy(np.float64),
        targets,
        source,
        ids=None if timed else table["stimulus_id"].tolist(),
        file_rows=rows,
        onset=table["onset"].to_numpy(np.float64) if "onset" in table else None,
        run=table["run"].tolist() if "run" in table else None,
    )


def _long(
    table: pd.DataFrame,
    rows: Sequence[int],
    where: str,
    source: Own,
    targets: pd.DataFrame | None,
) -> xr.Dataset:
    if targets is not None:
        raise InputError(f"{where}: a row per response names its subject; leave targets out")
    _check_filled(table, "subject", rows, where)
    if "region" in table:
        _check_filled(table, "region", rows, where)
        key = table["subject"] + "." + table["region"]
    else:
        table["region"] = REGION[str(source.kind)]
        key = table["subject"]
    positions: dict[tuple[str, str], int] = {}
    for row, index in zip(rows, zip(table["stimulus_id"], key, strict=True), strict=True):
        if index in positions:
            raise InputError(
                f"{where}: row {row}: a second response of {index[1]} to stimulus {index[0]!r}; "
                f"the first is in row {positions[index]}"
            )
        positions[index] = row
    ids, targets = table["stimulus_id"].unique(), table.assign(target_id=key)
    targets = targets.drop_duplicates("target_id")[["target_id", "subject", "region"]]
    at = (
        pd.Index(ids).get_indexer(table["stimulus_id"]),
        pd.Index(targets["target_id"]).get_indexer(key),
    )
    values = np.full((len(ids), len(targets)), np.nan)
    values[at] = table[RESPONSE].to_numpy(np.float64)
    file_rows = np.zeros(values.shape, np.int64)
    file_rows[at] = rows
    return made_responses(values, targets, source, ids=ids.tolist(), file_rows=file_rows)


def _named(names: Sequence[str], where: str, kind: str) -> pd.DataFrame:
    """The targets of columns that are called SUBJECT or SUBJECT.REGION."""
    parts = [name.split(".") for name in names]
    if kind == "reading-times":
        parts = [[name] for name in names]
    odd = [name for name, part in zip(names, parts, strict=True) if len(part) > 2 or "" in part]
    if odd:
        raise InputError(
            f"{where}: column {odd[0]!r}, expected SUBJECT or SUBJECT.REGION; for other names "
            "give targets: a table of target_id, subject and region"
        )
    alone = [name for name, part in zip(names, parts, strict=True) if len(part) == 1]
    if alone and len(alone) < len(names):
        raise InputError(
            f"{where}: column {alone[0]!r} has no region, and others have (SUBJECT.REGION, with a "
            "dot); give all of them one, or none"
        )
    return pd.DataFrame(
        {
            "target_id": list(names),
            "subject": [part[0] for part in parts],
            "region": [part[1] if len(part) > 1 else REGION[kind] for part in parts],
        }
    )


def _check_filled(table: pd.DataFrame, name: str, rows: Sequence[int], where: str) -> None:
    empty = np.flatnonzero(table[name].isna() | (table[name] == ""))
    if empty.size:
        raise InputError(f"{where}: row {rows[empty[0]]}: {name} is missing")
