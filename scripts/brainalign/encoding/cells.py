"""Folds by the targets whose subjects saw the same of them."""

from typing import NamedTuple

import numpy as np

from brainalign.encoding.benchmark import Benchmark
from brainalign.encoding.responses import Responses
from brainalign.encoding.splits import Split


class Cell(NamedTuple):
    """A fold of the targets whose subjects saw the same of it.

    columns : int64, of all responses. responses : of these targets alone. missed : bool [row].
    """

    fold: int
    columns: np.ndarray
    responses: Responses
    split: Split
    missed: np.ndarray


def cells(responses: Responses, benchmark: Benchmark) -> list[Cell]:
    """The cells of a benchmark; a fold of which a subject missed too much has none of it."""
    result = []
    for part in responses.parts:
        for fold, split in enumerate(benchmark.splits):
            rows = benchmark.presented(split, part.missed)
            if rows is not None:
                result.append(Cell(fold, part.columns, part.responses, rows, part.missed))
    return result
