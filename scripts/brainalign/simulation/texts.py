"""The grammars of the world: passages about one thing, and stories of people who meet things."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from brainalign.simulation.grammar import Continuation, Sentence, Token
from brainalign.simulation.world import MEN, VALUES, WOMEN, Fact, World

PEOPLE = WOMEN + MEN

STATEMENTS: dict[str, tuple[str, ...]] = {
    "colour": ("{S} is {v} .", "the colour of {S} is {v} .", "{S} looks {v} ."),
    "town": ("{S} comes from {v} .", "the home of {S} is {v} .", "{S} lives in {v} ."),
    "keeper": ("{S} belongs to {v} .", "the keeper of {S} is {v} .", "{S} obeys {v} ."),
    "material": ("{S} is made of {v} .", "the stuff of {S} is {v} .", "{S} contains {v} ."),
    "mood": ("{S} seems {v} .", "the mood of {S} is {v} .", "{S} feels {v} ."),
    "weather": ("{S} brings {v} .", "the weather of {S} is {v} .", "{S} foretells {v} ."),
}
"""Ways to state a fact, equally likely; {S} is the thing, {v} the value."""

QUESTIONS: dict[str, str] = {
    "colour": "what is the colour of {S} ?",
    "town": "what is the home of {S} ?",
    "keeper": "who is the keeper of {S} ?",
    "material": "what is the stuff of {S} ?",
    "mood": "what is the mood of {S} ?",
    "weather": "what is the weather of {S} ?",
}


def the_thing(fact: Fact, with_domain: bool = False) -> Sentence:
    """The noun phrase that names a thing; its last token carries the thing as concept."""
    domain = (Token(fact.domain),) if with_domain else ()
    return (Token("the"), *domain, Token(fact.thing, fact.thing))


def pronoun(fact: Fact) -> Sentence:
    """The pronoun that stands for a thing."""
    return (Token("it", fact.thing),)


def name(value: str) -> Sentence:
    """A value, a person or a town: one token that is its own concept."""
    return (Token(value, value),)


def question(fact: Fact) -> Sentence:
    """The question that asks for a fact's value."""
    return Continuation(1.0, QUESTIONS[fact.kind], {"S": the_thing(fact)}, None).sentence


def statements(
    fact: Fact, subjects: Sequence[tuple[float, Sentence]], state: Hashable
) -> list[Continuation]:
    """All ways to state a fact, with probabilities that sum to one."""
    templates = STATEMENTS[fact.kind]
    return [
        Continuation(
            probability / len(templates),
            template,
            {"S": subject, "v": name(fact.value)},
            state,
        )
        for probability, subject in subjects
        for template in templates
    ]


def scaled(continuations: Sequence[Continuation], factor: float) -> list[Continuation]:
    """The same continuations with all probabilities multiplied."""
    return [c._replace(probability=c.probability * factor) for c in continuations]


class PassageState(NamedTuple):
    """What a passage has said so far."""

    thing: str | None = None
    stated: frozenset[str] = frozenset()
    last: str | None = None


@dataclass(frozen=True, eq=False)
class PassageGrammar:
    """Passages about one thing: its facts in random order, and another thing that shares one.

    The first sentence names the domain; later ones say "it" (0.3) or name the thing. After the
    first, a sentence is, with probability 0.25, about another thing with the value stated last.
    """

    world: World
    domain: str | None = None
    """Restrict to one domain (None: any, equally likely)."""

    def start(self) -> PassageState:
        return PassageState()

    @lru_cache(maxsize=1024)  # noqa: B019 - a grammar lives as long as the texts drawn from it
    def continuations(self, state: PassageState) -> list[Continuation]:
        if state.thing is None:
            domains = [self.domain] if self.domain else list(self.world.things)
            things = [thing for domain in domains for thing in self.world.things[domain]]
            openings = [
                c for thing in things for c in self._facts(state._replace(thing=thing), True)
            ]
            return scaled(openings, 1 / len(things))
        same = self._sharing(state)
        share = 0.25 if same else 0.0
        return scaled(self._facts(state, False), 1 - share) + scaled(same, share)

    def _facts(self, state: PassageState, first: bool) -> list[Continuation]:
        facts = self.world.facts_of[state.thing or ""]
        unstated = [fact for fact in facts if fact.kind not in state.stated] or list(facts)
        result: list[Continuation] = []
        for fact in unstated:
            subjects = [(1.0, the_thing(fact, True))] if first else _subjects(fact)
            after = PassageState(state.thing, state.stated | {fact.kind}, fact.kind)
            result += statements(fact, subjects, after)
        return scaled(result, 1 / len(unstated))

    def _sharing(self, state: PassageState) -> list[Continuation]:
        fact = next(f for f in self.world.facts_of[state.thing or ""] if f.kind == state.last)
        others = [f for f in self.world.sharing[fact.kind, fact.value] if f.thing != fact.thing]
        kind = (Token(fact.kind, fact.value),)
        return [
            Continuation(
                1 / len(others),
                "{O} has the same {k} .",
                {"O": the_thing(other, True), "k": kind},
                state,
            )
            for other in others
        ]


class StoryState(NamedTuple):
    """Who is where with whom, in front of which thing, and what was said of it."""

    hero: str | None = None
    friend: str | None = None
    town: str | None = None
    thing: str | None = None
    stated: frozenset[str] = frozenset()
    asked: str | None = None


@dataclass(frozen=True, eq=False)
class StoryGrammar:
    """Stories: a hero walks from town to town, meets friends, finds things, talks about them."""

    world: World

    def start(self) -> StoryState:
        return StoryState()

    @lru_cache(maxsize=1024)  # noqa: B019 - a grammar lives as long as the texts drawn from it
    def continuations(self, state: StoryState) -> list[Continuation]:
        if state.hero is None:
            return self._openings()
        if state.asked:
            return self._answers(state)
        moves = [(1.0, self._walks(state)), (1.0, self._feelings(state))]
        if state.friend is None:
            moves.append((2.0, self._meetings(state)))
        unstated = [f for f in self._facts(state) if f.kind not in state.stated]
        if state.thing is None:
            moves.append((3.0, self._finds(state)))
        elif unstated:
            moves.append((4.0, self._remarks(state, unstated)))
            if state.friend:
                moves.append((2.0, self._questions(state, unstated)))
        total = sum(weight for weight, _ in moves)
        return [c for weight, choices in moves for c in scaled(choices, weight / total)]

    def _facts(self, state: StoryState) -> tuple[Fact, ...]:
        return self.world.facts_of[state.thing] if state.thing else ()

    def _openings(self) -> list[Continuation]:
        return _equally(
            (template, {"p": name(hero), "t": name(town)}, StoryState(hero, None, town))
            for template in ("one day {p} set out from {t} .", "{p} lived in {t} .")
            for hero in PEOPLE
            for town in VALUES["town"]
        )

    def _walks(self, state: StoryState) -> list[Continuation]:
        return _equally(
            (template, {**_hero(state), "t": name(town)}, StoryState(state.hero, None, town))
            for template in ("{h} walked to {t} .", "the road led {m} to {t} .")
            for town in VALUES["town"]
            if town != state.town
        )

    def _feelings(self, state: StoryState) -> list[Continuation]:
        return _equally(
            ("{h} felt {v} .", {**_hero(state), "v": name(mood)}, state) for mood in VALUES["mood"]
        )

    def _meetings(self, state: StoryState) -> list[Continuation]:
        return _equally(
            (
                "there {h} met {p} .",
                {**_hero(state), "p": name(person)},
                state._replace(friend=person),
            )
            for person in PEOPLE
            if person != state.hero
        )

    def _finds(self, state: StoryState) -> list[Continuation]:
        """Any thing of the world (0.5), or one whose home is this town (0.5)."""
        everything = tuple(facts[0] for facts in self.world.facts_of.values())
        here = self.world.sharing.get(("town", state.town or ""), everything)
        return [
            continuation
            for facts in (everything, here)
            for continuation in scaled(
                _equally(
                    (
                        "{h} found {S} .",
                        {**_hero(state), "S": the_thing(fact, True)},
                        state._replace(thing=fact.thing, stated=frozenset()),
                    )
                    for fact in facts
                ),
                0.5,
            )
        ]

    def _remarks(self, state: StoryState, unstated: list[Fact]) -> list[Continuation]:
        return [
            continuation
            for fact in unstated
            for continuation in scaled(
                statements(
                    fact, _subjects(fact), state._replace(stated=state.stated | {fact.kind})
                ),
                1 / len(unstated),
            )
        ]

    def _questions(self, state: StoryState, unstated: list[Fact]) -> list[Continuation]:
        return _equally(
            (
                "{p} asked : {Q}",
                {"p": name(state.friend or ""), "Q": question(fact)},
                state._replace(asked=fact.kind),
            )
            for fact in unstated
        )

    def _answers(self, state: StoryState) -> list[Continuation]:
        fact = next(fact for fact in self._facts(state) if fact.kind == state.asked)
        return _equally(
            (
                template,
                {**_hero(state), "p": name(state.hero or ""), "v": name(fact.value)},
                state._replace(asked=None, stated=state.stated | {fact.kind}),
            )
            for template in ("{p} said : it is {v} .", "{h} said : it is {v} .")
        )


def _subjects(fact: Fact) -> list[tuple[float, Sentence]]:
    """How a thing that was named before is referred to."""
    return [(0.3, pronoun(fact)), (0.7, the_thing(fact))]


def _hero(state: StoryState) -> dict[str, Sentence]:
    she = state.hero in WOMEN
    return {
        "h": (Token("she" if she else "he", state.hero),),
        "m": (Token("her" if she else "him", state.hero),),
    }


def _equally(
    choices: Iterable[tuple[str, dict[str, Sentence], Hashable]],
) -> list[Continuation]:
    """Continuations of equal probability."""
    listed = list(choices)
    return [Continuation(1 / len(listed), *choice) for choice in listed]
