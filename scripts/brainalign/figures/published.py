"""The paper's correlation figures, redrawn from its published tables, and their controlled side."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brainalign.analysis.wording import p_text, r_text
from brainalign.errors import InputError
from brainalign.figures.order import each
from brainalign.figures.scatter import scatter
from brainalign.figures.style import (
    COLOUR,
    FAINT,
    INK,
    MUTED,
    PAGE,
    family_markers,
    heading,
    legend,
    marker,
    panel,
    sheet,
)
from brainalign.intervals import LEVEL

MODEL_COLUMNS = (
    "model", "family", "role", "part", "average", "mmlu", "futrell2018", "log10_parameters",
    "relative_pereira2018", "relative_blank2014", "relative_wehbe2014", "width", "blank2014",
)  # fmt: skip
CHECK_COLUMNS = ("quantity", "n", "published", "recomputed")
CATEGORY_COLUMNS = ("benchmark", "category", "n", "r")
WIDTH_COLUMNS = ("width", "units_per_row", "published", "time_alone")
GAINS = {
    "Pereira\n2018": "mean relative gain, pereira2018",
    "Blank\n2014": "mean relative gain, blank2014",
    "Wehbe\n2014": "mean relative gain, wehbe2014",
    "all\nthree": "mean relative gain over models and datasets",
}
INDEPENDENT = "p: models as independent"  # a line below what it is about
WIDTH = 43  # characters of a line above a panel


def published(
    models: pd.DataFrame, check: pd.DataFrame, categories: pd.DataFrame, widths: pd.DataFrame
) -> Figure:
    """Draw the published tables of Aw et al. 2024.

    Parameters
    ----------
    models : tables/published_models.csv.
    check : tables/published_check.csv, where every r, p and N in the figure is taken from.
    categories : resources/published/capability_categories.csv (Table 2).
    widths : tables/double_descent.csv.

    Raises
    ------
    InputError : a quantity that a panel states is not in `check`.
    """
    main = models[models["part"] == "main"]
    tuned = main[main["role"] == "tuned"]
    markers = family_markers(models)
    figure = sheet(PAGE, 8.4)
    heading(figure, "Published tables, Aw et al. 2024: real models, as printed and re-examined")
    positions = figure.add_gridspec(3, 3)
    grid = np.array([[figure.add_subplot(positions[i, j]) for j in range(3)] for i in range(2)])
    _gains(grid[0, 0], tuned, check, markers)
    _correlate(grid[0, 1], main, "log10_parameters", check, "all models", markers)
    grid[0, 1].set_xlabel("log10 parameters")
    _correlate(grid[0, 2], tuned, "mmlu", check, "tuned models", markers)
    grid[0, 2].set_xlabel("MMLU accuracy")
    _categories(grid[1, 0], categories, check)
    _given_size(grid[1, 1], tuned, check, markers)
    _behaviour(grid[1, 2], tuned, check, markers)
    _by_width(figure.add_subplot(positions[2, :2]), models, widths, markers)
    _time_alone(figure.add_subplot(positions[2, 2]), widths, check)
    legend(figure, list(main["role"].unique()), markers)
    return figure


def _value(check: pd.DataFrame, quantity: str) -> pd.Series:
    correlation = check[check["quantity"] == quantity]
    if correlation.empty:
        raise InputError(f"published_check: no row with quantity {quantity!r}")
    return correlation.iloc[0]


def _gains(axes: Axes, tuned: pd.DataFrame, check: pd.DataFrame, markers: dict[str, str]) -> None:
    """Mean relative gain per dataset as bars, single models as dots."""
    columns = [f"relative_{name}" for name in ("pereira2018", "blank2014", "wehbe2014")]
    gains = 100 * tuned[columns].assign(relative_all=tuned[columns].mean(axis=1))
    low, high = min(0, gains.min().min()), gains.max().max()
    floor = low - 0.24 * (high - low)
    # Dots of one dataset are spread by the models' order, so that none hides another.
    spread = np.linspace(-0.24, 0.24, len(tuned))
    for index, (quantity, column) in enumerate(zip(GAINS.values(), gains, strict=True)):
        mean = _value(check, quantity)
        axes.bar(index, 100 * mean["recomputed"], 0.66, color=COLOUR["tuned"], alpha=0.3, zorder=1)
        for row, gain, shift in zip(each(tuned), gains[column], spread, strict=True):
            axes.plot(
                index + shift, gain, marker(row, markers), color=COLOUR["tuned"],
                markersize=2.8, markeredgewidth=0, alpha=0.8, zorder=2,
            )  # fmt: skip
        axes.text(
            index, floor, f"{100 * mean['recomputed']:+.1f}\n({100 * mean['published']:+.1f})",
            ha="center", va="bottom",
        )  # fmt: skip
    axes.set_ylim(floor, high + 0.05 * (high - low))
    axes.axhline(0, color=INK, linewidth=0.5)
    axes.set_xticks(range(len(GAINS)), list(GAINS))
    axes.tick_params(axis="x", length=0)
    axes.set_ylabel("tuned − vanilla (% of vanilla)")
    p = _value(check, "Wilcoxon p, one value per base model")
    panel(
        axes, "Gain by instruction tuning",
        f"legacy, bars: means (printed), N = {len(tuned)}\n"
        f"Wilcoxon over {p['n']:.0f} bases, {p_text(p['recomputed'])}",
        width=WIDTH,
    )  # fmt: skip


def _correlate(
    axes: Axes,
    points: pd.DataFrame,
    x: str,
    check: pd.DataFrame,
    which: str,
    markers: dict[str, str],
) -> None:
    scatter(axes, points, x, "average", markers)
    r, p = (_value(check, f"Pearson {name}, average × {x}, {which}") for name in "rp")
    axes.set_ylabel("alignment, average of 3 (r)")
    title = {"log10_parameters": "Alignment and size", "mmlu": "Alignment and MMLU"}[x]
    panel(
        axes, title,
        f"legacy, Pearson, N = {r['n']:.0f}\n"
        f"r = {r_text(r['recomputed'])} (printed {r_text(r['published'])}), "
        f"{p_text(p['recomputed'])}\n{INDEPENDENT}",
        width=WIDTH,
    )  # fmt: skip


def _given_size(
    axes: Axes, tuned: pd.DataFrame, check: pd.DataFrame, markers: dict[str, str]
) -> None:
    """What is left of MMLU and of alignment after a line in log10 size."""
    points = tuned.dropna(subset=["mmlu", "average"]).copy()
    for name in ("mmlu", "average"):
        slope, level = np.polyfit(points["log10_parameters"], points[name], 1)
        points[name] -= level + slope * points["log10_parameters"]
    axes.axhline(0, color=FAINT, zorder=0)
    axes.axvline(0, color=FAINT, zorder=0)
    scatter(axes, points, "mmlu", "average", markers)
    r = _value(check, "partial r, average × mmlu given log10_parameters")
    given = "average × mmlu given log10_parameters"
    p = _value(check, f"p over vanilla models, {given}, tuned models")
    axes.set_xlabel("MMLU, size regressed out")
    axes.set_ylabel("alignment, size regressed out")
    panel(
        axes, "MMLU at equal size",
        f"controlled, partial Pearson, N = {r['n']:.0f}\n"
        f"r = {r_text(r['recomputed'])} (not printed), {p_text(p['recomputed'])}\n"
        f"p: over {p['n']:.0f} vanilla models",
        width=WIDTH,
    )  # fmt: skip


def _behaviour(
    axes: Axes, tuned: pd.DataFrame, check: pd.DataFrame, markers: dict[str, str]
) -> None:
    what = "futrell2018 × mmlu, tuned models"
    r, p = (_value(check, f"Pearson {name}, {what}") for name in "rp")
    scatter(axes, tuned, "mmlu", "futrell2018", markers)
    axes.set_xlabel("MMLU accuracy")
    axes.set_ylabel("reading times, |r| / ceiling")
    panel(
        axes, "Behaviour and MMLU",
        f"legacy, Pearson, N = {r['n']:.0f}\n"
        f"r = {r_text(r['recomputed'])}, {p_text(p['recomputed'])} (printed "
        f"{r_text(p['published'])})\n{INDEPENDENT}",
        width=WIDTH,
    )  # fmt: skip


def _categories(axes: Axes, categories: pd.DataFrame, check: pd.DataFrame) -> None:
    """Table 2: r per question category, filled where the adjusted p is below .05."""
    for index, row in enumerate(each(categories)):
        p = _value(check, f"adjusted p, average × {row.benchmark} {row.category}")["recomputed"]
        axes.hlines(index, 0, row.r, color=MUTED, linewidth=1)
        axes.plot(row.r, index, "o", color=INK, mfc=INK if p < LEVEL else "white", markersize=4)
    axes.axvline(0, color=INK, linewidth=0.5)
    names = categories["benchmark"] + " " + categories["category"]
    short = names.str.replace("language understanding", "language").str.replace("Social", "Soc.")
    axes.set_yticks(range(len(categories)), list(short))
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(categories) - 0.4, -0.6)
    axes.set_xlim(-0.15, 1)
    axes.set_xlabel("Pearson r with alignment")
    panel(
        axes, "Question categories",
        f"legacy, Table 2, Pearson, N = {categories['n'].iloc[0]}\n"
        f"filled: Benjamini-Hochberg p < .05\n{INDEPENDENT}",
        width=WIDTH,
    )  # fmt: skip


def _by_width(
    axes: Axes, models: pd.DataFrame, widths: pd.DataFrame, markers: dict[str, str]
) -> None:
    """The printed Blank2014 of every model by its width, and r of features of time alone."""
    index = {width: i for i, width in enumerate(widths["width"])}
    points = models.assign(index=models["width"].map(index)).sort_values(["index", "blank2014"])
    # Dots of one width are spread, so that none hides another.
    rank, size = (
        points.groupby("index").cumcount(),
        points.groupby("index")["index"].transform("size"),
    )
    points["index"] += 0.07 * (rank - (size - 1) / 2)
    scatter(axes, points, "index", "blank2014", markers, line=False)
    axes.plot(range(len(widths)), widths["published"], color=MUTED, linewidth=0.9, zorder=1)
    axes.plot(range(len(widths)), widths["time_alone"], "--", color=INK, linewidth=0.9, zorder=2)
    axes.annotate(
        "features of time alone", (0, widths["time_alone"].iloc[0]), (0, 5),
        textcoords="offset points", ha="left", va="bottom", color=INK,
    )  # fmt: skip
    axes.annotate(
        "mean of the models, as printed", (len(widths) - 1, widths["published"].iloc[-1]), (0, -9),
        textcoords="offset points", ha="right", va="top", color=MUTED,
    )  # fmt: skip
    ticks = [
        f"{w}\n({q:.2f})" for w, q in zip(widths["width"], widths["units_per_row"], strict=True)
    ]
    axes.set_xticks(range(len(widths)), ticks)
    axes.set_xlabel("units of a layer (units over training rows)")
    axes.set_ylabel("Blank2014 (r)")
    axes.set_ylim(bottom=0)
    panel(
        axes, "Blank2014 and the width of the model",
        f"legacy, least squares, N = {len(points)}; dashed: simulated states without language",
        width=2 * WIDTH,
    )  # fmt: skip


def _time_alone(axes: Axes, widths: pd.DataFrame, check: pd.DataFrame) -> None:
    """The mean printed score of each width against that of features of time alone."""
    axes.plot(widths["time_alone"], widths["published"], "o", color=INK, markersize=3)
    for k, row in enumerate(each(widths)):  # neighbours in width lie close: left and right in turn
        axes.annotate(
            f"{row.width:.0f}", (row.time_alone, row.published), (-4 if k % 2 else 4, 0),
            textcoords="offset points", color=MUTED, va="center", ha="right" if k % 2 else "left",
        )  # fmt: skip
    axes.margins(0.22, 0.1)
    axes.set_xlabel("features of time alone (r)")
    axes.set_ylabel("Blank2014, mean per width (r)")
    what = "Pearson r over widths, blank2014 × features of time alone"
    r, overall = _value(check, f"{what}, up to 4096 units"), _value(check, f"{what}, all widths")
    panel(
        axes, "Blank2014 and time alone",
        f"legacy, Pearson, N = {r['n']:.0f} widths\n"
        f"to 4096: r = {r_text(r['recomputed'])}\n"
        f"all {overall['n']:.0f}: r = {r_text(overall['recomputed'])}",
        width=WIDTH,
    )  # fmt: skip
