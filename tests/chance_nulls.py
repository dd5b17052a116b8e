"""Simulated scans whose features and responses are autocorrelated: p of targets by `chance`."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from brainalign.analysis.target_contrasts import compare_targets
from brainalign.encoding.benchmark import of_rows
from brainalign.encoding.chance import Null, null_distribution
from brainalign.encoding.correlation import Aggregate
from brainalign.encoding.features import Features
from brainalign.encoding.responses import Responses, Targets
from brainalign.encoding.settings import Scoring
from brainalign.settings import read
from scipy.signal import lfilter

RIDGE = {
    "type": "ridge", "selection": "gcv-per-target",
    "alphas": {"low": 0.1, "high": 1e3, "n": 5, "relative": True},
}  # fmt: skip
WARM_UP = 50  # rows, until an AR(1) process has forgotten its start


@dataclass(frozen=True)
class Scan:
    """Runs of volumes of 2 s; `persistence`: the correlation of neighbouring volumes.

    `related`: targets (the first ones) that follow the features, at a signal of `signal` times the
    standard deviation of the noise. `shared`: the share of the noise's variance that all subjects
    have in common, target by target. `regions`: of the targets, in turn.
    """

    runs: int = 6
    rows: int = 60
    units: int = 8
    targets: int = 1
    subjects: int = 1
    persistence: float = 0.5
    related: int = 0
    signal: float = 0.0
    shared: float = 0.0
    regions: int = 1


@dataclass(frozen=True)
class Pair:
    """Features of a tuned and a vanilla model: what both hold, and noise beside it.

    related : whether both hold the scan's own features; else they hold others.
    noise : standard deviation of each model's separate noise, beside features of 1.
    gain : what the tuned model's noise is divided by.
    """

    related: bool = False
    noise: float = 1.0
    gain: float = 1.0


def draw_null(scan: Scan, chance: dict[str, Any], seed: int) -> Null:
    """The null distribution of one simulated scan under three folds of runs and a ridge map."""
    features, responses = _simulated(scan, np.random.default_rng(seed))
    return _null(scan, features, responses, chance, seed)


def draw_contrast(
    scan: Scan, pair: Pair, chance: dict[str, Any], seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tuned minus vanilla of two simulated models of one scan (`compare_targets`)."""
    random = np.random.default_rng(seed)
    features, responses = _simulated(scan, random)
    common = features if pair.related else _autocorrelated(scan, scan.units, random)
    files = []
    for noise in (pair.noise / pair.gain, pair.noise):
        part = common + noise * _autocorrelated(scan, scan.units, random)
        null = _null(scan, part, responses, chance, seed)
        coords = {
            "target_id": ("target", responses.targets.ids),
            "subject": ("target", responses.targets.subjects),
            "region": ("target", responses.targets.regions),
        }
        drawn = {"r": ("target", null.r[0]), "r_drawn": (("draw", "target"), null.r[1:])}
        files.append(xr.Dataset(drawn, coords=coords))
    return compare_targets(files[0], files[1], 0.05)


def _simulated(scan: Scan, random: np.random.Generator) -> tuple[np.ndarray, Responses]:
    """Features, and responses of which the first targets follow them."""
    features = _autocorrelated(scan, scan.units, random)
    common = _autocorrelated(scan, scan.targets, random)
    weights = random.standard_normal((scan.units, scan.targets)) / scan.units**0.5
    weights[:, scan.related :] = 0.0
    parts = [
        scan.signal * features @ weights
        + scan.shared**0.5 * common
        + (1 - scan.shared) ** 0.5 * _autocorrelated(scan, scan.targets, random)
        for _ in range(scan.subjects)
    ]
    subjects = np.repeat([f"s{k:02d}" for k in range(scan.subjects)], scan.targets)
    ids = np.array([f"{k}" for k in range(subjects.size)])
    regions = np.tile([f"x{k % scan.regions}" for k in range(scan.targets)], scan.subjects)
    return features, Responses(np.hstack(parts), Targets(ids, subjects, regions))


def _null(
    scan: Scan, features: np.ndarray, responses: Responses, chance: dict[str, Any], seed: int
) -> Null:
    runs = np.repeat(np.arange(scan.runs), scan.rows)
    entry = {
        "regression": RIDGE, "split": {"scheme": "grouped", "folds": 3}, "timing": {},
        "layers": {"depth": 1.0}, "aggregate": "mean", "chance": chance,
    }  # fmt: skip
    benchmark = of_rows(read(entry, Scoring), range(runs.size), runs, runs, seed, tr=2.0)
    targets = responses.targets
    return null_distribution(
        [Features(features)] * len(benchmark.splits),
        responses,
        benchmark,
        Aggregate("mean", targets.subjects.tolist(), targets.regions.tolist()),
    )


def _autocorrelated(scan: Scan, n: int, random: np.random.Generator) -> np.ndarray:
    """`n` AR(1) processes [row, n] of variance 1 that start anew in each run."""
    noise = random.standard_normal((scan.runs, scan.rows + WARM_UP, n))
    size = (1 - scan.persistence**2) ** 0.5
    series = lfilter([size], [1, -scan.persistence], noise, axis=1)
    return series[:, WARM_UP:].reshape(-1, n)
