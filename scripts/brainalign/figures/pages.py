"""The report's pages: tables to sort and search, offline, and the study on one page."""

import json
from collections.abc import Mapping
from html import escape
from typing import Any

import pandas as pd

from brainalign.resources import page_part


def table_page(table: pd.DataFrame, name: str) -> str:
    """A page that holds a table: every column sorts, a field searches, a link saves it as CSV.

    It needs no other file and no network. Empty cells are empty; numbers are shown to four
    figures, and whole where the pointer rests.
    """
    script = f"<script>{page_part('table.js')}</script>"
    body = f"<p><b>{escape(name)}</b></p>{table_fragment(table, name)}{script}"
    return _page(name, f'<div class="ba">{body}</div>')


def table_fragment(table: pd.DataFrame, name: str) -> str:
    """A table as part of a page that has table.css and, after its tables, table.js."""
    columns = [str(column) for column in table.columns]
    cells = table.astype(object).where(table.notna(), None)
    rows = [[_plain(value) for value in row] for row in cells.itertuples(index=False, name=None)]
    data = as_json({"columns": columns, "rows": rows})
    heads = "".join(
        f'<th aria-sort="none"><button>{escape(column)}</button></th>' for column in columns
    )
    return (
        '<div class="table"><p><input class="search" placeholder="search" type="search" '
        f'aria-label="search {escape(name)}"> &nbsp; <span class="count"></span> &nbsp; '
        f'<a class="csv" download="{escape(name)}">CSV</a></p>'
        f'<div class="scroll"><table><thead><tr>{heads}</tr></thead><tbody></tbody></table></div>'
        f'<script type="application/json" class="rows">{data}</script></div>'
    )


def as_json(value: object) -> str:
    """Data inside a script of a page: nothing in it can end that script."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c")


def summary_page(headline: pd.DataFrame) -> str:
    """The study on one page: question, legacy answer, controlled answer (tables/headline.csv).

    Questions stand under what they are about; simulated data are marked.
    """
    lines = []
    for (about, simulated), part in headline.groupby(["data", "simulated"], sort=False):
        mark = ' <span class="mark">SIMULATED DATA</span>' if simulated else ""
        lines.append(f'<tr class="group"><td colspan="3">{escape(str(about))}{mark}</td></tr>')
        lines += [
            "<tr>" + "".join(f"<td>{escape(str(cell))}</td>" for cell in row) + "</tr>"
            for row in part[["question", "legacy_line", "controlled_line"]].itertuples(
                index=False, name=None
            )
        ]
    return _page(
        "Summary",
        '<div class="ba summary"><table><thead><tr><th>question</th><th>legacy answer</th>'
        f"<th>controlled answer</th></tr></thead><tbody>{''.join(lines)}</tbody></table></div>",
    )


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
                "places of targets": card["places"],
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


def _page(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{page_part('table.css')}</style>{body}</html>\n"
    )
