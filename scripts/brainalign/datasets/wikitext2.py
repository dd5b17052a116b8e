"""WikiText-2, raw form (Merity et al. 2016): articles for next-word prediction."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from brainalign.datasets.raw import RawFile, Record, raw_table, text
from brainalign.errors import InputError

LICENCE = "CC BY-SA 3.0"
FILES = {
    "test": "wikitext2/test.txt",
    "validation": "wikitext2/val.txt",
}
TITLE = re.compile(r"^ ?= [^=\n]+ = ?$", re.MULTILINE)  # sections have two or more signs a side


def raw_files(source: Mapping[str, Any]) -> list[RawFile]:
    """The text of one split: `test` or `validation`."""
    split = source.get("split", "test")
    if split not in FILES:
        raise InputError(f"split: {split!r} is not allowed; allowed: {', '.join(FILES)}")
    return [raw_table("wikitext2", LICENCE)[FILES[split]]]


def read(records: Sequence[Record]) -> list[str]:
    """The articles, in order, each from its title line (` = Title = `) on.

    Raises
    ------
    InputError : no article begins in the file.
    """
    (record,) = records
    whole = text(record)
    starts = [match.start() for match in TITLE.finditer(whole)]
    if not starts:
        raise InputError(f"{record['path']}: no article title (' = Title = ') in it")
    return [whole[a:b].strip("\n") for a, b in zip(starts, [*starts[1:], len(whole)], strict=True)]
