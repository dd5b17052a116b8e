"""Scores above every baseline and untrained twin, and the unique part of their variance."""

from textwrap import fill
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from brainalign.analysis.wording import counted
from brainalign.figures.order import MODEL_COLUMNS, benchmark_order, each, model_order, twins
from brainalign.figures.paging import ONE_PAGE, Page
from brainalign.figures.spans import widen
from brainalign.figures.style import (
    COLOUR,
    FEATURES,
    INK,
    PAGE,
    absent,
    baseline_looks,
    heading,
    instead,
    name_models,
    panel,
    rows_down,
    sheet,
    units,
    world,
)

COLUMNS = (
    "model", "against", "against_role", "benchmark", "dataset", "mode", "difference", "low", "high",
    "scope", "n_subjects", "n_stimuli", "simulated",
)  # fmt: skip
SCORE_COLUMNS = (
    *MODEL_COLUMNS, "label", "benchmark", "dataset", "mode", "region", "r2", "unique_r2",
    "unique_low", "unique_high", "scope", "n_subjects", "n_stimuli", "simulated",
)  # fmt: skip
ROW = 0.19  # inches per model
ACROSS = 5  # panels side by side at most
TITLE = 14  # characters of a line of a panel's title
OPEN: dict[str, Any] = {"markersize": 4, "markerfacecolor": "white", "markeredgewidth": 1}
FILLED: dict[str, Any] = {"markersize": 4, "markeredgewidth": 0}
BAR: dict[str, Any] = {"linestyle": "-", "linewidth": 1.1}
SMALLEST = "95 % interval of the smallest"


def baselines(table: pd.DataFrame, scores: pd.DataFrame, page: Page = ONE_PAGE) -> Figure:
    """Draw `table` (tables/baselines.csv): r of a language model minus r of what has no language.

    A panel per benchmark, a row per language model, a sign per baseline and one for the model's
    untrained twin (tables/scores.csv, `scores`, tells which that is). The interval belongs to the
    smallest of the differences, its smallest advantage. Then a panel
    per benchmark with unique variance: R² and what of it the model adds to the baselines, with the
    interval of the latter.
    """
    order = model_order(scores)
    order = order[order["model"].isin(table["model"]) & ~order["role"].isin(FEATURES)]
    order = order.reset_index(drop=True)
    known = twins(scores.drop_duplicates("model"))
    base = order.set_index("model")["group"]
    same_base = table["against"].map(known).map(base) == table["model"].map(base)
    table = table[(table["against_role"] == "baseline") | same_base]
    benchmarks = benchmark_order(table)
    if not benchmarks:
        figure = sheet(PAGE, 2.6, bool(scores["simulated"].any()))
        heading(figure, page.title("r beyond baselines and untrained twins"))
        absent(
            figure.subplots(), "the study has no baseline and no untrained model to compare with"
        )
        return figure
    all_regions = scores[scores["region"] == "all"]
    networks, order = order["model"], page.rows(order)
    with_unique = benchmark_order(all_regions[all_regions["unique_r2"].notna()])
    count = len(benchmarks) + len(with_unique)
    bands = -(-count // ACROSS)
    across = -(-count // bands)
    figure = sheet(
        PAGE, 1.0 + bands * (0.8 + ROW * max(len(order), 4)), bool(table["simulated"].any())
    )
    compared = set(table.loc[table["against_role"] == "baseline", "against"])
    beyond = ["baselines"] * bool(compared) + ["untrained twins"] * bool(same_base.any())
    heading(figure, page.title(f"r beyond {' and '.join(beyond)}"))
    looks = baseline_looks(scores)
    signs = {name: str(look["marker"]) for name, look in looks.items() if name in compared}
    grid = figure.subplots(bands, across, squeeze=False)
    for axes, benchmark in zip(grid.flat, benchmarks, strict=False):
        rows = table[table["benchmark"] == benchmark]
        _benchmark(axes, rows, order, signs)
        page.span(axes, rows[["difference", "low", "high"]])
        widen(axes, "r", "x")
    for axes, benchmark in zip(grid.flat[len(benchmarks) :], with_unique, strict=False):
        rows = all_regions[
            (all_regions["benchmark"] == benchmark) & all_regions["unique_r2"].notna()
        ]
        _unique(axes, rows, order, networks, known.map(base))
        page.span(axes, rows[["r2", "unique_r2", "unique_low", "unique_high"]])
    for axes in grid.flat[count:]:
        axes.set_axis_off()
    for axes in grid[:, 0]:
        name_models(axes, order)
    handles = _handles(signs, bool(same_base.any()), bool(with_unique))
    if not table["low"].notna().any():
        handles = [handle for handle in handles if handle.get_label() != SMALLEST]
    figure.legend(handles=handles, loc="outside lower left", ncols=3)
    return figure


def _handles(signs: dict[str, str], untrained: bool, unique: bool) -> list[Line2D]:
    """What stands for what: baselines by sign, the untrained twin, the interval, both R²."""
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
    handles.append(Line2D([], [], color=INK, linewidth=1, label=SMALLEST))
    if unique:
        handles += [
            Line2D([], [], color=INK, marker="o", label=label, **{"linestyle": "none"} | look)
            for label, look in (("R²", OPEN), ("unique R², 95 % interval", FILLED | BAR))
        ]
    if unique and untrained:
        handles.append(
            Line2D([], [], color=COLOUR["untrained"], marker="o", linestyle="none",
                   label="unique R² of its untrained twin (mean)", **FILLED)
        )  # fmt: skip
    return handles


def _benchmark(axes: Axes, rows: pd.DataFrame, order: pd.DataFrame, signs: dict[str, str]) -> None:
    """One panel: every difference of every model; left of 0 the model is the worse one."""
    count = counted(rows.loc[rows["difference"].notna(), "model"].nunique(), "model")
    lines = [str(rows["mode"].iloc[0]), f"N = {count}"]
    lines += units(rows)
    lines += world(rows)
    panel(axes, fill(str(rows["dataset"].iloc[0]), TITLE), "\n".join(lines))
    axes.axvline(0, color=INK, linewidth=0.8, zorder=1)
    rows_down(axes, len(order), ticks=3)
    axes.set_yticks([])
    shown = rows[rows["difference"].notna() & rows["model"].isin(order["model"])]
    row_of = pd.Series(order.index, index=order["model"])
    for missing in row_of[~row_of.index.isin(shown["model"])]:
        instead(axes, missing, "no score")
    worst = shown.loc[shown.groupby("model")["difference"].idxmin()]
    axes.hlines(
        row_of[worst["model"]], worst["low"], worst["high"], color=INK, linewidth=1, zorder=2
    )
    for name, part in shown[shown["against_role"] == "baseline"].groupby("against"):
        axes.plot(
            part["difference"], row_of[part["model"]], signs[str(name)], linestyle="none",
            color=COLOUR["baseline"], markersize=4.5, markeredgewidth=0, zorder=3,
        )  # fmt: skip
    twin = shown[shown["against_role"] == "untrained"].groupby("model")["difference"].mean()
    axes.plot(twin, row_of[twin.index], "o", color=COLOUR["untrained"], markersize=4, zorder=3)
    axes.set_xlabel("difference in r")


def _unique(
    axes: Axes, rows: pd.DataFrame, order: pd.DataFrame, networks: pd.Series, twin_of: pd.Series
) -> None:
    """One panel: R² of every model, what of it is unique and its interval, its twins' mean.

    `rows`: scores with unique R². `networks`: names of the models of all pages. `twin_of`:
    untrained model → `group` of its twin.
    """
    scored = rows.set_index("model")
    untrained = scored["unique_r2"].groupby(twin_of.reindex(scored.index)).mean()
    lines = [
        str(rows["mode"].iloc[0]),
        f"N = {counted(networks.isin(scored.index).sum(), 'model')}",
    ]
    lines += units(scored.dropna(subset=["unique_low"]))
    lines += world(rows)
    panel(axes, fill(str(rows["dataset"].iloc[0]), TITLE), "\n".join(lines))
    axes.axvline(0, color=INK, linewidth=0.8, zorder=1)
    rows_down(axes, len(order), ticks=3)
    axes.set_yticks([])
    for row, model in enumerate(each(order)):
        if model.model not in scored.index:
            instead(axes, row, "no score")
            continue
        colour = COLOUR[model.role]
        r2, unique, low, high = scored.loc[
            model.model, ["r2", "unique_r2", "unique_low", "unique_high"]
        ]
        axes.hlines(row, min(r2, unique), max(r2, unique), color=colour, linestyle=":",
                    linewidth=0.8, zorder=2)  # fmt: skip
        if pd.notna(low):
            axes.hlines(row, low, high, color=colour, zorder=2, **BAR)
        if model.role != "untrained" and model.group in untrained.index:
            axes.plot(untrained[model.group], row, "o", color=COLOUR["untrained"], zorder=3,
                      **FILLED)  # fmt: skip
        axes.plot(r2, row, "o", color=colour, zorder=4, **OPEN)
        axes.plot(unique, row, "o", color=colour, zorder=5, **FILLED)
    axes.set_xlabel("R², held out")
