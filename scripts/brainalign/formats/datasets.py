"""A prepared dataset: the stimuli table and the responses array, checked against each other."""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from brainalign.errors import REMAKE, InputError
from brainalign.formats.atomic import atomic_path
from brainalign.formats.locations import check_locations
from brainalign.formats.tables import read_table, write_table

if TYPE_CHECKING:  # planning goes without it
    import xarray as xr

STIMULUS_COLUMNS = (
    "stimulus_id", "text", "context_group", "position", "split_group", "onset", "offset",
)  # fmt: skip
TARGET_COORDINATES = ("target_id", "subject", "region")
RESPONSE_ATTRIBUTES = ("kind", "units", "source", "licence", "simulated")
UNITS_UNKNOWN = "not stated"
KINDS = ("brain", "reading-times", "localizer")
# Of the readers behind a mean: of their times, and of the logarithms of these; both or neither.
# Each with its least value, and whether that itself is allowed.
MOMENTS: tuple[dict[str, tuple[float, bool]], ...] = (
    {"sd": (0, True), "n": (0, False)},
    {"log_mean": (-np.inf, False), "log_sd": (0, True)},
)
# responses.nc ends with a checksum of what is before it. HDF5 reads no further than its end.
_MARK = b"\ncrc32 "
_CHECKSUM_SIZE = len(_MARK) + 8
REPEATS_TOLERANCE = 1e-4  # of the largest response
LONGEST_TR = 60.0  # seconds
# What a row of activations stands for, in their metadata `rows`, where it is no stimulus.
VOLUME, WORDS_OF_VOLUME = "volume", "words of a volume"
BLOCK = 1 << 20  # values of all rows and some targets, which lie together in the file
LARGE = ("responses", "repeats")  # variables that stay in the file until they are used
_PART = 1 << 22  # bytes read at a time


def responses_to(
    stimuli: pd.DataFrame,
    variables: Mapping[str, np.ndarray],
    targets: Mapping[str, Sequence[str]],
    attrs: Mapping[str, Any],
) -> xr.Dataset:
    """responses.nc of untimed data.

    Parameters
    ----------
    variables : `responses` and further ones, each float [stimulus, target].
    targets : coordinates of the targets (`target_id`, `subject`, `region`, …), each [target].
    attrs : of the file (docs/architecture.md, "Files").
    """
    import xarray as xr

    return xr.Dataset(
        {name: (("stimulus", "target"), values) for name, values in variables.items()},
        coords={
            "stimulus_id": ("stimulus", stimuli["stimulus_id"].tolist()),
            **{name: ("target", list(labels)) for name, labels in targets.items()},
        },
        attrs=dict(attrs),
    )


def write_dataset(
    stimuli: pd.DataFrame,
    responses: xr.Dataset,
    stimuli_path: str | Path,
    responses_path: str | Path,
) -> None:
    """Check a dataset and write both of its files (see docs/architecture.md, "Files").

    Parameters
    ----------
    stimuli : `STIMULUS_COLUMNS`. responses : `responses` [stimulus or volume, target].

    Raises
    ------
    InputError : as `check_stimuli` and `check_responses`.
    """
    check_stimuli(stimuli, str(stimuli_path))
    check_responses(responses, stimuli, str(responses_path))
    write_table(stimuli, stimuli_path)
    blocks = {}
    for name in (name for name in LARGE if name in responses):
        *rows, targets = responses[name].shape
        blocks[name] = {"chunksizes": (*rows, min(targets, 1 + BLOCK // math.prod(rows)))}
    with atomic_path(responses_path) as temporary:
        responses.to_netcdf(temporary, engine="h5netcdf", encoding=blocks)
        checksum = _crc32(temporary, temporary.stat().st_size)
        with temporary.open("ab") as file:
            file.write(_MARK + checksum)


def read_stimuli(path: str | Path) -> pd.DataFrame:
    """Read and check a stimuli table (`STIMULUS_COLUMNS` and covariates).

    Raises
    ------
    InputError : as `read_table` and `check_stimuli`.
    """
    stimuli = read_table(path, STIMULUS_COLUMNS)
    check_stimuli(stimuli, str(path))
    return stimuli


def read_responses(path: str | Path, stimuli: pd.DataFrame) -> xr.Dataset:
    """Read `responses` [stimulus or volume, target] that belong to `stimuli` into memory, and check
    them.

    Raises
    ------
    InputError : as `open_responses`.
    """
    with open_responses(path, stimuli) as responses:
        return responses.load()


def open_responses(path: str | Path, stimuli: pd.DataFrame) -> xr.Dataset:
    """Check `responses` [stimulus or volume, target] that belong to `stimuli`.

    Responses and repeats stay in the file until they are used, and all else is in memory. A block
    of targets is read by itself, and anew at each use.

    Raises
    ------
    InputError : the file is absent, damaged or no netCDF file; as `check_responses`.
    """
    import xarray as xr

    if not Path(path).exists():
        raise InputError(f"{path}: no such responses file")
    _check_complete(path)
    try:
        responses = xr.open_dataset(
            path, engine="h5netcdf", decode_times=False, decode_timedelta=False, cache=False
        )
        for name, variable in responses.variables.items():
            if name not in LARGE:
                variable.load()
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: not a readable netCDF file ({error}); {REMAKE}") from error
    check_responses(responses, stimuli, str(path))
    return responses


def _crc32(path: str | Path, size: int) -> bytes:
    """CRC-32 of the first `size` bytes of a file, as 8 hexadecimal digits."""
    crc = 0
    with Path(path).open("rb") as file:
        while part := file.read(min(_PART, size - file.tell())):
            crc = zlib.crc32(part, crc)
    return b"%08x" % crc


def _check_complete(path: str | Path) -> None:
    """Raise an InputError unless a responses file ends with the checksum of its other bytes.

    Before HDF5 sees it: on a damaged file it may go round in circles forever.
    """
    size = max(Path(path).stat().st_size - _CHECKSUM_SIZE, 0)
    with Path(path).open("rb") as file:
        file.seek(size)
        end = file.read()
    if end != _MARK + _crc32(path, size):
        raise InputError(f"{path}: damaged or cut short (its checksum is another); {REMAKE}")


def is_timed(responses: xr.Dataset) -> bool:
    """Whether `responses` are [volume, target], volumes of a scan (timed), rather than [stimulus,
    target].
    """
    return "volume" in responses["responses"].dims


def assign_volumes(words: np.ndarray, volumes: np.ndarray, tr: float) -> np.ndarray:
    """The volume of each word: the last whose onset is strictly before the word's time.

    Parameters
    ----------
    words, volumes : onsets in seconds of one clock, volumes increasing.
    tr : seconds that a volume lasts; a word after the end of its volume belongs to none.

    Returns
    -------
    int [word], -1 for none. (awwkl/brain_language_summarization, prepare_fmri_features.)
    """
    index = np.searchsorted(volumes, words, side="left") - 1
    late = words > volumes[np.maximum(index, 0)] + tr * (1 + 1e-6)
    return np.where(late, -1, index)


def check_stimuli(
    stimuli: pd.DataFrame, where: str, file_rows: Sequence[int] | None = None
) -> None:
    """Raise an InputError that names the first row at fault, if any.

    `file_rows` : the row of each stimulus in the file that the table was read from.
    """
    missing = [name for name in STIMULUS_COLUMNS if name not in stimuli.columns]
    if missing:
        raise InputError(f"{where}: column {', '.join(missing)} is missing")
    if stimuli.empty:
        raise InputError(f"{where}: no stimuli")
    ids = stimuli["stimulus_id"]
    if ids.isna().any() or ids.duplicated().any():
        row = int(np.flatnonzero(ids.isna() | ids.duplicated())[0])
        raise InputError(
            f"{where}: row {row}: stimulus_id {ids.iloc[row]!r} is missing or repeated"
        )

    def first(wrong: pd.Series) -> str:
        row = int(np.flatnonzero(wrong)[0])
        at = f"row {file_rows[row]}: " if file_rows is not None else ""
        return f"{where}: {at}stimulus {ids.iloc[row]}"

    empty = ~stimuli["text"].map(lambda text: isinstance(text, str) and bool(text.strip()))
    if empty.any():
        raise InputError(f"{first(empty)}: the text is empty")
    for column in ("context_group", "split_group"):
        if stimuli[column].isna().any():
            raise InputError(f"{first(stimuli[column].isna())}: no {column}")
    for column in ("position", "onset", "offset"):
        if not pd.api.types.is_numeric_dtype(stimuli[column]):
            other = stimuli[column].map(lambda cell: not isinstance(cell, int | float))
            named = (
                f" ({stimuli[column][other].iloc[0]!r}, {ids[other].iloc[0]})" if any(other) else ""
            )
            raise InputError(f"{where}: column {column} holds other than numbers{named}")
    if stimuli["position"].isna().any():
        raise InputError(f"{first(stimuli['position'].isna())}: no position")
    steps = stimuli.groupby("context_group", sort=False)["position"].diff()
    if (steps <= 0).any():
        raise InputError(f"{first(steps <= 0)}: position does not increase in its context_group")


def check_responses(
    responses: xr.Dataset,
    stimuli: pd.DataFrame,
    where: str,
    onset_at: Callable[[int], str] | None = None,
) -> None:
    """Raise an InputError unless `responses` [stimulus or volume, target] are well formed and
    belong to `stimuli`.

    `onset_at` : how an error names the onset of a row of `stimuli`; by default by `where` and the
    stimulus.
    """
    if "responses" not in responses:
        raise InputError(f"{where}: no variable 'responses'; it has {list(responses.data_vars)}")
    values = responses["responses"]
    if values.dims not in {("stimulus", "target"), ("volume", "target")}:
        raise InputError(
            f"{where}: dimensions {values.dims}, expected (stimulus, target) or (volume, target)"
        )
    for name in TARGET_COORDINATES:
        if name not in responses.coords or responses[name].dims != ("target",):
            raise InputError(f"{where}: coordinate {name} over dimension target is missing")
    names = pd.Series(responses["target_id"].values.astype(str))
    if names.duplicated().any():
        raise InputError(f"{where}: target_id {names[names.duplicated()].iloc[0]} appears twice")
    if values.dtype.kind != "f":
        raise InputError(f"{where}: responses are {values.dtype}, expected floating point")
    absent = [name for name in RESPONSE_ATTRIBUTES if name not in responses.attrs]
    if absent:
        raise InputError(f"{where}: attribute {', '.join(absent)} is missing")
    if responses.attrs["kind"] not in KINDS:
        raise InputError(f"{where}: kind {responses.attrs['kind']!r}, expected one of {KINDS}")
    _check_moments(responses, where)
    if is_timed(responses):
        ids = stimuli["stimulus_id"].to_numpy()
        _check_volumes(
            responses,
            stimuli,
            where,
            onset_at or (lambda row: f"{where}: stimulus {ids[row]}: onset"),
        )
    else:
        _check_rows(responses, stimuli, where)
    check_locations(responses, where)
    n_rows, n_targets = values.shape
    silent = np.empty(n_targets, dtype=bool)
    for block in target_blocks(n_rows, n_targets):
        cells = values[:, block].values
        infinite = np.isinf(cells).any(axis=1)
        if infinite.any():
            raise InputError(f"{where}: infinite responses in row {infinite.argmax()}")
        silent[block] = np.isnan(cells).all(axis=0)
    if silent.any():
        first = responses["target_id"].values[silent][0]
        raise InputError(f"{where}: {int(silent.sum())} targets hold only NaN, first {first}")
    _check_repeats(responses, where)
    _check_held_out(responses, where)


def target_blocks(n_rows: int, n_targets: int) -> Iterator[slice]:
    """Targets whose values, `n_rows` each, lie together in a file."""
    size = 1 + BLOCK // max(n_rows, 1)
    for start in range(0, n_targets, size):
        yield slice(start, start + size)


def missed_rows(
    values: np.ndarray, subjects: np.ndarray, incomplete: np.ndarray
) -> dict[str, np.ndarray]:
    """Subject → rows [row] in which all its targets are NaN, of subjects who have such rows.

    A target that is NaN throughout does not count. `incomplete` [target]: which hold NaN anywhere.
    """
    missed = {}
    for subject in np.unique(subjects[incomplete]).tolist():
        of_subject = subjects == subject
        if not incomplete[of_subject].all():
            continue
        absent = np.isnan(values[:, of_subject])
        rows = absent[:, ~absent.all(axis=0)].all(axis=1)
        if rows.any() and not rows.all():
            missed[subject] = rows
    return missed


def _check_repeats(responses: xr.Dataset, where: str) -> None:
    """Repeats are two or more, whole in each run, and the responses of their rows their means.

    A target may lack a repeat in all rows of a run, in which its subject was scanned fewer times.
    """
    if "repeats" not in responses:
        return
    repeats = responses["repeats"]
    if repeats.dims != ("repeat", "repeated", "target") or repeats.sizes["repeat"] < 2:
        raise InputError(
            f"{where}: repeats are {dict(repeats.sizes)}, expected (repeat, repeated, target) with "
            "2 or more repeats"
        )
    values = responses["responses"]
    rows = responses["repeated"].values if "repeated" in responses.coords else np.empty(0)
    if (
        rows.dtype.kind not in "iu"
        or not (np.diff(rows, prepend=-1) > 0).all()
        or not (rows.size and rows[-1] < len(values))
    ):
        raise InputError(
            f"{where}: coordinate repeated is missing, or does not hold increasing row numbers of "
            f"the {len(values)} responses"
        )
    runs = responses["run"].values.astype(str)[rows] if "run" in responses else np.zeros(rows.size)
    names = responses["target_id"].values
    for block in target_blocks(repeats.sizes["repeat"] * rows.size, names.size):
        each, mean = repeats[:, :, block].values, values[:, block].values[rows]
        present = ~np.isnan(each)
        for run in np.unique(runs):
            of_run = present[:, runs == run]
            lacking = (of_run.any(axis=1, keepdims=True) & ~of_run).any(axis=0)
            if lacking.any():
                target = lacking.any(axis=0).argmax()
                row = rows[runs == run][lacking[:, target].argmax()]
                raise InputError(
                    f"{where}: target {names[block][target]} has fewer repeats in row {row}; "
                    "repeats of different length have to be cut to the rows that all have"
                )
        n = present.sum(axis=0)
        result = np.where(present, each, 0).sum(axis=0, dtype=np.float64) / np.maximum(n, 1)
        largest = np.abs(np.where(present, each, 0)).max(axis=(0, 1))
        apart = np.where(n > 0, np.abs(result - mean), 0.0)
        wrong = (apart > REPEATS_TOLERANCE * largest).any(axis=0)
        if wrong.any():
            raise InputError(
                f"{where}: target {names[block][wrong.argmax()]}: its responses are not the means "
                "of its repeats"
            )


def _check_held_out(responses: xr.Dataset, where: str) -> None:
    """Whether a row is held out is 1 or 0, of every row."""
    if "held_out" not in responses:
        return
    held_out, rows = responses["held_out"], responses["responses"].dims[:1]
    if held_out.dims != rows or not np.isin(held_out.values, (0, 1)).all():
        raise InputError(
            f"{where}: held_out is not 1 (held out) or 0 for each {rows[0]}; its dimensions are "
            f"{held_out.dims}"
        )


def _check_moments(responses: xr.Dataset, where: str) -> None:
    for group in MOMENTS:
        present = [name for name in group if name in responses]
        absent = [name for name in group if name not in responses]
        if present and absent:
            raise InputError(f"{where}: variable {present[0]} without {absent[0]}")
        for name in present:
            _check_moment(responses, name, *group[name], where)


def _check_moment(
    responses: xr.Dataset, name: str, least: float, allowed: bool, where: str
) -> None:
    if responses[name].dims != ("stimulus", "target"):
        raise InputError(
            f"{where}: dimensions of {name} are {responses[name].dims}, expected (stimulus, target)"
        )
    values = responses[name].values
    wrong = np.argwhere((values < least if allowed else values <= least) | np.isinf(values))
    if len(wrong):
        row, column = wrong[0]
        expected = {"n": "1 or more", "log_mean": "a finite number"}.get(name, "0 or more")
        raise InputError(
            f"{where}: {name} of stimulus {responses['stimulus_id'].values[row]} is "
            f"{values[row, column]}, expected {expected}"
        )


def _check_rows(responses: xr.Dataset, stimuli: pd.DataFrame, where: str) -> None:
    n_rows = responses.sizes["stimulus"]
    if n_rows != len(stimuli):
        raise InputError(f"{where}: {n_rows} rows of responses for {len(stimuli)} stimuli")
    if "stimulus_id" not in responses.coords:
        raise InputError(f"{where}: coordinate stimulus_id over dimension stimulus is missing")
    ours = responses["stimulus_id"].values.astype(str)
    theirs = stimuli["stimulus_id"].to_numpy().astype(str)
    if (ours != theirs).any():
        row = int(np.flatnonzero(ours != theirs)[0])
        raise InputError(f"{where}: row {row} is stimulus {ours[row]}, expected {theirs[row]}")


def _check_volumes(
    responses: xr.Dataset, stimuli: pd.DataFrame, where: str, onset_at: Callable[[int], str]
) -> None:
    for name in ("onset", "run"):
        if name not in responses.coords or responses[name].dims != ("volume",):
            raise InputError(f"{where}: coordinate {name} over dimension volume is missing")
    if "tr" not in responses.attrs:
        raise InputError(f"{where}: attribute tr (seconds) is missing")
    onset = responses["onset"].values.astype(float)
    if not (np.diff(onset) > 0).all():
        volume = int(np.flatnonzero(~(np.diff(onset) > 0))[0]) + 1
        raise InputError(f"{where}: volume {volume}: onset {onset[volume]} is not after the last")
    untimed = np.flatnonzero(~np.isfinite(stimuli["onset"].to_numpy(float)))
    if untimed.size:
        raise InputError(f"{onset_at(untimed[0])}: none, but the responses are timed")
    try:
        tr = float(responses.attrs["tr"])
    except (TypeError, ValueError):
        tr = np.nan
    if not 0 < tr < np.inf:
        raise InputError(
            f"{where}: attribute tr is {responses.attrs['tr']!r}, expected positive seconds"
        )
    runs = responses["run"].values.astype(str)
    apart = np.diff(onset)[runs[1:] == runs[:-1]]
    usual = float(np.median(apart)) if apart.size else tr
    if abs(usual - tr) > 0.002 * tr + 0.001:  # onsets may be rounded to milliseconds
        milli = abs(usual - tr / 1000) < 0.01 * usual or abs(usual / 1000 - tr) < 0.01 * tr
        raise InputError(
            f"{where}: attribute tr is {tr:g} s, but the volumes of a run begin {usual:g} s apart"
            f"{' (is one of them in milliseconds?)' if milli else ''}"
        )
    if tr > LONGEST_TR:
        raise InputError(f"{where}: tr is {tr:g} s; is it in milliseconds? Times are in seconds")
    check_clock(stimuli["onset"].to_numpy(float), onset, runs, tr, where, onset_at)


def check_clock(
    words: np.ndarray,
    onset: np.ndarray,
    runs: np.ndarray,
    tr: float,
    where: str,
    onset_at: Callable[[int], str],
) -> None:
    """Raise an InputError unless stimuli and volumes are on one clock: stimuli in order, inside the
    scan, and in every run.

    Parameters
    ----------
    words : onsets of the stimuli, float64 [stimulus], s.
    onset, runs : of the volumes, float64 [volume], s, and names, str [volume].
    tr : s from volume to volume. onset_at : how an error names the onset of a stimulus.
    """
    clock = (
        "onsets are seconds from the start of the first volume, through all runs (those of BIDS "
        "begin anew in each run)"
    )
    earlier = np.flatnonzero(np.diff(words) < 0) + 1
    if earlier.size:
        row = earlier[0]
        raise InputError(
            f"{onset_at(row)}: {words[row]:g} s is before the stimulus above it "
            f"({words[row - 1]:g} s); {clock}"
        )
    last = tr * (1 + 1e-6)  # a volume's end, with a margin for rounding
    outside = np.flatnonzero((words < onset[0]) | (words > onset[-1] + last))
    if outside.size:
        row = outside[0]
        seconds = words[np.isfinite(words)].max() / 1000
        milli = " (milliseconds?)" if onset[0] < seconds <= onset[-1] + last else ""
        side = "before the first volume" if words[row] < onset[0] else "after the last volume"
        raise InputError(
            f"{onset_at(row)}: {words[row]:g} s is {side}; the scan lasts from "
            f"{onset[0]:g} to {onset[-1] + tr:g} s, and {outside.size} of {len(words)} stimuli lie "
            f"outside it{milli}; {clock}"
        )
    volume = np.searchsorted(onset, words, side="right") - 1
    heard = runs[volume[words <= onset[volume] + last]]
    silent = np.flatnonzero(~np.isin(runs, heard))
    if silent.size:
        rows = np.flatnonzero(runs == runs[silent[0]])
        raise InputError(
            f"{where}: run {runs[rows[0]]} ({onset[rows[0]]:g} to {onset[rows[-1]] + tr:g} s) has "
            f"volumes, but no stimulus; {clock}"
        )
