"""Answers of a study: a verdict by one rule, a line to say aloud, the effect behind it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from brainalign.analysis.records import MODES
from brainalign.analysis.wording import counted, p_text, r_text, signed
from brainalign.intervals import LEVEL
from brainalign.notes import not_computable, why_not

YES, NO, CANNOT_TELL = "yes", "no", "cannot tell"
NOT_ASKED = "not asked"  # the study lacks models or data that the question is about
CORRELATION, PARTIAL = "correlation r", "partial correlation r"


@dataclass(frozen=True)
class Answer:
    """The answer to one question in one mode.

    `text`: the statistics in words. `effect`, `low`, `high`: the estimate behind the verdict and
    its 95 % interval, in units of `measure`; NaN where there is none. `basis`: what the estimate is
    over ("over 4 vanilla models"). `reason`: in place of an effect, why the verdict is what it is.
    """

    text: str
    verdict: str = CANNOT_TELL
    effect: float = np.nan
    low: float = np.nan
    high: float = np.nan
    measure: str = ""
    basis: str = ""
    reason: str = ""

    @property
    def line(self) -> str:
        """The answer in one sentence that a person can say."""
        verdict = self.verdict.capitalize()
        if pd.isna(self.effect):
            return f"{verdict}: {self.reason or why_not(self.text)}."
        said = " ".join(filter(None, (self.measure, self._number(self.effect), self.basis)))
        reason = f"; {self.reason}" if self.reason else ""
        if pd.isna(self.low) or pd.isna(self.high):
            return f"{verdict}: {said}{reason}."
        ends = f"{self._number(self.low)} to {self._number(self.high)}"
        holds = "holds" if self.low <= 0 <= self.high else "does not hold"
        return f"{verdict}: {said}{reason}; the 95 % interval, {ends}, {holds} 0."

    def _number(self, value: float) -> str:
        return r_text(value) if self.measure in (CORRELATION, PARTIAL) else signed(value)


Answers = dict[str, Answer]  # by mode


def of_test(effect: float, p: float) -> str:
    """The verdict of a two-sided test of a rise: p decides, the sign of `effect` says which."""
    if pd.isna(p) or pd.isna(effect) or p >= LEVEL:
        return CANNOT_TELL
    return YES if effect > 0 else NO


def of_interval(low: float, high: float) -> str:
    """The verdict of a 95 % interval: whether it lies above 0, below 0, or holds 0 (or is none)."""
    return YES if low > 0 else NO if high < 0 else CANNOT_TELL


def of_correlation(r: float, p: float, low: float, high: float) -> str:
    """The verdict of a correlation: its test, p adjusted for the tests beside it, and its interval.

    An interval that holds 0 is no yes and no no; where there is none (NaN) the test alone decides.
    """
    verdict = of_test(r, p)
    if pd.isna(low) or verdict == of_interval(low, high):
        return verdict
    return CANNOT_TELL


def of_every(above: pd.Series, below: pd.Series) -> str:
    """The verdict on many comparisons: yes or no only if all of them agree.

    Each of them at its level keeps the level of all together (an intersection-union test; Berger
    1982, Technometrics 24).

    Parameters
    ----------
    above, below : bool [comparison]; whether its interval lies above 0, below 0.
    """
    if not len(above):
        return CANNOT_TELL
    return YES if above.all() else NO if below.all() else CANNOT_TELL


def lacking(what: str) -> Answer:
    """The answer where the study has no such thing."""
    return Answer(not_computable(f"the study has no {what}"), NOT_ASKED)


NO_PAIR = Answer(
    not_computable(
        "no pair of a tuned and a vanilla model (a tuned model's entry names the other as `base`)"
    ),
    NOT_ASKED,
)


def of_modes(answer: Callable[[str], Answer]) -> Answers:
    """The answer in each mode."""
    return {mode: answer(mode) for mode in MODES}


def p_of(tested: Mapping[Any, Any]) -> float:
    """p for new stimuli, where there is none for these."""
    return float(tested["p"] if pd.notna(tested["p"]) else tested["p_these_stimuli"])


def basis(tested: Mapping[Any, Any]) -> str:
    """What a mean over vanilla models is over, and whether it takes the stimuli as they are."""
    these = pd.isna(tested["p"]) and pd.notna(tested["p_these_stimuli"])
    models = counted(tested["n"], "vanilla model")
    return f"over {models}" + " (for these stimuli)" * bool(these)


def over_bases(tested: Mapping[Any, Any]) -> str:
    """The test of a contrast over vanilla models, and for whom it speaks."""
    n = counted(tested["n"], "vanilla model")
    p = p_of(tested)
    if pd.isna(p):
        return f"not testable over {n}"
    return f"{p_text(p)} over {n} ({tested['scope']})"


def percent(share: Any) -> str:
    return f"{100 * share:+.1f} %".replace("-", "−")
