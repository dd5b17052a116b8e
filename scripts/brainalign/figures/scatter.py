"""Scatter panels: one point per model, the least-squares line, names where there is room."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from brainalign.analysis.wording import p_text, r_text
from brainalign.figures.order import each
from brainalign.figures.style import COLOUR, MUTED, marker

# What the groups of models of tables/correlations.csv are called.
GROUPS = {"tuned": "tuned", "bases": "per base", "all": "all"}
NAMED = 14  # up to so many points are named
# Where a name may stand relative to its point (points of 1/72 inch), best first.
PLACES = (
    (4, 0, "left", "center"), (-4, 0, "right", "center"), (0, 4, "center", "bottom"),
    (0, -4, "center", "top"), (4, 4, "left", "bottom"), (4, -4, "left", "top"),
    (-4, 4, "right", "bottom"), (-4, -4, "right", "top"),
)  # fmt: skip


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


def stated(found: pd.DataFrame, x: str, models: str) -> str:
    """Pearson's r, p and N of one correlation as a line of text, or that there is none."""
    name = GROUPS[models]
    rows = found[(found["x"] == x) & (found["models"] == models) & (found["method"] == "pearson")]
    if rows.empty:
        return f"{name}: no r, not computed"
    row = rows.iloc[0]
    if pd.isna(row["r"]):
        return f"{name}: no r with N = {row['n']:.0f}"
    return f"{name}: {r_text(row['r'])}, {p_text(row['p'])}, N = {row['n']:.0f}"


def name_points(
    figure: Figure, axes: Axes, x: Sequence[float], y: Sequence[float], names: Sequence[str]
) -> None:
    """Write names beside points where they hit no other name, no point and no edge.

    The figure's layout has to be final in all but these names. A name that finds no place is left
    out: the point's marker and colour still tell its family and role.
    """
    if len(names) > NAMED:
        return
    figure.draw_without_rendering()
    renderer = figure._get_renderer()  # type: ignore[attr-defined]
    frame = axes.get_window_extent(renderer)
    spots = axes.transData.transform(np.column_stack([x, y]))
    half = 2.5 * figure.dpi / 72
    taken = [Bbox.from_extents(*(spot - half), *(spot + half)) for spot in spots]
    for index, name in enumerate(names):
        others = taken[:index] + taken[index + 1 :]
        for dx, dy, horizontal, vertical in PLACES:
            text = axes.annotate(
                name, (x[index], y[index]), (dx, dy), textcoords="offset points",
                ha=horizontal, va=vertical, color=MUTED, in_layout=False,
            )  # fmt: skip
            box = text.get_window_extent(renderer)
            inside = frame.x0 <= box.x0 and box.x1 <= frame.x1 + 6
            inside &= frame.y0 <= box.y0 and box.y1 <= frame.y1
            if inside and not any(box.overlaps(other) for other in others):
                taken.append(box)
                break
            text.remove()
