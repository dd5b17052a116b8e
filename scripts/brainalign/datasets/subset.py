"""A seeded subset of questions, the same number of every subject."""

import numpy as np
import pandas as pd


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
