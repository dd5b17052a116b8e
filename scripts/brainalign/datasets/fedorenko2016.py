"""Fedorenko2016: electrocorticography of 5 people who read sentences of 8 words."""

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
from brainalign.datasets.settings import Fedorenko2016
from brainalign.datasets.words import covariates
from brainalign.formats.datasets import responses_to

CITATION = "Fedorenko et al. 2016, PNAS 113:E6256-E6262"
SOURCE = "Brain-Score assembly Fedorenko2016.language"
NAME, SHA1 = "Fedorenko2016_language", "2966b6d78e972a72068aa6907377483f427e8d9a"

ROW_LEVELS = {
    "stimulus_id": ("stimulus_id",),
    "text": ("stimulus", "word"),
    "sentence": ("sentence_id",),
    "index": ("word_num",),
}
TARGET_LEVELS = {"neuroid": ("neuroid_id",), "subject": ("subject_UID", "subject_id")}


def raw_files(source: Fedorenko2016) -> list[RawFile]:
    """Brain-Score's one file."""
    return [assembly_file(NAME, SHA1)]


def read(records: Sequence[Record], source: Fedorenko2016) -> Prepared:
    """Words, and the response of each language electrode; a context group is a sentence.

    Raises
    ------
    InputError : as `read_assembly`.
    """
    (record,) = records
    assembly = read_assembly(record, ROW_LEVELS, TARGET_LEVELS)
    order = in_reading_order(assembly.rows, "sentence", ["index"])
    rows, values = assembly.rows.iloc[order].reset_index(drop=True), assembly.values[order]
    width = len(str(rows["sentence"].max()))
    sentence = rows["sentence"].map(lambda number: f"sentence{number:0{width}d}")
    stimuli = pd.DataFrame(
        {
            "stimulus_id": sortable(rows["stimulus_id"]),
            "text": rows["text"],
            "context_group": sentence,
            "position": rows["index"] - rows["index"].min() + 1,
            "split_group": sentence,
            "onset": np.nan,
            "offset": np.nan,
        }
    )
    stimuli = pd.concat([stimuli, covariates(rows["text"].tolist())], axis=1).assign(
        sentence_id=rows["sentence"], word_in_sentence=stimuli["position"], source_row=order
    )
    subjects = assembly.targets["subject"].astype(str)
    responses = responses_to(
        stimuli,
        {"responses": values},
        {
            "target_id": (subjects + "." + assembly.targets["neuroid"].astype(str)).tolist(),
            "subject": subjects.tolist(),
            "region": ["language electrodes"] * len(subjects),
        },
        attributes("brain", "high-gamma response", SOURCE, LICENCE, records),
    )
    if record.verified:
        expect(values.shape, (416, 97), record.path, "shape")
        expect(stimuli["context_group"].nunique(), 52, record.path, "number of sentences")
        expect(subjects.nunique(), 5, record.path, "number of subjects")
    return Prepared.of(
        stimuli, responses, records, dataset="fedorenko2016", citation=CITATION,
        notes=["source_row is the row of the file"],
    )  # fmt: skip
