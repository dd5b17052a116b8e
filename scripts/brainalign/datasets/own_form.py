"""Responses in the project's own form, of values and of what their rows and columns are.

What every format but netCDF, which says all of it itself, is turned into.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from brainalign.datasets.own_csv import Columns, without_edges
from brainalign.datasets.own_findings import Findings
from brainalign.datasets.own_table import read_table, require
from brainalign.datasets.settings import Own
from brainalign.errors import InputError
from brainalign.formats.datasets import UNITS_UNKNOWN

if TYPE_CHECKING:  # planning goes without it
    import xarray as xr

Unpacked = Callable[[str], tuple[str, bytes]]  # a path of the config → where it lies, its content

REGION = {"brain": "brain", "reading-times": "all"}  # where none is named
TARGETS = Columns({"target_id", "subject", "region"}.__contains__, {"label"}.__contains__)


def read_targets(where: str, content: bytes, kind: str | None, findings: Findings) -> pd.DataFrame:
    """The table that says whose response each column is.

    Returns
    -------
    `target_id`, `subject`, `region`, a row per target in the file's order. Without a column
    `target_id` a target is called `SUBJECT.REGION`, without `region` it is `subject`.

    Raises
    ------
    InputError : it is no such table, or a name is missing.
    """
    table, rows = read_table(content, where, TARGETS, findings)
    require_targets(table, where)
    regionless = "region" not in table
    if regionless:
        table["region"] = REGION[str(kind)]
    if "target_id" not in table:
        table["target_id"] = (
            table["subject"] if regionless else table["subject"] + "." + table["region"]
        )
    for name in ("target_id", "subject", "region"):
        table[name] = table[name].map(without_edges, na_action="ignore")
        empty = np.flatnonzero(table[name].isna() | (table[name] == ""))
        if empty.size:
            raise InputError(f"{where}: row {rows[empty[0]]}: {name} is missing")
    return table[["target_id", "subject", "region"]]


def require_targets(columns: Iterable[object], where: str) -> None:
    """Raise an InputError unless a table of targets has its columns."""
    require(columns, ["subject"], where)


def made_responses(
    values: np.ndarray,
    targets: pd.DataFrame,
    source: Own,
    *,
    ids: Sequence[str] | None = None,
    file_rows: Sequence[int] | np.ndarray | None = None,
    onset: np.ndarray | None = None,
    run: Sequence[str] | None = None,
) -> xr.Dataset:
    """The responses as docs/architecture.md, "responses.nc", has them.

    Parameters
    ----------
    values : float32 or float64 [row, target].
    targets : `target_id`, `subject`, `region`, a row per target.
    source : the config's; with `tr` rows are volumes, else stimuli.
    ids : stimulus of each row; None: the stimuli table's, in its order.
    file_rows : [row], or [row, target]: the row of the file that each stands in; default: its index
        from 1. Kept as coordinate `file_row`.
    onset : of each volume, s; None: a volume every `tr`.
    run : of each volume; None: all one.
    """
    import xarray as xr

    kind, tr, n = str(source.kind), source.tr, len(values)
    row = "stimulus" if tr is None else "volume"
    coordinates: dict[str, Any] = {
        name: ("target", targets[name].tolist()) for name in ("target_id", "subject", "region")
    }
    rows = np.arange(1, n + 1) if file_rows is None else np.asarray(file_rows)
    coordinates["file_row"] = ((row, "target")[: rows.ndim], rows)
    if tr is None and ids is not None:
        coordinates["stimulus_id"] = (row, list(ids))
    if tr is not None:
        coordinates["onset"] = (row, np.arange(n) * float(tr) if onset is None else onset)
        coordinates["run"] = (row, ["1"] * n if run is None else list(run))
    attributes = {
        "kind": kind,
        "units": source.units or ("ms" if kind == "reading-times" else UNITS_UNKNOWN),
        "source": source.citation or "your own",
        "licence": "your own",
        "simulated": 0,
    }
    if tr is not None:
        attributes["tr"] = float(tr)
    return xr.Dataset(
        {"responses": ((row, "target"), values)},
        coords=coordinates,
        attrs=attributes,
    )


def run_names(lengths: Sequence[int]) -> list[str]:
    """The run of each volume, counted from 1, of runs of so many volumes."""
    return [str(i) for i, volumes in enumerate(lengths, 1) for _ in range(volumes)]


def in_order(responses: xr.Dataset, stimuli: pd.DataFrame, where: str) -> xr.Dataset:
    """Untimed `responses` [stimulus, target] of `made_responses` in the order of the stimuli; those
    of netCDF as they are.

    Raises
    ------
    InputError : a stimulus has no row, or a row's stimulus is not in the table.
    """
    if "file_row" not in responses.coords:
        return responses
    known = stimuli["stimulus_id"].tolist()
    if "stimulus_id" not in responses.coords:
        if responses.sizes["stimulus"] != len(known):
            raise InputError(
                f"{where}: {responses.sizes['stimulus']} rows of responses for {len(known)} "
                "stimuli; expected a row per stimulus, in the order of the table"
            )
        return responses.assign_coords(stimulus_id=("stimulus", known))
    ids = responses["stimulus_id"].values.tolist()
    positions = {name: index for index, name in enumerate(ids)}
    strange = [name for name in ids if name not in set(known)]
    if strange:
        row = responses["file_row"].values[positions[strange[0]]].max()
        raise InputError(
            f"{where}: row {row}: stimulus_id {strange[0]!r} is not in the table of stimuli "
            f"({len(strange)} such)"
        )
    absent = [name for name in known if name not in positions]
    if absent:
        raise InputError(
            f"{where}: no row of stimulus {absent[0]!r} ({len(absent)} of {len(known)} stimuli "
            "have none)"
        )
    return responses.isel(stimulus=[positions[name] for name in known])
