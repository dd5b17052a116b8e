"""Responses as surfaces: GIFTI files of hemispheres, by vertex or by the regions of an atlas."""

from typing import NamedTuple

import nibabel
import numpy as np
import xarray as xr

from brainalign.datasets.image_headers import Surface, check_labels, check_surface, surface_of
from brainalign.datasets.own_csv import without_edges
from brainalign.datasets.own_findings import Findings
from brainalign.datasets.own_form import Unpacked
from brainalign.datasets.own_regions import (
    Part,
    check_names,
    joined_responses,
    labels_of,
    note_small,
    region_means,
    varying_part,
)
from brainalign.datasets.settings import Own
from brainalign.errors import InputError
from brainalign.formats.locations import HEMISPHERES


class _Labels(NamedTuple):
    """An atlas of a hemisphere: its header, labels int64 [vertex], label → name of region."""

    header: Surface
    values: np.ndarray
    regions: dict[int, str]


def read(source: Own, file: Unpacked, findings: Findings) -> xr.Dataset:
    """The mean response of each region of each subject, or with `source.voxels` of each vertex.

    Files hold an array [vertex] per volume, a file per run and hemisphere. The atlas of a
    hemisphere holds whole numbers [vertex]: 0 is outside, every other number a region, named by the
    file's table of labels. Vertices that are constant over all volumes of a subject are no targets
    and count for no region; the card says how many (`dropped`). Without atlas a vertex's region is
    its hemisphere.

    Raises
    ------
    InputError : a file is none, is of another surface or hemisphere, or subjects, or hemispheres of
        one, differ in the length of a run; no vertex of a hemisphere varies.
    """
    atlas = {
        side: _labels(*file(path), side, source)
        for side, path in (source.atlas.items() if isinstance(source.atlas, dict) else ())
    }
    first: dict[str, Surface] = {side: labels.header for side, labels in atlas.items()}
    if not source.voxels:
        for labels in atlas.values():
            note_small(labels.values, labels.regions, "vertices", findings)
    parts: dict[tuple[str, str], Part] = {}
    lengths: dict[str, list[int]] = {}
    for subject, files in source.images.items():
        assert isinstance(files, dict)  # own_keys
        for side in (side for side in HEMISPHERES if side in files):
            runs = [_run(*file(path), side, source, first) for path in files[side]]
            lengths[f"{subject}, {side} hemisphere"] = [len(run) for run in runs]
            labels = atlas.get(side) or _whole(first[side], side)
            what = f"vertices of {subject}, {side} hemisphere"
            given = (labels.values, labels.regions, what, findings)
            part = varying_part(subject, np.concatenate(runs), *given)
            parts[subject, side] = part if source.voxels else region_means(part, *given)
    if not source.voxels:
        names = [region for part in parts.values() for region in part.regions]
        responses = joined_responses(list(parts.values()), names, lengths, source)
        return responses.assign_attrs(space=source.space)
    sides = [side for (_, side), part in parts.items() for _ in part.regions]
    vertices = np.concatenate([part.numbers for part in parts.values()])
    names = [f"{side}-{vertex}" for side, vertex in zip(sides, vertices.tolist(), strict=True)]
    responses = joined_responses(list(parts.values()), names, lengths, source)
    return responses.assign_coords(
        hemisphere=("target", sides), vertex=("target", vertices.astype(np.int32))
    ).assign_attrs(space=source.space)


def _whole(header: Surface, side: str) -> _Labels:
    """A hemisphere as one region."""
    return _Labels(header, np.ones(header.shape, np.int64), {1: f"{side} hemisphere"})


def _run(
    where: str, content: bytes, side: str, source: Own, first: dict[str, Surface]
) -> np.ndarray:
    """The values of a scan of a hemisphere, float32 [volume, vertex].

    first : hemisphere → the header of its first file, which this one becomes where there is none.
    """
    image = _image(where, content)
    sizes = {tuple(array.data.shape) for array in image.darrays}
    if len(sizes) > 1:
        raise InputError(f"{where}: arrays of {sorted(sizes)}, expected [vertex] for each volume")
    header = surface_of(where, image)
    check_surface(header, side, str(source.space), first.setdefault(side, header))
    return np.stack([np.asarray(array.data, np.float32) for array in image.darrays])


def _labels(where: str, content: bytes, side: str, source: Own) -> _Labels:
    """The labels of a hemisphere's vertices, and the names of those above 0 that occur.

    A region of a name may be in both hemispheres: names begin with the hemisphere.
    """
    image = _image(where, content)
    header = surface_of(where, image)
    check_labels(header, side, str(source.space))
    values = labels_of(np.asarray(image.darrays[0].data), where)
    table = image.labeltable.get_labels_as_dict()
    regions = {
        number: f"{side} {without_edges(table.get(number) or '') or number}"
        for number in np.unique(values[values > 0]).tolist()
    }
    check_names(regions, where)
    return _Labels(header, values, regions)


def _image(where: str, content: bytes) -> nibabel.GiftiImage:
    try:
        image = nibabel.GiftiImage.from_bytes(content)
        arrays = [array.data.shape for array in image.darrays]
    # A damaged file fails in many ways; all mean the same.
    except Exception as error:
        said = " ".join(str(error).split())
        raise InputError(f"{where}: not a whole GIFTI file ({said})") from error
    if not arrays:
        raise InputError(f"{where}: not a whole GIFTI file (it has no array)")
    return image
