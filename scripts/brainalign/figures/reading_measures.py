"""Fit of every model to every kind of reading time: datasets and measures beside each other."""

from textwrap import fill

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from brainalign.behavior.fits import GAIN
from brainalign.figures.order import MODEL_COLUMNS, model_order
from brainalign.figures.paging import ONE_PAGE, Page
from brainalign.figures.style import PAGE, heading, n_models, nothing, panel, sheet, world

COLUMNS = (*MODEL_COLUMNS, "label", "dataset", "mode", "measure", "value", "low", "high",
           "simulated")  # fmt: skip
ROW = 0.15  # inches per model
WIDTH = 15  # characters of a line of a column's name
PALE = 0.3  # share of its colour that a cell has whose interval contains 0
CELL, WIDEST = 1.1, 5.5  # inches: a column at most, and all columns


def reading_measures(behaviors: pd.DataFrame, page: Page = ONE_PAGE) -> Figure:
    """Draw controlled `behaviors` (tables/behaviors.csv): a row per model, a column per dataset.

    A page has the datasets that its models are scored on.

    A cell's number is the gain in held-out log-likelihood (1,000 × nats per word), bold where its
    interval lies above 0. Its colour: blue a gain, red a loss, as a share of the column's highest
    gain (no loss is darker than that gain); 0 is white. Where the interval contains 0, the colour
    is pale.
    """
    rows = behaviors[(behaviors["mode"] == "controlled") & (behaviors["measure"] == GAIN)]
    order = page.rows(model_order(rows))
    figure = sheet(PAGE, 1.1 + ROW * max(len(order), 4), bool(behaviors["simulated"].any()))
    heading(figure, page.title("Fit to reading times, 1,000 × nats per word"))
    if rows.empty:
        nothing(figure, "no benchmark of reading times is controlled")
        return figure
    known = rows[rows["value"].notna() & rows["model"].isin(order["model"])]
    datasets = list(dict.fromkeys(known["dataset"]))
    if not datasets:
        nothing(figure, "no model of this page has a score on reading times")
        return figure
    filled = min(len(datasets) * CELL, WIDEST)
    axes = figure.add_subplot(
        figure.add_gridspec(1, 2, width_ratios=[filled, WIDEST - filled + 1e-3])[0]
    )

    def table(column: str) -> pd.DataFrame:
        wide = rows.pivot_table(index="model", columns="dataset", values=column)
        return wide.reindex(columns=datasets)

    values = 1000 * table("value")
    # Where no model gains, the largest loss gives the scale.
    highest = values.max().where(values.max() > 0, values.abs().max())
    gain, low, high = (table(column).reindex(order["model"]) for column in ("value", "low", "high"))
    gain = 1000 * gain
    share = (gain / highest.where(highest > 0)).clip(lower=-1).fillna(0.0).where(gain.notna())
    share = share.mask((low <= 0) & (high >= 0), PALE * share)
    sns.heatmap(
        share, ax=axes, annot=gain.map(_text), fmt="", cmap="RdBu", vmin=-1.6, vmax=1.6, cbar=False,
        linewidths=0.5, annot_kws={"fontsize": 7},
        yticklabels=order["label"], xticklabels=[fill(name, WIDTH) for name in datasets],
    )  # fmt: skip
    above = low.to_numpy() > 0
    drawn = iter(axes.texts)  # seaborn writes the cells that have a value, row by row
    for index in zip(*np.nonzero(share.notna().to_numpy()), strict=True):
        next(drawn).set_fontweight("bold" if above[index] else "normal")
    axes.set(xlabel="", ylabel="")
    about = [n_models(rows), *world(rows)]
    if ((low <= 0) & (high >= 0)).to_numpy().any():
        about.append("pale: interval contains 0")
    panel(axes, "Δ log-likelihood", f"controlled, {', '.join(about)}")
    axes.tick_params(length=0)
    axes.tick_params(axis="y", rotation=0)
    return figure


def _text(gain: float) -> str:
    return "" if np.isnan(gain) else f"{gain:.1f}".replace("-", "−")
