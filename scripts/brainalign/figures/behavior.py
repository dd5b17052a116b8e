"""How well surprisal fits reading times: by model, and against size and knowledge."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from brainalign.analysis.predictors import READING, SIZE, found_for, predictors
from brainalign.analysis.wording import r_text
from brainalign.figures.order import MODEL_COLUMNS, each, mode_order, model_order
from brainalign.figures.scatter import GROUPS, scatter, stated
from brainalign.figures.style import (
    COLOUR,
    INK,
    MUTED,
    PAGE,
    absent,
    family_markers,
    heading,
    legend,
    marker,
    panel,
    sheet,
)

BEHAVIOR_COLUMNS = (
    *MODEL_COLUMNS, "dataset", "benchmark", "mode", "measure", "value", "low", "high", "n",
    "ceiling", "simulated",
)  # fmt: skip
AXIS = {
    "abs_r": "|r| with reading times",
    "delta_loglik_per_word": "Δ log-lik. per word (nats)",
}
ROW = 0.145  # inches per model
ACROSS = 4  # panels side by side
INTERVAL = Line2D([], [], color=MUTED, linewidth=1.1, label="95 % interval over stories")


def behavior(
    behaviors: pd.DataFrame,
    correlations: pd.DataFrame,
    capabilities: pd.DataFrame | None = None,
) -> Figure:
    """Draw `behaviors` (tables/behaviors.csv), a column of models per benchmark.

    Legacy benchmarks show the paper's |r|, controlled ones what surprisal adds to the held-out
    log-likelihood of a model with length, frequency, position and the previous words. r, p and N of
    the scatter panels are those of `correlations`.
    """
    shown = behaviors[behaviors["measure"] == behaviors["mode"].map(READING)]
    benchmarks = [
        name
        for mode in mode_order(shown["mode"])
        for name in shown.loc[shown["mode"] == mode, "benchmark"].unique()
    ]
    order = model_order(behaviors)
    above, below = max(0.7 + ROW * len(order), 1.8), 2.0
    bands = max(1, -(-2 * len(benchmarks) // ACROSS))
    figure = sheet(PAGE, 0.9 + above + below * bands, bool(behaviors["simulated"].any()))
    heading(figure, "Behavioural alignment: surprisal and reading times")
    if not benchmarks:
        absent(figure.subplots(), "the study has no benchmark of reading times")
        return figure
    markers = family_markers(behaviors)
    facts = behaviors.drop_duplicates("model").set_index("model")
    x, capability = predictors(facts, capabilities)
    task = _task(capability)
    outer = figure.add_gridspec(2, 1, height_ratios=[above, below * bands])
    upper = outer[0].subgridspec(1, len(benchmarks)).subplots(squeeze=False)
    across = min(ACROSS, 2 * len(benchmarks))
    lower = outer[1].subgridspec(bands, across).subplots(squeeze=False)
    for place, name in enumerate(benchmarks):
        part = shown[shown["benchmark"] == name]
        _models(upper[0, place], part, order, markers)
        if place:
            upper[0, place].set_yticklabels([])
        for offset, column in enumerate((SIZE, task)):
            axes = lower[divmod(2 * place + offset, across)]
            _against(axes, part, x, column, correlations, markers)
            if offset:
                axes.sharey(lower[divmod(2 * place, across)])
                axes.set_ylabel("")
                axes.tick_params(axis="y", labelleft=False)
    for axes in lower.flat[2 * len(benchmarks) :]:
        axes.set_axis_off()
    legend(figure, list(order["role"].unique()), markers, [INTERVAL])
    return figure


def _task(capability: list[str]) -> str | None:
    """The task of world knowledge: the one named MMLU, else the first."""
    tasks = [name for name in capability if " " not in name]
    return next((name for name in tasks if "mmlu" in name.lower()), next(iter(tasks), None))


def _models(axes: Axes, part: pd.DataFrame, order: pd.DataFrame, markers: dict[str, str]) -> None:
    """A dot and its interval per model."""
    mode, measure = part["mode"].iloc[0], part["measure"].iloc[0]
    lines = (
        f"{mode}{', simulated' * bool(part['simulated'].any())}, N = {part['n'].max():.0f} words"
    )
    has_ceiling = part["ceiling"].notna().any()
    lines += f"\nnoise ceiling: {r_text(part['ceiling'].max()) if has_ceiling else 'none'}"
    panel(axes, str(part["dataset"].iloc[0]), lines, width=44)
    rows = part.set_index("model")
    axes.axvline(0, color=INK, linewidth=0.5, zorder=0.5)
    for place, model in enumerate(each(order)):
        if place % 2:
            axes.axhspan(place - 0.5, place + 0.5, color="#F5F5F5", linewidth=0, zorder=0)
        found = rows.loc[model.model] if model.model in rows.index else None
        if found is None or pd.isna(found["value"]):
            axes.text(
                0.5, place, "no score", transform=axes.get_yaxis_transform(),
                ha="center", va="center", color=MUTED,
            )  # fmt: skip
            continue
        colour = COLOUR[str(model.role)]
        axes.hlines(place, found["low"], found["high"], color=colour, linewidth=1.1)
        axes.plot(found["value"], place, marker(model, markers), color=colour, markersize=4)
    axes.set_ylim(len(order) - 0.4, -0.6)
    axes.set_yticks(range(len(order)), list(order["label"]))
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=4))
    axes.set_xlabel(AXIS[measure])


def _against(
    axes: Axes,
    part: pd.DataFrame,
    x: pd.DataFrame,
    column: str | None,
    correlations: pd.DataFrame,
    markers: dict[str, str],
) -> None:
    """The same values against one property of the models."""
    if column is None:
        panel(axes, "Knowledge")
        absent(axes, "the study has no capability task", 22)
        return
    title = "Size" if column == SIZE else column
    mode, measure = part["mode"].iloc[0], part["measure"].iloc[0]
    simulated = bool(part["simulated"].iloc[0])
    y = f"reading {part['dataset'].iloc[0]} {measure}"
    found = found_for(correlations, y, mode, simulated)
    lines = [f"{mode}{', simulated' * simulated}"]
    lines += [stated(found, column, models) for models in GROUPS]
    panel(axes, f"{title}: Pearson r", "\n".join(lines))
    points = part.join(x[[column]], on="model").dropna(subset=[column, "value"])
    if points.empty:
        absent(axes, f"no model has both values ({title})", 22)
        return
    tuned = points["role"] == "tuned"
    scatter(axes, points[~tuned], column, "value", markers, line=False)
    scatter(axes, points[tuned], column, "value", markers)
    axes.set_xlabel("log10 parameters" if column == SIZE else "accuracy")
    axes.set_ylabel(AXIS[measure])
