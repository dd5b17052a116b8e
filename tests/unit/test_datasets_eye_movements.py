"""Eye-movement measures against a direct reading of their definitions, word by word."""

from itertools import pairwise

import numpy as np
import pytest
from brainalign.datasets.eye_movements import word_measures
from brainalign.datasets.measures import DURATIONS, MEASURES
from hypothesis import given
from hypothesis import strategies as st

SENTENCES = st.integers(1, 7).flatmap(
    lambda n: st.tuples(
        st.just(n),
        st.lists(st.tuples(st.integers(0, n - 1), st.integers(20, 900)), max_size=25),
    )
)


def by_definition(fixations, word):
    """The measures of one word, each read off the list of fixations on its own."""
    nan = float("nan")
    on_word = [i for i, (where, _) in enumerate(fixations) if where == word]
    total = sum(fixations[i][1] for i in on_word) if on_word else nan
    came_back = any(a > word and b == word for (a, _), (b, _) in pairwise(fixations))
    first = on_word[0] if on_word else None
    if first is None or any(where > word for where, _ in fixations[:first]):
        return dict.fromkeys(MEASURES, nan) | {
            "total": total, "skipping": 1.0, "regression-in": float(came_back),
        }  # fmt: skip
    gaze, i = 0, first
    while i < len(fixations) and fixations[i][0] == word:
        gaze, i = gaze + fixations[i][1], i + 1
    go_past, i, regressed = 0, first, False
    while i < len(fixations) and fixations[i][0] <= word:
        go_past, regressed = go_past + fixations[i][1], regressed or fixations[i][0] < word
        i += 1
    return {
        "first-fixation": fixations[first][1], "gaze": gaze, "go-past": go_past, "total": total,
        "skipping": 0.0, "regression-out": float(regressed), "regression-in": float(came_back),
    }  # fmt: skip


def measured(fixations, n_words):
    words = np.array([where for where, _ in fixations], dtype=int)
    durations = np.array([ms for _, ms in fixations], dtype=float)
    return word_measures(words, durations, n_words)


@given(SENTENCES)
def test_each_measure_is_its_definition(sentence):
    n_words, fixations = sentence
    result = measured(fixations, n_words)
    for word in range(n_words):
        expected = by_definition(fixations, word)
        for name in MEASURES:
            np.testing.assert_equal(result[name][word], expected[name], err_msg=f"{name} {word}")


@given(SENTENCES)
def test_durations_are_ordered_and_never_zero(sentence):
    n_words, fixations = sentence
    actual = measured(fixations, n_words)
    passed = actual["skipping"] == 0
    assert (actual["first-fixation"][passed] <= actual["gaze"][passed]).all()
    assert (actual["gaze"][passed] <= actual["go-past"][passed]).all()
    assert (actual["gaze"][passed] <= actual["total"][passed]).all()
    for name in DURATIONS:
        assert not (actual[name] <= 0).any()


def test_a_sentence_by_hand():
    # The eyes read word 0, skip 1, read 2 twice, go back to 1, read 2 again, then 3.
    seen = measured([(0, 200), (2, 150), (2, 100), (1, 120), (2, 90), (3, 300)], 5)
    nan = float("nan")
    expected = {
        "first-fixation": [200, nan, 150, 300, nan],
        "gaze": [200, nan, 250, 300, nan],
        "go-past": [200, nan, 460, 300, nan],
        "total": [200, 120, 340, 300, nan],
        "skipping": [0, 1, 0, 0, 1],
        "regression-out": [0, nan, 1, 0, nan],
        "regression-in": [0, 1, 0, 0, 0],
    }
    for name, values in expected.items():
        np.testing.assert_equal(seen[name], values, err_msg=name)


def test_a_sentence_without_fixations_is_skipped_word_by_word():
    shown = measured([], 3)
    assert shown["skipping"].tolist() == [1, 1, 1]
    assert np.isnan(shown["total"]).all()


@pytest.mark.parametrize("name", MEASURES)
def test_every_measure_is_of_every_word(name):
    assert measured([(1, 200)], 4)[name].shape == (4,)
