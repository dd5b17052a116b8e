"""Tuning or loss: by hand, against statsmodels, and rates in simulated studies."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from brainalign.analysis.contrasts import contrasts
from brainalign.analysis.reading_loss import COLUMNS, loss_slope, reading_loss
from simulated_studies import loss_findings, rates, repeat

MEASURE = "delta_loglik_per_word"


def tables(models, stories=6, seed=0):
    """behaviors.csv and stories.csv of models: (name, role, base, family, loss, fit)."""
    rng = np.random.default_rng(seed)
    about = {"dataset": "d", "benchmark": "b", "mode": "controlled", "simulated": False}
    full, parts = [], []
    for name, role, base, family, loss, fit in models:
        entry = {**about, "model": name, "role": role, "base": base, "family": family}
        counts = rng.integers(80, 120, stories)
        values = fit + rng.normal(0, 0.01, stories)
        values += fit - np.average(values, weights=counts)
        full += [
            {**entry, "measure": MEASURE, "value": fit},
            {**entry, "measure": "mean_bits", "value": loss},
        ]
        parts += [
            {**entry, "measure": MEASURE, "kind": "story", "group": f"s{i}", "value": v, "n": n}
            for i, (v, n) in enumerate(zip(values, counts, strict=True))
        ]
    return pd.DataFrame(full), pd.DataFrame(parts)


MODELS = [
    ("a1", "vanilla", None, "A", 5.0, 0.010),
    ("a2", "vanilla", None, "A", 6.0, 0.020),
    ("a3", "vanilla", None, "A", 5.5, 0.012),
    ("b1", "vanilla", None, "B", 5.2, 0.030),
    ("b2", "vanilla", None, "B", 6.2, 0.038),
    ("c1", "vanilla", None, "C", 7.0, 0.050),
    ("a1t", "tuned", "a1", "A", 5.9, 0.017),
    ("b1t", "tuned", "b1", "B", 5.4, 0.033),
    ("b1u", "tuned", "b1", "B", 6.4, 0.041),
    ("u", "untrained", None, "A", 15.0, 0.0),
    ("tokens", "baseline", None, "tokens", np.nan, 0.004),
]


@pytest.fixture(scope="module")
def table():
    return reading_loss(*tables(MODELS))


def test_the_slope_is_that_of_least_squares_with_a_level_per_family(table):
    data = pd.DataFrame(MODELS, columns=["model", "role", "base", "family", "loss", "fit"])
    data = data[(data["role"] == "vanilla") & (data["family"] != "C")]
    ols = smf.ols("fit ~ loss + C(family)", data).fit()
    row = table[(table["model"] == "all") & (table["method"] == "given loss")].iloc[0]
    assert row["slope"] == pytest.approx(ols.params["loss"])
    assert row["slope_error"] == pytest.approx(ols.bse["loss"])
    assert row["n_vanilla"] == 5


def test_pairs_by_hand(table):
    pairs = table[table["model"] != "all"].set_index(["method", "model"])
    assert pairs.loc[("as it is", "a1t"), "difference"] == pytest.approx(0.007)
    slope = pairs.loc[("given loss", "a1t"), "slope"]
    assert pairs.loc[("given loss", "a1t"), "difference"] == pytest.approx(0.007 - 0.9 * slope)
    closest = pairs.loc[("closest in loss", "a1t")]
    assert closest["against"] == "a2"
    assert closest["difference"] == pytest.approx(0.017 - 0.020)
    assert closest["loss_difference"] == pytest.approx(-0.1)
    assert not pairs.loc[("given loss", "a1t"), "extrapolated"]
    assert pairs.loc[("given loss", "b1u"), "extrapolated"]


def test_the_mean_is_over_vanilla_models(table):
    complete = table[table["model"] == "all"].set_index("method")
    raw = complete.loc["as it is"]
    assert raw["difference"] == pytest.approx(np.mean([0.007, np.mean([0.003, 0.011])]))
    assert raw["n"] == 2
    given = complete.loc["given loss"]
    assert given["loss_difference"] == pytest.approx(np.mean([0.9, 0.7]))
    assert given["difference"] == pytest.approx(raw["difference"] - 0.8 * given["slope"])
    assert given["note"] == "1 of 3 beyond the losses of their family's vanilla models"
    assert np.isnan(complete.loc["closest in loss", "p_these_stimuli"])
    assert complete.loc["closest in loss", "note"].startswith("no test")


def test_intervals_over_stories_are_those_of_the_jackknife():
    behaviors, stories = tables(MODELS)
    result = reading_loss(behaviors, stories)
    row = result[(result["model"] == "a1t") & (result["method"] == "as it is")].iloc[0]
    by_story = stories.pivot_table(index="group", columns="model", values="value")
    counts = stories.pivot_table(index="group", columns="model", values="n")

    def difference(kept):
        fits = (by_story * counts).loc[kept].sum() / counts.loc[kept].sum()
        return fits["a1t"] - fits["a1"]

    names = list(by_story.index)
    without = np.array([difference([n for n in names if n != left]) for left in names])
    error = np.sqrt(5 / 6 * ((without - without.mean()) ** 2).sum())
    assert row["difference"] == pytest.approx(difference(names))
    assert row["high"] - row["difference"] == pytest.approx(2.5706 * error, rel=1e-4)


def test_a_second_loss_is_used_where_models_have_it():
    losses = pd.DataFrame(
        [{"model": m[0], "text": "wiki", "bits_per_byte": m[4] / 5} for m in MODELS]
    )
    actual = reading_loss(*tables(MODELS), losses)
    assert set(actual["loss"]) == {"mean_bits", "bits_per_byte wiki"}
    same = actual.set_index(["loss", "method", "model"])["difference"].dropna()
    for key, value in same["mean_bits"].items():
        assert same["bits_per_byte wiki"][key] == pytest.approx(value)


def test_without_two_vanilla_models_of_a_family_there_is_no_slope():
    few = [m for m in MODELS if m[0] in ("a1", "a1t", "b1", "b1t")]
    measured = reading_loss(*tables(few))
    given = measured[measured["method"] == "given loss"]
    assert given["difference"].isna().all()
    assert (given["note"] == "not computable: no family has two vanilla models").all()
    raw = measured[(measured["model"] == "all") & (measured["method"] == "as it is")]
    assert raw["p_these_stimuli"].notna().all()


def test_without_pairs_the_table_is_empty():
    seen = reading_loss(*tables([m for m in MODELS if m[1] != "tuned"]))
    assert seen.empty
    assert list(seen.columns) == list(COLUMNS)


def test_equal_losses_give_no_slope():
    slope = loss_slope(np.ones(3), np.array(["A"] * 3, object), np.ones(3, bool))
    assert not slope.used.any()


def test_new_stories_are_reckoned_with_as_in_contrasts():
    """As it is, the mean over vanilla models is that of contrasts.csv over bases."""
    behaviors, stories = tables([m for m in MODELS if m[0] != "u"])
    counts = {"s0": 40, "s1": 260}  # words, of the others 100
    stories["n"] = stories["group"].map(counts).fillna(100)
    behaviors["low"], behaviors["label"], behaviors["parameters"] = 0.0, behaviors["model"], 1e8
    behaviors["note"], behaviors["published"] = "", None
    sums = stories.assign(value=stories["value"] * stories["n"]).groupby("model")
    means = sums["value"].sum() / sums["n"].sum()
    fit = behaviors["measure"] == MEASURE
    behaviors.loc[fit, "value"] = behaviors.loc[fit, "model"].map(means)
    row = reading_loss(behaviors, stories).set_index(["model", "method"]).loc[("all", "as it is")]
    other = contrasts(behaviors=behaviors, stories=stories)
    other = other[(other["level"] == "overall") & (other["unit"] == "bases")]
    other = other.set_index("measure").loc[MEASURE]
    assert row["difference"] == pytest.approx(other["absolute"])
    for column in ("low", "high", "p", "p_these_stimuli"):
        assert row[column] == pytest.approx(other[column]), column
    assert row["scope"] == other["scope"] == "new vanilla models, these subjects, new stimuli"
    assert row["p"] > row["p_these_stimuli"]


def test_a_measure_without_stories_speaks_for_the_stimuli_at_hand():
    behaviors, stories = tables(MODELS)
    row = reading_loss(behaviors, stories[:0]).set_index(["model", "method"])
    row = row.loc[("all", "given loss")]
    assert np.isnan(row["p"])
    assert row["p_these_stimuli"] < 1
    assert row["scope"] == "new vanilla models, these subjects, these stimuli"
    assert row["note"].endswith("no p for new stories: the measure is no mean over words")


def test_no_effect_beyond_loss_is_detected_at_its_level_and_a_planted_one_is():
    null = rates(repeat(loss_findings, 25, 3, 0.0, 5, 0.004))
    assert null["given loss"] <= 0.2  # 25 studies: P(6 or more at .05) < .001
    assert null["as it is, these stories"] > 0.3
    assert rates(repeat(loss_findings, 10, 4, 0.005, 5, 0.0))["given loss"] > 0.6
