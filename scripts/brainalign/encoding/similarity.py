"""Similarity of representations without a fit: RSA and linear CKA, over pairs of rows.

Neither is compared with a noise ceiling here: CKA of noisy responses has no upper bound below 1
that a ceiling estimated from other subjects would be (Aw et al. 2024 report "ceiled" CKA above 2).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from brainalign.encoding.correlation import Aggregate, over_defined
from brainalign.encoding.responses import Responses
from brainalign.encoding.settings import Cka, Rsa
from brainalign.encoding.splits import Split, presented
from brainalign.encoding.summary import fold_rows, mean_of_defined, reason, table_of
from brainalign.errors import InputError
from brainalign.settings import tag_of

ROUNDING = 1e-12  # of distances, which lie between 0 and 2


def correlation_distance(values: np.ndarray) -> np.ndarray:
    """Representational dissimilarity matrix: 1 - r between the rows of `values` [row, column] over
    columns, float64 [row, row].

    A row that is constant over columns has no correlation: its entries are NaN. (Kriegeskorte et
    al. 2008; np.corrcoef, as in brainscore_language.metrics.rdm.)
    """
    centred = values - values.mean(axis=1, keepdims=True, dtype=np.float64)
    norm = np.linalg.norm(centred, axis=1, keepdims=True)
    constant = np.ptp(values, axis=1, keepdims=True) == 0
    unit = centred / np.where(constant, np.nan, np.where(norm > 0, norm, 1.0))
    return 1.0 - unit @ unit.T


def rsa(distances: np.ndarray, others: np.ndarray, apart: np.ndarray | None = None) -> float:
    """Spearman's r of two dissimilarity matrices (`distances`, `others` [row, row]) over pairs of
    rows.

    `apart` : bool [row, row], symmetric, the pairs that count; default: all of two different rows.
    NaN if a pair is NaN, or all are the same.
    """
    from scipy.stats import rankdata

    first, second = np.triu_indices(len(distances), k=1)
    if apart is not None:
        counts = apart[first, second]
        first, second = first[counts], second[counts]
    a, b = distances[first, second], others[first, second]
    # (With no two distances apart, ranks would be those of rounding errors.)
    if a.size < 2 or np.isnan(a).any() or np.isnan(b).any():
        return float("nan")
    if min(np.ptp(a), np.ptp(b)) < ROUNDING:
        return float("nan")
    a, b = (rankdata(x) - (a.size + 1) / 2 for x in (a, b))
    norms = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / norms) if norms > 0 else float("nan")


def gram_matrix(values: np.ndarray) -> np.ndarray:
    """Inner products of the rows of `values` [row, column], columns centred over all rows, float64
    [row, row]."""
    centred = values - values.mean(axis=0, dtype=np.float64)
    return centred @ centred.T


def cka(gram: np.ndarray, other: np.ndarray) -> float:
    """Linear centred kernel alignment (Kornblith et al. 2019, eq. 4) of two Gram matrices (`gram`,
    `other` [row, row]).

    It is biased: with more units than rows it nears 1, whatever the representations hold.
    """
    return _cosine(_double_centred(gram), _double_centred(other))


def _double_centred(gram: np.ndarray) -> np.ndarray:
    mean = gram.mean(axis=0)
    return gram - mean - mean[:, None] + mean.mean()


def debiased_cka(gram: np.ndarray, other: np.ndarray, centring: "PairCentring") -> float:
    """Linear CKA of `gram` and `other` [row, row] from unbiased estimates of HSIC, over the pairs
    of rows that are apart in `centring`.

    With all pairs of two different rows it is made of HSIC as in Song et al. 2012, eq. 5: the
    product of both matrices without their diagonal, each less what a sum of one number per row
    explains of it (Székely & Rizzo 2014, definition 2). With fewer pairs the sums are fitted to
    those, so that rows that are near each other, whose noise is shared, count for nothing, and
    representations whose pairs that are apart are independent still have an expected product of 0.

    Returns
    -------
    -1 to 1; 0 where nothing of the first matrix is left, which tells no pairs apart, NaN where
    nothing of the second is.
    """
    features, responses = centring(gram), centring(other)
    return _cosine(features, responses) if features.any() or not responses.any() else 0.0


class PairCentring:
    """Takes out of a symmetric matrix [row, row] what a sum of one number per row explains.

    Least squares over the pairs that are `apart` (bool [row, row], symmetric); other pairs are 0
    afterwards. (Where only rows of two blocks are apart, the numbers are not unique, their sums
    are.)
    """

    def __init__(self, apart: np.ndarray) -> None:
        self.apart = apart
        normal = np.diag(apart.sum(axis=0).astype(float)) + apart
        self.inverse = np.linalg.pinv(normal, rcond=1e-10, hermitian=True)

    def __call__(self, matrix: np.ndarray) -> np.ndarray:
        kept = np.where(self.apart, matrix, 0.0)
        numbers = self.inverse @ kept.sum(axis=0)
        left = kept - np.where(self.apart, numbers + numbers[:, None], 0.0)
        # What rounding leaves of a matrix that is such a sum is nothing.
        small = len(matrix) * np.finfo(float).eps * np.linalg.norm(kept)
        return np.zeros_like(left) if np.linalg.norm(left) <= small else left


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    norms = np.linalg.norm(a) * np.linalg.norm(b)
    return float((a * b).sum() / norms) if norms > 0 else float("nan")


@dataclass(frozen=True)
class Similarity:
    """A metric `rsa` or `cka`, as two steps: a matrix per representation, a number per pair.

    The matrix of a subset of rows is a part of the matrix of all rows (CKA centres it anew).

    estimator : of CKA, `debiased` or `biased`.
    contexts : of each row, the context group (or run): pairs inside one do not count; None: all do.
    gap : pairs of rows that are at most so far from each other do not count.
    permutations : draws of the null distribution (`permuted`); 0: none.
    """

    name: str
    estimator: str = "debiased"
    contexts: np.ndarray | None = None
    gap: int = 0
    permutations: int = 0

    @property
    def matrix(self) -> Callable[[np.ndarray], np.ndarray]:
        """The step from a representation [row, unit] to a matrix [row, row], float64: correlation
        distances for RSA, a Gram matrix for CKA.
        """
        return correlation_distance if self.name == "rsa" else gram_matrix

    def apart(self, rows: np.ndarray) -> np.ndarray:
        """The pairs that count among `rows` (row numbers of the benchmark), bool [row, row].

        Raises
        ------
        InputError : there are too few to compare.
        """
        far = self._far(rows)
        if not self.comparable(rows):
            raise InputError(
                f"regression.pairs: {int(far.sum()) // 2} pairs of the {rows.size} test rows of a "
                "fold are apart, expected at least as many as rows; hold out more groups at a time "
                "(split.folds), or give a smaller gap"
            )
        return far

    def comparable(self, rows: np.ndarray) -> bool:
        """Whether at least as many pairs of `rows`, int [row], count as there are rows."""
        return bool(self._far(rows).sum() >= 2 * rows.size)

    def _far(self, rows: np.ndarray) -> np.ndarray:
        far = np.abs(rows[:, None] - rows) > self.gap
        if self.contexts is not None:
            labels = self.contexts[rows]
            far &= labels[:, None] != labels
        return far

    def comparison(self, rows: np.ndarray) -> Callable[[np.ndarray, np.ndarray], float]:
        """The number of two matrices [row, row] of the given rows."""
        if self.name == "cka" and self.estimator == "biased":
            return cka
        apart = self.apart(rows)
        if self.name == "rsa":
            return lambda one, other: rsa(one, other, apart)
        centring = PairCentring(apart)
        return lambda one, other: debiased_cka(one, other, centring)

    def permuted(self, n_rows: int, random: np.random.Generator) -> np.ndarray:
        """Row numbers in which blocks of rows have changed their order, int64 [row].

        Blocks are the context groups where pairs inside one do not count, else runs of rows as long
        as the gap (one row at least): what is alike in neighbouring rows stays together.
        """
        if self.contexts is not None:
            labels = np.unique(self.contexts, return_inverse=True)[1]
        else:
            labels = np.arange(n_rows) // max(self.gap, 1)
        blocks = [np.flatnonzero(labels == k) for k in range(labels.max() + 1)]
        return np.concatenate([blocks[k] for k in random.permutation(len(blocks))])


def make_similarity(entry: Rsa | Cka, contexts: np.ndarray) -> Similarity:
    """The similarity that a benchmark's settings describe.

    `contexts` [row]: the context group (or run) of each row.
    """
    return Similarity(
        tag_of(entry),
        entry.estimator if isinstance(entry, Cka) else "debiased",
        contexts if entry.pairs.contexts == "apart" else None,
        entry.pairs.gap,
        entry.permutations,
    )


class ResponseMatrices:
    """The dissimilarity or Gram matrix of each subject's and region's responses.

    With aggregate `median-pooled` the targets of all subjects make one matrix, as in Brain-Score;
    else each subject has its own and `all` is the mean of their similarities.
    """

    def __init__(self, responses: Responses, aggregate: Aggregate, metric: Similarity) -> None:
        if responses.cleaned:
            raise InputError("timing: rsa and cka compare responses that are not cleaned by fold")
        self.metric = metric
        self.pooled = aggregate.name == "median-pooled"
        self.n_targets = {key: aggregate.targets(*key).size for key in aggregate.parts}
        self.unmeasured: dict[tuple[str, str], list[str]] = {}
        self.matrices: dict[tuple[str, str], np.ndarray] = {}
        self.missed: dict[tuple[str, str], np.ndarray] = {}
        self._comparisons: dict[bytes, Callable[[np.ndarray, np.ndarray], float]] = {}
        for key in aggregate.parts:
            targets = aggregate.targets(*key)
            measured = targets[responses.measured[targets]]
            without = np.setdiff1d(targets, measured)
            self.unmeasured[key] = responses.unmeasured[without].tolist()
            self.missed[key] = np.zeros(responses.n_rows, dtype=bool)
            for subject in np.unique(responses.targets.subjects[measured]).tolist():
                self.missed[key] |= responses.missed.get(subject, False)
            if measured.size and (key[0] != "all" or self.pooled):
                self.matrices[key] = metric.matrix(
                    responses.values[:, measured] + responses.mean[measured]
                )

    def score(self, rows: np.ndarray, splits: Sequence[Split]) -> pd.DataFrame:
        """Similarity to features [row, unit] on each fold's test rows."""
        mine = self.metric.matrix(rows)
        parts = []
        for key, n_targets in self.n_targets.items():
            table = fold_rows(*key, self._folds(key, mine, splits), n_targets)
            whys = [[*self.unmeasured[key], *lost] for lost in self._lost(key, splits)]
            table["n_undefined"] = list(map(len, whys))
            table["reason"] = [reason(np.array(why, dtype=object)) for why in whys]
            parts.append(table)
        return table_of(parts)

    def _lost(self, key: tuple[str, str], splits: Sequence[Split]) -> Iterator[list[str]]:
        """Why measured targets have no value: in any fold, then in each."""
        gone = {
            k: [self._rows(k, split) is None for split in splits] for k in self._matrices_of(key)
        }
        sizes = {k: self.n_targets[k] - len(self.unmeasured[k]) for k in gone}
        anywhere = {k: [any(lost), *lost] for k, lost in gone.items()}
        for index in range(1 + len(splits)):
            yield ["missed in the fold"] * sum(sizes[k] for k in gone if anywhere[k][index])

    def null(self, rows: Sequence[np.ndarray], splits: Sequence[Split], seed: int) -> np.ndarray:
        """The overall similarity, float64 [permutation], to features in another order of blocks of
        rows.

        `rows`: features [row, unit] of each fold.
        """
        random = np.random.default_rng(seed)
        matrices = {id(values): self.metric.matrix(values) for values in rows}
        drawn = []
        for _ in range(self.metric.permutations):
            order = self.metric.permuted(len(rows[0]), random)
            square = np.ix_(order, order)
            moved = {name: matrix[square] for name, matrix in matrices.items()}
            folds = [
                self._folds(("all", "all"), moved[id(values)], [split])[0]
                for values, split in zip(rows, splits, strict=True)
            ]
            drawn.append(mean_of_defined(np.array(folds)))
        return np.array(drawn)

    def _folds(self, key: tuple[str, str], mine: np.ndarray, splits: Sequence[Split]) -> np.ndarray:
        """The similarity of one summary in each fold; `all` is the mean over subjects."""
        values = [
            [self._similarity(k, mine, split) for k in self._matrices_of(key)] for split in splits
        ]
        return over_defined(np.nanmean, np.array(values))

    def _matrices_of(self, key: tuple[str, str]) -> list[tuple[str, str]]:
        """The matrices behind one summary."""
        if key[0] == "all" and not self.pooled:
            return [(s, g) for s, g in self.matrices if g == key[1]]
        return [key] if key in self.matrices else []

    def _similarity(self, key: tuple[str, str], mine: np.ndarray, split: Split) -> float:
        rows = self._rows(key, split)
        if rows is None:
            return np.nan
        test = np.ix_(rows, rows)
        return self._comparison(rows)(mine[test], self.matrices[key][test])

    def _rows(self, key: tuple[str, str], split: Split) -> np.ndarray | None:
        """The test rows that nobody behind a matrix missed; None where these are too few."""
        missed = self.missed[key]
        if not missed[split.test].any():
            return split.test
        rest = presented(split, missed)
        return rest.test if rest is not None and self.metric.comparable(rest.test) else None

    def _comparison(self, test: np.ndarray) -> Callable[[np.ndarray, np.ndarray], float]:
        key = test.tobytes()
        if key not in self._comparisons:
            self._comparisons[key] = self.metric.comparison(test)
        return self._comparisons[key]
