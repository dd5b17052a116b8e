"""How a layer is scored: by a regression of the responses on it, or by a similarity to them."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import pandas as pd

from brainalign.encoding.benchmark import Benchmark
from brainalign.encoding.correlation import Aggregate
from brainalign.encoding.features import Features
from brainalign.encoding.layer_choice import overall
from brainalign.encoding.responses import Responses
from brainalign.encoding.scoring import score_layer
from brainalign.encoding.similarity import ResponseMatrices, Similarity
from brainalign.encoding.splits import Split
from brainalign.encoding.summary import Scores, mean_of_defined, summarise


class Scorer(Protocol):
    """Scores layers under a benchmark.

    permutations : how many draws `null` makes.
    """

    permutations: int

    def score(self, features: Features) -> tuple[pd.DataFrame, Scores | None]:
        """Rows of the alignment table (`summary.COLUMNS`), and of a regression the scores of every
        target, [fold, target].
        """

    def overall_r(self, features: Features, splits: Sequence[Split]) -> float:
        """r of all targets together over some folds, by which nested choice compares layers."""

    def null(self, chosen: Sequence[Features]) -> np.ndarray:
        """Draws of the null distribution of r, [draw]; `chosen`: the layer of each fold."""


class RegressionScorer:
    """Scores layers by a regression that is fitted to training rows."""

    permutations = 0

    def __init__(self, responses: Responses, benchmark: Benchmark, aggregate: Aggregate) -> None:
        self.responses = responses
        self.benchmark = benchmark
        self.aggregate = aggregate
        self.reasons = _reasons(responses, benchmark)

    def score(self, features: Features) -> tuple[pd.DataFrame, Scores]:
        """As `Scorer.score`: rows of the alignment table; r, R² and alpha [fold, target]."""
        splits = self.benchmark.splits
        scores = score_layer(features, self.responses, self.benchmark, splits)
        return self._table(scores).assign(units_per_row=features.units_per_row(splits)), scores

    def _table(self, scores: Scores) -> pd.DataFrame:
        """The rows of scores in the alignment table."""
        return summarise(scores, self.aggregate, self.benchmark.alphas, self.reasons)

    def overall_r(self, features: Features, splits: Sequence[Split]) -> float:
        r = score_layer(features, self.responses, self.benchmark, splits).r
        return mean_of_defined(self.aggregate(r)["all", "all"])

    def null(self, chosen: Sequence[Features]) -> np.ndarray:
        """No draws, float64 [0]: `chance` draws those of a regression."""
        return np.empty(0)


class SimilarityScorer:
    """Scores layers by the similarity of dissimilarity or Gram matrices, without a fit."""

    def __init__(
        self,
        responses: Responses,
        benchmark: Benchmark,
        aggregate: Aggregate,
        similarity: Similarity,
    ) -> None:
        self.benchmark = benchmark
        self.permutations = similarity.permutations
        self.matrices = ResponseMatrices(responses, aggregate, similarity)

    def score(self, features: Features) -> tuple[pd.DataFrame, None]:
        """As `Scorer.score`: rows of the alignment table; there are no scores [fold, target]."""
        return self._table(features, self.benchmark.splits).assign(units_per_row=np.nan), None

    def overall_r(self, features: Features, splits: Sequence[Split]) -> float:
        return float(overall(self._table(features, splits))["r"].iloc[0])

    def null(self, chosen: Sequence[Features]) -> np.ndarray:
        """As `Scorer.null`: r under permutations of rows, float64 [draw]."""
        splits = self.benchmark.splits
        rows = {layer: layer.rows(splits[0].train) for layer in dict.fromkeys(chosen)}
        return self.matrices.null([rows[x] for x in chosen], splits, self.benchmark.seed)

    def _table(self, features: Features, splits: Sequence[Split]) -> pd.DataFrame:
        return self.matrices.score(features.rows(splits[0].train), splits)


def make_scorer(responses: Responses, benchmark: Benchmark, aggregate: Aggregate) -> Scorer:
    """The scorer of a benchmark."""
    if isinstance(benchmark.regression, Similarity):
        return SimilarityScorer(responses, benchmark, aggregate, benchmark.regression)
    return RegressionScorer(responses, benchmark, aggregate)


def _reasons(responses: Responses, benchmark: Benchmark) -> np.ndarray:
    """Why a target has no score in a fold, [fold, target]; '' where it should have one."""
    why = np.tile(responses.unmeasured.astype(object), (len(benchmark.splits), 1))
    if responses.missed:
        for part in responses.parts:
            columns = part.columns[responses.measured[part.columns]]
            for fold, split in enumerate(benchmark.splits):
                if benchmark.presented(split, part.missed) is None:
                    why[fold, columns] = "missed in the fold"
    return why
