"""Alignment of every model on every dataset: vanilla beside tuned, with ceilings and baselines."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from brainalign.figures.ceilings import CEILING, ceiling_line, exceeded, lines
from brainalign.figures.order import MODEL_COLUMNS, benchmark_order, each, model_order
from brainalign.figures.paging import ONE_PAGE, Page
from brainalign.figures.style import (
    COLOUR,
    FAINT,
    MUTED,
    PAGE,
    drawn,
    family_markers,
    heading,
    instead,
    legend,
    marker,
    n_models,
    name_models,
    nothing,
    panel,
    panels,
    rows_down,
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


def alignment(scores: pd.DataFrame, page: Page = ONE_PAGE) -> Figure:
    """Draw `scores` (tables/scores.csv): one row per model, one panel per benchmark.

    A tuned model stands under the vanilla model that it was made from; the two modes of a dataset
    stand side by side on the same scale. Only the rows of all regions together are drawn.
    """
    all_regions = scores[scores["region"] == "all"]
    benchmarks = benchmark_order(all_regions)
    order = page.rows(model_order(all_regions))
    across = max(1, min(len(benchmarks), ACROSS[0] if len(benchmarks) <= ACROSS[0] else ACROSS[1]))
    bands = max(1, -(-len(benchmarks) // across))
    figure = sheet(
        PAGE, 1.2 + bands * (0.85 + ROW * max(len(order), 6)), bool(all_regions["simulated"].any())
    )
    heading(figure, page.title("Brain alignment by model"))
    if all_regions.empty:
        nothing(figure, "the study has no alignment benchmark")
        return figure
    markers = family_markers(all_regions)
    for index, axes in enumerate(panels(figure, len(benchmarks), across)):
        rows = all_regions[all_regions["benchmark"] == benchmarks[index]]
        _benchmark(axes, rows, order, markers)
        axes.set_xlim(_limits(all_regions[all_regions["dataset"] == rows["dataset"].iloc[0]]))
        if index % across == 0:
            name_models(axes, order)
        else:
            axes.set_yticks([])
        if index + across >= len(benchmarks):
            axes.set_xlabel("Pearson r")
    legend(
        figure,
        order["role"].unique(),
        page.markers(markers, order),
        [
            *drawn(figure, [CEILING]),
            *exceeded(all_regions, "r", "ceiling_method"),
            *drawn(figure, [INTERVAL]),
        ],
    )
    return figure


def _limits(rows: pd.DataFrame) -> tuple[float, float]:
    """The scale that the modes of one dataset share: zero, all intervals, all ceilings."""
    parts = [rows[name] for name in ("r", "low", "high")]
    values = pd.concat([*parts, lines(rows["ceiling"])]).dropna()
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
    statement += ["ceiling not above 0"] * bool((rows["ceiling"] <= 0).any())
    # Heads of the same number of lines keep the panels of a band level.
    panel(axes, str(rows["dataset"].iloc[0]), "\n".join(statement))
    for i, (_, group) in enumerate(order.groupby("group", sort=False)):
        if i % 2:
            axes.axhspan(
                group.index[0] - 0.5, group.index[-1] + 0.5, color="#F2F2F2", linewidth=0, zorder=0
            )
    axes.axvline(0, color=FAINT, linewidth=0.8, zorder=1)
    for ceiling in rows["ceiling"].unique():
        ceiling_line(axes, ceiling, upright=True)
    for row, model in enumerate(each(order)):
        score = scored.loc[model.model] if model.model in scored.index else None
        if score is None or pd.isna(score["r"]):
            instead(axes, row, "no score")
            continue
        colour = COLOUR[str(model.role)]
        if pd.notna(score["low"]):
            axes.hlines(
                row, score["low"], score["high"], color=colour, linewidth=1.1, zorder=2,
                label=str(INTERVAL.get_label()),
            )  # fmt: skip
        axes.plot(score["r"], row, marker(model, markers), color=colour, zorder=3)
    rows_down(axes, len(order), ticks=3, striped=False)  # groups are, above
