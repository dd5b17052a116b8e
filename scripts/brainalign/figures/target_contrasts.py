"""Where in the brain tuning raises or lowers r: tuned minus vanilla, region by region."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from brainalign.analysis.values_and_units import EVERY
from brainalign.analysis.wording import counted
from brainalign.figures.order import each
from brainalign.figures.spans import widen
from brainalign.figures.style import (
    COLOUR,
    INK,
    PAGE,
    columns_beside,
    drawn,
    heading,
    instead,
    nothing,
    numbers_beside,
    panel,
    rows_down,
    sheet,
)
from brainalign.multiplicity import benjamini_hochberg
from brainalign.natural_order import natural

COLUMNS = (
    "subject", "region", "difference", "p", "group_p", "n_targets", "n_higher", "n_lower",
)  # fmt: skip
ROW = 0.155  # inches per region
ROWS, ACROSS = 40, 2  # regions of a panel, and panels side by side
MOST = ROWS * ACROSS
ALL_REGIONS = "all regions"
COUNTED = ("n_higher", "n_lower", "n_targets")
NUMBERS = {"higher": 20, "lower": 52, "of": 80}  # points right of a panel
SUBJECT = Line2D(
    [], [], color=COLOUR["tuned"], marker="o", linestyle="none", markersize=3, alpha=0.5,
    label="a subject",
)  # fmt: skip
COUNTS = Line2D([], [], linestyle="none", label="higher, lower: significant targets")


def target_contrasts(rows: pd.DataFrame, about: Mapping[str, Any], level: float) -> Figure:
    """Draw the differences of one pair on one benchmark, a row per region, all regions first.

    A row has a dot per subject, the mean over subjects, and at the right how many targets are
    significantly higher and lower, of how many. A mean is filled where it differs from 0: its q
    (p adjusted over the regions; Benjamini & Hochberg), of all regions together its p, is not
    above `level`. p is that of the group of subjects (`group_p`), of one subject its own.
    Of more than MOST regions, those with the largest differences are drawn.

    Parameters
    ----------
    rows : COLUMNS of tables/target_contrasts.csv, of one pair and benchmark.
    about : `tuned`, `vanilla`, `benchmark`, `mode`, `simulated`.
    level : of q.
    """
    means = rows[rows["subject"] == EVERY].drop_duplicates("region").set_index("region")
    names = [str(name) for name in means.index if name != EVERY]
    sure = differing(rows, level)
    shown = means.loc[names, "difference"].abs().nlargest(MOST).index
    order = [EVERY, *sorted(shown, key=natural)]
    parts = [order[i : i + ROWS + 1] for i in range(0, len(order), ROWS + 1)]
    figure = sheet(PAGE, 1.25 + ROW * max(len(parts[0]), 4), bool(about["simulated"]))
    part = f"\nthe {MOST} of {len(names)} regions with the largest difference" * (len(names) > MOST)
    heading(figure, f"Tuned minus vanilla by region: {about['tuned']}, {about['benchmark']}{part}")
    if not means["difference"].notna().any():
        nothing(figure, "no target has r in both models")
        return figure
    grid = figure.subplots(1, len(parts), squeeze=False)[0]
    subjects = rows[rows["subject"] != EVERY]
    handles = {filled: _mean(level, filled) for filled in (True, False)}
    labels = {filled: str(handle.get_label()) for filled, handle in handles.items()}
    for axes, regions in zip(grid, parts, strict=True):
        _regions(axes, regions, means, subjects, sure, labels)
    ends = [axes.get_xlim() for axes in grid]
    for axes in grid:
        axes.set_xlim(min(low for low, _ in ends), max(high for _, high in ends))
        widen(axes, "r", "x")
    n = means["n_targets"].get(EVERY, means["n_targets"].sum())
    panel(
        grid[0], f"minus {about['vanilla']}",
        f"{about['mode']}{', simulated' * bool(about['simulated'])}, "
        f"N = {counted(subjects['subject'].nunique(), 'subject')}, {counted(n, 'target')}",
    )  # fmt: skip
    figure.legend(
        handles=[*drawn(figure, [SUBJECT, *handles.values()]), COUNTS],
        loc="outside lower left", ncols=3, borderaxespad=0.2,
    )  # fmt: skip
    return figure


def differing(rows: pd.DataFrame, level: float) -> dict[str, bool]:
    """Whether the mean over subjects of each region differs from 0, as `target_contrasts` says."""
    means = rows[rows["subject"] == EVERY].drop_duplicates("region").set_index("region")
    p = means["group_p"].fillna(means["p"])
    names = [str(name) for name in means.index if name != EVERY]
    sure = dict(zip(names, benjamini_hochberg(p[names].to_numpy(float)) <= level, strict=True))
    return sure | {EVERY: bool(p.get(EVERY, np.nan) <= level)}


def _mean(level: float, filled: bool) -> Line2D:
    """The marker of a mean over subjects."""
    sign = "≤" if filled else ">"
    return Line2D(
        [], [], color=INK, marker="D", linestyle="none", mfc=INK if filled else "white",
        markersize=4, label=f"mean over subjects, q {sign} {level:g}",
    )  # fmt: skip


def _regions(
    axes: Axes,
    regions: list[str],
    means: pd.DataFrame,
    subjects: pd.DataFrame,
    sure: Mapping[str, bool],
    labels: Mapping[bool, str],
) -> None:
    """The rows of one panel, with the counts of targets at its right; `labels` : of means."""
    axes.axvline(0, color=INK, linewidth=0.5, zorder=0.5)
    for index, region in enumerate(regions):
        if pd.isna(means["difference"].get(region, np.nan)):
            instead(axes, index, "no target has r in both models")
            continue
        for row in each(subjects[subjects["region"] == region]):
            axes.plot(
                row.difference, index, "o", color=COLOUR["tuned"], markersize=3, alpha=0.5,
                markeredgewidth=0, label=str(SUBJECT.get_label()), zorder=3,
            )  # fmt: skip
        mean = means.loc[region]
        axes.plot(
            mean["difference"], index, "D", color=INK, mfc=INK if sure[region] else "white",
            markersize=4, label=labels[sure[region]], zorder=4,
        )  # fmt: skip
        counts = (f"{mean[column]:.0f}" for column in COUNTED)
        numbers_beside(axes, index, counts, NUMBERS.values())
    columns_beside(axes, NUMBERS, NUMBERS.values())
    names = [ALL_REGIONS if region == EVERY else region for region in regions]
    axes.set_yticks(range(len(regions)), names)
    rows_down(axes, len(regions), ticks=4)
    axes.set_xlabel("difference in r")
