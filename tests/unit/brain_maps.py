"""Scores of targets with coordinates in a brain: a ball of voxels is predicted."""

import json

import numpy as np
import xarray as xr

# 10 mm voxels of a head; the voxels that are predicted lie around a centre in the left hemisphere.
AFFINE = np.array([[10.0, 0, 0, -70], [0, 10, 0, -105], [0, 0, 10, -55], [0, 0, 0, 1]])
GRID = (15, 18, 14)
CENTRE, RADIUS = np.array([-50.0, -25, 5]), 25.0
LAYERS = [f"layer.{i}" for i in range(5)]


def sphere(subjects=("s1", "s2"), space="MNI152NLin2009cAsym"):
    """r .4 inside the ball, noise outside; layer 3 inside, layer 0 outside."""
    voxels = np.argwhere(np.ones(GRID))
    positions = voxels @ AFFINE[:3, :3].T + AFFINE[:3, 3]
    head = (((positions - [0, -18, 10]) / [66, 86, 62]) ** 2).sum(axis=1) < 1
    positions = positions[head]
    inside = ((positions - CENTRE) ** 2).sum(axis=1) < RADIUS**2
    n = len(positions)
    r = np.random.default_rng(0).normal(0, 0.03, (len(subjects), n)) + 0.4 * inside
    coordinates = {
        axis: ("target", np.tile(positions[:, i], len(subjects))) for i, axis in enumerate("xyz")
    }
    attributes = {
        "affine": json.dumps(dict.fromkeys(subjects, AFFINE.tolist())),
        "grid": json.dumps(dict.fromkeys(subjects, GRID)),
    }
    return xr.Dataset(
        {
            "r": ("target", r.ravel().astype(np.float32)),
            "q": ("target", np.tile(np.where(inside, 0.01, 0.7), len(subjects))),
            "preferred_layer": ("target", np.tile(3 * inside, len(subjects)).astype(np.int16)),
        },
        coords={
            **coordinates,
            "target_id": ("target", np.arange(n * len(subjects)).astype(str)),
            "subject": ("target", np.repeat(subjects, n)),
            "layer_name": ("layer", LAYERS),
        },
        attrs=attributes | ({"space": space} if space else {}),
    )
