"""Accuracies with their intervals, from a table of answers (one row per question)."""

import math

import numpy as np
import pandas as pd

from brainalign.errors import InputError
from brainalign.intervals import NORMAL

COLUMNS = (
    "level",
    "category",
    "task",
    "subject",
    "average",
    "accuracy",
    "low",
    "high",
    "n",
    "n_truncated",
    "n_ties",
    "unanswered",
    "n_nothing",
    "n_cut",
    "n_thinking",
)
UNANSWERED = ("nothing", "cut", "thinking")  # why a written text holds no answer  # fmt: skip


def wilson(accuracy: float, n: float) -> tuple[float, float]:
    """The 95 % score interval of a proportion (Wilson 1927, JASA 22:209).

    Parameters
    ----------
    accuracy : share of successes, 0 to 1.
    n : number of trials (above 0; a fraction for an effective number).
    """
    z = NORMAL
    centre = accuracy + z * z / (2 * n)
    spread = z * math.sqrt(accuracy * (1 - accuracy) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    # At 0 and 1 the bound is 0 or 1 exactly, which rounding may miss by 1e-17.
    low = 0.0 if accuracy == 0 else (centre - spread) / scale
    high = 1.0 if accuracy == 1 else (centre + spread) / scale
    return low, high


def mean_of_groups(correct: pd.Series, group: pd.Series) -> tuple[float, float, float]:
    """The plain mean of the groups' accuracies, with a 95 % interval.

    The variance is that of a mean of independent proportions, each smoothed by two successes and
    two failures (Agresti & Coull 1998, American Statistician 52:119), so that a group without a
    failure keeps its uncertainty. The interval is Wilson's with the number of questions that would
    give this variance.

    Parameters
    ----------
    correct : [question], its credit, 0 to 1 (a tie of k answers that holds the right one: 1/k).
    group : [question], its group (file, task or subject).

    Returns
    -------
    mean, low, high, each 0 to 1.
    """
    codes, _ = pd.factorize(group, use_na_sentinel=False)
    count = np.bincount(codes)
    right = np.bincount(codes, correct)
    mean = float((right / count).mean())
    smooth = (right + 2) / (count + 4)
    variance = float((smooth * (1 - smooth) / count).sum()) / len(count) ** 2
    centre = float(smooth.mean())
    return mean, *wilson(mean, centre * (1 - centre) / variance)


def accuracy_table(answers: pd.DataFrame) -> pd.DataFrame:
    """Accuracy at every level: overall, per category, per task, per subject (file).

    Parameters
    ----------
    answers : capability/{model}/{task}.parquet (docs/architecture.md).

    Returns
    -------
    One row per level and average: `level` (`all`, `category`, `task`, `subject`), `category`,
    `task`, `subject` (`all` above their level), `average` (`questions`: all questions alike;
    `files`, `tasks`: the plain mean over subjects or tasks), `accuracy`, `low`, `high` (95 %), `n`
    questions, `n_truncated` (prompts that lost shots), `n_ties`, `unanswered` (share of texts in
    which no answer was found), and by reason `n_nothing`, `n_cut`, `n_thinking`.

    Raises
    ------
    InputError : the table is empty, or an answer lacks its verdict.
    """
    if answers.empty:
        raise InputError("no answers to summarise")
    if answers["correct"].isna().any():
        first = answers.loc[answers["correct"].isna(), "question_id"].iloc[0]
        raise InputError(f"question {first}: the column correct is empty")
    rows = _averages(answers, level="all")
    for levels in (["category"], ["category", "task"], ["category", "task", "subject"]):
        for key, part in answers.groupby(levels, sort=False, dropna=False):
            rows += _averages(part, levels[-1], *map(str, key))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def summarise(answers: pd.DataFrame) -> pd.DataFrame:
    """The scores to report: overall (`category` = `all`) and per category.

    They are averaged as the published ones are (Chia et al. 2023, InstructEval): multiple choice,
    whose `gold` is an index, over all questions alike; BBH, whose `gold` is a text, over its
    files. `accuracy_table` holds the other averages.

    Returns
    -------
    The columns of `accuracy_table` without `level`, `task` and `subject`.
    """
    table = accuracy_table(answers)
    average = "questions" if pd.api.types.is_numeric_dtype(answers["gold"]) else "files"
    chosen = table["level"].isin(["all", "category"]) & (table["average"] == average)
    columns = [name for name in COLUMNS if name not in {"level", "task", "subject"}]
    return table.loc[chosen, columns].reset_index(drop=True)


def _averages(
    part: pd.DataFrame,
    level: str,
    category: str = "all",
    task: str = "all",
    subject: str = "all",
) -> list[dict[str, object]]:
    pooled = _row(part, "questions", level, category, task, subject)
    if level == "subject":
        return [pooled]
    rows = [pooled]
    for average, column in (("files", "subject"), ("tasks", "task")):
        mean, low, high = mean_of_groups(part["correct"].astype(float), part[column])
        rows.append({**pooled, "average": average, "accuracy": mean, "low": low, "high": high})
    return rows


def _row(
    part: pd.DataFrame, average: str, level: str, category: str, task: str, subject: str
) -> dict[str, object]:
    accuracy = float(part["correct"].astype(float).mean())
    reasons = {f"n_{reason}": int((part["unanswered"] == reason).sum()) for reason in UNANSWERED}
    low, high = wilson(accuracy, len(part))
    return {
        "level": level,
        "category": category,
        "task": task,
        "subject": subject,
        "average": average,
        "accuracy": accuracy,
        "low": low,
        "high": high,
        "n": len(part),
        "n_truncated": int(part["truncated"].sum()),
        "n_ties": int(part["tie"].sum()),
        "unanswered": sum(reasons.values()) / len(part),
        **reasons,
    }
