"""Noise ceilings: unbiased for a known asymptote, equal to slow reference formulas."""

import itertools

import numpy as np
import pandas as pd
import pytest
from brainalign.encoding.ceilings import (
    _pools,
    extrapolate,
    fit_asymptotes,
    leave_one_subject_out,
    noise_ceiling,
    split_half,
)
from brainalign.encoding.responses import Responses, Targets
from brainalign.encoding.splits import contiguous, shuffled
from brainalign.errors import InputError
from scipy.optimize import curve_fit
from sklearn.linear_model import LinearRegression
from test_encoding_alignment import CONTROLLED, LEGACY, VOXELS, planted, tables


def curve(n, v0, tau):
    return v0 * (1 - np.exp(-n / tau))


def test_the_fit_is_curve_fits():
    random = np.random.default_rng(0)
    sizes = np.arange(2, 11)
    v0, tau = random.uniform(0.1, 0.7, 60), random.uniform(0.5, 6, 60)
    curves = curve(sizes, v0[:, None], tau[:, None]) + 0.01 * random.standard_normal((60, 9))
    ours = fit_asymptotes(sizes, curves)
    for i, values in enumerate(curves):
        starts = [curve_fit(curve, sizes, values, p0=(v0[i], tau[i]), bounds=([0, 0.05], [1, 200]))]
        assert ours[i] == pytest.approx(starts[0][0][0], abs=1e-4)


def test_exact_curves_give_exact_asymptotes_and_bounds_hold():
    sizes = np.arange(2, 9)
    v0 = np.array([0.05, 0.3, 0.9, 1.0])
    tau = np.array([0.7, 2.0, 5.0, 3.0])
    np.testing.assert_allclose(
        fit_asymptotes(sizes, curve(sizes, v0[:, None], tau[:, None])), v0, atol=1e-4
    )
    assert fit_asymptotes(sizes, -np.ones((1, 7)))[0] == 0
    assert fit_asymptotes(sizes, 3 * np.ones((1, 7)))[0] == 1
    assert np.isnan(fit_asymptotes(sizes, np.full((1, 7), np.nan)))[0]


def test_the_extrapolated_ceiling_is_unbiased_and_its_interval_covers_the_truth():
    """200 sets of scores that scatter around known curves, each for itself: coverage of a 95 %
    interval has standard error 1.5 %. (Scores of pools that share subjects are not so: docs.)
    """
    random = np.random.default_rng(0)
    sizes = np.arange(2, 11)
    truth = random.uniform(0.2, 0.6, 200)
    scores = []
    for n in sizes:
        mean = curve(n, truth, 2.0)
        scores.append(mean[:, None] + 0.1 * random.standard_normal((200, 100)))
    samples = extrapolate(sizes, scores, 200, random)
    assert abs((np.median(samples, axis=1) - truth).mean()) < 0.01
    low, high = np.percentile(samples, [2.5, 97.5], axis=1)
    assert 0.90 <= ((low <= truth) & (truth <= high)).mean() <= 0.99


def reference_scores(y, subjects, splits):
    """Scores by n of every target: all pools, scikit-learn, a loop (Blank2014's ceiling)."""
    names = np.unique(subjects)
    scores = {n: [] for n in range(2, len(names) + 1)}
    for n in scores:
        for held_out in names:
            columns = subjects == held_out
            for pool in itertools.combinations([s for s in names if s != held_out], n - 1):
                x = y[:, np.isin(subjects, pool)]
                for split in splits:
                    model = LinearRegression().fit(x[split.train], y[split.train][:, columns])
                    p, t = model.predict(x[split.test]), y[split.test][:, columns]
                    p, t = p - p.mean(axis=0), t - t.mean(axis=0)
                    norms = np.linalg.norm(p, axis=0) * np.linalg.norm(t, axis=0)
                    scores[n].append(((p * t).sum(axis=0) / norms).mean())
    return {n: np.mean(values) for n, values in scores.items()}


@pytest.mark.parametrize("wide", [False, True])
def test_pool_scores_are_the_references(wide):
    from brainalign.encoding.benchmark import read_benchmark
    from brainalign.encoding.ceilings import pool_scores
    from brainalign.encoding.responses import gather_responses

    _, y, _ = planted()
    y = y if wide else y[:, [*range(5), *range(40, 45), *range(80, 85)]]
    stimuli, dataset = tables(y)
    if not wide:
        dataset["subject"] = ("target", np.repeat(["a", "b", "c"], 5).astype(object))
    entry = LEGACY | {"split": {"scheme": "shuffled", "folds": 2, "train": 0.3}}
    responses = gather_responses(dataset)
    benchmark = read_benchmark(entry, stimuli, dataset, 0)
    sizes, scores = pool_scores(responses, benchmark, None, np.random.default_rng(0))
    subjects = dataset["subject"].values.astype(str)
    truth = reference_scores(y, subjects, shuffled(stimuli["stimulus_id"].tolist(), 2, 0.3, 1))
    assert sizes.tolist() == list(truth)
    np.testing.assert_allclose([s.mean() for s in scores], list(truth.values()), atol=1e-6)


def test_the_table_of_an_extrapolation():
    _, y, _ = planted(drift=0.3)
    stimuli, dataset = tables(y)
    entry = CONTROLLED | {
        "split": {"scheme": "grouped", "folds": 3},
        "ceiling": {"method": "extrapolation", "subsets": 2, "bootstraps": 20},
    }
    table = noise_ceiling(stimuli, dataset, entry, 0)
    again = noise_ceiling(stimuli, dataset, entry, 0)
    np.testing.assert_array_equal(table["ceiling"], again["ceiling"])
    columns = ["target_id", "subject", "region", "ceiling", "low", "high", "method"]
    assert list(table.columns) == columns
    summary = table[table["target_id"] == "all"]
    assert summary["region"].tolist() == ["all", "roi0", "roi1"]
    rows = table[table["target_id"] != "all"]
    assert len(rows) == y.shape[1]
    assert (rows["low"] <= rows["ceiling"]).all() and (rows["ceiling"] <= rows["high"]).all()
    by_subject = rows.groupby("subject")["ceiling"].median()
    assert summary["ceiling"].iloc[0] == pytest.approx(by_subject.mean())


def regional(n_subjects=6, n=300, noise=1.0, seed=0):
    """Subjects who share a signal in each of two regions."""
    random = np.random.default_rng(seed)
    shared = random.standard_normal((n, 2))
    y = np.concatenate(
        [shared + noise * random.standard_normal((n, 2)) for _ in range(n_subjects)], axis=1
    )
    names = np.repeat([f"s{i}" for i in range(n_subjects)], 2)
    ids = np.array([f"t{i}" for i in range(2 * n_subjects)])
    return y, Targets(ids, names, np.tile(["A", "B"], n_subjects))


def test_leave_one_subject_out_is_the_loop():
    y, targets = regional()
    y = y * np.random.default_rng(1).uniform(1, 50, y.shape[1])  # scanners differ in units
    responses = Responses(y, targets)
    z = (y - y.mean(axis=0)) / y.std(axis=0)
    ours = leave_one_subject_out(responses, None)
    for i in range(y.shape[1]):
        same = (targets.regions == targets.regions[i]) & (targets.subjects != targets.subjects[i])
        truth = np.corrcoef(y[:, i], z[:, same].mean(axis=1))[0, 1]
        assert ours[i] == pytest.approx(truth, abs=1e-10)
    # signal / (signal + noise) over the noise of the mean of five others
    assert ours.mean() == pytest.approx(1 / np.sqrt(2 * (1 + 1 / 5)), abs=0.03)
    by_fold = leave_one_subject_out(responses, contiguous(300, 5))
    assert by_fold.mean() == pytest.approx(ours.mean(), abs=0.03)


@pytest.mark.parametrize("noise", [0.5, 1.0, 3.0])
def test_split_half_is_what_the_shared_signal_reaches(noise):
    y, targets = regional(n_subjects=8, n=4000, noise=noise)
    samples = split_half(Responses(y, targets), None, 50, np.random.default_rng(0))
    signal = 1 / np.sqrt(1 + noise**2)  # r of the signal with signal and noise
    assert np.median(samples) == pytest.approx(signal, abs=0.02)


def test_split_half_of_folds_knows_nothing_of_what_lies_between_them():
    """A level that subjects share from block to block is in no fold's r, of models as of halves."""
    y, targets = regional(n_subjects=8, n=2000)
    folds = contiguous(2000, 5)
    for fold, shift in zip(folds, (0, 5, -5, 3, -3), strict=True):
        y[fold.test] += shift
    whole, by_fold = (
        np.median(split_half(Responses(y, targets), part, 50, np.random.default_rng(0)))
        for part in (None, folds)
    )
    assert whole > 0.95
    assert by_fold == pytest.approx(np.sqrt(1 / 2), abs=0.02)


@pytest.mark.parametrize("folds", [None, contiguous(300, 5)])
def test_subjects_without_measurements_count_for_nothing(folds):
    """One lost region A, another everything: the others' ceilings are those without them."""
    y, targets = regional()
    y[7, 10] = np.nan
    y[:20, 8:10] = np.nan
    without = np.arange(8)
    rest = Targets(targets.ids[without], targets.subjects[without], targets.regions[without])
    found = leave_one_subject_out(Responses(y, targets), folds)
    alone = leave_one_subject_out(Responses(y[:, without], rest), folds)
    np.testing.assert_allclose(found[without][::2], alone[::2])
    assert np.isnan(found[8:11]).all()
    assert np.isfinite(found[11])
    samples = split_half(Responses(y, targets), folds, 20, np.random.default_rng(0))
    assert np.isnan(samples[8:11]).all()
    assert np.isfinite(samples[:8]).all()
    expected = split_half(Responses(y[:, without], rest), folds, 200, np.random.default_rng(0))
    assert np.median(samples[0]) == pytest.approx(np.median(expected[0]), abs=0.02)


def test_a_target_that_is_constant_in_a_fold_keeps_the_others():
    """As its score does, which is the mean over the folds in which it has one."""
    y, targets = regional()
    y[:60, 2] = 1.0
    folds = contiguous(300, 5)
    found = leave_one_subject_out(Responses(y, targets), folds)
    others = leave_one_subject_out(Responses(y, targets), folds[1:])
    assert found[2] == pytest.approx(others[2])


@pytest.mark.parametrize(("n_subjects", "lost"), [(3, 1), (6, 3)])
def test_the_interval_is_of_the_subjects_that_are_left(n_subjects, lost):
    y, targets = regional(n_subjects=n_subjects)
    y[0, 0 : 2 * lost : 2] = np.nan
    stimuli, dataset = dataset_of(y, targets)
    ceiling = {"method": "leave-one-subject-out", "folds": False}
    entry = LEGACY | {"aggregate": "mean", "ceiling": ceiling}
    table = noise_ceiling(stimuli, dataset, entry, 0)
    summary = table[table["target_id"] == "all"]
    assert (summary["low"] <= summary["ceiling"]).all()
    assert (summary["ceiling"] <= summary["high"]).all()


def test_pools_are_drawn_without_repetition():
    others = [f"s{i}" for i in range(8)]
    drawn = _pools(others, 4, 20, np.random.default_rng(0))
    assert len(set(drawn)) == 20
    assert all(len(set(pool)) == 4 and list(pool) == sorted(pool) for pool in drawn)
    assert _pools(others, 7, 20, np.random.default_rng(0)) == list(
        itertools.combinations(others, 7)
    )


def test_two_subjects_of_whom_one_is_lost_have_no_ceiling():
    y, targets = regional(n_subjects=2)
    y[0, 2] = np.nan
    responses = Responses(y, targets)
    for found in (
        leave_one_subject_out(responses, None),
        split_half(responses, None, 5, np.random.default_rng(0))[:, 0],
    ):
        assert np.isnan(found[[0, 2]]).all()
        assert np.isfinite(found[[1, 3]]).all()


def test_a_lost_subject_is_left_out_of_an_extrapolation(caplog):
    _, y, _ = planted()
    stimuli, dataset = tables(np.concatenate([y, y[:, :VOXELS]], axis=1))
    entry = LEGACY | {"ceiling": {"method": "extrapolation", "subsets": 2, "bootstraps": 5}}
    entry["split"] = LEGACY["split"] | {"folds": 2}
    dataset["responses"][5, -VOXELS:] = np.nan
    found = noise_ceiling(stimuli, dataset, entry, 0)
    three = noise_ceiling(stimuli, dataset.isel(target=slice(0, 3 * VOXELS)), entry, 0)
    assert "left out, no target is measured: subject3" in caplog.text
    found = found[found["target_id"] != "all"].set_index("target_id")["ceiling"]
    assert found[-VOXELS:].isna().all()
    expected = three[three["target_id"] != "all"].set_index("target_id")["ceiling"]
    pd.testing.assert_series_equal(found[:-VOXELS], expected)


def test_none_says_nothing():
    _, y, _ = planted()
    stimuli, dataset = tables(y)
    table = noise_ceiling(stimuli, dataset, LEGACY | {"ceiling": {"method": "none"}}, 0)
    assert table["ceiling"].isna().all()
    assert set(table["method"]) == {"none"}


def dataset_of(y, targets):
    stimuli, dataset = tables(y)
    for name, values in zip(
        ("target_id", "subject", "region"),
        (targets.ids, targets.subjects, targets.regions),
        strict=True,
    ):
        dataset[name] = ("target", values.astype(object))
    return stimuli, dataset


@pytest.mark.parametrize("method", ["leave-one-subject-out", "split-half"])
def test_the_table_of_averaged_subjects(method):
    y, targets = regional()
    stimuli, dataset = dataset_of(y, targets)
    entry = LEGACY | {"aggregate": "mean", "ceiling": {"method": method, "folds": False}}
    table = noise_ceiling(stimuli, dataset, entry, 0)
    summary = table[table["target_id"] == "all"]
    assert summary["region"].tolist() == ["all", "A", "B"]
    assert (summary["low"] < summary["ceiling"]).all()
    assert (summary["ceiling"] < summary["high"]).all()


def test_bad_input_is_named():
    _, y, _ = planted()
    stimuli, dataset = tables(y)
    one, two = (dataset.isel(target=slice(0, n * VOXELS)) for n in (1, 2))
    for data, options, message in [
        (dataset, {"method": "oracle"}, "ceiling.method: 'oracle'"),
        (one, {"method": "extrapolation"}, "needs 2 or more subjects"),
        (two, {"method": "extrapolation"}, "needs 3 or more subjects with measured targets"),
        (dataset, {"method": "split-half"}, "not one per subject and region"),
    ]:
        with pytest.raises(InputError, match=message):
            noise_ceiling(stimuli, data, LEGACY | {"ceiling": options}, 0)
    similar = LEGACY | {"regression": {"type": "cka"}, "ceiling": {"method": "split-half"}}
    with pytest.raises(InputError, match="split-half is of regressions, not of rsa or cka"):
        noise_ceiling(stimuli, dataset, similar, 0)
