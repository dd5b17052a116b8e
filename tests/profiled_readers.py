"""Simulated readers, and layers that know nothing of their times: rates of depth profiles."""

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from brainalign.behavior.layer_profile import states_profile, surprisal_profile
from brainalign.behavior.settings import ControlledFit
from brainalign.formats.activations import open_activations, write_activations

SETTINGS = ControlledFit(covariates=("length", "log_frequency", "position"), spillover=1)
LAYERS = ("embedding", "layer.1", "layer.2", "layer.3", "final")


def drifting(rng: np.random.Generator, stories: int, words: int, width: int, keep: float):
    """Features [word, width] that each word keeps from the word before it in its story."""
    made = rng.standard_normal((stories, words, width))
    for k in range(1, words):
        made[:, k] = keep * made[:, k - 1] + np.sqrt(1 - keep**2) * made[:, k]
    return made.reshape(-1, width)


def read(
    seed: int,
    stories: int = 10,
    words: int = 80,
    readers: int = 6,
    width: int = 40,
    effect: float = 0.0,
) -> tuple[pd.DataFrame, xr.Dataset, dict[str, np.ndarray]]:
    """Stimuli, times of single readers, and the features of LAYERS.

    Words are slow by their length, frequency and position; a story is slow or fast for all, as is
    a stretch of it; readers differ in speed. Features go with length and drift along the story.
    `effect`: ms by one direction of layer.2, which further layers hold with more and more noise.
    """
    rng = np.random.default_rng(seed)
    n = stories * words
    story = np.repeat(np.arange(stories), words)
    index = np.tile(np.arange(words), stories)
    length = rng.integers(1, 12, n).astype(float)
    frequency = -0.5 * length + rng.normal(size=n)
    planted = drifting(rng, stories, words, 1, 0.3)[:, 0]
    mean = 300 + 4 * length - 3 * frequency - 0.1 * index + effect * planted
    mean += rng.normal(0, 10, stories)[story] + 10 * drifting(rng, stories, words, 1, 0.9)[:, 0]
    times = mean[:, None] + rng.normal(0, 40, readers) + rng.normal(0, 60, (n, readers))
    stimuli = pd.DataFrame(
        {
            "stimulus_id": [f"w{i}" for i in range(n)],
            "context_group": [f"story{s}" for s in story], "length": length,
            "log_frequency": frequency, "position": index + 1, "word_in_sentence": index % 15 + 1,
        }
    )  # fmt: skip
    responses = xr.Dataset(
        {"responses": (("stimulus", "target"), times)},
        coords={"target_id": ("target", [f"r{i}" for i in range(readers)])},
        attrs={"kind": "reading-times"},
    )
    layers = {}
    for k, layer in enumerate(LAYERS):
        features = drifting(rng, stories, words, width, 0.8) + 0.3 * length[:, None]
        if effect:
            features[:, 0] = planted + 0.7 * abs(k - 2) * rng.standard_normal(n)
        layers[layer] = features.astype(np.float32)
    return stimuli, responses, layers


def profile(predictor: str, folder: Path, seed: int, **world: float) -> pd.DataFrame:
    """The profile of simulated readers, as its job makes it from files."""
    stimuli, responses, layers = read(seed, **world)
    if predictor == "surprisal":
        bits = {name: features[:, 0] for name, features in layers.items() if name != "final"}
        table = stimuli[["stimulus_id"]].assign(**bits)
        return surprisal_profile(table, stimuli, responses, SETTINGS)
    path = folder / f"{seed}.safetensors"
    write_activations(layers, stimuli["stimulus_id"].tolist(), path, {})
    result = states_profile(open_activations(path), stimuli, responses, SETTINGS)
    path.unlink()
    return result
