"""Where the best layer lies: its relative depth under the legacy and the controlled mode."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from brainalign.analysis.wording import counted, r_text, said
from brainalign.figures.order import MODEL_COLUMNS, each, model_order
from brainalign.figures.paging import ONE_PAGE, Page
from brainalign.figures.style import (
    COLOUR,
    FEATURES,
    MUTED,
    PAGE,
    columns_beside,
    family_markers,
    heading,
    instead,
    legend,
    marker,
    nothing,
    numbers_beside,
    panel,
    panels,
    rows_down,
    sheet,
)

COLUMNS = (
    "model", "dataset", "legacy_depth", "controlled_depth", "controlled_r",
    "controlled_r_at_legacy", "correlation", "note", "simulated",
)  # fmt: skip
SCORE_COLUMNS = (*MODEL_COLUMNS, "label")
ROW = 0.145  # inches per model
ACROSS = 3
EXTRA = (
    Line2D([], [], color=MUTED, marker="o", mfc="white", linestyle="none", label="legacy"),
    Line2D([], [], color=MUTED, marker="o", linestyle="none", label="controlled"),
    Line2D([], [], linestyle="none", label="r: of the two curves over layers"),
    Line2D([], [], linestyle="none", label="lost: controlled r that the legacy layer costs"),
)
NUMBERS = {"r": 16, "lost": 40}  # points right of a panel


def profiles(table: pd.DataFrame, scores: pd.DataFrame, page: Page = ONE_PAGE) -> Figure:
    """Draw `table` (tables/profiles.csv), a panel per dataset, a row per network.

    Two columns of numbers at the right: the correlation of the two modes' curves over layers, and
    the controlled r that is lost where the layer is the legacy one. What `scores`
    (tables/scores.csv) says of the models makes the rows; baselines have no layers.
    """
    order = model_order(scores)
    order = order[order["model"].isin(table["model"]) & ~order["role"].isin(FEATURES)]
    networks, order = order["model"], page.rows(order.reset_index(drop=True))
    datasets = list(dict.fromkeys(zip(table["dataset"], table["simulated"], strict=True)))
    bands = max(1, -(-len(datasets) // ACROSS))
    height = 0.85 + ROW * max(len(order), 4)
    figure = sheet(PAGE, 0.9 + bands * height, bool(table["simulated"].any()))
    heading(figure, page.title("Where the best layer lies, legacy and controlled"))
    if not datasets or order.empty:
        nothing(figure, "no dataset has the layers of a model in both modes")
        return figure
    markers = family_markers(scores)
    for index, axes in enumerate(panels(figure, len(datasets), ACROSS)):
        dataset, simulated = datasets[index]
        _dataset(axes, table[table["dataset"] == dataset], order, markers)
        count = _count(table, str(dataset), networks)
        panel(
            axes, str(dataset),
            f"legacy and controlled{', simulated' * bool(simulated)}\n"
            f"N = {counted(count, 'model')}",
        )  # fmt: skip
        labels = list(order["label"]) if index % ACROSS == 0 else [""] * len(order)
        axes.set_yticks(range(len(order)), labels)
        axes.set_xlabel("relative depth of the best layer")
    legend(figure, order["role"].unique(), page.markers(markers, order), EXTRA)
    return figure


def _count(table: pd.DataFrame, dataset: str, networks: pd.Series) -> int:
    rows = table[(table["dataset"] == dataset) & table["model"].isin(networks)]
    return int((rows["legacy_depth"].notna() & rows["controlled_depth"].notna()).sum())


def _dataset(axes: Axes, rows: pd.DataFrame, order: pd.DataFrame, markers: dict[str, str]) -> None:
    result = rows.set_index("model")
    for index, model in enumerate(each(order)):
        row = result.loc[model.model] if model.model in result.index else None
        if row is None or pd.isna(row["legacy_depth"]) or pd.isna(row["controlled_depth"]):
            why = "not in both modes" if row is None else said(row["note"]) or "no depth"
            instead(axes, index, why[:30])
            continue
        colour, shape = COLOUR[str(model.role)], marker(model, markers)
        legacy, controlled = row["legacy_depth"], row["controlled_depth"]
        axes.hlines(index, legacy, controlled, color=colour, linewidth=1.1, alpha=0.5)
        axes.plot(legacy, index, shape, mfc="white", mec=colour, mew=1, zorder=4, clip_on=False,
                  markersize=5.5)  # fmt: skip
        axes.plot(controlled, index, shape, color=colour, zorder=5, clip_on=False, markersize=3)
        lost = row["controlled_r"] - row["controlled_r_at_legacy"]
        numbers = map(r_text, (row["correlation"], lost))
        numbers_beside(axes, index, numbers, NUMBERS.values())
    columns_beside(axes, NUMBERS, NUMBERS.values())
    rows_down(axes, len(order))
    axes.set_xlim(-0.04, 1.04)
    axes.set_xticks([0, 0.5, 1])
