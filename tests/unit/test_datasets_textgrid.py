"""TextGrids in long and short form, cut and out of order."""

import pytest
from brainalign.datasets.textgrid import tiers
from brainalign.errors import InputError
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds.alice import textgrid as long_form
from worlds.listening import textgrid

WORDS = [("say", 0.25, 0.5), ('so "called"'.replace('"', '""'), 0.5, 1.0), ("1.5", 1.0, 2.5e0)]


@pytest.mark.parametrize("short", [True, False])
def test_both_forms_have_the_same_tiers(short):
    phones, words = tiers(textgrid(WORDS, 3.0, short), "grid")
    assert (phones.name, phones.end, phones.intervals) == ("phone", 3.0, ((0.0, 3.0, "AH0"),))
    assert (words.name, words.end) == ("word", 3.0)
    # A label that looks like a number, and one with quote marks, are labels.
    assert words.intervals == ((0.25, 0.5, "say"), (0.5, 1.0, 'so "called"'), (1.0, 2.5, "1.5"))


def test_the_form_that_praat_writes_for_one_tier():
    (tier,) = tiers(long_form(["sp", "it's ", 'so "called"']), "grid")
    assert tier.intervals == ((12.0, 20.0, "sp"), (20.0, 20.5, "it's"), (20.5, 21.0, 'so "called"'))


def test_tiers_of_points_are_passed_over():
    grid = textgrid(WORDS, 3.0).replace(
        '"IntervalTier"\n"phone"\n0.0\n3.0\n1\n0.0\n3.0\n"AH0"',
        '"TextTier"\n"bell"\n0.0\n3.0\n2\n0.5\n"ding"\n1.5\n"dong"',
    )
    assert [tier.name for tier in tiers(grid, "grid")] == ["word"]


GOOD = textgrid(WORDS, 3.0)
BAD = {
    "another file": ("word,0.5\n", "cut short"),
    "another kind": (GOOD.replace('"TextGrid"', '"Pitch 1"'), "not a TextGrid in long or short"),
    "no tiers": (GOOD.replace("<exists>", "<absent>"), "no tiers"),
    "out of order": (GOOD.replace("1.0\n2.5", "0.75\n2.5"), "interval 3 .* is out of order"),
    "backwards": (GOOD.replace("0.25\n0.5", "0.5\n0.25"), "interval 1 .* is out of order"),
    "text for number": (GOOD.replace("0.25\n", '"0.25"\n'), "where a number is expected"),
    "number for text": (GOOD.replace('"say"', "7"), "where a quoted text is expected"),
    "a count that is none": (GOOD.replace("3.0\n3\n", "3.0\n3.5\n"), "3.5 where a count"),
    "fewer intervals": (GOOD.replace("3.0\n3\n", "3.0\n4\n"), "cut short"),
    "an unknown tier": (GOOD.replace('"IntervalTier"\n"word"', '"Odd"\n"word"'), "is a 'Odd'"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_one_is_named(case):
    grid, says = BAD[case]
    with pytest.raises(InputError, match=f"grid: .*{says}"):
        tiers(grid, "grid")


@given(st.booleans(), st.floats(0, 0.97))
@settings(max_examples=60, deadline=None)
def test_a_cut_one_is_an_input_error(short, share):
    full = textgrid(WORDS, 3.0, short)
    with pytest.raises(InputError):
        tiers(full[: int(share * len(full))], "grid")
