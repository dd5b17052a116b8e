"""The scores of every target as a file of arrays, written layer by layer (docs/architecture.md)."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import h5netcdf
import numpy as np
import xarray as xr

from brainalign.encoding.benchmark import RegressionBenchmark
from brainalign.encoding.chance import Null
from brainalign.encoding.correlation import over_defined
from brainalign.encoding.responses import Responses
from brainalign.encoding.settings import KeptTargets
from brainalign.encoding.summary import Scores
from brainalign.formats.atomic import atomic_path

NO_LAYER = -1
ATTRIBUTES = ("source", "licence", "simulated", "affine", "grid", "space")  # of the dataset
MEANING = {
    "r": "Pearson's r on held-out rows, mean over folds",
    "r2": "R2 out of sample, mean over folds",
    "alpha": "penalty of ridge, median over folds",
    "p": "p of r so high by chance, one-sided",
    "q": "p adjusted by Benjamini and Hochberg among the targets of the subject",
    "r_drawn": "r under each draw of chance, mean over folds",
    "preferred_layer": "layer of the highest r inside the training rows, mean over folds; number "
    f"in layer_name, {NO_LAYER}: none",
    "chosen_layer": "layer that stands for the model in a fold; number in layer_name",
}


class TargetFile(NamedTuple):
    """Where the scores of every target go, and what is kept of them."""

    path: Path
    kept: KeptTargets = KeptTargets()


class TargetScores:
    """Writes the scores of every target into an open file; only one layer's are held at a time.

    Parameters
    ----------
    alphas : the grid in increasing order; a score's alpha counts from its largest.
    kept : what is written.
    """

    def __init__(self, file: h5netcdf.File, alphas: Sequence[float], kept: KeptTargets) -> None:
        self._file = file
        self._grid = np.asarray(alphas)[::-1]
        self._kept = kept
        n_targets = file.dimensions["target"].size
        self._inner = np.full(n_targets, -np.inf)
        self._preferred = np.full(n_targets, NO_LAYER, dtype=np.int16)

    def layer(self, index: int, scores: Scores) -> None:
        """Take the next layer's scores."""
        if self._kept.layers == "all":
            for name, values in self._of_targets(scores).items():
                self._variable(f"{name}_by_layer", ("layer", "target"))[index] = values
        if scores.inner_r is not None:
            inner = over_defined(np.nanmean, scores.inner_r.T)
            better = inner > self._inner
            self._inner[better], self._preferred[better] = inner[better], index

    def chosen(self, scores: Scores, best: np.ndarray) -> None:
        """Write the scores of the layer that stands for the model, `best` [fold]."""
        for name, values in self._of_targets(scores).items():
            self.write(name, values)
        if scores.inner_r is not None:
            self.write("preferred_layer", self._preferred)
        self._variable("chosen_layer", ("fold",), np.int16)[:] = best

    def write(self, name: str, values: np.ndarray) -> None:
        """Write a number of each target, `values` [target]."""
        dtype = np.float32 if values.dtype.kind == "f" else values.dtype
        self._variable(name, ("target",), dtype)[:] = values

    def null(self, null: Null) -> None:
        """Write p and q of each target, and r under every draw if asked for."""
        self.write("p", null.p)
        self.write("q", null.q)
        if self._kept.draws:
            self._file.dimensions["draw"] = len(null.r) - 1
            self._variable("r_drawn", ("draw", "target"))[:] = null.r[1:]

    def _of_targets(self, scores: Scores) -> dict[str, np.ndarray]:
        """r, R² and (of ridge) alpha of each target, [target], NaN where it has no r."""
        values = {n: over_defined(np.nanmean, getattr(scores, n).T) for n in ("r", "r2")}
        if scores.alpha is not None:
            alpha = np.where(np.isnan(scores.r), np.nan, self._grid[scores.alpha])
            values["alpha"] = over_defined(np.nanmedian, alpha.T)
        return values

    def _variable(
        self, name: str, dimensions: tuple[str, ...], dtype: type | np.dtype = np.float32
    ) -> h5netcdf.Variable:
        if name not in self._file.variables:
            made = self._file.create_variable(name, dimensions, dtype)
            made.attrs["long_name"] = MEANING[name.removesuffix("_by_layer")]
        return self._file.variables[name]


@contextmanager
def target_scores(
    into: TargetFile,
    dataset: xr.Dataset,
    responses: Responses,
    names: Sequence[str],
    benchmark: RegressionBenchmark,
) -> Iterator[TargetScores]:
    """The scores of a model's targets, whose file is there once the block ends.

    Targets are in the order of `responses`, with all coordinates [target] that `dataset` has of
    them.

    Parameters
    ----------
    names : all layer names, in the model's order.
    """
    order = responses.targets.indices_in(dataset)
    of_targets = {
        str(name): coordinate[order]
        for name, coordinate in dataset.coords.items()
        if coordinate.dims == ("target",)
    }
    skeleton = xr.Dataset(
        coords={**of_targets, "layer_name": ("layer", np.array(names, dtype=object))},
        attrs={key: dataset.attrs[key] for key in ATTRIBUTES if key in dataset.attrs},
    )
    with atomic_path(into.path) as temporary:
        skeleton.to_netcdf(temporary, engine="h5netcdf")
        with h5netcdf.File(temporary, "a") as file:
            file.dimensions["fold"] = len(benchmark.splits)
            yield TargetScores(file, benchmark.alphas, into.kept)
