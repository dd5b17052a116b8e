"""Loss by altered text: scores of models on the text as it is and on controls."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from brainalign.analysis.records import TRAINED
from brainalign.figures.order import each
from brainalign.figures.spans import widen
from brainalign.figures.style import (
    COLOUR,
    FAINT,
    INK,
    PAGE,
    drawn,
    family_markers,
    heading,
    legend,
    n_models,
    nothing,
    panel,
    rows_down,
    sheet,
    world,
)
from brainalign.reading.text_controls import in_words

COLUMNS = (
    "model", "family", "role", "benchmark", "dataset", "mode", "control", "r", "r_control",
    "p_adjusted", "passed", "simulated",
)  # fmt: skip
AS_IT_IS = "the text as it is"
ROW = 0.22  # inches
MEAN = Line2D(
    [], [], color=INK, marker="|", markersize=11, linestyle="", label="mean of trained models"
)


def text_controls(table: pd.DataFrame) -> Figure:
    """Draw `COLUMNS` of tables/text_controls.csv: a panel per benchmark, a row per control, a dot
    per model.
    """
    names = list(table["benchmark"].unique())
    most = max((table[table["benchmark"] == n]["control"].nunique() for n in names), default=2)
    height = 0.7 + max(len(names), 1) * (0.8 + ROW * (most + 1))
    figure = sheet(PAGE, height, bool(table["simulated"].any()))
    heading(figure, "Loss by altered text")
    if not names:
        nothing(figure, "no text is altered in this study")
        return figure
    grid = figure.subplots(len(names), squeeze=False, sharex=True)
    markers = family_markers(table)
    for name, axes in zip(names, grid.flat, strict=True):
        part = table[table["benchmark"] == name]
        about = [str(part["mode"].iloc[0]), n_models(part), *world(part)]
        panel(axes, str(part["dataset"].iloc[0]), ", ".join(about))
        _draw(axes, part, markers)
    widen(grid[-1, 0], "r", "x")
    grid[-1, 0].set_xlabel("alignment (r)")
    legend(figure, table["role"].unique(), markers, drawn(figure, [MEAN]))
    return figure


def _draw(axes: Axes, part: pd.DataFrame, markers: dict[str, str]) -> None:
    """The text as it is in the first row, each control below it, with how many models pass."""
    models = part.drop_duplicates("model")
    rows = [(AS_IT_IS, models.assign(r_control=models["r"]))]
    for control, of_control in part.groupby("control", sort=False):
        trained = of_control[of_control["role"].isin(TRAINED)]
        label = in_words(str(control))
        if trained["p_adjusted"].notna().any():  # shuffled folds give no p
            label += f": {trained['passed'].sum()} of {len(trained)} lose"
        rows.append((label, of_control))
    for index, (_, of_control) in enumerate(rows):
        for row in each(of_control):
            axes.plot(row.r_control, index, markers[row.family], color=COLOUR[row.role], alpha=0.8)
        mean = of_control.loc[of_control["role"].isin(TRAINED), "r_control"].mean()
        if pd.notna(mean):
            axes.plot(mean, index, "|", color=INK, markersize=11, label=MEAN.get_label())
    axes.axvline(0, color=FAINT, zorder=0.5)
    axes.set_yticks(range(len(rows)), [label for label, _ in rows])
    rows_down(axes, len(rows), ticks=4)
