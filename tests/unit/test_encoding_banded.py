"""Variance partitioning against scikit-learn and planted shares of variance."""

from dataclasses import replace

import numpy as np
import pytest
from brainalign.encoding.banded import SHARES, Nuisance, mixtures, with_copies
from brainalign.encoding.features import Features
from brainalign.encoding.regression import Ridge
from brainalign.encoding.responses import Responses, Targets
from brainalign.encoding.splits import Contiguous, Split, contiguous
from brainalign.errors import InputError
from brainalign.formats.activations import open_activations, write_activations
from sklearn.linear_model import Ridge as SklearnRidge
from worlds.encoding import CONTROLLED, content_free, overall, planted, tables
from worlds.entries import align, read_benchmark

FOLDS = CONTROLLED | {
    "regression": {
        "type": "ridge", "selection": "folds-per-target",
        "alphas": {"low": 1e-2, "high": 1e3, "n": 6, "relative": True},
    }
}  # fmt: skip
ALPHAS = tuple(np.geomspace(1e-4, 1e3, 8).tolist())


def spaces(seed=0, n=200, noise=1.0):
    """Responses that hold a model's own features and nuisance; the model knows some nuisance."""
    random = np.random.default_rng(seed)
    nuisance, specific = random.standard_normal((n, 5)), random.standard_normal((n, 8))
    shared = specific @ random.standard_normal((8, 30)) / np.sqrt(8) * 2
    model = np.hstack([specific, nuisance[:, :2]])
    y = (
        shared
        + nuisance @ random.standard_normal((5, 30))
        + noise * random.standard_normal((n, 30))
    )
    return model, nuisance, specific, y


def responses_of(y):
    names = np.full(y.shape[1], "s")
    return Responses(y, Targets(np.arange(y.shape[1]).astype(str), names, names))


def benchmark_of(y, folds=4, **changes):
    stimuli, dataset = tables(y)
    split = {"scheme": "contiguous", "folds": folds, "gap": 5, "inner_folds": 3}
    benchmark = read_benchmark(CONTROLLED | {"split": split}, stimuli, dataset, 0)
    return replace(benchmark, **changes)


@pytest.mark.parametrize("n_units", [8, 300])
def test_the_mixtures_are_chosen_as_himalaya_chooses_them(n_units):
    from himalaya.backend import set_backend
    from himalaya.kernel_ridge import solve_multiple_kernel_ridge_random_search

    set_backend("numpy")
    _, nuisance, specific, y = spaces()
    wide = specific @ np.random.default_rng(3).standard_normal((8, n_units))
    split = contiguous(200, 4, 5)[1]
    inner = Contiguous(gap=5).inner(split.train, None, 3)
    ridge = Ridge("folds-per-target", ALPHAS, inner_folds=3, intercept=False)
    y = y - y.mean(axis=0)
    spaces_of = {n: Features(x, intercept=False) for n, x in (("n", nuisance), ("w", wide))}
    benchmark = benchmark_of(y, regression=ridge, splits=(split,))
    (ours,) = Nuisance(spaces_of, responses_of(y), benchmark).alone
    weights = with_copies(mixtures(2, 5, 0))
    kernels = []
    for x in (nuisance, wide):
        gram = x @ x.T
        kernels.append(gram / np.trace(gram[np.ix_(split.train, split.train)]) * split.train.size)
    inside = np.stack([k[np.ix_(split.train, split.train)] for k in kernels])
    deltas, dual, _ = solve_multiple_kernel_ridge_random_search(
        inside, y[split.train], n_iter=weights, alphas=np.array(ALPHAS[::-1]),
        cv=[(part.train, part.test) for part in inner], return_weights="dual", progress_bar=False,
    )  # fmt: skip
    predicted = sum(
        np.exp(delta) * (k[np.ix_(split.test, split.train)] @ dual)
        for k, delta in zip(kernels, deltas, strict=True)
    )
    truth = y[split.test]
    expected = 1 - ((truth - predicted) ** 2).sum(axis=0) / (truth**2).sum(axis=0)
    np.testing.assert_allclose(ours, expected, atol=1e-8)


def test_one_band_is_ridge():
    _, nuisance, _, y = spaces()
    split = contiguous(200, 4, 5)[1]
    x = nuisance[split.train] - nuisance[split.train].mean(axis=0)
    alpha = 3.0
    scale = (x**2).sum() / len(x)
    model = SklearnRidge(alpha * scale).fit(nuisance[split.train], y[split.train])
    truth = y[split.test] - y[split.train].mean(axis=0)
    error = y[split.test] - model.predict(nuisance[split.test])
    expected = 1 - (error**2).sum(axis=0) / (truth**2).sum(axis=0)
    ridge = Ridge("folds-per-target", (alpha,), inner_folds=3, relative=True)
    benchmark = benchmark_of(y, regression=ridge, splits=(split,))
    (ours,) = Nuisance({"n": Features(nuisance)}, responses_of(y), benchmark).alone
    np.testing.assert_allclose(ours, expected, atol=1e-8)


def test_unique_variance_is_what_only_the_model_holds():
    model, nuisance, specific, y = spaces()
    beyond = Nuisance({"n": Features(nuisance)}, responses_of(y), benchmark_of(y))
    weights = np.linalg.lstsq(np.hstack([specific, nuisance]), y, rcond=None)[0]
    unique = (specific @ weights[:8]).var(axis=0) / y.var(axis=0)
    added = beyond.unique([Features(model)] * 4)
    assert added.shape == (4, 30)
    assert added.mean() == pytest.approx(unique.mean(), abs=0.05)
    assert beyond.alone.mean() > 0.1
    assert abs(beyond.unique([Features(nuisance[:, :3])] * 4).mean()) < 0.02


def test_targets_without_measurements_have_no_unique_variance():
    model, nuisance, _, y = spaces()
    y[3, 7] = np.nan
    beyond = Nuisance({"n": Features(nuisance)}, responses_of(y), benchmark_of(y), candidates=2)
    unique = beyond.unique([Features(model)] * 4)
    assert (np.flatnonzero(np.isnan(unique).any(axis=0)) == [7]).all()


def test_the_table_says_what_remains_of_each_layer_beyond_autocorrelation(tmp_path):
    """True features keep their variance; features that only tell rows apart by time keep none."""
    features, y, _ = planted()
    stimuli, dataset = tables(y)

    def file(name, layers):
        layers = {layer: np.asarray(x, dtype=np.float32) for layer, x in layers.items()}
        path = tmp_path / f"{name}.safetensors"
        write_activations(layers, stimuli["stimulus_id"].tolist(), path, {})
        return open_activations(path)

    oasm = file("oasm", {"features": content_free()})
    known = np.hstack([np.random.default_rng(5).standard_normal((len(y), 10)), content_free()])
    split = {"scheme": "shuffled", "folds": 4, "train": 0.8, "seed": 1}
    asked = {"beyond": ["oasm"], "candidates": 1}
    entry = CONTROLLED | {"split": split, "layers": "best", "unique_variance": asked}
    layers = {"true": features, "noise": known}
    both = file("model", layers)
    table = align(both, stimuli, dataset, entry, "cpu", 0, {"oasm": oasm})
    assert overall(table, "true")["unique_r2"] > 0.1
    assert set(table.loc[table["unique_r2"].notna(), "layer"]) == {"true"}
    assert set(table.loc[table["chosen"], "beyond"]) == {"oasm"}
    each = table[table["chosen"] & (table["region"] == "all") & (table["subject"] != "all")]
    assert each["unique_r2"].notna().all()
    table = align(
        file("noise", {"noise": known}), stimuli, dataset, entry, "cpu", 0, {"oasm": oasm}
    )
    # What is left of features that hold the nuisance is less than the noise of the estimate.
    assert abs(overall(table, "noise")["unique_r2"]) < 0.02
    assert overall(table, "noise")["r"] > 0.2
    without = align(both, stimuli, dataset, entry, "cpu", 0)
    assert without["unique_r2"].isna().all()
    with pytest.raises(InputError, match="oasm has 2 layers, expected one"):
        align(both, stimuli, dataset, entry, "cpu", 0, {"oasm": file("o", layers)})


@pytest.mark.parametrize("method", ["pca", "projection"])
def test_fewer_dimensions_of_a_layer_leave_the_nuisance_unchanged(tmp_path, method):
    """A layer that holds autocorrelation alone adds nothing, whatever is left of it."""
    _, y, _ = planted()
    stimuli, dataset = tables(y)
    known = content_free()
    mixed = known @ np.random.default_rng(0).standard_normal((240, 400))
    files = {}
    for name, values in (("layer", mixed), ("oasm", known)):
        path = tmp_path / f"{name}.safetensors"
        write_activations({name: values.astype(np.float32)}, list(stimuli["stimulus_id"]), path, {})
        files[name] = open_activations(path)
    entry = CONTROLLED | {
        "split": {"scheme": "shuffled", "folds": 3},
        "unique_variance": {"beyond": ["oasm"], "candidates": 1},
        "reduce": {"method": method, "dimensions": 10},
    }
    table = align(files["layer"], stimuli, dataset, entry, "cpu", 0, {"oasm": files["oasm"]})
    row = overall(table, "layer")
    assert row["r2"] > 0.01
    assert row["unique_r2"] < 1e-3


def test_a_space_that_is_constant_over_the_training_rows_changes_nothing():
    random = np.random.default_rng(0)
    good = random.standard_normal((60, 5))
    y = good @ random.standard_normal((5, 6)) + 0.3 * random.standard_normal((60, 6))
    flag = np.repeat([0.0, 1.0], [40, 20])[:, None]
    split, responses = Split(np.arange(40), np.arange(40, 60)), responses_of(y)
    ridge = Ridge("gcv-per-target", tuple(np.geomspace(1e-4, 1e4, 9)), relative=True)
    benchmark = benchmark_of(y, regression=ridge, splits=(split,))
    alone = Nuisance({"good": Features(good)}, responses, benchmark).alone
    both = {"good": Features(good), "flag": Features(flag)}
    r2 = Nuisance(both, responses, benchmark, candidates=20).alone
    np.testing.assert_allclose(r2, alone, atol=1e-6)


def test_a_copy_of_a_baseline_adds_nothing():
    """Through few mixtures and many, selection by folds, three baselines, one of them noise."""
    random = np.random.default_rng(0)
    for candidates, seed in ((1, 0), (3, 1)):
        _, nuisance, specific, y = spaces(seed)
        known = {"a": nuisance[:, :3], "b": nuisance[:, 3:], "c": random.standard_normal((200, 40))}
        stimuli, dataset = tables(y)
        split = {"scheme": "contiguous", "folds": 4, "gap": 5}
        alphas = {"low": 0.1, "high": 100, "n": 4, "relative": True}
        regression = FOLDS["regression"] | {"alphas": alphas, "inner_folds": 3}
        entry = FOLDS | {"regression": regression, "split": split}
        benchmark = read_benchmark(entry, stimuli, dataset, seed)
        files = {name: Features(values) for name, values in known.items()}
        beyond = Nuisance(files, responses_of(y), benchmark, candidates)
        assert beyond.alone.mean() > 0.1
        turned = np.linalg.qr(random.standard_normal((3, 3)))[0]
        for copy in (known["a"], 7 * known["a"] @ turned + 2, known["c"]):
            unique = beyond.unique([Features(copy)] * 4)
            np.testing.assert_allclose(unique, 0, atol=5e-4)
        assert beyond.unique([Features(specific)] * 4).mean() > 0.3


def test_mixtures_of_the_baselines_hold_what_a_copy_makes_of_them():
    weights = mixtures(3, 4, 0)
    every = with_copies(weights)
    np.testing.assert_allclose(every.sum(axis=1), 1)
    known = {tuple(row) for row in every.round(9)}
    for row in weights:
        for share in SHARES:
            for space in np.eye(3):
                assert tuple(((1 - share) * row + share * space).round(9)) in known
    assert {tuple(row) for row in weights.round(9)} <= known


@pytest.mark.long
def test_shifted_layers_are_a_null_distribution(tmp_path):
    """Features of the responses are above all shifts, features of other drift rarely."""
    alphas = {"low": 1, "high": 100, "n": 3, "relative": True}
    entry = FOLDS | {
        "regression": FOLDS["regression"] | {"alphas": alphas, "inner_folds": 2},
        "split": {"scheme": "grouped", "folds": 2, "seed": 1},
        "unique_variance": {"beyond": ["length"], "candidates": 1, "shifts": 19},
    }
    p_null = []
    for seed in range(20):
        features, y, _ = planted(seed)
        features, y = features[:80], y[:80, :12]
        stimuli, dataset = tables(y)
        ids = list(stimuli["stimulus_id"])
        other = planted(100 + seed)[1][:80, 60:70]
        length = np.random.default_rng(seed).standard_normal((len(y), 2))
        files = {}
        for name, values in {"length": length, "other": other, "true": features}.items():
            path = tmp_path / f"{name}.safetensors"
            write_activations({name: values.astype(np.float32)}, ids, path, {})
            files[name] = open_activations(path)
        nuisance = {"length": files["length"]}
        if seed < 3:
            table = align(files["true"], stimuli, dataset, entry, "cpu", seed, nuisance)
            row = overall(table, "true")
            assert row["unique_p"] == 0.05
            assert row["unique_r2"] > row["unique_null"] + 0.03
        table = align(files["other"], stimuli, dataset, entry, "cpu", seed, nuisance)
        p_null.append(overall(table, "other")["unique_p"])
    assert np.sum(np.array(p_null) <= 0.05) <= 3  # more than 3 of 20: 1.6 % of draws at .05


def test_autocorrelation_is_left_out_where_groups_are_held_out(tmp_path, caplog):
    features, y, _ = planted()
    stimuli, dataset = tables(y)
    files = {}
    known = {"oasm": content_free(), "length": features[:, :1] ** 2}
    for name, values in {"layer": features, **known}.items():
        path = tmp_path / f"{name}.safetensors"
        said = {"baseline": name}
        write_activations(
            {name: values.astype(np.float32)}, list(stimuli["stimulus_id"]), path, said
        )
        files[name] = open_activations(path)
    asked = {"beyond": ["oasm", "length"], "candidates": 1}
    entry = FOLDS | {"split": {"scheme": "grouped", "folds": 3}, "unique_variance": asked}
    nuisance = {name: files[name] for name in known}
    with caplog.at_level("INFO", "brainalign"):
        table = align(files["layer"], stimuli, dataset, entry, "cpu", 0, nuisance)
    assert set(table.loc[table["chosen"], "beyond"]) == {"length"}
    assert "oasm: left out of beyond" in caplog.text
    with pytest.raises(InputError, match="oasm says nothing of held-out groups"):
        align(files["layer"], stimuli, dataset, entry, "cpu", 0, {"oasm": files["oasm"]})


def test_penalties_of_neighbours_are_not_chosen_as_if_they_were_independent():
    stimuli, dataset = tables(planted()[1])
    entry = CONTROLLED | {"unique_variance": {"beyond": ["length"]}}
    with pytest.raises(InputError, match=r"regression.selection: gcv-per-target takes rows for"):
        read_benchmark(entry, stimuli, dataset, 0)
    isolated = stimuli.assign(context_group=stimuli["stimulus_id"])
    assert read_benchmark(entry, isolated, dataset, 0).regression.selection == "gcv-per-target"
