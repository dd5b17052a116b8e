"""The simulated datasets: passages, stories, a chapter, reading times."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from brainalign.datasets.prepared import Prepared, attributes, card
from brainalign.encoding.timing import canonical_hrf
from brainalign.errors import InputError
from brainalign.simulation.grammar import Grammar, Sentence, sample, surprisal, text_of, words_of
from brainalign.simulation.readers import reading_times
from brainalign.simulation.settings import Settings
from brainalign.simulation.state import concept_vectors, standardised, token_states
from brainalign.simulation.subjects import Noise, Responses, respond
from brainalign.simulation.texts import PassageGrammar, StoryGrammar
from brainalign.simulation.world import World, build_world

WORDS_PER_FRAGMENT = 5  # 2 s of speech
WORD_SECONDS, TR = 0.5, 2.0
SILENCE = 10.0  # seconds without words at the end of a run
REGIONS = tuple(
    f"{side}{name}"
    for side in "LR"
    for name in ("PostTemp", "AntTemp", "IFG", "IFGorb", "MFG", "AngG")
)

SIZES: dict[str, dict[str, int]] = {
    "passages": {"passages_per_topic": 5, "sentences": 4, "subjects": 5, "targets": 60},
    "story": {"stories": 6, "sentences": 32, "subjects": 5},
    "chapter": {"runs": 4, "volumes": 110, "subjects": 4, "targets": 60},
    "reading": {"stories": 6, "sentences": 25, "readers": 20},
}
"""Kind of dataset → its sizes, with defaults; a story's targets are the twelve regions."""


def simulate(
    kind: str, sizes: Mapping[str, Any], simulation: Mapping[str, Any], seed: int
) -> Prepared:
    """Draw a dataset of the world.

    Parameters
    ----------
    kind : `passages` (as Pereira2018), `story` (fragments of 2 s, as Blank2014), `chapter` (a word every
        0.5 s, scanned every 2 s, as Wehbe2014) or `reading` (as Futrell2018).
    sizes : what differs from `SIZES[kind]`.
    simulation : the study's `simulation` section.
    seed : the study's; the world, its concepts and each kind of dataset follow from it.

    Raises
    ------
    InputError : unknown kind, unknown or unusable size.
    """
    if kind not in SIZES:
        raise InputError(f"kind {kind!r} of a simulated dataset, expected one of {list(SIZES)}")
    for key, value in sizes.items():
        if key not in SIZES[kind]:
            raise InputError(f"{kind}.{key}: unknown size, expected one of {list(SIZES[kind])}")
        if not isinstance(value, int) or value < 1:
            raise InputError(f"{kind}.{key}: {value!r}, expected a positive integer")
    settings = Settings.of(simulation)
    world = build_world(seed, settings.things_per_domain)
    rng = np.random.default_rng([seed, 7, list(SIZES).index(kind)])
    makers: dict[str, Callable[..., Prepared]] = {
        "passages": _passages, "story": _story, "chapter": _chapter, "reading": _reading,
    }  # fmt: skip
    return makers[kind](world, settings, {**SIZES[kind], **sizes}, seed, rng)


def _passages(
    world: World, settings: Settings, sizes: Mapping[str, int], seed: int, rng: np.random.Generator
) -> Prepared:
    rows, states = [], []
    vectors = _vectors(world, settings, seed)
    for topic in world.things:
        grammar = PassageGrammar(world, topic)
        for passage in range(sizes["passages_per_topic"]):
            sentences = sample(grammar, sizes["sentences"], rng)
            after = token_states(sentences, vectors, settings.half_life)
            states += [state[-1] for state in after]
            rows += [
                _stimulus(f"{topic}-{passage}", position, text_of([sentence]), topic)
                for position, sentence in enumerate(sentences)
            ]
    stimuli = pd.DataFrame(rows)
    state = standardised(np.array(states))
    responses = _respond(state, stimuli["context_group"].tolist(), settings, sizes, rng)
    regions = np.full(len(responses.subject), "language")
    return _brain("passages", stimuli, responses, regions, state, settings)


def _story(
    world: World, settings: Settings, sizes: Mapping[str, int], seed: int, rng: np.random.Generator
) -> Prepared:
    rows, states = [], []
    vectors = _vectors(world, settings, seed)
    for story in range(sizes["stories"]):
        words, after = _words(
            sample(StoryGrammar(world), sizes["sentences"], rng), vectors, settings
        )
        for position, start in enumerate(range(0, len(words), WORDS_PER_FRAGMENT)):
            fragment = words[start : start + WORDS_PER_FRAGMENT]
            states.append(after[start + len(fragment) - 1])
            name = f"story-{story + 1}"
            rows.append(_stimulus(name, position, " ".join(fragment), name))
    stimuli = pd.DataFrame(rows)
    state = standardised(np.array(states))
    sizes = {**sizes, "targets": len(REGIONS)}
    responses = _respond(state, stimuli["context_group"].tolist(), settings, sizes, rng)
    regions = np.tile(REGIONS, sizes["subjects"])
    return _brain("story", stimuli, responses, regions, state, settings)


def _chapter(
    world: World, settings: Settings, sizes: Mapping[str, int], seed: int, rng: np.random.Generator
) -> Prepared:
    """Runs follow each other on one clock; the state reaches the volumes through the canonical response."""
    rows: list[dict[str, Any]] = []
    states, word_onsets, word_runs = [], [], []
    vectors = _vectors(world, settings, seed)
    duration = sizes["volumes"] * TR
    n_words = int((duration - SILENCE) / WORD_SECONDS)
    if n_words < 1:
        raise InputError(f"chapter.volumes: {sizes['volumes']}, expected more than {SILENCE / TR}")
    for run in range(sizes["runs"]):
        # Every sentence has at least three words.
        words, after = _words(
            sample(StoryGrammar(world), n_words // 3 + 1, rng), vectors, settings
        )
        name = f"run-{run + 1}"
        for position, word in enumerate(words[:n_words]):
            # Off the volumes' grid, so that each word belongs to one volume only.
            onset = run * duration + (position + 0.5) * WORD_SECONDS
            rows.append(_stimulus(name, position, word, name, onset, onset + WORD_SECONDS))
        states.append(after[:n_words])
        word_onsets += [row["onset"] for row in rows[-n_words:]]
        word_runs += [run] * n_words
    onset = np.arange(sizes["runs"] * sizes["volumes"]) * TR
    run_of = np.repeat(np.arange(sizes["runs"]), sizes["volumes"])
    weights = canonical_hrf(onset[:, None] - np.array(word_onsets))
    weights[run_of[:, None] != np.array(word_runs)] = 0.0
    state = standardised(weights @ standardised(np.concatenate(states)))
    runs = [f"run-{run + 1}" for run in run_of]
    responses = _respond(state, runs, settings, sizes, rng)
    regions = np.full(len(responses.subject), "language")
    stimuli = pd.DataFrame(rows)
    return _brain("chapter", stimuli, responses, regions, state, settings, onset, runs)


def _reading(
    world: World, settings: Settings, sizes: Mapping[str, int], seed: int, rng: np.random.Generator
) -> Prepared:
    rows: list[dict[str, Any]] = []
    grammar = StoryGrammar(world)
    for story in range(sizes["stories"]):
        name, position = f"story-{story + 1}", 0
        sentences = sample(grammar, sizes["sentences"], rng)
        bits = surprisal(grammar, sentences)
        for number, (sentence, of_tokens) in enumerate(zip(sentences, bits, strict=True)):
            for place, (word, tokens) in enumerate(words_of(sentence)):
                rows.append(
                    {
                        **_stimulus(name, position, word, name),
                        "length": len(word),
                        "sentence_id": f"{name}-{number + 1}",
                        "word_in_sentence": place + 1,
                        "true_surprisal": float(of_tokens[tokens].sum()),
                    }
                )
                position += 1
    stimuli = pd.DataFrame(rows)
    stimuli["log_frequency"] = _log_frequency(grammar, stimuli["text"], seed)
    times = reading_times(
        stimuli["true_surprisal"].to_numpy(),
        stimuli["length"].to_numpy(),
        stimuli["context_group"].to_numpy(),
        sizes["readers"],
        rng,
    )
    readers = [f"reader-{i + 1:02d}" for i in range(sizes["readers"])]
    return _prepared(
        "reading",
        stimuli,
        xr.Dataset(
            {"responses": (("stimulus", "target"), times)},
            coords={
                "target_id": ("target", readers),
                "subject": ("target", readers),
                "region": ("target", ["all"] * len(readers)),
                "stimulus_id": ("stimulus", stimuli["stimulus_id"].to_numpy()),
            },
            attrs=attributes("reading-times", "ms", "simulated world", "CC0", []),
        ),
    )


def _vectors(world: World, settings: Settings, seed: int) -> dict[str, np.ndarray]:
    return concept_vectors(world, settings.features, settings.knowledge, seed)


def _words(
    sentences: Sequence[Sentence], vectors: dict[str, np.ndarray], settings: Settings
) -> tuple[list[str], np.ndarray]:
    """The words of a text and the state [word, feature] after each."""
    words, states = [], []
    after = token_states(sentences, vectors, settings.half_life)
    for sentence, of_tokens in zip(sentences, after, strict=True):
        for word, tokens in words_of(sentence):
            words.append(word)
            states.append(of_tokens[tokens[-1]])
    return words, np.array(states)


def _stimulus(
    group: str, position: int, text: str, split: str, onset: float = np.nan, offset: float = np.nan
) -> dict[str, Any]:
    return {
        "stimulus_id": f"{group}-{position:03d}",
        "text": text,
        "context_group": group,
        "position": position,
        "split_group": split,
        "onset": onset,
        "offset": offset,
    }


def _respond(
    state: np.ndarray,
    groups: Sequence[str],
    settings: Settings,
    sizes: Mapping[str, int],
    rng: np.random.Generator,
) -> Responses:
    noise = Noise(settings.drift, settings.subject_noise, settings.voxel_noise)
    return respond(state, groups, sizes["subjects"], sizes["targets"], noise, rng)


def _brain(
    name: str,
    stimuli: pd.DataFrame,
    responses: Responses,
    regions: np.ndarray,
    state: np.ndarray,
    settings: Settings,
    onset: np.ndarray | None = None,
    runs: Sequence[str] = (),
) -> Prepared:
    """A brain dataset with its truth: rows are stimuli, or volumes where `onset` is given."""
    row = "stimulus" if onset is None else "volume"
    n_targets = len(responses.subject)
    coordinates: dict[str, Any] = {
        "target_id": ("target", [f"target-{i:04d}" for i in range(n_targets)]),
        "subject": ("target", responses.subject),
        "region": ("target", regions),
        "true_ceiling": ("target", responses.true_ceiling),
    }
    if onset is None:
        coordinates["stimulus_id"] = ("stimulus", stimuli["stimulus_id"].to_numpy())
        timing = {}
    else:
        coordinates |= {"onset": ("volume", onset), "run": ("volume", list(runs))}
        timing = {"tr": TR}
    dataset = xr.Dataset(
        {
            "responses": ((row, "target"), responses.values.astype(np.float32)),
            "truth_features": ((row, "feature"), state.astype(np.float32)),
        },
        coords=coordinates,
        attrs=attributes("brain", "standard deviations of the signal", "simulated world", "CC0", [])
        | timing,
    )
    return _prepared(
        name,
        stimuli,
        dataset,
        true_ceiling={
            "lowest": float(responses.true_ceiling.min()),
            "median": float(np.median(responses.true_ceiling)),
            "highest": float(responses.true_ceiling.max()),
        },
        drift=settings.drift,
        subject_noise=settings.subject_noise,
        voxel_noise=settings.voxel_noise,
    )


def _prepared(
    name: str, stimuli: pd.DataFrame, responses: xr.Dataset, **checks: Any
) -> Prepared:
    responses.attrs["simulated"] = 1
    return Prepared(
        stimuli,
        responses,
        card(
            stimuli, responses, [], dataset=f"simulated {name}", citation="simulated here", **checks
        ),
    )


def _log_frequency(grammar: Grammar, words: pd.Series, seed: int) -> np.ndarray:
    """log10 of occurrences per million words, from 200 other stories of 25 sentences (one added)."""
    rng = np.random.default_rng([seed, 8])
    counts: dict[str, int] = {}
    for _ in range(200):
        for sentence in sample(grammar, 25, rng):
            for word, _ in words_of(sentence):
                counts[word] = counts.get(word, 0) + 1
    total = sum(counts.values())
    return np.array([np.log10((counts.get(word, 0) + 1) / total * 1e6) for word in words])
