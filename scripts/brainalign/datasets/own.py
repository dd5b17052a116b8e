"""A dataset of your own: a stimuli table and its responses, in the forms that people have."""

import logging
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import xarray as xr

from brainalign.datasets import own_localizer
from brainalign.datasets.own_checks import check_values
from brainalign.datasets.own_covariates import with_covariates
from brainalign.datasets.own_findings import Findings
from brainalign.datasets.own_form import Unpacked, in_order
from brainalign.datasets.own_paths import own_paths
from brainalign.datasets.own_responses import read_responses
from brainalign.datasets.own_table import read_stimuli
from brainalign.datasets.prepared import Prepared
from brainalign.datasets.raw import RawFile, Record, content, unpacked, user_file
from brainalign.datasets.settings import Own
from brainalign.errors import InputError
from brainalign.formats.datasets import assign_volumes, check_responses, is_timed
from brainalign.job import CHANGED

LOG = logging.getLogger("brainalign")


def raw_files(source: Own) -> list[RawFile]:
    """The files that the config names."""
    return [user_file(path) for path in own_paths(source)]


def read(records: Sequence[Record], source: Own) -> Prepared:
    """The files, checked against each other; docs/adding-a-dataset.md gives their forms.

    A localizer has strings and their conditions in place of responses. Columns `onset` and `offset`
    may be left out of a stimuli table without times, and covariates of words are made where they
    are absent. The card lists what was changed and made (`changed`), left out (`dropped`) and
    noticed (`notes`).

    Raises
    ------
    InputError : a file is unreadable, or they do not fit docs/architecture.md, "Files", or hold
        what cannot have been measured.
    """
    by_path = {record.name: record for record in records}

    def file(path: str) -> tuple[str, bytes]:
        record = by_path[str(Path(path).absolute())]
        return record.path, unpacked(content(record), record.path)

    findings = Findings()
    if source.localizer:
        table, data = file(source.stimuli)
        stimuli, responses = own_localizer.read(data, table, source, records, findings)
    else:
        stimuli, responses = _measured(source, file, findings)
    for line in (*findings.notes, *(CHANGED + line for line in findings.changed)):
        LOG.warning("%s", line)
    for line in findings.made:
        LOG.info("%s", line)
    return Prepared.of(
        stimuli,
        responses.drop_vars("file_row", errors="ignore"),
        records,
        dataset="own",
        citation=source.citation,
        dropped=findings.dropped,
        changed=[*findings.changed, *findings.made],
        notes=findings.notes,
    )


def _measured(source: Own, file: Unpacked, findings: Findings) -> tuple[pd.DataFrame, xr.Dataset]:
    """Stimuli and the responses to them, checked against each other."""
    responses = read_responses(source, file, findings)
    timed = "responses" in responses and is_timed(responses)
    table, data = file(source.stimuli)
    stimuli, rows = read_stimuli(data, table, findings, timed=timed)
    where = file(own_paths(source)[1])[0]
    _check_word_numbers(stimuli, table)
    if not timed:
        responses = in_order(responses, stimuli, where)

    def onset_at(row: int) -> str:
        return f"{table}: row {rows[row]}: stimulus {stimuli['stimulus_id'].iloc[row]}: onset"

    check_responses(responses, stimuli, where, onset_at)
    _check_offsets(stimuli, table)
    check_values(responses, stimuli, where, findings, images=bool(source.images))
    if responses.attrs["simulated"]:
        raise InputError(
            f"{where}: attribute simulated is {responses.attrs['simulated']!r}; your "
            "data must be real: set it to 0"
        )
    if timed:
        findings.notes += _timing_notes(stimuli, responses)
    if responses.attrs["kind"] == "reading-times":
        stimuli = with_covariates(stimuli, findings)
    return stimuli, responses


def _check_offsets(stimuli: pd.DataFrame, where: str) -> None:
    early = stimuli["offset"].to_numpy(float) < stimuli["onset"].to_numpy(float)
    if early.any():
        row = stimuli[early].iloc[0]
        raise InputError(
            f"{where}: stimulus {row['stimulus_id']}: offset {row['offset']:g} s is before its "
            f"onset, {row['onset']:g} s; offsets are times, not durations"
        )


def _check_word_numbers(stimuli: pd.DataFrame, where: str) -> None:
    """Words are counted from 1: the first one of a sentence is left out by that number."""
    if "word_in_sentence" not in stimuli:
        return
    numbers = pd.to_numeric(stimuli["word_in_sentence"], errors="coerce")
    wrong = stimuli["word_in_sentence"].notna() & ~(numbers >= 1)
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
