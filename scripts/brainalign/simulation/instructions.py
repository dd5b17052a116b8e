"""Instruction data in Alpaca's JSON: instruction, input, output.

Only facts that no test question asks for occur, and no scene of a test item (see questions.py).
Some samples begin with worked examples, as FLAN's do; they stand where the question stands, in the
instruction or the input.
"""

from collections.abc import Callable

import numpy as np

from brainalign.simulation.grammar import text_of
from brainalign.simulation.questions import LETTERS, choices_for, generation, subject_of
from brainalign.simulation.tasks import CATEGORY_OF_TASK, TASKS, Item
from brainalign.simulation.texts import question, statements, the_thing
from brainalign.simulation.world import Fact, World

SHARES = {"letters": 0.1, "answers": 0.4, "reasoning": 0.4, "telling": 0.1}
"""Questions with lettered choices, questions without choices, reasoning tasks, saying something."""

FEW_SHOT, MAX_SHOTS = 0.15, 5
"""Share of the samples with worked examples (of all kinds but telling), and the most of one."""

IN_INSTRUCTION = 0.75
"""Share of the questions that stand in the instruction, with no input, as most of Alpaca's do."""

Sample = dict[str, str]


def instructions(world: World, n_samples: int, items_per_task: int, seed: int) -> list[Sample]:
    """Draw instruction samples.

    Parameters
    ----------
    items_per_task : size of the reasoning test whose scenes are left out (see
        questions.generation).
    """
    rng = np.random.default_rng([seed, 5])
    placing = np.random.default_rng([seed, 9])
    held_out = frozenset(generation(world, items_per_task, seed)["input"])
    makers: dict[str, Callable[[], Sample]] = {
        "letters": lambda: _in_instruction(_letters(world, rng), placing),
        "answers": lambda: _in_instruction(_answers(world, rng), placing),
        "reasoning": lambda: _reasoning(world, rng, held_out),
        "telling": lambda: _telling(world, rng),
    }
    kinds = rng.choice(list(SHARES), size=n_samples, p=list(SHARES.values()))
    return [makers[kind]() for kind in kinds]


def _shots(rng: np.random.Generator) -> int:
    return int(rng.integers(1, MAX_SHOTS + 1)) if rng.random() < FEW_SHOT else 0


def _letters(world: World, rng: np.random.Generator) -> Sample:
    """The layout of MMLU; the answer is a letter."""
    facts = _some_facts(world, rng)
    asked = []
    for fact in facts:
        choices, gold = choices_for(fact, rng)
        lines = [f"{letter}. {choice}" for letter, choice in zip(LETTERS, choices, strict=True)]
        asked.append(("\n".join([text_of([question(fact)]), *lines]), LETTERS[gold]))
    return _asked("multiple choice questions", facts[0].domain, asked)


def _answers(world: World, rng: np.random.Generator) -> Sample:
    """The same without choices; the answer is the value itself."""
    facts = _some_facts(world, rng)
    return _asked(
        "questions", facts[0].domain, [(text_of([question(fact)]), fact.value) for fact in facts]
    )


def _some_facts(world: World, rng: np.random.Generator) -> list[Fact]:
    """Facts of one domain that no test asks for: the worked examples and the question."""
    domain = list(world.things)[rng.integers(len(world.things))]
    facts = [fact for fact in world.facts if fact.domain == domain and not fact.asked]
    return [facts[i] for i in rng.permutation(len(facts))[: _shots(rng) + 1]]


def _asked(what: str, domain: str, asked: list[tuple[str, str]]) -> Sample:
    worked = "".join(f"{stem}\nAnswer: {answer}\n\n" for stem, answer in asked[:-1])
    return {
        "instruction": f"The following are {what} (with answers) about {subject_of(domain)}.",
        "input": f"{worked}{asked[-1][0]}\nAnswer:",
        "output": asked[-1][1],
    }


def _in_instruction(sample: Sample, rng: np.random.Generator) -> Sample:
    """The sample, or one with the same words all in its instruction."""
    if rng.random() >= IN_INSTRUCTION:
        return sample
    return {**sample, "instruction": f"{sample['instruction']}\n\n{sample['input']}", "input": ""}


def _reasoning(world: World, rng: np.random.Generator, held_out: frozenset[str]) -> Sample:
    """The layout of BIG-Bench Hard."""
    task = list(CATEGORY_OF_TASK)[rng.integers(len(CATEGORY_OF_TASK))]
    items: list[Item] = []
    n = _shots(rng) + 1
    while len(items) < n:
        item = TASKS[task](world, rng, False)
        if item.input not in held_out and item not in items:
            items.append(item)
    worked = "".join(f"{item.input}\nAnswer: {item.target}\n\n" for item in items[:-1])
    return {
        "instruction": f"{worked}{items[-1].input}\nAnswer:",
        "input": "",
        "output": items[-1].target,
    }


def _telling(world: World, rng: np.random.Generator) -> Sample:
    facts = [fact for fact in world.facts if not fact.asked]
    fact = facts[rng.integers(len(facts))]
    variants = statements(fact, [(1.0, the_thing(fact))], None)
    return {
        "instruction": f"Say something about the {fact.domain}.",
        "input": fact.thing,
        "output": text_of([variants[rng.integers(len(variants))].sentence]),
    }
