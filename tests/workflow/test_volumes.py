"""`keep: volumes`: activations averaged over the words of each volume are all that stays."""

from pathlib import Path

import pandas as pd
import pytest
import yaml
from brainalign.formats.activations import open_activations
from brainalign.settings import read
from brainalign.study import settings
from brainalign.study.volumes import averaged_by_volume
from conftest import REPOSITORY

from workflow.conftest import Study


@pytest.fixture
def listening(tmp_path: Path) -> Study:
    """One model on the simulated chapter, whose volumes average words, and its altered text."""
    config = yaml.safe_load((REPOSITORY / "config.yaml").read_text(encoding="utf-8"))
    config["models"] = {"sim-decoder-s": config["models"]["sim-decoder-s"]}
    config["models"]["sim-decoder-s"]["source"]["steps"] = 5
    config["datasets"] = {
        "sim-chapter": config["datasets"]["sim-chapter"] | {"text": ["surrogate", "context:none"]}
    }
    benchmark = config["alignment"]["sim-chapter-controlled"]
    del benchmark["unique_variance"]
    config["alignment"] = {"sim-chapter-controlled": benchmark}
    for section in ("tuning", "behavior", "capability", "next_word"):
        config.pop(section, None)
    config["simulation"] |= {"documents": 400}
    return Study(tmp_path, config)


@pytest.mark.long
def test_the_words_of_volumes_alone_are_kept(listening: Study) -> None:
    """And the scores are those of the words, up to the rounding of float32."""
    table = "results/tables/text_controls.csv"
    file = listening.folder / "results/activations/sim-decoder-s/sim-chapter.safetensors"
    listening.run(table)
    words, scores = open_activations(file), _alignments(listening)
    listening.config["keep"] = "volumes"
    assert {job.split()[0] for job in listening.jobs(table)} >= {
        "activations_of_words", "surrogates_of_words", "volume_activations", "alignment",
    }  # fmt: skip
    listening.run(table)
    means = open_activations(file)
    assert means.layers == words.layers
    assert sum(means.metadata["words"]) == len(words.stimulus_ids) > len(means.stimulus_ids)
    assert not list((listening.folder / "results/words").rglob("*.safetensors"))
    now = _alignments(listening)
    assert len(now) == 3 and now.keys() == scores.keys()
    for name, expected in scores.items():
        pd.testing.assert_frame_equal(now[name], expected, atol=1e-4)


def _alignments(study: Study) -> dict[str, pd.DataFrame]:
    """The tables of a study's text as it is, of its surrogate, and of its words without context."""
    files = (study.folder / "results/alignment/sim-decoder-s").glob("*.parquet")
    return {path.stem: pd.read_parquet(path) for path in files}


def test_words_that_are_convolved_or_reduced_stay(listening: Study) -> None:
    listening.config["keep"] = "volumes"
    planned = {job.split()[0] for job in listening.jobs()}
    assert "volume_activations" in planned and "activations" not in planned
    assert averaged_by_volume(read(listening.config, settings.Study)) == {"sim-chapter"}
    for timing in ({"features": "hrf"}, {"features": "lanczos"}, {"pca": 5}):
        listening.config["alignment"]["sim-chapter-controlled"]["timing"] = timing
        assert averaged_by_volume(read(listening.config, settings.Study)) == set()
