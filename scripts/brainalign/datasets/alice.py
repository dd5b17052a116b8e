"""Alice: fMRI of 27 people who listen to chapter 1 of Alice in Wonderland (Brennan et al. 2016)."""

import io
import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from brainalign.datasets.prepared import Prepared, attributes, expect
from brainalign.datasets.printed import CLITIC, printed
from brainalign.datasets.raw import RawFile, Record, by_name, raw_table, text
from brainalign.datasets.settings import Alice
from brainalign.datasets.words import covariates, unknown_words
from brainalign.errors import InputError
from brainalign.resources import RESOURCES

CITATION = "Brennan et al. 2016, Brain and Language 157-158:81-94"
SOURCE = "Alice fMRI timecourses (University of Michigan, 2016)"
LICENCE = "CC BY 4.0"
FOLDER = "alice_fmri"
# What is read aloud (Carroll 1865, public domain): words as a reader knows them are in print only.
PRINTED = RESOURCES / "texts" / "alice_chapter1.txt"
TEXTGRID = f"{FOLDER}/DownTheRabbitHoleFinal_exp120_pad_1.TextGrid"

REGIONS = ("LATL", "RATL", "LPTL", "LIPL", "LPreM", "LIFG")
RADII = ("10mm", "6mm")
TR = 2.0
VOLUMES = 362
DISCARDED_VOLUMES = 10
FIRST_VOLUME = DISCARDED_VOLUMES * TR  # seconds on the clock of the TextGrid
REGRESSORS = (
    "word_rate", "sound_power",
    "translation_x", "translation_y", "translation_z", "rotation_x", "rotation_y", "rotation_z",
)  # fmt: skip
PAUSE = "sp"
INTERVAL = re.compile(r'xmin = (\S+)\s+xmax = (\S+)\s+text = "((?:[^"]|"")*)"')


def raw_files(source: Alice) -> list[RawFile]:
    """The TextGrid; per subject time courses of one radius, word rate, sound power, movement."""
    other = {f"{FOLDER}/{radius}/" for radius in RADII} - {f"{FOLDER}/{source.radius}/"}
    table = raw_table("alice", LICENCE)
    return [file for path, file in table.items() if not path.startswith(tuple(other))]


def read(records: Sequence[Record], source: Alice) -> Prepared:
    """Printed words with their times, and the six regions' raw time courses of usable subjects.

    Onsets and offsets are seconds from the start of row 0 of the 362 volumes. Values stay in
    scanner units; z-scoring belongs to the encoding model, inside its training folds.

    Raises
    ------
    InputError : a file has another form or size than the release's, or words are out of order.
    """
    files, radius = by_name(records), source.radius
    words, counts, changed = _words(text(files[TEXTGRID]), files[TEXTGRID].path)
    courses, nuisance, silent = {}, {}, []
    for name in sorted(files):
        match = re.fullmatch(rf"{FOLDER}/{radius}/(s\d\d)-timecourses\.txt", name)
        if match is None:
            continue
        subject = match[1]
        course = _matrix(files[name], VOLUMES, len(REGIONS))
        if not course.any():
            silent.append(subject)
            continue
        courses[subject] = course
        nuisance[subject] = _nuisance(files, subject)
    if all(record.verified for record in records):
        where = f"{FOLDER} ({radius})"
        expect(silent, ["s33"], where, "subjects with time courses of zeros only")
        expect(len(courses), 27, where, "number of usable subjects")
        expect(counts["spoken"], 2127, files[TEXTGRID].path, "number of words")

    responses = _responses(courses, nuisance, records)
    return Prepared.of(
        words,
        responses,
        records,
        dataset="alice",
        citation=CITATION,
        dropped=[
            {"what": "subject", "n": len(silent), "why": f"only zeros: {', '.join(silent)}"},
            {"what": "pauses", "n": counts["pauses"], "why": "'sp' intervals are not words"},
            {"what": "unlabelled intervals", "n": counts["unlabelled"], "why": "no word given"},
            {
                "what": "movement rows",
                "n": DISCARDED_VOLUMES,
                "why": "they belong to the volumes that the release had discarded",
            },
        ],
        changed=changed,
        notes=[
            "values are raw scanner units, neither z-scored nor cleaned",
            f"row 0 starts at {FIRST_VOLUME:g} s of the TextGrid's clock",
            "the TextGrid has no sentences and no punctuation: they are the printed chapter's",
            "phrase_id counts the runs of words between pauses, word_in_phrase their position",
            "word rate is convolved with a haemodynamic response by the authors",
            *unknown_words(words),
        ],
        radius=radius,
        regressors=list(REGRESSORS),
    )


def _words(textgrid: str, where: str) -> tuple[pd.DataFrame, dict[str, int], list[str]]:
    """Stimuli, counts of the TextGrid's labels, and what was changed of its words."""
    try:
        intervals = [
            (float(start), float(end), label.replace('""', '"').strip())
            for start, end, label in INTERVAL.findall(textgrid)
        ]
    except ValueError as error:
        raise InputError(f"{where}: a time is no number ({error})") from error
    declared = re.search(r"intervals: size = (\d+)", textgrid)
    if declared is None or int(declared[1]) != len(intervals):
        expected = declared[1] if declared else "a TextGrid in long form"
        raise InputError(f"{where}: {len(intervals)} whole intervals, expected {expected}")
    ends = [end for _, end, _ in intervals]
    for i, (start, end, label) in enumerate(intervals):
        if not start < end < np.inf or (i and start < ends[i - 1] - 1e-6):
            raise InputError(
                f"{where}: interval {i + 1} ({label!r}) is out of order: {start}-{end}"
            )
    rows, phrase, begun = [], 1, False
    for start, end, label in intervals:
        if label == PAUSE:
            phrase, begun = phrase + begun, False
        elif label:
            begun = True
            rows.append((label, start - FIRST_VOLUME, end - FIRST_VOLUME, phrase))
    if not rows:
        raise InputError(f"{where}: no words, only pauses")
    spoken = pd.DataFrame(rows, columns=["text", "onset", "offset", "phrase_id"])
    in_print = printed(spoken["text"].tolist(), PRINTED.read_text(encoding="utf-8"))
    n = len(in_print)
    stimuli = pd.DataFrame(
        {
            "stimulus_id": [f"alice.{i + 1:04d}" for i in range(n)],
            "text": in_print["text"],
            "context_group": "chapter1",
            "position": np.arange(1, n + 1),
            "split_group": "chapter1",
            "onset": spoken["onset"].to_numpy()[in_print["first"]],
            "offset": spoken["offset"].to_numpy()[in_print["last"]],
        }
    )
    words = covariates(in_print["text"].tolist())
    sentences = in_print[["sentence_id", "word_in_sentence"]]
    phrases = pd.DataFrame({"phrase_id": spoken["phrase_id"].to_numpy()[in_print["first"]]})
    phrases["word_in_phrase"] = phrases.groupby("phrase_id").cumcount() + 1
    labels = [label for _, _, label in intervals]
    counts = {
        "pauses": labels.count(PAUSE), "unlabelled": labels.count(""), "spoken": len(spoken)
    }  # fmt: skip
    stimuli = pd.concat([stimuli, words, sentences, phrases], axis=1)
    return stimuli, counts, _changed(spoken["text"].tolist(), in_print)


def _changed(spoken: Sequence[str], in_print: pd.DataFrame) -> list[str]:
    clitics = sum(CLITIC.fullmatch(word) is not None for word in spoken[1:])
    parts = len(spoken) - len(in_print) - clitics
    others = in_print[in_print["otherwise"]]
    said = [
        f"{' '.join(spoken[first : last + 1])} ({text})"
        for first, last, text in zip(
            others["first"].tolist(), others["last"].tolist(), others["text"].tolist(), strict=True
        )
    ]
    return [
        f"the text is the printed one, with punctuation: {len(spoken)} spoken words are "
        f"{len(in_print)} printed ones; {clitics} clitics and {parts} other parts of printed "
        "words are joined to the word before, from the onset of the first to the offset of the "
        "last",
        f"{len(said)} were said (in brackets: are read here) otherwise than printed, or are not "
        f"in print and read as said: {', '.join(said)}",
    ]


def _nuisance(files: Mapping[str, Record], subject: str) -> np.ndarray:
    """Word rate, sound power and movement of one subject, [volume, regressor]."""
    prefix = f"{FOLDER}/{subject}-rp_"
    movement = [record for name, record in files.items() if name.startswith(prefix)]
    if len(movement) != 1:
        raise InputError(f"{prefix}*.txt: {len(movement)} movement files, expected 1")
    return np.hstack(
        [
            _matrix(files[f"{FOLDER}/{subject}-rate.txt"], VOLUMES, 1),
            _matrix(files[f"{FOLDER}/{subject}-sndpwr.txt"], VOLUMES, 1),
            _matrix(movement[0], DISCARDED_VOLUMES + VOLUMES, 6)[DISCARDED_VOLUMES:],
        ]
    )


def _matrix(record: Record, rows: int, columns: int) -> np.ndarray:
    try:
        values = np.loadtxt(io.StringIO(text(record)), ndmin=2)
    except ValueError as error:
        raise InputError(f"{record.path}: not a table of numbers ({error})") from error
    if values.shape != (rows, columns):
        raise InputError(f"{record.path}: {values.shape}, expected ({rows}, {columns})")
    if not np.isfinite(values).all():
        raise InputError(
            f"{record.path}: row {np.argwhere(~np.isfinite(values))[0][0]}: not finite"
        )
    return values


def _responses(
    courses: Mapping[str, np.ndarray], nuisance: Mapping[str, np.ndarray], records: Sequence[Record]
) -> xr.Dataset:
    if not courses:
        raise InputError(f"{FOLDER}: no subject has time courses")
    subjects = list(courses)
    return xr.Dataset(
        {
            "responses": (("volume", "target"), np.hstack(list(courses.values()))),
            "nuisance": (("subject_id", "volume", "regressor"), np.stack(list(nuisance.values()))),
        },
        coords={
            "target_id": ("target", [f"{s}.{region}" for s in subjects for region in REGIONS]),
            "subject": ("target", [s for s in subjects for _ in REGIONS]),
            "region": ("target", list(REGIONS) * len(subjects)),
            "onset": ("volume", np.arange(VOLUMES) * TR),
            "run": ("volume", np.ones(VOLUMES, dtype=np.int64)),
            "subject_id": ("subject_id", subjects),
            "regressor": ("regressor", list(REGRESSORS)),
        },
        attrs=attributes("brain", "scanner units", SOURCE, LICENCE, records, tr=TR),
    )
