"""Data of users: the documented example, and every mismatch of the two files."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml
from brainalign.behavior.terms import columns_of
from brainalign.datasets import own
from brainalign.datasets.prepared import check_timing
from brainalign.datasets.raw import locate
from brainalign.datasets.registry import read_source
from brainalign.datasets.settings import Own
from brainalign.errors import InputError
from brainalign.formats.activations import open_activations, write_activations
from brainalign.study.check import config_faults
from msgspec.structs import replace
from worlds.entries import align


@pytest.fixture
def folder(tmp_path, monkeypatch, repository):
    """The files of docs/adding-a-dataset.md, made by its own example, in the working directory."""
    monkeypatch.chdir(tmp_path)
    page = (repository / "docs/adding-a-dataset.md").read_text(encoding="utf-8")
    for example in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(compile(example, "docs/adding-a-dataset.md", "exec"), {})
    return tmp_path


SOURCE = Own("stimuli.csv", "responses.nc")


def read(source=SOURCE, mirror=None):
    return own.read(locate(own.raw_files(source), mirror, "downloads"), source)


def test_the_documented_example_is_read(folder):
    prepared = read()
    assert len(prepared.stimuli) == 120
    assert prepared.responses["responses"].shape == (120, 6)
    assert prepared.stimuli["onset"].isna().all()
    assert prepared.card["subjects"] == ["anna", "ben", "cleo"]
    assert set(prepared.card["raw_sha256"]) == {
        str(folder / "stimuli.csv"), str(folder / "responses.nc"),
    }  # fmt: skip
    json.dumps(prepared.card)


def test_the_documented_reading_times_are_read_and_their_benchmark_is_a_good_config(
    folder, repository
):
    prepared = read(replace(SOURCE, stimuli="words.csv", responses="times.nc"))
    assert prepared.responses["responses"].shape == (120, 4)
    assert prepared.responses.attrs["kind"] == "reading-times"
    page = (repository / "docs/adding-a-dataset.md").read_text(encoding="utf-8")
    study, times, _ = map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", page, re.DOTALL))
    config = {**study, **times, "datasets": study["datasets"] | times["datasets"]}
    assert config_faults(config) == []
    covariates = times["behavior"]["words-controlled"]["covariates"]
    needed = {column for term in covariates for column in columns_of(term)}
    assert needed <= set(prepared.stimuli.columns)


def test_words_of_a_sentence_are_counted_from_1(folder):
    table = pd.read_csv("stimuli.csv").assign(word_in_sentence=1.0)
    table.loc[3, "word_in_sentence"] = 0
    table.to_csv("stimuli.csv", index=False)
    name = table["stimulus_id"].iloc[3]
    with pytest.raises(InputError, match=f"{name}: word_in_sentence is .*expected a number from 1"):
        read()


def test_an_empty_cell_of_a_covariate_is_no_number(folder):
    table = pd.read_csv("stimuli.csv").assign(frequency=1.5)
    table.loc[3, "frequency"] = np.nan
    table.to_csv("stimuli.csv", index=False)
    result = read().stimuli["frequency"]
    assert result.dtype == float
    assert result.isna().sum() == 1 and np.isnan(result[3])


def test_user_data_that_call_themselves_simulated_are_refused(folder):
    responses = xr.load_dataset("responses.nc", engine="h5netcdf")
    responses.assign_attrs(simulated=1).to_netcdf("responses.nc", engine="h5netcdf")
    with pytest.raises(InputError, match=r"responses\.nc: attribute simulated is .*1.*set it to 0"):
        read()


def test_a_mirror_does_not_hide_local_files(folder):
    (folder / "mirror").mkdir()
    assert len(read(mirror="mirror").stimuli) == 120


def test_parquet_and_csv_are_the_same_dataset(folder):
    pd.read_csv("stimuli.csv").to_parquet("stimuli.parquet")
    other = read(replace(SOURCE, stimuli="stimuli.parquet"))
    pd.testing.assert_frame_equal(other.stimuli, read().stimuli, check_dtype=False)


def test_ids_and_words_that_look_like_numbers_or_nothing_stay_text(folder):
    table = pd.read_csv("stimuli.csv")
    table["stimulus_id"] = [f"{i:03d}" for i in range(len(table))]
    table.loc[0, "text"] = "NA"
    table.loc[1, "text"] = "1.50"
    table.to_csv("stimuli.csv", index=False)
    responses = xr.load_dataset("responses.nc").assign_coords(
        stimulus_id=("stimulus", table["stimulus_id"].tolist())
    )
    responses.to_netcdf("responses.nc", engine="h5netcdf")
    stimuli = read().stimuli
    assert stimuli["stimulus_id"].tolist()[:2] == ["000", "001"]
    assert stimuli["text"].tolist()[:2] == ["NA", "1.50"]


def timed(folder):
    stimuli = pd.read_csv("stimuli.csv")
    stimuli["onset"] = np.arange(120) * 2.0
    stimuli["offset"] = stimuli["onset"] + 1.5
    stimuli.to_csv("stimuli.csv", index=False)
    responses = xr.load_dataset("responses.nc").rename(stimulus="volume").drop_vars("stimulus_id")
    responses = responses.assign_coords(
        onset=("volume", np.arange(120) * 2.0), run=("volume", np.repeat([1, 2], 60))
    )
    return responses.assign_attrs(tr=2.0)


def test_timed_responses_are_read(folder):
    timed(folder).to_netcdf("responses.nc", engine="h5netcdf")
    prepared = read()
    assert prepared.responses["responses"].dims == ("volume", "target")
    assert prepared.card["tr"] == 2.0
    # A word belongs to the last volume that begins strictly before it; fox.00 has none.
    assert prepared.card["notes"] == [
        "1 of 120 stimuli belong to no volume, first fox.00: they begin between runs, or not after "
        "the first volume's onset"
    ]


def test_words_between_runs_are_allowed_and_counted(folder, caplog):
    responses = timed(folder)
    pause = np.where(np.arange(120) < 60, 0.0, 50.0)
    table = pd.read_csv("stimuli.csv")
    table["onset"] += 0.5 + pause
    table.loc[57:59, "onset"] = [125.0, 140.0, 150.0]
    table["offset"] = table["onset"] + 0.5
    table.to_csv("stimuli.csv", index=False)
    responses = responses.assign_coords(onset=("volume", np.arange(120) * 2.0 + pause))
    responses.to_netcdf("responses.nc", engine="h5netcdf")
    (note,) = read().card["notes"]
    assert note.startswith("3 of 120 stimuli belong to no volume, first fox.57:")
    assert note in caplog.text


RESTARTED = np.tile(np.arange(60) * 2.0 + 0.5, 2)
CLOCKS = {
    "onsets that restart": (
        RESTARTED, {},
        r"stimuli\.csv: row 62: stimulus owl\.00: onset: 0\.5 s is before the stimulus above it "
        r"\(118\.5 s\); onsets are seconds from the start of the first volume, through all runs "
        r"\(those of BIDS begin anew in each run\)",
    ),
    "a scan that ends before the words": (
        np.arange(120) * 4.0 + 0.5, {},
        r"row 62: stimulus owl\.00: onset: 240\.5 s is after the last volume; the scan "
        "lasts from 0 to 240 s, and 60 of 120 stimuli lie outside",
    ),
    "words before the scan": (
        np.arange(120) * 2.0 - 3, {},
        r"csv: row 2: stimulus fox\.00: onset: -3 s is before the first volume; .* 2 of 120",
    ),
    "a run without words": (
        np.arange(120) * 0.9, {}, r"run 2 \(120 to 240 s\) has volumes, but no stimulus",
    ),
    "a run with words only after its end": (
        np.r_[np.arange(119) * 0.5, 121.0],
        {"onset": ("volume", np.r_[np.arange(60) * 2.0, 200 + np.arange(60) * 2.0])},
        r"run 2 \(200 to 320 s\) has volumes, but no stimulus",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CLOCKS)
def test_words_on_another_clock_than_the_scan_are_one_clear_error(case, folder):
    onset, coordinates, says = CLOCKS[case]
    responses = timed(folder).assign_coords(coordinates)
    responses.to_netcdf("responses.nc", engine="h5netcdf")
    pd.read_csv("stimuli.csv").assign(onset=onset).to_csv("stimuli.csv", index=False)
    with pytest.raises(InputError, match=says):
        read()


def test_benchmarks_have_timing_just_where_rows_are_volumes(folder):
    by_stimulus = read().responses
    check_timing(by_stimulus, "mine", [], ["a"])
    with pytest.raises(InputError, match=r"alignment\.b\.timing: the rows of mine are stimuli"):
        check_timing(by_stimulus, "mine", ["b"], ["a"])
    by_volume = timed(folder)
    check_timing(by_volume, "mine", ["b"], [])
    with pytest.raises(InputError, match=r"alignment\.a\.timing: is missing; the rows of mine are"):
        check_timing(by_volume, "mine", ["b"], ["a"])


@pytest.mark.parametrize("tr", [0.0, -2.0, "two", np.nan])
def test_a_tr_that_is_no_duration_is_named(tr, folder):
    timed(folder).assign_attrs(tr=tr).to_netcdf("responses.nc", engine="h5netcdf")
    with pytest.raises(InputError, match=r"attribute tr is .*, expected positive seconds"):
        read()


def test_a_word_in_the_last_volume_is_inside_the_scan(folder):
    timed(folder).to_netcdf("responses.nc", engine="h5netcdf")
    table = pd.read_csv("stimuli.csv").assign(onset=np.linspace(0.1, 240.0, 120))
    table["offset"] = table["onset"]
    table.to_csv("stimuli.csv", index=False)
    assert read().card["notes"] == []


def test_the_documented_timed_benchmark_is_a_good_config_and_scores_timed_data(folder, repository):
    page = (repository / "docs/adding-a-dataset.md").read_text(encoding="utf-8")
    study, _, timed_study = map(yaml.safe_load, re.findall(r"```yaml\n(.*?)```", page, re.DOTALL))
    study["alignment"] = timed_study["alignment"]
    assert config_faults(study) == []
    timed(folder).to_netcdf("responses.nc", engine="h5netcdf")
    prepared = read()
    stimuli, responses = prepared.stimuli, prepared.responses
    length = stimuli[["text"]].map(len).to_numpy(np.float32)
    path = folder / "length.safetensors"
    write_activations({"features": length}, stimuli["stimulus_id"].tolist(), path, {})
    file = open_activations(path)
    entry = timed_study["alignment"]["stories-timed"]
    table = align(file, stimuli, responses, entry, "cpu", 0)
    assert table.loc[table["chosen"], "r"].notna().all()
    untimed = {key: value for key, value in entry.items() if key != "timing"}
    with pytest.raises(InputError, match="timing: missing"):
        align(file, stimuli, responses, untimed, "cpu", 0)


def in_table(edit):
    def apply():
        table = pd.read_csv("stimuli.csv")
        table = edit(table)
        table.to_csv("stimuli.csv", index=False)

    return apply


def in_array(edit):
    def apply():
        edit(xr.load_dataset("responses.nc")).to_netcdf("responses.nc", engine="h5netcdf")

    return apply


def cell(row, column, value):
    def edit(table):
        table[column] = table[column].astype(object)
        table.loc[row, column] = value
        return table

    return in_table(edit)


def nan_subject(data):
    values = data["responses"].values.copy()
    values[:, data["subject"].values == "ben"] = np.nan
    return data.assign(responses=(data["responses"].dims, values))


def infinite(data):
    values = data["responses"].values.copy()
    values[3, 1] = np.inf
    return data.assign(responses=(data["responses"].dims, values))


EYE = [[2, 0, 0, -90], [0, 2, 0, -126], [0, 0, 2, -72], [0, 0, 0, 1]]
SUBJECTS = ("anna", "ben", "cleo")


def located(affine=EYE, grid=(91, 109, 91), subjects=SUBJECTS, **coordinates):
    """Gives the targets coordinates in mm, and the subjects an affine."""
    positions = {axis: ("target", 2 * np.arange(6.0)) for axis in "xyz"} | coordinates
    attributes = {"affine": affine, "grid": grid}
    return in_array(
        lambda data: data.assign_coords(
            {name: position for name, position in positions.items() if position is not None}
        ).assign_attrs(
            {
                name: json.dumps({subject: value for subject in subjects})
                for name, value in attributes.items()
            }
        )
    )


def test_coordinates_of_targets_are_kept(folder):
    located()()
    responses = read().responses
    assert responses["y"].values.tolist() == [0, 2, 4, 6, 8, 10]
    assert json.loads(responses.attrs["affine"])["ben"] == EYE


BAD = {
    "a singular affine": (located([*EYE[:2], *EYE[1::2]]), "subject anna: the affine .* cannot"),
    "an affine of 3 rows": (located(EYE[:3]), "subject anna: the affine .* cannot be inverted"),
    "an affine with NaN": (located([[np.nan] * 4, *EYE[1:]]), "the affine .* cannot be inverted"),
    "an affine of nobody": (located(subjects=SUBJECTS[:2]), "affine: nothing of subject cleo"),
    "an affine of words": (located("eye"), "attribute affine is no JSON of numbers"),
    "a flat grid": (located(grid=(91, 109)), r"subject anna: grid \[91\.0, 109\.0\]"),
    "no z": (located(z=None), "coordinates x, y, z .* come together; it has x, y"),
    "a coordinate that is none": (
        located(z=("target", [0, 1, 2, 3, 4, np.nan])), "coordinate z holds other than finite"
    ),
    "a point between voxels": (
        located(x=("target", 1 + np.arange(6.0))), "1 targets of subject anna lie between voxels"
    ),
    "a point outside the grid": (
        located(y=("target", [0, 2, 4, 900, 0, 2])), r"of subject ben lie outside the grid \(91"
    ),
    "two targets in a voxel": (
        located(**{axis: ("target", [0.0, 0, 4, 6, 8, 10]) for axis in "xyz"}),
        "2 targets of subject anna lie at one index",
    ),
    "id twice": (cell(5, "stimulus_id", "fox.04"), "row 7: .* 'fox.04' is that of row 6"),
    "empty text": (cell(7, "text", " "), r"stimulus fox\.07: the text is empty"),
    "no text": (cell(7, "text", ""), r"stimulus fox\.07: the text is empty"),
    "order": (cell(9, "position", 3), r"stimulus fox\.09: position does not increase"),
    "position": (cell(9, "position", "nine"), "row 11: column position holds 'nine'"),
    "no position": (cell(9, "position", ""), r"stimulus fox\.09: no position"),
    "target twice": (
        in_array(lambda d: d.assign_coords(target_id=("target", ["a", "b", "c", "d", "b", "e"]))),
        "target_id b appears twice",
    ),
    "words": (in_array(lambda d: d.assign(responses=d["responses"].astype(str))),
        "responses are .*, expected floating point"),
    "other id": (cell(9, "stimulus_id", "fox.9"), r"row 9 is stimulus fox\.09, expected fox\.9"),
    "no column": (in_table(lambda t: t.drop(columns="split_group")), "split_group is missing"),
    "fewer stimuli": (in_table(lambda t: t[:-1]), "120 rows of responses for 119 stimuli"),
    "no stimuli": (in_table(lambda t: t[:0]), "no stimuli|other than numbers"),
    "not a table": (
        lambda: Path("stimuli.csv").write_bytes(b'a,"b\n'), "not a readable table"
    ),
    "no variable": (in_array(lambda d: d.rename(responses="data")), "no variable 'responses'"),
    "dimensions": (in_array(lambda d: d.rename(stimulus="row")), r"dimensions \('row', 'target'\)"),
    "no subject": (in_array(lambda d: d.drop_vars("subject")), "coordinate subject over dimension"),
    "no ids": (in_array(lambda d: d.drop_vars("stimulus_id")), "coordinate stimulus_id over"),
    "no units": (in_array(lambda d: d.assign_attrs(units=1).drop_attrs()), "attribute kind, units"),
    "kind": (in_array(lambda d: d.assign_attrs(kind="eye")), "kind 'eye', expected one of"),
    "nan subject": (in_array(nan_subject), r"2 targets hold only NaN, first ben\.IFG"),
    "infinite": (in_array(infinite), "infinite responses in row 3"),
    "other order": (in_array(lambda d: d.isel(stimulus=range(119, -1, -1))), "row 0 is stimulus"),
    "not netCDF": (lambda: Path("responses.nc").write_bytes(b"text"), "not a whole netCDF-4 file"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_files_that_do_not_fit_are_one_clear_error(case, folder):
    damage, says = BAD[case]
    damage()
    with pytest.raises(InputError, match=says) as error:
        read()
    assert str(folder) in str(error.value)


@pytest.mark.parametrize(
    ("table", "array", "says"),
    [
        (
            {"onset": ("", 7)},
            {},
            r"stimuli\.csv: row 9: stimulus fox\.07: onset: none, but the responses are timed",
        ),
        ({"onset": ("later", 7)}, {}, "row 9: column onset holds 'later', expected a number"),
        (
            {},
            {"onset": ("volume", np.r_[0.0, 2.0, np.arange(118)])},
            r"volume 2: onset 0\.0 is not",
        ),
        (
            {},
            {"onset": ("volume", np.r_[np.nan, np.arange(119)])},
            "volume 1: onset 0.0 is not aft",
        ),
        ({}, {"run": None}, "coordinate run over dimension volume is missing"),
    ],
)
def test_timed_files_that_do_not_fit_are_one_clear_error(table, array, says, folder):
    responses = timed(folder)
    for name, values in array.items():
        responses = (
            responses.drop_vars(name) if values is None else responses.assign_coords({name: values})
        )
    responses.to_netcdf("responses.nc", engine="h5netcdf")
    for name, (value, row) in table.items():
        cell(row, name, value)()
    with pytest.raises(InputError, match=says):
        read()


def test_ids_of_a_parquet_table_become_text(folder):
    table = pd.read_csv("stimuli.csv").assign(stimulus_id=range(120), split_group=7)
    table.to_parquet("stimuli.parquet")
    responses = xr.load_dataset("responses.nc").assign_coords(
        stimulus_id=("stimulus", [str(i) for i in range(120)])
    )
    responses.to_netcdf("responses.nc", engine="h5netcdf")
    stimuli = read(replace(SOURCE, stimuli="stimuli.parquet")).stimuli
    assert stimuli["stimulus_id"].tolist()[:2] == ["0", "1"]
    assert set(stimuli["split_group"]) == {"7"}


@pytest.mark.parametrize("percent", range(0, 100, 5))
@pytest.mark.parametrize("name", ["responses.nc", "stimuli.parquet"])
def test_a_file_cut_at_any_byte_is_an_input_error(name, percent, folder):
    pd.read_csv("stimuli.csv").to_parquet("stimuli.parquet")
    path = folder / name
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * percent // 100])
    with pytest.raises(InputError, match=re.escape(name)):
        read(replace(SOURCE, stimuli="stimuli.parquet"))


def test_a_path_that_leads_nowhere_is_named(folder):
    with pytest.raises(InputError, match=r"nothing\.csv is not here; the config names it; put"):
        read(replace(SOURCE, stimuli="nothing.csv"))
    with pytest.raises(InputError, match="responses: is missing"):
        read_source({"type": "own", "stimuli": "a.csv"}, "dataset")
