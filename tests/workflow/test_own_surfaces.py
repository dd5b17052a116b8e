"""A study of a user's surfaces and localizer, from GIFTI files and tables down to maps."""

import json
from pathlib import Path

import nibabel
import nilearn.datasets
import numpy as np
import pandas as pd
import pytest
from brainalign.training.tiny_pair import write_pair
from worlds.surfaces import write_surface

from workflow.conftest import Study

pytestmark = [pytest.mark.workflow, pytest.mark.long, pytest.mark.timeout(1200)]

RUNS, VOLUMES, TR = 3, 60, 2.0
SUBJECTS, SIDES = ("anna", "ben"), ("left", "right")
CENTRE = {"left": (-58.0, -30.0, 5.0), "right": (58.0, -30.0, 5.0)}  # mm, temporal cortex
RADIUS = 25.0
WORDS = ["a", "sea", "cloud", "harbour", "lighthouse", "transcontinental"]
SCORING = {
    "mode": "controlled",
    "regression": {"type": "ridge", "selection": "folds-per-target", "inner_folds": 3,
                   "alphas": {"low": 0.01, "high": 1000.0, "n": 4, "relative": True}},
    "split": {"scheme": "grouped", "folds": 3},
    "timing": {"features": "fir", "delays": [1]},
    "aggregate": "mean", "layers": "nested", "ceiling": {"method": "none"},
}  # fmt: skip


def coordinates(side: str) -> np.ndarray:
    """mm [vertex, 3] of fsaverage5, by the mesh that comes with nilearn."""
    mesh = nibabel.load(nilearn.datasets.fetch_surf_fsaverage("fsaverage5")[f"pial_{side}"])
    return np.asarray(mesh.agg_data("pointset"))


def planted(side: str) -> np.ndarray:
    return np.linalg.norm(coordinates(side) - CENTRE[side], axis=1) < RADIUS


def wall(side: str) -> np.ndarray:
    return (np.abs(coordinates(side)[:, 0]) < 4) & (coordinates(side)[:, 2] < 25)


def write_files(folder: Path) -> dict[str, dict[str, list[str]]]:
    """A word per volume; the planted vertices of the next volume follow its length."""
    random = np.random.default_rng(1)
    n = RUNS * VOLUMES
    words = random.choice(WORDS, n)
    onset = np.arange(n) * TR + 0.5
    run = np.repeat(np.arange(RUNS), VOLUMES)
    pd.DataFrame(
        {
            "stimulus_id": [f"w{i:03d}" for i in range(n)], "text": words,
            "context_group": [f"story{i}" for i in run], "split_group": [f"story{i}" for i in run],
            "position": range(n), "onset": onset, "offset": onset + 0.4,
        }
    ).to_csv(folder / "words.csv", index=False)  # fmt: skip
    strings = [(f"The {word} was near the {word}.", "sentence") for word in WORDS]
    strings += [(f"xk {word[::-1]} qz vv {word[::-1]}", "non-word") for word in WORDS]
    pd.DataFrame(strings, columns=["text", "condition"]).rename_axis("stimulus_id").to_csv(
        folder / "strings.csv"
    )
    length = np.array([len(word) for word in words], float)
    signal = np.roll((length - length.mean()) / length.std(), 1)
    surfaces: dict[str, dict[str, list[str]]] = {}
    for subject in SUBJECTS:
        for side in SIDES:
            values = random.standard_normal((n, 10242)).astype(np.float32) + 500
            values[:, planted(side)] += signal[:, None]
            values[:, wall(side)] = 0.0 if subject == "anna" else np.nan
            files = [f"{subject}_run-{i}_hemi-{side[0].upper()}.func.gii" for i in range(RUNS)]
            for i, file in enumerate(files):
                write_surface(folder / file, values[run == i], side)
            surfaces.setdefault(subject, {})[side] = files
    return surfaces


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("surfaces")
    surfaces = write_files(folder)
    write_pair(folder / "checkpoints")
    models = {
        name: {"source": {"type": "folder", "path": f"checkpoints/{name}"}, "family": "mine"}
        for name in ("base", "tuned")
    }
    models["tuned"]["base"] = "base"
    models["length"] = {"source": {"type": "baseline", "kind": "length"}}
    source = {
        "type": "own", "kind": "brain", "tr": TR, "stimuli": "words.csv", "responses": surfaces,
        "space": "fsaverage5", "voxels": True,
    }  # fmt: skip
    localizer = {"type": "own", "kind": "localizer", "stimuli": "strings.csv"}
    units = {"method": "localizer", "dimensions": 8, "localizer": "strings"}
    config = {
        "study": "mine",
        "seed": 1,
        "models": models,
        "datasets": {
            "listening": {"source": source, "context": "story", "pooling": "last"},
            "strings": {"source": localizer, "context": "none", "pooling": "last"},
        },
        "alignment": {
            "listening": SCORING | {"dataset": "listening", "targets": True},
            "units": SCORING | {"dataset": "listening", "report_as": "units", "companion": True,
                                "reduce": units},
        },
    }  # fmt: skip
    study = Study(folder, config)
    study.run("--quiet", "rules", "host")
    return folder / "results/mine"


def test_the_map_of_a_planted_feature_is_the_planted_patch(results: Path) -> None:
    folder = results / "maps/length/listening"
    record = json.loads((folder / "maps.json").read_text(encoding="utf-8"))
    assert record["space"] == "fsaverage5" and not record["none"]
    files = {(one["subject"], one["hemisphere"]): one["file"]
             for one in record["maps"] if one["quantity"] == "r"}  # fmt: skip
    assert set(files) == {(subject, side) for subject in SUBJECTS for side in SIDES}
    for (_, side), file in files.items():
        r = nibabel.load(folder / file).agg_data()
        np.testing.assert_array_equal(np.isnan(r), wall(side))
        assert r[planted(side) & ~wall(side)].mean() > 0.6
        assert abs(r[~planted(side) & ~wall(side)].mean()) < 0.03
    assert (results / "figures/maps/length/listening.png").exists()


def test_the_card_says_what_was_left_out(results: Path) -> None:
    card = json.loads((results / "data/listening/card.json").read_text(encoding="utf-8"))
    assert card["locations"] == "vertices of fsaverage5"
    counts = {entry["what"]: entry["n"] for entry in card["dropped"]}
    assert counts == {
        f"vertices of {subject}, {side} hemisphere": int(wall(side).sum())
        for subject in SUBJECTS
        for side in SIDES
    }


def test_units_are_those_that_prefer_the_strings_of_the_table(results: Path) -> None:
    t = pd.read_parquet(results / "selectivity/base/strings.parquet")
    assert np.isfinite(t["t"]).any()
    table = pd.read_parquet(results / "alignment/base/units.parquet")
    assert set(table["reduction"]) == {"localizer 8"}
    overlap = pd.read_csv(results / "tables/unit_overlap.csv")
    assert set(overlap["localizer"]) == {"strings"}
