"""The simulated head: voxels of a brain on a grid in mm, and the region that follows the state."""

from typing import NamedTuple

import numpy as np

SPACE = "MNI152NLin2009cAsym"
CENTRE, RADII = np.array([0.0, -18.0, 10.0]), np.array([66.0, 86.0, 62.0])  # mm, of an ellipsoid
REGION_CENTRE, REGION_RADIUS = np.array([-50.0, -25.0, 5.0]), 25.0  # mm, of a ball on the left
REGION, ELSEWHERE = "left temporal", "elsewhere"


class Head(NamedTuple):
    """affine : float64 [4, 4], from a voxel's index to mm. grid : voxels along each axis.

    coordinates : mm, float32 [voxel, 3]. planted : which voxels follow the state, bool [voxel].
    """

    affine: np.ndarray
    grid: tuple[int, int, int]
    coordinates: np.ndarray
    planted: np.ndarray


def head(spacing: float) -> Head:
    """The voxels, `spacing` mm apart, whose centres lie in the ellipsoid."""
    steps = np.ceil(RADII / spacing).astype(int)
    x, y, z = (2 * steps + 1).tolist()
    affine = np.diag([spacing, spacing, spacing, 1.0])
    affine[:3, 3] = CENTRE - spacing * steps
    voxels = np.argwhere(np.ones((x, y, z)))
    coordinates = voxels @ affine[:3, :3].T + affine[:3, 3]
    inside = (((coordinates - CENTRE) / RADII) ** 2).sum(axis=1) < 1
    coordinates = coordinates[inside]
    planted = ((coordinates - REGION_CENTRE) ** 2).sum(axis=1) < REGION_RADIUS**2
    return Head(affine, (x, y, z), coordinates.astype(np.float32), planted)
