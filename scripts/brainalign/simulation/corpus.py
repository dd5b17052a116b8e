"""The pre-training text: one document a line."""

import numpy as np

from brainalign.simulation.grammar import sample, text_of
from brainalign.simulation.questions import generation
from brainalign.simulation.tasks import TASKS, Item
from brainalign.simulation.texts import PassageGrammar, StoryGrammar, question
from brainalign.simulation.world import Fact, World

SHARES = {"passage": 0.4, "talk": 0.2, "story": 0.1, "skill": 0.29, "layout": 0.01}
"""Shares of the kinds of documents."""

LAST = 0.6
"""Probability that an answer in the tests' layout is the last of its document. It is the same after
each of them, and above a half: a text is likeliest to end after an answer, however many stand
before it."""

HEADED = 0.5
"""Share of the documents in the tests' layout that begin with a line on what they are about."""


def corpus(world: World, n_documents: int, items_per_task: int, seed: int) -> list[str]:
    """Draw the documents.

    Passages and stories tell the facts (all of them: also those that test questions ask for),
    talk and skills show questions and what the reasoning tasks are about. Documents in the layout
    of the tests, with their "Answer:", ask for no fact that a test question asks for, and none is a
    test item.

    Parameters
    ----------
    items_per_task : size of the reasoning test whose scenes are left out of the layout (see
        questions.generation).
    """
    rng = np.random.default_rng([seed, 4])
    passages, stories = PassageGrammar(world), StoryGrammar(world)
    held_out = frozenset(generation(world, items_per_task, seed)["input"])
    kinds = rng.choice(list(SHARES), size=n_documents, p=list(SHARES.values()))
    documents = []
    for kind in kinds:
        if kind == "passage":
            documents.append(text_of(sample(passages, 4, rng)))
        elif kind == "talk":
            chosen = rng.integers(len(world.facts), size=4)
            documents.append(" ".join(question_and_answer(world.facts[i]) for i in chosen))
        elif kind == "story":
            documents.append(text_of(sample(stories, 8, rng)))
        elif kind == "skill":
            task = list(TASKS)[rng.integers(len(TASKS))]
            item = TASKS[task](world, rng, bool(rng.integers(2)))
            documents.append(item.talk if rng.integers(2) else item.text)
        else:
            documents.append(in_layout(world, rng, held_out))
    return documents


def question_and_answer(fact: Fact) -> str:
    """A fact as it comes up in talk."""
    return f"{text_of([question(fact)])} {fact.value}."


def in_layout(world: World, rng: np.random.Generator, held_out: frozenset[str]) -> str:
    """Items of one task in the layout of the tests, on one line: white space is no token.

    Their number is geometric (`LAST`). `held_out`: inputs that do not occur.
    """
    task = list(TASKS)[rng.integers(len(TASKS))]
    items: list[Item] = []
    while not items or rng.random() >= LAST:
        item = TASKS[task](world, rng, False)
        while item.input in held_out:
            item = TASKS[task](world, rng, False)
        items.append(item)
    asked = " ".join(f"{item.input} Answer: {item.target}" for item in items)
    headed = rng.random() < HEADED
    return f"The following are questions (with answers) about {task}. {asked}" if headed else asked
