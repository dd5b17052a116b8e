"""Praat's TextGrids, in long and in short form."""

import re
from dataclasses import dataclass

from brainalign.errors import InputError

# Praat reads quoted texts, flags and numbers that stand free, and takes all else for comments.
TOKEN = re.compile(r'"((?:[^"]|"")*)"|(?<!\S)(<\w+>|[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)(?!\S)')
HEADERS = (("ooTextFile", "TextGrid"), ("ooTextFile short", "TextGrid"))
INTERVALS, POINTS = "IntervalTier", "TextTier"


@dataclass(frozen=True)
class Tier:
    """A tier of intervals: start and end in seconds, and the label of each."""

    name: str
    end: float
    intervals: tuple[tuple[float, float, str], ...]


def tiers(textgrid: str, where: str) -> list[Tier]:
    """The tiers of intervals of a TextGrid, in its order; tiers of points are passed over.

    (Praat manual, "TextGrid file formats". The chronological form is not read.)

    Raises
    ------
    InputError : it is no TextGrid or is cut short, or an interval does not follow the one before.
    """
    read = _Tokens(textgrid, where)
    if (read.text(), read.text()) not in HEADERS:
        raise InputError(f"{where}: not a TextGrid in long or short form")
    read.number()
    read.number()
    read.flag()
    result = []
    for _ in range(read.count()):
        kind, name = read.text(), read.text()
        _, end, n = read.number(), read.number(), read.count()
        if kind == INTERVALS:
            result.append(Tier(name, end, _intervals(read, n, f"{where}: tier {name}")))
        elif kind == POINTS:
            for _ in range(n):
                read.number()
                read.text()
        else:
            raise InputError(f"{where}: tier {name} is a {kind!r}, expected {INTERVALS}")
    return result


def _intervals(read: "_Tokens", n: int, where: str) -> tuple[tuple[float, float, str], ...]:
    intervals: list[tuple[float, float, str]] = []
    for i in range(n):
        start, end, label = read.number(), read.number(), read.text()
        if not start <= end or (intervals and start < intervals[-1][1] - 1e-6):
            raise InputError(
                f"{where}: interval {i + 1} ({label!r}) is out of order: {start:g}-{end:g} s"
            )
        intervals.append((start, end, label.strip()))
    return tuple(intervals)


class _Tokens:
    """What a TextGrid holds, one after the other."""

    def __init__(self, textgrid: str, where: str) -> None:
        self.matches = TOKEN.finditer(textgrid)
        self.where = where

    def _next(self, expected: str) -> re.Match[str]:
        match = next(self.matches, None)
        if match is None:
            raise InputError(f"{self.where}: cut short: it ends where {expected} is expected")
        return match

    def text(self) -> str:
        match = self._next("a quoted text")
        if match[1] is None:
            raise InputError(f"{self.where}: {match[2]} where a quoted text is expected")
        return match[1].replace('""', '"')

    def number(self) -> float:
        match = self._next("a number")
        if match[2] is None or match[2].startswith("<"):
            raise InputError(f"{self.where}: {match[0]} where a number is expected")
        return float(match[2])

    def count(self) -> int:
        value = self.number()
        if value < 0 or not value.is_integer():
            raise InputError(f"{self.where}: {value:g} where a count is expected")
        return int(value)

    def flag(self) -> None:
        match = self._next("<exists>")
        if match[2] != "<exists>":
            raise InputError(f"{self.where}: {match[0]} where <exists> is expected: no tiers")
