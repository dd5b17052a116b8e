"""The study on one page: question, legacy answer, controlled answer.

Each kind of question has its module `answers_*`; the verdicts follow one rule (`verdicts`).
"""

from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd

from brainalign.analysis.answers_alignment import alignment_answers
from brainalign.analysis.answers_published import published_answers
from brainalign.analysis.answers_reading import reading_answers
from brainalign.analysis.answers_tasks import task_answers
from brainalign.analysis.answers_truth import QUESTION, truth_answers
from brainalign.analysis.records import MODES
from brainalign.analysis.study_tables import Tables
from brainalign.analysis.verdicts import NO, NOT_ASKED, YES, Answers
from brainalign.analysis.wording import counted
from brainalign.notes import is_not_computable, why_not

PER_MODE = ("verdict", "line", "measure", "effect", "low", "high")
COLUMNS = (
    "data", "question", "legacy", "controlled", "simulated",
    *(f"{mode}_{name}" for mode in MODES for name in PER_MODE),
)  # fmt: skip
PUBLISHED = "published tables, Aw et al. 2024"


def headline(check: pd.DataFrame | None, tables: Tables) -> pd.DataFrame:
    """Put the study's answers into words.

    Parameters
    ----------
    check : tables/published_check.csv; None in a study without the paper's tables.

    Returns
    -------
    COLUMNS: `data` (what the row is about), `question`, `legacy`, `controlled` (statistics in
    words: N and test, or why there is none), `simulated`; for each mode `verdict` (yes, no, cannot
    tell, not asked), `line` (one sentence), and `measure`, `effect`, `low`, `high` (the estimate
    behind it and its 95 % interval; NaN where there is none).
    """
    rows: list[dict[str, object]] = []
    for simulated in tables.worlds:
        data = "this study, simulated data" if simulated else "this study, real data"
        rows += [
            _row(data, question, answers, simulated)
            for question, answers in _study(tables.of_world(simulated))
        ]
        if simulated and tables.truth is not None:
            rows.append(_row(data, QUESTION, truth_answers(tables.truth), True))
    if check is not None:
        rows += [
            _row(PUBLISHED, question, answers, False)
            for question, answers in published_answers(check)
        ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _study(tables: Tables) -> Iterator[tuple[str, Answers]]:
    yield from alignment_answers(tables)
    yield from reading_answers(tables)
    yield from task_answers(tables)


def _row(data: str, question: str, answers: Answers, simulated: bool) -> dict[str, object]:
    row: dict[str, object] = {"data": data, "question": question, "simulated": simulated}
    for mode, answer in answers.items():
        row[mode] = answer.text
        row |= {f"{mode}_{name}": getattr(answer, name) for name in PER_MODE}
    return row


def answered_first(table: pd.DataFrame) -> pd.DataFrame:
    """The table of `headline`; those questions last, of each kind of data, that no mode answers."""
    answered = pd.Series(False, table.index)
    for mode in MODES:
        asked = table[f"{mode}_verdict"] != NOT_ASKED
        answered |= asked & ~table[mode].map(is_not_computable).astype(bool)
    data, _ = pd.factorize(table["data"])
    return table.iloc[np.lexsort((~answered, data))]


def as_text(table: pd.DataFrame) -> str:
    """The table of `headline` with all statistics, a block of lines per question.

    Questions without an answer stand last.
    """
    lines = []
    for data, part in answered_first(table).groupby("data", sort=False):
        lines += ["", str(data), "=" * len(str(data))]
        for row in part.to_dict("records"):
            lines.append(row["question"])
            lines += [
                f"  {mode:<11}{row[f'{mode}_verdict']}: {why_not(row[mode])}" for mode in MODES
            ]
    return "\n".join(lines[1:])


def as_verdicts(table: pd.DataFrame, published: bool) -> str:
    """The headline table for a terminal: a line per question with both verdicts.

    Questions after the first that have no yes and no no are counted, a line for those with the same
    verdicts. A mode in which nothing was asked is left out.

    Parameters
    ----------
    table : of `headline`.
    published : whether to show the answers of the published tables.
    """
    lines = []
    for data, part in table.groupby("data", sort=False):
        if data == PUBLISHED and not published:
            continue
        modes = _asked(part)
        lines.append(_verdict_line(modes, f"[{data}]"))
        undecided: Counter[tuple[str, ...]] = Counter()
        for index, row in enumerate(part.to_dict("records")):
            verdicts = tuple(str(row[f"{mode}_verdict"]) for mode in modes)
            if index and not {YES, NO} & set(verdicts):
                undecided[verdicts] += 1
            else:
                lines.append(_verdict_line(verdicts, row["question"]))
            if not index and set(verdicts) == {NOT_ASKED}:
                lines.append("  " + why_not(row[modes[-1]]))
        lines += [
            _verdict_line(verdicts, counted(count, "more question"))
            for verdicts, count in undecided.items()
        ]
    return "\n".join(lines)


def _asked(table: pd.DataFrame) -> list[str]:
    """The modes in which a question was asked, one without modes (the same in both) not counted."""
    apart = table["legacy"] != table["controlled"]
    asked = [mode for mode in MODES if (apart & (table[f"{mode}_verdict"] != NOT_ASKED)).any()]
    return asked or [MODES[-1]]


def _verdict_line(words: Iterable[str], text: str) -> str:
    return "".join(f"{word:<13}" for word in words) + text
