"""Maps of a model's scores: glass brains of voxels, inflated surfaces of vertices, by nilearn."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from nibabel.gifti import GiftiImage

from brainalign.errors import InputError
from brainalign.figures.style import MUTED, PAGE, heading, nothing, sheet
from brainalign.formats.locations import HEMISPHERES, SURFACES

MESH = "fsaverage5"  # the surface whose mesh comes with nilearn
TITLES = {
    "r": "r",
    "preferred_layer": "preferred layer",
    "tuned_minus_vanilla": "r, tuned − vanilla",
}
TESTED = {"r": "r and layer", "tuned_minus_vanilla": "differences"}
COLOURS = {"r": "viridis", "preferred_layer": "cividis", "tuned_minus_vanilla": "RdBu_r"}
MOST_SUBJECTS = 8  # that are drawn one by one
CELL, HEAD, FOOT = 1.75, 0.55, 0.55  # inches
GLASS_VIEWS = ("l", "r", "y", "z")
SURFACE_VIEWS = (
    ("left", "lateral"), ("right", "lateral"), ("left", "medial"), ("right", "medial"),
)  # fmt: skip


class Volume(NamedTuple):
    """Values [x, y, z], NaN where there is none, and the affine from a voxel's index to mm."""

    values: np.ndarray
    affine: np.ndarray


class Surface(NamedTuple):
    """Values [vertex] of both hemispheres, NaN where there is none."""

    left: np.ndarray
    right: np.ndarray


Brain = Volume | Surface
Brains = Mapping[str, Mapping[str, Brain]]  # quantity → subject → its map


def maps(
    brains: Brains,
    layers: Sequence[str],
    *,
    model: str,
    benchmark: str,
    space: str,
    none: str,
    level: float | None,
    simulated: bool,
) -> Figure:
    """Draw r, the preferred layer and tuned minus vanilla, each in a column.

    In a space that subjects share the mean over them is drawn (of layers the median), else each.

    Parameters
    ----------
    brains : the maps of a model and benchmark (`maps/{model}/{benchmark}/`).
    layers : names, in the model's order.
    space : that all subjects share; '' where each has its own.
    none : why there are no maps; '' where there are.
    level : of false discoveries, above which a target's r, layer and difference are left out (of a
        mean: above which they are in every subject); None: there is none, and r and layer of
        targets with r ≤ 0 are left out.

    Raises
    ------
    InputError : nilearn is missing.
    """
    names = [name for name in TITLES if name in brains]
    if len(layers) < 2:
        names = [name for name in names if name != "preferred_layer"]
    none = none or _not_drawn(brains, space)
    if none:
        figure = sheet(PAGE, 1.0, simulated)
        heading(figure, _heading(model, benchmark))
        nothing(figure, none)
        return figure
    nilearn = _nilearn()
    rows = _rows(brains, names, space, level)
    height = HEAD + CELL * len(rows) + FOOT
    figure = sheet(PAGE, height, simulated)
    figure.set_layout_engine(None)  # nilearn sets the positions of its axes
    heading(figure, _heading(model, benchmark))
    figure.text(0.008, 1 - 0.36 / height, _statement(brains, rows, space, level), color=MUTED)
    width = 1 / len(names)
    for column, name in enumerate(names):
        scale = _scale(name, [of_row[name] for of_row in rows.values()], layers)
        for row, of_row in enumerate(rows.values()):
            bottom = (FOOT + CELL * (len(rows) - 1 - row)) / height
            box = (column * width, bottom, width, 0.94 * CELL / height)
            _draw(nilearn, figure, box, of_row[name], COLOURS[name], scale)
        if any(_has_values(of_row[name]) for of_row in rows.values()):
            _key(figure, column * width, width, height, name, scale, layers)
        else:
            words = f"{TITLES[name]}: no target is left"
            figure.text((column + 0.5) * width, 0.5 * FOOT / height, words, ha="center")
    for row, label in enumerate(rows):
        top = (FOOT + CELL * (len(rows) - row) + 0.02) / height
        figure.text(0.008, top, label, va="top", fontweight="bold")
    return figure


def _heading(model: str, benchmark: str) -> str:
    return f"Maps: {model}, {benchmark}"


def _nilearn() -> ModuleType:
    """nilearn with its plots; no other job imports it."""
    try:
        import nilearn.datasets
        import nilearn.plotting
    except ImportError as error:
        raise InputError(
            f"figures of maps need the package nilearn ({error}): install it (requirements.txt has "
            "the version), or leave out `targets` of the benchmark"
        ) from error
    return nilearn


def _not_drawn(brains: Brains, space: str) -> str:
    """Why maps are not drawn, though there are files; '' where they are."""
    first = next((brain for subjects in brains.values() for brain in subjects.values()), None)
    if isinstance(first, Surface) and SURFACES[space] < SURFACES[MESH]:
        return f"surface {space} is coarser than {MESH}, whose mesh is at hand; see the GIFTI files"
    return ""


def _rows(
    brains: Brains, names: Sequence[str], space: str, level: float | None
) -> dict[str, dict[str, Brain]]:
    """Label → quantity → what is drawn in the row."""
    subjects = list(brains["r"])
    kept = {
        name: {subject: _kept(name, brains, subject, level) for subject in subjects}
        for name in names
    }
    if space and len(subjects) > 1 and _alike(brains["r"].values()):
        mean = {name: _over_subjects(name, brains, kept[name], level) for name in names}
        return {f"mean of {len(subjects)} subjects": mean}
    return {
        subject: {name: _where(brains[name][subject], kept[name][subject]) for name in names}
        for subject in subjects[:MOST_SUBJECTS]
    }


def _q_of(name: str, brains: Brains, level: float | None) -> str:
    """The map of q by which a quantity is left out; '' where there is none."""
    q = "tuned_minus_vanilla_q" if name == "tuned_minus_vanilla" else "q"
    return q if level is not None and q in brains else ""


def _kept(name: str, brains: Brains, subject: str, level: float | None) -> list[np.ndarray]:
    """Which targets of a subject are drawn: q ≤ level; without q all differences, and r > 0."""
    q = _q_of(name, brains, level)
    with np.errstate(invalid="ignore"):
        if q:
            return [values <= level for values in _arrays(brains[q][subject])]
        if name == "tuned_minus_vanilla":
            return [~np.isnan(values) for values in _arrays(brains[name][subject])]
        return [values > 0 for values in _arrays(brains["r"][subject])]


def _over_subjects(
    name: str, brains: Brains, kept: Mapping[str, list[np.ndarray]], level: float | None
) -> Brain:
    """Mean r, median layer, mean difference of targets with q ≤ level in a subject.

    Without q differences of all targets, r and layer of those whose mean r is above 0.
    """
    if name == "preferred_layer":
        of_subjects = [_where(brains[name][subject], drawn) for subject, drawn in kept.items()]
        combined = _combined(of_subjects, np.nanmedian)
    else:
        combined = _combined(list(brains[name].values()), np.nanmean)
    if _q_of(name, brains, level):
        drawn = [np.logical_or.reduce(parts) for parts in zip(*kept.values(), strict=True)]
    elif name == "tuned_minus_vanilla":
        return combined
    else:
        r = _combined(list(brains["r"].values()), np.nanmean)
        drawn = [np.nan_to_num(values) > 0 for values in _arrays(r)]
    return _where(combined, drawn)


def _where(brain: Brain, kept: Sequence[np.ndarray]) -> Brain:
    """The map where `kept` is true, and NaN elsewhere."""
    parts = zip(_arrays(brain), kept, strict=True)
    return _like(brain, [np.where(shown, values, np.nan) for values, shown in parts])


def _alike(brains: Any) -> bool:
    """Whether all maps have the same voxels or vertices."""
    first, *others = brains
    return all(
        type(other) is type(first)
        and [a.shape for a in _arrays(other)] == [a.shape for a in _arrays(first)]
        and (isinstance(first, Surface) or np.allclose(first.affine, other.affine))
        for other in others
    )


def _arrays(brain: Brain) -> list[np.ndarray]:
    return [brain.values] if isinstance(brain, Volume) else [brain.left, brain.right]


def _has_values(brain: Brain) -> bool:
    """Whether a target has a value."""
    return any(not np.isnan(values).all() for values in _arrays(brain))


def _like(brain: Brain, arrays: Sequence[np.ndarray]) -> Brain:
    if isinstance(brain, Volume):
        return Volume(arrays[0], brain.affine)
    return Surface(arrays[0], arrays[1])


def _combined(brains: Sequence[Brain], over: Any) -> Brain:
    """One map of several: NaN where all are."""
    parts = []
    for arrays in zip(*map(_arrays, brains), strict=True):
        stacked = np.stack(arrays)
        known = ~np.isnan(stacked).all(axis=0)
        part = np.full(stacked.shape[1:], np.nan)
        part[known] = over(stacked[:, known], axis=0)
        parts.append(part)
    return _like(brains[0], parts)


def _statement(brains: Brains, rows: Mapping[str, Any], space: str, level: float | None) -> str:
    n = len(brains["r"])
    every = " in every subject" if len(rows) == 1 < n else ""
    tested = [what for name, what in TESTED.items() if _q_of(name, brains, level)]
    left_out = f"{' and '.join(tested)} of targets with q > {level:g}{every}" if tested else ""
    if "r and layer" not in tested:
        left_out = "r and layer of targets with r ≤ 0"
    where = space or "each subject's space"
    first = f"the first {len(rows)} of {n} subjects; " if 1 < len(rows) < n else ""
    return f"{first}{where}; {left_out} are left out"


def _scale(name: str, brains: Sequence[Brain], layers: Sequence[str]) -> Normalize:
    if name == "preferred_layer":
        return Normalize(0, max(len(layers) - 1, 1))
    known = np.concatenate([a[~np.isnan(a)] for brain in brains for a in _arrays(brain)])
    most = float(np.quantile(np.abs(known), 0.995)) if known.size else 0.0
    most = most or 1.0
    return Normalize(-most, most) if name == "tuned_minus_vanilla" else Normalize(0, most)


def _draw(
    nilearn: ModuleType,
    figure: Figure,
    box: tuple[float, float, float, float],
    brain: Brain,
    colours: str,
    scale: Normalize,
) -> None:
    """Four views of a brain, two by two, inside `box` (left, bottom, width, height)."""
    left, bottom, width, height = box
    boxes = [
        (left + (0.04 + 0.47 * (i % 2)) * width, bottom + 0.5 * (1 - i // 2) * height,
         0.45 * width, 0.46 * height)
        for i in range(4)
    ]  # fmt: skip
    if isinstance(brain, Volume):
        _glass(nilearn, figure, boxes, brain, colours, scale)
    else:
        _inflated(nilearn, figure, boxes, brain, colours, scale)


def _glass(
    nilearn: ModuleType,
    figure: Figure,
    boxes: Sequence[tuple[float, float, float, float]],
    brain: Volume,
    colours: str,
    scale: Normalize,
) -> None:
    # Zero is not drawn: values are shifted off it by less than a colour.
    least = 1e-6 * (scale.vmax - scale.vmin)  # type: ignore[operator]
    values = np.where(np.abs(brain.values) < least, least, brain.values)
    image = nib.Nifti1Image(np.nan_to_num(values), brain.affine)
    for view, box in zip(GLASS_VIEWS, boxes, strict=True):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "empty mask")  # no target is left
            display = nilearn.plotting.plot_glass_brain(
                image, figure=figure, axes=box, display_mode=view, colorbar=False, cmap=colours,
                vmin=scale.vmin, vmax=scale.vmax, plot_abs=False, threshold=least / 2,
                annotate=False,
            )  # fmt: skip
        if view in "yz":
            display.annotate(positions=False, size=5)


def _inflated(
    nilearn: ModuleType,
    figure: Figure,
    boxes: Sequence[tuple[float, float, float, float]],
    brain: Surface,
    colours: str,
    scale: Normalize,
) -> None:
    mesh = nilearn.datasets.fetch_surf_fsaverage(MESH)  # lies in the package
    values = dict(zip(HEMISPHERES, brain, strict=True))
    for (side, view), box in zip(SURFACE_VIEWS, boxes, strict=True):
        axes = figure.add_axes(box, projection="3d")
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "All-NaN slice")  # nothing to draw of a hemisphere
            nilearn.plotting.plot_surf_stat_map(
                mesh[f"infl_{side}"], values[side][: SURFACES[MESH]], hemi=side, view=view,
                bg_map=mesh[f"sulc_{side}"], axes=axes, figure=figure, colorbar=False, cmap=colours,
                vmin=scale.vmin, vmax=scale.vmax, engine="matplotlib",
            )  # fmt: skip
        for triangles in axes.collections:
            triangles.set_rasterized(True)  # twenty thousand of them
        axes.set_box_aspect(None, zoom=1.45)  # type: ignore[call-arg]  # nilearn has 1.3


def _key(
    figure: Figure,
    left: float,
    width: float,
    height: float,
    name: str,
    scale: Normalize,
    layers: Sequence[str],
) -> None:
    """The colours of a column, below it."""
    axes = figure.add_axes((left + 0.2 * width, 0.32 / height, 0.6 * width, 0.07 / height))
    bar = figure.colorbar(ScalarMappable(scale, COLOURS[name]), cax=axes, orientation="horizontal")
    axes.set_title(TITLES[name], fontsize="medium", pad=3)
    if name == "preferred_layer":
        ends = sorted({0, len(layers) - 1})
        bar.set_ticks(ends, labels=[layers[i] for i in ends])
    else:
        bar.locator = MaxNLocator(3)
        bar.update_ticks()


def read_brains(folder: Path, files: Sequence[Mapping[str, str]]) -> dict[str, dict[str, Brain]]:
    """Quantity → subject → map, of the `files` in a folder of maps that its `maps.json` lists."""
    parts: dict[tuple[str, str], dict[str, str]] = {}
    for one in files:
        files_of = parts.setdefault((one["quantity"], one["subject"]), {})
        files_of[one["hemisphere"]] = one["file"]
    brains: dict[str, dict[str, Brain]] = {}
    for (quantity, subject), names in parts.items():
        brain: Brain
        if "" in names:
            image = nib.Nifti1Image.from_filename(folder / names[""])
            brain = Volume(_known(image.dataobj, quantity), image.affine)
        else:
            sides = (GiftiImage.from_filename(folder / names[side]) for side in HEMISPHERES)
            brain = Surface(*(_known(side.darrays[0].data, quantity) for side in sides))
        brains.setdefault(quantity, {})[subject] = brain
    return brains


def _known(values: Any, quantity: str) -> np.ndarray:
    """float64, NaN where there is nothing."""
    values = np.asarray(values, dtype=np.float64)
    return np.where(values < 0, np.nan, values) if quantity == "preferred_layer" else values
