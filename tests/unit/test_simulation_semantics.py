"""The planted state: how concepts are alike, how it decays, and what has to be known to tell it."""

import numpy as np
import pytest
from brainalign.simulation.grammar import Token, sample, text_of
from brainalign.simulation.semantics import KIND_SHARE, concept_vectors, token_states, word_states
from brainalign.simulation.texts import PassageGrammar
from brainalign.simulation.world import VALUES, build_world

WORLD = build_world(1, 8)
KNOWLEDGE = 0.7


@pytest.fixture(scope="module")
def wide():
    """In 4,000 dimensions random directions are orthogonal but for 1/√4000 = 0.016."""
    return concept_vectors(WORLD, 4000, KNOWLEDGE, seed=3)


def cosine(a, b):
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


def test_values_of_a_kind_share_most_of_their_variance(wide):
    assert cosine(wide["red"], wide["blue"]) == pytest.approx(KIND_SHARE, abs=0.06)
    assert cosine(wide["red"], wide["Tolby"]) == pytest.approx(0.0, abs=0.06)
    assert wide["red"] @ wide["red"] == pytest.approx(1.0, abs=0.1)


def test_a_thing_is_its_facts_by_the_share_of_knowledge(wide):
    shares = []
    for thing, facts in WORLD.facts_of.items():
        known = sum(wide[fact.value] for fact in facts)
        shares.append(cosine(wide[thing], known) ** 2)
    assert np.mean(shares) == pytest.approx(KNOWLEDGE, abs=0.02)


@pytest.mark.parametrize(("knowledge", "expected"), [(0.0, 0.0), (1.0, 1.0)])
def test_knowledge_goes_from_a_mere_name_to_the_facts_alone(knowledge, expected):
    vectors = concept_vectors(WORLD, 4000, knowledge, seed=3)
    thing, facts = next(iter(WORLD.facts_of.items()))
    known = sum(vectors[fact.value] for fact in facts)
    assert cosine(vectors[thing], known) == pytest.approx(expected, abs=0.06)


def test_every_concept_of_the_texts_has_a_vector():
    vectors = concept_vectors(WORLD, 8, KNOWLEDGE, seed=1)
    named = {value for values in VALUES.values() for value in values} | set(WORLD.facts_of)
    assert set(vectors) == named


def test_a_state_is_the_sum_of_decayed_concepts():
    rng = np.random.default_rng(2)
    vectors = {name: rng.standard_normal(5) for name in "abc"}
    concepts = ["a", None, "b", "b", None, "c", None]
    tokens = [Token("word", concept) for concept in concepts]
    states = token_states([tuple(tokens[:4]), tuple(tokens[4:])], vectors, half_life=3.0)
    assert [len(state) for state in states] == [4, 3]
    for i, result in enumerate(np.concatenate(states)):
        expected = sum(
            vectors[concept] * 0.5 ** ((i - j) / 3.0)
            for j, concept in enumerate(concepts[: i + 1])
            if concept
        )
        np.testing.assert_allclose(result, expected, atol=1e-12)


def test_word_states_are_those_after_the_last_token_of_each_word():
    sentences = sample(PassageGrammar(WORLD, "song"), 4, np.random.default_rng(1))
    vectors = concept_vectors(WORLD, 6, KNOWLEDGE, seed=1)
    words, states = word_states(sentences, vectors, 4.0)
    assert " ".join(words) == text_of(sentences)
    after = np.concatenate(token_states(sentences, vectors, 4.0))
    np.testing.assert_array_equal(states[-1], after[-1])
    assert len(states) == len(words) < len(after)  # a full stop joins its word


def test_the_state_of_new_topics_follows_from_kinds_and_facts():
    """Regressions fitted to eleven topics predict the twelfth, 80 rows a topic.

    Regressors are decayed counts (a) of the kinds of the values told; (b) of kinds and values;
    (c) the same with each thing's facts added where the thing is named. (a) misses the values' own
    tenth, (b) what is known of things, (c) only the things' own vectors.
    """
    vectors = concept_vectors(WORLD, 12, KNOWLEDGE, seed=1)
    kinds = {value: position for position, values in enumerate(VALUES.values()) for value in values}
    one_kind = {value: np.eye(6)[position] for value, position in kinds.items()}
    values = dict(zip(kinds, np.eye(len(kinds)), strict=True))
    both = {value: np.concatenate([one_kind[value], values[value]]) for value in kinds}
    facts = {
        thing: np.sqrt(KNOWLEDGE / 3) * sum(both[fact.value] for fact in facts)
        for thing, facts in WORLD.facts_of.items()
    }
    known = {
        "state": vectors,
        "kinds": one_kind | {thing: np.zeros(6) for thing in facts},
        "values": both | {thing: np.zeros(6 + len(kinds)) for thing in facts},
        "facts": both | facts,
    }
    rows = {name: [] for name in known}
    topics = np.repeat(list(WORLD.things), 80)
    rng = np.random.default_rng(5)
    for topic in WORLD.things:
        for _ in range(20):
            sentences = sample(PassageGrammar(WORLD, topic), 4, rng)
            for name, concepts in known.items():
                rows[name] += [state[-1] for state in token_states(sentences, concepts, 4.0)]
    state = np.array(rows.pop("state"))
    scores = {}
    for name, x in rows.items():
        r = []
        for topic in WORLD.things:
            test = topics == topic
            weights = np.linalg.lstsq(np.array(x)[~test], state[~test], rcond=None)[0]
            predicted = np.array(x)[test] @ weights
            r += [np.corrcoef(a, b)[0, 1] for a, b in zip(predicted.T, state[test].T, strict=True)]
        scores[name] = np.mean(r)
    assert 0.6 < scores["kinds"] < scores["values"] < scores["facts"] - 0.01 < 1


def test_the_state_varies_within_topics():
    """Else a fold that holds out a topic would have nothing to predict."""
    vectors = concept_vectors(WORLD, 12, KNOWLEDGE, seed=1)
    rng = np.random.default_rng(6)
    by_topic = [
        np.array([
            state[-1]
            for _ in range(20)
            for state in token_states(sample(PassageGrammar(WORLD, topic), 4, rng), vectors, 4.0)
        ])
        for topic in WORLD.things
    ]  # fmt: skip
    within = np.mean([states.var(axis=0).sum() for states in by_topic])
    assert within / np.concatenate(by_topic).var(axis=0).sum() > 0.5
