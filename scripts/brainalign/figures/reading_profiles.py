"""Depth profiles of reading times: what each layer adds to the covariates, against its depth."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from brainalign.figures.curves import FEW, PICKED, curves, stack_of
from brainalign.figures.order import benchmark_order
from brainalign.figures.spans import widen
from brainalign.figures.style import (
    COLOUR,
    FEATURES,
    INK,
    PAGE,
    absent,
    drawn,
    family_markers,
    heading,
    legend,
    n_models,
    nothing,
    panel,
    sheet,
    world,
)

COLUMNS = (
    "model", "family", "role", "dataset", "benchmark", "mode", "predictor", "layer", "depth",
    "delta_r2", "low", "high", "note", "chosen", "simulated",
)  # fmt: skip
PREDICTORS = {"surprisal": "surprisal by logit lens", "states": "states of the layer"}
ROW = 2.1  # inches
INTERVAL = Line2D([], [], color=INK, alpha=0.15, linewidth=5, label="95 % interval (stories)")


def reading_profiles(table: pd.DataFrame) -> Figure:
    """Draw `COLUMNS` of tables/reading_profiles.csv: a row of panels per benchmark, a column per
    predictor.
    """
    names = benchmark_order(table)
    predictors = [name for name in PREDICTORS if name in set(table["predictor"])]
    figure = sheet(PAGE, 1.1 + ROW * len(names), bool(table["simulated"].any()))
    heading(figure, "Reading times by layer: variance added to the covariates")
    if not names:
        nothing(figure, "no benchmark of reading times has the key by_layer")
        return figure
    grid = figure.subplots(len(names), len(predictors), squeeze=False)
    markers = family_markers(table)
    for panels, name in zip(grid, names, strict=True):
        filled = []
        for axes, predictor in zip(panels, predictors, strict=True):
            rows = table[(table["benchmark"] == name) & (table["predictor"] == predictor)]
            if rows.empty:
                axes.set_axis_off()
                continue
            title = f"{rows['dataset'].iloc[0]}: {PREDICTORS[predictor]}"
            panel(axes, title, ", ".join([str(rows["mode"].iloc[0]), n_models(rows), *world(rows)]))
            if rows["delta_r2"].isna().all():
                absent(axes, str(rows["note"].iloc[0]))
                continue
            filled.append(axes)
            _intervals(axes, rows[~rows["role"].isin(FEATURES)])
            curves(axes, rows.assign(r=rows["delta_r2"], r_sd=np.nan), markers)
            axes.set(xlabel="relative depth", ylabel="held-out ΔR²" if axes is panels[0] else "")
        limits = [axes.get_ylim() for axes in filled]
        for axes in filled:
            axes.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))
            widen(axes, "delta_r2")
    extra = drawn(figure, [PICKED[1], INTERVAL])
    legend(figure, table["role"].unique(), markers, extra, lines=True)
    return figure


def _intervals(axes: Axes, rows: pd.DataFrame) -> None:
    """The interval of every layer, where few networks are drawn."""
    if rows["model"].nunique() > FEW:
        return
    single = rows.dropna(subset=["depth", "low"])
    for (_, role, _), profile in single.groupby(["model", "role", single["layer"].map(stack_of)]):
        profile = profile.sort_values("depth")
        axes.fill_between(
            profile["depth"], profile["low"], profile["high"], color=COLOUR[str(role)], alpha=0.12,
            linewidth=0, label=str(INTERVAL.get_label()),
        )  # fmt: skip
