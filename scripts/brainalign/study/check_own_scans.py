"""Scans and surfaces of the user against atlas and stimuli, of which no data are read."""

from collections.abc import Callable
from pathlib import Path
from typing import IO, TypeVar

import numpy as np
import pandas as pd

from brainalign.datasets.image_headers import (
    Surface,
    check_atlas,
    check_labels,
    check_lengths,
    check_scan,
    check_surface,
    gifti_header,
    nifti_header,
)
from brainalign.datasets.own_form import run_names
from brainalign.datasets.raw import open_unpacked
from brainalign.datasets.settings import Own
from brainalign.errors import InputError
from brainalign.formats.datasets import check_clock

Header = TypeVar("Header")


def run_lengths(source: Own) -> list[int] | None:
    """The volumes of each run of the user's scans or surfaces, by the headers of their files.

    None where every subject lacks a file, or nibabel is missing, which reads NIfTI headers.

    Raises
    ------
    InputError : a file is none, or does not fit the others or the atlas.
    """
    try:
        lengths = _of_surfaces(source) if source.form == "surfaces" else _of_scans(source)
    except ImportError:  # Snakemake's environment may lack it where jobs have separate ones
        return None
    known = {
        whose: [n for n in length if n is not None]
        for whose, length in lengths.items()
        if None not in length
    }
    if not known:
        return None
    check_lengths(known)
    return next(iter(known.values()))


def _of_scans(source: Own) -> dict[str, list[int | None]]:
    """Subject → volumes of its runs; None of a file that is not there."""
    atlas = _header(str(source.atlas), nifti_header)
    if atlas is not None:
        check_atlas(atlas, needs_affine=source.voxels)
    lengths: dict[str, list[int | None]] = {}
    for subject, paths in source.images.items():
        scans = [_header(path, nifti_header) for path in paths]
        for scan in scans:
            if scan is not None and atlas is not None:
                check_scan(scan, atlas, source.tr)
        lengths[subject] = [
            scan.shape[3] if scan is not None and len(scan.shape) == 4 else None for scan in scans
        ]
    return lengths


def _of_surfaces(source: Own) -> dict[str, list[int | None]]:
    """Subject and hemisphere → volumes of its runs; None of a file that is not there."""
    space = str(source.space)
    first: dict[str, Surface] = {}
    for side, path in source.atlas.items() if isinstance(source.atlas, dict) else ():
        if (labels := _header(path, gifti_header)) is not None:
            check_labels(labels, side, space)
            first[side] = labels
    lengths: dict[str, list[int | None]] = {}
    for subject, hemispheres in source.images.items():
        assert isinstance(hemispheres, dict)  # own_keys
        for side, paths in hemispheres.items():
            scans = [_header(path, gifti_header) for path in paths]
            for scan in scans:
                if scan is not None:
                    check_surface(scan, side, space, first.setdefault(side, scan))
            lengths[f"{subject}, {side} hemisphere"] = [
                None if scan is None else scan.arrays for scan in scans
            ]
    return lengths


def _header(path: str, read: Callable[[str, IO[bytes]], Header]) -> Header | None:
    """The header of a file; None where it is not there."""
    if not Path(path).is_file():
        return None
    with open_unpacked(path) as file:
        return read(path, file)


def check_stimuli_of(
    source: Own, lengths: list[int], stimuli: pd.DataFrame, rows: list[int]
) -> None:
    """Raise an InputError unless scans with runs of so many volumes are of these stimuli.

    Parameters
    ----------
    stimuli, rows : the table as `own_table.read_table` has it.
    """
    n = sum(lengths)
    if source.tr is None:
        if n != len(stimuli):
            raise InputError(
                f"responses: {n} volumes of a subject for {len(stimuli)} stimuli of "
                f"{source.stimuli}; expected a volume per stimulus, or tr (seconds) where volumes "
                "follow each other in time"
            )
        return
    words = stimuli["onset"].to_numpy(float)
    if not np.isfinite(words).all():
        return  # the dataset's job names the row

    def onset_at(row: int) -> str:
        return f"{source.stimuli}: row {rows[row]}: stimulus {stimuli['stimulus_id'][row]}: onset"

    onset, runs = np.arange(n) * source.tr, np.array(run_names(lengths))
    check_clock(words, onset, runs, source.tr, "responses", onset_at)
