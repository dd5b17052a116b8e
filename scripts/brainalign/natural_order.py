"""The order of names that hold numbers, as people read them: 2 before 10."""

import re
from collections.abc import Iterable

_NUMBER = re.compile(r"([0-9]+)")


def natural(name: str) -> tuple[bool, list[tuple[str, int]], str]:
    """A key to sort names by: numbers in them by size, other parts as text in any case.

    `all`, the name of a summary in tables, is the first.
    """
    parts = _NUMBER.split(str(name).casefold())
    texts, numbers = parts[::2], [*map(int, parts[1::2]), -1]
    return name != "all", list(zip(texts, numbers, strict=True)), str(name)


def ranks(names: Iterable[str]) -> dict[str, int]:
    """Name → its position among the names, each counted once."""
    return {name: rank for rank, name in enumerate(sorted(set(names), key=natural))}
