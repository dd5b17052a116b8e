"""The library's functions on entries of a config, as mappings that YAML could hold."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
import xarray as xr
from brainalign.behavior import reading_times
from brainalign.behavior.settings import ControlledFit, LegacyFit
from brainalign.capability.settings import Generation, MinimalPairs, MultipleChoice
from brainalign.capability.tasks import Task
from brainalign.encoding import alignment, benchmark, ceilings
from brainalign.encoding.settings import Ceiling, Scoring, Split
from brainalign.encoding.splits import Scheme
from brainalign.models.settings import Features
from brainalign.reading import baselines
from brainalign.settings import plain, read
from brainalign.simulation import datasets
from brainalign.simulation.settings import Simulation

Entry = Mapping[str, Any]


def scheme(entry: Entry) -> Scheme:
    return read(entry, Split)


def scoring(entry: Entry) -> Scoring:
    """The part of a benchmark's entry that a score depends on."""
    return read({k: v for k, v in entry.items() if k in Scoring.__struct_fields__}, Scoring)


def align(file, stimuli, dataset, entry: Entry, *arguments: Any, **keys: Any) -> pd.DataFrame:
    return alignment.align(file, stimuli, dataset, scoring(entry), *arguments, **keys)


def noise_ceiling(
    stimuli: pd.DataFrame, dataset: xr.Dataset, entry: Entry, seed: int
) -> pd.DataFrame:
    ceiling = read(entry.get("ceiling", {"method": "none"}), Ceiling, "ceiling")
    return ceilings.noise_ceiling(stimuli, dataset, scoring(entry), ceiling, seed)


def read_benchmark(
    entry: Entry, stimuli: pd.DataFrame, dataset: xr.Dataset, seed: int
) -> benchmark.Benchmark:
    return benchmark.read_benchmark(scoring(entry), stimuli, dataset, seed)


def fit_reading_times(
    surprisal: pd.DataFrame,
    stimuli: pd.DataFrame,
    responses: xr.Dataset,
    mode: str,
    *,
    seed: int = 0,
    **keys: Any,
) -> pd.DataFrame:
    settings = read({"mode": mode, **plain(keys)}, LegacyFit | ControlledFit)
    return reading_times.fit_reading_times(surprisal, stimuli, responses, settings, seed)


def asked(entry: Entry) -> Task:
    asking = {key: value for key, value in entry.items() if key != "chat"}
    return Task.of(
        read(asking, MultipleChoice | Generation | MinimalPairs), entry.get("chat", False)
    )


def simulate(kind: str, sizes: Entry, simulation: Entry, seed: int) -> datasets.Prepared:
    source = {"type": "simulated", "kind": kind, **sizes}
    return datasets.simulate(read(source, datasets.Kind), read(simulation, Simulation), seed)


def features(
    kind: str, stimuli: pd.DataFrame, responses: xr.Dataset, options: Entry, seed: int
) -> baselines.Baseline:
    source = read({"type": "baseline", "kind": kind, **options}, Features)
    return baselines.features(source, stimuli, responses, seed)
