"""Where targets lie in a brain: voxels of a grid in mm, or vertices of a surface."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from brainalign.errors import InputError

if TYPE_CHECKING:
    import xarray as xr  # Snakemake's environment may lack it

ON_SURFACE = ("hemisphere", "vertex")
OFF_CENTRE = 0.01  # voxels that a target may lie from the centre of its voxel
COORDINATES = ("x", "y", "z")
HEMISPHERES = ("left", "right")
STRUCTURES = {"left": "CortexLeft", "right": "CortexRight"}  # as GIFTI files name hemispheres
STRUCTURE = "AnatomicalStructurePrimary"  # the metadata that says it
# Surfaces of FreeSurfer's template: vertices of a hemisphere. The first ones of a surface are those
# of the coarser ones (icosahedra, each triangle cut in four).
SURFACES = {
    "fsaverage3": 642, "fsaverage4": 2562, "fsaverage5": 10242, "fsaverage6": 40962,
    "fsaverage7": 163842, "fsaverage": 163842,
}  # fmt: skip


def check_locations(responses: xr.Dataset, where: str) -> None:
    """Raise an InputError unless coordinates of targets [target], if any, are complete: `x`, `y`
    and `z` in mm, centres of voxels of the grid, or `hemisphere` and `vertex` of a surface.
    """
    _check_coordinates(responses, where)
    _check_vertices(responses, where)


def _check_coordinates(responses: xr.Dataset, where: str) -> None:
    """Coordinates in mm come in three, finite, and affines lead from a voxel's index to them."""
    present = [axis for axis in COORDINATES if axis in responses.coords]
    for axis in present:
        if len(present) < len(COORDINATES) or responses[axis].dims != ("target",):
            raise InputError(
                f"{where}: coordinates {', '.join(COORDINATES)} (mm, over target) come together; "
                f"it has {', '.join(present)}"
            )
        if responses[axis].dtype.kind not in "fiu" or not np.isfinite(responses[axis]).all():
            raise InputError(f"{where}: coordinate {axis} holds other than finite numbers (mm)")
    if "affine" not in responses.attrs:
        return
    affines, grids = (_of_subjects(responses, name, where) for name in ("affine", "grid"))
    for subject, affine in affines.items():
        check_affine(affine, f"{where}: subject {subject}")
    for subject, shape in grids.items():
        if shape.shape != (3,) or not (shape >= 1).all():
            raise InputError(f"{where}: subject {subject}: grid {shape.tolist()}, expected 3 sizes")
    if not present:
        return
    coordinates = np.stack([responses[axis].values for axis in COORDINATES], axis=1)
    subjects = responses["subject"].values.astype(str)
    for subject in np.unique(subjects).tolist():
        size = tuple(grids[subject].astype(int).tolist())
        voxels_of(coordinates[subjects == subject], affines[subject], size, subject, where)


def _check_vertices(responses: xr.Dataset, where: str) -> None:
    """Hemispheres and vertices come together, and name a point of a surface that has a name."""
    present = [name for name in ON_SURFACE if name in responses.coords]
    if not present:
        return
    if len(present) < 2 or any(responses[name].dims != ("target",) for name in ON_SURFACE):
        raise InputError(
            f"{where}: coordinates hemisphere and vertex (over target) come together; it has "
            f"{', '.join(present)}"
        )
    hemisphere, vertex = (responses[name].values for name in ON_SURFACE)
    sides = set(hemisphere.astype(str).tolist()) - set(HEMISPHERES)
    if sides:
        raise InputError(f"{where}: hemisphere {min(sides)!r}, expected {' or '.join(HEMISPHERES)}")
    if vertex.dtype.kind not in "iu" or (vertex < 0).any():
        raise InputError(f"{where}: coordinate vertex holds other than numbers of vertices, from 0")
    space = responses.attrs.get("space")
    if not isinstance(space, str):
        raise InputError(
            f"{where}: targets are vertices, but attribute space (fsaverage5, fsaverage6 …) is "
            "missing"
        )
    if (vertex >= SURFACES.get(space, np.inf)).any():
        raise InputError(
            f"{where}: vertex {vertex.max()} is not on {space}, which has {SURFACES[space]} "
            "vertices in each hemisphere"
        )
    subjects = responses["subject"].values.astype(str)
    for subject in np.unique(subjects).tolist():
        for side in HEMISPHERES:
            here = (subjects == subject) & (hemisphere.astype(str) == side)
            require_apart(vertex[here, None], subject, where)


def _of_subjects(responses: xr.Dataset, name: str, where: str) -> dict[str, np.ndarray]:
    """An attribute that is JSON: subject → numbers."""
    try:
        entries = json.loads(responses.attrs[name])
        affines = {subject: np.array(entry, np.float64) for subject, entry in entries.items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{where}: attribute {name} is no JSON of numbers for each subject ({error})"
        ) from error
    absent = [
        one for one in np.unique(responses["subject"].values.astype(str)) if one not in affines
    ]
    if absent:
        raise InputError(f"{where}: attribute {name}: nothing of subject {absent[0]}")
    return affines


def check_affine(affine: np.ndarray, where: str) -> None:
    """Raise an InputError unless an affine is finite float [4, 4] and can be inverted."""
    complete = affine.shape == (4, 4) and np.isfinite(affine).all()
    if not complete or np.linalg.matrix_rank(affine[:3, :3]) < 3:
        raise InputError(
            f"{where}: the affine {affine.tolist()} cannot be inverted: voxels have no coordinates"
        )


def voxels_of(
    coordinates: np.ndarray, affine: np.ndarray, shape: tuple[int, ...], subject: str, where: str
) -> np.ndarray:
    """Indices int64 [target, 3] of the voxels whose centres are `coordinates`, mm [target, 3].

    Raises
    ------
    InputError : a target lies between voxels or outside the grid; two lie in one voxel.
    """
    exact = (coordinates - affine[:3, 3]) @ np.linalg.inv(affine[:3, :3]).T
    voxels = np.rint(exact).astype(np.int64)
    between = np.abs(exact - voxels).max(axis=1) > OFF_CENTRE
    outside = ((voxels < 0) | (voxels >= shape)).any(axis=1)
    for wrong, what in ((between, "between voxels"), (outside, f"outside the grid {shape}")):
        if wrong.any():
            first = coordinates[wrong][0].tolist()
            raise InputError(
                f"{where}: {wrong.sum()} targets of subject {subject} lie {what}, first at "
                f"{first} mm"
            )
    require_apart(voxels, subject, where)
    return voxels


def require_apart(indices: np.ndarray, subject: str, where: str) -> None:
    """Raise an InputError where two targets have one index, [target, axis]."""
    names, counts = np.unique(indices, axis=0, return_counts=True)
    if (counts > 1).any():
        twice = names[counts > 1][0].tolist()
        raise InputError(
            f"{where}: {counts.max()} targets of subject {subject} lie at one index, {twice}"
        )
