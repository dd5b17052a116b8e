"""Similarity of representations without a fit: RSA and linear CKA.

Neither is compared with a noise ceiling here: CKA of noisy responses has no upper bound below 1
that a ceiling estimated from other subjects would be (Aw et al. 2024 report "ceiled" CKA above 2).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from brainalign.encoding.correlation import Aggregate
from brainalign.encoding.responses import Responses
from brainalign.encoding.splits import Split
from brainalign.encoding.summary import fold_rows, reason, table_of
from brainalign.errors import InputError

METRICS = ("rsa", "cka")
ROUNDING = 1e-12  # of distances, which lie between 0 and 2


def correlation_distance(values: np.ndarray) -> np.ndarray:
    """Representational dissimilarity matrix [row, row]: 1 - r between rows over columns, float64.

    A row that is constant over columns has no correlation: its entries are NaN. (Kriegeskorte et
    al. 2008; np.corrcoef, as in brainscore_language.metrics.rdm.)
    """
    centred = values - values.mean(axis=1, keepdims=True, dtype=np.float64)
    norm = np.linalg.norm(centred, axis=1, keepdims=True)
    constant = np.ptp(values, axis=1, keepdims=True) == 0
    unit = centred / np.where(constant, np.nan, np.where(norm > 0, norm, 1.0))
    return 1.0 - unit @ unit.T


def rsa(distances: np.ndarray, others: np.ndarray) -> float:
    """Spearman's r of the upper triangles of two dissimilarity matrices.

    NaN if one has NaN, or is the same everywhere.
    """
    from scipy.stats import rankdata

    upper = np.triu_indices(len(distances), k=1)
    a, b = distances[upper], others[upper]
    # (With no two distances apart, ranks would be those of rounding errors.)
    if np.isnan(a).any() or np.isnan(b).any() or min(np.ptp(a), np.ptp(b)) < ROUNDING:
        return float("nan")
    a, b = (rankdata(x) - (a.size + 1) / 2 for x in (a, b))
    norms = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / norms) if norms > 0 else float("nan")


def gram_matrix(values: np.ndarray) -> np.ndarray:
    """Inner products [row, row] of rows, float64, of columns centred over all rows."""
    centred = values - values.mean(axis=0, dtype=np.float64)
    return centred @ centred.T


def cka(gram: np.ndarray, other: np.ndarray) -> float:
    """Linear centred kernel alignment (Kornblith et al. 2019, eq. 4) of two Gram matrices."""
    a, b = _double_centred(gram), _double_centred(other)
    norms = np.linalg.norm(a) * np.linalg.norm(b)
    return float((a * b).sum() / norms) if norms > 0 else float("nan")


def _double_centred(gram: np.ndarray) -> np.ndarray:
    mean = gram.mean(axis=0)
    return gram - mean - mean[:, None] + mean.mean()


@dataclass(frozen=True)
class Similarity:
    """A metric `rsa` or `cka`, as two steps: a matrix per representation, a number per pair.

    The matrix of a subset of rows is a part of the matrix of all rows (CKA centres it anew).
    """

    name: str

    @property
    def matrix(self) -> Callable[[np.ndarray], np.ndarray]:
        return correlation_distance if self.name == "rsa" else gram_matrix

    @property
    def compare(self) -> Callable[[np.ndarray, np.ndarray], float]:
        return rsa if self.name == "rsa" else cka


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
        self.n_undefined: dict[tuple[str, str], int] = {}
        self.reasons: dict[tuple[str, str], str] = {}
        self.matrices: dict[tuple[str, str], np.ndarray] = {}
        for key in aggregate.parts:
            targets = aggregate.targets(*key)
            measured = targets[responses.measured[targets]]
            self.n_undefined[key] = targets.size - measured.size
            self.reasons[key] = reason(responses.unmeasured[np.setdiff1d(targets, measured)])
            if measured.size and (key[0] != "all" or self.pooled):
                self.matrices[key] = metric.matrix(
                    responses.values[:, measured] + responses.mean[measured]
                )

    def score(self, rows: np.ndarray, splits: Sequence[Split]) -> pd.DataFrame:
        """Similarity to features [row, unit] on each fold's test rows."""
        mine = self.metric.matrix(rows)
        values: dict[tuple[str, str], np.ndarray] = {}
        for key, matrix in self.matrices.items():
            tests = [np.ix_(split.test, split.test) for split in splits]
            values[key] = np.array([self.metric.compare(mine[t], matrix[t]) for t in tests])
        parts = []
        for (subject, region), n_targets in self.n_targets.items():
            if (subject, region) in values:
                similarity = values[subject, region]
            else:
                each = [v for (s, g), v in values.items() if g == region and s != "all"]
                similarity = np.mean(each, axis=0) if each else np.full(len(splits), np.nan)
            part = fold_rows(subject, region, similarity, n_targets)
            n_rows = len(part["fold"])
            part["n_undefined"] = [self.n_undefined[subject, region]] * n_rows
            part["reason"] = [self.reasons[subject, region]] * n_rows
            parts.append(part)
        return table_of(parts)
