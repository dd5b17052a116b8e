"""What alignment grows with: size, accuracy on tasks, next-word loss."""

from collections.abc import Iterator
from functools import partial

import pandas as pd

from brainalign.analysis.answers_tuning import no_benchmark
from brainalign.analysis.averages import AVERAGE
from brainalign.analysis.correlations import WITHIN
from brainalign.analysis.predictors import LOSS, MODELS, SIZE, correlations_with
from brainalign.analysis.study_tables import Tables
from brainalign.analysis.verdicts import (
    CORRELATION,
    PARTIAL,
    Answer,
    Answers,
    lacking,
    of_correlation,
    of_modes,
)
from brainalign.analysis.wording import counted, p_text, r_text, said
from brainalign.notes import not_computable

UNITS = {"tuned": "tuned model", "bases": "vanilla model"}
MEAN_OF_TUNED = {"tuned": "", "bases": " (mean of their tuned ones)"}


def correlate_answers(tables: Tables) -> Iterator[tuple[str, Answers]]:
    """Questions and answers for size, each task and each text, one by one and size held fixed."""
    tasks, texts = tables.names("capabilities", "task"), tables.names("losses", "text")
    names = {SIZE: "size", **{task: task for task in tasks}}
    names |= {f"{LOSS} {text}": f"next-word loss ({text})" for text in texts}
    for x, name in names.items():
        answer = partial(_correlation, tables, x)
        yield f"Does alignment grow with {name}?", of_modes(answer)
    for task in tasks:
        for x, given in ((task, SIZE), (SIZE, task)):
            yield (
                f"Does alignment grow with {names[x]} among models of equal {names[given]}?",
                of_modes(partial(_correlation, tables, x, given=given)),
            )


def _correlation(tables: Tables, x: str, mode: str, given: str = "") -> Answer:
    """Pearson's r of alignment with `x`, or the partial one, `given` held fixed.

    A study has one correlation per task and text: their tests are adjusted for each other.
    """
    scores, correlations = tables.scores, tables.correlations
    if scores is None or not (scores["mode"] == mode).any():
        return no_benchmark(mode, AVERAGE)
    models = MODELS[mode]
    if not (scores["role"] == "tuned").any():
        return lacking("tuned model")
    if correlations is None or correlations.empty:
        return lacking("table of correlations")
    of_average = correlations_with(
        correlations, f"brain {AVERAGE}", mode, correlations["simulated"].iloc[0]
    )
    method = "partial" if given else "pearson"
    rows = of_average[
        (of_average["x"] == x) & (of_average["models"] == models) & (of_average["method"] == method)
    ]
    rows = rows[rows["controlled_for"].fillna("") == given]
    if rows.empty:
        return lacking(f"{UNITS[models]} with {x} and an alignment in {mode} mode")
    row = rows.iloc[0]
    if pd.isna(row["r"]):
        return Answer(said(row["note"]) or not_computable(f"N = {row['n']:.0f}"))
    name = "partial r" if given else "r"
    text = f"{name} = {r_text(row['r'])}, {p_text(row['p'])} (these stimuli)"
    adjusted = f"adjusted {p_text(row['p_adjusted'])}"
    text += f", {adjusted}, N = {counted(row['n'], UNITS[models])}{MEAN_OF_TUNED[models]}"
    within = of_average[
        (of_average["x"] == x) & (of_average["method"] == WITHIN) & of_average["r"].notna()
    ]
    if row["n_bases"] < row["n"]:
        why = said(row["note"]) if pd.isna(row["p"]) else ""
        text += (
            f" of {row['n_bases']:.0f} vanilla ones ({why}{'; ' * bool(why)}"
            f"taking models as independent, as the paper does, {p_text(row['p_independent'])})"
        )
    elif not given and len(within):
        other = within.iloc[0]
        text += (
            f"; p takes models of one family as independent: around the means of the "
            f"{row['n_families']:.0f} families r = {r_text(other['r'])}, {p_text(other['p'])}"
        )
    return Answer(
        text, of_correlation(*row[["r", "p_adjusted", "low", "high"]]),
        row["r"], row["low"], row["high"], PARTIAL if given else CORRELATION,
        f"over {counted(row['n'], UNITS[models])}", adjusted,
    )  # fmt: skip
