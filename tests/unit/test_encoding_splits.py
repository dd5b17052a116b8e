"""Splits: equal to scikit-learn's, disjoint, and apart by their gap."""

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from brainalign.encoding.splits import (
    Contiguous,
    Grouped,
    Wehbe,
    contiguous,
    grouped,
    require_groups,
    shuffled,
    wehbe,
)
from brainalign.errors import InputError
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import GroupKFold, KFold, ShuffleSplit
from worlds.entries import read_benchmark, scheme


def test_shuffled_is_brain_scores_over_the_sorted_ids():
    random = np.random.default_rng(0)
    ids = random.permutation([f"s{i:03d}" for i in range(243)])
    position = {name: row for row, name in enumerate(ids)}
    names = np.unique(ids)
    truth = ShuffleSplit(n_splits=10, train_size=0.9, random_state=1).split(names)
    splits = shuffled(ids.tolist(), 10, 0.9, 1)
    assert len(splits) == 10
    for ours, (train, test) in zip(splits, truth, strict=True):
        assert set(ours.train) == {position[name] for name in names[train]}
        assert set(ours.test) == {position[name] for name in names[test]}


def test_ids_that_are_integers_sort_as_numbers():
    ids = np.random.default_rng(0).permutation(np.arange(1, 121))
    names = np.unique(ids)  # Brain-Score's ids are numbers; ours are always text
    truth = ShuffleSplit(n_splits=3, train_size=0.9, random_state=1).split(names)
    for ours, (train, test) in zip(shuffled(ids.astype(str), 3, 0.9, 1), truth, strict=True):
        assert set(ids[ours.train]) == set(names[train])
        assert set(ids[ours.test]) == set(names[test])
    mixed = ["2", "10", "a", "1", "3"]  # one that is none: all sort as text
    as_text = [f"x{name}" for name in mixed]
    for ours, other in zip(shuffled(mixed, 3, 0.5, 1), shuffled(as_text, 3, 0.5, 1), strict=True):
        np.testing.assert_array_equal(ours.test, other.test)


@pytest.mark.parametrize("folds", [3, 7])
def test_grouped_is_scikit_learns(folds):
    groups = np.repeat([f"topic {i}" for i in range(11)], np.arange(2, 13))
    truth = GroupKFold(folds, shuffle=True, random_state=5).split(groups, groups=groups)
    for ours, (train, test) in zip(grouped(groups, folds, 5), truth, strict=True):
        np.testing.assert_array_equal(ours.train, train)
        np.testing.assert_array_equal(ours.test, test)


def test_grouped_without_folds_leaves_one_group_out():
    groups = ["b", "a", "b", "c", "a"]
    splits = grouped(groups, None, None)
    assert [split.test.tolist() for split in splits] == [[1, 4], [0, 2], [3]]


@given(rows=st.integers(30, 400), folds=st.integers(2, 8), gap=st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_contiguous_folds_cover_all_rows_and_keep_their_gap(rows, folds, gap):
    splits = contiguous(rows, folds, gap)
    np.testing.assert_array_equal(np.concatenate([s.test for s in splits]), np.arange(rows))
    for split in splits:
        distance = np.abs(split.train[:, None] - split.test[None, :]).min()
        assert distance > gap
        assert rows - split.train.size - split.test.size <= 2 * gap


def test_trimmed_ends_are_neither_trained_on_nor_tested():
    for split, untrimmed in zip(contiguous(60, 3, 2, 4), contiguous(60, 3, 2), strict=True):
        np.testing.assert_array_equal(split.test, untrimmed.test[4:-4])
        np.testing.assert_array_equal(split.train, untrimmed.train)
    with pytest.raises(InputError, match=r"split.trim: 10 rows leave too few of 20 to test"):
        contiguous(60, 3, 0, 10)


def test_seconds_become_rows_rounded_up():
    timed = Contiguous(folds=3, gap_seconds=5, trim_seconds=4.0)
    assert timed.in_rows(2.0) == Contiguous(folds=3, gap=3, trim=2)
    assert Contiguous(gap_seconds=4.5).in_rows(1.5).gap == 3
    with pytest.raises(InputError, match="rows have no times"):
        timed.in_rows(None)
    with pytest.raises(InputError, match="gap and gap_seconds"):
        Contiguous(gap=1, gap_seconds=4.0)


def test_wehbe_is_the_published_code():
    n, skip = 1211, 5
    ind = np.repeat([0, 1, 2, 3], [302, 302, 302, 305])
    splits = wehbe(n)
    for fold, split in enumerate(splits):
        train, test = np.flatnonzero(ind != fold), np.flatnonzero(ind == fold)
        if fold == 0:
            train = train[skip:]
        elif fold == 3:
            train = train[:-skip]
        else:
            test = test[skip:-skip]
        np.testing.assert_array_equal(split.train, train)
        np.testing.assert_array_equal(split.test, test)
    assert sum(split.test.size for split in splits) == 1191


def test_inner_folds_are_consecutive_blocks_of_the_training_rows():
    train = np.r_[np.arange(0, 40), np.arange(60, 113)]
    truth = KFold(10).split(train)
    for ours, (fitted, held_out) in zip(Wehbe().inner(train, None, 10), truth, strict=True):
        np.testing.assert_array_equal(ours.train, fitted)
        np.testing.assert_array_equal(ours.test, held_out)


@given(gap=st.integers(0, 6), start=st.integers(0, 80))
@settings(max_examples=30, deadline=None)
def test_inner_folds_keep_the_gap_in_rows_of_the_scan(gap, start):
    train = np.delete(np.arange(120), np.arange(start, start + 20))
    for split in Contiguous(gap=gap).inner(train, None, 4):
        assert np.abs(train[split.train][:, None] - train[split.test][None, :]).min() > gap


def test_inner_folds_of_groups_hold_out_groups():
    groups = np.repeat(list("abcdef"), 5)
    outer = grouped(groups, 3, 1)[0]
    for split in Grouped().inner(outer.train, groups, 5):
        fitted, held_out = groups[outer.train[split.train]], groups[outer.train[split.test]]
        assert not set(fitted) & set(held_out)
        assert held_out.size


def splits_at_every_level(n_groups, folds, inner):
    """Whether folds can be made at every level: brute force, by making them all."""
    groups = np.arange(n_groups)

    def inside(rows, sizes):
        for split in Grouped().inner(rows, groups, sizes[0]):
            if len(sizes) > 1:
                inside(rows[split.train], sizes[1:])

    try:
        for split in grouped(groups, folds, 1):
            if inner:
                inside(split.train, inner)
    except InputError:
        return False
    return True


@given(
    n_groups=st.integers(1, 14),
    folds=st.none() | st.integers(2, 8),
    inner=st.lists(st.integers(2, 6), max_size=2),
)
@settings(max_examples=150, deadline=None)
def test_too_few_groups_are_refused_before_any_fit_and_never_without_need(n_groups, folds, inner):
    levels = [(f"choice {i}", f"key.{i}", k) for i, k in enumerate(inner)]
    try:
        require_groups(folds, list(range(n_groups)), levels)
    except InputError as error:
        assert not splits_at_every_level(n_groups, folds, inner)
        needed = int(str(error).split("expected ")[1].split()[0])
        assert splits_at_every_level(needed, folds, inner)
        assert not splits_at_every_level(needed - 1, folds, inner)
    else:
        assert splits_at_every_level(n_groups, folds, inner)


NESTED = [("the layer", "layers: nested", 5)]
BOTH = [*NESTED, ("the penalty", "regression.selection: folds-per-target", 5)]


@pytest.mark.parametrize(
    ("n_groups", "folds", "inner", "says"),
    [
        (
            1,
            None,
            [],
            r"^split: too few groups for the outer folds: .* one of 1 groups .* 2 or more",
        ),
        (3, 4, [], r"^split: too few groups for the outer folds: .* 4 folds of 3 groups; .* 4 or"),
        (2, None, NESTED, r"^layers: nested: .* inside the training rows, which choose the layer"),
        (3, 2, NESTED, r"2 folds of 3 groups; 1 reach the training rows there; expected 4 or more"),
        (3, None, BOTH, r"folds-per-target: .* folds inside these, which choose the penalty"),
        (3, None, BOTH, r"leaves out one of 3 groups at a time; 1 reach .* expected 4 or more"),
        (5, 2, BOTH, "expected 6 or more"),
    ],
)
def test_the_level_of_folds_with_too_few_groups_is_named(n_groups, folds, inner, says):
    with pytest.raises(InputError, match=says):
        require_groups(folds, [f"run {i}" for i in range(n_groups)], inner)


def test_a_benchmark_with_too_few_groups_names_its_key():
    """Two runs: the folds that choose layer and penalty have one run left; three are enough."""
    rows, groups = [f"r{i:02d}" for i in range(60)], np.repeat(list("xyz"), 20)
    columns = {"stimulus_id": rows, "context_group": groups, "split_group": groups}
    stimuli = pd.DataFrame(columns)
    dataset = xr.Dataset({"responses": (("stimulus", "target"), np.eye(60))})
    regression = {
        "type": "ridge", "selection": "folds-per-target",
        "alphas": {"low": 1, "high": 10, "n": 2, "relative": False},
    }  # fmt: skip
    entry = {"regression": regression, "split": {"scheme": "grouped"}, "layers": "nested"}
    two = dataset.isel(stimulus=slice(40))
    with pytest.raises(InputError, match=r"^regression\.selection: folds-per-target: .* 3 or more"):
        read_benchmark(entry, stimuli[:40], two, 0)
    assert read_benchmark(entry, stimuli, dataset, 0).chooses_once
    loo = {**entry, "regression": {**regression, "selection": "gcv-per-target"}}
    assert len(read_benchmark(loo, stimuli, dataset, 0).inner_folds()[0]) == 2
    ols = {"regression": {"type": "ols"}, "unique_variance": {"beyond": ["length"]}}
    ols |= {"split": {"scheme": "grouped", "folds": 2}}
    with pytest.raises(InputError, match=r"^unique_variance: .* 4 or more"):
        read_benchmark(ols, stimuli, dataset, 0)


def test_a_group_of_one_row_is_no_fold():
    with pytest.raises(InputError, match="1 to test where it holds out b"):
        Grouped().split(list(range(12)), list("aaaaabcccccc"))
    with pytest.raises(InputError, match="1 rows to train and 11 to test where it holds out a"):
        Grouped().split(list(range(12)), list("aaaaaaaaaaab"))
    assert len(Grouped(folds=2).split(range(12), list("aaaaabcccccc"))) == 2


@pytest.mark.parametrize(
    "entry, message",
    [
        ({"scheme": "random"}, "scheme: 'random' is not allowed; allowed: shuffled"),
        ({"scheme": "shuffled", "train": 0.99}, "split.train"),
        ({"scheme": "grouped", "folds": 9}, "9 folds of 3 groups"),
        ({"scheme": "contiguous", "folds": 8}, "8 folds of 12 rows"),
        ({"scheme": "contiguous", "folds": 2, "gap": 6}, "split.gap"),
        ({"scheme": "wehbe"}, "wehbe needs 48"),
    ],
)
def test_a_bad_scheme_is_named(entry, message):
    with pytest.raises(InputError, match=message):
        scheme(entry).split(list(range(12)), list("aaaabbbbcccc"))


@pytest.mark.parametrize(
    ("split", "remedy"),
    [
        ({"scheme": "grouped"}, "fewer folds test more rows at a time"),
        ({"scheme": "contiguous", "folds": 5}, "fewer folds test more rows at a time"),
        ({"scheme": "shuffled", "folds": 3, "train": 0.8}, "a smaller share of training rows"),
    ],
)
def test_folds_of_few_rows_are_refused(split, remedy):
    rows = [f"r{i:02d}" for i in range(45)]
    groups = np.repeat(list("abcde"), 9)
    columns = {"stimulus_id": rows, "context_group": groups, "split_group": groups}
    stimuli = pd.DataFrame(columns)
    dataset = xr.Dataset({"responses": (("stimulus", "target"), np.eye(45))})
    entry = {"regression": {"type": "ols"}, "split": split}
    with pytest.raises(InputError, match=rf"a fold of 9 test rows, expected 15 or more.*{remedy}"):
        read_benchmark(entry, stimuli, dataset, 0)
    entry["split"] = {"scheme": "grouped", "folds": 2}
    assert len(read_benchmark(entry, stimuli, dataset, 0).splits) == 2
