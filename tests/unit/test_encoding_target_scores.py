"""The file of every target's scores: its numbers, its order, its coordinates."""

import numpy as np
import pytest
import xarray as xr
from brainalign.encoding.settings import BrainBenchmark, KeptTargets
from brainalign.encoding.splits import grouped
from brainalign.encoding.target_scores import TargetFile
from brainalign.errors import InputError
from brainalign.formats.activations import open_activations, write_activations
from brainalign.formats.targets import open_targets
from brainalign.settings import read
from scipy.stats import pearsonr
from sklearn.linear_model import LinearRegression, Ridge
from worlds.encoding import CONTROLLED, GROUPS, LEGACY, SENTENCES, tables
from worlds.entries import align

FOLDS = {"split": {"scheme": "grouped", "folds": 4}}
RIDGE = {
    "type": "ridge",
    "selection": "folds-per-target",
    "alphas": {"low": 1.0, "high": 1.0, "n": 1},
}
NAMES = ("noise", "even", "odd")


@pytest.fixture
def world(tmp_path):
    """Even targets follow the first features, odd ones the others; subjects are out of order."""
    random = np.random.default_rng(3)
    n = GROUPS * SENTENCES
    even, odd, noise = random.standard_normal((3, n, 3))
    weights = random.standard_normal((3, 12))
    y = np.where(np.arange(12) % 2 == 0, even @ weights, odd @ weights)
    y += 0.5 * random.standard_normal(y.shape)
    stimuli, dataset = tables(y)
    dataset = dataset.assign_coords(
        subject=("target", np.array(["s2", "s1", "s3"] * 4, dtype=object)),
        x=("target", np.arange(12.0)),
    )
    layers = dict(zip(NAMES, (noise, even, odd), strict=True))
    path = tmp_path / "a.safetensors"
    as_float32 = {name: values.astype(np.float32) for name, values in layers.items()}
    write_activations(as_float32, stimuli["stimulus_id"].tolist(), path, {})
    return stimuli, dataset, layers, path


def scores_of(world, entry, layers, tmp_path):
    stimuli, dataset, _, path = world
    into = tmp_path / f"{layers}.nc"
    table = align(
        open_activations(path),
        stimuli,
        dataset,
        entry,
        "cpu",
        0,
        targets=TargetFile(into, KeptTargets(layers)),
    )
    assert sorted(p.name for p in tmp_path.glob("*.nc*")) == [into.name]
    return table, xr.load_dataset(into, engine="h5netcdf")


def by_hand(world, model, layer):
    """Means over folds of r and R² of each target, with scikit-learn."""
    stimuli, dataset, layers, _ = world
    y = dataset["responses"].values
    x = layers[layer].astype(np.float32).astype(float)
    r, r2 = [], []
    for split in grouped(stimuli["split_group"].to_numpy(), 4, None):
        predicted = model.fit(x[split.train], y[split.train]).predict(x[split.test])
        truth, level = y[split.test], y[split.train].mean(axis=0)
        r.append([pearsonr(p, t)[0] for p, t in zip(predicted.T, truth.T, strict=True)])
        error = ((truth - predicted) ** 2).sum(axis=0)
        r2.append(1 - error / ((truth - level) ** 2).sum(axis=0))
    return np.mean(r, axis=0), np.mean(r2, axis=0)


def test_scores_of_every_layer_and_of_the_best_are_scikit_learns(world, tmp_path):
    table, file = scores_of(world, LEGACY | FOLDS | {"epsilon": 0.0}, "all", tmp_path)
    ids = file["target_id"].values.tolist()
    order = [int(name.removeprefix("v")) for name in ids]
    assert file["layer_name"].values.tolist() == list(NAMES)
    for index, name in enumerate(NAMES):
        r, r2 = by_hand(world, LinearRegression(), name)
        np.testing.assert_allclose(file["r_by_layer"].values[index], r[order], atol=1e-6)
        np.testing.assert_allclose(file["r2_by_layer"].values[index], r2[order], atol=1e-5)
    best = table.loc[table["chosen"], "layer_index"].unique().tolist()
    assert file["chosen_layer"].values.tolist() == best * 4
    np.testing.assert_array_equal(file["r"].values, file["r_by_layer"].values[best[0]])
    assert "alpha" not in file


def test_targets_keep_their_coordinates_in_the_order_of_the_scores(world, tmp_path):
    _, file = scores_of(world, LEGACY | FOLDS, "chosen", tmp_path)
    assert file["subject"].values.tolist() == sorted(file["subject"].values.tolist())
    number = [int(name.removeprefix("v")) for name in file["target_id"].values.tolist()]
    assert file["x"].values.tolist() == number
    assert file["subject"].values.tolist() == [["s2", "s1", "s3"][n % 3] for n in number]
    assert file["region"].values.tolist() == [f"roi{n % 2}" for n in number]
    assert set(file.coords) == {"target_id", "subject", "region", "x", "layer_name"}


def test_no_more_is_written_than_is_asked_for(world, tmp_path):
    _, chosen = scores_of(world, LEGACY | FOLDS, "chosen", tmp_path)
    assert set(chosen.data_vars) == {"r", "r2", "chosen_layer"}


def test_nested_scores_are_those_of_the_layer_of_each_fold(world, tmp_path):
    """Under one penalty they are ridge's; each target prefers the layer that it follows."""
    entry = CONTROLLED | FOLDS | {"layers": "nested", "regression": RIDGE}
    table, file = scores_of(world, entry, "chosen", tmp_path)
    chosen = file["chosen_layer"].values.tolist()
    assert len(chosen) == 4 and set(chosen) <= {1, 2}
    number = np.array([int(n.removeprefix("v")) for n in file["target_id"].values.tolist()])
    assert (file["preferred_layer"].values == np.where(number % 2 == 0, 1, 2)).all()
    assert file["alpha"].values.tolist() == [1.0] * 12
    stimuli, dataset, layers, _ = world
    y = dataset["responses"].values[:, number]
    r = []
    for split, index in zip(
        grouped(stimuli["split_group"].to_numpy(), 4, None), chosen, strict=True
    ):
        x = layers[NAMES[index]].astype(np.float32).astype(float)
        predicted = Ridge(1.0).fit(x[split.train], y[split.train]).predict(x[split.test])
        r.append([pearsonr(p, t)[0] for p, t in zip(predicted.T, y[split.test].T, strict=True)])
    np.testing.assert_allclose(file["r"].values, np.mean(r, axis=0), atol=1e-6)
    for subject in ("s1", "s2", "s3"):
        of_subject = file["r"].values[file["subject"].values == subject]
        row = table[table["chosen"] & (table["subject"] == subject) & (table["region"] == "all")]
        by_fold = np.median(np.array(r)[:, file["subject"].values == subject], axis=1)
        assert row.loc[row["fold"] == -1, "r"].item() == pytest.approx(by_fold.mean(), abs=1e-6)
        assert of_subject.size == 4


def test_a_target_that_is_not_measured_has_no_score(world, tmp_path):
    world[1]["responses"][3, 5] = np.nan
    entry = CONTROLLED | FOLDS | {"layers": "nested", "regression": RIDGE}
    _, file = scores_of(world, entry, "all", tmp_path)
    lost = file["target_id"].values == "v5"
    for name in ("r", "r2", "alpha"):
        assert (np.isnan(file[name].values) == lost).all()
        assert (np.isnan(file[f"{name}_by_layer"].values) == lost).all()
    assert (file["preferred_layer"].values == -1).tolist() == lost.tolist()


def test_a_failed_alignment_leaves_no_file(world, tmp_path):
    stimuli, dataset, _, path = world
    file = open_activations(path)
    into = TargetFile(tmp_path / "t.nc", KeptTargets("all"))
    with pytest.raises(ZeroDivisionError):
        align(file, stimuli, dataset, LEGACY | FOLDS, "cpu", 0, finished=Failing(), targets=into)
    assert list(tmp_path.glob("*.nc*")) == []


class Failing:
    def scores_of(self, layer, score):
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("value", "layers"),
    [(True, "chosen"), ({"layers": "all"}, "all"), ({}, "chosen"), (False, None)],
)
def test_targets_in_a_config(value, layers):
    entry = LEGACY | {"dataset": "d", "mode": "legacy", "targets": value}
    kept = read(entry, BrainBenchmark).kept_targets
    assert (kept and kept.layers) == layers


@pytest.mark.parametrize("value", ["yes", {"layers": "best"}, 1])
def test_other_values_are_refused(value):
    entry = LEGACY | {"dataset": "d", "mode": "legacy", "targets": value}
    with pytest.raises(InputError, match="targets"):
        read(entry, BrainBenchmark)


def test_a_similarity_has_no_score_of_a_target():
    entry = LEGACY | {"dataset": "d", "mode": "legacy", "targets": True}
    with pytest.raises(InputError, match="targets: cka scores all targets of a subject at once"):
        read(entry | {"regression": {"type": "cka"}}, BrainBenchmark)


def test_a_file_that_is_absent_or_damaged_is_named(world, tmp_path):
    scores, path = tmp_path / "nested.nc", tmp_path / "cut.nc"
    with pytest.raises(InputError, match=r"cut\.nc: no such file"):
        open_targets(path)
    scores_of(world, CONTROLLED | {"layers": "nested"}, "nested", tmp_path)
    with open_targets(scores) as read:
        assert read["r"].dims == ("target",)
        read.load().drop_vars("r").to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    data = scores.read_bytes()
    for cut in (data[: len(data) // 2], b"", b"no netCDF"):
        path.write_bytes(cut)
        with pytest.raises(InputError, match=r"cut\.nc: not a readable netCDF file"):
            open_targets(path)
    with pytest.raises(InputError, match=r"other\.nc: variable r is missing"):
        open_targets(tmp_path / "other.nc")
