"""Preference pairs in the simulated world: beside the answer of an instruction, a wrong one."""

from collections.abc import Sequence

import numpy as np

from brainalign.simulation.instructions import Sample
from brainalign.simulation.questions import LETTERS
from brainalign.simulation.tasks import NUMBERS
from brainalign.simulation.world import VALUES, World


def with_rejected(samples: Sequence[Sample], world: World, seed: int) -> list[Sample]:
    """The samples, those whose output is one word with `rejected`: another word of its kind.

    A question has one answer, so the other word is wrong. It is the answer of another sample, which
    the tokenizer knows. Samples that tell something have none.
    """
    rng = np.random.default_rng([seed, 12])
    translated = tuple(other for _, other, asked in world.translations if not asked)
    kinds = (tuple(LETTERS), NUMBERS, *VALUES.values(), translated)
    answers = {sample["output"] for sample in samples}
    kind_of = {word: [w for w in kind if w in answers] for kind in kinds for word in kind}
    paired = []
    for sample in samples:
        others = [word for word in kind_of.get(sample["output"], ()) if word != sample["output"]]
        rejected = {"rejected": others[rng.integers(len(others))]} if others else {}
        paired.append({**sample, **rejected})
    return paired
