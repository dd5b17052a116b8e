"""Responses as scans: NIfTI files, by the regions or the voxels of an atlas or mask."""

import json
from collections.abc import Mapping, Sequence

import nibabel
import numpy as np
import pandas as pd
import xarray as xr

from brainalign.datasets.images import Grid
from brainalign.datasets.own_csv import Findings
from brainalign.datasets.own_form import TARGETS, Unpacked, made_responses, run_names
from brainalign.datasets.own_headers import (
    Image,
    check_atlas,
    check_lengths,
    check_scan,
    image_of,
    nifti_class,
)
from brainalign.datasets.own_table import read_table, require
from brainalign.datasets.settings import Own
from brainalign.errors import InputError

FEW = 10  # voxels or vertices
NAMED = 5  # small regions


def read(source: Own, file: Unpacked, findings: Findings) -> xr.Dataset:
    """The mean response of each region of each subject: volumes of runs, or a volume per stimulus.

    With `source.voxels` the response of each voxel inside the atlas, and where it lies. Scans are
    [x, y, z, volume] on the grid of the atlas, a file per run. The atlas holds whole numbers [x, y,
    z]: 0 is outside, every other number a region (a mask has one). `source.targets` is a table of
    `label` and `region`; without it regions are called by their numbers.

    Raises
    ------
    InputError : a file is none, is on another grid, or subjects differ in the length of a run.
    """
    labels, atlas = _atlas(*file(str(source.atlas)), needs_affine=source.voxels)
    names = None if source.targets is None else file(source.targets)
    numbers = np.unique(labels[labels > 0])
    regions = _regions(numbers, names, findings)
    if not source.voxels:
        counts = np.bincount(labels[labels > 0])[numbers]
        note_small(dict(zip(regions, counts.tolist(), strict=True)), "voxels", findings)
    parts = _voxels(labels) if source.voxels else labels
    means, lengths = {}, {}
    for subject, paths in source.images.items():
        runs = [_region_means(*file(path), parts, atlas, source.tr, findings) for path in paths]
        means[subject], lengths[subject] = np.concatenate(runs), [len(run) for run in runs]
    check_lengths(lengths)
    indices = np.argwhere(labels > 0)
    if source.voxels:
        names_of = ["-".join(map(str, index)) for index in indices.tolist()]
        regions = [regions[i] for i in np.searchsorted(numbers, labels[labels > 0]).tolist()]
    else:
        names_of = regions
    targets = pd.DataFrame(
        {
            "target_id": [f"{subject}.{name}" for subject in means for name in names_of],
            "subject": [subject for subject in means for _ in regions],
            "region": [region for _ in means for region in regions],
        }
    )
    run = run_names(next(iter(lengths.values())))
    responses = made_responses(np.hstack(list(means.values())), targets, source, run=run)
    if not source.voxels:
        return responses
    return _with_coordinates(responses, list(means), indices, labels, atlas.affine)


def note_small(sizes: Mapping[str, int], what: str, findings: Findings) -> None:
    """Note the regions that have few voxels or vertices (`what`)."""
    few = [f"{region} {n}" for region, n in sizes.items() if n < FEW]
    if few:
        more = ", …" if len(few) > NAMED else ""
        findings.notes.append(
            f"{len(few)} of {len(sizes)} regions have fewer than {FEW} {what}: "
            f"{', '.join(few[:NAMED])}{more}"
        )


def means_of_regions(values: np.ndarray, region: np.ndarray, n: int) -> np.ndarray:
    """Means [region] over the finite of `values`, [voxel or vertex]; NaN where there is none.

    Parameters
    ----------
    region : of each voxel or vertex, from 0. n : the number of regions.
    """
    finite = np.isfinite(values)
    counts = np.bincount(region[finite], minlength=n)
    sums = np.bincount(region[finite], values[finite], minlength=n)
    with np.errstate(invalid="ignore"):
        return np.where(counts > 0, sums / counts, np.nan)


def note_gaps(n: int, where: str, findings: Findings) -> None:
    """Note how many values inside regions are no numbers."""
    if n:
        findings.notes.append(
            f"{where}: {n} values inside regions are NaN or infinite: they count as missing"
        )


def _voxels(labels: np.ndarray) -> np.ndarray:
    """An atlas that numbers its voxels one by one, in the order of `argwhere`."""
    numbered = np.zeros_like(labels)
    inside = labels > 0
    numbered[inside] = np.arange(1, inside.sum() + 1)
    return numbered


def _with_coordinates(
    responses: xr.Dataset,
    subjects: Sequence[str],
    indices: np.ndarray,
    labels: np.ndarray,
    affine: np.ndarray,
) -> xr.Dataset:
    """Responses of voxels [index of an axis] of every subject with coordinates in mm."""
    grid = Grid((labels.shape[0], labels.shape[1], labels.shape[2]), affine)
    positions = np.tile(grid.positions(indices), (len(subjects), 1))
    axes = zip(("x", "y", "z"), positions.T, strict=True)
    return responses.assign_coords(
        {axis: ("target", values) for axis, values in axes}
    ).assign_attrs(
        affine=json.dumps({subject: affine.tolist() for subject in subjects}),
        grid=json.dumps({subject: labels.shape for subject in subjects}),
        space="the grid of the atlas",
    )


def _image(where: str, content: bytes) -> nibabel.Nifti1Image:
    try:
        return nifti_class(content).from_bytes(content)
    # A damaged file fails in many ways; all mean the same.
    except Exception as error:
        raise InputError(f"{where}: not a whole NIfTI file ({error})") from error


def _values(image: nibabel.Nifti1Image, where: str, volume: int | None = None) -> np.ndarray:
    try:
        part = image.dataobj if volume is None else image.dataobj[..., volume]
        return np.asarray(part, np.float64)
    except Exception as error:
        raise InputError(f"{where}: not a whole NIfTI file ({error})") from error


def _atlas(where: str, content: bytes, *, needs_affine: bool) -> tuple[np.ndarray, Image]:
    """Labels [x, y, z], and the header; with `needs_affine` it says where its voxels lie."""
    image = _image(where, content)
    header = image_of(where, image.header)
    check_atlas(header, needs_affine=needs_affine)
    values = _values(image, where).reshape(header.shape[:3])
    return labels_of(values, where), header


def labels_of(values: np.ndarray, where: str) -> np.ndarray:
    """The labels of an atlas, int64 [...], from `values` [...].

    Raises
    ------
    InputError : a value is no integer, or none is above 0.
    """
    if not (values == np.round(values)).all() or not (values > 0).any():
        raise InputError(f"{where}: expected whole numbers, 0 outside and above 0 in a region")
    return values.astype(np.int64)


def _regions(numbers: np.ndarray, names: tuple[str, bytes] | None, findings: Findings) -> list[str]:
    if names is None:
        return [str(number) for number in numbers.tolist()]
    where, content = names
    table, _ = read_table(content, where, TARGETS, findings)
    require(table, ["label", "region"], where)
    known = dict(zip(table["label"].tolist(), table["region"], strict=True))
    absent = [number for number in numbers.tolist() if not isinstance(known.get(number), str)]
    if absent:
        raise InputError(f"{where}: no row with a region of label {absent[0]}, which the atlas has")
    regions = [known[number] for number in numbers.tolist()]
    twice = next((name for name in regions if regions.count(name) > 1), None)
    if twice:
        raise InputError(f"{where}: region {twice} has two labels")
    return regions


def _region_means(
    where: str,
    content: bytes,
    labels: np.ndarray,
    atlas: Image,
    tr: float | None,
    findings: Findings,
) -> np.ndarray:
    """Mean over the finite voxels of each region, float64 [volume, region]."""
    image = _image(where, content)
    scan = image_of(where, image.header)
    check_scan(scan, atlas, tr)
    inside = labels > 0
    numbers, region = np.unique(labels[inside], return_inverse=True)
    means, gaps = np.empty((scan.shape[3], numbers.size)), 0
    for volume in range(len(means)):
        values = _values(image, where, volume)[inside]
        gaps += int((~np.isfinite(values)).sum())
        means[volume] = means_of_regions(values, region, numbers.size)
    note_gaps(gaps, where, findings)
    return means
