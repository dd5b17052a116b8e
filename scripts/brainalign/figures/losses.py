"""Next-word loss of every model on every running text."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from brainalign.analysis.wording import counted
from brainalign.figures.order import MODEL_COLUMNS, each, model_order
from brainalign.figures.paging import ONE_PAGE, Page
from brainalign.figures.style import (
    COLOUR,
    PAGE,
    family_markers,
    heading,
    instead,
    legend,
    marker,
    nothing,
    panel,
    panels,
    rows_down,
    sheet,
    world,
)

COLUMNS = (*MODEL_COLUMNS, "label", "text", "bits_per_byte", "tokens", "window", "simulated")
ROW = 0.155  # inches per model
ACROSS = 3


def losses(table: pd.DataFrame, page: Page = ONE_PAGE) -> Figure:
    """Draw `table` (tables/losses.csv): bits per byte, a panel per text, tuned below vanilla.

    Untrained models and baselines are not in the table: they predict no words.
    """
    texts = list(table["text"].unique())
    order = page.rows(model_order(table))
    bands = max(1, -(-len(texts) // ACROSS))
    figure = sheet(
        PAGE, 0.8 + bands * (0.85 + ROW * max(len(order), 4)), bool(table["simulated"].any())
    )
    heading(figure, page.title("Next-word loss"))
    if not texts:
        nothing(figure, "the study has no text to predict")
        return figure
    markers = family_markers(table)
    for index, axes in enumerate(panels(figure, len(texts), ACROSS)):
        rows = table[table["text"] == texts[index]]
        _text(axes, rows, order, markers)
        page.span(axes, rows[["bits_per_byte"]])
        axes.set_xlim(left=0)
        labels = list(order["label"]) if index % ACROSS == 0 else [""] * len(order)
        axes.set_yticks(range(len(order)), labels)
        axes.set_xlabel("bits per byte")
    legend(figure, order["role"].unique(), page.markers(markers, order))
    return figure


def _text(axes: Axes, rows: pd.DataFrame, order: pd.DataFrame, markers: dict[str, str]) -> None:
    tokens, windows = (sorted(rows[name].dropna().unique()) for name in ("tokens", "window"))
    about = ", ".join(
        [f"N = {counted(rows['bits_per_byte'].notna().sum(), 'model')}", *world(rows)]
    )
    panel(
        axes, str(rows["text"].iloc[0]),
        f"{about}, {_range(tokens)} tokens in\n"
        f"windows of {_range(windows)}; the same in both modes",
    )  # fmt: skip
    result = rows.set_index("model")["bits_per_byte"]
    for index, model in enumerate(each(order)):
        loss = result.get(model.model)
        if loss is None or pd.isna(loss):
            instead(axes, index, "no loss")
            continue
        colour = COLOUR[str(model.role)]
        axes.hlines(index, 0, loss, color=colour, linewidth=0.8, alpha=0.4)
        axes.plot(loss, index, marker(model, markers), color=colour)
    rows_down(axes, len(order), ticks=4)


def _range(values: list[float]) -> str:
    """One number, or the least and the largest."""
    if not values:
        return "?"
    ends = dict.fromkeys((f"{values[0]:.0f}", f"{values[-1]:.0f}"))
    return " to ".join(ends)
