"""Every figure can be read: no text over another, none cut off, none below 7 points."""

import functools
import warnings

import figure_tables as tables
import matplotlib as mpl
import pytest
from brainalign.figures.alignment import alignment
from brainalign.figures.behavior import behavior
from brainalign.figures.correlates import correlates
from brainalign.figures.dataset_page import dataset_page
from brainalign.figures.improvement import improvement
from brainalign.figures.layer_curves import layer_curves
from brainalign.figures.legacy_controlled import legacy_controlled
from brainalign.figures.published import published
from brainalign.figures.regions import regions
from brainalign.figures.style import COLUMN, PAGE, drawing
from brainalign.figures.training import training
from figure_checks import collisions, cut_off, said, words

SIZES = {"small": tables.SMALL, "large": tables.LARGE}


def study(size):
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


@functools.cache
def drawn(name, size):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = FIGURES[name](size)
        figure.draw_without_rendering()
    return figure


@pytest.fixture(params=[(name, size) for name in FIGURES for size in SIZES], ids="-".join)
def figure(request):
    with drawing():
        yield drawn(*request.param)


def test_no_text_covers_another(figure):
    assert collisions(figure) == []


def test_no_text_leaves_the_sheet(figure):
    assert cut_off(figure) == []


def test_print_is_large_enough_at_its_printed_width(figure):
    assert figure.get_figwidth() in (COLUMN, PAGE)
    assert min(text.get_fontsize() for text in words(figure)) >= 7


def test_every_panel_states_n_and_mode(figure):
    lines = said(figure)
    assert "N = " in lines
    if "Dataset" not in lines and "instruction tuning" not in lines:
        assert "legacy" in lines or "controlled" in lines


def test_simulated_data_are_marked_and_real_data_are_not(figure):
    marked = "SIMULATED DATA" in said(figure)
    assert marked == ("Published tables" not in said(figure))


def test_svg_keeps_text_as_text():
    with drawing():
        assert mpl.rcParams["svg.fonttype"] == "none"


def test_real_study_is_not_marked_simulated():
    with drawing():
        figure = alignment(tables.scores(simulated=False))
        figure.draw_without_rendering()
        assert "simulated" not in said(figure).lower()
