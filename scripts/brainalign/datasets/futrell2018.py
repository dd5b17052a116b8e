"""Futrell2018: Natural Stories' reading times as Brain-Score has them, before their correction."""

from collections.abc import Sequence

import numpy as np

from brainalign.datasets.assembly import (
    assembly_file,
    in_reading_order,
    read_assembly,
    sortable,
)
from brainalign.datasets.prepared import Prepared, attributes, expect
from brainalign.datasets.raw import RawFile, Record
from brainalign.datasets.reading_times import (
    check_milliseconds,
    lag_profile,
    reading_responses,
)
from brainalign.datasets.settings import Futrell2018
from brainalign.datasets.words import unknown_words, word_stimuli

CITATION = "Futrell et al. 2018, LREC; Futrell et al. 2021, Language Resources and Evaluation 55"
SOURCE = "Brain-Score assembly Futrell2018 (the release before the correction of May 2025)"
LICENCE = "CC BY-NC-SA 4.0"
NAME, SHA1 = "Futrell2018", "381ccc8038fbdb31235b5f3e1d350f359b5e287f"

ROW_LEVELS = {
    "stimulus_id": ("stimulus_id",),
    "text": ("word",),
    "story": ("story_id",),
    "zone": ("word_id",),
    "sentence": ("sentence_id",),
    "index": ("word_within_sentence_id",),
}
TARGET_LEVELS = {"target_id": ("subject_id",)}


def raw_files(source: Futrell2018) -> list[RawFile]:
    """Brain-Score's one file."""
    return [assembly_file(NAME, SHA1)]


def read(records: Sequence[Record], source: Futrell2018) -> Prepared:
    """Words of the ten stories, and every reader's reading times in milliseconds (NaN: unread).

    These are the times that published scores used. Those of the original release are misaligned
    by one word; `natural-stories` is the corrected release.

    Raises
    ------
    InputError : as `read_assembly`, or the times are no milliseconds.
    """
    (record,) = records
    assembly = read_assembly(record, ROW_LEVELS, TARGET_LEVELS, target_dimension="subject")
    order = in_reading_order(assembly.rows, "story", ["zone"])
    rows, values = assembly.rows.iloc[order].reset_index(drop=True), assembly.values[order]
    width = len(str(rows["story"].max()))
    story = rows["story"].map(lambda number: f"story{number:0{max(width, 2)}d}")
    stimuli = word_stimuli(
        sortable(rows["stimulus_id"]), rows["text"].tolist(), story, rows["zone"],
        rows["sentence"], rows["index"],
    ).assign(source_row=order)  # fmt: skip
    check_milliseconds(values, record.path)
    readers = assembly.targets["target_id"].astype(str).tolist()
    responses = reading_responses(
        {"responses": values}, stimuli, readers,
        attributes("reading-times", "ms", SOURCE, LICENCE, records),
    )  # fmt: skip
    if record.verified:
        expect(values.shape, (10256, 180), record.path, "shape")
        expect(stimuli["context_group"].nunique(), 10, record.path, "number of stories")
        expect(stimuli["sentence_id"].nunique(), 481, record.path, "number of sentences")
    read_by_some = ~np.isnan(values).all(axis=1)
    mean = np.full(len(values), np.nan)
    mean[read_by_some] = np.nanmean(values[read_by_some], axis=1)
    return Prepared.of(
        stimuli,
        responses,
        records,
        dataset="futrell2018",
        citation=CITATION,
        notes=[
            "reading times of the original release, misaligned by one word; kept for "
            "comparison with published scores",
            "source_row is the row of the file",
            *unknown_words(stimuli),
        ],
        release="original",
        lag_profile=lag_profile(stimuli["length"].to_numpy(), mean, story.to_numpy()),
        readers="each",
        sentences=int(stimuli["sentence_id"].nunique()),
    )
