"""A dataset of your own: a stimuli table and a responses file in the project's own form."""

import io
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from brainalign.datasets.prepared import Prepared, card
from brainalign.datasets.raw import RawFile, Record, content
from brainalign.encoding.timing import assign_volumes
from brainalign.errors import InputError
from brainalign.formats.datasets import STIMULUS_COLUMNS, check_responses, check_stimuli, is_timed

LOG = logging.getLogger("brainalign")
BY_HAND = "the config names it"
NAMES = ("stimulus_id", "context_group", "split_group")
WORDS = (*NAMES, "text")  # columns that are read as they stand
UNTIMED = ("onset", "offset")


def raw_files(source: Mapping[str, Any]) -> list[RawFile]:
    """The two files that the config names, as paths from the working directory."""
    files = []
    for key in ("stimuli", "responses"):
        if not isinstance(source.get(key), str):
            raise InputError(f"source.{key}: {source.get(key)!r}, expected a path")
        path = str(Path(source[key]).absolute())
        files.append(RawFile(path=path, by_hand=BY_HAND, licence="your own"))
    return files


def read(records: Sequence[Record], source: Mapping[str, Any]) -> Prepared:
    """The two files, checked against each other; docs/adding-a-dataset.md gives their form.

    Columns `onset` and `offset` may be left out of a stimuli table without times.

    Raises
    ------
    InputError : a file is unreadable, or the two do not fit docs/architecture.md, "Files".
    """
    table, array = records
    stimuli = _stimuli(table)
    try:
        with xr.open_dataset(io.BytesIO(content(array)), engine="h5netcdf") as file:
            responses = file.load()
    # A damaged file makes the HDF5 layer fail in many ways; all mean the same.
    except Exception as error:
        raise InputError(f"{array['path']}: not a whole netCDF-4 file ({error})") from error
    check_stimuli(stimuli, table["path"])
    _check_places(stimuli, table["path"])
    check_responses(responses, stimuli, array["path"])
    if responses.attrs["simulated"]:
        raise InputError(
            f"{array['path']}: attribute simulated is {responses.attrs['simulated']!r}, expected "
            "0: tables take own data for real"
        )
    notes = _timing_notes(stimuli, responses) if is_timed(responses) else []
    for note in notes:
        LOG.warning("%s", note)
    return Prepared(
        stimuli,
        responses,
        card(
            stimuli,
            responses,
            records,
            dataset="own",
            citation=str(source.get("citation", "")),
            notes=notes,
        ),
    )


def _check_places(stimuli: pd.DataFrame, where: str) -> None:
    """Words are counted from 1: the first one of a sentence is left out by that number."""
    if "word_in_sentence" not in stimuli:
        return
    places = pd.to_numeric(stimuli["word_in_sentence"], errors="coerce")
    wrong = stimuli["word_in_sentence"].notna() & ~(places >= 1)
    if wrong.any():
        row = stimuli[wrong].iloc[0]
        raise InputError(
            f"{where}: stimulus {row['stimulus_id']}: word_in_sentence is "
            f"{row['word_in_sentence']!r}, expected a number from 1"
        )


def _timing_notes(stimuli: pd.DataFrame, responses: xr.Dataset) -> list[str]:
    """What a benchmark will not use, though it lies inside the scan."""
    assigned = assign_volumes(
        stimuli["onset"].to_numpy(float),
        responses["onset"].values.astype(float),
        float(responses.attrs["tr"]),
    )
    lost = stimuli["stimulus_id"][assigned < 0]
    if lost.empty:
        return []
    return [
        f"{len(lost)} of {len(stimuli)} stimuli belong to no volume, first {lost.iloc[0]}: they "
        "begin between runs, or not after the first volume's onset"
    ]


def _stimuli(record: Record) -> pd.DataFrame:
    data, where = io.BytesIO(content(record)), record["path"]
    try:
        if where.removesuffix(".gz").endswith(".csv"):
            columns = pd.read_csv(data, nrows=0).columns
            data.seek(0)
            stimuli = pd.read_csv(
                data,
                dtype=dict.fromkeys(WORDS, str),
                keep_default_na=False,
                na_values={name: [""] for name in columns if name not in WORDS},
                float_precision="round_trip",
            )
        else:
            stimuli = pd.read_parquet(data)
    # A damaged Parquet file fails in many ways; all mean the same.
    except Exception as error:
        raise InputError(f"{where}: not a readable table ({error})") from error
    for name in UNTIMED:
        if name not in stimuli.columns:
            stimuli[name] = np.nan
    missing = [name for name in STIMULUS_COLUMNS if name not in stimuli.columns]
    if missing:
        raise InputError(f"{where}: column {', '.join(missing)} is missing")
    for name in NAMES:  # of a Parquet table; a CSV table's are strings already
        stimuli[name] = stimuli[name].map(str, na_action="ignore")
    return stimuli
