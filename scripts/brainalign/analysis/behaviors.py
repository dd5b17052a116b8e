"""The study's reading-time fits, capability answers and next-word losses as tidy tables."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import pandas as pd

from brainalign.analysis.records import describe
from brainalign.errors import InputError

BEHAVIOR_COLUMNS = (
    "model", "label", "base", "family", "role", "parameters", "published", "dataset", "benchmark",
    "mode", "measure", "value", "low", "high", "interval", "n", "n_dropped", "ceiling",
    "ceiling_method", "ratio", "note", "simulated",
)  # fmt: skip
GROUP_COLUMNS = (
    "model", "base", "family", "role", "dataset", "benchmark", "mode", "measure", "kind", "group",
    "value", "low", "high", "n", "simulated",
)  # fmt: skip
CAPABILITY_COLUMNS = (
    "model", "label", "base", "family", "role", "parameters", "published", "task", "category",
    "average", "accuracy", "low", "high", "n", "n_truncated", "n_ties", "scoring", "simulated",
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
    no positive ceiling.

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
    whole = pd.concat(tables, ignore_index=True)
    whole["ratio"] = whole["value"] / whole["ceiling"].where(whole["ceiling"] > 0)
    all_words = whole["kind"] == "all"
    return {
        "behaviors": whole.loc[all_words, list(BEHAVIOR_COLUMNS)],
        "stories": whole.loc[~all_words, list(GROUP_COLUMNS)],
    }


def _check_apart(benchmarks: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise InputError where two benchmarks would give a dataset two values in one mode."""
    taken: dict[tuple[str, str], str] = {}
    for name, entry in benchmarks.items():
        dataset, mode = entry.get("report_as") or entry["dataset"], entry["mode"]
        other = taken.setdefault((dataset, mode), name)
        if other != name:
            raise InputError(
                f"behavior.{name}: reported as {dataset} in {mode} mode, as behavior.{other} is; "
                "reading times are not averaged over benchmarks, so give one of them a report_as "
                "of its own"
            )


def collect_capabilities(
    results: Sequence[tuple[str, str, pd.DataFrame]],
    models: pd.DataFrame,
    tasks: Mapping[str, Mapping[str, Any]],
    summarise: Callable[[pd.DataFrame], pd.DataFrame],
) -> pd.DataFrame:
    """Collect answer files into `capabilities`: a row per model, task and category.

    Parameters
    ----------
    results : (model, task, answers) of every file.
    summarise : answers → accuracy with its interval per category
        (`brainalign.capability.summary.summarise`).
    """
    tables = []
    for model, task, answers in results:
        about = {str(key): value for key, value in models.loc[model].items()}
        simulated = about.pop("simulated") or tasks[task]["questions"]["type"] == "simulated"
        table = summarise(answers).assign(**about, task=task, simulated=simulated)
        tables.append(table.assign(scoring=answers["scoring"].iloc[0]))
    return pd.concat(tables, ignore_index=True)[list(CAPABILITY_COLUMNS)]


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
