"""Noise ceilings: unbiased for a known asymptote, equal to slow reference formulas."""

import itertools

import numpy as np
import pandas as pd
import pytest
from brainalign.encoding.ceilings import AROUND_0, LEAK, LOWER_BOUND, NOT_ABOVE_0, is_weak
from brainalign.encoding.correlation import pearson
from brainalign.encoding.disattenuation import Agreements, agreements, disattenuated
from brainalign.encoding.extrapolation import _pools, extrapolate, fit_asymptotes
from brainalign.encoding.responses import Responses, Targets, gather_responses
from brainalign.encoding.splits import contiguous, shuffled
from brainalign.encoding.subject_ceilings import leave_one_subject_out, split_half
from brainalign.errors import InputError
from scipy.optimize import curve_fit
from sklearn.linear_model import LinearRegression
from worlds.encoding import CONTROLLED, LEGACY, VOXELS, planted, tables
from worlds.entries import noise_ceiling, read_benchmark


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
    from brainalign.encoding.extrapolation import pool_scores

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
    columns = ["target_id", "subject", "region", "ceiling", "low", "high", "method", "note"]
    assert list(table.columns) == columns
    assert table["note"].iloc[0] == LEAK
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
    over_rows, by_fold = (
        np.median(split_half(Responses(y, targets), part, 50, np.random.default_rng(0)))
        for part in (None, folds)
    )
    assert over_rows > 0.95
    assert by_fold == pytest.approx(np.sqrt(1 / 2), abs=0.02)


@pytest.mark.parametrize("folds", [None, contiguous(300, 5)])
def test_subjects_without_measurements_count_for_nothing(folds):
    """One lost region A, another everything: the others' ceilings are those without them."""
    y, targets = regional()
    y[7, 10] = np.nan
    y[:20, 8] = y[20:40, 9] = np.nan
    without = np.arange(8)
    rest = Targets(targets.ids[without], targets.subjects[without], targets.regions[without])
    ceilings = leave_one_subject_out(Responses(y, targets), folds)
    alone = leave_one_subject_out(Responses(y[:, without], rest), folds)
    np.testing.assert_allclose(ceilings[without][::2], alone[::2])
    assert np.isnan(ceilings[8:11]).all()
    assert np.isfinite(ceilings[11])
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
    ceilings = leave_one_subject_out(Responses(y, targets), folds)
    others = leave_one_subject_out(Responses(y, targets), folds[1:])
    assert ceilings[2] == pytest.approx(others[2])


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
    assert set(summary["note"]) <= {LOWER_BOUND, AROUND_0}
    assert LOWER_BOUND in set(table["note"])


@pytest.mark.parametrize("method", ["leave-one-subject-out", "split-half", "disattenuation"])
def test_one_note_says_that_a_ceiling_is_not_above_0(method):
    """Subjects who share nothing: some ceilings are below 0, and nearly all intervals hold 0."""
    random = np.random.default_rng(3)
    y, targets = random.standard_normal((200, 12)), regional(n=200)[1]
    stimuli, dataset = dataset_of(y, targets)
    entry = LEGACY | {"aggregate": "mean", "ceiling": {"method": method}}
    table = noise_ceiling(stimuli, dataset, entry, 0).dropna(subset=["ceiling"])
    below, around = table["ceiling"] <= 0, table["low"] <= 0
    assert below.any() and (around & ~below).any()
    assert (table["note"].str.contains(NOT_ABOVE_0, regex=False) == below).all()
    assert not (table["note"].str.contains(AROUND_0, regex=False) & below).any()
    assert table.loc[below | around, "note"].map(is_weak).all()


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
    for ceilings in (
        leave_one_subject_out(responses, None),
        split_half(responses, None, 5, np.random.default_rng(0))[:, 0],
    ):
        assert np.isnan(ceilings[[0, 2]]).all()
        assert np.isfinite(ceilings[[1, 3]]).all()


def test_a_lost_subject_is_left_out_of_an_extrapolation(caplog):
    _, y, _ = planted()
    stimuli, dataset = tables(np.concatenate([y, y[:, :VOXELS]], axis=1))
    entry = LEGACY | {"ceiling": {"method": "extrapolation", "subsets": 2, "bootstraps": 5}}
    entry["split"] = LEGACY["split"] | {"folds": 2}
    for target in range(1, VOXELS + 1):
        dataset["responses"][target, -target] = np.nan
    ceilings = noise_ceiling(stimuli, dataset, entry, 0)
    three = noise_ceiling(stimuli, dataset.isel(target=slice(0, 3 * VOXELS)), entry, 0)
    assert "left out, no target is measured: subject3" in caplog.text
    ceilings = ceilings[ceilings["target_id"] != "all"].set_index("target_id")["ceiling"]
    assert ceilings[-VOXELS:].isna().all()
    expected = three[three["target_id"] != "all"].set_index("target_id")["ceiling"]
    pd.testing.assert_series_equal(ceilings[:-VOXELS], expected)


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


STORIES, ROWS = 8, 60
SHARED = CONTROLLED | {
    "aggregate": "mean",
    "split": {"scheme": "grouped", "folds": STORIES, "seed": 1},
    "ceiling": {"method": "disattenuation", "pairs": 3, "bootstraps": 100},
}


def subjects_who_share(truth, persistence, n_subjects, seed, per_subject=12):
    """Responses to a state of five dimensions, each target with weights and noise of its own.

    `truth` [target] or a number: the share of the state's standard deviation in the response.
    Returns stimuli, dataset, and r [target] of the noiseless with the measured responses in a
    story, which is the ceiling: slow noise has less variance inside a story than over all.
    """
    random = np.random.default_rng(seed)
    n, t = STORIES * ROWS, n_subjects * per_subject
    story = np.repeat(np.arange(STORIES), ROWS)
    noise = random.standard_normal((n, t))
    for row in range(1, n):
        if story[row] == story[row - 1]:
            noise[row] = persistence * noise[row - 1] + np.sqrt(1 - persistence**2) * noise[row]
    signal = random.standard_normal((n, 5)) @ random.standard_normal((5, t))
    signal /= signal.std(axis=0)
    truth = np.broadcast_to(truth, t)
    y = truth * signal + np.sqrt(1 - truth**2) * noise
    r = np.mean([pearson(signal[story == s], y[story == s]) for s in range(STORIES)], axis=0)
    names = np.repeat([f"s{i}" for i in range(n_subjects)], per_subject)
    regions = np.tile(["A", "B", "C"], t // 3)
    stimuli, dataset = dataset_of(y, Targets(np.array([f"t{i}" for i in range(t)]), names, regions))
    stimuli["split_group"] = stimuli["context_group"] = [f"story{s}" for s in story]
    return stimuli, dataset, np.where(truth > 0, r, 0.0)


@pytest.mark.parametrize("persistence", [0.0, 0.9])
@pytest.mark.parametrize(
    ("truth", "n_subjects", "sets"), [pytest.param(0.6, 3, 24, marks=pytest.mark.long), (0.6, 5, 6)]
)
def test_the_disattenuated_ceiling_is_the_known_one(truth, n_subjects, sets, persistence):
    """Of all targets and of each region, within 2 standard errors over sets or 1 %.

    (The standard error is of few sets; 40 sets of 3 subjects: +.0036 ± .0018 with white noise.)
    """
    errors = []
    for seed in range(sets):
        stimuli, dataset, known = subjects_who_share(truth, persistence, n_subjects, seed)
        table = noise_ceiling(stimuli, dataset, SHARED, seed)
        assert (table.loc[table["target_id"] == "all", "note"] == "").all()
        summary = table[table["target_id"] == "all"].set_index("region")["ceiling"]
        regions = dataset["region"].values.astype(str)
        expected = {r: known[regions == r].mean() for r in ("A", "B", "C")} | {"all": known.mean()}
        errors.append([summary[region] - expected[region] for region in ("all", "A", "B", "C")])
    mean = np.mean(errors, axis=0)
    allowed = np.maximum(2 * np.std(errors, axis=0, ddof=1) / np.sqrt(sets), 0.01 * known.mean())
    assert (np.abs(mean) < allowed).all()


@pytest.mark.parametrize("persistence", [0.0, 0.9])
def test_subjects_who_share_nothing_have_a_weak_ceiling_of_zero(persistence):
    """Of all targets and of each region, on average over sets."""
    ceilings = []
    for seed in range(5):
        stimuli, dataset, _ = subjects_who_share(0.0, persistence, 3, seed)
        table = noise_ceiling(stimuli, dataset, SHARED, 0)
        summary = table[table["target_id"] == "all"]
        assert summary["note"].str.startswith("weak").all()
        ceilings.append(summary["ceiling"].to_numpy())
    assert (np.abs(np.mean(ceilings, axis=0)) < 0.04).all()


def test_targets_without_signal_are_not_divided_by_the_accuracy_of_the_others():
    """A fifth of the targets share a state, the others nothing: mean ceiling .12."""
    errors = []
    for seed in range(3):
        truth = np.where(np.arange(60) % 5 == 0, 0.6, 0.0)
        stimuli, dataset, known = subjects_who_share(truth, 0.5, 5, seed)
        table = noise_ceiling(stimuli, dataset, SHARED, seed)
        errors.append(table["ceiling"].iloc[0] - known.mean())
    assert abs(np.mean(errors)) < 0.04


def test_agreements_are_those_of_least_squares_from_half_the_subjects_and_rows():
    """Three subjects: each is predicted from either of the others, fitted to either half."""
    stimuli, dataset, _ = subjects_who_share(0.6, 0.0, 3, 0, per_subject=6)
    entry = SHARED | {"regression": {"type": "ols"}}
    responses, benchmark = gather_responses(dataset), read_benchmark(entry, stimuli, dataset, 0)
    actual = agreements(responses, benchmark, 5, np.random.default_rng(0))
    y, names = dataset["responses"].values, dataset["subject"].values.astype(str)
    groups = stimuli["split_group"].to_numpy()
    for fold, split in enumerate(benchmark.splits):
        stories = np.unique(groups[split.train])
        halves = [np.isin(groups, part) for part in (stories[:4], stories[4:])]
        for who in ("s0", "s1", "s2"):
            mine = y[:, names == who]
            predicted = {
                (other, half): LinearRegression()
                .fit(y[rows][:, names == other], mine[rows])
                .predict(y[split.test][:, names == other])
                for other in {"s0", "s1", "s2"} - {who}
                for half, rows in enumerate(halves)
            }
            a, b = sorted({"s0", "s1", "s2"} - {who})
            against = np.mean([pearson(p, mine[split.test]) for p in predicted.values()], axis=0)
            agreed = [
                pearson(predicted[a, 0], predicted[b, 1]), pearson(predicted[a, 1], predicted[b, 0])
            ]  # fmt: skip
            np.testing.assert_allclose(actual.response[fold, names == who], against, atol=1e-9)
            np.testing.assert_allclose(
                actual.prediction[fold, names == who], np.mean(agreed, axis=0), atol=1e-9
            )


def test_exact_agreements_give_the_exact_ceiling():
    truth, accuracy = np.full(30, 0.3), 0.8
    noise = np.random.default_rng(0).standard_normal((8, 30)) * 1e-6
    exact = Agreements(truth * accuracy + noise, np.full((8, 30), accuracy**2) + noise)
    values, agree = disattenuated(exact, 50, np.random.default_rng(0))
    assert agree
    np.testing.assert_allclose(values, 0.3, rtol=1e-4)
    exact.response[:, 3] = exact.prediction[:, 3] = np.nan
    assert np.isnan(disattenuated(exact, 5, np.random.default_rng(0))[0][:, 3]).all()


@pytest.mark.parametrize("selection", ["folds-per-target", "gcv-shared", "loo-per-target"])
def test_two_groups_are_halved_by_rows(selection):
    """One story is left to train on: halves and inner folds are blocks of its rows."""
    stimuli, dataset, known = subjects_who_share(0.6, 0.0, 4, 0)
    stimuli["split_group"] = np.repeat(["one", "two"], STORIES * ROWS // 2)
    ridge = {"type": "ridge", "selection": selection}
    entry = SHARED | {"split": {"scheme": "grouped"}, "regression": ridge}
    if selection == "folds-per-target":
        entry["split"] = {"scheme": "contiguous", "folds": 2, "gap": 3}
    table = noise_ceiling(stimuli, dataset, entry, 0)
    assert table["ceiling"].iloc[0] == pytest.approx(known.mean(), abs=0.08)
