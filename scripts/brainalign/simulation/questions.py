"""Test questions on the world: multiple choice (as MMLU) and generation (as BIG-Bench Hard).

What is held out: every test question of the multiple-choice format, and every test item of `recall`
and `translation`, is about an `asked` fact (see world.py), which no instruction and no worked
example mentions; the fact itself is in the pre-training text. Test items of the other tasks are
scenes that no instruction contains.
"""

import numpy as np
import pandas as pd

from brainalign.simulation.grammar import text_of
from brainalign.simulation.tasks import CATEGORY_OF_TASK, draw_items
from brainalign.simulation.texts import question
from brainalign.simulation.world import VALUES, Fact, World, category_of

N_DEV = 5
LETTERS = "ABCD"


def subject_of(domain: str) -> str:
    """The name of a domain as a subject of questions, in MMLU's style."""
    return {"dish": "dishes"}.get(domain, f"{domain}s")


def choices_for(fact: Fact, rng: np.random.Generator) -> tuple[list[str], int]:
    """Four values of the fact's kind in random order, and the index of the true one."""
    wrong = [value for value in VALUES[fact.kind] if value != fact.value]
    choices = [wrong[i] for i in rng.permutation(len(wrong))[:3]]
    gold = int(rng.integers(len(LETTERS)))
    choices.insert(gold, fact.value)
    return choices, gold


def multiple_choice(world: World, seed: int) -> pd.DataFrame:
    """All multiple-choice questions: per subject 5 of split `dev`, and one `test` per asked fact.

    Returns
    -------
    The table of docs/architecture.md, questions/{task}.parquet, multiple choice.
    """
    rng = np.random.default_rng([seed, 2])
    rows = []
    for domain in world.things:
        facts = [fact for fact in world.facts if fact.domain == domain]
        shown = [fact for fact in facts if not fact.asked]
        dev = [shown[i] for i in rng.permutation(len(shown))[:N_DEV]]
        for split, of_split in (("dev", dev), ("test", [fact for fact in facts if fact.asked])):
            for i, fact in enumerate(of_split):
                choices, gold = choices_for(fact, rng)
                rows.append(
                    {
                        "question_id": f"{subject_of(domain)}-{split}-{i}",
                        "split": split,
                        "subject": subject_of(domain),
                        "category": category_of(domain),
                        "question": text_of([question(fact)]),
                        "choices": choices,
                        "gold": gold,
                    }
                )
    return pd.DataFrame(rows)


def generation(world: World, items_per_task: int, seed: int) -> pd.DataFrame:
    """The reasoning items, all of split `test`; a subject per task.

    Returns
    -------
    The table of docs/architecture.md, questions/{task}.parquet, generation.
    """
    rng = np.random.default_rng([seed, 3])
    return pd.DataFrame(
        {
            "question_id": f"{task}-{i}",
            "split": "test",
            "subject": task,
            "task": task,
            "category": category,
            "input": item.input,
            "target": item.target,
        }
        for task, category in CATEGORY_OF_TASK.items()
        for i, item in enumerate(draw_items(world, task, items_per_task, rng, asked=True))
    )
