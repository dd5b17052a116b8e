"""Regression: equal to scikit-learn and himalaya, independent of how the work is cut up."""

import numpy as np
import pytest
from brainalign.encoding.arrays import rows_of
from brainalign.encoding.correlation import pearson
from brainalign.encoding.inner_folds import Demand
from brainalign.encoding.operators import (
    Design,
    around_mean,
    eigenbasis,
    least_squares_operator,
    least_squares_operators,
)
from brainalign.encoding.regression import LeastSquares, Ridge, make_regression
from brainalign.encoding.settings import Regression
from brainalign.encoding.splits import Contiguous, Split, contiguous, shuffled
from brainalign.errors import InputError
from brainalign.settings import read
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression, RidgeCV
from sklearn.linear_model import Ridge as SklearnRidge

ALPHAS = tuple(np.geomspace(1e-2, 1e4, 7))


def data(n=60, p=150, t=9, seed=0):
    random = np.random.default_rng(seed)
    x = random.standard_normal((n, 20)) @ random.standard_normal((20, p))
    x += 0.5 * random.standard_normal((n, p)) + 3
    y = x[:, :5] @ random.standard_normal((5, t)) / 3 + random.standard_normal((n, t)) + 10
    rows = random.permutation(n)
    return x, y, Split(np.sort(rows[: int(0.8 * n)]), np.sort(rows[int(0.8 * n) :]))


def predicted(regression, x, y, split, inner=()):
    """Predictions relative to their mean over the test rows, and the alphas' indices."""
    fit = regression.fit(Design.of_features(x, regression.intercept), split, inner)
    train = y[split.train] - y[split.train].mean(axis=0)
    prediction, choice = fit.predict(train)
    return prediction.values, choice


@pytest.mark.parametrize("p", [5, 40, 47, 48, 60, 150])
def test_least_squares_is_scikit_learns(p):
    x, y, split = data(p=p)
    truth = LinearRegression().fit(x[split.train], y[split.train]).predict(x[split.test])
    ours, _ = predicted(LeastSquares(), x, y, split)
    np.testing.assert_allclose(ours, truth - truth.mean(axis=0), atol=1e-10 * np.abs(truth).max())


def test_least_squares_of_dependent_units_and_repeated_rows_has_minimum_norm():
    x, y, split = data(p=100)
    x[3:10] = x[2]  # a stimulus shown eight times
    x[:, 50:] = x[:, :50]  # every unit twice
    train = x[split.train] - x[split.train].mean(axis=0)
    weights = np.linalg.pinv(train, rcond=1e-9) @ (y[split.train] - y[split.train].mean(axis=0))
    truth = (x[split.test] - x[split.train].mean(axis=0)) @ weights
    ours, _ = predicted(LeastSquares(), x, y, split)
    np.testing.assert_allclose(ours, truth - truth.mean(axis=0), atol=1e-8)


@pytest.mark.parametrize("p", [6, 40, 150])
@pytest.mark.parametrize("alpha", [1e-3, 1.0, 1e5])
def test_ridge_is_scikit_learns(p, alpha):
    x, y, split = data(p=p)
    truth = SklearnRidge(alpha).fit(x[split.train], y[split.train]).predict(x[split.test])
    ours, _ = predicted(Ridge("loo-per-target", (alpha,)), x, y, split)
    np.testing.assert_allclose(ours, truth - truth.mean(axis=0), atol=1e-10 * np.abs(truth).max())


@pytest.mark.parametrize("p", [6, 40, 150])
def test_leave_one_out_losses_are_brute_force(p):
    x, y, split = data(n=25, p=p)
    fit = Ridge("loo-per-target", ALPHAS).fit(Design.of_features(x), split)
    train_x, train_y = x[split.train], y[split.train]
    ours = fit.losses(train_y - train_y.mean(axis=0))
    for row, alpha in enumerate(fit.alphas):
        errors = []
        for i in range(len(train_x)):
            rest = np.arange(len(train_x)) != i
            model = SklearnRidge(alpha).fit(train_x[rest], train_y[rest])
            errors.append((train_y[i] - model.predict(train_x[[i]])[0]) ** 2)
        np.testing.assert_allclose(ours[row], np.mean(errors, axis=0), rtol=1e-7)


@pytest.mark.parametrize("p", [6, 40, 150])
def test_selection_by_leave_one_out_is_scikit_learns(p):
    x, y, split = data(p=p)
    train_x, train_y = x[split.train], y[split.train]
    each = RidgeCV(ALPHAS, alpha_per_target=True).fit(train_x, train_y)
    _, choice = predicted(Ridge("loo-per-target", ALPHAS), x, y, split)
    np.testing.assert_allclose(np.asarray(ALPHAS)[::-1][choice], each.alpha_)
    one = RidgeCV(ALPHAS).fit(train_x, train_y)
    fit = Ridge("gcv-shared", ALPHAS).fit(Design.of_features(x), split)
    choice = fit.shared_choice(train_y @ train_y.T)
    assert fit.alphas[choice] == pytest.approx(one.alpha_)
    prediction, _ = fit.with_alpha(choice).predict(train_y)
    np.testing.assert_allclose(
        prediction.values + prediction.mean + train_y.mean(axis=0), one.predict(x[split.test]),
        atol=1e-10,
    )  # fmt: skip


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("p", [6, 40, 150])
def test_one_penalty_for_all_is_that_of_the_least_sum_of_losses(p, intercept):
    """Also where responses differ in size, and whatever constant is added to them."""
    x, y, split = data(p=p)
    y = y[split.train] * np.random.default_rng(0).uniform(0.1, 10, y.shape[1]) + 3.0 * intercept
    for target in range(y.shape[1]):
        some = y[:, target : target + 2]
        fit = Ridge("gcv-shared", ALPHAS, intercept=intercept).fit(
            Design.of_features(x, intercept), split
        )
        assert fit.shared_choice(some @ some.T) == fit.losses(some).sum(axis=1).argmin()


@pytest.mark.parametrize("p", [6, 40, 150])
def test_generalised_cross_validation_is_its_formula(p):
    x, y, split = data(n=30, p=p)
    fit = Ridge("gcv-per-target", ALPHAS).fit(Design.of_features(x), split)
    train_x = x[split.train] - x[split.train].mean(axis=0)
    train_y = y[split.train] - y[split.train].mean(axis=0)
    n = len(train_x)
    ours = fit.losses(train_y)
    for row, alpha in enumerate(fit.alphas):
        hat = train_x @ np.linalg.solve(train_x.T @ train_x + alpha * np.eye(p), train_x.T)
        hat += 1 / n
        rss = ((train_y - hat @ train_y) ** 2).sum(axis=0)
        np.testing.assert_allclose(ours[row], n * rss / (n - np.trace(hat)) ** 2, rtol=1e-7)


@pytest.mark.parametrize("p", [15, 150])
def test_selection_by_folds_is_himalayas(p):
    from himalaya.backend import set_backend
    from himalaya.kernel_ridge import KernelRidgeCV

    set_backend("numpy")
    x, y, split = data(n=100, p=p, t=20)
    x -= x.mean(axis=0)
    truth = KernelRidgeCV(alphas=np.asarray(ALPHAS), cv=5, fit_intercept=True, solver="eigenvalues")
    truth.fit(x[split.train], y[split.train])
    blocks = np.array_split(np.arange(split.train.size), 5)
    inner = [Split(np.setdiff1d(np.arange(split.train.size), b), b) for b in blocks]
    ours, choice = predicted(Ridge("folds-per-target", ALPHAS), x, y, split, inner)
    np.testing.assert_allclose(np.asarray(ALPHAS)[::-1][choice], truth.best_alphas_, rtol=1e-6)
    r = pearson(ours, y[split.test])
    np.testing.assert_allclose(r, pearson(truth.predict(x[split.test]), y[split.test]), atol=1e-8)


@pytest.mark.parametrize("alphas", [ALPHAS, (1e-4, 10.0, 1e3)])
@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("p", [40, 81, 300])
def test_losses_of_inner_folds_are_brute_force_with_gaps_and_rows_that_none_tests(
    p, intercept, alphas
):
    """Also where the smallest penalty alone leaves too few digits for one inverse of all folds."""
    x, y, split = data(n=200, p=p)
    n = split.train.size
    inner = [
        Split(np.r_[0 : max(at - 3, 0), min(at + 50, n) : n], np.arange(at, at + 44))
        for at in (0, 50, 100)
    ]
    train_x, train_y = x[split.train], y[split.train]
    ridge = Ridge("folds-per-target", alphas, intercept=intercept)
    ours = ridge.fit(Design.of_features(x, intercept), split, inner).losses(train_y)
    for row, alpha in enumerate(alphas[::-1]):
        errors = []
        for part in inner:
            model = SklearnRidge(alpha, fit_intercept=intercept)
            model.fit(train_x[part.train], train_y[part.train])
            wrong = train_y[part.test] - model.predict(train_x[part.test])
            errors.append((wrong**2).mean(axis=0))
        np.testing.assert_allclose(ours[row], np.mean(errors, axis=0), rtol=1e-6)


@pytest.mark.parametrize("criterion", ["squared-error", "r2"])
@pytest.mark.parametrize("p", [20, 150])
def test_many_targets_in_single_precision_are_those_in_double(p, criterion):
    """A triangle replaces the folds' operators; what it is made of stays in double precision."""
    x, y, split = data(n=100, p=p, t=400)
    inner = contiguous(split.train.size, 4)
    design = Design.of_features(x)
    ridge = Ridge("folds-per-target", ALPHAS, criterion=criterion)
    exact = ridge.fit(design, split, inner)
    many = ridge.fit(design, split, inner, Demand(np.float32, 400, inner_r=False))
    train = y[split.train] - y[split.train].mean(axis=0)
    quick = many.losses(train.astype(np.float32))
    assert quick.dtype == np.float32
    np.testing.assert_allclose(quick, exact.losses(train), rtol=1e-4)


@pytest.mark.parametrize("p", [20, 150])
def test_r_of_inner_folds_is_brute_force(p):
    x, y, split = data(n=100, p=p)
    inner = contiguous(split.train.size, 4)
    train_x, train_y = x[split.train], y[split.train]
    fit = Ridge("folds-per-target", ALPHAS).fit(Design.of_features(x), split, inner)
    prediction, choice, ours = fit.predict_inside(train_y - train_y.mean(axis=0))
    again, same = fit.predict(train_y - train_y.mean(axis=0))
    np.testing.assert_array_equal(choice, same)
    np.testing.assert_array_equal(prediction.values, again.values)
    assert len(set(choice.tolist())) > 1
    for fold, part in enumerate(inner):
        for target, index in enumerate(choice):
            model = SklearnRidge(ALPHAS[::-1][index])
            model.fit(train_x[part.train], train_y[part.train, target])
            r = np.corrcoef(model.predict(train_x[part.test]), train_y[part.test, target])[0, 1]
            assert ours[fold, target] == pytest.approx(r, abs=1e-9)


@pytest.mark.parametrize("p", [15, 30])
def test_r2_criterion_scales_each_fold_by_its_variance(p):
    x, y, split = data(p=p)
    blocks = np.array_split(np.arange(split.train.size), 4)
    inner = [Split(np.setdiff1d(np.arange(split.train.size), b), b) for b in blocks]
    regression = Ridge("folds-per-target", (1.0,), criterion="r2")
    train_x, train_y = x[split.train], y[split.train]
    fit = regression.fit(Design.of_features(x), split, inner)
    errors = []
    for part in inner:
        model = SklearnRidge(1.0).fit(train_x[part.train], train_y[part.train])
        wrong = (train_y[part.test] - model.predict(train_x[part.test])) ** 2
        errors.append(wrong.mean(axis=0) / train_y[part.test].var(axis=0))
    ours = fit.losses(train_y - train_y.mean(axis=0))[0]
    np.testing.assert_allclose(ours, np.mean(errors, axis=0), rtol=1e-8)


def test_without_intercept_nothing_is_centred():
    x, y, split = data(p=30)
    truth = SklearnRidge(2.0, fit_intercept=False).fit(x[split.train], y[split.train])
    fit = Ridge("loo-per-target", (2.0,), intercept=False).fit(Design.of_features(x, False), split)
    (ours, level), _ = fit.predict(y[split.train])
    np.testing.assert_allclose(
        ours, around_mean(truth.predict(x[split.test]), apart=True), atol=1e-9
    )
    np.testing.assert_allclose(level, truth.predict(x[split.test]).mean(axis=0), atol=1e-9)


def test_relative_alphas_do_not_depend_on_the_scale_of_the_features():
    x, y, split = data()
    regression = Ridge("gcv-per-target", ALPHAS, relative=True)
    once, choice = predicted(regression, x, y, split)
    again, choice_again = predicted(regression, 1000 * x, y, split)
    np.testing.assert_allclose(once, again, rtol=1e-8, atol=1e-10)
    np.testing.assert_array_equal(choice, choice_again)


@pytest.mark.parametrize("selection", ["ols", "loo-per-target", "gcv-per-target"])
@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_float32_is_within_1e_4_of_float64(selection, scale):
    x, y, split = data(n=200, p=600, t=50)
    x[:, 3] += 1000 * scale  # an outlier dimension, as language models have
    regression = LeastSquares() if selection == "ols" else Ridge(selection, ALPHAS)
    exact, exact_choice = predicted(regression, x.astype(np.float32), y, split)
    quick, quick_choice = predicted(
        regression, x.astype(np.float32), (y - y.mean(axis=0)).astype(np.float32), split
    )
    assert quick.dtype == np.float32
    same = slice(None) if exact_choice is None else exact_choice == quick_choice
    assert np.mean(np.ones(50)[same]) > 0.9
    r = pearson(exact, y[split.test])
    assert np.abs(r - pearson(quick, y[split.test]))[same].max() < 1e-4


def test_features_that_do_not_tell_the_test_rows_apart_predict_exactly_nothing():
    """One-hot rows of held-out groups never occur in training: the content-free baseline."""
    random = np.random.default_rng(0)
    groups = np.repeat(np.arange(6), 10)
    x = np.kron(np.eye(6), np.ones((10, 10))) * (1 + random.random((60, 60)))
    y = random.standard_normal((60, 4))
    split = Split(np.flatnonzero(groups != 2), np.flatnonzero(groups == 2))
    for regression in (LeastSquares(), Ridge("gcv-per-target", ALPHAS, relative=True)):
        ours, _ = predicted(regression, x, y, split)
        assert (ours == 0).all()
        assert (pearson(ours, y[split.test]) == 0).all()


@pytest.mark.parametrize("value", [0.0, 1e6])
def test_constant_units_predict_exactly_nothing(value):
    _, y, split = data()
    x = np.full((60, 150), value) + np.linspace(0, 1, 150)
    for regression in (LeastSquares(), Ridge("loo-per-target", ALPHAS)):
        ours, _ = predicted(regression, x, y, split)
        assert (ours == 0).all()


@given(seed=st.integers(0, 10**6), p=st.sampled_from([7, 45, 120]))
@settings(max_examples=15, deadline=None)
def test_each_target_is_predicted_by_itself(seed, p):
    """Neither the other targets nor their order changes a prediction."""
    x, y, split = data(p=p, seed=seed)
    order = np.random.default_rng(seed).permutation(y.shape[1])
    for regression in (LeastSquares(), Ridge("loo-per-target", ALPHAS, relative=True)):
        all_at_once, _ = predicted(regression, x, y, split)
        reordered, _ = predicted(regression, x, y[:, order], split)
        alone, _ = predicted(regression, x, y[:, :1], split)
        np.testing.assert_allclose(reordered, all_at_once[:, order], rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(alone, all_at_once[:, :1], rtol=1e-9, atol=1e-9)


@given(seed=st.integers(0, 10**6), shift=st.floats(-1e3, 1e3))
@settings(max_examples=15, deadline=None)
def test_a_shift_of_features_and_responses_changes_nothing(seed, shift):
    x, y, split = data(p=100, seed=seed)
    once, _ = predicted(LeastSquares(), x, y, split)
    again, _ = predicted(LeastSquares(), x + shift, y - shift, split)
    np.testing.assert_allclose(once, again, atol=1e-6)


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("p", [30, 59, 60, 150])
def test_the_operators_of_all_folds_are_those_of_each(p, intercept):
    x, _, _ = data(p=p)
    design = Design.of_features(x, intercept)
    ids = [f"s{i:02d}" for i in range(60)]
    for splits in (contiguous(60, 5), contiguous(60, 5, 3, 2), shuffled(ids, 4, 0.8, 1)):
        together = least_squares_operators(design, splits)
        for split, operator in zip(splits, together, strict=True):
            alone = least_squares_operator(design, split)
            np.testing.assert_allclose(operator[:, split.train], alone, atol=1e-9)
            assert not np.delete(operator, split.train, axis=1).any()


def test_the_operators_of_rows_that_repeat_fall_back_to_those_of_each_fold():
    x, _, _ = data(p=150)
    x[30:] = x[:30]
    design = Design.of_features(x)
    splits = contiguous(60, 3)
    for split, operator in zip(splits, least_squares_operators(design, splits), strict=True):
        alone = least_squares_operator(design, split)
        np.testing.assert_array_equal(operator[:, split.train], alone)
        assert not np.delete(operator, split.train, axis=1).any()


def test_the_operator_needs_no_responses():
    x, _, split = data()
    operator = least_squares_operator(Design.of_features(x), split)
    assert operator.shape == (split.test.size, split.train.size)
    np.testing.assert_allclose(operator.sum(axis=1), 0, atol=1e-10)  # blind to a constant


def test_torch_takes_the_same_path():
    torch = pytest.importorskip("torch")
    for p in (10, 55, 150):
        x, y, split = data(p=p)
        inner = [Split(np.arange(10, 48), np.arange(10))]
        for regression in (
            LeastSquares(),
            Ridge("loo-per-target", ALPHAS),
            Ridge("gcv-per-target", ALPHAS),
            Ridge("folds-per-target", ALPHAS),
        ):
            truth, choice = predicted(regression, x, y, split, inner)
            tensors, indices = predicted(regression, torch.tensor(x), torch.tensor(y), split, inner)
            assert isinstance(tensors, torch.Tensor)
            np.testing.assert_allclose(tensors.numpy(), truth, atol=1e-9)
            if choice is not None:
                np.testing.assert_array_equal(indices.numpy(), choice)


def test_sums_of_gram_matrices_are_features_side_by_side():
    x, _, split = data(p=150)
    grams = sum(part @ part.T for part in (x[:, :70], x[:, 70:]))
    summed = eigenbasis(Design.of_gram(grams), split)
    joint = eigenbasis(Design.of_features(x), split)
    np.testing.assert_allclose(summed.values, joint.values, rtol=1e-8, atol=1e-8)


def test_rows_of_takes_views_where_it_can():
    x = np.arange(20.0).reshape(10, 2)
    assert np.shares_memory(rows_of(x, np.arange(2, 6)), x)
    np.testing.assert_array_equal(rows_of(x, np.array([4, 1])), x[[4, 1]])


@pytest.mark.parametrize(
    "entry, message",
    [
        ({"type": "lasso"}, "regression.type: 'lasso'"),
        ({"type": "ridge", "selection": "best"}, "regression.selection: 'best'"),
        ({"type": "ridge", "criterion": "r"}, "regression.criterion"),
        ({"type": "ridge", "alphas": {"low": 0}}, "regression.alphas"),
        ({"type": "ridge", "alphas": {"low": 10, "high": 1}}, "regression.alphas"),
    ],
)
def test_a_bad_entry_is_named(entry, message):
    with pytest.raises(InputError, match=message):
        read(entry, Regression, "regression")


def test_the_default_grid_is_brain_scores():
    assert make_regression(read({"type": "ridge"}, Regression)).alphas == pytest.approx(
        np.logspace(-3, 3, 7)
    )


@pytest.mark.parametrize("selection", ["gcv-shared", "loo-per-target", "gcv-per-target"])
@pytest.mark.parametrize("p", [50, 400])
def test_a_huge_unit_that_is_constant_over_the_test_rows_hides_no_other(selection, p):
    """Its part of every prediction is one constant, ten thousand times larger than what varies."""
    random = np.random.default_rng(0)
    groups = np.repeat(np.arange(10), 20)
    x = random.standard_normal((200, p))
    y = x[:, 1:6] @ random.standard_normal((5, 20)) + 0.5 * random.standard_normal((200, 20))
    x[:, 0] = 1e4 * (groups - 4.5)
    split = Split(np.flatnonzero(groups != 3), np.flatnonzero(groups == 3))
    ours, _ = predicted(Ridge(selection, (10.0,)), x, y, split)
    truth = SklearnRidge(10.0, solver="svd").fit(x[split.train], y[split.train])
    truth = truth.predict(x[split.test])
    np.testing.assert_allclose(
        pearson(ours, y[split.test]), pearson(truth, y[split.test]), atol=1e-3
    )


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("p", [1, 4, 100])
def test_features_that_are_constant_over_the_training_rows_predict_nothing(p, relative):
    random = np.random.default_rng(0)
    x = np.tile(random.standard_normal(p), (60, 1))
    x[40:] = random.standard_normal((20, p))
    y, split = random.standard_normal((60, 5)), Split(np.arange(40), np.arange(40, 60))
    inner = Contiguous().inner(split.train, None, 4)
    ridges = [Ridge(name, (0.1, 10.0), relative) for name in ("loo-per-target", "gcv-per-target")]
    for regression in (LeastSquares(), *ridges, Ridge("folds-per-target", (0.1, 10.0), relative)):
        prediction, _ = predicted(regression, x, y, split, inner)
        assert not prediction.any()


def test_an_inner_fold_where_a_target_is_constant_has_no_say_under_r2():
    random = np.random.default_rng(0)
    x = random.standard_normal((100, 30))
    y = x @ random.standard_normal((30, 3)) + 0.3 * random.standard_normal((100, 3))
    y[:20, 0], y[:20, 1] = 0.0, 0.1
    inner = Contiguous().inner(np.arange(80), None, 4)
    design, split = Design.of_features(x), Split(np.arange(80), np.arange(80, 100))
    regression = Ridge("folds-per-target", ALPHAS, criterion="r2")
    responses = y[:80] - y[:80].mean(axis=0)
    losses = regression.fit(design, split, inner).losses(responses)
    others = regression.fit(design, split, inner[1:]).losses(responses)
    np.testing.assert_allclose(losses[:, :2], others[:, :2] * 3 / 4)
