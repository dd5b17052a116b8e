"""Narratives (Nastase et al. 2021): fMRI of people who listen to stories."""

import csv
import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from brainalign.datasets.confounds import confounds, without_confounds
from brainalign.datasets.images import common_grid, mask, scan_grid, surface, volumes
from brainalign.datasets.listening import Scan, Story, Targets, one_clock
from brainalign.datasets.prepared import Prepared, attributes
from brainalign.datasets.raw import RawFile, Record, by_name, needed, openneuro, tab_separated, text
from brainalign.datasets.settings import Narratives
from brainalign.datasets.words import sentences, unknown_words
from brainalign.errors import InputError
from brainalign.formats.locations import SURFACES

CITATION = "Nastase et al. 2021, Scientific Data 8:250"
SOURCE = "OpenNeuro ds002345"
LICENCE = "CC0"
UNITS = "BOLD response, scanner units"
FOLDER = "ds002345"
TR = 1.5
VERTICES = SURFACES["fsaverage6"]
HEMISPHERES = {"L": "left", "R": "right"}
WORD = re.compile(r"(?:\w|[’']\w)+")  # what Gentle takes for a word (gentle/metasentence.py)
# Poor alignment, behaviour or correlation with others (code/scan_exclude.json).
EXCLUDED = frozenset((
    "sub-053_task-lucy", "sub-065_task-lucy", "sub-158_task-merlin", "sub-038_task-milkyway",
    "sub-105_task-milkyway", "sub-123_task-milkyway", "sub-317_task-notthefallintact",
    "sub-335_task-notthefallintact", "sub-066_task-notthefalllongscram",
    "sub-335_task-notthefalllongscram", "sub-333_task-notthefallshortscram",
    "sub-001_task-pieman_run-1", "sub-001_task-pieman_run-2", "sub-013_task-pieman_run-2",
    "sub-014_task-pieman_run-2", "sub-021_task-pieman", "sub-022_task-pieman",
    "sub-038_task-pieman", "sub-056_task-pieman", "sub-068_task-pieman", "sub-069_task-pieman",
    "sub-038_task-prettymouth", "sub-105_task-prettymouth", "sub-238_task-shapessocial",
    "sub-139_task-slumlordreach", "sub-004_task-tunnel", "sub-013_task-tunnel",
))  # fmt: skip


@dataclass(frozen=True)
class _Window:
    """The volumes of a scan in which a story is heard, and the start of its audio file (s)."""

    first: int
    last: int
    audio: float


def raw_files(source: Narratives) -> list[RawFile]:
    """Alignment and transcript per story; events, images and confounds per scan; masks."""
    names: dict[str, None] = {}
    for story, scans in source.scans.items():
        names[_alignment(story)] = None
        if source.text == "transcript":
            names[_transcript(story)] = None
        for scan in scans:
            names[f"{_raw(scan)}_events.tsv"] = None
            names |= dict.fromkeys(_images(scan, source))
            if source.space != "fsaverage6":
                names[_mask(scan, source)] = None
            if source.confounds != "none":
                names[f"{_confounds(scan)}.tsv"] = None
            if source.confounds == "acompcor":
                names[f"{_confounds(scan)}.json"] = None
    return openneuro(names, LICENCE)


def read(records: Sequence[Record], source: Narratives) -> Prepared:
    """Words of the stories, and the responses while they were heard.

    Of each scan the volumes in which its story is heard are kept; music before it is left out
    (snastase/narratives, code/compile_metadata.py, event_meta.json). Alignments are in seconds of
    the audio file, which begins with the first event that names it (staging/compile_events.py,
    code/plot_stim.py). Words that the alignment did not find are spread between their neighbours.
    Confounds are taken out of the complete scan, before it is cut. Scans of a subject and story are
    repeats, and are averaged.

    Raises
    ------
    InputError : a file has another form, the transcript has other words than the alignment, a scan
        ends before its story, the images of a subject have other voxels, or as `one_clock`.
    """
    files = by_name(records)
    windows = {
        scan: _window(needed(files, f"{_raw(scan)}_events.tsv", "a scan's events"), story)
        for story, scans in source.scans.items()
        for scan in scans
    }
    stories, unaligned = [], 0
    for name, names in source.scans.items():
        for scan in names[1:]:
            if windows[scan] != windows[names[0]]:
                raise InputError(
                    f"{files[f'{_raw(scan)}_events.tsv'].path}: story {name} at other times than "
                    f"in {names[0]}: {windows[scan]}, {windows[names[0]]}"
                )
        story, missed = _story(files, name, windows[names[0]], source)
        stories.append(story)
        unaligned += missed
    scans, targets = _scans(files, windows, source)
    stimuli, responses, left = one_clock(stories, scans, targets, TR, held_out=source.test)
    responses.attrs |= attributes(
        "brain", UNITS, SOURCE, LICENCE, records, tr=TR, space=source.space
    )
    excluded = [scan for scan in windows if scan in EXCLUDED]
    return Prepared.of(
        stimuli,
        responses,
        records,
        dataset="narratives",
        citation=CITATION,
        dropped=left.dropped,
        notes=[
            "the reader follows the published layout and code; it has not met the real files",
            f"{unaligned} words that the alignment did not find have times between those beside "
            "them",
            f"confounds taken out here: {source.confounds}"
            + ("" if source.derivative == "fmriprep" else "; by the authors: those of acompcor"),
            f"the authors exclude {len(excluded)} of these {len(windows)} scans"
            + (f": {', '.join(excluded)}" if excluded else ""),
            *left.notes,
            *unknown_words(stimuli),
        ],
        derivative=source.derivative,
        confounds=source.confounds,
        held_out_stories=list(source.test),
        repeats_averaged=left.repeats,
    )


def _raw(scan: str) -> str:
    return f"{FOLDER}/{scan[:7]}/func/{scan}"


def _derived(scan: str, derivative: str) -> str:
    return f"{FOLDER}/derivatives/{derivative}/{scan[:7]}/func/{scan}"


def _confounds(scan: str) -> str:
    return f"{_derived(scan, 'fmriprep')}_desc-confounds_regressors"


def _alignment(story: str) -> str:
    return f"{FOLDER}/stimuli/gentle/{story}/align.csv"


def _transcript(story: str) -> str:
    return f"{FOLDER}/stimuli/transcripts/{story}_transcript.txt"


def _images(scan: str, source: Narratives) -> list[str]:
    """One NIfTI image, or the GIFTI files of the left and right hemisphere."""
    begin = f"{_derived(scan, source.derivative)}_space-{source.space}"
    raw = source.derivative == "fmriprep"
    if source.space == "fsaverage6":
        end = ".func.gii" if raw else "_desc-clean.func.gii"
        return [f"{begin}_hemi-{hemisphere}{end}" for hemisphere in HEMISPHERES]
    return [f"{begin}_res-native_desc-{'preproc' if raw else 'clean'}_bold.nii.gz"]


def _mask(scan: str, source: Narratives) -> str:
    """fMRIPrep's mask of the scan, or the template's that the authors cut AFNI's outputs with."""
    if source.derivative == "fmriprep":
        begin = f"{_derived(scan, source.derivative)}_space-{source.space}"
        return f"{begin}_res-native_desc-brain_mask.nii.gz"
    template = f"tpl-{source.space}"
    task = scan.split("_")[1].removeprefix("task-")
    return (
        f"{FOLDER}/derivatives/{source.derivative}/{template}/"
        f"{template}_res-{task}_desc-brain_mask.nii.gz"
    )


def _window(record: Record, story: str) -> _Window:
    """When a story is heard, by the scan's table of events."""
    events = tab_separated(record, ["onset", "duration", "trial_type", "stim_file"])
    of_story = events[events["stim_file"] == f"{story}_audio.wav"]
    heard = of_story[of_story["trial_type"] == "story"]
    if heard.empty:
        others = ", ".join(sorted(set(events["stim_file"]))) or "nothing"
        raise InputError(f"{record.path}: story {story} is not heard in it, but {others}")
    try:
        onset = of_story["onset"].astype(float).min()
        begin = heard["onset"].astype(float)
        end = begin + heard["duration"].astype(float)
    except ValueError as error:
        raise InputError(f"{record.path}: a time is no number ({error})") from error
    if not np.isfinite([onset, begin.min(), end.max()]).all() or onset < 0:
        raise InputError(f"{record.path}: an event of story {story} has no time in the scan")
    return _Window(math.floor(begin.min() / TR), math.ceil(end.max() / TR), float(onset))


def _story(
    files: Mapping[str, Record], name: str, window: _Window, source: Narratives
) -> tuple[Story, int]:
    """The words of a story, and how many of them the alignment did not find."""
    record = needed(files, _alignment(name), f"the transcript of story {name}")
    words = _aligned(record)
    if words.empty or words["onset"].isna().all():
        raise InputError(f"{record.path}: story {name} has no words with times")
    missed = int(words["onset"].isna().sum())
    # A word that was not found begins at its share of the time between those beside it.
    words[["onset", "offset"]] = words[["onset", "offset"]].interpolate(limit_direction="both")
    if source.text == "transcript":
        printed = needed(files, _transcript(name), f"the transcript of story {name}")
        words = _printed(words, printed, record.path)
    words[["onset", "offset"]] += window.audio - window.first * TR
    # The events say when the story ends; its last word may come before a silence.
    return Story(name, words, float(words["offset"].max()), record.path), missed


def _aligned(record: Record) -> pd.DataFrame:
    """Gentle's table: word, word as it was recognised, start and end (empty where not found)."""
    rows = list(csv.reader(io.StringIO(text(record))))
    for i, row in enumerate(rows):
        if len(row) != 4:
            raise InputError(f"{record.path}: row {i + 1}: {len(row)} columns, expected 4")
    table = pd.DataFrame(rows, columns=["text", "recognised", "onset", "offset"])
    for column in ("onset", "offset"):
        values = pd.to_numeric(table[column], errors="coerce")
        wrong = values.isna() & (table[column] != "")
        if wrong.any():
            at = int(np.flatnonzero(wrong)[0])
            raise InputError(
                f"{record.path}: row {at + 1}: {table[column].iloc[at]!r}, expected seconds"
            )
        table[column] = values
    return table.drop(columns="recognised")


def _printed(words: pd.DataFrame, transcript: Record, where: str) -> pd.DataFrame:
    """Words as the transcript has them, with their marks: a row per stretch between two blanks."""
    tokens = text(transcript).split()
    parts = [(part, i) for i, token in enumerate(tokens) for part in WORD.findall(token)]
    for number, (word, (part, _)) in enumerate(zip(words["text"], parts, strict=False), start=1):
        if word != part:
            raise InputError(
                f"{where}: row {number} is {word!r}, but word {number} of {transcript.path} is "
                f"{part!r}; text: aligned reads the alignment alone"
            )
    if len(words) != len(parts):
        raise InputError(
            f"{where}: {len(words)} words, but {transcript.path} has {len(parts)}; text: aligned "
            "reads the alignment alone"
        )
    token = np.array([i for _, i in parts])
    first = np.flatnonzero(np.diff(token, prepend=-1))
    last = np.append(first[1:], token.size) - 1
    # Marks that stand alone (a dash) go with the word before them; at the start with the first.
    begins = [0, *token[first[1:]].tolist()]
    ends = [*begins[1:], len(tokens)]
    shown = [" ".join(tokens[a:b]) for a, b in zip(begins, ends, strict=True)]
    sentence, index = sentences(shown)
    return pd.DataFrame(
        {
            "text": shown,
            "onset": words["onset"].to_numpy()[first],
            "offset": words["offset"].to_numpy()[last],
            "sentence_id": sentence,
            "word_in_sentence": index,
        }
    )


def _scans(
    files: Mapping[str, Record], windows: Mapping[str, _Window], source: Narratives
) -> tuple[list[Scan], dict[str, Targets]]:
    of_subject: dict[str, list[str]] = {}
    for scan in windows:
        of_subject.setdefault(scan[:7], []).append(scan)
    story_of = {scan: story for story, named in source.scans.items() for scan in named}
    scans: dict[str, Scan] = {}
    targets = {}
    for subject, named in of_subject.items():
        images = {
            scan: [needed(files, name, "a scan") for name in _images(scan, source)]
            for scan in named
        }
        if source.space == "fsaverage6":
            targets[subject], load = _vertices(), _from_surface
        else:
            masks = {scan: needed(files, _mask(scan, source), "a mask") for scan in named}
            targets[subject], inside = _voxels({scan: images[scan][0] for scan in named}, masks)
            load = partial(_from_volume, inside)
        for scan in named:
            regressors = _regressors(files, scan, source)
            window = windows[scan]
            scans[scan] = Scan(
                subject,
                story_of[scan],
                window.last - window.first,
                partial(_kept, load, images[scan], window, regressors),
                images[scan][0].path,
            )
    return [scans[scan] for scan in windows], targets


def _regressors(files: Mapping[str, Record], scan: str, source: Narratives) -> np.ndarray | None:
    if source.confounds == "none":
        return None
    table = needed(files, f"{_confounds(scan)}.tsv", "the table of confounds")
    about = (
        needed(files, f"{_confounds(scan)}.json", "the account of confounds")
        if source.confounds == "acompcor"
        else None
    )
    return confounds(source.confounds, table, about).to_numpy()


def _vertices() -> Targets:
    hemispheres = [name for name in HEMISPHERES.values() for _ in range(VERTICES)]
    vertices = np.tile(np.arange(VERTICES, dtype=np.int32), len(HEMISPHERES))
    return Targets(
        [f"{side}-{vertex}" for side, vertex in zip(hemispheres, vertices.tolist(), strict=True)],
        [f"{side} hemisphere" for side in hemispheres],
        {"hemisphere": np.array(hemispheres), "vertex": vertices},
    )


def _voxels(
    images: Mapping[str, Record], masks: Mapping[str, Record]
) -> tuple[Targets, np.ndarray]:
    """The voxels inside the masks of all scans of a subject, and these as bool [x, y, z]."""
    voxels, _ = common_grid(list(images.values()))
    inside = np.ones(voxels.shape, dtype=bool)
    for scan, image in images.items():
        inside &= mask(masks[scan], voxels, image.path)
    if not inside.any():
        first = next(iter(images.values()))
        raise InputError(f"{first.path}: no voxel is in the masks of all scans of its subject")
    return Targets.of_voxels(voxels, np.argwhere(inside), "brain"), inside


def _from_surface(records: Sequence[Record]) -> np.ndarray:
    values = []
    for record in records:
        values.append(surface(record))
        if values[-1].shape != (len(values[0]), VERTICES):
            raise InputError(
                f"{record.path}: {values[-1].shape} values, expected ({len(values[0])}, {VERTICES})"
            )
    return np.hstack(values)


def _from_volume(inside: np.ndarray, records: Sequence[Record]) -> np.ndarray:
    _, n = scan_grid(records[0])
    return volumes(records[0], inside, 0, n)


def _kept(
    load: Callable[[Sequence[Record]], np.ndarray],
    images: Sequence[Record],
    window: _Window,
    regressors: np.ndarray | None,
) -> np.ndarray:
    """A scan without confounds, cut to its story."""
    values = load(images)
    if len(values) < window.last:
        raise InputError(
            f"{images[0].path}: {len(values)} volumes end at {len(values) * TR:g} s, but the story "
            f"ends at {window.last * TR:g} s: transcript and scan are of different length"
        )
    if regressors is not None:
        values = without_confounds(values, regressors, images[0].path)
    return values[window.first : window.last]
