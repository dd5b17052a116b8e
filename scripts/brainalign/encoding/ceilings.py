"""Noise ceilings: how well responses could be predicted at all, given their noise."""

import itertools
import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce

import msgspec
import numpy as np
import pandas as pd
import xarray as xr

from brainalign.encoding.alignment import score_design
from brainalign.encoding.benchmark import Benchmark, read_benchmark
from brainalign.encoding.correlation import Aggregate, pearson
from brainalign.encoding.disattenuation import agreements, disattenuated
from brainalign.encoding.pools import Space, joint, measured_subjects
from brainalign.encoding.responses import Responses, Targets, gather_responses
from brainalign.encoding.settings import (
    Ceiling,
    Disattenuation,
    Extrapolation,
    LeaveOneSubjectOut,
    NoCeiling,
    Scoring,
    SplitHalf,
)
from brainalign.encoding.splits import Split
from brainalign.errors import InputError
from brainalign.settings import tag_of

LOG = logging.getLogger("brainalign")
INTERVAL = (2.5, 97.5)  # percentiles of `low` and `high`
# Grid over tau (in subjects) of the extrapolation; larger ones are straight lines.
TAUS = np.geomspace(0.05, 200.0, 120)
WEAK = "weak: the interval holds 0"
DISAGREE = "weak: predictions from different subjects do not agree"
UNSHARED = "none: no fold has enough rows that all subjects saw"
LEAK = "Brain-Score's formula; it counts what leaks from training to test rows, see oasm"


def noise_ceiling(
    stimuli: pd.DataFrame, dataset: xr.Dataset, scoring: Scoring, ceiling: Ceiling, seed: int
) -> pd.DataFrame:
    """The ceiling table of a benchmark (docs/architecture.md, "ceilings").

    Rows that a subject missed count for none: `note` says how many are left.

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
    benchmark: Benchmark,
    ceiling: Disattenuation | Extrapolation | LeaveOneSubjectOut | SplitHalf,
    shared: np.ndarray,
    random: np.random.Generator,
) -> tuple[pd.DataFrame, str]:
    """The table of a ceiling method, without notes, and the note of all its ceilings."""
    targets, method = responses.targets, tag_of(ceiling)
    if isinstance(ceiling, Disattenuation):
        found = agreements(responses, benchmark, ceiling.pairs, random)
        values, agree = disattenuated(found, ceiling.bootstraps, random)
        table = ceiling_table(values[0], values[1:].T, targets, benchmark.aggregate, method)
        table = _subjects_resampled(table, values[1:], targets, benchmark.aggregate, random)
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
        table = _subject_bootstrap(
            values, responses, benchmark.aggregate, method, ceiling.bootstraps, random
        )
        return table, ""
    samples = split_half(responses, folds, ceiling.splits, random)
    values = np.median(samples, axis=1)
    return ceiling_table(values, samples, targets, benchmark.aggregate, method), ""


def _with_notes(table: pd.DataFrame, note: str = "") -> pd.DataFrame:
    """The table with column `note`: `note`, or that a ceiling's interval holds 0."""
    weak = (table["low"] <= 0).to_numpy() & (not note.startswith(DISAGREE))
    notes = np.where(table["ceiling"].isna(), "", np.where(weak, WEAK, note))
    return table.assign(note=notes)


def _subjects_resampled(
    table: pd.DataFrame,
    samples: np.ndarray,
    targets: Targets,
    aggregate: str,
    random: np.random.Generator,
) -> pd.DataFrame:
    """The table with intervals of its summaries over resampled subjects.

    `samples` [sample, target] are of resampled folds; each gets a draw of subjects of its own.
    """
    summarise = Aggregate(aggregate, targets.subjects.tolist(), targets.regions.tolist())
    by_subject = summarise(samples)
    for region in table.loc[table["target_id"] == "all", "region"].tolist():
        members = [s for s, g in summarise.parts if g == region and s != "all"]
        members = [s for s in members if not np.isnan(by_subject[s, region]).all()]
        if not members:
            continue
        values = np.stack([by_subject[s, region] for s in members], axis=1)
        draws = random.integers(len(members), size=values.shape)
        if aggregate == "median-pooled":
            parts = [summarise.targets(s, region) for s in members]
            resampled = [
                np.nanmedian(sample[np.concatenate([parts[i] for i in drawn])])
                for sample, drawn in zip(samples, draws, strict=True)
            ]
        else:
            resampled = np.take_along_axis(values, draws, axis=1).mean(axis=1)
        row = (table["target_id"] == "all") & (table["region"] == region)
        table.loc[row, ["low", "high"]] = np.percentile(resampled, INTERVAL)
    return table


def ceiling_table(
    values: np.ndarray, samples: np.ndarray, targets: Targets, aggregate: str, method: str
) -> pd.DataFrame:
    """One row per target and the summary rows `target_id = all`, per region and for all.

    Parameters
    ----------
    values : ceiling of each target. `samples` : [target, sample] bootstrap estimates, whose
        percentiles are the interval; summaries are intervals of the summary of each sample.
    """
    low, high = _interval(samples)
    rows = pd.DataFrame(
        {
            "target_id": targets.ids,
            "subject": targets.subjects,
            "region": targets.regions,
            "ceiling": values,
            "low": low,
            "high": high,
        }
    )
    summarise = Aggregate(aggregate, targets.subjects.tolist(), targets.regions.tolist())
    centers, spreads = summarise(values), summarise(samples.T)
    summaries = []
    for (subject, region), center in centers.items():
        if subject != "all":
            continue
        low, high = _interval(spreads[subject, region][None])
        summaries.append(("all", subject, region, float(center), float(low[0]), float(high[0])))
    table = pd.concat([pd.DataFrame(summaries, columns=rows.columns), rows], ignore_index=True)
    table["method"] = method
    return table


def _interval(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Percentiles over the last axis; NaN where a single sample tells nothing of the spread."""
    if samples.shape[1] < 2:
        nothing = np.full(samples.shape[0], np.nan)
        return nothing, nothing
    low, high = np.percentile(samples, INTERVAL, axis=1)
    return low, high


def pool_scores(
    responses: Responses, benchmark: Benchmark, subsets: int | None, random: np.random.Generator
) -> tuple[np.ndarray, list[np.ndarray]]:
    """How well pools of other subjects predict each subject, by the number of subjects.

    For n = 2 … N subjects each subject is predicted, with the benchmark's regression and splits,
    from the responses of pools of n - 1 others: all pools, or `subsets` drawn without replacement.
    (brainscore_language.benchmarks.blank2014.ceiling takes all subsets of n subjects and holds
    each member out, which is the same set of pools.) A subject without any measured target is left
    out; its targets have no scores.

    Returns
    -------
    n, int [size]; and per size the scores [target, pool × fold] of all targets.

    Raises
    ------
    InputError : fewer than three subjects have measured targets: one size makes no curve.
    """
    own = measured_subjects(responses, "extrapolation")
    subjects = list(own)
    targets = {s: responses.only(own[s]) for s in subjects}
    sizes = np.arange(2, len(subjects) + 1)
    pools = {
        (int(n), s): _pools(
            [other for other in subjects if other != s], int(n) - 1, subsets, random
        )
        for n in sizes
        for s in subjects
    }
    scores = {
        key: np.empty((targets[key[1]].measured.size, len(of), len(benchmark.splits)))
        for key, of in pools.items()
    }
    intercept = benchmark.intercept
    for fold, split in enumerate(benchmark.splits):
        spaces = {s: Space(targets[s], split) for s in subjects}
        for (n, held_out), of in pools.items():
            for i, pool in enumerate(of):
                design = joint([spaces[s] for s in pool], intercept)
                found = score_design(
                    design, spaces[held_out].rows, targets[held_out], benchmark, split
                )
                scores[n, held_out][:, i, fold] = found.r[0]
        LOG.info(
            "fold %d/%d: %d pools of subjects",
            fold + 1,
            len(benchmark.splits),
            sum(map(len, pools.values())),
        )
    joined = []
    for n in sizes.tolist():
        n_scores = scores[n, subjects[0]][0].size
        joined.append(np.full((responses.measured.size, n_scores), np.nan))
        for s in subjects:
            joined[-1][own[s]] = scores[n, s].reshape(-1, n_scores)
    for n, values in zip(sizes.tolist(), joined, strict=True):
        LOG.info("%d subjects: mean r = %.4f", n, np.nanmean(values))
    return sizes, joined


def _pools(
    others: Sequence[str], size: int, subsets: int | None, random: np.random.Generator
) -> list[tuple[str, ...]]:
    n_pools = math.comb(len(others), size)
    if subsets is None or n_pools <= subsets:
        return list(itertools.combinations(others, size))
    drawn: dict[tuple[str, ...], None] = {}
    while len(drawn) < subsets:
        drawn[tuple(sorted(random.choice(others, size, replace=False).tolist()))] = None
    return list(drawn)


def extrapolate(
    sizes: np.ndarray, scores: Sequence[np.ndarray], bootstraps: int, random: np.random.Generator
) -> np.ndarray:
    """Bootstrapped asymptotes v0 of v(n) = v0 (1 - exp(-n / tau)), 0 <= v0 <= 1, per target.

    Parameters
    ----------
    sizes : numbers of subjects n. scores : per size [target, score].
    bootstraps : resamples of the scores of each size, whose means are fitted.

    Returns
    -------
    [target, bootstrap]; the ceiling is the median over bootstraps
    (brainscore_language.benchmarks.blank2014.ceiling, ExtrapolationCeiling). A target with an
    undefined score is NaN. As in the reference every target sees the same resamples.
    """
    means = []
    for values in scores:
        n_scores = values.shape[1]
        weights = random.multinomial(n_scores, np.full(n_scores, 1 / n_scores), size=bootstraps)
        means.append(values @ (weights.T / n_scores))
    curves = np.stack(means, axis=-1)  # [target, bootstrap, size]
    return fit_asymptotes(sizes, curves.reshape(-1, sizes.size)).reshape(-1, bootstraps)


def fit_asymptotes(sizes: np.ndarray, curves: np.ndarray) -> np.ndarray:
    """Least-squares v0 of many curves [curve, size] at once.

    For a given tau the best v0 is a projection, clipped to [0, 1]. tau is sought on a grid, as
    one matrix product for all curves, and refined by parabolas in log tau.
    """
    grid = np.log(TAUS)
    result = np.empty(len(curves))
    for start in range(0, len(curves), 16384):
        block = curves[start : start + 16384]
        shape = 1 - np.exp(-sizes / TAUS[:, None])
        power = (shape**2).sum(axis=1)
        overlap = block @ shape.T
        v0 = np.clip(overlap / power, 0, 1)
        loss = v0 * (v0 * power - 2 * overlap)
        best = loss.argmin(axis=1)
        center, step = grid[best], grid[1] - grid[0]
        here = loss[np.arange(len(block)), best]
        for _ in range(8):
            step /= 2
            left, right = (_loss(sizes, block, center + s)[0] for s in (-step, step))
            bend = left + right - 2 * here
            safe = np.where(bend > 0, bend, 1.0)
            jump = np.where(bend > 0, np.clip(step * (left - right) / (2 * safe), -step, step), 0.0)
            moved = _loss(sizes, block, center + jump)[0]
            options = np.stack([here, left, right, moved])
            pick = options.argmin(axis=0)
            shift = np.stack(
                [np.zeros_like(jump), np.full_like(jump, -step), np.full_like(jump, step), jump]
            )
            center = np.clip(
                center + np.take_along_axis(shift, pick[None], 0)[0], grid[0], grid[-1]
            )
            here = _loss(sizes, block, center)[0]
        result[start : start + len(block)] = _loss(sizes, block, center)[1]
    result[np.isnan(curves).any(axis=1)] = np.nan
    return result


def _loss(
    sizes: np.ndarray, curves: np.ndarray, log_tau: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Squared error (less the curves' own power) and v0 at one tau per curve."""
    shape = 1 - np.exp(-sizes / np.exp(log_tau)[:, None])
    power, overlap = (shape**2).sum(axis=1), (curves * shape).sum(axis=1)
    v0 = np.clip(overlap / power, 0, 1)
    return v0 * (v0 * power - 2 * overlap), v0


def _corresponding(responses: Responses) -> np.ndarray:
    """Columns [subject, region] of targets that every subject has once per region."""
    targets = responses.targets
    subjects, regions = np.unique(targets.subjects), np.unique(targets.regions)
    columns = np.full((subjects.size, regions.size), -1)
    row = np.searchsorted(subjects, targets.subjects)
    place = np.searchsorted(regions, targets.regions)
    columns[row, place] = np.arange(targets.ids.size)
    if (columns < 0).any() or targets.ids.size != columns.size:
        raise InputError(
            f"ceiling.method: the {targets.ids.size} targets are not one per subject and region "
            f"({subjects.size} × {regions.size}), so subjects cannot be averaged; "
            "use extrapolation"
        )
    return columns


def _standard(values: np.ndarray) -> np.ndarray:
    """Columns with mean 0 and standard deviation 1, so that every subject weighs the same."""
    centred = values - values.mean(axis=0)
    spread = centred.std(axis=0)
    return centred / np.where(spread > 0, spread, 1.0)


def _test_rows(responses: Responses, folds: Sequence[Split] | None) -> list[np.ndarray]:
    """Responses [row, target] of each fold's test rows, cleaned as when a model is scored."""
    if folds is None:
        everything = np.arange(responses.n_rows)
        folds = [Split(everything, everything)]
    return [responses.fold(split, slice(None))[1] for split in folds]


def leave_one_subject_out(responses: Responses, folds: Sequence[Split] | None) -> np.ndarray:
    """r [target] of each subject's response with the mean of the other subjects' at its region.

    NaN where the target is not measured, no other subject's is, or it is constant in every fold.

    Parameters
    ----------
    folds : r is computed over each fold's test rows and averaged over the folds that have one;
        None for all rows at once.
    """
    columns = _corresponding(responses)
    measured = responses.measured[columns]
    n_others = measured.sum(axis=0) - measured
    n_others = np.where(n_others > 0, n_others, np.nan)
    results = []
    for rows in _test_rows(responses, folds):
        values = _standard(rows)[:, columns]  # [row, subject, region]
        # Targets that are not measured are zero there, and do not count.
        others = (values.sum(axis=1, keepdims=True) - values) / n_others
        r = np.empty(responses.targets.ids.size)
        r[columns] = pearson(
            others.reshape(len(rows), -1), rows[:, columns].reshape(len(rows), -1)
        ).reshape(columns.shape)
        results.append(r)
    r = np.stack(results)
    r[:, ~responses.measured] = np.nan
    folds_with = (~np.isnan(r)).sum(axis=0)
    return np.nansum(r, axis=0) / np.where(folds_with > 0, folds_with, np.nan)


def _subject_bootstrap(
    values: np.ndarray,
    responses: Responses,
    aggregate: str,
    method: str,
    bootstraps: int,
    random: np.random.Generator,
) -> pd.DataFrame:
    """A ceiling table whose summary intervals resample the subjects that have a value.

    Single targets have no interval.
    """
    table = ceiling_table(values, values[:, None], responses.targets, aggregate, method)
    by_subject = values[_corresponding(responses)]
    for place, region in enumerate([*np.unique(responses.targets.regions).tolist(), "all"]):
        inside = by_subject if region == "all" else by_subject[:, [place]]
        inside = inside[~np.isnan(inside).all(axis=1)]
        if not len(inside):
            continue
        draws = random.integers(len(inside), size=(bootstraps, len(inside)))
        resampled = inside[draws]  # [bootstrap, subject, region]
        if aggregate == "median-pooled":
            samples = np.nanmedian(resampled, axis=(1, 2))
        elif aggregate == "mean":
            samples = np.nanmean(np.nanmean(resampled, axis=2), axis=1)
        else:
            samples = np.nanmean(np.nanmedian(resampled, axis=2), axis=1)
        row = (table["target_id"] == "all") & (table["region"] == region)
        table.loc[row, ["low", "high"]] = np.percentile(samples, INTERVAL)
    return table


def split_half(
    responses: Responses, folds: Sequence[Split] | None, splits: int, random: np.random.Generator
) -> np.ndarray:
    """What subjects share could reach with one of them, from r between halves of the subjects.

    The Spearman-Brown formula takes r, the reliability of the mean over half of n subjects, to
    that of one subject, k r / (1 + (k - 1) r) with k = 2 / n; r with one subject's response is at
    most its root. (The reliability of the mean over all, k = 2, is no ceiling of scores that are of
    single subjects.) Negative reliabilities have negative roots.

    Of a region the subjects count whose target is measured there; with fewer than two it has none.

    Parameters
    ----------
    folds : r is computed over each fold's test rows and averaged, then corrected; None for all
        rows at once.
    splits : how often the subjects are halved at random.

    Returns
    -------
    [target, split], the same for all subjects' measured targets of a region.
    """
    columns = _corresponding(responses)
    measured = responses.measured[columns]
    by_fold = [_standard(rows)[:, columns] for rows in _test_rows(responses, folds)]
    samples = np.full((responses.targets.ids.size, splits), np.nan)
    for i in range(splits):
        order = random.permutation(columns.shape[0])
        for present in np.unique(measured, axis=1).T:
            members = order[present[order]]
            if members.size < 2:
                continue
            regions = np.flatnonzero((measured == present[:, None]).all(axis=0))
            halves = np.array_split(members, 2)
            r = np.mean(
                [
                    pearson(*(values[:, half][:, :, regions].mean(axis=1) for half in halves))
                    for values in by_fold
                ],
                axis=0,
            )
            times = 2 / members.size
            reliability = times * r / (1 + (times - 1) * r)
            samples[columns[np.ix_(present, regions)], i] = np.sign(reliability) * np.sqrt(
                np.abs(reliability)
            )
    return samples
