"""BLiMP: 67 paradigms of 1,000 minimal pairs of English sentences (Warstadt et al. 2020)."""

import json
from collections.abc import Iterator, Sequence

import pandas as pd

from brainalign.datasets.prepared import expect
from brainalign.datasets.question_settings import Blimp
from brainalign.datasets.raw import RawFile, Record, raw_table, text
from brainalign.datasets.subset import stratified
from brainalign.errors import InputError

LICENCE = "CC BY"
PAIRS = 1000  # of a paradigm
COLUMNS = ["question_id", "split", "subject", "task", "category", "good", "bad"]
# The 12 phenomena and 4 fields of the paper's Table 2; some files name them differently.
PUBLISHED = {"s-selection": "argument_structure", "syntax/semantics": "syntax_semantics"}
FIELDS = ("sentence_good", "sentence_bad", "linguistics_term", "field")


def raw_files(source: Blimp) -> list[RawFile]:
    """The files of the paradigms that `source` names, of all when it names none.

    Raises
    ------
    InputError : a paradigm is unknown.
    """
    files = {_paradigm(path): file for path, file in raw_table("blimp", LICENCE).items()}
    chosen = source.paradigms or list(files)
    unknown = [name for name in chosen if name not in files]
    if unknown:
        raise InputError(f"paradigms: {unknown[0]!r} is not allowed; allowed: {', '.join(files)}")
    return [file for name, file in files.items() if name in chosen]


def read(records: Sequence[Record], source: Blimp, seed: int) -> pd.DataFrame:
    """The questions table (docs/architecture.md), in the files' order.

    `subject` is the paradigm, `task` its phenomenon (12), `category` its field (4).

    Raises
    ------
    InputError : a line is no pair of sentences, or a paradigm has not 1,000 of them.
    """
    rows = []
    for record in records:
        paradigm = _paradigm(record.name)
        pairs = list(_pairs(record))
        expect(len(pairs), PAIRS, record.path, "number of pairs")
        for i, (good, bad, phenomenon, field) in enumerate(pairs):
            rows.append((f"{paradigm}.{i:03d}", "test", paradigm, phenomenon, field, good, bad))
    table = pd.DataFrame(rows, columns=COLUMNS)
    return stratified(table, source.per_subject, seed, keep=table["split"] != "test")


def _paradigm(path: str) -> str:
    return path.split("/")[-1].removesuffix(".jsonl")


def _pairs(record: Record) -> Iterator[tuple[str, ...]]:
    for number, line in enumerate(text(record).splitlines(), start=1):
        where = f"{record.path}: line {number}"
        try:
            pair = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{where}: not JSON ({error})") from error
        values = [pair.get(name) for name in FIELDS] if isinstance(pair, dict) else [None]
        if not all(isinstance(value, str) and value.strip() for value in values):
            raise InputError(f"{where}: not a pair with {', '.join(FIELDS)}")
        yield tuple(PUBLISHED.get(str(value), str(value)) for value in values)
