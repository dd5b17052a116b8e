"""The study's alignment results as tidy tables: scores, their subjects and folds, layer curves."""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from brainalign.analysis.crossed import BLOCKS, NOTHING, STIMULI, of_pair
from brainalign.analysis.records import describe
from brainalign.encoding.ceilings import is_weak
from brainalign.errors import InputError
from brainalign.natural_order import ranks

SCORE_COLUMNS = (
    "model", "label", "base", "family", "role", "tuned", "parameters", "published", "dataset",
    "benchmark", "companion", "mode", "layer_choice", "layer", "depth", "region", "r", "r_stacked",
    "ceiling", "ceiling_method", "ceiling_note", "ratio", "low", "high", "scope", "r_null", "r_p",
    "group_p", "r2", "unique_r2", "unique_low", "unique_high", "unique_null", "unique_p", "beyond",
    "n_targets", "n_significant", "n_undefined", "n_subjects", "n_stimuli", "alpha_at_edge",
    "units_per_row", "reduction", "simulated",
)  # fmt: skip
SIMILARITY_COLUMNS = (
    "model", "label", "base", "family", "role", "tuned", "parameters", "published", "dataset",
    "benchmark", "mode", "measure", "layer_choice", "layer", "depth", "region", "value", "low",
    "high", "scope", "null", "p_permutation", "n_targets", "n_undefined", "n_subjects", "n_stimuli",
    "reduction", "simulated",
)  # fmt: skip
SUBJECT_COLUMNS = (
    "model", "base", "family", "role", "dataset", "benchmark", "mode", "subject", "fold",
    "held_out", "r", "r_p", "n_targets", "n_significant", "simulated",
)  # fmt: skip
LAYER_COLUMNS = (
    "model", "label", "base", "family", "role", "dataset", "benchmark", "mode", "layer",
    "layer_index", "depth", "r", "r_sd", "r_sd_subjects", "r2", "reduction", "chosen",
    "simulated",
)  # fmt: skip

HOLDING_OUT = {
    "grouped": STIMULI, "held-out": STIMULI, "contiguous": BLOCKS, "wehbe": BLOCKS,
    "shuffled": NOTHING,
}  # fmt: skip
"""Scheme → what its folds hold out; shuffled folds mix the sentences of one text."""


def collect_scores(
    results: Iterable[tuple[str, str, pd.DataFrame]],
    ceilings: Mapping[str, pd.DataFrame],
    models: pd.DataFrame,
    benchmarks: Mapping[str, Mapping[str, Any]],
    simulated_datasets: Collection[str],
) -> dict[str, pd.DataFrame]:
    """Collect alignment files into three tables.

    Parameters
    ----------
    results : (model, benchmark, alignment table) of every file, one after the other: a table is
        let go before the next is taken, so that an iterator needs the memory of one.
    ceilings : benchmark → ceiling table; a benchmark without one has ceiling NaN.
    models : `records.model_table`.
    benchmarks : name → dataset, mode, layers, split, report_as, companion.
    simulated_datasets : datasets of the simulated world.

    Returns
    -------
    `scores` (the chosen layer, a row per region), `subjects` (the chosen layer per subject, per
    fold and per subject in each fold, all regions together), `layers` (every layer). `ratio` is
    r / ceiling, NaN where the ceiling is weak.

    Raises
    ------
    InputError : a file has no row of a chosen layer.
    """
    known, rows, curves = _read(results, models, benchmarks, simulated_datasets)
    scores = _with_ceilings(_scores(rows).join(known, on="file"), ceilings)
    subjects = _units(rows).join(known, on="file")
    layers = curves.join(known, on="file")
    return {
        "scores": scores[list(SCORE_COLUMNS)].reset_index(drop=True),
        "subjects": subjects[list(SUBJECT_COLUMNS)].reset_index(drop=True),
        "layers": layers[list(LAYER_COLUMNS)],
    }


def collect_similarities(
    results: Iterable[tuple[str, str, pd.DataFrame]],
    models: pd.DataFrame,
    benchmarks: Mapping[str, Mapping[str, Any]],
    simulated_datasets: Collection[str],
) -> pd.DataFrame:
    """Collect alignment files of RSA and CKA into one table: the chosen layer, a row per region.

    They stand apart from `scores`, for their scales are others than that of r: no average,
    contrast or correlation may take them together. Parameters and errors as `collect_scores`.
    """
    known, rows, _ = _read(results, models, benchmarks, simulated_datasets)
    measures = {name: similarity_measure(entry["regression"]) for name, entry in benchmarks.items()}
    table = _scores(rows).join(known, on="file")
    table = table.rename(columns={"r": "value", "r_null": "null", "r_p": "p_permutation"})
    table = table.assign(measure=table["benchmark"].map(measures))
    return table[list(SIMILARITY_COLUMNS)].reset_index(drop=True)


def similarity_measure(regression: Mapping[str, Any]) -> str:
    """A benchmark's similarity as tables name it: rsa, cka (debiased) or cka-biased."""
    biased = regression.get("estimator") == "biased"
    return str(regression["type"]) + "-biased" * biased


def _read(
    results: Iterable[tuple[str, str, pd.DataFrame]],
    models: pd.DataFrame,
    benchmarks: Mapping[str, Mapping[str, Any]],
    simulated_datasets: Collection[str],
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """What identifies each file, the rows of its chosen layer, and its curve over layers.

    Rows have `file`, the position of their file in the first table; they are in the natural order
    of regions and subjects.
    """
    about: list[dict[str, Any]] = []
    chosen, curves = [], []
    for model, benchmark, table in results:
        file = len(about)
        facts = describe(model, benchmark, models, benchmarks, simulated_datasets)
        facts["companion"] = bool(benchmarks[benchmark].get("companion", False))
        facts["layer_choice"] = layer_choice(benchmarks[benchmark].get("layers"))
        about.append(facts)
        chosen_rows = table[table["chosen"].to_numpy(bool)]
        if not _summary(chosen_rows)[chosen_rows["region"].to_numpy() == "all"].any():
            raise InputError(
                f"alignment of {model} with {benchmark}: no row of a chosen layer with "
                "subject all, region all, fold -1"
            )
        split = benchmarks[benchmark].get("split")
        held_out = HOLDING_OUT[split["scheme"]] if split else NOTHING
        chosen.append(chosen_rows.assign(file=file, held_out=held_out))
        curves.append(_curve(table).assign(file=file))
        del table
    every = pd.concat(chosen, ignore_index=True)
    positions = {name: every[name].map(ranks(every[name])) for name in ("region", "subject")}
    order = np.lexsort((every["fold"], positions["subject"], positions["region"], every["file"]))
    every = every.iloc[order].reset_index(drop=True)
    return pd.DataFrame(about), every, pd.concat(curves, ignore_index=True)


def layer_choice(layers: Any) -> str:
    """A benchmark's `layers` entry as text: best, nested, depth 0.66, or depth 0.66 decoder."""
    if isinstance(layers, Mapping):
        return " ".join([f"depth {layers['depth']:g}", layers.get("stack", "")]).strip()
    return str(layers or "best")


def _summary(rows: pd.DataFrame) -> np.ndarray:
    """Which rows [n] are over all subjects and folds."""
    return (rows["subject"].to_numpy() == "all") & (rows["fold"].to_numpy() == -1)


def _units(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of single subjects and of single folds, and of subjects in folds; all regions."""
    return rows[(rows["region"].to_numpy() == "all") & ~_summary(rows)]


def _scores(rows: pd.DataFrame) -> pd.DataFrame:
    """The summary rows of chosen layers, with the interval over subjects and folds.

    The aggregate need not be the mean of its units (a median over pooled targets is not): their
    spread is taken, its centre is the score.
    """
    cells = rows[(rows["subject"] != "all") & (rows["fold"] >= 0)]
    tables = {
        key: part.pivot(index="subject", columns="fold", values=["r", "unique_r2"])
        for key, part in cells.groupby(["file", "region"], sort=False)
    }
    summary = rows[_summary(rows)]
    result = []
    columns = ["file", "region", "r", "unique_r2", "held_out"]
    for file, region, r, unique_r2, held_out in summary[columns].itertuples(index=False, name=None):
        both = tables.get((file, region))
        nothing: np.ndarray = np.empty((0, 0))
        table = nothing if both is None else both["r"].to_numpy(float)
        added = nothing if both is None else both["unique_r2"].to_numpy(float)
        variance = of_pair(table, held_out)
        interval, unique = variance.of(r), of_pair(added, held_out).of(unique_r2)
        result.append(
            {
                "low": interval.low,
                "high": interval.high,
                "scope": variance.scope,
                "unique_low": unique.low,
                "unique_high": unique.high,
                "n_subjects": table.shape[0],
                "n_stimuli": table.shape[1] if held_out else 0,
            }
        )
    return summary.join(pd.DataFrame(result, index=summary.index))


def _with_ceilings(scores: pd.DataFrame, ceilings: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Scores with `ceiling`, its method and note, and `ratio`.

    NaN where a benchmark or a region has no ceiling; no ratio to a weak ceiling.
    """
    known: dict[tuple[str, str], tuple[float, str, str]] = {}
    for benchmark, table in ceilings.items():
        rows = table[table["target_id"] == "all"]
        names = ("region", "ceiling", "method", "note")
        for region, *result in zip(*(rows[name].tolist() for name in names), strict=True):
            known[benchmark, region] = (result[0], result[1], result[2])
    positions = zip(scores["benchmark"], scores["region"], strict=True)
    nothing = (np.nan, "none", "")
    values, method, note = zip(*(known.get(index, nothing) for index in positions), strict=True)
    ceiling = np.array(values, float)
    weak = [is_weak(text) for text in note]
    return scores.assign(
        ceiling=ceiling,
        ceiling_method=list(method),
        ceiling_note=list(note),
        ratio=scores["r"] / np.where(weak, np.nan, ceiling),
    )


def _curve(table: pd.DataFrame) -> pd.DataFrame:
    """r of every layer, over all regions and folds, with its spread over subjects."""
    overall = table[(table["region"].to_numpy() == "all") & (table["fold"].to_numpy() == -1)]
    every = overall["subject"].to_numpy() == "all"
    spread = overall[~every].groupby("layer")["r"].std()
    return overall[every].assign(r_sd_subjects=overall.loc[every, "layer"].map(spread))
