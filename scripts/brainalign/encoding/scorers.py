"""How a layer is scored: by a regression of the responses on it, or by a similarity to them."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from brainalign.encoding.banded import Nuisance
from brainalign.encoding.benchmark import Benchmark, RegressionBenchmark, SimilarityBenchmark
from brainalign.encoding.chance import Null, null_distribution
from brainalign.encoding.chosen import add_chance, add_null, add_unique
from brainalign.encoding.correlation import Aggregate
from brainalign.encoding.features import Features
from brainalign.encoding.layer_choice import overall
from brainalign.encoding.responses import Responses
from brainalign.encoding.scoring import score_layer
from brainalign.encoding.similarity import ResponseMatrices
from brainalign.encoding.splits import Split
from brainalign.encoding.summary import Scores, mean_of_defined, summarise

ReadChosen = Callable[[], Sequence[Features]]


class Scorer(ABC):
    """Scores layers under a benchmark."""

    def __init__(self, responses: Responses, benchmark: Benchmark) -> None:
        targets = responses.targets
        self.responses = responses
        self.benchmark = benchmark
        self.aggregate = Aggregate(
            benchmark.aggregate, targets.subjects.tolist(), targets.regions.tolist()
        )

    @abstractmethod
    def score(self, features: Features) -> tuple[pd.DataFrame, Scores | None]:
        """Rows of the alignment table (`summary.COLUMNS`), and of a regression the scores of every
        target, [fold, target].
        """

    @abstractmethod
    def overall_r(self, features: Features, splits: Sequence[Split]) -> float:
        """r of all targets together over some folds, by which nested choice compares layers."""

    @abstractmethod
    def compare_chosen(self, table: pd.DataFrame, read: ReadChosen) -> Null | None:
        """Add to the alignment table (`summary.OF_CHOSEN`) what the benchmark asks of the chosen
        layer alone.

        Parameters
        ----------
        read : gives the layer of each fold, one object per layer.

        Returns
        -------
        The null distribution of every target, [1 + draw, target], where the benchmark asks for one.
        """


class RegressionScorer(Scorer):
    """Scores layers by a regression that is fitted to training rows.

    nuisance : what the unique variance of the chosen layer is beyond.
    """

    benchmark: RegressionBenchmark

    def __init__(
        self,
        responses: Responses,
        benchmark: RegressionBenchmark,
        nuisance: Nuisance | None = None,
    ) -> None:
        super().__init__(responses, benchmark)
        self.nuisance = nuisance
        self.reasons = _reasons(responses, benchmark)

    def score(self, features: Features) -> tuple[pd.DataFrame, Scores]:
        """As `Scorer.score`: rows of the alignment table; r, R² and alpha [fold, target]."""
        splits = self.benchmark.splits
        scores = score_layer(features, self.responses, self.benchmark, splits)
        table = summarise(scores, self.aggregate, self.benchmark.alphas, self.reasons)
        return table.assign(units_per_row=features.units_per_row(splits)), scores

    def overall_r(self, features: Features, splits: Sequence[Split]) -> float:
        r = score_layer(features, self.responses, self.benchmark, splits).r
        return mean_of_defined(self.aggregate(r)["all", "all"])

    def compare_chosen(self, table: pd.DataFrame, read: ReadChosen) -> Null | None:
        """As `Scorer.compare_chosen`: unique variance, and chance by draws, [1 + draw, target]."""
        if self.nuisance is None and self.benchmark.chance is None:
            return None
        chosen = read()
        if self.nuisance is not None:
            add_unique(table, self.nuisance, chosen, self.aggregate)
        if self.benchmark.chance is None:
            return None
        null = null_distribution(chosen, self.responses, self.benchmark, self.aggregate)
        add_chance(table, null, self.aggregate, self.benchmark.chance.level)
        return null


class SimilarityScorer(Scorer):
    """Scores layers by the similarity of dissimilarity or Gram matrices, without a fit."""

    benchmark: SimilarityBenchmark

    def __init__(self, responses: Responses, benchmark: SimilarityBenchmark) -> None:
        super().__init__(responses, benchmark)
        self.matrices = ResponseMatrices(responses, self.aggregate, benchmark.similarity)

    def score(self, features: Features) -> tuple[pd.DataFrame, None]:
        """As `Scorer.score`: rows of the alignment table; there are no scores [fold, target]."""
        return self._table(features, self.benchmark.splits).assign(units_per_row=np.nan), None

    def overall_r(self, features: Features, splits: Sequence[Split]) -> float:
        return float(overall(self._table(features, splits))["r"].iloc[0])

    def _table(self, features: Features, splits: Sequence[Split]) -> pd.DataFrame:
        return self.matrices.score(features.rows(splits[0].train), splits)

    def compare_chosen(self, table: pd.DataFrame, read: ReadChosen) -> None:
        """As `Scorer.compare_chosen`: the mean of r under permutations and its p, from [draw]."""
        if not self.benchmark.similarity.permutations:
            return
        chosen, splits = read(), self.benchmark.splits
        rows = {layer: layer.rows(splits[0].train) for layer in dict.fromkeys(chosen)}
        null = self.matrices.null([rows[x] for x in chosen], splits, self.benchmark.seed)
        add_null(table, "r", ("r_null", "r_p"), null)


def _reasons(responses: Responses, benchmark: RegressionBenchmark) -> np.ndarray:
    """Why a target has no score in a fold, [fold, target]; '' where it should have one."""
    why = np.tile(responses.unmeasured.astype(object), (len(benchmark.splits), 1))
    if responses.missed:
        for part in responses.parts:
            columns = part.columns[responses.measured[part.columns]]
            for fold, split in enumerate(benchmark.splits):
                if benchmark.presented(split, part.missed) is None:
                    why[fold, columns] = "missed in the fold"
    return why
