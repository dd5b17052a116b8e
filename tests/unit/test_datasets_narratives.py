"""Narratives on a tree of its layout: surfaces and volumes, with and without confounds."""

import json

import nibabel
import numpy as np
import pytest
from brainalign.datasets import narratives
from brainalign.datasets.registry import read_source
from brainalign.datasets.settings import Narratives
from brainalign.errors import InputError
from brainalign.formats.datasets import check_responses, check_stimuli
from sklearn.linear_model import LinearRegression
from worlds.listening import (
    AFFINE,
    ALIGNED,
    MISSED,
    NARRATIVES,
    PRINTED,
    SCANS,
    SHAPE,
    TRANSCRIPT,
    VERTICES,
    confounds_table,
    gifti,
    narratives_mask,
    narratives_times,
    narratives_values,
    nifti,
    records,
    refused,
    write,
    write_narratives,
)

SURFACE = Narratives(SCANS, test=("pieman",))
VOLUME = Narratives(SCANS, derivative="fmriprep", space="MNI152NLin2009cAsym")
# Story → its first row, its first volume in the scan, and how many there are.
ROWS = {"tunnel": (0, 2, 16), "pieman": (16, 10, 12), "milkywayvodka": (28, 14, 12)}


@pytest.fixture(autouse=True)
def few_vertices(monkeypatch):
    monkeypatch.setattr(narratives, "VERTICES", VERTICES)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tree")
    write_narratives(folder)
    return folder


@pytest.fixture
def folder(tmp_path):
    write_narratives(tmp_path)
    return tmp_path


def read(folder, source=SURFACE):
    names = {file.path for file in narratives.raw_files(source)}
    files = [record for record in records(folder) if record.name in names]
    return narratives.read(files, source)


@pytest.mark.parametrize("space", ["fsaverage6", "MNI152NLin2009cAsym"])
@pytest.mark.parametrize("derivative", ["fmriprep", "afni-nosmooth"])
def test_every_file_that_is_asked_for_is_in_the_tree(derivative, space, tree):
    strategies = ["none", "motion6", "acompcor"] if derivative == "fmriprep" else ["none"]
    there = {record.name for record in records(tree)}
    for strategy in strategies:
        source = Narratives(SCANS, derivative, space, strategy)
        files = {file.path: file.url for file in narratives.raw_files(source)}
        assert set(files) <= there
        assert all(url == f"https://s3.amazonaws.com/openneuro.org/{p}" for p, url in files.items())
        read(tree, source)


def test_the_published_number_of_vertices(monkeypatch):
    monkeypatch.undo()
    assert narratives.VERTICES == 10 * 4**6 + 2


def test_words_have_the_transcripts_marks_and_the_alignments_times(tree):
    prepared = read(tree)
    check_stimuli(prepared.stimuli, "stimuli")
    check_responses(prepared.responses, prepared.stimuli, "responses")
    onsets = prepared.responses["onset"].values
    for story, (row, first, _) in ROWS.items():
        part = prepared.stimuli[prepared.stimuli["split_group"] == story]
        assert part["text"].tolist() == PRINTED
        assert part["sentence_id"].tolist() == [1] * 7 + [2] * 5
        assert part["word_in_sentence"].tolist() == [*range(1, 8), *range(1, 6)]
        music = NARRATIVES[story][1]
        audio = NARRATIVES[story][2] if music is None else music
        # ice and cream are one word; the word that was not found is in the middle by the world.
        starts = np.delete(narratives_times(story), 6)
        expected = onsets[row] + audio + starts - 1.5 * first
        ends = np.delete(narratives_times(story) + 0.4, 5)
        np.testing.assert_allclose(part["onset"], expected)
        np.testing.assert_allclose(part["offset"], onsets[row] + audio + ends - 1.5 * first)
    assert MISSED < 6
    assert "3 words that the alignment did not find" in prepared.card["notes"][1]
    # By the published list.
    assert "the authors exclude 1 of these 5 scans: sub-004_task-tunnel" in prepared.card["notes"]


def test_words_as_they_were_aligned(tree):
    stimuli = read(tree, Narratives(SCANS, text="aligned")).stimuli
    assert stimuli["text"].tolist() == ALIGNED * 3
    assert "sentence_id" not in stimuli


def test_surfaces_are_cut_to_their_story_and_repeats_averaged(tree):
    prepared = read(tree)
    responses = prepared.responses
    values = responses["responses"]
    kept = [i for i in range(VERTICES) if i != 2]  # NaN: the medial wall
    for subject, story, scans in (
        ("sub-004", "tunnel", SCANS["tunnel"][:1]),
        ("sub-015", "tunnel", SCANS["tunnel"][1:]),
        ("sub-004", "pieman", SCANS["pieman"]),
        ("sub-015", "milkywayvodka", SCANS["milkywayvodka"]),
    ):
        row, first, n = ROWS[story]
        part = values[row : row + n, responses["subject"].values == subject].values
        complete = [
            np.hstack([
                narratives_values(f"{scan}afni-nosmooth{side}", NARRATIVES[story][4], VERTICES)
                for side in "LR"
            ])
            for scan in scans
        ]  # fmt: skip
        expected = np.mean(complete, axis=0)[first : first + n]
        columns = [*kept, *(VERTICES + i for i in kept)]
        np.testing.assert_allclose(part, expected[:, columns], rtol=1e-6)
    assert np.isnan(values[ROWS["pieman"][0], responses["subject"].values == "sub-015"]).all()
    one = responses.isel(target=responses["subject"].values == "sub-004")
    assert one["hemisphere"].values.tolist() == ["left"] * 6 + ["right"] * 6
    assert one["vertex"].values.tolist() == kept * 2
    assert responses.attrs["space"] == "fsaverage6"
    row, first, n = ROWS["pieman"]
    assert responses["repeated"].values.tolist() == list(range(row, row + n))
    each = responses["repeats"]
    assert np.isnan(each[:, :, responses["subject"].values == "sub-015"]).all()  # heard it never
    for number, scan in enumerate(SCANS["pieman"]):
        both = [
            narratives_values(f"{scan}afni-nosmooth{side}", NARRATIVES["pieman"][4], VERTICES)
            for side in "LR"
        ]
        part = each[number, :, responses["subject"].values == "sub-004"].values
        np.testing.assert_allclose(part, np.hstack(both)[first : first + n, columns], rtol=1e-6)
    assert prepared.card["repeats_averaged"] == {"pieman": {"sub-004": 2}}
    assert prepared.card["held_out_stories"] == ["pieman"]
    assert responses["held_out"].values.tolist() == [0] * 16 + [1] * 12 + [0] * 12
    dropped = prepared.card["dropped"]
    assert [(entry["what"], entry["n"]) for entry in dropped] == [("targets", 4)]
    json.dumps(prepared.card, allow_nan=False)


def inside(subject):
    """Voxels in the masks of all scans of a subject."""
    scans = [scan for part in SCANS.values() for scan in part if scan.startswith(subject)]
    return np.logical_and.reduce([narratives_mask(scan) for scan in scans])


@pytest.mark.parametrize("strategy", ["none", "motion6", "motion24", "acompcor"])
def test_confounds_are_taken_out_of_all_volumes_of_a_scan(strategy, folder):
    if strategy == "motion24":  # 24 confounds want more than the world's 25 volumes
        write_longer_scans(folder)
    prepared = read(folder, Narratives(SCANS, "fmriprep", "MNI152NLin2009cAsym", strategy))
    responses = prepared.responses
    scan = SCANS["tunnel"][0]
    n = 60 if strategy == "motion24" else NARRATIVES["tunnel"][4]
    mask = inside("sub-004")
    complete = narratives_values(f"{scan}fmriprep", n, int(np.prod(SHAPE)))[:, mask.ravel()]
    if strategy != "none":
        table, *_ = confounds_table(scan, n)
        names = [name for name in table if name[:5] in ("trans", "rot_x", "rot_y", "rot_z")]
        if strategy != "motion24":
            names = [name for name in names if "derivative" not in name and "power" not in name]
        if strategy == "acompcor":
            names += ["cosine00", *(f"a_comp_cor_{i:02d}" for i in (0, 2, 3, 4, 5))]
            names += [f"a_comp_cor_{i:02d}" for i in range(7, 12)]
        regressors = np.column_stack([table[name] for name in names])
        regressors[0] = np.where(np.isnan(regressors[0]), regressors[1], regressors[0])
        fit = LinearRegression().fit(regressors, complete)
        complete = complete - fit.predict(regressors) + complete.mean(axis=0, dtype=np.float64)
    part = responses["responses"][:16, responses["subject"].values == "sub-004"].values
    np.testing.assert_allclose(part, complete[2:18], rtol=1e-6)
    assert prepared.card["confounds"] == strategy
    assert f"confounds taken out here: {strategy}" in prepared.card["notes"][2]


def write_longer_scans(folder):
    for path in sorted(folder.rglob("*fmriprep/*/func/*_bold.nii.gz")):
        scan = path.name.partition("_space")[0]
        values = narratives_values(f"{scan}fmriprep", 60, int(np.prod(SHAPE)))
        path.write_bytes(nifti(values.T.reshape(*SHAPE, 60)))
        table = path.with_name(f"{scan}_desc-confounds_regressors.tsv")
        table.write_text(confounds_table(scan, 60)[1], encoding="utf-8")


def test_coordinates_of_voxels_are_those_of_the_masks(tree):
    responses = read(tree, VOLUME).responses
    for subject in ("sub-004", "sub-015"):
        part = responses.isel(target=responses["subject"].values == subject)
        coordinates = np.stack([part[axis].values for axis in "xyz"], axis=1)
        voxels = (
            nibabel.affines.apply_affine(np.linalg.inv(AFFINE), coordinates).round().astype(int)
        )
        drawn = np.zeros(SHAPE, bool)
        drawn[tuple(voxels.T)] = True
        np.testing.assert_array_equal(drawn, inside(subject))


def test_a_long_recording_is_spread_evenly_where_words_are_unaligned(folder):
    rows = ["a,a,1.0,1.5", "b,,,", "c,,,", "d,d,4.0,4.5", "e,,,"]
    write(folder / ROOT / "stimuli/gentle/tunnel/align.csv", "\n".join(rows) + "\n")
    part = read(folder, Narratives(SCANS, text="aligned")).stimuli
    part = part[part["split_group"] == "tunnel"]
    np.testing.assert_allclose(part["onset"], [1, 2, 3, 4, 4])
    np.testing.assert_allclose(part["offset"], [1.5, 2.5, 3.5, 4.5, 4.5])


ROOT = "ds002345"
FUNC = "derivatives/fmriprep/sub-004/func/sub-004_task-tunnel"
CLEAN = "derivatives/afni-nosmooth/sub-004/func/sub-004_task-tunnel_space-fsaverage6_hemi-"
NATIVE = f"{FUNC}_space-MNI152NLin2009cAsym_res-native_desc"
EVENTS = "onset\tduration\ttrial_type\tstim_file\n"


def overwrite(name, content):
    return lambda folder: write(folder / ROOT / name, content)


def removed(name):
    return lambda folder: (folder / ROOT / name).unlink()


def events(scan, onset, duration, story="pieman", file="pieman_audio.wav"):
    row = f"0.0\t13.0\tmusic\t{file}\n{onset}\t{duration}\t{story}\t{file}\n"
    return overwrite(f"{scan[:7]}/func/{scan}_events.tsv", EVENTS + row)


AWAY = AFFINE.copy()
AWAY[0, 3] += 4
SHORT = gifti(np.ones((17, VERTICES)))
ONES = nifti(np.ones(SHAPE))
BAD = {
    "no alignment": (
        SURFACE, removed("stimuli/gentle/tunnel/align.csv"),
        r"gentle/tunnel/align\.csv: the transcript of story tunnel is not among",
    ),
    "no transcript": (
        SURFACE, removed("stimuli/transcripts/tunnel_transcript.txt"),
        r"tunnel_transcript\.txt: the transcript of story tunnel is not among",
    ),
    "an empty alignment": (
        SURFACE, overwrite("stimuli/gentle/tunnel/align.csv", ""), "no words with times"
    ),
    "another word": (
        SURFACE, overwrite("stimuli/transcripts/tunnel_transcript.txt", "It begins — well"),
        r"row 2 is 'began', but word 2 of .*tunnel_transcript\.txt is 'begins'; text: aligned",
    ),
    "more words": (
        SURFACE,
        overwrite("stimuli/transcripts/tunnel_transcript.txt", TRANSCRIPT + "The end."),
        "13 words, but .* has 15; text: aligned reads the alignment alone",
    ),
    "a row with marks": (
        SURFACE, overwrite("stimuli/gentle/tunnel/align.csv", "It,it,0.5\n"),
        r"align\.csv: row 1: 3 columns, expected 4",
    ),
    "a time that is none": (
        SURFACE, overwrite("stimuli/gentle/tunnel/align.csv", "It,it,0.5,soon\n"),
        r"align\.csv: row 1: 'soon', expected seconds",
    ),
    "words out of order": (
        SURFACE,
        lambda f: write(
            f / ROOT / "stimuli/gentle/tunnel/align.csv",
            (f / ROOT / "stimuli/gentle/tunnel/align.csv").read_text().replace("3.00", "33.0", 1),
        ),
        r"word \d+ .* (ends before it begins|begins long before the scan, or the word above it)",
    ),
    "another story": (
        SURFACE, events("sub-015_task-milkyway", 21.0, 18.0, file="milkywayoriginal_audio.wav"),
        "story milkywayvodka is not heard in it, but milkywayoriginal_audio.wav",
    ),
    "a scan that ends before its story": (
        SURFACE,
        lambda f: [overwrite(f"{CLEAN}{side}_desc-clean.func.gii", SHORT)(f) for side in "LR"],
        "17 volumes end at 25.5 s, but the story ends at 27 s: transcript and scan are of "
        "different length",
    ),
    "repeats of another length": (
        SURFACE, events("sub-004_task-pieman_run-2", 15.0, 21.0, "story"),
        "story pieman at other times than in sub-004_task-pieman_run-1",
    ),
    "a transcript that ends long after": (
        SURFACE,
        lambda f: write(
            f / ROOT / "stimuli/gentle/tunnel/align.csv",
            (f / ROOT / "stimuli/gentle/tunnel/align.csv").read_text()
            .replace("15.50,15.90", "90.0,90.4"),
        ),
        r"the words of story tunnel end at 90\.4 s, but its scan at 24\.0 s",
    ),
    "hemispheres of other lengths": (
        SURFACE, overwrite(f"{CLEAN}R_desc-clean.func.gii", gifti(np.ones((19, VERTICES)))),
        r"hemi-R.*: \(19, 7\) values, expected \(20, 7\)",
    ),
    "another surface": (
        SURFACE, overwrite(f"{CLEAN}L_desc-clean.func.gii", gifti(np.ones((20, 5)))),
        r"hemi-L.*: \(20, 5\) values, expected \(20, 7\)",
    ),
    "no surface": (
        SURFACE, overwrite(f"{CLEAN}L_desc-clean.func.gii", "<GIFTI"), "not a whole GIFTI file"
    ),
    "a mask of another grid": (
        VOLUME, overwrite(f"{NATIVE}-brain_mask.nii.gz", nifti(np.ones((4, 3, 6)))),
        r"\(4, 3, 6\) voxels .* the mask lies elsewhere",
    ),
    "a mask elsewhere": (
        VOLUME, overwrite(f"{NATIVE}-brain_mask.nii.gz", nifti(np.ones(SHAPE), AWAY)),
        "the mask lies elsewhere",
    ),
    "scans of two grids": (
        VOLUME,
        overwrite(f"{NATIVE}-preproc_bold.nii.gz", nifti(np.ones((4, 3, 6, 20)))),
        "the (mask lies elsewhere|scans of a subject must have one grid)",
    ),
    "one volume": (
        VOLUME, overwrite(f"{NATIVE}-preproc_bold.nii.gz", ONES), "one volume, expected a scan"
    ),
    "confounds of another length": (
        Narratives(SCANS, "fmriprep", "MNI152NLin2009cAsym", "motion6"),
        overwrite(f"{FUNC}_desc-confounds_regressors.tsv", confounds_table("x", 19)[1]),
        "20 volumes, but 19 rows in the table of confounds",
    ),
    "no confounds": (
        Narratives(SCANS, "fmriprep", "MNI152NLin2009cAsym", "motion6"),
        removed(f"{FUNC}_desc-confounds_regressors.tsv"),
        "the table of confounds is not among the raw files",
    ),
    "no account of components": (
        Narratives(SCANS, "fmriprep", "MNI152NLin2009cAsym", "acompcor"),
        removed(f"{FUNC}_desc-confounds_regressors.json"),
        "the account of confounds is not among the raw files",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_named_in_one_line(case, folder):
    source, damage, says = BAD[case]
    damage(folder)
    with refused(says):
        read(folder, source)


WRONG = {
    "confounds: motion6, but the authors took confounds out of afni-smooth": {
        "derivative": "afni-smooth", "confounds": "motion6"
    },
    "sub-4_task-tunnel' is not allowed; allowed: a scan": {"scans": {"a": ["sub-4_task-tunnel"]}},
    "stands in two stories": {"scans": {"a": ["sub-004_task-a"], "b": ["sub-004_task-a"]}},
    "test: 'lucy' is not among those that are read: tunnel": {"test": ["lucy"]},
}  # fmt: skip


@pytest.mark.parametrize("says", WRONG)
def test_a_source_that_cannot_be(says):
    source = {"type": "narratives", "scans": {"tunnel": ["sub-004_task-tunnel"]}} | WRONG[says]
    with pytest.raises(InputError, match=says):
        read_source(source, "dataset")
