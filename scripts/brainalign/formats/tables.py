"""Tables (Parquet, CSV) and records (JSON)."""

import json
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from brainalign.errors import REMAKE, InputError
from brainalign.formats.atomic import atomic_path
from brainalign.resources import RESOURCES


def text_columns(columns: Iterable[str]) -> list[str]:
    """Which of the columns of a CSV table hold text; all others hold numbers or True and False.

    A model may be called NA, a subject 007, a story 1e5: these columns are read as they stand. They
    are listed in resources/text_columns.json, some of them only beside another column. The list is
    no code: a table that gets a text column reruns no model.
    """
    every = set(columns)
    listed = _text_columns()
    beside = {name for name, others in listed["beside"].items() if every.intersection(others)}
    return sorted(every.intersection(listed["text"]) | (every & beside))


@cache
def _text_columns() -> Any:
    return json.loads((RESOURCES / "text_columns.json").read_text(encoding="utf-8"))


def write_table(table: pd.DataFrame, path: str | Path) -> None:
    """Write a table as Parquet or CSV, by the ending of `path`, complete or not at all."""
    with atomic_path(path) as temporary:
        if Path(path).suffix == ".csv":
            # Without quotes a carriage return inside a name would end its row.
            names = table[text_columns(table.columns)].astype("string")
            returns = any(names[name].str.contains("\r", regex=False).any() for name in names)
            quoting: Literal[0, 1] = 1 if returns else 0  # csv.QUOTE_ALL, csv.QUOTE_MINIMAL
            table.to_csv(temporary, index=False, float_format="%.10g", quoting=quoting)
        else:
            table.to_parquet(temporary, index=False, write_page_checksum=True)


def read_table(path: str | Path, columns: Sequence[str] = ()) -> pd.DataFrame:
    """Read a Parquet or CSV table and check that it has `columns`.

    Of a CSV table, `text_columns` are text whatever their cells look like, and an empty cell is the
    only one that is missing (NaN).

    Raises
    ------
    InputError : the file is missing, unreadable, or lacks one of `columns`.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"{path}: no such table")
    try:
        if path.suffix == ".csv":
            check_text(path)
            header = pd.read_csv(path, nrows=0).columns
            table = pd.read_csv(
                path,
                dtype=dict.fromkeys(text_columns(header), str),
                keep_default_na=False,
                na_values=[""],
                float_precision="round_trip",
            )
        else:
            table = pd.read_parquet(path, page_checksum_verification=True)
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"{path}: not a readable {path.suffix} table ({error}); {REMAKE}"
        ) from error
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise InputError(
            f"{path}: column {', '.join(missing)} is missing; it has {', '.join(table.columns)}"
        )
    return table


def check_text(path: str | Path) -> None:
    """Raise an InputError if a text file has no last line end, or zeros in it: it is damaged."""
    content = Path(path).read_bytes()
    if not content.endswith(b"\n") or b"\0" in content:
        raise InputError(f"{path}: damaged or cut short ({len(content)} bytes); {REMAKE}")


def write_json(record: Any, path: str | Path) -> None:
    """Write a record as indented JSON with sorted keys, complete or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(
            json.dumps(record, indent=2, sort_keys=True, ensure_ascii=False) + "\n",
            encoding="utf-8",
        )


def read_json(path: str | Path) -> Any:
    """Read a JSON record.

    Raises
    ------
    InputError : the file is missing or is not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except ValueError as error:  # not UTF-8, or not JSON
        raise InputError(f"{path}: not JSON ({error}); {REMAKE}") from error
