"""The user's localizer: strings, and whether each of them is a sentence."""

from collections.abc import Sequence

import pandas as pd
import xarray as xr

from brainalign.datasets.localizer import conditions
from brainalign.datasets.own_csv import Columns
from brainalign.datasets.own_findings import Findings
from brainalign.datasets.own_table import STRINGS, read_table, require_strings, tidy
from brainalign.datasets.raw import Record
from brainalign.datasets.settings import Own
from brainalign.errors import InputError
from brainalign.formats.datasets import check_stimuli

CELLS = Columns(STRINGS.__contains__, lambda _: False)
IS_SENTENCE = {"sentence": True, "non-word": False}
LEAST = 2  # strings of either condition, between which a variance is defined


def read(
    content: bytes, where: str, source: Own, records: Sequence[Record], findings: Findings
) -> tuple[pd.DataFrame, xr.Dataset]:
    """The strings, each a text by itself, and their conditions, float32 [stimulus, 1]
    (`localizer.conditions`).

    Parameters
    ----------
    content, where, findings : as of `own_table.read_table`; the table has the columns
        `stimulus_id`, `text` and `condition`, which is `sentence` or `non-word`.

    Raises
    ------
    InputError : it is no such table, or has fewer than two strings of a condition.
    """
    table, rows = read_table(content, where, CELLS, findings)
    require_strings(table, where)
    tidy(table, STRINGS, rows, where, findings)
    given = table["condition"].tolist()
    for row, condition in zip(rows, given, strict=True):
        if condition not in IS_SENTENCE:
            raise InputError(
                f"{where}: row {row}: condition is {condition!r}, expected "
                f"{' or '.join(IS_SENTENCE)}"
            )
    for name in IS_SENTENCE:
        if given.count(name) < LEAST:
            raise InputError(
                f"{where}: {given.count(name)} strings of condition {name}, expected {LEAST} or "
                "more: units are compared between sentences and non-words"
            )
    stimuli, responses = conditions(
        table["stimulus_id"].tolist(),
        table["text"].tolist(),
        [IS_SENTENCE[condition] for condition in given],
        source.citation or "your own",
        "your own",
        records,
    )
    check_stimuli(stimuli, where, rows)
    return stimuli, responses
