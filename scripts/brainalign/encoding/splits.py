"""Which rows train and which test: shuffled, grouped, held-out, contiguous, Wehbe's scheme."""

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import msgspec
import numpy as np

from brainalign.errors import InputError
from brainalign.settings import Settings, key

# With fewer rows the median over targets of a fold's r is not that of their true r: with 10 it is
# up to 9 % above, with 3 a third, with 2 it is ±1 (docs/methods/validity.md).
LEAST_TEST_ROWS = 15
_INTEGER = re.compile(r"-?\d{1,18}", re.ASCII)
WEHBE_FOLDS = 4
WEHBE_SKIP = 5  # volumes, between training and test (run_class_time_CV_fmri_crossval_ridge)


@dataclass(frozen=True)
class Split:
    """Row numbers (int64, increasing) that one fold trains and tests on; the two are disjoint."""

    train: np.ndarray
    test: np.ndarray


class Scheme(Settings, tag_field="scheme", frozen=True):
    """How rows are split into folds.

    Attributes
    ----------
    holds_out_groups : whether no group of rows both trains and tests.
    """

    holds_out_groups: ClassVar[bool] = False

    inner_folds: Annotated[
        int, key("folds inside the training rows, which choose the layer (layers: nested)", ge=2)
    ] = 5

    def split(
        self,
        ids: Sequence[Any],
        groups: Sequence[Any] | np.ndarray | None = None,
        held_out: np.ndarray | None = None,
    ) -> list[Split]:
        """The folds of rows with these ids and groups, one of each per row.

        `held_out` : rows that the dataset holds out, bool [row]; None: it does not say.

        Raises
        ------
        InputError : too few rows or groups for the folds.
        """
        raise NotImplementedError

    def inner(
        self, train: np.ndarray, groups: Sequence[Any] | np.ndarray | None, folds: int
    ) -> list[Split]:
        """Folds inside the training rows of a fold, `train` (int [train]), as positions in them.

        Folds that hold out groups do so inside, too, and contiguous folds keep their gap, so that
        the inner folds choose under the outer folds' conditions. Shuffled and Wehbe's folds get
        consecutive blocks of the training rows without a gap (scikit-learn's unshuffled `KFold`).

        Raises
        ------
        InputError : too few rows or groups for the folds.
        """
        if not self.holds_out_groups:
            return blocks(train, folds, 0)
        labels = np.asarray(groups)[train]
        return grouped(labels, min(folds, np.unique(labels).size), None)

    def in_rows(self, tr: float | None) -> "Scheme":
        """The scheme with times in rows, for rows that are `tr` seconds apart (None: not timed)."""
        return self


class Shuffled(Scheme, tag="shuffled", frozen=True):
    """Random rows, drawn as Brain-Score draws them: neighbours train and test (legacy)."""

    folds: Annotated[int, key("number of folds", ge=2)] = 10
    train: Annotated[float, key("share of the rows that train", gt=0, lt=1)] = 0.9
    seed: Annotated[int, key("of the draws", ge=0)] = 1

    def split(
        self,
        ids: Sequence[Any],
        groups: Sequence[Any] | np.ndarray | None = None,
        held_out: np.ndarray | None = None,
    ) -> list[Split]:
        """As `Scheme.split`; `groups` and `held_out`, bool [row], do not count. See `shuffled`."""
        return shuffled(ids, self.folds, self.train, self.seed)


class Grouped(Scheme, tag="grouped", frozen=True):
    """Whole groups are held out: topics, stories, runs."""

    holds_out_groups = True
    folds: Annotated[int, key("number of folds; default: one per group", ge=2)] | None = None
    seed: (
        Annotated[int, key("of the draw of groups; default: in their sorted order", ge=0)] | None
    ) = None

    def split(
        self,
        ids: Sequence[Any],
        groups: Sequence[Any] | np.ndarray | None = None,
        held_out: np.ndarray | None = None,
    ) -> list[Split]:
        """As `Scheme.split`; `held_out`, bool [row], does not count. See `grouped`.

        Raises
        ------
        InputError : no groups; a fold with fewer than two rows to train or to test; as `grouped`.
        """
        if groups is None:
            raise InputError("split.scheme: grouped, but the rows have no groups")
        return _of_two_rows(grouped(groups, self.folds, self.seed), groups)


class HeldOut(Scheme, tag="held-out", frozen=True):
    """One fold: groups that the dataset holds out are tested, all others train."""

    holds_out_groups = True

    def split(
        self,
        ids: Sequence[Any],
        groups: Sequence[Any] | np.ndarray | None = None,
        held_out: np.ndarray | None = None,
    ) -> list[Split]:
        """As `Scheme.split`: the single fold that tests the rows `held_out`, bool [row].

        Raises
        ------
        InputError : no groups, or the dataset holds out nothing; as `of_held_out`.
        """
        if groups is None or held_out is None:
            raise InputError(
                "split.scheme: held-out, but the responses do not say which rows are held out "
                "(coordinate held_out, docs/architecture.md); grouped holds out each group in turn"
            )
        return [of_held_out(groups, held_out)]


class Contiguous(Scheme, tag="contiguous", frozen=True):
    """Blocks of consecutive rows."""

    folds: Annotated[int, key("number of folds", ge=2)] = 5
    gap: Annotated[int, key("rows beside a test block that do not train", ge=0)] | None = None
    gap_seconds: Annotated[float, key("the same in seconds, of timed data", ge=0)] | None = None
    trim: Annotated[int, key("rows at its two ends that are not tested", ge=0)] | None = None
    trim_seconds: Annotated[float, key("the same in seconds, of timed data", ge=0)] | None = None

    def __post_init__(self) -> None:
        for name in ("gap", "trim"):
            if getattr(self, name) is not None and getattr(self, f"{name}_seconds") is not None:
                raise InputError(f"{name}: {name} and {name}_seconds are given, expected one")

    def split(
        self,
        ids: Sequence[Any],
        groups: Sequence[Any] | np.ndarray | None = None,
        held_out: np.ndarray | None = None,
    ) -> list[Split]:
        """As `Scheme.split`; `groups` and `held_out`, bool [row], do not count: `contiguous`."""
        return contiguous(len(ids), self.folds, self.gap or 0, self.trim or 0)

    def inner(
        self, train: np.ndarray, groups: Sequence[Any] | np.ndarray | None, folds: int
    ) -> list[Split]:
        """As `Scheme.inner`: consecutive blocks of the training rows, int [train], without the rows
        in the gap beside each.
        """
        return blocks(train, folds, self.gap or 0)

    def in_rows(self, tr: float | None) -> "Contiguous":
        return msgspec.structs.replace(
            self,
            gap=_rows("gap", self.gap, self.gap_seconds, tr),
            gap_seconds=None,
            trim=_rows("trim", self.trim, self.trim_seconds, tr),
            trim_seconds=None,
        )


class Wehbe(Scheme, tag="wehbe", frozen=True):
    """Four quarters, volumes between training and test left out, as in the published code."""

    def split(
        self,
        ids: Sequence[Any],
        groups: Sequence[Any] | np.ndarray | None = None,
        held_out: np.ndarray | None = None,
    ) -> list[Split]:
        """As `Scheme.split`; `groups` and `held_out`, bool [row], do not count. See `wehbe`."""
        return wehbe(len(ids))


def _rows(name: str, rows: int | None, seconds: float | None, tr: float | None) -> int | None:
    """A number of rows, from seconds if these are given: rounded up to whole rows."""
    if seconds is None:
        return rows
    if tr is None:
        raise InputError(f"split.{name}_seconds: the dataset's rows have no times; give {name}")
    return math.ceil(round(seconds / tr, 6))


def _of_two_rows(splits: list[Split], groups: Sequence[Any] | np.ndarray) -> list[Split]:
    """The same folds, if each has two rows to train and two to test."""
    for split in splits:
        if min(split.train.size, split.test.size) < 2:
            held_out = ", ".join(np.unique(np.asarray(groups)[split.test]).astype(str).tolist())
            raise InputError(
                f"split.scheme: grouped leaves {split.train.size} rows to train and "
                f"{split.test.size} to test where it holds out {held_out}, expected at least 2 of "
                "each; fewer folds hold out more groups at a time"
            )
    return splits


def shuffled(ids: Sequence[Any], folds: int, train: float, seed: int) -> list[Split]:
    """Random splits over the sorted ids, as Brain-Score draws them.

    Equal to scikit-learn's `ShuffleSplit(folds, train_size=train, random_state=seed)` over the
    sorted unique ids (brainscore_language.utils.transformations.Split). Ids that are all whole
    numbers sort as numbers, others as text. Neighbouring rows fall on both sides: scores of
    autocorrelated data are inflated (legacy).

    Raises
    ------
    InputError : fewer than two rows train or test.
    """
    numbers = all(_INTEGER.fullmatch(str(name)) for name in ids)
    order = np.argsort(np.array([int(name) for name in ids] if numbers else ids), kind="stable")
    n_train = int(np.floor(train * order.size))
    n_test = order.size - n_train
    if n_train < 2 or n_test < 2:
        raise InputError(
            f"split.train: {train} of {order.size} rows leaves {n_train} to train and {n_test} "
            "to test, expected at least 2 of each"
        )
    random = np.random.RandomState(seed)
    splits = []
    for _ in range(folds):
        permutation = random.permutation(order.size)
        test, rest = permutation[:n_test], permutation[n_test : n_test + n_train]
        splits.append(Split(np.sort(order[rest]), np.sort(order[test])))
    return splits


def grouped(groups: Sequence[Any] | np.ndarray, folds: int | None, seed: int | None) -> list[Split]:
    """Folds that hold out whole groups.

    Equal to scikit-learn's `GroupKFold(folds, shuffle=True, random_state=seed)`; without a seed the
    sorted groups are cut into `folds` runs; without `folds` every group is a fold. `groups` [row].

    Raises
    ------
    InputError : fewer than two groups or folds, or more folds than groups.
    """
    labels = np.asarray(groups)
    names = np.unique(labels)
    folds = names.size if folds is None else folds
    if names.size < 2 or folds > names.size or folds < 2:
        raise InputError(
            f"split.folds: {folds} folds of {names.size} groups, expected 2 or more folds and at "
            "least as many groups"
        )
    if seed is not None:
        names = np.random.RandomState(seed).permutation(names)
    held_out = [np.isin(labels, part) for part in np.array_split(names, folds)]
    return [Split(np.flatnonzero(~test), np.flatnonzero(test)) for test in held_out]


def of_held_out(groups: Sequence[Any] | np.ndarray, held_out: np.ndarray) -> Split:
    """The fold that tests the rows that are held out, bool [row], and trains on the others.

    Raises
    ------
    InputError : a group is held out in part; fewer than two rows train or test.
    """
    labels = np.asarray(groups).astype(str)
    parts = np.intersect1d(labels[held_out], labels[~held_out])
    if parts.size:
        raise InputError(
            f"split.scheme: held-out, but the dataset holds out {parts[0]} in part: its rows would "
            "train and test"
        )
    if min(held_out.sum(), (~held_out).sum()) < 2:
        raise InputError(
            f"split.scheme: held-out, but the dataset holds out {held_out.sum()} of "
            f"{held_out.size} rows, expected at least 2 to test and 2 to train; name some but not "
            "all stories as test stories (source.test)"
        )
    return Split(np.flatnonzero(~held_out), np.flatnonzero(held_out))


def contiguous(n_rows: int, folds: int, gap: int = 0, trim: int = 0) -> list[Split]:
    """Folds of consecutive rows.

    `gap` rows on either side of a test block do not train, `trim` rows at its two ends are not
    tested.

    Raises
    ------
    InputError : fewer than two folds; fewer than two rows train or test in one.
    """
    if folds < 2 or n_rows < 2 * folds:
        raise InputError(
            f"split.folds: {folds} folds of {n_rows} rows, expected 2 or more folds of 2 rows"
        )
    edges = np.linspace(0, n_rows, folds + 1).round().astype(int)
    rows = np.arange(n_rows)
    splits = []
    for start, stop in itertools.pairwise(edges.tolist()):
        train = rows[(rows < start - gap) | (rows >= stop + gap)]
        if train.size < 2:
            raise InputError(f"split.gap: {gap} rows leave {train.size} of {n_rows} rows to train")
        if stop - start - 2 * trim < 2:
            raise InputError(f"split.trim: {trim} rows leave too few of {stop - start} to test")
        splits.append(Split(train, rows[start + trim : stop - trim]))
    return splits


def wehbe(n_rows: int) -> list[Split]:
    """Four equal consecutive folds, the rest of the division in the last.

    As in awwkl/brain_language_summarization, utils/utils.py: 5 training volumes beside the first
    and last test blocks, and 5 test volumes at both ends of the inner blocks, are left out.

    Raises
    ------
    InputError : fewer than 48 rows.
    """
    if n_rows < WEHBE_FOLDS * (2 * WEHBE_SKIP + 2):
        raise InputError(f"split.scheme: wehbe needs 48 or more rows, there are {n_rows}")
    size = n_rows // WEHBE_FOLDS
    rows = np.arange(n_rows)
    splits = []
    for fold in range(WEHBE_FOLDS):
        start = fold * size
        stop = start + size if fold < WEHBE_FOLDS - 1 else n_rows
        train = np.r_[rows[:start], rows[stop:]]
        test = rows[start:stop]
        if fold == 0:
            train = train[WEHBE_SKIP:]
        elif fold == WEHBE_FOLDS - 1:
            train = train[:-WEHBE_SKIP]
        else:
            test = test[WEHBE_SKIP:-WEHBE_SKIP]
        splits.append(Split(train, test))
    return splits


def presented(
    split: Split, missed: np.ndarray, groups: Sequence[Any] | np.ndarray | None = None
) -> Split | None:
    """A fold without the rows that a subject missed; None where too little is left of it.

    That is, fewer than 15 of its test rows (or than all, where these are fewer), less than half of
    its training rows, or fewer than two groups to train on.

    Parameters
    ----------
    missed : bool [row]. groups : of each row, of grouped folds.
    """
    train, test = (rows[~missed[rows]] for rows in (split.train, split.test))
    if test.size < min(split.test.size, LEAST_TEST_ROWS) or 2 * train.size < split.train.size:
        return None
    if groups is not None and np.unique(np.asarray(groups)[train]).size < 2:
        return None
    return Split(train, test)


def require_groups(
    folds: int | None, groups: Sequence[Any] | np.ndarray, inner: Sequence[tuple[str, str, int]]
) -> None:
    """Raise an InputError unless grouped folds, and the folds inside them, have groups enough.

    A fold needs a group to test on and one to train on, at every level: n groups in k folds leave n
    − ⌈n / k⌉ to train in the fold that holds out the most, and these are the next level's n.

    Parameters
    ----------
    folds : of the outermost level; None: leave one group out.
    groups : the group of each row, [row].
    inner : per further level, from the outside in: what it chooses, the key of the config that asks
        for it, its number of folds (at most; no more than there are groups).
    """
    n_groups = np.unique(np.asarray(groups)).size
    levels = [("outer folds", "split", n_groups if folds is None else folds)]
    for depth, (chooses, asking, k) in enumerate(inner):
        where = "folds inside these" if depth else "folds inside the training rows"
        levels.append((f"{where}, which choose {chooses}", asking, k))
    sizes = [k for _, _, k in levels]
    level = _short_level(n_groups, sizes, folds is None)
    if level is None:
        return
    needed = n_groups + 1
    while _short_level(needed, sizes, folds is None) is not None:
        needed += 1
    what, asking, _ = levels[level]
    left = _training_groups(n_groups, sizes[:level], folds is None)
    scheme = (
        f"leaves out one of {n_groups} groups at a time"
        if folds is None
        else f"has {folds} folds of {n_groups} groups"
    )
    inside = f"; {left} reach the training rows there" if level else ""
    raise InputError(
        f"{asking}: too few groups for the {what}: split.scheme grouped {scheme}{inside}; expected "
        f"{needed} or more groups (split_group of the stimuli, runs of timed data)"
    )


def _short_level(n_groups: int, sizes: Sequence[int], leave_one_out: bool) -> int | None:
    """The first level of folds that has too few groups, None where all have enough."""
    if n_groups < 2 or (not leave_one_out and n_groups < sizes[0]):
        return 0
    for level in range(1, len(sizes)):
        if _training_groups(n_groups, sizes[:level], leave_one_out) < 2:
            return level
    return None


def _training_groups(n_groups: int, sizes: Sequence[int], leave_one_out: bool) -> int:
    """Groups left to train inside all the given levels, in the fold that holds out the most."""
    for level, k in enumerate(sizes):
        k = n_groups if leave_one_out and level == 0 else min(k, n_groups)
        n_groups -= -(-n_groups // k)
    return n_groups


def blocks(train: np.ndarray, folds: int, gap: int) -> list[Split]:
    """Consecutive blocks of training rows, int [row], without the `gap` rows beside each;
    positions.

    Raises
    ------
    InputError : too few rows to train or test.
    """
    if train.size < 2 * folds:
        raise InputError(f"{folds} inner folds of {train.size} training rows: too few rows")
    splits = []
    for part in np.array_split(np.arange(train.size), folds):
        near = (train > train[part[0]] - gap - 1) & (train < train[part[-1]] + gap + 1)
        near[part] = True
        if near.sum() > train.size - 2:
            raise InputError(f"split.gap: {gap} rows leave too few rows to train in inner folds")
        splits.append(Split(np.flatnonzero(~near), part))
    return splits
