"""Headers of scans, NIfTI and GIFTI, and whether the user's scans and atlas fit each other.

The same checks run when a study is planned, on files of which no more than the header is read, and
again in the job that reads the scans.
"""

import xml.parsers.expat
import zlib
from collections.abc import Mapping, Sequence
from typing import IO, Any, NamedTuple

import numpy as np

from brainalign.errors import InputError
from brainalign.formats.locations import STRUCTURE, STRUCTURES, SURFACES

APART = 1e-3  # mm, between the affines of a scan and the atlas
SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}
NIFTI2 = 540  # bytes of its header, which begins with their number
_PART = 1 << 16  # bytes read at a time


class Image(NamedTuple):
    """The header of a NIfTI file.

    where : the file, for errors. shape : of its array, of a scan (x, y, z, volumes).
    affine : float64 [4, 4], from a voxel's index to mm. has_affine : whether the file says it.
    seconds : between volumes; 0 where the file does not say.
    """

    where: str
    shape: tuple[int, ...]
    affine: np.ndarray
    has_affine: bool
    seconds: float


class Surface(NamedTuple):
    """The header of a GIFTI file.

    where : the file, for errors. arrays : their number, a volume each of a scan.
    shape : of the first array, of a scan (vertices,). structure : as of `STRUCTURES`; '' where the
    file does not say.
    """

    where: str
    arrays: int
    shape: tuple[int, ...]
    structure: str


def nifti_class(start: bytes) -> Any:
    """nibabel's class of images for a file that starts so, NIfTI-1 or NIfTI-2 of any byte order."""
    import nibabel  # Snakemake's environment may lack it

    sizes = {int.from_bytes(start[:4], order) for order in ("little", "big")}
    return nibabel.Nifti2Image if NIFTI2 in sizes else nibabel.Nifti1Image


def nifti_header(where: str, file: IO[bytes]) -> Image:
    """The header of a NIfTI file, of which no more is read.

    Raises
    ------
    InputError : it is no NIfTI file. ImportError : nibabel is missing.
    """
    try:
        kind = nifti_class(file.read(4)).header_class
        file.seek(0)
        return image_of(where, kind.from_fileobj(file))
    except ImportError:
        raise
    # A damaged file fails in many ways; all mean the same.
    except Exception as error:
        raise InputError(f"{where}: not a whole NIfTI file ({error})") from error


def image_of(where: str, header: Any) -> Image:
    """What a header that nibabel has read says."""
    shape = tuple(int(n) for n in header.get_data_shape())
    unit = SECONDS.get(header.get_xyzt_units()[1])
    zooms = header.get_zooms()
    return Image(
        where,
        shape,
        np.asarray(header.get_best_affine(), np.float64),
        bool(int(header["sform_code"]) or int(header["qform_code"])),
        float(zooms[3]) * unit if unit and len(zooms) > 3 else 0.0,
    )


def check_atlas(atlas: Image, *, needs_affine: bool) -> None:
    """Raise an InputError unless an atlas is a volume; with `needs_affine` one that says where
    its voxels lie."""
    if needs_affine and not atlas.has_affine:
        raise InputError(
            f"{atlas.where}: no affine (sform_code and qform_code are 0), so voxels cannot be "
            "drawn as maps; leave out voxels, or write the affine of the scans"
        )
    if len(atlas.shape) < 3 or any(n != 1 for n in atlas.shape[3:]):
        raise InputError(
            f"{atlas.where}: shape {atlas.shape}, expected whole numbers [x, y, z], 0 outside and "
            "above 0 in a region"
        )


def check_scan(scan: Image, atlas: Image, tr: float | None) -> None:
    """Raise an InputError unless a scan lies on the grid of the atlas, `tr` seconds a volume."""
    if len(scan.shape) != 4 or scan.shape[:3] != atlas.shape[:3]:
        raise InputError(
            f"{scan.where}: shape {scan.shape}, expected [x, y, z, volume] on the grid of the "
            f"atlas, {atlas.shape[:3]} ({atlas.where}); resample the atlas to the scans"
        )
    if not np.allclose(scan.affine, atlas.affine, atol=APART):
        raise InputError(
            f"{scan.where}: lies elsewhere in space than the atlas, {atlas.where} (their affines "
            "differ); resample the atlas to the scans"
        )
    if tr is not None and scan.seconds > 0 and abs(scan.seconds - tr) > 0.01 * tr:
        raise InputError(
            f"{scan.where}: its header says {scan.seconds:g} s between volumes, source.tr {tr:g} s"
        )


def check_lengths(lengths: Mapping[str, Sequence[int]]) -> None:
    """Raise an InputError unless all subjects have runs of the same lengths, in volumes."""
    first = next(iter(lengths))
    for subject, length in lengths.items():
        if list(length) != list(lengths[first]):
            raise InputError(
                f"responses: the runs of {subject} have {list(length)} volumes, those of {first} "
                f"{list(lengths[first])}; cut them to the same lengths"
            )


def gifti_header(where: str, file: IO[bytes]) -> Surface:
    """The header of a GIFTI file, which is read up to the data of its first array.

    Raises
    ------
    InputError : it is no GIFTI file, or has no array.
    """
    reading = _Beginning()
    try:
        while not reading.done and (part := file.read(_PART)):
            reading.parser.Parse(part)
    except (xml.parsers.expat.ExpatError, OSError, EOFError, zlib.error) as error:
        raise InputError(f"{where}: not a whole GIFTI file ({error})") from error
    try:
        arrays = int(reading.attributes["GIFTI"]["NumberOfDataArrays"])
        array = reading.attributes["DataArray"]
        shape = tuple(int(array[f"Dim{axis}"]) for axis in range(int(array["Dimensionality"])))
    except (KeyError, ValueError) as error:
        raise InputError(f"{where}: not a whole GIFTI file (no {error} before its data)") from error
    return Surface(where, arrays, shape, reading.names.get(STRUCTURE, ""))


class _Beginning:
    """Elements of a GIFTI file up to the data of its first array.

    attributes : element → its attributes. names : metadata of the file and of its first array.
    """

    def __init__(self) -> None:
        self.attributes: dict[str, dict[str, str]] = {}
        self.names: dict[str, str] = {}
        self.done = False
        self._text = self._name = ""
        self.parser = xml.parsers.expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._data

    def _start(self, element: str, attributes: dict[str, str]) -> None:
        self.done = self.done or element == "Data"
        if not self.done:
            self.attributes.setdefault(element, attributes)
            self._text = ""

    def _data(self, text: str) -> None:
        if not self.done:
            self._text += text

    def _end(self, element: str) -> None:
        if self.done:
            return
        if element == "Name":
            self._name = self._text.strip()
        elif element == "Value":
            self.names.setdefault(self._name, self._text.strip())


def surface_of(where: str, image: Any) -> Surface:
    """The header of a GIFTI file that nibabel has read, which has an array or more."""
    first = image.darrays[0]
    structure = image.meta.get(STRUCTURE) or first.meta.get(STRUCTURE) or ""
    return Surface(where, len(image.darrays), tuple(first.data.shape), structure)


def check_labels(labels: Surface, hemisphere: str, space: str) -> None:
    """Raise an InputError unless a file holds a label for each vertex of a hemisphere."""
    if labels.arrays != 1:
        raise InputError(f"{labels.where}: {labels.arrays} arrays, expected one of labels [vertex]")
    check_surface(labels, hemisphere, space)


def check_surface(scan: Surface, hemisphere: str, space: str, like: Surface | None = None) -> None:
    """Raise an InputError unless a file is of a hemisphere of a surface.

    Parameters
    ----------
    space : the surface. like : another file of the hemisphere, which has as many vertices.
    """
    if scan.structure in STRUCTURES.values() and scan.structure != STRUCTURES[hemisphere]:
        raise InputError(
            f"{scan.where}: is of {scan.structure}, but the config names it as {hemisphere}"
        )
    if len(scan.shape) != 1:
        raise InputError(
            f"{scan.where}: its first array has the shape {scan.shape}, expected [vertex] (a scan "
            "has an array per volume)"
        )
    n = SURFACES.get(space)
    if n is not None and scan.shape != (n,):
        raise InputError(
            f"{scan.where}: {scan.shape[0]} vertices, but {space} has {n} in each hemisphere"
        )
    if like is not None and scan.shape != like.shape:
        raise InputError(
            f"{scan.where}: {scan.shape[0]} vertices, but {like.where} has {like.shape[0]}; files "
            "of a hemisphere must be of one surface"
        )
