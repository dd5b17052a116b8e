"""Tuckute2024: fMRI to 1,000 single sentences, mean over 5 people and the language network."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from brainalign.datasets.assembly import LICENCE, assembly_file, read_assembly, sortable
from brainalign.datasets.prepared import Prepared, attributes, expect
from brainalign.datasets.raw import RawFile, Record
from brainalign.datasets.settings import Tuckute2024
from brainalign.datasets.words import text_covariates
from brainalign.errors import InputError
from brainalign.formats.datasets import responses_to

CITATION = "Tuckute et al. 2024, Nature Human Behaviour 8:544-561"
SOURCE = "Brain-Score assembly Tuckute2024.language"
NAME, SHA1 = "Tuckute2024_language", "5c8fc7f3e24cc1af5f5296459377b638b6492641"

ROW_LEVELS = {"stimulus_id": ("stimulus_id",), "text": ("stimulus", "sentence")}
TARGET_LEVELS = {"target_id": ("neuroid_id",)}


def raw_files(source: Tuckute2024) -> list[RawFile]:
    """Brain-Score's one file."""
    return [assembly_file(NAME, SHA1)]


def read(records: Sequence[Record], source: Tuckute2024) -> Prepared:
    """Sentences that stand alone (each its own context and split group), and one target.

    Raises
    ------
    InputError : as `read_assembly`, or the file holds more than one target.
    """
    (record,) = records
    assembly = read_assembly(record, ROW_LEVELS, TARGET_LEVELS)
    if assembly.values.shape[1] != 1:
        n = assembly.values.shape[1]
        raise InputError(f"{record.path}: {n} neuroids, expected 1 (the mean response)")
    ids = sortable(assembly.rows["stimulus_id"])
    stimuli = pd.DataFrame(
        {
            "stimulus_id": ids,
            "text": assembly.rows["text"],
            "context_group": ids,
            "position": 1,
            "split_group": ids,
            "onset": np.nan,
            "offset": np.nan,
        }
    )
    stimuli = pd.concat([stimuli, text_covariates(stimuli["text"].tolist())], axis=1).assign(
        source_row=np.arange(len(ids))
    )
    responses = responses_to(
        stimuli,
        {"responses": assembly.values},
        {
            "target_id": assembly.targets["target_id"].astype(str).tolist(),
            "subject": ["mean of 5"],
            "region": ["language network, left"],
        },
        attributes("brain", "BOLD response, z-scored", SOURCE, LICENCE, records),
    )
    if record.verified:
        expect(assembly.values.shape, (1000, 1), record.path, "shape")
    return Prepared.of(
        stimuli, responses, records, dataset="tuckute2024", citation=CITATION,
        notes=["one target: subjects are averaged in the file, so no ceiling over subjects"],
    )  # fmt: skip
