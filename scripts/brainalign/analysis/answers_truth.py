"""Are planted effects found, and are planted values inside their intervals."""

import pandas as pd

from brainalign.analysis.averages import AVERAGE
from brainalign.analysis.truth import CEILING, EFFECT, SCORE
from brainalign.analysis.verdicts import CANNOT_TELL, NO, NOT_ASKED, YES, Answer, Answers
from brainalign.analysis.wording import p_text, signed
from brainalign.notes import not_computable

QUESTION = "Is a planted effect of tuning found, and none where none is planted?"


def truth_answers(truth: pd.DataFrame) -> Answers:
    """The answer to `QUESTION` in each mode."""
    return {
        "legacy": Answer("controlled benchmarks only", NOT_ASKED),
        "controlled": _planted(truth),
    }


def _planted(truth: pd.DataFrame) -> Answer:
    """The planted effects beside the estimates, and how many other planted values are covered."""
    effects = truth[truth["question"] == EFFECT]
    average = effects[effects["dataset"] == AVERAGE]
    effects = average if len(average) else effects
    parts = [
        f"planted {signed(row['planted'])}: {signed(row['estimate'])} "
        f"[{signed(row['low'])}, {signed(row['high'])}], {p_text(row['p'])} ({row['scope']})"
        for row in effects.to_dict("records")
    ]
    for question in (SCORE, CEILING):
        rows = truth[truth["question"] == question]
        if len(rows):
            n = int((rows["covered"] == "yes").sum())
            parts.append(f"{question} within its interval on {n} of {len(rows)} datasets")
    text = "; ".join(parts)
    if effects.empty:
        return Answer(text or not_computable("nothing was planted"), NOT_ASKED)
    seen = (effects["planted"] <= 0) | (effects["low"] > 0)
    seen &= (effects["planted"] >= 0) | (effects["high"] < 0)
    covered = effects["covered"]
    verdict = NO if (covered == "no").any() else CANNOT_TELL
    if (covered == "yes").all() and seen.all():
        verdict = YES
    largest = effects.sort_values("planted").iloc[-1]
    return Answer(
        text, verdict, largest["estimate"], largest["low"], largest["high"],
        "change in r", f"where {signed(largest['planted'])} is planted",
    )  # fmt: skip
