"""The simulated datasets: passages, stories, a chapter, a whole brain, reading times."""

import json
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from brainalign.datasets.localizer import conditions
from brainalign.datasets.prepared import Prepared, attributes, card
from brainalign.encoding.timing import canonical_hrf
from brainalign.errors import InputError
from brainalign.simulation import readers
from brainalign.simulation.grammar import (
    Grammar,
    Sentence,
    Token,
    sample,
    surprisal,
    text_of,
    words_of,
)
from brainalign.simulation.head import ELSEWHERE, REGION, SPACE, head
from brainalign.simulation.semantics import concept_vectors, token_states, word_states
from brainalign.simulation.settings import (
    Chapter,
    Localizer,
    Passages,
    Reading,
    Simulation,
    Story,
    WholeBrain,
)
from brainalign.simulation.subjects import (
    Noise,
    ceiling_of_mean,
    centred,
    lags,
    respond,
    weightings,
)
from brainalign.simulation.texts import PassageGrammar, StoryGrammar
from brainalign.simulation.world import VALUES, World, build_world

WORDS_PER_FRAGMENT = 5  # words of 2 s of speech
WORD_SECONDS, TR = 0.5, 2.0
SILENCE = 10.0  # seconds without words at the end of a run
FREQUENCY_STORIES = 50  # stories of 25 sentences, some 7,500 words, in which words are counted
REGIONS = tuple(
    f"{side}{name}"
    for side in "LR"
    for name in ("PostTemp", "AntTemp", "IFG", "IFGorb", "MFG", "AngG")
)
"""Names only: the simulated regions do not differ."""
SOURCE, LICENCE = "simulated world", "CC0"

Kind = Passages | Story | Chapter | Reading | Localizer | WholeBrain
KINDS = (
    Passages,
    Story,
    Chapter,
    Reading,
    Localizer,
    WholeBrain,
)  # their order is part of the seed


def simulate(source: Kind, simulation: Simulation, seed: int) -> Prepared:
    """Draw a dataset of the world.

    Parameters
    ----------
    source : its kind and sizes: a sentence a row (as Pereira2018), fragments of 2 s (as Blank2014),
        a word every 0.5 s scanned every 2 s (as Wehbe2014), the same of a whole brain with a story
        that is heard again, reading times of words (as Futrell2018), or a localizer: sentences, and
        as many lists of words.
    simulation : the study's `simulation` section.
    seed : the study's; the world, its concepts and each kind of dataset follow from it.

    Returns
    -------
    The tables; brain data with `truth_features` and `true_ceiling` (see `subjects.respond`),
    reading times with the column `true_surprisal` (bits, exact under the grammar of the stories);
    of a localizer the condition of each stimulus.

    Raises
    ------
    InputError : stories too short for two fragments.
    """
    world = build_world(seed, simulation.things_per_domain)
    rng = np.random.default_rng([seed, 7, KINDS.index(type(source))])
    if isinstance(source, Passages):
        return _passages(world, simulation, source, seed, rng)
    if isinstance(source, Story):
        return _story(world, simulation, source, seed, rng)
    if isinstance(source, Chapter):
        return _chapter(world, simulation, source, seed, rng)
    if isinstance(source, WholeBrain):
        return _whole_brain(world, simulation, source, seed, rng)
    if isinstance(source, Localizer):
        return _localizer(world, source, rng)
    return _reading(world, source, seed, rng)


def _passages(
    world: World, settings: Simulation, sizes: Passages, seed: int, rng: np.random.Generator
) -> Prepared:
    """A row's state is the one after its sentence, which the sentences before have shaped."""
    vectors = concept_vectors(world, settings.features, settings.knowledge, seed)
    rows, states = [], []
    for topic in world.things:
        grammar = PassageGrammar(world, topic)
        for passage in range(sizes.passages_per_topic):
            sentences = sample(grammar, sizes.sentences, rng)
            after = token_states(sentences, vectors, settings.half_life)
            states += [state[-1] for state in after]
            rows += [
                {
                    **_stimulus(f"{topic}-{passage + 1}", position, text_of([sentence]), topic),
                    "word_classes": " ".join(word_classes(sentence, world)),
                }
                for position, sentence in enumerate(sentences)
            ]
    stimuli = pd.DataFrame(rows)
    state = centred(np.array(states), stimuli["split_group"].tolist())
    return _brain(
        "passages", stimuli, state[None], (sizes.subjects, sizes.targets), settings, seed, rng
    )


def _story(
    world: World, settings: Simulation, sizes: Story, seed: int, rng: np.random.Generator
) -> Prepared:
    """A row's state is the one after its last word; fragments end anywhere in a sentence."""
    vectors = concept_vectors(world, settings.features, settings.knowledge, seed)
    rows, states = [], []
    grammar = StoryGrammar(world)
    for story in range(sizes.stories):
        name = f"story-{story + 1}"
        sentences = sample(grammar, sizes.sentences, rng)
        words, after = word_states(sentences, vectors, settings.half_life)
        classes = [one for sentence in sentences for one in word_classes(sentence, world)]
        if len(words) <= WORDS_PER_FRAGMENT:
            raise InputError(f"story.sentences: {sizes.sentences}, too few for 2 fragments")
        for position, start in enumerate(range(0, len(words), WORDS_PER_FRAGMENT)):
            fragment = words[start : start + WORDS_PER_FRAGMENT]
            states.append(after[start + len(fragment) - 1])
            of_fragment = classes[start : start + WORDS_PER_FRAGMENT]
            rows.append(
                {
                    **_stimulus(name, position, " ".join(fragment), name),
                    "word_classes": " ".join(of_fragment),
                }
            )
    stimuli = pd.DataFrame(rows)
    state = centred(np.array(states), stimuli["split_group"].tolist())
    return _brain(
        "story", stimuli, state[None], (sizes.subjects, len(REGIONS)), settings, seed, rng
    )


class Scanned(NamedTuple):
    """Words with times, and what scans of them follow.

    onsets, runs : of each volume. states : of each lag, float64 [lag, volume, feature].
    """

    stimuli: pd.DataFrame
    onsets: np.ndarray
    runs: np.ndarray
    states: np.ndarray


def _scanned(
    world: World,
    settings: Simulation,
    sizes: Chapter | WholeBrain,
    seed: int,
    rng: np.random.Generator,
) -> Scanned:
    """Runs follow each other on one clock.

    A volume's state is the sum over the words of its run, weighted by the canonical haemodynamic
    response at their distance in time. The sum is the planted state: responses are linear in it.
    """
    vectors = concept_vectors(world, settings.features, settings.knowledge, seed)
    duration = sizes.volumes * TR
    n_words = int((duration - SILENCE) / WORD_SECONDS)
    rows: list[dict[str, Any]] = []
    word_states_of_runs = []
    grammar = StoryGrammar(world)
    for run in range(sizes.runs):
        # Every sentence has at least three words.
        sentences = sample(grammar, n_words // 3 + 1, rng)
        words, after = word_states(sentences, vectors, settings.half_life)
        name = f"run-{run + 1}"
        for position, word in enumerate(words[:n_words]):
            # Off the volumes' grid, so that each word belongs to one volume only.
            onset = run * duration + (position + 0.5) * WORD_SECONDS
            rows.append(_stimulus(name, position, word, name, onset, onset + WORD_SECONDS))
        word_states_of_runs.append(after[:n_words])
    stimuli = pd.DataFrame(rows)
    volumes = np.arange(sizes.runs * sizes.volumes) * TR
    runs = np.repeat([f"run-{run + 1}" for run in range(sizes.runs)], sizes.volumes)
    late = lags(sizes.subjects, settings.subject_lag, seed) if settings.subject_lag else np.zeros(1)
    of_words = np.concatenate(word_states_of_runs)
    of_words -= of_words.mean(axis=0)
    states = []
    for seconds in late:
        weights = canonical_hrf(volumes[:, None] - stimuli["onset"].to_numpy() - seconds)
        weights[runs[:, None] != stimuli["split_group"].to_numpy().astype(str)] = 0.0
        states.append(centred(weights @ of_words, runs.tolist()))
    return Scanned(stimuli, volumes, runs, np.array(states))


def _chapter(
    world: World, settings: Simulation, sizes: Chapter, seed: int, rng: np.random.Generator
) -> Prepared:
    """Subjects who differ in lag have states of their own; `truth_features` are all of them."""
    scanned = _scanned(world, settings, sizes, seed, rng)
    return _brain(
        "chapter", scanned.stimuli, scanned.states, (sizes.subjects, sizes.targets), settings, seed,
        rng, (scanned.onsets, scanned.runs),
    )  # fmt: skip


def _whole_brain(
    world: World, settings: Simulation, sizes: WholeBrain, seed: int, rng: np.random.Generator
) -> Prepared:
    """Voxels of the planted region follow the state, all others are noise.

    The last run is scanned `repeats` times, with the same signal and other noise; its responses are
    the means, and `true_ceiling` is of these.
    """
    scanned = _scanned(world, settings, sizes, seed, rng)
    voxels = head(sizes.spacing)
    last = scanned.runs == scanned.runs[-1]
    once, again = np.flatnonzero(~last), np.flatnonzero(last)
    rows = np.concatenate([once, *[again] * sizes.repeats])
    heard = np.repeat(np.arange(sizes.repeats), again.size)
    scans = [*scanned.runs[once], *(f"{scanned.runs[-1]} {number}" for number in heard)]
    weights = weightings(sizes.subjects, scanned.states.shape[2], settings.subject_weights, seed)
    made = respond(
        list((scanned.states * weights[:, None])[:, rows]),
        scans,
        scans,
        len(voxels.coordinates),
        Noise(settings.drift, settings.subject_noise, settings.voxel_noise),
        rng,
        strength=voxels.planted.astype(float),
    )
    repeats = made.values[once.size :].reshape(sizes.repeats, again.size, -1).astype(np.float32)
    values = np.concatenate([made.values[: once.size], repeats.mean(axis=0, dtype=np.float64)])
    subjects = [f"subject {i + 1}" for i in range(sizes.subjects)]
    n_targets = made.subject.size
    positions = np.tile(voxels.coordinates, (sizes.subjects, 1))
    coordinates: dict[str, Any] = {
        "target_id": ("target", [f"voxel-{i + 1:05d}" for i in range(n_targets)]),
        "subject": ("target", made.subject),
        "region": ("target", np.tile(np.where(voxels.planted, REGION, ELSEWHERE), len(subjects))),
        "true_ceiling": ("target", ceiling_of_mean(made.true_ceiling, sizes.repeats)),
        **{axis: ("target", positions[:, i]) for i, axis in enumerate("xyz")},
        "onset": ("volume", scanned.onsets),
        "run": ("volume", scanned.runs.tolist()),
        "held_out": ("volume", last.astype(np.int8)),
        "repeated": ("repeated", again),
    }
    responses = xr.Dataset(
        {
            "responses": (("volume", "target"), values.astype(np.float32)),
            "repeats": (("repeat", "repeated", "target"), repeats),
            "truth_features": (
                ("volume", "feature"), np.hstack(list(scanned.states)).astype(np.float32)
            ),
        },
        coords=coordinates,
        attrs={
            **_attributes("brain", "standard deviations of the signal", tr=TR),
            "space": SPACE,
            "affine": json.dumps(dict.fromkeys(subjects, voxels.affine.tolist())),
            "grid": json.dumps(dict.fromkeys(subjects, voxels.grid)),
        },
    )  # fmt: skip
    return _prepared(
        "whole-brain",
        scanned.stimuli,
        responses,
        planted_voxels=int(voxels.planted.sum()),
        true_ceiling=_summary(responses["true_ceiling"].values[responses["region"] == REGION]),
        repeats=sizes.repeats,
        **_noise(settings),
    )


def _reading(world: World, sizes: Reading, seed: int, rng: np.random.Generator) -> Prepared:
    rows: list[dict[str, Any]] = []
    grammar = StoryGrammar(world)
    for story in range(sizes.stories):
        name, position = f"story-{story + 1}", 0
        sentences = sample(grammar, sizes.sentences, rng)
        bits = surprisal(grammar, sentences)
        for number, (sentence, of_tokens) in enumerate(zip(sentences, bits, strict=True)):
            for index, (word, tokens) in enumerate(words_of(sentence)):
                rows.append(
                    {
                        **_stimulus(name, position, word, name),
                        "length": len(word),
                        "punctuation": not word[-1].isalnum(),
                        "sentence_id": f"{name}-{number + 1}",
                        "word_in_sentence": index + 1,
                        "true_surprisal": float(of_tokens[tokens].sum()),
                    }
                )
                position += 1
    stimuli = pd.DataFrame(rows)
    stimuli["log_frequency"] = _log_frequency(grammar, stimuli["text"], seed)
    times = readers.reading_times(
        stimuli["true_surprisal"].to_numpy(),
        stimuli["length"].to_numpy(),
        stimuli["punctuation"].to_numpy(),
        stimuli["context_group"].to_numpy(),
        sizes.readers,
        rng,
    )
    names = [f"reader-{i + 1:02d}" for i in range(sizes.readers)]
    responses = xr.Dataset(
        {"responses": (("stimulus", "target"), times)},
        coords={
            "target_id": ("target", names),
            "subject": ("target", names),
            "region": ("target", ["all"] * len(names)),
            "stimulus_id": ("stimulus", stimuli["stimulus_id"].to_numpy()),
        },
        attrs=_attributes("reading-times", "ms"),
    )
    return _prepared(
        "reading",
        stimuli,
        responses,
        ms_per_bit=readers.PER_BIT,
        ms_per_character=readers.PER_CHARACTER,
        ms_per_bit_of_the_word_before=readers.PER_BIT_BEFORE,
        ms_at_punctuation=readers.AT_PUNCTUATION,
        ms_per_character_of_the_next_word=readers.PER_CHARACTER_NEXT,
        noise_ms=readers.NOISE_SD,
    )


def _localizer(world: World, sizes: Localizer, rng: np.random.Generator) -> Prepared:
    """The tokenizer of the world knows its words alone, so non-words are words of other sentences:
    each list has as many as a sentence, drawn from all but their first ones, whose capital letters
    would tell that they begin a sentence."""
    sentences = sample(StoryGrammar(world), sizes.sentences, rng)
    every = [token.text for tokens in sentences for token in tokens[1:] if token.text.isalpha()]
    lists = [list(rng.choice(every, size=len(words_of(tokens)))) for tokens in sentences]
    n = sizes.sentences
    stimuli, responses = conditions(
        [f"{kind}-{i + 1:03d}" for kind in ("sentence", "list") for i in range(n)],
        [*(text_of([tokens]) for tokens in sentences), *map(" ".join, lists)],
        [True] * n + [False] * n,
        SOURCE,
        LICENCE,
    )
    responses.attrs["simulated"] = 1
    return _prepared("localizer", stimuli, responses)


def word_classes(sentence: Sentence, world: World) -> list[str]:
    """The class of each word: `thing`, of a value its kind, of a function word itself."""
    kinds = {value: kind for kind, values in VALUES.items() for value in values}
    kinds |= dict.fromkeys(world.facts_of, "thing")
    bare = [
        Token(kinds.get(token.text, token.text) if token.concept else token.text.lower())
        for token in sentence
    ]
    return [word for word, _ in words_of(tuple(bare))]


def _stimulus(
    group: str, position: int, text: str, split: str, onset: float = np.nan, offset: float = np.nan
) -> dict[str, Any]:
    return {
        "stimulus_id": f"{group}-{position + 1:03d}",
        "text": text,
        "context_group": group,
        "position": position,
        "split_group": split,
        "onset": onset,
        "offset": offset,
    }


def _brain(
    kind: str,
    stimuli: pd.DataFrame,
    states: np.ndarray,
    sizes: tuple[int, int],
    settings: Simulation,
    seed: int,
    rng: np.random.Generator,
    volumes: tuple[np.ndarray, np.ndarray] | None = None,
) -> Prepared:
    """The responses to a state and their truth.

    Rows are stimuli, or `volumes` (onset, run); `states`: [subject, row, feature], or a single one
    that all subjects share; `sizes`: subjects, and targets of each.
    """
    if volumes is None:
        row = "stimulus"
        context, split = stimuli["context_group"].tolist(), stimuli["split_group"].tolist()
        coordinates: dict[str, Any] = {"stimulus_id": (row, stimuli["stimulus_id"].to_numpy())}
        timing: dict[str, float] = {}
    else:
        row = "volume"
        context = split = volumes[1].tolist()
        coordinates = {"onset": (row, volumes[0]), "run": (row, split)}
        timing = {"tr": TR}
    n_subjects, n_targets_each = sizes
    noise = Noise(settings.drift, settings.subject_noise, settings.voxel_noise)
    weights = weightings(n_subjects, states.shape[2], settings.subject_weights, seed)
    weighted = list(states * weights[:, None])
    made = respond(weighted, context, split, n_targets_each, noise, rng)
    n_targets = len(made.subject)
    # Neighbouring targets of a subject are of one region, as voxels are.
    region = np.arange(n_targets_each) * len(REGIONS) // n_targets_each
    coordinates |= {
        "target_id": ("target", [f"target-{i + 1:04d}" for i in range(n_targets)]),
        "subject": ("target", made.subject),
        "region": ("target", np.tile(np.array(REGIONS)[region], n_subjects)),
        "true_ceiling": ("target", made.true_ceiling),
    }
    responses = xr.Dataset(
        {
            "responses": ((row, "target"), made.values.astype(np.float32)),
            "truth_features": ((row, "feature"), np.hstack(list(states)).astype(np.float32)),
        },
        coords=coordinates,
        attrs=_attributes("brain", "standard deviations of the signal", **timing),
    )
    return _prepared(
        kind,
        stimuli,
        responses,
        true_ceiling=_summary(made.true_ceiling),
        **_noise(settings),
    )


def _summary(true_ceiling: np.ndarray) -> dict[str, float]:
    return {
        "lowest": float(true_ceiling.min()),
        "median": float(np.median(true_ceiling)),
        "highest": float(true_ceiling.max()),
    }


def _noise(settings: Simulation) -> dict[str, float]:
    names = ("drift", "subject_noise", "voxel_noise", "subject_weights", "subject_lag")
    return {name: getattr(settings, name) for name in names}


def _attributes(kind: str, units: str, **more: float) -> dict[str, Any]:
    made = attributes(kind, units, SOURCE, LICENCE, [], **more)
    return {**made, "simulated": 1}


def _prepared(kind: str, stimuli: pd.DataFrame, responses: xr.Dataset, **truth: Any) -> Prepared:
    about = card(
        stimuli, responses, [], dataset=f"simulated {kind}", citation="simulated here", **truth
    )
    return Prepared(stimuli, responses, about)


def _log_frequency(grammar: Grammar, words: pd.Series, seed: int) -> np.ndarray:
    """Zipf scale: log10 of occurrences per billion words, one added to each count.

    Counted in `FREQUENCY_STORIES` other stories of the grammar, not in the words themselves.
    """
    rng = np.random.default_rng([seed, 8])
    counts: dict[str, int] = {}
    for _ in range(FREQUENCY_STORIES):
        for sentence in sample(grammar, 25, rng):
            for word, _ in words_of(sentence):
                counts[word] = counts.get(word, 0) + 1
    total = sum(counts.values())
    return np.array([np.log10((counts.get(word, 0) + 1) / total * 1e9) for word in words])
