"""Surprisal of 26 models on Natural Stories, as Kuribayashi et al. 2024 published it.

Each sentence was read alone. Five vanilla models have their tuned partner: LLaMA-2 7B, 13B and 70B,
Falcon 7B and 40B.
"""

import json
import re
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from brainalign.datasets.published_surprisal import PublishedSurprisal, in_bits, same_words
from brainalign.datasets.raw import RawFile, Record, by_name, raw_table, text
from brainalign.datasets.surprisal_settings import Kuribayashi2024
from brainalign.errors import InputError

CITATION = "Kuribayashi, Oseki & Baldwin 2024, Findings of NAACL"
LICENCE = "MIT"
FOLDER = "surprisal_kuribayashi2024"
SENTENCES = f"{FOLDER}/tokens.json"
SURPRISAL, FIT = "/surprisal.json", "/surprisal.json.result"
# Statistic → what the published fit prints before it.
PRINTED = {
    "words": "No. Observations:",
    "mean_bits": "average surprisal:",
    "delta_loglik_per_word": "delta loglik per tokens:",
    "slope_1_back": "surprisal_prev_1",
}
# Presentation → the folders of the prompts that stand for it.
PRESENTATIONS = {
    "raw": "",
    "instruction": (
        "Please_complete_the_following_sentence:_", "Please_complete_the_following_sentence:",
    ),
    "chat": ("INST_Please_generate_a_sentence._INST__Answer:_",),
}  # fmt: skip
# As published, the mean surprisal of these words rises with size in some families and lies above
# 15 nats in others: it is no probability of the word at the beginning of a text.
FIRST_WORD = "undefined: the release does not say on what the first word of a sentence depends"


def models() -> list[str]:
    """Names of the models of the release."""
    paths = [path.split("/") for path in raw_table("kuribayashi2024", LICENCE)]
    return list(dict.fromkeys(parts[1] for parts in paths if len(parts) > 2))


def raw_files(source: Kuribayashi2024) -> list[RawFile]:
    """The sentences, the surprisal of a model in one presentation, and the fit of the raw one.

    Raises
    ------
    InputError : the release has no such model, or not in this presentation.
    """
    table = raw_table("kuribayashi2024", LICENCE)
    model, presentation = source.model, source.presentation or "raw"
    if model not in models():
        raise InputError(f"kuribayashi2024 has no model {model!r}; it has {', '.join(models())}")
    path = _path(model, presentation, table)
    if path is None:
        had = [name for name in PRESENTATIONS if _path(model, name, table)]
        raise InputError(
            f"kuribayashi2024 has {model} in presentation {', '.join(had)}, not in {presentation}"
        )
    fit = [table[f"{path}.result"]] if presentation == "raw" else []
    return [table[SENTENCES], table[path], *fit]


def _path(model: str, presentation: str, table: Mapping[str, RawFile]) -> str | None:
    if presentation == "raw":
        return f"{FOLDER}/{model}/surprisal.json"
    prompts = PRESENTATIONS.get(presentation, ())
    paths = [f"{FOLDER}/{model}/{prompt}/surprisal.json" for prompt in prompts]
    return next((path for path in paths if path in table), None)


def read(
    records: Sequence[Record], source: Kuribayashi2024, stimuli: pd.DataFrame
) -> PublishedSurprisal:
    """Bits per word of `stimuli` (Natural Stories), NaN for the first word of each sentence.

    Raises
    ------
    InputError : sentences and words do not match, or a value is no surprisal.
    """
    words, nats = stories(records)
    where = _ending(records, SURPRISAL).path
    same_words(_flat(words), stimuli, _ending(records, SENTENCES).path)
    values = _numbers(_flat(nats), where)
    bits = in_bits(values, "nats", stimuli, where)
    first = np.cumsum([0, *(len(sentence) for story in words.values() for sentence in story)])
    bits[first[:-1]] = np.nan
    prompt = {key: record for key, record in by_name(records).items() if key.count("/") > 2}
    return PublishedSurprisal(
        bits=bits,
        n_tokens=np.full(len(bits), np.nan),
        record={
            "citation": CITATION,
            "unit": "nats, divided by ln 2",
            "context": "sentence",
            "first_word": FIRST_WORD,
            "prompt": next(iter(prompt)).split("/")[2] if prompt else "",
        },
    )


def stories(
    records: Sequence[Record],
) -> tuple[dict[str, list[list[str]]], dict[str, list[list[float]]]]:
    """The words that were read, and the nats of each: story → sentence → word.

    Raises
    ------
    InputError : the two files have other stories or sentences.
    """
    sentences, surprisal = _ending(records, SENTENCES), _ending(records, SURPRISAL)
    words, nats = _stories(sentences), _stories(surprisal)
    for story in dict.fromkeys([*words, *nats]):
        lengths = [[len(part) for part in had.get(story, [])] for had in (words, nats)]
        if lengths[0] != lengths[1]:
            raise InputError(
                f"{surprisal.path}: story {story} has other sentences than {sentences.path}"
            )
    return words, nats


def published_fit(records: Sequence[Record]) -> dict[str, float]:
    """The numbers of the fit to mean reading times that was published beside the surprisal.

    Returns
    -------
    `words` (that were fitted), `mean_bits` (of these words), `delta_loglik_per_word` (nats, in
    sample), `slope_1_back` (ms per nat of the surprisal of the previous word, as they joined it).

    Raises
    ------
    InputError : a number is not in the file.
    """
    record = _ending(records, FIT)
    printed = text(record)
    number = r"([-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?)"
    result = {
        name: re.search(rf"{re.escape(label)}\s+{number}", printed)
        for name, label in PRINTED.items()
    }
    missing = [PRINTED[name] for name, match in result.items() if match is None]
    if missing:
        raise InputError(f"{record.path}: no number after {missing[0]!r}")
    return {name: float(match[1]) for name, match in result.items() if match}


def _ending(records: Sequence[Record], end: str) -> Record:
    """The one located file whose name ends so."""
    return next(record for record in records if record.name.endswith(end))


def _stories(record: Record) -> dict[str, list[list[Any]]]:
    """The sentences of each story, in the order of the stories' numbers."""
    try:
        stories = json.loads(text(record))
        return {key: [list(part) for part in stories[key]] for key in sorted(stories, key=int)}
    except (ValueError, AttributeError, TypeError) as error:
        raise InputError(f"{record.path}: not the release's JSON ({error})") from error


def _numbers(values: list[Any], where: str) -> np.ndarray:
    try:
        return np.array(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}: a surprisal is no number ({error})") from error


def _flat(stories: Mapping[str, list[list[Any]]]) -> list[Any]:
    return [*chain.from_iterable(chain.from_iterable(stories.values()))]
