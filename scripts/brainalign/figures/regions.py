"""Alignment of every layer in every region of one benchmark, with the region's ceiling."""

import pandas as pd
from matplotlib.figure import Figure

from brainalign.figures.ceilings import CEILING, ceiling_line, ceiling_text, exceeded
from brainalign.figures.curves import MANY, PICKED, SPREAD, curves
from brainalign.figures.spans import widen
from brainalign.figures.style import (
    FEATURES,
    PAGE,
    absent,
    drawn,
    family_markers,
    heading,
    legend,
    n_models,
    nothing,
    panel,
    panels,
    sheet,
)
from brainalign.natural_order import natural

ALIGNMENT_COLUMNS = (
    "layer", "depth", "subject", "region", "fold", "r", "r_sd", "n_targets", "chosen",
)  # fmt: skip
CEILING_COLUMNS = ("target_id", "region", "ceiling", "method")
ACROSS = 3
MOST = 24  # regions that are drawn


def regions(alignment: pd.DataFrame, ceilings: pd.DataFrame, benchmark: str, mode: str) -> Figure:
    """Draw one panel per region; of many regions, those in which a model has the highest r.

    Regions of simulated subjects are not drawn.

    Parameters
    ----------
    alignment : the alignment files of one benchmark below each other, each with the columns
        `model`, `family`, `role` added; rows of all subjects and all folds are drawn.
    ceilings : the benchmark's ceilings; the summary rows (`target_id` all) are drawn.
    benchmark, mode : what the panels state.
    """
    rows = alignment[
        (alignment["subject"] == "all") & (alignment["fold"] == -1) & (alignment["region"] != "all")
    ]
    names = sorted(rows["region"].unique(), key=natural)
    n_regions = len(names)
    if n_regions > MOST:
        highest = rows.groupby("region")["r"].max().nlargest(MOST).index
        names = [name for name in names if name in highest]
    bands = max(1, -(-len(names) // ACROSS))
    figure = sheet(PAGE, 1.0 + 1.8 * bands)
    most = f"\nthe {MOST} of {n_regions} regions with the highest r" * (n_regions > MOST)
    heading(figure, f"Brain alignment by region and layer: {benchmark}{most}")
    if not names:
        nothing(figure, "the targets of this dataset belong to no named regions")
        return figure
    markers = family_markers(rows)
    for index, axes in enumerate(panels(figure, len(names), ACROSS)):
        part = rows[rows["region"] == names[index]]
        of_region = ceilings[
            (ceilings["target_id"] == "all") & (ceilings["region"] == names[index])
        ]
        ceiling = float(of_region["ceiling"].iloc[0]) if len(of_region) else float("nan")
        statement = f"{mode}, {n_models(part)}\n"
        statement += f"{part['n_targets'].max():.0f} targets, ceiling {ceiling_text(ceiling)}"
        panel(axes, names[index], statement)
        if not part["r"].notna().any():
            absent(axes, "r is not defined in this region", 22)
            continue
        ceiling_line(axes, ceiling)
        curves(axes, part, markers)
        widen(axes, "r")
        if index % ACROSS == 0:
            axes.set_ylabel("alignment (r)")
        if index + ACROSS >= len(names):
            axes.set_xlabel("relative depth of the layer")
    networks = rows.loc[~rows["role"].isin(FEATURES), "model"].nunique()
    known = rows.merge(ceilings[ceilings["target_id"] == "all"], on="region")
    extra = [*drawn(figure, [CEILING]), *exceeded(known, "r", "method")]
    extra += drawn(figure, [*PICKED, *SPREAD])
    legend(figure, rows["role"].unique(), {} if networks >= MANY else markers, extra, lines=True)
    return figure
