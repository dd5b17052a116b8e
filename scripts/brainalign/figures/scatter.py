"""Scatter panels: one point per model, the least-squares line, r, p and N in words."""

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from brainalign.analysis.records import TRAINED
from brainalign.analysis.wording import p_text, r_text
from brainalign.figures.order import each
from brainalign.figures.style import COLOUR, MUTED, marker

# What the groups of models of tables/correlations.csv are called.
GROUPS = {"tuned": "tuned", "bases": "per base", "all": "all"}


def scatter(
    axes: Axes, points: pd.DataFrame, x: str, y: str, markers: dict[str, str], line: bool = True
) -> None:
    """Draw a point per row of `points` (with `role`, `family`), and the line of best fit.

    Rows without x or y are not drawn. The line is drawn from three points up.
    """
    present = points.dropna(subset=[x, y])
    if present.empty:
        return
    horizontal, vertical = present[x].to_numpy(float), present[y].to_numpy(float)
    if line and len(present) > 2 and np.ptp(horizontal) > 0:
        slope, level = np.polyfit(horizontal, vertical, 1)
        ends = np.array([horizontal.min(), horizontal.max()])
        axes.plot(ends, level + slope * ends, color=MUTED, linewidth=0.9, zorder=1)
    shapes = [marker(row, markers) for row in each(present)]
    sns.scatterplot(
        present, x=x, y=y, hue="role", palette=COLOUR, style=shapes,
        markers={shape: shape for shape in shapes}, s=14, edgecolor="white", linewidth=0.4,
        legend=False, ax=axes, zorder=3,
    )  # fmt: skip
    axes.set(xlabel="", ylabel="")
    axes.margins(0.08)


def name_extremes(axes: Axes, points: pd.DataFrame, x: str, y: str) -> None:
    """Write the names (`label`) of the highest and of the lowest trained model beside their points.

    All would not be readable; the panels of one row share their y, so that they name the same.
    """
    present = points[points["role"].isin(TRAINED)].dropna(subset=[x, y])
    if present[y].nunique() < 2:
        return
    low, high = present[x].min(), present[x].max()
    axes.margins(0.08, 0.22)  # space above and below
    for index, side, shift in (
        (int(present[y].argmax()), "bottom", 2.5),
        (int(present[y].argmin()), "top", -2.5),
    ):
        row = present.iloc[index]
        across = (row[x] - low) / (high - low) if high > low else 0.5
        axes.annotate(
            str(row["label"]), (row[x], row[y]), (0, shift), textcoords="offset points", va=side,
            ha="left" if across < 1 / 3 else "right" if across > 2 / 3 else "center",
            color=MUTED, zorder=5, in_layout=False,
            bbox={"boxstyle": "square,pad=0.05", "facecolor": "white", "edgecolor": "none",
                  "alpha": 0.75},
        )  # fmt: skip


def stated(correlations: pd.DataFrame, x: str, models: str) -> str:
    """Pearson's r, p and N of one correlation in tables/correlations.csv as a line of text, or that
    there is none.
    """
    name = GROUPS[models]
    rows = correlations[
        (correlations["x"] == x)
        & (correlations["models"] == models)
        & (correlations["method"] == "pearson")
    ]
    if rows.empty:
        return f"{name}: no r, not computed"
    row = rows.iloc[0]
    if pd.isna(row["r"]):
        return f"{name}: no r with N = {row['n']:.0f}"
    return f"{name}: {r_text(row['r'])}, {p_text(row['p'])}, N = {row['n']:.0f}"
