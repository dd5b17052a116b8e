"""Noise ceilings: how well responses could be predicted at all, given their noise."""

from dataclasses import replace
from functools import reduce

import msgspec
import numpy as np
import pandas as pd
import xarray as xr

from brainalign.encoding.benchmark import RegressionBenchmark, read_benchmark
from brainalign.encoding.ceiling_table import ceiling_table, with_resampled_subjects
from brainalign.encoding.disattenuation import agreements, disattenuated
from brainalign.encoding.extrapolation import extrapolate, pool_scores
from brainalign.encoding.repeats import noise_share, repeats_of, signal_and_noise
from brainalign.encoding.responses import Responses, Targets, gather_responses
from brainalign.encoding.settings import (
    Ceiling,
    Disattenuation,
    Extrapolation,
    FromRepeats,
    LeaveOneSubjectOut,
    NoCeiling,
    Scoring,
    SplitHalf,
)
from brainalign.encoding.splits import Split
from brainalign.encoding.subject_ceilings import (
    leave_one_subject_out,
    split_half,
    subject_bootstrap,
)
from brainalign.errors import InputError
from brainalign.settings import tag_of

WEAK = "weak: "  # how the note of a ceiling begins that scores have no ratio to
NOT_ABOVE_0 = f"{WEAK}the ceiling is not above 0"
AROUND_0 = f"{WEAK}the interval is not above 0"
DISAGREE = f"{WEAK}predictions from different subjects do not agree"
UNSHARED = "none: no fold has enough rows that all subjects saw"
LEAK = "Brain-Score's formula; it counts what leaks from training to test rows, see oasm"
LOWER_BOUND = "a lower bound: the mean of the other subjects is itself noisy"


def noise_ceiling(
    stimuli: pd.DataFrame, dataset: xr.Dataset, scoring: Scoring, ceiling: Ceiling, seed: int
) -> pd.DataFrame:
    """The ceiling table of a benchmark (docs/architecture.md, "ceilings").

    With the method repeats it has the column `explainable_variance`, too. Rows that a subject
    missed count for none: `note` says how many are left.

    Parameters
    ----------
    stimuli, dataset : a prepared dataset; `dataset` holds `responses` [stimulus or volume, target]
        and, for the method repeats, `repeats` [repeat, row, target].

    Raises
    ------
    InputError : fewer than two subjects (three that have measured targets, where some predict
        others), or, for the methods that average subjects, targets that do not correspond between
        subjects.
    """
    method = tag_of(ceiling)
    responses = gather_responses(dataset, scoring.timing)
    benchmark = read_benchmark(scoring, stimuli, dataset, seed)
    targets = responses.targets
    random = np.random.default_rng(seed)
    if isinstance(ceiling, NoCeiling):
        return _no_ceiling(targets, benchmark.aggregate, method, "")
    assert isinstance(benchmark, RegressionBenchmark)  # the settings refuse ceilings of the other
    if isinstance(ceiling, FromRepeats):
        table = _of_repeats(dataset, responses, benchmark, ceiling, random)
        return _with_notes(table)
    if np.unique(targets.subjects).size < 2:
        raise InputError(f"ceiling.method: {method} needs 2 or more subjects, there is 1")
    shared = _shared_rows(responses)
    if shared.size < responses.n_rows:
        missed = ~np.isin(np.arange(responses.n_rows), shared)
        presented = (benchmark.presented(split, missed) for split in benchmark.splits)
        benchmark = replace(benchmark, splits=tuple(filter(None, presented)))
        if not benchmark.splits:
            return _no_ceiling(targets, benchmark.aggregate, method, UNSHARED)
    table, note = _estimated(responses, dataset, benchmark, ceiling, shared, random)
    if shared.size < responses.n_rows:
        saw = f"over {shared.size} of {responses.n_rows} rows, which all subjects saw"
        note = "; ".join(filter(None, (note, saw)))
    return _with_notes(table, note)


def _of_repeats(
    dataset: xr.Dataset,
    responses: Responses,
    benchmark: RegressionBenchmark,
    ceiling: FromRepeats,
    random: np.random.Generator,
) -> pd.DataFrame:
    """cc_max of every target, and its explainable variance."""
    repeats = repeats_of(dataset, responses)
    powers = signal_and_noise(repeats, responses, ceiling.bootstraps, random)
    tested = np.unique(np.concatenate([split.test for split in benchmark.splits]))
    highest, explainable = (
        ceiling_table(values[0], values[1:].T, responses.targets, benchmark.aggregate, "repeats")
        for values in (powers.highest_r(noise_share(repeats, tested)), powers.explainable)
    )
    return highest.assign(explainable_variance=explainable["ceiling"])


def _no_ceiling(targets: Targets, aggregate: str, method: str, note: str) -> pd.DataFrame:
    """A ceiling table of NaN."""
    samples = np.full((targets.ids.size, 1), np.nan)
    table = ceiling_table(samples[:, 0], samples, targets, aggregate, method)
    return table.assign(note=note)


def _shared_rows(responses: Responses) -> np.ndarray:
    """Numbers of the rows that no subject missed."""
    nothing = np.zeros(responses.n_rows, dtype=bool)
    return np.flatnonzero(~reduce(np.logical_or, responses.missed.values(), nothing))


def _estimated(
    responses: Responses,
    dataset: xr.Dataset,
    benchmark: RegressionBenchmark,
    ceiling: Disattenuation | Extrapolation | LeaveOneSubjectOut | SplitHalf,
    shared: np.ndarray,
    random: np.random.Generator,
) -> tuple[pd.DataFrame, str]:
    """The table of a ceiling method, without notes, and the note of all its ceilings."""
    targets, method = responses.targets, tag_of(ceiling)
    if isinstance(ceiling, Disattenuation):
        agreed = agreements(responses, benchmark, ceiling.pairs, random)
        values, agree = disattenuated(agreed, ceiling.bootstraps, random)
        table = ceiling_table(values[0], values[1:].T, targets, benchmark.aggregate, method)
        table = with_resampled_subjects(table, values[1:], targets, benchmark.aggregate, random)
        return table, "" if agree else DISAGREE
    if isinstance(ceiling, Extrapolation):
        sizes, scores = pool_scores(responses, benchmark, ceiling.subsets, random)
        samples = extrapolate(sizes, scores, ceiling.bootstraps, random)
        table = ceiling_table(
            np.median(samples, axis=1), samples, targets, benchmark.aggregate, method
        )
        return table, LEAK
    if not ceiling.clean and responses.timing is not None:
        timing = msgspec.structs.replace(responses.timing, detrend=None, nuisance=False)
        responses = gather_responses(dataset, timing)
    folds = benchmark.splits if ceiling.folds else [Split(shared, shared)]
    if isinstance(ceiling, LeaveOneSubjectOut):
        values = leave_one_subject_out(responses, folds)
        table = subject_bootstrap(
            values, responses, benchmark.aggregate, method, ceiling.bootstraps, random
        )
        return table, LOWER_BOUND
    samples = split_half(responses, folds, ceiling.splits, random)
    values = np.median(samples, axis=1)
    return ceiling_table(values, samples, targets, benchmark.aggregate, method), ""


def _with_notes(table: pd.DataFrame, note: str = "") -> pd.DataFrame:
    """The table with column `note`: that a ceiling or its interval is not above 0, and `note`."""
    below, around = table["ceiling"] <= 0, (table["low"] <= 0) & (not is_weak(note))
    weak = np.select([below, around], [NOT_ABOVE_0, AROUND_0], "")
    notes = ["; ".join(filter(None, (text, note))) for text in weak.tolist()]
    return table.assign(note=np.where(table["ceiling"].isna(), "", notes))


def is_weak(note: str) -> bool:
    """Whether the `note` of a ceiling table says that no score has a ratio to this ceiling."""
    return note.startswith(WEAK)
