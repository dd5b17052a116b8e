"""Tuned minus vanilla, target by target, under the same draws of chance.

Both models of a pair are scored on the same folds, and their surrogate responses are drawn from one
seed. So the differences under each draw are the null distribution of the difference of their r. It
contains what the two models share, and what all subjects share (docs/methods/chance.md).
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from brainalign.analysis.values_and_units import EVERY
from brainalign.encoding.chance import p_values, t_over_subjects
from brainalign.errors import InputError
from brainalign.formats.targets import require_same_targets
from brainalign.multiplicity import benjamini_hochberg
from brainalign.natural_order import natural
from brainalign.notes import not_computable

TARGET_COLUMNS = ("target_id", "subject", "region", "difference", "p", "q", "p_higher", "p_lower")
COLUMNS = (
    "tuned", "vanilla", "family", "benchmark", "dataset", "mode", "subject", "region", "difference",
    "p", "group_p", "n_targets", "n_higher", "n_lower", "share_higher", "share_lower", "n_shared",
    "n_higher_in_all", "n_lower_in_all", "n_subjects", "note", "simulated",
)  # fmt: skip
# Coordinates of one location in all subjects, in a common space.
LOCATIONS = (("hemisphere", "vertex"), ("x", "y", "z"))
NO_LOCATION = pd.DataFrame(columns=["region", "q_higher", "q_lower"], dtype=float)
ALONE = "no location is a target of every subject"


def compare_targets(
    tuned: xr.Dataset, vanilla: xr.Dataset, level: float
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tuned minus vanilla of a pair's targets, and in each subject and region.

    Parameters
    ----------
    tuned, vanilla : scores of targets (targets.nc): `r` [target], `r_drawn` [draw, target].
    level : of q, up to which a difference is significant.

    Returns
    -------
    TARGET_COLUMNS, a row per target: p two-sided and of each side, q (Benjamini & Hochberg 1995) of
    the two-sided one among the subject's targets; and the columns of COLUMNS from `subject` to
    `n_subjects`, a row per subject and region, `all` among both.

    Raises
    ------
    InputError : the models have scores of other targets, or other numbers of draws.
    """
    require_same_targets(tuned, vanilla)
    if tuned.sizes["draw"] != vanilla.sizes["draw"]:
        raise InputError("the tuned and the vanilla model have other numbers of draws of chance")
    subjects, where = tuned["subject"].values.astype(str), locations(tuned)
    targets, means = [], []
    for subject in sorted(set(subjects.tolist()), key=natural):
        columns = np.flatnonzero(subjects == subject)
        pair = [scores.isel(target=columns) for scores in (tuned, vanilla)]
        # The measured difference is the first of the draws.
        r = [np.vstack([scores["r"].values[None], scores["r_drawn"].values]) for scores in pair]
        of_subject = _of_targets(pair[0], r[0] - r[1])
        of_subject["location"] = where[columns] if where is not None else ""
        targets.append(of_subject)
        means.append(_means(of_subject, r[0] - r[1], subject))
    table = pd.concat(targets, ignore_index=True)
    shared = _in_all_subjects(table) if where is not None else NO_LOCATION
    rows = _rows(table, pd.concat(means), shared, level)
    return table[list(TARGET_COLUMNS)], pd.DataFrame(rows)


def _of_targets(scores: xr.Dataset, differences: np.ndarray) -> pd.DataFrame:
    """The rows of one subject's targets; `differences` [1 + draw, target]."""
    table = pd.DataFrame(
        {name: scores[name].values.astype(str) for name in ("target_id", "subject", "region")}
    )
    table["difference"] = differences[0]
    table["p"] = p_values(np.abs(differences))
    table["p_higher"], table["p_lower"] = p_values(differences), p_values(-differences)
    table["q"] = benjamini_hochberg(table["p"].to_numpy())
    return table


def _means(targets: pd.DataFrame, differences: np.ndarray, subject: str) -> pd.DataFrame:
    """Means over a subject's targets under each draw: a row per region and `all`, a column each."""
    defined = ~np.isnan(differences[0])
    regions = targets["region"].to_numpy()
    rows = {}
    for region in (EVERY, *np.unique(regions).tolist()):
        inside = defined & ((regions == region) | (region == EVERY))
        rows[subject, region] = (
            differences[:, inside].mean(axis=1)
            if inside.any()
            else np.full(len(differences), np.nan)
        )
    return pd.DataFrame(rows).T


def locations(scores: xr.Dataset) -> np.ndarray | None:
    """The name [target] of each target's location in all subjects; None where they share none.

    Vertices and voxels of a common space (attribute `space`), or regions where a subject has one
    target in each.
    """
    for names in LOCATIONS:
        if "space" in scores.attrs and all(name in scores.coords for name in names):
            columns = zip(*(scores[name].values.tolist() for name in names), strict=True)
            return np.array([" ".join(map(str, location)) for location in columns])
    both = pd.DataFrame({name: scores[name].values.astype(str) for name in ("subject", "region")})
    return None if both.duplicated().any() else both["region"].to_numpy()


def _in_all_subjects(targets: pd.DataFrame) -> pd.DataFrame:
    """The conjunction over subjects: a row per location that all of them have, q of each side.

    p of a conjunction is the largest of the subjects' (Nichols et al. 2005).
    """
    sides, n_subjects = ["p_higher", "p_lower"], targets["subject"].nunique()
    by_location = targets.dropna(subset=sides).groupby("location")
    every = by_location["subject"].nunique() == n_subjects
    if n_subjects < 2 or not every.any():
        return NO_LOCATION
    p = by_location[sides].max()[every]
    return pd.DataFrame(
        {
            "region": by_location["region"].first()[every],
            "q_higher": benjamini_hochberg(p["p_higher"].to_numpy()),
            "q_lower": benjamini_hochberg(p["p_lower"].to_numpy()),
        }
    )


def _rows(
    targets: pd.DataFrame, means: pd.DataFrame, shared: pd.DataFrame, level: float
) -> Iterator[dict[str, Any]]:
    """A row per subject and region, then those of all subjects together."""
    significant = targets["q"] <= level
    for subject in (*targets["subject"].unique(), EVERY):
        of_subject = (targets["subject"] == subject) | (subject == EVERY)
        for region in (EVERY, *sorted(targets.loc[of_subject, "region"].unique(), key=natural)):
            inside = of_subject & ((targets["region"] == region) | (region == EVERY))
            inside &= targets["difference"].notna()
            n, n_higher, n_lower = (
                int((inside & also).sum())
                for also in (
                    True,
                    significant & (targets["difference"] > 0),
                    significant & (targets["difference"] < 0),
                )
            )
            row = {
                "subject": subject, "region": region, "n_targets": n, "n_higher": n_higher,
                "n_lower": n_lower, "share_higher": n_higher / n if n else np.nan,
                "share_lower": n_lower / n if n else np.nan,
                "n_subjects": targets.loc[inside, "subject"].nunique(),
            }  # fmt: skip
            draws = means.xs(region, level=1).dropna().to_numpy()
            if subject != EVERY:
                draws = means.loc[[(subject, region)]].to_numpy()
            yield row | _over_draws(draws) | _conjunction(shared, subject, region, level)


def _over_draws(means: np.ndarray) -> dict[str, float]:
    """The mean over subjects of differences [subject, 1 + draw], its p, and that of Student's t.

    Both p are two-sided.
    """
    if not len(means):
        return {}
    mean = means.mean(axis=0)
    return {
        "difference": float(mean[0]),
        "p": float(p_values(np.abs(mean))),
        "group_p": float(p_values(np.abs(t_over_subjects(means)))),
    }


def _conjunction(shared: pd.DataFrame, subject: str, region: str, level: float) -> dict[str, Any]:
    """How many locations differ in every subject, of the rows of all subjects."""
    if subject != EVERY:
        return {}
    if shared.empty:
        return {"note": not_computable(ALONE)}
    inside = shared if region == EVERY else shared[shared["region"] == region]
    return {
        "n_shared": len(inside),
        "n_higher_in_all": int((inside["q_higher"] <= level).sum()),
        "n_lower_in_all": int((inside["q_lower"] <= level).sum()),
    }
