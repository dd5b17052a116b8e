"""Alice fMRI: inter-subject ceilings as published with the data, and predictors that must work."""

import numpy as np
import pytest
from brainalign.datasets import alice
from brainalign.datasets.raw import locate
from brainalign.datasets.settings import Alice
from brainalign.encoding.layers import words_to_volumes
from brainalign.encoding.settings import Timing
from brainalign.formats.activations import open_activations, write_activations
from worlds.entries import align, noise_ceiling

pytestmark = pytest.mark.real
CONTROLLED = {
    "regression": {
        "type": "ridge",
        "selection": "folds-per-target",
        "alphas": {"low": 1e-4, "high": 1e4, "n": 17, "relative": True},
    },
    "split": {"scheme": "contiguous", "folds": 6, "gap": 10},
    "aggregate": "mean",
    "timing": {"features": "fir", "delays": [1, 2, 3, 4], "detrend": 2},
}


@pytest.fixture(scope="module")
def dataset(mirror, tmp_path_factory):
    source = Alice(radius="10mm")
    records = locate(alice.raw_files(source), mirror, tmp_path_factory.mktemp("downloads"))
    prepared = alice.read(records, source)
    return prepared.stimuli, prepared.responses


def summary(table):
    rows = table[table["target_id"] == "all"]
    return dict(zip(rows["region"], rows["ceiling"], strict=True))


def test_leave_one_out_correlations_are_the_published_ones(dataset):
    """README of the data: mean over 27 subjects at 10 mm, no cleaning."""
    options = {"method": "leave-one-subject-out", "folds": False, "clean": False}
    ceilings = summary(noise_ceiling(*dataset, CONTROLLED | {"ceiling": options}, 0))
    published = {
        "LPTL": 0.39,
        "LATL": 0.28,
        "LIPL": 0.27,
        "LPreM": 0.19,
        "RATL": 0.14,
        "LIFG": 0.12,
    }
    for region, r in published.items():
        assert ceilings[region] == pytest.approx(r, abs=0.0051)


def test_ceilings_under_the_benchmarks_folds_and_cleaning(dataset):
    """Removing what nuisance explains can only take shared signal away on the whole."""
    options = {"method": "leave-one-subject-out"}
    drift_only = summary(noise_ceiling(*dataset, CONTROLLED | {"ceiling": options}, 0))
    timing = CONTROLLED["timing"] | {"nuisance": True}
    cleaned = summary(
        noise_ceiling(*dataset, CONTROLLED | {"timing": timing, "ceiling": options}, 0)
    )
    assert 0.1 < cleaned["all"] < drift_only["all"] < 0.4
    assert max(cleaned, key=cleaned.get) == "LPTL"


def test_convolved_word_onsets_are_the_published_word_rate(dataset):
    """The authors convolved word rate with SPM's response: an independent check of clock and shape.

    One second off, the correlation falls below 0.96.
    """
    stimuli, responses = dataset
    timing = Timing(features="hrf", silence="zero")
    words = words_to_volumes(timing, stimuli, responses)
    ours = words(np.ones((len(stimuli), 1)))[:, 0]
    for published in responses["nuisance"].values[:, :, 0]:
        assert np.corrcoef(ours, published)[0, 1] > 0.98


def test_word_rate_predicts_held_out_blocks_and_smoothed_time_does_not(dataset, tmp_path):
    stimuli, responses = dataset
    ids = stimuli["stimulus_id"].tolist()
    one = {"features": np.ones((len(ids), 1), np.float32)}
    write_activations(one, ids, tmp_path / "words.safetensors", {})
    time = np.arange(responses.sizes["volume"])
    smooth = np.exp(-0.5 * ((time[:, None] - time) / 1.5) ** 2).astype(np.float32)
    numbers = [str(volume) for volume in time]
    write_activations(
        {"features": smooth}, numbers, tmp_path / "oasm.safetensors", {"rows": "volume"}
    )
    scores, error = {}, {}
    for name in ("words", "oasm"):
        file = open_activations(tmp_path / f"{name}.safetensors")
        for split in (CONTROLLED["split"], {"scheme": "shuffled"}):
            timing = CONTROLLED["timing"] | {"silence": "zero"}
            entry = CONTROLLED | {"split": split, "timing": timing}
            table = align(file, stimuli, responses, entry, "cpu", 0)
            rows = table[(table["subject"] == "all") & (table["fold"] == -1)]
            scores[name, split["scheme"]] = dict(zip(rows["region"], rows["r"], strict=True))
            rows = table[(table["region"] == "LPTL") & (table["fold"] == -1)]
            subjects = rows.loc[rows["subject"] != "all", "r"]
            error[name, split["scheme"]] = subjects.std() / np.sqrt(len(subjects))
    assert len(subjects) == 27
    assert scores["words", "contiguous"]["LPTL"] > 4 * error["words", "contiguous"]
    assert scores["oasm", "shuffled"]["all"] > 0.3
    assert abs(scores["oasm", "contiguous"]["all"]) < 0.02
