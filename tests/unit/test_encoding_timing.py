"""Timed data: words to volumes, haemodynamic response, drift and nuisance."""

import numpy as np
import pytest
from brainalign.encoding.responses import Responses, Targets
from brainalign.encoding.settings import Cosine, Timing
from brainalign.encoding.splits import Split
from brainalign.encoding.timing import (
    VolumeMeans,
    WordsToVolumes,
    averaging,
    canonical_hrf,
    convolving,
    delayed,
    kept_volumes,
    residual,
    without_drift,
    zscored,
)
from brainalign.errors import InputError
from brainalign.formats.datasets import assign_volumes
from brainalign.settings import read
from scipy.stats import gamma


def test_a_word_belongs_to_the_last_volume_that_began_strictly_before_it():
    volumes = np.arange(0, 10, 2.0)
    words = np.array([0.0, 0.5, 2.0, 2.1, 9.9, 10.5])
    assert assign_volumes(words, volumes, 2.0).tolist() == [-1, 0, 0, 1, 4, -1]


def test_words_are_averaged_in_their_volume():
    features = np.array([[1.0], [3.0], [10.0]])
    matrix = averaging(np.array([0, 0, 2]), 4)
    np.testing.assert_allclose((matrix @ features)[:, 0], [2, 0, 10, 0])


def test_delays_stay_within_their_run():
    features = np.arange(1.0, 7.0)[:, None]
    runs = np.array([0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(
        delayed(features, [0, 1, 2], runs).T,
        [[1, 2, 3, 4, 5, 6], [0, 1, 2, 0, 4, 5], [0, 0, 1, 0, 0, 4]],
    )


def test_the_haemodynamic_response_is_spms():
    t = np.arange(0, 40, 0.1)
    formula = gamma.pdf(t, 6) - gamma.pdf(t, 16) / 6
    formula[t > 32] = 0
    ours = canonical_hrf(t)
    np.testing.assert_allclose(ours, formula / formula.sum() / 0.1, atol=2e-4)
    assert t[ours.argmax()] == pytest.approx(5.0, abs=0.11)
    assert canonical_hrf(np.array([-1.0]))[0] == 0


def test_convolution_is_nilearns():
    """nilearn convolves on a grid of 2 ms; its undershoot is 0.167 of the peak, SPM's a sixth."""
    from nilearn.glm.first_level import compute_regressor

    random = np.random.default_rng(0)
    volumes, words = np.arange(0, 120, 2.0), np.sort(random.uniform(0, 110, 40))
    values = random.standard_normal(40)
    events = np.stack([words, np.zeros(40), values])
    expected = compute_regressor(events, "spm", volumes, oversampling=1000)[0][:, 0]
    matrix = convolving(words, volumes, np.zeros(60, int), np.zeros(40, int))
    ours = matrix @ values
    scale = np.linalg.norm(ours) / np.linalg.norm(expected)
    np.testing.assert_allclose(ours, scale * expected, atol=2e-3 * abs(ours).max())


def test_words_are_convolved_within_their_run():
    volumes, runs = np.arange(0, 40, 2.0), np.repeat([0, 1], 10)
    words = np.array([1.0, 21.0])
    timing = Timing(features="hrf", silence="zero")
    features = WordsToVolumes(timing, words, volumes, runs, 2.0)(np.array([[2.0], [5.0]]))[:, 0]
    np.testing.assert_allclose(features[:10], 2 * canonical_hrf(volumes[:10] - 1))
    np.testing.assert_allclose(features[10:], 5 * canonical_hrf(volumes[10:] - 21))


def test_resampling_is_the_sum_of_lanczos_windows_and_crosses_no_run():
    """Each volume is summed over the words of its run, with sines as the filter is defined."""
    random = np.random.default_rng(1)
    runs = np.repeat([0, 1, 2], [12, 7, 15])
    volumes = 1.5 * np.arange(34)
    words = np.sort(random.uniform(0.1, 50.0, 90))
    words[[5, 40]] = volumes[[3, 15]] + 0.75 - 0.1  # with the middle of a word on that of a volume
    order = np.argsort(words)
    ends = np.where(np.arange(90) % 7 == 0, np.nan, words + 0.2)[order]
    words, values = words[order], random.standard_normal((90, 3))
    timing = Timing(features="lanczos", delays=(0, 2), silence="zero")
    features = WordsToVolumes(timing, words, volumes, runs, 1.5, ends)(values)
    run_of = [max(runs[i] for i in range(34) if i == 0 or volumes[i] < word) for word in words]
    expected = np.zeros((34, 3))
    for volume in range(34):
        for word in range(90):
            time = words[word] if np.isnan(ends[word]) else (words[word] + ends[word]) / 2
            x = (volumes[volume] + 0.75 - time) / 1.5
            if run_of[word] == runs[volume] and abs(x) < 3:
                p = np.pi * x
                weight = 3 * np.sin(p) * np.sin(p / 3) / p**2 if abs(x) > 1e-7 else 1.0
                expected[volume] += weight * values[word]
    np.testing.assert_allclose(features, delayed(expected, (0, 2), runs), atol=1e-10)
    assert np.abs(features).max() > 1


def test_resampling_passes_slow_changes_and_takes_out_fast_ones():
    """A period of ten volumes stays; one of 1.25 volumes, four fifths of a volume's, goes."""
    words = np.arange(0.1, 400, 0.25)
    volumes, inner = np.arange(0, 400, 2.0), slice(20, -20)
    timing = Timing(features="lanczos", delays=(0,), silence="zero")
    resampled = WordsToVolumes(timing, words, volumes, np.zeros(200, int), 2.0)
    for period, kept in ((20.0, 1.0), (2.5, 0.0)):
        wave = (
            resampled(np.sin(2 * np.pi * words / period)[:, None])[inner, 0] / 8
        )  # words a volume
        wanted = kept * np.sin(2 * np.pi * (volumes[inner] + 1) / period)
        np.testing.assert_allclose(wave, wanted, atol=0.06)


def test_trimming_and_z_scores_are_by_run():
    runs = np.repeat([1, 2], [30, 25])
    kept = kept_volumes(runs, (3, 2))
    assert kept.tolist() == [*range(3, 28), *range(33, 53)]
    values = np.random.default_rng(0).standard_normal((55, 2)) * 7 + runs[:, None]
    scored = zscored(values[kept], runs[kept])
    for run in (1, 2):
        rows = scored[runs[kept] == run]
        np.testing.assert_allclose(rows.mean(axis=0), 0, atol=1e-12)
        np.testing.assert_allclose(rows.std(axis=0), 1)
    with pytest.raises(InputError, match="leaves nothing of run 2"):
        kept_volumes(runs, (20, 5))


def test_the_words_of_rows_are_those_heard_in_them():
    volumes, runs = np.arange(0, 20, 2.0), np.zeros(10, int)
    words = np.arange(0.25, 20, 0.5)
    mapping = WordsToVolumes(Timing(trim=(2, 1)), words, volumes, runs, 2.0)
    rows = np.array([0, 3])  # volumes 2 and 5
    assert mapping.words_in(rows).tolist() == [8, 9, 10, 11, 20, 21, 22, 23]


def test_a_volume_without_words_holds_the_mean_word():
    """Or zero, if the benchmark says so: then silence is a signal of its own."""
    words, volumes = np.array([0.5, 4.5]), np.array([0.0, 2.0, 4.0])
    for silence, wanted in (("mean", [-1, 0, 1]), ("zero", [5, 0, 7])):
        timing = Timing(delays=(0,), silence=silence)
        mapping = WordsToVolumes(timing, words, volumes, np.zeros(3, int), 2.0)
        np.testing.assert_allclose(mapping(np.array([[5.0], [7.0]]))[:, 0], wanted)


@pytest.mark.parametrize("silence", ["mean", "zero"])
def test_means_over_volumes_make_the_features_that_their_words_make(silence):
    """The words' own features are the truth; the means are also taken one by one."""
    random = np.random.default_rng(0)
    volumes, runs = np.arange(0, 80, 2.0), np.repeat([0, 1], 20)
    onsets = np.sort(np.concatenate([random.uniform(0, 80, 90), [-1.0, 83.0]]))  # two in none
    words = random.standard_normal((onsets.size, 3)).astype(np.float32) + 5
    timing = Timing(delays=(1, 3), trim=(2, 1), zscore=("run",), silence=silence)
    of_words = WordsToVolumes(timing, onsets, volumes, runs, 2.0)
    means = VolumeMeans.of(of_words.assigned)
    for volume, count, mean in zip(means.volumes, means.counts, means(words), strict=True):
        heard = words[of_words.assigned == volume]
        assert count == len(heard)
        np.testing.assert_allclose(mean, heard.mean(axis=0), rtol=1e-6)
    of_means = of_words.of_means(means.volumes, means.counts)
    np.testing.assert_allclose(of_means(means(words)), of_words(words), atol=2e-6)


def test_means_of_other_words_are_refused():
    volumes, onsets = np.arange(0, 20, 2.0), np.arange(0.5, 20)
    of_words = WordsToVolumes(Timing(), onsets, volumes, np.zeros(10, int), 2.0)
    means = VolumeMeans.of(of_words.assigned)
    with pytest.raises(InputError, match="of other words"):
        of_words.of_means(means.volumes, means.counts + 1)
    convolved = WordsToVolumes(Timing(features="hrf"), onsets, volumes, np.zeros(10, int), 2.0)
    with pytest.raises(InputError, match="hrf needs each word"):
        convolved.of_means(means.volumes, means.counts)


def test_nuisance_is_fitted_to_training_rows_only():
    random = np.random.default_rng(0)
    nuisance = np.column_stack([np.ones(50), random.standard_normal((50, 3))])
    signal = random.standard_normal((50, 4))
    y = signal + nuisance @ random.standard_normal((4, 4)) * 5
    train, test = np.arange(40), np.arange(40, 50)
    given = nuisance[:, 1:]
    ours_train, ours_test = residual(y[train], y[test], given[train], given[test])
    weights = np.linalg.solve(nuisance[train].T @ nuisance[train], nuisance[train].T @ y[train])
    np.testing.assert_allclose(ours_train, y[train] - nuisance[train] @ weights)
    np.testing.assert_allclose(ours_test, y[test] - nuisance[test] @ weights)
    changed = y.copy()
    changed[test] += 100
    again, _ = residual(changed[train], changed[test], given[train], given[test])
    np.testing.assert_array_equal(again, ours_train)


def test_polynomials_of_each_run_are_removed():
    runs = np.repeat([0, 1], 20)
    t = np.tile(np.arange(20.0), 2)
    slow = np.where(runs == 1, 3 - t + t**2, 5 * t)[:, None]
    fast = np.tile([[1.0], [-1.0]], (20, 1))
    cleaned = without_drift(slow + fast, np.arange(40), runs, 2.0, 2)
    assert np.corrcoef(cleaned[:, 0], fast[:, 0])[0, 1] > 0.99
    for run in (0, 1):
        rows = runs == run
        for order in range(3):
            assert abs(cleaned[rows, 0] @ t[rows] ** order) < 1e-8
    np.testing.assert_allclose(without_drift(slow, np.arange(40), runs, 2.0, 2), 0, atol=1e-9)


def test_the_high_pass_filter_removes_slow_and_keeps_fast():
    t = np.arange(200) * 2.0
    slow, fast = np.cos(2 * np.pi * t / 400), np.cos(2 * np.pi * t / 20)
    rows = np.r_[0:80, 120:200]
    cleaned = without_drift((slow + fast)[rows, None], rows, np.zeros(160, int), 2.0, Cosine(100.0))
    assert np.corrcoef(cleaned[:, 0], fast[rows])[0, 1] > 0.97


def test_a_run_that_is_held_out_is_cleaned_like_the_others():
    random = np.random.default_rng(0)
    signal = random.standard_normal((80, 2))
    runs = np.repeat([0, 1], 40)
    y = signal + np.where(runs == 1, 0.5, -0.2)[:, None] * np.arange(80)[:, None]
    words = Targets(np.array(["a", "b"]), np.array(["s", "s"]), np.array(["r", "r"]))
    responses = Responses(
        y, words, timing=Timing(detrend=1), runs=runs, volumes=np.arange(80), tr=2.0
    )
    _, test = responses.fold(Split(np.arange(40), np.arange(40, 80)), slice(0, 2))
    assert np.corrcoef(test[:, 0], signal[40:, 0])[0, 1] > 0.95


@pytest.mark.parametrize("detrend", [1, Cosine(60.0)])
def test_each_subject_is_cleaned_with_its_nuisance(detrend):
    random = np.random.default_rng(1)
    n = 120
    nuisance = {s: zscored(random.standard_normal((n, 2))) for s in "ab"}
    signal = random.standard_normal((n, 4))
    subjects = np.array(list("abab"))
    y = signal.copy()
    for column, subject in enumerate(subjects):
        y[:, column] += 20 * nuisance[subject].sum(axis=1) + 0.3 * np.arange(n)
    responses = Responses(
        y,
        Targets(np.array(list("wxyz")), subjects, np.array(list("rrqq"))),
        timing=Timing(detrend=detrend, nuisance=True),
        runs=np.zeros(n, int),
        volumes=np.arange(n),
        tr=2.0,
        nuisance=nuisance,
    )
    assert responses.targets.ids.tolist() == ["w", "y", "x", "z"]
    split = Split(np.arange(90), np.arange(90, n))
    _, cleaned = responses.fold(split, slice(None))
    for size in (1, 3, 3):  # in blocks, the last time from what was kept
        parts = [responses.fold(split, block)[1] for block in responses.blocks(size)]
        np.testing.assert_allclose(np.concatenate(parts, axis=1), cleaned, atol=1e-10)
    for column, original in enumerate([0, 2, 1, 3]):
        r = np.corrcoef(cleaned[:, column], signal[90:, original])[0, 1]
        assert r > (0.9 if detrend == 1 else 0.8)


@pytest.mark.parametrize(
    "entry, message",
    [
        ({"feature": "fir"}, "unknown key 'feature'"),
        ({"features": "spm"}, "timing.features"),
        ({"delays": [-1]}, "timing.delays"),
        ({"trim": [1]}, "timing.trim"),
        ({"silence": "none"}, "timing.silence"),
        ({"zscore": ["all"]}, "timing.zscore"),
        ({"detrend": "linear"}, "timing.detrend"),
        ({"detrend": True}, "timing.detrend"),
    ],
)
def test_a_bad_timing_is_named(entry, message):
    with pytest.raises(InputError, match=message):
        read(entry, Timing, "timing")
