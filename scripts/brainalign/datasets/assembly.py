"""Brain-Score assemblies: netCDF files of one array with flattened multi-indexes.

The values are the variable `data`; every level of an index is a one-dimensional variable along
its dimension. Files exist as netCDF-4 (HDF5, strings of variable length) and, from older xarray
versions, as netCDF-3 (strings as arrays of characters).
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from brainalign.datasets.raw import RawFile, Record, content
from brainalign.errors import InputError

BUCKET = "https://brainscore-storage.s3.amazonaws.com/brainscore-language"
LICENCE = "not stated in the file; shared publicly through Brain-Score, cite the paper"
ROWS = "presentation"


@dataclass(frozen=True)
class Assembly:
    """Values [row, target] and the levels over each dimension that a reader asked for."""

    values: np.ndarray
    rows: pd.DataFrame
    targets: pd.DataFrame
    where: str


def assembly_file(name: str, sha1: str) -> RawFile:
    """The raw file of Brain-Score's assembly `name`."""
    return RawFile(
        path=f"brainscore/assy_{name}.nc",
        url=f"{BUCKET}/assy_{name}.nc",
        digest=f"sha1:{sha1}",
        licence=LICENCE,
    )


def read_assembly(
    record: Record,
    rows: Mapping[str, Sequence[str]],
    targets: Mapping[str, Sequence[str]],
    target_dimension: str = "neuroid",
) -> Assembly:
    """Read an assembly whole.

    Parameters
    ----------
    rows, targets : our name of a level → the names that it has had in the file, first found wins.

    Raises
    ------
    InputError : not a whole netCDF file, other dimensions, a level is missing, a stimulus is
        repeated, or no value is finite.
    """
    where = record.path
    dataset = _open(record)
    array = _values(dataset, target_dimension, where)
    assembly = Assembly(
        values=array,
        rows=_levels(dataset, ROWS, rows, where),
        targets=_levels(dataset, target_dimension, targets, where),
        where=where,
    )
    ids = assembly.rows["stimulus_id"]
    if ids.duplicated().any():
        raise InputError(f"{where}: stimulus_id {ids[ids.duplicated()].iloc[0]} appears twice")
    return assembly


def sortable(ids: pd.Series) -> pd.Series:
    """Stimulus ids [row] as strings that sort as the file's values do.

    Brain-Score draws its shuffled folds over the sorted unique ids, so numbers are padded with
    zeros, and strings stay as they are.
    """
    if not pd.api.types.is_integer_dtype(ids):
        return ids.astype(str)
    width = len(str(ids.max()))
    return ids.map(lambda number: f"{number:0{width}d}")


def in_reading_order(rows: pd.DataFrame, group: str, order: Sequence[str]) -> np.ndarray:
    """Indices, int64 [row], that bring every `group` into the order of the columns `order`, as the
    file has it where it can.

    The file's order is kept when its groups already read forwards, for then our rows are its rows;
    otherwise groups follow each other by first appearance, and read forwards inside.
    """
    ranks = rows[list(order)].apply(tuple, axis=1)
    forwards = all(
        list(part) == sorted(part) and len(set(part)) == len(part)
        for _, part in ranks.groupby(rows[group], sort=False)
    )
    if forwards:
        return np.arange(len(rows))
    first = {name: i for i, name in enumerate(rows[group].drop_duplicates())}
    keys = pd.DataFrame({"group": rows[group].map(first), **{k: rows[k] for k in order}})
    return keys.sort_values(["group", *order], kind="stable").index.to_numpy()


def _open(record: Record) -> xr.Dataset:
    """The file's dataset; the first bytes tell netCDF-3 from netCDF-4."""
    data = content(record)
    if data[:4] == b"\x89HDF":
        engine = "h5netcdf"
    elif data[:3] == b"CDF":
        engine = "scipy"
    else:
        raise InputError(f"{record.path}: not a netCDF file (it begins with {data[:8]!r})")
    try:
        with xr.open_dataset(io.BytesIO(data), engine=engine) as dataset:
            return dataset.load()
    # A damaged file makes the HDF5 and netCDF layers fail in many ways; all mean the same.
    except Exception as error:
        raise InputError(f"{record.path}: not a whole netCDF file ({error})") from error


def _values(dataset: xr.Dataset, target_dimension: str, where: str) -> np.ndarray:
    wanted = {ROWS, target_dimension}
    result = [name for name, v in dataset.variables.items() if set(v.dims) == wanted]
    if "data" in result:
        result = ["data"]
    if len(result) != 1:
        has = ", ".join(f"{name} {v.dims}" for name, v in dataset.data_vars.items())
        raise InputError(
            f"{where}: no single array over {ROWS} and {target_dimension}; it has {has or 'none'}"
        )
    array = dataset.variables[result[0]].transpose(ROWS, target_dimension).values
    if not np.issubdtype(array.dtype, np.floating):
        raise InputError(f"{where}: values are {array.dtype}, expected floating point")
    if not np.isfinite(array).any():
        raise InputError(f"{where}: no finite value in {array.shape}")
    return array


def _levels(
    dataset: xr.Dataset, dimension: str, wanted: Mapping[str, Sequence[str]], where: str
) -> pd.DataFrame:
    levels: dict[str, Any] = {}
    for ours, theirs in wanted.items():
        name = next(
            (n for n in theirs if n in dataset.variables and dataset[n].dims == (dimension,)), None
        )
        if name is None:
            has = [n for n, v in dataset.variables.items() if v.dims == (dimension,)]
            raise InputError(
                f"{where}: coordinate {' or '.join(theirs)} over {dimension} is missing; it has "
                f"{', '.join(map(str, has)) or 'none'}"
            )
        levels[ours] = _plain(dataset[name].values, f"{where}: {name}")
    return pd.DataFrame(levels, index=range(dataset.sizes[dimension]))


def _plain(values: np.ndarray, where: str) -> np.ndarray:
    """Strings as str whatever the file kept them as; whole numbers as int64, floats or not."""
    if values.dtype.kind in "SUO":
        try:
            return np.array(
                [v.decode("utf-8") if isinstance(v, bytes) else str(v) for v in values],
                dtype=object,
            )
        except UnicodeDecodeError as error:
            raise InputError(f"{where}: not UTF-8 ({error})") from error
    integral = values.dtype.kind in "iu" or (
        values.dtype.kind == "f" and np.isfinite(values).all() and (values % 1 == 0).all()
    )
    return values.astype(np.int64) if integral else values
