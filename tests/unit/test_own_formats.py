"""Own responses from what people have: tables, arrays, scans; each read as the same dataset."""

import gzip
import io
import json
import re
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pandas as pd
import pytest
import scipy.io
from brainalign.behavior.terms import STANDARD, columns_of
from brainalign.datasets import own
from brainalign.datasets.raw import locate
from brainalign.datasets.settings import Own
from brainalign.errors import InputError
from brainalign.settings import faults
from brainalign.settings import read as read_settings
from wordfreq import zipf_frequency

N = 24
TARGETS = [(s, r) for s in ("anna", "ben") for r in ("IFG", "PTL")]
NAMES = [f"{s}.{r}" for s, r in TARGETS]
WORDS = ["The", "old", "miller", "walked", "home.", "Nobody", "saw", "him", "there,", "again."]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stimuli().to_csv("stimuli.csv", index=False)
    pd.DataFrame(TARGETS, columns=["subject", "region"]).to_csv("targets.csv", index=False)
    return tmp_path


def stimuli():
    return pd.DataFrame(
        {
            "stimulus_id": [f"s{i:02d}" for i in range(N)],
            "text": [WORDS[i % 10] for i in range(N)],
            "context_group": np.repeat(["fox", "owl"], N // 2),
            "position": [*range(N // 2), *range(N // 2)],
            "split_group": np.repeat(["fox", "owl"], N // 2),
        }
    )


def values(kind="brain"):
    noise = np.random.default_rng(0).standard_normal((N, 4)).round(6)
    return noise if kind == "brain" else (noise * 30 + 300).round(3)


def wide(kind="brain"):
    names = NAMES if kind == "brain" else ["r1", "r2", "r3", "r4"]
    table = pd.DataFrame(values(kind), columns=names)
    return table.assign(stimulus_id=stimuli()["stimulus_id"])


def long(kind="brain"):
    table = wide(kind).melt("stimulus_id", var_name="target", value_name="response")
    if kind == "brain":
        table[["subject", "region"]] = table["target"].str.split(".", expand=True)
        return table.drop(columns="target")
    return table.rename(columns={"target": "subject"})


def read(responses, **more):
    source = {"type": "own", "stimuli": "stimuli.csv", "responses": responses, "kind": "brain"}
    source = read_settings({**source, **more}, Own)
    return own.read(locate(own.raw_files(source), None, "downloads"), source)


def refused(says, responses, **more):
    with pytest.raises(InputError, match=says) as error:
        read(responses, **more)
    assert "\n" not in str(error.value)
    return str(error.value)


def write_array(path):
    if path.endswith(".npy"):
        np.save(path, values())
    elif path == "old.mat":
        scipy.io.savemat(path, {"tr": 2.0, "note": "text", "Y": values()}, do_compression=True)
    else:  # as MATLAB writes version 7.3
        with h5py.File(path, "w", userblock_size=512) as file:
            file.create_dataset("Y", data=values().T).attrs["MATLAB_class"] = np.bytes_("double")
            file.create_dataset("flag", data=np.ones((1, 1))).attrs["MATLAB_class"] = np.bytes_(
                "logical"
            )


def written(form):
    """A file of each form that holds the same responses; its path and the keys it needs."""
    if form in ("wide.csv", "wide.tsv"):
        wide().to_csv(form, index=False, sep="\t" if form.endswith("tsv") else ",")
    elif form == "wide.parquet":
        wide().to_parquet(form)
    elif form == "shuffled.csv":
        wide().sample(frac=1, random_state=1).to_csv(form, index=False)
    elif form == "german.csv":
        wide().to_csv(form, index=False, sep=";", decimal=",", encoding="utf-8-sig")
    elif form == "long.csv":
        long().sample(frac=1, random_state=1).to_csv(form, index=False)
    elif form == "long.parquet":
        long().to_parquet(form)
    else:
        write_array(form)
        return form, {"targets": "targets.csv"}
    return form, {}


FORMS = ("wide.csv", "wide.tsv", "wide.parquet", "shuffled.csv", "german.csv", "long.csv",
         "long.parquet", "array.npy", "old.mat", "new.mat")  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_the_same_dataset(form, folder):
    path, keys = written(form)
    prepared = read(path, **keys)
    order = {name: i for i, name in enumerate(prepared.responses["target_id"].values.tolist())}
    columns = [order[name] for name in NAMES]
    np.testing.assert_array_equal(prepared.responses["responses"].values[:, columns], values())
    assert prepared.responses["subject"].values[columns].tolist() == [s for s, _ in TARGETS]
    assert prepared.responses["region"].values[columns].tolist() == [r for _, r in TARGETS]
    assert prepared.responses["stimulus_id"].values.tolist() == [f"s{i:02d}" for i in range(N)]
    assert "file_row" not in prepared.responses.coords
    assert prepared.card["subjects"] == ["anna", "ben"]
    assert set(prepared.card["raw_sha256"]) >= {str(folder / path), str(folder / "stimuli.csv")}
    stated = [line for line in prepared.card["changed"] if "decimal commas" in line]
    assert stated == (
        [f"{folder / path}: divided by ';', 96 decimal commas in 4 columns read as points"]
        if form == "german.csv"
        else []
    )


def test_integers_are_numbers_in_every_form(folder):
    np.save("whole.npy", np.arange(4 * N).reshape(N, 4))
    full = read("whole.npy", targets="targets.csv").responses["responses"]
    assert full.dtype == np.float64
    pd.DataFrame(np.arange(4 * N).reshape(N, 4), columns=NAMES).assign(
        stimulus_id=stimuli()["stimulus_id"]
    ).to_csv("whole.csv", index=False)
    np.testing.assert_array_equal(read("whole.csv").responses["responses"], full)


def test_a_stimuli_table_of_a_german_excel_is_read_and_recorded(folder):
    expected = read(written("wide.csv")[0]).stimuli
    table = stimuli().assign(surprise=[i + 0.25 for i in range(N)])
    text = table.to_csv(index=False, sep=";", decimal=",", lineterminator="\r\n")
    for first in ("", "sep=;\r\n"):
        Path("stimuli.csv").write_bytes(b"\xef\xbb\xbf" + (first + text).encode())
        prepared = read("wide.csv")
        assert prepared.stimuli["surprise"].tolist() == [i + 0.25 for i in range(N)]
        pd.testing.assert_frame_equal(prepared.stimuli[expected.columns], expected)
        said = " ".join(prepared.card["changed"])
        assert "stimuli.csv: divided by ';', 24 decimal commas in 1 column read as points" in said
    Path("stimuli.csv").write_text("text|id\nA|1\n", encoding="utf-8")
    refused(
        r"stimulus_id, .* is missing \(is it 'id'\?\); the columns found are text, id$", "wide.csv"
    )


CELLS = {
    "a word": (lambda t: t.replace({"r2": {t["r2"][3]: "slow"}}),
               "row 5: column r2 holds 'slow', expected a number"),
    "0 ms": (lambda t: t.replace({"r2": {t["r2"][3]: 0}}),
             r"row 5 \(stimulus s03\), reader r2: reading time 0 ms"),
    "a code": (lambda t: t.replace({"r2": {t["r2"][3]: -999}}),
               r"row 5 \(stimulus s03\), reader r2: -999 .*write NaN"),
    "an id twice": (lambda t: t.replace({"stimulus_id": {"s04": "s03"}}),
                    "row 6: stimulus_id 's03' appears twice"),
    "another id": (lambda t: t.replace({"stimulus_id": {"s04": "x"}}),
                   "row 6: stimulus_id 'x' is not in the table of stimuli"),
    "a row less": (lambda t: t.drop(index=4), r"no row of stimulus 's04' \(1 of 24"),
    "no id": (lambda t: t.drop(columns="stimulus_id"),
              "stimulus_id is missing; the columns found are r1, r2, r3, r4"),
    "another name of the id": (lambda t: t.rename(columns={"stimulus_id": "id"}),
                               r"times.csv: column stimulus_id is missing \(is it 'id'\?\); the "
                               "columns found are r1, r2, r3, r4, id"),
    "seconds": (lambda t: t.assign(**{n: t[n] / 1000 for n in ("r1", "r2", "r3", "r4")}),
                "these are seconds"),
}  # fmt: skip


@pytest.mark.parametrize("case", CELLS)
def test_a_cell_at_fault_is_named_with_row_and_column(case, folder):
    edit, says = CELLS[case]
    edit(wide("reading-times").astype(object)).to_csv("times.csv", index=False)
    assert str(folder / "times.csv") in refused(says, "times.csv", kind="reading-times")


def test_a_long_table_without_responses_names_its_columns(folder):
    long("reading-times").rename(columns={"response": "RT"}).to_csv("times.csv", index=False)
    said = refused("column response is missing", "times.csv", kind="reading-times")
    assert said == (
        f"{folder}/times.csv: column response is missing, which a table with a row per response "
        "(column subject) has; the columns found are stimulus_id, subject, RT"
    )
    table = long("reading-times").drop(columns="subject").rename(columns={"response": "RT"})
    table.to_csv("times.csv", index=False)
    refused("appears twice;.* called response; the columns found are stimulus_id, RT",
            "times.csv", kind="reading-times")  # fmt: skip


@pytest.mark.parametrize("cell", ["n.a.", "bad", "1.234,5"])
def test_a_text_among_decimal_commas_is_named_itself(cell, folder):
    table = wide().astype(object)
    table.loc[6, "ben.IFG"] = cell
    table.to_csv("brain.csv", index=False, sep=";", decimal=",")
    said = refused("row 8", "brain.csv")
    assert said.endswith(
        f"brain.csv: row 8: column ben.IFG holds {cell!r}, expected a number; an empty cell or NA "
        "where none was measured"
    )


def test_a_long_table_names_the_row_of_the_cell(folder):
    table = long("reading-times")
    table.loc[30, "response"] = -3
    table.to_csv("times.csv", index=False)
    name = table["stimulus_id"][30]
    refused(rf"row 32 \(stimulus {name}\), reader r2: .*-3", "times.csv", kind="reading-times")
    pd.concat([long(), long()[5:6]]).to_csv("twice.csv", index=False)
    refused(rf"row {4 * N + 2}: a second response of anna.IFG .*s05.*row 7", "twice.csv")
    long().to_csv("scan.csv", index=False)
    refused("rows are volumes of a scan; give a column per target", "scan.csv", tr=2.0)


def test_a_word_that_nobody_read_and_odd_times_are_counted_and_kept(folder):
    table = long("reading-times")
    table.loc[table["stimulus_id"] == "s07", "response"] = np.nan
    table.loc[3, "response"] = 15.0
    table.loc[5, "response"] = 25_000.0
    table.to_csv("times.csv", index=False, na_rep="NA")
    notes = read("times.csv", kind="reading-times").card["notes"]
    assert any(re.search(r"1 of 92 reading times are below 50 ms, first row 5", n) for n in notes)
    assert any("1 of 92 reading times are above 10000 ms, first row 7" in n for n in notes)
    assert any("1 of 24 words were read by nobody" in n for n in notes)


@pytest.mark.parametrize(
    ("path", "content", "says"),
    [
        ("objects.npy", np.array([{}], dtype=object), "not a whole NumPy array of numbers"),
        ("cube.npy", np.zeros((2, 3, 4)), r"shape \(2, 3, 4\)"),
        ("turned.npy", values().T, r"24 columns, but targets has 4 rows \(is it \[target, row\]"),
        ("short.npy", values()[1:], "23 rows of responses for 24 stimuli"),
        ("text.npy", np.full((N, 4), "a"), "type <U1, expected numbers"),
    ],
)
def test_arrays_that_are_no_responses_are_refused(path, content, says, folder):
    np.save(path, content, allow_pickle=True)
    refused(says, path, targets="targets.csv")


def test_a_mat_file_of_several_arrays_needs_a_name(folder):
    scipy.io.savemat("two.mat", {"Y": values(), "Z": values() + 1, "cell": [{"a": 1}]})
    says = r"say with variable which array holds responses; it has Y \(24, 4\), Z \(24, 4\)"
    refused(says, "two.mat", targets="targets.csv")
    refused("no numeric array 'X'", "two.mat", targets="targets.csv", variable="X")
    result = read("two.mat", targets="targets.csv", variable="Z")
    np.testing.assert_array_equal(result.responses["responses"], values() + 1)
    path = folder / "two.mat"
    assert result.card["changed"] == [
        f"{path}: the responses are its array Z; it has Y (24, 4), Z (24, 4)"
    ]
    scipy.io.savemat("one.mat", {"Y": values()})
    assert read("one.mat", targets="targets.csv").card["changed"] == []


@pytest.mark.parametrize("path", ["array.npy", "old.mat", "new.mat", "wide.parquet"])
@pytest.mark.parametrize("percent", [0, 30, 60, 95])
def test_a_file_cut_short_is_one_clear_error(path, percent, folder):
    _, keys = written(path)
    content = Path(path).read_bytes()
    Path(path).write_bytes(content[: len(content) * percent // 100])
    refused(path.replace(".", r"\."), path, **keys)


def test_rows_of_an_array_and_of_a_table_may_be_volumes(folder):
    stimuli().assign(onset=np.arange(N) * 2.0 + 0.5, offset=np.arange(N) * 2.0 + 1).to_csv(
        "stimuli.csv", index=False
    )
    np.save("scan.npy", values())
    wide().drop(columns="stimulus_id").assign(run=["a"] * 10 + ["b"] * 14).to_csv(
        "scan.csv", index=False
    )
    array = read("scan.npy", targets="targets.csv", tr=2.0, runs=[10, 14]).responses
    table = read("scan.csv", tr=2.0).responses
    for actual, runs in ((array, ("1", "2")), (table, ("a", "b"))):
        assert actual["responses"].dims == ("volume", "target") and actual.attrs["tr"] == 2.0
        np.testing.assert_array_equal(actual["onset"], np.arange(N) * 2.0)
        assert actual["run"].values.tolist() == [runs[0]] * 10 + [runs[1]] * 14
        np.testing.assert_array_equal(actual["responses"], values())
    refused("24 volumes, but runs adds up to 20", "scan.npy", targets="targets.csv", tr=2.0,
            runs=[10, 10])  # fmt: skip
    stimuli().to_csv("stimuli.csv", index=False)
    refused("column onset is missing; .*timed responses need the onset", "scan.csv", tr=2.0)


# Scans -----------------------------------------------------------------------------------------

AFFINE = np.diag([3.0, 3.0, 3.0, 1.0])


def atlas(grid=(6, 5, 4)):
    labels = np.zeros(grid, np.int16)
    labels[:3, :, :2], labels[3:, :, 2:] = 2, 7
    return labels


def scan(seed, volumes=N, grid=(6, 5, 4), affine=AFFINE, tr=2.0):
    data = np.random.default_rng(seed).normal(1000, 50, (*grid, volumes)).astype(np.int16)
    image = nibabel.Nifti1Image(data, affine)
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_zooms((3.0, 3.0, 3.0, tr))
    return image


def write_scans(**images):
    nibabel.Nifti1Image(atlas(), AFFINE).to_filename("atlas.nii.gz")
    for name, image in images.items():
        image.to_filename(f"{name}.nii.gz")


SCANS = {"anna": ["a.nii.gz"], "ben": ["b.nii.gz"]}


def test_scans_become_the_mean_of_each_region(folder):
    write_scans(a=scan(1), b=scan(2))
    Path("labels.csv").write_text("label,region\n2,IFG\n7,PTL\n9,absent\n", encoding="utf-8")
    responses = read(SCANS, atlas="atlas.nii.gz", targets="labels.csv").responses
    assert responses["target_id"].values.tolist() == NAMES
    expected = np.column_stack(
        [
            np.asarray(scan(seed).dataobj)[atlas() == label].mean(axis=0)
            for seed in (1, 2)
            for label in (2, 7)
        ]
    )
    np.testing.assert_allclose(responses["responses"], expected, rtol=1e-12)
    numbered = read(SCANS, atlas="atlas.nii.gz").responses
    assert set(numbered["region"].values) == {"2", "7"}


def test_voxels_of_scans_are_targets_where_they_lie(folder):
    affine = np.array([[-3.0, 0, 0, 90], [0, 3.0, 0, -126], [0, 0, 3.0, -72], [0, 0, 0, 1]])
    nibabel.Nifti1Image(atlas(), affine).to_filename("atlas.nii.gz")
    images = [scan(seed, affine=affine) for seed in (1, 2)]
    for name, image in zip("ab", images, strict=True):
        image.to_filename(f"{name}.nii.gz")
    prepared = read(SCANS, atlas="atlas.nii.gz", voxels=True)
    responses = prepared.responses
    assert prepared.card["locations"] == "voxels in the grid of the atlas"
    affines = json.loads(responses.attrs["affine"])
    for subject, image in zip(SCANS, images, strict=True):
        one = responses.sel(target=responses["subject"] == subject)
        mm = np.stack([one[axis].values for axis in "xyz"], axis=1)
        at = nibabel.affines.apply_affine(np.linalg.inv(affines[subject]), mm).round().astype(int)
        assert len(np.unique(at, axis=0)) == (atlas() > 0).sum()
        data = np.asarray(image.dataobj)[tuple(at.T)]
        np.testing.assert_array_equal(one["responses"].values, data.T)
        assert one["region"].values.tolist() == atlas()[tuple(at.T)].astype(str).tolist()


def outside_the_brain():
    """Scans of two runs, whose first slice lies outside the brain: the same in both, of anna only.
    A voxel of hers is constant in one run, another is never finite."""
    runs = {}
    for i, who in enumerate(SCANS):
        data = [np.asarray(scan(10 * i + run, 12).dataobj, np.float32) for run in (1, 2)]
        if who == "anna":
            for values in data:
                values[:, 0] = 0.0
                values[1, 1, 1] = np.nan
            data[0][2, 2, 1] = 7.0
        runs[who] = [f"{who}{run}.nii.gz" for run in (1, 2)]
        for values, path in zip(data, runs[who], strict=True):
            nibabel.Nifti1Image(values, AFFINE).to_filename(path)
    nibabel.Nifti1Image(atlas(), AFFINE).to_filename("atlas.nii.gz")
    return runs


def as_nibabel_reads(paths):
    """[x, y, z, volume] of all runs, and which voxels inside the atlas are not constant."""
    values = np.concatenate([nibabel.load(path).get_fdata() for path in paths], axis=3)
    return values, (atlas() > 0) & (np.ptp(values, axis=3) > 0)


def test_voxels_without_signal_are_no_targets(folder):
    runs = outside_the_brain()
    prepared = read(runs, atlas="atlas.nii.gz", voxels=True)
    for who, paths in runs.items():
        values, kept = as_nibabel_reads(paths)
        one = prepared.responses.sel(target=prepared.responses["subject"] == who)
        names = ["-".join(map(str, at)) for at in np.argwhere(kept).tolist()]
        assert one["target_id"].values.tolist() == [f"{who}.{name}" for name in names]
        np.testing.assert_array_equal(one["responses"].values, values[kept].T)
        assert one["region"].values.tolist() == atlas()[kept].astype(str).tolist()
        mm = np.stack([one[axis].values for axis in "xyz"], axis=1)
        np.testing.assert_allclose(mm, 3.0 * np.argwhere(kept))
    left = (atlas()[:, 0] > 0).sum() + 1
    assert as_nibabel_reads(runs["anna"])[1].sum() == (atlas() > 0).sum() - left
    why = "the same in all volumes of all runs, or never finite (outside the brain, medial wall)"
    assert prepared.card["dropped"] == [{"what": "voxels of anna", "n": left, "why": why}]


def test_voxels_without_signal_count_for_no_region(folder):
    runs = outside_the_brain()
    prepared = read(runs, atlas="atlas.nii.gz")
    expected = []
    for paths in runs.values():
        values, kept = as_nibabel_reads(paths)
        expected += [values[kept & (atlas() == label)].mean(axis=0) for label in (2, 7)]
    np.testing.assert_allclose(prepared.responses["responses"].values.T, expected, rtol=1e-6)
    assert [entry["what"] for entry in prepared.card["dropped"]] == ["voxels of anna"]


def test_a_region_without_signal_is_left_out_and_a_scan_without_any_refused(folder):
    runs = outside_the_brain()
    labels = np.where(atlas() == 2, 2, 0).astype(np.int16)
    labels[:, 0] = 9
    nibabel.Nifti1Image(labels, AFFINE).to_filename("atlas.nii.gz")
    prepared = read(runs, atlas="atlas.nii.gz")
    assert prepared.responses["target_id"].values.tolist() == ["anna.2", "ben.2", "ben.9"]
    entry = prepared.card["dropped"][1]
    assert entry["what"] == "regions without voxels of anna" and entry["n"] == 1
    assert entry["why"].endswith(": 9")
    labels[labels == 2] = 0
    nibabel.Nifti1Image(labels, AFFINE).to_filename("atlas.nii.gz")
    refused("responses: none of 24 voxels of anna varies", runs, atlas="atlas.nii.gz")


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("order", ["<", ">"])
def test_scans_of_any_byte_order_are_read(kind, order, folder):
    write_scans(a=scan(1))
    little = read({"anna": ["a.nii.gz"]}, atlas="atlas.nii.gz").responses
    for name, image in (("a", scan(1)), ("atlas", nibabel.Nifti1Image(atlas(), AFFINE))):
        header = kind.header_class.from_header(image.header).as_byteswapped(order)
        data = np.asarray(image.dataobj)
        kind(data, image.affine, header).to_filename(f"{name}.nii")
        assert nibabel.load(f"{name}.nii").header.endianness == order
    swapped = read({"anna": ["a.nii"]}, atlas="atlas.nii").responses
    np.testing.assert_array_equal(swapped["responses"], little["responses"])


def test_a_voxel_may_have_a_value_that_stands_for_nothing_in_tables(folder):
    image = scan(1)
    data = np.asarray(image.dataobj)
    data[0, 0, 0, 3], data[1, 0, 0, 3] = 9999, -999
    write_scans(a=nibabel.Nifti1Image(data, AFFINE))
    values = read({"anna": ["a.nii.gz"]}, atlas="atlas.nii.gz", voxels=True).responses["responses"]
    assert {9999.0, -999.0} <= set(values.values[3].tolist())
    wide().assign(**{NAMES[0]: 9999.0}).to_csv("coded.csv", index=False)
    refused("looks like a code", "coded.csv")


def test_voxels_without_an_affine_are_refused(folder):
    write_scans(a=scan(1), b=scan(2))
    image = nibabel.Nifti1Image(atlas(), None)
    assert not image.header["sform_code"]
    image.to_filename("atlas.nii.gz")
    refused("atlas.nii.gz: no affine", SCANS, atlas="atlas.nii.gz", voxels=True)


def test_runs_of_scans_follow_each_other(folder):
    stimuli().assign(onset=np.arange(N) * 2.0 + 0.5, offset=np.arange(N) * 2.0 + 1).to_csv(
        "stimuli.csv", index=False
    )
    write_scans(a1=scan(1, 10), a2=scan(2, 14))
    mask = (atlas() == 2).astype(np.uint8)
    nibabel.Nifti1Image(mask, AFFINE).to_filename("mask.nii")
    actual = read({"anna": ["a1.nii.gz", "a2.nii.gz"]}, atlas="mask.nii", tr=2.0).responses
    assert actual["run"].values.tolist() == ["1"] * 10 + ["2"] * 14
    both = np.concatenate([np.asarray(scan(seed, n).dataobj) for seed, n in ((1, 10), (2, 14))], 3)
    np.testing.assert_allclose(actual["responses"].values[:, 0], both[mask > 0].mean(axis=0))
    says = r"a1\.nii\.gz: its header says 2 s between volumes, source\.tr 1\.5 s"
    refused(says, {"anna": ["a1.nii.gz", "a2.nii.gz"]}, atlas="mask.nii", tr=1.5)


@pytest.mark.parametrize(
    ("b", "says"),
    [
        (lambda: scan(2, grid=(5, 5, 4)), r"b\.nii\.gz: shape \(5, 5, 4, 24\), .*resample"),
        (lambda: scan(2, affine=AFFINE * 2), "lies elsewhere in space than the atlas"),
        (lambda: scan(2, volumes=N - 1), r"the runs of ben have \[23\] volumes, those of anna"),
    ],
)
def test_scans_on_another_grid_are_refused(b, says, folder):
    write_scans(a=scan(1), b=b())
    refused(says, SCANS, atlas="atlas.nii.gz")


def test_damaged_scans_and_regions_without_name_are_refused(folder):
    write_scans(a=scan(1), b=scan(2))
    content = gzip.decompress(Path("b.nii.gz").read_bytes())
    Path("b.nii.gz").write_bytes(gzip.compress(content[: len(content) // 2]))
    refused(r"b\.nii\.gz: not a whole NIfTI file", SCANS, atlas="atlas.nii.gz")
    write_scans(a=scan(1), b=scan(2))
    Path("labels.csv").write_text("label,region\n2,IFG\n", encoding="utf-8")
    refused("no row with a region of label 7", SCANS, atlas="atlas.nii.gz", targets="labels.csv")
    Path("labels.csv").write_text("label,region\n2,IFG\n7,PTL\n2,AG\n", encoding="utf-8")
    refused("row 4: label 2 appears a second", SCANS, atlas="atlas.nii.gz", targets="labels.csv")
    Path("labels.csv").write_text("label,region\n2,IFG\n7,IFG\n", encoding="utf-8")
    refused("region IFG has two labels", SCANS, atlas="atlas.nii.gz", targets="labels.csv")


def test_small_regions_and_gaps_inside_them_are_noted(folder):
    image = scan(1)
    data = np.asarray(image.dataobj).astype(np.float32)
    data[0, 0, 0, 3] = np.nan
    labels = atlas()
    labels[labels == 7] = 0
    labels[5, :, 3] = 7
    nibabel.Nifti1Image(data, AFFINE).to_filename("a.nii.gz")
    nibabel.Nifti1Image(labels, AFFINE).to_filename("atlas.nii.gz")
    prepared = read({"anna": ["a.nii.gz"]}, atlas="atlas.nii.gz")
    assert "1 of 2 regions have fewer than 10 voxels: 7 5" in prepared.card["notes"]
    assert any("1 values inside regions are NaN" in line for line in prepared.card["notes"])
    expected = np.nanmean(data[..., 3][labels == 2].astype(float))
    assert prepared.responses["responses"].values[3, 0] == pytest.approx(expected)


# Keys that do not fit ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        ({"responses": "a.csv", "kind": None}, "kind: is missing; this kind of file does not say"),
        ({"responses": "a.npy"}, "targets: is missing"),
        ({"responses": "a.nii.gz"}, r"'a\.nii\.gz' is a scan; name its subject"),
        ({"responses": {"anna": ["a.nii"]}}, "atlas: is missing"),
        ({"responses": {"anna": []}, "atlas": "m.nii"}, "a subject without one"),
        ({"responses": "a.xlsx"}, r"ends in \.nc.*; export the spreadsheet as CSV$"),
        (
            {"responses": "a.nc", "tr": 2.0},
            "tr: is a key of tables, arrays, scans and surfaces alone",
        ),
        ({"responses": "a.csv", "variable": "Y"}, r"variable: is a key of \.mat files alone"),
        ({"responses": "a.csv", "tr": 2.0, "kind": "reading-times"}, "kind: reading-times, but"),
        ({"responses": "a.npy", "targets": "t.csv", "runs": [3]}, "runs: rows are stimuli"),
        ({"responses": "a.csv", "stimuli": "s.xlsx"}, r"or .parquet \(export a spreadsheet as "),
    ],
)
def test_keys_that_do_not_fit_the_kind_of_file_are_named_before_anything_runs(keys, says):
    source = {"type": "own", "stimuli": "s.csv", "kind": "brain"} | keys
    source = {name: value for name, value in source.items() if value is not None}
    (fault,) = faults(source, Own, "datasets.lab.source")
    assert fault.startswith("datasets.lab.source.") and re.search(says, fault), fault


def test_a_netcdf_file_of_another_kind_than_the_config_says_is_refused(folder):
    read_data = read(written("wide.csv")[0]).responses
    read_data.to_netcdf("r.nc", engine="h5netcdf")
    refused("attribute kind is 'brain', the config says 'reading-times'", "r.nc",
            kind="reading-times")  # fmt: skip


# Covariates --------------------------------------------------------------------------------------


def test_covariates_of_words_are_made_where_the_table_lacks_them(folder):
    wide("reading-times").to_csv("times.csv", index=False)
    prepared = read("times.csv", kind="reading-times")
    measured = prepared.stimuli
    assert measured["length"].tolist() == [len(word) for word in measured["text"]]
    assert measured["log_frequency"][0] == zipf_frequency("The", "en")
    assert measured["punctuation"].tolist()[:9] == [False] * 4 + [True] + [False] * 3 + [True]
    assert measured["word_in_sentence"].tolist()[:12] == [1, 2, 3, 4, 5, 1, 2, 3, 4, 5, 1, 2]
    assert measured["sentence_id"].tolist()[9:14] == [2, 3, 3, 4, 4]  # owl begins at row 12
    (made,) = [line for line in prepared.card["changed"] if line.startswith("made of the texts")]
    assert "length, log_frequency, punctuation, frequency_known, sentence_id" in made
    needed = {column for term in STANDARD for column in columns_of(term)}
    assert needed <= set(measured)


def test_covariates_that_the_table_has_stay(folder):
    wide("reading-times").to_csv("times.csv", index=False)
    given = stimuli().assign(length=7, log_frequency=3.5, punctuation=True)
    position = [1, 2, 3, 1, 2, 3] * 4
    given.assign(word_in_sentence=position).to_csv("stimuli.csv", index=False)
    prepared = read("times.csv", kind="reading-times")
    seen = prepared.stimuli
    assert set(seen["length"]) == {7} and set(seen["log_frequency"]) == {3.5}
    assert seen["word_in_sentence"].tolist() == position
    assert seen["sentence_id"].tolist() == [i // 3 + 1 for i in range(N)]
    assert "frequency_known" not in seen
    given.assign(sentence_id=["x", "x", "y", "y"] * 6).to_csv("stimuli.csv", index=False)
    seen = read("times.csv", kind="reading-times").stimuli
    assert seen["sentence_id"].tolist()[:4] == ["x", "x", "y", "y"]


def test_sentences_of_brain_data_get_no_covariates_of_words(folder):
    assert "log_frequency" not in read(written("wide.csv")[0]).stimuli


def test_a_packed_table_of_responses_is_read(folder):
    buffer = io.BytesIO(wide().to_csv(index=False).encode())
    Path("wide.csv.gz").write_bytes(gzip.compress(buffer.getvalue()))
    np.testing.assert_array_equal(read("wide.csv.gz").responses["responses"], values())


def test_columns_without_a_dot_are_subjects_and_both_kinds_together_an_error(folder):
    """`sub-01_IFG` would double the subjects in silence."""
    table = wide()
    table.rename(columns={"anna.IFG": "anna_IFG"}).to_csv("one.csv", index=False)
    refused(
        r"column 'anna_IFG' has no region, and others have \(SUBJECT.REGION, with a dot\)",
        "one.csv",
    )
    table.rename(columns=lambda name: name.replace(".", "_")).to_csv("all.csv", index=False)
    notes = read("all.csv").card["notes"]
    (note,) = [note for note in notes if "separate subject" in note]
    assert f"each of {table.shape[1] - 1} targets counts as a separate subject, first" in note
