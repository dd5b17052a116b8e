"""Chance: null distributions against brute force, adjusted p, what is refused."""

import math
from itertools import islice, pairwise, permutations, product

import numpy as np
import pytest
import xarray as xr
from brainalign.encoding.benchmark import of_rows
from brainalign.encoding.chance import Null, check_chance, null_distribution, p_values, q_values
from brainalign.encoding.correlation import Aggregate
from brainalign.encoding.features import Features
from brainalign.encoding.responses import Responses, Targets
from brainalign.encoding.settings import Chance, KeptTargets
from brainalign.encoding.surrogates import stretches, surrogates
from brainalign.encoding.target_scores import TargetFile
from brainalign.errors import InputError
from brainalign.formats.activations import open_activations, write_activations
from brainalign.settings import read
from chance_nulls import Scan, draw_null
from scipy.stats import kstest, pearsonr, ttest_1samp
from sklearn.linear_model import LinearRegression, Ridge, RidgeCV
from statsmodels.stats.multitest import multipletests
from worlds.encoding import CONTROLLED, planted, tables
from worlds.entries import align, scoring

ROWS, UNITS, TARGETS = 60, 4, 6
ONE_ALPHA = {"type": "ridge", "alphas": {"low": 3.0, "high": 3.0, "n": 1}}
BLOCKS = {"block": 10, "permutations": 400}
SHARED = {"type": "ridge", "selection": "gcv-shared", "alphas": {"low": 0.1, "high": 1e3, "n": 5}}


def world(chance, regression=ONE_ALPHA, signal=0.4, **keys):
    """Two folds of 30 rows, one run; targets follow the features a little. Two subjects."""
    random = np.random.default_rng(5)
    x = random.standard_normal((ROWS, UNITS))
    y = signal * x @ random.standard_normal((UNITS, TARGETS))
    y += random.standard_normal(y.shape)
    entry = {
        "regression": regression, "split": {"scheme": "contiguous", "folds": 2},
        "layers": {"depth": 1.0}, "aggregate": "mean", "chance": chance, "timing": {},
    } | keys  # fmt: skip
    runs = np.zeros(ROWS, dtype=int)
    benchmark = of_rows(scoring(entry), range(ROWS), runs, runs, 7, tr=2.0)
    subjects = np.array(["a", "b"] * (TARGETS // 2))
    targets = Targets(np.arange(TARGETS).astype(str), subjects, np.array(["x"] * TARGETS))
    order = np.argsort(subjects, kind="stable")
    return x, y[:, order], Responses(y, targets), benchmark


def null_of(x, responses, benchmark) -> Null:
    aggregate = Aggregate(
        benchmark.aggregate, responses.targets.subjects.tolist(), responses.targets.regions.tolist()
    )
    features = [Features(x, intercept=benchmark.intercept)] * len(benchmark.splits)
    return null_distribution(features, responses, benchmark, aggregate)


def r_of(model, x, train, test, y_train, y_test):
    predicted = model.fit(x[train], y_train).predict(x[test])
    return np.array([pearsonr(p, t)[0] for p, t in zip(predicted.T, y_test.T, strict=True)])


def in_blocks(orders, length=10):
    """Rows of blocks of equal length in each of some orders."""
    return [np.concatenate([np.arange(length) + length * k for k in order]) for order in orders]


HALVES = np.arange(30), np.arange(30, 60)


def every_test_arrangement(x, y):
    """r under the 36 arrangements of three blocks in each of two folds, after the measured r."""
    by_fold = []
    for test, train in (HALVES, HALVES[::-1]):
        drawn = [
            r_of(Ridge(3.0), x, train, test, y[train], y[test[order]])
            for order in in_blocks(permutations(range(3)))
        ]
        by_fold.append(np.array(drawn))
    every = np.array([(a + b) / 2 for a, b in product(*by_fold)])
    return np.vstack([every[:1], every.mean(axis=0) + np.sqrt(2) * (every - every.mean(axis=0))])


def every_refit_arrangement(x, y):
    """r under the 720 arrangements of the six blocks of all rows, after the measured r."""
    every = []
    for order in in_blocks(permutations(range(6))):
        moved = y[order]
        folds = ((HALVES[1], HALVES[0]), HALVES)
        r = [r_of(Ridge(3.0), x, train, test, moved[train], moved[test]) for train, test in folds]
        every.append(np.mean(r, axis=0))
    return np.array([every[0], *every])


@pytest.mark.parametrize("arrangements", [every_test_arrangement, every_refit_arrangement])
def test_p_is_that_of_all_arrangements_of_blocks(arrangements):
    """Each arrangement is scored by scikit-learn."""
    null = "test" if arrangements is every_test_arrangement else "refit"
    x, y, responses, benchmark = world(
        BLOCKS | {"distribution": null, "permutations": 4000}, signal=0.15
    )
    actual = null_of(x, responses, benchmark)
    measured, *every = arrangements(x, y)
    exact = (np.array(every) >= measured - 1e-6).mean(axis=0)
    error = np.sqrt(exact * (1 - exact) / 4000) + 1 / 4000
    assert (np.abs(actual.p - exact) < 4 * error).all()
    assert len(set(exact)) > 3 and exact.max() > 0.3


MODELS = {
    "least squares": ({"type": "ols"}, LinearRegression()),
    "one penalty for all": (SHARED, RidgeCV(np.geomspace(0.1, 1e3, 5))),
    "a penalty for each": (
        SHARED | {"selection": "loo-per-target"},
        RidgeCV(np.geomspace(0.1, 1e3, 5), alpha_per_target=True),
    ),
}  # fmt: skip


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("method", ["blocks", "shifts", "phases"])
@pytest.mark.parametrize("null", ["test", "refit"])
def test_every_draw_is_a_fit_to_its_surrogates(null, method, model):
    """All draws of summaries, by scikit-learn's regression; penalties are chosen anew."""
    regression, truth = MODELS[model]
    chance = {"distribution": null, "method": method, "permutations": 20}
    chance |= {"block": 6} if method == "blocks" else {}
    x, y, responses, benchmark = world(chance, regression)
    actual = null_of(x, responses, benchmark)
    total = np.zeros((21, TARGETS))
    for fold, split in enumerate(benchmark.splits):
        rows = split.test if null == "test" else np.arange(ROWS)
        random = np.random.default_rng([7, fold] if null == "test" else [7])
        block = 6 if method == "blocks" else None
        draws = islice(surrogates(method, stretches(rows, np.zeros(ROWS)), block, random), 20)
        for k, draw in enumerate((lambda values: values, *draws)):
            drawn = y.copy()
            drawn[rows] = draw(y[rows])
            train = y[split.train] if null == "test" else drawn[split.train]
            total[k] += r_of(truth, x, split.train, split.test, train, drawn[split.test]) / 2
    subjects = total[:, :3].mean(axis=1), total.mean(axis=1)
    if null == "test":
        total, *subjects = (widened(values) for values in (total, *subjects))
    np.testing.assert_allclose(actual.p, ((total >= total[0] - 1e-9).mean(axis=0)), atol=1e-6)
    np.testing.assert_allclose(actual.means["a", "all"], subjects[0], atol=1e-6)
    np.testing.assert_allclose(actual.means["all", "all"], subjects[1], atol=1e-6)


def widened(r):
    """Draws at √2 times their distance from their mean; the first is as measured."""
    return np.concatenate([r[:1], r[1:].mean(axis=0) + 2**0.5 * (r[1:] - r[1:].mean(axis=0))])


def test_a_block_keeps_its_rows_together_and_all_orders_are_as_likely():
    draws = surrogates("blocks", [slice(0, 11), slice(11, 21)], 5, np.random.default_rng(0))
    orders = [
        tuple(draw(np.arange(21.0)[:, None])[:, 0].astype(int)) for draw in islice(draws, 4800)
    ]
    parts = {(0, 1, 2, 3, 4), (5, 6, 7, 8, 9), (0, 1, 2, 3, 4, 5), (6, 7, 8, 9, 10)}
    parts |= {(5, 6, 7, 8, 9, 10), (11, 12, 13, 14, 15), (16, 17, 18, 19, 20)}
    counts: dict = {}
    for order in orders:
        cuts = [0, *[i + 1 for i, (a, b) in enumerate(pairwise(order)) if b != a + 1], 21]
        assert sorted(order) == list(range(21))
        assert all(stop - start >= 5 for start, stop in pairwise(cuts))
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 24
    assert max(abs(n - 200) for n in counts.values()) < 5 * math.sqrt(200)


def test_stretches_end_where_a_run_ends_and_where_rows_are_missing():
    rows, runs = np.array([0, 1, 2, 5, 6, 7, 8]), np.array([0] * 7 + [1] * 3)
    assert stretches(rows, runs) == [slice(0, 3), slice(3, 5), slice(5, 7)]


def test_shifts_stay_in_their_stretch():
    values = np.arange(10.0)[:, None]
    draws = islice(
        surrogates("shifts", [slice(0, 4), slice(4, 10)], None, np.random.default_rng(1)), 50
    )
    seen = set()
    for draw in draws:
        moved = draw(values)[:, 0]
        lags = int(moved[0]), int(moved[4])
        np.testing.assert_array_equal(moved[:4], np.roll(np.arange(4), -lags[0]))
        np.testing.assert_array_equal(moved[4:], np.roll(np.arange(4, 10), 4 - lags[1]))
        seen.add(lags)
    assert len(seen) > 15


@pytest.mark.parametrize("length", [16, 17])
def test_phases_keep_means_powers_and_what_targets_share(length):
    random = np.random.default_rng(2)
    values = random.standard_normal((2 * length, 3)) + 5
    halves = [slice(0, length), slice(length, 2 * length)]
    drawn = next(surrogates("phases", halves, None, random))(values)
    for part in halves:
        before, after = np.fft.fft(values[part], axis=0), np.fft.fft(drawn[part], axis=0)
        np.testing.assert_allclose(np.abs(after), np.abs(before), atol=1e-9)
        cross = [f[:, :1] * f[:, 1:].conj() for f in (before, after)]
        np.testing.assert_allclose(*cross, atol=1e-9)
        np.testing.assert_allclose(drawn[part].mean(axis=0), values[part].mean(axis=0))
    assert np.abs(drawn - values).max() > 0.5
    assert next(surrogates("phases", halves, None, random))(values.astype(np.float32)).dtype == "f4"


def test_p_counts_the_measured_value_and_q_is_of_each_subject():
    r = np.array([[0.5, 0.1, np.nan], [0.6, 0.0, np.nan], [0.5, 0.0, np.nan], [0.1, 0.0, np.nan]])
    np.testing.assert_array_equal(p_values(r), [0.75, 0.25, np.nan])
    p = np.random.default_rng(0).random(40) ** 2
    p[7] = np.nan
    subjects = np.array(["a", "b"])[np.arange(40) % 3 % 2]
    for who in "ab":
        here = (subjects == who) & ~np.isnan(p)
        expected = multipletests(p[here], method="fdr_bh")[1]
        np.testing.assert_allclose(q_values(p, subjects)[here], expected)
    assert np.isnan(q_values(p, subjects)[7])


def test_the_groups_p_is_of_students_t_over_subjects():
    random = np.random.default_rng(4)
    draws = random.standard_normal((200, 5))
    draws[0] += 0.4
    means = {(f"s{i}", "x"): draws[:, i] for i in range(5)} | {("all", "x"): draws.mean(axis=1)}
    t = np.array([ttest_1samp(row, 0).statistic for row in draws])
    null = Null(np.empty(0), np.empty(0), np.empty(0), means)
    assert null.group_p("x") == pytest.approx((t >= t[0]).mean())
    assert np.isnan(
        Null(np.empty(0), np.empty(0), np.empty(0), {("s", "x"): draws[:, 0]}).group_p("x")
    )


def test_the_table_has_p_of_each_row_and_counts_of_significant_targets(tmp_path):
    """Half of the targets follow the features; the draws of a target are those of its subject."""
    x, y, _ = planted(drift=0.0, noise=2.0)
    y[:, ::2] = np.random.default_rng(9).standard_normal(y[:, ::2].shape)  # region roi0
    stimuli, dataset = tables(y)
    path = tmp_path / "a.safetensors"
    write_activations({"l": x.astype(np.float32)}, stimuli["stimulus_id"].tolist(), path, {})
    entry = CONTROLLED | {
        "layers": {"depth": 1.0}, "split": {"scheme": "grouped", "folds": 6},
        "chance": {"permutations": 199},
    }  # fmt: skip
    into = TargetFile(tmp_path / "t.nc", KeptTargets(draws=True))
    table = align(open_activations(path), stimuli, dataset, entry, "cpu", 0, targets=into)
    file = xr.load_dataset(into.path, engine="h5netcdf")
    reached = (file["r_drawn"].values >= file["r"].values).sum(axis=0)
    np.testing.assert_allclose((1 + reached) / 200, file["p"].values, atol=1 / 200)
    targets = file.drop_dims("draw").to_dataframe().reset_index()
    rows = table[table["chosen"] & (table["fold"] == -1)].set_index(["subject", "region"])
    for (subject, region), row in rows.iterrows():
        here = np.full(len(targets), True)
        here &= (targets["subject"] == subject) | (subject == "all")
        here &= (targets["region"] == region) | (region == "all")
        assert row["n_significant"] == (targets.loc[here, "q"] <= 0.05).sum() / 6  # a row per fold
        assert np.isnan(row["group_p"]) == (subject != "all")
    assert rows.loc[("all", "roi1"), "n_significant"] >= 50
    assert rows.loc[("all", "roi0"), "n_significant"] <= 8
    assert rows.loc[("all", "roi1"), "r_p"] == 1 / 200
    assert rows.loc[("all", "roi1"), "group_p"] <= 0.05
    assert rows.loc[("all", "roi0"), "r_p"] > 0.02
    # Of four blocks in a fold, one stays where it is on average, and keeps its share of r.
    np.testing.assert_allclose(rows["r_null"], rows["r"] / 4, atol=0.03)
    assert table.loc[~table["chosen"] | (table["fold"] >= 0), "r_p"].isna().all()


def test_missed_rows_are_no_part_of_a_surrogate():
    """A subject who missed a stretch has the draws of the rest."""
    x, y, _, benchmark = world(BLOCKS | {"block": 5, "distribution": "test"})
    y = y.copy()
    y[40:46, 3:] = np.nan  # subject b; 24 of the fold's 30 rows are left, in stretches of 10 and 14
    targets = Targets(np.arange(6).astype(str), np.array(list("aaabbb")), np.array(["x"] * 6))
    responses = Responses(y, targets)
    null = null_of(x, responses, benchmark)
    alone = Responses(y[:, :3], Targets(targets.ids[:3], targets.subjects[:3], targets.regions[:3]))
    np.testing.assert_array_equal(null.p[:3], null_of(x, alone, benchmark).p)
    present = np.setdiff1d(np.arange(60), np.arange(40, 46))
    total = []
    for fold, split in enumerate(benchmark.splits):
        train, test = (np.intersect1d(rows, present) for rows in (split.train, split.test))
        random = np.random.default_rng([7, fold])
        draws = islice(surrogates("blocks", stretches(test, np.zeros(60)), 5, random), 400)
        shown = y[test, 3:]
        fitted = [r_of(Ridge(3.0), x, train, test, y[train, 3:], draw(shown)) for draw in draws]
        total.append([r_of(Ridge(3.0), x, train, test, y[train, 3:], shown), *fitted])
    np.testing.assert_allclose(null.p[3:], p_values(widened(np.mean(total, axis=0))), atol=1e-9)


def test_a_target_that_is_not_measured_has_no_p():
    x, y, _, benchmark = world(BLOCKS)
    y[:, 1] = 3.0
    targets = Targets(np.arange(6).astype(str), np.array(list("aaabbb")), np.array(["x"] * 6))
    null = null_of(x, Responses(y, targets), benchmark)
    assert np.isnan(null.p).tolist() == np.isnan(null.q).tolist() == [i == 1 for i in range(6)]


@pytest.mark.parametrize(
    ("chance", "fault"),
    [
        ({"block": 31, "permutations": 99}, "block: 31 rows, but a fold has only 30 consecutive"),
        ({"block": 30, "permutations": 99}, "1 arrangements by method blocks"),
        ({"block": 11, "permutations": 1000, "level": 0.1}, "4 arrangements"),
    ],
)
def test_folds_too_small_for_the_blocks_are_refused(chance, fault):
    with pytest.raises(InputError, match=fault):
        _, _, responses, benchmark = world(chance)
        check_chance(responses, benchmark)


def test_seconds_are_rounded_up_to_rows():
    assert read({"block_seconds": 19}, Chance).in_rows(2.0).block == 10
    assert world({"block_seconds": 12.0})[3].chance.block == 6


@pytest.mark.parametrize(
    ("chance", "fault"),
    [
        ({"permutations": 19}, "permutations: 19, expected 20 or more"),
        ({"permutations": 99, "level": 0.001}, "permutations: 99, expected 1000 or more"),
        ({"block": 5, "block_seconds": 5}, "block and block_seconds are given"),
        ({"method": "phases", "block": 5}, "block: only method blocks has it, not phases"),
        ({"method": "shifts", "block_seconds": 5}, "block_seconds: only method blocks"),
    ],
)
def test_settings_that_do_not_fit_are_refused(chance, fault):
    with pytest.raises(InputError, match=fault):
        read(chance, Chance)


@pytest.mark.parametrize(
    ("keys", "fault"),
    [
        ({"layers": "best"}, "layers: best picks the layer by the rows that are tested"),
        ({"split": {"scheme": "shuffled"}}, "shuffled folds train on the neighbours"),
        ({"regression": {"type": "cka"}}, "cka has regression.permutations instead"),
    ],
)
def test_chance_is_refused_where_p_would_not_be_one(keys, fault):
    with pytest.raises(InputError, match=fault):
        world(BLOCKS, **keys)


def test_blocks_of_timed_data_have_a_length_and_those_of_untimed_data_have_none():
    entry = {"regression": {"type": "ols"}, "split": {"scheme": "contiguous"}, "layers": "nested"}
    for name in ("block", "block_seconds"):
        with pytest.raises(InputError, match=f"chance.{name}: blocks of untimed data are whole"):
            scoring(entry | {"chance": {name: 5}})
    with pytest.raises(InputError, match=r"'block' \(volumes\) or 'block_seconds' is missing"):
        scoring(entry | {"chance": {}, "timing": {}})
    assert scoring(entry | {"chance": {}}).chance.block is None


@pytest.mark.long
@pytest.mark.parametrize(("distribution", "sets"), [("test", 200), ("refit", 100)])
def test_p_is_uniform_over_autocorrelated_responses_that_follow_nothing(distribution, sets):
    """Without the share that folds have in common `test` has .09 of p below .05."""
    chance = {"distribution": distribution, "permutations": 199, "block": 10}
    p = np.array([draw_null(Scan(), chance, seed).p[0] for seed in range(sets)])
    assert kstest(p, "uniform").pvalue > 0.01
    assert (p <= 0.05).mean() < 0.05 + 2.3 * (0.05 * 0.95 / sets) ** 0.5


@pytest.mark.long
def test_false_discoveries_stay_below_the_level():
    """Half of a subject's targets follow the features."""
    chance = {"permutations": 199, "block": 10}
    scan = Scan(targets=100, related=50, signal=0.5)
    shares = []
    for seed in range(20):
        significant = draw_null(scan, chance, seed).q <= 0.05
        shares.append(significant[50:].sum() / significant.sum())
        assert significant[:50].mean() > 0.6
    assert np.mean(shares) < 0.05
