"""Spoken words in their printed form, from the text that was read aloud."""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

import numpy as np
import pandas as pd

from brainalign.datasets.words import sentences

CLITIC = re.compile(r"('\w+|n't)$")  # a word of its own in a transcript, a word's end in print
ALIKE = 2 / 3  # share of letters in common, from which other words are the printed ones


def printed(spoken: Sequence[str], text: str) -> pd.DataFrame:
    """The words of the text that were said, as they are printed, with their punctuation.

    A printed word ends at a blank, or at a dash between two letters. For the comparison clitics
    join the spoken word before them, hyphens cut printed words, and case and marks are left out.
    Words are then matched in order (Ratcliff & Obershelp, `difflib`). Where other words were said
    than are printed, they stand for the printed ones if two thirds of the letters agree: word by
    word where both are as many, else the stretch as one (`she'd`: `she had`). Spoken words that
    stand for one printed word become one row. A word without a printed one stays as it was said,
    and goes with the sentence before it.

    Returns
    -------
    DataFrame, a row per printed word (or stretch, or word that is not in print), in the order of
    speech: `text`, `sentence_id` and `word_in_sentence` (int64, from 1; a sentence ends as in
    `sentences`, closing brackets aside), `first` and `last` (int64: the spoken words that it
    holds, from 0), and `otherwise` (bool: other letters were said than are in `text`, or the word
    is not in print).
    """
    tokens = [token for token in re.sub(r"(?<=\w)--(?=\w)", "-- ", text).split() if _letters(token)]
    # A bracket closes a sentence in it; a quote mark before the end of the comma's clause does not.
    of_token, _ = sentences([token.rstrip("),") for token in tokens])
    parts = [
        (_letters(part), i)
        for i, token in enumerate(tokens)
        for part in token.split("-")
        if _letters(part)
    ]
    heads = [i for i, word in enumerate(spoken) if i == 0 or not CLITIC.fullmatch(word)]
    ends = [*heads[1:], len(spoken)]
    units = ["".join(map(_letters, spoken[a:b])) for a, b in zip(heads, ends, strict=True)]
    first, last = _tokens_of(units, [letters for letters, _ in parts], [at for _, at in parts])

    # A row ends where no printed word is said on both sides.
    before, after = np.maximum.accumulate(last), np.minimum.accumulate(first[::-1])[::-1]
    begins = np.flatnonzero([True, *(before[:-1] < after[1:])])
    rows = []
    for a, b in zip(begins, [*begins[1:], len(units)], strict=True):
        said = range(heads[a], ends[b - 1])
        low, high = first[a:b].min(), last[a:b].max()
        in_print = " ".join(tokens[low : high + 1])
        rows.append(
            {
                "text": in_print or "".join(spoken[i] for i in said),
                "sentence_id": of_token[low] if in_print else None,
                "first": said[0],
                "last": said[-1],
                "otherwise": "".join(units[a:b]) != _letters(in_print),
            }
        )
    table = pd.DataFrame(rows)
    table["sentence_id"] = table["sentence_id"].astype("Int64").ffill().fillna(1).astype(np.int64)
    table.insert(2, "word_in_sentence", table.groupby("sentence_id").cumcount() + 1)
    return table


def _tokens_of(
    units: Sequence[str], parts: Sequence[str], token: Sequence[int]
) -> tuple[np.ndarray, np.ndarray]:
    """First and last printed word of each spoken one; (number of parts, -1) if it has none."""
    first, last = np.full(len(units), len(parts)), np.full(len(units), -1)
    for kind, a, b, c, d in SequenceMatcher(None, units, parts, autojunk=False).get_opcodes():
        if b - a == d - c:
            pairs = [(slice(a + i, a + i + 1), slice(c + i, c + i + 1)) for i in range(b - a)]
        elif kind == "replace":
            pairs = [(slice(a, b), slice(c, d))]
        else:
            continue
        for said, in_print in pairs:
            if _alike("".join(units[said]), "".join(parts[in_print])):
                first[said], last[said] = token[in_print][0], token[in_print][-1]
    return first, last


def _alike(said: str, in_print: str) -> bool:
    return SequenceMatcher(None, said, in_print, autojunk=False).ratio() >= ALIKE


def _letters(word: str) -> str:
    return re.sub(r"[\W_]", "", word).lower()
