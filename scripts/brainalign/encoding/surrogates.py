"""Surrogates: rows in another order, or with other phases, their autocorrelation kept.

All of them are linear maps of the rows, the same for all targets, so that what targets and subjects
have in common stays as it is.
"""

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import factorial, inf, prod
from typing import Protocol

import numpy as np
from array_api_compat import array_namespace

from brainalign.encoding.arrays import Array, like
from brainalign.encoding.settings import SurrogateMethod
from brainalign.errors import InputError


class Surrogate(Protocol):
    """One draw of surrogate responses."""

    def __call__(self, responses: Array) -> Array:
        """Surrogates [row, target] of responses [row, target]."""


@dataclass(frozen=True)
class Reordered:
    """Rows in another order, int64 [row]."""

    order: np.ndarray

    def __call__(self, responses: Array) -> Array:
        return array_namespace(responses).take(responses, like(responses, self.order), axis=0)


@dataclass(frozen=True)
class Rephased:
    """Other phases of each stretch's Fourier components, the same for all targets.

    Their sizes stay, and so does the mean of each stretch (Theiler et al. 1992; one set of phases
    for all series, which keeps their correlations: Prichard & Theiler 1994).

    stretches, factors : slices of rows, and complex128 [component] of each.
    """

    stretches: Sequence[slice]
    factors: Sequence[np.ndarray]

    def __call__(self, responses: Array) -> Array:
        xp = array_namespace(responses)
        parts = []
        for rows, factors in zip(self.stretches, self.factors, strict=True):
            components = xp.fft.rfft(responses[rows, :], axis=0)
            turned = components * like(components, factors[:, None], components.dtype)
            parts.append(xp.fft.irfft(turned, n=rows.stop - rows.start, axis=0))
        return xp.astype(xp.concat(parts), responses.dtype)


def stretches(rows: np.ndarray, contexts: np.ndarray) -> list[slice]:
    """Stretches of consecutive rows of one context, as slices of positions in `rows`.

    Parameters
    ----------
    rows : increasing row numbers, int [row]. contexts : the text or run of each row of the
        benchmark.
    """
    labels = contexts[rows]
    edges = np.flatnonzero((np.diff(rows) != 1) | (labels[1:] != labels[:-1])) + 1
    bounds = [0, *edges.tolist(), rows.size]
    return [slice(a, b) for a, b in pairwise(bounds)]


def blocks(parts: Sequence[slice], length: int | None) -> list[slice]:
    """Stretches cut into blocks of nearly equal length, `length` rows or more; None: whole ones.

    Raises
    ------
    InputError : a block is longer than a stretch.
    """
    if length is None:
        return list(parts)
    result = []
    for part in parts:
        size = part.stop - part.start
        if size < length:
            raise InputError(
                f"chance.block: {length} rows, but a fold has only {size} consecutive rows of one "
                "run; give a shorter block, or fewer folds"
            )
        edges = np.linspace(part.start, part.stop, size // length + 1).round().astype(int)
        result += [slice(a, b) for a, b in pairwise(edges.tolist())]
    return result


def arrangements(method: SurrogateMethod, parts: Sequence[slice], block: int | None) -> float:
    """How many different surrogates there are of some stretches of rows."""
    if method == "blocks":
        return float(factorial(min(len(blocks(parts, block)), 20)))  # 20! is more than any draws
    if method == "shifts":
        return prod(float(part.stop - part.start) for part in parts)  # inf of many stretches
    assert method == "phases"
    return inf


def surrogates(
    method: SurrogateMethod, parts: Sequence[slice], block: int | None, random: np.random.Generator
) -> Iterator[Surrogate]:
    """Draws without end.

    `blocks` puts blocks into another order, all orders being equally likely; `shifts` moves each
    stretch in a circle by a random length, all being equally likely; `phases` draws phases.
    """
    pieces = [np.arange(part.start, part.stop) for part in parts]
    if method == "blocks":
        pieces = [np.arange(part.start, part.stop) for part in blocks(parts, block)]
    while True:
        if method == "blocks":
            yield Reordered(np.concatenate([pieces[k] for k in random.permutation(len(pieces))]))
        elif method == "shifts":
            yield Reordered(np.concatenate([np.roll(p, random.integers(p.size)) for p in pieces]))
        else:
            yield Rephased(list(parts), [phases(piece.size, random) for piece in pieces])


def phases(n_rows: int, random: np.random.Generator) -> np.ndarray:
    """Factors of modulus 1 of the Fourier components of `n_rows` real numbers, mean unchanged:
    complex128 [n_rows // 2 + 1]."""
    factors = np.exp(2j * np.pi * random.random(n_rows // 2 + 1))
    factors[0] = 1.0
    if n_rows % 2 == 0:  # the last component is real
        factors[-1] = random.choice([-1.0, 1.0])
    return factors


def surrogate_features(values: np.ndarray, name: str, seed: int) -> np.ndarray:
    """Random features with the width, the autocorrelation and the covariance of a layer's.

    All units get the same random phases (`Rephased`) over the rows, in the order of reading: what
    units have to do with each other, and each with itself some rows later, is kept, and what they
    have to do with the stimuli is not.

    Parameters
    ----------
    values : float [row, unit]. name : of the model; another has other phases.

    Returns
    -------
    float32 [row, unit].
    """
    random = np.random.default_rng([seed, 22, zlib.crc32(name.encode())])
    draw = Rephased([slice(0, len(values))], [phases(len(values), random)])
    return np.asarray(draw(values.astype(np.float64))).astype(np.float32)
