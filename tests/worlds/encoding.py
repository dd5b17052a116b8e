"""Planted responses: features, drift and noise; content-free features; settings of benchmarks."""

import numpy as np
import pandas as pd
import xarray as xr
from scipy.ndimage import gaussian_filter1d

LEGACY = {
    "regression": {"type": "ols"},
    "split": {"scheme": "shuffled", "folds": 10, "train": 0.9, "seed": 1},
    "aggregate": "median-pooled",
    "layers": "best",
    "epsilon": 1e-8,
}
CONTROLLED = {
    "regression": {
        "type": "ridge",
        "selection": "gcv-per-target",
        "alphas": {"low": 1e-4, "high": 1e4, "n": 17, "relative": True},
    },
    "split": {"scheme": "grouped", "folds": 12},
    "aggregate": "median-within-subject",
    "layers": "best",
}
GROUPS, SENTENCES, FEATURES, SUBJECTS, VOXELS = 24, 10, 6, 3, 40


def planted(seed=0, drift=1.0, noise=1.0):
    """Sentences in passages; voxels linear in features, plus drift in the passage, plus noise.

    Returns the features, the responses and the noiseless responses.
    """
    random = np.random.default_rng(seed)
    n, t = GROUPS * SENTENCES, SUBJECTS * VOXELS
    features = random.standard_normal((n, FEATURES))
    signal = features @ random.standard_normal((FEATURES, t)) / np.sqrt(FEATURES)
    slow = random.standard_normal((GROUPS, SENTENCES, t))
    slow = gaussian_filter1d(slow, 2.0, axis=1).reshape(n, t)
    slow *= drift / slow.std()
    y = signal + slow + noise * random.standard_normal((n, t))
    return features, y, signal


def content_free():
    """Identity smoothed within passages (Feghhi, Hadidi et al. 2024, OASM)."""
    block = gaussian_filter1d(np.eye(SENTENCES), 2.2, axis=0)
    return np.kron(np.eye(GROUPS), block)


def tables(y):
    """The table of stimuli and the dataset of responses `y` [stimulus, target]."""
    n, t = y.shape
    stimuli = pd.DataFrame(
        {
            "stimulus_id": [f"s{i:03d}" for i in range(n)],
            "text": "a sentence",
            "context_group": np.repeat([f"g{i:02d}" for i in range(n // SENTENCES)], SENTENCES),
            "position": np.tile(np.arange(SENTENCES), n // SENTENCES),
            "onset": np.nan,
            "offset": np.nan,
        }
    )
    stimuli["split_group"] = stimuli["context_group"]
    names = [f"subject{i // VOXELS}" for i in range(t)]
    dataset = xr.Dataset(
        {"responses": (("stimulus", "target"), y)},
        coords={
            "stimulus_id": ("stimulus", stimuli["stimulus_id"].to_numpy(dtype=object)),
            "target_id": ("target", np.array([f"v{i}" for i in range(t)], dtype=object)),
            "subject": ("target", np.array(names, dtype=object)),
            "region": ("target", np.array([f"roi{i % 2}" for i in range(t)], dtype=object)),
        },
        attrs={"kind": "brain", "units": "z", "source": "x", "licence": "x", "simulated": 1},
    )
    return stimuli, dataset


def overall(table, layer):
    """The row of a layer over all subjects, regions and folds."""
    rows = table[(table["layer"] == layer) & (table["subject"] == "all")]
    return rows[(rows["region"] == "all") & (rows["fold"] == -1)].iloc[0]
