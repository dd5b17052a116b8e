"""Le Petit Prince on a tree of its layout: two subjects, two sections."""

import json

import nibabel
import numpy as np
import pytest
from brainalign.datasets import petit_prince
from brainalign.datasets.registry import read_source
from brainalign.datasets.settings import PetitPrince
from brainalign.errors import InputError
from brainalign.formats.datasets import check_responses, check_stimuli
from dataset_files import record
from worlds.listening import (
    AFFINE,
    RUNS,
    SECTIONS,
    SHAPE,
    nifti,
    petit_prince_values,
    petit_prince_words,
    records,
    refused,
    write,
    write_petit_prince,
)

SOURCE = PetitPrince(RUNS, (1, 2), test=(2,))
ROWS = {1: (0, 14), 2: (14, 32)}


@pytest.fixture
def folder(tmp_path):
    write_petit_prince(tmp_path)
    return tmp_path


def read(folder, source=SOURCE):
    return petit_prince.read(records(folder), source)


def test_every_file_that_is_asked_for_is_in_the_tree(folder):
    files = [file.path for file in petit_prince.raw_files(SOURCE)]
    assert sorted(files) == [record.name for record in records(folder)]


def test_words_of_the_sections_in_turn(folder):
    prepared = read(folder)
    check_stimuli(prepared.stimuli, "stimuli")
    check_responses(prepared.responses, prepared.stimuli, "responses")
    for section, begins in ((1, 0.0), (2, 30.0)):  # 14 volumes of 2 s, and a pause of one
        part = prepared.stimuli[prepared.stimuli["context_group"] == f"section{section}"]
        words, onsets, offsets = zip(*petit_prince_words(section), strict=True)
        assert part["text"].tolist() == list(words)
        np.testing.assert_allclose(part["onset"], begins + np.array(onsets))
        np.testing.assert_allclose(part["offset"], begins + np.array(offsets))
        assert set(part["split_group"]) == {f"section{section}"}
    assert prepared.card["dropped"][0] == {
        "what": "rows of words", "n": 2, "why": "no word in them"
    }  # fmt: skip
    assert prepared.card["held_out_stories"] == ["section2"]
    assert prepared.card["runs"] == {"EN057": [15, 21], "EN058": [3, 7]}
    assert "has not met the real files" in prepared.card["notes"][0]


def voxels_of(responses, subject):
    part = responses.isel(target=responses["subject"].values == subject)
    coordinates = np.stack([part[axis].values for axis in "xyz"], axis=1)
    affine = np.array(json.loads(responses.attrs["affine"])[subject])
    voxels = nibabel.affines.apply_affine(np.linalg.inv(affine), coordinates).round().astype(int)
    return tuple(voxels.T), part["responses"].values


def test_responses_are_those_of_the_scans_where_they_vary(folder):
    responses = read(folder).responses
    assert responses.sizes == {"volume": 32, "target": 2 * 45}  # of 60 voxels 15 are zero
    assert responses["held_out"].values.tolist() == [0] * 14 + [1] * 18
    for subject in RUNS:
        voxels, values = voxels_of(responses, subject)
        assert min(voxels[0]) == 1
        for section, (first, last) in ROWS.items():
            expected = petit_prince_values(subject, section)[voxels].T
            np.testing.assert_array_equal(values[first:last], expected)


def test_a_mask_says_which_voxels(folder):
    mask = np.zeros(SHAPE)
    mask[:2, 1, 1:3] = 1  # half of them outside of the brain
    path = write(folder / "mask.nii.gz", nifti(mask))
    source = PetitPrince(RUNS, (1, 2), str(path))
    files = [one for one in records(folder) if one.name != "mask.nii.gz"]
    prepared = petit_prince.read([*files, record(path, str(path))], source)
    assert petit_prince.raw_files(source)[-1].path == str(path)
    voxels, _ = voxels_of(prepared.responses, "EN058")
    assert list(zip(*voxels, strict=True)) == [(1, 1, 1), (1, 1, 2)]
    assert prepared.card["dropped"][1]["n"] == 4
    assert prepared.card["dropped"][1]["why"].startswith("constant in a scan, first ")


def test_small_overlaps_are_moved_and_counted(folder):
    swap(folder, "3.25,3.75", "1.0,3.75")
    prepared = read(folder)
    assert prepared.stimuli["onset"].tolist()[:4] == [0.25, 1.75, 1.75, 4.75]
    (note,) = [note for note in prepared.card["notes"] if "they begin with it" in note]
    assert note.startswith("1 words of the alignment begin before")


def test_words_after_the_scan_are_left_out_and_counted(folder):
    swap(folder, "18.25,18.75", "27.9,28.1")  # the last of section 1, whose scan ends at 28 s
    stimuli = read(folder).stimuli
    assert len(stimuli) == sum(len(petit_prince_words(section)) for section in SECTIONS)
    swap(folder, "27.9,28.1", "28.0,28.1")
    prepared = read(folder)
    assert len(prepared.stimuli) == len(stimuli) - 1
    assert prepared.card["dropped"][1] == {
        "what": "words", "n": 1, "why": "heard after the last volume"
    }  # fmt: skip


ROOT = "ds003643"
END = "_space-MNIColin27_desc-preproc_bold.nii.gz"
TABLE = "annotation/EN/lppEN_word_information.csv"
FUNC = "derivatives/sub-EN058/func/sub-EN058_task-lppEN_run-"


def swap(folder, old, new, times=1):
    path = folder / ROOT / TABLE
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, times), encoding="utf-8")


def edited(old, new, times=1):
    return lambda folder: swap(folder, old, new, times)


def image(run, values, **keys):
    return lambda folder: write(folder / ROOT / f"{FUNC}{run:02d}{END}", nifti(values, **keys))


GOOD = petit_prince_values("EN058", 2)
FLAT = AFFINE * [[1], [0], [1], [1]]
BAD = {
    "no table": (lambda f: (f / ROOT / TABLE).unlink(), "the table of words is not among"),
    "no section": (edited("section", "chapter"), "column section is missing; it has "),
    "a section without words": (
        edited(",NN,2\n", ",NN,3\n", -1), r"section 2 has no words: no transcript"
    ),
    "no number": (edited("3.25,", "3s,"), "row 4, column onset: '3s', expected a number"),
    "long before the word above": (
        edited("10.75,11.25", "5.0,11.25"), r"word 8 \('word2', 5-11\.25 s\) begins long before"
    ),
    "ends before it begins": (edited("10.75,11.25", "10.75,9"), "word 8 .* ends before it begins"),
    "words after the scan": (
        edited("27.25,27.75", "90.0,90.5"),
        r"words of story section2 end at 90\.5 s, but its scan at 36\.0 s",
    ),
    "a scan of another length": (
        image(7, GOOD[..., :-1]),
        r"run-07.*: 17 volumes, but .*run-21.* has 18: scans of story section2 are of different",
    ),
    "another grid": (
        image(7, np.ones((3, 3, 5, 18))), "run-07.* the scans of a subject must have one grid"
    ),
    "another affine": (
        image(7, GOOD, affine=AFFINE + np.eye(4)[:, ::-1] * [[1], [0], [0], [0]]),
        "run-07.* the scans of a subject must have one grid",
    ),
    "no affine": (image(7, GOOD, sform=0), "run-07.*: no affine"),
    "a singular affine": (image(7, GOOD, affine=FLAT), "run-07.*: the affine .* cannot be in"),
    "one volume": (image(7, GOOD[..., 0]), "run-07.*: one volume, expected a scan of several"),
    "nothing varies": (image(3, np.ones((*SHAPE, 14))), "run-03.*: no voxel varies"),
    "only NaN": (image(7, GOOD * np.nan), "run-07.*: all volumes hold only NaN"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_named_in_one_line(case, folder):
    damage, says = BAD[case]
    damage(folder)
    with refused(says):
        read(folder)


def test_a_mask_of_another_grid(folder):
    path = write(folder / "mask.nii.gz", nifti(np.ones((4, 3, 6))))
    files = [one for one in records(folder) if one.name != "mask.nii.gz"]
    with pytest.raises(InputError, match=r"mask\.nii\.gz: .* the mask lies elsewhere"):
        petit_prince.read([*files, record(path, str(path))], PetitPrince(RUNS, (1, 2), str(path)))


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"runs": {"EN057": [15]}}, "runs.EN057: 1 runs for 2 sections, expected one each"),
        ({"runs": {"FR001": [1, 2]}}, "name 'FR001' is not allowed; a subject: EN057"),
        ({"test": [3]}, "test: 3 is not among those that are read: 1, 2"),
    ],
)
def test_a_source_that_cannot_be(keys, says):
    source = {"type": "petit-prince", "runs": {"EN057": [15, 21]}, "sections": [1, 2]} | keys
    with pytest.raises(InputError, match=says):
        read_source(source, "dataset")
