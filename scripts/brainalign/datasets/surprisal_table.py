"""A user's table of surprisal: a row per word of a dataset, in its order."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from brainalign.datasets.published_surprisal import PublishedSurprisal, in_bits, same_words
from brainalign.datasets.raw import RawFile, Record, content, text, user_file
from brainalign.datasets.surprisal_settings import SurprisalTable
from brainalign.errors import InputError

UNDEFINED = ("", "NA", "NaN", "nan")  # of a word without surprisal


def raw_files(source: SurprisalTable) -> list[RawFile]:
    """The file that the config names, as a path from the working directory."""
    return [user_file(source.path)]


def read(
    records: Sequence[Record], source: SurprisalTable, stimuli: pd.DataFrame
) -> PublishedSurprisal:
    """Bits per word of `stimuli`; NaN where the table's cell is empty.

    The table is CSV (`.csv`), tab-separated (`.tsv`) or Parquet.

    Raises
    ------
    InputError : a column is missing, the words are other words than the dataset's, or a value is
        no surprisal.
    """
    (record,) = records
    where = record.path
    word, value = source.columns.word, source.columns.surprisal
    table = _table(record)
    missing = [name for name in (word, value) if name not in table.columns]
    if missing:
        raise InputError(
            f"{where}: column {', '.join(missing)} is missing; it has {', '.join(table.columns)} "
            "(columns: {word: …, surprisal: …} in the source names others)"
        )
    same_words(table[word].astype(str).tolist(), stimuli, where)
    cells = table[value].astype(object)
    known = ~cells.map(lambda cell: str(cell) in UNDEFINED)
    numbers = pd.to_numeric(cells.where(known, np.nan), errors="coerce")
    wrong = known & numbers.isna()
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise InputError(f"{where}: line {row + 2}: {value} {cells.iloc[row]!r}, expected a number")
    return PublishedSurprisal(
        bits=in_bits(numbers.to_numpy(float), source.unit, stimuli, where),
        n_tokens=np.full(len(stimuli), np.nan),
        record={
            "citation": source.citation,
            "unit": "bits" if source.unit == "bits" else "nats, divided by ln 2",
            "context": source.context,
            "first_word": "as in the table",
        },
    )


def _table(record: Record) -> pd.DataFrame:
    suffix = Path(record.name).suffix
    try:
        if suffix == ".parquet":
            return pd.read_parquet(io.BytesIO(content(record)))
        lines = io.StringIO(text(record))
        if suffix == ".tsv":  # quote marks belong to words
            return pd.read_csv(lines, sep="\t", quoting=csv.QUOTE_NONE, dtype=str, na_filter=False)
        return pd.read_csv(lines, dtype=str, na_filter=False)
    except InputError:
        raise
    # A damaged file fails in many ways; all mean the same.
    except Exception as error:
        raise InputError(f"{record.path}: not a readable table ({error})") from error
