"""WikiText-2, raw form (Merity et al. 2016): articles for next-word prediction."""

import re
from collections.abc import Sequence

from brainalign.datasets.raw import RawFile, Record, raw_table, text
from brainalign.datasets.text_settings import Wikitext2
from brainalign.errors import InputError

LICENCE = "CC BY-SA 3.0"
FILES = {
    "test": "wikitext2/test.txt",
    "validation": "wikitext2/val.txt",
}
TITLE = re.compile(r"^ ?= [^=\n]+ = ?$", re.MULTILINE)  # sections have two or more signs a side


def raw_files(source: Wikitext2) -> list[RawFile]:
    """The text of one split: `test` or `validation`."""
    return [raw_table("wikitext2", LICENCE)[FILES[source.split]]]


def read(records: Sequence[Record]) -> list[str]:
    """The articles, in order, each from its title line (` = Title = `) on.

    Raises
    ------
    InputError : no article begins in the file.
    """
    (record,) = records
    content = text(record)
    starts = [match.start() for match in TITLE.finditer(content)]
    if not starts:
        raise InputError(f"{record.path}: no article title (' = Title = ') in it")
    return [
        content[a:b].strip("\n") for a, b in zip(starts, [*starts[1:], len(content)], strict=True)
    ]
