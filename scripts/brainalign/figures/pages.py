"""The report's pages: tables to sort and search, offline, and the study on one page."""

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from brainalign.analysis.headline import answered_first
from brainalign.figures.html import render


def table_page(table: pd.DataFrame, name: str) -> str:
    """A page that holds a table, whatever its columns: every column sorts, a field searches, a link
    saves it as CSV.

    It needs no other file and no network. Empty cells are empty; numbers are shown to four figures,
    and in full where the pointer rests.
    """
    columns, data = table_data(table)
    return render("table_page.html", file=name, columns=columns, data=data)


def table_data(table: pd.DataFrame) -> tuple[list[str], str]:
    """The columns of a table, whatever they are, and the JSON that table.js draws it from."""
    columns = [str(column) for column in table.columns]
    cells = table.astype(object).where(table.notna(), None)
    rows = [[_plain(value) for value in row] for row in cells.itertuples(index=False, name=None)]
    return columns, as_json({"columns": columns, "rows": rows})


def as_json(value: object) -> str:
    """Data inside a script of a page: nothing in it can end that script."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")


def summary_page(headline: pd.DataFrame) -> str:
    """The study on one page: question, legacy answer, controlled answer.

    Questions stand under what they are about, those without an answer last; simulated data are
    marked. `headline` : tables/headline.csv.
    """
    groups = answered_first(headline).groupby(["data", "simulated"], sort=False)
    answers = [(*key, part.to_dict("records")) for key, part in groups]
    return render("summary.html", answers=answers)


def cards_table(cards: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """A row per dataset: what it is, where from, how large, what was left out or changed.

    Parameters
    ----------
    cards : dataset → its card (data/{dataset}/card.json).
    """
    rows = []
    for name, card in cards.items():
        shape = card["responses"]["shape"]
        dropped = [f"{e['n']} {e['what']} ({e['why']})" for e in card.get("dropped", [])]
        rows.append(
            {
                "dataset": name,
                "simulated": card["simulated"],
                "kind": card["kind"],
                "source": card["source"],
                "citation": card["citation"],
                "licence": card["licence"],
                "stimuli": card["stimuli"],
                "context groups": card["context_groups"],
                "split groups": card["split_groups"],
                "rows": shape[0],
                "targets": shape[1],
                "subjects": len(card["subjects"]),
                "regions": len(card["regions"]),
                "locations of targets": card["locations"],
                "units": card["units"],
                "tr (s)": card["tr"],
                "missing share": card["missing_share"],
                "left out": "; ".join(dropped),
                "changed": "; ".join(card.get("changed", [])),
                "notes": "; ".join(card.get("notes", [])),
                "raw files": card["raw_files"],
                "raw files verified": card["raw_verified"],
            }
        )
    return pd.DataFrame(rows)


def _plain(value: Any) -> Any:
    """A cell as JSON has it: numbers, texts, booleans, nothing."""
    if hasattr(value, "item"):
        value = value.item()
    return value if value is None or isinstance(value, bool | int | float) else str(value)
