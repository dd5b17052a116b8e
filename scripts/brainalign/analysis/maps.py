"""Maps: scores of targets as images of each subject's brain."""

import json
from collections.abc import Iterator
from typing import NamedTuple

import nibabel as nib
import numpy as np
import xarray as xr

from brainalign.errors import InputError

PLACES = ("x", "y", "z")
OFF_CENTRE = 0.01  # voxels that a place may lie from the centre of its voxel


class Map(NamedTuple):
    """An image of one subject, and the quantity that it shows."""

    subject: str
    quantity: str
    image: nib.Nifti1Image


def unplaced(scores: xr.Dataset) -> str:
    """Why targets cannot be drawn as voxels; '' where they can."""
    absent = [name for name in PLACES if name not in scores.coords]
    if absent:
        return f"targets have no coordinates {', '.join(absent)}: they are regions, or on a surface"
    missing = [name for name in ("affine", "grid") if name not in scores.attrs]
    if missing:
        return f"targets have coordinates, but the dataset has no {' and no '.join(missing)}"
    return ""


def maps(scores: xr.Dataset, vanilla: xr.Dataset | None = None) -> Iterator[Map]:
    """r, the preferred layer (if folds choose it), and r of a tuned model minus that of its base.

    Voxels that are no target, or have no score, are NaN (of layers: -1).

    Parameters
    ----------
    scores, vanilla : the scores of targets (targets.nc) of a model and of its base, of which
        `unplaced` has nothing to say.

    Raises
    ------
    InputError : targets of both differ; a target lies outside its grid or between voxels.
    """
    quantities = {"r": scores["r"].values}
    if "preferred_layer" in scores:
        quantities["preferred_layer"] = scores["preferred_layer"].values
    if vanilla is not None:
        if scores["target_id"].values.tolist() != vanilla["target_id"].values.tolist():
            raise InputError("maps: the tuned and the vanilla model have scores of other targets")
        quantities["tuned_minus_vanilla"] = scores["r"].values - vanilla["r"].values
    affines, grids = (json.loads(scores.attrs[name]) for name in ("affine", "grid"))
    places = np.stack([scores[name].values for name in PLACES], axis=1)
    subjects = scores["subject"].values.astype(str)
    for subject in np.unique(subjects).tolist():
        own = subjects == subject
        affine, shape = np.array(affines[subject], float), tuple(grids[subject])
        voxels = voxels_of(places[own], affine, shape, subject)
        for quantity, values in quantities.items():
            empty = np.nan if values.dtype.kind == "f" else -1
            volume = np.full(shape, empty, dtype=values.dtype)
            volume[tuple(voxels.T)] = values[own]
            yield Map(subject, quantity, nib.Nifti1Image(volume, affine))


def voxels_of(
    places: np.ndarray, affine: np.ndarray, shape: tuple[int, ...], subject: str
) -> np.ndarray:
    """Indices int64 [target, 3] of the voxels whose centres are `places`, mm [target, 3]."""
    exact = (places - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T
    voxels = np.rint(exact).astype(np.int64)
    between = np.abs(exact - voxels).max(axis=1) > OFF_CENTRE
    outside = ((voxels < 0) | (voxels >= shape)).any(axis=1)
    for wrong, what in ((between, "between voxels"), (outside, f"outside the grid {shape}")):
        if wrong.any():
            place = places[wrong][0].tolist()
            raise InputError(
                f"maps: {wrong.sum()} targets of subject {subject} lie {what}, first at {place} mm"
            )
    return voxels
