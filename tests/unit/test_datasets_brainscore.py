"""Readers of Brain-Score's assemblies, on files of their structure written by other libraries."""

import functools
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from brainalign.datasets import blank2014, fedorenko2016, futrell2018, pereira2018, tuckute2024
from brainalign.datasets.assembly import sortable
from brainalign.datasets.registry import read_source
from brainalign.datasets.settings import (
    Blank2014,
    Fedorenko2016,
    Futrell2018,
    Pereira2018,
    Tuckute2024,
)
from brainalign.encoding.splits import shuffled
from brainalign.errors import InputError
from brainalign.formats.datasets import check_responses, check_stimuli
from dataset_files import (
    blank,
    blank_full,
    fedorenko,
    fedorenko_full,
    futrell,
    futrell_full,
    pereira,
    pereira_full,
    record,
    tuckute,
    tuckute_full,
    write_hdf5,
    write_netcdf3,
)
from sklearn.model_selection import ShuffleSplit

WRITERS = {"netcdf4": write_hdf5, "netcdf3": write_netcdf3}
WORLDS = {
    "pereira2018": (pereira2018, pereira, Pereira2018(243), "neuroid"),
    "blank2014": (blank2014, blank, Blank2014(), "neuroid"),
    "fedorenko2016": (fedorenko2016, fedorenko, Fedorenko2016(), "neuroid"),
    "tuckute2024": (tuckute2024, tuckute, Tuckute2024(), "neuroid"),
    "futrell2018": (futrell2018, futrell, Futrell2018(), "subject"),
}


def checked(prepared):
    check_stimuli(prepared.stimuli, "stimuli")
    check_responses(prepared.responses, prepared.stimuli, "responses")
    json.dumps(prepared.card, allow_nan=False)
    return prepared


@pytest.mark.parametrize("name", WORLDS)
@pytest.mark.parametrize("form", WRITERS)
def test_values_and_texts_are_the_files(name, form, tmp_path):
    module, world, source, dimension = WORLDS[name]
    values, rows, targets = world()
    path = WRITERS[form](tmp_path / "a.nc", values, rows, targets, dimension)
    prepared = checked(module.read([record(path)], source))
    text = rows["word" if name == "futrell2018" else "stimulus"]
    start = len(text) // 2 if name == "pereira2018" else 0  # the second half is experiment 243
    source_row = prepared.stimuli["source_row"].to_numpy() + start
    assert prepared.stimuli["text"].tolist() == [text[i].strip() for i in source_row]
    np.testing.assert_array_equal(prepared.responses["responses"].values, values[source_row])


@pytest.mark.parametrize("name", WORLDS)
def test_both_writings_give_one_dataset(name, tmp_path):
    module, world, source, dimension = WORLDS[name]
    prepared = []
    for form, write in WRITERS.items():
        path = write(tmp_path / f"{form}.nc", *world(), dimension)
        prepared.append(module.read([record(path, "a")], source))
    assert prepared[0].stimuli.equals(prepared[1].stimuli)
    assert prepared[0].responses.identical(prepared[1].responses)


def test_a_reset_multi_index_that_xarray_wrote_is_read(tmp_path):
    values, rows, targets = blank()
    array = xr.DataArray(
        values,
        dims=("presentation", "neuroid"),
        coords={
            **{name: ("presentation", entries) for name, entries in rows.items()},
            **{name: ("neuroid", entries) for name, entries in targets.items()},
        },
        name="data",
    ).set_index(presentation=list(rows), neuroid=list(targets))
    flat = array.reset_index(["presentation", "neuroid"])
    for engine in ("h5netcdf", "scipy"):
        flat.to_netcdf(tmp_path / f"{engine}.nc", engine=engine)
        prepared = checked(blank2014.read([record(tmp_path / f"{engine}.nc")], Blank2014()))
        np.testing.assert_array_equal(prepared.responses["responses"].values, values)


def test_pereira_keeps_an_experiment_with_its_subjects(tmp_path):
    path = write_hdf5(tmp_path / "a.nc", *pereira())
    first = checked(pereira2018.read([record(path)], Pereira2018(experiment=384)))
    second = checked(pereira2018.read([record(path)], Pereira2018(experiment=243)))
    assert first.card["subjects"] == ["s00", "s01", "s02"]
    assert second.card["subjects"] == ["s00", "s01", "s02", "s03"]
    assert [entry["n"] for entry in first.card["dropped"]] == [18, 5, 0]
    assert [entry["n"] for entry in second.card["dropped"]] == [18, 0, 0]


def test_pereira_drops_and_counts_voxels_with_some_values_missing(tmp_path):
    values, rows, targets = pereira()
    values[-1, 2] = np.nan
    path = write_hdf5(tmp_path / "a.nc", values, rows, targets)
    prepared = checked(pereira2018.read([record(path)], Pereira2018(experiment=243)))
    assert prepared.card["dropped"][2]["n"] == 1
    assert "s00.2" not in prepared.responses["target_id"].values


def test_pereira_passages_by_index_or_by_label(tmp_path):
    path = write_hdf5(tmp_path / "a.nc", *pereira())
    by_index = checked(pereira2018.read([record(path)], Pereira2018(experiment=243)))
    by_label = checked(
        pereira2018.read([record(path)], Pereira2018(experiment=243, passages="label"))
    )
    assert by_index.card["context_groups"] == 6
    assert by_label.card["context_groups"] == 3
    assert by_index.card["split_groups"] == by_label.card["split_groups"] == 3
    assert by_index.stimuli["position"].tolist() == [1, 2, 3] * 6
    assert by_label.stimuli["position"].tolist() == [1, 2, 3, 4, 5, 6] * 3


def test_rows_that_do_not_read_forwards_are_sorted_in_reading_order(tmp_path):
    values, rows, targets = blank()
    shuffle = np.argsort(rows["stimulus_id"])  # Aqua.1.0, Aqua.10.0, Aqua.10.1, Aqua.11.0, …
    shuffled_rows = {name: [entries[i] for i in shuffle] for name, entries in rows.items()}
    path = write_hdf5(tmp_path / "a.nc", values[shuffle], shuffled_rows, targets)
    prepared = checked(blank2014.read([record(path)], Blank2014()))
    for story, part in prepared.stimuli.groupby("context_group"):
        in_order = [id_ for id_ in rows["stimulus_id"] if id_.startswith(story)]
        assert part["stimulus_id"].tolist() == in_order
    back = [rows["stimulus_id"].index(id_) for id_ in prepared.stimuli["stimulus_id"]]
    np.testing.assert_array_equal(prepared.responses["responses"].values, values[back])
    ids = [shuffled_rows["stimulus_id"][i] for i in prepared.stimuli["source_row"]]
    assert ids == prepared.stimuli["stimulus_id"].tolist()


@pytest.mark.parametrize("name", WORLDS)
def test_shuffled_folds_are_brain_scores(name, tmp_path):
    """Brain-Score: ShuffleSplit(10, .9, seed 1) over np.unique of the file's own ids."""
    module, world, source, dimension = WORLDS[name]
    values, rows, targets = world()
    path = write_hdf5(tmp_path / "a.nc", values, rows, targets, dimension)
    prepared = module.read([record(path)], source)
    file_ids = np.array(rows["stimulus_id"])
    if name == "pereira2018":
        file_ids = file_ids[np.array(rows["experiment"]) == "243sentences"]
    unique = np.unique(file_ids)
    ours = prepared.stimuli["stimulus_id"].tolist()
    source_ids = file_ids[prepared.stimuli["source_row"]]
    splits = shuffled(ours, folds=10, train=0.9, seed=1)
    theirs = ShuffleSplit(10, train_size=0.9, random_state=1).split(unique)
    for split, (train, test) in zip(splits, theirs, strict=True):
        assert set(source_ids[split.test]) == set(unique[test])
        assert set(source_ids[split.train]) == set(unique[train])


def test_futrell_labels_the_old_release_by_its_lag_profile(tmp_path, caplog):
    path = write_hdf5(tmp_path / "a.nc", *futrell(shift=1), "subject")
    card = checked(futrell2018.read([record(path)], Futrell2018())).card
    assert card["release"] == "original"
    assert max(card["lag_profile"], key=card["lag_profile"].get) == "-1"
    path = write_hdf5(tmp_path / "b.nc", *futrell(shift=0), "subject")
    card = checked(futrell2018.read([record(path)], Futrell2018())).card
    assert max(card["lag_profile"], key=card["lag_profile"].get) == "0"


def test_numbers_are_padded_so_that_strings_sort_as_they_do():

    numbers = np.random.default_rng(0).permutation(10256) + 1
    padded = sortable(pd.Series(numbers))
    assert (numbers[np.argsort(padded)] == np.sort(numbers)).all()
    strings = pd.Series(["384sentences.10", "384sentences.9"])
    assert sortable(strings).tolist() == strings.tolist()


@pytest.mark.parametrize(
    ("name", "key", "value", "says"),
    [
        ("pereira2018", "experiment", 42, "source.experiment: 42"),
        ("pereira2018", "experiment", None, "allowed: 243, 384"),
        ("pereira2018", "passages", "story", "allowed: index, label"),
    ],
)
def test_options_that_do_not_exist(name, key, value, says):
    with pytest.raises(InputError, match=says):
        read_source({"type": name, "experiment": 243, key: value}, "dataset")


@pytest.mark.parametrize("name", WORLDS)
def test_every_missing_level_is_named(name, tmp_path):
    module, world, source, dimension = WORLDS[name]
    values, rows, targets = world()
    levels = {**module.ROW_LEVELS, **module.TARGET_LEVELS}
    for number, names in enumerate(levels.values()):
        part_rows = {k: v for k, v in rows.items() if k not in names}
        part_targets = {k: v for k, v in targets.items() if k not in names}
        path = write_hdf5(tmp_path / f"{number}.nc", values, part_rows, part_targets, dimension)
        with pytest.raises(InputError, match=f"coordinate {names[0]}.* over .* is missing"):
            module.read([record(path)], source)


@pytest.mark.parametrize("name", WORLDS)
def test_a_repeated_stimulus_is_named(name, tmp_path):
    module, world, source, dimension = WORLDS[name]
    values, rows, targets = world()
    rows["stimulus_id"][5] = rows["stimulus_id"][4]
    path = write_hdf5(tmp_path / "a.nc", values, rows, targets, dimension)
    with pytest.raises(InputError, match=f"stimulus_id {rows['stimulus_id'][4]} appears twice"):
        module.read([record(path)], source)


@pytest.mark.parametrize(
    ("name", "other"), [(a, b) for a in WORLDS for b in WORLDS if a != b], ids="-for-".join
)
def test_an_assembly_of_another_dataset_is_refused(name, other, tmp_path):
    module, _, source, _ = WORLDS[name]
    _, world, _, dimension = WORLDS[other]
    path = write_hdf5(tmp_path / "a.nc", *world(), dimension)
    with pytest.raises(InputError, match=r"missing|no single array|expected 1 "):
        module.read([record(path)], source)


def test_values_of_only_nan_or_of_integers_are_refused(tmp_path):
    values, rows, targets = tuckute()
    path = write_hdf5(tmp_path / "nan.nc", values * np.nan, rows, targets)
    with pytest.raises(InputError, match="no finite value"):
        tuckute2024.read([record(path)], Tuckute2024())
    path = write_hdf5(tmp_path / "int.nc", values.astype(int), rows, targets)
    with pytest.raises(InputError, match="expected floating point"):
        tuckute2024.read([record(path)], Tuckute2024())


def test_a_subject_of_only_nan_is_refused(tmp_path):
    values, rows, targets = blank()
    values[:, np.array(targets["subject_id"]) == "085"] = np.nan
    path = write_hdf5(tmp_path / "a.nc", values, rows, targets)
    prepared = blank2014.read([record(path)], Blank2014())
    with pytest.raises(InputError, match=r"3 targets hold only NaN, first 085\.01_LH_PostTemp"):
        check_responses(prepared.responses, prepared.stimuli, "responses")


def test_a_subject_of_pereira_without_any_value_is_refused(tmp_path):
    """NaN in one experiment means that the subject did the other; NaN in both is an error."""
    values, rows, targets = pereira()
    values[:, np.array(targets["subject"]) == "s02"] = np.nan
    path = write_hdf5(tmp_path / "a.nc", values, rows, targets)
    for experiment in (243, 384):
        with pytest.raises(InputError, match="subject s02 has only NaN in both experiments"):
            pereira2018.read([record(path)], Pereira2018(experiment=experiment))


def test_fragments_whose_ids_name_another_position_get_a_warning(tmp_path, monkeypatch):
    """An id of this file is STORY.SENTENCE.PART: its texts must not have moved against its ids."""
    warned = []
    monkeypatch.setattr("brainalign.datasets.blank2014.LOG.warning", warned.append)
    values, rows, targets = blank()
    path = write_hdf5(tmp_path / "a.nc", values, rows, targets)
    assert not [
        note for note in blank2014.read([record(path)], Blank2014()).card["notes"] if "ids" in note
    ]
    assert warned == []
    rows["stimulus_id"][3:5] = rows["stimulus_id"][4], rows["stimulus_id"][3]
    path = write_hdf5(tmp_path / "b.nc", values, rows, targets)
    notes = checked(blank2014.read([record(path)], Blank2014())).card["notes"]
    assert notes[-1].startswith("the ids of 2 of 60 fragments name another position")
    assert warned[0].endswith(notes[-1])


FULL = {
    "pereira2018": pereira_full,
    "blank2014": blank_full,
    "fedorenko2016": fedorenko_full,
    "tuckute2024": tuckute_full,
    "futrell2018": futrell_full,
}


@pytest.fixture(scope="module")
def full():
    """The worlds at the real files' sizes, made once."""
    return functools.cache(lambda name: FULL[name]())


@pytest.mark.parametrize("name", [*FULL, "pereira2018, 384"])
def test_a_file_of_the_real_size_meets_every_expectation(name, full, tmp_path):
    """What verified files are compared with can be met, all at once, at the real dimensions."""
    name, _, experiment = name.partition(", ")
    module, _, source, dimension = WORLDS[name]
    source = Pereira2018(int(experiment)) if experiment else source
    path = write_hdf5(tmp_path / "a.nc", *full(name), dimension)
    prepared = checked(module.read([record(path, verified=True)], source))
    shape = {
        "pereira2018": (384, 12195) if experiment else (243, 8121),
        "blank2014": (1317, 60), "fedorenko2016": (416, 97), "tuckute2024": (1000, 1),
        "futrell2018": (10256, 180),
    }[name]  # fmt: skip
    assert prepared.responses["responses"].shape == shape
    if name == "pereira2018":
        assert len(prepared.card["subjects"]) == (9 if experiment else 6)
        assert prepared.card["context_groups"] == (96 if experiment else 72)
        assert prepared.card["split_groups"] == 24


def renamed(level, old, new, of="rows"):
    """Every entry `old` of a level becomes `new`."""

    def apply(values, rows, targets):
        levels = {"rows": rows, "targets": targets}[of]
        levels[level] = [new if entry == old else entry for entry in levels[level]]
        return values, rows, targets

    return apply


def fewer(axis):
    """The last row or target is gone."""

    def apply(values, rows, targets):
        shorter = [{k: v[:-1] for k, v in part.items()} for part in (rows, targets)]
        kept = (shorter[0], targets) if axis == 0 else (rows, shorter[1])
        return np.delete(values, -1, axis), *kept

    return apply


def one_value(values, rows, targets):
    changed = values.copy()
    changed[0, 0] += 10
    return changed, rows, targets


def another_subject(values, rows, targets):
    return values, rows, {**targets, "subject": ["new", *targets["subject"][1:]]}


def a_voxel_with_a_gap(values, rows, targets):
    changed = values.copy()
    changed[-1, 0] = np.nan
    changed[0, 0] += values[-1, 0]  # the sum of all values stays
    return changed, rows, targets


MISSED = [
    ("pereira2018", one_value, "sum of all values is 193560[0-9.]+, expected 1935595.263"),
    ("pereira2018", fewer(0), "number of presentations is 626, expected 627"),
    ("pereira2018", fewer(1), "number of neuroids is 13552, expected 13553"),
    ("pereira2018", another_subject, "number of subjects is 11, expected 10"),
    ("pereira2018", a_voxel_with_a_gap, "number of voxels is 8120, expected 8121"),
    ("pereira2018", renamed("passage_index", 72, 71), "number of passages is 71, expected 72"),
    ("blank2014", fewer(0), r"shape is \(1316, 60\), expected \(1317, 60\)"),
    ("blank2014", fewer(1), r"shape is \(1317, 59\), expected \(1317, 60\)"),
    ("blank2014", renamed("story", "Tulips", "Boar"), "number of stories is 7, expected 8"),
    ("blank2014", renamed("subject_id", "098", "061", "targets"), "subjects is 4, expected 5"),
    ("blank2014", renamed("fROI_area", "12_RH", "11_LH", "targets"), "regions is 11, expected 12"),
    ("futrell2018", fewer(0), r"shape is \(10255, 180\), expected \(10256, 180\)"),
    ("futrell2018", fewer(1), r"shape is \(10256, 179\), expected \(10256, 180\)"),
    ("futrell2018", renamed("story_id", 10, 9), "number of stories is 9, expected 10"),
    ("futrell2018", renamed("sentence_id", 481, 480), "number of sentences is 480, expected 481"),
    ("fedorenko2016", fewer(0), r"shape is \(415, 97\), expected \(416, 97\)"),
    ("fedorenko2016", renamed("sentence_id", 51, 50), "number of sentences is 51, expected 52"),
    ("fedorenko2016", renamed("subject_UID", 5, 4, "targets"), "subjects is 4, expected 5"),
    ("tuckute2024", fewer(0), r"shape is \(999, 1\), expected \(1000, 1\)"),
]


@pytest.mark.parametrize(("name", "change", "says"), MISSED)
def test_a_file_with_the_right_hash_that_misses_a_known_count_is_an_error(
    name, change, says, full, tmp_path
):
    """The error names the expectation: Brain-Score's own test values, the papers' counts."""
    module, _, source, dimension = WORLDS[name]
    values, rows, targets = full(name)
    path = write_hdf5(tmp_path / "a.nc", *change(values, {**rows}, {**targets}), dimension)
    with pytest.raises(InputError, match=says):
        module.read([record(path, verified=True)], source)


@pytest.mark.parametrize("form", WRITERS)
def test_flipped_bytes_never_raise_anything_but_an_input_error(form, tmp_path):
    """A flip in the values may pass (the hash catches it); it never crashes the reader."""
    path = WRITERS[form](tmp_path / "a.nc", *tuckute())
    data = path.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    for position in rng.integers(0, len(data), 40):
        broken = bytearray(data)
        broken[position] ^= 0xFF
        path.write_bytes(bytes(broken))
        try:
            tuckute2024.read([record(path)], Tuckute2024())
        except InputError:
            refused += 1
    assert refused > 0


FULL_SIZE = """
import re, sys
from pathlib import Path
from brainalign.datasets import pereira2018
from brainalign.datasets.raw import Record
from brainalign.datasets.settings import Pereira2018
from brainalign.formats.datasets import write_dataset
record = Record("a", sys.argv[1], "")
prepared = pereira2018.read([record], Pereira2018(experiment=384))
write_dataset(prepared.stimuli, prepared.responses, sys.argv[2], sys.argv[3])
# VmHWM is this program's own peak; ru_maxrss would count the process that started it.
peak = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
print(prepared.responses.sizes["target"], peak / 1024)
"""


def test_pereira_at_its_full_size_within_1500_mb(full, tmp_path, repository):
    """627 × 13,553 float64, 10 subjects; reading one experiment and writing it in our form."""
    path = write_hdf5(tmp_path / "full.nc", *full("pereira2018"))
    done = subprocess.run(
        [sys.executable, "-c", FULL_SIZE, path, tmp_path / "s.parquet", tmp_path / "r.nc"],
        capture_output=True, text=True, check=True, env={"PYTHONPATH": str(repository / "scripts")},
    )  # fmt: skip
    targets_kept, megabytes = map(float, done.stdout.split())
    assert targets_kept == 12195
    assert megabytes < 1500
