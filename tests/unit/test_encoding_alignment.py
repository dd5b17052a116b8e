"""Layer scores: truths of small planted data, tables, layer choice, bad input."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from brainalign.encoding import alignment, arrays, responses, scoring
from brainalign.encoding.correlation import Aggregate, Prediction, agreement, pearson
from brainalign.encoding.layers import volume_means
from brainalign.encoding.operators import Design
from brainalign.encoding.reduction import principal_components
from brainalign.encoding.splits import contiguous, grouped, shuffled
from brainalign.errors import InputError
from brainalign.formats.activations import open_activations, write_activations
from brainalign.formats.datasets import read_responses, read_stimuli, write_dataset
from brainalign.reading.baselines import oasm
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from scipy.stats import pearsonr
from sklearn.linear_model import LinearRegression
from worlds.encoding import (
    CONTROLLED,
    FEATURES,
    GROUPS,
    LEGACY,
    SENTENCES,
    content_free,
    overall,
    planted,
    tables,
)
from worlds.entries import align


@pytest.fixture
def activation_file(tmp_path):
    def write(layers, ids, metadata=None):
        path = tmp_path / "activations.safetensors"
        layers = {name: np.asarray(x, dtype=np.float32) for name, x in layers.items()}
        write_activations(layers, list(ids), path, metadata or {})
        return open_activations(path)

    return write


def test_true_features_reach_the_true_ceiling_and_content_free_ones_fall_to_zero(activation_file):
    """The ceiling is what the noiseless responses themselves score on the same test rows.

    Estimating 6 weights from n rows adds 6 / n of the noise variance (drift and noise, 2 in all)
    to predictions of variance 1, which divides r by the root of 1 + 2 · 6 / n.
    """
    features, y, signal = planted()
    stimuli, dataset = tables(y)
    file = activation_file({"true": features, "oasm": content_free()}, stimuli["stimulus_id"])
    groups = stimuli["split_group"].to_numpy()
    shuffle = {"split": LEGACY["split"]}
    for entry, splits, n_train in [
        (CONTROLLED | shuffle, shuffled(stimuli["stimulus_id"].tolist(), 10, 0.9, 1), 216),
        (CONTROLLED, grouped(groups, 12, None), 220),
    ]:
        table = align(file, stimuli, dataset, entry | {"aggregate": "median-pooled"}, "cpu", 0)
        ceiling = np.mean([np.median(pearson(signal[s.test], y[s.test])) for s in splits])
        expected = ceiling / np.sqrt(1 + 2 * FEATURES / n_train)
        assert overall(table, "true")["r"] == pytest.approx(expected, abs=0.01)
        if "seed" in entry["split"]:
            assert overall(table, "oasm")["r"] > 0.25
        else:
            assert abs(overall(table, "oasm")["r"]) < 0.02
        assert set(table.loc[table["chosen"], "layer"]) == {"true"}


def test_legacy_scores_are_brain_scores_formula(activation_file):
    _, y, _ = planted()
    stimuli, dataset = tables(y)
    x = np.random.default_rng(1).standard_normal((len(y), 400)).astype(np.float32)
    x[:, :30] += y[:, :30]
    table = align(
        activation_file({"layer.1": x}, stimuli["stimulus_id"]), stimuli, dataset, LEGACY, "cpu", 0
    )
    scores, explained = [], []
    for split in shuffled(stimuli["stimulus_id"].tolist(), 10, 0.9, 1):
        model = LinearRegression().fit(x[split.train].astype(np.float64), y[split.train])
        p, t = model.predict(x[split.test].astype(np.float64)), y[split.test]
        mean = y[split.train].mean(axis=0)
        r2 = 1 - ((t - p) ** 2).sum(axis=0) / ((t - mean) ** 2).sum(axis=0)
        explained.append(np.median(r2))
        p, t = p - p.mean(axis=0), t - t.mean(axis=0)
        r = (p / (np.linalg.norm(p, axis=0) + 1e-8) * t / (np.linalg.norm(t, axis=0) + 1e-8)).sum(
            axis=0
        )
        scores.append(np.median(r))
    rows = table[(table["subject"] == "all") & (table["region"] == "all")]
    np.testing.assert_allclose(rows[rows["fold"] >= 0]["r"], scores, atol=1e-7)
    np.testing.assert_allclose(rows[rows["fold"] >= 0]["r2"], explained, atol=1e-7)
    assert overall(table, "layer.1")["r2"] == pytest.approx(np.mean(explained), abs=1e-7)
    assert overall(table, "layer.1")["r"] == pytest.approx(np.mean(scores), abs=1e-7)
    assert overall(table, "layer.1")["r_sd"] == pytest.approx(np.std(scores, ddof=1), abs=1e-7)


def test_the_table_holds_every_layer_subject_region_and_fold(activation_file):
    features, y, _ = planted()
    stimuli, dataset = tables(y)
    layers = {"embedding": features[:, :1], "layer.1": features, "final": features[:, :3]}
    table = align(
        activation_file(layers, stimuli["stimulus_id"]), stimuli, dataset,
        CONTROLLED | {"split": {"scheme": "grouped", "folds": 4, "seed": 0}}, "cpu", 0,
    )  # fmt: skip
    assert tuple(table.columns) == alignment.COLUMNS
    assert len(table) == 3 * 4 * 3 * 5
    assert not table.duplicated(["layer", "subject", "region", "fold"]).any()
    assert table.groupby("layer")["depth"].first().to_dict() == {
        "embedding": 0,
        "layer.1": 0.5,
        "final": 1,
    }
    assert table["r"].notna().all()
    one = table[(table["layer"] == "layer.1") & (table["region"] == "roi1") & (table["fold"] == 2)]
    subjects = one[one["subject"] != "all"]
    assert subjects["n_targets"].tolist() == [20, 20, 20]
    assert one[one["subject"] == "all"]["r"].item() == pytest.approx(subjects["r"].mean())
    assert ((table["alpha"] >= 1e-4) & (table["alpha"] <= 1e4)).all()
    assert set(table.loc[table["chosen"], "layer"]) == {"layer.1"}


@pytest.mark.parametrize("choice", ["best", "nested"])
def test_stacked_r_is_of_all_folds_predictions_one_below_the_other(activation_file, choice):
    """Each fold centred; under nested choice each fold's predictions are its chosen layer's."""
    features, y, _ = planted()
    stimuli, dataset = tables(y)
    noise = np.random.default_rng(1).standard_normal((2, len(y), 3))
    layers = {
        "a": features + noise[0].repeat(2, axis=1),
        "b": features + noise[1].repeat(2, axis=1),
    }
    entry = LEGACY | {"layers": choice, "epsilon": 0.0}
    entry["split"] = {"scheme": "contiguous", "folds": 8}
    file = activation_file(layers, stimuli["stimulus_id"])
    table = align(file, stimuli, dataset, entry, "cpu", 0)
    chosen = table[table["chosen"] & (table["region"] == "all")]
    overall_rows = chosen[chosen["subject"] == "all"].set_index("fold")
    layer_of = overall_rows["layer_index"].drop(-1)
    assert choice == "best" or layer_of.nunique() == 2
    x = [values.astype(np.float32).astype(float) for values in layers.values()]
    predicted, measured = np.empty_like(y), np.empty_like(y)
    for fold, split in enumerate(contiguous(len(y), 8)):
        features = x[layer_of[fold]]
        model = LinearRegression().fit(features[split.train], y[split.train])
        p, t = model.predict(features[split.test]), y[split.test]
        predicted[split.test], measured[split.test] = p - p.mean(axis=0), t - t.mean(axis=0)
    expected = np.median([pearsonr(p, t)[0] for p, t in zip(predicted.T, measured.T, strict=True)])
    assert overall_rows.loc[-1, "r_stacked"] == pytest.approx(expected, abs=1e-6)
    assert overall_rows.loc[-1, "r_stacked"] != pytest.approx(overall_rows.loc[-1, "r"], abs=1e-4)


@pytest.mark.parametrize("aggregate", ["mean", "median-within-subject"])
@pytest.mark.parametrize("truth", [0.1, 0.3, 0.5])
def test_the_score_does_not_depend_on_the_size_of_groups(activation_file, truth, aggregate):
    """Groups of 1 to 50 rows, as many folds as may be.

    Four weights from n rows have errors of variance (1 - r²) / n each, so that r is less by the
    factor 1 / √(1 + 4 (1 - r²) / (n r²)). A mean over 300 targets, whose noise is independent, has
    a standard error of 1 / √(300 · 400); the median of r from 16 rows is up to 6 % above.
    """
    random = np.random.default_rng(2)
    x = random.standard_normal((400, 4))
    signal = x @ random.standard_normal((4, 300))
    y = truth * signal / signal.std(axis=0)
    y += np.sqrt(1 - truth**2) * random.standard_normal(y.shape)
    stimuli, dataset = tables(y)
    file = activation_file({"f": x}, stimuli["stimulus_id"])
    for size, folds in [(1, 10), (1, 25), (2, 20), (5, 20), (10, 10), (25, 16), (50, 8)]:
        stimuli["split_group"] = [f"g{i // size:03d}" for i in range(len(y))]
        entry = CONTROLLED | {"regression": {"type": "ols"}, "aggregate": aggregate}
        entry["split"] = {"scheme": "grouped", "folds": folds, "seed": 1}
        table = align(file, stimuli, dataset, entry, "cpu", 0)
        n_train = 400 * (1 - 1 / folds)
        expected = truth / np.sqrt(1 + 4 * (1 - truth**2) / (n_train * truth**2))
        assert overall(table, "f")["r"] == pytest.approx(expected, rel=0.07, abs=0.012)


def test_rows_are_matched_by_id_not_by_position(activation_file):
    features, y, _ = planted()
    stimuli, dataset = tables(y)
    order = np.random.default_rng(3).permutation(len(y))
    ids = stimuli["stimulus_id"].to_numpy()
    straight = align(activation_file({"f": features}, ids), stimuli, dataset, CONTROLLED, "cpu", 0)
    mixed = align(
        activation_file({"f": features[order]}, ids[order]), stimuli, dataset, CONTROLLED, "cpu", 0
    )
    pd.testing.assert_frame_equal(straight, mixed)
    renamed = [f"x{i}" for i in range(len(ids))]
    with pytest.raises(InputError, match="no activations of 240 of 240 stimuli, first s000"):
        align(activation_file({"f": features}, renamed), stimuli, dataset, CONTROLLED, "cpu", 0)


def test_reading_times_are_no_brain_responses(activation_file):
    features, y, _ = planted()
    stimuli, dataset = tables(y)
    file = activation_file({"f": features}, stimuli["stimulus_id"].to_numpy())
    times = dataset.assign_attrs(kind="reading-times")
    with pytest.raises(InputError, match=r"'reading-times' are no brain responses; .* behavior"):
        align(file, stimuli, times, CONTROLLED, "cpu", 0)


def test_epsilon_is_added_where_responses_are_tiny(activation_file):
    """Norms of some 1e-8, to which Brain-Score's formula adds as much."""
    features, y, _ = planted()
    stimuli, dataset = tables(1e-9 * y)
    file = activation_file({"f": features}, stimuli["stimulus_id"])
    for split in (LEGACY["split"], {"scheme": "grouped", "folds": 3}):
        for regression in (LEGACY["regression"], {"type": "ridge", "selection": "gcv-shared"}):
            entry = LEGACY | {"split": split, "regression": regression}
            with_it = overall(align(file, stimuli, dataset, entry, "cpu", 0), "f")
            without = overall(align(file, stimuli, dataset, entry | {"epsilon": 0}, "cpu", 0), "f")
            assert 0.05 < with_it["r"] / without["r"] < 0.9


@pytest.mark.parametrize("size", [1, 7, 10**6])
def test_the_batch_of_targets_changes_nothing(activation_file, monkeypatch, size):
    features, y, _ = planted()
    stimuli, dataset = tables(y[:, :20])
    file = activation_file({"f": features}, stimuli["stimulus_id"])
    for selection in ("gcv-shared", "loo-per-target", "folds-per-target"):
        entry = CONTROLLED | {"regression": {"type": "ridge", "selection": selection}}
        full = align(file, stimuli, dataset, entry, "cpu", 0)
        for module in (scoring, responses):
            monkeypatch.setattr(module, "TARGETS_AT_A_TIME", size)
        batched = align(file, stimuli, dataset, entry, "cpu", 0)
        monkeypatch.undo()
        pd.testing.assert_frame_equal(full, batched, rtol=1e-9)


@pytest.mark.parametrize("entry", [{}, CONTROLLED], ids=["legacy", "controlled"])
def test_the_number_of_threads_changes_nothing(activation_file, entry):
    from threadpoolctl import threadpool_limits

    features, y, _ = planted()
    stimuli, dataset = tables(y)
    file = activation_file({"layer.1": features}, stimuli["stimulus_id"])
    scores = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            scores.append(align(file, stimuli, dataset, LEGACY | entry, "cpu", 0))
    pd.testing.assert_frame_equal(*scores, rtol=0, atol=1e-10)


def test_layers_are_scored_alone_or_together_alike(activation_file):
    features, y, _ = planted()
    stimuli, dataset = tables(y)
    ids = stimuli["stimulus_id"]
    both = align(
        activation_file({"a": features[:, :2], "b": features}, ids),
        stimuli,
        dataset,
        CONTROLLED,
        "cpu",
        0,
    )
    alone = align(activation_file({"b": features}, ids), stimuli, dataset, CONTROLLED, "cpu", 0)
    columns = ["subject", "region", "fold", "r", "r_sd", "alpha"]
    pd.testing.assert_frame_equal(
        both[both["layer"] == "b"][columns].reset_index(drop=True), alone[columns]
    )


def test_nested_choice_is_honest_among_layers_of_noise(activation_file):
    """Best-of-40 random layers is well above zero; the nested choice is not."""
    random = np.random.default_rng(0)
    y = random.standard_normal((240, 30))
    stimuli, dataset = tables(y)
    layers = {f"layer.{i}": random.standard_normal((240, 5)) for i in range(40)}
    file = activation_file(layers, stimuli["stimulus_id"])
    entry = LEGACY | {"aggregate": "mean", "split": {"scheme": "grouped", "folds": 6, "seed": 0}}
    best = align(file, stimuli, dataset, entry, "cpu", 0)
    nested = align(file, stimuli, dataset, entry | {"layers": "nested"}, "cpu", 0)
    chosen = nested[nested["chosen"]]
    assert set(chosen["layer"]) == {"nested"}
    assert len(chosen) == 2 * 3 * 7
    top = best[best["chosen"] & (best["fold"] == -1)]
    top = top[(top["subject"] == "all") & (top["region"] == "all")]["r"].item()
    assert top > 0.02
    assert abs(overall(nested, "nested")["r"]) < 0.02  # standard error of 1440 independent r: 0.004


def test_nested_choice_finds_the_layer_that_predicts(activation_file):
    features, y, _ = planted()
    stimuli, dataset = tables(y)
    noise = np.random.default_rng(5).standard_normal(features.shape)
    file = activation_file({"a": noise, "b": features, "c": noise**2}, stimuli["stimulus_id"])
    table = align(file, stimuli, dataset, CONTROLLED | {"layers": "nested"}, "cpu", 0)
    assert overall(table, "nested")["r"] == pytest.approx(overall(table, "b")["r"])
    assert overall(table, "nested")["layer_index"] == 1


def test_units_per_row_are_columns_of_the_design_over_training_rows(activation_file):
    features, y, _ = planted()
    stimuli, dataset = tables(y)
    entry = CONTROLLED | {"split": {"scheme": "contiguous", "folds": 4}, "layers": "nested"}
    rows = len(y) * 3 / 4
    for reduce, width in ((None, features.shape[1]), ({"method": "pca", "dimensions": 3}, 3)):
        file = activation_file({"f": features}, stimuli["stimulus_id"])
        table = align(file, stimuli, dataset, entry | {"reduce": reduce}, "cpu", 0)
        assert table["units_per_row"].tolist() == pytest.approx([width / rows] * len(table))


def test_nested_counts_what_has_no_r_in_some_fold(activation_file):
    """Two targets, each constant in another fold: two without r in some fold, one in each."""
    features, y, _ = planted()
    stimuli, dataset = tables(y)
    y[:80, 0], y[80:160, 1] = 1.0, 1.0
    dataset["responses"][:] = y
    file = activation_file({"f": features}, stimuli["stimulus_id"])
    entry = CONTROLLED | {"split": {"scheme": "contiguous", "folds": 3}, "layers": "nested"}
    table = align(file, stimuli, dataset, entry, "cpu", 0)
    nested, layer = (overall(table, name) for name in ("nested", "f"))
    assert nested["n_undefined"] == layer["n_undefined"] == 2
    assert nested["reason"] == layer["reason"] == "2 constant in the fold"


def test_a_fixed_depth_chooses_the_nearest_layer(activation_file):
    features, y, _ = planted()
    stimuli, dataset = tables(y)
    file = activation_file({f"l{i}": features for i in range(5)}, stimuli["stimulus_id"])
    table = align(file, stimuli, dataset, LEGACY | {"layers": {"depth": 0.66}}, "cpu", 0)
    assert set(table.loc[table["chosen"], "layer"]) == {"l3"}


ENCODER = ["encoder.embedding", "encoder.1", "encoder.2", "encoder.3", "encoder.final"]
DECODER = ["decoder.1", "decoder.2", "decoder.3", "decoder.final"]


@pytest.mark.parametrize(
    ("names", "layers", "expected"),
    [
        (ENCODER + DECODER, {"depth": 0.66}, "encoder.3"),
        (ENCODER + DECODER, {"depth": 1.0}, "encoder.final"),
        (ENCODER + DECODER, {"depth": 0.5, "stack": "decoder"}, "decoder.2"),
        (ENCODER + DECODER, {"depth": 0.0, "stack": "decoder"}, "decoder.1"),
        # A decoder-only model has one stack.
        (["embedding", "layer.1", "layer.2", "layer.3", "final"], {"depth": 0.66}, "layer.3"),
        (["embedding", "layer.1", "final"], {"depth": 0.5, "stack": "decoder"}, "layer.1"),
    ],
)
def test_a_fixed_depth_is_that_of_one_stack(activation_file, names, layers, expected):
    features, y, _ = planted()
    stimuli, dataset = tables(y)
    file = activation_file(dict.fromkeys(names, features), stimuli["stimulus_id"])
    table = align(file, stimuli, dataset, LEGACY | {"layers": layers}, "cpu", 0)
    assert set(table.loc[table["chosen"], "layer"]) == {expected}


@pytest.mark.parametrize("method", ["pca", "projection"])
@pytest.mark.parametrize("layers", ["best", "nested"])
def test_layers_that_are_not_reduced_say_so(activation_file, caplog, method, layers):
    features, y, _ = planted()
    wide = np.random.default_rng(0).standard_normal((len(y), 40))
    stimuli, dataset = tables(y)
    file = activation_file({"narrow": features, "wide": wide}, stimuli["stimulus_id"])
    entry = CONTROLLED | {"layers": layers, "reduce": {"method": method, "dimensions": 10}}
    table = align(file, stimuli, dataset, entry, "cpu", 0)
    reductions = table.groupby("layer")["reduction"].agg(set).to_dict()
    assert reductions.pop("narrow") == {"none: 6 units"}
    assert reductions.pop("wide") == {f"{method} 10"}
    assert set(map(frozenset, reductions.values())) <= {frozenset({"none: 6 units"})}  # nested
    assert "1 of 2 layers are not reduced: 6 units" in caplog.text
    full = align(file, stimuli, dataset, CONTROLLED, "cpu", 0)
    assert set(full["reduction"]) == {""}


def test_undefined_targets_are_counted_and_left_out(activation_file):
    features, y, _ = planted()
    y[3, 0] = np.nan  # of subject0, roi0
    y[:, 1] = 4.0
    y[:20, 2] = 1.0  # constant in the first test fold only
    stimuli, dataset = tables(y)
    file = activation_file({"f": features}, stimuli["stimulus_id"])
    table = align(file, stimuli, dataset, CONTROLLED, "cpu", 0)
    assert overall(table, "f")["n_undefined"] == 3
    row = table[(table["subject"] == "subject0") & (table["region"] == "roi0")]
    assert row["n_targets"].eq(20).all()
    assert row["n_undefined"].tolist()[:3] == [2, 2, 1]
    assert row["reason"].tolist()[:3] == ["1 NaN, 1 constant in the fold"] * 2 + ["1 NaN"]
    assert overall(table, "f")["reason"] == "1 NaN, 1 constant, 1 constant in the fold"
    rest = table[table["subject"] == "subject1"]
    assert rest["n_undefined"].eq(0).all()


def test_a_single_penalty_has_no_edge(activation_file):
    features, y, _ = planted()
    stimuli, dataset = tables(y)
    file = activation_file({"f": features}, stimuli["stimulus_id"])
    regression = CONTROLLED["regression"] | {"alphas": {"low": 1.0, "high": 1.0, "n": 1}}
    row = overall(
        align(file, stimuli, dataset, CONTROLLED | {"regression": regression}, "cpu", 0), "f"
    )
    assert row["alpha"] == 1
    assert np.isnan(row["alpha_at_edge"])


@pytest.mark.parametrize(
    ("planted_in", "low", "warned"),
    [(True, 1e3, True), (True, 1e-4, False), (False, 1e-4, False)],
    ids=["too high a grid", "wide grid", "noise"],
)
def test_the_lowest_penalty_is_warned_about(activation_file, caplog, planted_in, low, warned):
    """Responses that features predict want little shrinkage; noise takes the most there is."""
    features, y, _ = planted()
    if not planted_in:
        y = np.random.default_rng(0).normal(size=y.shape)
    stimuli, dataset = tables(y)
    file = activation_file({"f": features}, stimuli["stimulus_id"])
    alphas = {"low": low, "high": 1e6, "n": 8}
    regression = CONTROLLED["regression"] | {"alphas": alphas}
    with caplog.at_level("WARNING", logger="brainalign"):
        align(file, stimuli, dataset, CONTROLLED | {"regression": regression}, "cpu", 0)
    assert ("the lowest alpha of the grid is chosen in 1 of 1 layers" in caplog.text) == warned


def test_targets_without_a_score_choose_no_penalty(activation_file):
    features, y, _ = planted()
    stimuli, dataset = tables(y)
    file = activation_file({"f": features}, stimuli["stimulus_id"])
    full = align(file, stimuli, dataset, CONTROLLED, "cpu", 0)
    stimuli, dataset = tables(np.where(np.arange(y.shape[1]) % 2, np.nan, y))
    half = align(file, stimuli, dataset, CONTROLLED, "cpu", 0)
    assert overall(full, "f")["alpha_at_edge"] == overall(half, "f")["alpha_at_edge"] == 0


@pytest.mark.parametrize("method", ["pca", "projection"])
def test_reduction_takes_away_the_advantage_of_width(activation_file, method):
    """Twenty dimensions are left of the whole; with as many as there are, nothing is lost."""
    features, y, _ = planted()
    stimuli, dataset = tables(y)
    random = np.random.default_rng(0)
    wide = features @ random.standard_normal((FEATURES, 300)) + 0.01 * random.standard_normal(
        (240, 300)
    )
    file = activation_file({"f": wide}, stimuli["stimulus_id"])
    entry = CONTROLLED | {"reduce": {"method": method, "dimensions": 20}}
    reduced = overall(align(file, stimuli, dataset, entry, "cpu", 0), "f")["r"]
    entry = CONTROLLED | {"reduce": {"method": method, "dimensions": 2}}
    poor = overall(align(file, stimuli, dataset, entry, "cpu", 0), "f")["r"]
    full = overall(align(file, stimuli, dataset, CONTROLLED, "cpu", 0), "f")["r"]
    assert reduced == pytest.approx(full, abs=0.03)
    assert poor < full - 0.1


def timed(random, runs=2, per_run=80, n_words=600):
    """A scan whose voxels are features delayed by two volumes."""
    volumes = np.arange(runs * per_run) * 2.0
    words = np.sort(random.uniform(0.1, volumes[-1], n_words))
    features = random.standard_normal((n_words, 4))
    n_volumes = volumes.size
    index = np.searchsorted(volumes, words, side="left") - 1
    drive = np.zeros((n_volumes, 4))
    for v in range(n_volumes):
        if (index == v).any():
            drive[v] = features[index == v].mean(axis=0)
    run = np.repeat(np.arange(runs), per_run)
    late = np.zeros_like(drive)
    for r in range(runs):
        rows = np.flatnonzero(run == r)
        late[rows[2:]] = drive[rows[:-2]]
    y = late @ random.standard_normal((4, 6)) + 0.3 * random.standard_normal((n_volumes, 6))
    stimuli = pd.DataFrame(
        {
            "stimulus_id": [f"w{i}" for i in range(n_words)], "text": "word", "context_group": "c",
            "position": np.arange(n_words), "split_group": "c", "onset": words,
            "offset": words + 0.2,
        }
    )  # fmt: skip
    dataset = xr.Dataset(
        {"responses": (("volume", "target"), y)},
        coords={
            "onset": ("volume", volumes),
            "run": ("volume", run),
            "target_id": ("target", np.array([f"v{i}" for i in range(6)], dtype=object)),
            "subject": ("target", np.array(list("aaabbb"), dtype=object)),
            "region": ("target", np.array(list("xyzxyz"), dtype=object)),
        },
        attrs={
            "kind": "brain",
            "units": "z",
            "source": "x",
            "licence": "x",
            "simulated": 1,
            "tr": 2.0,
        },
    )
    return stimuli, dataset, features, late


@pytest.mark.parametrize(
    "timing, regression, split",
    [
        ({"features": "fir", "delays": [1, 2, 3, 4], "trim": [5, 5], "detrend": 1},
         CONTROLLED["regression"], {"scheme": "contiguous", "folds": 5, "gap": 5}),
        ({"delays": [1, 2, 3, 4], "trim": [5, 5], "pca": 4, "zscore": ["run", "fold"]},
         {"type": "ridge", "selection": "folds-per-target", "inner_folds": 10, "criterion": "r2",
          "intercept": False, "alphas": {"low": 1e-6, "high": 1e9, "n": 16}},
         {"scheme": "wehbe"}),
        ({"delays": [2]}, {"type": "ols"}, {"scheme": "grouped"}),
    ],
)  # fmt: skip
def test_timed_data_are_predicted_through_their_delay(activation_file, timing, regression, split):
    stimuli, dataset, features, _ = timed(np.random.default_rng(0))
    wide = features @ np.random.default_rng(1).standard_normal((4, 30))
    file = activation_file({"f": wide}, stimuli["stimulus_id"])
    entry = {"regression": regression, "split": split, "aggregate": "mean", "timing": timing}
    assert overall(align(file, stimuli, dataset, entry, "cpu", 0), "f")["r"] > 0.9
    wrong = align(file, stimuli, dataset, entry | {"timing": timing | {"delays": [0]}}, "cpu", 0)
    assert overall(wrong, "f")["r"] < 0.3


def test_features_per_volume_are_used_as_they_are(activation_file):
    stimuli, dataset, _, late = timed(np.random.default_rng(0))
    ids = [str(i) for i in range(len(late))]
    entry = {
        "regression": {"type": "ols"}, "split": {"scheme": "contiguous", "folds": 4, "gap": 3},
        "aggregate": "mean", "timing": {"delays": [1, 2], "trim": [3, 3]},
    }  # fmt: skip
    file = activation_file({"features": late}, ids, {"rows": "volume"})
    assert overall(align(file, stimuli, dataset, entry, "cpu", 0), "features")["r"] > 0.9
    order = np.random.default_rng(0).permutation(len(late))
    mixed = [ids[i] for i in order]
    file = activation_file({"features": late[order]}, mixed, {"rows": "volume"})
    assert overall(align(file, stimuli, dataset, entry, "cpu", 0), "features")["r"] > 0.9
    file = activation_file({"features": late}, [f"other{i}" for i in ids], {"rows": "volume"})
    with pytest.raises(InputError, match=f"no activations of {len(late)} of {len(late)} stimuli"):
        align(file, stimuli, dataset, entry, "cpu", 0)
    short = activation_file({"features": late[1:]}, ids[1:], {"rows": "volume"})
    with pytest.raises(InputError, match="159 rows, one per volume, for responses of 160"):
        align(short, stimuli, dataset, entry, "cpu", 0)


def test_means_over_volumes_score_as_their_words(activation_file):
    stimuli, dataset, features, _ = timed(np.random.default_rng(0))
    wide = (features @ np.random.default_rng(1).standard_normal((4, 30))).astype(np.float32)
    entry = CONTROLLED | {
        "timing": {"delays": [1, 2, 3], "trim": [5, 5], "detrend": 1},
        "split": {"scheme": "contiguous", "folds": 5, "gap": 5},
    }
    words = align(activation_file({"f": wide}, stimuli["stimulus_id"]), stimuli, dataset, entry,
                  "cpu", 0)  # fmt: skip
    means = volume_means(stimuli, dataset)
    ids = means.volumes.astype(str).tolist()
    file = activation_file({"f": means(wide)}, ids, means.metadata)
    assert len(ids) < len(stimuli) / 2
    assert_frame_equal(align(file, stimuli, dataset, entry, "cpu", 0), words, atol=1e-5)
    later = stimuli.assign(onset=stimuli["onset"] + 1.0)
    with pytest.raises(InputError, match="of other words"):
        align(file, later, dataset, entry, "cpu", 0)


def test_bad_input_is_named(activation_file):
    features, y, _ = planted()
    stimuli, dataset = tables(y)
    file = activation_file({"f": features}, stimuli["stimulus_id"])
    for change, message in [
        ({"layers": "last"}, "layers: 'last'"),
        ({"aggregate": "max"}, "aggregate: 'max'"),
        ({"timing": {"delays": [1]}}, "per stimulus, not per volume"),
        ({"reduce": {"method": "umap", "dimensions": 3}}, "reduce.method"),
        ({"split": {"scheme": "grouped", "folds": 30}}, "30 folds of 24 groups"),
    ]:
        with pytest.raises(InputError, match=message):
            align(file, stimuli, dataset, CONTROLLED | change, "cpu", 0)
    broken = activation_file({"f": features}, stimuli["stimulus_id"])
    values = features.astype(np.float32)
    values[7, 2] = np.inf
    object.__setattr__(broken, "layer", lambda name: values)
    with pytest.raises(InputError, match="layer f: 1 rows hold NaN or Inf, first s007"):
        align(broken, stimuli, dataset, CONTROLLED, "cpu", 0)
    timed_stimuli, timed_data, timed_features, _ = timed(np.random.default_rng(0))
    timed_file = activation_file({"f": timed_features}, timed_stimuli["stimulus_id"])
    with pytest.raises(InputError, match="timing: missing"):
        align(timed_file, timed_stimuli, timed_data, CONTROLLED, "cpu", 0)


@given(st.integers(0, 10**6))
@settings(max_examples=20, deadline=None)
def test_pearson_is_scipys(seed):
    random = np.random.default_rng(seed)
    p, t = random.standard_normal((2, 12, 5)) * 10.0 ** random.integers(-3, 4, 5) + 100
    ours = pearson(p, t)
    truth = [pearsonr(p[:, i], t[:, i])[0] for i in range(5)]
    np.testing.assert_allclose(ours, truth, atol=1e-9)


def test_pearson_of_constants():
    random = np.random.default_rng(0)
    t = random.standard_normal((10, 3))
    p = t.copy()
    p[:, 0] = 0
    t[:, 1] = 0.1
    np.testing.assert_allclose(pearson(p, t), [0, np.nan, 1])
    np.testing.assert_allclose(pearson(p, t, 1e-8), [0, 0, 1], atol=1e-7)


@pytest.mark.parametrize("n_rows", [25, 900, 20000])
def test_constant_responses_are_detected_in_single_precision(n_rows):
    """A float32 mean of many rows is wrong in more than its last digit."""
    random = np.random.default_rng(0)
    p, t = random.standard_normal((2, n_rows, 40)).astype(np.float32)
    t[:, :20] = 10 * t[0, :20]
    t[:, 20:] = 1 + 1e-4 * (p + t)[:, 20:]  # hardly varies, but does
    r = pearson(p, t)
    assert np.isnan(r[:20]).all()
    np.testing.assert_allclose(r[20:], columnwise(p[:, 20:], t[:, 20:]), atol=1e-4)


@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.5, 3.0, 100.0]))
@settings(max_examples=20, deadline=None)
def test_single_precision_loses_nothing_to_an_offset(seed, offset):
    """Whether a response is centred before it is squared or after."""
    random = np.random.default_rng(seed)
    p, t = random.standard_normal((2, 300, 6)).astype(np.float32)
    p -= p.mean(axis=0)
    t[:] += offset * random.uniform(0.5, 2, 6)
    scores = agreement(Prediction(p, np.zeros(6)), t, np.zeros(6))
    np.testing.assert_allclose(scores.r, columnwise(p, t), atol=2e-6 * (1 + offset))
    wide = t.astype(np.float64)
    np.testing.assert_allclose(
        scores.r2, 1 - ((wide - p) ** 2).sum(axis=0) / (wide**2).sum(axis=0), atol=1e-5
    )


@pytest.mark.parametrize(
    "regression",
    [
        LEGACY["regression"],
        CONTROLLED["regression"],
        {"type": "ridge", "selection": "gcv-shared"},
    ],
)
@pytest.mark.parametrize("repeated", [False, True])
def test_layers_are_scored_alike_as_tensors(monkeypatch, activation_file, regression, repeated):
    """What runs on a GPU, here on the CPU: torch in place of numpy from the arrays on."""
    torch = pytest.importorskip("torch")
    features, y, _ = planted()
    features = np.random.default_rng(1).standard_normal((240, 300)) + features @ np.ones((6, 300))
    if repeated:  # no inverse of the Gram matrix
        features[1:10] = features[:1]
    y[:20, 2] = 1.0  # constant in the first test fold
    y[:, 3] += 1000.0
    stimuli, dataset = tables(y)
    file = activation_file({"f": features}, stimuli["stimulus_id"])
    entry = CONTROLLED | {"regression": regression}
    arrays = align(file, stimuli, dataset, entry, "cpu", 0)
    for module in ("features", "responses"):
        monkeypatch.setattr(
            f"brainalign.encoding.{module}.to_device", lambda x, _: torch.as_tensor(x)
        )
    tensors = align(file, stimuli, dataset, entry, "cpu", 0)
    pd.testing.assert_frame_equal(tensors, arrays, rtol=0, atol=1e-9)


@pytest.mark.parametrize("kind", ["oasm", "few units"])
@pytest.mark.parametrize("rows", [1, *(pytest.param(n, marks=pytest.mark.long) for n in (2, 3))])
@pytest.mark.parametrize("tensors", [False, True])
@pytest.mark.parametrize(
    "regression",
    [
        LEGACY["regression"],
        CONTROLLED["regression"],
        {"type": "ridge", "selection": "gcv-shared"},
        {"type": "ridge", "selection": "loo-per-target"},
        {"type": "ridge"},
    ],
)
def test_features_of_the_held_out_groups_alone_score_exactly_zero(
    monkeypatch, activation_file, regression, tensors, rows, kind
):
    """No training row has any unit of a test row: predictions are rounding errors, and say nothing.

    In each fold sixteen groups of `rows` rows are held out, so that test rows differ.
    """
    groups = np.repeat([f"g{i:03d}" for i in range(160)], rows)
    y = np.random.default_rng(0).standard_normal((groups.size, 60)).astype(np.float32)
    stimuli, dataset = tables(y)
    stimuli["context_group"] = stimuli["split_group"] = groups
    stimuli["position"] = np.tile(np.arange(rows), 160)
    if kind == "oasm":
        features = oasm(stimuli, dataset, 2.2).values
    else:  # one unit for each of the ten folds' groups
        held_out = grouped(groups, 10, 1)
        features = np.zeros((groups.size, 10))
        for fold, split in enumerate(held_out):
            features[split.test, fold] = np.random.default_rng(fold).uniform(1, 2, split.test.size)
    if tensors:
        torch = pytest.importorskip("torch")
        for module in ("features", "responses"):
            monkeypatch.setattr(
                f"brainalign.encoding.{module}.to_device", lambda x, _: torch.as_tensor(x)
            )
    entry = CONTROLLED | {"regression": regression}
    entry["split"] = {"scheme": "grouped", "folds": 10, "seed": 1}
    file = activation_file({"f": features}, stimuli["stimulus_id"])
    table = align(file, stimuli, dataset, entry, "cpu", 0)
    assert (table["r"] == 0).all()


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_a_weak_product_with_training_rows_is_no_rounding_error(scale):
    """Units a hundred thousandth of the size of the others, but all that is shared."""
    features, _, _ = planted(drift=0.0)
    blocks = np.kron(np.eye(GROUPS), np.ones((SENTENCES, 1)))
    x = np.concatenate(
        [features * 1e-5, blocks * np.random.default_rng(0).uniform(1, 2, (240, 1))], axis=1
    )
    design = Design.of_features(x * scale)
    for split in grouped(np.repeat(np.arange(GROUPS), SENTENCES), 8, 1):
        assert design.tells_apart(split)
        assert not Design.of_features(x[:, 6:] * scale).tells_apart(split)


@pytest.mark.parametrize(
    "regression",
    [LEGACY["regression"], CONTROLLED["regression"], {"type": "ridge", "criterion": "r2"}],
)
@pytest.mark.parametrize("split", [LEGACY["split"], {"scheme": "contiguous", "gap": 2}])
def test_who_multiplies_changes_nothing(monkeypatch, activation_file, regression, split):
    """numpy multiplies small arrays, torch large ones, in fewer and more units than rows."""
    features, y, _ = planted()
    wide = np.random.default_rng(1).standard_normal((len(y), 300))
    stimuli, dataset = tables(y)
    file = activation_file({"few": features, "many": wide}, stimuli["stimulus_id"])
    entry = LEGACY | {"regression": regression, "split": split}
    scores = []
    for large in (10**12, 0):
        monkeypatch.setattr(arrays, "LARGE", large)
        scores.append(align(file, stimuli, dataset, entry, "cpu", 0))
    pd.testing.assert_frame_equal(*scores, rtol=0, atol=1e-10)


@given(st.sets(st.integers(0, 400), min_size=1))
@settings(max_examples=50, deadline=None)
def test_runs_hold_all_rows_and_bridge_small_gaps_alone(rows):
    rows = np.array(sorted(rows))
    runs = [np.arange(run.start, run.stop) for run in arrays.runs_of(rows)]
    bridged = np.setdiff1d(np.concatenate(runs), rows)
    nearest = np.searchsorted(rows, bridged)
    assert not np.setdiff1d(rows, np.concatenate(runs)).size
    assert (rows[nearest] - rows[nearest - 1] <= arrays.GAP).all()
    assert all(b[0] - a[-1] > arrays.GAP for a, b in pairwise(runs))


def test_runs_of_a_contiguous_fold_leave_out_its_test_rows():
    rows = np.concatenate([np.arange(100), np.arange(200, 300)])
    assert arrays.runs_of(rows) == [slice(0, 100), slice(200, 300)]


@pytest.mark.parametrize("large", [10**12, 0])
def test_products_are_added_in_the_same_memory(monkeypatch, large):
    monkeypatch.setattr(arrays, "LARGE", large)
    random = np.random.default_rng(0)
    left, right, total = (random.standard_normal(n) for n in ((3, 5), (5, 4), (3, 4)))
    expected = total + left @ right
    assert np.allclose(arrays.product(left, right), left @ right, rtol=0, atol=1e-14)
    assert arrays.product(left, right, total) is total
    assert np.allclose(total, expected, rtol=0, atol=1e-14)


def columnwise(p, t):
    """scipy's r of each column, in float64."""
    columns = zip(p.T.astype(np.float64), t.T.astype(np.float64), strict=True)
    return np.array([pearsonr(one, other)[0] for one, other in columns])


def test_aggregates_by_name():
    values = np.array([0.0, 1.0, 5.0, 2.0])
    subjects, regions = list("aaab"), list("xxyy")
    results = {
        name: Aggregate(name, subjects, regions)(values)
        for name in ("median-pooled", "median-within-subject", "mean")
    }
    everything = {name: float(result["all", "all"]) for name, result in results.items()}
    assert everything == {"median-pooled": 1.5, "median-within-subject": 1.5, "mean": 2.0}
    assert float(results["median-pooled"]["all", "y"]) == 3.5
    assert float(results["mean"]["a", "x"]) == 0.5
    assert ("b", "x") not in results["mean"]
    values[0] = np.nan
    assert float(Aggregate("mean", subjects, regions)(values)["a", "x"]) == 1.0


def test_files_through_the_formats(tmp_path, activation_file):
    features, y, _ = planted()
    stimuli, dataset = tables(y.astype(np.float32))
    write_dataset(stimuli, dataset, tmp_path / "stimuli.parquet", tmp_path / "responses.nc")
    stimuli = read_stimuli(tmp_path / "stimuli.parquet")
    dataset = read_responses(tmp_path / "responses.nc", stimuli)
    file = activation_file({"f": features}, stimuli["stimulus_id"])
    single = align(file, stimuli, dataset, CONTROLLED, "cpu", 0)
    double = align(
        file,
        stimuli,
        tables(y)[1],
        CONTROLLED,
        "cpu",
        0,
    )
    np.testing.assert_allclose(single["r"], double["r"], atol=1e-4)


def test_groups_never_straddle_a_fold():
    groups = np.repeat(np.arange(5), 4)
    for split in grouped(groups, 5, 3):
        assert not set(groups[split.train]) & set(groups[split.test])


@pytest.mark.parametrize("dimensions", [5, 50])
@pytest.mark.parametrize("regression", [LEGACY["regression"], CONTROLLED["regression"]])
def test_a_layer_that_never_varies_scores_nothing_with_pca_as_without(
    activation_file, dimensions, regression
):
    features, y, _ = planted()
    stimuli, dataset = tables(y)
    file = activation_file({"f": np.ones((240, 300)), "g": features}, stimuli["stimulus_id"])
    entry = CONTROLLED | {"regression": regression}
    entry["reduce"] = {"method": "pca", "dimensions": dimensions}
    table = align(file, stimuli, dataset, entry, "cpu", 0)
    assert overall(table, "f")["r"] == 0
    assert overall(table, "g")["r"] > 0.3


def test_principal_components_are_no_more_than_the_training_rows_have():
    random = np.random.default_rng(0)
    values = random.standard_normal((200, 3)) @ random.standard_normal((3, 300))
    values[150:] += random.standard_normal((50, 300))
    assert principal_components(values, np.arange(150), 5).shape == (200, 3)
    assert principal_components(values, np.arange(150), 100).shape == (200, 3)
