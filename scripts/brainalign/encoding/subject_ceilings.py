"""Ceilings from what subjects share at one region: each against the others, half against half."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from brainalign.encoding.ceiling_table import ceiling_table
from brainalign.encoding.correlation import pearson
from brainalign.encoding.responses import Responses
from brainalign.encoding.splits import Split
from brainalign.errors import InputError
from brainalign.intervals import TAILS


def _corresponding(responses: Responses) -> np.ndarray:
    """Columns [subject, region] of targets that every subject has once per region."""
    targets = responses.targets
    subjects, regions = np.unique(targets.subjects), np.unique(targets.regions)
    columns = np.full((subjects.size, regions.size), -1)
    row = np.searchsorted(subjects, targets.subjects)
    column = np.searchsorted(regions, targets.regions)
    columns[row, column] = np.arange(targets.ids.size)
    if (columns < 0).any() or targets.ids.size != columns.size:
        raise InputError(
            f"ceiling.method: the {targets.ids.size} targets are not one per subject and region "
            f"({subjects.size} × {regions.size}), so subjects cannot be averaged; "
            "use disattenuation (in mode legacy also extrapolation)"
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
    """r of each subject's response with the mean of the others' at its region: float64 [target].

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


def subject_bootstrap(
    values: np.ndarray,
    responses: Responses,
    aggregate: str,
    method: str,
    bootstraps: int,
    random: np.random.Generator,
) -> pd.DataFrame:
    """A ceiling table of `values` [target] whose summary intervals resample the subjects that have
    one.

    Single targets have no interval.
    """
    table = ceiling_table(values, values[:, None], responses.targets, aggregate, method)
    by_subject = values[_corresponding(responses)]
    for index, region in enumerate([*np.unique(responses.targets.regions).tolist(), "all"]):
        inside = by_subject if region == "all" else by_subject[:, [index]]
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
        table.loc[row, ["low", "high"]] = np.quantile(samples, TAILS)
    return table


def split_half(
    responses: Responses, folds: Sequence[Split] | None, splits: int, random: np.random.Generator
) -> np.ndarray:
    """What subjects share could reach with one of them, from r between halves of the subjects.

    The Spearman-Brown formula takes r, the reliability of the mean over half of n subjects, to
    that of one subject, k r / (1 + (k - 1) r) with k = 2 / n; r with one subject's response is at
    most its root. (The reliability of the mean over all, k = 2, is no ceiling of scores that are of
    single subjects.) Negative reliabilities have negative roots.

    For each region, only subjects measured there are used; with fewer than two it has none.

    Parameters
    ----------
    folds : r is computed over each fold's test rows and averaged, then corrected; None for all
        rows at once.
    splits : how often the subjects are halved at random.

    Returns
    -------
    float64 [target, split], the same for all subjects' measured targets of a region.
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
