"""Variance over subjects, stimuli and models: closed forms, and rates through the encoder."""

import numpy as np
import pandas as pd
import pytest
from brainalign.analysis.crossed import (
    BLOCKS,
    NOTHING,
    STIMULI,
    Variance,
    averaged,
    complete,
    held_out_by,
    mean_squares,
    over_models,
    over_units,
    unit_tables,
)
from brainalign.formats.tables import read_table, write_table
from encoded_studies import Design, encoded_findings, encoded_study
from scipy import stats


def test_mean_squares_are_unbiased_for_planted_components():
    """Subjects .03², groups .02², residual .05² of 6 × 5 cells, 4,000 tables."""
    rng = np.random.default_rng(0)
    s, g, n = 6, 5, 4000
    tables = (
        rng.normal(0, 0.03, (n, s, 1)) + rng.normal(0, 0.02, (n, 1, g))
        + rng.normal(0, 0.05, (n, s, g))
    )  # fmt: skip
    result = np.mean([mean_squares(table) for table in tables], axis=0)
    residual = 0.05**2
    expected = (g * 0.03**2 + residual, s * 0.02**2 + residual, residual)
    np.testing.assert_allclose(result, expected, rtol=0.05)


@pytest.mark.parametrize("fitted", [False, True])
def test_independent_groups_keep_the_level(fitted):
    """Without shared training rows, of 9 subjects and 6 groups; folds are corrected, so fewer."""
    rng = np.random.default_rng(1)
    tables = (
        rng.normal(size=(2000, 9, 1)) + rng.normal(size=(2000, 1, 6))
        + rng.normal(size=(2000, 9, 6))
    )  # fmt: skip
    p = np.array([over_units(table, STIMULI, fitted).of(table.mean()).p for table in tables])
    assert (0 <= np.mean(p < 0.05) < 0.03) if fitted else (0.035 < np.mean(p < 0.05) < 0.065)


def test_too_few_groups_leave_subjects_alone():
    table = np.random.default_rng(2).normal(size=(7, 3))
    actual = over_units(table, STIMULI)
    assert actual.scope == "new subjects, these stimuli"
    assert actual.value == pytest.approx(stats.sem(table.mean(1)) ** 2) and actual.freedom == 6
    assert over_units(table[:1], STIMULI) == Variance()


def test_groups_that_vary_more_than_subjects_have_degrees_of_freedom_of_groups():
    table = np.random.default_rng(3).normal(size=(5, 6))
    table -= 0.999 * table.mean(1, keepdims=True)
    subjects, groups, residual = mean_squares(table)
    assert subjects < groups < residual
    measured = over_units(table, STIMULI)
    assert (measured.value, measured.freedom) == (pytest.approx(groups / 30), 5)
    table -= table.mean(1, keepdims=True)
    assert over_units(table, STIMULI).freedom == 5


@pytest.mark.parametrize(
    ("kinds", "scope"),
    [
        ([STIMULI, STIMULI], "new subjects, new stimuli"),
        ([BLOCKS, BLOCKS], "new subjects, new blocks"),
        ([STIMULI, BLOCKS], "new subjects, new stimuli or blocks"),
        ([BLOCKS, NOTHING], "new subjects, these stimuli"),
    ],
)
def test_a_scope_names_what_folds_hold_out(kinds, scope):
    table = np.random.default_rng(2).normal(size=(7, 6))
    assert averaged([over_units(table, kind) for kind in kinds]).scope == scope


def test_what_folds_hold_out_survives_a_file(tmp_path):
    path = tmp_path / "subjects.csv"
    for kinds in ([STIMULI, STIMULI], [BLOCKS, BLOCKS], [BLOCKS, NOTHING], [NOTHING, NOTHING]):
        write_table(pd.DataFrame({"subject": ["a", "b"], "held_out": kinds}), path)
        assert held_out_by(read_table(path)) == (kinds[0] if kinds[0] == kinds[1] else NOTHING)


def test_a_missing_cell_is_additive_and_empty_subjects_are_left_out():
    additive = np.add.outer([1.0, 2.0, 4.0], [0.0, 3.0, 5.0, 9.0])
    holed = additive.copy()
    holed[1, 2] = np.nan
    np.testing.assert_allclose(complete(holed[None])[0], additive, atol=1e-6)
    assert mean_squares(complete(holed[None])[0])[2] == pytest.approx(0, abs=1e-9)
    holed[2] = np.nan
    assert complete(holed[None]).shape == (1, 2, 4)


def test_variance_of_an_average_is_that_of_independent_datasets():
    parts = [Variance(0.04, 5, True, STIMULI), Variance(0.01, 9, True, NOTHING)]
    seen = averaged(parts)
    assert seen.value == pytest.approx(0.05 / 4)
    assert seen.freedom == pytest.approx(0.05**2 / (0.04**2 / 5 + 0.01**2 / 9))
    assert (seen.subjects, seen.stimuli) == (True, NOTHING)


def test_what_models_share_is_added_to_their_spread_once():
    """Of errors that are each model's own the spread holds all: 1 / 240, taken as less than twice
    that, for no part of the variance is below 0. What all models share the spread does not show."""
    rng = np.random.default_rng(3)
    ratios = []
    for _ in range(400):
        rows = rng.normal(size=(5, 6, 8))
        weights = np.full(5, 1 / 5)
        spread = Variance(float(rows.mean((1, 2)).var(ddof=1) / 5), 4)
        ratios.append(over_models(spread, [(rows, STIMULI, False)], weights).value)
    assert 1 / 240 < np.mean(ratios) < 1.9 / 240
    common = rng.normal(size=(1, 1, 8)) + 0.01 * rng.normal(size=(5, 6, 8))
    spread = Variance(float(common.mean((1, 2)).var(ddof=1) / 5), 4)
    shown = over_models(spread, [(common, STIMULI, False)], weights)
    assert shown.value == pytest.approx(common.mean((0, 1)).var(ddof=1) / 8, rel=0.1)


@pytest.mark.long
def test_two_equally_good_models_seldom_differ_significantly_in_the_encoder():
    design = Design(24, 8, 9, 40)
    findings = [encoded_findings(design, [4, i]) for i in range(30)]
    these, new = (
        sum(bool(each[name]) for each in findings) for name in ("a pair, these stimuli", "a pair")
    )
    assert new <= stats.binom.ppf(0.999, 30, 0.05)
    assert these > new


def test_cells_of_a_study_average_to_its_scores():
    tables = encoded_study(Design(12, 8, 4, 5), [5, 0])
    cells = tables["subjects"].query("subject != 'all' and fold >= 0")
    mean = unit_tables(cells, ["v0", "t0"]).mean((1, 2))
    scores = tables["scores"].query("region == 'all'").set_index("model")["r"]
    np.testing.assert_allclose(mean, scores[["v0", "t0"]])
