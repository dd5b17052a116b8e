"""Published fits made again, against statsmodels on a table built word by word."""

import json

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import xarray as xr
from brainalign.analysis.published_fits import COLUMNS, published_fits
from brainalign.behavior.published_fits import published_fit
from brainalign.datasets import kuribayashi2024, michaelov2024, natural_stories
from brainalign.datasets.surprisal_settings import Kuribayashi2024, Michaelov2024
from brainalign.errors import InputError
from dataset_files import STORY_NAMES, record, write_maze, write_story_surprisal, write_ten_stories

PRINTED = """delta loglik: 143.5
delta loglik per tokens: 0.0156
average surprisal: 6.55
No. Observations:                9198   AIC:                         8.909e+04
surprisal_prev_1         -0.0932      0.088     -1.060      0.289      -0.266       0.079
"""
NAME = f"{kuribayashi2024.FOLDER}/gpt2"
SENTENCE = ("A", "long", "enough", "sentence", "of", "words")


@pytest.fixture
def world(tmp_path):
    """Twelve stories of three to five sentences: records, stimuli, responses, and values."""
    random = np.random.default_rng(5)
    stories = [str(i + 1) for i in range(12)]
    words = {s: [list(SENTENCE)] * int(random.integers(3, 6)) for s in stories}
    nats = {s: [random.gamma(3, 1, 6).tolist() for _ in parts] for s, parts in words.items()}
    records = []
    for name, content in (
        (kuribayashi2024.SENTENCES, json.dumps(words)),
        (f"{NAME}/surprisal.json", json.dumps(nats)),
        (f"{NAME}/surprisal.json.result", PRINTED),
    ):
        path = tmp_path / name.replace("/", "_")
        path.write_text(content)
        records.append(record(path, name))
    shown = [word for s in stories for part in words[s] for word in part]
    stimuli = pd.DataFrame(
        {
            "stimulus_id": [f"w{i}" for i in range(len(shown))], "text": shown,
            "context_group": "x", "position": range(1, len(shown) + 1),
            "length": random.integers(1, 12, len(shown)).astype(float),
            "log_frequency": random.normal(5, 1, len(shown)),
        }
    )  # fmt: skip
    times = random.normal(330, 30, len(shown))
    times[40] = 900  # beyond three standard deviations
    responses = xr.Dataset({"responses": (("stimulus", "target"), times[:, None])})
    return records, stimuli, responses, nats


def by_hand(stimuli, times, nats, order):
    """The regression's table, word by word, and its two fits by statsmodels."""
    numbers = [str(i + 1) for i in range(len(nats))]
    sentences = [part for story in numbers for part in nats[story]]
    other = [part for story in sorted(numbers, key=order) for part in nats[story]]
    flat = np.concatenate(sentences)
    rows = []
    for at, time in enumerate(times):
        sentence, word = divmod(at, len(SENTENCE))
        row = {"time": time, "interest": sentences[sentence][word], "word": word}
        for back in (1, 2):
            inside = word >= back
            row[f"bits{back}"] = other[sentence][word - back] if inside else flat.mean()
            for name in ("length", "log_frequency"):
                values = stimuli[name]
                row[f"{name}{back}"] = values[at - back] if inside else values.mean()
        rows.append(row | stimuli.loc[at, ["length", "log_frequency"]].to_dict())
    table = pd.DataFrame(rows)
    near = (table["time"] - times.mean()).abs() <= 3 * times.std()
    table = table[near & table["word"].between(1, len(SENTENCE) - 2)]
    null = sm.add_constant(table.drop(columns=["time", "interest", "word"]))
    full = null.assign(interest=table["interest"])
    fits = [sm.OLS(table["time"], x).fit() for x in (full, null)]
    return fits[0].llf - fits[1].llf, fits[0].params["bits1"], table


def test_mean_times_are_fitted_as_the_authors_did_and_with_words_aligned(world):
    records, stimuli, responses, nats = world
    times = responses["responses"].values[:, 0]
    source = Kuribayashi2024("gpt2")
    fit = published_fit(source, records, [], stimuli, responses).set_index("statistic")
    gain, slope, table = by_hand(stimuli, times, nats, str)
    n = len(table)
    assert (fit["n"] == n).all() and n < 4 * len(times) / 6
    expected = {
        "words": n, "mean_bits": table["interest"].mean() / np.log(2),
        "delta_loglik_per_word": gain / n, "slope_1_back": slope,
    }  # fmt: skip
    assert fit["recomputed"].to_dict() == pytest.approx(expected, rel=1e-8)
    gain, slope, _ = by_hand(stimuli, times, nats, int)
    aligned = fit["in_place"].dropna().to_dict()
    expected = {"delta_loglik_per_word": gain / n, "slope_1_back": slope}
    assert aligned == pytest.approx(expected, rel=1e-8)
    assert fit["published"].to_dict() == {
        "words": 9198, "mean_bits": 6.55, "delta_loglik_per_word": 0.0156,
        "slope_1_back": -0.0932,
    }  # fmt: skip


def test_a_published_fit_without_a_number_is_refused(tmp_path):
    path = tmp_path / "fit"
    path.write_text(PRINTED.replace("average surprisal: 6.55", "average surprisal: none"))
    with pytest.raises(InputError, match="no number after 'average surprisal:'"):
        kuribayashi2024.published_fit([record(path, f"{NAME}/surprisal.json.result")])


def aics(tmp_path, rows):
    path = tmp_path / "all_AICs.tsv"
    lines = ["Dataset\tModelName\tSurprisal_AIC", *("\t".join(row) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return record(path, michaelov2024.FITS)


MAZE = (michaelov2024.MAZE, "pythia-160m", "133358.6")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "0 rows of 'Boyce"),
        ([MAZE, MAZE], "2 rows of"),
        ([(*MAZE[:2], "low")], "expected one with a number"),
        ([("Federmeier", *MAZE[1:])], "0 rows of"),
    ],
)
def test_a_table_of_published_criteria_without_the_model_is_refused(rows, message, tmp_path):
    with pytest.raises(InputError, match=message):
        michaelov2024.published_fit([aics(tmp_path, rows)], Michaelov2024("pythia-160m"))


def test_maze_times_of_words_without_surprisal_are_refused(tmp_path):
    stimuli = natural_stories.story_words(write_ten_stories(tmp_path))[1]
    times = write_maze(tmp_path)
    rows = [(name, 9, position, 4.0, 1) for name in STORY_NAMES for position in range(2, 8)]
    surprisal = [write_story_surprisal(tmp_path, rows), aics(tmp_path, [MAZE])]
    source = Michaelov2024("pythia-160m")
    with pytest.raises(InputError, match="4 times are of words without surprisal"):
        published_fit(source, surprisal, times, stimuli, xr.Dataset())


def test_the_table_has_the_gain_of_the_study_beside_statistics_of_fit():
    fit = {"published": 1.0, "recomputed": 1.5, "in_place": np.nan, "n": 7}
    fits = {"a": pd.DataFrame([{"statistic": s, **fit} for s in ("words", "aic")])}
    about = {"base": None, "family": "F", "role": "vanilla", "measure": "delta_loglik_per_word"}
    behaviors = pd.DataFrame(
        [
            {"model": "a", **about, "mode": mode, "benchmark": benchmark, "value": value}
            for mode, benchmark, value in (
                ("controlled", "other", 1.0), ("legacy", "maze", 2.0), ("controlled", "maze", 3.0),
            )
        ]
    )  # fmt: skip
    benchmarks = {"other": {"dataset": "x"}, "maze": {"dataset": "y"}}
    models = {"a": {"release": "michaelov2024", "dataset": "y"}}
    table = published_fits(fits, models, behaviors, benchmarks)
    assert tuple(table.columns) == COLUMNS
    assert table["difference"].tolist() == [0.5, 0.5]
    assert np.isnan(table["ours"][0]) and table["ours"][1] == 3.0
