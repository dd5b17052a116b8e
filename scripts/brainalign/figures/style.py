"""One look for all figures: sizes, colours, markers, panel headings, notes instead of gaps."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import fill
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from brainalign.analysis.wording import counted
from brainalign.formats.atomic import atomic_path
from brainalign.notes import not_computable, why_not

LOW = 0.8  # inches: of a figure that shows no data
PAGE = 7.0  # inches: both columns

# Okabe and Ito's colours: apart for the common kinds of colour blindness. A colour means a role
# and nothing else; a family is a marker, a mode is a position or an open or filled marker.
ROLES = ("vanilla", "tuned", "untrained", "baseline", "truth")
FEATURES = ("baseline", "truth")  # the roles without a network, so without layers or a family
COLOUR = {
    "vanilla": "#0072B2",
    "tuned": "#D55E00",
    "untrained": "#8C8C8C",
    "baseline": "#009E73",
    "truth": "#CC79A7",
}
LABEL = {
    "vanilla": "vanilla",
    "tuned": "instruction-tuned",
    "untrained": "untrained",
    "baseline": "baseline without a network",
    "truth": "true features of the simulated responses",
}
LINE: dict[str, Any] = {
    "vanilla": "-",
    "tuned": "-",
    "untrained": (0, (1, 1)),
    "baseline": (0, (4, 1.5)),
    "truth": (0, (6, 1)),
}
INK = "#1A1A1A"
MUTED = "#5A5A5A"
FAINT = "#E6E6E6"
STRIPE = "#F5F5F5"  # behind every other row
FAMILY_MARKERS = ("o", "s", "^", "D", "v", "P", "p", "h", "<", ">", "8", "d")
BASELINE_MARKER = "X"
# A dash pattern and a marker per baseline, so that each is known by name in every figure.
BASELINE_DASHES: tuple[Any, ...] = (
    (0, (4, 1.5)), (0, (1, 1.2)), (0, (6, 1.5, 1, 1.5)), (0, (3, 1, 1, 1, 1, 1)), (0, (9, 2)),
    (0, (2, 3)),
)  # fmt: skip
BASELINE_MARKERS = ("P", "X", "d", "v", "*", "p", "h")

RC: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # carried by matplotlib: the same layout everywhere
    "font.size": 7,
    "axes.titlesize": 7.5,
    "axes.labelsize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "figure.titlesize": 8.5,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "text.color": INK,
    "lines.linewidth": 1.1,
    "lines.markersize": 4.5,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "legend.columnspacing": 1.4,
    "axes.grid": False,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "savefig.dpi": 250,
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "brainalign",  # the same figure gives the same bytes
}


@contextmanager
def drawing() -> Iterator[None]:
    """Draw and save in the study's style."""
    with mpl.rc_context(RC):
        yield


def save(figure: Figure, svg: str | Path, png: str | Path) -> None:
    """Write a figure as SVG and PNG; no date and no version goes into either.

    Both have one layout, found here; it is final.
    """
    if engine := figure.get_layout_engine():
        engine.execute(figure)
    figure.set_layout_engine(None)
    for path, kind, metadata in (
        (svg, "svg", {"Date": None, "Creator": None}),
        (png, "png", {"Software": None}),
    ):
        with atomic_path(path) as temporary:
            figure.savefig(temporary, format=kind, metadata=metadata)


def sheet(width: float, height: float, simulated: bool = False) -> Figure:
    """An empty figure of a size in inches, marked when any of its data are simulated."""
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.04, h_pad=0.05, wspace=0.03, hspace=0.04)  # type: ignore[call-arg, union-attr]
    if simulated:
        figure.text(
            0.995,
            1 - 0.05 / height,
            "SIMULATED DATA",
            ha="right",
            va="top",
            fontweight="bold",
            color="white",
            in_layout=False,
            bbox={"boxstyle": "square,pad=0.25", "facecolor": INK, "edgecolor": "none"},
        )
    return figure


def heading(figure: Figure, text: str) -> None:
    """The figure's title, at the top left."""
    figure.suptitle(text, x=0.008, ha="left", fontweight="bold")


def panels(figure: Figure, n: int, across: int, **options: Any) -> list[Axes]:
    """Axes of `n` panels, at most `across` side by side, row by row; the last row may be short.

    options : of matplotlib's `subplots`.
    """
    grid = figure.subplots(-(-n // across), min(across, n), squeeze=False, **options)
    for axes in grid.flat[n:]:
        axes.set_axis_off()
    return list(grid.flat[:n])


def panel(axes: Axes, title: str, statement: str = "", width: int = 60) -> None:
    """Head a panel with its title and, below it, what it rests on (N, test, mode).

    Lines of `statement` longer than `width` characters are broken.
    """
    for sign in ("=", "<"):  # "N = 17" stays on one line
        statement = statement.replace(f" {sign} ", f"\u00a0{sign}\u00a0")
    lines = "\n".join(fill(line, width) for line in statement.split("\n"))
    size = float(mpl.rcParams["font.size"])
    axes.set_title(
        title,
        loc="left",
        fontweight="bold",
        pad=4 + (lines.count("\n") + 1) * size * 1.25 * bool(lines),
    )
    if lines:
        axes.annotate(
            lines,
            (0, 1),
            (0, 3),
            xycoords="axes fraction",
            textcoords="offset points",
            color=MUTED,
            va="bottom",
            linespacing=1.1,
            in_layout=False,  # the title's pad leaves space for it
        )


def world(rows: pd.DataFrame) -> list[str]:
    """What a panel says of the world that its `rows` (column `simulated`) are from; real: nothing.

    A simulated model scored on real data is simulated, the real ones beside it are not.
    """
    simulated = rows["simulated"].astype(bool)
    if not simulated.any():
        return []
    return ["simulated" if simulated.all() else "partly simulated"]


def n_models(rows: pd.DataFrame) -> str:
    """How many models of `rows` (columns `model`, `role`) are networks, as a panel says it."""
    return f"N = {counted(rows.loc[~rows['role'].isin(FEATURES), 'model'].nunique(), 'model')}"


def units(rows: pd.DataFrame) -> list[str]:
    """What a panel says of its intervals: over how many subjects, and whether over stimuli too.

    `rows`: `n_subjects`, `n_stimuli` (held-out folds) and `scope`. Two short lines always, so that
    narrow panels have space for them and heads stay level.
    """
    known = rows[rows["n_subjects"] > 0]
    if known.empty:
        return ["no interval", ""]
    row = known.sort_values("n_subjects").iloc[-1]
    subjects = f"{row['n_subjects']:.0f} subject" + "s" * int(row["n_subjects"] > 1)
    if "new" not in str(row["scope"]):
        return [f"{subjects},", "no interval"]
    if "these stimuli" not in str(row["scope"]):
        return [f"{subjects} ×", f"{row['n_stimuli']:.0f} folds"]
    return [f"{subjects},", "these stimuli"]


def absent(axes: Axes, why: str, width: int = 34) -> None:
    """Say instead of the axes why nothing can be shown."""
    axes.set(xticks=[], yticks=[], xlabel="", ylabel="")
    axes.spines[:].set_visible(False)
    axes.set_facecolor("#F6F6F6")
    axes.text(
        0.5,
        0.5,
        fill(not_computable(why_not(why)), width),
        ha="center",
        va="center",
        transform=axes.transAxes,
        color=MUTED,
    )


def nothing(figure: Figure, why: str) -> None:
    """Make a figure low that can only say what it lacks."""
    figure.set_figheight(LOW)
    absent(figure.subplots(), why, 90)


def family_markers(table: pd.DataFrame) -> dict[str, str]:
    """Family → marker, by the families' alphabet (baselines have a marker of another kind); `table`
    has `role` and `family`.
    """
    families = sorted(
        table.loc[~table["role"].isin(FEATURES), "family"].dropna().astype(str).unique()
    )
    return {name: FAMILY_MARKERS[i % len(FAMILY_MARKERS)] for i, name in enumerate(families)}


def baseline_looks(table: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Baseline → `linestyle` and `marker` of its line, by the baselines' alphabet."""
    names = sorted(table.loc[table["role"] == "baseline", "model"].astype(str).unique())
    return {
        name: {
            "linestyle": BASELINE_DASHES[i % len(BASELINE_DASHES)],
            "marker": BASELINE_MARKERS[i % len(BASELINE_MARKERS)],
        }
        for i, name in enumerate(names)
    }


UNTRAINED_MEAN = "untrained, mean"


def level(
    axes: Axes,
    value: float,
    role: str,
    look: Mapping[str, Any] | None = None,
    width: float = 0.9,
    name: str = "",
) -> None:
    """A line right across a panel, at a score that belongs to no point of its x axis.

    `look`, `name` : of a baseline; its marker stands near the right end.
    """
    axes.plot(
        [0, 0.97, 1], [value] * 3, color=COLOUR[role], linewidth=width, zorder=0.8, markevery=[1],
        markersize=4, markeredgewidth=0, transform=axes.get_yaxis_transform(), scalex=False,
        label=UNTRAINED_MEAN if role == "untrained" else f"baseline {name}",
        **(look or {"linestyle": LINE[role]}),
    )  # fmt: skip


def level_handles(looks: Mapping[str, Mapping[str, Any]], untrained: bool = False) -> list[Line2D]:
    """Legend handles of `level` lines: every baseline by name, untrained models together."""
    handles = [
        Line2D(
            [], [], color=COLOUR["baseline"], label=f"baseline {name}", markeredgewidth=0, **look
        )
        for name, look in looks.items()
    ]
    if untrained:
        handles.append(
            Line2D([], [], color=COLOUR["untrained"], linestyle=LINE["untrained"],
                   label=UNTRAINED_MEAN)
        )  # fmt: skip
    return handles


def marker(row: Any, markers: Mapping[str, str]) -> str:
    """The marker of a table row (with `role` and `family`)."""
    return BASELINE_MARKER if row.role in FEATURES else markers.get(str(row.family), "o")


def legend(
    figure: Figure,
    roles: Iterable[str],
    markers: Mapping[str, str] | None = None,
    extra: Sequence[Line2D] = (),
    lines: bool = False,
) -> None:
    """One legend under all panels: roles by colour, families by marker, then `extra` handles.

    `lines` says that the panels draw roles as lines instead of dots.
    """
    present = set(roles)
    handles = [
        Line2D(
            [],
            [],
            color=COLOUR[role],
            marker="" if lines else BASELINE_MARKER if role in FEATURES else "o",
            linestyle=LINE[role] if lines else "none",
            label=LABEL[role],
        )
        for role in ROLES
        if role in present
    ]
    if markers and len(markers) > 1:
        handles += [
            Line2D([], [], color=MUTED, marker=m, linestyle="none", mfc="none", label=name)
            for name, m in markers.items()
        ]
    handles += list(extra)
    if handles:
        # A legend column is about as wide as its longest label; keep the whole on the page.
        longest = max(len(str(handle.get_label())) for handle in handles)
        fitting = max(1, int(figure.get_figwidth() / (0.06 * longest + 0.45)))
        figure.legend(
            handles=handles,
            loc="outside lower left",
            ncols=min(fitting, len(handles)),
            borderaxespad=0.2,
        )


def rows_down(axes: Axes, n: int, ticks: int | None = None, striped: bool = True) -> None:
    """`n` rows from the top down, the first at 0, every other one striped.

    ticks : at most so many steps across, where that matters.
    """
    for row in range(1, n, 2) if striped else ():
        axes.axhspan(row - 0.5, row + 0.5, color=STRIPE, linewidth=0, zorder=0)
    axes.set_ylim(n - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    if ticks is not None:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=ticks))


def numbers_beside(axes: Axes, row: int, texts: Iterable[str], offsets: Iterable[float]) -> None:
    """Write numbers at the right of a row, `offsets` points from the panel's edge."""
    for text, offset in zip(texts, offsets, strict=True):
        axes.annotate(
            text, (1, row), (offset, 0), xycoords=axes.get_yaxis_transform(),
            textcoords="offset points", ha="center", va="center", annotation_clip=False,
        )  # fmt: skip


def columns_beside(axes: Axes, names: Iterable[str], offsets: Iterable[float]) -> None:
    """Name the columns of `numbers_beside` below a panel."""
    for name, offset in zip(names, offsets, strict=True):
        axes.annotate(
            name, (1, 0), (offset, -5), xycoords="axes fraction", textcoords="offset points",
            ha="center", va="top", color=MUTED,
        )  # fmt: skip


def instead(axes: Axes, row: int, why: str) -> None:
    """Say in a row of a panel why it has no value."""
    axes.text(
        0.5, row, why, transform=axes.get_yaxis_transform(), ha="center", va="center", color=MUTED
    )


def name_models(axes: Axes, order: pd.DataFrame) -> None:
    """The names of models (columns `label`, `role`) beside their rows, coloured by role."""
    axes.set_yticks(range(len(order)), list(order["label"]))
    for label, role in zip(axes.get_yticklabels(), order["role"], strict=True):
        label.set_color(COLOUR[role] if role != "untrained" else MUTED)


def drawn(figure: Figure, handles: Iterable[Line2D]) -> list[Line2D]:
    """The legend handles whose label something in the panels bears."""
    labels = {
        str(artist.get_label())
        for axes in figure.axes
        for artist in (*axes.lines, *axes.collections)
    }
    return [handle for handle in handles if str(handle.get_label()) in labels]


def spaced(values: Sequence[float], gap: float) -> list[float]:
    """Positions near `values` that are at least `gap` apart, in the values' order."""
    order = sorted(range(len(values)), key=lambda i: values[i])
    moved = list(values)
    for before, after in itertools.pairwise(order):
        moved[after] = max(moved[after], moved[before] + gap)
    shift = sum(p - v for p, v in zip(moved, values, strict=True)) / max(len(moved), 1)
    return [value - shift for value in moved]
