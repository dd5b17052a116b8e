"""Every figure, drawn once in a test run and shared by the tests (not to be changed)."""

import functools
import warnings

import figure_tables as tables
import pandas as pd
from brainalign.figures.alignment import alignment
from brainalign.figures.behavior import behavior
from brainalign.figures.correlates import correlates
from brainalign.figures.dataset_page import dataset_page
from brainalign.figures.improvement import improvement
from brainalign.figures.layer_curves import layer_curves
from brainalign.figures.legacy_controlled import legacy_controlled
from brainalign.figures.published import published
from brainalign.figures.regions import regions
from brainalign.figures.style import drawing
from brainalign.figures.training import training
from matplotlib.figure import Figure

SIZES = {"small": tables.SMALL, "large": tables.LARGE}


def study(size: str) -> dict[str, pd.DataFrame]:
    return tables.study(SIZES[size])


FIGURES = {
    "layer_curves": lambda size: layer_curves(tables.layers(SIZES[size])),
    "alignment": lambda size: alignment(study(size)["scores"]),
    "legacy_controlled": lambda size: legacy_controlled(study(size)["scores"]),
    "improvement": lambda size: improvement(study(size)["contrasts"]),
    "correlates": lambda size: correlates(
        study(size)["scores"],
        study(size)["correlations"],
        study(size)["capabilities"],
        study(size)["behaviors"],
        study(size)["losses"],
    ),
    "behavior": lambda size: behavior(
        study(size)["behaviors"], study(size)["correlations"], study(size)["capabilities"]
    ),
    "published": lambda size: published(*tables.published()),
    "regions": lambda size: regions(
        tables.alignment(SIZES[size], ("LIFG", "LATL", "LPTL", "RATL")),
        tables.ceilings(("LIFG", "LATL", "LPTL", "RATL")),
        "stories-controlled",
        "controlled",
        True,
    ),
    "training": lambda size: training(*tables.training_logs(SIZES[size])),
    "dataset_page": lambda size: dataset_page(*tables.dataset()),
}


# Neither depends on the size of a study.
FIXED = ("published", "dataset_page")
CASES = [(name, size) for name in FIGURES for size in SIZES if size == "small" or name not in FIXED]


def drawn(name: str, size: str = "small") -> Figure:
    """A figure of a small or a large study, laid out in the study's style without any warning."""
    return _drawn(name, size)


@functools.cache
def _drawn(name: str, size: str) -> Figure:
    with drawing(), warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = FIGURES[name](size)
        figure.draw_without_rendering()
    return figure
