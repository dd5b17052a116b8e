"""The simulated datasets: their form, and whether analyses find what was planted."""

import numpy as np
import pandas as pd
import pytest
import yaml
from brainalign.encoding.correlation import pearson
from brainalign.encoding.splits import grouped
from brainalign.errors import InputError
from brainalign.formats.activations import open_activations, write_activations
from brainalign.formats.datasets import assign_volumes, read_responses, read_stimuli, write_dataset
from brainalign.settings import read
from brainalign.simulation.corpus import corpus
from brainalign.simulation.datasets import REGIONS, TR
from brainalign.simulation.settings import Simulation
from brainalign.simulation.subjects import PERSISTENCE
from brainalign.simulation.texts import StoryGrammar
from brainalign.simulation.world import build_world
from scipy.interpolate import CubicSpline
from sklearn.linear_model import LinearRegression
from worlds.entries import align, features, simulate

BRAIN = ("passages", "story", "chapter")
KINDS = (*BRAIN, "reading", "localizer")
NOISELESS = {"drift": 0.0, "subject_noise": 0.0, "voxel_noise": 0.0}
DIFFERENT = {"subject_weights": 1.0, "subject_lag": 2.0}
SEED = 1
OLS = {"type": "ols"}
RIDGE = {
    "type": "ridge", "selection": "gcv-per-target",
    "alphas": {"low": 1e-4, "high": 1e4, "n": 17, "relative": True},
}  # fmt: skip
SHUFFLED = {"scheme": "shuffled", "folds": 10, "train": 0.9, "seed": 1}
FOLDS = {"passages": 12, "story": 6, "chapter": 4}


@pytest.fixture(scope="module")
def made():
    return {kind: simulate(kind, {}, {}, SEED) for kind in KINDS}


@pytest.fixture
def score(made, tmp_path):
    """Mean r over targets and folds of a baseline's features, on the true state's own rows."""

    def run(kind, baseline, split, regression=RIDGE):
        stimuli, responses = made[kind].stimuli, made[kind].responses
        values = features(
            baseline, stimuli, responses, {"sigma": 1.5} if baseline == "oasm" else {}, SEED
        )
        path = tmp_path / "activations.safetensors"
        write_activations({"it": values.values}, values.row_ids, path, {"rows": values.rows})
        entry = {"regression": regression, "split": split, "aggregate": "mean", "layers": "best"}
        if kind == "chapter":
            entry["timing"] = {"features": "hrf"}
        table = align(open_activations(path), stimuli, responses, entry, "cpu", SEED)
        everything = (table["subject"] == "all") & (table["region"] == "all")
        return table.loc[everything & (table["fold"] == -1), "r"].item()

    return run


@pytest.mark.parametrize("kind", KINDS)
def test_a_dataset_is_well_formed_and_survives_its_files(made, kind, tmp_path):
    stimuli, responses = made[kind].stimuli, made[kind].responses
    paths = tmp_path / "stimuli.parquet", tmp_path / "responses.nc"
    write_dataset(stimuli, responses, *paths)
    pd.testing.assert_frame_equal(read_stimuli(paths[0]), stimuli)
    again = read_responses(paths[1], stimuli)
    assert again.attrs["simulated"] == 1
    assert made[kind].card["simulated"] is True
    for name in responses.data_vars:
        np.testing.assert_array_equal(again[name], responses[name])


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_dataset_and_another_seed_another(made, kind):
    again = simulate(kind, {}, {}, SEED)
    pd.testing.assert_frame_equal(again.stimuli, made[kind].stimuli)
    assert again.responses.identical(made[kind].responses)
    other = simulate(kind, {}, {}, SEED + 1)
    assert list(other.stimuli["text"]) != list(made[kind].stimuli["text"])


def test_sizes_are_those_asked_for():
    passages = simulate("passages", {"passages_per_topic": 2, "sentences": 3, "targets": 24}, {}, 1)
    assert len(passages.stimuli) == 12 * 2 * 3
    assert passages.stimuli["split_group"].nunique() == 12
    assert passages.stimuli["context_group"].nunique() == 24
    assert passages.responses.sizes["target"] == 5 * 24
    assert set(passages.responses["region"].values) == set(REGIONS)
    assert simulate("reading", {"readers": 3, "stories": 2}, {}, 1).responses.sizes["target"] == 3


def test_fragments_are_cut_by_the_clock(made):
    stories = made["story"].stimuli
    words = stories["text"].str.split().str.len()
    last = stories["context_group"] != stories["context_group"].shift(-1)
    assert (words[~last] == 5).all()
    assert words[last].between(1, 5).all()
    ends = stories["text"].str.endswith((".", "?"))
    assert 0.05 < ends.mean() < 0.6  # most fragments end inside a sentence


def test_each_word_of_the_chapter_is_shown_in_one_volume_of_its_run(made):
    stimuli, responses = made["chapter"].stimuli, made["chapter"].responses
    volume = assign_volumes(stimuli["onset"].to_numpy(), responses["onset"].values, TR)
    assert set(np.bincount(volume[volume >= 0])) == {0, 4}  # silence, or 2 s of words
    assert (volume >= 0).all()
    assert list(responses["run"].values[volume]) == list(stimuli["split_group"])


def test_test_passages_are_hardly_in_the_pretraining_text(made):
    """They are drawn apart, but the world is small: a few short passages come up twice."""
    passages = made["passages"].stimuli.groupby("context_group")["text"].agg(" ".join)
    sizes = Simulation()
    world = build_world(SEED, sizes.things_per_domain)
    documents = set(corpus(world, 3000, sizes.items_per_task, SEED))
    assert passages.isin(documents).mean() < 0.05


def test_true_surprisal_is_the_grammars(made):
    stimuli = made["reading"].stimuli
    assert (stimuli["true_surprisal"] >= 0).all()
    assert stimuli["true_surprisal"].mean() > 0.5
    world = build_world(SEED, Simulation().things_per_domain)
    grammar = StoryGrammar(world)
    # The first sentence by brute force: the share of openings that agree, word by word.
    first = stimuli[stimuli["sentence_id"] == "story-1-1"]
    openings = [
        (c.probability, " ".join(token.text for token in c.sentence).replace(" .", ".").split())
        for c in grammar.continuations(grammar.start())
    ]
    left = 1.0
    for position, row in enumerate(first.itertuples()):
        openings = [o for o in openings if o[1][position] == row.text]
        now = sum(p for p, _ in openings)
        assert row.true_surprisal == pytest.approx(np.log2(left / now))
        left = now


@pytest.mark.parametrize("kind", BRAIN)
def test_the_true_ceiling_is_what_noiseless_responses_score(made, kind):
    """Over all rows, and in every grouped fold.

    The mean over targets averages all noise but the subjects' shared one, which has 0.09 / 2.73
    of the variance and random signs; the bias −r(1 − r²)/2n is −0.003 for n = 60 independent rows.
    A fold has a signal variance s of its own, so expects √(s / (s + noise)); its bias is some
    −0.02, for n ≈ 10 independent rows.
    """
    noiseless = simulate(kind, {}, NOISELESS, SEED).responses["responses"].values
    measured = made[kind].responses["responses"].values
    ceiling = made[kind].responses["true_ceiling"].values
    pooled = pearson(noiseless, measured)
    assert pooled.mean() == pytest.approx(ceiling.mean(), abs=0.02)
    assert np.abs(pooled - ceiling).max() < 5 * (1 - ceiling.min() ** 2) / np.sqrt(60)
    result, expected = [], []
    for split in grouped(groups_of(made[kind]), None, None):
        signal = noiseless[split.test].var(axis=0)
        expected.append(np.sqrt(signal / (signal + ceiling**-2 - 1)))
        result.append(pearson(noiseless[split.test], measured[split.test]))
    assert np.mean(result) == pytest.approx(np.mean(expected), abs=0.03)
    assert np.mean(expected) == pytest.approx(ceiling.mean(), abs=0.04)


@pytest.mark.parametrize("kind", BRAIN)
def test_subjects_who_differ_read_the_same_texts_and_have_the_same_ceilings(made, kind):
    other = simulate(kind, {}, DIFFERENT, SEED)
    assert list(other.stimuli["text"]) == list(made[kind].stimuli["text"])
    ceilings = (each.responses["true_ceiling"].values for each in (other, made[kind]))
    np.testing.assert_array_equal(*ceilings)
    assert not np.allclose(other.responses["responses"], made[kind].responses["responses"])


@pytest.mark.parametrize("kind", BRAIN)
def test_noiseless_responses_of_subjects_who_differ_are_linear_in_the_true_features(kind):
    responses = simulate(kind, {}, NOISELESS | DIFFERENT, SEED).responses
    truth, measured = (responses[name].values for name in ("truth_features", "responses"))
    fitted = LinearRegression().fit(truth, measured).predict(truth)
    np.testing.assert_allclose(fitted, measured, atol=2e-3)
    np.testing.assert_allclose(measured.var(axis=0), 1.0, atol=1e-3)


@pytest.mark.parametrize("spread", [0.0, 0.5])
def test_subjects_weigh_the_dimensions_of_the_state_as_differently_as_asked(spread):
    """The weights of noiseless responses: log |weight| has the factor's logarithm as its mean.

    Of standard normal weights log |weight| has standard deviation 1.11, so a mean over 60 targets
    1.11 / √60; a standard deviation of 20 × 11 such means has a relative error of 1 / √(2 · 209).
    """
    made = simulate("passages", {"subjects": 20}, NOISELESS | {"subject_weights": spread}, SEED)
    truth = made.responses["truth_features"].values.astype(float)
    weights = LinearRegression().fit(truth, made.responses["responses"].values).coef_
    size = np.log(np.abs(weights))
    means = (size - size.mean(axis=1, keepdims=True)).reshape(20, 60, 12).mean(axis=1)
    actual = (means - means.mean(axis=0)).std() * np.sqrt(20 / 19 * 12 / 11)
    expected = np.hypot(spread, 1.11 / np.sqrt(60))
    assert actual == pytest.approx(expected, rel=4 / np.sqrt(2 * 209))


def test_subjects_hear_as_late_as_asked():
    """The canonical state, read off between volumes, predicts each subject best at his lag."""
    late = simulate("chapter", {}, NOISELESS | {"subject_lag": 2.0}, SEED).responses
    state = simulate("chapter", {}, NOISELESS, SEED).responses["truth_features"].values
    volume = np.arange(110.0)
    curves = [CubicSpline(2.0 * volume, state[run * 110 :][:110]) for run in range(4)]
    inside = np.tile((volume > 3) & (volume < 106), 4)
    grid = np.arange(-3.0, 3.01, 0.25)
    fits = []
    for lag in grid:
        shifted = np.concatenate([curve(2.0 * volume - lag) for curve in curves])[inside]
        measured = late["responses"].values[inside]
        left = measured - LinearRegression().fit(shifted, measured).predict(shifted)
        fits.append((left**2).sum(axis=0).reshape(4, 60).sum(axis=1))
    seen = grid[np.argmin(fits, axis=0)]
    np.testing.assert_allclose(np.sort(seen), [-2, -2 / 3, 2 / 3, 2], atol=0.3)


@pytest.mark.parametrize("kind", BRAIN)
def test_true_features_score_the_ceiling_less_the_cost_of_estimating_their_weights(
    made, score, kind
):
    """Least squares on the planted state under grouped folds, against theory.

    Weights have the error covariance B C Bᵀ, where B is the pseudo-inverse of the training rows and
    C the noise's covariance, known in closed form; predictions of a fold then have the variance
    s + e instead of s, and r is smaller by √(s / (s + e)). What is left: one draw of the
    noise (averaged over targets), and the mean of a ratio taken for a ratio of means.
    """
    noiseless = simulate(kind, {}, NOISELESS, SEED).responses["responses"].values
    responses = made[kind].responses
    measured, state = responses["responses"].values, responses["truth_features"].values
    r = []
    for split in grouped(groups_of(made[kind]), None, None):
        ceiling = pearson(noiseless[split.test], measured[split.test]).mean()
        shrink = np.sqrt(1 / (1 + estimation_error(made[kind], state.astype(float), split)))
        r.append(ceiling * shrink)
    shown = score(kind, "truth", {"scheme": "grouped", "folds": FOLDS[kind], "seed": 1}, OLS)
    assert shown == pytest.approx(np.mean(r), abs=0.015)
    # Nearer to the ceiling than the content-free and the untaught, and never above it by chance.
    assert 0.8 * responses["true_ceiling"].values.mean() < shown


@pytest.mark.parametrize("kind", BRAIN)
def test_time_alone_scores_high_when_folds_are_shuffled_and_nothing_when_groups_are_held_out(
    score, kind
):
    assert score(kind, "oasm", SHUFFLED) > 0.2
    full = {"scheme": "grouped", "folds": FOLDS[kind], "seed": 1}
    assert abs(score(kind, "oasm", full)) < 0.02


@pytest.mark.parametrize(
    ("kind", "sizes", "simulation", "message"),
    [
        ("film", {}, {}, "kind: 'film' is not allowed; allowed: passages"),
        ("story", {"targets": 3}, {}, "unknown key 'targets'; it is a key of kind passages"),
        ("passages", {"subjects": 0}, {}, "subjects: 0"),
        ("passages", {"subjects": True}, {}, "subjects: True"),
        ("passages", {"passages_per_topic": 1, "sentences": 1}, {}, "2 rows per topic"),
        ("chapter", {"volumes": 5}, {}, "volumes: 5 is not allowed; allowed: an integer from 6 up"),
        ("story", {"sentences": 1}, {}, "story.sentences: 1"),
        ("story", {}, {"drfit": 1.0}, "unknown key 'drfit'; did you mean 'drift'"),
    ],
)
def test_unusable_sizes_are_named(kind, sizes, simulation, message):
    with pytest.raises(InputError, match=message):
        simulate(kind, sizes, simulation, SEED)


def test_the_defaults_are_the_default_studys(repository):
    config = yaml.safe_load((repository / "config.yaml").read_text(encoding="utf-8"))
    assert Simulation() == read(config["simulation"], Simulation)


def groups_of(prepared):
    if "run" in prepared.responses.coords:
        return prepared.responses["run"].values.astype(str)
    return prepared.stimuli["split_group"].to_numpy().astype(str)


def estimation_error(prepared, state, split):
    """Variance of a fold's predictions that comes from the weights' error, per signal variance."""
    settings = Simulation()
    groups = groups_of(prepared)
    context = (
        groups if "run" in prepared.responses.coords
        else prepared.stimuli["context_group"].to_numpy()
    )  # fmt: skip
    n = len(state)
    same = np.equal.outer(groups, groups)
    within = np.eye(n) - same / same.sum(axis=1)
    neighbour = np.equal.outer(context, context)
    lag = np.abs(np.subtract.outer(np.arange(n), np.arange(n)))
    slow = within @ np.where(neighbour, PERSISTENCE**lag, 0.0) @ within
    # Each noise has its nominal variance, on average, within every group.
    average = (same @ np.diag(slow)) / same.sum(axis=1)
    slow /= np.sqrt(np.outer(average, average))
    white = within / (1 - 1 / same.sum(axis=1))[:, None]
    voxel = (settings.voxel_noise**2) * np.mean((1 + np.linspace(-1, 1, 5) / 3) ** 2)
    noise = settings.drift**2 * slow + (settings.subject_noise**2 + voxel) * white
    train = np.column_stack([np.ones(split.train.size), state[split.train]])
    weights = np.linalg.pinv(train)[1:]
    covariance = weights @ noise[np.ix_(split.train, split.train)] @ weights.T
    test = state[split.test] - state[split.test].mean(axis=0)
    signal = np.trace(test.T @ test) / split.test.size / np.trace(state.T @ state) * n
    return np.einsum("ij,jk,ik->i", test, covariance, test).mean() / signal
