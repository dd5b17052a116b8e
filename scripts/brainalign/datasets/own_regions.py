"""Regions of the user's scans and surfaces: which voxels or vertices count, and their means."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import xarray as xr

from brainalign.datasets.image_headers import check_lengths
from brainalign.datasets.own_findings import Findings
from brainalign.datasets.own_form import made_responses, run_names
from brainalign.datasets.settings import Own
from brainalign.errors import InputError

FEW = 10  # voxels or vertices
NAMED = 5  # small regions
CONSTANT = "the same in all volumes of all runs, or never finite (outside the brain, medial wall)"


class Part(NamedTuple):
    """Responses of a subject, or of a hemisphere of one: float32 or float64 [volume, target].

    regions : of each target. numbers : int64 of each target: the position of a voxel or vertex, the
    label of a region.
    """

    subject: str
    values: np.ndarray
    regions: list[str]
    numbers: np.ndarray


def varying_part(
    subject: str,
    values: np.ndarray,
    labels: np.ndarray,
    regions: Mapping[int, str],
    what: str,
    findings: Findings,
) -> Part:
    """The voxels or vertices inside regions that vary over the volumes of a subject.

    The others are no targets and count for no region; `findings.dropped` has their number. Values
    that are not finite become NaN, in `values` too, and are noted.

    Parameters
    ----------
    values : float32 [volume, voxel or vertex], of all runs.
    labels : int64 [voxel or vertex], 0 outside. regions : label → name.
    what : whose voxels or vertices these are, in words: `voxels of anna`.

    Raises
    ------
    InputError : none inside varies.
    """
    endless = ~np.isfinite(values)
    values[endless] = np.nan
    varies = np.fmax.reduce(values) > np.fmin.reduce(values)
    inside = labels > 0
    kept = np.flatnonzero(varies & inside)
    if not kept.size:
        raise InputError(
            f"responses: none of {inside.sum()} {what} varies; expected values that differ between "
            "volumes inside the atlas"
        )
    if left := int(inside.sum()) - kept.size:
        findings.dropped.append({"what": what, "n": left, "why": CONSTANT})
    if gaps := int(endless[:, kept].sum()):
        findings.notes.append(
            f"{what}: {gaps} values inside regions are NaN or infinite: they count as missing"
        )
    return Part(subject, values[:, kept], [regions[n] for n in labels[kept].tolist()], kept)


def region_means(
    part: Part, labels: np.ndarray, regions: Mapping[int, str], what: str, findings: Findings
) -> Part:
    """The means of the regions of a part over its voxels or vertices, float64 [volume, region].

    A mean is over finite values, and NaN in volumes without any. `findings.dropped` names the
    regions of which no voxel or vertex is left.

    Parameters
    ----------
    part, labels, regions, what : as `varying_part` returns and takes them.
    """
    numbers, region = np.unique(labels[part.numbers], return_inverse=True)
    if absent := [name for n, name in regions.items() if n not in numbers]:
        why = f"{CONSTANT}: {', '.join(absent)}"
        findings.dropped.append({"what": f"regions without {what}", "n": len(absent), "why": why})
    means = np.stack([_means(volume, region, numbers.size) for volume in part.values])
    return Part(part.subject, means, [regions[n] for n in numbers.tolist()], numbers)


def _means(values: np.ndarray, region: np.ndarray, n: int) -> np.ndarray:
    """Means [region] over the finite of `values`, [voxel or vertex]; NaN where there is none.

    region : of each voxel or vertex, from 0. n : the number of regions.
    """
    finite = np.isfinite(values)
    counts = np.bincount(region[finite], minlength=n)
    sums = np.bincount(region[finite], values[finite], minlength=n)
    with np.errstate(invalid="ignore"):
        return np.where(counts > 0, sums / counts, np.nan)


def joined_responses(
    parts: Sequence[Part],
    names: Sequence[str],
    lengths: Mapping[str, Sequence[int]],
    source: Own,
) -> xr.Dataset:
    """The responses of all parts beside each other.

    Parameters
    ----------
    names : of each target; its id is `SUBJECT.NAME`. lengths : whose → volumes of each run.

    Raises
    ------
    InputError : runs differ in length.
    """
    check_lengths(lengths)
    subjects = [part.subject for part in parts for _ in part.regions]
    targets = pd.DataFrame(
        {
            "target_id": [f"{who}.{name}" for who, name in zip(subjects, names, strict=True)],
            "subject": subjects,
            "region": [region for part in parts for region in part.regions],
        }
    )
    values = np.hstack([part.values for part in parts])
    return made_responses(values, targets, source, run=run_names(next(iter(lengths.values()))))


def note_small(
    labels: np.ndarray, regions: Mapping[int, str], what: str, findings: Findings
) -> None:
    """Note the regions, label → name, that have few voxels or vertices (`what`) in an atlas."""
    sizes = np.bincount(labels[labels > 0])
    few = [f"{name} {sizes[n]}" for n, name in regions.items() if sizes[n] < FEW]
    if few:
        more = ", …" if len(few) > NAMED else ""
        findings.notes.append(
            f"{len(few)} of {len(regions)} regions have fewer than {FEW} {what}: "
            f"{', '.join(few[:NAMED])}{more}"
        )


def labels_of(values: np.ndarray, where: str) -> np.ndarray:
    """The labels of an atlas, int64 [...], from `values` [...].

    Raises
    ------
    InputError : a value is no integer, or none is above 0.
    """
    if not (values == np.round(values)).all() or not (values > 0).any():
        raise InputError(f"{where}: expected whole numbers, 0 outside and above 0 in a region")
    return values.astype(np.int64)


def check_names(regions: Mapping[int, str], where: str) -> None:
    """Raise an InputError where two labels have one name."""
    names = list(regions.values())
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InputError(f"{where}: region {twice} has two labels")
