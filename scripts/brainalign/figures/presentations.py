"""How much the presentation of a text changes a model's scores, beside how much tuning does."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from brainalign.behavior.fits import GAIN
from brainalign.figures.order import each
from brainalign.figures.paging import ONE_PAGE, Page
from brainalign.figures.spans import widen
from brainalign.figures.style import (
    COLOUR,
    FAINT,
    MUTED,
    PAGE,
    heading,
    nothing,
    panel,
    panels,
    rows_down,
    sheet,
    world,
)

COLUMNS = (
    "comparison", "presentation", "level", "model", "reference", "dataset", "mode", "kind",
    "measure", "absolute", "low", "high", "simulated",
)  # fmt: skip
SHOWN = {"reading-times": GAIN, "brain": "r"}
UNIT = {"reading-times": "change (nats per word)", "brain": "change in r"}
ROW = 0.16  # inches
ACROSS = 2


def presentations(table: pd.DataFrame, page: Page = ONE_PAGE) -> Figure:
    """Draw the pairs of `table` (tables/presentations.csv) in controlled mode, by dataset."""
    rows = table[
        (table["mode"] == "controlled")
        & (table["level"] == "pair")
        & (table["measure"] == table["kind"].map(SHOWN))
    ].dropna(subset="absolute")
    shown = page.rows(rows)
    names = shown[["kind", "dataset"]].drop_duplicates()
    sizes = shown.groupby(["kind", "dataset"], sort=False).size().to_list()
    heights = [max(sizes[i : i + ACROSS], default=4) for i in range(0, len(sizes), ACROSS)]
    inches = [0.9 + ROW * max(n, 3) for n in heights] or [1.5]
    figure = sheet(PAGE, 0.7 + sum(inches), bool(table["simulated"].any()))
    heading(figure, page.title("Presentation beside tuning: what changes a model's score"))
    if names.empty:
        of_page = " of this page" * (page.of > 1)
        nothing(figure, f"no model{of_page} is read in several presentations")
        return figure
    for index, axes in enumerate(panels(figure, len(names), ACROSS, height_ratios=inches)):
        kind, dataset = names.iloc[index]
        overall = rows[(rows["kind"] == kind) & (rows["dataset"] == dataset)]
        on_page = page.rows(overall)
        about = [f"N = {len(overall)} contrasts", *world(on_page)]
        panel(axes, str(dataset), f"controlled, {', '.join(about)}")
        _draw(axes, on_page.sort_values(["comparison", "presentation"], ascending=[False, True]))
        page.span(axes, overall[["absolute", "low", "high"]])
        widen(axes, SHOWN[str(kind)], "x")
        axes.set_xlabel(UNIT[str(kind)])
    handles = {
        True: _dot("tuned − vanilla, both read alike", COLOUR["tuned"]),
        False: _dot("the same weights: this presentation − the first", MUTED),
    }
    drawn = set(shown["comparison"].str.startswith("tuned"))
    figure.legend(
        handles=[handle for tuning, handle in handles.items() if tuning in drawn],
        loc="outside lower left", ncols=2, borderaxespad=0.2,
    )  # fmt: skip
    return figure


def _draw(axes: Axes, rows: pd.DataFrame) -> None:
    labels = []
    for index, row in enumerate(each(rows)):
        tuning = str(row.comparison).startswith("tuned")
        colour = COLOUR["tuned"] if tuning else MUTED
        axes.hlines(index, row.low, row.high, color=colour, linewidth=0.9)
        axes.plot(row.absolute, index, "o", color=colour)
        model = str(row.model if tuning else row.reference)
        labels.append(f"{model}: {'tuning, ' * tuning}{row.presentation}")
    axes.axvline(0, color=FAINT, zorder=0.5)
    axes.set_yticks(range(len(labels)), labels)
    rows_down(axes, len(labels), ticks=4)


def _dot(label: str, colour: str) -> Line2D:
    return Line2D([], [], color=colour, marker="o", label=label)
