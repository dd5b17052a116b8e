"""Layers that an alignment has scored, kept on disk so that a killed job resumes after them."""

import hashlib
import json
import logging
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from brainalign.encoding.summary import Scores
from brainalign.formats.atomic import atomic_path

LOG = logging.getLogger("brainalign")

# Seconds. A layer that took fewer is not kept: to score it again costs little.
WORTH_KEEPING = 5.0


@dataclass(frozen=True)
class LayerScores:
    """What an alignment finds of one layer.

    `table`: rows of the alignment table, all columns but those of the chosen layer. `inner`: r
    inside the training rows of each fold, where folds choose the layer. `scores`: those of every
    target, where folds choose the layer or a file of them is asked for (None of a similarity).
    """

    table: pd.DataFrame
    inner: tuple[float, ...] = ()
    scores: Scores | None = None


class FinishedLayers:
    """A folder with a file (npz) for each layer that is finished.

    Parameters
    ----------
    folder : is made with the first file.
    depends_on : gives all that the scores follow from (JSON-able: digests of files, settings).
        Files that were written with another value do not count. It is called once, when there is a
        file to read or to write, for digests of large files take time.
    """

    def __init__(self, folder: str | Path, depends_on: Callable[[], Any]) -> None:
        self._folder = Path(folder)
        self._depends_on = depends_on

    @cached_property
    def _key(self) -> str:
        text = json.dumps(self._depends_on(), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def scores_of(self, layer: str, score: Callable[[], LayerScores]) -> LayerScores:
        """The scores of a layer: those of a job that was stopped, else what `score` gives."""
        kept = self._read(layer)
        if kept is not None:
            LOG.info("%s: scored by a job that was stopped", layer)
            return kept
        began = time.monotonic()
        result = score()
        if time.monotonic() - began >= WORTH_KEEPING:
            self._write(layer, result)
        return result

    def _read(self, layer: str) -> LayerScores | None:
        """What was kept of a layer; None: nothing, of another job, or a damaged file."""
        path = self._path(layer)
        if not path.exists():
            return None
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = dict(file)
        except (OSError, EOFError, ValueError, BadZipFile):
            return None
        if str(arrays.get("key")) != self._key:
            return None
        columns, targets = _under("table", arrays), _under("scores", arrays)
        scores = Scores(**{"alpha": None} | targets) if targets else None
        return LayerScores(pd.DataFrame(columns), tuple(arrays["inner"].tolist()), scores)

    def _write(self, layer: str, result: LayerScores) -> None:
        arrays: dict[str, Any] = {
            f"table.{name}": _array(result.table[name]) for name in result.table
        }
        if result.scores is not None:
            values = {f.name: getattr(result.scores, f.name) for f in fields(Scores)}
            arrays |= {f"scores.{n}": array for n, array in values.items() if array is not None}
        with atomic_path(self._path(layer)) as temporary, temporary.open("wb") as file:
            np.savez(file, key=np.array(self._key), inner=np.array(result.inner), **arrays)

    def discard(self) -> None:
        """Remove the folder: the table is written."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, layer: str) -> Path:
        return self._folder / f"{layer}.npz"


def _array(column: "pd.Series[Any]") -> np.ndarray:
    """A column as an array that needs no pickle: text as text."""
    text = pd.api.types.is_object_dtype(column) or pd.api.types.is_string_dtype(column)
    return column.to_numpy(dtype=str if text else None)


def _under(prefix: str, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """The arrays whose names begin with `prefix.`, by the rest of their names, in their order."""
    start = f"{prefix}."
    return {n.removeprefix(start): array for n, array in arrays.items() if n.startswith(start)}
