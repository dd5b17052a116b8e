"""A-Maze times of Natural Stories (Boyce & Levy 2023), as Michaelov et al. 2024 published them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from brainalign.datasets import michaelov2024, natural_stories
from brainalign.datasets.prepared import Prepared, attributes, expect
from brainalign.datasets.raw import RawFile, Record, by_name, raw_table
from brainalign.datasets.reading_times import (
    check_milliseconds,
    lag_profile,
    reading_responses,
)
from brainalign.datasets.settings import NaturalStoriesMaze
from brainalign.errors import InputError

CITATION = "Boyce & Levy 2023, Glossa Psycholinguistics 2; Michaelov et al. 2024, COLM"
SOURCE = "jmichaelov/recurrent-vs-transformer-modeling (commit 1c7152a2), boyce_2023.tsv"
LICENCE = "MIT (repository); CC BY-NC-SA 4.0 (words)"
TIMES = f"{michaelov2024.FOLDER}/boyce_2023.tsv"
# The times name words by sentence and position; the rows of a surprisal table number all of them.
NUMBERING_OF = "pythia-160m"
COLUMNS = ("rt", "wlen", "subject", "docid", "sentid", "sentpos")


def raw_files(source: NaturalStoriesMaze) -> list[RawFile]:
    """The words, the times, and a table that numbers the sentences as the times do."""
    words = raw_table("natural_stories", natural_stories.LICENCE)[natural_stories.WORDS]
    times = raw_table("michaelov2024", LICENCE)[TIMES]
    return [words, times, michaelov2024.output_file(NUMBERING_OF)]


def read(records: Sequence[Record], source: NaturalStoriesMaze) -> Prepared:
    """Words of the ten stories, and each reader's Maze time in ms (NaN: unread, or a mistake).

    Raises
    ------
    InputError : a time is not above 0, all are no milliseconds, a reader has two times for a
        word, or a word is unknown or of another length.
    """
    files = by_name(records)
    _, stimuli = natural_stories.story_words(files[natural_stories.WORDS])
    numbering = next(record for name, record in files.items() if NUMBERING_OF in name)
    rows = michaelov2024.word_positions(numbering, stimuli)[["docid", "sentid", "sentpos", "row"]]
    record = files[TIMES]
    times = michaelov2024.numbers(record, COLUMNS).merge(
        rows, on=["docid", "sentid", "sentpos"], how="left"
    )
    _refuse(times, times["row"].isna(), "is no word of the stories", record)
    _refuse(times, times["rt"] <= 0, "expected milliseconds above 0", record)
    _refuse(times, times.duplicated(["subject", "row"]), "appears twice for this reader", record)
    check_milliseconds(times["rt"].to_numpy(float), record.path)
    row = times["row"].to_numpy(int)
    length = stimuli["length"].to_numpy()[row]
    _refuse(times, times["wlen"] != length, "is of another length than the word", record)
    readers = sorted(times["subject"].unique())
    column = times["subject"].map({reader: i for i, reader in enumerate(readers)})
    values = np.full((len(stimuli), len(readers)), np.nan)
    values[row, column.to_numpy(int)] = times["rt"]
    responses = reading_responses(
        {"responses": values}, stimuli, readers,
        attributes("reading-times", "ms", SOURCE, LICENCE, records),
    )  # fmt: skip
    read_by = (~np.isnan(values)).sum(axis=1)
    if record.verified:
        expect(len(times), 56447, record.path, "number of times")
        expect(len(readers), 63, record.path, "number of readers")
        expect(int((read_by > 0).sum()), 9304, record.path, "number of words with a time")
        per_story = times.groupby("docid")["subject"].nunique()
        expect(int(per_story.min()), 3, record.path, "least number of readers of a story")
        expect(int(per_story.max()), 8, record.path, "largest number of readers of a story")
    mean = np.nansum(values, axis=1) / np.where(read_by > 0, read_by, np.nan)
    return Prepared.of(
        stimuli, responses, records,
        dataset="natural-stories-maze", citation=CITATION,
        notes=[
            "the release leaves out the first word of each sentence, and words after a mistake",
            f"{int((read_by == 0).sum())} words have no time",
        ],
        task="A-Maze", readers="each", n_readers=len(readers), times=len(times),
        lag_profile=lag_profile(
            stimuli["length"].to_numpy(), mean, stimuli["context_group"].to_numpy()
        ),
    )  # fmt: skip


def _refuse(times: Any, bad: Any, why: str, record: Record) -> None:
    if bad.any():
        index = int(np.flatnonzero(bad)[0])
        row = times.iloc[index]
        raise InputError(
            f"{record.path}: line {index + 2}: reader {row['subject']}, story {row['docid']}, "
            f"sentence {row['sentid']}, word {row['sentpos']}, {row['rt']:g} ms: {why}"
        )
