"""The semantic state that a text leaves in a reader: the truth behind all simulated brains."""

from collections.abc import Mapping, Sequence

import numpy as np

from brainalign.simulation.grammar import Sentence, words_of
from brainalign.simulation.world import VALUES, World

KIND_SHARE = 0.9
"""How much of a value's vector, in variance, all values of its kind have in common.

A few hundred rows do not suffice to learn each word's own vector, but do to learn the kinds'. So
what a model knows of the words' likeness decides its score: trained models beat untrained ones.
"""


def concept_vectors(
    world: World, n_features: int, knowledge: float, seed: int
) -> dict[str, np.ndarray]:
    """Concept → float64 [feature] of expected squared length 1.

    A value (red, Tolby, Mira) is by `KIND_SHARE` its kind's vector and for the rest its own, so
    values of a kind are alike, in every domain. A thing is, by the share `knowledge`, the sum of
    its facts' values and, for the rest, a vector of its own: a model that has learnt the world's
    facts can tell the first part in a topic that no regression has seen, the second nobody can.
    """
    rng = np.random.default_rng([seed, 6])

    def draw() -> np.ndarray:
        return rng.standard_normal(n_features) / np.sqrt(n_features)

    vectors: dict[str, np.ndarray] = {}
    for values in VALUES.values():
        of_kind = np.sqrt(KIND_SHARE) * draw()
        vectors |= {value: of_kind + np.sqrt(1 - KIND_SHARE) * draw() for value in values}
    for thing, facts in world.facts_of.items():
        known = sum(vectors[fact.value] for fact in facts) / np.sqrt(len(facts))
        vectors[thing] = np.sqrt(knowledge) * known + np.sqrt(1 - knowledge) * draw()
    return vectors


def token_states(
    sentences: Sequence[Sentence], vectors: Mapping[str, np.ndarray], half_life: float
) -> list[np.ndarray]:
    """The state after each token of a text: s ← s · 2^(−1/half_life) + concept of the token.

    A pronoun's concept is what it stands for. Before the text the state is zero; sentences do not
    reset it, so it depends on what came before.

    Parameters
    ----------
    half_life : in tokens.

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


def word_states(
    sentences: Sequence[Sentence], vectors: Mapping[str, np.ndarray], half_life: float
) -> tuple[list[str], np.ndarray]:
    """The words of a text, and the state float64 [word, feature] after the last token of each."""
    words, states = [], []
    after = token_states(sentences, vectors, half_life)
    for sentence, of_tokens in zip(sentences, after, strict=True):
        for word, tokens in words_of(sentence):
            words.append(word)
            states.append(of_tokens[tokens[-1]])
    return words, np.array(states)
