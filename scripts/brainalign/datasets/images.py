"""Scans as NIfTI volumes and GIFTI surfaces: what lies where, and its values over time."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from brainalign.datasets.image_headers import image_of
from brainalign.datasets.raw import Record
from brainalign.errors import InputError
from brainalign.formats.locations import check_affine

TOGETHER = 16  # volumes that are unpacked at a time


@dataclass(frozen=True)
class Grid:
    """The voxels of an image: their number along each axis, and float64 [4, 4] from index to mm."""

    shape: tuple[int, int, int]
    affine: np.ndarray

    def positions(self, voxels: np.ndarray) -> np.ndarray:
        """mm, float32 [voxel, 3], of indices, int [voxel, 3]."""
        return (voxels @ self.affine[:3, :3].T + self.affine[:3, 3]).astype(np.float32)

    def same(self, other: "Grid") -> bool:
        return self.shape == other.shape and np.allclose(self.affine, other.affine, atol=1e-3)


def grid(record: Record) -> tuple[Grid, int]:
    """The voxels of a NIfTI image and its number of volumes (1 of an image without time).

    Raises
    ------
    InputError : it is no whole NIfTI image, or its affine is missing or cannot be inverted.
    """
    with _readable(record, "NIfTI image"):
        header = image_of(record.path, _load(record).header)
    shape = header.shape
    if len(shape) not in (3, 4):
        raise InputError(f"{record.path}: shape {shape}, expected three axes and time")
    if not header.has_affine:
        raise InputError(
            f"{record.path}: no affine (sform_code and qform_code are 0): voxels have no "
            "coordinates"
        )
    check_affine(header.affine, record.path)
    return Grid((shape[0], shape[1], shape[2]), header.affine), shape[3] if len(shape) == 4 else 1


def scan_grid(record: Record) -> tuple[Grid, int]:
    """The voxels of a scan and its number of volumes.

    Raises
    ------
    InputError : as `grid`, or it has one volume.
    """
    shape, n = grid(record)
    if n < 2:
        raise InputError(f"{record.path}: one volume, expected a scan of several")
    return shape, n


def common_grid(scans: Sequence[Record]) -> tuple[Grid, list[int]]:
    """The voxels that all scans of a subject have, and each one's number of volumes.

    Raises
    ------
    InputError : as `scan_grid`, or a scan has other voxels than the first.
    """
    grids = [scan_grid(scan) for scan in scans]
    first = grids[0][0]
    for scan, (voxels, _) in zip(scans, grids, strict=True):
        if not voxels.same(first):
            raise InputError(
                f"{scan.path}: {voxels.shape} voxels with the affine {voxels.affine.tolist()}, "
                f"other than those of {scans[0].path}; the scans of a subject must have one grid"
            )
    return first, [n for _, n in grids]


def mask(record: Record, of: Grid, what: str) -> np.ndarray:
    """A mask as bool [x, y, z]: the voxels above 0.

    Raises
    ------
    InputError : its voxels are not those of `what`, whose grid is `of`, or none is above 0.
    """
    mask_grid, _ = grid(record)
    if not mask_grid.same(of):
        raise InputError(
            f"{record.path}: {mask_grid.shape} voxels with the affine {mask_grid.affine.tolist()}, "
            f"but {what} has {of.shape} with {of.affine.tolist()}: the mask lies elsewhere"
        )
    with _readable(record, "NIfTI image"):
        inside = np.asarray(_load(record).dataobj).reshape(mask_grid.shape) > 0
    if not inside.any():
        raise InputError(f"{record.path}: no voxel is above 0")
    return inside


def volumes(record: Record, inside: np.ndarray, first: int, last: int) -> np.ndarray:
    """Volumes `first` to `last` - 1 of a scan inside a mask, float32 [volume, voxel].

    Parameters
    ----------
    inside : bool [x, y, z].
    """
    values = np.empty((last - first, int(inside.sum())), np.float32)
    with _readable(record, "NIfTI image"):
        proxy = _load(record).dataobj
        for start in range(first, last, TOGETHER):
            end = min(start + TOGETHER, last)
            values[start - first : end - first] = proxy[..., start:end][inside].T
    return values


def varying(record: Record, n: int) -> np.ndarray:
    """Which voxels of a scan of `n` volumes are finite and not constant, bool [x, y, z].

    Raises
    ------
    InputError : it is no whole NIfTI image, or no voxel varies.
    """
    with _readable(record, "NIfTI image"):
        proxy = _load(record).dataobj
        low = np.array(proxy[..., 0], np.float32)
        high = low.copy()
        for start in range(0, n, TOGETHER):
            part = np.asarray(proxy[..., start : min(start + TOGETHER, n)], np.float32)
            np.fmin(low, part.min(axis=-1), out=low)
            np.fmax(high, part.max(axis=-1), out=high)
    inside = high > low
    if not inside.any():
        raise InputError(f"{record.path}: no voxel varies")
    return inside


def surface(record: Record) -> np.ndarray:
    """A scan of one hemisphere, float32 [volume, vertex].

    Raises
    ------
    InputError : it is no whole GIFTI file, or its volumes have other numbers of vertices.
    """
    with _readable(record, "GIFTI file"):
        arrays = [np.asarray(array.data, np.float32) for array in _load(record).darrays]
    sizes = {array.shape for array in arrays}
    if len(sizes) != 1 or len(next(iter(sizes))) != 1:
        raise InputError(f"{record.path}: arrays of {sorted(sizes)}, expected a row per volume")
    return np.stack(arrays)


def _load(record: Record) -> Any:
    import nibabel

    # A packed file is read forwards from where it stands, not from its start for each part.
    return nibabel.load(record.path, **{"keep_file_open": True} if ".nii" in record.name else {})


@contextmanager
def _readable(record: Record, kind: str) -> Iterator[None]:
    """Turns what is raised on a damaged file, while it is read, into one InputError."""
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{record.path}: raw file {record.name} is no longer there") from error
    # A damaged file makes the layers below fail in many ways; all mean the same.
    except Exception as error:
        said = " ".join(str(error).split())
        raise InputError(f"{record.path}: not a whole {kind} ({said})") from error
