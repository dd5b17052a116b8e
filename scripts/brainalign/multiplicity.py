"""Adjustment of p-values for the number of tests in a declared family."""

import numpy as np
import pandas as pd


def benjamini_hochberg(p: np.ndarray) -> np.ndarray:
    """Benjamini-Hochberg adjusted p-values, float64 [n], in the order given (Benjamini & Hochberg
    1995).

    NaN (a test that could not be made) stays NaN and does not count as a test.
    """
    p = np.asarray(p, dtype=float)
    adjusted = np.full(p.shape, np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    # The quotient first: of the two orders, its rounding errs less often where q equals a level.
    scaled = p[order] * (len(order) / np.arange(1, len(order) + 1))
    adjusted[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1)
    return adjusted


def adjust_within(table: pd.DataFrame, family: str, p: str = "p") -> pd.Series:
    """Adjusted p-values of `table[p]`, each family (value of column `family`) by itself."""
    adjusted = table.groupby(family, sort=False, dropna=False)[p].transform(
        lambda group: benjamini_hochberg(group.to_numpy())
    )
    return adjusted.astype(float)
