"""Surprisal as a predictor of brain responses, beside the word rate."""

import numpy as np
import pandas as pd
import pytest
from brainalign.encoding.layers import words_to_volumes
from brainalign.encoding.settings import Timing
from brainalign.errors import InputError
from brainalign.formats.activations import open_activations, write_activations
from brainalign.reading.surprisal_features import surprisal_features
from worlds.encoding import overall
from worlds.entries import align, features, simulate


def test_stimuli_without_surprisal_have_the_mean_of_the_others():
    values, unknown = surprisal_features(pd.DataFrame({"bits": [np.nan, 2.0, 4.0, np.nan]}), "x")
    assert values.tolist() == [[3.0], [2.0], [4.0], [3.0]] and unknown == 2
    assert values.dtype == np.float32
    with pytest.raises(InputError, match="x: no stimulus has a surprisal"):
        surprisal_features(pd.DataFrame({"bits": [np.nan]}), "x")


@pytest.mark.parametrize("slope", [0.0, 1.0])
def test_surprisal_adds_to_the_word_rate_where_responses_follow_it_and_nothing_else(
    tmp_path, slope
):
    """A chapter some of whose words are missing, so that the rate varies; responses follow the rate
    and, by `slope`, the words' surprisal."""
    made = simulate("chapter", {"runs": 4, "volumes": 80, "subjects": 3, "targets": 12}, {}, 1)
    random = np.random.default_rng(0)
    stimuli = made.stimuli[random.random(len(made.stimuli)) < 0.7].reset_index(drop=True)
    bits = random.gamma(2.0, 2.0, len(stimuli))
    timing = {"features": "hrf", "silence": "zero"}
    entry = {
        "regression": {
            "type": "ridge", "selection": "folds-per-target", "inner_folds": 3,
            "alphas": {"low": 1e-2, "high": 1e4, "n": 5, "relative": True},
        },
        "split": {"scheme": "grouped", "folds": 4}, "layers": "best", "timing": timing,
        "unique_variance": {"beyond": ["length"], "candidates": 1},
    }  # fmt: skip
    rate = features("length", stimuli, made.responses, {}, 1)
    words = words_to_volumes(Timing(**timing), stimuli, made.responses)
    volumes = words(np.column_stack([np.ones(len(bits)), bits - bits.mean()]))
    volumes /= volumes.std(axis=0)
    shape = made.responses["responses"].shape
    noise = 2 * random.standard_normal(shape)
    made.responses["responses"][:] = volumes @ [[1.0], [slope]] + noise
    values, _ = surprisal_features(pd.DataFrame({"bits": bits}), "x")
    files = {}
    for name, array in (("length", rate.values), ("surprisal", values)):
        write_activations(
            {"features": array}, stimuli["stimulus_id"].tolist(), tmp_path / name,
            {"rows": "stimulus", "baseline": name},
        )  # fmt: skip
        files[name] = open_activations(tmp_path / name)
    table = align(
        files["surprisal"], stimuli, made.responses, entry, "cpu", 0,
        nuisance={"length": files["length"]},
    )  # fmt: skip
    row = overall(table, "features")
    if slope:
        assert row["unique_r2"] > 0.05
    else:
        assert row["r"] > 0.1  # it follows the rate, for rarer words are fewer bits
        assert abs(row["unique_r2"]) < 0.01
