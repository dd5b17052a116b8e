"""The study's models beside the published numbers of the same models."""

from typing import Any

import numpy as np
import pandas as pd

from brainalign.analysis.averages import AVERAGE, dataset_scores
from brainalign.behavior.fits import ABS_R
from brainalign.datasets.question_counts import BBH, MMLU
from brainalign.notes import not_computable

COLUMNS = (
    "model", "published_model", "dataset", "measured", "low", "high", "published", "difference",
    "family_low", "family_high", "within_interval", "within_family", "note", "simulated",
)  # fmt: skip
AVERAGED = {"pereira2018", "blank2014", "wehbe2014"}  # by the paper's average
QUESTIONS = {"mmlu": MMLU["test"], "bbh": BBH}
DATASETS = ("pereira2018", "blank2014", "wehbe2014", "average", "futrell2018", "mmlu", "bbh")
# The paper names the reading times of the Natural Stories after Futrell et al. 2018.
PUBLISHED_NAMES = {"naturalstories": "futrell2018"}


def measured_beside_published(
    published: pd.DataFrame,
    scores: pd.DataFrame | None = None,
    behaviors: pd.DataFrame | None = None,
    capabilities: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Every real model of the study that the paper has, beside the paper's number.

    The measured number is the legacy one on the scale that the paper prints: raw r for brain
    datasets, |r| / ceiling for reading times, overall accuracy for MMLU and BBH (of a task whose
    name begins so), in the published scoring and of all published questions alone. The average is
    compared only where it is over the paper's three datasets. A model is matched by the config's
    `published`, else by its name; a dataset by its name without case and punctuation, the Natural
    Stories being the paper's `futrell2018`.

    Returns
    -------
    COLUMNS (docs/outputs.md); no rows when the study has none of the published models.
    """
    measured = pd.DataFrame([*_brain(scores), *_reading(behaviors), *_accuracy(capabilities)])
    if measured.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    by_model = published.set_index("model")
    rows = []
    for line in measured[~measured["simulated"].astype(bool)].to_dict("records"):
        name = (
            line["published_model"] if isinstance(line["published_model"], str) else line["model"]
        )
        if name not in by_model.index or line["dataset"] not in DATASETS:
            continue
        reference = by_model[line["dataset"]]
        value = float(reference[name])
        same = (by_model["family"] == by_model["family"][name]) & (
            by_model["role"] == by_model["role"][name]
        )
        family_low, family_high = reference[same].min(), reference[same].max()
        known = not (np.isnan(value) or np.isnan(line["measured"]))
        interval = known and not np.isnan(line["low"])
        rows.append(
            {
                **line,
                "published_model": name,
                "published": value,
                "difference": line["measured"] - value,
                "family_low": family_low,
                "family_high": family_high,
                "within_interval": line["low"] <= value <= line["high"] if interval else None,
                "within_family": family_low <= line["measured"] <= family_high if known else None,
                "note": "" if known else _why(value),
            }
        )
    return pd.DataFrame(rows).reindex(columns=list(COLUMNS))


def _why(value: float) -> str:
    return "not published" if np.isnan(value) else not_computable("not measured")


def _plain(name: str) -> str:
    return "".join(letter for letter in str(name).lower() if letter.isalnum())


def _line(row: dict[Any, Any], dataset: str, value: float, low: float, high: float) -> dict:
    return {
        "model": row["model"],
        "published_model": row["published"],
        "dataset": PUBLISHED_NAMES.get(_plain(dataset), _plain(dataset)),
        "measured": value,
        "low": low,
        "high": high,
        "simulated": row["simulated"],
    }


def _brain(scores: pd.DataFrame | None) -> list[dict]:
    if scores is None:
        return []
    names = scores.drop_duplicates("model").set_index("model")["published"]
    overall = scores[scores["region"] == "all"]
    intervals = overall.groupby(["model", "mode", "simulated", "dataset"])
    lines = []
    legacy = scores[(scores["mode"] == "legacy") & ~scores["companion"]]
    datasets = {
        world: {_plain(name) for name in part["dataset"]}
        for world, part in legacy.groupby("simulated")
    }
    for row in dataset_scores(legacy).to_dict("records"):
        if row["dataset"] == AVERAGE and datasets[row["simulated"]] != AVERAGED:
            continue
        key = (row["model"], row["mode"], row["simulated"], row["dataset"])
        low = high = np.nan
        # The interval of a mean of several benchmarks is not kept; that of a single one is.
        if key in intervals.groups and len(intervals.groups[key]) == 1:
            low, high = intervals.get_group(key)[["low", "high"]].iloc[0]
        row["published"] = names[row["model"]]
        lines.append(_line(row, row["dataset"], row["r"], low, high))
    return lines


def _reading(behaviors: pd.DataFrame | None) -> list[dict]:
    if behaviors is None:
        return []
    chosen = behaviors[(behaviors["mode"] == "legacy") & (behaviors["measure"] == ABS_R)]
    chosen = chosen.dropna(subset=["ratio"])  # the paper's: none where the ceiling is a bound
    return [
        _line(
            row,
            row["dataset"],
            row["ratio"],
            row["low"] / row["ceiling"],
            row["high"] / row["ceiling"],
        )
        for row in chosen.to_dict("records")
    ]


def _accuracy(capabilities: pd.DataFrame | None) -> list[dict]:
    if capabilities is None:
        return []
    overall = capabilities[capabilities["category"] == "all"]
    lines = []
    for task in ("mmlu", "bbh"):
        same = overall[overall["task"].map(_plain).str.startswith(task)]
        # One list of questions: a subset's accuracy is not the paper's.
        legacy = same[(same["scoring"] == "legacy") & (same["n"] == QUESTIONS[task])]
        for row in legacy.drop_duplicates("model").to_dict("records"):
            lines.append(_line(row, task, row["accuracy"], row["low"], row["high"]))
    return lines
