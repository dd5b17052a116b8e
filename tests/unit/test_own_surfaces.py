"""Own surfaces: what nibabel writes is read as nibabel reads it, vertex by vertex or by region."""

import gzip
import io
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from brainalign.datasets import own
from brainalign.datasets.image_headers import gifti_header, surface_of
from brainalign.datasets.raw import locate
from brainalign.datasets.settings import Own
from brainalign.errors import InputError
from brainalign.formats.datasets import read_responses, read_stimuli, write_dataset
from brainalign.settings import faults
from brainalign.settings import read as read_settings
from worlds.surfaces import write_labels, write_surface

N, VERTICES = 20, 60
RUNS = (12, 8)
WALL = {"left": [3, 4, 5], "right": [58, 59]}  # vertices without signal
SURFACES = {
    who: {
        side: [f"{who}_{run}_{side[0].upper()}.func.gii" for run in (1, 2)]
        for side in ("left", "right")
    }
    for who in ("anna", "ben")
}
ATLAS = {"left": "L.label.gii", "right": "R.label.gii"}
NAMES = {0: "???", 2: "IFG", 7: "PTL", 9: "wall", 12: "absent"}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stimuli().to_csv("stimuli.csv", index=False)
    for i, of_subject in enumerate(SURFACES.values()):
        for side, files in of_subject.items():
            for run, (path, volumes) in enumerate(zip(files, RUNS, strict=True)):
                write_surface(path, scan(side, volumes, 10 * i + run), side)
    for side, path in ATLAS.items():
        write_labels(path, labels(side), NAMES, side)


def stimuli():
    onset = np.arange(N) * 2.0 + 0.5
    return pd.DataFrame(
        {
            "stimulus_id": [f"s{i:02d}" for i in range(N)],
            "text": "word",
            "context_group": "story",
            "position": range(N),
            "split_group": "story",
            "onset": onset,
            "offset": onset + 1,
        }
    )


def scan(side, volumes, seed):
    """[volume, vertex] of a hemisphere, the same in all volumes of all runs where there is no
    cortex, which one of the programs writes as NaN."""
    values = np.random.default_rng([seed, len(side)]).normal(100, 5, (volumes, VERTICES))
    values[:, WALL[side]] = 0.0
    values[:, WALL[side][0]] = np.nan
    return values.astype(np.float32)


def labels(side):
    numbers = np.zeros(VERTICES, np.int32)
    numbers[:20], numbers[20:50] = 2, 7
    numbers[WALL[side]] = 9
    return numbers


def read(responses=SURFACES, **more):
    source = {
        "type": "own", "stimuli": "stimuli.csv", "responses": responses, "kind": "brain",
        "space": "lab60", "tr": 2.0, **more,
    }  # fmt: skip
    source = {name: value for name, value in source.items() if value is not None}
    source = read_settings(source, Own)
    return own.read(locate(own.raw_files(source), None, "downloads"), source)


def as_nibabel_reads(subject, side):
    """[volume, vertex] of all runs."""
    return np.hstack([nibabel.load(path).agg_data() for path in SURFACES[subject][side]]).T


def of_subject(responses, subject, side):
    chosen = (responses["subject"] == subject) & (responses["hemisphere"] == side)
    return responses.sel(target=chosen)


def test_vertices_are_targets_where_they_lie():
    prepared = read(voxels=True)
    write_dataset(prepared.stimuli, prepared.responses, "s.parquet", "r.nc")
    responses = read_responses("r.nc", read_stimuli("s.parquet"))
    assert responses["responses"].dtype == np.float32
    assert responses.attrs["space"] == "lab60"
    assert prepared.card["locations"] == "vertices of lab60"
    assert responses["run"].values.tolist() == ["1"] * RUNS[0] + ["2"] * RUNS[1]
    for subject in SURFACES:
        for side in ("left", "right"):
            one = of_subject(responses, subject, side)
            at = one["vertex"].values
            assert at.tolist() == [v for v in range(VERTICES) if v not in WALL[side]]
            np.testing.assert_array_equal(
                one["responses"].values, as_nibabel_reads(subject, side)[:, at]
            )
            assert set(one["region"].values) == {f"{side} hemisphere"}
            assert one["target_id"].values[0] == f"{subject}.{side}-{at[0]}"


def test_the_card_counts_the_vertices_without_signal():
    why = "the same in all volumes of all runs, or never finite (outside the brain, medial wall)"
    assert read(voxels=True).card["dropped"] == [
        {"what": f"vertices of {subject}, {side} hemisphere", "n": len(WALL[side]), "why": why}
        for subject in SURFACES
        for side in ("left", "right")
    ]


def test_a_vertex_that_varies_in_one_run_is_a_target():
    values = scan("left", RUNS[1], 1)
    values[:, 4] = np.arange(RUNS[1])
    write_surface(SURFACES["anna"]["left"][1], values, "left")
    responses = read(voxels=True).responses
    assert 4 in of_subject(responses, "anna", "left")["vertex"].values
    assert 4 not in of_subject(responses, "ben", "left")["vertex"].values


def test_regions_are_means_over_the_vertices_of_a_label():
    prepared = read(atlas=ATLAS)
    responses = prepared.responses
    assert "vertex" not in responses.coords
    assert responses["target_id"].values.tolist() == [
        f"{subject}.{side} {name}"
        for subject in SURFACES
        for side in ("left", "right")
        for name in ("IFG", "PTL")
    ]
    expected = [
        as_nibabel_reads(subject, side)[:, labels(side) == label].astype(float).mean(axis=1)
        for subject in SURFACES
        for side in ("left", "right")
        for label in (2, 7)
    ]
    np.testing.assert_allclose(responses["responses"].values.T, expected, rtol=1e-12)
    left_out = [entry for entry in prepared.card["dropped"] if entry["what"].startswith("regions")]
    assert [entry["n"] for entry in left_out] == [1] * 4
    assert all(entry["why"].endswith(": left wall") for entry in left_out[::2])
    assert "1 of 3 regions have fewer than 10 vertices: left wall 3" in prepared.card["notes"]


def test_vertices_inside_an_atlas_have_its_regions():
    responses = read(atlas={side: ATLAS[side] for side in ("left", "right")}, voxels=True).responses
    one = of_subject(responses, "ben", "right")
    assert one["vertex"].values.tolist() == list(range(50))
    names = np.where(np.arange(50) < 20, "right IFG", "right PTL")
    assert one["region"].values.tolist() == names.tolist()


def test_labels_without_a_name_are_called_by_their_numbers():
    write_labels("L.label.gii", labels("left"), {2: "IFG", 7: " "}, "left")
    regions = set(read(atlas=ATLAS).responses["region"].values)
    assert regions == {"left IFG", "left 7", "right IFG", "right PTL"}


def test_a_subject_may_have_one_hemisphere():
    surfaces = {"anna": SURFACES["anna"], "ben": {"right": SURFACES["ben"]["right"]}}
    responses = read(surfaces, voxels=True).responses
    assert of_subject(responses, "ben", "left").sizes["target"] == 0
    assert of_subject(responses, "ben", "right").sizes["target"] == VERTICES - 2


def test_a_volume_may_be_a_stimulus():
    responses = read(voxels=True, tr=None).responses
    assert responses["stimulus_id"].values.tolist() == stimuli()["stimulus_id"].tolist()


def test_packed_files_are_read():
    path = SURFACES["anna"]["left"][0]
    Path(f"{path}.gz").write_bytes(gzip.compress(Path(path).read_bytes()))
    packed = {"left": [f"{path}.gz", SURFACES["anna"]["left"][1]]}
    np.testing.assert_array_equal(
        read({"anna": packed}, voxels=True).responses["responses"],
        read({"anna": {"left": SURFACES["anna"]["left"]}}, voxels=True).responses["responses"],
    )


def test_values_that_are_no_numbers_are_missing_and_noted():
    values = scan("left", RUNS[0], 0)
    values[2, 30] = np.inf
    write_surface(SURFACES["anna"]["left"][0], values, "left")
    prepared = read(voxels=True)
    one = of_subject(prepared.responses, "anna", "left")
    assert np.argwhere(np.isnan(one["responses"].values)).tolist() == [[2, 27]]
    assert any(
        line.startswith(
            "vertices of anna, left hemisphere: 1 values inside regions are NaN or infinite"
        )
        for line in prepared.card["notes"]
    )
    regions = read(atlas=ATLAS).responses["responses"].values
    values[2, 30] = np.nan
    expected = np.nanmean(values[2, labels("left") == 7].astype(float))
    assert regions[2, 1] == pytest.approx(expected, rel=1e-12)


LEFT = SURFACES["anna"]["left"]


def other_image():
    array = nibabel.gifti.GiftiDataArray(np.zeros((VERTICES, 3), np.float32))
    nibabel.save(nibabel.GiftiImage(darrays=[array] * RUNS[0]), LEFT[0])


def of_two_sizes():
    arrays = [np.zeros(VERTICES, np.float32)] * 11 + [np.zeros(5, np.float32)]
    arrays = [nibabel.gifti.GiftiDataArray(array) for array in arrays]
    nibabel.save(nibabel.GiftiImage(darrays=arrays), LEFT[0])


def cut_short(path=LEFT[0]):
    content = Path(path).read_bytes()
    Path(path).write_bytes(content[: len(content) // 2])


BAD = {
    "the other hemisphere": (
        lambda: write_surface(LEFT[0], scan("right", RUNS[0], 0), "right"),
        "anna_1_L.func.gii: is of CortexRight, but the config names it as left", True,
    ),
    "another surface": (
        lambda: write_surface(LEFT[1], np.ones((RUNS[1], 30)), "left"),
        "anna_2_L.func.gii: 30 vertices, but L.label.gii has 60; files of a hemisphere", True,
    ),
    "other volumes": (
        lambda: write_surface(LEFT[1], scan("left", 7, 0), "left"),
        "the runs of anna, right hemisphere have [12, 8] volumes, those of anna, left hemisphere "
        "[12, 7]", True,
    ),
    "arrays of three columns": (other_image, "its first array has the shape (60, 3)", True),
    "arrays of two sizes": (of_two_sizes, "arrays of [(5,), (60,)], expected [vertex]", False),
    "a file cut short": (cut_short, "anna_1_L.func.gii: not a whole GIFTI file", False),
    "no GIFTI file": (
        lambda: Path(LEFT[0]).write_text("x"), "anna_1_L.func.gii: not a whole GIFTI file", True,
    ),
    "no array": (
        lambda: nibabel.save(nibabel.GiftiImage(), LEFT[0]), "not a whole GIFTI file", True,
    ),
    "nothing but wall": (
        lambda: [write_surface(p, np.ones((n, VERTICES))) for p, n in zip(LEFT, RUNS, strict=True)],
        "responses: none of 50 vertices of anna, left hemisphere varies", False,
    ),
    "labels of another surface": (
        lambda: write_labels("R.label.gii", np.ones(7), NAMES),
        "anna_1_R.func.gii: 60 vertices, but R.label.gii has 7", True,
    ),
    "labels of the other hemisphere": (
        lambda: write_labels("R.label.gii", labels("left"), NAMES, "left"),
        "R.label.gii: is of CortexLeft, but the config names it as right", True,
    ),
    "labels with a name twice": (
        lambda: write_labels("R.label.gii", labels("right"), {2: "IFG", 7: "IFG"}),
        "R.label.gii: region right IFG has two labels", False,
    ),
    "labels of no region": (
        lambda: write_labels("R.label.gii", np.zeros(VERTICES), NAMES),
        "R.label.gii: expected whole numbers, 0 outside and above 0 in a region", False,
    ),
    "a scan as labels": (
        lambda: write_surface("R.label.gii", scan("right", 3, 1)),
        "R.label.gii: 3 arrays, expected one of labels [vertex]", True,
    ),
}  # fmt: skip


def planned(**source):
    """The faults of a study of these files before anything runs."""
    from brainalign.study.check_own import own_faults
    from brainalign.study.settings import Study

    keys = {"stimuli": "stimuli.csv", "responses": SURFACES, "kind": "brain", "space": "lab60",
            "tr": 2.0, "atlas": ATLAS} | source  # fmt: skip
    keys = {name: value for name, value in keys.items() if value is not None}
    return list(own_faults(read_settings(
        {
            "seed": 1,
            "models": {"length": {"source": {"type": "baseline", "kind": "length"}}},
            "datasets": {"lab": {"source": {"type": "own", **keys}}},
        },
        Study,
    )))  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_files_at_fault_are_named_by_their_job_and_by_the_plan_where_a_header_tells(case):
    spoil, says, in_header = BAD[case]
    assert planned() == []
    spoil()
    with pytest.raises(InputError) as error:
        read(atlas=ATLAS)
    said = str(error.value).replace(f"{Path.cwd()}/", "")
    assert says in said and "\n" not in said
    lines = planned()
    assert len(lines) == in_header
    if in_header:
        assert lines[0].startswith("datasets.lab.source: ") and says in lines[0]


def test_a_known_surface_has_its_number_of_vertices():
    (fault,) = planned(space="fsaverage5", atlas=None, voxels=True)
    assert "anna_1_L.func.gii: 60 vertices, but fsaverage5 has 10242 in each hemisphere" in fault
    with pytest.raises(InputError, match="60 vertices, but fsaverage5 has 10242"):
        read(space="fsaverage5", voxels=True)


@pytest.mark.parametrize(
    "encoding", ["GIFTI_ENCODING_ASCII", "GIFTI_ENCODING_B64BIN", "GIFTI_ENCODING_B64GZ"]
)
def test_a_header_is_what_nibabel_says_and_no_data_are_read(encoding):
    write_surface("big.func.gii", np.ones((3, 200_000)), "right", encoding)
    content = Path("big.func.gii").read_bytes()
    expected = surface_of("big.func.gii", nibabel.GiftiImage.from_bytes(content))
    assert expected == ("big.func.gii", 3, (200_000,), "CortexRight")
    begins = content[: content.index(b"<Data>") + 100]
    assert gifti_header("big.func.gii", io.BytesIO(begins)) == expected


KEYS = {
    "a path alone": ({"responses": "a.func.gii"}, "'a.func.gii' is a surface; name its subject"),
    "a list": ({"responses": {"anna": ["a.func.gii"]}}, "anna: 'a.func.gii' is a surface"),
    "a volume": (
        {"responses": {"anna": {"left": ["a.nii.gz"]}}}, "anna.left: 'a.nii.gz', expected a path",
    ),
    "volumes of another subject": (
        {"responses": {"anna": {"left": ["a.gii"]}, "ben": ["b.gii"]}}, "ben: no hemispheres",
    ),
    "a hemisphere of no name": ({"responses": {"anna": {"lh": ["a.gii"]}}}, "name 'lh' is not all"),
    "a hemisphere without run": ({"responses": {"anna": {"left": []}}}, "anna.left: no scan"),
    "fewer runs of a hemisphere": (
        {"responses": {"anna": {"left": ["a.gii", "b.gii"], "right": ["c.gii"]}}},
        "responses.anna.right: 1 files, but anna.left has 2; expected a file for each run",
    ),
    "fewer runs of a subject": (
        {"responses": {"anna": {"left": ["a.gii"]}, "ben": {"left": ["b.gii", "c.gii"]}}},
        "responses.ben.left: 2 files, but anna.left has 1",
    ),
    "no space": ({"space": None}, "space: is missing; name the surface: fsaverage5"),
    "no regions": ({"voxels": None}, "atlas: is missing; surfaces are averaged over its regions"),
    "an atlas of one path": ({"atlas": "a.label.gii"}, "atlas: no file of hemisphere left"),
    "an atlas of one hemisphere": (
        {"atlas": {"left": "L.label.gii"}}, "atlas: no file of hemisphere right",
    ),
    "names in a table": ({"targets": "t.csv"}, "targets: is a key of tables, arrays and NIfTI sc"),
    "space of a table": ({"responses": "a.csv", "voxels": None}, "space: is a key of surfaces al"),
}  # fmt: skip


@pytest.mark.parametrize("case", KEYS)
def test_keys_that_do_not_fit_surfaces_are_named(case):
    keys, says = KEYS[case]
    source = {"type": "own", "stimuli": "s.csv", "kind": "brain", "responses": SURFACES,
              "space": "fsaverage5", "voxels": True} | keys  # fmt: skip
    source = {name: value for name, value in source.items() if value is not None}
    (fault,) = faults(source, Own, "datasets.lab.source")
    assert fault.startswith("datasets.lab.source.") and says in fault, fault
