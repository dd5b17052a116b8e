"""Does tuning raise a score: the mean change over vanilla models and its test."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from brainalign.analysis.averages import AVERAGE
from brainalign.analysis.verdicts import (
    NO_PAIR,
    Answer,
    basis,
    lacking,
    of_test,
    over_bases,
    p_of,
    percent,
)
from brainalign.analysis.wording import DIGITS, p_text, signed
from brainalign.behavior.fits import IN_WORDS


def paired(contrasts: pd.DataFrame | None, kind: str, dataset: str) -> bool:
    """Whether `contrasts` (tables/contrasts.csv) has a pair of a tuned and a vanilla model with
    scores of a `kind` on a dataset.
    """
    if contrasts is None:
        return False
    rows = contrasts[(contrasts["kind"] == kind) & (contrasts["dataset"] == dataset)]
    pairs = rows[rows["level"] == "pair"]
    return bool(pairs["absolute"].notna().any())


def no_benchmark(mode: str, dataset: str) -> Answer:
    return lacking(f"{mode} benchmark of {'brain data' if dataset == AVERAGE else dataset}")


def gain(
    contrasts: pd.DataFrame | None, measures: Mapping[str, str], dataset: str, mode: str
) -> Answer:
    """The mean change over vanilla models with its interval and test, and for whom these speak.

    The relative change is the paper's, over pairs: for an average, the mean over its datasets. It
    is left out where a pair has none or a change takes a score below 0.

    Parameters
    ----------
    contrasts : tables/contrasts.csv. measures : mode → `measure` of its rows.
    """
    if contrasts is None:
        return lacking("table of contrasts")
    rows = contrasts[
        (contrasts["mode"] == mode)
        & (contrasts["measure"] == measures[mode])
        & (contrasts["dataset"] == dataset)
    ]
    kind = "brain" if dataset == AVERAGE else "reading-times"
    if rows.empty and paired(contrasts, kind, dataset):
        return no_benchmark(mode, dataset)
    overall = rows[rows["level"] == "overall"].set_index("unit").to_dict("index")
    pairs = rows[(rows["level"] == "pair") & rows["absolute"].notna()]
    if not {"pairs", "bases"} <= set(overall) or pairs.empty:
        return NO_PAIR
    mean = overall["bases"]
    effect, low, high = (float(mean[name]) for name in ("absolute", "low", "high"))
    measure = f"change in {IN_WORDS[measures[mode]]}"
    text = f"{measure} {signed(effect)}"
    if pd.notna(low):
        text += f" [{signed(low)}, {signed(high)}]"
    text += f"; {over_bases(mean)}"
    relative = overall["pairs"]["relative_by_dataset" if dataset == AVERAGE else "relative"]
    if pd.notna(relative) and (pairs["relative"] > -1).all():
        text += f"; relative {percent(relative)}"
    text += f"; {_higher(pairs)}"
    p = p_of(mean)
    verdict = of_test(effect, p)
    reason = "" if pd.notna(low) else "not testable" if pd.isna(p) else p_text(p)
    return Answer(text, verdict, effect, low, high, measure, basis(mean), reason)


def _higher(pairs: pd.DataFrame) -> str:
    """In how many pairs the tuned model is higher; a difference that rounds to 0 is none."""
    difference = pairs["absolute"].round(DIGITS)
    if len(pairs) > 1:
        sure = f", {(pairs['low'] > 0).sum()} with an interval above 0"
        known = pairs["low"].notna().any()
        return f"higher in {(difference > 0).sum()} of {len(pairs)} pairs" + sure * bool(known)
    contains = ((pairs["low"] <= 0) & (pairs["high"] >= 0)).iloc[0]
    sign = np.sign(difference.iloc[0])
    side = {1: "higher", -1: "lower", 0: f"unchanged (to {DIGITS} decimals)"}[int(sign)]
    return f"{side} in the one pair" + ", whose interval contains 0" * bool(contains)
