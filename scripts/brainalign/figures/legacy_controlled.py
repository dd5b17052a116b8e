"""The same models under the two modes: score against score, rank against rank."""

from itertools import zip_longest

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from brainalign.analysis.association import spearman
from brainalign.analysis.records import MODES
from brainalign.analysis.wording import p_text, r_text
from brainalign.figures.order import MODEL_COLUMNS, each, model_order
from brainalign.figures.paging import ONE_PAGE, Page
from brainalign.figures.spans import widen
from brainalign.figures.style import (
    COLOUR,
    FAINT,
    FEATURES,
    INK,
    MUTED,
    PAGE,
    absent,
    family_markers,
    heading,
    instead,
    legend,
    marker,
    n_models,
    nothing,
    panel,
    rows_down,
    sheet,
    world,
)

COLUMNS = (
    *MODEL_COLUMNS, "dataset", "benchmark", "companion", "mode", "region", "r", "simulated",
)  # fmt: skip
ROW = 0.145  # inches per model
ACROSS = 4
EXTRA = (
    Line2D([], [], color=MUTED, marker="o", mfc="white", linestyle="none", label="legacy"),
    Line2D([], [], color=MUTED, marker="o", linestyle="none", label="controlled"),
)


def legacy_controlled(scores: pd.DataFrame, page: Page = ONE_PAGE) -> Figure:
    """Draw `scores` (tables/scores.csv): each model's r under both modes, and how the ranks move.

    A dataset's legacy benchmark is paired with its controlled one (the first with the first, and
    so on); a `companion` has no other mode. Ranks count all models that have both
    scores, baselines and untrained twins included.
    """
    overall = scores[(scores["region"] == "all") & ~scores["companion"]]
    pairs = _pairs(overall)
    order = model_order(overall)
    across = max(1, min(len(pairs), ACROSS))
    bands = max(1, -(-len(pairs) // across))
    dots, ranks = 0.6 + ROW * max(len(page.rows(order)), 4), 2.0
    figure = sheet(PAGE, 0.9 + bands * (dots + ranks), bool(overall["simulated"].any()))
    heading(figure, page.title("The same score, legacy and controlled"))
    if not pairs:
        nothing(figure, "the study has no alignment benchmark")
        return figure
    grid = figure.subplots(2 * bands, across, squeeze=False, height_ratios=[dots, ranks] * bands)
    for axes in grid.flat:
        axes.set_axis_off()
    markers = family_markers(overall)
    for index, (dataset, names) in enumerate(pairs):
        band, column = divmod(index, across)
        upper, lower = grid[2 * band, column], grid[2 * band + 1, column]
        upper.set_axis_on()
        missing = [mode for mode, name in zip(MODES, names, strict=True) if name is None]
        if missing:
            panel(upper, dataset, f"\n{next(n for n in names if n)}")
            absent(upper, f"no {missing[0]} benchmark to compare with", 22)
            continue
        wide = _both(overall, order, names)
        paired = wide.dropna(subset=list(MODES))
        lower.set_axis_on()
        rows = page.rows(wide)
        _dumbbells(upper, rows, markers)
        page.span(upper, wide[list(MODES)])
        widen(upper, "r", "x")
        panel(
            upper, dataset,
            "\n".join(
                (
                    " and ".join(MODES), n_models(paired),
                    *world(overall[overall["benchmark"].isin(names)]),
                )
            ),
        )  # fmt: skip
        if column == 0:
            upper.set_yticks(range(len(rows)), list(rows["label"]))
        else:
            upper.set_yticks([])
        _ranks(lower, wide, markers)
    legend(figure, order["role"].unique(), markers, EXTRA)
    return figure


def _pairs(overall: pd.DataFrame) -> list[tuple[str, tuple[str | None, str | None]]]:
    """Dataset → (legacy benchmark, controlled benchmark), as many as the longer list has."""
    pairs = []
    for dataset, rows in overall.groupby("dataset", sort=False):
        names = [rows.loc[rows["mode"] == mode, "benchmark"].unique() for mode in MODES]
        pairs += [(str(dataset), pair) for pair in zip_longest(*names)]
    return pairs


def _both(
    overall: pd.DataFrame, order: pd.DataFrame, names: tuple[str | None, str | None]
) -> pd.DataFrame:
    """`order` with a column per mode: the model's r with that mode's benchmark."""
    wide = order.copy()
    for mode, name in zip(MODES, names, strict=True):
        wide[mode] = wide["model"].map(
            overall.loc[overall["benchmark"] == name].set_index("model")["r"]
        )
    return wide


def _dumbbells(axes: Axes, wide: pd.DataFrame, markers: dict[str, str]) -> None:
    axes.axvline(0, color=INK, linewidth=0.5, zorder=0.5)
    for index, row in enumerate(each(wide)):
        shape, colour = marker(row, markers), COLOUR[str(row.role)]
        if pd.isna(row.legacy) and pd.isna(row.controlled):
            instead(axes, index, "no score")
            continue
        axes.hlines(index, row.legacy, row.controlled, color=colour, linewidth=1.1, alpha=0.5)
        axes.plot(row.legacy, index, shape, mfc="white", mec=colour, mew=1, zorder=3)
        axes.plot(row.controlled, index, shape, color=colour, zorder=3)
    rows_down(axes, len(wide), ticks=4)
    axes.set_xlabel("Pearson r")


def _ranks(axes: Axes, wide: pd.DataFrame, markers: dict[str, str]) -> None:
    paired = wide.dropna(subset=list(MODES))
    correlation = spearman(paired["legacy"].to_numpy(), paired["controlled"].to_numpy())
    if correlation.note:
        panel(axes, "ranks")
        absent(axes, correlation.note, 22)
        return
    others = "\nwith baselines" * bool(paired["role"].isin(FEATURES).any())
    panel(
        axes,
        "ranks",
        f"Spearman {r_text(correlation.r)}\n{p_text(correlation.p)}, N = {correlation.n}{others}",
    )
    positions = paired[list(MODES)].rank(ascending=False)
    last = len(paired) + 0.6
    axes.plot([0.4, last], [0.4, last], color=FAINT, linewidth=1, zorder=0)
    for (_, row), (_, index) in zip(paired.iterrows(), positions.iterrows(), strict=True):
        axes.plot(
            index["legacy"], index["controlled"], marker(row, markers), color=COLOUR[row["role"]],
            alpha=0.85, markeredgewidth=0,
        )  # fmt: skip
    axes.set(xlim=(last, 0.4), ylim=(last, 0.4), xlabel="legacy rank", ylabel="controlled rank")
    axes.set_aspect("equal")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks([1, (1 + len(paired)) // 2, len(paired)])
