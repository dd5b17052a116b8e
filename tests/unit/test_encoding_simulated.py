"""The simulated world's planted truth, recovered by the scores."""

import numpy as np
import pytest
from brainalign.formats.activations import open_activations, write_activations
from worlds.encoding import CONTROLLED, overall
from worlds.entries import align, features, simulate


def score(kind, tmp_path, made, entry):
    baseline = features(kind, made.stimuli, made.responses, {}, 1)
    path = tmp_path / f"{kind}.safetensors"
    write_activations({"f": baseline.values}, baseline.row_ids, path, {"rows": baseline.rows})
    table = align(open_activations(path), made.stimuli, made.responses, entry, "cpu", 1)
    return overall(table, "f")


@pytest.mark.parametrize("kind", ["passages", "story", "chapter"])
def test_true_features_and_content_free_ones(kind, tmp_path):
    """Shuffled, true features reach the true ceiling; grouped, content-free ones fall to 0.

    The ceiling is known in expectation: a realised r of one target differs from it by about
    1 / √rows, and AR(1) drift (0.9) leaves an effective sample of a twentieth of the rows. Twelve
    estimated weights cost at most 12 / (2 · rows) of r. Drift as large as the signal gives the
    autocorrelation baseline .45 and more in shuffled folds.
    """
    made = simulate(kind, {}, {}, 1)
    responses = made.responses
    timing = {"timing": {"features": "hrf"}} if kind == "chapter" else {}
    shuffled = CONTROLLED | {"split": {"scheme": "shuffled"}, "aggregate": "median-pooled"} | timing
    grouped = CONTROLLED | {"split": {"scheme": "grouped"}} | timing
    n_rows, n_targets = responses["responses"].shape
    error = 1 / np.sqrt(n_rows / 20 * min(n_targets, 30))
    ceiling = float(np.median(responses["true_ceiling"]))
    true = score("truth", tmp_path, made, shuffled)["r"]
    assert ceiling - 12 / (2 * n_rows) - 2 * error < true < ceiling + 2 * error
    assert score("oasm", tmp_path, made, shuffled)["r"] > 0.4
    assert abs(score("oasm", tmp_path, made, grouped)["r"]) < 0.02
    assert 0.75 * ceiling < score("truth", tmp_path, made, grouped)["r"] < ceiling + 2 * error
