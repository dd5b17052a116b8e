"""Which types of source there are; the type `natural-stories` is read by `natural_stories.py`.

Readers are imported by name, when they are needed: the code of one is none of another's.
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from brainalign.errors import InputError
from brainalign.resources import RESOURCES

# raw_files(source) -> list[RawFile]; read(records, source) -> Prepared
BRAIN_AND_BEHAVIOR = (
    "alice",
    "natural-stories",
    "natural-stories-maze",
    "reading-brain",
    "pereira2018",
    "blank2014",
    "fedorenko2016",
    "tuckute2024",
    "futrell2018",
    "wehbe2014",
    "own",
)
# raw_files(source) -> list[RawFile]; read(records, source, stimuli) -> PublishedSurprisal
COUNTED_RELEASES = ("michaelov2024",)  # those that say how many tokens each word has
# Types of dataset whose words these releases are about.
RELEASED_WORDS = ("natural-stories", "natural-stories-maze")
# Release → the type of dataset whose times its published fits are of.
FITTED_TIMES = {"kuribayashi2024": "natural-stories", "michaelov2024": "natural-stories-maze"}
# raw_files(source) -> list[RawFile]; read(records, source, seed) -> DataFrame
QUESTIONS = ("mmlu", "bbh", "blimp", "own")
# raw_files(source) -> list[RawFile]; read(records) -> list of articles
TEXTS = ("wikitext2", "own")
# raw_files(source) -> list[RawFile]; read(records) -> list of samples
INSTRUCTIONS = ("alpaca",)
# What the user's own files hold → the module that reads them; of datasets `own`.
OF_USERS = {QUESTIONS: "own_questions", TEXTS: "own_text"}


def reader(source: Mapping[str, Any], *kinds: Sequence[str]) -> ModuleType:
    """The module that reads `source["type"]`, among `kinds` (all kinds if none is given).

    Without `kinds`, type `own` is read by `own`, whose `raw_files` serve all of the user's files.

    Raises
    ------
    InputError : the type is unknown; names the known ones.
    """
    if source.get("type") == "surprisal" and not kinds:
        return import_module(f"brainalign.datasets.{_stem(surprisal_kind(source))}")
    every = (BRAIN_AND_BEHAVIOR, QUESTIONS, TEXTS, INSTRUCTIONS)
    known = [kind for among in kinds or every for kind in among]
    if source.get("type") not in known:
        found, allowed = source.get("type"), ", ".join(sorted(set(known)))
        raise InputError(f"source.type: {found!r} is not allowed; allowed: {allowed}")
    return import_module(f"brainalign.datasets.{_stem(source['type'], *kinds)}")


def surprisal_kind(source: Mapping[str, Any]) -> str:
    """Which module reads a model's published surprisal: its release, or a table of one's own."""
    return str(source.get("release", "surprisal-table"))


def surprisal_fits(source: Mapping[str, Any], name: str, dataset: Mapping[str, Any]) -> bool:
    """Whether a model's published surprisal is of the words of a dataset, by name and source."""
    if "release" in source:
        return dataset["type"] in RELEASED_WORDS
    return bool(source["dataset"] == name)


def reader_files(kind: str, *kinds: Sequence[str]) -> list[Path]:
    """The module that reads a type of source, and what of resources/ is named like it."""
    stem = _stem(kind, *kinds)
    tables = sorted(RESOURCES.glob(f"*/{stem}[._]*"))  # lists of raw files, categories, texts
    return [Path(__file__).with_name(f"{stem}.py"), *tables]


def _stem(kind: str, *kinds: Sequence[str]) -> str:
    if kind == "own":
        return next((OF_USERS[among] for among in map(tuple, kinds) if among in OF_USERS), kind)
    return kind.replace("-", "_")
