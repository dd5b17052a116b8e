"""Numbers and notes as they stand in a text."""

from typing import Any

import pandas as pd

from brainalign.intervals import LEVEL

DIGITS = 4  # decimals of a change


def p_text(p: float) -> str:
    """A p value as it stands in a text: p = .031, p < .001; p < .05 where it rounds to .050."""
    if pd.isna(p):
        return "p n/a"
    if p < 0.001:
        return "p < .001"
    if p < LEVEL <= round(p, 3):
        return "p < .05"
    return f"p = {r_text(p, 3)}"


def r_text(r: float, digits: int = 2) -> str:
    """A correlation as it stands in a text: .81, −.16."""
    if pd.isna(r):
        return "n/a"
    text = f"{abs(r):.{digits}f}"
    return ("−" if r < 0 and float(text) else "") + (text[1:] if text.startswith("0") else text)


def said(note: Any) -> str:
    """A table's note; nothing where it is empty, which a CSV gives back as NaN."""
    return note if isinstance(note, str) else ""


def signed(value: float) -> str:
    """A change as it stands in a text, with its sign: +0.0100, −0.0017; 0.0000 has none."""
    text = f"{value:+.{DIGITS}f}"
    return text.replace("-", "−") if float(text) else text[1:]


def counted(n: float, one: str, many: str = "") -> str:
    """A number and its noun: 1 pair, 4 pairs."""
    return f"{n:.0f} {one if n == 1 else many or f'{one}s'}"
