"""Controls of a text: what a model reads in place of the text as it is, and features in its place.

A control is named as a dataset's key `text` names it: `shuffled:sentence`, `shuffled:passage`,
`classes`, `context:RULE` (the text as it is, in another context) and `surrogate`.
"""

import re

import numpy as np
import pandas as pd

from brainalign.errors import InputError
from brainalign.reading.contexts import sentences_of_words

SURROGATE = "surrogate"  # of features, not of a text
_CORE = re.compile(r"^(.*\w)?(\W*)$", re.DOTALL)
_WORDS = {
    "shuffled:sentence": "words shuffled within sentences",
    "shuffled:passage": "words shuffled within passages",
    "classes": "word classes in place of words",
    SURROGATE: "random features, equally autocorrelated",
    "context:none": "no context",
    "context:sentence": "context of the sentence so far",
    "context:reversed": "context in reverse order",
}


def in_words(control: str) -> str:
    """A control as it stands in a figure."""
    rule = control.removeprefix("context:")
    if rule.startswith("window:"):
        return f"window of {rule.removeprefix('window:')} words"
    return _WORDS.get(control, f"context of the {rule}")


def altered_context(control: str) -> str | None:
    """The context of a control; None: that of the dataset."""
    kind, _, rule = control.partition(":")
    return rule if kind == "context" else None


def alter(stimuli: pd.DataFrame, control: str, seed: int) -> pd.DataFrame:
    """The stimuli with their column `text` altered; a control of context or of features leaves it
    as it is.

    Raises
    ------
    InputError : word classes are asked for, and the stimuli have none (column `word_classes`), or
        not one for each word.
    """
    if control.startswith("shuffled:"):
        within = control.removeprefix("shuffled:")
        return stimuli.assign(text=_shuffled(stimuli, within, np.random.default_rng([seed, 21])))
    if control == "classes":
        return stimuli.assign(text=_classes(stimuli))
    assert control == SURROGATE or altered_context(control) is not None, control
    return stimuli


def _shuffled(stimuli: pd.DataFrame, within: str, rng: np.random.Generator) -> list[str]:
    """Texts whose words are shuffled in their sentence, or in their context group.

    Each stimulus keeps its number of words; sentences may reach over several stimuli. Punctuation
    at the end of a word, and words of punctuation alone, stay in place.
    """
    texts = np.empty(len(stimuli), object)
    for rows in stimuli.groupby("context_group", sort=False).indices.values():
        group = stimuli.iloc[rows]
        words = [text.split() for text in group["text"]]
        flat = [word for stimulus in words for word in stimulus]
        cores, marks = zip(*(_CORE.match(word).groups("") for word in flat), strict=True)  # type: ignore[union-attr]
        parts = sentences_of_words(group) if within == "sentence" else np.zeros(len(flat), int)
        moved = np.array(cores, object)
        movable = moved != ""
        for part in np.unique(parts):
            at = np.flatnonzero(movable & (parts == part))
            moved[at] = moved[rng.permutation(at)]
        joined = [core + mark for core, mark in zip(moved, marks, strict=True)]
        stops = np.cumsum([len(stimulus) for stimulus in words])
        texts[rows] = [
            " ".join(joined[stop - len(stimulus) : stop])
            for stimulus, stop in zip(words, stops, strict=True)
        ]
    return texts.tolist()


def _classes(stimuli: pd.DataFrame) -> list[str]:
    if "word_classes" not in stimuli:
        raise InputError("text: classes, but the stimuli have no column word_classes")
    columns = stimuli["stimulus_id"], stimuli["text"], stimuli["word_classes"]
    for name, text, classes in zip(*columns, strict=True):
        n, given = len(text.split()), len(str(classes).split())
        if n != given:
            raise InputError(f"word_classes: stimulus {name} has {given} classes for {n} words")
    return stimuli["word_classes"].tolist()
