"""The study's scores beside the paper's, for every model that both have."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from brainalign.analysis.wording import counted
from brainalign.figures.style import (
    COLOUR,
    FAINT,
    INK,
    PAGE,
    heading,
    instead,
    nothing,
    panel,
    panels,
    rows_down,
    sheet,
    world,
)

COLUMNS = (
    "model", "published_model", "dataset", "measured", "low", "high", "published", "family_low",
    "family_high", "within_interval", "within_family", "simulated",
)  # fmt: skip
ROW = 0.17  # inches per model
ACROSS = 4
AXIS = {"futrell2018": "|r| / ceiling", "mmlu": "accuracy", "bbh": "accuracy"}
EXTRA = (
    Line2D([], [], color=COLOUR["vanilla"], marker="o", linestyle="-",
           label="measured, 95 % interval"),
    Line2D([], [], color=INK, marker="D", mfc="white", linestyle="none", label="published"),
    Line2D([], [], color="#C8C8C8", linewidth=5,
           label="range of the published values of its family and role"),
)  # fmt: skip


def measured_published(table: pd.DataFrame) -> Figure:
    """Draw `table` (tables/measured_published.csv): a panel per dataset, a row per model.

    Only legacy scores are drawn: the paper has no others.
    """
    datasets = list(table["dataset"].unique())
    models = list(table["model"].unique())
    bands = max(1, -(-len(datasets) // ACROSS))
    figure = sheet(
        PAGE, 0.8 + bands * (0.9 + ROW * max(len(models), 4)), bool(table["simulated"].any())
    )
    heading(figure, "Measured here beside published, Aw et al. 2024")
    if not datasets:
        nothing(figure, "no model has a score both here and in the published tables")
        return figure
    for index, axes in enumerate(panels(figure, len(datasets), ACROSS)):
        _dataset(axes, table[table["dataset"] == datasets[index]], models)
        axes.set_yticks(range(len(models)), models if index % ACROSS == 0 else [""] * len(models))
    figure.legend(handles=EXTRA, loc="outside lower left", ncols=2)
    return figure


def _dataset(axes: Axes, rows: pd.DataFrame, models: list[str]) -> None:
    both = rows.dropna(subset=["measured", "published"])
    inside = int((both["within_interval"].astype(str) == "True").sum())
    of = int(both["low"].notna().sum())
    held = f"{inside} of {of} in our interval" if of else "no interval"
    panel(
        axes, str(rows["dataset"].iloc[0]),
        ", ".join(["legacy", *world(rows), f"N = {counted(len(both), 'model')}"]) + f"\n{held}",
    )  # fmt: skip
    result = rows.set_index("model")
    for index, model in enumerate(models):
        row = result.loc[model] if model in result.index else None
        if row is None or (pd.isna(row["measured"]) and pd.isna(row["published"])):
            instead(axes, index, "no score")
            continue
        axes.hlines(index, row["family_low"], row["family_high"], color="#C8C8C8", linewidth=5)
        axes.hlines(index, row["low"], row["high"], color=COLOUR["vanilla"], linewidth=1.1)
        axes.plot(row["published"], index, "D", mfc="white", color=INK, markersize=4, zorder=3)
        axes.plot(row["measured"], index, "o", color=COLOUR["vanilla"], markersize=4, zorder=4)
    axes.axvline(0, color=FAINT, linewidth=0.8, zorder=0.5)
    rows_down(axes, len(models), ticks=3)
    axes.set_xlabel(AXIS.get(str(rows["dataset"].iloc[0]), "Pearson r"))
