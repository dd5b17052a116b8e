"""Whole simulated studies: what the tests find when the cause is known.

Few studies, so wide tolerances; `benchmarks/analysis.py` gives the rates of
docs/methods/analysis.md from 500.
"""

import numpy as np
import pytest
from brainalign.analysis.averages import dataset_scores
from brainalign.analysis.contrasts import contrasts
from brainalign.analysis.correlations import correlations
from scipy import stats
from simulated_studies import (
    Plant,
    averages,
    contrast_findings,
    correlation_findings,
    rates,
    reading_findings,
    repeat,
    study,
)

N_STUDIES = 100


def at_most(n, level=0.05):
    """The binomial 99.9 % bound of a test at its level."""
    return stats.binom.ppf(0.999, n, level) / n


@pytest.mark.long
@pytest.mark.parametrize(
    ("plant", "cause", "other"),
    [
        (Plant(size=0.02), "size given accuracy", "accuracy given size"),
        (Plant(knowledge=0.02), "accuracy given size", "size given accuracy"),
        (Plant(formal=0.02), "grammar given accuracy", "accuracy given grammar"),
        (Plant(knowledge=0.02), "accuracy given grammar", "grammar given accuracy"),
    ],
    ids=["size", "knowledge", "formal", "functional"],
)
def test_partial_correlations_tell_causes_apart(plant, cause, other):
    result = rates(repeat(correlation_findings, N_STUDIES, 5, plant))
    # Either cause makes both plain correlations significant: they do not tell them apart.
    assert min(result[f"tuned: Pearson, {x}"] for x in cause.split(" given ")) > 0.4
    assert result[f"bases: partial, {cause}"] > result[f"bases: partial, {other}"] + 0.05
    assert result[f"bases: partial, {other}"] <= at_most(N_STUDIES)


@pytest.mark.long
@pytest.mark.parametrize(
    ("plant", "left"),
    [(Plant(formal=0.02), True), (Plant(size=0.02), False)],
    ids=["formal", "size"],
)
def test_formal_competence_is_left_beside_size_and_loss_where_it_is_the_cause(plant, left):
    actual = rates(repeat(correlation_findings, N_STUDIES, 7, plant))
    for group in ("tuned", "bases"):
        rate = actual[f"{group}: partial, grammar given size and loss"]
        assert rate > 0.15 if left else rate <= at_most(N_STUDIES), (group, rate)


@pytest.mark.long
def test_without_a_cause_every_p_keeps_its_level():
    measured = rates(repeat(correlation_findings, N_STUDIES, 6, Plant()))
    for group in ("tuned", "bases", "all"):
        for name in ("Pearson, size", "Spearman, accuracy", "partial, size given accuracy"):
            assert measured[f"{group}: {name}"] <= at_most(N_STUDIES), (group, name)
    # Models tuned from one vanilla model are not independent.
    for group in ("tuned", "all"):
        independent = measured[f"{group}: Pearson, models as independent, size"]
        assert independent > measured[f"{group}: Pearson, size"]
    assert measured["all: Pearson, models as independent, size"] > at_most(N_STUDIES)


@pytest.mark.long
def test_tests_over_vanilla_models_find_nothing_where_there_is_nothing():
    """Tuning moves vanilla models differently, and stimuli favour models at random."""
    seen = rates(repeat(contrast_findings, 40, 6, Plant(slope_sd=0.01, stimulus_sd=0.01)))
    for name in ("bases", "all pairs", "mixed model, tuned"):
        assert seen[name] <= at_most(40), name


@pytest.mark.long
def test_tests_over_vanilla_models_find_a_large_gain():
    shown = rates(repeat(contrast_findings, 5, 7, Plant(tuning=0.03)))
    for name in ("bases", "all pairs", "mixed model, tuned"):
        assert shown[name] == 1, name


@pytest.mark.long
def test_rates_are_those_of_the_tables():
    """The quick studies spread as the averages of whole tables do, and the tables' p are theirs."""
    plant = Plant(size=0.01, knowledge=0.01, tuning=0.01)
    full, quick = [], []
    for seed in range(12):
        tables = study(plant, np.random.default_rng(seed))
        mean = dataset_scores(tables["scores"]).query("dataset == 'average'")["r"]
        full.append(mean.to_numpy())
        quick.append(averages(plant, np.random.default_rng(100 + seed))["r"].to_numpy())
    assert np.mean(quick) == pytest.approx(np.mean(full), abs=0.01)
    assert np.std(quick) == pytest.approx(np.std(full), rel=0.2)
    result = contrasts(tables["scores"], tables["subjects"])
    result = result.query("level == 'overall' and dataset == 'average' and unit == 'bases'").iloc[0]
    models = averages(plant, np.random.default_rng(0)).assign(r=full[-1])
    tuned = models[models["role"] == "tuned"]
    change = tuned["r"] - models["r"].reindex(tuned["base"]).to_numpy()
    by_base = change.groupby(tuned["base"]).mean()
    assert result["absolute"] == pytest.approx(by_base.mean())
    table = correlations(tables["scores"])
    row = table.query("models == 'bases' and y == 'brain average' and method == 'spearman'").iloc[0]
    bases = tuned.groupby("base")[["r", "log10"]].mean()
    assert row["p"] == pytest.approx(stats.spearmanr(bases["log10"], bases["r"]).pvalue)


@pytest.mark.long
def test_surprisal_that_has_no_part_in_reading_seems_to_have_none():
    shares = rates(repeat(reading_findings, 40, 8))
    assert shares["Δ log-likelihood, interval over stories above 0"] <= at_most(40)
