"""Maps: scores of targets as images of each subject's brain, volumes or surfaces."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np
import pandas as pd
import xarray as xr
from nibabel.gifti import GiftiDataArray, GiftiImage, GiftiMetaData

from brainalign.errors import InputError
from brainalign.formats.locations import (
    COORDINATES,
    HEMISPHERES,
    ON_SURFACE,
    STRUCTURE,
    STRUCTURES,
    SURFACES,
    require_apart,
    voxels_of,
)
from brainalign.formats.tables import write_json
from brainalign.formats.targets import require_same_targets
from brainalign.natural_order import natural


class Map(NamedTuple):
    """An image of one subject, the quantity that it shows, and the file name's ending.

    hemisphere : of a surface `left` or `right`, of a volume ''.
    """

    subject: str
    quantity: str
    hemisphere: str
    image: nib.Nifti1Image | GiftiImage

    @property
    def file(self) -> str:
        """The name of its file."""
        part = f"_hemi-{self.hemisphere[0].upper()}.func.gii" if self.hemisphere else ".nii.gz"
        return f"{self.subject}_{self.quantity}{part}"


def write_maps(
    scores: xr.Dataset, vanilla: xr.Dataset | None, contrast: pd.DataFrame | None, folder: Path
) -> dict[str, Any]:
    """Write all maps into a folder, and `maps.json`, which is returned.

    It lists `maps` (`file`, `subject`, `quantity`, `hemisphere`) or says why there are `none`, and
    has `layers` (number → name) and the `space` that subjects share ('' where each has another).

    Parameters
    ----------
    scores, vanilla, contrast : as of `maps`.

    Raises
    ------
    InputError : as `maps`.
    """
    none = unlocated(scores)
    written = []
    for made in maps(scores, vanilla, contrast) if not none else ():
        nib.save(made.image, folder / made.file)
        about = {name: getattr(made, name) for name in ("subject", "quantity", "hemisphere")}
        written.append({"file": made.file, **about})
    layers = dict(enumerate(scores["layer_name"].values.tolist()))
    space = scores.attrs.get("space", "")
    record = {"maps": written, "none": none, "layers": layers, "space": space}
    write_json(record, folder / "maps.json")
    return record


def unlocated(scores: xr.Dataset) -> str:
    """Why targets [target] of a file targets.nc can be drawn neither as voxels nor as vertices; ''
    where they can.
    """
    if all(name in scores.coords for name in ON_SURFACE):
        space = scores.attrs.get("space")
        if space in SURFACES:
            return ""
        known = ", ".join(SURFACES)
        return f"targets are vertices of surface {space}, whose size is not known (known: {known})"
    absent = [name for name in COORDINATES if name not in scores.coords]
    if absent:
        return f"targets have no coordinates {', '.join(absent)}: they are regions, or unknown"
    missing = [name for name in ("affine", "grid") if name not in scores.attrs]
    if missing:
        return f"targets have coordinates, but the dataset has no {' and no '.join(missing)}"
    return ""


def maps(
    scores: xr.Dataset,
    vanilla: xr.Dataset | None = None,
    contrast: pd.DataFrame | None = None,
) -> Iterator[Map]:
    """r, q, the preferred layer (as far as there are), r of a tuned model minus its base's, its q.

    Images are float32 [x, y, z] or [vertex], layers int16 or int32. Voxels and vertices that are no
    target, or have no score, are NaN (of layers: -1).

    Parameters
    ----------
    scores, vanilla : the scores of targets (targets.nc; `r`, `q`, `preferred_layer` [target]) of a
        model and of its base, for which `unlocated` is ''.
    contrast : `target_id` and `q` of the difference, a row per target.

    Raises
    ------
    InputError : targets of both differ; a target lies outside its grid or surface, between voxels,
        or where another one lies.
    """
    names = ("r", "q", "preferred_layer")
    quantities = {name: scores[name].values for name in names if name in scores}
    if vanilla is not None:
        require_same_targets(scores, vanilla)
        quantities["tuned_minus_vanilla"] = scores["r"].values - vanilla["r"].values
    if contrast is not None:
        q = contrast.set_index("target_id")["q"].reindex(scores["target_id"].values.astype(str))
        quantities["tuned_minus_vanilla_q"] = q.to_numpy(np.float32)
    draw = _surfaces if all(name in scores.coords for name in ON_SURFACE) else _volumes
    subjects = scores["subject"].values.astype(str)
    for subject in sorted(set(subjects.tolist()), key=natural):
        inside = subjects == subject
        of_subject = {name: values[inside] for name, values in quantities.items()}
        yield from draw(scores.isel(target=inside), of_subject, subject)


def _volumes(scores: xr.Dataset, values: Mapping[str, np.ndarray], subject: str) -> Iterator[Map]:
    affine = np.array(json.loads(scores.attrs["affine"])[subject], float)
    shape = tuple(json.loads(scores.attrs["grid"])[subject])
    coordinates = np.stack([scores[name].values for name in COORDINATES], axis=1)
    voxels = tuple(voxels_of(coordinates, affine, shape, subject, "maps").T)
    for quantity, shown in values.items():
        image = nib.Nifti1Image(_spread(shown, shape, voxels), affine)
        yield Map(subject, quantity, "", image)


def _surfaces(scores: xr.Dataset, values: Mapping[str, np.ndarray], subject: str) -> Iterator[Map]:
    n = SURFACES[scores.attrs["space"]]
    hemisphere, vertex = (scores[name].values for name in ON_SURFACE)
    outside = (vertex < 0) | (vertex >= n)
    if outside.any():
        raise InputError(
            f"maps: vertex {vertex[outside][0]} of subject {subject} is not on "
            f"{scores.attrs['space']}, which has {n} vertices in each hemisphere"
        )
    for side in HEMISPHERES:
        here = hemisphere == side
        require_apart(vertex[here, None], subject, "maps")
        for quantity, shown in values.items():
            # GIFTI has float32, int32 and uint8 alone.
            dtype = np.float32 if shown.dtype.kind == "f" else np.int32
            drawn = _spread(shown[here].astype(dtype), (n,), (vertex[here],))
            array = GiftiDataArray(drawn, intent="NIFTI_INTENT_NONE")
            about = GiftiMetaData({STRUCTURE: STRUCTURES[side]})
            yield Map(subject, quantity, side, GiftiImage(darrays=[array], meta=about))


def _spread(
    values: np.ndarray, shape: tuple[int, ...], where: tuple[np.ndarray, ...]
) -> np.ndarray:
    """An array of `shape` with the values of targets, and nothing elsewhere."""
    result = np.full(shape, np.nan if values.dtype.kind == "f" else -1, dtype=values.dtype)
    result[where] = values
    return result
