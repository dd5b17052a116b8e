"""What instruction tuning changes: mean difference per dataset, its interval, every pair."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from brainalign.analysis.averages import AVERAGE, dataset_scores
from brainalign.analysis.wording import counted, p_text, r_text, said
from brainalign.figures.order import MODEL_COLUMNS, dataset_order, each, mode_order, twins
from brainalign.figures.spans import at_least
from brainalign.figures.style import (
    COLOUR,
    INK,
    PAGE,
    absent,
    family_markers,
    heading,
    legend,
    marker,
    nothing,
    panel,
    sheet,
)

COLUMNS = (
    "level", "tuned", "vanilla", "family", "dataset", "mode", "kind", "absolute", "relative",
    "relative_by_dataset", "low", "high", "scope", "unit", "n", "p", "p_these_stimuli", "note",
    "simulated",
)  # fmt: skip
SCORE_COLUMNS = (
    *MODEL_COLUMNS, "dataset", "benchmark", "companion", "mode", "region", "r", "low",
    "simulated",
)  # fmt: skip
BELOW, LINE = 32, 9.5  # points: from the axis to the first line of numbers below it, and per line
SHARE = Line2D([], [], linestyle="none", label="%: mean relative change of pairs")


def improvement(contrasts: pd.DataFrame, scores: pd.DataFrame) -> Figure:
    """Draw `contrasts` (tables/contrasts.csv): tuned minus vanilla alignment.

    A row of panels for simulated and one for real data, a panel per mode, a bar per dataset and,
    of several, one for their average. Below a bar: the mean relative change of the pairs (below the
    average's that over pairs and datasets, the paper's measure; none where a pair has none), and as
    yardsticks, from `scores` (tables/scores.csv), what untrained twins and baselines score above
    the vanilla models.
    """
    brain = contrasts[contrasts["kind"] == "brain"]
    kinds = sorted(brain["simulated"].unique(), reverse=True)
    modes = mode_order(brain["mode"])
    n_rows, n_columns = max(len(kinds), 1), max(len(modes), 1)
    named = 0.08 * max(brain["family"].nunique() - 2, 0)  # inches: the legend's families
    figure = sheet(PAGE, 0.9 + named + 2.9 * n_rows, bool(brain["simulated"].any()))
    heading(figure, "Change of brain alignment by instruction tuning")
    if brain.empty:
        nothing(figure, "it needs a tuned model and its vanilla partner, both scored on brain data")
        return figure
    grid = figure.subplots(n_rows, n_columns, squeeze=False)
    markers = family_markers(brain[brain["level"] == "pair"].assign(role="tuned"))
    yardsticks = _yardsticks(scores, brain)
    for row, simulated in enumerate(kinds):
        scale = _scale(brain[brain["simulated"] == simulated])
        for column, mode in enumerate(modes):
            part = brain[(brain["simulated"] == simulated) & (brain["mode"] == mode)]
            scored = yardsticks[
                (yardsticks["simulated"] == simulated) & (yardsticks["mode"] == mode)
            ]
            _bars(grid[row, column], part, mode, bool(simulated), markers, scale)
            _beside(grid[row, column], part, scored, names=column == 0)
            if column == 0:
                grid[row, column].set_ylabel("tuned − vanilla (Pearson r)")
    shares = [SHARE] * any("%" in text.get_text() for axes in grid.flat for text in axes.texts)
    legend(figure, ["tuned"], markers, [_mean_handle(brain), *shares])
    return figure


def _mean_handle(brain: pd.DataFrame) -> Line2D:
    """The sign of a mean: over vanilla models, or over the pairs of the only one."""
    n = brain.loc[(brain["level"] == "overall") & (brain["unit"] == "bases"), "n"].max()
    over = "pairs of the vanilla model" if n == 1 else "vanilla models"
    return Line2D(
        [], [], color=INK, marker="_", markersize=9, label=f"mean over {over}, 95 % interval"
    )


def _yardsticks(scores: pd.DataFrame, brain: pd.DataFrame) -> pd.DataFrame:
    """What an untrained twin or a baseline scores above the vanilla models of the contrasts.

    Returns
    -------
    `simulated`, `mode`, `dataset`, `role`, `name`, `difference` (in r; a mean over vanilla models,
    for untrained models over those that have a twin).
    """
    table = dataset_scores(scores).merge(
        scores.drop_duplicates("model")[["model", "role"]], on="model"
    )
    vanilla = table[table["model"].isin(brain.loc[brain["level"] == "pair", "vanilla"])]
    key = ["simulated", "mode", "dataset"]
    level = vanilla.groupby(key)["r"].mean().rename("vanilla").reset_index()
    baselines = table[table["role"] == "baseline"].merge(level, on=key)
    baselines = baselines.assign(name=baselines["model"])
    untrained = table[table["role"] == "untrained"]
    twin = untrained["model"].map(twins(scores.drop_duplicates("model")))
    untrained = untrained.assign(twin=twin.astype(object), name="untrained")  # not one: numbers
    untrained = untrained.merge(
        vanilla.rename(columns={"model": "twin", "r": "vanilla"})[[*key, "twin", "vanilla"]],
        on=[*key, "twin"],
    )
    both = pd.concat([untrained, baselines])
    both["difference"] = both["r"] - both["vanilla"]
    return both.groupby([*key, "role", "name"])["difference"].mean().reset_index()


def _beside(axes: Axes, part: pd.DataFrame, yardsticks: pd.DataFrame, names: bool) -> None:
    """The yardsticks of every dataset as lines of numbers below the bars."""
    order = yardsticks.sort_values(["role", "name"], ascending=[False, True])
    table = order.pivot(index=["role", "name"], columns="dataset", values="difference")
    for line, (role, name) in enumerate(
        dict.fromkeys(zip(order["role"], order["name"], strict=True))
    ):
        offset = -BELOW - LINE * line
        if names:
            axes.annotate(
                f"{name} − vanilla", (0, 0), (-4, offset), xycoords="axes fraction",
                textcoords="offset points", ha="right", va="center", color=COLOUR[role],
            )  # fmt: skip
        for row, dataset in enumerate(dataset_order(part)):
            value = table.loc[(role, name)].get(dataset, np.nan)
            text = r_text(value, 3)
            sign = "+" if value > 0 and float(text) > 0 else ""
            axes.annotate(
                f"{sign}{text}", (row, 0), (0, offset),
                xycoords=("data", "axes fraction"), textcoords="offset points",
                ha="center", va="center", color=COLOUR[role], annotation_clip=False,
            )  # fmt: skip


def _test(test: pd.Series) -> str:
    """p of the average, and for whom it speaks."""
    p = test["p_these_stimuli"] if pd.isna(test["p"]) else test["p"]
    if pd.isna(p):
        why = [note for note in said(test["note"]).split("; ") if note.startswith("no p")]
        return "; ".join(
            filter(None, [*why, f"interval: {test['scope']}" * bool(said(test["scope"]))])
        )
    return f"{p_text(p)}, {test['scope']}"


def _scale(rows: pd.DataFrame) -> tuple[float, float]:
    """The scale that the modes share: 0, every pair, every interval of a mean."""
    means = rows[(rows["level"] == "overall") & (rows["unit"] == "bases")]
    pairs = rows.loc[rows["level"] == "pair", "absolute"]
    values = np.concatenate([[0.0], pairs, means["low"], means["high"]]).astype(float)
    return at_least(float(np.nanmin(values)), float(np.nanmax(values)), "r")


def _bars(
    axes: Axes,
    part: pd.DataFrame,
    mode: str,
    simulated: bool,
    markers: dict[str, str],
    scale: tuple[float, float],
) -> None:
    pairs = part[part["level"] == "pair"]
    overall = part[part["level"] == "overall"]
    means = overall[overall["unit"] == "bases"].set_index("dataset")
    of_pairs = overall[overall["unit"] == "pairs"].set_index("dataset")
    datasets = dataset_order(part)
    statement = mode + ", simulated" * simulated
    if AVERAGE in means.index:
        test = means.loc[[AVERAGE]].iloc[0]
        pairs_of = counted(of_pairs["n"][AVERAGE], "pair"), counted(test["n"], "vanilla model")
        statement += "\nN = " + " of ".join(pairs_of)
        statement += f"\n{'average' if len(datasets) > 1 else datasets[0]}: {_test(test)}"
    panel(axes, f"Tuned minus vanilla, {mode}", statement, width=54)
    if not pairs["absolute"].notna().any():
        absent(axes, next(filter(None, map(said, pairs["note"])), "no pair has both scores"))
        return
    low, high = scale
    floor = low - 0.16 * (high - low)
    spread = np.linspace(-0.26, 0.26, max(pairs["tuned"].nunique(), 2))
    for index, dataset in enumerate(datasets):
        mean = means.loc[dataset]
        members = pairs[pairs["dataset"] == dataset].assign(role="tuned")
        axes.bar(index, mean["absolute"], 0.7, color=COLOUR["tuned"], alpha=0.25, zorder=1)
        for shift, row in zip(spread, each(members), strict=False):
            axes.plot(
                index + shift, row.absolute, marker(row, markers), color=COLOUR["tuned"],
                markersize=3, markeredgewidth=0, alpha=0.85, zorder=2,
            )  # fmt: skip
        axes.vlines(index, mean["low"], mean["high"], color=INK, linewidth=1.2, zorder=3)
        axes.plot(index, mean["absolute"], "_", color=INK, markersize=9, zorder=3)
        share = of_pairs["relative_by_dataset" if dataset == AVERAGE else "relative"][dataset]
        relative: str = "" if pd.isna(share) else f"{100 * share:+.1f} %".replace("-", "−")
        axes.text(index, floor, relative, ha="center", va="bottom")
    axes.axhline(0, color=INK, linewidth=0.5)
    axes.set_ylim(floor - 0.02 * (high - low), high + 0.06 * (high - low))
    axes.set_xlim(-0.6, len(datasets) - 0.4)
    axes.set_xticks(range(len(datasets)), [name.replace("-", "-\n", 1) for name in datasets])
    axes.tick_params(axis="x", length=0)
