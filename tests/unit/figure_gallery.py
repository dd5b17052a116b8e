"""Every figure, drawn once in a test run and shared by the tests (not to be changed)."""

import functools
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import figure_tables as tables
import pandas as pd
from brainalign.figures.alignment import alignment
from brainalign.figures.baselines import baselines
from brainalign.figures.behavior import behavior
from brainalign.figures.correlates import correlates
from brainalign.figures.dataset_page import dataset_page
from brainalign.figures.improvement import improvement
from brainalign.figures.layer_curves import layer_curves
from brainalign.figures.legacy_controlled import legacy_controlled
from brainalign.figures.losses import losses
from brainalign.figures.measured_published import measured_published
from brainalign.figures.mixed_effects import mixed_effects
from brainalign.figures.presentations import presentations
from brainalign.figures.profiles import profiles
from brainalign.figures.published import published
from brainalign.figures.published_fits import published_fits
from brainalign.figures.reading_loss import reading_loss
from brainalign.figures.reading_measures import reading_measures
from brainalign.figures.reading_profiles import reading_profiles
from brainalign.figures.regions import regions
from brainalign.figures.style import drawing
from brainalign.figures.target_contrasts import target_contrasts
from brainalign.figures.text_controls import text_controls
from brainalign.figures.training import training
from brainalign.figures.trajectory import trajectory
from matplotlib.figure import Figure

SIZES = {"small": tables.SMALL, "large": tables.LARGE}


def study(size: str) -> dict[str, pd.DataFrame]:
    return tables.study(SIZES[size])


def of(name: str, size: str) -> list[pd.DataFrame]:
    """The table of a name and the scores of the same study."""
    return [study(size)[name], study(size)["scores"]]


FIGURES = {
    "layer_curves": lambda size: layer_curves(*of("layers", size)),
    "profiles": lambda size: profiles(*of("profiles", size)),
    "baselines": lambda size: baselines(*of("baselines", size)),
    "mixed_effects": lambda size: mixed_effects(study(size)["mixed_effects"]),
    "losses": lambda size: losses(study(size)["losses"]),
    "measured_published": lambda _: measured_published(tables.measured()),
    "trajectory": lambda size: trajectory(
        tables.trajectory(experiments=("arms",) if size == "small" else ("one", "two")),
        study("small")["scores"],
    ),
    "alignment": lambda size: alignment(study(size)["scores"]),
    "legacy_controlled": lambda size: legacy_controlled(study(size)["scores"]),
    "improvement": lambda size: improvement(*of("contrasts", size)),
    "correlates": lambda size: correlates(
        study(size)["scores"],
        study(size)["correlations"],
        study(size)["capabilities"],
        study(size)["behaviors"],
        study(size)["losses"],
    ),
    "behavior": lambda size: behavior(
        study(size)["behaviors"],
        study(size)["correlations"],
        study(size)["capabilities"],
        study(size)["losses"],
    ),
    "reading_loss": lambda size: reading_loss(
        study(size)["behaviors"], study(size)["reading_loss"]
    ),
    "presentations": lambda size: presentations(study(size)["presentations"]),
    "target_contrasts": lambda size: target_contrasts(
        tables.target_contrasts(5 if size == "small" else 100),
        {
            "tuned": "sim-gpt-a-tuned-1",
            "vanilla": "sim-gpt-a",
            "benchmark": "stories-controlled",
            "mode": "controlled",
            "simulated": True,
        },
        0.05,
    ),
    "text_controls": lambda size: text_controls(study(size)["text_controls"]),
    "reading_profiles": lambda size: reading_profiles(study(size)["reading_profiles"]),
    "reading_measures": lambda size: reading_measures(study(size)["behaviors"]),
    "published": lambda size: published(*tables.published()),
    "published_fits": lambda _: published_fits(tables.fits()),
    "regions": lambda size: regions(
        tables.alignment(SIZES[size], ("LIFG", "LATL", "LPTL", "RATL")),
        tables.ceilings(("LIFG", "LATL", "LPTL", "RATL")),
        "stories-controlled",
        "controlled",
    ),
    "training": lambda size: training(*tables.training_logs(SIZES[size])),
    "dataset_page": lambda size: dataset_page(*tables.dataset()),
}


# None depends on the size of a study.
FIXED = ("published", "dataset_page", "measured_published", "published_fits")
CASES = [(name, size) for name in FIGURES for size in SIZES if size == "small" or name not in FIXED]


@contextmanager
def strictly_drawing() -> Iterator[None]:
    """The study's style, warnings as errors."""
    with drawing(), warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def drawn(name: str, size: str = "small") -> Figure:
    """A figure of a small or a large study, laid out in the study's style without any warning."""
    return _drawn(name, size)


@functools.cache
def _drawn(name: str, size: str) -> Figure:
    with strictly_drawing():
        figure = FIGURES[name](size)
        figure.draw_without_rendering()
    return figure
