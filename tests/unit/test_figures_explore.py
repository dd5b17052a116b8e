"""The page to explore a study in, against the tables that it is made of."""

import re

import figure_tables
import numpy as np
import pytest
from brainalign.figures.explore import alignment, correlates, explore_page, layers

TABLES = figure_tables.study()
SCORES = TABLES["scores"]
FACTS = SCORES.drop_duplicates("model").set_index("model")


def shown(plot, choice=None):
    """Name → points of the traces that are visible, after a choice of the menu."""
    if choice is None:
        traces = plot.data
    else:
        (menu,) = plot.layout.updatemenus
        (button,) = [one for one in menu.buttons if one.label == choice]
        visible = button.args[0]["visible"]
        traces = [trace for trace, on in zip(plot.data, visible, strict=True) if on]
    names = [trace.name for trace in traces]
    assert len(names) == len(set(names))
    return {trace.name: trace for trace in traces}


def test_every_score_is_a_point_that_tells_its_model_and_values():
    full = SCORES[(SCORES["region"] == "all") & SCORES["r"].notna()]
    traces = shown(alignment(full, FACTS))
    assert sum(len(trace.x) for trace in traces.values()) == len(full)
    for label, rows in full.groupby("label"):
        assert list(traces[label].x) == rows["benchmark"].tolist()
        np.testing.assert_allclose(traces[label].y, rows["r"])
        assert [row[0] for row in traces[label].customdata] == rows["low"].fillna("–").tolist()


def test_layers_are_those_of_the_benchmark_that_is_chosen():
    table = TABLES["layers"]
    plot = layers(table, FACTS)
    networks = table[~table["role"].isin(["baseline", "truth"]) & (table["layer"] != "nested")]
    for benchmark, rows in networks.groupby("benchmark", sort=False):
        traces = shown(plot, benchmark)
        labels = rows["model"].map(FACTS["label"])
        assert set(traces) == set(labels)
        for label, part in rows[rows["depth"].notna()].groupby(labels):
            np.testing.assert_allclose(traces[label].y, part["r"])
    first = [trace.name for trace in plot.data if trace.visible]
    assert set(first) == set(shown(plot, table["benchmark"].iloc[0]))


def test_size_is_the_first_correlate_and_both_modes_are_points():
    plot = correlates(TABLES, FACTS)
    facts = SCORES.drop_duplicates("model").set_index("label")
    for label, trace in shown(plot, "log10 parameters").items():
        assert set(trace.x) == {np.log10(facts.loc[label, "parameters"])}
        assert set(trace.text) <= {"legacy", "controlled"}
    assert plot.layout.xaxis.title.text == "log10 parameters"


def test_the_page_needs_no_network_and_is_the_same_each_time():
    page = explore_page("my <study>", TABLES)
    assert page == explore_page("my <study>", TABLES)
    assert page.count('class="plotly-graph-div"') == 3
    assert not re.search(r"<script[^>]+src=|<link[^>]+href=", page)
    assert "my &lt;study&gt;" in page and "simulated data" in page


@pytest.mark.parametrize("tables", [{}, {"scores": SCORES.iloc[:0], "layers": TABLES["layers"]}])
def test_a_study_without_brain_alignment_says_so(tables):
    assert "no brain alignment" in explore_page("reading", tables)
