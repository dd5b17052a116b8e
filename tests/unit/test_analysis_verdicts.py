"""Verdicts: yes and no only where a test or an interval says so, in agreement with it."""

import numpy as np
import pandas as pd
import pytest
from brainalign.analysis.verdicts import (
    Answer,
    lacking,
    of_correlation,
    of_every,
    of_interval,
    of_test,
)
from brainalign.analysis.wording import p_text
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


@given(NUMBER, P, NUMBER, NUMBER)
def test_a_correlation_decides_where_test_and_interval_agree(r, p, one, other):
    low, high = np.minimum(one, other), np.maximum(one, other)
    verdict = of_correlation(r, p, low, high)
    assert verdict in (of_test(r, p), "cannot tell")
    if verdict != "cannot tell":
        assert p < 0.05 and (np.isnan(low) or verdict == of_interval(low, high))
    assert (verdict == of_test(r, p)) == (
        np.isnan(low) or of_test(r, p) in ("cannot tell", of_interval(low, high))
    )


def test_four_models_at_the_edge_of_the_test_cannot_tell():
    assert of_test(-0.95, 0.04997) == "no"
    assert of_correlation(-0.95, 0.172, -1.0, 0.99) == "cannot tell"
    assert of_correlation(-0.95, 0.04997, -1.0, 0.99) == "cannot tell"
    assert of_correlation(-0.95, 0.04997, -1.0, -0.2) == "no"


@pytest.mark.parametrize(
    ("p", "text"),
    [(0.04997, "p < .05"), (0.0495, "p < .05"), (0.04949, "p = .049"), (0.05, "p = .050"),
     (0.0502, "p = .050"), (0.0004, "p < .001")],
)  # fmt: skip
def test_no_p_below_the_level_is_printed_as_the_level(p, text):
    assert p_text(p) == text


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
    stated = Answer("t", "yes", 0.0123, 0.0045, 0.02, "change in r", "over 4 vanilla models")
    assert stated.line == (
        "Yes: change in r +0.0123 over 4 vanilla models; the 95 % interval, +0.0045 to +0.0200, "
        "does not hold 0."
    )
    assert Answer("not computable: no pair").line == "Cannot tell: no pair."
    assert lacking("untrained model").line == "Not asked: the study has no untrained model."
