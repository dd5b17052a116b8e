"""The report's first page: what was asked, what came out, the figures, the tables; one file."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import pandas as pd

from brainalign.analysis.records import MODES
from brainalign.figures import pages
from brainalign.figures.captions import as_html, title
from brainalign.figures.forest import forest, span
from brainalign.resources import page_part

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
    headline : tables/headline.csv.
    figures : in the order of the page; those of one section stand together.
    tables : name → its caption in reStructuredText, and the table.
    """
    sections = list(dict.fromkeys(figure.section for figure in figures))
    parts = [
        f"<header><h1>{escape(study)}</h1>"
        f'<p class="about">brainalign, {escape(date)}</p>'
        f'<ul class="about">{"".join(f"<li>{escape(line)}</li>" for line in about)}</ul></header>',
        f'<section id="answers"><h2>Answers</h2>{_answers(headline)}</section>',
    ]
    for section in sections:
        inside = [figure for figure in figures if figure.section == section]
        shown = "".join(map(_figure, inside))
        parts.append(
            f'<section id="{_anchor(section)}"><h2>{escape(section)}</h2>{shown}</section>'
        )
    parts.append(
        f'<section id="tables" class="tables"><h2>Tables</h2>'
        f"{''.join(_table(name, *entry) for name, entry in tables.items())}</section>"
    )
    menu = _menu(sections, figures)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(study)}</title>"
        f"<style>{page_part('table.css')}{page_part('page.css')}</style></head><body>"
        f'<div class="page">{menu}<main>{"".join(parts)}</main></div>'
        f"<script>{page_part('table.js')}{page_part('print.js')}</script></body></html>\n"
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


def _answers(headline: pd.DataFrame) -> str:
    """A card per question, under what the questions are about."""
    parts = [
        '<p class="about">Legacy: as the paper chose. Controlled: the sound choice; where the two '
        "differ, believe it. A dot is the estimate, a bar its 95 % interval; an open dot has "
        "none. <i>Cannot tell</i> is no evidence against an effect. <i>Not asked</i>: the study "
        "has no models or data for it.</p>"
    ]
    for (data, simulated), rows in headline.groupby(["data", "simulated"], sort=False):
        mark = ' <span class="mark">SIMULATED DATA</span>' if simulated else ""
        parts.append(f"<h3>{escape(_capital(str(data)))}{mark}</h3>")
        parts += [_question(row) for row in rows.to_dict("records")]
    return "".join(parts)


def _question(row: Mapping[Any, Any]) -> str:
    """One question with both answers; modes of one measure share the axis."""
    ends = {mode: span(_estimate(row, mode)) for mode in MODES}
    if row["legacy_measure"] == row["controlled_measure"]:
        ends = dict.fromkeys(MODES, span(n for mode in MODES for n in _estimate(row, mode)))
    same = row["legacy"] == row["controlled"]
    shown = "".join(_answer(row, mode, ends[mode], same) for mode in MODES[: 1 if same else 2])
    texts = {"both modes": row["legacy"]} if same else {mode: row[mode] for mode in MODES}
    statistics = "".join(
        f"<p><b>{name.capitalize()}:</b> {escape(str(text))}</p>" for name, text in texts.items()
    )
    return (
        f'<article class="question"><h3>{escape(str(row["question"]))}</h3>'
        f'<div class="answers">{shown}</div>'
        f"<details><summary>statistics</summary>{statistics}</details></article>"
    )


def _answer(row: Mapping[Any, Any], mode: str, ends: tuple[float, float], same: bool) -> str:
    verdict, line = str(row[f"{mode}_verdict"]), str(row[f"{mode}_line"])
    said = _capital(line.removeprefix(f"{verdict.capitalize()}: "))
    drawn = forest(*_estimate(row, mode), ends, escape(line, quote=True))
    return (
        f'<div><div class="mode">{"both modes" if same else mode}</div>'
        f'<p><span class="verdict {verdict.split()[0]}">{escape(verdict)}</span> {escape(said)}</p>'
        f"{drawn}</div>"
    )


def _estimate(row: Mapping[Any, Any], mode: str) -> tuple[float, float, float]:
    effect, low, high = (float(row[f"{mode}_{name}"]) for name in ("effect", "low", "high"))
    return effect, low, high


def _figure(figure: Figure) -> str:
    """A figure as an image, whose names clash with no other's, above its caption."""
    data = base64.b64encode(figure.svg.read_bytes()).decode("ascii")
    name = escape(figure.title, quote=True)
    return (
        f'<figure id="{_anchor(figure.title)}"><img alt="{name}" '
        f'src="data:image/svg+xml;base64,{data}">'
        f"<figcaption>{as_html(figure.caption)}</figcaption></figure>"
    )


def _table(name: str, caption: str, table: pd.DataFrame) -> str:
    """A table inside a fold, its caption above it; a large one is only named."""
    file = f"{name}.csv"
    inside = (
        pages.table_fragment(table, file)
        if len(table) <= ROWS
        else f'<p class="missing">{len(table)} rows: too many for this page, see tables/{file}</p>'
    )
    return (
        f'<details id="table-{name}" class="ba"><summary>{escape(title(caption))} '
        f"({file}, {len(table)} rows)</summary>{as_html(caption)}{inside}</details>"
    )


def _menu(sections: Iterable[str], figures: Sequence[Figure]) -> str:
    entries = ['<li><a href="#answers">Answers</a></li>']
    for section in sections:
        links = "".join(
            f'<li><a href="#{_anchor(figure.title)}">{escape(figure.title)}</a></li>'
            for figure in figures
            if figure.section == section
        )
        entries.append(
            f'<li><a href="#{_anchor(section)}">{escape(section)}</a><ul>{links}</ul></li>'
        )
    entries.append('<li><a href="#tables">Tables</a></li>')
    entries.append('<li><a href="explore.html">Explore the points</a> (a file beside this)</li>')
    return f"<nav><ul>{''.join(entries)}</ul></nav>"


def _anchor(text: str) -> str:
    return "-".join("".join(c if c.isalnum() else " " for c in text.lower()).split())


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
