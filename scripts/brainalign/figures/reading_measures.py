"""Fit of every model to every kind of reading time: datasets and measures beside each other."""

from textwrap import fill

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from brainalign.analysis.wording import counted
from brainalign.behavior.fits import GAIN
from brainalign.figures.order import MODEL_COLUMNS, model_order
from brainalign.figures.paging import WHOLE, Page
from brainalign.figures.style import PAGE, absent, heading, panel, sheet, world

COLUMNS = (*MODEL_COLUMNS, "label", "dataset", "mode", "measure", "value", "low", "simulated")
ROW = 0.15  # inches per model
WIDTH = 15  # characters of a line of a column's name


def reading_measures(behaviors: pd.DataFrame, page: Page = WHOLE) -> Figure:
    """Draw controlled `behaviors` (tables/behaviors.csv): a row per model, a column per dataset.

    A page has the datasets that its models are scored on.

    A cell's number is the gain in held-out log-likelihood (1,000 × nats per word), bold where its
    interval lies above 0; its colour is the share of the column's highest gain.
    """
    rows = behaviors[(behaviors["mode"] == "controlled") & (behaviors["measure"] == GAIN)]
    networks = model_order(rows)
    order = page.rows(networks)
    figure = sheet(PAGE, 1.1 + ROW * max(len(order), 4), bool(behaviors["simulated"].any()))
    heading(figure, page.title("Fit to reading times: models × measures (1,000 × nats per word)"))
    axes = figure.subplots()
    if rows.empty:
        absent(axes, "no benchmark of reading times is controlled")
        return figure
    known = rows[rows["value"].notna() & rows["model"].isin(order["model"])]
    datasets = list(dict.fromkeys(known["dataset"]))
    if not datasets:
        absent(axes, "no model of this page has a score on reading times")
        return figure

    def table(column: str) -> pd.DataFrame:
        wide = rows.pivot_table(index="model", columns="dataset", values=column)
        return wide.reindex(columns=datasets)

    highest = 1000 * table("value").max()
    gain, low = (table(column).reindex(order["model"]) for column in ("value", "low"))
    gain = 1000 * gain
    # A column in which no model gains is white, and its numbers stand.
    share = (gain.clip(lower=0) / highest.where(highest > 0)).fillna(0.0).where(gain.notna())
    sns.heatmap(
        share, ax=axes, annot=gain.map(_text), fmt="", cmap="Blues", vmin=0, vmax=1.6, cbar=False,
        linewidths=0.5, annot_kws={"fontsize": 7},
        yticklabels=order["label"], xticklabels=[fill(name, WIDTH) for name in datasets],
    )  # fmt: skip
    above = low.to_numpy() > 0
    drawn = iter(axes.texts)  # seaborn writes the cells that have a value, row by row
    for index in zip(*np.nonzero(share.notna().to_numpy()), strict=True):
        next(drawn).set_fontweight("bold" if above[index] else "normal")
    axes.set(xlabel="", ylabel="")
    about = [f"N = {counted(len(networks), 'model')}", *world(rows)]
    panel(axes, "Δ log-likelihood", f"controlled, {', '.join(about)}")
    axes.tick_params(length=0)
    return figure


def _text(gain: float) -> str:
    return "" if np.isnan(gain) else f"{gain:.1f}".replace("-", "−")
