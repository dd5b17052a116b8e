"""Blank2014: fMRI of 5 people who listen to eight stories, cut into fragments of 2 s."""

import logging
from collections.abc import Sequence

import numpy as np
import pandas as pd

from brainalign.datasets.assembly import (
    LICENCE,
    assembly_file,
    in_reading_order,
    read_assembly,
    sortable,
)
from brainalign.datasets.prepared import Prepared, attributes, expect
from brainalign.datasets.raw import RawFile, Record
from brainalign.datasets.settings import Blank2014
from brainalign.datasets.words import text_covariates
from brainalign.formats.datasets import responses_to

CITATION = "Blank, Kanwisher & Fedorenko 2014, Journal of Neurophysiology 112:1105-1118"
SOURCE = "Brain-Score assembly Blank2014.fROI"
NAME, SHA1 = "Blank2014_fROI", "af1e868821b897cb1684e4c8dcd33977121ef552"

ROW_LEVELS = {
    "stimulus_id": ("stimulus_id",),
    "text": ("stimulus", "stimulus_sentence"),
    "story": ("story",),
    "sentence": ("sentence_number_in_story",),
    "part": ("part_number_in_sentence",),
}
TARGET_LEVELS = {
    "target_id": ("neuroid_id",),
    "subject": ("subject_id", "subject_UID"),
    "region": ("fROI_area",),
}

LOG = logging.getLogger("brainalign")


def raw_files(source: Blank2014) -> list[RawFile]:
    """Brain-Score's one file."""
    return [assembly_file(NAME, SHA1)]


def read(records: Sequence[Record], source: Blank2014) -> Prepared:
    """Fragments of text heard in 2 s, and the response of each region 4 s later.

    The file has the shift of 4 s in it: a row pairs the fragment at t with the scan at t + 4 s, so
    rows are untimed here. A context group, and a split group, is a story.

    Raises
    ------
    InputError : as `read_assembly`.
    """
    (record,) = records
    assembly = read_assembly(record, ROW_LEVELS, TARGET_LEVELS)
    order = in_reading_order(assembly.rows, "story", ["sentence", "part"])
    rows, values, targets = assembly.rows.iloc[order], assembly.values[order], assembly.targets
    stimuli = pd.DataFrame(
        {
            "stimulus_id": sortable(rows["stimulus_id"]),
            # Fragments keep the blanks at their ends in the file; contexts join with their own.
            "text": rows["text"].str.strip(),
            "context_group": rows["story"],
            "position": rows.groupby("story").cumcount() + 1,
            "split_group": rows["story"],
            "onset": np.nan,
            "offset": np.nan,
            "sentence_id": rows["sentence"],
        }
    ).reset_index(drop=True)
    stimuli = pd.concat([stimuli, text_covariates(stimuli["text"].tolist())], axis=1).assign(
        source_row=order
    )
    responses = responses_to(
        stimuli,
        {"responses": values},
        {level: targets[level].astype(str).tolist() for level in TARGET_LEVELS},
        attributes("brain", "BOLD response, mean of a region", SOURCE, LICENCE, records),
    )
    if record.verified:
        expect(values.shape, (1317, 60), record.path, "shape")
        expect(stimuli["context_group"].nunique(), 8, record.path, "number of stories")
        expect(targets["subject"].nunique(), 5, record.path, "number of subjects")
        expect(targets["region"].nunique(), 12, record.path, "number of regions")
    notes = [
        "a row is the text heard in one scan of 2 s and the scan 4 s later (in the file)",
        "fragments may cut words and sentences; blanks at their ends are removed",
        "source_row is the row of the file",
    ]
    positions = rows[["story", "sentence", "part"]].astype(str).agg(".".join, axis=1)
    moved = int((positions != rows["stimulus_id"].astype(str)).sum())
    if moved:
        # Responses go with the ids: texts that have moved against them belong to other scans.
        notes.append(
            f"the ids of {moved} of {len(rows)} fragments name another position than story, "
            "sentence and part: texts and responses may not belong together"
        )
        LOG.warning(f"{record.path}: {notes[-1]}")
    return Prepared.of(
        stimuli,
        responses,
        records,
        dataset="blank2014",
        citation=CITATION,
        notes=notes,
        fragment_seconds=2.0,
    )
