"""Figures say what cannot be computed; parts of figures."""

import figure_tables as tables
import numpy as np
import pandas as pd
import pytest
from brainalign.analysis.baselines import against_baselines
from brainalign.analysis.correlations import correlations
from brainalign.analysis.mixed_effects import mixed_effects as mixed_table
from brainalign.analysis.wording import p_text, r_text
from brainalign.figures import regions as regions_module
from brainalign.figures.alignment import alignment
from brainalign.figures.baselines import baselines
from brainalign.figures.behavior import behavior
from brainalign.figures.correlates import correlates
from brainalign.figures.improvement import improvement
from brainalign.figures.layer_curves import layer_curves
from brainalign.figures.legacy_controlled import legacy_controlled
from brainalign.figures.losses import losses
from brainalign.figures.mixed_effects import mixed_effects
from brainalign.figures.profiles import profiles
from brainalign.figures.regions import regions
from brainalign.figures.style import (
    FAMILY_MARKERS,
    family_markers,
    spaced,
)
from brainalign.figures.training import training
from figure_checks import collisions, texts
from figure_gallery import strictly_drawing
from hypothesis import given
from hypothesis import strategies as st


@pytest.fixture(autouse=True)
def style():
    with strictly_drawing():
        yield


# Bad input: one model, no pairs, one family, no answers, ties, constants, gaps -------------------


def small_study(keep=None, change=None):
    """A study of which a part is left out or changed, analysed like any other."""
    datasets = ("passages", "stories") if change is gaps else ("stories",)
    made = {
        "scores": tables.scores(datasets=datasets),
        "behaviors": tables.behaviors(),
        "capabilities": tables.capabilities(),
    }
    if change:
        made = change(made)
    if keep:
        made = {name: table[keep(table)] for name, table in made.items()}
    return made | tables.analysed(made)


def figures_of_scores(study):
    full = study["scores"]
    against = against_baselines(full, tables.subjects(full))
    return {
        "baselines": baselines(against, full),
        "mixed_effects": mixed_effects(mixed_table(full, tables.subjects(full))),
        "alignment": alignment(study["scores"]),
        "legacy_controlled": legacy_controlled(study["scores"]),
        "improvement": improvement(study["contrasts"], study["scores"]),
        "correlates": correlates(
            study["scores"], study["correlations"], study["capabilities"], study["behaviors"]
        ),
    }


def one_model(table):
    return table["model"] == "sim-gpt-a"


def no_tuned(table):
    return table["role"] != "tuned"


def one_family(table):
    return table["family"] == "sim-gpt"


def constant(made):
    return made | {"scores": made["scores"].assign(r=0.2)}


def gaps(made):
    scores = made["scores"]
    absent = (scores["model"] == "sim-gpt-b-tuned-1") & (scores["dataset"] == "stories")
    undefined = (scores["model"] == "sim-gpt-c") & (scores["mode"] == "legacy")
    return made | {"scores": scores[~absent].assign(r=scores["r"].where(~undefined))}


@pytest.mark.long
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"keep": one_model}, {"improvement": "not computable", "correlates": "not computable"}),
        ({"keep": no_tuned}, {"improvement": "not computable", "correlates": "not computable"}),
        ({"keep": one_family}, {}),
        ({"change": constant}, {"correlates": "not computable", "legacy_controlled": "constant"}),
        ({"change": gaps}, {"alignment": "no score", "legacy_controlled": "no score"}),
    ],
    ids=["one model", "no pairs", "one family", "constant scores", "missing benchmark"],
)
def test_what_cannot_be_computed_is_said_in_its_panel(arguments, expected):
    study = small_study(**arguments)
    figures = figures_of_scores(study)
    keep = arguments.get("keep")
    if keep:  # a change of scores leaves these as they are
        layers = tables.layers(datasets=("stories",))
        figures["layers"] = layer_curves(layers[keep(layers)], study["scores"])
        figures["behavior"] = behavior(
            study["behaviors"], study["correlations"], study["capabilities"]
        )
    lines = {name: texts(figure) for name, figure in figures.items()}
    for name, words in expected.items():
        assert words in lines[name], name
    for name, figure in figures.items():
        assert collisions(figure) == [], name


def test_study_without_answers_says_so():
    made = {"scores": tables.scores(datasets=("stories",)), "behaviors": tables.behaviors()}
    result = correlations(**made)
    assert "no capability task" in texts(behavior(made["behaviors"], result))
    correlates(made["scores"], result)


def test_study_with_one_mode():
    scores = tables.scores(datasets=("passages",))
    legacy = scores[scores["mode"] == "legacy"]
    assert "no controlled benchmark" in texts(legacy_controlled(legacy))
    alignment(legacy).draw_without_rendering()


OF_TABLES = {
    alignment: ["scores"], legacy_controlled: ["scores"], layer_curves: ["layers", "scores"],
    improvement: ["contrasts", "scores"], profiles: ["profiles", "scores"],
    baselines: ["baselines", "scores"], mixed_effects: ["mixed_effects"], losses: ["losses"],
}  # fmt: skip


@pytest.mark.parametrize("draw", OF_TABLES, ids=lambda draw: draw.__name__)
def test_empty_tables_give_a_figure_that_says_why(draw):
    empty, *others = (tables.study()[name] for name in OF_TABLES[draw])
    assert "not computable" in texts(draw(empty.iloc[:0], *others))


def test_regions_without_names_and_training_without_logs():
    table = tables.alignment()
    complete = table[table["region"] == "all"]
    figure = regions(complete, tables.ceilings(), "b", "legacy")
    assert "no named regions" in texts(figure)
    assert "no model" in texts(training({}, pd.DataFrame()))


def test_of_many_regions_those_with_the_highest_r_are_drawn(monkeypatch):
    table, ceilings = tables.alignment(), tables.ceilings()
    monkeypatch.setattr(regions_module, "MOST", 1)
    figure = regions(table, ceilings, "b", "legacy")
    rows = table[
        (table["subject"] == "all") & (table["fold"] == -1) & (table["region"] != "all")
    ].set_index("region")
    highest = rows["r"].idxmax()
    shown = texts(figure)
    assert "the 1 of " in shown and highest in shown
    assert not any(name in shown for name in set(rows.index) - {highest})


def test_undefined_region_is_named():
    table = tables.alignment()
    table["r"] = table["r"].where(table["region"] != "LATL")
    assert "r is not defined" in texts(regions(table, tables.ceilings(), "b", "legacy"))


# Parts ------------------------------------------------------------------------------------------


def test_no_two_families_or_baselines_share_a_marker():
    table = tables.scores([(f"family-{i}", 1, 0) for i in range(len(FAMILY_MARKERS))])
    markers = family_markers(table)
    assert len(set(markers.values())) == len(FAMILY_MARKERS)


@given(
    st.lists(st.floats(-10, 10), min_size=1, max_size=12),
    st.floats(0.01, 2),
)
def test_spaced_keeps_distance_order_and_mean(values, gap):
    positions = spaced(values, gap)
    order = np.argsort(values, kind="stable")
    steps = np.diff(np.array(positions)[order])
    assert (steps >= gap - 1e-9).all()
    assert np.isclose(np.mean(positions), np.mean(values))


@pytest.mark.parametrize(
    ("p", "text"),
    [(0.0001, "p < .001"), (0.0499, "p < .05"), (0.05, "p = .050"), (0.557, "p = .557"),
     (1.0, "p = 1.000"), (float("nan"), "p n/a")],
)  # fmt: skip
def test_p_values_as_text(p, text):
    assert p_text(p) == text


@pytest.mark.parametrize(
    ("r", "text"),
    [(0.805, ".81"), (-0.159, "−.16"), (1.0, "1.00"), (-0.001, ".00"), (float("nan"), "n/a")],
)
def test_correlations_as_text(r, text):
    assert r_text(r) == text


def test_a_legend_holds_what_is_drawn():
    said = "noise ceiling"

    def legend(table):
        return {text.get_text() for text in alignment(table).legends[0].texts}

    with_ceiling = tables.scores()
    assert {said, "95 % interval"} <= legend(with_ceiling)
    without = with_ceiling.assign(ceiling=np.nan, low=np.nan, high=np.nan)
    assert not {said, "95 % interval"} & legend(without)
