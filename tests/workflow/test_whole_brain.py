"""The study of a simulated whole brain: its maps show the planted region, and the report them."""

import json
import re
from base64 import b64encode
from pathlib import Path

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import yaml
from brainalign.simulation.head import REGION, REGION_CENTRE, REGION_RADIUS
from conftest import REPOSITORY
from nibabel.affines import apply_affine

from workflow.conftest import Study

pytestmark = [pytest.mark.workflow, pytest.mark.long, pytest.mark.timeout(1800)]

MODELS = ("sim-decoder-m", "sim-decoder-m-instruct")
LEVEL = 0.05


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = yaml.safe_load((REPOSITORY / "studies/whole-brain.yaml").read_text(encoding="utf-8"))
    study = Study(tmp_path_factory.mktemp("whole-brain"), config)
    study.run("--quiet", "rules", "host")
    return study.folder / "results/whole-brain"


def maps(results: Path, model: str, quantity: str) -> tuple[np.ndarray, np.ndarray]:
    """Values of the voxels of all subjects, and whether each lies in the planted ball."""
    folder = results / "maps" / model / "sim-brain"
    record = json.loads((folder / "maps.json").read_text(encoding="utf-8"))
    files = [one["file"] for one in record["maps"] if one["quantity"] == quantity]
    assert len(files) == 3
    values, inside = [], []
    for file in files:
        image = nib.load(folder / file)
        volume = np.asarray(image.dataobj)
        voxels = np.argwhere(np.isfinite(volume))
        away = np.linalg.norm(apply_affine(image.affine, voxels) - REGION_CENTRE, axis=1)
        values.append(volume[tuple(voxels.T)])
        inside.append(away < REGION_RADIUS)
    return np.concatenate(values), np.concatenate(inside)


def test_the_map_of_the_planted_state_is_the_planted_region(results: Path) -> None:
    q, inside = maps(results, "truth", "q")
    significant = q <= LEVEL
    assert significant[inside].all()
    # Voxels share noise, so that the share of false discoveries varies about the level.
    assert (significant & ~inside).sum() / significant.sum() < 0.15
    r, inside = maps(results, "truth", "r")
    assert r[inside].mean() > 0.75 and abs(r[~inside].mean()) < 0.02


@pytest.mark.parametrize("model", MODELS)
def test_the_map_of_a_model_shows_the_region_and_little_else(results: Path, model: str) -> None:
    r, inside = maps(results, model, "r")
    assert r[inside].mean() > 0.3 and abs(r[~inside].mean()) < 0.02
    q, inside = maps(results, model, "q")
    significant = q <= LEVEL
    assert significant[inside].mean() > 0.3
    assert (significant & ~inside).sum() <= 0.15 * significant.sum()


def test_features_without_meaning_light_up_nothing(results: Path) -> None:
    q, _ = maps(results, "length", "q")
    assert (q <= LEVEL).mean() < 0.005


def test_the_map_of_a_difference_is_the_difference_of_the_maps(results: Path) -> None:
    tuned, vanilla = (maps(results, model, "r")[0] for model in reversed(MODELS))
    difference, _ = maps(results, MODELS[1], "tuned_minus_vanilla")
    np.testing.assert_allclose(difference, tuned - vanilla, atol=1e-6)


def test_the_table_of_differences_counts_the_voxels_of_the_maps(results: Path) -> None:
    table = pd.read_csv(results / "tables/target_contrasts.csv")
    (row,) = table[(table["subject"] == "all") & (table["region"] == "all")].to_dict("records")
    difference, _ = maps(results, MODELS[1], "tuned_minus_vanilla")
    q, _ = maps(results, MODELS[1], "tuned_minus_vanilla_q")
    assert (row["tuned"], row["vanilla"], row["n_subjects"]) == (*reversed(MODELS), 3)
    assert row["n_targets"] == difference.size == q.size
    assert row["n_higher"] == ((q <= LEVEL) & (difference > 0)).sum()
    assert row["n_lower"] == ((q <= LEVEL) & (difference < 0)).sum()
    assert row["difference"] == pytest.approx(
        difference.mean(), abs=1e-6
    )  # as many in each subject


def test_the_planted_state_scores_the_ceiling_of_the_repeats(results: Path) -> None:
    scores = pd.read_csv(results / "tables/scores.csv")
    row = scores[(scores["model"] == "truth") & (scores["region"] == REGION)].iloc[0]
    assert row["ceiling_method"] == "repeats"
    assert row["ratio"] == pytest.approx(1.0, abs=0.06)
    truth = pd.read_csv(results / "tables/truth.csv")
    assert (truth["covered"] == "yes").all()


def test_the_report_shows_the_differences_by_region(results: Path) -> None:
    page = (results / "report/index.html").read_text(encoding="utf-8")
    drawn = (results / f"figures/target_contrasts/{MODELS[1]}/sim-brain.svg").read_bytes()
    assert REGION.encode() in drawn and b"all regions" in drawn
    assert b64encode(drawn).decode() in page


def test_the_report_shows_the_maps_and_says_where_targets_lie(results: Path) -> None:
    page = (results / "report/index.html").read_text(encoding="utf-8")
    for model in ("truth", "length", *MODELS):
        assert page.count(f"Maps: {model}, sim-brain") >= 2  # in the figure and in its caption
    drawn = (results / "figures/maps/truth/sim-brain.svg").read_bytes()
    assert b"mean of 3 subjects" in drawn
    assert b64encode(drawn).decode() in page
    assert "voxels in MNI152NLin2009cAsym" in page
    assert not re.search(r'src="http', page)
