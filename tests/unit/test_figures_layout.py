"""Every figure can be read: no text over another, none cut off, none below 7 points."""

import re

import figure_tables as tables
import pytest
from brainalign.figures.alignment import alignment
from brainalign.figures.style import COLUMN, PAGE, drawing
from figure_checks import collisions, cut_off, panels, said, words
from figure_gallery import CASES, drawn


@pytest.fixture(params=CASES, ids="-".join)
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


# What a panel rests on without a mode: the loss of a training, the responses of a dataset.
WITHOUT_MODE = ("Training loss", "Distribution", "Missing values", "Autocorrelation",
                "Inter-subject correlation")  # fmt: skip


def test_every_panel_states_n_and_mode(figure):
    if "Published fits" in said(figure):  # of models' releases: they know no modes
        return
    stated = panels(figure)
    assert stated
    for title, text in stated:
        assert "N = " in text or "not computable" in text, (title, text)
        if title not in WITHOUT_MODE:
            assert re.search("legacy|controlled|the same in both modes", text), (title, text)


def test_simulated_data_are_marked_and_real_data_are_not(figure):
    marked = "SIMULATED DATA" in said(figure)
    real = ("Published tables", "Measured here beside published", "Published fits")
    assert marked == (not any(title in said(figure) for title in real))


def test_real_study_is_not_marked_simulated():
    with drawing():
        figure = alignment(tables.scores(datasets=("passages",), simulated=False))
        figure.draw_without_rendering()
        assert "simulated" not in said(figure).lower()
