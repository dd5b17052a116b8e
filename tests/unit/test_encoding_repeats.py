"""Ceilings from repeats: known signal and noise, brute force, bad input."""

import tracemalloc

import numpy as np
import pytest
import xarray as xr
from brainalign.encoding.repeats import Powers, noise_share, repeats_of, signal_and_noise
from brainalign.encoding.responses import gather_responses
from brainalign.encoding.settings import Timing
from brainalign.errors import InputError
from brainalign.formats import datasets as formats
from brainalign.formats.datasets import check_responses, open_responses, write_dataset
from worlds.encoding import GROUPS, SENTENCES, tables
from worlds.entries import noise_ceiling

ROWS = GROUPS * SENTENCES
ENTRY = {
    "regression": {"type": "ols"}, "split": {"scheme": "grouped", "folds": 4},
    "aggregate": "mean", "layers": "nested", "ceiling": {"method": "repeats", "bootstraps": 50},
}  # fmt: skip


def heard_again(n_repeats, snr, targets=120, rows=ROWS, repeated=None, seed=0):
    """Stimuli and responses: signal of variance `snr`, noise of variance 1 in each repeat."""
    random = np.random.default_rng(seed)
    repeated = np.arange(rows) if repeated is None else repeated
    signal = snr**0.5 * random.standard_normal((rows, targets))
    y = signal + random.standard_normal((rows, targets))
    each = signal[repeated] + random.standard_normal((n_repeats, repeated.size, targets))
    y[repeated] = each.mean(axis=0)
    stimuli, dataset = tables(y)
    dataset["repeats"] = ("repeat", "repeated", "target"), each
    return stimuli, dataset.assign_coords(repeated=("repeated", repeated)), signal


def powers_of(dataset, timing=None, bootstraps=2):
    responses = gather_responses(dataset, timing)
    repeats = repeats_of(dataset, responses)
    return signal_and_noise(repeats, responses, bootstraps, np.random.default_rng(0)), repeats


@pytest.mark.parametrize("n_repeats", range(2, 11))
@pytest.mark.parametrize("snr", [0.25, 1.0])
def test_the_ceiling_has_no_bias_at_known_noise(n_repeats, snr):
    """Means over 600 targets, of explainable variance and of r of signal and mean response."""
    means = []
    for seed in range(5):
        _, dataset, _ = heard_again(n_repeats, snr, seed=seed)
        powers, repeats = powers_of(dataset)
        np.testing.assert_allclose(noise_share(repeats, np.arange(ROWS)), 1 / n_repeats)
        means.append([powers.explainable[0].mean(), powers.highest_r(1 / n_repeats)[0].mean()])
    explainable, highest = np.mean(means, axis=0)
    assert explainable == pytest.approx(snr / (snr + 1), abs=0.01)
    assert highest == pytest.approx((snr / (snr + 1 / n_repeats)) ** 0.5, abs=0.01)


def test_powers_are_schoppes():
    """Signal power by the variance of the sum of repeats, theirs with variances over n - 1."""
    _, dataset, _ = heard_again(4, 0.5)
    powers, _ = powers_of(dataset)
    each = dataset["repeats"].values
    n = len(each)
    of_sum, sum_of = each.sum(axis=0).var(axis=0, ddof=1), each.var(axis=1, ddof=1).sum(axis=0)
    signal = (of_sum - sum_of) / (n * (n - 1))
    np.testing.assert_allclose(powers.signal[0], signal, atol=1e-12)
    highest = 1 / np.sqrt(1 + (sum_of / n / signal - 1) / n)  # their eq. of CC_max
    np.testing.assert_allclose(powers.highest_r(1 / n)[0], highest, atol=1e-12)


def test_the_ceiling_is_what_the_signal_itself_scores():
    """Of all rows, though three quarters are heard three times and the others once."""
    repeated = np.arange(3 * ROWS // 4) + 17
    stimuli, dataset, signal = heard_again(3, 2.0, repeated=repeated)
    table = noise_ceiling(stimuli, dataset, ENTRY, 0)
    y = dataset["responses"].values
    r = [np.corrcoef(signal[:, k], y[:, k])[0, 1] for k in range(y.shape[1])]
    overall = table[(table["target_id"] == "all") & (table["region"] == "all")].iloc[0]
    assert overall["ceiling"] == pytest.approx(np.mean(r), abs=0.02)
    of_targets = table[table["target_id"] != "all"]
    held = (of_targets["low"] < np.mean(r)) & (of_targets["high"] > np.mean(r))
    assert held.mean() > 0.8
    assert overall["explainable_variance"] == pytest.approx(2 / 3, abs=0.03)
    assert set(table["method"]) == {"repeats"} and set(table["note"]) == {""}


def test_a_target_without_signal_has_a_weak_ceiling():
    stimuli, dataset, _ = heard_again(3, 0.0)
    table = noise_ceiling(stimuli, dataset, ENTRY, 0)
    weak = table["note"].str.startswith("weak")
    assert weak[table["target_id"] != "all"].mean() > 0.85
    assert (table["ceiling"] < 0).any()  # nothing is clipped


def test_drift_and_levels_of_repeats_are_no_noise_where_scans_are_cleaned():
    """Each repeat has another level in each run and another slope; rows of runs are trimmed."""
    random = np.random.default_rng(3)
    runs, n, targets = np.repeat([0, 1], 120), 240, 60
    signal = random.standard_normal((n, targets))
    drift = random.standard_normal((4, 2, 1, targets))[:, runs, 0] * 5
    drift = drift + np.linspace(0, 9, n)[None, :, None] * random.standard_normal((4, 1, targets))
    each = signal + random.standard_normal((4, n, targets)) + drift
    dataset = xr.Dataset(
        {
            "responses": (("volume", "target"), each.mean(axis=0)),
            "repeats": (("repeat", "repeated", "target"), each),
        },
        coords={
            "target_id": ("target", np.arange(targets).astype(str)),
            "subject": ("target", np.array(["b", "a"] * (targets // 2))),
            "region": ("target", ["x"] * targets),
            "onset": ("volume", np.arange(n) * 2.0), "run": ("volume", runs),
            "repeated": ("repeated", np.arange(n)),
        },
        attrs={"tr": 2.0},
    )  # fmt: skip
    cleaned, repeats = powers_of(dataset, Timing(detrend=1, trim=(2, 1)))
    assert repeats.values.shape == (4, 234, targets)
    assert cleaned.explainable[0].mean() == pytest.approx(0.5, abs=0.02)
    assert powers_of(dataset, Timing())[0].explainable[0].mean() < 0.4
    order = np.argsort(dataset["subject"].values, kind="stable")
    kept = np.r_[2:119, 122:239]
    np.testing.assert_array_equal(repeats.values, each[:, kept][:, :, order])


def test_subjects_may_differ_in_their_number_of_repeats():
    """Four, two or one by subject: powers are those of each subject's own repeats, alone."""
    stimuli, dataset, _ = heard_again(4, 1.0)
    counts = dict(zip(["subject0", "subject1", "subject2"], [4, 2, 1], strict=True))
    n = np.array([counts[name] for name in dataset["subject"].values])
    absent = np.arange(4)[:, None, None] >= n
    each = np.where(absent, np.nan, dataset["repeats"].values)
    dataset["repeats"] = ("repeat", "repeated", "target"), each
    dataset["responses"].values[:] = np.nanmean(each, axis=0)
    check_responses(dataset, stimuli, "r.nc")
    powers, repeats = powers_of(dataset)
    np.testing.assert_allclose(noise_share(repeats, np.arange(ROWS)), 1 / n)
    assert np.isnan(powers.signal[:, n == 1]).all()
    for count in (4, 2):
        part = each[:count, :, n == count]
        part = part - part.mean(axis=1, keepdims=True)
        of_mean, within = (
            part.mean(axis=0).var(axis=0, ddof=1),
            part.var(axis=0, ddof=1).sum(axis=0),
        )
        noise = within / (ROWS - 1)
        np.testing.assert_allclose(powers.noise[0, n == count], noise, atol=1e-12)
        np.testing.assert_allclose(
            powers.signal[0, n == count], of_mean - noise / count, atol=1e-12
        )
    table = noise_ceiling(stimuli, dataset, ENTRY, 0).set_index("target_id")
    assert table["ceiling"].drop("all").isna().to_numpy().sum() == (n == 1).sum()


def test_a_target_that_is_not_measured_has_no_ceiling():
    stimuli, dataset, _ = heard_again(3, 1.0)
    dataset["responses"][:, 4] = 1.0
    table = noise_ceiling(stimuli, dataset, ENTRY, 0).set_index("target_id")
    assert table["ceiling"].isna().pipe(lambda lost: lost[lost].index.tolist()) == ["v4"]


def test_targets_without_signal_have_ceilings_that_are_0_on_average():
    """A negative power counts as much as a positive one, however near −noise / n it is."""
    power = np.random.default_rng(0).normal(0, 0.1, 200)
    pairs = Powers(np.r_[power, -power, -0.49999], np.ones(401))
    highest = pairs.highest_r(0.5)
    np.testing.assert_allclose(highest[:200], -highest[200:400])
    assert -1 < highest[-1] < 0


def test_the_sign_of_a_negative_power_stays():
    powers = Powers(np.array([-0.1, 0.5]), np.array([1.0, 0.5]))
    np.testing.assert_allclose(powers.highest_r(0.5), [-((0.1 / 0.6) ** 0.5), (0.5 / 0.75) ** 0.5])


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda d: d.drop_vars("repeats"), "responses have none .variable repeats"),
        (lambda d: d.isel(repeat=[0]), "expected .repeat, repeated, target. with 2 or more"),
        (lambda d: d.assign(responses=d["responses"] + 1), "v0: its responses are not the means"),
        (lambda d: d.assign_coords(repeated=d["repeated"] + 1), "increasing row numbers of the"),
        (lambda d: d.assign(repeats=d["repeats"].where(d["repeated"] < 200)),
         "v0 has fewer repeats in row 200"),
        (lambda d: d.assign(
            responses=d["responses"].where(np.arange(ROWS)[:, None] > 0),
            repeats=d["repeats"].where(d["repeated"] < 200),
        ), "v0 has fewer repeats in row 200"),
        (lambda d: d.assign(responses=(d["responses"] + 1).where(np.arange(ROWS)[:, None] > 0)),
         "v0: its responses are not the means"),
    ],
)  # fmt: skip
def test_what_is_no_set_of_repeats_is_refused(change, fault):
    stimuli, dataset, _ = heard_again(3, 1.0)
    changed = change(dataset)
    with pytest.raises(InputError, match=fault):
        check_responses(changed, stimuli, "r.nc")
        noise_ceiling(stimuli, changed, ENTRY, 0)


@pytest.mark.parametrize("block", [1, 10_000, 1 << 20])
def test_the_target_at_fault_is_named_whatever_is_read_at_a_time(block, monkeypatch):
    monkeypatch.setattr(formats, "BLOCK", block)
    stimuli, dataset, _ = heard_again(3, 1.0)
    dataset["responses"][7, 71] += 1
    with pytest.raises(InputError, match="target v71: its responses are not the means"):
        check_responses(dataset, stimuli, "r.nc")
    dataset["repeats"][1, 5, 50] = np.nan
    with pytest.raises(InputError, match="target v50 has fewer repeats in row 5"):
        check_responses(dataset, stimuli, "r.nc")


def test_repeats_stay_in_the_file_and_are_checked_some_targets_at_a_time(tmp_path, monkeypatch):
    """The allocations that Python counts, against the size of the repeats."""
    monkeypatch.setattr(formats, "BLOCK", 1 << 17)
    stimuli, dataset, _ = heard_again(4, 1.0, targets=4000)
    paths = (tmp_path / "stimuli.parquet", tmp_path / "responses.nc")
    write_dataset(stimuli, dataset, *paths)
    tracemalloc.start()
    with open_responses(paths[1], stimuli) as opened:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < dataset["repeats"].nbytes / 3
        xr.testing.assert_identical(opened["repeats"].load(), dataset["repeats"])


def test_regressors_of_one_scan_do_not_clean_repeats():
    _, dataset, _ = heard_again(3, 1.0)
    responses = gather_responses(dataset)
    responses.nuisance = {"subject0": np.zeros((ROWS, 1))}
    with pytest.raises(InputError, match="take nuisance: false"):
        repeats_of(dataset, responses)
