"""The pre-training text: one document a line."""

import numpy as np

from brainalign.simulation.grammar import sample, text_of
from brainalign.simulation.tasks import TASKS
from brainalign.simulation.texts import PassageGrammar, StoryGrammar, question
from brainalign.simulation.world import Fact, World

SHARES = {"passage": 0.4, "talk": 0.2, "story": 0.1, "skill": 0.3}
"""Shares of the kinds of documents."""


def corpus(world: World, n_documents: int, seed: int) -> list[str]:
    """Draw the documents.

    Passages and stories tell the facts (all of them: also those that test questions ask for),
    talk and skills show questions and what the reasoning tasks are about. No document contains a
    question in the layout of the tests, with their "Answer:".
    """
    rng = np.random.default_rng([seed, 4])
    passages, stories = PassageGrammar(world), StoryGrammar(world)
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
        else:
            task = list(TASKS)[rng.integers(len(TASKS))]
            item = TASKS[task](world, rng, bool(rng.integers(2)))
            documents.append(item.talk if rng.integers(2) else item.text)
    return documents


def question_and_answer(fact: Fact) -> str:
    """A fact as it comes up in talk."""
    return f"{text_of([question(fact)])} {fact.value}."
