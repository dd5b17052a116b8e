"""Alignment of every model on every dataset: vanilla beside tuned, with ceilings and baselines."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from brainalign.figures.ceilings import CEILING, exceeded
from brainalign.figures.order import MODEL_COLUMNS, benchmark_order, each, model_order
from brainalign.figures.paging import WHOLE, Page
from brainalign.figures.style import (
    COLOUR,
    FAINT,
    INK,
    MUTED,
    PAGE,
    drawn,
    family_markers,
    heading,
    legend,
    marker,
    n_models,
    nothing,
    panel,
    sheet,
    units,
    world,
)

COLUMNS = (
    *MODEL_COLUMNS, "dataset", "benchmark", "mode", "region", "r", "ceiling",
    "ceiling_method", "low", "high", "scope", "n_subjects", "n_stimuli", "simulated",
)  # fmt: skip
ACROSS = (6, 4)  # panels side by side: one band of up to 6, or bands of 4
ROW = 0.145  # inches per model
INTERVAL = Line2D([], [], color=MUTED, linewidth=1.1, label="95 % interval")


def alignment(scores: pd.DataFrame, page: Page = WHOLE) -> Figure:
    """Draw `scores` (tables/scores.csv): one row per model, one panel per benchmark.

    A tuned model stands under the vanilla model that it was made from; the two modes of a dataset
    stand side by side on the same scale. Only the rows of all regions together are drawn.
    """
    whole = scores[scores["region"] == "all"]
    benchmarks = benchmark_order(whole)
    order = page.rows(model_order(whole))
    across = max(1, min(len(benchmarks), ACROSS[0] if len(benchmarks) <= ACROSS[0] else ACROSS[1]))
    bands = max(1, -(-len(benchmarks) // across))
    figure = sheet(
        PAGE, 1 + bands * (0.75 + ROW * max(len(order), 4)), bool(whole["simulated"].any())
    )
    heading(figure, page.title("Brain alignment by model"))
    if whole.empty:
        nothing(figure, "the study has no alignment benchmark")
        return figure
    grid = figure.subplots(bands, across, squeeze=False)
    markers = family_markers(whole)
    for place, axes in enumerate(grid.flat):
        if place >= len(benchmarks):
            axes.set_axis_off()
            continue
        rows = whole[whole["benchmark"] == benchmarks[place]]
        _benchmark(axes, rows, order, markers)
        axes.set_xlim(_limits(whole[whole["dataset"] == rows["dataset"].iloc[0]]))
        if place % across == 0:
            axes.set_yticks(range(len(order)), list(order["label"]))
            for label, role in zip(axes.get_yticklabels(), order["role"], strict=True):
                label.set_color(COLOUR[role] if role != "untrained" else MUTED)
        else:
            axes.set_yticks([])
        if place + across >= len(benchmarks):
            axes.set_xlabel("Pearson r")
    legend(
        figure,
        order["role"].unique(),
        page.markers(markers, order),
        [
            *drawn(figure, [CEILING]),
            *exceeded(whole, "r", "ceiling_method"),
            *drawn(figure, [INTERVAL]),
        ],
    )
    return figure


def _limits(rows: pd.DataFrame) -> tuple[float, float]:
    """The scale that the modes of one dataset share: zero, all intervals, all ceilings."""
    values = pd.concat([rows[name] for name in ("r", "low", "high", "ceiling")]).dropna()
    low, high = min(values.min(), 0.0), max(values.max(), 0.01)
    margin = 0.06 * (high - low)
    return low - margin, high + margin


def _benchmark(
    axes: Axes, rows: pd.DataFrame, order: pd.DataFrame, markers: dict[str, str]
) -> None:
    """One panel: a dot and its interval per model, bands behind every other group."""
    scored = rows.set_index("model")
    statement = [str(rows["mode"].iloc[0]), n_models(rows.dropna(subset=["r"]))]
    statement += units(rows)
    statement += world(rows)
    # Heads of the same number of lines keep the panels of a band level.
    panel(axes, str(rows["dataset"].iloc[0]), "\n".join(statement))
    for i, (_, group) in enumerate(order.groupby("group", sort=False)):
        if i % 2:
            axes.axhspan(
                group.index[0] - 0.5, group.index[-1] + 0.5, color="#F2F2F2", linewidth=0, zorder=0
            )
    axes.axvline(0, color=FAINT, linewidth=0.8, zorder=1)
    for ceiling in rows["ceiling"].dropna().unique():
        axes.axvline(
            ceiling, color=INK, linestyle=CEILING.get_linestyle(), linewidth=0.9, zorder=1,
            label=str(CEILING.get_label()),
        )  # fmt: skip
    for place, model in enumerate(each(order)):
        score = scored.loc[model.model] if model.model in scored.index else None
        if score is None or pd.isna(score["r"]):
            axes.text(
                0.5, place, "no score", transform=axes.get_yaxis_transform(),
                ha="center", va="center", color=MUTED,
            )  # fmt: skip
            continue
        colour = COLOUR[str(model.role)]
        if pd.notna(score["low"]):
            axes.hlines(
                place, score["low"], score["high"], color=colour, linewidth=1.1, zorder=2,
                label=str(INTERVAL.get_label()),
            )  # fmt: skip
        axes.plot(score["r"], place, marker(model, markers), color=colour, zorder=3)
    axes.set_ylim(len(order) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=3))
