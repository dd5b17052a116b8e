"""Verdicts: yes and no only where a test or an interval says so, in agreement with it."""

import numpy as np
import pandas as pd
from brainalign.analysis.verdicts import Answer, of_every, of_interval, of_test
from hypothesis import given
from hypothesis import strategies as st

NUMBER = st.floats(-1, 1, allow_nan=False) | st.just(float("nan"))
P = st.floats(0, 1) | st.just(float("nan"))


@given(NUMBER, P)
def test_a_test_decides_by_its_p_and_the_sign_of_its_estimate(effect, p):
    verdict = of_test(effect, p)
    assert (verdict == "yes") == (p < 0.05 and not effect <= 0 and not np.isnan(effect))
    assert (verdict == "no") == (p < 0.05 and effect <= 0)
    assert verdict in ("yes", "no", "cannot tell")


@given(NUMBER, NUMBER)
def test_an_interval_decides_where_it_does_not_hold_0(one, other):
    low, high = np.minimum(one, other), np.maximum(one, other)
    verdict = of_interval(low, high)
    assert (verdict == "cannot tell") == (np.isnan(low) or low <= 0 <= high)
    if verdict != "cannot tell":
        assert (verdict == "yes") == (low > 0 and high > 0)


@given(st.lists(st.tuples(NUMBER, NUMBER).map(sorted), max_size=5))
def test_many_comparisons_decide_where_all_agree(intervals):
    ends = pd.DataFrame(intervals, columns=["low", "high"], dtype=float)
    verdicts = {of_interval(low, high) for low, high in intervals}
    expected = verdicts.pop() if len(verdicts) == 1 else "cannot tell"
    assert of_every(ends["low"] > 0, ends["high"] < 0) == expected


@given(NUMBER, NUMBER, NUMBER)
def test_a_sentence_says_whether_its_interval_holds_0(one, middle, other):
    if np.isnan([one, middle, other]).any():
        low, effect, high = np.nan, middle, np.nan
    else:
        low, effect, high = sorted([one, middle, other])
    answer = Answer(
        "text", of_interval(low, high), effect, low, high, "change in r", "over 4 models"
    )
    assert answer.line.startswith(f"{answer.verdict.capitalize()}: ")
    assert ("does not hold 0" in answer.line) == (answer.verdict != "cannot tell")
    assert (", holds 0." in answer.line) == (not np.isnan(low) and low <= 0 <= high)
    assert ("interval" in answer.line) == (not np.isnan(low))


def test_sentences_of_known_answers():
    told = Answer("t", "yes", 0.0123, 0.0045, 0.02, "change in r", "over 4 vanilla models")
    assert told.line == (
        "Yes: change in r +0.0123 over 4 vanilla models; the 95 % interval, +0.0045 to +0.0200, "
        "does not hold 0."
    )
    assert Answer("not computable: no pair").line == "Cannot tell: no pair."
