"""Sentence grammars with known probabilities: sampling, and the exact surprisal of each token.

A grammar is a Markov chain over sentences. In each state it lists the sentences that can come
next, each with its probability and the state that it leads to; everything else (sampling,
surprisal) follows from this list. Different ways to say the same words are allowed: the surprisal
sums over all of them.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np


class Token(NamedTuple):
    """A word or a punctuation mark, and the concept that it stands for (None: a function word)."""

    text: str
    concept: str | None = None


Sentence = tuple[Token, ...]


class Continuation(NamedTuple):
    """One sentence that can come next: a template, ("the home of {S} is {v} ."), and its slots."""

    probability: float
    template: str
    slots: Mapping[str, Sentence]
    state: Hashable

    @property
    def sentence(self) -> Sentence:
        """The tokens, the first with a capital letter."""
        first, *rest = phrase(self.template, self.slots)
        return (Token(first.text[0].upper() + first.text[1:], first.concept), *rest)


class Grammar(Protocol):
    """A Markov chain over sentences."""

    def start(self) -> Hashable:
        """The state before the first sentence."""

    def continuations(self, state: Hashable) -> Sequence[Continuation]:
        """The sentences that can come next; their probabilities sum to one."""


def phrase(template: str, slots: Mapping[str, Sentence]) -> Sentence:
    """Fill a template token by token."""
    tokens: list[Token] = []
    for part in template.split():
        tokens += slots[part[1:-1]] if part.startswith("{") else (Token(part),)
    return tuple(tokens)


def sample(grammar: Grammar, n_sentences: int, rng: np.random.Generator) -> list[Sentence]:
    """Draw a text of `n_sentences` sentences."""
    state = grammar.start()
    sentences = []
    for _ in range(n_sentences):
        choices = grammar.continuations(state)
        cumulative = np.cumsum([choice.probability for choice in choices])
        chosen = choices[np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right")]
        sentences.append(chosen.sentence)
        state = chosen.state
    return sentences


def surprisal(grammar: Grammar, sentences: Sequence[Sentence]) -> list[np.ndarray]:
    """Exact surprisal −log₂ p(token | all tokens before) of each token, under the grammar.

    The sum over derivations is done by filtering: the belief over states before a sentence, times
    the probabilities of its continuations, restricted to those that agree with the tokens so far.

    Returns
    -------
    One float64 array [token] of bits per sentence.

    Raises
    ------
    ValueError : the grammar cannot produce the text.
    """
    belief: dict[Hashable, float] = {grammar.start(): 1.0}
    result = []
    for sentence in sentences:
        open_ = [
            (weight * c.probability, tuple(token.text for token in c.sentence), c.state)
            for state, weight in belief.items()
            for c in grammar.continuations(state)
        ]
        mass = sum(weight for weight, _, _ in open_)
        bits = np.empty(len(sentence))
        for i, token in enumerate(sentence):
            open_ = [c for c in open_ if i < len(c[1]) and c[1][i] == token.text]
            left = sum(weight for weight, _, _ in open_)
            if not left:
                raise ValueError(
                    f"the grammar cannot produce {token.text!r} at {text_of([sentence])!r}"
                )
            bits[i] = np.log2(mass / left)
            mass = left
        result.append(bits)
        belief = {}
        for weight, words, state in open_:
            if len(words) == len(sentence):
                belief[state] = belief.get(state, 0.0) + weight / mass
    return result


def text_of(sentences: Iterable[Sentence]) -> str:
    """The text with single spaces and none before punctuation."""
    return " ".join(word for sentence in sentences for word, _ in words_of(sentence))


def words_of(sentence: Sentence) -> list[tuple[str, list[int]]]:
    """The words between spaces, each with the indices of its tokens (punctuation joins)."""
    words: list[tuple[str, list[int]]] = []
    for i, token in enumerate(sentence):
        if words and token.text in {".", ",", "?", ":"}:
            word, indices = words[-1]
            words[-1] = (word + token.text, [*indices, i])
        else:
            words.append((token.text, [i]))
    return words
