"""Figures of maps: what is drawn is what the images hold, without network, in one job alone."""

import json
import socket
import sys

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from brain_maps import AFFINE, CENTRE, LAYERS, RADIUS, sphere
from brainalign.analysis.maps import write_maps
from brainalign.errors import InputError
from brainalign.figures import maps as figures
from brainalign.figures.maps import Surface, Volume, read_brains
from brainalign.figures.style import drawing
from conftest import REPOSITORY
from figure_checks import texts
from nibabel.affines import apply_affine
from rule_environments import rules, third_party

ABOUT = {"model": "m", "benchmark": "b", "none": "", "level": None, "simulated": True}


def brains_of(folder, scores, vanilla=None, contrast=None):
    record = write_maps(scores, vanilla, contrast, folder)
    return read_brains(folder, record["maps"]), record


@pytest.fixture
def no_network(monkeypatch):
    def refused(*_, **__):
        raise AssertionError("a figure asks the network")

    monkeypatch.setattr(socket, "socket", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)


@pytest.fixture
def glass(monkeypatch):
    """What nilearn is asked to draw as glass brains."""
    import nilearn.plotting

    drawn = []
    plain = nilearn.plotting.plot_glass_brain

    def kept(image, **keys):
        drawn.append((np.asarray(image.dataobj), image.affine, keys))
        return plain(image, **keys)

    monkeypatch.setattr(nilearn.plotting, "plot_glass_brain", kept)
    return drawn


def test_what_is_written_is_read_again_as_it_was_scored(tmp_path):
    scores, vanilla = sphere(), sphere().assign(r=sphere()["r"] * 0.5)
    brains, record = brains_of(tmp_path, scores, vanilla)
    assert list(record["layers"].values()) == LAYERS
    assert set(brains) == {"r", "q", "preferred_layer", "tuned_minus_vanilla"}
    for subject in ("s1", "s2"):
        rows = scores.isel(target=scores["subject"].values == subject)
        positions = np.stack([rows[axis].values for axis in "xyz"], axis=1)
        voxels = tuple(np.rint(apply_affine(np.linalg.inv(AFFINE), positions)).astype(int).T)
        for quantity, values in (
            ("r", rows["r"]),
            ("preferred_layer", rows["preferred_layer"]),
            ("tuned_minus_vanilla", rows["r"] / 2),
        ):
            brain = brains[quantity][subject]
            np.testing.assert_allclose(brain.values[voxels], values, rtol=1e-6)
            assert np.isfinite(brain.values).sum() == len(positions)
            np.testing.assert_allclose(brain.affine, AFFINE)


def test_the_planted_region_is_where_the_figure_shows_it(tmp_path, no_network, glass):
    """The mean over subjects of r; with a chance level only what is below it, and its layer."""
    scores = sphere()
    brains, record = brains_of(tmp_path, scores)
    with drawing():
        figure = figures.maps(brains, LAYERS, space=record["space"], **{**ABOUT, "level": 0.05})
        said = texts(figure)
    assert "mean of 2 subjects" in said and "q > 0.05 in every subject" in said
    assert "SIMULATED DATA" in said and "preferred layer" in said
    assert [keys["display_mode"] for *_, keys in glass] == ["l", "r", "y", "z"] * 2
    mean = scores["r"].values.reshape(2, -1).mean(axis=0)
    indices = np.stack([scores[axis].values for axis in "xyz"], axis=1)[: mean.size]
    inside = ((indices - CENTRE) ** 2).sum(axis=1) < RADIUS**2
    for (values, affine, _), expected in ((glass[0], mean), (glass[4], np.full(mean.size, 3.0))):
        drawn = np.argwhere(values != 0)
        assert len(drawn) == inside.sum()
        assert ((apply_affine(affine, drawn) - CENTRE) ** 2).sum(axis=1).max() < RADIUS**2
        np.testing.assert_allclose(np.sort(values[values != 0]), np.sort(expected[inside]))


@pytest.mark.long
def test_a_map_of_no_significant_target_says_so(tmp_path, recwarn):
    scores = sphere()
    brains, record = brains_of(tmp_path, scores.assign(q=scores["q"] * 0 + 0.9))
    with drawing():
        about = ABOUT | {"level": 0.05}
        said = texts(figures.maps(brains, LAYERS, space=record["space"], **about))
    assert "r: no target is left" in said
    assert not [warning for warning in recwarn if "empty mask" in str(warning.message)]


def test_subjects_in_separate_spaces_are_drawn_one_by_one(tmp_path, glass, monkeypatch):
    names = ("s0", "s1", "s2")
    brains, record = brains_of(tmp_path, sphere(names, space=""))
    few = {"r": {name: brains["r"][name] for name in names}}
    monkeypatch.setattr(figures, "MOST_SUBJECTS", 2)
    with drawing():
        said = texts(figures.maps(few, LAYERS, space=record["space"], **ABOUT))
    assert "the first 2 of 3 subjects; each subject's space" in said
    assert "s1" in said and "s2" not in said and "mean of" not in said
    assert len(glass) == 2 * 4


def test_a_mean_without_chance_levels_is_of_all_r_not_of_the_positive_ones():
    values = [np.array([[[0.4, -0.2, np.nan]]]), np.array([[[-0.6, 0.3, 0.2]]])]
    brains = {"r": {f"s{i}": Volume(one, np.eye(4)) for i, one in enumerate(values)}}
    (row,) = figures._rows(brains, ["r"], "MNI", None).values()
    np.testing.assert_allclose(row["r"].values, [[[np.nan, 0.05, 0.2]]])


@pytest.mark.long
def test_differences_are_drawn_where_a_subject_has_them_above_chance(tmp_path, glass):
    scores = sphere()
    ids = scores["target_id"].values
    q = np.full(ids.size, 0.8)
    q[[5, ids.size // 2 + 9]] = 0.01  # one voxel of each subject
    contrast = pd.DataFrame({"target_id": ids, "q": q}).sample(frac=1, random_state=0)
    vanilla = scores.assign(r=scores["r"] - 0.25)
    brains, record = brains_of(tmp_path, scores, vanilla, contrast)
    with drawing():
        said = texts(figures.maps(brains, LAYERS, space=record["space"], **ABOUT | {"level": 0.05}))
    assert "r and layer and differences of targets with q > 0.05 in every subject" in said
    values, affine, _ = glass[8]
    coordinates = np.stack([scores[axis].values for axis in "xyz"], axis=1)
    drawn = apply_affine(affine, np.argwhere(values != 0)).tolist()
    assert sorted(drawn) == sorted([coordinates[5].tolist(), coordinates[9].tolist()])
    np.testing.assert_allclose(values[values != 0], 0.25, rtol=1e-5)


def surface_scores():
    """Every vertex of fsaverage6 of one subject; r is high in the first 5,000 of the left."""
    n = 40962
    r = np.where(np.arange(2 * n) < 5000, 0.5, -0.1).astype(np.float32)
    return xr.Dataset(
        {"r": ("target", r)},
        coords={
            "target_id": ("target", np.arange(2 * n).astype(str)),
            "subject": ("target", ["s1"] * (2 * n)),
            "hemisphere": ("target", np.repeat(["left", "right"], n)),
            "vertex": ("target", np.tile(np.arange(n), 2)),
            "layer_name": ("layer", LAYERS),
        },
        attrs={"space": "fsaverage6"},
    )


def test_surfaces_are_drawn_on_the_mesh_that_is_at_hand(tmp_path, no_network, monkeypatch):
    import nilearn.plotting

    drawn = []
    plain = nilearn.plotting.plot_surf_stat_map

    def kept(mesh, values, **keys):
        drawn.append((values, keys["hemi"], keys["view"]))
        return plain(mesh, values, **keys)

    monkeypatch.setattr(nilearn.plotting, "plot_surf_stat_map", kept)
    brains, record = brains_of(tmp_path, surface_scores())
    with drawing():
        said = texts(figures.maps(brains, LAYERS, space=record["space"], **ABOUT))
    assert "fsaverage6" in said and "s1" in said
    assert len(drawn) == 4
    for values, side, _ in drawn:
        assert values.shape == (10242,)
        high = np.arange(10242) < (5000 if side == "left" else 0)
        np.testing.assert_array_equal(np.isnan(values), ~high)


@pytest.mark.parametrize("space", ["fsaverage3", "fsaverage4"])
def test_a_coarse_surface_is_named(space):
    brains = {"r": {"s1": Surface(np.zeros(642), np.zeros(642))}}
    assert f"surface {space} is coarser than fsaverage5" in texts(
        figures.maps(brains, LAYERS, space=space, **ABOUT)
    )


def test_targets_without_coordinates_are_said_to_have_none(tmp_path):
    scores = sphere().drop_vars(list("xyz"))
    brains, record = brains_of(tmp_path, scores)
    assert json.loads((tmp_path / "maps.json").read_text(encoding="utf-8")) == json.loads(
        json.dumps(record)
    )
    said = texts(figures.maps(brains, LAYERS, space="", **{**ABOUT, "none": record["none"]}))
    assert "no coordinates x, y, z: they are regions" in said.replace("\n", " ")


def test_without_nilearn_one_message_says_what_to_install(tmp_path, monkeypatch):
    brains, record = brains_of(tmp_path, sphere())
    for name in [name for name in sys.modules if name.partition(".")[0] == "nilearn"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "nilearn", None)
    with pytest.raises(
        InputError, match=r"need the package nilearn .*\(requirements\.txt"
    ) as error:
        figures.maps(brains, LAYERS, space=record["space"], **ABOUT)
    assert "\n" not in str(error.value)


def test_no_other_job_imports_nilearn():
    importing = {
        rule for rule, _, script in rules() if "nilearn" in third_party(REPOSITORY / script)
    }
    assert importing == {"plot_maps"}
