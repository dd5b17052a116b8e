"""Alignment and capability along a training, arm by arm, or from stage to stage."""

import math
from collections.abc import Collection, Mapping
from textwrap import fill
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from brainalign.analysis.averages import AVERAGE, dataset_scores
from brainalign.analysis.wording import r_text
from brainalign.behavior.fits import AT_AXIS
from brainalign.figures.order import MODEL_COLUMNS, mode_order, twins
from brainalign.figures.spans import widen
from brainalign.figures.style import (
    COLOUR,
    INK,
    PAGE,
    absent,
    baseline_looks,
    drawn,
    heading,
    level,
    level_handles,
    nothing,
    panel,
    sheet,
)

COLUMNS = (
    "experiment", "base", "arm", "seed", "along", "position", "model", "kind", "quantity", "mode",
    "measure", "value", "simulated",
)  # fmt: skip
SCORE_COLUMNS = (
    *MODEL_COLUMNS, "dataset", "benchmark", "companion", "mode", "region", "r", "simulated",
)  # fmt: skip
ACROSS = 3
UNTRAINED = "untrained"
WORDS = (0.04, 0.12)  # of a panel's height: round words in it, and per line of them
# Arm → colour, marker, line: instruction tuning as everywhere, each control in a colour that is no
# role's.
ARMS: dict[str, tuple[str, str, Any]] = {
    "instruction": (COLOUR["tuned"], "o", "-"),
    "no-instruction": ("#56B4E9", "s", (0, (4, 1.5))),
    "shuffled": ("#E69F00", "^", (0, (1, 1.2))),
    "continued": (INK, "D", (0, (6, 1.5, 1, 1.5))),
    "preference": ("#8B5E3C", "P", "-"),
    "pre-training": (COLOUR["vanilla"], "o", "-"),
    "stages": (COLOUR["tuned"], "D", "-"),
}
SAMPLES, STEPS, STAGES = "samples", "steps", "stages"
ALONG = {SAMPLES: "training samples seen", STEPS: "optimisation steps", STAGES: "stage"}
LOGARITHMIC = 100  # the least ratio of the last to the first step whose axis is logarithmic
OTHER: tuple[str, str, Any] = ("#7F7F7F", "v", "-")
START = Line2D([], [], color=COLOUR["vanilla"], marker="o", linestyle="none", label="vanilla")
KINDS = ("brain", "capability", "next-word", "reading-times", "held-out")
UNITS = {
    "accuracy": "accuracy",
    **AT_AXIS,
    "bits_per_token": "bits per token",
    "bits_per_byte": "bits per byte",
    "nats_per_label": "nats per label",
}
TITLES = {"brain": "Brain alignment", "reading-times": "Reading times", "held-out": "Held-out loss"}


def trajectory(
    table: pd.DataFrame,
    scores: pd.DataFrame | None = None,
    scored_on: Mapping[str, Collection[str]] | None = None,
) -> Figure:
    """Draw `table` (tables/trajectory.csv): a band of panels per experiment, or entry of `stages`.

    A panel per quantity and mode: of alignment the average over datasets, of capability the tasks.
    Lines are means over seeds, bands reach from the lowest to the highest seed. All arms of a
    tuning experiment begin at the vanilla model, at which a pre-training ends. `scores`
    (tables/scores.csv) gives the panels of alignment the levels of the baselines and of the vanilla
    model's untrained twins, on the benchmarks that `scored_on` names for the experiment (default:
    all).
    """
    shown = table.assign(mode=table["mode"].fillna(""))
    experiments = list(shown["experiment"].unique())
    quantities = {name: _quantities(shown[shown["experiment"] == name]) for name in experiments}
    bands = sum(-(-len(listed) // ACROSS) for listed in quantities.values())
    figure = sheet(PAGE, 1.0 + 1.9 * max(bands, 1), bool(shown["simulated"].any()))
    tuned_alone = bool((shown["along"] == SAMPLES).all())
    heading(figure, "Along instruction tuning" if tuned_alone else "Along training")
    if not experiments:
        nothing(figure, "the study has no tuning experiment and no stages")
        return figure
    grid = figure.subplots(bands, ACROSS, squeeze=False)
    row = 0
    lines: set[str] = set()
    for name in experiments:
        part = shown[shown["experiment"] == name]
        levels = None if scores is None else _levels(scores, (scored_on or {}).get(name))
        rows = -(-len(quantities[name]) // ACROSS)
        cells = grid[row : row + rows].flat
        for axes, key in zip(cells, quantities[name], strict=False):
            lines |= _quantity(axes, part, key, levels, many=len(experiments) > 1)
        for axes in grid[row : row + rows].flat[len(quantities[name]) :]:
            axes.set_axis_off()
        row += rows
        for axes in grid[row - 1]:
            axes.set_xlabel(ALONG[str(part["along"].iloc[0])])
    arms = list(dict.fromkeys(shown["arm"]))
    looks = {} if scores is None else baseline_looks(scores)
    levels_drawn = {name: look for name, look in looks.items() if name in lines}
    figure.legend(
        handles=[
            *drawn(figure, [START]), *map(_handle, arms),
            *level_handles(levels_drawn, UNTRAINED in lines),
        ],
        loc="outside lower left", ncols=4,
    )  # fmt: skip
    return figure


def _quantities(part: pd.DataFrame) -> list[tuple[str, str, str]]:
    """(kind, quantity, mode) of every panel: alignment first, legacy before controlled."""
    average = part["quantity"] == AVERAGE
    shown = part[average.where(part["kind"] == "brain", ~average)]
    shown = shown.drop_duplicates(["kind", "quantity", "mode"])
    rank = {kind: i for i, kind in enumerate(KINDS)}
    modes = {mode: i for i, mode in enumerate(mode_order(shown["mode"]))}
    keys = [
        (str(kind), str(quantity), str(mode))
        for kind, quantity, mode in zip(
            shown["kind"], shown["quantity"], shown["mode"], strict=True
        )
    ]
    listed = list(dict.fromkeys(key[1] for key in keys))
    return sorted(keys, key=lambda k: (rank.get(k[0], len(rank)), listed.index(k[1]), modes[k[2]]))


def _handle(arm: str) -> Line2D:
    colour, shape, line = ARMS.get(arm, OTHER)
    label = arm if arm in ("pre-training", STAGES) else f"arm {arm}"
    return Line2D([], [], color=colour, marker=shape, linestyle=line, label=label)


def _levels(scores: pd.DataFrame, benchmarks: Collection[str] | None) -> pd.DataFrame:
    """Average alignment of baselines and untrained models: `model`, `role`, `mode`, `r`, `twin`."""
    facts = scores.drop_duplicates("model")
    rows = scores if benchmarks is None else scores[scores["benchmark"].isin(benchmarks)]
    table = dataset_scores(rows)
    table = table[(table["dataset"] == AVERAGE) & table["r"].notna()]
    table = table.merge(facts[["model", "role"]], on="model")
    return table.assign(twin=table["model"].map(twins(facts)))


def _quantity(
    axes: Axes,
    part: pd.DataFrame,
    key: tuple[str, str, str],
    levels: pd.DataFrame | None,
    many: bool,
) -> set[str]:
    """One panel: every arm's mean over seeds, its range, and what needs no training.

    Returns the names of the levels that are drawn as lines.
    """
    kind, quantity, mode = key
    rows = part[(part["kind"] == kind) & (part["quantity"] == quantity) & (part["mode"] == mode)]
    base, simulated = str(rows["base"].iloc[0]), bool(rows["simulated"].any())
    title = TITLES.get(kind, quantity) + (f", {mode}" if mode else "")
    seeds = rows["seed"].nunique()
    lines = f"{mode or 'the same in both modes'}{', simulated' * simulated}\n"
    if (along := str(rows["along"].iloc[0])) == SAMPLES:
        lines += f"N = {seeds} seed{'s' * (seeds > 1)}{', band: their range' * (seeds > 1)}"
    else:
        lines += "N = 1 training"
    panel(axes, title, f"{lines}\n{base}" if many else lines, width=32)
    measure = str(rows["measure"].iloc[0])
    axes.set_ylabel(_datasets(part, mode) if kind == "brain" else UNITS.get(measure, measure))
    if not rows["value"].notna().any():
        absent(axes, "no checkpoint has a value", 22)
        return set()
    for arm, of_arm in rows.groupby("arm", sort=False):
        colour, shape, line = ARMS.get(str(arm), OTHER)
        spread = of_arm.groupby("position")["value"].agg(["mean", "min", "max"])
        if seeds > 1:
            axes.fill_between(
                spread.index, spread["min"], spread["max"], color=colour, alpha=0.18, linewidth=0
            )
        axes.plot(
            spread.index, spread["mean"], color=colour, marker=shape, linestyle=line, markersize=3.2
        )
    vanilla = rows[rows["model"] == base]
    if vanilla["value"].notna().any():
        at = vanilla["position"].iloc[0]
        axes.plot(
            at, vanilla["value"].mean(), "o", color=COLOUR["vanilla"], zorder=4,
            label=str(START.get_label()),
        )  # fmt: skip
    _positions(axes, rows, along)
    widen(axes, measure)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4))
    axes.ticklabel_format(axis="y", style="plain", useOffset=False)
    if kind == "brain" and levels is not None:
        return _draw_levels(axes, levels[levels["mode"] == mode], base)
    return set()


def _positions(axes: Axes, rows: pd.DataFrame, along: str) -> None:
    """Ticks of the positions: the names of stages; steps of a long training on a log axis."""
    positive = rows.loc[rows["position"] > 0, "position"]
    if along == STAGES:
        base = str(rows["base"].iloc[0])
        names = rows.drop_duplicates("position").set_index("position")["model"]
        short = [str(name).removeprefix(f"{base}-") for name in names]
        axes.set_xticks(list(names.index), short, rotation=20, ha="right")
    elif along == STEPS and positive.max() >= LOGARITHMIC * positive.min():
        axes.set_xscale("symlog", linthresh=positive.min())
        low, high = math.log10(positive.min()), math.log10(positive.max())
        axes.set_xticks([0, *(10**n for n in range(math.ceil(low), int(high) + 1, 2))])
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))


def _datasets(part: pd.DataFrame, mode: str) -> str:
    """Whose r the average is."""
    brain = part[(part["kind"] == "brain") & (part["mode"] == mode)]
    names = brain.loc[brain["quantity"] != AVERAGE, "quantity"].unique()
    return f"r, {names[0]}" if len(names) == 1 else f"r, mean of {len(names)} datasets"


def _draw_levels(axes: Axes, levels: pd.DataFrame, base: str) -> set[str]:
    """Baselines, and the mean of the untrained twins of the vanilla model.

    The panel has the range of the arms; levels outside it are given in words. Returns those inside.
    """
    looks = baseline_looks(levels)
    values = levels[levels["role"] == "baseline"].groupby("model")["r"].mean().to_dict()
    twin = levels.loc[(levels["role"] == "untrained") & (levels["twin"] == base), "r"]
    if len(twin):
        values[UNTRAINED] = twin.mean()
    low, high = axes.get_ylim()
    inside: set[str] = set()
    outside: dict[str, list[str]] = {"below": [], "above": []}
    for key, value in sorted(values.items(), key=lambda item: -item[1]):
        name = str(key)
        if low <= value <= high:
            role = "baseline" if name in looks else "untrained"
            width = 0.9 if name in looks else 1.2
            level(axes, value, role, looks.get(name), width, name)
            inside.add(name)
        else:
            outside["below" if value < low else "above"].append(f"{name} {r_text(value)}")
    said = {
        side: fill(f"{side}: {', '.join(names)}", 34) for side, names in outside.items() if names
    }
    # The words' share of the panel's height, kept free of the arms.
    share = {side: WORDS[0] + WORDS[1] * (text.count("\n") + 1) for side, text in said.items()}
    unit = (high - low) / (1 - sum(share.values()))
    axes.set_ylim(low - unit * share.get("below", 0), high + unit * share.get("above", 0))
    for side, text in said.items():
        axes.text(
            0.02, 0.02 if side == "below" else 0.98, text, transform=axes.transAxes,
            color=COLOUR["baseline"], va="bottom" if side == "below" else "top",
        )  # fmt: skip
    return inside
