"""Held-out stories: trained on the others, scored on the mean of their repeats."""

import numpy as np
import pytest
from brainalign.encoding.settings import BrainBenchmark
from brainalign.encoding.splits import HeldOut
from brainalign.errors import InputError
from brainalign.formats.activations import open_activations, write_activations
from brainalign.formats.datasets import check_responses
from brainalign.settings import read
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold
from worlds.encoding import CONTROLLED, GROUPS, SENTENCES, overall, planted, tables
from worlds.entries import align, noise_ceiling, read_benchmark

HELD = {"g03", "g11"}
ALPHAS = {"low": 1.0, "high": 1e3, "n": 4}
ENTRY = CONTROLLED | {
    "regression": {
        "type": "ridge", "selection": "folds-per-target", "alphas": ALPHAS, "inner_folds": 4,
    },
    "split": {"scheme": "held-out", "inner_folds": 4},
    "layers": "nested",
}  # fmt: skip


def marked(y):
    """Stimuli and responses of which two passages are held out."""
    stimuli, dataset = tables(y)
    held_out = stimuli["split_group"].isin(HELD).to_numpy(np.int8)
    return stimuli, dataset.assign_coords(held_out=("stimulus", held_out)), held_out == 1


def test_the_others_train_and_the_held_out_stories_test():
    stimuli, dataset, held_out = marked(planted()[1])
    benchmark = read_benchmark(ENTRY, stimuli, dataset, 0)
    (split,) = benchmark.splits
    assert split.test.tolist() == np.flatnonzero(held_out).tolist()
    assert split.train.tolist() == np.flatnonzero(~held_out).tolist()
    groups = stimuli["split_group"].to_numpy()
    (inner,) = benchmark.inner_folds()
    assert len(inner) == 4
    for part in inner:
        assert not set(groups[part.train]) & set(groups[part.test])
        assert not (set(groups[part.train]) | set(groups[part.test])) & HELD


def activations(folder, features, stimuli):
    path = folder / "activations.safetensors"
    layers = {"f": features.astype(np.float32)}
    write_activations(layers, stimuli["stimulus_id"].tolist(), path, {})
    return open_activations(path)


def test_scores_are_those_of_ridge_fitted_to_the_other_stories(tmp_path):
    """Penalty per target by folds of training stories, of scikit-learn; r on what is held out."""
    features, y, _ = planted()
    stimuli, dataset, held_out = marked(y)
    table = align(activations(tmp_path, features, stimuli), stimuli, dataset, ENTRY, "cpu", 0)
    x_train, y_train = features[~held_out], y[~held_out]
    groups = stimuli["split_group"].to_numpy()[~held_out]
    names = np.unique(groups)
    numbers = np.repeat(np.arange(4), [len(part) for part in np.array_split(names, 4)])
    folds = numbers[np.searchsorted(names, groups)]  # the sorted stories in four runs
    inner = list(GroupKFold(4).split(x_train, groups=folds))
    r = []
    for target in range(y.shape[1]):
        fit = RidgeCV(alphas=np.logspace(0, 3, 4), cv=inner, scoring="neg_mean_squared_error")
        predicted = fit.fit(x_train, y_train[:, target]).predict(features[held_out])
        r.append(np.corrcoef(predicted, y[held_out, target])[0, 1])
    subjects = dataset["subject"].values
    medians = [np.median(np.array(r)[subjects == one]) for one in np.unique(subjects)]
    assert overall(table, "nested")["r"] == pytest.approx(np.mean(medians), abs=1e-6)


def test_the_ceiling_is_that_of_the_mean_of_the_held_out_repeats():
    """cc_max in closed form: only held-out rows are means, and only they are tested."""
    random, snr, n_repeats = np.random.default_rng(2), 0.5, 5
    n = 20 * GROUPS * SENTENCES
    signal = snr**0.5 * random.standard_normal((n, 200))
    y = signal + random.standard_normal(signal.shape)
    stimuli, dataset = tables(y)
    held_out = np.arange(n) >= n // 2
    rows = np.flatnonzero(held_out)
    each = signal[rows] + random.standard_normal((n_repeats, rows.size, 200))
    dataset["responses"][rows] = each.mean(axis=0)
    dataset["repeats"] = ("repeat", "repeated", "target"), each
    dataset = dataset.assign_coords(
        repeated=("repeated", rows), held_out=("stimulus", held_out.astype(np.int8))
    )
    check_responses(dataset, stimuli, "r.nc")
    entry = ENTRY | {"ceiling": {"method": "repeats", "bootstraps": 20}}
    ceilings = noise_ceiling(stimuli, dataset, entry, 0)
    overall = ceilings[(ceilings["target_id"] == "all") & (ceilings["region"] == "all")].iloc[0]
    assert overall["ceiling"] == pytest.approx((snr / (snr + 1 / n_repeats)) ** 0.5, abs=0.01)
    grouped = noise_ceiling(
        stimuli, dataset, entry | {"split": {"scheme": "grouped", "folds": 2}}, 0
    )
    of_all = grouped[(grouped["target_id"] == "all") & (grouped["region"] == "all")].iloc[0]
    half = snr / (snr + (1 + 1 / n_repeats) / 2)
    assert of_all["ceiling"] == pytest.approx(half**0.5, abs=0.01)


def test_a_subject_who_missed_the_held_out_story_has_no_score(tmp_path):
    features, y, _ = planted()
    stimuli, dataset, held_out = marked(y)
    of_subject = dataset["subject"].values == "subject1"
    dataset["responses"].values[np.ix_(held_out, of_subject)] = np.nan
    table = align(activations(tmp_path, features, stimuli), stimuli, dataset, ENTRY, "cpu", 0)
    rows = table[table["chosen"] & (table["region"] == "all") & (table["fold"] == -1)]
    rows = rows.set_index("subject")
    assert rows["r"].isna().to_dict() == {
        "subject0": False, "subject1": True, "subject2": False, "all": False
    }  # fmt: skip
    assert "missed in the fold" in rows.loc["subject1", "reason"]


def held(rows, stimuli):
    return ("stimulus", stimuli["split_group"].isin(rows).to_numpy(np.int8))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda d, s: d.drop_vars("held_out"), "do not say which rows are held out"),
        (lambda d, s: d.assign_coords(held_out=held([], s)), "holds out 0 of 240 rows"),
        (lambda d, s: d.assign_coords(held_out=held(set(s["split_group"]), s)), "240 of 240 rows"),
        (
            lambda d, s: d.assign_coords(held_out=("stimulus", (s["position"] > 3).to_numpy(int))),
            "holds out g00 in part: its rows would train and test",
        ),
        (
            lambda d, s: d.assign_coords(held_out=held(set(s["split_group"]) - {"g07"}, s)),
            "folds-per-target: split.scheme held-out leaves g07 alone to train on",
        ),
        (
            lambda d, s: d.assign_coords(held_out=held({"g07"}, s)),
            "scheme held-out has a fold of 10 test rows, expected 15 or more.*longer stories",
        ),
    ],
)
def test_what_cannot_be_held_out_is_said_in_plain_words(change, says):
    stimuli, dataset, _ = marked(planted()[1])
    with pytest.raises(InputError, match=says):
        read_benchmark(ENTRY, stimuli, change(dataset, stimuli), 0)


@pytest.mark.parametrize("values", [("target", np.zeros(120, int)), ("stimulus", np.full(240, 2))])
def test_a_mark_is_one_or_nought_of_each_row(values):
    stimuli, dataset, _ = marked(planted()[1])
    with pytest.raises(InputError, match="held_out is not 1"):
        check_responses(dataset.assign_coords(held_out=values), stimuli, "r.nc")


@pytest.mark.parametrize("method", ["disattenuation", "extrapolation"])
def test_a_ceiling_that_resamples_folds_is_refused(method):
    entry = {"dataset": "d", "mode": "legacy", **ENTRY, "ceiling": {"method": method}}
    with pytest.raises(InputError, match=f"{method} resamples folds, of which .* has one; take"):
        read(entry, BrainBenchmark)


def test_rows_without_groups_are_refused():
    with pytest.raises(InputError, match="do not say which rows are held out"):
        HeldOut().split(list("abc"), None, np.array([True, False, False]))
