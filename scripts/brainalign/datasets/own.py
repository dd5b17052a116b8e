"""A dataset of your own: a stimuli table and a responses file in the project's own form."""

import gzip
import logging
import zlib
from collections.abc import Sequence

import pandas as pd
import xarray as xr

from brainalign.datasets.own_responses import check_values, read_responses
from brainalign.datasets.own_table import Findings, read_stimuli
from brainalign.datasets.prepared import Prepared
from brainalign.datasets.raw import RawFile, Record, content, own_file
from brainalign.datasets.settings import Own
from brainalign.encoding.timing import assign_volumes
from brainalign.errors import InputError
from brainalign.formats.datasets import check_responses, check_stimuli, is_timed

LOG = logging.getLogger("brainalign")


def raw_files(source: Own) -> list[RawFile]:
    """The two files that the config names."""
    return [own_file(source.stimuli), own_file(source.responses)]


def read(records: Sequence[Record], source: Own) -> Prepared:
    """The two files, checked against each other; docs/adding-a-dataset.md gives their form.

    Columns `onset` and `offset` may be left out of a stimuli table without times. The card lists
    what was changed (`changed`), left out (`dropped`) and noticed (`notes`).

    Raises
    ------
    InputError : a file is unreadable, or the two do not fit docs/architecture.md, "Files", or hold
        what cannot have been measured.
    """
    table, array = records
    findings = Findings()
    stimuli = read_stimuli(_unpacked(table), table.path, findings)
    responses = read_responses(_unpacked(array), array.path, findings)
    check_stimuli(stimuli, table.path)
    _check_places(stimuli, table.path)
    check_responses(responses, stimuli, array.path)
    _check_offsets(stimuli, table.path)
    check_values(responses, stimuli, array.path, findings)
    if responses.attrs["simulated"]:
        raise InputError(
            f"{array.path}: attribute simulated is {responses.attrs['simulated']!r}, expected "
            "0: tables take own data for real"
        )
    if is_timed(responses):
        findings.notes += _timing_notes(stimuli, responses)
    for line in (*findings.changed, *findings.notes):
        LOG.warning("%s", line)
    return Prepared.of(
        stimuli,
        responses,
        records,
        dataset="own",
        citation=source.citation,
        dropped=findings.dropped,
        changed=findings.changed,
        notes=findings.notes,
    )


def _unpacked(record: Record) -> bytes:
    """The content of a file that its name or its first bytes say is packed with gzip, or is not."""
    packed = content(record)
    try:
        return gzip.decompress(packed) if packed.startswith(b"\x1f\x8b") else packed
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{record.path}: not a whole gzip file ({error})") from error


def _check_offsets(stimuli: pd.DataFrame, where: str) -> None:
    early = stimuli["offset"].to_numpy(float) < stimuli["onset"].to_numpy(float)
    if early.any():
        row = stimuli[early].iloc[0]
        raise InputError(
            f"{where}: stimulus {row['stimulus_id']}: offset {row['offset']:g} s is before its "
            f"onset, {row['onset']:g} s; offsets are times, not durations"
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
