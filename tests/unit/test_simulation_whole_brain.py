"""The simulated whole brain: repeats, coordinates, and which voxels follow the text."""

import json

import numpy as np
import pytest
from brainalign.encoding.correlation import pearson
from brainalign.formats.datasets import read_responses, read_stimuli, write_dataset
from brainalign.formats.locations import voxels_of
from brainalign.simulation.head import CENTRE, RADII, REGION, REGION_CENTRE, REGION_RADIUS, head
from brainalign.simulation.subjects import ceiling_of_mean
from sklearn.linear_model import LinearRegression
from worlds.entries import simulate

SIZES = {"runs": 4, "volumes": 120, "subjects": 2, "spacing": 12, "repeats": 3}


@pytest.fixture(scope="module")
def made():
    return simulate("whole-brain", SIZES, {}, 1)


def test_what_is_drawn_is_written_and_read_again(made, tmp_path):
    write_dataset(made.stimuli, made.responses, tmp_path / "s.parquet", tmp_path / "r.nc")
    again = read_responses(tmp_path / "r.nc", read_stimuli(tmp_path / "s.parquet"))
    assert again.sizes["repeat"] == 3 and again.attrs["simulated"] == 1
    assert made.card["planted_voxels"] == int((again["region"] == REGION).sum()) / 2


def test_the_last_run_is_held_out_and_the_mean_of_its_repeats(made):
    responses = made.responses
    last = responses["run"].values == "run-4"
    np.testing.assert_array_equal(responses["held_out"].values == 1, last)
    np.testing.assert_array_equal(responses["repeated"].values, np.flatnonzero(last))
    each = responses["repeats"].values.astype(float)
    brute = sum(each[i] for i in range(3)) / 3
    np.testing.assert_allclose(responses["responses"].values[last], brute, atol=1e-6)
    assert np.abs(each[0] - each[1]).min(axis=0).max() > 0  # each repeat has other noise


def test_the_voxels_fill_the_head_and_the_region(made):
    """Counts are volumes over that of a voxel, within the share of voxels at the surface."""
    voxels = head(4.0)
    volume = 4 / 3 * np.pi
    assert len(voxels.coordinates) == pytest.approx(volume * RADII.prod() / 64, rel=0.02)
    drawn = REGION_CENTRE + np.random.default_rng(0).uniform(
        -REGION_RADIUS, REGION_RADIUS, (10**5, 3)
    )
    both = np.linalg.norm(drawn - REGION_CENTRE, axis=1) < REGION_RADIUS
    both &= (((drawn - CENTRE) / RADII) ** 2).sum(axis=1) < 1  # the ball reaches out of the head
    assert voxels.planted.sum() == pytest.approx(
        both.mean() * (2 * REGION_RADIUS) ** 3 / 64, rel=0.05
    )
    away = np.linalg.norm(voxels.coordinates[voxels.planted] - REGION_CENTRE, axis=1)
    assert away.max() < REGION_RADIUS
    assert ((voxels.coordinates - CENTRE) / RADII).min() > -1
    for subject, affine in json.loads(made.responses.attrs["affine"]).items():
        of_subject = made.responses.isel(target=made.responses["subject"].values == subject)
        coordinates = np.stack([of_subject[axis].values for axis in "xyz"], axis=1)
        shape = tuple(json.loads(made.responses.attrs["grid"])[subject])
        voxels_of(
            coordinates, np.array(affine), shape, subject, "test"
        )  # inside, and one target each


def test_planted_voxels_have_their_ceiling_and_all_others_no_signal(made):
    """The same draws without noise are the signal: its r with the mean of the repeats."""
    silent = {"drift": 0.0, "subject_noise": 0.0, "voxel_noise": 0.0}
    signal = simulate("whole-brain", SIZES, silent, 1).responses
    responses = made.responses
    held_out = responses["held_out"].values == 1
    planted = responses["region"].values == REGION
    assert (signal["responses"].values[:, ~planted] == 0).all()
    of_state = signal["responses"].values[:, planted]
    fit = LinearRegression().fit(signal["truth_features"].values, of_state)
    np.testing.assert_allclose(fit.predict(signal["truth_features"].values), of_state, atol=1e-3)
    ceiling = responses["true_ceiling"].values
    assert (ceiling[~planted] == 0).all() and ceiling[planted].min() > 0.7
    r = pearson(of_state[held_out], responses["responses"].values[held_out][:, planted])
    assert r.mean() == pytest.approx(ceiling[planted].mean(), abs=0.04)


def test_the_ceiling_of_a_mean_is_that_of_less_noise():
    one = np.array([1 / (1 + 1.73) ** 0.5, 0.0, 1.0])
    np.testing.assert_allclose(ceiling_of_mean(one, 4), [1 / (1 + 1.73 / 4) ** 0.5, 0.0, 1.0])
    np.testing.assert_allclose(ceiling_of_mean(one, 1), one)
