"""The report's first page: what was asked, what came out, the figures, the tables; one file."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from brainalign.analysis.headline import answered_first
from brainalign.analysis.records import MODES
from brainalign.figures.captions import title
from brainalign.figures.forest import forest, span
from brainalign.figures.html import render
from brainalign.figures.pages import table_data

ROWS = 5000  # larger tables would make the page too large for a browser
ROLES = {
    "vanilla": "vanilla", "tuned": "instruction-tuned", "untrained": "untrained",
    "baseline": "baseline", "truth": "planted truth",
}  # fmt: skip


@dataclass(frozen=True)
class Figure:
    """A figure of the page: its SVG, its caption in reStructuredText, the section that it is in.

    `part` tells the pages of one figure apart (which families they show), else it is empty.
    """

    svg: Path
    caption: str
    section: str
    part: str = ""

    @property
    def title(self) -> str:
        return title(self.caption) + (f": {self.part}" if self.part else "")

    @property
    def base64(self) -> str:
        """The SVG as part of a page's image, where its names clash with no other's."""
        return b64encode(self.svg.read_bytes()).decode("ascii")


def report_page(
    study: str,
    date: str,
    about: Sequence[str],
    headline: pd.DataFrame,
    figures: Sequence[Figure],
    tables: Mapping[str, tuple[str, pd.DataFrame]],
) -> str:
    """The whole page, which needs no other file and no network.

    Parameters
    ----------
    study, date : the study's name, and the day on which the page is written.
    about : lines that say what ran on what (`ran_on`).
    headline : tables/headline.csv; questions without an answer are shown last.
    figures : in the order of the page; those of one section stand together.
    tables : name → its caption in reStructuredText, and the table.
    """
    return render(
        "index.html",
        study=study,
        date=date,
        about=about,
        answers=[
            (_capital(str(data)), simulated, [_question(row) for row in rows.to_dict("records")])
            for (data, simulated), rows in answered_first(headline).groupby(
                ["data", "simulated"], sort=False
            )
        ],
        sections={
            section: [figure for figure in figures if figure.section == section]
            for section in dict.fromkeys(figure.section for figure in figures)
        },
        tables=[_table(name, *entry) for name, entry in tables.items()],
    )


def ran_on(
    models: Mapping[str, Mapping[str, Any]],
    brains: Sequence[str],
    times: Sequence[str],
    tasks: Sequence[str],
    texts: Sequence[str],
) -> list[str]:
    """What ran on what, a line per kind.

    Parameters
    ----------
    models : name → record with `role` and `simulated`.
    brains, times, tasks, texts : names of datasets of either kind, of tasks and of running texts.
    """
    counts = {
        name: sum(record["role"] == role for record in models.values())
        for role, name in ROLES.items()
    }
    kinds = ", ".join(f"{n} {name}" for name, n in counts.items() if n)
    lines = [f"{len(models)} models: {kinds}"]
    for what, names in (
        ("brain responses", brains), ("reading times", times), ("questions", tasks),
        ("running text", texts),
    ):  # fmt: skip
        if names:
            lines.append(f"{what}: {', '.join(names)}")
    return lines


def _question(row: Mapping[Any, Any]) -> dict[str, Any]:
    """One question with both answers; modes of one measure share the axis."""
    ends = {mode: span(_estimate(row, mode)) for mode in MODES}
    if row["legacy_measure"] == row["controlled_measure"]:
        ends = dict.fromkeys(MODES, span(n for mode in MODES for n in _estimate(row, mode)))
    answers = [_answer(row, mode, ends[mode]) for mode in MODES]
    if row["legacy"] == row["controlled"]:
        answers = [answers[0] | {"mode": "both modes"}]
    return {"text": row["question"], "answers": answers}


def _answer(row: Mapping[Any, Any], mode: str, ends: tuple[float, float]) -> dict[str, Any]:
    verdict, line = str(row[f"{mode}_verdict"]), str(row[f"{mode}_line"])
    return {
        "mode": mode,
        "verdict": verdict,
        "line": _capital(line.removeprefix(f"{verdict.capitalize()}: ")),
        "plot": forest(*_estimate(row, mode), ends, escape(line, quote=True)),
        "statistics": row[mode],
    }


def _estimate(row: Mapping[Any, Any], mode: str) -> tuple[float, float, float]:
    effect, low, high = (float(row[f"{mode}_{name}"]) for name in ("effect", "low", "high"))
    return effect, low, high


def _table(name: str, caption: str, table: pd.DataFrame) -> dict[str, Any]:
    """A table and its caption; a large one is only named."""
    about = {"name": name, "title": title(caption), "caption": caption, "rows": len(table)}
    columns, data = table_data(table) if len(table) <= ROWS else ([], "")
    return {**about, "columns": columns, "data": data}


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
