"""Curves of alignment over the layers of a model."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from brainalign.figures.order import each
from brainalign.figures.style import COLOUR, FEATURES, INK, LINE, marker, spaced

FEW = 6  # up to so many networks, the spread over folds is drawn as a band
MANY = 16  # from so many on, single curves are faint and a role's median is drawn over them
PICKED = (
    Line2D([], [], color=INK, marker="*", linestyle="none", label="layer picked (best r)"),
    Line2D([], [], color=INK, marker="_", linestyle="none", label="picked in inner folds"),
)
SPREAD = (
    Line2D([], [], color=INK, alpha=0.15, linewidth=5, label="±1 SD over folds"),
    Line2D([], [], color=INK, alpha=0.4, marker="|", linestyle="none", label="±1 SD over subjects"),
)


def curves(axes: Axes, rows: pd.DataFrame, markers: dict[str, str]) -> None:
    """Draw r against depth for the models of one benchmark (or of one region of it).

    `rows` has a row per model and layer, with `model`, `family`, `role`, `layer`, `depth`, `r`,
    `r_sd`, `chosen`.
    """
    networks = rows[~rows["role"].isin(FEATURES)]
    count = networks["model"].nunique()
    for _, model in networks.groupby("model", sort=False):
        shape = marker(model.iloc[0], markers)
        network(axes, model, shape, band=count <= FEW, faint=count >= MANY)
    if count >= MANY:
        _medians(axes, networks)
    axes.axhline(0, color=INK, linewidth=0.5, zorder=0)
    axes.set_xlim(-0.03, 1.1)
    axes.set_xticks([0, 0.5, 1])
    _baselines(axes, rows[rows["role"].isin(FEATURES)])


def network(
    axes: Axes, model: pd.DataFrame, shape: str, band: bool = False, faint: bool = False
) -> None:
    """The curve of one network with a marker per layer, and the layer that the benchmark picks.

    `band` adds ±1 SD over folds, and a bar at every layer of ±1 SD over subjects where `model` has
    it (`r_sd_subjects`); `faint` curves are one of many and have no markers.
    """
    role = str(model["role"].iloc[0])
    colour = COLOUR[role]
    depth, r, spread = (model[name].to_numpy(float) for name in ("depth", "r", "r_sd"))
    layers, chosen = model["layer"].to_numpy(str), model["chosen"].to_numpy(bool)
    nested = layers == "nested"  # of no one layer: each fold has its own
    curve = ~nested & ~np.isnan(depth) & ~np.isnan(r)
    stacks = np.array([stack_of(layer) for layer in layers])
    for stack in dict.fromkeys(stacks[curve]):
        at = np.flatnonzero(curve & (stacks == stack))
        at = at[np.argsort(depth[at])]
        if band:
            sd = np.nan_to_num(spread[at])
            known = bool(np.isfinite(spread[at]).any())
            axes.fill_between(
                depth[at], r[at] - sd, r[at] + sd, color=colour, alpha=0.12, linewidth=0,
                label=str(SPREAD[0].get_label()) if known else None,
            )  # fmt: skip
            if "r_sd_subjects" in model and model["r_sd_subjects"].notna().any():
                sd = model["r_sd_subjects"].to_numpy(float)[at]
                axes.vlines(
                    depth[at], r[at] - sd, r[at] + sd, color=colour, alpha=0.4, linewidth=0.5,
                    label=str(SPREAD[1].get_label()),
                )  # fmt: skip
        axes.plot(
            depth[at], r[at], color=colour, linestyle=LINE[role],
            linewidth=0.5 if faint else 1, alpha=0.3 if faint else 0.85,
            marker="" if faint else shape, markersize=2.8, markeredgewidth=0,
        )  # fmt: skip
    picked = curve & chosen
    if picked.any():
        axes.plot(
            depth[picked], r[picked], color=colour, marker="*", linestyle="none",
            markersize=4.5 if faint else 7, alpha=0.6 if faint else 1,
            label=str(PICKED[0].get_label()),
            markeredgecolor="white", markeredgewidth=0 if faint else 0.5, zorder=4,
        )  # fmt: skip
    for value in r[nested & chosen & ~np.isnan(r)]:
        axes.plot(
            1.06, value, color=colour, marker="_", markersize=7, label=str(PICKED[1].get_label()),
            markeredgewidth=0.8 if faint else 1.4, alpha=0.6 if faint else 1, zorder=4,
        )  # fmt: skip


def stack_of(layer: str) -> str:
    """`encoder` or `decoder` of a layer of an encoder-decoder model, else nothing."""
    stack, dot, _ = layer.partition(".")
    return stack if dot and stack in ("encoder", "decoder") else ""


def _medians(axes: Axes, networks: pd.DataFrame) -> None:
    """The median curve of every role, from the models' curves interpolated at equal depths."""
    depths = np.linspace(0, 1, 21)
    known = networks.dropna(subset=["depth", "r"]).sort_values("depth")
    for role, group in known.groupby("role"):
        depth, r = group["depth"].to_numpy(float), group["r"].to_numpy(float)
        models = group.groupby("model").indices.values()
        curves = [np.interp(depths, depth[points], r[points]) for points in models]
        axes.plot(
            depths, np.median(curves, axis=0),
            color=COLOUR[str(role)], linestyle=LINE[str(role)], linewidth=2, zorder=3,
        )  # fmt: skip


def _baselines(axes: Axes, baselines: pd.DataFrame) -> None:
    """Baselines have no layers: a named line at each one's picked score."""
    picked = baselines[baselines["chosen"].astype(bool)].dropna(subset=["r"])
    low, high = axes.get_ylim()
    for row in each(picked):
        axes.axhline(
            row.r, color=COLOUR[row.role], linestyle=LINE[row.role], linewidth=0.9, zorder=1
        )
        low, high = min(low, row.r), max(high, row.r)
    margin = 0.04 * (high - low)
    axes.set_ylim(low - margin, high + margin)
    heights = spaced(list(picked["r"]), 0.085 * (axes.get_ylim()[1] - axes.get_ylim()[0]))
    for row, height in zip(each(picked), heights, strict=True):
        axes.text(
            1.115, height, row.model, color=COLOUR[row.role], va="center", clip_on=False
        )  # at the right margin
