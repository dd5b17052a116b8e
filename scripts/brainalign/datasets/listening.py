"""Natural listening: words and scans of stories, on one clock and in one array."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import xarray as xr

from brainalign.datasets.images import Grid
from brainalign.datasets.words import covariates
from brainalign.errors import InputError

# A transcript and its scan end together, up to a silence (seconds).
LONGEST_SILENCE = 30.0
# Words of an alignment may overlap a little; a word further back than this (seconds) is misplaced.
LONGEST_OVERLAP = 1.0
RESPONSES, REPEATS = "responses", "repeats"


@dataclass(frozen=True)
class Story:
    """The words of a story.

    Attributes
    ----------
    words : `text`, `onset`, `offset` (seconds from the start of the story's first volume), and
        further columns for the stimuli; in the order of the text.
    end : seconds from there to the end of the transcript.
    where : the file of the words, for errors.
    """

    name: str
    words: pd.DataFrame
    end: float
    where: str


@dataclass(frozen=True)
class Scan:
    """One scan of a subject who hears a story.

    Attributes
    ----------
    volumes : how many; known before the values are read.
    read : gives the values, float [volume, target].
    where : the file, for errors.
    """

    subject: str
    story: str
    volumes: int
    read: Callable[[], np.ndarray]
    where: str


@dataclass(frozen=True)
class Targets:
    """The targets of a subject, in the order of its scans' columns.

    Attributes
    ----------
    names : of each, unique for the subject. regions : of each.
    coordinates : where each lies, for maps; `x`, `y`, `z` in mm (float32 [target] each), or
        `hemisphere` and `vertex`. The same of all subjects.
    grid : the voxels that x, y and z are centres of.
    """

    names: Sequence[str]
    regions: Sequence[str]
    coordinates: Mapping[str, np.ndarray] = field(default_factory=dict)
    grid: Grid | None = None

    @classmethod
    def of_voxels(cls, grid: Grid, voxels: np.ndarray, region: str) -> "Targets":
        """Targets that are voxels of a grid: indices int [voxel, 3]."""
        positions = grid.positions(voxels)
        return cls(
            ["-".join(map(str, voxel)) for voxel in voxels.tolist()],
            [region] * len(voxels),
            {axis: positions[:, i] for i, axis in enumerate("xyz")},
            grid,
        )


@dataclass
class Left:
    """What was left out or put together, for the data card."""

    dropped: list[dict[str, object]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    repeats: dict[str, dict[str, int]] = field(default_factory=dict)


def one_clock(
    stories: Sequence[Story],
    scans: Sequence[Scan],
    targets: Mapping[str, Targets],
    tr: float,
    *,
    padding: tuple[int, int] = (0, 0),
    held_out: Iterable[str] = (),
) -> tuple[pd.DataFrame, xr.Dataset, Left]:
    """Stimuli and responses of stories that follow each other, with a pause of one volume between.

    Scans of one subject and story are repeats: they are averaged volume by volume, and also kept,
    but for volumes that are NaN in one of them. Each scan is read once, and put into the one array
    of all responses. A story that a subject did not hear is NaN.
    A volume whose targets are all NaN (padding of the file) stays NaN. A target that is constant in
    a scan, or NaN in one of its other volumes, is left out.

    Parameters
    ----------
    targets : of each subject.
    tr : seconds per volume.
    padding : volumes before and after each scan, NaN, for words that were heard in them.
    held_out : stories whose volumes have `held_out` 1.

    Returns
    -------
    stimuli : a row per word; context group and split group are the story.
    responses : float32 [volume, target], without attributes but `affine` and `grid`; with `repeats`
        where a subject heard a story again.
    left : what was left out.

    Raises
    ------
    InputError : a story has no words or no scan; scans of a story have other numbers of volumes;
        words are out of order or end elsewhere than the scan; values are infinite, or nothing is
        left of a scan.
    """
    rows = _rows(stories, scans, tr, padding)
    left = Left()
    stimuli = _stimuli(stories, rows, tr, left)
    responses = _responses(scans, targets, rows, tr, padding, left)
    held = np.isin(list(rows), list(held_out))
    counts = [n for _, n, _ in rows.values()]
    return (
        stimuli,
        responses.assign_coords(held_out=("volume", np.repeat(held, counts).astype(np.int8))),
        left,
    )


Rows = Mapping[str, tuple[int, int, float]]  # story → first row, number of rows, onset in seconds


def _rows(
    stories: Sequence[Story], scans: Sequence[Scan], tr: float, padding: tuple[int, int]
) -> Rows:
    rows: dict[str, tuple[int, int, float]] = {}
    first, onset = 0, 0.0
    for story in stories:
        of_story = [scan for scan in scans if scan.story == story.name]
        if not of_story:
            raise InputError(f"{story.where}: story {story.name} has no scan")
        for scan in of_story:
            if scan.volumes != of_story[0].volumes:
                kind = "repeats" if scan.subject == of_story[0].subject else "scans"
                raise InputError(
                    f"{scan.where}: {scan.volumes} volumes, but {of_story[0].where} has "
                    f"{of_story[0].volumes}: {kind} of story {story.name} are of different length"
                )
        n = of_story[0].volumes + sum(padding)
        if abs(n * tr - story.end) > LONGEST_SILENCE:
            raise InputError(
                f"{story.where}: the words of story {story.name} end at {story.end:.1f} s, but its "
                f"scan at {n * tr:.1f} s ({of_story[0].where}, {of_story[0].volumes} volumes); "
                f"expected at most {LONGEST_SILENCE:g} s between them"
            )
        rows[story.name] = first, n, onset
        first, onset = first + n, onset + (n + 1) * tr
    unheard = [scan for scan in scans if scan.story not in rows]
    if unheard:
        raise InputError(f"{unheard[0].where}: story {unheard[0].story} has no transcript")
    return rows


def _stimuli(stories: Sequence[Story], rows: Rows, tr: float, left: Left) -> pd.DataFrame:
    parts = []
    late = moved = 0
    for story in stories:
        if story.words.empty:
            raise InputError(f"{story.where}: story {story.name} has no words")
        _, n, begins = rows[story.name]
        onset, offset, changed = _ordered(story)
        inside = onset < n * tr
        late += int((~inside).sum())
        moved += changed
        words = story.words.assign(onset=onset + begins, offset=offset + begins)[inside]
        if words.empty:
            raise InputError(f"{story.where}: no word of story {story.name} is inside its scan")
        numbers = np.flatnonzero(inside) + 1
        parts.append(
            words.assign(
                stimulus_id=[f"{story.name}.{i:05d}" for i in numbers],
                context_group=story.name,
                position=numbers,
                split_group=story.name,
            )
        )
    if late:
        left.dropped.append({"what": "words", "n": late, "why": "heard after the last volume"})
    if moved:
        left.notes.append(
            f"{moved} words of the alignment begin before their scan or the word above them (by "
            f"{LONGEST_OVERLAP:g} s at most); they begin with it"
        )
    stimuli = pd.concat(parts, ignore_index=True)
    first = ["stimulus_id", "text", "context_group", "position", "split_group", "onset", "offset"]
    further = [name for name in stimuli.columns if name not in first]
    return pd.concat(
        [stimuli[first], covariates(stimuli["text"].tolist()), stimuli[further]], axis=1
    )


def _ordered(story: Story) -> tuple[np.ndarray, np.ndarray, int]:
    """Onsets that do not decrease, offsets, and how many onsets were moved (< 1 s)."""
    onset = story.words["onset"].to_numpy(np.float64)
    offset = story.words["offset"].to_numpy(np.float64)
    latest = np.maximum.accumulate(np.maximum(onset, 0))
    for wrong, what in (
        (~np.isfinite(onset) | ~np.isfinite(offset), "has no time"),
        (offset < onset, "ends before it begins"),
        (latest - onset > LONGEST_OVERLAP, "begins long before the scan, or the word above it"),
    ):
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise InputError(
                f"{story.where}: word {row + 1} ({story.words['text'].iloc[row]!r}, "
                f"{onset[row]:g}-{offset[row]:g} s) {what}"
            )
    return latest, np.maximum(offset, latest), int((latest > onset).sum())


def _responses(
    scans: Sequence[Scan],
    targets: Mapping[str, Targets],
    rows: Rows,
    tr: float,
    padding: tuple[int, int],
    left: Left,
) -> xr.Dataset:
    subjects = list(targets)
    sizes = [len(targets[subject].names) for subject in subjects]
    ends = np.cumsum(sizes).tolist()
    columns = {
        subject: slice(end - n, end) for subject, end, n in zip(subjects, ends, sizes, strict=True)
    }
    n_rows = sum(n for _, n, _ in rows.values())
    values = np.full((n_rows, ends[-1]), np.nan, np.float32)
    faults = _Faults(ends[-1])
    heard: dict[tuple[str, str], list[Scan]] = {}
    for scan in scans:
        heard.setdefault((scan.story, scan.subject), []).append(scan)
    scanned = {
        story: slice(first + padding[0], first + n - padding[1])
        for story, (first, n, _) in rows.items()
    }
    again = _Again(heard, scanned, ends[-1])
    for (story, subject), repeats in heard.items():
        block = values[scanned[story], columns[subject]]
        _average(block, repeats, faults, columns[subject], again)
        if len(repeats) > 1:
            left.repeats.setdefault(story, {})[subject] = len(repeats)
    values = _without(values, ~faults.usable)
    if not values.shape[1]:
        raise InputError(f"{scans[0].where}: no target varies in all scans")
    faults.into(left)
    _note_missed(rows, subjects, heard, left)
    return again.into(_dataset(values, faults.usable, targets, rows, tr), faults.usable, left)


class _Again:
    """The scans of stories that a subject heard again, as `repeats` of responses.nc."""

    def __init__(
        self,
        heard: Mapping[tuple[str, str], Sequence[Scan]],
        scanned: Mapping[str, slice],
        n_targets: int,
    ) -> None:
        most = {story: 0 for story in scanned}
        for (story, _), scans in heard.items():
            most[story] = max(most[story], len(scans))
        self._first: dict[str, int] = {}  # of a story's rows among the repeated ones
        rows: list[int] = []
        for story, story_rows in scanned.items():
            if most[story] > 1:
                self._first[story] = len(rows)
                rows += range(story_rows.start, story_rows.stop)
        self._rows = np.array(rows, dtype=np.int64)
        shape = (max(most.values()), len(rows), n_targets) if rows else (0, 0, n_targets)
        self._values = np.full(shape, np.nan, np.float32)
        self._complete = np.ones(len(rows), dtype=bool)

    def take(
        self, number: int, scan: Scan, values: np.ndarray, seen: np.ndarray, columns: slice
    ) -> None:
        """Keep a scan, the repeat of this number, if its story has repeats."""
        if scan.story in self._first:
            first = self._first[scan.story]
            kept = slice(first, first + len(values))
            self._values[number, kept, columns] = values
            self._complete[kept] &= seen

    def into(self, responses: xr.Dataset, usable: np.ndarray, left: Left) -> xr.Dataset:
        """The responses with their repeats, if there are any."""
        lost = int((~self._complete).sum())
        if lost:
            left.notes.append(
                f"{lost} volumes of repeated stories are NaN in a scan: they are not among repeats"
            )
        if not self._complete.any():
            return responses
        values = self._values
        if lost or not usable.all():
            values = values[np.ix_(np.arange(len(values)), self._complete, usable)]
        return responses.assign(
            {REPEATS: (("repeat", "repeated", "target"), values)}
        ).assign_coords(repeated=("repeated", self._rows[self._complete]))


class _Faults:
    """Which targets cannot be used, and which volumes hold nothing."""

    def __init__(self, n: int) -> None:
        self.usable = np.ones(n, dtype=bool)
        self.constant = np.zeros(n, dtype=bool)
        self.first: dict[str, str] = {}
        self.padded: Counter[str] = Counter()

    def take(self, block: np.ndarray, scan: Scan, columns: slice) -> np.ndarray:
        """Which volumes of a scan hold values, bool [volume]; its faults are noted."""
        if np.isinf(block).any():
            raise InputError(f"{scan.where}: volume {np.argwhere(np.isinf(block))[0][0]}: infinite")
        seen = ~np.isnan(block).all(axis=1)
        if not seen.any():
            raise InputError(f"{scan.where}: all volumes hold only NaN")
        with np.errstate(invalid="ignore", over="ignore"):
            # NaN where one of the values is
            spread = np.ptp(block if seen.all() else block[seen], axis=0)
        for name, wrong in (("constant", spread == 0), ("NaN", np.isnan(spread))):
            if wrong.any():
                self.first.setdefault(name, scan.where)
        self.constant[columns] |= spread == 0
        self.usable[columns] &= spread > 0
        if not seen.all():
            self.padded[scan.where] += int((~seen).sum())
        return seen

    def into(self, left: Left) -> None:
        gaps = ~self.usable & ~self.constant
        for name, wrong, why in (
            ("constant", self.constant, "constant in a scan"),
            ("NaN", gaps, "NaN in a volume in which others have values"),
        ):
            if wrong.any():
                left.dropped.append(
                    {
                        "what": "targets",
                        "n": int(wrong.sum()),
                        "why": f"{why}, first {self.first[name]}",
                    }
                )
        if self.padded:
            scan, n = next(iter(self.padded.items()))
            left.dropped.append(
                {
                    "what": "volumes",
                    "n": sum(self.padded.values()),
                    "why": f"NaN in all targets (they stay NaN), first {n} of {scan}",
                }
            )


def _average(
    block: np.ndarray, repeats: Sequence[Scan], faults: _Faults, columns: slice, again: _Again
) -> None:
    """Put the mean of repeats into `block`, a part of the responses, one scan at a time."""
    if len(repeats) == 1:
        block[:], seen = _scanned(repeats[0], block.shape, faults, columns)
        again.take(0, repeats[0], block, seen, columns)
        return
    counts = np.zeros(len(block), dtype=np.int64)
    block[:] = 0
    for number, scan in enumerate(repeats):
        values, seen = _scanned(scan, block.shape, faults, columns)
        again.take(number, scan, values, seen, columns)
        with np.errstate(invalid="ignore", over="ignore"):  # infinity is refused at the end
            block[seen] += values[seen]
        counts += seen
        del values  # before the next one is read
    block[counts == 0] = np.nan
    for row in np.flatnonzero(counts > 1):
        block[row] /= counts[row]


def _scanned(
    scan: Scan, shape: tuple[int, ...], faults: _Faults, columns: slice
) -> tuple[np.ndarray, np.ndarray]:
    """The values of a scan, and which volumes hold some."""
    values = scan.read()
    if values.shape != shape:
        raise InputError(f"{scan.where}: {values.shape} values, expected {shape}")
    return values, faults.take(values, scan, columns)


def _without(values: np.ndarray, unusable: np.ndarray) -> np.ndarray:
    """The array without some columns, in the memory that it has."""
    if not unusable.any():
        return values
    kept = np.flatnonzero(~unusable)
    flat = values.reshape(-1)
    for row in range(len(values)):
        flat[row * kept.size : (row + 1) * kept.size] = values[row, kept]
    return flat[: len(values) * kept.size].reshape(len(values), kept.size)


def _note_missed(
    rows: Rows, subjects: Sequence[str], heard: Mapping[tuple[str, str], object], left: Left
) -> None:
    missed = [f"{one} {story}" for one in subjects for story in rows if (story, one) not in heard]
    if missed:
        left.notes.append(
            f"{len(missed)} stories were not heard by a subject (NaN), first {missed[0]}"
        )


def _dataset(
    values: np.ndarray, usable: np.ndarray, targets: Mapping[str, Targets], rows: Rows, tr: float
) -> xr.Dataset:
    subject = np.repeat(list(targets), [len(one.names) for one in targets.values()])
    names = [f"{s}.{name}" for s, one in targets.items() for name in one.names]
    regions = [region for one in targets.values() for region in one.regions]
    coordinates: dict[str, object] = {
        "target_id": ("target", _kept(names, usable)),
        "subject": ("target", subject[usable].tolist()),
        "region": ("target", _kept(regions, usable)),
        "onset": (
            "volume",
            np.concatenate([begins + tr * np.arange(n) for _, n, begins in rows.values()]),
        ),
        "run": ("volume", np.repeat(list(rows), [n for _, n, _ in rows.values()]).tolist()),
    }
    for name in next(iter(targets.values())).coordinates:
        positions = np.concatenate([one.coordinates[name] for one in targets.values()])[usable]
        coordinates[name] = (
            "target",
            positions.tolist() if positions.dtype.kind == "U" else positions,
        )
    grids = {s: one.grid for s, one in targets.items() if one.grid is not None}
    attributes = {
        "affine": json.dumps({s: one.affine.tolist() for s, one in grids.items()}),
        "grid": json.dumps({s: list(one.shape) for s, one in grids.items()}),
    }
    return xr.Dataset(
        {RESPONSES: (("volume", "target"), values)},
        coords=coordinates,
        attrs=attributes if grids else {},
    )


def _kept(names: Sequence[str], usable: np.ndarray) -> list[str]:
    return [name for name, kept in zip(names, usable.tolist(), strict=True) if kept]
