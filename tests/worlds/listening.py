"""Trees of natural listening in small, in OpenNeuro's layout; NIfTI and GIFTI byte by byte."""

import base64
import gzip
import json
import struct
from contextlib import contextmanager

import h5py
import numpy as np
import pytest
from brainalign.errors import InputError
from dataset_files import record

AFFINE = np.array([[-2.0, 0, 0, 40], [0, 2.5, 0, -30], [0, 0.5, 3, 7], [0, 0, 0, 1]])


def records(folder):
    return [
        record(path, str(path.relative_to(folder)))
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]


@contextmanager
def refused(says):
    """What is done inside must stop with an error of one line that says so."""
    with pytest.raises(InputError, match=says) as error:
        yield
    assert "\n" not in str(error.value)


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content, encoding="utf-8")
    return path


def nifti(values, affine=AFFINE, sform=1, tr=2.0):
    """NIfTI-1 in one packed file (nifti.nimh.nih.gov, nifti1.h): float32, first axis fastest."""
    dims = [values.ndim, *values.shape, *[1] * (7 - values.ndim)]
    header = bytearray(352)
    struct.pack_into("<i", header, 0, 348)
    struct.pack_into("<8h", header, 40, *dims)
    struct.pack_into("<2h", header, 70, 16, 32)  # datatype float32, bits
    struct.pack_into("<8f", header, 76, 1, 2, 2.5, 3, tr, 1, 1, 1)
    struct.pack_into("<3f", header, 108, 352, 0, 0)  # where values begin; no scaling
    struct.pack_into("<2h", header, 252, 0, sform)
    struct.pack_into("<12f", header, 280, *np.asarray(affine)[:3].ravel())
    header[344:348] = b"n+1\0"
    data = np.asarray(values, "<f4").tobytes(order="F")
    return gzip.compress(bytes(header) + data, mtime=0)


def gifti(values):
    """A GIFTI time series: an array per volume (www.nitrc.org/projects/gifti)."""
    arrays = "".join(
        '<DataArray Intent="NIFTI_INTENT_TIME_SERIES" DataType="NIFTI_TYPE_FLOAT32" '
        f'ArrayIndexingOrder="RowMajorOrder" Dimensionality="1" Dim0="{row.size}" '
        'Encoding="Base64Binary" Endian="LittleEndian" ExternalFileName="" ExternalFileOffset="">'
        f"<Data>{base64.b64encode(np.asarray(row, '<f4').tobytes()).decode()}</Data></DataArray>"
        for row in values
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE GIFTI SYSTEM '
        '"http://www.nitrc.org/frs/download.php/115/gifti.dtd">\n'
        f'<GIFTI Version="1.0" NumberOfDataArrays="{len(values)}">{arrays}</GIFTI>\n'
    )


def textgrid(words, end, short=True, name="word"):
    """Two tiers, phones and words; `words`: (label, start, end)."""
    tiers = [("phone", [("AH0", 0.0, end)]), (name, words)]
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', ""]
    if short:
        lines += ["0.0", f"{end}", "<exists>", "2"]
        for tier, intervals in tiers:
            lines += ['"IntervalTier"', f'"{tier}"', "0.0", f"{end}", f"{len(intervals)}"]
            for label, start, stop in intervals:
                lines += [f"{start}", f"{stop}", f'"{label}"']
        return "\n".join(lines) + "\n"
    lines += ["xmin = 0.0", f"xmax = {end}", "tiers? <exists>", "size = 2", "item []:"]
    for i, (tier, intervals) in enumerate(tiers, start=1):
        lines += [
            f"    item [{i}]:", '        class = "IntervalTier"', f'        name = "{tier}"',
            "        xmin = 0.0", f"        xmax = {end}",
            f"        intervals: size = {len(intervals)}",
        ]  # fmt: skip
        for j, (label, start, stop) in enumerate(intervals, start=1):
            lines += [
                f"        intervals [{j}]:", f"            xmin = {start}",
                f"            xmax = {stop}", f'            text = "{label}"',
            ]  # fmt: skip
    return "\n".join(lines) + "\n"


# Story → volumes of its scan; the story lasts 10 s longer at both ends.
LEBEL = {"souls": 16, "life": 20, "wheretheressmoke": 15}
LEBEL_WORDS = ["sp", "THE", "{LG}", "old", "Miller", "", "walked", "sentence_end", "down"]
SHAPE = (4, 3, 5)
REPEATS = 3


def lebel_words(story):
    """Every second from 0.5 s on, in turn."""
    end = 2.0 * (LEBEL[story] + 10)
    return [
        (LEBEL_WORDS[i % len(LEBEL_WORDS)], 0.5 + i, 1.25 + i) for i in range(int(end) - 1)
    ], end


def lebel_mask(subject):
    return np.random.default_rng(int(subject[-1])).random(SHAPE) < 0.4


def lebel_values(subject, story):
    """float64 [repeat, volume, voxel]."""
    rng = np.random.default_rng(list(f"{subject}{story}".encode()))
    shape = (REPEATS if story == "wheretheressmoke" else 1, LEBEL[story])
    return rng.standard_normal((*shape, int(lebel_mask(subject).sum())))


def write_lebel(folder, subjects=("UTS01", "UTS02")):
    root = folder / "ds003020/derivative"
    for story in LEBEL:
        grid = textgrid(*lebel_words(story), short=story != "life")
        write(root / f"TextGrids/{story}.TextGrid", grid)
    for subject in subjects:
        for story in LEBEL:
            values = lebel_values(subject, story)
            path = root / f"preprocessed_data/{subject}/{story}.hf5"
            path.parent.mkdir(parents=True, exist_ok=True)
            with h5py.File(path, "w") as file:
                if len(values) > 1:
                    file["individual_repeats"] = values
                file["resp" if story == "life" else "data"] = values.mean(axis=0)
        transform = root / f"pycortex-db/{subject}/transforms/{subject}_auto"
        write(transform / "mask_thick.nii.gz", nifti(lebel_mask(subject)))
    return root


# Narratives: story → (task, music, start and duration of the story, volumes of the scan).
NARRATIVES = {
    "tunnel": ("tunnel", None, 3.0, 24.0, 20),
    "pieman": ("pieman", 0.0, 15.0, 18.0, 25),
    "milkywayvodka": ("milkyway", 0.0, 21.0, 18.0, 28),
}
SCANS = {
    "tunnel": ("sub-004_task-tunnel", "sub-015_task-tunnel"),
    "pieman": ("sub-004_task-pieman_run-1", "sub-004_task-pieman_run-2"),
    "milkywayvodka": ("sub-015_task-milkyway",),
}
VERTICES = 7
# What Gentle makes of it: words without marks, a hyphen between two, one that it did not find.
TRANSCRIPT = "It began — well, in the ice-cream shop.\n“Don’t!” he said; she laughed.\n"
ALIGNED = ["It", "began", "well", "in", "the", "ice", "cream", "shop", "Don’t", "he", "said",
           "she", "laughed"]  # fmt: skip
MISSED = 4
PRINTED = ["It", "began —", "well,", "in", "the", "ice-cream", "shop.", "“Don’t!”", "he", "said;",
           "she", "laughed."]  # fmt: skip


def narratives_times(story):
    """Start of each aligned word in the audio file, in seconds; 1.25 s from word to word."""
    _, music, onset, _, _ = NARRATIVES[story]
    return (
        (onset if music is None else onset - music) * (music is not None)
        + 0.5
        + 1.25 * (np.arange(len(ALIGNED)))
    )


def narratives_values(scan, n, width, nan=()):
    rng = np.random.default_rng(list(scan.encode()))
    values = 1000 + 10 * rng.standard_normal((n, width)).astype(np.float32)
    values[:, list(nan)] = np.nan
    return values


def confounds_table(scan, n):
    """fMRIPrep's columns, of which the derivatives begin with n/a; and their JSON."""
    rng = np.random.default_rng([1, *scan.encode()])
    columns = {}
    for name in ("trans_x", "trans_y", "trans_z", "rot_x", "rot_y", "rot_z"):
        motion = rng.standard_normal(n).cumsum()
        steps = np.append(np.nan, np.diff(motion))
        columns |= {
            name: motion, f"{name}_derivative1": steps, f"{name}_power2": motion**2,
            f"{name}_derivative1_power2": steps**2,
        }  # fmt: skip
    columns["csf"] = rng.standard_normal(n)
    columns["cosine00"] = np.cos(np.pi * (np.arange(n) + 0.5) / n)
    about = {"csf": {"Method": "Mean"}}
    for i in range(14):
        name = f"a_comp_cor_{i:02d}"
        columns[name] = rng.standard_normal(n)
        about[name] = {
            "Method": "aCompCor", "Mask": "CSF" if i < 7 else "WM", "Retained": i != 1,
            "SingularValue": 14.0 - i,
        }  # fmt: skip
    lines = ["\t".join(columns)]
    for row in zip(*columns.values(), strict=True):
        lines.append("\t".join("n/a" if np.isnan(cell) else repr(float(cell)) for cell in row))
    return columns, "\n".join(lines) + "\n", json.dumps(about)


def narratives_mask(scan):
    rng = np.random.default_rng([2, *scan[:7].encode()])
    inside = rng.random(SHAPE) < 0.5
    inside[len(scan) % SHAPE[0], 0, 0] = False
    return inside


def write_narratives(folder):
    root = folder / "ds002345"
    for story, (_, music, onset, duration, n) in NARRATIVES.items():
        rows = [
            f"{word},{word.lower()},{start:.2f},{start + 0.4:.2f}" if i != MISSED else f"{word},,,"
            for i, (word, start) in enumerate(zip(ALIGNED, narratives_times(story), strict=True))
        ]
        write(root / f"stimuli/gentle/{story}/align.csv", "\n".join(rows) + "\n")
        write(root / f"stimuli/transcripts/{story}_transcript.txt", TRANSCRIPT)
        for scan in SCANS[story]:
            subject, file = scan[:7], f"{story}_audio.wav"
            events = ["onset\tduration\ttrial_type\tstim_file"]
            events += [] if music is None else [f"{music}\t13.0\tmusic\t{file}"]
            events += [f"{onset}\t{duration}\tstory\t{file}"]
            write(root / f"{subject}/func/{scan}_events.tsv", "\n".join(events) + "\n")
            _write_scan(root / "derivatives", subject, scan, n)
    template = "tpl-MNI152NLin2009cAsym"
    for task in ("tunnel", "pieman", "milkyway"):
        mask = nifti(np.ones(SHAPE))
        name = f"{template}_res-{task}_desc-brain_mask.nii.gz"
        write(root / f"derivatives/afni-nosmooth/{template}/{name}", mask)
    return root


def _write_scan(derivatives, subject, scan, n):
    for derivative, surface_end, volume_end in (
        ("fmriprep", "", "preproc"),
        ("afni-nosmooth", "_desc-clean", "clean"),
    ):
        begin = derivatives / derivative / subject / "func" / scan
        for side in "LR":
            values = narratives_values(f"{scan}{derivative}{side}", n, VERTICES, nan=(2,))
            write(begin.with_name(f"{scan}_space-fsaverage6_hemi-{side}{surface_end}.func.gii"),
                  gifti(values))  # fmt: skip
        values = narratives_values(f"{scan}{derivative}", n, int(np.prod(SHAPE)))
        space = f"{scan}_space-MNI152NLin2009cAsym_res-native_desc"
        write(
            begin.with_name(f"{space}-{volume_end}_bold.nii.gz"),
            nifti(values.T.reshape(*SHAPE, n)),
        )
    func = derivatives / "fmriprep" / subject / "func"
    write(func / f"{space}-brain_mask.nii.gz", nifti(narratives_mask(scan)))
    _, table, about = confounds_table(scan, n)
    write(func / f"{scan}_desc-confounds_regressors.tsv", table)
    write(func / f"{scan}_desc-confounds_regressors.json", about)


# Le Petit Prince: section → volumes; run numbers have no order of their own.
SECTIONS = {1: 14, 2: 18}
RUNS = {"EN057": (15, 21), "EN058": (3, 7)}


def petit_prince_words(section):
    return [(f"word{i % 5}" if i else "Once", 0.25 + 1.5 * i, 0.75 + 1.5 * i)
            for i in range(int(SECTIONS[section] * 2 / 1.5) - 5)]  # fmt: skip


def petit_prince_values(subject, section):
    """float32 [x, y, z, volume]; outside of the brain zero."""
    rng = np.random.default_rng([section, *subject.encode()])
    values = rng.standard_normal((*SHAPE, SECTIONS[section])).astype(np.float32)
    values[0] = 0
    return values


def write_petit_prince(folder):
    root = folder / "ds003643"
    lines = [",word,lemma,onset,offset,logfreq,pos,section"]
    number = 0
    for section in SECTIONS:
        for word, onset, offset in petit_prince_words(section):
            lines.append(f"{number},{word},{word},{onset},{offset},4.1,NN,{section}")
            number += 1
        lines.append(f"{number}, ,,{offset},{offset + 0.1},0,,{section}")
        number += 1
    write(root / "annotation/EN/lppEN_word_information.csv", "\n".join(lines) + "\n")
    for subject, runs in RUNS.items():
        for section, run in zip(SECTIONS, runs, strict=True):
            name = (
                f"sub-{subject}_task-lppEN_run-{run:02d}_space-MNIColin27_desc-preproc_bold.nii.gz"
            )
            image = nifti(petit_prince_values(subject, section))
            write(root / f"derivatives/sub-{subject}/func/{name}", image)
    return root
