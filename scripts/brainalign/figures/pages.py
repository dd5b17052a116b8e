"""The report's pages: tables to sort and search, offline, and the study on one page."""

import json
from collections.abc import Mapping
from html import escape
from typing import Any

import pandas as pd

STYLE = """
:root {--ink: #1a1a1a; --muted: #5a5a5a; --faint: #e6e6e6; --stripe: #f5f5f5; --paper: #fff;
  color-scheme: light}
.ba {font: 13px/1.4 system-ui, sans-serif; color: var(--ink)}
.ba .scroll {overflow: auto; max-height: 85vh; max-width: 100%}
.ba table {border-collapse: separate; border-spacing: 0}
.ba th, .ba td {padding: 3px 10px 3px 0; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--faint); background: var(--paper); white-space: nowrap}
.ba td.long {white-space: normal; min-width: 16em; max-width: 30em}
.ba th:first-child, .ba td:first-child {position: sticky; left: 0; z-index: 1}
.ba thead th {position: sticky; top: 0; z-index: 2; border-bottom: 1.5px solid var(--muted)}
.ba thead th:first-child {z-index: 3}
.ba .mark {background: var(--ink); color: var(--paper); font-weight: bold; padding: 1px 6px}
.ba .group td {background: var(--stripe); font-weight: bold}
.ba th button {all: unset; cursor: pointer; font-weight: bold; white-space: nowrap}
.ba th button:focus-visible {outline: 2px solid var(--muted)}
.ba th button::after {content: " \\2195"; color: #8c8c8c}
.ba th[aria-sort=ascending] button::after {content: " \\2191"}
.ba th[aria-sort=descending] button::after {content: " \\2193"}
.ba td.number {text-align: right; font-variant-numeric: tabular-nums}
.ba.summary td {white-space: normal; min-width: 12em}
"""
SHOWN = 500  # rows drawn at a time: a browser is slow with tens of thousands
LONG = 40  # characters from which on a cell's text is broken into lines

# Sorts and searches all rows of a table, draws the first SHOWN of them. Empty cells come last
# either way. A table inside a closed fold is drawn when that is opened.
SCRIPT = """
function table(root) {
  const {columns, rows} = JSON.parse(root.querySelector(".rows").textContent);
  const body = root.querySelector("tbody"), heads = [...root.querySelectorAll("th")];
  const search = root.querySelector(".search"), count = root.querySelector(".count");
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
        else if (cell.textContent.length > LONG) cell.className = "long";
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
  root.querySelector(".csv").href = URL.createObjectURL(new Blob([csv], {type: "text/csv"}));
  draw();
}
for (const root of document.querySelectorAll(".table")) {
  const fold = root.closest("details:not([open])");
  if (fold) fold.addEventListener("toggle", () => table(root), {once: true});
  else table(root);
}
""".replace("SHOWN", str(SHOWN)).replace("LONG", str(LONG))


def table_page(table: pd.DataFrame, name: str) -> str:
    """A page that holds a table: every column sorts, a field searches, a link saves it as CSV.

    It needs no other file and no network. Empty cells are empty; numbers are shown to four
    figures, and whole where the pointer rests.
    """
    body = f"<p><b>{escape(name)}</b></p>{table_fragment(table, name)}<script>{SCRIPT}</script>"
    return _page(name, f'<div class="ba">{body}</div>')


def table_fragment(table: pd.DataFrame, name: str) -> str:
    """A table as part of a page that has `STYLE` and, after its tables, `SCRIPT`."""
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
        f"<style>{STYLE}</style>{body}</html>\n"
    )
