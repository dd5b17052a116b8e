"""Responses as scans: NIfTI files, by the regions or the voxels of an atlas or mask."""

import json
from collections.abc import Sequence

import nibabel
import numpy as np
import xarray as xr

from brainalign.datasets.image_headers import (
    Image,
    check_atlas,
    check_scan,
    image_of,
    nifti_class,
)
from brainalign.datasets.images import Grid
from brainalign.datasets.own_findings import Findings
from brainalign.datasets.own_form import TARGETS, Unpacked
from brainalign.datasets.own_regions import (
    check_names,
    joined_responses,
    labels_of,
    note_small,
    region_means,
    varying_part,
)
from brainalign.datasets.own_table import read_table, require
from brainalign.datasets.settings import Own
from brainalign.errors import InputError


def read(source: Own, file: Unpacked, findings: Findings) -> xr.Dataset:
    """The mean response of each region of each subject, or with `source.voxels` of each voxel.

    Scans are [x, y, z, volume] on the grid of the atlas, a file per run; a volume is a stimulus or,
    with `tr`, a time. The atlas holds whole numbers [x, y, z]: 0 is outside, every other number a
    region (a mask has one). `source.targets` is a table of `label` and `region`; without it regions
    are called by their numbers. Voxels that are constant over all volumes of a subject are no
    targets and count for no region; the card says how many (`dropped`). Values are read as float32.

    Raises
    ------
    InputError : a file is none, is on another grid, or subjects differ in the length of a run; no
        voxel of a subject varies.
    """
    volume, atlas = _atlas(*file(str(source.atlas)), needs_affine=source.voxels)
    inside = volume > 0
    labels, indices = volume[inside], np.argwhere(inside)
    named = None if source.targets is None else file(source.targets)
    regions = _regions(np.unique(labels).tolist(), named, findings)
    if not source.voxels:
        note_small(labels, regions, "voxels", findings)
    parts, lengths = [], {}
    for subject, paths in source.images.items():
        runs = [_run(*file(path), inside, atlas, source.tr) for path in paths]
        lengths[subject] = [len(run) for run in runs]
        what = f"voxels of {subject}"
        part = varying_part(subject, np.concatenate(runs), labels, regions, what, findings)
        if not source.voxels:
            part = region_means(part, labels, regions, what, findings)
        parts.append(part)
    if not source.voxels:
        names = [region for part in parts for region in part.regions]
        return joined_responses(parts, names, lengths, source)
    voxels = indices[np.concatenate([part.numbers for part in parts])]
    names = ["-".join(map(str, index)) for index in voxels.tolist()]
    responses = joined_responses(parts, names, lengths, source)
    grid = Grid((inside.shape[0], inside.shape[1], inside.shape[2]), atlas.affine)
    return _with_coordinates(responses, list(source.images), voxels, grid)


def _with_coordinates(
    responses: xr.Dataset, subjects: Sequence[str], voxels: np.ndarray, grid: Grid
) -> xr.Dataset:
    """Responses of voxels, int [target, 3] in a grid, with coordinates in mm."""
    axes = zip(("x", "y", "z"), grid.positions(voxels).T, strict=True)
    return responses.assign_coords(
        {axis: ("target", values) for axis, values in axes}
    ).assign_attrs(
        affine=json.dumps({subject: grid.affine.tolist() for subject in subjects}),
        grid=json.dumps({subject: grid.shape for subject in subjects}),
        space="the grid of the atlas",
    )


def _image(where: str, content: bytes) -> nibabel.Nifti1Image:
    try:
        return nifti_class(content).from_bytes(content)
    # A damaged file fails in many ways; all mean the same.
    except Exception as error:
        raise InputError(f"{where}: not a whole NIfTI file ({error})") from error


def _atlas(where: str, content: bytes, *, needs_affine: bool) -> tuple[np.ndarray, Image]:
    """Labels int64 [x, y, z], and the header; with `needs_affine` it says where voxels lie."""
    image = _image(where, content)
    header = image_of(where, image.header)
    check_atlas(header, needs_affine=needs_affine)
    try:
        values = np.asarray(image.dataobj, np.float64).reshape(header.shape[:3])
    except Exception as error:
        raise InputError(f"{where}: not a whole NIfTI file ({error})") from error
    return labels_of(values, where), header


def _regions(
    numbers: Sequence[int], named: tuple[str, bytes] | None, findings: Findings
) -> dict[int, str]:
    """The name of each label of the atlas."""
    if named is None:
        return {number: str(number) for number in numbers}
    where, content = named
    table, rows = read_table(content, where, TARGETS, findings)
    require(table, ["label", "region"], where)
    again = np.flatnonzero(table["label"].duplicated())
    if again.size:
        label = table["label"].iloc[again[0]]
        raise InputError(f"{where}: row {rows[again[0]]}: label {label} appears a second time")
    known = dict(zip(table["label"].tolist(), table["region"], strict=True))
    absent = [number for number in numbers if not isinstance(known.get(number), str)]
    if absent:
        raise InputError(f"{where}: no row with a region of label {absent[0]}, which the atlas has")
    regions = {number: known[number] for number in numbers}
    check_names(regions, where)
    return regions


def _run(
    where: str, content: bytes, inside: np.ndarray, atlas: Image, tr: float | None
) -> np.ndarray:
    """The values of a scan inside an atlas, float32 [volume, voxel].

    inside : bool [x, y, z].
    """
    image = _image(where, content)
    scan = image_of(where, image.header)
    check_scan(scan, atlas, tr)
    values = np.empty((scan.shape[3], np.count_nonzero(inside)), np.float32)
    try:
        for volume in range(len(values)):
            values[volume] = image.dataobj[..., volume][inside]
    except Exception as error:
        raise InputError(f"{where}: not a whole NIfTI file ({error})") from error
    return values
