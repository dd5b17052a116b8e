"""The loss during instruction tuning, a curve per tuned model."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from brainalign.analysis.wording import counted
from brainalign.figures.style import (
    COLOUR,
    INK,
    PAGE,
    absent,
    family_markers,
    heading,
    legend,
    panel,
    sheet,
    spaced,
    world,
)

LOG_COLUMNS = ("step", "loss")
WINDOW = 0.05  # the running median spans this share of a run's steps
NAMED = 12  # up to so many curves are named
GAP = 0.075  # between names, as a share of the axes' height


def training(logs: Mapping[str, pd.DataFrame], models: pd.DataFrame) -> Figure:
    """Draw every model's loss, on a log scale, against its optimisation steps.

    Parameters
    ----------
    logs : model → loss log (`step`, `loss` in nats per token).
    models : `model`, `label`, `family`, `simulated` of every model in `logs`.
    """
    figure = sheet(PAGE, 2.9, bool(models["simulated"].any()) if len(logs) else False)
    heading(figure, "Loss during instruction tuning")
    axes = figure.subplots()
    if not logs:
        absent(axes, "no model of the study is tuned in the workflow", 60)
        return figure
    markers = family_markers(models.assign(role="tuned"))
    facts = models.set_index("model")
    ends = []
    for name, log in logs.items():
        window = max(1, round(WINDOW * len(log)))
        smooth = log["loss"].rolling(window, min_periods=1, center=True).median()
        axes.plot(log["step"], log["loss"], color=COLOUR["tuned"], linewidth=0.4, alpha=0.25)
        axes.plot(log["step"], smooth, color=COLOUR["tuned"], linewidth=1.1)
        ends.append((log["step"].iloc[-1], smooth.iloc[-1], name))
        axes.plot(
            *ends[-1][:2], markers[str(facts.loc[name, "family"])],
            color=COLOUR["tuned"], markersize=4, clip_on=False,
        )  # fmt: skip
    count = ", ".join([f"N = {counted(len(logs), 'model')}", *world(models)])
    steps = sorted({int(end[0]) + 1 for end in ends})
    span = f"{steps[0]}" if len(steps) == 1 else f"{steps[0]} to {steps[-1]}"
    panel(
        axes, "Training loss",
        f"{count} · {span} steps · thick: running median over "
        f"{100 * WINDOW:.0f} % of a run",
        width=100,
    )  # fmt: skip
    axes.set_xlabel("optimisation step")
    axes.set_ylabel("loss (nats per token), log scale")
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_locator(NullLocator())
    if len(ends) <= NAMED:
        _names(axes, [(step, loss, str(facts.loc[name, "label"])) for step, loss, name in ends])
    legend(figure, ["tuned"], markers)
    return figure


def _names(axes: Axes, ends: list[tuple[float, float, str]]) -> None:
    """Name every curve at the right margin, apart from the others and inside the axes' height."""
    to_axes = axes.transScale + axes.transLimits  # data → 0 to 1
    heights = spaced([to_axes.transform((step, loss))[1] for step, loss, _ in ends], GAP)
    up = max(0.0, -min(heights)) - max(0.0, max(heights) - 1)
    for (step, loss, label), height in zip(ends, heights, strict=True):
        axes.annotate(
            label, (step, loss), (1.02, height + up), textcoords="axes fraction", va="center",
            annotation_clip=False, color=INK,
            arrowprops={
                "arrowstyle": "-", "linewidth": 0.5, "color": "#AAAAAA",
                "relpos": (0, 0.5), "shrinkA": 1, "shrinkB": 3,  # from the name's left edge
            },
        )  # fmt: skip
