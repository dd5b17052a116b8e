"""The study's alignment results as tidy tables: scores, their subjects and folds, layer curves."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from brainalign.analysis.records import describe
from brainalign.errors import InputError
from brainalign.intervals import mean_interval

SCORE_COLUMNS = (
    "model", "label", "base", "family", "role", "tuned", "parameters", "published", "dataset",
    "benchmark", "mode", "layer_choice", "layer", "depth", "region", "r", "r_stacked", "ceiling",
    "ceiling_method", "ceiling_note", "ratio", "low", "high", "interval", "r2", "unique_r2",
    "n_targets", "n_undefined", "n_subjects", "simulated",
)  # fmt: skip
SUBJECT_COLUMNS = (
    "model", "base", "family", "role", "dataset", "benchmark", "mode", "subject", "fold", "r",
    "n_targets", "simulated",
)  # fmt: skip
LAYER_COLUMNS = (
    "model", "label", "base", "family", "role", "dataset", "benchmark", "mode", "layer",
    "layer_index", "depth", "r", "r_sd", "r_sd_subjects", "r2", "unique_r2", "chosen", "simulated",
)  # fmt: skip


def collect_scores(
    results: Sequence[tuple[str, str, pd.DataFrame]],
    ceilings: Mapping[str, pd.DataFrame],
    models: pd.DataFrame,
    benchmarks: Mapping[str, Mapping[str, Any]],
    simulated_datasets: Collection[str],
) -> dict[str, pd.DataFrame]:
    """Collect alignment files into three tables.

    Parameters
    ----------
    results : (model, benchmark, alignment table) of every file.
    ceilings : benchmark → ceiling table; a benchmark without one has ceiling NaN.
    models : `records.model_table`.
    benchmarks : name → dataset, mode, layers, report_as.
    simulated_datasets : datasets of the simulated world.

    Returns
    -------
    `scores` (the chosen layer, a row per region), `subjects` (the chosen layer per subject and per
    fold, all regions together), `layers` (every layer). `ratio` is r / ceiling, NaN where the
    ceiling is weak or not positive.

    Raises
    ------
    InputError : a file has no row of a chosen layer.
    """
    about, chosen, curves = [], [], []
    for file, (model, benchmark, table) in enumerate(results):
        facts = describe(model, benchmark, models, benchmarks, simulated_datasets)
        facts["layer_choice"] = layer_choice(benchmarks[benchmark].get("layers"))
        about.append(facts)
        own = table[table["chosen"].to_numpy(bool)]
        if not _summary(own)[own["region"].to_numpy() == "all"].any():
            raise InputError(
                f"alignment of {model} with {benchmark}: no row of a chosen layer with "
                "subject all, region all, fold -1"
            )
        chosen.append(own.assign(file=file))
        curves.append(_curve(table).assign(file=file))
    known = pd.DataFrame(about)
    rows = pd.concat(chosen, ignore_index=True)
    scores = _with_ceilings(_scores(rows).join(known, on="file"), ceilings)
    subjects = _units(rows).join(known, on="file")
    layers = pd.concat(curves, ignore_index=True).join(known, on="file")
    return {
        "scores": scores[list(SCORE_COLUMNS)].reset_index(drop=True),
        "subjects": subjects[list(SUBJECT_COLUMNS)].reset_index(drop=True),
        "layers": layers[list(LAYER_COLUMNS)],
    }


def layer_choice(layers: Any) -> str:
    """A benchmark's `layers` entry as text: best, nested, or depth 0.66."""
    if isinstance(layers, Mapping):
        return " ".join(f"{key} {value:g}" for key, value in layers.items())
    return str(layers or "best")


def _summary(rows: pd.DataFrame) -> np.ndarray:
    """Which rows [n] are over all subjects and folds."""
    return (rows["subject"].to_numpy() == "all") & (rows["fold"].to_numpy() == -1)


def _singles(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Which rows [n] are single subjects (over all folds), and single folds (over all subjects)."""
    whole, fold = rows["subject"].to_numpy() == "all", rows["fold"].to_numpy()
    return ~whole & (fold == -1), whole & (fold >= 0)


def _units(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of the single subjects and of the single folds, all regions together."""
    subject, fold = _singles(rows)
    return rows[(rows["region"].to_numpy() == "all") & (subject | fold)]


def _scores(rows: pd.DataFrame) -> pd.DataFrame:
    """The summary rows of chosen layers, with the interval from the units of file and region."""
    single, fold = _singles(rows)
    r, names = rows["r"].to_numpy(float), rows["subject"].to_numpy()
    units = rows.groupby(["file", "region"], sort=False).indices
    summary = rows[_summary(rows)]
    found = []
    for key, score in zip(zip(summary["file"], summary["region"], strict=True), summary["r"],
                          strict=True):  # fmt: skip
        own = units[key]
        subjects, folds = (r[own[which[own]]] for which in (single, fold))
        by_subject = np.count_nonzero(~np.isnan(subjects)) > 1
        values = subjects if by_subject else folds
        values = values[~np.isnan(values)]
        low, high = mean_interval(values)
        # The aggregate need not be the mean of its units (a median over pooled targets is not):
        # their spread is taken, its centre is the score.
        shift = score - values.mean() if len(values) > 1 else np.nan
        kind = "subjects" if by_subject else "folds"
        found.append(
            {
                "low": low + shift,
                "high": high + shift,
                "interval": kind if len(values) > 1 else "none",
                "n_subjects": len(set(names[own[single[own]]])),
            }
        )
    return summary.join(pd.DataFrame(found, index=summary.index))


def _with_ceilings(scores: pd.DataFrame, ceilings: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Scores with `ceiling`, its method and note, and `ratio`.

    NaN where a benchmark or a region has no ceiling; no ratio to a weak ceiling.
    """
    known: dict[tuple[str, str], tuple[float, str, str]] = {}
    for benchmark, table in ceilings.items():
        rows = table[table["target_id"] == "all"]
        names = ("region", "ceiling", "method", "note")
        for region, *found in zip(*(rows[name].tolist() for name in names), strict=True):
            known[benchmark, region] = (found[0], found[1], found[2])
    places = zip(scores["benchmark"], scores["region"], strict=True)
    nothing = (np.nan, "none", "")
    values, method, note = zip(*(known.get(place, nothing) for place in places), strict=True)
    ceiling = np.array(values, float)
    usable = (ceiling > 0) & [not text.startswith("weak") for text in note]
    return scores.assign(
        ceiling=ceiling,
        ceiling_method=list(method),
        ceiling_note=list(note),
        ratio=scores["r"] / np.where(usable, ceiling, np.nan),
    )


def _curve(table: pd.DataFrame) -> pd.DataFrame:
    """r of every layer, over all regions and folds, with its spread over subjects."""
    whole = table[(table["region"].to_numpy() == "all") & (table["fold"].to_numpy() == -1)]
    every = whole["subject"].to_numpy() == "all"
    spread = whole[~every].groupby("layer")["r"].std()
    return whole[every].assign(r_sd_subjects=whole.loc[every, "layer"].map(spread))
