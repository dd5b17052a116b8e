"""Intervals against closed forms, explicit leaving out, and how often they miss the truth."""

import numpy as np
import pytest
from brainalign.analysis.association import over_clusters
from brainalign.intervals import (
    Inference,
    correlation,
    jackknife,
    paired_sums,
    slope,
    welch_satterthwaite,
)
from scipy import stats

STUDIES = 1000
LOW, HIGH = stats.binom.ppf([0.005, 0.995], STUDIES, 0.05) / STUDIES


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(21)


def ends(inference: Inference) -> tuple[float, float]:
    return inference.low, inference.high


def test_jackknife_of_a_mean_is_students(rng):
    x = rng.normal(size=7)
    sums = np.column_stack([x, np.ones(7)])
    inference = jackknife(sums, lambda s: s[:, 0] / s[:, 1])
    np.testing.assert_allclose(ends(inference), stats.t.interval(0.95, 6, x.mean(), stats.sem(x)))
    assert inference.p == pytest.approx(stats.ttest_1samp(x, 0).pvalue)


def test_jackknife_of_r_and_slope_leave_out_one_cluster_after_another(rng):
    cluster = np.repeat([3, 1, 2, 9, 5], [2, 3, 1, 2, 4])
    x, y = rng.normal(size=(2, 12)) + 50
    sums = paired_sums(x, y, cluster)
    fits = [stats.linregress(x, y)]
    fits += [stats.linregress(x[cluster != c], y[cluster != c]) for c in sorted(set(cluster))]
    for statistic, bounded, values in (
        (correlation, True, np.arctanh([fit.rvalue for fit in fits])),
        (slope, False, np.array([fit.slope for fit in fits])),
    ):
        half = stats.t.ppf(0.975, 4) * np.sqrt(4 / 5 * 5 * np.var(values[1:]))
        expected = values[0] + np.array([-half, half])
        inference = jackknife(sums, statistic, bounded)
        np.testing.assert_allclose(ends(inference), np.tanh(expected) if bounded else expected)


def test_an_interval_is_not_defined_without_its_clusters(rng):
    x = np.array([1.0, 1, 1, 2])
    y = rng.normal(size=4)
    for first, second, clusters, why in (
        (x, y, np.arange(4), "without one"),  # x is constant without the last
        (y, x, np.array([0, 0, 1, 1]), "2 clusters, 3 are needed"),
        (y, 2 * y, np.arange(4), "±1"),  # no bound of z at r = 1
    ):
        result = over_clusters(first, second, clusters)
        assert np.isnan([result.low, result.high, result.p]).all() and why in result.note


def test_a_cluster_that_makes_no_difference_gives_no_p():
    sums = np.column_stack([np.full(4, 0.1), np.ones(4)])
    inference = jackknife(sums, lambda s: s[:, 0] / s[:, 1])
    assert ends(inference) == pytest.approx((0.1, 0.1))
    assert np.isnan(inference.p) and inference.note == "its standard error is 0"


@pytest.mark.parametrize("clusters", [5, 8, 12])
@pytest.mark.parametrize("shared", ["x", "both"])
def test_intervals_of_r_over_clusters_keep_their_level(clusters, shared, rng):
    """Three models of a cluster share x (a size), or in part both x and y."""
    cluster = np.repeat(np.arange(clusters), 3)
    missed = 0
    for _ in range(STUDIES):
        x, y = rng.normal(size=(2, clusters))[:, cluster]
        y = y + rng.normal(size=3 * clusters)
        if shared == "both":
            x = x + rng.normal(size=3 * clusters)
        missed += over_clusters(x, y, cluster).p < 0.05
    assert LOW <= missed / STUDIES <= HIGH


def test_welch_satterthwaite_equals_welchs_test(rng):
    a, b = rng.normal(size=5), 3 * rng.normal(size=9)
    variances = np.array([stats.sem(a) ** 2, stats.sem(b) ** 2])
    expected = stats.ttest_ind(a, b, equal_var=False).df
    assert welch_satterthwaite(variances, np.array([4, 8])) == pytest.approx(expected)
    assert welch_satterthwaite(variances, np.array([4, 0])) == pytest.approx(4)
    assert welch_satterthwaite(np.zeros(2), np.array([4, 8])) == 0
