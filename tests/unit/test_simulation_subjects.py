"""Simulated subjects: their noise has the sizes that their ceiling is computed from."""

import numpy as np
import pytest
from brainalign.simulation.subjects import (
    PERSISTENCE,
    Noise,
    autocorrelated,
    centred,
    respond,
)

NOISE = Noise(drift=0.8, subject=0.3, voxel=1.0)
SPLIT = [f"topic {i // 20:02d}" for i in range(240)]
CONTEXT = [f"passage {i // 4:02d}" for i in range(240)]


def state(seed=0, n_features=6):
    return centred(np.random.default_rng(seed).standard_normal((240, n_features)), SPLIT)


def draw(noise=NOISE, subjects=1, targets=500, seed=1):
    rng = np.random.default_rng(seed)
    return respond([state()] * subjects, CONTEXT, SPLIT, targets, noise, rng)


def signal(**options):
    """The same draws without noise: the noiseless responses."""
    return draw(noise=Noise(0.0, 0.0, 0.0), **options).values


def correlations(a, b):
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    return (a * b).sum(axis=0) / np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))


def by_group(values):
    return values.reshape(12, 20, -1)


def test_responses_have_no_mean_in_any_split_group_and_signals_variance_one():
    np.testing.assert_allclose(by_group(draw().values).mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(signal().var(axis=0), 1.0)


@pytest.mark.parametrize(
    ("noise", "tolerance"),
    [
        # Freedom: 60 passages less 12 means for the drift, which is all but constant in a passage;
        # 228 for the others. Times 500 targets; a variance's relative error is √(2 / freedom).
        (Noise(0.8, 0.0, 0.0), 5 * np.sqrt(2 / (48 * 500))),
        (Noise(0.0, 0.0, 1.0), 5 * np.sqrt(2 / (228 * 500))),
        # All targets share one draw.
        (Noise(0.0, 0.3, 0.0), 5 * np.sqrt(2 / 228)),
    ],
)
def test_each_noise_has_its_variance_within_split_groups(noise, tolerance):
    disturbance = draw(noise=noise).values - signal()
    result = (by_group(disturbance) ** 2).mean()
    assert result == pytest.approx(sum(sd**2 for sd in noise), rel=tolerance)


def test_the_ceiling_is_the_correlation_of_noiseless_and_measured_responses():
    """r is biased by −r(1 − r²)/2n: −0.003 for the 60 or more independent values of the noise.

    The mean over 500 targets has a standard error of (1 − r²)/√60/√500 = 0.004.
    """
    made = draw()
    assert made.true_ceiling == pytest.approx((1 + 0.64 + 0.09 + 1) ** -0.5)
    actual = correlations(signal(), made.values)
    assert actual.mean() == pytest.approx(made.true_ceiling[0], abs=0.015)
    # In a held-out group of 20 rows the bias is up to −0.6 · 0.64 / 2 / 8 = −0.02.
    groups = zip(by_group(signal()), by_group(made.values), strict=True)
    within = np.mean([correlations(a, b) for a, b in groups])
    assert within == pytest.approx(made.true_ceiling[0], abs=0.03)


def test_subjects_differ_in_noise_and_so_in_ceiling():
    made = draw(subjects=5, targets=200)
    assert len(set(made.subject)) == 5
    truth = made.true_ceiling.reshape(5, 200)[:, 0]
    assert (np.diff(truth) < 0).all()
    measured = (
        correlations(signal(subjects=5, targets=200), made.values).reshape(5, 200).mean(axis=1)
    )
    # Standard error as above with 200 targets: 0.006; bias −0.003.
    np.testing.assert_allclose(measured, truth, atol=0.025)


def test_drift_is_autocorrelated_within_groups_and_starts_anew_in_each():
    """Standard error of a mean over 20,000 processes of products of variance ≤ 2: 0.01."""
    first = np.arange(30) % 10 == 0
    drift = autocorrelated(first, 20_000, np.random.default_rng(1))
    seen = drift @ drift.T / 20_000
    group = np.arange(30) // 10
    lag = np.abs(np.subtract.outer(np.arange(30), np.arange(30)))
    expected = np.where(np.equal.outer(group, group), PERSISTENCE**lag, 0.0)
    np.testing.assert_allclose(seen, expected, atol=0.05)


def test_subject_noise_is_shared_by_a_subjects_targets_and_by_nobody_else():
    options = {"subjects": 2, "targets": 2}
    disturbance = draw(noise=Noise(0.0, 1.0, 0.0), **options).values - signal(**options)
    r = np.abs(np.corrcoef(disturbance.T))
    assert r[0, 1] == pytest.approx(1.0)
    assert r[2, 3] == pytest.approx(1.0)
    assert r[0, 2] < 4 / np.sqrt(228)


def test_the_same_seed_gives_the_same_responses():
    np.testing.assert_array_equal(draw().values, draw().values)
    assert not np.allclose(draw().values, draw(seed=2).values)


def test_a_split_group_of_one_row_is_refused():
    with pytest.raises(ValueError, match="1 rows"):
        respond([state()], CONTEXT, [*SPLIT[:-1], "z"], 1, NOISE, np.random.default_rng(1))
