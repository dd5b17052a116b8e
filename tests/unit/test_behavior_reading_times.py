"""Reading-time fits: planted readers, brute force, statsmodels, known reliabilities."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
import xarray as xr
from brainalign.behavior.random_intercept import cross_validated_gain, fit, held_out_loglik, sums
from brainalign.behavior.reading_times import regressors, word_table
from brainalign.behavior.reliability import analytic_reliability, reliability, split_half
from brainalign.behavior.settings import NoCeiling, SplitHalf
from brainalign.behavior.terms import KNOTS, natural_spline, spills_over, values_of
from brainalign.behavior.token_counts import token_counts
from brainalign.errors import InputError
from scipy import stats
from scipy.interpolate import CubicSpline
from worlds.entries import fit_reading_times

SLOPE, BACK, LENGTH = 4.0, 2.5, 3.0


class World:
    """Stories read by readers whose times are linear in surprisal, as planted."""

    def __init__(self, seed=0, stories=6, words=150, readers=8, slope=SLOPE, noise=60.0):
        rng = np.random.default_rng(seed)
        n = stories * words
        story = np.repeat([f"story{s}" for s in range(stories)], words)
        position = np.tile(np.arange(words), stories)
        length = rng.integers(1, 12, n).astype(float)
        frequency = -0.6 * length + rng.normal(size=n)
        bits = 6 - frequency + rng.normal(0, 2, n)
        start = position == 0
        back = np.where(start, 0, np.roll(bits, 1))
        self.stimuli = pd.DataFrame(
            {
                "stimulus_id": [f"w{i}" for i in range(n)],
                "text": "word",
                "context_group": story,
                "position": position + 1,
                "split_group": story,
                "onset": np.nan,
                "offset": np.nan,
                "length": length,
                "log_frequency": frequency,
                "word_in_sentence": position % 15 + 1,
                "punctuation": rng.random(n) < 0.15,
            }
        )
        mean = 300 + slope * bits + (BACK if slope else 0) * back + LENGTH * length - 0.1 * position
        self.reader_effect = rng.normal(0, 40, readers)
        times = mean[:, None] + self.reader_effect + rng.normal(0, noise, (n, readers))
        skipped = rng.random(readers * stories).reshape(stories, readers) < 0.2
        times[np.repeat(skipped, words, axis=0)] = np.nan
        self.times = times
        self.surprisal = pd.DataFrame({"stimulus_id": self.stimuli["stimulus_id"], "bits": bits})

    def responses(self, times=None, **more):
        times = self.times if times is None else times
        names = [f"r{i}" for i in range(times.shape[1])]
        target = {k: ("target", names) for k in ("target_id", "subject", "region")}
        variables = {"responses": times, **more}
        return xr.Dataset(
            {name: (("stimulus", "target"), values) for name, values in variables.items()},
            coords={**target, "stimulus_id": ("stimulus", self.stimuli["stimulus_id"])},
            attrs={"kind": "reading-times"},
        )

    def fit(self, mode, **options):
        return fit_reading_times(self.surprisal, self.stimuli, self.responses(), mode, **options)


@pytest.fixture(scope="module")
def world():
    return World()


def overall(table):
    return table[table["kind"] == "all"].set_index("measure")


def test_legacy_score_is_the_plain_correlation(world):
    result = overall(world.fit("legacy"))
    keep = (world.stimuli["word_in_sentence"] != 1).to_numpy() & ~np.isnan(world.times).all(1)
    expected = stats.pearsonr(world.surprisal["bits"][keep], np.nanmean(world.times[keep], axis=1))
    assert result.loc["r", "value"] == pytest.approx(expected.statistic)
    assert result.loc["abs_r", "value"] == pytest.approx(abs(expected.statistic))
    assert result.loc["r", "n"] == keep.sum()
    assert result.loc["r", "n_dropped"] == (~keep).sum()
    assert result.loc["r", "low"] < expected.statistic < result.loc["r", "high"]


def test_a_negative_correlation_shows_in_r_and_its_interval(world):
    inverted = world.surprisal.assign(bits=-world.surprisal["bits"])
    table = fit_reading_times(inverted, world.stimuli, world.responses(), "legacy")
    result = overall(table)
    assert result.loc["r", "value"] < 0 < result.loc["abs_r", "value"]
    assert result.loc["abs_r", "low"] == pytest.approx(-result.loc["r", "high"])


def test_controlled_measures_recover_the_planted_slopes():
    result = overall(
        World(readers=24).fit("controlled", covariates=["length", "log_frequency", "position"])
    )
    for measure, planted in (
        ("slope_ms_per_bit", SLOPE),
        ("slope_ms_per_bit_1_back", BACK),
        ("slope_ms_per_bit_2_back", 0.0),
    ):
        row = result.loc[measure]
        assert row["low"] < planted < row["high"]
    assert result.loc["delta_loglik_per_word", "low"] > 0
    assert result.loc["delta_loglik_per_observation", "low"] > 0
    assert 0 < result.loc["partial_r", "value"] < 1


def test_partial_r_is_that_of_the_full_regression(world):
    covariates = ["length", "log_frequency", "position"]
    result = overall(world.fit("controlled", covariates=covariates))
    words = word_table(world.surprisal, world.stimuli, world.responses(), covariates, True)
    design, _, _ = regressors(words, covariates, 2)
    data = design.assign(rt=words["rt"])[words["scored"] & design.notna().all(axis=1)]
    ols = smf.ols("rt ~ " + " + ".join(design.columns), data).fit()
    t, freedom = ols.tvalues["bits"], ols.df_resid
    assert result.loc["partial_r", "value"] == pytest.approx(t / np.sqrt(t**2 + freedom))
    assert result.loc["slope_ms_per_bit", "value"] == pytest.approx(ols.params["bits"])


def test_gain_equals_leave_one_story_out_by_hand(world):
    result = overall(world.fit("controlled", covariates=["length"], spillover=1))
    words = word_table(world.surprisal, world.stimuli, world.responses(), ["length"], True)
    design, base, _ = regressors(words, ["length"], 1)
    data = design.assign(rt=words["rt"], story=words["story"])
    data = data[words["scored"] & design.notna().all(axis=1)]
    gain = 0.0
    for story in data["story"].unique():
        train, test = data[data["story"] != story], data[data["story"] == story]
        for columns, sign in ((list(design.columns), 1), (base, -1)):
            model = smf.ols("rt ~ " + " + ".join(columns), train).fit()
            sd = np.sqrt((model.resid**2).mean())
            gain += sign * stats.norm.logpdf(test["rt"], model.predict(test), sd).sum()
    assert result.loc["delta_loglik_per_word", "value"] == pytest.approx(gain / len(data))


def test_surprisal_that_says_nothing_gains_nothing():
    gains = []
    for seed in range(20):
        table = overall(World(seed, slope=0.0, stories=4, words=80).fit("controlled"))
        gains.append(table.loc["delta_loglik_per_word", "value"])
    assert max(gains) < 0.02
    assert np.mean(gains) < 0


def test_spillover_never_crosses_a_story(world):
    words = word_table(world.surprisal, world.stimuli, world.responses(), ["length"], True)
    design, base, surprisals = regressors(words, ["length"], 2)
    first = words.groupby("story").head(1).index
    second = words.groupby("story").nth(1).index
    assert design.loc[first, "bits_1_back"].isna().all()
    assert design.loc[second, "length_2_back"].isna().all()
    assert design.loc[second, "bits_1_back"].to_numpy() == pytest.approx(
        words.loc[first, "bits"].to_numpy()
    )
    assert base == ["length", "length_1_back", "length_2_back"]
    assert surprisals == ["bits", "bits_1_back", "bits_2_back"]


def test_lag_profile_peaks_at_0_and_moves_with_a_shift(world):
    def peak(times):
        table = fit_reading_times(world.surprisal, world.stimuli, world.responses(times), "legacy")
        lags = table[table["kind"] == "lag"].set_index("group")["value"]
        return lags.idxmax()

    assert peak(world.times) == "0"
    late = np.roll(world.times, 1, axis=0)
    assert peak(late) == "-1"


def test_parts_are_reported(world):
    table = world.fit("controlled")
    kinds = table.groupby(["measure", "kind"]).size()
    assert kinds["r", "story"] == 6
    assert kinds["r", "reader"] == 8
    assert kinds["r", "lag"] == 5
    assert kinds["delta_loglik_per_word", "story"] == 6
    assert kinds["delta_loglik_per_observation", "story"] == 6


def test_result_does_not_depend_on_the_units_of_covariates(world):
    stimuli = world.stimuli.assign(length=world.stimuli["length"] * 1e6 + 1e9)
    one = overall(world.fit("controlled"))["value"]
    other = overall(fit_reading_times(world.surprisal, stimuli, world.responses(), "controlled"))[
        "value"
    ]
    np.testing.assert_allclose(other, one, rtol=1e-5)


def test_same_seed_same_table(world):
    pd.testing.assert_frame_equal(world.fit("controlled", seed=3), world.fit("controlled", seed=3))


def test_mixed_model_equals_statsmodels(world):
    keep = slice(0, 300)
    x = np.column_stack(
        [np.ones(300), world.surprisal["bits"][keep], world.stimuli["length"][keep]]
    )
    times = world.times[keep]
    ours = fit(sums(x, times))
    word, reader = np.nonzero(~np.isnan(times))
    data = pd.DataFrame(
        {"y": times[word, reader], "b": x[word, 1], "l": x[word, 2], "reader": reader}
    )
    theirs = smf.mixedlm("y ~ b + l", data, groups="reader").fit(reml=False)
    np.testing.assert_allclose(ours.weights, theirs.fe_params, rtol=1e-4)
    assert ours.variance == pytest.approx(theirs.scale, rel=1e-3)
    assert ours.loglik == pytest.approx(theirs.llf, abs=1e-3)
    assert ours.ratio == pytest.approx(theirs.cov_re.iloc[0, 0] / theirs.scale, rel=0.02)


def test_held_out_loglik_is_that_of_the_conditional_normal(world):
    """Against the multivariate normal of training and test times of each reader together."""
    x = np.column_stack([np.ones(12), np.arange(12.0)])
    times = world.times[:12, ~np.isnan(world.times[0])]
    train, test = slice(0, 8), slice(8, 9)
    trained = sums(x[train], times[train])
    model = fit(trained)
    ours = held_out_loglik(model, trained, x[test], times[test])
    expected = 0.0
    mean = x @ model.weights
    cov = model.variance * (np.eye(9) + model.ratio)
    for reader in range(times.shape[1]):
        both = stats.multivariate_normal(mean[:9], cov).logpdf(times[:9, reader])
        first = stats.multivariate_normal(mean[:8], cov[:8, :8]).logpdf(times[:8, reader])
        expected += both - first
    assert ours.sum() == pytest.approx(expected)


def test_mixed_gain_is_0_for_equal_models(world):
    x = np.column_stack([np.ones(len(world.times)), world.surprisal["bits"]])
    gain = cross_validated_gain(x, x, world.times, world.stimuli["context_group"].to_numpy())
    assert (gain[~np.isnan(world.times)] == 0).all()
    assert (np.isnan(gain) == np.isnan(world.times)).all()


@pytest.mark.parametrize(("readers", "sd"), [(40, 1.0), (20, 3.0)])
def test_reliabilities_find_the_planted_one(readers, sd):
    """Signal variance 1, noise variance sd² per reader: reliability 1 / (1 + sd²/n)."""
    rng = np.random.default_rng(1)
    signal = rng.normal(size=4000)
    times = signal[:, None] + rng.normal(0, sd, (4000, readers))
    expected = 1 / (1 + sd**2 / readers)
    assert split_half(times, 10, 0) == pytest.approx(expected, abs=0.01)
    analytic = analytic_reliability(times.mean(1), times.std(1, ddof=1), np.full(4000, readers))
    assert analytic == pytest.approx(expected, abs=0.01)


def test_the_mean_correlates_with_the_signal_by_the_root():
    rng = np.random.default_rng(2)
    signal = rng.normal(size=20_000)
    times = signal[:, None] + rng.normal(0, 3, (20_000, 9))
    reachable = np.corrcoef(signal, times.mean(1))[0, 1]
    assert np.sqrt(split_half(times, 20, 0)) == pytest.approx(reachable, abs=0.01)


def test_ceilings_of_readers_means_and_bare_means(world):
    mean = np.nanmean(world.times, axis=1, keepdims=True)
    n = (~np.isnan(world.times)).sum(1, keepdims=True).astype(float)
    sd = np.nanstd(world.times, axis=1, ddof=1, keepdims=True)
    assert reliability(world.responses(), None, SplitHalf(), 0).method == "split-half"
    with_spread = reliability(world.responses(mean, sd=sd, n=n), None, SplitHalf(), 0)
    assert with_spread.method == "at least analytic"
    assert with_spread.root().method == "at least root of analytic"
    assert 0 < with_spread.value < 1
    bare = reliability(world.responses(mean), None, SplitHalf(), 0)
    assert np.isnan(bare.value)
    assert bare.note.startswith("no ceiling")
    assert reliability(world.responses(), None, NoCeiling(), 0).method == "none"


def test_legacy_ceiling_counts_all_words_and_controlled_takes_the_root(world):
    legacy, controlled = overall(world.fit("legacy")), overall(world.fit("controlled"))
    assert legacy.loc["abs_r", "ceiling"] == pytest.approx(split_half(world.times, 10, 0))
    scored = (world.stimuli["word_in_sentence"] != 1).to_numpy()
    expected = np.sqrt(split_half(world.times[scored], 10, 0))
    assert controlled.loc["r", "ceiling"] == pytest.approx(expected)


def test_one_story_is_not_computable_by_cross_validation():
    table = overall(World(stories=1).fit("controlled"))
    row = table.loc["delta_loglik_per_word"]
    assert np.isnan(row["value"])
    assert row["note"] == "not computable: one story, cross-validation needs two"


def test_constant_surprisal_has_no_r(world):
    flat = world.surprisal.assign(bits=5.0)
    for mode in ("legacy", "controlled"):
        table = overall(fit_reading_times(flat, world.stimuli, world.responses(), mode))
        assert np.isnan(table.loc["r", "value"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: {"surprisal": w.surprisal.iloc[1:]}, "899 words and stimuli 900"),
        (lambda w: {"mode": "controlled", "covariates": ["rarity"]}, "no column rarity"),
        (lambda w: {"stimuli": w.stimuli.drop(columns="word_in_sentence")}, "word_in_sentence"),
        (
            lambda w: {
                "mode": "controlled",
                "stimuli": w.stimuli.assign(length=w.stimuli["length"].map("{} letters".format)),
            },
            "length is '.* letters', expected a number",
        ),
        (
            lambda w: {"surprisal": w.surprisal.assign(bits=np.nan)},
            "0 words have both a surprisal and a reading time",
        ),
        (
            lambda w: {"responses": w.responses().assign_attrs(kind="brain")},
            "kind 'brain'",
        ),
    ],
)
def test_bad_input_is_named(world, change, message):
    given = {
        "surprisal": world.surprisal,
        "stimuli": world.stimuli,
        "responses": world.responses(),
        "mode": "legacy",
        **change(world),
    }
    with pytest.raises(InputError, match=message):
        fit_reading_times(**given)


WORDS = pd.DataFrame(
    {"story": ["a", "a", "a", "b", "b"], "x": [1.0, 2.0, 6.0, 4.0, 7.0], "y": [0.0, 1, 0, 1, 1]}
)


@pytest.mark.parametrize(
    ("term", "expected"),
    [
        ("x", [1, 2, 6, 4, 7]),
        ("x^2", [9, 4, 4, 0, 9]),  # around the mean, 4
        ("x*y", [-3 * -0.6, -2 * 0.4, 2 * -0.6, 0, 3 * 0.4]),
        ("next(x)", [2, 6, np.nan, 7, np.nan]),
    ],
)
def test_terms_by_hand(term, expected):
    np.testing.assert_allclose(values_of(term, WORDS)[term], expected)


def test_a_spline_is_every_natural_cubic_through_its_knots():
    """The natural interpolating spline of any heights at the knots is a sum of its columns."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=400)
    x[3] = np.nan
    basis = natural_spline(x)
    known = ~np.isnan(x)
    assert np.isnan(basis[3]).all()
    assert basis.shape == (400, len(KNOTS) - 1)
    np.testing.assert_allclose(basis[known, 0], x[known])
    at = np.nanquantile(x, KNOTS, method="nearest")
    inside = known & (x >= at[0]) & (x <= at[-1])
    design = np.column_stack([np.ones(400), basis])
    for _ in range(3):
        curve = CubicSpline(at, rng.normal(size=len(at)), bc_type="natural")
        weights, *_ = np.linalg.lstsq(design[inside], curve(x[inside]), rcond=None)
        np.testing.assert_allclose(design[inside] @ weights, curve(x[inside]), atol=1e-8)
        above = known & (x > at[-1])
        straight = curve(at[-1]) + curve(at[-1], 1) * (x[above] - at[-1])
        np.testing.assert_allclose(design[above] @ weights, straight, atol=1e-7)


def test_a_spline_of_few_values_is_a_line():
    x = np.array([0.0, 1.0] * 20)
    np.testing.assert_array_equal(natural_spline(x), x[:, None])
    assert list(values_of("spline(y)", WORDS)) == ["spline(y)"]


def test_what_spills_over():
    terms = ["x", "x^2", "spline(x)", "x*position"]
    assert all(spills_over(term) for term in terms)
    still = ["position", "position^2", "word_in_sentence", "position*word_in_sentence", "next(x)"]
    assert not any(spills_over(term) for term in still)


@pytest.mark.parametrize("term", ["", "x y", "x^3", "log(x)", "x*next(y)", "next(next(x))", "x**y"])
def test_a_term_that_is_none_is_named(world, term):
    with pytest.raises(InputError, match="is not allowed; allowed: NAME, NAME"):
        world.fit("controlled", covariates=[term])


def test_words_left_out_are_counted_by_reason(world):
    stimuli = world.stimuli.copy()
    stimuli.loc[100, "log_frequency"] = (
        np.nan
    )  # and the two words after it lack that of a neighbour
    stimuli.loc[250, "length"] = np.nan
    bits = world.surprisal["bits"].copy()
    bits[[400, 450]] = np.nan  # 450 is the first word of a sentence: counted as that
    surprisal = world.surprisal.assign(bits=bits)
    times = world.times.copy()
    times[500] = np.nan
    assert (stimuli.loc[[100, 250, 400, 500], "word_in_sentence"] != 1).all()
    assert stimuli.loc[450, "word_in_sentence"] == 1
    table = overall(fit_reading_times(surprisal, stimuli, world.responses(times), "controlled"))
    initial = (stimuli["word_in_sentence"] == 1).sum()
    base = f"{initial} sentence-initial, 1 unread, 1 without surprisal"
    assert table.loc["r", "reason"] == base
    gain = table.loc["delta_loglik_per_word"]
    # By brute force: the second word and the last of each of 6 stories; 2 words after 100, 250, 400
    # and 450; and the word before 250, whose next word's length is not known.
    alone = {s * 150 + 1 for s in range(6)} | {s * 150 + 149 for s in range(6)}
    alone |= {101, 102, 249, 251, 252, 401, 402, 451, 452}
    alone = [w for w in alone if stimuli.loc[w, "word_in_sentence"] != 1]
    assert gain["reason"] == (
        f"{base}, 1 without length, 1 without log_frequency, {len(alone)} without values of their "
        "neighbours"
    )
    assert gain["n_dropped"] == initial + 4 + len(alone) == 900 - gain["n"]


def test_log_times_are_the_logarithms_of_each_readers(world):
    result = overall(world.fit("controlled", times="log", covariates=["length"], spillover=0))
    logs = World()
    logs.times = np.log(world.times)
    expected = overall(logs.fit("controlled", covariates=["length"], spillover=0))
    for measure in ("partial_r", "delta_loglik_per_word", "delta_loglik_per_observation"):
        assert result.loc[measure, "value"] == pytest.approx(expected.loc[measure, "value"])
    slope = result.loc["slope_log_ms_per_bit", "value"]
    assert slope == pytest.approx(expected.loc["slope_ms_per_bit", "value"])
    # About SLOPE ms of some 350.
    assert slope == pytest.approx(SLOPE / np.nanmean(world.times), rel=0.25)


def test_log_times_of_means_are_the_published_ones(world):
    logs = np.log(world.times)
    count = (~np.isnan(logs)).sum(1, keepdims=True).astype(float)
    moments = {
        "n": count,
        "sd": np.nanstd(world.times, 1, ddof=1, keepdims=True),
        "log_mean": np.nanmean(logs, 1, keepdims=True),
        "log_sd": np.nanstd(logs, 1, ddof=1, keepdims=True),
    }
    mean = np.nanmean(world.times, 1, keepdims=True)
    targets = {k: ("target", ["mean"]) for k in ("target_id", "subject", "region")}
    responses = world.responses(mean, **moments).assign_coords(targets)
    options = {"covariates": ["length"], "times": "log"}
    result = fit_reading_times(world.surprisal, world.stimuli, responses, "controlled", **options)
    expected = overall(world.fit("controlled", **options))
    for measure in ("r", "partial_r", "delta_loglik_per_word"):
        value = overall(result).loc[measure, "value"]
        assert value == pytest.approx(expected.loc[measure, "value"])
    assert overall(result).loc["r", "ceiling"] < expected.loc["r", "ceiling"]
    bare = responses.drop_vars(["log_mean", "log_sd"])
    with pytest.raises(InputError, match="mean times without the variables log_mean"):
        fit_reading_times(world.surprisal, world.stimuli, bare, "controlled", times="log")


def test_a_time_without_a_logarithm_is_named(world):
    times = world.times.copy()
    times[7, np.flatnonzero(~np.isnan(times[7]))[0]] = 0.0
    with pytest.raises(InputError, match=r"stimulus w7, reader r\d: 0.0 ms has no logarithm"):
        fit_reading_times(
            world.surprisal, world.stimuli, world.responses(times), "controlled", times="log"
        )
    with pytest.raises(InputError, match="times: 'square' is not allowed; allowed: log, raw"):
        world.fit("controlled", times="square")


@pytest.mark.parametrize("noise", [20.0, 60.0])
def test_the_ceiling_of_partial_r_is_what_the_true_surprisal_reaches(noise):
    ratios = []
    for seed in range(8):
        table = overall(World(seed, readers=40, noise=noise).fit("controlled"))
        row = table.loc["partial_r"]
        assert row["ceiling"] < table.loc["r", "ceiling"]
        ratios.append(row["value"] / row["ceiling"])
    error = np.std(ratios, ddof=1) / np.sqrt(len(ratios))
    assert np.mean(ratios) == pytest.approx(1, abs=3 * error)
    assert error < 0.03


def test_a_ceiling_of_halves_that_hardly_agree_is_weak():
    """r between halves of 10 readers is 1 / (1 + sd²/5); 2,000 words know it within .022."""
    rng = np.random.default_rng(5)
    signal = rng.normal(size=2000)
    for sd, weak in ((5.0, False), (15.0, True)):
        world = World(stories=4, words=500)
        times = 300 + signal[:, None] + rng.normal(0, sd, (2000, 10))
        ceiling = reliability(world.responses(times), None, SplitHalf(), 0)
        assert ceiling.weak is weak
        assert ceiling.root().method == f"{'weak ' * weak}root of split-half"
        assert ceiling.method == "split-half"


def test_the_ceiling_of_partial_r_is_of_what_the_covariates_leave():
    """One covariate with variance 4, signal 1, noise 9/readers: beyond it 1 / (1 + 9/readers)."""
    rng = np.random.default_rng(3)
    n, readers = 6000, 12
    covariate, signal = 2 * rng.normal(size=n), rng.normal(size=n)
    times = (covariate + signal)[:, None] + rng.normal(0, 3, (n, readers))
    expected = 1 / (1 + 9 / readers)
    assert split_half(times, 10, 0, covariate[:, None]) == pytest.approx(expected, abs=0.02)
    moments = times.mean(1), times.std(1, ddof=1), np.full(n, float(readers))
    analytic = analytic_reliability(*moments, covariate[:, None])
    assert analytic == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize("base_sd", [0.0, 100.0, 150.0])
def test_published_spreads_give_a_bound_of_the_reliability(base_sd):
    """All read every word: readers' base speeds shift all words alike, and take nothing away."""
    rng = np.random.default_rng(4)
    signal = 25 * rng.normal(size=2000)
    times = signal[:, None] + base_sd * rng.normal(size=85) + rng.normal(0, 150, (2000, 85))
    truth = np.corrcoef(signal, times.mean(1))[0, 1] ** 2
    bound = analytic_reliability(times.mean(1), times.std(1, ddof=1), np.full(2000, 85.0))
    assert split_half(times, 10, 0) == pytest.approx(truth, abs=0.03)
    noise = (150**2 + base_sd**2) / 85
    assert bound == pytest.approx(1 - noise / (625 + 150**2 / 85), abs=0.05)
    assert bound < truth + 0.02


def test_tokens_stand_in_for_surprisal():
    table = pd.DataFrame({"stimulus_id": ["a", "b"], "word": ["x", "y"], "n_tokens": [2, 1]})
    assert token_counts(table.assign(bits=5.0), "f")["bits"].tolist() == [2.0, 1.0]
    with pytest.raises(InputError, match="f: n_tokens is empty"):
        token_counts(table.assign(n_tokens=np.nan), "f")


def test_a_mixed_model_finds_the_planted_slope_and_what_it_adds(world):
    options = {"covariates": ["length", "position"], "mixed_model": {"slopes": ["bits", "length"]}}
    result = overall(world.fit("controlled", **options))
    slope = result.loc["mixed_slope_ms_per_bit"]
    assert slope["low"] < SLOPE < slope["high"]
    assert slope["interval"] == "readers and items"
    # Readers have one slope: the fixed one is about that of the mean times.
    assert slope["value"] == pytest.approx(result.loc["slope_ms_per_bit", "value"], abs=0.5)
    assert result.loc["mixed_aic", "n"] == result.loc["delta_loglik_per_observation", "n"]
    gain = result.loc["mixed_delta_loglik_per_observation", "value"]
    assert gain == pytest.approx(result.loc["delta_loglik_per_observation", "value"], rel=0.1)
    assert 0 < result.loc["mixed_delta_loglik_per_observation", "low"] < gain
    stimuli = world.stimuli.assign(sentence_id=np.arange(900) // 15)
    sentences = {**options, "mixed_model": {"items": "sentence", "held_out": False}}
    table = fit_reading_times(
        world.surprisal, stimuli, world.responses(), "controlled", **sentences
    )
    assert overall(table).loc["mixed_aic", "value"] != result.loc["mixed_aic", "value"]
    assert "mixed_delta_loglik_per_observation" not in overall(table).index


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"slopes": ["rarity"]}, "mixed_model.slopes: 'rarity' is no regressor"),
        ({"items": "sentence"}, "the stimuli have no sentence_id"),
    ],
)
def test_a_mixed_model_of_what_is_not_there_is_refused(world, options, message):
    with pytest.raises(InputError, match=message):
        world.fit("controlled", mixed_model=options)


def test_a_mixed_model_leaves_out_what_other_regressors_determine(world):
    """As lme4 does: the likelihood and the number of weights are those without these columns."""
    stimuli = world.stimuli.assign(twice=2 * world.stimuli["length"] + 1, same=7.0)
    options = {"mixed_model": {"slopes": ["bits"], "held_out": False}}

    def fitted(*covariates):
        return overall(
            fit_reading_times(
                world.surprisal, stimuli, world.responses(), "controlled",
                covariates=list(covariates), **options,
            )
        )  # fmt: skip

    plain, more = fitted("length", "position"), fitted("length", "same", "twice", "position")
    assert more.loc["mixed_aic", "value"] == pytest.approx(plain.loc["mixed_aic", "value"])
    text, names = more.loc["mixed_aic", "note"].split(": ")
    assert text == "left out, for the others determine them"
    lagged = {name + back for name in ("same", "twice") for back in ("", "_1_back", "_2_back")}
    assert set(names.split(", ")) == lagged
    assert plain.loc["mixed_aic", "note"] == ""


def test_means_have_no_mixed_model(world):
    mean = np.nanmean(world.times, 1, keepdims=True)
    table = fit_reading_times(
        world.surprisal, world.stimuli, world.responses(mean), "controlled", mixed_model={}
    )
    assert overall(table).loc["mixed_aic", "note"] == "not computable: no single readers' times"
