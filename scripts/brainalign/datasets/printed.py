"""Sentences and punctuation of spoken words, from the printed text that was read aloud."""

import re
from collections.abc import Sequence
from difflib import SequenceMatcher

import numpy as np
import pandas as pd

from brainalign.datasets.words import sentences

CLITIC = re.compile(r"('\w+|n't)$")  # a word of its own in a transcript, a word's end in print


def printed(spoken: Sequence[str], text: str) -> tuple[pd.DataFrame, int]:
    """What the printed text says of each spoken word.

    Both are cut at blanks, hyphens and dashes; clitics join the word before them. Words are then
    matched in order (Ratcliff & Obershelp, `difflib`); where as many words were said as are
    printed, they stand for each other. A word that is not in print goes with the word before it.

    Returns
    -------
    DataFrame [spoken word] with `sentence_id` and `word_in_sentence` (int64, from 1; a sentence
    ends as in `sentences`, closing brackets aside) and `punctuation` (bool: a character other than
    a letter or digit follows the word in print, before the next blank or dash); and the number of
    words that were said otherwise than printed.
    """
    tokens = re.sub(r"\s*--", "-- ", text).split()
    # A bracket closes a sentence in it; a quote mark before the end of the comma's clause does not.
    of_token, _ = sentences([token.rstrip("),") for token in tokens])
    parts, sentence, marked = [], [], []
    for token, number in zip(tokens, of_token, strict=True):
        pieces = [piece for piece in token.split("-") if _letters(piece)]
        parts += [_letters(piece) for piece in pieces]
        sentence += [int(number)] * len(pieces)
        marked += [False] * (len(pieces) - 1) + [not token[-1].isalnum()] * bool(pieces)

    heads = [i for i, word in enumerate(spoken) if i == 0 or not CLITIC.fullmatch(word)]
    ends = [*heads[1:], len(spoken)]
    units = ["".join(map(_letters, spoken[a:b])) for a, b in zip(heads, ends, strict=True)]
    place = np.full(len(units), -1)
    for kind, a, b, c, d in SequenceMatcher(None, units, parts, autojunk=False).get_opcodes():
        if kind == "equal" or (kind == "replace" and b - a == d - c):
            place[a:b] = np.arange(c, d)
    otherwise = sum(at < 0 or units[i] != parts[at] for i, at in enumerate(place))
    known = np.maximum.accumulate(place)

    table = pd.DataFrame(
        {
            "sentence_id": np.repeat(
                [sentence[at] if at >= 0 else 1 for at in known], np.subtract(ends, heads)
            ),
            "punctuation": False,
        }
    )
    # The mark stands at the end of a word, so after its clitic.
    table.loc[np.subtract(ends, 1), "punctuation"] = [at >= 0 and marked[at] for at in place]
    table["sentence_id"] = table["sentence_id"].astype(np.int64)
    table.insert(1, "word_in_sentence", table.groupby("sentence_id").cumcount() + 1)
    return table, otherwise


def _letters(word: str) -> str:
    return re.sub(r"[\W_]", "", word).lower()
