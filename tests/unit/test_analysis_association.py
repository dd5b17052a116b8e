"""Correlation, multiplicity and resampling against scipy, brute force and known distributions."""

import numpy as np
import pandas as pd
import pytest
from brainalign.analysis.association import (
    correlation_p,
    over_clusters,
    partial,
    pearson,
    ranks,
    spearman,
    within_groups,
)
from brainalign.analysis.paired_tests import (
    paired_tests,
    wilcoxon_p,
)
from brainalign.multiplicity import benjamini_hochberg
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

N_STUDIES = 500
LOW, HIGH = stats.binom.ppf([0.005, 0.995], N_STUDIES, 0.05) / N_STUDIES

values = arrays(float, st.integers(3, 30), elements=st.floats(-100, 100, width=16))


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20)


@pytest.mark.parametrize("n", [3, 5, 17, 200])
def test_pearson_and_spearman_equal_scipy(n, rng):
    x = rng.normal(size=n)
    y = np.round(x + rng.normal(size=n), 1)
    for ours, theirs in (
        (pearson(x, y), stats.pearsonr(x, y)),
        (spearman(x, y), stats.spearmanr(x, y)),
    ):
        assert ours.n == n
        np.testing.assert_allclose(ours.r, theirs.statistic, rtol=1e-9)
        if n > 3:  # three ranks cannot give the p of t
            np.testing.assert_allclose(ours.p, theirs.pvalue, rtol=1e-9)
    np.testing.assert_allclose(pearson(x, y).slope, stats.linregress(x, y).slope)


@pytest.mark.parametrize("n", [3, 4, 5, 6])
def test_equal_orders_have_the_exact_p(n):
    order = np.arange(float(n))
    exact = stats.permutation_test(
        (order,), lambda x: stats.spearmanr(x, order).statistic, permutation_type="pairings"
    )
    assert spearman(order, order**2).p == pytest.approx(exact.pvalue)


def test_missing_values_are_left_out_and_counted(rng):
    x, y = rng.normal(size=(2, 12))
    x[3], y[7] = np.nan, np.nan
    keep = np.delete(np.arange(12), [3, 7])
    assert pearson(x, y) == pearson(x[keep], y[keep])
    assert pearson(x, y).n == 10


@given(values)
def test_ranks_equal_scipy(x):
    np.testing.assert_array_equal(ranks(x), stats.rankdata(x))


@pytest.mark.parametrize("k", [1, 2])
def test_partial_equals_the_inverse_correlation_matrix(k, rng):
    data = rng.normal(size=(20, 2 + k)) @ rng.normal(size=(2 + k, 2 + k))
    precision = np.linalg.inv(np.corrcoef(data.T))
    expected = -precision[0, 1] / np.sqrt(precision[0, 0] * precision[1, 1])
    result = partial(data[:, 0], data[:, 1], list(data[:, 2:].T))
    assert result.r == pytest.approx(expected)
    # The p-value is that of the regression coefficient of x beside the controls.
    design = np.column_stack([np.ones(20), data[:, 0], data[:, 2:]])
    weights, rest, *_ = np.linalg.lstsq(design, data[:, 1], rcond=None)
    error = np.sqrt(rest[0] / (18 - k) * np.linalg.inv(design.T @ design)[1, 1])
    assert result.p == pytest.approx(2 * stats.t.sf(abs(weights[1] / error), 18 - k))


def left_out(method, x, y, z, clusters):
    """z of r of all, and without one cluster after another, by SciPy and least squares."""

    def r(inside):
        if method.startswith("partial"):
            design = np.column_stack([np.ones(inside.sum()), *(one[inside] for one in z)])
            rest = [v[inside] - design @ np.linalg.lstsq(design, v[inside])[0] for v in (x, y)]
            return stats.pearsonr(*rest).statistic
        if method == "spearman":
            return stats.pearsonr(stats.rankdata(x)[inside], stats.rankdata(y)[inside]).statistic
        return stats.pearsonr(x[inside], y[inside]).statistic

    full = np.arctanh(r(np.full(len(x), True)))
    return full, np.arctanh([r(clusters != c) for c in np.unique(clusters)])


@pytest.mark.parametrize("method", ["pearson", "spearman", "partial", "partial, two held fixed"])
def test_the_p_over_clusters_is_that_of_leaving_them_out(method, rng):
    clusters = np.repeat(list("cabdef"), [3, 1, 5, 2, 2, 4])
    z = rng.normal(size=(1 + method.endswith("fixed"), 17))
    x, y = z.sum(axis=0) + rng.normal(size=(2, 17))
    complete, without = left_out(method, x, y, z, clusters)
    error = np.sqrt(5 / 6 * np.sum((without - without.mean()) ** 2))
    x, y, clusters = (np.append(v, gap) for v, gap in ((x, np.nan), (y, 1), (clusters, "g")))
    given = [np.append(one, 1) for one in z] if method.startswith("partial") else []
    actual = over_clusters(x, y, clusters, given, ranked=method == "spearman")
    assert actual.p == pytest.approx(2 * stats.t.sf(abs(complete / error), 5))
    half = stats.t.ppf(0.975, 5) * error
    assert (actual.low, actual.high) == pytest.approx(
        tuple(np.tanh([complete - half, complete + half]))
    )


@given(st.integers(0, 10**6), st.integers(4, 8), st.sampled_from([0.0, 1.0, 3.0]), st.booleans())
def test_p_over_clusters_is_below_05_where_the_interval_leaves_out_0(seed, m, slope, held):
    """Clusters of unequal sizes; without a slope, p is small by chance alone."""
    rng = np.random.default_rng(seed)
    x, y, z = rng.normal(size=(3, 24))
    clusters = np.concatenate([np.arange(m), rng.integers(0, m, 24 - m)])
    measured = over_clusters(x, y + slope * x, clusters, [z] if held else [])
    assert 0 <= measured.p <= 1
    assert (measured.p < 0.05) == (measured.low > 0 or measured.high < 0)


def test_few_clusters_of_equal_order_cannot_have_a_smaller_p_than_their_orders(rng):
    """Three clusters have 6 orders, of which two are as far apart: p is at least 1/3."""
    clusters = np.repeat(np.arange(4), 3)
    y = 10.0 * clusters + rng.normal(size=12)
    for m in (3, 4):
        inside = clusters < m
        seen = over_clusters(clusters[inside], y[inside], clusters[inside], ranked=True)
        assert seen.p == pytest.approx(2 / np.prod(range(1, m + 1)))


@pytest.mark.parametrize(
    ("x", "y", "why"),
    [
        ([1.0, 2.0], [1.0, 2.0], "2 models have both values, 3 are needed"),
        ([1.0, np.nan], [1.0, 2.0], "1 model has both values, 3 are needed"),
        ([1.0, 1.0, 1.0, 1.0], [1.0, 2.0, 3.0, 4.0], "x is constant"),
        ([1.0, 2.0, 3.0, 4.0], [0.1, 0.1, 0.1, 0.1], "y is constant"),
        ([np.nan] * 4, [1.0, 2.0, 3.0, 4.0], "0 models have both values, 3 are needed"),
    ],
)
def test_an_undefined_correlation_says_why(x, y, why):
    for method in (pearson, spearman, lambda x, y: partial(x, y, [np.arange(len(x), dtype=float)])):
        shown = method(np.array(x), np.array(y))
        assert np.isnan([shown.r, shown.p]).all()
        assert shown.note == why


def test_partial_says_when_nothing_is_left():
    size = np.array([1.0, 2, 3, 4, 5, 7])
    result = partial(2 * size + 1, np.array([1.0, 3, 2, 5, 4, 6]), [size])
    assert np.isnan(result.r)
    assert result.note == "x is explained by what is held fixed"
    assert "too few" in partial(size[:3], size[[1, 0, 2]], [size[[2, 0, 1]]]).note


def test_p_of_a_perfect_correlation_is_0():
    assert correlation_p(1.0, 5) == 0
    assert np.isnan(correlation_p(0.5, 2))


@given(arrays(float, st.integers(1, 40), elements=st.floats(0, 1)))
def test_benjamini_hochberg_equals_scipy(p):
    np.testing.assert_allclose(benjamini_hochberg(p), stats.false_discovery_control(p), atol=1e-12)


def test_equal_p_at_a_level_stay_at_it():
    assert benjamini_hochberg(np.full(3, 0.05)).tolist() == [0.05] * 3


def test_a_test_that_was_not_made_does_not_count():
    adjusted = benjamini_hochberg(np.array([0.01, np.nan, 0.04]))
    np.testing.assert_allclose(adjusted, [0.02, np.nan, 0.04])


@given(
    st.sampled_from([-3, -2, -1, 1, 2, 3, 4, 5, 6]),
    st.lists(st.integers(-3, 6), min_size=1, max_size=5),
)
def test_wilcoxon_with_ties_equals_scipy(first, rest):
    d = np.array([first, *rest], float)  # not all are 0
    assert wilcoxon_p(d) == pytest.approx(stats.wilcoxon(d).pvalue, abs=1e-14)


@pytest.mark.parametrize("n", [2, 7, 13, 14, 50, 51])
@pytest.mark.parametrize("tied", [False, True])
def test_wilcoxon_equals_scipy(n, tied, rng):
    d = rng.normal(0.3, 1, size=n)
    d = np.round(d, 1) if tied else d
    assert wilcoxon_p(d) == pytest.approx(stats.wilcoxon(d).pvalue, abs=1e-14)


@pytest.mark.parametrize(
    ("d", "why"),
    [
        ([0.1], "1 paired values, 2 are needed"),
        ([0.0, 0.0, 0.0], "all differences are 0"),
        ([], "0 paired values, 2 are needed"),
    ],
)
def test_paired_tests_say_why_there_is_no_p(d, why):
    result = paired_tests(np.array(d))
    assert np.isnan([result.p_wilcoxon, result.p_t]).all()
    assert result.note == why


def test_t_equals_scipy(rng):
    d = rng.normal(0.3, 1, size=9)
    assert paired_tests(d).p_t == pytest.approx(stats.ttest_1samp(d, 0).pvalue)


def test_few_pairs_are_flagged_and_ties_do_not_crash():
    result = paired_tests(np.array([0.1, 0.1, 0.1]))
    assert result.p_wilcoxon == 0.25
    # A difference of 0 says nothing for either side: five others reach 2 of 32 sign patterns.
    zero = paired_tests(np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.0]))
    assert (zero.n, zero.p_wilcoxon) == (6, 0.0625)
    assert result.note == "3 differences other than 0 cannot reach p < .05"


def p_of_null_study(test: str, rng: np.random.Generator) -> float:
    """The p-value of one study in which there is nothing to find."""
    if test in ("wilcoxon", "t"):
        result = paired_tests(rng.normal(size=14))
        return result.p_wilcoxon if test == "wilcoxon" else result.p_t
    x, y, z = rng.normal(size=(3, 17))
    if test == "partial":
        return partial(x + z, y + z, [z]).p
    return (pearson if test == "pearson" else spearman)(x, y).p


@pytest.mark.parametrize("test", ["wilcoxon", "t", "pearson", "spearman", "partial"])
def test_false_positive_rate_is_nominal(test):
    """With nothing planted each test rejects at .05 in its binomial 99 % interval of studies.

    Wilcoxon's test is discrete: with 14 differences its level is within .003.
    """
    rng = np.random.default_rng(500)
    rejected = sum(p_of_null_study(test, rng) < 0.05 for _ in range(N_STUDIES))
    assert LOW <= rejected / N_STUDIES <= HIGH


def test_a_correlation_within_groups_is_that_of_a_linear_model_with_a_level_per_group(rng):
    from statsmodels.formula.api import ols

    groups = np.repeat(["a", "b", "c"], [5, 3, 4])
    x, y = rng.normal(size=(2, 12))
    y += 3 * (groups == "b")
    y[2] = np.nan
    table = pd.DataFrame({"x": x, "y": y, "groups": groups})
    fit = ols("y ~ x + C(groups)", table).fit()
    result = within_groups(x, y, groups)
    assert result.n == 11
    assert result.p == pytest.approx(fit.pvalues["x"])
    assert result.r == pytest.approx(fit.tvalues["x"] / np.sqrt(fit.tvalues["x"] ** 2 + 7))


def test_a_correlation_within_groups_of_one_is_not_defined(rng):
    result = within_groups(*rng.normal(size=(2, 4)), np.array(list("abcd")))
    assert np.isnan(result.r) and "too few" in result.note
