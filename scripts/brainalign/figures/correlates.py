"""Correlates of alignment across models: size, next-word loss, knowledge, problem solving."""

from collections.abc import Iterable
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from brainalign.analysis.averages import AVERAGE, dataset_scores, over_datasets
from brainalign.analysis.predictors import (
    LOSS,
    MODELS,
    READ_LOSS,
    SIZE,
    correlations_with,
    predictors,
)
from brainalign.analysis.wording import said
from brainalign.figures.order import MODEL_COLUMNS, each, mode_order
from brainalign.figures.scatter import GROUPS, name_extremes, scatter, stated
from brainalign.figures.spans import at_least, measure_of, widen
from brainalign.figures.style import (
    FEATURES,
    INK,
    LOW,
    MUTED,
    PAGE,
    absent,
    baseline_looks,
    drawn,
    family_markers,
    heading,
    legend,
    level,
    level_handles,
    nothing,
    panel,
    sheet,
)
from brainalign.intervals import LEVEL
from brainalign.notes import why_not

SCORE_COLUMNS = (
    *MODEL_COLUMNS,
    "label",
    "dataset",
    "benchmark",
    "companion",
    "mode",
    "region",
    "r",
    "simulated",
)
CAPABILITY_COLUMNS = (*MODEL_COLUMNS, "task", "category", "accuracy", "simulated")
LOSS_COLUMNS = ("model", "text", "bits_per_byte")
BEHAVIOR_COLUMNS = ("model", "mode", "measure", "value", "simulated")
CORRELATION_COLUMNS = (
    "x", "y", "mode", "models", "subset", "n", "method", "r", "p", "p_adjusted", "low", "high",
    "controlled_for", "note", "simulated",
)  # fmt: skip
ACROSS = 4  # panels side by side
WORLD_KNOWLEDGE = "world knowledge"  # a category of questions
ROW = 0.15  # inches per correlate
NAMES = 0.4  # of the span of scores: space above and below for the names of the extremes
EXTRA = (
    Line2D([], [], color=INK, marker="o", label="r, 95 % interval (filled: adjusted p < .05)"),
    Line2D(
        [],
        [],
        color=INK,
        marker="D",
        mfc="white",
        linestyle="none",
        label="partial r (filled likewise)",
    ),
)


def correlates(
    scores: pd.DataFrame,
    correlations: pd.DataFrame,
    capabilities: pd.DataFrame | None = None,
    behaviors: pd.DataFrame | None = None,
    losses: pd.DataFrame | None = None,
) -> Figure:
    """Draw alignment, averaged over datasets, against what may go with it.

    Parameters are the tables of the same names; next-word loss is that of `losses`, without that
    table the mean surprisal of what readers read (of `behaviors`). Points: every model that has
    both values, the highest and the lowest trained one named; r, p and N are those of
    `correlations` over the tuned models (the paper's choice), over one mean of the tuned models per
    vanilla model, and over vanilla and tuned ones together; p counts vanilla models.
    Below: all correlates at once, and what is left of size and of each task when the other is held
    fixed; over the tuned models in legacy mode, over the means per vanilla model in controlled
    mode.
    """
    alignment = dataset_scores(scores)
    facts = scores.drop_duplicates("model").set_index("model")
    x, capability = predictors(facts, capabilities, behaviors, losses)
    x = x[_shown(x.columns, capability)]
    blocks = [
        (bool(simulated), mode)
        for simulated in sorted(alignment["simulated"].unique(), reverse=True)
        for mode in mode_order(alignment.loc[alignment["simulated"] == simulated, "mode"])
    ]
    names = _panels(list(x.columns), capability)
    bands = -(-len(names) // ACROSS)  # rows of panels per block
    across = -(-len(names) // bands)
    average = correlations[correlations["y"] == f"brain {AVERAGE}"]
    partials = average[(average["method"] == "partial") & average["x"].isin(x.columns)]
    rows = len(x.columns) + len(partials[["x", "controlled_for"]].drop_duplicates())
    forest = 0.6 + ROW * max(rows, 6) if average["r"].notna().any() else LOW
    scatters = 1.95 * len(blocks) * bands
    figure = sheet(PAGE, 1.1 + scatters + forest, bool(scores["simulated"].any()))
    what = over_datasets(alignment)
    heading(figure, f"Correlates of brain alignment, {what}")
    alignment = alignment[alignment["dataset"] == AVERAGE]
    if not blocks:
        nothing(figure, "the study has no alignment benchmark")
        return figure
    markers, looks = family_markers(scores), baseline_looks(scores)
    outer = figure.add_gridspec(2, 1, height_ratios=[scatters, forest])
    upper = outer[0].subgridspec(len(blocks) * bands, across)
    panels = upper.subplots(squeeze=False, sharey="row")
    lower = outer[1].subgridspec(1, len(blocks)).subplots(squeeze=False)
    for row, (simulated, mode) in enumerate(blocks):
        chosen = (alignment["mode"] == mode) & (alignment["simulated"] == simulated)
        points = (
            alignment[chosen].set_index("model").join(facts[["label", "family", "role"]]).join(x)
        )
        of_average = correlations_with(correlations, f"brain {AVERAGE}", mode, simulated)
        for axes in panels[row * bands : (row + 1) * bands].flat[len(names) :]:
            axes.set_axis_off()
        for column, name in enumerate(names):
            axes = panels[row * bands + column // across, column % across]
            _panel(axes, points, name, of_average, mode + ", simulated" * simulated, markers, looks)
            y = "alignment (mean r)" if "averaged" in what else "alignment (r)"
            axes.set_ylabel(y if column % across == 0 else "")
        _forest(lower[0, row], of_average, list(x.columns), mode, simulated)
        if row:
            lower[0, row].set_yticklabels([])
    roles = set(facts["role"])
    extra = drawn(figure, [*level_handles(looks, untrained=True), *EXTRA])
    legend(figure, roles - set(FEATURES), markers, extra)
    return figure


def _shown(names: Iterable[str], capability: list[str]) -> list[str]:
    """The correlates in the figure's order; what readers read counts where no text has a loss."""
    losses = [name for name in names if name.startswith(f"{LOSS} ")]
    if not losses and READ_LOSS in names:
        losses = [READ_LOSS]
    return [SIZE, *losses, *capability]


def _panels(names: list[str], capability: list[str]) -> list[str]:
    """What has a panel of its own: size, losses and every task, by its questions of world
    knowledge where it tells them apart from others (the paper's choice for BIG-Bench Hard)."""
    chosen = [name for name in names if name not in capability]
    for task in (name for name in capability if " " not in name):
        chosen.append(next((n for n in capability if n == f"{task} {WORLD_KNOWLEDGE}"), task))
    return chosen


def _title(name: str) -> str:
    """What an x is called: a text's loss is next-word loss, a task has its own name."""
    if name == SIZE:
        return "Size"
    return "Next-word loss" if name == READ_LOSS or name.startswith(f"{LOSS} ") else name


def _label(name: str) -> str:
    """An x beside others: several texts have a loss."""
    text = f", {name.removeprefix(f'{LOSS} ')}" if name.startswith(f"{LOSS} ") else ""
    return _title(name) + text


def _axis(name: str) -> str:
    """Unit of an x, and the text that a loss is of."""
    if name.startswith(f"{LOSS} "):
        return f"bits per byte, {name.removeprefix(f'{LOSS} ')}"
    return {SIZE: "log10 parameters", READ_LOSS: "bits per word"}.get(name, "accuracy")


def _panel(
    axes: Axes,
    points: pd.DataFrame,
    name: str,
    rows: pd.DataFrame,
    mode: str,
    markers: dict[str, str],
    looks: dict[str, dict[str, Any]],
) -> None:
    """Alignment against one x: a line through the tuned models; baselines are levels, if they are
    near the networks, and so are untrained models, together, where they have no x."""
    lines = [f"Pearson r, {mode}", *(stated(rows, name, models) for models in GROUPS)]
    panel(axes, _title(name), "\n".join(lines), width=30)
    present = points.rename(columns={name: "x"}).dropna(subset=["x", "r"])
    if present.empty:
        absent(axes, f"no model has both an alignment and {_title(name).lower()}", 22)
        return
    tuned = present["role"] == "tuned"
    scatter(axes, present[~tuned], "x", "r", markers, line=False)
    scatter(axes, present[tuned], "x", "r", markers)
    name_extremes(axes, present, "x", "r")
    axes.set_xlabel(_axis(name))
    widen(axes, measure_of(name), "x")
    low, high = _scale(points)
    for model in each(points[(points["role"] == "baseline") & points["r"].between(low, high)]):
        level(axes, model.r, "baseline", looks[model.Index], width=0.8, name=str(model.Index))
    untrained = points[points["role"] == "untrained"]
    if untrained["r"].notna().any() and not untrained[name].notna().any():
        level(axes, untrained["r"].mean(), "untrained", width=1.2)
    axes.set_ylim(low, high)


def _scale(points: pd.DataFrame) -> tuple[float, float]:
    """The span of the networks' scores: levels of baselines far from them would flatten a panel."""
    r = points.loc[~points["role"].isin(FEATURES), "r"]
    r = r if r.notna().any() else points["r"]
    low, high = at_least(float(r.min()), float(r.max()), "r")
    margin = NAMES * (high - low)
    return low - margin, high + margin


def _forest(axes: Axes, rows: pd.DataFrame, names: list[str], mode: str, simulated: bool) -> None:
    """r of every x with its interval over the models that the mode rests on; partial r below it."""
    group = MODELS.get(mode, "tuned")
    chosen = rows[rows["models"] == group]
    pearson = chosen[chosen["method"] == "pearson"].set_index("x")
    partials = chosen[chosen["method"] == "partial"]
    count = pearson["n"].max() if len(pearson) else 0
    panel(
        axes, "All correlates: Pearson r",
        f"{mode}{', simulated' * simulated}, "
        f"{'tuned models' if group == 'tuned' else 'mean per vanilla model'}, N = {count:.0f}",
    )  # fmt: skip
    if not pearson["r"].notna().any():
        notes = pearson["note"].map(said)
        absent(axes, next(filter(None, notes), "no correlation was computed"))
        return
    labels: list[str] = []
    for name in names:
        index = len(labels)
        labels.append(_label(name))
        row = pearson.loc[name] if name in pearson.index else None
        if row is None or pd.isna(row["r"]):
            why = "not computed" if row is None else said(row["note"])
            _instead(axes, index, f"n/a: {why_not(why)}"[:44])
        else:
            sure = pd.notna(row["p_adjusted"]) and row["p_adjusted"] < LEVEL
            axes.hlines(index, row["low"], row["high"], color=INK, linewidth=1)
            axes.plot(
                row["r"], index, "o", color=INK, mfc=INK if sure else "white", markersize=4,
                label=str(EXTRA[0].get_label()),
            )  # fmt: skip
        for part in each(partials[partials["x"] == name]):
            index = len(labels)
            given = " and ".join(_title(name).lower() for name in part.controlled_for.split(", "))
            labels.append(f"… given {given}")
            if pd.notna(part.r):
                sure = pd.notna(part.p_adjusted) and part.p_adjusted < LEVEL
                axes.plot(
                    part.r, index, "D", color=INK, mfc=INK if sure else "white", markersize=3.6,
                    label=str(EXTRA[1].get_label()),
                )  # fmt: skip
            else:
                _instead(axes, index, "n/a")
    axes.axvline(0, color=INK, linewidth=0.5, zorder=0)
    axes.set(xlim=(-1.05, 1.05), ylim=(len(labels) - 0.4, -0.6), xlabel="Pearson r with alignment")
    axes.set_yticks(range(len(labels)), labels)
    axes.tick_params(axis="y", length=0)


def _instead(axes: Axes, row: int, why: str) -> None:
    """Why a correlate has no r, in its row."""
    axes.text(
        0, row, why, va="center", ha="center", color=MUTED,
        bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"},
    )  # fmt: skip
