"""The simulated world: its things, their attributes, its second language; all drawn from a seed.

The world is small on purpose. Twelve domains (three in each of four categories) hold things with
invented names; each domain uses three of six kinds of attribute, and each thing has one value of
each. The values of a kind are shared by all domains, so what a model learns about colours in one
domain holds in another, and folds that hold out a whole domain can be generalised to.

A *fact* is (thing, kind, value). Half of the facts of each domain and kind are `asked`: they occur
in the pre-training text like all others, but in no instruction, and all test questions are about
them. The other half may occur in instructions and as worked examples of questions.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

CATEGORIES: dict[str, tuple[str, ...]] = {
    "stem": ("mineral", "animal", "plant"),
    "humanities": ("song", "legend", "feast"),
    "social sciences": ("guild", "market", "custom"),
    "others": ("dish", "game", "tool"),
}

WOMEN = ("Mira", "Sela", "Tova", "Runa")
MEN = ("Oren", "Bram", "Joss", "Kell")

VALUES: dict[str, tuple[str, ...]] = {
    "colour": ("red", "blue", "green", "yellow", "black", "white", "grey", "brown"),
    "town": ("Tolby", "Marn", "Eskel", "Dunmore", "Harrow", "Wick", "Selby", "Orrin"),
    "keeper": WOMEN + MEN,
    "material": ("wood", "stone", "iron", "clay", "glass", "wool", "bone", "wax"),
    "mood": ("calm", "merry", "gloomy", "fierce", "proud", "shy", "kind", "wild"),
    "weather": ("rain", "snow", "wind", "sun", "fog", "thunder", "frost", "hail"),
}

LANGUAGE = "Ostic"
"""Name of the second language, into which the words of TRANSLATED_KINDS are translated."""

TRANSLATED_KINDS = ("colour", "material", "mood", "weather")

_ONSETS = ("b", "d", "f", "g", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z", "br", "dr", "gl")
_VOWELS = ("a", "e", "i", "o", "u")
_CODAS = ("", "l", "m", "n", "r", "k", "sh", "x")


@dataclass(frozen=True, order=True)
class Fact:
    """One attribute of one thing; `asked` facts are those that test questions are about."""

    domain: str
    thing: str
    kind: str
    value: str
    asked: bool


@dataclass(frozen=True)
class World:
    """Everything that is true. Build it with `build_world`."""

    facts: tuple[Fact, ...]
    translations: tuple[tuple[str, str, bool], ...]
    """(word, word of the second language, whether test questions ask for it)."""

    @cached_property
    def things(self) -> dict[str, tuple[str, ...]]:
        """Domain → its things, in the order of the facts."""
        result: dict[str, dict[str, None]] = {}
        for fact in self.facts:
            result.setdefault(fact.domain, {})[fact.thing] = None
        return {domain: tuple(names) for domain, names in result.items()}

    @cached_property
    def kinds(self) -> dict[str, tuple[str, ...]]:
        """Domain → the kinds of attribute that its things have."""
        result: dict[str, dict[str, None]] = {}
        for fact in self.facts:
            result.setdefault(fact.domain, {})[fact.kind] = None
        return {domain: tuple(names) for domain, names in result.items()}

    @cached_property
    def facts_of(self) -> dict[str, tuple[Fact, ...]]:
        """Thing → its facts."""
        result: dict[str, list[Fact]] = {}
        for fact in self.facts:
            result.setdefault(fact.thing, []).append(fact)
        return {thing: tuple(facts) for thing, facts in result.items()}

    @cached_property
    def sharing(self) -> dict[tuple[str, str], tuple[Fact, ...]]:
        """(kind, value) → the facts of all things that have this value."""
        result: dict[tuple[str, str], list[Fact]] = {}
        for fact in self.facts:
            result.setdefault((fact.kind, fact.value), []).append(fact)
        return {key: tuple(facts) for key, facts in result.items()}


def build_world(seed: int, things_per_domain: int) -> World:
    """Draw a world.

    Parameters
    ----------
    seed : the same seed and size give the same world.
    things_per_domain : even, so that exactly half of the facts of each domain and kind are asked.
    """
    if things_per_domain < 2 or things_per_domain % 2:
        raise ValueError(f"things_per_domain is {things_per_domain}, expected an even number ≥ 2")
    rng = np.random.default_rng([seed, 1])
    domains = [domain for names in CATEGORIES.values() for domain in names]
    translated = [word for kind in TRANSLATED_KINDS for word in VALUES[kind]]
    names = _invented_words(len(domains) * things_per_domain + len(translated), rng)
    facts = []
    for index, domain in enumerate(domains):
        things = names[index * things_per_domain : (index + 1) * things_per_domain]
        for kind in _kinds_of_domain(index):
            asked = rng.permutation(things_per_domain) < things_per_domain // 2
            values = _balanced_values(kind, things_per_domain, rng)
            facts += [
                Fact(domain, thing, kind, value, bool(ask))
                for thing, value, ask in zip(things, values, asked, strict=True)
            ]
    foreign = names[len(domains) * things_per_domain :]
    asked = rng.permutation(len(translated)) < len(translated) // 2
    return World(
        facts=tuple(facts),
        translations=tuple(
            (word, other, bool(ask))
            for word, other, ask in zip(translated, foreign, asked, strict=True)
        ),
    )


def category_of(domain: str) -> str:
    """The category that a domain belongs to."""
    return next(name for name, domains in CATEGORIES.items() if domain in domains)


def _kinds_of_domain(index: int) -> list[str]:
    """Three of the six kinds; over twelve domains each kind occurs six times."""
    kinds = list(VALUES)
    step = 1 + index // len(kinds)
    return [kinds[(index + step * k) % len(kinds)] for k in range(3)]


def _balanced_values(kind: str, n: int, rng: np.random.Generator) -> list[str]:
    """`n` values of a kind in random order, each about equally often."""
    values = VALUES[kind]
    order = np.concatenate([rng.permutation(len(values)) for _ in range(-(-n // len(values)))])
    return [values[i] for i in order[:n]]


def _invented_words(n: int, rng: np.random.Generator) -> list[str]:
    """`n` different words of two syllables that are no words of the grammar."""
    words: dict[str, None] = {}
    while len(words) < n:
        parts = [str(rng.choice(part)) for part in (_ONSETS, _VOWELS, _ONSETS, _VOWELS, _CODAS)]
        words["".join(parts)] = None
    return list(words)
