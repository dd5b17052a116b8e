"""Whether the numbers of own responses can be what they are said to be."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from brainalign.datasets.own_findings import Findings
from brainalign.datasets.own_netcdf import scalar
from brainalign.datasets.reading_times import check_milliseconds
from brainalign.errors import InputError
from brainalign.formats.datasets import missed_rows

SECONDS = ("s", "sec", "secs", "second", "seconds")
MILLISECONDS = ("ms", "msec", "millisecond", "milliseconds")
ALL = "all"  # what tables call the mean over subjects or regions
# What programs write for a value that is missing; netCDF's own is beyond FILL.
CODES = (-9999.0, -99999.0, -999999.0, -999.0, 9999.0, 99999.0, 999999.0)
FILL = 1e15
SHORT, LONG = 50.0, 10_000.0  # reading times, ms
FEW = 0.5  # of the median number of targets of a subject


def check_values(
    responses: xr.Dataset,
    stimuli: pd.DataFrame,
    where: str,
    findings: Findings,
    *,
    images: bool = False,
) -> None:
    """Whether the numbers `responses` [stimulus or volume, target] can be what the file says they
    are.

    `images` : they are those of scans, where 9999 is a number like others.

    Raises
    ------
    InputError : units other than documented, or stated in two forms; codes for missing values;
        reading times that nobody can have; rows without any response; no target without gaps.
    """
    values = responses["responses"]
    rows = _row_names(responses, stimuli)
    _check_units(responses, where)
    _check_codes(values.values, rows, responses, where, () if images else CODES)
    if responses.attrs["kind"] == "reading-times":
        _check_reading_times(values.values, rows, responses, where, findings)
    else:
        _check_brain(values.values, rows, responses, where, findings)
    if "nuisance" in responses:
        _check_nuisance(responses, where)


def _row_names(responses: xr.Dataset, stimuli: pd.DataFrame) -> list[str]:
    if "volume" in responses["responses"].dims:
        names = [f"volume {row}" for row in range(responses.sizes["volume"])]
    else:
        names = [f"stimulus {name}" for name in stimuli["stimulus_id"]]
    if "file_row" in responses.coords and responses["file_row"].ndim == 1:
        rows = responses["file_row"].values.tolist()
        names = [f"row {row} ({name})" for row, name in zip(rows, names, strict=True)]
    return names


def _check_units(responses: xr.Dataset, where: str) -> None:
    units = str(responses.attrs["units"])
    inner = responses["responses"].attrs.get("units", units)
    if str(scalar(inner, where, "units")).lower() != units.lower():
        raise InputError(
            f"{where}: attribute units of the file is {units!r}, that of variable responses "
            f"{inner!r}; make them the same"
        )
    if responses.attrs["kind"] == "reading-times" and units.lower() not in MILLISECONDS:
        raise InputError(
            f"{where}: units {units!r}; reading times are in milliseconds: multiply (seconds by "
            "1000) and set units to 'ms'"
        )
    for name in ("onset", "offset"):
        stated = responses[name].attrs.get("units") if name in responses else None
        if stated is not None and str(stated).lower() not in SECONDS:
            raise InputError(f"{where}: coordinate {name} has units {stated!r}, expected seconds")


def _check_codes(
    values: np.ndarray,
    rows: list[str],
    responses: xr.Dataset,
    where: str,
    codes: Sequence[float],
) -> None:
    positive_is_data = responses.attrs["kind"] == "reading-times"
    codes = [code for code in codes if code < 0 or not positive_is_data]
    coded = np.isin(values, codes) | (np.abs(np.nan_to_num(values, posinf=0, neginf=0)) > FILL)
    if coded.any():
        row, column = np.argwhere(coded)[0]
        raise InputError(
            f"{where}: {_cell(responses, rows, row, column)}: {values[row, column]:g} "
            f"({int(coded.sum())} such values) looks like a code for a missing value; write NaN"
        )


def _check_reading_times(
    values: np.ndarray, rows: list[str], responses: xr.Dataset, where: str, findings: Findings
) -> None:
    wrong = values <= 0
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise InputError(
            f"{where}: {_cell(responses, rows, row, column)}: reading time "
            f"{values[row, column]:g} ms ({int(wrong.sum())} of 0 or below), expected above 0; "
            "NaN marks a word that was not read"
        )
    check_milliseconds(values, where)
    with np.errstate(invalid="ignore"):
        for what, odd in (
            (f"below {SHORT:g} ms", values < SHORT), (f"above {LONG:g} ms", values > LONG),
        ):  # fmt: skip
            if odd.any():
                row, column = np.argwhere(odd)[0]
                findings.notes.append(
                    f"{int(odd.sum())} of {int(np.isfinite(values).sum())} reading times are "
                    f"{what}, first {_cell(responses, rows, row, column)}: "
                    f"{values[row, column]:g} (kept)"
                )
    unread = np.isnan(values).all(axis=1)
    if unread.any():
        findings.notes.append(
            f"{int(unread.sum())} of {len(values)} words were read by nobody, first "
            f"{rows[int(np.flatnonzero(unread)[0])]}"
        )


def _check_brain(
    values: np.ndarray, rows: list[str], responses: xr.Dataset, where: str, findings: Findings
) -> None:
    for name in ("subject", "region"):
        if (responses[name].values == ALL).any():
            raise InputError(
                f"{where}: {name} {ALL!r}: tables call the mean over all of them so; take another "
                "name"
            )
    missing = np.isnan(values)
    silent = missing.all(axis=1)
    if silent.any():
        findings.notes.append(
            f"{int(silent.sum())} of {len(rows)} rows have no response of any target, first "
            f"{rows[int(silent.argmax())]}: they count for nobody"
        )
    subjects = responses["subject"].values.astype(str)
    missed = missed_rows(values, subjects, missing.any(axis=0))
    for subject, absent in missed.items():
        alone = absent & ~silent
        if alone.any():
            findings.notes.append(
                f"{subject} missed {int(alone.sum())} of {alone.size} rows, first "
                f"{rows[int(alone.argmax())]}: they count for the others alone"
            )
        missing[np.ix_(absent, subjects == subject)] = False
    gaps = missing.any(axis=0)
    if gaps.all():
        worst = int(missing.sum(axis=1).argmax())
        raise InputError(
            f"{where}: every target holds NaN in some row, so none would have a score; most "
            f"in {rows[worst]} ({int(missing[worst].sum())} of {missing.shape[1]} targets); leave "
            "such rows out of both files"
        )
    counts = {name: int((subjects == name).sum()) for name in dict.fromkeys(subjects.tolist())}
    if gaps.any():
        lost = [name for name in counts if gaps[subjects == name].all()]
        none_left = f"; no target of {', '.join(lost)} is left" if lost else ""
        findings.notes.append(
            f"{int(gaps.sum())} of {gaps.size} targets hold NaN in some row and have no score, "
            f"first {_target(responses, int(np.flatnonzero(gaps)[0]))}{none_left}"
        )
    if len(counts) == len(subjects) > 1 and len(set(responses["region"].values.tolist())) == 1:
        findings.notes.append(
            f"each of {len(counts)} targets counts as a separate subject, first "
            f"{subjects[0]}; a column of a subject's region is called SUBJECT.REGION, with a dot"
        )
    usual = float(np.median(list(counts.values())))
    few = [name for name, n in counts.items() if n < FEW * usual]
    if few:
        listed = ", ".join(f"{name} {n}" for name, n in counts.items())
        findings.notes.append(
            f"few targets for subject {', '.join(few)} (misspelt?); targets per subject: {listed}"
        )


def _check_nuisance(responses: xr.Dataset, where: str) -> None:
    nuisance = responses["nuisance"]
    if nuisance.dims != ("subject_id", "volume", "regressor"):
        raise InputError(
            f"{where}: dimensions of nuisance are {nuisance.dims}, expected (subject_id, volume, "
            "regressor)"
        )
    if nuisance.dtype.kind not in "fiu" or not np.isfinite(nuisance.values).all():
        raise InputError(f"{where}: nuisance holds other than finite numbers")
    known = set(responses["subject_id"].values.tolist()) if "subject_id" in responses else set()
    absent = [name for name in responses["subject"].values.tolist() if name not in known]
    if absent:
        raise InputError(f"{where}: subject {absent[0]} has no nuisance (coordinate subject_id)")


def _cell(responses: xr.Dataset, rows: list[str], row: int, column: int) -> str:
    """Where a value is: the row of the file, the stimulus or volume, the target."""
    name = rows[row]
    if "file_row" in responses.coords and responses["file_row"].ndim == 2:
        name = f"row {responses['file_row'].values[row, column]} ({name})"
    what = "reader" if responses.attrs["kind"] == "reading-times" else "target"
    return f"{name}, {what} {_target(responses, column)}"


def _target(responses: xr.Dataset, column: int) -> str:
    return str(responses["target_id"].values[column])
