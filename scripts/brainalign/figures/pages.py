"""The report's pages: tables to sort and search, offline, and the study on one page."""

import json
from collections.abc import Mapping
from html import escape
from typing import Any

import pandas as pd

STYLE = """
.ba {font: 13px/1.4 system-ui, sans-serif; color: #1a1a1a}
.ba table {border-collapse: collapse; width: 100%}
.ba th, .ba td {padding: 3px 8px; text-align: left; vertical-align: top;
  border-bottom: 1px solid #e6e6e6}
.ba th {border-bottom: 1.5px solid #5a5a5a}
.ba .mark {background: #1a1a1a; color: #fff; font-weight: bold; padding: 1px 6px}
.ba .group td {background: #f5f5f5; font-weight: bold}
.ba th button {all: unset; cursor: pointer; font-weight: bold; white-space: nowrap}
.ba th button::after {content: " \\2195"; color: #8c8c8c}
.ba th[aria-sort=ascending] button::after {content: " \\2191"}
.ba th[aria-sort=descending] button::after {content: " \\2193"}
.ba td.number {text-align: right; font-variant-numeric: tabular-nums}
.ba thead {position: sticky; top: 0; background: #fff}
"""
SHOWN = 500  # rows drawn at a time: a browser is slow with tens of thousands

# Sorts and searches all rows, draws the first SHOWN of them. Empty cells come last either way.
SCRIPT = """
const {columns, rows} = JSON.parse(document.getElementById("rows").textContent);
const body = document.querySelector("tbody"), heads = [...document.querySelectorAll("th")];
const search = document.getElementById("search"), count = document.getElementById("count");
let by = -1, up = true;
const text = value => typeof value === "number" && !Number.isInteger(value)
  ? String(Number(value.toPrecision(4))) : String(value ?? "");
function compare(a, b) {
  const x = a[by], y = b[by];
  if (x === null || y === null) return (x === null) - (y === null);
  const order = typeof x === "number" && typeof y === "number"
    ? x - y : String(x).localeCompare(String(y));
  return up ? order : -order;
}
function draw() {
  const words = search.value.toLowerCase().split(/\\s+/).filter(Boolean);
  let found = rows.filter(row => {
    const line = row.map(value => String(value ?? "")).join("\\t").toLowerCase();
    return words.every(word => line.includes(word));
  });
  if (by >= 0) found = [...found].sort(compare);
  body.replaceChildren(...found.slice(0, SHOWN).map(row => {
    const line = document.createElement("tr");
    for (const value of row) {
      const cell = line.insertCell();
      cell.textContent = text(value);
      if (typeof value === "number") { cell.className = "number"; cell.title = value; }
    }
    return line;
  }));
  count.textContent = `${Math.min(found.length, SHOWN)} of ${found.length} rows`
    + (found.length < rows.length ? ` (${rows.length} in all)` : "");
}
heads.forEach((head, index) => head.firstChild.addEventListener("click", () => {
  up = by === index ? !up : true;
  by = index;
  heads.forEach((other, i) => other.setAttribute(
    "aria-sort", i === by ? (up ? "ascending" : "descending") : "none"));
  draw();
}));
search.addEventListener("input", draw);
const quoted = value => /[",\\n]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value;
const csv = [columns, ...rows].map(
  row => row.map(value => quoted(String(value ?? ""))).join(",")).join("\\n") + "\\n";
document.getElementById("csv").href = URL.createObjectURL(new Blob([csv], {type: "text/csv"}));
draw();
"""


def table_page(table: pd.DataFrame, name: str) -> str:
    """A page that holds a table: every column sorts, a field searches, a link saves it as CSV.

    It needs no other file and no network. Empty cells are empty; numbers are shown to four
    figures, and whole where the pointer rests.
    """
    columns = [str(column) for column in table.columns]
    cells = table.astype(object).where(table.notna(), None)
    rows = [[_plain(value) for value in row] for row in cells.itertuples(index=False, name=None)]
    data = json.dumps({"columns": columns, "rows": rows}, ensure_ascii=False, allow_nan=False)
    data = data.replace("<", "\\u003c")  # nothing in a cell can end the script
    heads = "".join(
        f'<th aria-sort="none"><button>{escape(column)}</button></th>' for column in columns
    )
    return _page(
        name,
        f'<p><b>{escape(name)}</b> &nbsp; <input id="search" placeholder="search" type="search">'
        f' &nbsp; <span id="count"></span> &nbsp; <a id="csv" download="{escape(name)}">CSV</a></p>'
        f"<table><thead><tr>{heads}</tr></thead><tbody></tbody></table>"
        f'<script type="application/json" id="rows">{data}</script>'
        f"<script>{SCRIPT.replace('SHOWN', str(SHOWN))}</script>",
    )


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
            for row in part[["question", "legacy", "controlled"]].itertuples(index=False, name=None)
        ]
    return _page(
        "Summary",
        "<table><thead><tr><th>question</th><th>legacy answer</th><th>controlled answer</th></tr>"
        f"</thead><tbody>{''.join(lines)}</tbody></table>",
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
        f'<style>{STYLE}</style><div class="ba">{body}</div></html>\n'
    )
