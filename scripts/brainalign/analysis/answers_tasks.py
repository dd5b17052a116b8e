"""Are tuned models better at a task."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from brainalign.analysis.predictors import ALL_QUESTIONS
from brainalign.analysis.records import MODES
from brainalign.analysis.study_tables import Tables
from brainalign.analysis.verdicts import (
    NO_PAIR,
    Answer,
    Answers,
    of_test,
    over_bases,
    p_of,
)
from brainalign.analysis.wording import counted, r_text
from brainalign.intervals import LEVEL


def task_answers(tables: Tables) -> Iterator[tuple[str, Answers]]:
    """A question and its answer for each task; tasks have no modes."""
    if tables.capabilities is None:
        return
    for task in tables.names("capabilities", "task"):
        answer = _accuracy(tables.capabilities, tables.contrasts, task)
        yield f"Are tuned models better at {task}?", dict.fromkeys(MODES, answer)


def _accuracy(capabilities: pd.DataFrame, contrasts: pd.DataFrame | None, task: str) -> Answer:
    rows = capabilities[
        (capabilities["task"] == task) & (capabilities["category"] == ALL_QUESTIONS)
    ]
    by_model = rows.drop_duplicates("model").set_index("model")
    tuned = by_model[by_model["role"] == "tuned"]
    partner = by_model["accuracy"].reindex(tuned["base"]).to_numpy()
    both = ~np.isnan(partner)
    if not both.any():
        return NO_PAIR
    accuracy, partner = tuned["accuracy"].to_numpy()[both], partner[both]
    text = (
        f"higher in {int((accuracy > partner).sum())} of {counted(both.sum(), 'pair')}; "
        f"mean accuracy tuned {r_text(accuracy.mean(), 3)}, vanilla {r_text(partner.mean(), 3)}"
    )
    if contrasts is None:
        return Answer(text)
    rows = contrasts[(contrasts["kind"] == "capability") & (contrasts["dataset"] == ALL_QUESTIONS)]
    rows = rows[rows["benchmark"] == task]
    overall = rows[(rows["level"] == "overall") & (rows["unit"] == "bases")].iloc[0].to_dict()
    better = rows[(rows["level"] == "pair") & (rows["absolute"] > 0)]
    text += (
        f"; higher by McNemar's test (adjusted p < .05): "
        f"{int((better['p_adjusted'] < LEVEL).sum())}; {over_bases(overall)}"
    )
    effect, low, high = (float(overall[name]) for name in ("absolute", "low", "high"))
    models = counted(overall["n"], "vanilla model")
    return Answer(
        text, of_test(effect, p_of(overall)), effect, low, high, "change in accuracy",
        f"over {models} (for these questions)",
    )  # fmt: skip
