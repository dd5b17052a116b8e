"""Tables (Parquet, CSV) and records (JSON)."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from brainalign.errors import REMAKE, InputError
from brainalign.formats.atomic import atomic_path

# The columns of CSV tables that hold text (docs/outputs.md). A model may be called NA, a subject
# 007, a story 1e5: these columns are read as they stand. All others hold numbers or True and False.
TEXT = {
    "model", "label", "family", "role", "dataset", "benchmark", "mode", "layer_choice", "layer",
    "region", "interval", "scope", "subject", "legacy_benchmark", "controlled_benchmark", "measure",
    "ceiling_method", "note", "kind", "group", "task", "category", "subtask", "scoring", "level",
    "text", "experiment", "arm", "quantity", "control", "vanilla", "test", "unit", "test_family",
    "x", "y", "models", "subset", "method", "controlled_for", "term", "formula", "random",
    "against", "against_role", "topic", "published_relation", "source", "published_model", "data",
    "question", "legacy", "controlled", "tuning", "hub_id", "part", "p_relation", "reduction",
    "beyond", "comparison", "presentation", "reference", "release", "statistic", "covered",
    "held_out", "localizer", "dimensions", "among",
    "legacy_verdict", "legacy_line", "legacy_measure", "controlled_verdict", "controlled_line",
    "controlled_measure",
}  # fmt: skip
# Those that hold text in tables that have one of the other columns, and numbers in the rest.
TEXT_BESIDE = {
    "base": {"family", "experiment", "loss_difference"},
    "loss": {"loss_difference"},
    "tuned": {"vanilla"},
    "published": {"label"},
    "average": {"accuracy"},
}


def text_columns(columns: Iterable[str]) -> list[str]:
    """Which of the columns of a CSV table hold text."""
    every = set(columns)
    beside = {name for name, others in TEXT_BESIDE.items() if others & every}
    return sorted(every & (TEXT | beside))


def write_table(table: pd.DataFrame, path: str | Path) -> None:
    """Write a table as Parquet or CSV, by the ending of `path`, whole or not at all."""
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
    """Write a record as indented JSON with sorted keys, whole or not at all."""
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
