"""A seeded subset of questions, the same number of every subject."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from brainalign.errors import InputError


def per_subject(source: Mapping[str, Any]) -> int | None:
    """The config's `per_subject`: how many questions of each subject to keep, null for all."""
    n = source.get("per_subject")
    if n is not None and (isinstance(n, bool) or not isinstance(n, int) or n < 1):
        raise InputError(f"per_subject: {n!r} is not allowed; allowed: a whole number from 1, null")
    return n


def stratified(questions: pd.DataFrame, n: int | None, seed: int, keep: pd.Series) -> pd.DataFrame:
    """At most `n` random rows of each subject, beside the rows that `keep` marks, in row order.

    A subject's order of drawing depends on the seed and the subject alone, so a larger `n` adds
    questions to those of a smaller one.
    """
    if n is None:
        return questions
    chosen = [questions.index[keep]]
    for subject, rows in questions[~keep].groupby("subject").groups.items():
        generator = np.random.default_rng([seed, *str(subject).encode()])
        chosen.append(rows[generator.permutation(len(rows))[:n]])
    return questions.loc[np.sort(np.concatenate(chosen))].reset_index(drop=True)
