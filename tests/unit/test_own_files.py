"""Own data as spreadsheets, R, MATLAB and h5py write them: read right, or refused in one line."""

import gzip
import io
import random
import re
from pathlib import Path

import h5netcdf
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from brainalign.datasets import own
from brainalign.datasets.own_csv import without_edges
from brainalign.datasets.own_findings import Findings
from brainalign.datasets.own_table import read_stimuli
from brainalign.datasets.raw import locate
from brainalign.datasets.settings import Own
from brainalign.errors import InputError
from brainalign.formats.activations import open_activations, write_activations
from brainalign.formats.datasets import read_responses, write_dataset
from brainalign.formats.datasets import read_stimuli as read_prepared
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from worlds.entries import align, noise_ceiling

SOURCE = Own("stimuli.csv", "responses.nc")
INVISIBLE = " \t\n\r\v\f\x85\xa0\u2003\u2028\u3000\u200b\ufeff\u200e\x00\x1f\u2060\xad"
LIGHT = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
# What data may call a subject, a region, a story or a stimulus.
NAMES = (
    "NA", "N/A", "nan", "NaN", "None", "null", "007", "7", "1e5", "100000", "1.0", "True", "false",
    "inf", "-", "--", "#N/A", "<NA>", "?", ".", "Zoë", "名前", "١٢", "1,5", 'a "b"', "0x1F",
    "2024-01-01",
)  # fmt: skip


def table(n=40):
    return pd.DataFrame(
        {
            "stimulus_id": [f"s{i:02d}" for i in range(n)],
            "text": [f"A word {i % 7} and {'x' * (i % 5 + 1)}." for i in range(n)],
            "context_group": np.repeat(["fox", "owl"], n // 2),
            "position": [*range(n // 2), *range(n // 2)],
            "split_group": [f"g{i // 5}" for i in range(n)],
        }
    )


def array(n=40, subjects=("anna", "ben", "cleo"), regions=("IFG", "PTL"), **attributes):
    rng = np.random.default_rng(0)
    targets = [(subject, region) for subject in subjects for region in regions]
    return xr.Dataset(
        {"responses": (("stimulus", "target"), rng.standard_normal((n, len(targets))))},
        coords={
            "stimulus_id": ("stimulus", [f"s{i:02d}" for i in range(n)]),
            "target_id": ("target", [f"{i}.{s}" for i, (s, _) in enumerate(targets)]),
            "subject": ("target", [s for s, _ in targets]),
            "region": ("target", [r for _, r in targets]),
        },
        attrs={"kind": "brain", "units": "z", "source": "us", "licence": "CC0", "simulated": 0}
        | attributes,
    )


def reading(values=None, **attributes):
    data = array(subjects=("r1", "r2", "r3"), regions=("all",))
    times = 250 + 30 * np.random.default_rng(1).standard_normal((40, 3))
    values = times if values is None else values(times)
    attributes = {"kind": "reading-times", "units": "ms"} | attributes
    return data.assign(responses=(("stimulus", "target"), values)).assign_attrs(attributes)


def timed(spacing=2.0, **attributes):
    data = array().rename(stimulus="volume").drop_vars("stimulus_id")
    runs = np.repeat([1, 2], 20)
    return data.assign_coords(
        onset=("volume", np.arange(40) * spacing + 10 * (runs == 2)), run=("volume", runs)
    ).assign_attrs({"tr": 2.0} | attributes)


def timed_table(spacing=2.0):
    onset = np.arange(40) * spacing + 0.5 + 10 * (np.arange(40) >= 20)
    return table().assign(onset=onset, offset=onset + 0.3)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(stimuli, responses, source=SOURCE):
    """Write both files (a table may be bytes) and read them as the workflow does."""
    if isinstance(stimuli, pd.DataFrame):
        stimuli = stimuli.to_csv(index=False).encode()
    Path(source.stimuli).write_bytes(stimuli)
    if responses is not None:
        responses.to_netcdf(source.responses, engine="h5netcdf")
    return own.read(locate(own.raw_files(source), None, "downloads"), source)


def refused(stimuli, responses, *says):
    with pytest.raises(InputError, match=says[0]) as error:
        read(stimuli, responses)
    message = str(error.value)
    assert "\n" not in message
    for words in says:
        assert re.search(words, message), message
    return message


# Texts -----------------------------------------------------------------------------------------


@given(before=st.text(INVISIBLE), inner=st.text(min_size=1), after=st.text(INVISIBLE))
def test_nothing_but_the_ends_is_taken_off(before, inner, after):
    clean = without_edges(before + inner + after)
    assert clean in inner
    assert clean == without_edges(clean) == without_edges(inner)
    assert not clean or (clean[0] not in INVISIBLE and clean[-1] not in INVISIBLE)


@pytest.mark.parametrize("end", sorted(set(INVISIBLE) - {"\0"}))
def test_blanks_at_the_ends_of_stimuli_are_taken_off_and_counted(end, folder):
    stimuli = table()
    stimuli.loc[[3, 5], "text"] = [f"A word.{end}", f"{end}Another."]
    prepared = read(stimuli, array())
    assert prepared.stimuli["text"].tolist()[3:6:2] == ["A word.", "Another."]
    (line,) = prepared.card["changed"]
    assert line.startswith("text: blanks or invisible characters at the ends of 2 ")
    assert "stimulus s03" in line
    assert prepared.card["notes"] == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("A\xa0word.", "no-break"), ("A\u200bword", "zero-width"), ("A\rword", "line ends or tabs"),
        ("A\nword", "line ends"), ("A  word.", "several blanks"), ("Jo\ufffdrg", "U\\+FFFD"),
        ("JÃ¶rg", "read as Latin-1"), ("donâ€™t", "read as Latin-1"), ("Jo\u0308rg", "NFC"),
    ],
)  # fmt: skip
def test_invisible_characters_inside_stimuli_are_kept_and_noted(text, says, folder):
    stimuli = table()
    stimuli.loc[3, "text"] = text
    prepared = read(stimuli, array())
    assert prepared.stimuli["text"][3] == text
    assert any(re.search(says, line) and "first s03" in line for line in prepared.card["notes"])


def test_plain_letters_of_other_languages_are_no_oddity(folder):
    stimuli = table()
    stimuli.loc[:3, "text"] = ["Jörg läuft.", "Ça va, Zoë ?", "彼は走る。", "می\u200cروم"]
    assert read(stimuli, array()).card["notes"] == []


# Tables ----------------------------------------------------------------------------------------


@LIGHT
@given(
    end=st.sampled_from(["\n", "\r\n", "\r"]), mark=st.booleans(), quoted=st.booleans(),
    numbered=st.booleans(), blank=st.integers(0, 3), commas=st.booleans(), packed=st.booleans(),
)  # fmt: skip
def test_a_csv_table_is_the_same_whoever_wrote_it(
    end, mark, quoted, numbered, blank, commas, packed
):
    expected = table()
    text = expected.to_csv(index=numbered, lineterminator=end, quoting=1 if quoted else 0)
    if commas:  # a spreadsheet that once had another column
        text = text.replace(end, f",,{end}")
    text += ("," * 4 * commas + end) * blank
    content = (b"\xef\xbb\xbf" if mark else b"") + text.encode()
    findings = Findings()
    result, _ = read_stimuli(content, "stimuli.csv.gz" if packed else "stimuli.csv", findings)
    pd.testing.assert_frame_equal(result[expected.columns], expected, check_dtype=False)
    assert sum(entry["n"] for entry in findings.dropped) == blank + numbered


NUMBERS = st.one_of(st.integers(-(10**9), 10**9), st.floats(allow_nan=False, allow_infinity=False))


@LIGHT
@given(values=st.lists(st.none() | NUMBERS, min_size=2, max_size=20))
def test_numbers_are_read_to_the_last_digit(values):
    rows = pd.DataFrame({
        "stimulus_id": range(len(values)), "text": "A word.", "context_group": range(len(values)),
        "position": 1, "split_group": "x", "log_frequency": values, "other": values,
    })  # fmt: skip
    actual, _ = read_stimuli(rows.to_csv(index=False).encode(), "s.csv", Findings())
    expected = [np.nan if value is None else float(value) for value in values]
    if any(value is not None for value in values):
        np.testing.assert_array_equal(actual["other"].astype(float), expected)
    np.testing.assert_array_equal(actual["log_frequency"].astype(float), expected)


@LIGHT
@given(names=st.lists(st.sampled_from(NAMES), min_size=4, max_size=12, unique=True))
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_ids_groups_and_words_stay_as_they_are(ending, names):
    rows = pd.DataFrame({"stimulus_id": names, "text": names, "context_group": names, "position": 1,
                         "split_group": names, "sentence_id": names})  # fmt: skip
    buffer = io.BytesIO()
    rows.to_parquet(buffer) if ending == "parquet" else rows.to_csv(buffer, index=False)
    measured, _ = read_stimuli(buffer.getvalue(), f"s.{ending}", Findings())
    for column in ("stimulus_id", "text", "context_group", "split_group", "sentence_id"):
        assert measured[column].tolist() == names


def edited(old, new, count=1):
    return table().to_csv(index=False).replace(old, new, count).encode()


BAD_TABLES = {
    "UTF-16": (table().to_csv(index=False).encode("utf-16"), "is in UTF-16; save it as UTF-8"),
    "Latin-1": (edited("A word 1", "Für").decode().encode("latin-1"),
                "line 3: byte 0xfc is not UTF-8; in Latin-1 it would be .*Für.*save it as UTF-8"),
    "a workbook": (b"PK\x03\x04rest", "an Excel workbook; save it as"),
    "decimal comma": (edited(",3,g0", ',"3,0",g0'),
                      r"row 5: column position holds '3,0', expected .* point \(3\.0\)"),
    "no number": (edited(",3,g0", ",three,g0"), "row 5: column position holds 'three', expected"),
    "missing": (edited(",3,g0", ",NA,g0"), "row 5: column position holds 'NA', .*an empty cell"),
    "an unquoted comma": (edited("A word 2", "Oh, a word"), "row 4: 6 cells, expected 5 .*'g0'"),
    "too few cells": (edited(",3,g0", ",3"), "row 5: 4 cells, expected 5"),
    "an open quote": (edited("A word 2", '"A word'), "not a readable table"),
    "a column twice": (edited("text", "text,text"), "column text appears twice"),
    "a column that is spelt otherwise": (edited("split_group", "Split_Group"),
                                         r"split_group is missing \(is it 'Split_Group'\?\)"),
    "an id twice": (edited("s07", "s04"), "row 9: stimulus_id 's04' is that of row 6"),
    "an id twice, but for a blank": (edited("s07", "s04 "), "row 9: stimulus_id 's04' is that of"),
    "no id": (edited("s07", "\xa0"), "row 9: stimulus_id is missing"),
    "only a header": (edited("", "", 0)[:54].split(b"\n")[0] + b"\n", "no stimuli"),
    "nothing": (b"", "the file is empty"),
    "NUL": (edited("A word 2", "A\0word"), "line 4 holds NUL"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_TABLES)
def test_a_table_at_fault_is_named_with_row_and_cell(case, folder):
    content, says = BAD_TABLES[case]
    assert str(folder / "stimuli.csv") in refused(content, array(), says)


def test_a_decimal_comma_in_a_covariate_is_named(folder):
    stimuli = table().assign(surprise=["3,25", "1", *["2"] * 38])
    refused(stimuli, array(), r"row 2: column surprise holds '3,25', .*\(3\.25\)")
    kept = read(table().assign(surprise=["NA", *["2"] * 39], code=["01", *["2"] * 39]), array())
    assert kept.stimuli["code"][0] == "01"
    assert "column surprise holds numbers and 'NA' (1 times): read as text" in kept.card["notes"][0]


def test_flags_are_flags_however_they_are_written(folder):
    for flags in (["True", "False"], ["TRUE", "FALSE"]):
        seen = read(table().assign(punctuation=flags * 20), array()).stimuli["punctuation"]
        assert seen.dtype == bool and seen.tolist() == [True, False] * 20


def test_parquet_tables_of_byte_strings_an_index_and_nullable_numbers(folder):
    source = replace(SOURCE, stimuli="stimuli.parquet")
    stimuli = table().assign(position=pd.array([*range(20), *range(20)], "Int64"))
    stimuli["text"] = stimuli["text"].str.encode("utf-8")
    for index in (stimuli.set_index("stimulus_id"), stimuli.set_index(np.arange(40)[::-1])):
        index.to_parquet("stimuli.parquet")
        array().to_netcdf("responses.nc", engine="h5netcdf")
        shown = own.read(locate(own.raw_files(source), None, "downloads"), source).stimuli
        pd.testing.assert_frame_equal(shown[table().columns], table(), check_dtype=False)


# Responses -------------------------------------------------------------------------------------


def as_bytes(names, encoding, width):
    """Names as MATLAB and Fortran write them: byte strings filled up with blanks."""
    return np.array([name.encode(encoding).ljust(width) for name in names])


@pytest.mark.parametrize("width", [0, 12])
def test_names_may_be_byte_strings_in_utf_8(width, folder):
    names = ["Jörg", "Zoë", "NA"]
    table().to_csv("stimuli.csv", index=False)
    plain = array(subjects=names)
    with h5netcdf.File("responses.nc", "w") as file:
        file.dimensions = {"stimulus": 40, "target": 6}
        values = file.create_variable(
            "responses", ("stimulus", "target"), data=plain["responses"].values
        )
        for name in ("stimulus_id", "target_id", "subject", "region"):
            file.create_variable(
                name, plain[name].dims, data=as_bytes(plain[name].values, "utf-8", width)
            )
        values.attrs["coordinates"] = "stimulus_id target_id subject region"
        for key, value in plain.attrs.items():
            file.attrs[key] = np.bytes_(value) if isinstance(value, str) else np.array([value])
    prepared = own.read(locate(own.raw_files(SOURCE), None, "downloads"), SOURCE)
    assert prepared.card["subjects"] == sorted(names)
    assert prepared.responses.attrs["units"] == "z"
    assert bool(prepared.card["changed"]) == bool(width)


@pytest.mark.parametrize(
    ("subjects", "expected"),
    [
        ([1, 2, 3], ["1", "2", "3"]), ([1.0, 2.0, 3.0], ["1", "2", "3"]),
        (["a ", "b\xa0", "\ufeffc"], ["a", "b", "c"]),
    ],
)  # fmt: skip
def test_numbers_and_padded_names_of_subjects(subjects, expected, folder):
    data = array().assign_coords(subject=("target", np.repeat(subjects, 2)))
    assert read(table(), data).card["subjects"] == expected


BAD_ARRAYS = {
    "no name": (lambda d: d.assign_coords(subject=("target", [np.nan, 1, 1, 2, 2, 2])),
                r"coordinate subject\[0\] is missing"),
    "an empty name": (lambda d: d.assign_coords(region=("target", ["a", " ", *"abcd"])),
                      r"coordinate region\[1\] is empty"),
    "a subject called all": (lambda d: d.assign_coords(subject=("target", ["all"] * 6)),
                             "subject 'all': tables call the mean"),
    "a region called all": (lambda d: d.assign_coords(region=("target", ["all"] * 6)),
                            "region 'all': tables call the mean"),
    "a code": (lambda d: with_value(d, -9999.0), r"stimulus s03, target 1\.anna: -9999 \(1 such"),
    "netCDF's fill value": (lambda d: with_value(d, 9.96921e36), "9.96921e\\+36 .*write NaN"),
    "a gap in every target": (lambda d: with_row(with_row(d, 3, slice(0, 6, 2)), 5, slice(1, 6, 2)),
                              r"every target holds NaN in some row.* in stimulus s03 \(3 of 6"),
    "other units inside": (lambda d: d.assign(responses=d["responses"].assign_attrs(units="%")),
                           "units of the file is 'z', that of variable responses '%'"),
}  # fmt: skip


def with_value(data, value):
    values = data["responses"].values.copy()
    values[3, 1] = value
    return data.assign(responses=(data["responses"].dims, values))


def with_row(data, row, columns):
    values = data["responses"].values.copy()
    values[row, columns] = np.nan
    return data.assign(responses=(data["responses"].dims, values))


@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_responses_at_fault_are_named(case, folder):
    edit, says = BAD_ARRAYS[case]
    assert str(folder / "responses.nc") in refused(table(), edit(array()), says)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\x93NUMPY\x01\x00", "a NumPy array; docs/adding-a-dataset.md"),
        (b"CDF\x01", "netCDF-3"),
        (b"PK\x03\x04", "a zip archive"), (b"MATLAB 5.0", "a MATLAB file"),
    ],
)  # fmt: skip
def test_files_of_other_kinds_are_distinguished(content, says, folder):
    (folder / "responses.nc").write_bytes(content + b"\0" * 200)
    refused(table(), None, says)


def test_integers_are_taken_and_gaps_are_counted(folder):
    data = array()
    full = data.assign(responses=(data["responses"] * 100).astype(np.int16))
    prepared = read(table(), full)
    assert prepared.responses["responses"].dtype == np.float64
    assert "responses: int16 are taken as floating point numbers" in prepared.card["changed"]
    (note,) = read(table(), with_row(data, 3, slice(2, 4))).card["notes"]
    assert note == "ben missed 1 of 40 rows, first stimulus s03: they count for the others alone"
    nobody = (
        "1 of 40 rows have no response of any target, first stimulus s03: they count for nobody"
    )
    silent = with_row(data, 3, slice(None))
    assert read(table(), silent).card["notes"] == [nobody]
    assert read(table(), with_row(silent, 5, slice(2, 4))).card["notes"] == [
        nobody,
        "ben missed 1 of 40 rows, first stimulus s05: they count for the others alone",
    ]
    (note,) = read(table(), with_row(with_row(data, 3, 2), 5, 3)).card["notes"]
    assert note.startswith("2 of 6 targets hold NaN in some row and have no score, first 2.ben")
    assert note.endswith("no target of ben is left")


def test_a_subject_with_few_targets_is_noted(folder):
    subjects = [*["sub-01"] * 5, "sub-1", *["sub-02"] * 6]
    data = array(subjects=[f"s{i}" for i in range(6)])
    data = data.assign_coords(subject=("target", subjects))
    (note,) = read(table(), data).card["notes"]
    assert note.startswith("few targets for subject sub-1 (misspelt?); ")
    assert note.endswith("; targets per subject: sub-01 5, sub-1 1, sub-02 6")


# Reading times ---------------------------------------------------------------------------------


def one(value):
    def edit(times):
        times = times.copy()
        times[3, 1] = value
        return times

    return edit


@pytest.mark.parametrize(
    ("values", "attributes", "says"),
    [
        (one(0.0), {}, r"stimulus s03, reader 1\.r2: reading time 0 ms \(1 of .*NaN marks"),
        (one(-5.0), {}, "reading time -5 ms"),
        (one(-9999.0), {}, "-9999 .*write NaN"),
        (one(9.96921e36), {}, "write NaN"),
        (lambda t: t / 1000, {"units": "s"}, "units 's'; reading times are in milliseconds"),
        (lambda t: t / 1000, {}, r"median reading time is 0\.25.* these are seconds"),
        (np.log, {}, "median reading time is 5.*logarithms"),
        (lambda t: t * 1000, {"units": "us"}, "units 'us'"),
        (lambda t: (t - t.mean()) / t.std(), {}, "of 0 or below"),
        (lambda t: t.round().astype(int) * 0, {}, "reading time 0 ms"),
    ],
)  # fmt: skip
def test_reading_times_that_nobody_has_are_refused(values, attributes, says, folder):
    refused(table(), reading(values, **attributes), says)


@pytest.mark.parametrize(("value", "says"), [(20.0, "below 50 ms"), (12_000.0, "above 10000 ms")])
def test_odd_reading_times_are_kept_and_noted(value, says, folder):
    (note,) = read(table(), reading(one(value))).card["notes"]
    assert re.search(f"^1 of 120 reading times are {says}, first stimulus s03, reader 1.r2", note)


@pytest.mark.parametrize("units", ["ms", "msec", "milliseconds", "Milliseconds"])
def test_units_that_the_variable_says_do_not_change_its_numbers(units, folder):
    """xarray takes a variable with units of time for time differences."""
    data = reading(units=units)
    data["responses"].attrs["units"] = units
    prepared = read(table(), data)
    np.testing.assert_array_equal(prepared.responses["responses"], reading()["responses"])
    write_dataset(prepared.stimuli, prepared.responses, "a.parquet", "a.nc")
    back = read_responses("a.nc", read_prepared("a.parquet"))
    np.testing.assert_array_equal(back["responses"], reading()["responses"])


# Scans -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("spacing", [2.0, 2.0005])
def test_onsets_may_be_rounded(spacing, folder):
    assert read(timed_table(), timed(spacing)).card["tr"] == 2.0


def test_units_of_onsets_do_not_make_them_time_differences(folder):
    data = timed()
    data["onset"].attrs["units"] = "seconds"
    prepared = read(timed_table(), data)
    np.testing.assert_array_equal(prepared.responses["onset"], timed()["onset"])
    write_dataset(prepared.stimuli, prepared.responses, "a.parquet", "a.nc")
    back = read_responses("a.nc", read_prepared("a.parquet"))
    np.testing.assert_array_equal(back["onset"], timed()["onset"])


@pytest.mark.parametrize(
    ("stimuli", "responses", "says"),
    [
        (timed_table(), lambda: timed(tr=1.5), r"tr is 1\.5 s, but the volumes of a run begin 2 s"),
        (timed_table(), lambda: timed(tr=2000.0), r"tr is 2000 s, .* milliseconds\?"),
        (timed_table(2000.0), lambda: timed(2000.0), r"tr is 2 s, but .* 2000 s .*milliseconds\?"),
        (timed_table(2000.0), lambda: timed(2000.0, tr=2000.0), "is it in milliseconds"),
        (timed_table(2000.0), timed, r"lie outside it \(milliseconds\?\)"),
        (timed_table().assign(offset=0.3), timed, "offset 0.3 s is before its onset"),
    ],
)
def test_clocks_that_contradict_each_other_are_refused(stimuli, responses, says, folder):
    refused(stimuli, responses(), says)


def test_onsets_in_other_units_are_refused(folder):
    data = timed()
    data["onset"].attrs["units"] = "ms"
    refused(timed_table(), data, "coordinate onset has units 'ms', expected seconds")


# Names, to the scores --------------------------------------------------------------------------

BENCHMARK = {
    "dataset": "d", "mode": "controlled", "regression": {"type": "ols"},
    "split": {"scheme": "grouped", "folds": 2, "seed": 1}, "aggregate": "median-within-subject",
    "layers": "best", "ceiling": {"method": "split-half", "splits": 4},
}  # fmt: skip


def results(subjects, regions, groups, ids):
    """Scores and ceilings of own data under these names."""
    stimuli = table().assign(
        stimulus_id=ids, context_group=np.repeat(groups[:2], 20), split_group=np.repeat(groups, 5)
    )
    data = array(subjects=subjects, regions=regions)
    prepared = read(stimuli, data.assign_coords(stimulus_id=("stimulus", ids)))
    write_dataset(prepared.stimuli, prepared.responses, "a.parquet", "a.nc")
    stimuli = read_prepared("a.parquet")
    responses = read_responses("a.nc", stimuli)
    length = stimuli[["text"]].map(len).to_numpy(np.float32)
    write_activations({"features": length}, stimuli["stimulus_id"].tolist(), "a.safetensors", {})
    scores = align(open_activations("a.safetensors"), stimuli, responses, BENCHMARK, "cpu", 0)
    return scores, noise_ceiling(stimuli, responses, BENCHMARK, seed=0)


@pytest.mark.parametrize("seed", range(4))
def test_scores_do_not_depend_on_what_things_are_called(seed, folder):
    plain = (
        ["p1", "p2", "p3"],
        ["q1", "q2"],
        [f"g{i}" for i in range(8)],
        [f"s{i:02d}" for i in range(40)],
    )
    rng = random.Random(seed)
    odd = [sorted(rng.sample(NAMES, len(names))) for names in plain[:3]]
    ids = sorted([*NAMES, *(f"{name}.{i}" for i, name in enumerate(NAMES))])[:40]
    for expected, actual in zip(results(*plain), results(*odd, ids), strict=True):
        for column, names in (("subject", plain[0]), ("region", plain[1])):
            other = odd[0] if column == "subject" else odd[1]
            expected[column] = expected[column].replace(dict(zip(names, other, strict=True)))
        key = [name for name in ("target_id",) if name in actual]
        pd.testing.assert_frame_equal(
            actual.drop(columns=key), expected.drop(columns=key), check_dtype=False
        )


def test_a_packed_table_is_read(folder):
    (folder / "stimuli.csv.gz").write_bytes(gzip.compress(table().to_csv(index=False).encode()))
    array().to_netcdf("responses.nc", engine="h5netcdf")
    source = replace(SOURCE, stimuli="stimuli.csv.gz")
    assert len(own.read(locate(own.raw_files(source), None, "downloads"), source).stimuli) == 40
