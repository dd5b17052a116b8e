"""Terms of reading-time regressions: columns, squares, products, splines, the next word's."""

import re
from collections.abc import Callable
from functools import reduce

import numpy as np
import pandas as pd

from brainalign.errors import InputError

STANDARD = (
    "length", "log_frequency", "length^2", "log_frequency^2", "length*log_frequency",
    "position", "word_in_sentence", "punctuation", "next(length)",
)  # fmt: skip
"""The covariates of controlled mode. Long, rare and punctuated words have more tokens, and readers
slow down before a long word; whatever surprisal adds is to be beyond all of these."""

POSITIONS = ("position", "word_in_sentence")  # the previous word's follows from the word's own
ROUNDING = 1e-9  # of a regressor's norm: what the other regressors leave of one that they determine
KNOTS = (0.05, 0.275, 0.5, 0.725, 0.95)  # quantiles (Harrell 2015, Regression Modeling Strategies)

_COLUMN = r"[^\s^*()]+"
_TERM = re.compile(
    rf"(?P<call>next|spline)\((?P<inner>{_COLUMN})\)|(?P<column>{_COLUMN})(?P<square>\^2)?"
)


def columns_of(term: str) -> list[str]:
    """The columns of the stimuli that a term is made of.

    Raises
    ------
    InputError : it is no term.
    """
    return [column for _, column in _factors(term)]


def values_of(term: str, words: pd.DataFrame) -> pd.DataFrame:
    """The regressors of a term, a column each, named after it; NaN where a word lacks a value.

    Parameters
    ----------
    term : `NAME` (a column), `NAME^2`, `NAME*NAME` (columns are centred first), `next(NAME)` (of
        the next word in the story), or `spline(NAME)` (see `natural_spline`).
    words : the columns, and `story`, in reading order.
    """
    factors = _factors(term)
    if factors[0][0] == "spline":
        x = words[factors[0][1]].to_numpy(float)
        basis = natural_spline(x)
        names = [term if i == 0 else f"{term} {i + 1}" for i in range(basis.shape[1])]
        return pd.DataFrame(basis, columns=names, index=words.index)
    parts = [_RULES[rule](words, column) for rule, column in factors]
    if len(parts) > 1:
        parts = [part - part.mean() for part in parts]
    return reduce(lambda product, part: product * part, parts).to_frame(term)


def spills_over(term: str) -> bool:
    """Whether the previous words' values of a term are regressors too.

    The position of the word before follows from that of the word; what comes after the word
    before is the word itself.
    """
    factors = _factors(term)
    return factors[0][0] != "next" and not all(column in POSITIONS for _, column in factors)


def independent(design: pd.DataFrame) -> list[str]:
    """The columns of a design (a row per word, a column per regressor) that an intercept and the
    columns before them do not determine.
    """
    x = (design - design.mean()) / np.maximum(np.sqrt((design**2).mean()), np.finfo(float).tiny)
    left = np.abs(np.diag(np.linalg.qr(x.to_numpy(), mode="r")))
    return [name for name, size in zip(x, left, strict=False) if size > ROUNDING * len(x) ** 0.5]


def natural_spline(x: np.ndarray) -> np.ndarray:
    """Restricted cubic spline of x [word]: cubic between its knots, linear beyond the outer ones.

    Knots lie at the quantiles `KNOTS` of x; equal ones count once.
    Durrleman & Simon 1989, Statistics in Medicine 8:551-561. The first column is x.

    Returns
    -------
    float64 [word, number of distinct knots − 1], NaN where x is; x alone where fewer than three
    knots differ.
    """
    at = np.unique(np.nanquantile(x, KNOTS, method="nearest"))
    if len(at) < 3:
        return x[:, None].copy()
    first, last, before_last = at[0], at[-1], at[-2]

    def cubed(knot: float) -> np.ndarray:
        return np.clip(x - knot, 0, None) ** 3

    curved = [
        cubed(knot)
        - cubed(before_last) * (last - knot) / (last - before_last)
        + cubed(last) * (before_last - knot) / (last - before_last)
        for knot in at[:-2]
    ]
    return np.column_stack([x, *curved]) / np.array([1.0, *[(last - first) ** 2] * len(curved)])


def _factors(term: str) -> list[tuple[str, str]]:
    """The columns of a term, each with what is taken of it: `value`, `next` or `spline`."""
    factors: list[tuple[str, str]] = []
    for part in term.split("*"):
        result = _TERM.fullmatch(part)
        if result is None or (result["call"] and "*" in term):
            raise InputError(
                f"covariate {term!r} is not allowed; allowed: NAME, NAME^2, NAME*NAME, "
                "next(NAME), spline(NAME), where NAME is a column of the stimuli"
            )
        if result["call"]:
            factors.append((result["call"], result["inner"]))
        else:
            factors += [("value", result["column"])] * (2 if result["square"] else 1)
    return factors


_RULES: dict[str, Callable[[pd.DataFrame, str], pd.Series]] = {
    "value": lambda words, column: words[column].astype(float),
    "next": lambda words, column: (
        words.groupby("story", sort=False)[column].shift(-1).astype(float)
    ),
}
