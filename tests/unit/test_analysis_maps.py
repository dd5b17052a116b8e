"""Maps: images whose voxels hold the scores of their targets."""

import json

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from brainalign.analysis.maps import maps, unlocated
from brainalign.errors import InputError
from brainalign.formats.datasets import check_responses
from nibabel.affines import apply_affine

GRID = (7, 6, 5)
KINDS = {"kind": "brain", "units": "z", "source": "s", "licence": "CC0", "simulated": 1}
# Oblique, mirrored, of voxels 2 × 2 × 3 mm.
AFFINES = {
    "s1": np.array([[-2.0, 0.1, 0, 9], [0.1, 2, 0.2, -4], [0, -0.2, 3, 1], [0, 0, 0, 1]]),
    "s2": np.diag([2.0, 2.0, 2.0, 1.0]),
}


def scores(seed=0):
    """Twelve voxels of each of two subjects, drawn from the grid."""
    random = np.random.default_rng(seed)
    voxels, coordinates, subjects = [], [], []
    for subject, affine in AFFINES.items():
        indices = np.argwhere(np.ones(GRID))[np.random.default_rng(1).permutation(210)[:12]]
        voxels.append(indices)
        coordinates.append(apply_affine(affine, indices).astype(np.float32))
        subjects += [subject] * 12
    coordinates = np.concatenate(coordinates)
    dataset = xr.Dataset(
        {
            "r": ("target", random.standard_normal(24).astype(np.float32)),
            "preferred_layer": ("target", random.integers(0, 9, 24).astype(np.int16)),
        },
        coords={
            "target_id": ("target", np.arange(24).astype(str)), "subject": ("target", subjects),
            **{axis: ("target", coordinates[:, k]) for k, axis in enumerate("xyz")},
        },
        attrs={
            "affine": json.dumps({s: affine.tolist() for s, affine in AFFINES.items()}),
            "grid": json.dumps(dict.fromkeys(AFFINES, GRID)),
        },
    )  # fmt: skip
    return dataset, np.concatenate(voxels)


SURFACE = 642  # vertices of fsaverage3 in a hemisphere


def on_surface(seed=0):
    """Forty vertices of two subjects, thirty of the left and ten of the right hemisphere."""
    random = np.random.default_rng(seed)
    n, sides = 40, np.repeat(["left", "right"], [30, 10])
    vertices = [
        np.r_[drawn.permutation(SURFACE)[:30], drawn.permutation(SURFACE)[:10]]
        for drawn in map(np.random.default_rng, (1, 2))
    ]
    dataset = xr.Dataset(
        {
            "r": ("target", random.standard_normal(2 * n).astype(np.float32)),
            "q": ("target", random.random(2 * n).astype(np.float32)),
            "preferred_layer": ("target", random.integers(0, 9, 2 * n).astype(np.int16)),
        },
        coords={
            "target_id": ("target", np.arange(2 * n).astype(str)),
            "subject": ("target", np.repeat(["s1", "s2"], n)),
            "hemisphere": ("target", np.tile(sides, 2)),
            "vertex": ("target", np.concatenate(vertices).astype(np.int32)),
        },
        attrs={"space": "fsaverage3"},
    )
    return dataset


def test_a_surface_read_back_holds_each_targets_score_at_its_vertex(tmp_path):
    tuned, vanilla = on_surface(0), on_surface(3)
    assert unlocated(tuned) == ""
    images = list(maps(tuned, vanilla))
    assert len(images) == 2 * 2 * 4
    assert {made.file for made in images if made.subject == "s2"} == {
        f"s2_{quantity}_hemi-{side}.func.gii"
        for quantity in ("r", "q", "preferred_layer", "tuned_minus_vanilla")
        for side in "LR"
    }
    for made in images:
        nib.save(made.image, tmp_path / made.file)
        read = nib.load(tmp_path / made.file)
        (values,) = (array.data for array in read.darrays)
        assert values.shape == (SURFACE,)
        assert read.meta["AnatomicalStructurePrimary"] == f"Cortex{made.hemisphere.capitalize()}"
        given = tuned[made.quantity] if made.quantity in tuned else tuned["r"] - vanilla["r"]
        expected = dict.fromkeys(range(SURFACE), -1 if values.dtype.kind == "i" else np.nan)
        for target in range(tuned.sizes["target"]):
            one = tuned.isel(target=target)
            if (one["subject"], one["hemisphere"]) == (made.subject, made.hemisphere):
                expected[int(one["vertex"])] = given.values[target]
        np.testing.assert_array_equal(values, list(expected.values()))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (
            lambda d: d.assign_coords(vertex=d["vertex"] + 600),
            "is not on fsaverage3, which has 642",
        ),
        (lambda d: d.assign_coords(vertex=d["vertex"] * 0 + 5), "30 targets of subject s1 lie at"),
    ],
)
def test_targets_that_are_no_vertices_are_refused(change, fault):
    with pytest.raises(InputError, match=fault):
        list(maps(change(on_surface())))


def test_a_surface_of_unknown_size_is_named():
    why = unlocated(on_surface().assign_attrs(space="mine"))
    assert "vertices of surface mine, whose size is not known" in why


def test_a_map_read_back_holds_each_targets_score_in_its_voxel(tmp_path):
    tuned, voxels = scores(0)
    vanilla, _ = scores(1)
    images = list(maps(tuned, vanilla))
    assert [(m.subject, m.quantity) for m in images[:3]] == [
        ("s1", "r"), ("s1", "preferred_layer"), ("s1", "tuned_minus_vanilla"),
    ]  # fmt: skip
    assert len(images) == 6
    expected = {
        "r": tuned["r"].values, "preferred_layer": tuned["preferred_layer"].values,
        "tuned_minus_vanilla": tuned["r"].values - vanilla["r"].values,
    }  # fmt: skip
    for subject, quantity, hemisphere, image in images:
        assert hemisphere == ""
        nib.save(image, tmp_path / "m.nii.gz")
        read = nib.load(tmp_path / "m.nii.gz")
        np.testing.assert_allclose(read.affine, AFFINES[subject], atol=1e-6)
        of_subject = tuned["subject"].values == subject
        volume = np.asarray(read.dataobj)
        np.testing.assert_array_equal(
            volume[tuple(voxels[of_subject].T)], expected[quantity][of_subject]
        )
        empty = volume == -1 if quantity == "preferred_layer" else np.isnan(volume)
        assert empty.sum() == 210 - 12


def test_without_a_partner_or_a_choice_of_layers_there_is_r_alone():
    tuned, _ = scores()
    assert {m.quantity for m in maps(tuned.drop_vars("preferred_layer"))} == {"r"}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda d: d.drop_vars("z"), "no coordinates z"),
        (lambda d: d.drop_vars(list("xyz")), "no coordinates x, y, z"),
        (lambda d: d.drop_attrs(), "the dataset has no affine and no grid"),
    ],
)
def test_targets_without_coordinates_are_named(change, why):
    dataset, _ = scores()
    assert unlocated(dataset) == ""
    assert why in unlocated(change(dataset))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda d: d.assign_coords(x=d["x"] + 0.5), "targets of subject s1 lie between voxels"),
        (lambda d: d.assign_coords(x=d["x"] + 400), "subject s1 lie"),
        (lambda d: d.assign_attrs(grid=json.dumps(dict.fromkeys(AFFINES, (2, 2, 2)))),
         "lie outside the grid .2, 2, 2."),
        (lambda d: d.isel(target=[0, *range(24)]), "2 targets of subject s1 lie at one index"),
    ],
)  # fmt: skip
def test_targets_that_are_no_voxels_are_refused(change, fault):
    dataset, _ = scores()
    with pytest.raises(InputError, match=fault):
        list(maps(change(dataset)))


def test_models_with_other_targets_are_not_compared():
    tuned, _ = scores()
    with pytest.raises(InputError, match="scores of other targets"):
        list(maps(tuned, tuned.isel(target=slice(None, None, -1))))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda d: d.drop_vars("vertex"), "hemisphere and vertex .* come together; it has hemi"),
        (
            lambda d: d.assign_coords(hemisphere=("target", ["both"] * d.sizes["target"])),
            "hemisphere 'both', expected left or right",
        ),
        (lambda d: d.assign_coords(vertex=d["vertex"] + 0.5), "other than numbers of vertices"),
        (lambda d: d.assign_coords(vertex=d["vertex"] - 700), "other than numbers of vertices"),
        (lambda d: d.assign_coords(vertex=d["vertex"] + 600), "is not on fsaverage3, which has"),
        (lambda d: d.drop_attrs().assign_attrs(KINDS), "attribute space .* is missing"),
    ],
)
def test_responses_with_bad_vertices_are_refused(change, fault):
    dataset = on_surface()
    values = np.random.default_rng(0).standard_normal((6, dataset.sizes["target"]))
    responses = xr.Dataset(
        {"responses": (("stimulus", "target"), values)},
        coords={
            **dataset.coords,
            "region": ("target", ["x"] * dataset.sizes["target"]),
            "stimulus_id": ("stimulus", list("abcdef")),
        },
        attrs=dataset.attrs | KINDS,
    )
    stimuli = pd.DataFrame({"stimulus_id": list("abcdef")})
    check_responses(responses, stimuli, "r.nc")
    with pytest.raises(InputError, match=fault):
        check_responses(change(responses), stimuli, "r.nc")
