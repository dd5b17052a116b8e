"""What remains of a score: raw r beside what it is above every baseline and untrained twin."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from brainalign.figures.order import MODEL_COLUMNS, benchmark_order, each, model_order, twins
from brainalign.figures.style import (
    COLOUR,
    FEATURES,
    INK,
    MUTED,
    PAGE,
    STRIPE,
    absent,
    heading,
    panel,
    sheet,
)

COLUMNS = (
    "model", "against", "against_role", "benchmark", "dataset", "mode", "difference", "low", "high",
    "unit", "n", "simulated",
)  # fmt: skip
SCORE_COLUMNS = (*MODEL_COLUMNS, "label")
ROW = 0.19  # inches per model
ACROSS = (6, 4)  # panels side by side: one band of up to 6, or bands of 4
SIGNS = ("P", "X", "d", "v", "*", "p", "h")  # a marker per baseline


def baselines(table: pd.DataFrame, scores: pd.DataFrame) -> Figure:
    """Draw `table` (tables/baselines.csv): r of a language model minus r of what has no language.

    A panel per benchmark, a row per language model, a sign per baseline and one for the model's
    untrained twin (tables/scores.csv, `scores`, tells which that is). The interval belongs to the
    smallest of the differences: the comparison that the model comes out of worst.
    """
    order = model_order(scores)
    order = order[order["model"].isin(table["model"]) & ~order["role"].isin(FEATURES)]
    order = order.reset_index(drop=True)
    known = twins(scores.drop_duplicates("model"))
    base = order.set_index("model")["group"]
    own = table["against"].map(known).map(base) == table["model"].map(base)
    table = table[(table["against_role"] == "baseline") | own]
    benchmarks = benchmark_order(table)
    across = max(1, min(len(benchmarks), ACROSS[0] if len(benchmarks) <= ACROSS[0] else ACROSS[1]))
    bands = max(1, -(-len(benchmarks) // across))
    figure = sheet(
        PAGE, 1.0 + bands * (0.8 + ROW * max(len(order), 4)), bool(table["simulated"].any())
    )
    heading(figure, "What remains beyond baselines and untrained twins")
    if not benchmarks:
        absent(
            figure.subplots(), "the study has no baseline and no untrained model to compare with"
        )
        return figure
    names = sorted(table.loc[table["against_role"] == "baseline", "against"].unique())
    signs = {name: SIGNS[i % len(SIGNS)] for i, name in enumerate(names)}
    grid = figure.subplots(bands, across, squeeze=False)
    for place, axes in enumerate(grid.flat):
        if place >= len(benchmarks):
            axes.set_axis_off()
            continue
        _benchmark(axes, table[table["benchmark"] == benchmarks[place]], order, signs)
        if place % across == 0:
            axes.set_yticks(range(len(order)), list(order["label"]))
            for text, role in zip(axes.get_yticklabels(), order["role"], strict=True):
                text.set_color(COLOUR[role] if role != "untrained" else MUTED)
        if place + across >= len(benchmarks):
            axes.set_xlabel("difference in r")
    figure.legend(handles=_handles(signs, bool(own.any())), loc="outside lower left", ncols=3)
    return figure


def _handles(signs: dict[str, str], untrained: bool) -> list[Line2D]:
    """What stands for what: baselines by sign, the untrained twin, the interval."""
    handles = [
        Line2D([], [], color=COLOUR["baseline"], marker=sign, linestyle="none",
               label=f"minus baseline {name}")
        for name, sign in signs.items()
    ]  # fmt: skip
    if untrained:
        handles.append(
            Line2D([], [], color=COLOUR["untrained"], marker="o", linestyle="none",
                   label="minus its untrained twin (mean)")
        )  # fmt: skip
    return [*handles, Line2D([], [], color=INK, linewidth=1, label="95 % interval of the smallest")]


def _benchmark(axes: Axes, rows: pd.DataFrame, order: pd.DataFrame, signs: dict[str, str]) -> None:
    """One panel: every difference of every model; left of 0 the model is the worse one."""
    count = rows.loc[rows["difference"].notna(), "model"].nunique()
    units = rows.loc[rows["n"] > 0, ["unit", "n"]]
    lines = [str(rows["mode"].iloc[0]), f"N = {count} models"]
    lines.append(f"{units['n'].max():.0f} {units['unit'].iloc[0]}" if len(units) else "no interval")
    lines += ["simulated"] * bool(rows["simulated"].any())
    panel(axes, str(rows["dataset"].iloc[0]), "\n".join(lines))
    axes.axvline(0, color=INK, linewidth=0.8, zorder=1)
    for place, model in enumerate(each(order)):
        if place % 2:
            axes.axhspan(place - 0.5, place + 0.5, color=STRIPE, linewidth=0, zorder=0)
        own = rows[(rows["model"] == model.model) & rows["difference"].notna()]
        if own.empty:
            axes.text(
                0.5, place, "no score", transform=axes.get_yaxis_transform(),
                ha="center", va="center", color=MUTED,
            )  # fmt: skip
            continue
        worst = own.loc[own["difference"].idxmin()]
        axes.hlines(place, worst["low"], worst["high"], color=INK, linewidth=1, zorder=2)
        for row in each(own[own["against_role"] == "baseline"]):
            axes.plot(row.difference, place, signs[row.against], color=COLOUR["baseline"],
                      markersize=4.5, markeredgewidth=0, zorder=3)  # fmt: skip
        twin = own.loc[own["against_role"] == "untrained", "difference"]
        if len(twin):
            axes.plot(twin.mean(), place, "o", color=COLOUR["untrained"], markersize=4, zorder=3)
    axes.set_ylim(len(order) - 0.4, -0.6)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=3))
