"""LeBel et al. 2023: fMRI of people who listen to stories; every voxel of the cortex."""

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import h5py
import numpy as np
import pandas as pd

from brainalign.datasets.images import grid, mask
from brainalign.datasets.listening import Scan, Story, Targets, one_clock
from brainalign.datasets.prepared import Prepared, attributes
from brainalign.datasets.raw import RawFile, Record, by_name, content, needed, openneuro, text
from brainalign.datasets.settings import Lebel2023
from brainalign.datasets.textgrid import tiers
from brainalign.datasets.words import unknown_words
from brainalign.errors import InputError

CITATION = "LeBel et al. 2023, Scientific Data 10:555"
SOURCE = "OpenNeuro ds003020 (derivative/preprocessed_data)"
LICENCE = "CC0"
UNITS = "BOLD response, cleaned by the authors"
FOLDER = "ds003020/derivative"

TR = 2.0
# Of each scan the authors cut the first 10 s of the story and the last 10 s off: row 0 begins 10 s
# after the sound (HuthLab/deep-fMRI-dataset: encoding/ridge_utils/stimulus_utils.py,
# load_simulated_trfiles; encoding/encoding_utils.py, apply_zscore_and_hrf).
CUT = 5  # volumes, at each end
# The array of a scan has either name, by release; repeats of a test story are beside it.
VALUES = ("data", "resp")
REPEATS = "individual_repeats"  # [repeat, volume, voxel]
# Phones, then words; the authors take the second tier whatever its name. Labels that are no words
# (HuthLab/deep-fMRI-dataset: encoding/ridge_utils/dsutils.py, make_word_ds).
TIERS = 2
NOT_WORDS = frozenset(("", "sentence_start", "sentence_end", "br", "lg", "ls", "ns", "sp"))
REGION = "cortex"


def raw_files(source: Lebel2023) -> list[RawFile]:
    """A TextGrid per story; per subject a scan of each, and the mask of its voxels."""
    names = [_textgrid(story) for story in source.stories]
    names += [_scan(subject, story) for subject in source.subjects for story in source.stories]
    if source.places:
        names += [_mask(subject) for subject in source.subjects]
    return openneuro(names, LICENCE)


def read(records: Sequence[Record], source: Lebel2023) -> Prepared:
    """Words of the stories, and the responses of all cortical voxels, as the authors cleaned them.

    Responses are float32, a story after the other, with a pause between; five volumes before and
    after each scan are NaN, in place of those that the authors cut. The repeats of a story are
    averaged. A voxel's coordinates are in mm of the subject's functional space: columns are the
    voxels of the mask in pycortex's order, the last axis slowest (pycortex, cortex/database.py,
    get_mask).

    Raises
    ------
    InputError : a file has another form, a mask has other voxels than the scans, or as `one_clock`.
    """
    files = by_name(records)
    stories = [
        _story(needed(files, _textgrid(name), f"the transcript of story {name}"), name)
        for name in source.stories
    ]
    scans: list[Scan] = []
    targets: dict[str, Targets] = {}
    for subject in source.subjects:
        of_subject = [
            scan
            for story in source.stories
            for scan in _scans(needed(files, _scan(subject, story), "a scan"), subject, story)
        ]
        sizes = {scan.where: n for scan, n in of_subject}
        first = of_subject[0][0].where
        for where, n in sizes.items():
            if n != sizes[first]:
                raise InputError(f"{where}: {n} voxels, but {first} has {sizes[first]}")
        scans += [scan for scan, _ in of_subject]
        mask_file = needed(files, _mask(subject), "the mask") if source.places else None
        targets[subject] = _targets(mask_file, sizes[first], first)
    stimuli, responses, left = one_clock(
        stories, scans, targets, TR, padding=(CUT, CUT), held_out=source.test
    )
    responses.attrs |= attributes("brain", UNITS, SOURCE, LICENCE, records, tr=TR)
    return Prepared.of(
        stimuli,
        responses,
        records,
        dataset="lebel2023",
        citation=CITATION,
        dropped=left.dropped,
        notes=[
            "the reader follows the published layout and code; it has not met the real files",
            f"the first and the last {CUT} volumes of each story are NaN (the authors cut them): "
            f"leave them out by timing.trim: [{CUT}, {CUT}]",
            "words are in lower case and without punctuation, as the TextGrids have them",
            *left.notes,
            *unknown_words(stimuli),
        ],
        held_out_stories=list(source.test),
        repeats_averaged=left.repeats,
    )


def _textgrid(story: str) -> str:
    return f"{FOLDER}/TextGrids/{story}.TextGrid"


def _scan(subject: str, story: str) -> str:
    return f"{FOLDER}/preprocessed_data/{subject}/{story}.hf5"


def _mask(subject: str) -> str:
    return f"{FOLDER}/pycortex-db/{subject}/transforms/{subject}_auto/mask_thick.nii.gz"


def _story(record: Record, name: str) -> Story:
    result = tiers(text(record), record.path)
    named = [one for one in result if one.name.lower().startswith("word")]
    if not named and len(result) != TIERS:
        names = ", ".join(one.name for one in result) or "none"
        raise InputError(f"{record.path}: no tier of words; its tiers are: {names}")
    tier = named[0] if named else result[-1]
    words = [
        (label.lower(), start, end)
        for start, end, label in tier.intervals
        if label.lower().strip("{} ") not in NOT_WORDS
    ]
    table = pd.DataFrame(words, columns=["text", "onset", "offset"])
    return Story(name, table, tier.end, record.path)


def _scans(record: Record, subject: str, story: str) -> list[tuple[Scan, int]]:
    """The scan of a story, or its repeats, each with its number of voxels."""
    with _opened(record) as file:
        name = next((name for name in (REPEATS, *VALUES) if name in file), None)
        if name is None:
            raise InputError(f"{record.path}: no array {' or '.join(VALUES)}; it has {list(file)}")
        shape, kind = file[name].shape, file[name].dtype.kind
        mean_volumes = next((file[other].shape[0] for other in VALUES if other in file), None)
    dimensions = 3 if name == REPEATS else 2
    if len(shape) != dimensions or kind != "f" or 0 in shape:
        raise InputError(
            f"{record.path}: {name} is {kind} of shape {shape}, expected floating point numbers "
            f"[{'repeat, ' if name == REPEATS else ''}volume, voxel]"
        )
    volumes, voxels = shape[-2:]
    if mean_volumes not in (None, volumes):
        raise InputError(
            f"{record.path}: repeats of {volumes} volumes, but their mean has {mean_volumes}: "
            f"repeats of story {story} are of different length"
        )

    def reading(index: tuple[int, ...]) -> Callable[[], np.ndarray]:
        def values() -> np.ndarray:
            with _opened(record) as file:
                return file[name].astype(np.float32)[index]

        return values

    indices = [(i,) for i in range(shape[0])] if name == REPEATS else [()]
    return [
        (Scan(subject, story, volumes, reading(index), record.path), voxels) for index in indices
    ]


def _targets(record: Record | None, n: int, where: str) -> Targets:
    if record is None:
        return Targets([f"{i:06d}" for i in range(n)], [REGION] * n)
    voxel_grid, _ = grid(record)
    voxels = np.argwhere(mask(record, voxel_grid, where).T)[:, ::-1]
    if len(voxels) != n:
        raise InputError(f"{record.path}: {len(voxels)} voxels, but {where} has {n}")
    return Targets.of_voxels(voxel_grid, voxels, REGION)


@contextmanager
def _opened(record: Record) -> Iterator[h5py.File]:
    """An HDF5 file; what is raised on a damaged one, while it is read, becomes one InputError."""
    packed = record.path.endswith(".gz")
    try:
        with h5py.File(io.BytesIO(content(record)) if packed else record.path, "r") as file:
            yield file
    except InputError:
        raise
    # A damaged file makes the HDF5 layer fail in many ways; all mean the same.
    except Exception as error:
        raise InputError(f"{record.path}: not a whole HDF5 file ({error})") from error
