"""Is it tuning, or a worse language model? Fit to reading times over surprisal, pairs as arrows."""

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from brainalign.analysis.records import TRAINED
from brainalign.analysis.wording import counted, p_text, signed
from brainalign.behavior.fits import GAIN, READ_LOSS
from brainalign.figures.order import each
from brainalign.figures.spans import widen
from brainalign.figures.style import (
    INK,
    MUTED,
    PAGE,
    drawn,
    heading,
    nothing,
    panel,
    panels,
    sheet,
    world,
)

COLUMNS = ("model", "base", "family", "role", "dataset", "mode", "measure", "value", "simulated")
CONTRASTS = (
    "dataset", "mode", "measure", "loss", "method", "model", "difference", "low", "high", "p",
    "scope",
)  # fmt: skip
OTHER = "#B8B8B8"  # families without a tuned model
ACROSS = 2
JOINED = Line2D([], [], color=MUTED, linewidth=0.8, alpha=0.6, label="vanilla models of a family")


def reading_loss(behaviors: pd.DataFrame, contrasts: pd.DataFrame) -> Figure:
    """Draw controlled `behaviors` (tables/behaviors.csv), a panel per dataset that has pairs.

    `contrasts` (tables/reading_loss.csv): the differences that each panel's heading states.
    """
    points = _points(behaviors)
    pairs = points[points["role"].eq("tuned") & points["base"].isin(points["model"])]
    datasets = list(pairs["dataset"].unique())
    bands = max(1, -(-len(datasets) // ACROSS))
    figure = sheet(PAGE, 0.7 + 3.1 * bands, bool(behaviors["simulated"].any()))
    heading(figure, "Tuning, or a worse language model? Fit to reading times over surprisal")
    if not datasets:
        nothing(figure, "no pair of a tuned and a vanilla model has both values")
        return figure
    families = list(dict.fromkeys(pairs["family"]))
    colours = dict(
        zip(families, sns.color_palette("colorblind", len(families)).as_hex(), strict=True)
    )
    for index, axes in enumerate(panels(figure, len(datasets), ACROSS)):
        name = datasets[index]
        of_dataset = points[points["dataset"] == name]
        statement = _statement(contrasts[contrasts["dataset"] == name])
        near = _near(of_dataset, families)
        hidden = f" ({(~near).sum()} not shown)" * bool((~near).any())
        about = [
            "controlled",
            f"N = {counted(len(of_dataset), 'model')}{hidden}",
            *world(of_dataset),
        ]
        panel(axes, str(name), f"{', '.join(about)}\n{statement}", width=58)
        _draw(axes, of_dataset[near], colours)
        widen(axes, READ_LOSS, "x")
        widen(axes, GAIN)
        axes.ticklabel_format(useOffset=False)
        axes.set_xlabel("mean surprisal (bits per word): a worse language model →")
        axes.set_ylabel("Δ log-likelihood per word (nats)" if index % ACROSS == 0 else "")
    handles = [*_handles(colours, points), *drawn(figure, [JOINED])]
    figure.legend(handles=handles, loc="outside lower left", ncols=4, borderaxespad=0.2)
    return figure


def _points(behaviors: pd.DataFrame) -> pd.DataFrame:
    """A row per model and dataset with both values, of networks that are trained."""
    rows = behaviors[
        (behaviors["mode"] == "controlled")
        & behaviors["measure"].isin([GAIN, READ_LOSS])
        & behaviors["role"].isin(TRAINED)
    ]
    about = ["dataset", "model", "base", "family", "role", "simulated"]
    wide = rows.pivot_table(index=["dataset", "model"], columns="measure", values="value")
    wide = wide.reindex(columns=[GAIN, READ_LOSS]).dropna().reset_index()
    facts = rows[about].drop_duplicates(["dataset", "model"])
    return facts.merge(wide, on=["dataset", "model"])


def _near(points: pd.DataFrame, families: list[str]) -> pd.Series:
    """Which models lie within half the range of the families with pairs, beyond it on each side.

    Models that read with another context differ by far more than any pair does.
    """
    near = pd.Series(True, index=points.index)
    for name in (GAIN, READ_LOSS):
        values = points.loc[points["family"].isin(families), name]
        margin = 0.5 * (values.max() - values.min())
        near &= points[name].between(values.min() - margin, values.max() + margin)
    return near


def _draw(axes: Axes, points: pd.DataFrame, colours: dict[str, str]) -> None:
    named = {row.model: row for row in each(points)}
    for family, members in points.groupby("family", sort=False):
        vanilla = members[members["role"] == "vanilla"].sort_values(READ_LOSS)
        colour = colours.get(str(family), OTHER)
        # The vanilla models of a family by their loss: what another loss alone would do.
        axes.plot(
            vanilla[READ_LOSS], vanilla[GAIN], color=colour, linewidth=0.8, alpha=0.6, zorder=1,
            label=str(JOINED.get_label()) if len(vanilla) > 1 else None,
        )  # fmt: skip
        axes.plot(
            vanilla[READ_LOSS], vanilla[GAIN], "o", color="white", markeredgecolor=colour,
            markersize=4 if family in colours else 2.5, zorder=2,
        )  # fmt: skip
    for tuned in each(points[points["role"] == "tuned"]):
        colour = colours.get(str(tuned.family), OTHER)
        end = getattr(tuned, READ_LOSS), getattr(tuned, GAIN)
        axes.plot(*end, "o", color=colour, markersize=4, zorder=4)
        if tuned.base in named:
            begin = getattr(named[tuned.base], READ_LOSS), getattr(named[tuned.base], GAIN)
            axes.annotate(
                "", end, begin, zorder=3,
                arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 1.3, "shrinkB": 2},
            )  # fmt: skip
    axes.margins(0.06)


def _statement(contrasts: pd.DataFrame) -> str:
    """Mean over vanilla models, as it is and at equal loss."""
    rows = contrasts[
        (contrasts["mode"] == "controlled")
        & (contrasts["measure"] == GAIN)
        & (contrasts["loss"] == READ_LOSS)
        & (contrasts["model"] == "all")
        & contrasts["difference"].notna()
    ]
    by_method = {row.method: row for row in each(rows)}
    parts = []
    for method, said in (("as it is", "tuned − vanilla"), ("given loss", "at equal surprisal")):
        if row := by_method.get(method):
            text = f"{said} {signed(row.difference)}"
            known = row.low == row.low
            text += f" [{row.low:.4f}, {row.high:.4f}]" if known else ", no interval"
            text += f", {p_text(row.p)}" * (row.p == row.p)
            parts.append(text.replace("-", "−"))
    scopes = [f"for {scope}" for scope in rows["scope"].dropna().unique()]
    return "\n".join([*parts, *scopes[:1]])


def _handles(colours: dict[str, str], points: pd.DataFrame) -> list[Line2D]:
    handles = [
        Line2D([], [], color=colour, marker="o", label=family) for family, colour in colours.items()
    ]
    if not set(points["family"]) <= set(colours):
        handles.append(Line2D([], [], color=OTHER, marker="o", mfc="white", label="other families"))
    return [
        *handles,
        Line2D([], [], color=MUTED, marker="o", mfc="white", linestyle="none", label="vanilla"),
        Line2D([], [], color=INK, marker="o", linestyle="none", label="instruction-tuned"),
    ]
