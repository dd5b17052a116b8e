"""The keys of a source of type own, and the kinds of files that each key is for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from brainalign.datasets.settings import Own

Hemisphere = Literal["left", "right"]
Runs = tuple[str, ...] | dict[Hemisphere, tuple[str, ...]]  # files of a subject, one per run

NETCDF = (".nc", ".nc4", ".netcdf", ".h5")
TABLES = (".csv", ".tsv", ".parquet")
ARRAYS = (".npy", ".mat")
IMAGES = ("scans", "surfaces")
OWN_ENDINGS = (*NETCDF, *TABLES, *ARRAYS)
SPREADSHEETS = (".xlsx", ".xls", ".ods")
# Key → the files that it is for, and these in words.
OWN_KEYS = {
    "targets": ((*TABLES, *ARRAYS, "scans"), "tables, arrays and NIfTI scans"),
    "atlas": (IMAGES, "scans and surfaces"),
    "voxels": (IMAGES, "scans and surfaces"),
    "space": (("surfaces",), "surfaces"),
    "variable": ((".mat",), ".mat files"),
    "runs": (ARRAYS, "arrays"),
    "tr": ((*TABLES, *ARRAYS, *IMAGES), "tables, arrays, scans and surfaces"),
    "units": ((*TABLES, *ARRAYS, *IMAGES), "tables, arrays, scans and surfaces"),
}
OF_SCANS = "{SUBJECT: [FILE OF A RUN, …]}"
OF_SURFACES = "{SUBJECT: {left: [FILE OF A RUN, …], right: […]}}"


def form_of(responses: str | Mapping[str, Runs] | None) -> str:
    """The kind of file that holds responses: `.csv` …, `scans`, `surfaces`; '' where none is."""
    if isinstance(responses, str):
        return PurePath(responses.removesuffix(".gz")).suffix
    if not responses:
        return ""
    return "surfaces" if any(isinstance(of, Mapping) for of in responses.values()) else "scans"


def own_fault(source: Own) -> str | None:
    """The fault of keys that do not fit the kind of file that holds the responses; None: none."""
    named, form = source.responses, source.form
    if source.localizer:
        given = [name for name in ("responses", *OWN_KEYS) if getattr(source, name)]
        return f"{given[0]}: a localizer has none; leave the key out" if given else None
    if named is None:
        return "responses: is missing; only kind localizer has none"
    if fault := _path_fault(named, form) if isinstance(named, str) else _images_fault(named, form):
        return fault
    for name, (forms, those) in OWN_KEYS.items():
        if getattr(source, name) not in (None, False) and form not in forms:
            return f"{name}: is a key of {those} alone; leave it out"
    if form in NETCDF:
        return None
    if source.kind is None:
        return "kind: is missing; this kind of file does not say: brain, or reading-times"
    if source.kind == "reading-times" and (form in IMAGES or source.tr is not None):
        return "kind: reading-times, but rows are volumes of a scan"
    if form in ARRAYS and source.targets is None:
        return "targets: is missing; a table that says subject and region of each column"
    if source.runs is not None and source.tr is None:
        return "runs: rows are stimuli, as there is no tr; leave the key out"
    return _atlas_fault(source) if form in IMAGES else None


def _path_fault(path: str, form: str) -> str | None:
    """The fault of the path of a single file of responses."""
    if form == ".nii":
        return f"responses: {path!r} is a scan; name its subject: {OF_SCANS}"
    if form == ".gii":
        return f"responses: {path!r} is a surface; name its subject and hemisphere: {OF_SURFACES}"
    if form not in OWN_ENDINGS:
        sheet = "; export the spreadsheet as CSV" if form in SPREADSHEETS else ""
        return f"responses: {path!r}, expected a path that ends in {', '.join(OWN_ENDINGS)}{sheet}"
    return None


def _images_fault(named: Mapping[str, Runs], form: str) -> str | None:
    """The fault of the scans or surfaces of subjects: other files, or a run without a file."""
    if not (named and all(named.values())):
        return "responses: no scan, or a subject without one; expected one or more each"
    ending = ".nii" if form == "scans" else ".gii"
    first = None
    for part, files in _parts(named):
        if not files:
            return f"responses.{part}: no scan; expected one or more"
        other = [path for path in files if not path.removesuffix(".gz").endswith(ending)]
        if other and form == "scans" and ".gii" in other[0]:
            return f"responses.{part}: {other[0]!r} is a surface; expected {OF_SURFACES}"
        if form == "surfaces" and isinstance(named.get(part), tuple):
            return f"responses.{part}: no hemispheres, which others have; expected {OF_SURFACES}"
        if other:
            return f"responses.{part}: {other[0]!r}, expected a path that ends in {ending}"
        first = first or (part, len(files))
        if len(files) != first[1]:
            return (
                f"responses.{part}: {len(files)} files, but {first[0]} has {first[1]}; expected a "
                "file for each run"
            )
    return None


def _parts(named: Mapping[str, Runs]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The files of each subject, of surfaces those of each hemisphere, and whose they are."""
    for subject, runs in named.items():
        if isinstance(runs, Mapping):
            yield from ((f"{subject}.{side}", files) for side, files in runs.items())
        else:
            yield subject, runs


def runs_of_files(named: Mapping[str, Runs]) -> dict[str, str]:
    """The file of each run, and whose run it is: `run 2 of anna`, `run 2 of anna.left`."""
    return {
        path: f"run {number} of {part}"
        for part, files in _parts(named)
        for number, path in enumerate(files, 1)
    }


def _atlas_fault(source: Own) -> str | None:
    """The fault of the keys about regions and spaces of scans and surfaces."""
    atlas = source.atlas
    if source.form == "scans":
        if atlas is None:
            return "atlas: is missing; scans are averaged over its regions (a mask has one)"
        return None if isinstance(atlas, str) else "atlas: of NIfTI scans it is one path"
    if source.space is None:
        return "space: is missing; name the surface: fsaverage5, fsaverage6 …"
    if atlas is None:
        missing = "atlas: is missing; surfaces are averaged over its regions"
        return None if source.voxels else f"{missing} (voxels: true makes each vertex a target)"
    sides = dict.fromkeys(side for files in source.images.values() for side in files)
    absent = [side for side in sides if isinstance(atlas, str) or side not in atlas]
    return (
        f"atlas: no file of hemisphere {absent[0]}, expected {{left: …, right: …}}"
        if absent
        else None
    )
