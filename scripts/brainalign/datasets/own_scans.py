"""Responses as scans: NIfTI files, by the regions or the voxels of an atlas or mask."""

import json
from collections.abc import Mapping, Sequence

import nibabel
import numpy as np
import pandas as pd
import xarray as xr

from brainalign.datasets.images import Grid
from brainalign.datasets.own_csv import Findings
from brainalign.datasets.own_form import TARGETS, made_responses
from brainalign.datasets.own_table import read_table, require
from brainalign.datasets.settings import Own
from brainalign.errors import InputError

FEW = 10  # voxels
NAMED = 5  # small regions
APART = 1e-3  # mm, between the affines of a scan and the atlas
SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}

Scans = Mapping[str, Sequence[tuple[str, bytes]]]  # subject → path and content of each run


def read(
    scans: Scans,
    atlas: tuple[str, bytes],
    names: tuple[str, bytes] | None,
    source: Own,
    findings: Findings,
) -> xr.Dataset:
    """The mean response of each region of each subject: volumes of runs, or a volume per stimulus.

    With `source.voxels` the response of each voxel inside the atlas, and where it lies.

    Parameters
    ----------
    scans : files [x, y, z, volume] on the grid of the atlas, a file per run.
    atlas : whole numbers [x, y, z]; 0 is outside, every other number a region (a mask has one).
    names : table of `label` and `region`; without it regions are called by their numbers.

    Raises
    ------
    InputError : a file is none, is on another grid, or subjects differ in the length of a run.
    """
    labels, affine = _atlas(*atlas, needs_affine=source.voxels)
    numbers = np.unique(labels[labels > 0])
    regions = _regions(numbers, names, findings)
    voxels = np.bincount(labels[labels > 0])[numbers]
    few = [f"{regions[i]} {n}" for i, n in enumerate(voxels.tolist()) if n < FEW]
    if few and not source.voxels:
        more = ", …" if len(few) > NAMED else ""
        findings.notes.append(
            f"{len(few)} of {len(numbers)} regions have fewer than {FEW} voxels: "
            f"{', '.join(few[:NAMED])}{more}"
        )
    parts = _voxels(labels) if source.voxels else labels
    means, lengths = {}, {}
    for subject, files in scans.items():
        runs = [
            _region_means(content, where, parts, affine, source.tr, findings)
            for where, content in files
        ]
        means[subject], lengths[subject] = np.concatenate(runs), [len(run) for run in runs]
    first = next(iter(lengths))
    for subject, length in lengths.items():
        if length != lengths[first]:
            raise InputError(
                f"responses: the runs of {subject} have {length} volumes, those of {first} "
                f"{lengths[first]}; cut them to the same lengths"
            )
    indices = np.argwhere(labels > 0)
    if source.voxels:
        names_of = ["-".join(map(str, index)) for index in indices.tolist()]
        regions = [regions[i] for i in np.searchsorted(numbers, labels[labels > 0]).tolist()]
    else:
        names_of = regions
    targets = pd.DataFrame(
        {
            "target_id": [f"{subject}.{name}" for subject in scans for name in names_of],
            "subject": [subject for subject in scans for _ in regions],
            "region": [region for _ in scans for region in regions],
        }
    )
    run = [str(i) for i, volumes in enumerate(lengths[first], 1) for _ in range(volumes)]
    responses = made_responses(np.hstack(list(means.values())), targets, source, run=run)
    if source.voxels:
        return _with_coordinates(responses, list(scans), indices, labels, affine)
    return responses


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
    kind = nibabel.Nifti2Image if content[:2] in (b"\x1c\x02", b"\0\0") else nibabel.Nifti1Image
    try:
        return kind.from_bytes(content)
    # A damaged file fails in many ways; all mean the same.
    except Exception as error:
        raise InputError(f"{where}: not a whole NIfTI file ({error})") from error


def _values(image: nibabel.Nifti1Image, where: str, volume: int | None = None) -> np.ndarray:
    try:
        part = image.dataobj if volume is None else image.dataobj[..., volume]
        return np.asarray(part, np.float64)
    except Exception as error:
        raise InputError(f"{where}: not a whole NIfTI file ({error})") from error


def _atlas(where: str, content: bytes, *, needs_affine: bool) -> tuple[np.ndarray, np.ndarray]:
    """Labels [x, y, z] and affine; with `needs_affine` the header has to say where voxels lie."""
    image = _image(where, content)
    if needs_affine and not (int(image.header["sform_code"]) or int(image.header["qform_code"])):
        raise InputError(
            f"{where}: no affine (sform_code and qform_code are 0), so voxels cannot be drawn as "
            "maps; leave out voxels, or write the affine of the scans"
        )
    values = np.squeeze(_values(image, where))
    if values.ndim != 3 or not (values == np.round(values)).all() or not (values > 0).any():
        raise InputError(
            f"{where}: shape {values.shape}, expected whole numbers [x, y, z], 0 outside and above "
            "0 in a region"
        )
    return values.astype(np.int64), image.affine


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
    content: bytes,
    where: str,
    labels: np.ndarray,
    affine: np.ndarray,
    tr: float | None,
    findings: Findings,
) -> np.ndarray:
    """Mean over the finite voxels of each region, float64 [volume, region]."""
    image = _image(where, content)
    shape = image.shape
    if len(shape) != 4 or shape[:3] != labels.shape:
        raise InputError(
            f"{where}: shape {shape}, expected [x, y, z, volume] on the grid of the atlas, "
            f"{labels.shape}; resample the atlas to the scans"
        )
    if not np.allclose(image.affine, affine, atol=APART):
        raise InputError(
            f"{where}: lies elsewhere in space than the atlas (their affines differ); resample the "
            "atlas to the scans"
        )
    _check_tr(image, where, tr)
    inside = labels > 0
    numbers, region = np.unique(labels[inside], return_inverse=True)
    means, gaps = np.empty((shape[3], numbers.size)), 0
    for volume in range(shape[3]):
        values = _values(image, where, volume)[inside]
        finite = np.isfinite(values)
        gaps += int((~finite).sum())
        counts = np.bincount(region[finite], minlength=numbers.size)
        sums = np.bincount(region[finite], values[finite], minlength=numbers.size)
        with np.errstate(invalid="ignore"):
            means[volume] = np.where(counts > 0, sums / counts, np.nan)
    if gaps:
        findings.notes.append(
            f"{where}: {gaps} values inside regions are NaN or infinite: left out of means"
        )
    return means


def _check_tr(image: nibabel.Nifti1Image, where: str, tr: float | None) -> None:
    """Where rows are volumes, the header's repetition time is the config's, if it has one."""
    unit = SECONDS.get(image.header.get_xyzt_units()[1])
    stated = float(image.header.get_zooms()[3]) * unit if unit else 0.0
    if tr is not None and stated > 0 and abs(stated - tr) > 0.01 * tr:
        raise InputError(
            f"{where}: its header says {stated:g} s between volumes, source.tr {tr:g} s"
        )
