"""Which module reads which type of source."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from brainalign.datasets import (
    alice,
    alpaca,
    bbh,
    blank2014,
    fedorenko2016,
    futrell2018,
    mmlu,
    natural_stories,
    own,
    pereira2018,
    tuckute2024,
    wehbe2014,
    wikitext2,
)
from brainalign.errors import InputError

# raw_files(source) -> list[RawFile]; read(records, source) -> Prepared
BRAIN_AND_BEHAVIOR: dict[str, ModuleType] = {
    "alice": alice,
    "natural-stories": natural_stories,
    "pereira2018": pereira2018,
    "blank2014": blank2014,
    "fedorenko2016": fedorenko2016,
    "tuckute2024": tuckute2024,
    "futrell2018": futrell2018,
    "wehbe2014": wehbe2014,
    "own": own,
}
# raw_files(source) -> list[RawFile]; read(records, source, seed) -> DataFrame
QUESTIONS: dict[str, ModuleType] = {"mmlu": mmlu, "bbh": bbh}
# raw_files(source) -> list[RawFile]; read(records) -> list of articles
TEXTS: dict[str, ModuleType] = {"wikitext2": wikitext2}
# raw_files(source) -> list[RawFile]; read(records) -> list of samples
INSTRUCTIONS: dict[str, ModuleType] = {"alpaca": alpaca}


def reader(source: Mapping[str, Any], *kinds: Mapping[str, ModuleType]) -> ModuleType:
    """The module that reads `source["type"]`, among `kinds` (all kinds if none is given).

    Raises
    ------
    InputError : the type is unknown; names the known ones.
    """
    known: dict[str, ModuleType] = {}
    for kind in kinds or (BRAIN_AND_BEHAVIOR, QUESTIONS, TEXTS, INSTRUCTIONS):
        known.update(kind)
    if source.get("type") not in known:
        found, allowed = source.get("type"), ", ".join(sorted(known))
        raise InputError(f"source.type: {found!r} is not allowed; allowed: {allowed}")
    return known[source["type"]]
