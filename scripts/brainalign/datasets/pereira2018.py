"""Pereira2018: fMRI of 10 people who read sentences of short passages, two experiments."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from brainalign.datasets.assembly import (
    LICENCE,
    Assembly,
    assembly_file,
    in_reading_order,
    read_assembly,
    sortable,
)
from brainalign.datasets.prepared import Prepared, attributes, expect
from brainalign.datasets.raw import RawFile, Record
from brainalign.datasets.settings import Pereira2018
from brainalign.datasets.words import text_covariates
from brainalign.errors import InputError
from brainalign.formats.datasets import responses_to

CITATION = "Pereira et al. 2018, Nature Communications 9:963"
SOURCE = "Brain-Score assembly Pereira2018.language"
NAME, SHA1 = "Pereira2018_language", "f8434b4022f5b2c862f0ff2854d5b3f5f2a7fb96"
PASSAGES = {"index": "passage_index", "label": "passage_label"}

ROW_LEVELS = {
    "stimulus_id": ("stimulus_id",),
    "text": ("stimulus", "sentence"),
    "experiment": ("experiment",),
    "number": ("stimulus_num",),
    "passage_index": ("passage_index",),
    "passage_label": ("passage_label",),
    "story": ("story",),
}
TARGET_LEVELS = {
    "target_id": ("neuroid_id",),
    "subject": ("subject",),
    "region": ("roi", "atlas"),
}
# Brain-Score's test values, and the paper's counts of subjects and voxels per experiment.
KNOWN = {"rows": 627, "neuroids": 13553, "subjects": 10, "nansum": 1935595.263162177}
KNOWN_EXPERIMENT = {243: (243, 8121, 6, 72), 384: (384, 12195, 9, 96)}


def raw_files(source: Pereira2018) -> list[RawFile]:
    """Brain-Score's one file of both experiments."""
    return [assembly_file(NAME, SHA1)]


def read(records: Sequence[Record], source: Pereira2018) -> Prepared:
    """One experiment: its sentences, and the language voxels of those who took part in it.

    `source.passages` says what a context group is: `index` (a passage of the article) or
    `label` (Brain-Score's grouping; in the 243-sentence experiment a label is shared by the three
    passages of a topic, so its models read those three as one text).

    Raises
    ------
    InputError : as `read_assembly`; or the experiment is not in the file, or a subject has no value
        in either experiment.
    """
    experiment, passages = source.experiment, PASSAGES[source.passages]
    (record,) = records
    assembly = read_assembly(record, ROW_LEVELS, TARGET_LEVELS)
    if record.verified:
        _check_complete(assembly)
    _refuse_silent(assembly)
    name = f"{experiment}sentences"
    rows = assembly.rows[assembly.rows["experiment"] == name].reset_index(names="row")
    if rows.empty:
        result = ", ".join(sorted(set(assembly.rows["experiment"].astype(str))))
        raise InputError(f"{record.path}: experiment {name} is not in it; it has {result}")
    values = assembly.values[rows.pop("row").to_numpy()]
    missing = np.isnan(values)
    absent, partial = missing.all(axis=0), missing.any(axis=0) & ~missing.all(axis=0)
    keep = ~(absent | partial)
    if not keep.any():
        raise InputError(f"{record.path}: experiment {name}: no voxel without missing values")
    targets = assembly.targets[keep]
    order = in_reading_order(rows, passages, ["number"])
    rows, values = rows.iloc[order], values[np.ix_(order, keep)]
    stimuli = pd.DataFrame(
        {
            "stimulus_id": sortable(rows["stimulus_id"]),
            "text": rows["text"],
            "context_group": rows[passages].astype(str),
            "position": rows.groupby(passages).cumcount() + 1,
            "split_group": rows["story"].astype(str),
            "onset": np.nan,
            "offset": np.nan,
        }
    ).reset_index(drop=True)
    stimuli = pd.concat([stimuli, text_covariates(stimuli["text"].tolist())], axis=1).assign(
        source_row=order
    )
    responses = responses_to(
        stimuli,
        {"responses": values},
        {level: targets[level].astype(str).tolist() for level in TARGET_LEVELS},
        attributes("brain", "BOLD response", SOURCE, LICENCE, records),
    )
    if record.verified:
        n_rows, n_voxels, n_subjects, n_passages = KNOWN_EXPERIMENT[experiment]
        where = f"{record.path}: experiment {name}"
        expect(len(stimuli), n_rows, where, "number of sentences")
        expect(values.shape[1], n_voxels, where, "number of voxels")
        expect(targets["subject"].nunique(), n_subjects, where, "number of subjects")
        expect(rows["passage_index"].nunique(), n_passages, where, "number of passages")
    return Prepared.of(
        stimuli,
        responses,
        records,
        dataset=f"pereira2018-{experiment}",
        citation=CITATION,
        dropped=[
            {
                "what": "sentences",
                "n": len(assembly.rows) - len(rows),
                "why": "of the other experiment",
            },
            {
                "what": "voxels",
                "n": int(absent.sum()),
                "why": "their subject did not take part in this experiment",
            },
            {
                "what": "voxels",
                "n": int(partial.sum()),
                "why": "missing values for some of the sentences (Brain-Score drops them too)",
            },
        ],
        notes=[
            f"a context group is a {passages.replace('_', ' ')}",
            "split_group is the topic (experiment + passage category)",
            "source_row is the row among this experiment's rows of the file",
        ],
    )


def _refuse_silent(assembly: Assembly) -> None:
    measured = pd.Series(np.isfinite(assembly.values).any(axis=0))
    of_subject = measured.groupby(assembly.targets["subject"].astype(str).to_numpy()).any()
    if not of_subject.all():
        subject = of_subject.index[~of_subject][0]
        raise InputError(f"{assembly.where}: subject {subject} has only NaN in both experiments")


def _check_complete(assembly: Assembly) -> None:
    where = assembly.where
    expect(len(assembly.rows), KNOWN["rows"], where, "number of presentations")
    expect(len(assembly.targets), KNOWN["neuroids"], where, "number of neuroids")
    expect(assembly.targets["subject"].nunique(), KNOWN["subjects"], where, "number of subjects")
    total = float(np.nansum(assembly.values, dtype=np.float64))
    expect(total, KNOWN["nansum"], where, "sum of all values", tolerance=2.0)
