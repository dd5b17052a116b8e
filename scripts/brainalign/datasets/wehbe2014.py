"""Wehbe2014: fMRI of 8 people who read a chapter word by word, from the preprocessed folder."""

import io
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from brainalign.datasets.prepared import Prepared, attributes
from brainalign.datasets.raw import RawFile, Record, by_name, content
from brainalign.datasets.restricted_pickle import load_object
from brainalign.datasets.settings import Wehbe2014
from brainalign.datasets.words import covariates, sentences
from brainalign.errors import InputError

CITATION = "Wehbe et al. 2014, PLOS ONE 9:e112575; preprocessed by Toneva & Wehbe 2019"
SOURCE = "preprocessed folder of github.com/mtoneva/brain_language_nlp"
LICENCE = "not stated; see www.cs.cmu.edu/~fmri/plosone"
BY_HAND = (
    "it has to be downloaded by hand: fMRI/ from the folder that the README of "
    "github.com/mtoneva/brain_language_nlp links, stimuli_words.npy from that repository's data/, "
    "HP_subj_roi_inds.npy from github.com/awwkl/brain_language_summarization"
)
FOLDER = "wehbe2014"
SUBJECTS = tuple("FHIJKLMN")
REGIONS = ("PostTemp", "AntTemp", "AngularG", "IFG", "MFG", "IFGorb", "pCingulate", "dmpfc")
TR = 2.0
VOLUMES, WORDS, RUNS = 1351, 5176, 4
TRIM_START, TRIM_END = 20, 15
KEPT = VOLUMES - RUNS * (TRIM_START + TRIM_END)

NAMES = {
    "times": "fMRI/time_fmri.npy",
    "runs": "fMRI/runs_fmri.npy",
    "word_times": "fMRI/time_words_fmri.npy",
    "words": "stimuli_words.npy",
    "regions": "HP_subj_roi_inds.npy",
}


def raw_files(source: Wehbe2014) -> list[RawFile]:
    """The folder's files; they have no official address and no published hash."""
    names = [*NAMES.values(), *(_data_file(subject) for subject in SUBJECTS)]
    return [RawFile(path=f"{FOLDER}/{name}", licence=LICENCE, by_hand=BY_HAND) for name in names]


def read(records: Sequence[Record], source: Wehbe2014) -> Prepared:
    """Words with their times, and the language voxels (region mask `all`) of the 8 subjects.

    Responses are float32 [1351, voxel]: what the folder has (detrended, smoothed, without the first
    20 and the last 15 volumes of each run), at its position in the complete scan, and NaN where the
    folder trimmed. A benchmark leaves those out with `timing: {trim: [20, 15]}`; its delays still
    reach the words that were read then. A word lies in the last volume whose onset is strictly
    before it (Toneva & Wehbe's code), which gives its run.

    Raises
    ------
    InputError : a file has another form or size, times do not increase, a mask does not fit, or
        the pickled masks name anything but arrays.
    """
    files = {name.removeprefix(f"{FOLDER}/"): r for name, r in by_name(records).items()}
    times = _vector(files[NAMES["times"]], VOLUMES)
    runs = _vector(files[NAMES["runs"]], VOLUMES)
    word_times = _vector(files[NAMES["word_times"]], WORDS)
    for name, values in (("times", times), ("word_times", word_times)):
        steps = np.diff(values)
        if not (steps > 0).all():
            at = int(np.flatnonzero(~(steps > 0))[0]) + 1
            raise InputError(
                f"{files[NAMES[name]].path}: entry {at} ({values[at]:g} s) is not after the one "
                "before it"
            )
    kept = _kept_volumes(runs, files[NAMES["runs"]].path)
    start = times[0]
    masks = _masks(files[NAMES["regions"]])
    stimuli, marks = _stimuli(files[NAMES["words"]], word_times, times, runs, start)

    blocks: list[np.ndarray] = []
    targets: list[tuple[str, str, str]] = []
    overlap = 0
    for subject in SUBJECTS:
        block, regions, shared = _subject(files[_data_file(subject)], subject, masks[subject])
        blocks.append(block)
        overlap += shared
        targets += [(f"{subject}.{voxel}", subject, region) for voxel, region in regions]
    ids, subjects, regions_of = (list(column) for column in zip(*targets, strict=True))
    values = np.full((VOLUMES, len(ids)), np.nan, dtype=np.float32)
    values[kept] = np.concatenate(blocks, axis=1)
    responses = xr.Dataset(
        {"responses": (("volume", "target"), values)},
        coords={
            "target_id": ("target", ids),
            "subject": ("target", subjects),
            "region": ("target", regions_of),
            "onset": ("volume", times - start),
            "run": ("volume", runs.astype(np.int64)),
        },
        attrs=attributes("brain", "BOLD response, detrended", SOURCE, LICENCE, records, tr=TR),
    )
    n_voxels = sum(mask["all"].size for mask in masks.values())
    return Prepared.of(
        stimuli,
        responses,
        records,
        dataset="wehbe2014",
        citation=CITATION,
        dropped=[
            {
                "what": "volumes",
                "n": VOLUMES - KEPT,
                "why": "the first 20 and last 15 of each run, trimmed in the folder (NaN here)",
            },
            {
                "what": "voxels",
                "n": n_voxels - len(ids),
                "why": "outside the language network (region mask all)",
            },
        ],
        notes=[
            "values are stored as float32",
            f"the mark-up sign @ is taken out of {marks} words; punctuation stays",
            f"{overlap} voxels lie in several regions and count for the first of "
            f"{', '.join(REGIONS)}",
        ],
    )


def _data_file(subject: str) -> str:
    return f"fMRI/data_subject_{subject}.npy"


def _array(record: Record) -> np.ndarray:
    try:
        return np.load(io.BytesIO(content(record)), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise InputError(f"{record.path}: not a whole .npy file of numbers ({error})") from error


def _vector(record: Record, n: int) -> np.ndarray:
    values = _array(record)
    if values.shape != (n,) or values.dtype.kind not in "iuf":
        raise InputError(
            f"{record.path}: {values.dtype} of shape {values.shape}, expected {n} numbers"
        )
    values = values.astype(float)
    if not np.isfinite(values).all():
        at = int(np.flatnonzero(~np.isfinite(values))[0])
        raise InputError(f"{record.path}: entry {at} is {values[at]}")
    return values


def _kept_volumes(runs: np.ndarray, where: str) -> np.ndarray:
    """Indices of the volumes that the folder kept: each run without its edges."""
    names = list(dict.fromkeys(runs.tolist()))
    if len(names) != RUNS or (np.diff(runs) != 0).sum() != RUNS - 1:
        raise InputError(f"{where}: runs {names[:6]}, expected {RUNS} in one piece each")
    kept = [np.flatnonzero(runs == name)[TRIM_START:-TRIM_END] for name in names]
    if min(map(len, kept)) == 0:
        raise InputError(f"{where}: a run has no volume beyond the {TRIM_START}+{TRIM_END} trimmed")
    return np.concatenate(kept)


def _masks(record: Record) -> dict[str, dict[str, np.ndarray]]:
    where = record.path
    masks = load_object(content(record), where)
    for subject in SUBJECTS:
        regions = masks.get(subject) if isinstance(masks, dict) else None
        for region in ("all", *REGIONS):
            mask = regions.get(region) if isinstance(regions, dict) else None
            if not isinstance(mask, np.ndarray) or mask.dtype != bool or mask.ndim != 1:
                raise InputError(f"{where}: subject {subject}: no boolean mask {region}")
    return masks


def _subject(
    record: Record, subject: str, masks: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, list[tuple[int, str]], int]:
    """Language voxels of one subject [volume, voxel], their (index, region), number of shared."""
    values = _array(record)
    where = record.path
    if values.ndim != 2 or len(values) != KEPT or values.dtype.kind != "f":
        raise InputError(
            f"{where}: {values.dtype} of shape {values.shape}, expected ({KEPT}, voxels)"
        )
    sizes = {len(masks[region]) for region in ("all", *REGIONS)}
    if sizes != {values.shape[1]}:
        raise InputError(
            f"{where}: {values.shape[1]} voxels, but {sorted(sizes)} in the masks of {subject}"
        )
    voxels = np.flatnonzero(masks["all"])
    if not voxels.size:
        raise InputError(f"{where}: no voxel of subject {subject} in the mask all")
    inside = np.stack([masks[region][voxels] for region in REGIONS])
    named = [REGIONS[i] for i in inside.argmax(axis=0)]
    names = np.where(inside.any(axis=0), named, "unnamed").tolist()
    shared = int((inside.sum(axis=0) > 1).sum())
    return (
        values[:, voxels].astype(np.float32),
        list(zip(voxels.tolist(), names, strict=True)),
        shared,
    )


def _stimuli(
    record: Record, word_times: np.ndarray, times: np.ndarray, runs: np.ndarray, start: float
) -> tuple[pd.DataFrame, int]:
    values = _array(record)
    if values.shape != (WORDS,) or values.dtype.kind != "U":
        raise InputError(
            f"{record.path}: {values.dtype} of shape {values.shape}, expected {WORDS} words"
        )
    # NumPy does not ask whether its characters exist; Python has to.
    codes = values.astype("=U").view(np.uint32).reshape(WORDS, -1)
    odd = np.flatnonzero((codes > 0x10FFFF).any(axis=1))
    shown = [str(word) for word in values] if not odd.size else []
    odd = odd if odd.size else np.flatnonzero([not word.isprintable() for word in shown])
    if odd.size:
        raise InputError(f"{record.path}: word {odd[0]} holds characters that do not exist")
    words = [word.replace("@", "") or word for word in shown]
    volume = np.searchsorted(times, word_times, side="left") - 1
    if (volume < 0).any():
        raise InputError(f"{record.path}: word 0 comes before the first volume")
    sentence, index = sentences(words)
    stimuli = pd.DataFrame(
        {
            "stimulus_id": [f"wehbe.{i + 1:04d}" for i in range(WORDS)],
            "text": words,
            "context_group": "chapter9",
            "position": np.arange(1, WORDS + 1),
            "split_group": [f"run{int(run)}" for run in runs[volume]],
            "onset": word_times - start,
            # The next word replaces it; the last one is shown for half a second, as all are.
            "offset": np.append(word_times[1:], word_times[-1] + 0.5) - start,
        }
    )
    stimuli["offset"] = np.minimum(stimuli["offset"], stimuli["onset"] + 0.5)
    stimuli = pd.concat([stimuli, covariates(words)], axis=1).assign(
        sentence_id=sentence, word_in_sentence=index
    )
    return stimuli, sum(a != b for a, b in zip(shown, words, strict=True))
