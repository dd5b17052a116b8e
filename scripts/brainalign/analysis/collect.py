"""The study's reading-time fits, capability answers and next-word losses as tidy tables."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from brainalign.analysis.capabilities import accuracy_table, summarise
from brainalign.analysis.records import describe
from brainalign.behavior.fits import READ_LOSS
from brainalign.behavior.reliability import AT_LEAST, WEAK
from brainalign.datasets.names import reported_as
from brainalign.errors import InputError
from brainalign.natural_order import ranks

BEHAVIOR_COLUMNS = (
    "model", "label", "base", "family", "role", "parameters", "published", "dataset", "benchmark",
    "mode", "measure", "value", "low", "high", "interval", "n", "n_dropped", "reason",
    "ceiling", "ceiling_method", "ratio", "note", "simulated",
)  # fmt: skip
GROUP_COLUMNS = (
    "model", "base", "family", "role", "dataset", "benchmark", "mode", "measure", "kind", "group",
    "value", "low", "high", "n", "simulated",
)  # fmt: skip
CAPABILITY_COLUMNS = (
    "model", "label", "base", "family", "role", "parameters", "published", "task", "category",
    "average", "accuracy", "low", "high", "n", "n_both", "n_gained", "n_lost", "n_truncated",
    "n_ties", "unanswered", "n_nothing", "n_cut", "n_thinking", "scoring", "simulated",
)  # fmt: skip


ACCURACY_COLUMNS = (
    "model", "task", "scoring", "level", "category", "subtask", "subject", "average", "accuracy",
    "low", "high", "n", "n_truncated", "n_ties", "unanswered", "n_nothing", "n_cut", "n_thinking",
    "simulated",
)  # fmt: skip
LOSS_COLUMNS = (
    "model", "label", "base", "family", "role", "parameters", "published", "text", "bits_per_token",
    "bits_per_word", "bits_per_byte", "perplexity", "tokens", "window", "stride", "simulated",
)  # fmt: skip


def collect_behaviors(
    results: Sequence[tuple[str, str, pd.DataFrame]],
    models: pd.DataFrame,
    benchmarks: Mapping[str, Mapping[str, Any]],
    simulated_datasets: Collection[str],
) -> dict[str, pd.DataFrame]:
    """Collect behaviour files: `behaviors` (all words) and `stories` (single stories and readers).

    Parameters are those of `scores.collect_scores`; `ratio` is value / ceiling, NaN where there is
    no positive ceiling, only a bound of it (`at least`), or a `weak` one. A baseline's `bits` are
    no loss: it has no `mean_bits`.

    Raises
    ------
    InputError : a result is not of the study, or two benchmarks are reported as one dataset in one
        mode: unlike alignment, fits to reading times are not averaged over benchmarks.
    """
    _check_apart(benchmarks)
    tables = [
        table.assign(**describe(model, benchmark, models, benchmarks, simulated_datasets))
        for model, benchmark, table in results
    ]
    fits = pd.concat(tables, ignore_index=True)
    fits = fits[(fits["measure"] != READ_LOSS) | (fits["role"] != "baseline")]
    known = (fits["ceiling"] > 0) & ~fits["ceiling_method"].str.startswith((AT_LEAST, WEAK))
    fits["ratio"] = fits["value"] / fits["ceiling"].where(known)
    all_words = fits["kind"] == "all"
    of_groups = fits[~all_words]
    # The groups of each measure stand together: only they change places.
    block = of_groups.groupby(["model", "benchmark", "measure", "kind"], sort=False).ngroup()
    order = np.lexsort((of_groups["group"].map(ranks(of_groups["group"])), block))
    return {
        "behaviors": fits.loc[all_words, list(BEHAVIOR_COLUMNS)],
        "stories": of_groups.iloc[order][list(GROUP_COLUMNS)],
    }


def _check_apart(benchmarks: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise InputError where two benchmarks would give a dataset two values in one mode."""
    taken: dict[tuple[str, str], str] = {}
    for name, entry in benchmarks.items():
        dataset, mode = reported_as(entry), entry["mode"]
        other = taken.setdefault((dataset, mode), name)
        if other != name:
            raise InputError(
                f"behavior.{name}: reported as {dataset} in {mode} mode, as behavior.{other} is; "
                "reading times are not averaged over benchmarks, so give one of them another "
                "report_as"
            )


def collect_capabilities(
    results: Sequence[tuple[str, str, pd.DataFrame]],
    models: pd.DataFrame,
    tasks: Mapping[str, Mapping[str, Any]],
) -> pd.DataFrame:
    """Collect answer files into `capabilities`: a row per model, task and category.

    Parameters
    ----------
    results : (model, task, answers) of every file.

    Raises
    ------
    InputError : a model and its partner were asked different questions.
    """
    tables = []
    by_name = {(model, task): answers for model, task, answers in results}
    for (model, task), answers in by_name.items():
        about = {str(key): value for key, value in models.loc[model].items()}
        simulated = about.pop("simulated") or _simulated(tasks[task])
        table = summarise(answers).assign(**about, task=task, simulated=simulated)
        table = table.assign(scoring=answers["scoring"].iloc[0])
        base = about["base"]  # missing for a vanilla model, which no name stands for
        partner = by_name.get((base, task)) if isinstance(base, str) else None
        if partner is not None:
            try:
                table = table.merge(compared(answers, partner), on="category")
            except InputError as error:
                raise InputError(f"{task}: {model} and {base} {error}") from error
        tables.append(table.reindex(columns=list(CAPABILITY_COLUMNS)))
    return pd.concat(tables, ignore_index=True)


def compared(answers: pd.DataFrame, partner: pd.DataFrame) -> pd.DataFrame:
    """How often a model and its partner answer the same questions right.

    Parameters
    ----------
    answers, partner : `question_id`, `category`, `correct`, a row per question.

    Returns
    -------
    `category` (`all` and each), `n_both`, `n_gained` (the model only), `n_lost` (the partner only).
    A tie that holds the right answer is right in part: gained from no credit, lost to full.

    Raises
    ------
    InputError : they were asked different questions.
    """
    ours, theirs = (table.set_index("question_id") for table in (answers, partner))
    odd = ours.index.symmetric_difference(theirs.index)
    if len(odd) or not (ours.index.is_unique and theirs.index.is_unique):
        raise InputError(
            f"were not asked the same questions ({len(ours)} and {len(theirs)}, "
            f"{len(odd)} of them not shared)"
        )
    credit = ours["correct"].astype(float)
    partner_credit = theirs["correct"].astype(float).reindex(credit.index)
    counts = pd.DataFrame(
        {
            "n_both": (credit == partner_credit) & (credit > 0),
            "n_gained": credit > partner_credit,
            "n_lost": credit < partner_credit,
        }
    ).astype(int)
    parts = counts.groupby(ours["category"], sort=False, dropna=False).sum()
    parts.index = parts.index.astype(str)
    return pd.concat([counts.sum().to_frame("all").T, parts]).rename_axis("category").reset_index()


def collect_accuracies(
    results: Sequence[tuple[str, str, pd.DataFrame]],
    models: pd.DataFrame,
    tasks: Mapping[str, Mapping[str, Any]],
) -> pd.DataFrame:
    """Collect answer files into `accuracies`: a row per model, task, level and average.

    The `task` of `accuracy_table` becomes `subtask`.

    Parameters
    ----------
    results : (model, task, answers) of every file.
    """
    tables = [
        accuracy_table(answers)
        .rename(columns={"task": "subtask"})
        .assign(
            model=model,
            task=task,
            scoring=answers["scoring"].iloc[0],
            simulated=bool(models.loc[model, "simulated"]) or _simulated(tasks[task]),
        )
        for model, task, answers in results
    ]
    return pd.concat(tables, ignore_index=True)[list(ACCURACY_COLUMNS)]


def _simulated(task: Mapping[str, Any]) -> bool:
    return bool(task["questions"]["type"] == "simulated")


def collect_losses(
    results: Sequence[tuple[str, str, Mapping[str, Any]]], models: pd.DataFrame
) -> pd.DataFrame:
    """Collect next-word losses into `losses`: a row per model and text.

    Parameters
    ----------
    results : (model, text, record of `brainalign.reading.next_word.next_word_loss`).
    """
    rows = [
        {**record, **models.loc[model].to_dict(), "text": text} for model, text, record in results
    ]
    return pd.DataFrame(rows).reindex(columns=list(LOSS_COLUMNS))
