"""A page to explore a study in: hover over points for models and values, click names to hide them.

Plotly's script is part of the page, so that it needs no network.
"""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from brainalign.analysis.averages import AVERAGE, dataset_scores
from brainalign.analysis.predictors import LOSS, READ_LOSS, SIZE, predictors
from brainalign.analysis.records import MODES
from brainalign.figures.html import render
from brainalign.figures.order import each, model_order
from brainalign.figures.style import COLOUR, FEATURES, INK, MUTED

HEIGHT = 480  # pixels of a plot
SYMBOLS = dict(zip(MODES, ("circle-open", "circle"), strict=True))


def explore_page(study: str, tables: Mapping[str, pd.DataFrame]) -> str:
    """The page in HTML; it says so where a study has no brain alignment.

    Parameters
    ----------
    study : the study's name.
    tables : name → table of results/tables; `scores` and `layers`, and of `capabilities`,
        `behaviors` and `losses` those that the study has.
    """
    plots: list[tuple[str, go.Figure]] = []
    simulated = False
    if "scores" in tables and len(scores := _overall(tables["scores"])):
        facts = model_order(scores).set_index("model")
        simulated = bool(scores["simulated"].any())
        plots = [
            ("Alignment of every model", alignment(scores, facts)),
            ("Alignment by layer", layers(tables["layers"], facts)),
            ("Alignment and what may go with it", correlates(tables, facts)),
        ]
    drawn = [
        (title, plot.to_html(
            full_html=False, include_plotlyjs=number == 0, div_id=f"plot-{number}",
            config={"displaylogo": False, "responsive": True},
        ))
        for number, (title, plot) in enumerate(plots)
    ]  # fmt: skip
    return render("explore.html", study=study, simulated=simulated, plots=drawn)


def alignment(scores: pd.DataFrame, facts: pd.DataFrame) -> go.Figure:
    """r of every model on every benchmark, with its interval over units and the noise ceiling.

    Parameters
    ----------
    scores : rows of region `all` of tables/scores.csv.
    facts : `label`, `family`, `role` of every model, indexed by model, in the legend's order.
    """
    plot = _empty("Pearson r")
    for model, about in facts.iterrows():
        of_model = scores[scores["model"] == model]
        plot.add_scatter(
            x=of_model["benchmark"], y=of_model["r"], mode="markers", **_look(about),
            marker={"color": COLOUR[about["role"]], "size": 9},
            customdata=of_model[["low", "high", "ceiling", "layer"]].astype(object).fillna("–"),
            hovertemplate="%{x}: r = %{y:.3f}<br>95 % interval %{customdata[0]:.3f} to "
            "%{customdata[1]:.3f}<br>ceiling %{customdata[2]:.3f}, layer %{customdata[3]}",
        )  # fmt: skip
    return plot


def layers(table: pd.DataFrame, facts: pd.DataFrame) -> go.Figure:
    """r by relative depth, a benchmark at a time.

    `table` : tables/layers.csv. `facts` : `role`, `label` and `family`, indexed by model.
    """
    plot = _empty("Pearson r", "relative depth")
    names = table["benchmark"].unique().tolist()
    shown: list[str] = []
    for name in names:
        rows = table[(table["benchmark"] == name) & table["depth"].notna()]
        for model, about in facts[~facts["role"].isin(FEATURES)].iterrows():
            of_model = rows[(rows["model"] == model) & (rows["layer"] != "nested")]
            if of_model["r"].notna().any():
                plot.add_scatter(
                    x=of_model["depth"], y=of_model["r"], mode="lines+markers", **_look(about),
                    line={"color": COLOUR[about["role"]], "width": 1.5},
                    visible=name == names[0], text=of_model["layer"],
                    hovertemplate="%{text}: r = %{y:.3f}",
                )  # fmt: skip
                shown.append(name)
    return _chosen_by(plot, names, [[name == of for of in shown] for name in names])


def correlates(tables: Mapping[str, pd.DataFrame], facts: pd.DataFrame) -> go.Figure:
    """Alignment averaged over datasets against size, losses and accuracies, one at a time.

    Legacy scores are open circles, controlled ones filled. `tables` : `scores` and, if there are
    any, `capabilities`, `behaviors`, `losses`. `facts` : as of `layers`.
    """
    average = dataset_scores(tables["scores"])
    average = average[average["dataset"] == AVERAGE]
    sizes = tables["scores"].drop_duplicates("model").set_index("model")
    x, _ = predictors(sizes, *(tables.get(n) for n in ("capabilities", "behaviors", "losses")))
    names = [name for name in x.columns if x[name].notna().any()]
    plot = _empty("alignment (mean r)")
    shown: list[str] = []
    for name in names:
        values = x[name].reindex(facts.index).dropna()
        for value, (model, about) in zip(values, facts.loc[values.index].iterrows(), strict=True):
            of_model = average[(average["model"] == model) & average["r"].notna()]
            if len(of_model):
                plot.add_scatter(
                    x=[value] * len(of_model), y=of_model["r"], mode="markers",
                    **_look(about), visible=name == names[0], text=of_model["mode"],
                    marker={
                        "color": COLOUR[about["role"]], "size": 10,
                        "symbol": [SYMBOLS[row.mode] for row in each(of_model)],
                    },
                    hovertemplate="%{text}: r = %{y:.3f} at %{x:.4g}",
                )  # fmt: skip
                shown.append(name)
    choices = [[name == of for of in shown] for name in names]
    return _chosen_by(plot, list(map(_axis, names)), choices, axis=True)


def _overall(scores: pd.DataFrame) -> pd.DataFrame:
    return scores[(scores["region"] == "all") & scores["r"].notna()]


def _axis(name: str) -> str:
    """What the axis of a predictor is called."""
    if name.startswith(f"{LOSS} "):
        return f"bits per byte, {name.removeprefix(f'{LOSS} ')}"
    return {SIZE: "log10 parameters", READ_LOSS: "bits per word"}.get(name, f"accuracy, {name}")


def _look(row: Any) -> dict[str, Any]:
    """Name and group of a model's points: a family's models stand together in the legend."""
    group = "without a network" if row["role"] in FEATURES else str(row["family"])
    return {"name": str(row["label"]), "legendgroup": group, "legendgrouptitle": {"text": group}}


def _empty(y: str, x: str = "") -> go.Figure:
    return go.Figure(
        layout={
            "height": HEIGHT, "template": "plotly_white", "font": {"size": 12, "color": INK},
            "margin": {"l": 60, "r": 20, "t": 50, "b": 60}, "hovermode": "closest",
            "xaxis": {"title": {"text": x}, "zeroline": False},
            "yaxis": {"title": {"text": y}, "zerolinecolor": MUTED},
            "legend": {"groupclick": "toggleitem"},
        }
    )  # fmt: skip


def _chosen_by(
    plot: go.Figure, names: list[str], visible: list[list[bool]], axis: bool = False
) -> go.Figure:
    """The plot with a menu of which traces are shown; `axis`: the choice names the x axis, too."""
    if axis and names:
        plot.update_xaxes(title_text=names[0])
    buttons = [
        {
            "label": name, "method": "update",
            "args": [{"visible": shown}, {"xaxis.title.text": name} if axis else {}],
        }
        for name, shown in zip(names, visible, strict=True)
    ]  # fmt: skip
    if len(buttons) > 1:
        menu = {"buttons": buttons, "x": 0, "xanchor": "left", "y": 1.02, "yanchor": "bottom"}
        plot.update_layout(updatemenus=[menu])
    return plot
