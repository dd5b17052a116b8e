"""Confounds of a known share of the responses' variance: their baselines find that share."""

import numpy as np
import pytest
from brainalign.formats.activations import open_activations, write_activations
from brainalign.models.baselines import length, position, static
from worlds.encoding import CONTROLLED, overall
from worlds.entries import align, simulate

TARGETS = 40
CONFOUNDS = {
    "length": lambda stimuli: length(stimuli, None),
    "position": lambda stimuli: position(stimuli, 32),
    "lexical state": lambda stimuli: static(stimuli, None, 6, 1),
}


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("confound", CONFOUNDS.values(), ids=CONFOUNDS)
def test_a_baseline_explains_the_share_that_its_confound_has(tmp_path, confound, share):
    """R² on held-out topics is the planted share less what the estimated weights cost.

    k weights from n rows add (1 − R²) k / n of the variance to the error.
    """
    sizes = {"passages_per_topic": 16, "sentences": 5, "subjects": 1, "targets": TARGETS}
    made = simulate("passages", sizes, {}, 1)
    stimuli, dataset = made.stimuli, made.responses
    values = confound(stimuli).values.astype(float)
    centred = values - values.mean(axis=0)
    rng = np.random.default_rng(0)
    signal = centred @ rng.standard_normal((values.shape[1], TARGETS))
    noise = rng.standard_normal(signal.shape)
    y = np.sqrt(share) * signal / signal.std(axis=0) + np.sqrt(1 - share) * noise
    dataset["responses"] = (("stimulus", "target"), y)
    path = tmp_path / "confound.safetensors"
    ids = stimuli["stimulus_id"].tolist()
    write_activations({"features": values.astype(np.float32)}, ids, path, {})
    entry = CONTROLLED | {"split": {"scheme": "grouped", "folds": 6, "seed": 1}}
    table = align(open_activations(path), stimuli, dataset, entry, "cpu", 0)
    rank = np.linalg.matrix_rank(centred)
    expected = share - (1 - share) * rank / (len(stimuli) * 5 / 6)
    # A fold's R² has a standard error of some √(4 R² (1 − R²)² / 160), over 6 folds, 40 targets.
    assert overall(table, "features")["r2"] == pytest.approx(expected, abs=0.012)
