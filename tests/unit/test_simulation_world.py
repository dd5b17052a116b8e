"""The simulated world: its facts, its grammar's exact probabilities, and what tests hold out."""

import re
from typing import NamedTuple

import numpy as np
import pytest
from brainalign.errors import InputError
from brainalign.settings import read
from brainalign.simulation.corpus import corpus
from brainalign.simulation.grammar import Continuation, Token, sample, surprisal, text_of
from brainalign.simulation.instructions import instructions
from brainalign.simulation.questions import generation, multiple_choice
from brainalign.simulation.settings import Simulation
from brainalign.simulation.texts import PassageGrammar, StoryGrammar, question
from brainalign.simulation.vocabulary import UNKNOWN, train_tokenizer
from brainalign.simulation.world import VALUES, build_world

SEEDS = (1, 2, 3)
ITEMS = 25
NUMBERS = ("one", "two", "three", "four", "five")


@pytest.fixture(
    scope="module", params=[SEEDS[0], *(pytest.param(s, marks=pytest.mark.long) for s in SEEDS[1:])]
)
def seed(request):
    return request.param


@pytest.fixture(scope="module")
def world(seed):
    return build_world(seed, 6)


@pytest.fixture(scope="module")
def samples(world, seed):
    return instructions(world, 2000, ITEMS, seed)


@pytest.fixture(scope="module")
def documents(world, seed):
    return corpus(world, 4000, ITEMS, seed)


def test_half_of_the_facts_of_each_domain_and_kind_are_asked(world):
    for domain, kinds in world.kinds.items():
        for kind in kinds:
            asked = [f.asked for f in world.facts if (f.domain, f.kind) == (domain, kind)]
            assert len(asked) == 6
            assert sum(asked) == 3
    assert len({fact.thing for fact in world.facts}) == 12 * 6
    assert all(fact.value in VALUES[fact.kind] for fact in world.facts)


def test_a_seed_gives_one_world_and_another_seed_another(world, seed):
    assert build_world(seed, 6) == world
    assert build_world(seed + 1, 6) != world
    assert corpus(world, 40, ITEMS, seed) == corpus(build_world(seed, 6), 40, ITEMS, seed)
    assert corpus(world, 40, ITEMS, seed) != corpus(world, 40, ITEMS, seed + 1)


@pytest.mark.parametrize("grammar", [PassageGrammar, StoryGrammar])
def test_continuations_of_every_intermediate_state_sum_to_one(world, grammar):
    rules, rng = grammar(world), np.random.default_rng(0)
    states = [rules.start()]
    for _ in range(12):
        choices = rules.continuations(states[-1])
        states.append(choices[rng.integers(len(choices))].state)
    for state in states:
        assert sum(c.probability for c in rules.continuations(state)) == pytest.approx(1, abs=1e-9)


class _Two(NamedTuple):
    """A grammar small enough to enumerate; "a b ." arises in two ways that lead on differently."""

    def start(self):
        return 0

    def continuations(self, state):
        if state == 0:
            return [
                Continuation(0.5, "a b .", {}, 1),
                Continuation(0.25, "a {x} .", {"x": (Token("b"),)}, 2),
                Continuation(0.25, "a c .", {}, 2),
            ]
        return [Continuation(0.9 if state == 1 else 0.2, "d .", {}, state),
                Continuation(0.1 if state == 1 else 0.8, "e .", {}, state)]  # fmt: skip


def test_surprisal_equals_the_sum_over_all_derivations():
    grammar = _Two()
    joint = {}
    for first in grammar.continuations(0):
        for second in grammar.continuations(first.state):
            words = text_of([first.sentence, second.sentence])
            joint[words] = joint.get(words, 0) + first.probability * second.probability
    assert sum(joint.values()) == pytest.approx(1)
    for first in grammar.continuations(0):
        for second in grammar.continuations(first.state):
            text = [first.sentence, second.sentence]
            bits = np.concatenate(surprisal(grammar, text)).sum()
            assert 2**-bits == pytest.approx(joint[text_of(text)])


def test_next_word_probabilities_of_the_world_sum_to_one(world):
    """Over all sentences of the opening, grouped by their words: Σ 2^−surprisal = 1."""
    grammar = PassageGrammar(world, "mineral")
    openings = {text_of([c.sentence]): c.sentence for c in grammar.continuations(grammar.start())}
    total = sum(2 ** -surprisal(grammar, [sentence])[0].sum() for sentence in openings.values())
    assert total == pytest.approx(1, abs=1e-9)


def test_mean_surprisal_is_the_entropy_of_the_opening(world):
    grammar, rng = StoryGrammar(world), np.random.default_rng(0)
    opening = [c.probability for c in grammar.continuations(grammar.start())]
    entropy = -np.sum(opening * np.log2(opening))
    drawn = [surprisal(grammar, sample(grammar, 1, rng))[0].sum() for _ in range(50)]
    assert np.mean(drawn) == pytest.approx(entropy, abs=1e-9)  # all openings are equally likely


def test_impossible_text_is_refused(world):
    with pytest.raises(ValueError, match="cannot produce"):
        surprisal(PassageGrammar(world), [(Token("Nonsense"), Token("."))])


def test_no_instruction_tells_a_fact_that_is_asked(world, samples):
    text = ["\n".join(sample.values()) for sample in samples]
    everything = "\n".join(text)
    sentences = [set(sentence.split()) for sentence in re.split(r"[.?\n]", everything)]
    for fact in (fact for fact in world.facts if fact.asked):
        assert f"the {_word(fact)} of the {fact.thing}?" not in everything
        assert not any({fact.thing, fact.value} <= sentence for sentence in sentences), fact
    for word, other, asked in world.translations:
        if asked:
            assert not any(other in t.split() for t in text), word


def _word(fact):
    return {"town": "home", "material": "stuff"}.get(fact.kind, fact.kind)


def test_no_instruction_repeats_a_test_question_or_a_test_scene(world, samples, seed):
    test = multiple_choice(world, seed).query("split == 'test'")["question"]
    scenes = generation(world, ITEMS, seed)["input"]
    text = "\n".join("\n".join(sample.values()) for sample in samples)
    assert not [question for question in [*test, *scenes] if question in text]


def test_three_in_four_questions_stand_in_the_instruction(samples):
    questions = [sample for sample in samples if "(with answers)" in sample["instruction"]]
    asked = [sample["input"] or sample["instruction"] for sample in questions]
    assert all(text.endswith("\nAnswer:") for text in asked)
    without = np.mean([not sample["input"] for sample in questions])
    assert abs(without - 0.75) < 4 * np.sqrt(0.75 * 0.25 / len(questions))


def test_worked_examples_are_about_facts_that_are_not_asked(world, seed):
    table = multiple_choice(world, seed)
    dev = set(table.query("split == 'dev'")["question"])
    assert not dev & set(table.query("split == 'test'")["question"])
    assert (table.query("split == 'dev'").groupby("subject").size() == 5).all()


def test_every_asked_fact_is_in_the_text(world, documents):
    words = [set(document.replace(".", "").replace("?", "").split()) for document in documents]
    for fact in (fact for fact in world.facts if fact.asked):
        assert any({fact.thing, fact.value} <= result for result in words), fact


def test_the_layout_of_the_tests_is_in_the_text_but_no_test_item(world, documents, seed):
    """1 % of 4,000 documents are 40, with a standard deviation of 6.3."""
    shown = [document for document in documents if "Answer:" in document]
    assert abs(len(shown) - 40) < 4 * 6.3
    asked = [text_of([question(fact)]) for fact in world.facts if fact.asked]
    asked += [f"word for {word}?" for word, _, ask in world.translations if ask]
    assert not [stem for stem in asked if any(stem in document for document in shown)]
    choices = multiple_choice(world, seed).query("split == 'test'")["question"]
    test = [*choices, *generation(world, ITEMS, seed)["input"]]
    assert not [item for item in test if any(item in document for document in shown)]


def test_answers_in_the_layout_are_right_and_a_text_ends_after_three_in_five(documents):
    shown = [document for document in documents if "Answer:" in document]
    answers = [re.findall(r"Answer: (\w+)", document) for document in shown]
    for document, said in zip(shown, answers, strict=True):
        assert document.endswith(f"Answer: {said[-1]}")
    share = len(answers) / sum(map(len, answers))
    assert abs(share - 0.6) < 4 * np.sqrt(0.6 * 0.4 / sum(map(len, answers)))
    heads = np.mean([document.startswith("The following are questions") for document in shown])
    assert abs(heads - 0.5) < 4 * np.sqrt(0.25 / len(shown))
    counted = [
        (scene.count(" a "), answer)
        for document in shown
        for scene, answer in re.findall(
            r"On the table are ([^.]*)\. What is the number of things\? Answer: (\w+)", document
        )
    ]
    assert len(counted) > 2
    assert all(NUMBERS[n] == answer for n, answer in counted)


def test_gold_answers_are_true_and_letters_balanced(world, seed):
    table = multiple_choice(world, seed)
    truth = {}
    for fact in world.facts:
        truth[fact.thing, _word(fact)] = fact.value
    for row in table.itertuples():
        _, _, _, kind, _, _, thing = row.question.rstrip("?").split()
        assert row.choices[row.gold] == truth[thing, kind]
        assert len(set(row.choices)) == 4
    assert table["gold"].value_counts().min() > 0.1 * len(table)


def test_every_word_of_the_tests_is_in_the_vocabulary(world, documents, samples, seed):
    tokenizer = train_tokenizer(documents, samples)
    unknown = tokenizer.token_to_id(UNKNOWN)
    table = multiple_choice(world, seed)
    items = generation(world, ITEMS, seed)
    for text in [
        *table["question"],
        *table["choices"].explode(),
        *items["input"],
        *items["target"],
    ]:
        assert unknown not in tokenizer.encode(text).ids, text


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"thing": 3}, "simulation: unknown key 'thing'"),
        ({"things_per_domain": 5}, "an even number"),
        ({"knowledge": 2}, "a number from 0 to 1"),
        ({"documents": 0}, "an integer from 1 up"),
        ({"drift": -1}, "a number from 0 up"),
    ],
)
def test_a_bad_section_is_named(section, message):
    with pytest.raises(InputError, match=message):
        read(section, Simulation, "simulation")
