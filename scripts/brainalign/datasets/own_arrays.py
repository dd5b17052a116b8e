"""Responses as one array: NumPy's `.npy`, MATLAB's `.mat` before and since version 7.3."""

import io
from collections.abc import Iterator, Mapping, Sequence

import h5py
import numpy as np
import pandas as pd
import scipy.io
import xarray as xr

from brainalign.datasets.own_findings import Findings
from brainalign.datasets.own_form import made_responses
from brainalign.datasets.settings import Own
from brainalign.errors import InputError

HDF5 = b"\x89HDF\r\n\x1a\n"
HDF5_AT = 512  # bytes that MATLAB writes before it
NUMERIC = frozenset(
    ["double", "single", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))]
)


def read(
    content: bytes, where: str, source: Own, targets: pd.DataFrame, findings: Findings
) -> xr.Dataset:
    """The responses of an array [row, target]; a row per stimulus in the table's order, or volume.

    Parameters
    ----------
    source : `variable` names one of several arrays of a `.mat` file; `runs` are the volumes of each
        run.
    findings : records which of several arrays was taken.

    Raises
    ------
    InputError : it holds no such array (arrays of objects are not read).
    """
    values = numpy_array(content, where) if where.endswith(".npy") else matlab_array(
        content, where, source.variable, findings
    )  # fmt: skip
    if values.ndim != 2 or values.dtype.kind not in "fiu":
        raise InputError(
            f"{where}: an array of shape {values.shape} and type {values.dtype}, expected numbers "
            "[row, target]"
        )
    if values.shape[1] != len(targets):
        turned = " (is it [target, row]?)" if values.shape[0] == len(targets) else ""
        raise InputError(
            f"{where}: {values.shape[1]} columns, but targets has {len(targets)} rows{turned}"
        )
    values = values.astype(np.float64)
    return made_responses(values, targets, source, run=_runs(values, source.runs, where))


def numpy_array(content: bytes, where: str) -> np.ndarray:
    """The array [...] of a `.npy` file, of its dtype.

    Raises
    ------
    InputError : it is no whole array, or one of objects, which could run code when it is read.
    """
    try:
        array: np.ndarray = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise InputError(f"{where}: not a whole NumPy array of numbers ({error})") from error
    return array


def matlab_array(
    content: bytes, where: str, variable: str | None, findings: Findings
) -> np.ndarray:
    """The only numeric matrix [row, column] of a `.mat` file, or the array [...] called `variable`.

    Version 7.3 is HDF5, whose arrays have MATLAB's dimensions in reverse.

    Raises
    ------
    InputError : it is no whole MATLAB file, or has no such array or several.
    """
    try:
        if HDF5 in (content[:8], content[HDF5_AT : HDF5_AT + 8]):
            with h5py.File(io.BytesIO(content), "r") as file:
                name = _chosen(dict(_hdf5_arrays(file)), variable, where, findings)
                return np.asarray(file[name][()]).T
        listed = scipy.io.whosmat(io.BytesIO(content))
        arrays = {name: shape for name, shape, kind in listed if kind in NUMERIC}
        name = _chosen(arrays, variable, where, findings)
        loaded = scipy.io.loadmat(io.BytesIO(content), variable_names=[name])
        return np.asarray(loaded[name])
    except InputError:
        raise
    # A damaged file fails in many ways; all mean the same.
    except Exception as error:
        raise InputError(f"{where}: not a whole MATLAB file ({error})") from error


def _hdf5_arrays(file: h5py.File) -> Iterator[tuple[str, Sequence[int]]]:
    for name, item in file.items():
        if isinstance(item, h5py.Dataset):
            kind = item.attrs.get("MATLAB_class", b"double" if item.dtype.kind in "fiu" else b"")
            if bytes(kind).decode() in NUMERIC:
                yield name, item.shape[::-1]


def _chosen(
    arrays: Mapping[str, Sequence[int]], variable: str | None, where: str, findings: Findings
) -> str:
    listed = ", ".join(f"{name} {tuple(shape)}" for name, shape in arrays.items()) or "none"
    if variable is not None and variable not in arrays:
        raise InputError(f"{where}: no numeric array {variable!r}; it has {listed}")
    large = [name for name, shape in arrays.items() if len(shape) == 2 and min(shape) > 1]
    if variable is None and len(large) != 1:
        raise InputError(f"{where}: say with variable which array holds responses; it has {listed}")
    taken = large[0] if variable is None else variable
    if len(arrays) > 1:
        findings.made.append(f"{where}: the responses are its array {taken}; it has {listed}")
    return taken


def _runs(values: np.ndarray, runs: Sequence[int] | None, where: str) -> list[str] | None:
    if runs is None:
        return None
    if sum(runs) != len(values):
        raise InputError(
            f"{where}: {len(values)} volumes, but runs adds up to {sum(runs)} ({list(runs)})"
        )
    return [str(run) for run, volumes in enumerate(runs, 1) for _ in range(volumes)]
