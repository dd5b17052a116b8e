"""Rows that a subject missed: as if they had not been recorded for this subject alone."""

import numpy as np
import pandas as pd
import pytest
from brainalign.encoding.correlation import pearson
from brainalign.encoding.splits import Split, grouped, presented
from brainalign.formats.activations import open_activations, write_activations
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression
from worlds.encoding import CONTROLLED, FEATURES, SENTENCES, VOXELS, planted, tables
from worlds.entries import align, noise_ceiling

FOLDS = 6
LEAVE_ONE_OUT = CONTROLLED | {"split": {"scheme": "grouped"}}
ALPHAS = {"low": 1, "high": 100, "n": 3, "relative": True}
NESTED = LEAVE_ONE_OUT | {
    "layers": "nested",
    "regression": {"type": "ridge", "selection": "folds-per-target", "alphas": ALPHAS},
    "unique_variance": {"beyond": ["length"], "candidates": 1},
}
ENTRIES = {
    "ridge": LEAVE_ONE_OUT,
    "one penalty": LEAVE_ONE_OUT
    | {"regression": {"type": "ridge", "selection": "gcv-shared", "alphas": ALPHAS}},
    "least squares": LEAVE_ONE_OUT | {"regression": {"type": "ols"}},
    "nested": NESTED,
    "rsa": LEAVE_ONE_OUT | {"regression": {"type": "rsa"}},
}
# Passages that subject0 missed: two halves of folds, or a whole fold.
PARTS = [["g03", "g04"], ["g08", "g09", "g10", "g11"]]


@pytest.fixture
def study(tmp_path):
    """Stimuli in six groups, responses, and the alignment of some rows and targets."""
    features, y, _ = planted()
    stimuli, dataset = tables(y)
    stimuli["split_group"] = np.repeat([f"f{i}" for i in range(FOLDS)], len(y) // FOLDS)
    noise = np.random.default_rng(1).standard_normal((3, len(y), FEATURES))
    layers = {
        "length": {"length": noise[2, :, :2]},
        "model": {"a": features + noise[0], "b": features + 0.5 * noise[1]},
    }

    def score(entry, dataset, rows):
        files = {}
        for name, values in layers.items():
            path = tmp_path / f"{name}.safetensors"
            kept = {k: v[rows].astype(np.float32) for k, v in values.items()}
            write_activations(kept, list(stimuli["stimulus_id"][rows]), path, {})
            files[name] = open_activations(path)
        nuisance = {"length": files["length"]} if "unique_variance" in entry else None
        some = stimuli[rows].reset_index(drop=True)
        return align(files["model"], some, dataset, entry, "cpu", 0, nuisance)

    return stimuli, dataset, layers["model"], score


@pytest.mark.parametrize("missed", PARTS, ids=len)
@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_a_subject_who_missed_rows_scores_as_without_them(study, entry, missed, caplog):
    stimuli, dataset, _, score = study
    everything = np.ones(len(stimuli), bool)
    rows = ~stimuli["context_group"].isin(missed).to_numpy()
    gaps = dataset.copy(deep=True)
    gaps["responses"][~rows, :VOXELS] = np.nan
    actual = score(entry, gaps, everything)
    assert f"subject0 missed {(~rows).sum()} of {len(rows)} rows" in caplog.text

    alone = dataset.isel(stimulus=rows, target=slice(0, VOXELS))
    expected = score(entry, alone, rows)
    fold_missed = len(missed) == 4  # the third fold is gone
    if fold_missed:
        later = expected["fold"] >= 2
        expected["fold"] += later
    columns = ["r", "r2", "r_stacked", "alpha", "alpha_at_edge", "unique_r2"]
    keys = ["layer", "region", "fold"]
    of_subject = actual[actual["subject"] == "subject0"].set_index(keys)
    expected = expected[expected["subject"] == "subject0"].set_index(keys)
    if entry["layers"] == "nested":  # the layer is chosen by all subjects' responses
        of_subject, expected = (t.drop("nested", level="layer") for t in (of_subject, expected))
        columns.remove("unique_r2")
    pd.testing.assert_frame_equal(
        of_subject.loc[expected.index, columns], expected[columns], check_exact=False, rtol=1e-6
    )
    folds = actual[(actual["subject"] == "subject0") & (actual["region"] == "all")]
    counts = folds.groupby("fold")["n_missed"].first()
    assert counts.tolist() == ([40, 0, 0, 40, 0, 0, 0] if fold_missed else [20, 10, 10, 0, 0, 0, 0])
    if fold_missed:
        gone = folds[folds["fold"] == 2]
        assert gone["r"].isna().all()
        assert gone["n_undefined"].eq(VOXELS).all()
        assert gone["reason"].eq(f"{VOXELS} missed in the fold").all()
    assert (folds[folds["fold"] == -1]["n_undefined"] == VOXELS * fold_missed).all()

    without = score(entry, dataset.isel(target=slice(VOXELS, None)), everything)
    of_others = [
        t[~t["subject"].isin(["subject0", "all"]) & (t["layer"] != "nested")]
        for t in (actual, without)
    ]
    pd.testing.assert_frame_equal(
        *(t[[*columns, "n_missed"]].reset_index(drop=True) for t in of_others)
    )


@pytest.mark.parametrize("entry", [ENTRIES["ridge"], ENTRIES["rsa"]], ids=["ridge", "rsa"])
def test_rows_that_nobody_has_are_left_out(study, entry):
    stimuli, dataset, _, score = study
    rows = ~stimuli["context_group"].isin(PARTS[0]).to_numpy()
    gaps = dataset.copy(deep=True)
    gaps["responses"][~rows] = np.nan
    actual = score(entry, gaps, np.ones(len(rows), bool))
    expected = score(entry, dataset.isel(stimulus=rows), rows)
    np.testing.assert_allclose(actual["r"], expected["r"], rtol=1e-6)


def test_masked_folds_are_those_of_scikit_learn(study):
    stimuli, dataset, layers, score = study
    rows = ~stimuli["context_group"].isin(PARTS[0]).to_numpy()
    dataset["responses"][~rows, :VOXELS] = np.nan
    y = dataset["responses"].values[:, :VOXELS]
    table = score(ENTRIES["least squares"], dataset, np.ones(len(rows), bool))
    of_subject = table[(table["subject"] == "subject0") & (table["layer"] == "b")]
    of_subject = of_subject[(of_subject["region"] == "all") & (of_subject["fold"] >= 0)]
    x = layers["b"].astype(np.float32).astype(float)
    expected = []
    for split in grouped(stimuli["split_group"].to_numpy(), None, None):
        train, test = (part[rows[part]] for part in (split.train, split.test))
        predicted = LinearRegression().fit(x[train], y[train]).predict(x[test])
        expected.append(np.median(pearson(predicted, y[test])))
    np.testing.assert_allclose(of_subject["r"], expected, atol=1e-8)


def test_unique_variance_of_missed_rows_is_that_without_them(study):
    stimuli, dataset, _, score = study
    entry = NESTED | {"layers": {"depth": 1.0}}
    rows = ~stimuli["context_group"].isin(PARTS[1]).to_numpy()
    gaps = dataset.copy(deep=True)
    gaps["responses"][~rows, :VOXELS] = np.nan
    actual = score(entry, gaps, np.ones(len(rows), bool))
    expected = score(entry, dataset.isel(stimulus=rows, target=slice(0, VOXELS)), rows)
    unique = [
        t[t["chosen"] & (t["subject"] == "subject0")]["unique_r2"].dropna()
        for t in (actual, expected)
    ]
    np.testing.assert_allclose(*unique, rtol=1e-6)


@pytest.mark.parametrize("method", ["disattenuation", "extrapolation", "split-half"])
def test_ceilings_are_of_the_rows_of_all_subjects(study, method):
    stimuli, dataset, _, _ = study
    dataset = dataset.isel(target=np.concatenate([s * VOXELS + np.arange(2) for s in range(3)]))
    rows = ~stimuli["context_group"].isin(PARTS[0]).to_numpy()
    entry = LEAVE_ONE_OUT | {"ceiling": {"method": method}}
    gaps = dataset.copy(deep=True)
    gaps["responses"][~rows, :2] = np.nan
    actual = noise_ceiling(stimuli, gaps, entry, 0)
    some = stimuli[rows].reset_index(drop=True)
    expected = noise_ceiling(some, dataset.isel(stimulus=rows), entry, 0)
    numbers = ["ceiling", "low", "high"]
    pd.testing.assert_frame_equal(actual[numbers], expected[numbers], rtol=1e-6)
    assert actual["note"].str.contains("over 220 of 240 rows, which all subjects saw").all()

    for subject in range(3):  # one misses what the others saw
        part = slice(subject * len(rows) // 3, (subject + 1) * len(rows) // 3)
        gaps["responses"][part, 2 * subject : 2 * subject + 2] = np.nan
    nothing = noise_ceiling(stimuli, gaps, entry, 0)
    assert nothing["ceiling"].isna().all()
    assert nothing["note"].eq("none: no fold has enough rows that all subjects saw").all()


@given(st.integers(0, 2**16), st.floats(0, 0.6))
def test_what_is_left_of_a_fold(seed, share):
    random = np.random.default_rng(seed)
    rows = random.permutation(80)
    split = Split(np.sort(rows[:60]), np.sort(rows[60:]))
    missed = random.random(80) < share
    left = presented(split, missed)
    train, test = (
        set(split.train) - set(np.flatnonzero(missed)),
        set(split.test) - set(np.flatnonzero(missed)),
    )
    if len(test) < 15 or len(train) < 30:
        assert left is None
    else:
        assert (set(left.train), set(left.test)) == (train, test)
    one_group = np.repeat(["a", "b"], SENTENCES * 4)
    assert (presented(split, one_group == "b", one_group)) is None
