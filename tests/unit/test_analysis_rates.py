"""Whole simulated studies: what the tests find when the cause is known.

Few studies, so wide tolerances; `python tests/simulated_studies.py` gives the rates of
docs/methods/analysis.md from 500.
"""

import pytest
from scipy import stats
from simulated_studies import Plant, correlation_rates

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
    rates = correlation_rates(plant, N_STUDIES, seed=5)
    # Either cause makes both plain correlations significant: they do not tell them apart.
    assert min(rates[f"tuned: pearson {x}"] for x in ("mmlu", "log10_parameters")) > 0.6
    assert rates[f"bases: partial {cause}"] > rates[f"bases: partial {other}"] + 0.1
    assert rates[f"bases: partial {other}"] <= HIGH
