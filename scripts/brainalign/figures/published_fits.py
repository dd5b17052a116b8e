"""Published fits to reading times, the same made again, and this study's gains."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from brainalign.analysis.association import pearson
from brainalign.analysis.wording import counted, r_text
from brainalign.behavior.fits import GAIN
from brainalign.figures.style import COLOUR, FAINT, INK, MUTED, PAGE, absent, heading, panel, sheet

COLUMNS = (
    "model", "role", "release", "statistic", "published", "recomputed", "in_place", "ours",
)  # fmt: skip
SLOPE, AIC = "slope_1_back", "aic"
HEIGHT = 2.75  # inches per row of panels


def published_fits(table: pd.DataFrame) -> Figure:
    """Draw `table` (tables/published_fits.csv): a point per model, its published number across.

    The panel of a release that is not in the study says so.
    """
    figure = sheet(PAGE, 0.8 + 2 * HEIGHT)
    heading(figure, "Published fits to reading times, made again")
    grid = figure.subplots(2, 2)
    gain, slope, aic = (table[table["statistic"] == name] for name in (GAIN, SLOPE, AIC))
    first, second = "Kuribayashi et al. 2024", "Michaelov et al. 2024"
    _points(grid[0, 0], gain, ["recomputed"], f"{first}: Δ log-likelihood", _agreement(gain))
    grid[0, 0].set(xlabel="published (nats per word)", ylabel="made again their way")
    _points(
        grid[0, 1], slope, ["recomputed", "in_place"], f"{first}: the word before",
        "negative by the order of stories alone",
    )  # fmt: skip
    grid[0, 1].axhline(0, color=INK, linewidth=0.5)
    grid[0, 1].set(xlabel="published (ms per nat)", ylabel="made again (ms per nat)")
    _points(grid[1, 0], aic, ["recomputed"], f"{second}: AIC of Maze times", _agreement(aic))
    grid[1, 0].set(xlabel="published", ylabel="made again their way")
    _points(
        grid[1, 1], gain, ["ours"], f"{first} and this study", _correlation(gain), identity=False
    )  # fmt: skip
    grid[1, 1].set(
        xlabel="published Δ log-likelihood, in sample (nats per word)", ylabel="ours, held out"
    )
    figure.legend(handles=_handles(table), loc="outside lower left", ncols=5, borderaxespad=0.2)
    return figure


def _points(
    axes: Axes,
    rows: pd.DataFrame,
    columns: Sequence[str],
    title: str,
    statement: str,
    identity: bool = True,
) -> None:
    shown = rows.dropna(subset=["published", *columns])
    panel(
        axes,
        title,
        f"N = {counted(len(shown), 'model')}; {statement}" if len(shown) else "",
        width=56,
    )
    if shown.empty:
        absent(axes, "the study has no model with both numbers")
        return
    if identity:
        ends = [shown["published"].min(), shown["published"].max()]
        axes.plot(ends, ends, color=FAINT, linewidth=1.5, zorder=0)
    for role, members in shown.groupby("role", sort=False):
        for column in columns:
            axes.plot(
                members["published"], members[column], "o", color=COLOUR[str(role)], markersize=4,
                mfc="white" if column == "in_place" else COLOUR[str(role)], zorder=3,
            )  # fmt: skip
    axes.locator_params(axis="both", nbins=5)
    axes.ticklabel_format(useOffset=False)


def _agreement(rows: pd.DataFrame) -> str:
    """Correlation with the published numbers, and the largest difference from them."""
    largest = (rows["recomputed"] - rows["published"]).abs().max()
    apart = "below 0.001" if largest < 0.001 else f"{largest:.2g}"
    return f"{_correlation(rows, 'recomputed')}; largest difference {apart}"


def _correlation(rows: pd.DataFrame, column: str = "ours") -> str:
    r = pearson(rows["published"].to_numpy(), rows[column].to_numpy()).r
    return "r not computable" if np.isnan(r) else f"r = {r_text(r, 3)}"


def _handles(table: pd.DataFrame) -> list[Line2D]:
    def dot(label: str, colour: str, filling: str | None = None) -> Line2D:
        return Line2D(
            [], [], color=colour, marker="o", linestyle="none", label=label, mfc=filling or colour
        )

    named = {"vanilla": "vanilla", "tuned": "instruction-tuned"}
    return [
        *(dot(label, COLOUR[role]) for role, label in named.items() if role in set(table["role"])),
        *[dot("the word before, joined in place", MUTED, "white")]
        * bool(table["in_place"].notna().any()),
        Line2D([], [], color=FAINT, linewidth=1.5, label="equal"),
    ]
