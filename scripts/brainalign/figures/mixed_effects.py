"""The mixed-effects model: what tuning and size add to alignment, vanilla models at random."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from brainalign.analysis.wording import counted, p_text, said
from brainalign.figures.order import dataset_order, each, mode_order
from brainalign.figures.spans import widen
from brainalign.figures.style import (
    COLOUR,
    INK,
    MUTED,
    PAGE,
    absent,
    heading,
    nothing,
    panel,
    sheet,
)

COLUMNS = (
    "dataset", "mode", "term", "estimate", "low", "high", "p", "p_these_stimuli", "scope", "n",
    "n_bases", "random", "note", "simulated",
)  # fmt: skip
TERMS = {"tuned": "instruction tuning", "log10_parameters": "tenfold size"}
ROW = 0.17  # inches per estimate


def mixed_effects(table: pd.DataFrame) -> Figure:
    """Draw `table` (tables/mixed_effects.csv): a panel per mode, an estimate per row.

    Rows: the effect of tuning and, where sizes differ, of ten times the parameters, on every
    dataset and on the average of several, in units of r with 95 % intervals.
    """
    kinds = sorted(table["simulated"].unique(), reverse=True)
    modes = mode_order(table["mode"])
    rows = max((_rows_of(table[table["simulated"] == kind]) for kind in kinds), default=4)
    figure = sheet(
        PAGE, 0.5 + max(len(kinds), 1) * (1.0 + ROW * rows), bool(table["simulated"].any())
    )
    heading(figure, "Mixed-effects model of brain alignment, vanilla models at random")
    if table.empty or not table["estimate"].notna().any():
        notes = map(said, table["note"])
        nothing(figure, next(filter(None, notes), "the study has no alignment benchmark"))
        return figure
    grid = figure.subplots(len(kinds), len(modes), squeeze=False)
    for row, simulated in enumerate(kinds):
        for column, mode in enumerate(modes):
            part = table[(table["simulated"] == simulated) & (table["mode"] == mode)]
            axes = grid[row, column]
            _mode(axes, part, mode, bool(simulated), names=column == 0, width=92 // len(modes))
    return figure


def _rows_of(part: pd.DataFrame) -> int:
    shown = part["term"].isin(TERMS) & part["dataset"].isin(dataset_order(part))
    return len(part[shown][["dataset", "term"]].drop_duplicates())


def _mode(
    axes: Axes, part: pd.DataFrame, mode: str, simulated: bool, names: bool, width: int
) -> None:
    effects = part[part["term"].isin(TERMS)]
    counts = part[["n", "n_bases"]].max().fillna(0)
    panel(
        axes, f"Effects on r, {mode}",
        f"{mode}{', simulated' * simulated}, N = {counted(counts['n'], 'model')}, "
        f"{counts['n_bases']:.0f} vanilla\n{' / '.join(part['scope'].dropna().unique())}",
        width,
    )  # fmt: skip
    if not effects["estimate"].notna().any():
        notes = [said(note) for note in part["note"]]
        absent(axes, next(filter(None, notes), "no effect was estimated"))
        return
    labels: list[str] = []
    for dataset in dataset_order(effects):
        for term, title in TERMS.items():
            for row in each(effects[(effects["dataset"] == dataset) & (effects["term"] == term)]):
                _effect(axes, row, len(labels))
                labels.append(f"{dataset}: {title}")
    axes.axvline(0, color=INK, linewidth=0.5, zorder=0)
    widen(axes, "r", "x")
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=4))
    axes.set_yticks(range(len(labels)), labels if names else [""] * len(labels))
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("estimate (Pearson r), 95 % interval")


def _effect(axes: Axes, row: Any, index: int) -> None:
    """One estimate with its interval, and its p at the right margin."""
    across = axes.get_yaxis_transform()
    if pd.isna(row.estimate):
        why = said(row.note) or "not computable"
        axes.text(0.5, index, why[:40], transform=across, ha="center", va="center", color=MUTED)
        return
    colour = COLOUR["tuned"] if row.term == "tuned" else INK
    axes.hlines(index, row.low, row.high, color=colour, linewidth=1.1)
    axes.plot(row.estimate, index, "o", color=colour, markersize=4)
    p = row.p if pd.notna(row.p) else row.p_these_stimuli
    axes.text(1.02, index, p_text(p), transform=across, va="center", color=MUTED)
