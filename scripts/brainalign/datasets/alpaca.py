"""Alpaca: instruction data (Taori et al. 2023), the 52K rows or a published 2,000 of them."""

import json
from collections.abc import Sequence

from brainalign.datasets.raw import RawFile, Record, raw_table, text
from brainalign.datasets.text_settings import Alpaca
from brainalign.errors import InputError

LICENCE = "CC BY-NC 4.0"
FILES = {
    "subset2000": "instructions/alpaca_data_subset2000.json",
    "full": "instructions/alpaca_data.json",
}
FIELDS = ("instruction", "input", "output")


def raw_files(source: Alpaca) -> list[RawFile]:
    """The JSON file of the release that `source` names: `subset2000` or `full`."""
    return [raw_table("alpaca", LICENCE)[FILES[source.release]]]


def read(records: Sequence[Record]) -> list[dict[str, str]]:
    """The rows, in order: `instruction`, `input` (empty where there is none), `output`.

    Raises
    ------
    InputError : not a JSON list of such rows, or a row without instruction.
    """
    (record,) = records
    where, content = record.path, text(record)
    try:
        rows = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not JSON ({error})") from error
    if not isinstance(rows, list) or not rows:
        raise InputError(f"{where}: not a list of rows")
    for number, row in enumerate(rows):
        for field in FIELDS:
            if not isinstance(row, dict) or not isinstance(row.get(field), str):
                raise InputError(f"{where}: row {number}: no {field}")
        if not row["instruction"].strip():
            raise InputError(f"{where}: row {number}: the instruction is empty")
    return [{field: row[field] for field in FIELDS} for row in rows]
