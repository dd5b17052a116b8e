"""How well surprisal fits reading times: by model, and against size and knowledge."""

from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from brainalign.analysis.predictors import LOSS, SIZE, correlations_with, predictors
from brainalign.analysis.records import TRAINED
from brainalign.behavior.fits import AT_AXIS, READ_LOSS, READING
from brainalign.behavior.reliability import AT_LEAST
from brainalign.figures.ceilings import CEILING, ceiling_line, ceiling_text, exceeded
from brainalign.figures.order import MODEL_COLUMNS, each, mode_order, model_order
from brainalign.figures.paging import ONE_PAGE, Page
from brainalign.figures.scatter import GROUPS, name_extremes, scatter, stated
from brainalign.figures.spans import measure_of, widen
from brainalign.figures.style import (
    COLOUR,
    FEATURES,
    INK,
    MUTED,
    PAGE,
    absent,
    drawn,
    family_markers,
    heading,
    instead,
    legend,
    level,
    level_handles,
    marker,
    nothing,
    panel,
    rows_down,
    sheet,
    world,
)

BEHAVIOR_COLUMNS = (
    *MODEL_COLUMNS, "dataset", "benchmark", "mode", "measure", "value", "low", "high", "n",
    "ceiling", "ceiling_method", "simulated",
)  # fmt: skip
ROW = 0.145  # inches per model
BELOW = 2.0  # inches per row of scatter panels
FEWEST = 3  # trained models for a correlation
ACROSS = 3  # panels side by side; of scatters: size, next-word loss, knowledge
INTERVAL = Line2D(
    [], [], color=MUTED, linewidth=1.1, label="95 % interval over stories (and readers)"
)


def behavior(
    behaviors: pd.DataFrame,
    correlations: pd.DataFrame,
    capabilities: pd.DataFrame | None = None,
    losses: pd.DataFrame | None = None,
    page: Page = ONE_PAGE,
) -> Figure:
    """Draw `behaviors` (tables/behaviors.csv), a column of models per benchmark.

    A page has the benchmarks that its models are scored on. Scatter panels are of benchmarks with
    a score of three trained models or more.
    Legacy benchmarks show the paper's |r|, controlled ones what surprisal adds to the held-out
    log-likelihood of a model with length, frequency, position and the previous words. r, p and N of
    the scatter panels are those of `correlations`; next-word loss is that of the first text of
    `losses`, without that table the mean surprisal of what readers read.
    """
    shown = behaviors[behaviors["measure"] == behaviors["mode"].map(READING)]
    order = model_order(behaviors)
    bands = _bands(shown, page.rows(order))
    related = [name for names, _ in bands for name in names if _is_related(shown, name)]
    heights = [0.75 + ROW * max(len(members), 4) for _, members in bands]
    heights += [BELOW * len(related)] * bool(related)
    figure = sheet(PAGE, 0.9 + (sum(heights) or BELOW), bool(behaviors["simulated"].any()))
    heading(figure, page.title("Behavioural alignment: surprisal and reading times"))
    if not bands:
        whose = "no model of this page" if page.of > 1 else "no model"
        nothing(figure, f"{whose} has a score on reading times")
        return figure
    markers = family_markers(behaviors)
    outer = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    for index, (names, members) in enumerate(bands):
        upper = outer[index].subgridspec(1, len(names)).subplots(squeeze=False)[0]
        for axes, name in zip(upper, names, strict=True):
            part = shown[shown["benchmark"] == name]
            _models(axes, part, members, markers, 44 if len(names) < ACROSS else 30)
            page.span(axes, part[["value", "low", "high"]])
        for axes in upper[1:]:
            axes.set_yticklabels([])
    if related:
        facts = behaviors.drop_duplicates("model").set_index("model")
        labels = dict(zip(order["model"], order["label"], strict=True))
        x, capability = predictors(facts, capabilities, behaviors, losses)
        columns = {"Size": SIZE, "Next-word loss": _loss(x), "Knowledge": _task(capability)}
        lower = outer[len(bands)].subgridspec(len(related), ACROSS)
        for name, row in zip(related, lower.subplots(squeeze=False, sharey="row"), strict=True):
            part = shown[shown["benchmark"] == name]
            for axes, (title, column) in zip(row, columns.items(), strict=True):
                _against(axes, part, x, title, column, correlations, markers, labels)
            row[0].set_ylabel(AT_AXIS[part["measure"].iloc[0]])
    extra = drawn(figure, [INTERVAL, CEILING])
    extra += exceeded(shown.assign(kind="reliability"), "value", "kind")
    extra += drawn(figure, level_handles({}, untrained=True))
    named = pd.concat([members for _, members in bands])
    if related:  # scatter panels are of the models of all pages
        part = shown[shown["benchmark"].isin(related) & shown["value"].notna()]
        named = order[order["model"].isin([*named["model"], *part["model"]])]
    families = set(named["family"])
    shapes = {family: shape for family, shape in markers.items() if family in families}
    legend(figure, list(named["role"].unique()), shapes, extra)
    return figure


def _bands(shown: pd.DataFrame, rows: pd.DataFrame) -> list[tuple[list[str], pd.DataFrame]]:
    """Benchmarks side by side that share models, and those of `rows` that any of them scores.

    Legacy ones first; benchmarks without a score of any of these models are left out.
    """
    known = shown[shown["value"].notna() & shown["model"].isin(rows["model"])]
    scored = {
        str(name): set(part["model"])
        for mode in mode_order(known["mode"])
        for name, part in known[known["mode"] == mode].groupby("benchmark", sort=False)
    }
    alike: list[list[str]] = []
    for name, models in scored.items():
        if not alike or not models & scored[alike[-1][-1]]:
            alike.append([])
        alike[-1].append(name)
    bands = [
        [names[i] for i in part]
        for names in alike
        for part in np.array_split(range(len(names)), -(-len(names) // ACROSS))
    ]
    members = [set().union(*(scored[name] for name in names)) for names in bands]
    return [
        (names, rows[rows["model"].isin(models)].reset_index(drop=True))
        for names, models in zip(bands, members, strict=True)
    ]


def _is_related(shown: pd.DataFrame, benchmark: str) -> bool:
    """Whether enough trained models have a score for a correlation with it."""
    part = shown[(shown["benchmark"] == benchmark) & shown["role"].isin(TRAINED)]
    return bool(part["value"].notna().sum() >= FEWEST)


def _task(capability: list[str]) -> str | None:
    """The task of world knowledge: the one named MMLU, else the first."""
    tasks = [name for name in capability if " " not in name]
    return next((name for name in tasks if "mmlu" in name.lower()), next(iter(tasks), None))


def _loss(x: pd.DataFrame) -> str | None:
    """The column of next-word losses: of the first running text, else of what readers read."""
    texts = [name for name in x.columns if name.startswith(f"{LOSS} ")]
    return next(iter([*texts, *({READ_LOSS} & set(x.columns))]), None)


def _models(
    axes: Axes, part: pd.DataFrame, order: pd.DataFrame, markers: dict[str, str], width: int
) -> None:
    """A dot and its interval per model."""
    mode = part["mode"].iloc[0]
    lines = ", ".join([mode, *world(part), f"N = {_words(part)} words"])
    has_ceiling = part["ceiling"].notna().any()
    measure = str(part["measure"].iloc[0])
    if has_ceiling:
        is_bound = part["ceiling_method"].astype(str).str.startswith(AT_LEAST).any()
        bound = f"{AT_LEAST} " if is_bound else ""
        ceiling = float(part["ceiling"].max())
        lines += f"\nnoise ceiling of this mode: {bound}{ceiling_text(ceiling)}"
        ceiling_line(axes, ceiling, upright=True)
    else:
        lines += "\n0: the covariates alone" if "delta" in measure else "\nnoise ceiling: none"
    panel(axes, fill(str(part["dataset"].iloc[0]), width - 4), lines, width=width)
    rows = part.set_index("model")
    axes.axvline(0, color=INK, linewidth=0.5, zorder=0.5)
    for row, model in enumerate(each(order)):
        fit = rows.loc[model.model] if model.model in rows.index else None
        if fit is None or pd.isna(fit["value"]):
            instead(axes, row, "no score")
            continue
        colour = COLOUR[str(model.role)]
        if pd.notna(fit["low"]):
            axes.hlines(
                row, fit["low"], fit["high"], color=colour, linewidth=1.1,
                label=str(INTERVAL.get_label()),
            )  # fmt: skip
        axes.plot(fit["value"], row, marker(model, markers), color=colour, markersize=4)
    rows_down(axes, len(order), ticks=3 if width < 44 else 4)
    axes.set_yticks(range(len(order)), list(order["label"]))
    axes.set_xlabel(AT_AXIS[measure])


def _words(part: pd.DataFrame) -> str:
    """The number of words behind the scores of networks, least to most where models differ."""
    networks = part[~part["role"].isin(FEATURES) & part["value"].notna()]
    n = (networks if len(networks) else part)["n"]
    ends = dict.fromkeys(f"{end:.0f}" for end in (n.min(), n.max()))
    return "–".join(ends)


def _against(
    axes: Axes,
    part: pd.DataFrame,
    x: pd.DataFrame,
    title: str,
    column: str | None,
    correlations: pd.DataFrame,
    markers: dict[str, str],
    labels: dict[str, str],
) -> None:
    """The same values against one property of the models; untrained models are a level where they
    lack it."""
    if column is None:
        why = "capability task" if title == "Knowledge" else "text with a next-word loss"
        panel(axes, title)
        absent(axes, f"the study has no {why}", 22)
        return
    mode, measure = part["mode"].iloc[0], part["measure"].iloc[0]
    simulated = bool(part["simulated"].iloc[0])
    y = f"reading {part['dataset'].iloc[0]} {measure}"
    rows = correlations_with(correlations, y, mode, simulated)
    lines = [f"{mode}{', simulated' * simulated}"]
    lines += [stated(rows, column, models) for models in GROUPS]
    panel(axes, f"{column if title == 'Knowledge' else title}: Pearson r", "\n".join(lines))
    points = part.join(x[[column]], on="model").dropna(subset=["value"])
    points = points.assign(label=points["model"].map(labels))
    present = points.dropna(subset=[column])
    if present.empty:
        absent(axes, f"no model has both values ({title.lower()})", 22)
        return
    tuned = present["role"] == "tuned"
    scatter(axes, present[~tuned], column, "value", markers, line=False)
    scatter(axes, present[tuned], column, "value", markers)
    name_extremes(axes, present, column, "value")
    widen(axes, measure_of(column), "x")
    widen(axes, str(measure))
    untrained = points["role"] == "untrained"
    if untrained.any() and not points.loc[untrained, column].notna().any():
        level(axes, points.loc[untrained, "value"].mean(), "untrained", width=1.2)
    axes.set_xlabel(_axis(column))


def _axis(column: str) -> str:
    """Unit of an x, and the text that a loss is of."""
    if column.startswith(f"{LOSS} "):
        return f"bits per byte, {column.removeprefix(f'{LOSS} ')}"
    return {SIZE: "log10 parameters", READ_LOSS: "bits per word read"}.get(column, "accuracy")
