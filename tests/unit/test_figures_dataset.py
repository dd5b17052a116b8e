"""The dataset page: its statistics against brute force, and what it says of gaps."""

import figure_tables as tables
import numpy as np
import pytest
from brainalign.figures import dataset_page as dataset_page_module
from brainalign.figures.dataset_page import BLOCK, autocorrelation, dataset_page, intersubject
from brainalign.figures.style import drawing
from brainalign.formats.datasets import UNITS_UNKNOWN
from figure_checks import said
from figure_gallery import drawn
from hypothesis import given, settings
from hypothesis import strategies as st


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6), missing=st.floats(0, 0.4))
def test_autocorrelation_equals_brute_force(seed, missing):
    rng = np.random.default_rng(seed)
    values = np.cumsum(rng.normal(size=(40, 3)), axis=0)
    values[rng.random(values.shape) < missing] = np.nan
    groups = np.repeat(["a", "b", "c"], [20, 15, 5])
    result = autocorrelation(values, groups, 6)
    for lag in range(1, 7):
        for target in range(3):
            pairs = [
                (values[i, target], values[i + lag, target])
                for i in range(40 - lag)
                if groups[i] == groups[i + lag]
            ]
            kept = np.array([p for p in pairs if not np.isnan(p).any()])
            expected = np.corrcoef(kept.T)[0, 1] if len(kept) > 2 else np.nan
            np.testing.assert_allclose(result[lag - 1, target], expected, atol=1e-10)


def test_autocorrelation_of_many_targets_is_that_of_each():
    rng = np.random.default_rng(4)
    values = np.cumsum(rng.normal(size=(30, 2 * BLOCK + 3)), axis=0)
    groups = np.repeat([1, 2], 15)
    actual = autocorrelation(values, groups, 2)
    for target in (0, BLOCK - 1, BLOCK, 2 * BLOCK + 2):
        alone = autocorrelation(values[:, [target]], groups, 2)[:, 0]
        np.testing.assert_allclose(actual[:, target], alone, atol=1e-12)


def test_autocorrelation_never_crosses_a_group():
    values = np.arange(20.0)[:, None]
    assert np.isnan(autocorrelation(values, np.arange(20), 3)).all()


def test_autocorrelation_of_first_order_process():
    rng = np.random.default_rng(1)
    values = np.zeros((20_000, 1))
    for i in range(1, len(values)):
        values[i] = 0.7 * values[i - 1] + rng.normal()
    measured = autocorrelation(values, np.zeros(len(values)), 3)[:, 0]
    # Standard error of a lagged correlation of an AR(1) process of this length: below 0.012.
    np.testing.assert_allclose(measured, [0.7, 0.49, 0.343], atol=0.036)


def test_intersubject_equals_brute_force():
    rng = np.random.default_rng(2)
    values = rng.normal(size=(50, 6)) + rng.normal(size=(50, 1))
    subjects = np.array(["a", "b", "c", "a", "b", "c"])
    regions = np.array(["x", "x", "x", "y", "y", "y"])
    seen = intersubject(values, subjects, regions).set_index(["region", "subject"])["r"]
    for region, columns in (("x", (0, 1, 2)), ("y", (3, 4, 5))):
        for column in columns:
            others = values[:, [c for c in columns if c != column]].mean(axis=1)
            expected = np.corrcoef(values[:, column], others)[0, 1]
            assert seen[region, subjects[column]] == pytest.approx(expected)


def test_intersubject_averages_a_subject_s_targets_and_leaves_out_nan():
    rng = np.random.default_rng(3)
    values = rng.normal(size=(30, 3))
    values[:5, 0] = np.nan
    subjects, regions = np.array(["a", "a", "b"]), np.array(["x", "x", "x"])
    part = np.where(np.isnan(values[:, 0]), values[:, 1], values[:, :2].mean(axis=1))
    shown = intersubject(values, subjects, regions)
    assert shown["r"].to_numpy() == pytest.approx(np.corrcoef(part, values[:, 2])[0, 1])


def test_intersubject_of_one_subject_is_empty():
    assert intersubject(np.ones((9, 2)), np.array(["a", "a"]), np.array(["x", "x"])).empty


def page(**options):
    with drawing():
        figure = dataset_page(*tables.dataset(**options), name="my-own")
        figure.draw_without_rendering()
        return said(figure)


def test_page_states_what_there_is():
    lines = said(drawn("dataset_page"))
    stimuli, responses, _ = tables.dataset()
    missing = np.isnan(responses["responses"].values)
    assert "Dataset: stories" in lines
    assert f"N = {(~missing).sum()} responses in z, simulated" in lines
    assert f"{100 * missing.mean():.1f} % of N = {missing.size} responses" in lines
    assert "Left out: 3 fragments (they hold no word)." in lines
    assert f"{len(stimuli)} stimuli (600 words) in 5 context groups" in lines


def test_page_of_one_subject_without_gaps():
    lines = page(subjects_count=1, missing=0)
    assert "Dataset: my-own" in lines  # the config's name, not the reader's of the card
    assert "not computable: it needs the same responses" in lines
    assert "none" in lines


def test_a_dataset_of_several_measures_shows_the_values_of_one_unit():
    stimuli, responses, card = tables.dataset(missing=0.1)
    units = np.where(responses["region"].values == "LIFG", "ms", "share")
    responses = responses.assign_coords(target_units=("target", units))
    responses.attrs |= {"kind": "reading-times", "units": "ms"}
    with drawing():
        words = said(dataset_page(stimuli, responses, card))
    in_ms = int(np.isfinite(responses["responses"].values[:, units == "ms"]).sum())
    assert f"N = {in_ms} responses in ms" in words
    assert "4 readers, 2 measures" in words


def test_of_many_regions_the_agreement_of_subjects_is_a_histogram(monkeypatch):
    stimuli, responses, card = tables.dataset(missing=0)
    monkeypatch.setattr(dataset_page_module, "MOST_REGIONS", 1)
    with drawing():
        words = said(dataset_page(stimuli, responses, card))
    assert "correlation with the others, mean of a region" in words


def test_of_many_voxels_some_are_drawn_and_the_page_says_which(monkeypatch):
    stimuli, responses, card = tables.dataset(missing=0)
    rows, targets = responses["responses"].shape
    monkeypatch.setattr(dataset_page_module, "DRAWN", rows * targets // 2)
    with drawing():
        words = said(dataset_page(stimuli, responses, card))
    assert f"{targets} targets" in words
    assert "The panels are of one target in 2." in words
    assert f"N = {rows * -(-targets // 2)} responses in z" in words
    monkeypatch.setattr(dataset_page_module, "DRAWN", rows * targets)
    with drawing():
        assert "The panels are of" not in said(dataset_page(stimuli, responses, card))


def test_units_that_nobody_gave_are_left_out():
    stimuli, responses, card = tables.dataset()
    responses.attrs["units"] = UNITS_UNKNOWN
    with drawing():
        words = said(dataset_page(stimuli, responses, card))
    assert f"N = {np.isfinite(responses['responses'].values).sum()} responses, simulated" in words
    assert "response" in words and not any(UNITS_UNKNOWN in line for line in words)
