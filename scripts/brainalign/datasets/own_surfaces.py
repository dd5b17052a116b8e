"""Responses as surfaces: GIFTI files of hemispheres, by vertex or by the regions of an atlas."""

from typing import NamedTuple

import nibabel
import numpy as np
import pandas as pd
import xarray as xr

from brainalign.datasets.own_csv import Findings, without_edges
from brainalign.datasets.own_form import Unpacked, made_responses, run_names
from brainalign.datasets.own_headers import (
    Surface,
    check_labels,
    check_lengths,
    check_surface,
    surface_of,
)
from brainalign.datasets.own_scans import (
    labels_of,
    means_of_regions,
    note_gaps,
    note_small,
)
from brainalign.datasets.settings import Own
from brainalign.errors import InputError
from brainalign.formats.locations import HEMISPHERES

WITHOUT_SIGNAL = "the same in all volumes of all runs, or never finite (medial wall)"


class _Labels(NamedTuple):
    """An atlas of a hemisphere: its header, labels int64 [vertex], label → name of region."""

    header: Surface
    values: np.ndarray
    names: dict[int, str]


class _Part(NamedTuple):
    """Responses of a hemisphere of a subject: float32 or float64 [volume, target].

    names, regions : of each target. vertices : int32 of each target; None: targets are regions.
    """

    values: np.ndarray
    names: list[str]
    regions: list[str]
    vertices: np.ndarray | None


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
    parts: dict[tuple[str, str], _Part] = {}
    lengths: dict[str, list[int]] = {}
    for subject, files in source.images.items():
        assert isinstance(files, dict)  # own_keys
        for side in (side for side in HEMISPHERES if side in files):
            runs = [_run(*file(path), side, source, first) for path in files[side]]
            lengths[f"{subject}, {side} hemisphere"] = [len(run) for run in runs]
            values = np.concatenate(runs)
            parts[subject, side] = _part(values, subject, side, atlas.get(side), source, findings)
    check_lengths(lengths)
    for labels in atlas.values():
        if not source.voxels:
            sizes = np.bincount(labels.values[labels.values > 0])
            named = {name: int(sizes[n]) for n, name in labels.names.items()}
            note_small(named, "vertices", findings)
    targets = pd.DataFrame(
        {
            "target_id": [
                f"{who}.{name}" for (who, _), part in parts.items() for name in part.names
            ],
            "subject": [who for (who, _), part in parts.items() for _ in part.names],
            "region": [region for part in parts.values() for region in part.regions],
        }
    )
    responses = made_responses(
        np.hstack([part.values for part in parts.values()]),
        targets,
        source,
        run=run_names(next(iter(lengths.values()))),
    ).assign_attrs(space=source.space)
    if not source.voxels:
        return responses
    sides = [side for (_, side), part in parts.items() for _ in part.names]
    vertices = [part.vertices for part in parts.values() if part.vertices is not None]
    return responses.assign_coords(
        hemisphere=("target", sides), vertex=("target", np.concatenate(vertices))
    )


def _part(
    values: np.ndarray,
    subject: str,
    side: str,
    labels: _Labels | None,
    source: Own,
    findings: Findings,
) -> _Part:
    """The targets of a hemisphere, of values float32 [volume, vertex].

    Values that are not finite become NaN, and are noted.
    """
    whose = f"{subject}, {side} hemisphere"
    endless = ~np.isfinite(values)
    values[endless] = np.nan
    varies = np.fmax.reduce(values) > np.fmin.reduce(values)
    inside = np.ones_like(varies) if labels is None else labels.values > 0
    kept = np.flatnonzero(varies & inside)
    if not kept.size:
        raise InputError(f"responses: {whose}: no vertex inside the atlas varies")
    if left := int((inside & ~varies).sum()):
        entry = {"what": f"vertices of {whose}", "n": left, "why": WITHOUT_SIGNAL}
        findings.dropped.append(entry)
    note_gaps(int(endless[:, kept].sum()), whose, findings)
    if source.voxels:
        regions = [f"{side} hemisphere"] * kept.size
        if labels is not None:
            regions = [labels.names[n] for n in labels.values[kept].tolist()]
        names = [f"{side}-{vertex}" for vertex in kept.tolist()]
        return _Part(values[:, kept], names, regions, kept.astype(np.int32))
    assert labels is not None  # own_keys: an atlas where targets are regions
    numbers, region = np.unique(labels.values[kept], return_inverse=True)
    names = [labels.names[n] for n in numbers.tolist()]
    if absent := [name for n, name in labels.names.items() if n not in numbers]:
        why = f"{WITHOUT_SIGNAL}: {', '.join(absent)}"
        findings.dropped.append({"what": f"regions of {whose}", "n": len(absent), "why": why})
    means = [means_of_regions(volume, region, numbers.size) for volume in values[:, kept]]
    return _Part(np.stack(means), names, names, None)


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
    names = {
        number: f"{side} {without_edges(table.get(number) or '') or number}"
        for number in np.unique(values[values > 0]).tolist()
    }
    said = list(names.values())
    twice = next((name for name in said if said.count(name) > 1), None)
    if twice:
        raise InputError(f"{where}: region {twice} has two labels")
    return _Labels(header, values, names)


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
