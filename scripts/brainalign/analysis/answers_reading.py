"""What reading times answer: does surprisal predict them, and does tuning help beyond its loss."""

from collections.abc import Iterator
from functools import partial

import numpy as np
import pandas as pd

from brainalign.analysis.answers_tuning import gain, no_benchmark, paired
from brainalign.analysis.records import TRAINED
from brainalign.analysis.study_tables import Tables
from brainalign.analysis.verdicts import (
    NO_PAIR,
    Answer,
    Answers,
    basis,
    lacking,
    of_every,
    of_interval,
    of_modes,
    over_bases,
)
from brainalign.analysis.wording import counted, said, signed
from brainalign.behavior.fits import IN_WORDS, READ_LOSS, READING
from brainalign.notes import not_computable


def reading_answers(tables: Tables) -> Iterator[tuple[str, Answers]]:
    """Questions and answers for each dataset of reading times."""
    contrasts, losses = tables.contrasts, tables.reading_loss
    for dataset in tables.names("behaviors", "dataset"):
        yield (
            f"Does surprisal predict reading times ({dataset})?",
            of_modes(partial(_prediction, tables.behaviors, dataset)),
        )
        if not paired(contrasts, "reading-times", dataset):
            continue
        yield (
            f"Does instruction tuning raise the fit to reading times ({dataset})?",
            of_modes(partial(gain, contrasts, READING, dataset)),
        )
        if losses is not None and (losses["dataset"] == dataset).any():
            yield (
                f"Does it raise the fit by more than its loss of prediction explains ({dataset})?",
                of_modes(partial(_beyond_loss, losses, dataset)),
            )


def _prediction(behaviors: pd.DataFrame | None, dataset: str, mode: str) -> Answer:
    """How many trained models have a fit whose interval lies above 0, beside untrained ones,
    and the highest of them."""
    if behaviors is None:
        return no_benchmark(mode, dataset)
    rows = behaviors[
        (behaviors["dataset"] == dataset)
        & (behaviors["mode"] == mode)
        & (behaviors["measure"] == READING[mode])
    ].dropna(subset=["value"])
    trained = rows[rows["role"].isin(TRAINED)]
    if trained.empty:
        return no_benchmark(mode, dataset) if rows.empty else lacking("trained model with a score")
    above, below, n = trained["low"] > 0, trained["high"] < 0, len(trained)
    name, mean = IN_WORDS[READING[mode]], float(trained["value"].mean())
    text = f"{name} {signed(mean)}"
    low = high = np.nan
    basis = f"on average over {counted(n, 'trained model')}"
    reason = f"the interval of {above.sum()} of {n} lies above 0"
    if n == 1:
        low, high = (float(end) for end in trained[["low", "high"]].iloc[0])
        over = trained["interval"].iloc[0]
        text += f" [{signed(low)}, {signed(high)}] over {over}, 1 trained model"
        basis, reason = "of one trained model", ""
    else:
        text += f" on average, interval above 0 in {above.sum()} of {n} trained models"
        best = trained.nlargest(1, "value").iloc[0]
        text += f"; highest {best['model']} {signed(best['value'])}"
        if pd.notna(best["low"]):
            text += f" [{signed(best['low'])}, {signed(best['high'])}]"
    untrained = rows.loc[rows["role"] == "untrained", "value"]
    text += f"; untrained {signed(untrained.mean())}" if len(untrained) else ""
    return Answer(text, of_every(above, below), mean, low, high, name, basis, reason)


def _beyond_loss(table: pd.DataFrame, dataset: str, mode: str) -> Answer:
    """The difference that tuning makes at equal surprisal; its interval gives the verdict."""
    if not ((table["dataset"] == dataset) & (table["mode"] == mode)).any():
        return no_benchmark(mode, dataset)
    rows = table[
        (table["dataset"] == dataset)
        & (table["mode"] == mode)
        & (table["measure"] == READING[mode])
        & (table["loss"] == READ_LOSS)
        & (table["model"] == "all")
    ]
    result = rows.set_index("method").to_dict("index")
    equal = result.get("given loss")
    if equal is None:
        return NO_PAIR
    if np.isnan(equal["low"]):
        return Answer(said(equal["note"]) or not_computable("too few vanilla models"))
    measure = f"change in {IN_WORDS[READING[mode]]} at equal surprisal"
    ends = equal["difference"], equal["low"], equal["high"]
    text = f"{measure} {signed(ends[0])} [{signed(ends[1])}, {signed(ends[2])}]"
    return Answer(
        f"{text}, {over_bases(equal)}", of_interval(*ends[1:]), *ends, measure, basis(equal)
    )
