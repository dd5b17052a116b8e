"""The semantic state that a text leaves in a reader: the truth behind all simulated brains."""

from collections.abc import Sequence

import numpy as np

from brainalign.simulation.grammar import Sentence
from brainalign.simulation.world import VALUES, World


def concept_vectors(
    world: World, n_features: int, knowledge: float, seed: int
) -> dict[str, np.ndarray]:
    """Concept → float64 [feature] of expected squared length 1.

    A value (red, Tolby, Mira) is half its kind's vector and half its own, so values of a kind are
    alike. A thing is, by the share `knowledge`, the mean direction of its facts' values and, for the rest,
    a vector of its own: only who knows the world knows its state when the thing is named.
    """
    rng = np.random.default_rng([seed, 6])

    def draw() -> np.ndarray:
        return rng.standard_normal(n_features) / np.sqrt(n_features)

    vectors = {}
    for kind, values in VALUES.items():
        of_kind = draw()
        vectors |= {value: (of_kind + draw()) / np.sqrt(2) for value in values}
    for thing, facts in world.facts_of.items():
        known = sum(vectors[fact.value] for fact in facts) / np.sqrt(len(facts))
        vectors[thing] = np.sqrt(knowledge) * known + np.sqrt(1 - knowledge) * draw()
    return vectors


def token_states(
    sentences: Sequence[Sentence], vectors: dict[str, np.ndarray], half_life: float
) -> list[np.ndarray]:
    """The state after each token of a text: s ← s · 2^(−1/half_life) + concept of the token.

    A pronoun's concept is what it stands for. Before the text the state is zero.

    Returns
    -------
    One float64 array [token, feature] per sentence.
    """
    decay = 2.0 ** (-1 / half_life)
    state = np.zeros(len(next(iter(vectors.values()))))
    result = []
    for sentence in sentences:
        states = np.empty((len(sentence), state.size))
        for i, token in enumerate(sentence):
            state = decay * state
            if token.concept:
                state = state + vectors[token.concept]
            states[i] = state
        result.append(states)
    return result


def standardised(states: np.ndarray) -> np.ndarray:
    """Columns with mean 0 and standard deviation 1."""
    return (states - states.mean(axis=0)) / states.std(axis=0)
