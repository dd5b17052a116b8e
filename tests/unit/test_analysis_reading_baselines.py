"""Models beside counts of tokens and untrained models: by hand, and as pairs of contrasts."""

import numpy as np
import pandas as pd
import pytest
from brainalign.analysis.reading_baselines import COLUMNS, reading_baselines
from scipy import stats

MEASURE = "delta_loglik_per_word"
STORIES = 7
ROLES = {"v": "vanilla", "t": "tuned", "tokens": "baseline", "u": "untrained"}


def tables(left_out=(), measure=MEASURE):
    """behaviors.csv and stories.csv of four models on one benchmark."""
    rng = np.random.default_rng(0)
    full, parts = [], []
    for level, (model, role) in enumerate(ROLES.items()):
        if model in left_out:
            continue
        base = "v" if role == "tuned" else None
        about = {
            "model": model, "label": model, "base": base, "family": "F", "role": role,
            "parameters": 1e8, "published": None, "dataset": "d", "benchmark": "b",
            "mode": "controlled", "measure": measure, "low": 0.0, "note": "", "simulated": False,
        }  # fmt: skip
        values = 0.04 - 0.01 * level + rng.normal(0, 0.005, STORIES)
        full.append({**about, "value": values.mean(), "n": 700 - 7 * (model == "t")})
        parts += [
            {**about, "kind": "story", "group": f"s{i}", "value": v, "n": 100}
            for i, v in enumerate(values)
        ]
    return pd.DataFrame(full), pd.DataFrame(parts)


@pytest.mark.parametrize(("measure", "factor"), [(MEASURE, 1 + 7 / 6), ("r", 1)])
def test_differences_are_paired_in_stories(measure, factor):
    """Student's t over stories; of a fitted measure these share training words."""
    behaviors, stories = tables(measure=measure)
    table = reading_baselines(behaviors, stories)
    assert list(table.columns) == list(COLUMNS)
    assert set(zip(table["model"], table["against"], strict=True)) == {
        (model, other) for model in ("v", "t") for other in ("tokens", "u")
    }
    row = table.set_index(["model", "against"]).loc[("t", "tokens")]
    by_story = stories.pivot(index="group", columns="model", values="value")
    difference = by_story["t"] - by_story["tokens"]
    value = behaviors.set_index("model")["value"]
    assert (row["value"], row["value_against"]) == (value["t"], value["tokens"])
    assert row["difference"] == pytest.approx(difference.mean())
    error = np.sqrt(factor * difference.var(ddof=1) / STORIES)
    t = stats.t(STORIES - 1)
    assert row["high"] - row["difference"] == pytest.approx(t.ppf(0.975) * error)
    assert row["p"] == pytest.approx(2 * t.sf(abs(row["difference"]) / error))
    assert row["scope"] == "these subjects, new stimuli"
    assert row["n_stimuli"] == STORIES
    assert row["against_role"] == "baseline"
    # The tuned model has no surprisal of the first word of a story.
    notes = table.set_index(["model", "against"])["note"]
    assert notes["t", "tokens"] == "n is 693, 700"
    assert notes["v", "tokens"] == ""
    expected = stats.false_discovery_control(table["p"])
    np.testing.assert_allclose(table["p_adjusted"], expected)


@pytest.mark.parametrize("left_out", [("tokens", "u"), ("v", "t")])
def test_without_either_side_the_table_is_empty(left_out):
    table = reading_baselines(*tables(left_out))
    assert table.empty
    assert list(table.columns) == list(COLUMNS)


def test_measures_without_stories_are_left_out():
    assert reading_baselines(*tables(measure="partial_r")).empty
