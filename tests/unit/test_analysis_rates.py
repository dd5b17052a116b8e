"""Whole simulated studies: what the tests find when the cause is known.

Few studies, so wide tolerances; `benchmarks/analysis.py` gives the rates of
docs/methods/analysis.md from 500.
"""

import pytest
from scipy import stats
from simulated_studies import (
    Plant,
    contrast_findings,
    correlation_findings,
    rates,
    reading_findings,
    repeat,
)

N_STUDIES = 30
# The binomial 99.9 % bound of a test at .05.
HIGH = stats.binom.ppf(0.999, N_STUDIES, 0.05) / N_STUDIES


@pytest.mark.parametrize(
    ("plant", "cause", "other"),
    [
        (Plant(size=0.02), "log10_parameters given mmlu", "mmlu given log10_parameters"),
        (Plant(knowledge=0.02), "mmlu given log10_parameters", "log10_parameters given mmlu"),
    ],
    ids=["size", "knowledge"],
)
def test_partial_correlations_tell_size_from_knowledge(plant, cause, other):
    found = rates(repeat(correlation_findings, N_STUDIES, 5, plant))
    # Either cause makes both plain correlations significant: they do not tell them apart.
    assert min(found[f"tuned: pearson {x}"] for x in ("mmlu", "log10_parameters")) > 0.6
    assert found[f"bases: partial {cause}"] > found[f"bases: partial {other}"] + 0.1
    assert found[f"bases: partial {other}"] <= HIGH


def test_tests_over_vanilla_models_find_nothing_where_there_is_nothing():
    found = rates(repeat(contrast_findings, N_STUDIES, 6, Plant(slope_sd=0.01)))
    for name in ("bases, Wilcoxon", "bases, sign flips", "mixed model, tuned"):
        assert found[name] <= HIGH, name


def test_tests_over_vanilla_models_find_a_large_gain():
    found = rates(repeat(contrast_findings, 5, 7, Plant(tuning=0.02)))
    for name in ("bases, Wilcoxon", "bases, sign flips", "mixed model, tuned"):
        assert found[name] == 1, name


def test_surprisal_that_has_no_part_in_reading_seems_to_have_none():
    found = rates(repeat(reading_findings, N_STUDIES, 8))
    assert found["Δ log-likelihood, interval over stories above 0"] <= HIGH
