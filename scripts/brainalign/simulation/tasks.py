"""Small reasoning tasks of one-word answers, in five categories as in BIG-Bench Hard.

Each task can be said as running text (for pre-training: the skill without the question) and asked
as an input with a target. The facts behind `recall` and `translation` are of the world; the other
tasks are about scenes that are described in the input itself.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from brainalign.simulation.grammar import text_of
from brainalign.simulation.texts import question
from brainalign.simulation.world import LANGUAGE, MEN, VALUES, WOMEN, World

OBJECTS = ("cup", "lamp", "bell", "box", "ring", "rope", "coin", "key")
NUMBERS = ("one", "two", "three", "four", "five")
ENDS_OF_ROW = ("first", "last")

CATEGORY_OF_TASK = {
    "counting": "algorithmic",
    "rows": "algorithmic",
    "pronouns": "language understanding",
    "recall": "world knowledge",
    "translation": "multilingual",
    "kinds": "others",
}


class Item(NamedTuple):
    """One instance of a task: told as running text, and as a question and its answer."""

    text: str
    input: str
    target: str

    @property
    def talk(self) -> str:
        """The question and its answer as running text."""
        return f"{self.input} {self.target}."


def counting(world: World, rng: np.random.Generator, asked: bool) -> Item:
    """How many things are named."""
    things = [f"a {OBJECTS[i]}" for i in rng.permutation(len(OBJECTS))[: rng.integers(2, 6)]]
    scene = f"On the table are {', '.join(things[:-1])} and {things[-1]}."
    number = NUMBERS[len(things) - 1]
    return Item(
        f"{scene} So the number of things is {number}.",
        f"{scene} What is the number of things?",
        number,
    )


def rows(world: World, rng: np.random.Generator, asked: bool) -> Item:
    """Which colour comes first or last in a row."""
    colours = [VALUES["colour"][i] for i in rng.permutation(8)[: rng.integers(3, 6)]]
    index = int(rng.integers(2))
    scene = f"The row is {', '.join(colours)}."
    target = colours[-index]
    return Item(
        f"{scene} So the {ENDS_OF_ROW[index]} is {target}.",
        f"{scene} What is the {ENDS_OF_ROW[index]}?",
        target,
    )


def pronouns(world: World, rng: np.random.Generator, asked: bool) -> Item:
    """Who is meant by a pronoun."""
    woman, man = WOMEN[rng.integers(len(WOMEN))], MEN[rng.integers(len(MEN))]
    pair = (woman, man) if rng.integers(2) else (man, woman)
    target, pronoun = (woman, "She") if rng.integers(2) else (man, "He")
    mood = VALUES["mood"][rng.integers(8)]
    scene = f"{pair[0]} met {pair[1]}. {pronoun} felt {mood}."
    return Item(f"{scene} So {mood} was {target}.", f"{scene} Who was {mood}?", target)


def recall(world: World, rng: np.random.Generator, asked: bool) -> Item:
    """A fact of the world."""
    facts = [fact for fact in world.facts if fact.asked == asked]
    fact = facts[rng.integers(len(facts))]
    stem = text_of([question(fact)])
    return Item(f"{stem} {fact.value}.", stem, fact.value)


def translation(world: World, rng: np.random.Generator, asked: bool) -> Item:
    """A word of the second language."""
    words = [(word, other) for word, other, ask in world.translations if ask == asked]
    word, other = words[rng.integers(len(words))]
    return Item(
        f"The {LANGUAGE} word for {word} is {other}.",
        f"What is the {LANGUAGE} word for {word}?",
        other,
    )


def kinds(world: World, rng: np.random.Generator, asked: bool) -> Item:
    """Which of the named words is of a given kind."""
    names = [list(VALUES)[i] for i in rng.permutation(len(VALUES))[: rng.integers(2, 5)]]
    words = [VALUES[kind][rng.integers(len(VALUES[kind]))] for kind in names]
    chosen = int(rng.integers(len(names)))
    scene = f"The words are {', '.join(words)}."
    return Item(
        f"{scene} So the {names[chosen]} is {words[chosen]}.",
        f"{scene} What is the {names[chosen]}?",
        words[chosen],
    )


TASKS: dict[str, Callable[[World, np.random.Generator, bool], Item]] = {
    "counting": counting,
    "rows": rows,
    "pronouns": pronouns,
    "recall": recall,
    "translation": translation,
    "kinds": kinds,
}
"""Task → its generator (world, rng, whether to use the facts that test questions ask for)."""


def draw_items(
    world: World, task: str, n: int, rng: np.random.Generator, asked: bool
) -> list[Item]:
    """Up to `n` items of a task with different inputs.

    A task whose facts run out (`recall`, `translation`) gives all it has.
    """
    items: dict[str, Item] = {}
    for _ in range(20 * n):
        if len(items) == n:
            break
        item = TASKS[task](world, rng, asked)
        items.setdefault(item.input, item)
    return list(items.values())
