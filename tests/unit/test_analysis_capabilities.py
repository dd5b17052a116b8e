"""Accuracies, averages and intervals of analysis/capabilities.py."""

import numpy as np
import pandas as pd
import pytest
from brainalign.analysis.capabilities import accuracy_table, mean_of_groups, summarise, wilson
from brainalign.errors import InputError
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_equals_statsmodels(counts: tuple[int, int]) -> None:
    hits, n = counts
    assert wilson(hits / n, n) == pytest.approx(
        proportion_confint(hits, n, method="wilson"), abs=1e-12
    )


def answers(rows: list[tuple[str, str, str, int, int]], gold: object) -> pd.DataFrame:
    """A table of answers from (category, task, subject, right, wrong)."""
    frame = pd.DataFrame(
        [
            (category, task, subject, verdict)
            for category, task, subject, right, wrong in rows
            for verdict in [True] * right + [False] * wrong
        ],
        columns=["category", "task", "subject", "correct"],
    )
    frame["question_id"] = [f"q{i}" for i in range(len(frame))]
    frame["gold"] = gold
    frame["truncated"] = [i % 10 == 0 for i in range(len(frame))]
    frame["tie"] = [i % 20 == 0 for i in range(len(frame))]
    frame["unanswered"] = [{1: "cut", 2: "nothing"}.get(i % 25, "") for i in range(len(frame))]
    return frame


ROWS = [
    ("a", "one", "one", 10, 0),
    ("a", "two", "two_three", 5, 15),
    ("a", "two", "two_five", 15, 15),
    ("b", "four", "four", 0, 40),
]


def test_every_average_by_hand() -> None:
    table = (
        accuracy_table(answers(ROWS, gold="x"))
        .set_index(["level", "category", "average"])
        .sort_index()
    )
    overall = table.loc[("all", "all")]["accuracy"]
    assert overall["questions"] == pytest.approx(30 / 100)
    assert overall["files"] == pytest.approx((1 + 0.25 + 0.5 + 0) / 4)
    assert overall["tasks"] == pytest.approx((1 + 20 / 50 + 0) / 3)
    by_tasks = table.loc[("category", "a", "tasks"), "accuracy"]
    assert by_tasks.item() == pytest.approx((1 + 0.4) / 2)
    per_task = accuracy_table(answers(ROWS, gold="x")).query(
        "level == 'task' and task == 'two' and average == 'questions'"
    )
    assert per_task["accuracy"].item() == pytest.approx(0.4)
    assert per_task["n"].item() == 50


def test_summary_averages_as_the_published_scores_do() -> None:
    generation = summarise(answers(ROWS, gold="x")).set_index("category")
    choice = summarise(answers(ROWS, gold=1)).set_index("category")
    assert generation.loc["all", "accuracy"] == pytest.approx(1.75 / 4)
    assert choice.loc["all", "accuracy"] == pytest.approx(0.3)
    assert list(choice.index) == ["all", "a", "b"]
    assert choice.loc["all", "n_truncated"] == 10
    assert choice.loc["all", "n_ties"] == 5
    columns = ["unanswered", "n_nothing", "n_cut", "n_thinking"]
    assert list(choice.loc["all", columns]) == [0.08, 4, 4, 0]


def test_a_tie_counts_with_its_share() -> None:
    table = answers([("a", "one", "one", 2, 2)], gold=1)
    table["correct"] = [1.0, 0.5, 0.25, 0.0]
    assert summarise(table).loc[0, "accuracy"] == 1.75 / 4
    assert mean_of_groups(table["correct"], pd.Series([0, 0, 1, 1]))[0] == 1.75 / 4


def test_interval_of_a_mean_over_files_covers_the_truth() -> None:
    """Files of unequal size and difficulty: 95 % of the intervals hold the true mean."""
    rng = np.random.default_rng(3)
    truth = rng.uniform(0.1, 0.9, 27)
    sizes = rng.integers(10, 40, 27)
    group = pd.Series(np.repeat(np.arange(27), sizes))
    covered = 0
    for _ in range(400):
        correct = pd.Series(rng.random(len(group)) < np.repeat(truth, sizes))
        _, low, high = mean_of_groups(correct, group)
        covered += low <= truth.mean() <= high
    # Binomial(400, .95) has a standard deviation of 1.1 %: four of them.
    assert 0.906 <= covered / 400 <= 0.994


def test_equal_files_give_nearly_the_interval_of_the_pooled_questions() -> None:
    group = pd.Series(np.repeat(np.arange(5), 200))
    correct = pd.Series(np.tile([True, False], 500))
    _, low, high = mean_of_groups(correct, group)
    assert (low, high) == pytest.approx(wilson(0.5, 1000), abs=1e-3)


def test_a_perfect_score_keeps_its_uncertainty() -> None:
    mean, low, high = mean_of_groups(pd.Series([True] * 20), pd.Series([0, 1] * 10))
    assert mean == 1 and high == 1
    assert 0.5 < low < 0.95


def test_no_answers_is_an_error() -> None:
    with pytest.raises(InputError, match="no answers"):
        summarise(answers(ROWS, gold=1).iloc[:0])
    broken = answers(ROWS, gold=1).astype({"correct": object})
    broken.loc[3, "correct"] = None
    with pytest.raises(InputError, match="q3"):
        summarise(broken)
