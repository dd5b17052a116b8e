"""Tuned minus vanilla, target by target: p by brute force, counts, conjunctions, known rates."""

import numpy as np
import pytest
import xarray as xr
from brainalign.analysis.target_contrasts import COLUMNS, TARGET_COLUMNS, compare_targets
from brainalign.encoding.settings import BrainBenchmark
from brainalign.errors import InputError
from brainalign.settings import read
from chance_nulls import Pair, Scan, draw_contrast
from scipy.stats import false_discovery_control, kstest, ttest_1samp

SUBJECTS, REGIONS, DRAWS = ("a", "b", "c"), ("left", "right"), 99


def scores(r, drawn, regions=REGIONS, **attrs):
    """targets.nc of three subjects; r [target], drawn [draw, target]."""
    each = r.size // len(SUBJECTS)
    subjects = np.repeat(SUBJECTS, each)
    return xr.Dataset(
        {"r": ("target", r), "r_drawn": (("draw", "target"), drawn)},
        coords={
            "target_id": ("target", [f"t{i}" for i in range(r.size)]),
            "subject": ("target", subjects),
            "region": ("target", np.tile(np.resize(regions, each), len(SUBJECTS))),
        },
        attrs=attrs,
    )


def drawn(n_targets, seed=0, raised=0.0):
    random = np.random.default_rng(seed)
    return random.normal(raised, 0.1, n_targets), random.normal(0, 0.1, (DRAWS, n_targets))


def row(table, subject="all", region="all"):
    return table[(table["subject"] == subject) & (table["region"] == region)].iloc[0]


def test_p_and_q_are_counted_by_hand():
    r, null = drawn(12)
    base, base_null = drawn(12, seed=1)
    targets, _ = compare_targets(scores(r, null), scores(base, base_null), 0.05)
    assert tuple(targets.columns) == TARGET_COLUMNS
    for i, actual in targets.iterrows():
        d, draws = r[i] - base[i], null[:, i] - base_null[:, i]
        assert actual["difference"] == pytest.approx(d)
        assert actual["p"] == (1 + sum(abs(x) >= abs(d) for x in draws)) / (1 + DRAWS)
        assert actual["p_higher"] == (1 + sum(x >= d for x in draws)) / (1 + DRAWS)
        assert actual["p_lower"] == (1 + sum(x <= d for x in draws)) / (1 + DRAWS)
    for subject, part in targets.groupby("subject"):
        np.testing.assert_allclose(part["q"], false_discovery_control(part["p"]), err_msg=subject)


def test_means_over_targets_and_t_over_subjects_have_the_draws_of_all_subjects():
    r, null = drawn(12)
    base, base_null = drawn(12, seed=1)
    _, table = compare_targets(scores(r, null), scores(base, base_null), 0.05)
    both = np.vstack([r - base, null - base_null]).reshape(1 + DRAWS, 3, 4)
    for region, inside in (("all", slice(None)), ("left", slice(0, None, 2))):
        means = both[:, :, inside].mean(axis=2)
        for subject, values in zip(SUBJECTS, means.T, strict=True):
            actual = row(table, subject, region)
            assert actual["difference"] == pytest.approx(values[0])
            assert actual["p"] == pytest.approx((np.abs(values) >= abs(values[0])).mean())
            assert np.isnan(actual["group_p"])
        t = np.abs(ttest_1samp(means, 0, axis=1).statistic)
        assert row(table, "all", region)["group_p"] == pytest.approx((t >= t[0]).mean())
        assert row(table, "all", region)["difference"] == pytest.approx(means[0].mean())


def test_targets_are_counted_on_each_side_and_locations_in_all_subjects():
    """Left is higher in all subjects, right lower in one of them."""
    r, null = np.array([0.9, 0.0, 0.9, 0.0, 0.9, -0.9]), np.zeros((DRAWS, 6))
    _, table = compare_targets(scores(r, null), scores(0 * r, null), 0.05)
    actual = row(table)
    assert (actual["n_higher"], actual["n_lower"], actual["n_targets"]) == (3, 1, 6)
    assert (actual["n_shared"], actual["n_higher_in_all"], actual["n_lower_in_all"]) == (2, 1, 0)
    left = row(table, "all", "left")
    assert (left["share_higher"], left["share_lower"], left["n_higher_in_all"]) == (1.0, 0.0, 1)
    assert row(table, "c", "right")["n_lower"] == 1
    assert set(table.columns) <= set(COLUMNS)


@pytest.mark.parametrize(
    ("attrs", "shared"), [({"space": "MNI152NLin2009cAsym"}, 4), ({}, 0)], ids=["common", "own"]
)
def test_voxels_are_shared_in_a_common_space_alone(attrs, shared):
    r, null = drawn(12)
    coordinates = {name: ("target", np.tile(np.arange(4.0), 3)) for name in "xyz"}
    pair = [scores(r, null, **attrs).assign_coords(coordinates) for _ in range(2)]
    _, table = compare_targets(*pair, 0.05)
    actual = row(table)
    if shared:
        assert actual["n_shared"] == shared
    else:
        assert "no location is a target of every subject" in actual["note"]


def test_a_target_without_r_counts_nowhere():
    r, null = drawn(12)
    base, base_null = drawn(12, seed=1)
    r[3], null[:, 3] = np.nan, np.nan
    targets, table = compare_targets(scores(r, null), scores(base, base_null), 0.05)
    assert np.isnan(targets.loc[3, ["difference", "p", "q"]].astype(float)).all()
    assert (row(table)["n_targets"], row(table, "a")["n_targets"]) == (11, 3)
    assert table["difference"].notna().all()


def test_other_targets_and_other_draws_are_refused():
    r, null = drawn(12)
    other = scores(r, null).assign_coords(target_id=("target", [f"u{i}" for i in range(12)]))
    with pytest.raises(InputError, match="other targets"):
        compare_targets(scores(r, null), other, 0.05)
    with pytest.raises(InputError, match="numbers of draws"):
        compare_targets(scores(r, null), scores(r, null[1:]), 0.05)


def test_draws_need_chance():
    entry = {"dataset": "d", "mode": "controlled", "targets": {"draws": True}}
    entry |= {
        "regression": {"type": "ridge"},
        "split": {"scheme": "grouped", "folds": 4},
        "layers": "nested",
    }
    with pytest.raises(InputError, match="there is no chance to draw from"):
        read(entry, BrainBenchmark)
    read(entry | {"chance": {"permutations": 99}}, BrainBenchmark)


@pytest.mark.long
@pytest.mark.parametrize("distribution", ["test", "refit"])
def test_p_are_uniform_where_neither_model_is_related(distribution):
    chance = {"distribution": distribution, "permutations": 99, "method": "blocks", "block": 10}
    p = [draw_contrast(Scan(), Pair(), chance, seed)[0]["p"][0] for seed in range(100)]
    assert kstest(p, "uniform").pvalue > 0.01
    assert np.mean(np.array(p) <= 0.05) < 0.12
