"""Contexts: which text a model sees before each stimulus, and how the pieces are joined.

A context rule has a name: `passage` or `story` (all preceding stimuli of the context group; two
names for one rule), `corpus` (all preceding rows of the table, whatever their group), `window:L`
(the last L words, the stimulus' own among them), `sentence` (what precedes it in the sentence in
which it begins), `reversed` (all preceding words of the context group, the last one first) and
`none`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import pandas as pd

from brainalign.errors import InputError

RULES = ("passage", "story", "corpus", "window:L", "sentence", "reversed", "none")
_PUNCTUATION = ",.!?:;"
_ENDS_SENTENCE = re.compile(r"[.?!][\"'”’)\]]*$")
_SPACE_BEFORE_PUNCTUATION = re.compile(rf"\s+([{_PUNCTUATION}])")


@dataclass(frozen=True)
class Chain:
    """Stimuli whose texts begin at the same character and are prefixes of one text.

    The model reads `text[:ends[i]]` for the stimulus in row `rows[i]` of the table; the
    stimulus' characters (with the space that joins them) are `text[starts[i]:ends[i]]`.
    """

    text: str
    rows: tuple[int, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]


def join(pieces: Sequence[str]) -> str:
    """Join pieces by single spaces, without the whitespace before , . ! ? : and ;

    Brain-Score's rule (brainscore_language/model_helpers/preprocessing.py, `prepare_context`).
    """
    return _detokenise(" ".join(piece for piece in pieces if piece.strip()))


def chains(stimuli: pd.DataFrame, context: str) -> list[Chain]:
    """The text that each stimulus is read in under a context rule, shared where it can be.

    Parameters
    ----------
    stimuli : table with the columns `text` and `context_group`, in reading order.
    context : one of `RULES`.

    Returns
    -------
    Chains in which every row of `stimuli` occurs exactly once.

    Raises
    ------
    InputError : `context` is not one of `RULES`; a text without anything but whitespace.
    """
    window = _window(context)
    texts = stimuli["text"].tolist()
    empty = next((row for row, text in enumerate(texts) if not text.strip()), None)
    if empty is not None:
        name = list(stimuli.get("stimulus_id", stimuli.index))[empty]
        raise InputError(f"stimulus {name}: nothing to read in its text {texts[empty]!r}")
    made: list[Chain] = []
    for rows in _groups(stimuli, context):
        words = [texts[row].split() for row in rows]
        if context == "none":
            for row in rows:
                made += _grow("", [row], [texts[row]])
        elif context == "reversed":
            for k, row in enumerate(rows):
                before = [word for stimulus in words[:k] for word in stimulus]
                made += _grow(join(before[::-1]), [row], [" ".join(words[k])])
        elif context == "sentence":
            starts = _starts_of_sentences(words, sentences_of_words(stimuli.iloc[rows]))
            made += _from(rows, words, starts)
        elif window is not None:
            made += _from(rows, words, _starts_of_windows(words, window))
        else:
            made += _grow("", rows, [texts[row] for row in rows])
    return made


def sentences_of_words(stimuli: pd.DataFrame) -> np.ndarray:
    """The number of the sentence of each word of stimuli that follow each other, int [word].

    By `sentence_id` where every stimulus has one, else a word that ends with . ? or ! (before
    closing quotes or brackets) is the last of its sentence.
    """
    words = [text.split() for text in stimuli["text"]]
    if "sentence_id" in stimuli and stimuli["sentence_id"].notna().all():
        of_stimuli = pd.factorize(stimuli["sentence_id"])[0]
        return np.repeat(of_stimuli, [len(stimulus) for stimulus in words])
    ends = [bool(_ENDS_SENTENCE.search(word)) for stimulus in words for word in stimulus]
    return np.cumsum([0, *ends[:-1]])


def _window(context: str) -> int | None:
    if context in RULES and context != "window:L":
        return None
    match = re.fullmatch(r"window:([1-9]\d*)", str(context))
    if match is None:
        raise InputError(
            f"context {context!r}: expected one of {', '.join(RULES)} (L: a number of words)"
        )
    return int(match[1])


def _groups(stimuli: pd.DataFrame, context: str) -> list[list[int]]:
    if context == "corpus":
        return [list(range(len(stimuli)))]
    groups: dict[object, list[int]] = {}
    for row, group in enumerate(stimuli["context_group"]):
        groups.setdefault(group, []).append(row)
    return list(groups.values())


def _starts(words: list[list[str]]) -> np.ndarray:
    """The number of the first word of each stimulus, int [stimulus]."""
    return np.cumsum([0, *map(len, words[:-1])])


def _starts_of_windows(words: list[list[str]], window: int) -> np.ndarray:
    starts, lengths = _starts(words), [len(stimulus) for stimulus in words]
    return np.maximum(0, np.minimum(starts, starts + lengths - window))  # no stimulus is cut itself


def _starts_of_sentences(words: list[list[str]], sentences: np.ndarray) -> np.ndarray:
    return np.searchsorted(sentences, sentences[_starts(words)])


def _from(rows: list[int], words: list[list[str]], firsts: np.ndarray) -> Iterator[Chain]:
    """Each stimulus in the text from word number `firsts` [stimulus] of its group on."""
    starts = _starts(words)
    flat = [word for stimulus in words for word in stimulus]
    for first, members in groupby(range(len(rows)), key=lambda k: int(firsts[k])):
        ks = list(members)
        lead = join(flat[first : starts[ks[0]]])
        yield from _grow(lead, [rows[k] for k in ks], [" ".join(words[k]) for k in ks])


def _grow(lead: str, rows: list[int], pieces: list[str]) -> Iterator[Chain]:
    """Append pieces to `lead` one after the other, each read in the text that it ends."""
    parts = [lead] if lead else []
    length = len(lead)
    done: list[tuple[int, int, int]] = []
    for row, piece in zip(rows, pieces, strict=True):
        tail = _detokenise(f" {piece}" if parts else piece)
        if parts and tail[0] in _PUNCTUATION and parts[-1][-1].isspace():
            # The join removes whitespace that ended the text: it is no longer a prefix.
            if done:
                yield _chain(parts, done)
            parts, done = ["".join(parts).rstrip()], []
            length = len(parts[0])
        parts.append(tail)
        done.append((row, length, length + len(tail)))
        length += len(tail)
    yield _chain(parts, done)


def _chain(parts: list[str], done: list[tuple[int, int, int]]) -> Chain:
    rows, starts, ends = zip(*done, strict=True)
    return Chain("".join(parts), rows, starts, ends)


def _detokenise(text: str) -> str:
    return _SPACE_BEFORE_PUNCTUATION.sub(r"\1", text)
