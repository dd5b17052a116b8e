"""Crossed mixed models: against the dense normal density, closed forms, statsmodels."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from brainalign.behavior.mixed_model import (
    CrossedModel,
    combined,
    crossed_sums,
    fit,
    item_sums,
    loglik,
)
from brainalign.behavior.single_times import held_out_logliks
from brainalign.errors import InputError
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats


def design(rng, n, readers, items):
    """Regressors (ones, two others), slopes of readers (ones and one of them), labels."""
    x = np.column_stack([np.ones(n), rng.normal(size=(n, 2))])
    return x, x[:, :2], rng.integers(0, readers, n), rng.integers(0, items, n)


def covariance(z, reader, item, model):
    """The response's covariance, written out observation by observation."""
    same_reader = reader[:, None] == reader
    v = model.sigma**2 * np.eye(len(z)) + model.item_sd**2 * (item[:, None] == item)
    for k, sd in enumerate(model.reader_sd):
        v += sd**2 * np.outer(z[:, k], z[:, k]) * same_reader
    return v


def model_of(weights, sigma, reader_sd, item_sd):
    return CrossedModel(
        np.array(weights), np.zeros(len(weights)), sigma, np.array(reader_sd), item_sd, 0.0, 0
    )


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(1, 40),
    readers=st.integers(1, 6),
    items=st.sampled_from([1, 3, 15, 200]),
    sds=st.tuples(*[st.sampled_from([0.0, 0.3, 2.0])] * 3),
)
def test_likelihood_is_the_dense_normal_density(seed, n, readers, items, sds):
    rng = np.random.default_rng(seed)
    x, z, reader, item = design(rng, n, readers, items)
    y = rng.normal(size=n)
    model = model_of([0.5, -1.0, 0.2], 0.7, sds[:2], sds[2])
    expected = stats.multivariate_normal(
        x @ model.weights, covariance(z, reader, item, model)
    ).logpdf(y)
    assert loglik(model, crossed_sums(x, y, z, reader, item)) == pytest.approx(expected)


@pytest.mark.parametrize("items", [5, 60])  # items summed one by one, and by their sizes
def test_the_fit_is_a_maximum_with_the_weights_of_generalised_least_squares(items):
    rng = np.random.default_rng(items)
    n = 240
    x, z, reader, item = design(rng, n, 6, items)
    truth = model_of([1.0, 0.5, -0.3], 1.0, [0.8, 0.4], 0.5)
    y = x @ truth.weights
    y = y + rng.multivariate_normal(np.zeros(n), covariance(z, reader, item, truth))
    sums = crossed_sums(x, y, z, reader, item)
    model = fit(sums)
    v = np.linalg.inv(covariance(z, reader, item, model))
    inverse = np.linalg.inv(x.T @ v @ x)
    np.testing.assert_allclose(model.weights, inverse @ x.T @ v @ y, rtol=1e-6)
    np.testing.assert_allclose(model.standard_errors, np.sqrt(np.diag(inverse)), rtol=1e-6)
    assert model.loglik == pytest.approx(loglik(model, sums))
    best = model.loglik
    for name in ("sigma", "item_sd"):
        for factor in (0.97, 1.03):
            other = {**vars(model), name: getattr(model, name) * factor}
            assert loglik(CrossedModel(**other), sums) <= best
    for k in range(2):
        for factor in (0.97, 1.03):
            sds = model.reader_sd.copy()
            sds[k] *= factor
            assert loglik(CrossedModel(**{**vars(model), "reader_sd": sds}), sums) <= best


def balanced(rng, groups, size, sd):
    group = np.repeat(np.arange(groups), size)
    return group, 3.0 + sd * rng.normal(size=groups)[group] + rng.normal(size=groups * size)


@pytest.mark.parametrize("of", ["reader", "item"])
def test_balanced_groups_have_the_closed_form(of):
    """One-way layout, maximum likelihood: Searle, Casella & McCulloch 1992, section 3.7."""
    rng = np.random.default_rng(3)
    groups, size = 12, 8
    group, y = balanced(rng, groups, size, 0.9)
    ones, alone = np.ones((len(y), 1)), np.zeros(len(y))
    if of == "reader":
        model = fit(crossed_sums(ones, y, ones, group, alone))
        sd, other = model.reader_sd[0], model.item_sd
    else:
        model = fit(crossed_sums(ones, y, ones, alone, group))
        sd, other = model.item_sd, model.reader_sd[0]
    means = y.reshape(groups, size).mean(1)
    within = ((y - means[group]) ** 2).sum() / (groups * (size - 1))
    between = size * ((means - y.mean()) ** 2).sum() / groups
    assert model.weights[0] == pytest.approx(y.mean())
    assert model.sigma**2 == pytest.approx(within, rel=1e-3)
    assert sd**2 == pytest.approx((between - within) / size, rel=1e-2)
    assert other == pytest.approx(0, abs=1e-3)
    total = len(y) * np.log(2 * np.pi) + len(y)
    total += groups * (size - 1) * np.log(within) + groups * np.log(between)
    assert model.loglik == pytest.approx(-total / 2, abs=1e-5)
    assert model.aic == pytest.approx(total + 2 * 4, abs=1e-4)


def test_no_variance_between_readers_is_estimated_as_0():
    rng = np.random.default_rng(5)
    x, z, reader, item = design(rng, 300, 10, 30)
    y = x @ [1.0, 0.5, 0.0] + rng.normal(size=300)
    y -= pd.Series(y).groupby(reader).transform("mean").to_numpy()  # less alike than by chance
    model = fit(crossed_sums(x, y, z, reader, item))
    assert model.reader_sd[0] == pytest.approx(0, abs=1e-3)


def test_crossed_and_nested_designs_equal_statsmodels():
    """Variance components over one group of all observations: slow there, so small here.

    Its optimiser may stop early: our likelihood at its estimates is its own, ours is no lower.
    """
    rng = np.random.default_rng(7)
    readers, items = 6, 10
    reader, item = (a.ravel() for a in np.mgrid[:readers, :items])
    crossed = rng.random(60) < 0.85
    for nested in (False, True):
        r, i = reader[crossed], item[crossed]
        if nested:
            i = i // 3 + 10 * r
        n = len(r)
        x = np.column_stack([np.ones(n), rng.normal(size=n)])
        y = x @ [1.0, 0.7] + 0.8 * rng.normal(size=6)[r] + 0.6 * rng.normal(size=80)[i]
        y = y + 0.5 * rng.normal(size=6)[r] * x[:, 1] + rng.normal(size=n)
        data = pd.DataFrame({"y": y, "x": x[:, 1], "r": r, "i": i, "all": 1})
        parts = {"r": "0 + C(r)", "s": "0 + C(r):x", "i": "0 + C(i)"}
        theirs = smf.mixedlm("y ~ x", data, groups="all", vc_formula=parts, re_formula="0")
        theirs = theirs.fit(reml=False, method=["lbfgs"])
        sums = crossed_sums(x, y, x, r, i)
        ours = fit(sums)
        sd = dict(zip(theirs.model.exog_vc.names, np.sqrt(theirs.vcomp), strict=True))
        at = model_of(theirs.fe_params, theirs.scale**0.5, [sd["r"], sd["s"]], sd["i"])
        assert loglik(at, sums) == pytest.approx(theirs.llf, abs=1e-6)
        assert theirs.llf - 1e-6 <= ours.loglik < theirs.llf + 0.5
        np.testing.assert_allclose(ours.weights, theirs.fe_params, atol=0.1)


def test_what_is_known_of_readers_helps_to_predict_them():
    """The conditional density of later observations, from the joint normal of all."""
    rng = np.random.default_rng(9)
    x, z, reader, item = design(rng, 60, 4, 12)
    y = rng.normal(size=60)
    model = model_of([0.1, 0.2, 0.3], 1.0, [0.9, 0.5], 0.4)
    sums = [crossed_sums(*(a[:k] for a in (x, y, z, reader, item))) for k in (60, 45)]
    v = covariance(z, reader, item, model)
    known, new = slice(0, 45), slice(45, 60)
    residual = y - x @ model.weights
    gain = v[new, known] @ np.linalg.inv(v[known, known])
    expected = stats.multivariate_normal(
        gain @ residual[known], v[new, new] - gain @ v[known, new]
    ).logpdf(residual[new])
    assert loglik(model, sums[0]) - loglik(model, sums[1]) == pytest.approx(expected)


def test_held_out_stories_have_the_conditional_density_of_a_fit_to_the_others():
    """Each story against the dense normal; the first reader reads the last story only."""
    rng = np.random.default_rng(10)
    n = 240
    x, z, reader, _ = design(rng, n, 6, 1)
    story = np.arange(n) // 60
    reader[(reader == 0) & (story < 3)] = 1
    item = 100 * story + rng.integers(0, 12, n)
    truth = model_of([1.0, 0.5, -0.3], 1.0, [0.8, 0.4], 0.5)
    y = x @ truth.weights
    y = y + rng.multivariate_normal(np.zeros(n), covariance(z, reader, item, truth))
    columns = (x, y, z, reader, item)
    parts = [item_sums(*(c[story == s] for c in columns), np.unique(reader)) for s in range(4)]
    every_story = crossed_sums(*columns)
    assert loglik(truth, combined(parts)) == pytest.approx(loglik(truth, every_story))
    logliks = held_out_logliks(parts, fit(every_story))
    for s in range(4):
        known, new = story != s, story == s
        model = fit(crossed_sums(*(c[known] for c in columns)))
        v, residual = covariance(z, reader, item, model), y - x @ model.weights
        gain = v[np.ix_(new, known)] @ np.linalg.inv(v[np.ix_(known, known)])
        expected = stats.multivariate_normal(
            gain @ residual[known], v[np.ix_(new, new)] - gain @ v[np.ix_(known, new)]
        ).logpdf(residual[new])
        assert logliks[s] == pytest.approx(expected, abs=2e-4)


def test_scales_of_response_and_regressors_do_not_matter():
    rng = np.random.default_rng(11)
    x, z, reader, item = design(rng, 200, 8, 20)
    y = x @ [1.0, 0.5, 0.0] + rng.normal(size=8)[reader] + rng.normal(size=200)
    one = fit(crossed_sums(x, y, z, reader, item))
    scale = np.array([1.0, 1.0, 1e4])
    other = fit(crossed_sums(x * scale, 300 * y, z, reader, item))
    np.testing.assert_allclose(other.weights, 300 * one.weights / scale, rtol=1e-4, atol=1e-6)
    assert other.loglik == pytest.approx(one.loglik - 200 * np.log(300), abs=1e-4)


def test_bad_input_is_named():
    rng = np.random.default_rng(13)
    x, z, reader, item = design(rng, 30, 3, 5)
    y = rng.normal(size=30)
    with pytest.raises(InputError, match="lengths of x, y, z, reader and item differ"):
        crossed_sums(x, y[1:], z, reader, item)
    y[4] = np.nan
    with pytest.raises(InputError, match="y of observation 4 is not finite"):
        crossed_sums(x, y, z, reader, item)
    twice = np.column_stack([x, x[:, 1]])
    with pytest.raises(InputError, match="linear combination"):
        fit(crossed_sums(twice, np.ones(30), z, reader, item))
