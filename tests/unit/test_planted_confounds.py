"""Confounds of a known share of the responses' variance: their baselines find that share."""

import numpy as np
import pytest
from brainalign.formats.activations import open_activations, write_activations
from brainalign.reading.baselines import length, position, static
from worlds.encoding import CONTROLLED, overall
from worlds.entries import align, simulate

TARGETS = 40
RUNS, VOLUMES, TR = 12, 110, 2.0
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


def thinned(made, rng):
    """The chapter with words left out: from one word a second and a half to two a second.

    The share that is kept drifts from word to word, so that the rate does too.
    """
    slow = np.cumsum(rng.standard_normal(len(made.stimuli)))
    share = 0.3 + 0.7 * (np.argsort(np.argsort(slow)) / (slow.size - 1))
    return made.stimuli[rng.random(slow.size) < share].reset_index(drop=True)


def delayed_rate(stimuli, values):
    """Means over the words of each volume, 1 to 4 volumes later, in loops; zeros in silence."""
    values = values - values.mean(axis=0)
    design = np.zeros((RUNS, VOLUMES, 4, values.shape[1]))
    volume = (stimuli["onset"].to_numpy() // TR).astype(int)
    for run in range(RUNS):
        for index in range(VOLUMES):
            for k, delay in enumerate((1, 2, 3, 4)):
                heard = volume == run * VOLUMES + index - delay
                if index >= delay and heard.any():
                    design[run, index, k] = values[heard].mean(axis=0)
    return design.reshape(RUNS * VOLUMES, -1)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.3])
def test_word_rate_explains_the_share_that_is_planted(tmp_path, share):
    """As above, of timed words: the rate at which words are heard, 2 to 8 s before."""
    sizes = {"runs": RUNS, "volumes": VOLUMES, "subjects": 1, "targets": TARGETS}
    made = simulate("chapter", sizes, {}, 1)
    rng = np.random.default_rng(0)
    stimuli = thinned(made, rng)
    onset = stimuli["onset"].to_numpy()
    rate = np.array([[(np.abs(onset - time) <= TR / 2).sum() / TR] for time in onset])
    planted = delayed_rate(stimuli, rate)
    signal = planted @ rng.standard_normal((planted.shape[1], TARGETS))
    noise = rng.standard_normal(signal.shape)
    y = np.sqrt(share) * signal / signal.std(axis=0) + np.sqrt(1 - share) * noise
    dataset = made.responses.assign(responses=(("volume", "target"), y))
    values = length(stimuli, TR)
    path = tmp_path / "rate.safetensors"
    write_activations({"features": values.values}, values.row_ids, path, {})
    entry = CONTROLLED | {
        "split": {"scheme": "grouped", "folds": 6, "seed": 1}, "timing": {"features": "fir"},
    }  # fmt: skip
    table = align(open_activations(path), stimuli, dataset, entry, "cpu", 0)
    rank = np.linalg.matrix_rank(delayed_rate(stimuli, values.values.astype(float)))
    expected = share - (1 - share) * rank / (RUNS * VOLUMES * 5 / 6)
    # Volumes are autocorrelated in the rate, not in the noise: some 100 are independent.
    assert overall(table, "features")["r2"] == pytest.approx(expected, abs=0.02)
