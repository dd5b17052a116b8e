"""Minimal pairs of the world's language (as BLiMP): grammar alone, no fact of the world.

A text is the beginning of a story: two to six sentences. In its partner the last one has one fault,
with which the grammar cannot produce it (`grammar.surprisal` says so).
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from brainalign.simulation.grammar import Sentence, Token, sample, text_of
from brainalign.simulation.texts import StoryGrammar
from brainalign.simulation.world import VALUES, World

OTHER_PRONOUN = {"she": "he", "he": "she", "her": "him", "him": "her"}
KIND = {value: kind for kind in ("mood", "town") for value in VALUES[kind]}
FIELD_OF_PHENOMENON = {"agreement": "morphology", "order": "syntax", "selection": "semantics"}


def agreement(sentence: Sentence, rng: np.random.Generator) -> Sentence | None:
    """The pronoun of the other gender than the hero's; None: there is no pronoun."""
    at = [i for i, token in enumerate(sentence) if token.text.lower() in OTHER_PRONOUN]
    if not at:
        return None
    word = sentence[at[0]].text
    other = OTHER_PRONOUN[word.lower()]
    return _with(sentence, at[0], other.capitalize() if word[0].isupper() else other)


def order(sentence: Sentence, rng: np.random.Generator) -> Sentence | None:
    """Two neighbours behind the first word are swapped; None: there are none."""
    if len(sentence) < 4:
        return None
    i = int(rng.integers(1, len(sentence) - 2))
    return (*sentence[:i], sentence[i + 1], sentence[i], *sentence[i + 2 :])


def selection(sentence: Sentence, rng: np.random.Generator) -> Sentence | None:
    """A mood where a town belongs, or a town where a mood does; None: there is neither."""
    at = [i for i, token in enumerate(sentence) if token.text in KIND]
    if not at:
        return None
    others = VALUES["town" if KIND[sentence[at[0]].text] == "mood" else "mood"]
    return _with(sentence, at[0], others[int(rng.integers(len(others)))])


PHENOMENA: dict[str, Callable[[Sentence, np.random.Generator], Sentence | None]] = {
    "agreement": agreement,
    "order": order,
    "selection": selection,
}
"""Phenomenon → the sentence with that fault."""


def minimal_pairs(world: World, n: int, seed: int) -> pd.DataFrame:
    """`n` different pairs of each phenomenon, all of split `test`.

    Returns
    -------
    The table of docs/architecture.md, questions/{task}.parquet, minimal pairs; `subject` and `task`
    are the phenomenon, `category` its field.
    """
    rng = np.random.default_rng([seed, 4])
    stories = StoryGrammar(world)
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for phenomenon, fault in PHENOMENA.items():
        count = 0
        while count < n:
            *before, sentence = sample(stories, int(rng.integers(2, 7)), rng)
            if any(token.concept in world.facts_of or token.text == ":" for token in sentence):
                continue  # about a thing, which is all that people ask and say: a matter of facts
            wrong = fault(sentence, rng)
            good = text_of([*before, sentence])
            if wrong is None or wrong == sentence or (phenomenon, good) in rows:
                continue
            rows[phenomenon, good] = {
                "question_id": f"{phenomenon}-{count}",
                "split": "test",
                "subject": phenomenon,
                "task": phenomenon,
                "category": FIELD_OF_PHENOMENON[phenomenon],
                "good": good,
                "bad": text_of([*before, wrong]),
            }
            count += 1
    return pd.DataFrame(rows.values())


def _with(sentence: Sentence, i: int, text: str) -> Sentence:
    return (*sentence[:i], Token(text), *sentence[i + 1 :])
