"""Models that know a share of the planted state of simulated data, scored and compared."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from msgspec.structs import replace

from brainalign.analysis.contrasts import contrasts
from brainalign.analysis.records import model_table
from brainalign.analysis.scores import collect_scores
from brainalign.encoding.alignment import align
from brainalign.encoding.correlation import Aggregate
from brainalign.encoding.settings import Scoring
from brainalign.formats.activations import open_activations, write_activations
from brainalign.reading.baselines import truth
from brainalign.simulation.knowing import SHARES, VANILLA, partly_known


def planted_ceiling(responses: xr.Dataset, aggregate: str) -> float:
    """The planted ceilings `true_ceiling` [target] in one number, as a benchmark's `aggregate` has
    it.
    """
    who, where = (responses[name].values.astype(str).tolist() for name in ("subject", "region"))
    summary = Aggregate(aggregate, who, where)(responses["true_ceiling"].values)
    return float(summary["all", "all"])


def align_planted(
    stimuli: pd.DataFrame, responses: xr.Dataset, scoring: Scoring, seed: int, dataset: int
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Name and alignment table (`summary.COLUMNS`) of each model in `SHARES`.

    `dataset` : number of this dataset, whose `responses` are [stimulus or volume, target].
    """
    state = truth(stimuli, responses)
    groups = responses["run"].values if state.rows == "volume" else stimuli["split_group"]
    scoring = replace(scoring, unique_variance=None)
    with TemporaryDirectory() as folder:
        for index, (model, share) in enumerate(SHARES.items()):
            rng = np.random.default_rng([seed, 12, dataset, index])
            known = partly_known(state.values.astype(float), list(groups), share, rng)
            path = Path(folder) / f"{model}.safetensors"
            about = {"model": model, "rows": state.rows}
            write_activations({"features": known.astype(np.float32)}, state.row_ids, path, about)
            yield model, align(open_activations(path), stimuli, responses, scoring, "cpu", seed)


def planted_contrasts(
    aligned: Sequence[tuple[str, str, pd.DataFrame]], benchmarks: Mapping[str, Mapping[str, Any]]
) -> pd.DataFrame:
    """`contrasts` of the models in `SHARES`, `VANILLA` the partner of the others.

    Parameters
    ----------
    aligned : (model, benchmark, alignment table).
    benchmarks : as of `collect_scores`.
    """
    models = {
        model: {"role": "vanilla" if model == VANILLA else "tuned", "simulated": True,
                "base": None if model == VANILLA else VANILLA, "family": "planted"}
        for model in SHARES
    }  # fmt: skip
    datasets = [entry["dataset"] for entry in benchmarks.values()]
    tables = collect_scores(aligned, {}, model_table(models, []), benchmarks, datasets)
    return contrasts(tables["scores"], tables["subjects"])
