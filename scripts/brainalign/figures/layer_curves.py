"""Alignment of every layer of every model: a row per vanilla model, a column per benchmark."""

import math

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brainalign.figures.curves import PICKED, SPREAD, network
from brainalign.figures.order import MODEL_COLUMNS, benchmark_order, each, model_order
from brainalign.figures.paging import ONE_PAGE, Page
from brainalign.figures.spans import widen
from brainalign.figures.style import (
    COLOUR,
    FAMILY_MARKERS,
    FEATURES,
    INK,
    PAGE,
    baseline_looks,
    drawn,
    heading,
    legend,
    level,
    level_handles,
    n_models,
    nothing,
    panel,
    sheet,
    world,
)

COLUMNS = (
    "model", "family", "role", "dataset", "benchmark", "mode", "layer", "depth", "r", "r_sd",
    "r_sd_subjects", "chosen", "simulated",
)  # fmt: skip
SCORE_COLUMNS = (*MODEL_COLUMNS, "label")
ACROSS = 4  # benchmarks side by side, at most
LINE_HEIGHT = 0.14  # inches per name
ROW = 0.85, 0.68  # inches of a row at least: in a small study, in one of more than MANY rows
MANY = 8
BANDS = 3  # up to so many networks of a row, the spread over folds is drawn as a band


def layer_curves(layers: pd.DataFrame, scores: pd.DataFrame, page: Page = ONE_PAGE) -> Figure:
    """Draw `layers` (tables/layers.csv): r against relative depth.

    A row of panels holds a vanilla model with what was tuned from it and its untrained twins, which
    the names at its right tell apart; what `scores` (tables/scores.csv) says of the models makes
    the rows. A column is a benchmark, the two modes of a dataset side by side. The blocks of an
    encoder and of a decoder are two curves. A layer choice made in inner folds ("nested") belongs
    to no depth: it is a tick at the right margin, at its held-out score.
    """
    benchmarks = benchmark_order(layers)
    across = math.ceil(len(benchmarks) / math.ceil(max(len(benchmarks), 1) / ACROSS))
    bands = [benchmarks[i : i + across] for i in range(0, len(benchmarks), max(across, 1))]
    order = model_order(scores)
    order = order[order["model"].isin(layers["model"]) & ~order["role"].isin(FEATURES)]
    order = page.rows(order)
    groups = [group for _, group in order.groupby("group", sort=False)]
    row_height = ROW[len(groups) > MANY]
    heights = [max(row_height, 0.1 + LINE_HEIGHT * len(group)) for group in groups]
    figure = sheet(PAGE, 1.2 + len(bands) * (0.9 + sum(heights)), bool(layers["simulated"].any()))
    heading(figure, page.title("Brain alignment by layer"))
    if not benchmarks or not groups:
        nothing(figure, "the study has no alignment benchmark of a language model")
        return figure
    looks = baseline_looks(layers)
    widths = [1.0] * across + [0.05]  # the names flow out of the last column
    outer = figure.add_gridspec(len(bands), 1)
    for band, names in enumerate(bands):
        grid = outer[band].subgridspec(
            len(groups), across + 1, height_ratios=heights, width_ratios=widths
        )
        panels = grid.subplots(squeeze=False, sharey="col")
        for axes in panels.flat:
            axes.set_axis_off()
        for column, name in enumerate(names):
            rows = layers[layers["benchmark"] == name]
            models = {str(model): of_model for model, of_model in rows.groupby("model")}
            levels = rows[rows["model"].isin(looks) & rows["chosen"].astype(bool)]
            for row, group in enumerate(groups):
                axes = panels[row, column]
                axes.set_axis_on()
                _cell(axes, models, group, last=row == len(groups) - 1)
                for baseline in each(levels.dropna(subset=["r"])):
                    look = looks[baseline.model]
                    level(axes, baseline.r, "baseline", look, name=baseline.model)
            spread = rows[["r_sd", "r_sd_subjects"]].max(axis=1).fillna(0)
            reached = pd.DataFrame({"low": rows["r"] - spread, "high": rows["r"] + spread})
            page.span(panels[0, column], reached, vertical=True)
            widen(panels[0, column], "r")
            _head(panels[0, column], rows)
        for row, group in enumerate(groups):
            _names(panels[row, across], group, heights[row])
            panels[row, 0].set_ylabel("Pearson r")
        panels[-1, 0].set_xlabel("relative depth", loc="left")
    extra = drawn(figure, [*PICKED, *SPREAD, *level_handles(looks)])
    legend(figure, order["role"].unique(), None, extra, lines=True)
    return figure


def _head(axes: Axes, rows: pd.DataFrame) -> None:
    """What a column of panels rests on."""
    lines = [str(rows["mode"].iloc[0]), n_models(rows)]
    lines += world(rows)
    panel(axes, str(rows["dataset"].iloc[0]), "\n".join(lines))


def _cell(axes: Axes, models: dict[str, pd.DataFrame], group: pd.DataFrame, last: bool) -> None:
    """The curves of one group of models on one benchmark (model → its layers)."""
    drawn = False
    for shape, model in zip(FAMILY_MARKERS, each(group), strict=False):
        layers = models.get(model.model)
        if layers is not None and layers["r"].notna().any():
            network(axes, layers, shape, band=len(group) <= BANDS)
            drawn = True
    if not drawn:
        axes.text(0.5, 0.5, "no score", transform=axes.transAxes, ha="center", va="center")
    axes.axhline(0, color=INK, linewidth=0.5, zorder=0)
    axes.set_xlim(-0.06, 1.14)
    axes.set_xticks([0, 1], ["0", "1"] if last else ["", ""])
    axes.locator_params(axis="y", nbins=4)


def _names(axes: Axes, group: pd.DataFrame, height: float) -> None:
    """Every model of a row by marker and name."""
    axes.set(xlim=(0, 1), ylim=(height / LINE_HEIGHT, 0))
    for row, (shape, model) in enumerate(zip(FAMILY_MARKERS, each(group), strict=False)):
        colour = COLOUR[str(model.role)]
        axes.plot(0, row + 0.6, shape, color=colour, markersize=3.5, clip_on=False)
        axes.annotate(
            model.label, (0, row + 0.6), (5, 0), textcoords="offset points", color=colour,
            va="center",
        )  # fmt: skip
