"""The Reading Brain project, native readers: eye movements on five expository texts."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import xarray as xr

from brainalign.datasets.eye_movements import word_measures
from brainalign.datasets.measures import DURATIONS, MEASURES
from brainalign.datasets.prepared import Prepared, attributes, expect
from brainalign.datasets.raw import RawFile, Record, raw_table, tab_separated
from brainalign.datasets.reading_times import check_milliseconds
from brainalign.datasets.settings import ReadingBrain
from brainalign.datasets.words import word_stimuli
from brainalign.errors import InputError
from brainalign.formats.datasets import responses_to

CITATION = "Li et al. 2019, OpenNeuro ds003974; Gao et al. 2025, Nature Computational Science 5"
SOURCE = "OpenNeuro ds003974, version 3.0.0"
LICENCE = "CC0"
# Column of the raw table → its name here.
COLUMNS = {
    "SentenceID": "sentence",
    "CURRENT_FIX_INTEREST_AREA_ID": "word",
    "Words": "text",
    "CURRENT_FIX_DURATION": "ms",
    "CURRENT_FIX_START": "start",
}
SENTENCE = r"t\.(\d\d)\.(\d\d)"  # text and sentence; other rows are of the scan, of no sentence
OFF_WORDS = "."


def raw_files(source: ReadingBrain) -> list[RawFile]:
    """A table of events per reader and text."""
    return list(raw_table("reading_brain", LICENCE).values())


def read(records: Sequence[Record], source: ReadingBrain) -> Prepared:
    """Words of the texts, and seven measures of their reading by each reader.

    The texts are put together from the rows of all readers. A target is a measure of a reader:
    its `region` names the measure, its `subject` the reader. Durations are in ms and NaN for words
    that were not fixated; skipping and regressions are 0 or 1. All are NaN where a reader has no
    fixation on the sentence.

    Raises
    ------
    InputError : a table lacks a column, a fixation has no number or no duration above 0, all
        are no milliseconds, two of a reader begin at one time, or two readers have another word at
        the same position.
    """
    tables = [_fixations(record) for record in records]
    rows = sum(n for _, n in tables)
    fixations = pd.concat([table for table, _ in tables], ignore_index=True)
    on_words = fixations[fixations["word"] >= 0]
    check_milliseconds(on_words["ms"].to_numpy(float), SOURCE)
    shown = _texts(on_words)
    responses = _responses(on_words, shown, records)
    stimuli = _stimuli(shown)
    values = responses["responses"]
    skipped = values[:, responses["region"].values == "skipping"].values
    never = np.isnan(values[:, responses["region"].values == "total"].values) & ~np.isnan(skipped)
    never_fixated = float(never.sum() / (~np.isnan(skipped)).sum())
    counts = {
        "rows": rows,
        "fixations on words": len(on_words),
        "readings of a sentence": len(on_words[["subject", "sentence"]].drop_duplicates()),
        "words": len(shown),
        "sentences": int(shown["sentence"].nunique()),
        "readers": int(on_words["subject"].nunique()),
    }
    if all(record.verified for record in records):
        known = dict(zip(counts, (180302, 94843, 7668, 1532, 148, 52), strict=True))
        for what, n in counts.items():
            expect(n, known[what], SOURCE, f"number of {what}")
        expect(float(np.nanmean(skipped)), 0.349, SOURCE, "share of words skipped", 0.0005)
        expect(never_fixated, 0.255, SOURCE, "share of words never fixated", 0.0005)
        expect(_backwards(on_words), (87175, 0.207), SOURCE, "moves between words, share back")
        _expect_texts(shown)
    off = len(fixations) - len(on_words)
    return Prepared.of(
        stimuli, responses, records,
        dataset="reading-brain", citation=CITATION,
        dropped=[{"what": "fixations off all words", "n": off, "why": "they read no word"}],
        notes=[
            "each sentence was shown alone; a reader saw the sentences of a text in order",
            "no fixation was left out for its length; "
            f"{int((on_words['ms'] < 50).sum())} are shorter than 50 ms",
            "durations are in ms, skipping and regressions are shares",
        ],
        measures=list(MEASURES),
        first_pass_skipping=float(np.nanmean(skipped)),
        never_fixated=never_fixated,
        counts=counts,
    )  # fmt: skip


def _backwards(on_words: pd.DataFrame) -> tuple[int, float]:
    """How many moves from fixation to fixation a sentence has in all, and what share goes back."""
    read = on_words.groupby(["subject", "sentence"], sort=False)
    moves = read["word"].diff().dropna()
    return len(moves), round(float((moves < 0).mean()), 3)


def _expect_texts(shown: pd.DataFrame) -> None:
    """The published texts: how many sentences, how many words in a sentence, and an odd word."""
    texts = shown["sentence"].str.extract(SENTENCE)[0]
    sentences = shown.groupby(texts)["sentence"].nunique().tolist()
    expect(sentences, [31, 31, 28, 28, 30], SOURCE, "number of sentences of each text")
    lengths = shown.groupby("sentence").size()
    span = int(lengths.min()), int(lengths.max())
    expect(span, (6, 16), SOURCE, "least and largest number of words of a sentence")
    odd = shown.loc[(shown["sentence"] == "t.04.18") & (shown["word"] == 13), "text"].tolist()
    expect(odd, ["n/a"], SOURCE, "word 14 of sentence t.04.18")


def _fixations(record: Record) -> tuple[pd.DataFrame, int]:
    """The fixations on sentences, in order, and the number of rows of the file.

    Columns `subject`, `sentence`, `word` (from 0; -1 off all words), `text`, `ms`.
    """
    where = record.path
    table = tab_separated(record, list(COLUMNS)).rename(columns=COLUMNS)
    n_rows = len(table)
    table = table[table["sentence"].str.fullmatch(SENTENCE)]
    on_word = table["word"] != OFF_WORDS
    table["word"] = table["word"].where(on_word, "0")
    for name in ("word", "ms", "start"):
        numbers = pd.to_numeric(table[name], errors="coerce")
        wrong = numbers.isna() | (numbers <= 0 if name == "ms" else numbers < 0)
        if wrong.any():
            row = int(table.index[wrong][0])
            raise InputError(
                f"{where}: line {row + 2}: {name} {table.loc[row, name]!r}, expected "
                + ("milliseconds above 0" if name == "ms" else "a number from 0 up")
            )
        table[name] = numbers
    table["word"] = table["word"].astype(int) - 1
    twice = table.duplicated(["sentence", "start"])
    if twice.any():
        odd = table[twice].iloc[0]
        raise InputError(
            f"{where}: line {int(table.index[twice][0]) + 2}: sentence {odd['sentence']} has two "
            f"fixations that begin at {odd['start']:g} ms"
        )
    table = table.sort_values(["sentence", "start"], kind="stable")
    subject = record.name.split("/")[1]
    return table.drop(columns="start").assign(subject=subject), n_rows


def _texts(on_words: pd.DataFrame) -> pd.DataFrame:
    """`sentence`, `word`, `text` of every word, in reading order; equal for all readers."""
    shown = on_words[["sentence", "word", "text"]].drop_duplicates()
    twice = shown.duplicated(["sentence", "word"])
    if twice.any():
        row = shown[twice].iloc[0]
        raise InputError(
            f"{SOURCE}: sentence {row['sentence']}, word {row['word'] + 1} is {row['text']!r} for "
            "one reader and another word for another"
        )
    shown = shown.sort_values(["sentence", "word"], ignore_index=True)
    gaps = shown["word"] != shown.groupby("sentence").cumcount()
    if gaps.any():
        row = shown[gaps].iloc[0]
        raise InputError(
            f"{SOURCE}: sentence {row['sentence']}: no reader fixated the word before word "
            f"{row['word'] + 1}, so the text cannot be put together"
        )
    return shown


def _stimuli(shown: pd.DataFrame) -> pd.DataFrame:
    parts = shown["sentence"].str.extract(SENTENCE)
    story = "text" + parts[0]
    number = shown["word"] + 1
    ids = shown["sentence"] + "." + number.map("{:02d}".format)
    position = shown.groupby(story).cumcount() + 1
    return word_stimuli(ids, shown["text"].tolist(), story, position, shown["sentence"], number)


def _responses(
    on_words: pd.DataFrame, shown: pd.DataFrame, records: Sequence[Record]
) -> xr.Dataset:
    readers = sorted(on_words["subject"].unique())
    first = {name: int(rows[0]) for name, rows in shown.groupby("sentence").indices.items()}
    lengths = shown.groupby("sentence").size().to_dict()
    values = np.full((len(shown), len(MEASURES), len(readers)), np.nan)
    column = {reader: index for index, reader in enumerate(readers)}
    for (reader, sentence), read in on_words.groupby(["subject", "sentence"], sort=False):
        rows = slice(first[sentence], first[sentence] + lengths[sentence])
        measured = word_measures(
            read["word"].to_numpy(), read["ms"].to_numpy(float), lengths[sentence]
        )
        values[rows, :, column[reader]] = np.stack([measured[name] for name in MEASURES], axis=1)
    targets = [(measure, reader) for measure in MEASURES for reader in readers]
    return responses_to(
        _stimuli(shown),
        {"responses": values.reshape(len(shown), -1)},
        {
            "target_id": [f"{measure}.{reader}" for measure, reader in targets],
            "subject": [reader for _, reader in targets],
            "region": [measure for measure, _ in targets],
            "target_units": ["ms" if measure in DURATIONS else "share" for measure, _ in targets],
        },
        attributes("reading-times", "ms", SOURCE, LICENCE, records),
    )
