"""Paired proportions against published examples, enumeration and statsmodels."""

import numpy as np
import pandas as pd
import pytest
from brainalign.analysis.capabilities import wilson
from brainalign.analysis.collect import collect_capabilities, compared
from brainalign.analysis.contrasts import contrasts
from brainalign.analysis.proportions import mcnemar_p, paired_interval
from brainalign.analysis.records import model_table
from brainalign.errors import InputError
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar

# Bentur et al. 2009, the example of Fagerland, Lydersen & Laake (2014, Stat Med 33:2850):
# hyper-responsive before and after, only before, only after, neither, of 21 children.
CHILDREN = (1, 1, 7, 12)


def interval(both, first, second, neither):
    n = both + first + second + neither
    ends = [(k / n, *wilson(k / n, n)) for k in (both + first, both + second)]
    return paired_interval(*ends, (both, first, second, neither))


def test_the_published_example():
    assert mcnemar_p(1, 7) == pytest.approx(0.0391, abs=5e-5)
    assert interval(*CHILDREN) == (
        pytest.approx(-0.507, abs=5e-4),
        pytest.approx(-0.026, abs=5e-4),
    )


@pytest.mark.parametrize(("gained", "lost"), [(0, 1), (3, 3), (2, 9), (40, 61)])
def test_mid_p_is_the_exact_p_less_half_of_what_was_seen(gained, lost):
    exact = mcnemar([[5, gained], [lost, 5]], exact=True).pvalue
    seen = stats.binom.pmf(gained, gained + lost, 0.5)
    expected = exact - (seen if gained != lost else 0)
    assert mcnemar_p(gained, lost) == pytest.approx(expected)
    assert mcnemar_p(lost, gained) == pytest.approx(expected)


def test_equal_answers_have_no_test():
    assert np.isnan(mcnemar_p(0, 0))
    low, high = interval(15, 0, 0, 5)
    assert low <= 0 <= high


def test_without_correlation_it_is_the_interval_of_independent_proportions():
    """Newcombe (1998, Stat Med 17:873), table II: 56/70 against 48/80, method 10."""
    ends = [(k / n, *wilson(k / n, n)) for k, n in ((56, 70), (48, 80))]
    assert paired_interval(*ends, (1, 1, 1, 1)) == (
        pytest.approx(0.0524, abs=1e-4),
        pytest.approx(0.3339, abs=1e-4),
    )


def drawn(rng, shift=0.0, n=150):
    """Answers of two models to the same questions, which are hard for both or easy for both."""
    hard = rng.normal(size=n)
    return [hard + 0.5 * rng.normal(size=n) < cut for cut in (0.2 + shift, 0.2)]


def test_level_and_coverage_over_questions_that_both_models_share():
    """No difference: .05 rejected and .95 covered, within the binomial interval of 500 studies."""
    rng = np.random.default_rng(8)
    rejected = covered = 0
    for _ in range(500):
        rows, other = drawn(rng)
        counts = (rows & other, rows & ~other, ~rows & other, ~rows & ~other)
        both, gained, lost, neither = (int(c.sum()) for c in counts)
        rejected += mcnemar_p(gained, lost) < 0.05
        low, high = interval(both, gained, lost, neither)
        covered += low <= 0 <= high
    low, high = stats.binom.ppf([0.005, 0.995], 500, 0.05)
    assert low <= rejected <= high
    assert low <= 500 - covered <= high


MODELS = {
    name: {
        "base": base, "family": "F", "role": role, "label": name, "parameters": 1e6,
        "published": None, "simulated": True,
    }
    for name, role, base in (("v", "vanilla", None), ("t", "tuned", "v"), ("u", "tuned", "gone"))
}  # fmt: skip
TASKS = {"mmlu": {"questions": {"type": "simulated"}}}


def answers(correct, categories=("a", "b")):
    n = len(correct)
    return pd.DataFrame(
        {
            "question_id": [f"q{i}" for i in range(n)], "subject": "s", "task": "t",
            "category": np.resize(categories, n), "gold": 0, "correct": correct,
            "truncated": False, "tie": False, "unanswered": "", "scoring": "loglikelihood",
        }
    )  # fmt: skip


def collected(**given):
    results = [(model, "mmlu", table) for model, table in given.items()]
    return collect_capabilities(results, model_table(MODELS, []), TASKS)


def test_shared_answers_are_counted_by_question_and_tested():
    part, other = drawn(np.random.default_rng(1), shift=0.4)
    shuffled = answers(other).sample(frac=1, random_state=0)
    table = collected(t=answers(part), v=shuffled, u=answers(part))
    row = table[(table["model"] == "t") & (table["category"] == "all")].iloc[0]
    expected = ((part & other).sum(), (part & ~other).sum(), (~part & other).sum())
    assert tuple(row[["n_both", "n_gained", "n_lost"]]) == expected
    parts = table[(table["model"] == "t") & (table["category"] != "all")]
    assert parts[["n_both", "n_gained", "n_lost"]].sum().tolist() == list(expected)
    alone = table[table["model"].isin(["v", "u"])]
    assert alone[["n_both", "n_gained", "n_lost"]].isna().all().all()

    pairs = contrasts(capabilities=table)
    pair = pairs[(pairs["tuned"] == "t") & (pairs["dataset"] == "all")].iloc[0]
    assert (pair["test"], pair["unit"], pair["n"]) == ("mcnemar", "questions", 150)
    assert pair["p"] == pytest.approx(mcnemar_p(*expected[1:]))
    assert pair["absolute"] == pytest.approx(part.mean() - other.mean())
    assert pair["low"] < pair["absolute"] < pair["high"]
    gone = pairs[(pairs["tuned"] == "u") & (pairs["dataset"] == "all")].iloc[0]
    assert gone["note"] == "not computable: no score of gone"


def test_accuracy_has_means_over_families_and_vanilla_models():
    chosen, other = drawn(np.random.default_rng(1), shift=0.4)
    table = contrasts(capabilities=collected(t=answers(chosen), v=answers(other)))
    overall = table[(table["level"] == "overall") & (table["dataset"] == "all")].set_index("unit")
    assert overall.loc["bases", "absolute"] == pytest.approx(chosen.mean() - other.mean())
    assert overall.loc["bases", "note"] == "no p: 1 vanilla model, 2 are needed"


def test_models_that_never_differ_say_so():
    these, _ = drawn(np.random.default_rng(1))
    table = contrasts(capabilities=collected(t=answers(these), v=answers(these)))
    pair = table[table["level"] == "pair"].iloc[0]
    assert (pair["test"], pair["note"]) == ("none", "both models answer every question alike")


def test_other_questions_are_refused():
    selected, other = drawn(np.random.default_rng(1))
    with pytest.raises(InputError, match=r"mmlu: t and v were not asked the same questions"):
        collected(t=answers(selected), v=answers(other[:140]))


def test_a_tie_is_gained_from_none_and_lost_to_full_credit() -> None:
    ours = answers([1.0, 0.5, 0.5, 0.25, 0.0, 0.5])
    theirs = answers([1.0, 0.5, 0.0, 1.0, 0.0, 1.0])
    full = compared(ours, theirs).set_index("category").loc["all"]
    assert full[["n_both", "n_gained", "n_lost"]].tolist() == [2, 1, 2]
