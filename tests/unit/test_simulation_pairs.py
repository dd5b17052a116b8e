"""Minimal pairs of the simulated language: the grammar produces one sentence of each, only one."""

import re

import numpy as np
import pytest
from brainalign.simulation.grammar import Token, surprisal
from brainalign.simulation.pairs import FIELD_OF_PHENOMENON, minimal_pairs
from brainalign.simulation.texts import StoryGrammar
from brainalign.simulation.world import build_world


def sentences(text: str) -> list[tuple[Token, ...]]:
    """The tokens of each sentence: a stop or a question mark ends one."""
    result = re.findall(r"[^.?]+[.?]", re.sub(r"([.,:?])", r" \1", text))
    return [tuple(map(Token, sentence.split())) for sentence in result]


@pytest.fixture(scope="module")
def world():
    return build_world(1, 6)


@pytest.fixture(scope="module")
def pairs(world):
    return minimal_pairs(world, 40, 1)


def test_the_grammar_produces_the_good_sentence_and_not_the_bad_one(world, pairs):
    """Exact surprisal is finite for the one, and undefined for the other."""
    grammar = StoryGrammar(world)
    for pair in pairs.itertuples():
        good, bad = sentences(pair.good), sentences(pair.bad)
        assert np.isfinite(np.concatenate(surprisal(grammar, good))).all()
        with pytest.raises(ValueError, match="the grammar cannot produce"):
            surprisal(grammar, bad)
        assert good[:-1] == bad[:-1] and len(good) == len(bad) >= 2  # the fault is in the last


def test_a_pair_has_one_fault(pairs):
    assert pairs.groupby("task").size().to_dict() == dict.fromkeys(FIELD_OF_PHENOMENON, 40)
    assert not pairs.duplicated(["task", "good"]).any()
    for pair in pairs.itertuples():
        good, bad = (text.replace(".", "").split() for text in (pair.good, pair.bad))
        changed = [i for i, (g, b) in enumerate(zip(good, bad, strict=True)) if g != b]
        if pair.task == "order":
            assert sorted(good) == sorted(bad)
            assert len(changed) == 2 and changed[1] == changed[0] + 1
        else:
            assert len(changed) == 1


def test_no_fault_is_about_a_thing(world, pairs):
    last = [{token.text for token in sentences(text)[-1]} for text in pairs["good"]]
    assert not any(words & (set(world.facts_of) | {"it"}) for words in last)


def test_the_seed_draws_the_pairs(world, pairs):
    assert minimal_pairs(world, 40, 1).equals(pairs)
    assert not minimal_pairs(world, 40, 2).equals(pairs)
