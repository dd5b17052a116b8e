"""Surprisal of 14 models on Natural Stories, as Michaelov et al. 2024 published it.

Each word was read with the whole story before it. The first word of a story has no surprisal.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from brainalign.datasets.published_surprisal import PublishedSurprisal, in_bits
from brainalign.datasets.raw import RawFile, Record, by_name, raw_table, tab_separated
from brainalign.datasets.surprisal_settings import Michaelov2024
from brainalign.errors import InputError

CITATION = "Michaelov, Arnett & Bergen 2024, COLM"
LICENCE = "MIT"
FOLDER = "surprisal_michaelov2024"
# The names of the stories, in the order of their numbers.
STORIES = (
    "Boar", "Aqua", "MatchstickSeller", "KingOfBirds", "Elvis", "MrSticky", "HighSchool",
    "Roswell", "Tulips", "Tourettes",
)  # fmt: skip
FITS = f"{FOLDER}/all_AICs.tsv"
MAZE = "Boyce & Levy (2023): Maze RT"  # what that table calls the Maze times
_BEFORE, _AFTER = f"{FOLDER}/futrell_2018_dl.surprisal.", ".causal.output"


def models() -> list[str]:
    """Names of the models of the release."""
    names = [path for path in raw_table("michaelov2024", LICENCE) if path.startswith(_BEFORE)]
    return [name.removeprefix(_BEFORE).removesuffix(_AFTER).split("__")[1] for name in names]


def raw_files(source: Michaelov2024) -> list[RawFile]:
    """The surprisal of a model, and the table of all published fits.

    Raises
    ------
    InputError : the release has no such model, or not in this presentation.
    """
    if (source.presentation or "raw") != "raw":
        raise InputError(
            f"michaelov2024 has {source.model} in presentation raw, not in {source.presentation}"
        )
    return [output_file(source.model), raw_table("michaelov2024", LICENCE)[FITS]]


def output_file(model: str) -> RawFile:
    """The published surprisal of a model.

    Raises
    ------
    InputError : the release has no such model.
    """
    table = raw_table("michaelov2024", LICENCE)
    for path, file in table.items():
        if path.startswith(_BEFORE) and path.endswith(f"__{model}{_AFTER}"):
            return file
    raise InputError(f"michaelov2024 has no model {model!r}; it has {', '.join(models())}")


def read(
    records: Sequence[Record], source: Michaelov2024, stimuli: pd.DataFrame
) -> PublishedSurprisal:
    """Bits per word of `stimuli` (Natural Stories), NaN for the first word of each story.

    Raises
    ------
    InputError : rows and words do not match, or a value is no surprisal.
    """
    record = output_record(records)
    table = word_positions(record, stimuli)
    nats = np.full(len(stimuli), np.nan)
    n_tokens = np.full(len(stimuli), np.nan)
    nats[table["row"]], n_tokens[table["row"]] = table["Surprisal"], table["NumTokens"]
    return PublishedSurprisal(
        bits=in_bits(nats, "nats", stimuli, record.path),
        n_tokens=n_tokens,
        record={
            "citation": CITATION,
            "unit": "nats, divided by ln 2",
            "context": "story",
            "first_word": "the first word of a story has no surprisal",
        },
    )


def output_record(records: Sequence[Record]) -> Record:
    """The located file of a model's surprisal, among its raw files."""
    return next(record for record in records if record.name.endswith(_AFTER))


def published_fit(records: Sequence[Record], source: Michaelov2024) -> dict[str, float]:
    """`aic` of the published mixed model of Maze times with a model's surprisal.

    Raises
    ------
    InputError : the table has not one number for the model.
    """
    record = by_name(records)[FITS]
    table = tab_separated(record, ("Dataset", "ModelName", "Surprisal_AIC"))
    rows = table[(table["Dataset"] == MAZE) & (table["ModelName"] == source.model)]
    aic = pd.to_numeric(rows["Surprisal_AIC"], errors="coerce")
    if len(aic) != 1 or aic.isna().any():
        raise InputError(
            f"{record.path}: {len(rows)} rows of {MAZE!r} and {source.model!r}, expected one "
            "with a number as Surprisal_AIC"
        )
    return {"aic": float(aic.iloc[0])}


def word_positions(record: Record, stimuli: pd.DataFrame) -> pd.DataFrame:
    """The rows of a published table with `row`, the row of `stimuli` that each is about.

    The table numbers sentences, and words in a sentence, by a rule of its authors. Its rows are
    the words of each story but the first, in order.

    Raises
    ------
    InputError : a column is missing, a story is unknown, or a story has another number of words.
    """
    table = numbers(record, ("docid", "sentid", "sentpos", "Surprisal", "NumTokens"))
    first = {
        story: int(rows[0]) for story, rows in stimuli.groupby("context_group").indices.items()
    }
    lengths = stimuli.groupby("context_group").size().to_dict()
    rows = np.empty(len(table), dtype=int)
    for name, where in table.groupby("docid").indices.items():
        story = story_of(str(name), record)
        if len(where) != lengths[story] - 1:
            raise InputError(
                f"{record.path}: story {name} has {len(where)} words, expected "
                f"{lengths[story] - 1} (all but the first)"
            )
        rows[where] = first[story] + 1 + np.arange(len(where))
    missing = len(lengths) - table["docid"].nunique()
    if missing:
        raise InputError(f"{record.path}: {missing} of {len(lengths)} stories are missing")
    return table.assign(row=rows)


def story_of(name: str, record: Record) -> str:
    """The context group of a story, `story01` … `story10`, from its published name.

    Raises
    ------
    InputError : the release has no such story.
    """
    if name not in STORIES:
        raise InputError(
            f"{record.path}: docid {name!r} is no story; expected {', '.join(STORIES)}"
        )
    return f"story{STORIES.index(name) + 1:02d}"


def numbers(record: Record, columns: Sequence[str]) -> pd.DataFrame:
    """A published table: `docid` and `subject` as text, all other columns as numbers.

    Raises
    ------
    InputError : a column is missing, or a number is none.
    """
    table = tab_separated(record, columns)
    for name in columns:
        if name not in ("docid", "subject"):
            cells = pd.to_numeric(table[name], errors="coerce")
            if cells.isna().any():
                row = int(np.flatnonzero(cells.isna())[0])
                raise InputError(
                    f"{record.path}: line {row + 2}: {name} {table[name].iloc[row]!r}, "
                    "expected a number"
                )
            table[name] = cells
    return table
