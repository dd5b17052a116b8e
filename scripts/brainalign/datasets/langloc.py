"""The language localizer: sentences and strings of non-words (Fedorenko et al. 2010)."""

import csv
import io
from collections.abc import Iterator, Sequence

from brainalign.datasets.localizer import conditions
from brainalign.datasets.prepared import Prepared, expect
from brainalign.datasets.raw import RawFile, Record, raw_table, text
from brainalign.datasets.settings import Langloc
from brainalign.errors import InputError

CITATION = "Fedorenko et al. 2010, Journal of Neurophysiology 104:1177-1194"
SOURCE = "Brain-Score dataset Fedorenko2010.localization"
LICENCE = "MIT"
WORDS = 12  # of a string: columns stim2 to stim13
COLUMNS = [f"stim{i}" for i in range(1, WORDS + 3)]
IS_SENTENCE = {"S": True, "N": False}  # column stim14
STRINGS = 24  # of either condition in a file


def raw_files(source: Langloc) -> list[RawFile]:
    """Brain-Score's ten files: two runs of five sets."""
    return list(raw_table("langloc", LICENCE).values())


def read(records: Sequence[Record], source: Langloc) -> Prepared:
    """The strings in lower case, as llm-localization reads them; each is a text by itself.

    Raises
    ------
    InputError : a line is no string of 12 words with its condition, or a file has not 24 of each.
    """
    strings: list[tuple[str, str, bool]] = []
    for record in records:
        in_file = list(_strings(record))
        for name, is_sentence in IS_SENTENCE.items():
            result = sum(sentence == is_sentence for _, sentence in in_file)
            expect(result, STRINGS, record.path, f"number of strings of condition {name}")
        stem = record.name.split("/")[-1].removesuffix(".csv").removeprefix("langloc_fmri_")
        strings += [(f"{stem}-{i:02d}", *one) for i, one in enumerate(in_file, start=1)]
    ids, texts, sentences = zip(*strings, strict=True)
    stimuli, responses = conditions(ids, texts, sentences, SOURCE, LICENCE, records)
    return Prepared.of(stimuli, responses, records, dataset="langloc", citation=CITATION)


def _strings(record: Record) -> Iterator[tuple[str, bool]]:
    """The text of each string, and whether it is a sentence."""
    lines = csv.reader(io.StringIO(text(record)))
    try:
        rows = list(lines)
    except csv.Error as error:
        raise InputError(f"{record.path}: not a CSV table ({error})") from error
    if not rows or rows[0] != COLUMNS:
        raise InputError(f"{record.path}: columns are not {', '.join(COLUMNS)}")
    for number, row in enumerate(rows[1:], start=2):
        words = [word.strip() for word in row[1:-1]]
        if len(row) != len(COLUMNS) or not all(words) or row[-1] not in IS_SENTENCE:
            raise InputError(
                f"{record.path}: line {number}: expected {WORDS} words and S or N, got {row}"
            )
        yield " ".join(words).lower(), IS_SENTENCE[row[-1]]
