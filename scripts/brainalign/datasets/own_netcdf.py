"""The responses file of own data: netCDF-4 as Python, R, MATLAB and Fortran write it."""

import io
from typing import Any

import numpy as np
import xarray as xr

from brainalign.datasets.own_csv import without_edges
from brainalign.datasets.own_findings import Findings
from brainalign.errors import InputError

NAMES = ("target_id", "subject", "region", "stimulus_id", "subject_id", "run")
_SIGNATURES = {
    b"\x93NUMPY": "a NumPy array",
    b"CDF": "netCDF-3 (classic)",
    b"PK\x03\x04": "a zip archive (.npz, .xlsx?)",
    b"MATLAB": "a MATLAB file before version 7.3",
}


def read(content: bytes, where: str, findings: Findings) -> xr.Dataset:
    """The responses file with its names as text and `responses` [stimulus or volume, target] as
    floating point numbers.

    Times stay numbers, whatever units they say they have. Names may be byte strings in UTF-8.

    Raises
    ------
    InputError : it is no netCDF-4 file, or a name is missing, empty or in another encoding.
    """
    try:
        with xr.open_dataset(
            io.BytesIO(content), engine="h5netcdf", decode_times=False, decode_timedelta=False
        ) as file:
            responses = file.load()
    # A damaged file makes the HDF5 layer fail in many ways; all mean the same.
    except Exception as error:
        kind = next((said for mark, said in _SIGNATURES.items() if content.startswith(mark)), None)
        result = f"{kind}; docs/adding-a-dataset.md shows how to write one" if kind else error
        raise InputError(f"{where}: not a whole netCDF-4 file ({result})") from error
    responses.attrs = {str(k): scalar(v, where, k) for k, v in responses.attrs.items()}
    for name in [name for name in NAMES if name in responses.variables]:
        names = [_name(value, f"{where}: coordinate {name}[{i}]")
                 for i, value in enumerate(responses[name].values.ravel().tolist())]  # fmt: skip
        clean = [without_edges(one) for one in names]
        if "" in clean:
            raise InputError(f"{where}: coordinate {name}[{clean.index('')}] is empty")
        changed = sum(a != b for a, b in zip(names, clean, strict=True))
        if changed:
            findings.changed.append(
                f"{name}: blanks or invisible characters at the ends of {changed} are taken off"
            )
        shape = responses[name].shape
        attributes = {key: value for key, value in responses[name].attrs.items() if key != "units"}
        responses = responses.assign_coords(
            {name: (responses[name].dims, np.array(clean, object).reshape(shape), attributes)}
        )
    if "responses" in responses and responses["responses"].dtype.kind in "iu":
        findings.changed.append(
            f"responses: {responses['responses'].dtype} are taken as floating point numbers"
        )
        attributes = responses["responses"].attrs
        responses["responses"] = responses["responses"].astype(np.float64).assign_attrs(attributes)
    return responses


def _name(value: Any, where: str) -> str:
    """A name: byte strings are UTF-8, 7.0 is 7."""
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                f"{where}: {value!r} is not UTF-8 (in Latin-1 {value.decode('latin-1')!r}); write "
                "names as strings, or as bytes in UTF-8"
            ) from error
    if value is None or (isinstance(value, float) and np.isnan(value)):
        raise InputError(f"{where} is missing")
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def scalar(value: Any, where: str, name: object) -> Any:
    """An attribute; MATLAB and h5py write byte strings and arrays of one element."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.item()
    return _name(value, f"{where}: attribute {name}") if isinstance(value, bytes) else value
