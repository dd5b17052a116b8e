"""Le Petit Prince (Li et al. 2022), English: fMRI of people who listen to an audiobook."""

import io
from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from brainalign.datasets.images import Grid, common_grid, mask, varying, volumes
from brainalign.datasets.listening import Scan, Story, Targets, one_clock
from brainalign.datasets.prepared import Prepared, attributes
from brainalign.datasets.raw import RawFile, Record, by_name, needed, openneuro, text, user_file
from brainalign.datasets.settings import PetitPrince
from brainalign.datasets.words import unknown_words
from brainalign.errors import InputError

CITATION = "Li et al. 2022, Scientific Data 9:530"
SOURCE = "OpenNeuro ds003643 (derivatives, English)"
LICENCE = "CC0"
UNITS = "BOLD response, denoised by the authors"
FOLDER = "ds003643"
# The authors cut the 8 s before the audio off: it begins with row 0 (README of ds003643).
TR = 2.0
SPACE = "MNIColin27"
WORDS = f"{FOLDER}/annotation/EN/lppEN_word_information.csv"
COLUMNS = ("word", "onset", "offset", "section")


def raw_files(source: PetitPrince) -> list[RawFile]:
    """The table of words, a NIfTI image per subject and section, and the user's mask if named."""
    names = [WORDS, *(_scan(subject, run) for subject, runs in source.runs.items() for run in runs)]
    files = openneuro(names, LICENCE)
    return [*files, user_file(source.mask)] if source.mask else files


def read(records: Sequence[Record], source: PetitPrince) -> Prepared:
    """Words of the sections with their times, and the responses of all voxels that are read.

    The names of a subject's runs have other numbers than the sections, so the config gives them in
    the sections' order. Without a mask the voxels are those that vary in a subject's first run.

    Raises
    ------
    InputError : a file has another form, a section has no words, the scans of a subject have other
        voxels, the mask lies elsewhere, or as `one_clock`.
    """
    files = by_name(records)
    table = needed(files, WORDS, "the table of words")
    words, empty = _words(table)
    stories = [_story(words, section, table.path) for section in source.sections]
    given_mask = files[user_file(source.mask).path] if source.mask else None
    scans: list[Scan] = []
    targets: dict[str, Targets] = {}
    for subject, runs in source.runs.items():
        images = [needed(files, _scan(subject, run), "a scan") for run in runs]
        grid, inside, lengths = _voxels(images, given_mask)
        targets[subject] = Targets.of_voxels(grid, np.argwhere(inside), "brain")
        scans += [
            Scan(subject, _name(section), n, partial(volumes, image, inside, 0, n), image.path)
            for section, image, n in zip(source.sections, images, lengths, strict=True)
        ]
    held_out = [_name(section) for section in source.test]
    stimuli, responses, left = one_clock(stories, scans, targets, TR, held_out=held_out)
    responses.attrs |= attributes("brain", UNITS, SOURCE, LICENCE, records, tr=TR, space=SPACE)
    return Prepared.of(
        stimuli,
        responses,
        records,
        dataset="petit-prince",
        citation=CITATION,
        dropped=[{"what": "rows of words", "n": empty, "why": "no word in them"}, *left.dropped],
        notes=[
            "the reader follows the published layout and README; it has not met the real files",
            "confounds: none are taken out here; the authors removed motion and physiology by "
            "multi-echo independent components",
            f"voxels: {f'those of {source.mask}' if source.mask else 'those that vary in run 1'}",
            "the table of words has no punctuation and no sentences",
            *left.notes,
            *unknown_words(stimuli),
        ],
        runs={subject: list(runs) for subject, runs in source.runs.items()},
        held_out_stories=held_out,
        repeats_averaged=left.repeats,
    )


def _scan(subject: str, run: int) -> str:
    return (
        f"{FOLDER}/derivatives/sub-{subject}/func/sub-{subject}_task-lppEN_run-{run:02d}"
        f"_space-{SPACE}_desc-preproc_bold.nii.gz"
    )


def _name(section: int) -> str:
    return f"section{section}"


def _words(record: Record) -> tuple[pd.DataFrame, int]:
    """Rows with a word, numbers checked, and how many rows have none."""
    try:
        table = pd.read_csv(io.StringIO(text(record)), dtype=str, na_filter=False)
    except ValueError as error:  # of which pandas' errors of parsing are kinds
        raise InputError(f"{record.path}: not a table of words ({error})") from error
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise InputError(
            f"{record.path}: column {', '.join(missing)} is missing; it has "
            f"{', '.join(table.columns)}"
        )
    table = table[list(COLUMNS)].fillna("")
    for name in COLUMNS[1:]:
        values = pd.to_numeric(table[name], errors="coerce")
        wrong = ~np.isfinite(values.to_numpy(float))
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise InputError(
                f"{record.path}: row {row + 2}, column {name}: {table[name].iloc[row]!r}, expected "
                "a number"
            )
        table[name] = values
    empty = table["word"].str.strip() == ""
    return table[~empty].assign(text=table["word"].str.strip()), int(empty.sum())


def _story(words: pd.DataFrame, section: int, where: str) -> Story:
    of_section = words[words["section"] == section]
    if of_section.empty:
        raise InputError(f"{where}: section {section} has no words: no transcript")
    of_section = of_section[["text", "onset", "offset"]].reset_index(drop=True)
    return Story(_name(section), of_section, float(of_section["offset"].max()), where)


def _voxels(
    images: Sequence[Record], given_mask: Record | None
) -> tuple[Grid, np.ndarray, list[int]]:
    """The grid of a subject's scans, the voxels to read as bool [x, y, z], and their volumes."""
    first, lengths = common_grid(images)
    if given_mask is not None:
        return first, mask(given_mask, first, images[0].path), lengths
    return first, varying(images[0], lengths[0]), lengths
