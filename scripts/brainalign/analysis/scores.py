"""The study's alignment results as tidy tables: scores, their subjects and folds, layer curves."""

from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from brainalign.analysis.records import describe
from brainalign.analysis.resampling import mean_interval
from brainalign.errors import InputError

SCORE_COLUMNS = (
    "model", "label", "base", "family", "role", "tuned", "parameters", "published", "dataset",
    "benchmark", "mode", "layer_choice", "layer", "depth", "region", "r", "ceiling", "ratio", "low",
    "high", "interval", "r2", "unique_r2", "n_targets", "n_undefined", "n_subjects", "simulated",
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
    samples: int,
    seed: int,
) -> dict[str, pd.DataFrame]:
    """Collect alignment files into three tables.

    Parameters
    ----------
    results : (model, benchmark, alignment table) of every file.
    ceilings : benchmark → ceiling table; a benchmark without one has ceiling NaN.
    models : `records.model_table`.
    benchmarks : name → dataset, mode, layers, report_as.
    simulated_datasets : datasets of the simulated world.
    samples, seed : bootstrap samples of `low`, `high`. Every row is drawn with the same seed, so a
        row does not depend on which other rows there are.

    Returns
    -------
    `scores` (the chosen layer, a row per region), `subjects` (the chosen layer per subject and per
    fold, all regions together), `layers` (every layer). `ratio` is r / ceiling, NaN where the
    ceiling is not positive.

    Raises
    ------
    InputError : a file has no row of a chosen layer.
    """
    scores: list[dict[str, Any]] = []
    subjects: list[pd.DataFrame] = []
    layers: list[pd.DataFrame] = []
    for model, benchmark, table in results:
        about = describe(model, benchmark, models, benchmarks, simulated_datasets)
        about["layer_choice"] = layer_choice(benchmarks[benchmark].get("layers"))
        chosen = table[table["chosen"].astype(bool)]
        summary = chosen[(chosen["subject"] == "all") & (chosen["fold"] == -1)]
        if not (summary["region"] == "all").any():
            raise InputError(
                f"alignment of {model} with {benchmark}: no row of a chosen layer with "
                "subject all, region all, fold -1"
            )
        for row in summary.to_dict("records"):
            region = chosen[chosen["region"] == row["region"]]
            scores.append(
                {
                    **about,
                    **_score(row, region, samples, seed),
                    **_ceiling(row, ceilings.get(benchmark)),
                }
            )
        subjects.append(_units(chosen).assign(**about))
        layers.append(_curve(table).assign(**about))
    table = pd.DataFrame(scores, columns=[c for c in SCORE_COLUMNS if c != "ratio"])
    positive = table["ceiling"].where(table["ceiling"] > 0)
    table["ratio"] = table["r"] / positive
    return {
        "scores": table[list(SCORE_COLUMNS)],
        "subjects": pd.concat(subjects, ignore_index=True)[list(SUBJECT_COLUMNS)],
        "layers": pd.concat(layers, ignore_index=True)[list(LAYER_COLUMNS)],
    }


def layer_choice(layers: Any) -> str:
    """A benchmark's `layers` entry as text: best, nested, or depth 0.66."""
    if isinstance(layers, Mapping):
        return " ".join(f"{key} {value:g}" for key, value in layers.items())
    return str(layers or "best")


def _units(chosen: pd.DataFrame) -> pd.DataFrame:
    """Rows of the single subjects (over all folds) and of the single folds (over all subjects)."""
    subject = (chosen["subject"] != "all") & (chosen["fold"] == -1)
    fold = (chosen["subject"] == "all") & (chosen["fold"] >= 0)
    return chosen[(chosen["region"] == "all") & (subject | fold)]


def _score(
    row: Mapping[Hashable, Any], region: pd.DataFrame, samples: int, seed: int
) -> dict[str, Any]:
    subject = region[(region["subject"] != "all") & (region["fold"] == -1)]
    fold = region[(region["subject"] == "all") & (region["fold"] >= 0)]
    kind, units = ("subjects", subject) if subject["r"].notna().sum() > 1 else ("folds", fold)
    values = units["r"].dropna().to_numpy()
    low, high = mean_interval(values, samples, np.random.default_rng(seed))
    # The aggregate need not be the mean of its units (a median over pooled targets is not):
    # their spread is taken, its centre is the score.
    shift = row["r"] - values.mean() if len(values) > 1 else np.nan
    return {
        "layer": row["layer"],
        "depth": row["depth"],
        "region": row["region"],
        "r": row["r"],
        "low": low + shift,
        "high": high + shift,
        "interval": kind if len(values) > 1 else "none",
        "r2": row["r2"],
        "unique_r2": row["unique_r2"],
        "n_targets": row["n_targets"],
        "n_undefined": row["n_undefined"],
        "n_subjects": subject["subject"].nunique(),
    }


def _ceiling(row: Mapping[Hashable, Any], ceiling: pd.DataFrame | None) -> dict[str, float]:
    if ceiling is None or ceiling.empty:
        return {"ceiling": np.nan}
    found = ceiling[(ceiling["target_id"] == "all") & (ceiling["region"] == row["region"])]
    return {"ceiling": float(found["ceiling"].iloc[0]) if len(found) else np.nan}


def _curve(table: pd.DataFrame) -> pd.DataFrame:
    whole = table[(table["region"] == "all") & (table["fold"] == -1)]
    spread = whole[whole["subject"] != "all"].groupby("layer")["r"].std()
    curve = whole[whole["subject"] == "all"].copy()
    curve["r_sd_subjects"] = curve["layer"].map(spread)
    return curve
