"""Surprisal of 26 models on Natural Stories, as Kuribayashi et al. 2024 published it.

Each sentence was read alone. Five vanilla models have their tuned partner: LLaMA-2 7B, 13B and 70B,
Falcon 7B and 40B.
"""

import json
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd

from brainalign.datasets.published_surprisal import PublishedSurprisal, in_bits, same_words
from brainalign.datasets.raw import RawFile, Record, by_name, raw_table, text
from brainalign.errors import InputError

CITATION = "Kuribayashi, Oseki & Baldwin 2024, Findings of NAACL"
LICENCE = "MIT"
FOLDER = "surprisal_kuribayashi2024"
SENTENCES = f"{FOLDER}/tokens.json"
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


def raw_files(source: Mapping[str, Any]) -> list[RawFile]:
    """The sentences, and the surprisal of a model in one presentation.

    Raises
    ------
    InputError : the release has no such model, or not in this presentation.
    """
    table = raw_table("kuribayashi2024", LICENCE)
    model, presentation = source["model"], source.get("presentation", "raw")
    if model not in models():
        raise InputError(f"kuribayashi2024 has no model {model!r}; it has {', '.join(models())}")
    path = _path(model, presentation, table)
    if path is None:
        had = [name for name in PRESENTATIONS if _path(model, name, table)]
        raise InputError(
            f"kuribayashi2024 has {model} in presentation {', '.join(had)}, not in {presentation}"
        )
    return [table[SENTENCES], table[path]]


def _path(model: str, presentation: str, table: Mapping[str, RawFile]) -> str | None:
    if presentation == "raw":
        return f"{FOLDER}/{model}/surprisal.json"
    prompts = PRESENTATIONS.get(presentation, ())
    paths = [f"{FOLDER}/{model}/{prompt}/surprisal.json" for prompt in prompts]
    return next((path for path in paths if path in table), None)


def read(
    records: Sequence[Record], source: Mapping[str, Any], stimuli: pd.DataFrame
) -> PublishedSurprisal:
    """Bits per word of `stimuli` (Natural Stories), NaN for the first word of each sentence.

    Raises
    ------
    InputError : sentences and words do not match, or a value is no surprisal.
    """
    sentences, surprisal = records
    words = _stories(sentences)
    nats = _stories(surprisal)
    where = surprisal["path"]
    same_words(_flat(words), stimuli, sentences["path"])
    for story, shown in words.items():
        lengths = [len(sentence) for sentence in shown]
        if [len(sentence) for sentence in nats.get(story, [])] != lengths:
            raise InputError(f"{where}: story {story} has other sentences than {sentences['path']}")
    values = np.array(_flat(nats), dtype=float)
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


def _stories(record: Record) -> dict[str, list[list[Any]]]:
    """The sentences of each story, in the order of the stories' numbers."""
    try:
        stories = json.loads(text(record))
        return {key: stories[key] for key in sorted(stories, key=int)}
    except (ValueError, AttributeError, TypeError) as error:
        raise InputError(f"{record['path']}: not the release's JSON ({error})") from error


def _flat(stories: Mapping[str, list[list[Any]]]) -> list[Any]:
    return [*chain.from_iterable(chain.from_iterable(stories.values()))]
