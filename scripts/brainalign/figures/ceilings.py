"""The line of a noise ceiling, and why a score may stand above it."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from brainalign.analysis.wording import r_text
from brainalign.figures.style import INK

CEILING = Line2D([], [], color=INK, linestyle=(0, (5, 2)), linewidth=0.9, label="noise ceiling")
# Method of a ceiling → why a score may exceed it, as short as a legend's columns ask for; captions
# say more. Legacy folds leave a row's neighbours in training: ceiling and scores gain by that.
ABOVE = {
    "leave-one-subject-out": "it is a lower bound",
    "extrapolation": "leak or noise",
    "reliability": "r may reach its root",
}
NOISE = "noise"


def lines(ceilings: pd.Series) -> pd.Series:
    """The ceilings that scores could reach, NaN in place of those that are not above 0: these say
    that nothing repeats."""
    return ceilings.where(ceilings > 0)


def ceiling_line(axes: Axes, ceiling: float, upright: bool = False) -> None:
    """The dashed line of a ceiling, across the axes or `upright`; none where it is not above 0."""
    if ceiling > 0:
        line = axes.axvline if upright else axes.axhline
        line(
            ceiling, color=INK, linestyle=CEILING.get_linestyle(), zorder=1,
            linewidth=CEILING.get_linewidth(), label=str(CEILING.get_label()),
        )  # fmt: skip


def ceiling_text(ceiling: float) -> str:
    """A ceiling as a panel states it: .61, `n/a`; one that is not above 0 has no line."""
    return r_text(ceiling) + ", not above 0: no line" * (ceiling <= 0)


def exceeded(rows: pd.DataFrame, score: str, method: str) -> list[Line2D]:
    """Legend handles that say why scores stand above their ceilings; none where none does.

    `rows`: columns `score`, `ceiling` and `method` (how the ceiling was estimated).
    """
    above = rows.loc[rows[score] > lines(rows["ceiling"]), method].astype(str)
    reasons = dict.fromkeys(ABOVE.get(name, NOISE) for name in above)
    if any(NOISE in why for why in reasons if why != NOISE):
        reasons.pop(NOISE, None)  # another reason names it
    return [Line2D([], [], linestyle="none", label=f"above it: {why}") for why in reasons]
