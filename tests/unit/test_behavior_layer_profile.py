"""Depth profiles of reading times: brute force, scikit-learn, a planted layer, rates under null."""

import numpy as np
import pandas as pd
import pytest
from brainalign.behavior.added import NO_PENALTY, PENALTIES, Stories
from brainalign.behavior.layer_profile import states_profile, surprisal_profile
from brainalign.behavior.reading_times import fit_reading_times
from brainalign.errors import InputError
from brainalign.formats.activations import open_activations, write_activations
from profiled_readers import SETTINGS, profile, read
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import r2_score
from sklearn.preprocessing import StandardScaler


def drawn(seed=0, stories=5, words=30, features=7, effect=1.0):
    rng = np.random.default_rng(seed)
    story = np.repeat([f"s{k}" for k in range(stories)], words)
    covariates = rng.normal(size=(len(story), 3))
    x = rng.normal(size=(len(story), features)) + covariates[:, :1]
    y = covariates @ [3.0, 1.0, 0.0] + effect * x[:, 0] + rng.normal(0, 2, len(story))
    return covariates, x, y, story


def least_squares(z, x, y, alpha):
    """Weights that minimise |y - zb - xw|² + alpha |w|², by least squares on more rows."""
    rows = np.hstack([np.zeros((x.shape[1], z.shape[1])), np.sqrt(alpha) * np.eye(x.shape[1])])
    both = np.vstack([np.hstack([z, x]), rows])
    return np.linalg.lstsq(both, np.concatenate([y, np.zeros(len(rows))]), rcond=None)[0]


def nested_by_hand(covariates, x, y, story, penalties):
    """Errors of every word, with and without features, and the penalty: loops over stories."""
    z = np.column_stack([np.ones(len(y)), covariates])
    both = np.hstack([z, x])

    def fit(train, penalty):
        left = x[train] - LinearRegression().fit(covariates[train], x[train]).predict(
            covariates[train]
        )
        unit = np.mean(np.linalg.svd(left, compute_uv=False, full_matrices=True) ** 2)
        unit *= min(left.shape) / left.shape[1]
        return least_squares(z[train], x[train], y[train], penalty * unit)

    errors, base, chosen = np.empty(len(y)), np.empty(len(y)), []
    for name in np.unique(story):
        test = story == name
        losses = np.zeros(len(penalties))
        for other in np.unique(story[~test]):
            inner = ~test & (story != other)
            held = story == other
            for k, penalty in enumerate(penalties):
                losses[k] += ((y[held] - both[held] @ fit(inner, penalty)) ** 2).sum()
        best = penalties[int(losses.argmin())]
        chosen.append(best)
        errors[test] = y[test] - both[test] @ fit(~test, best)
        known = LinearRegression().fit(covariates[~test], y[~test])
        base[test] = y[test] - known.predict(covariates[test])
    return errors, base, np.array(chosen)


@pytest.mark.parametrize("features", [7, 200])
def test_equal_to_loops_over_stories(features):
    """With more features than words, too."""
    penalties = PENALTIES[::4] if features == 7 else PENALTIES[4:13:4]
    covariates, x, y, story = drawn(features=features)
    held = Stories(covariates, y, story).predict(x, penalties)
    errors, base, chosen = nested_by_hand(covariates, x, y, story, penalties)
    np.testing.assert_allclose(held.error, errors, atol=1e-6)
    np.testing.assert_allclose(held.base_error, base, atol=1e-8)
    np.testing.assert_allclose(held.penalty, chosen)


def test_equal_to_scikit_learn_where_covariates_have_a_scale_that_no_penalty_reaches():
    covariates, x, y, story = drawn()
    held = Stories(covariates, y, story).predict(x, [0.5])
    for name in np.unique(story):
        train, test = story != name, story == name
        left = x[train] - LinearRegression().fit(covariates[train], x[train]).predict(
            covariates[train]
        )
        design = np.hstack([covariates * 1e7, x])
        ridge = Ridge(alpha=0.5 * (left**2).sum() / x.shape[1], solver="svd")
        expected = y[test] - ridge.fit(design[train], y[train]).predict(design[test])
        np.testing.assert_allclose(held.error[test], expected, atol=1e-5)


def test_least_squares_is_scikit_learns():
    covariates, x, y, story = drawn(features=3)
    held = Stories(covariates, y, story).predict(x, NO_PENALTY)
    both = np.hstack([covariates, x])
    for name in np.unique(story):
        train, test = story != name, story == name
        model = LinearRegression().fit(both[train], y[train])
        np.testing.assert_allclose(held.error[test], y[test] - model.predict(both[test]))
        left = y[train] - model.predict(both[train])
        np.testing.assert_allclose(held.variance[test], np.mean(left**2))


def test_features_that_the_covariates_determine_say_nothing():
    covariates, x, y, story = drawn()
    stories = Stories(covariates, y, story)
    assert stories.predict(covariates @ [[1.0, 2.0], [0.0, 1.0], [1.0, 1.0]], PENALTIES) is None
    with_them = stories.predict(np.hstack([covariates, x]), PENALTIES)
    np.testing.assert_allclose(with_them.error, stories.predict(x, PENALTIES).error, atol=1e-8)


def test_useless_features_are_shrunk_to_nothing():
    covariates, x, y, story = drawn(features=60, effect=0, words=40)
    held = Stories(covariates, y, story).predict(x, PENALTIES)
    assert abs(held.loglik_gain().mean()) < 0.02
    assert np.median(held.penalty) > 1


def saved(folder, layers, stimuli):
    write_activations(layers, stimuli["stimulus_id"].tolist(), folder / "a.safetensors", {})
    return open_activations(folder / "a.safetensors")


def test_the_last_layer_of_surprisal_is_the_measure_of_the_models_surprisal():
    stimuli, responses, layers = read(1, effect=10)
    bits = stimuli[["stimulus_id"]].assign(**{name: x[:, 0] for name, x in layers.items()})
    bits.loc[[0, 80], list(layers)] = np.nan
    profile = surprisal_profile(bits, stimuli, responses, SETTINGS).set_index("layer")
    for name in layers:
        of_layer = bits[["stimulus_id"]].assign(bits=bits[name])
        measures = fit_reading_times(of_layer, stimuli, responses, SETTINGS).set_index(
            ["kind", "measure"]
        )
        expected = measures.loc[("all", "delta_loglik_per_word")].iloc[0]
        assert profile.loc[name, "delta_loglik_per_word"] == pytest.approx(expected["value"])
        assert profile.loc[name, ["n", "n_dropped", "reason"]].tolist() == (
            expected[["n", "n_dropped", "reason"]].tolist()
        )
        assert profile.loc[name, "mean_bits"] == pytest.approx(bits[name].mean())


@pytest.mark.parametrize("predictor", ["surprisal", "states"])
def test_the_planted_layer_is_chosen(predictor, tmp_path):
    table = profile(predictor, tmp_path, 3, words=150, effect=20).set_index("layer")
    single = table.drop(index="nested")
    assert single["delta_r2"].idxmax() == "layer.2"
    assert table.loc["layer.2", "low"] > 0
    assert table.loc["layer.2", "p"] < 0.01
    assert table.loc["layer.2", "delta_r2"] > 2 * table.loc["embedding", "delta_r2"]
    assert table.loc["nested", "delta_r2"] == pytest.approx(table.loc["layer.2", "delta_r2"])
    assert table["chosen"].tolist() == [False] * len(single) + [True]


def test_what_is_added_is_a_share_of_the_variance_of_times(tmp_path):
    """As scikit-learn has R², from the predictions of all words together."""
    stimuli, responses, layers = read(2, effect=20)
    table = states_profile(saved(tmp_path, layers, stimuli), stimuli, responses, SETTINGS)
    words = stimuli.assign(y=responses["responses"].mean("target").to_numpy())
    group = words.groupby("context_group", sort=False)
    for name in ("length", "log_frequency"):
        words[f"{name}_back"] = group[name].shift(1)
    used = ((words["word_in_sentence"] != 1) & words["length_back"].notna()).to_numpy()
    columns = ["length", "length_back", "log_frequency", "log_frequency_back", "position"]
    z = StandardScaler().fit_transform(words.loc[used, columns])
    y, story = words.loc[used, "y"].to_numpy(), words.loc[used, "context_group"].to_numpy()
    held = Stories(z, y, story).predict(layers["layer.2"][used], PENALTIES)
    base = y - held.base_error
    expected = r2_score(y, y - held.error) - r2_score(y, base)
    row = table.set_index("layer").loc["layer.2"]
    assert row["n"] == used.sum()
    assert row["delta_r2"] == pytest.approx(expected, abs=1e-9)
    added = (y - held.error) - base
    assert row["r"] == pytest.approx(np.corrcoef(added, y - base)[0, 1], abs=1e-9)


def test_the_order_of_an_activation_file_does_not_matter(tmp_path):
    stimuli, responses, layers = read(4, effect=20)
    order = np.random.default_rng(0).permutation(len(stimuli))
    expected = states_profile(saved(tmp_path, layers, stimuli), stimuli, responses, SETTINGS)
    moved = {name: values[order] for name, values in layers.items()}
    file = saved(tmp_path, moved, stimuli.iloc[order])
    pd.testing.assert_frame_equal(states_profile(file, stimuli, responses, SETTINGS), expected)
    with pytest.raises(InputError, match="no activations of 1 of"):
        states_profile(saved(tmp_path, {"features": layers["final"][1:]}, stimuli[1:]),
                       stimuli, responses, SETTINGS)  # fmt: skip


def test_two_stories_are_too_few(tmp_path):
    stimuli, responses, layers = read(5, stories=2)
    table = states_profile(saved(tmp_path, layers, stimuli), stimuli, responses, SETTINGS)
    assert table["note"].tolist() == ["not computable: 2 stories, 3 are needed"] * len(layers)
    assert table["delta_r2"].isna().all()


def test_a_baseline_has_one_layer_which_is_chosen(tmp_path):
    stimuli, responses, layers = read(6)
    file = saved(tmp_path, {"features": layers["final"]}, stimuli)
    table = states_profile(file, stimuli, responses, SETTINGS)
    assert table["layer"].tolist() == ["features"]
    assert table["chosen"].all()


@pytest.mark.long
@pytest.mark.parametrize(("predictor", "studies"), [("surprisal", 400), ("states", 200)])
def test_layers_that_know_nothing_seldom_add_something(predictor, studies, tmp_path):
    """Rates are in benchmarks/RESULTS.md; .05 and two standard errors of a rate are allowed."""
    tables = [profile(predictor, tmp_path, seed) for seed in range(studies)]
    rows = pd.concat(tables)
    rates = (rows["p"] < 0.05).groupby(rows["layer"] == "nested").mean()
    print(predictor, "p < .05:", rates.to_dict(), "low > 0:", (rows["low"] > 0).mean())
    assert rates.max() < 0.05 + 2 * np.sqrt(0.05 * 0.95 / studies)
    assert rows["delta_r2"].mean() < 0
