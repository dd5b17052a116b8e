"""MMLU, BBH, BLiMP, Alpaca and WikiText-2: bad rows are named, subsets are fair."""

import gzip
import json

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
from brainalign.datasets import alpaca, bbh, blimp, mmlu, wikitext2
from brainalign.datasets.question_settings import Bbh, Blimp, Mmlu
from brainalign.datasets.registry import read_source
from brainalign.datasets.subset import stratified
from brainalign.errors import InputError
from brainalign.resources import RESOURCES
from dataset_files import record
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from worlds import questions as world
from worlds.questions import (
    FILES,
    HEADER,
    blimp_pair,
    csv_bytes,
    write_bbh,
    write_blimp,
    write_mmlu_csv,
    write_mmlu_hub,
    write_mmlu_tar,
)

small_counts = world.small_counts


def test_the_three_releases_of_mmlu_are_one_table(tmp_path):
    tables = [
        mmlu.read(write(tmp_path), Mmlu(release=release), seed=0)
        for release, write in (
            ("csv", write_mmlu_csv), ("tar", write_mmlu_tar), ("hub", write_mmlu_hub),
        )
    ]  # fmt: skip
    first = tables[0]
    for other in tables[1:]:
        pd.testing.assert_frame_equal(other, first)
    row = first[first["question_id"] == "virology.test.0003"].iloc[0]
    assert row["question"] == 'What, "virology"\nof test 3?'
    assert list(row["choices"]) == ["a, 3", "b, 3", "c, 3", "d, 3"]
    assert (row["gold"], row["category"], row["split"]) == (3, "Others", "test")


BAD_MMLU = [
    ([*HEADER[:-1], "gold"], [["q", "a", "b", "c", "d", "0"]], "header is not question"),
    (HEADER, [["q", "a", "b", "c", "d", "4"]], "question 0: answer '4', expected one of 0, 1, 2"),
    (HEADER, [["q", "a", "b", "c", "d", "A"]], "question 0: answer 'A'"),
    (HEADER, [["q", "a", "b", "c", "d", ""]], "question 0: answer ''"),
    (HEADER, [["q", "a", "b", "c", "d", "01"]], "question 0: answer '01'"),
    (HEADER, [["q", "a", "b", "c", "d", "0"], ["q", "a", "b", "c", "0"]], "question 1: 5 fields"),
    (HEADER, [["q", "a", "b", "c", "d", "0", ""]], "question 0: 7 fields, expected 6"),
    (HEADER, [[" ", "a", "b", "c", "d", "0"]], "question 0: the question is empty"),
    (HEADER, [["q", "a", "b", "c", "d", "0"]], "number of test questions is 225, expected 228"),
]


@pytest.mark.parametrize(("header", "rows", "says"), BAD_MMLU)
def test_a_bad_row_of_mmlu_is_named(header, rows, says, tmp_path):
    records = write_mmlu_csv(tmp_path)
    data = csv_bytes([header, *rows], header=False)
    (tmp_path / "anatomy_test.csv.gz").write_bytes(gzip.compress(data))
    with pytest.raises(InputError, match=says):
        mmlu.read(records, Mmlu(), seed=0)


@pytest.mark.parametrize("letters", ["ABCE", "abcd", "1234", "ABC "])
def test_a_letter_outside_a_to_d_is_named(letters, tmp_path):
    with pytest.raises(InputError, match=r"_dev\.csv: question \d: answer '.', expected one of A,"):
        mmlu.read(write_mmlu_tar(tmp_path, letters), Mmlu(release="tar"), seed=0)


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("question", None, "question 3: None where a text is expected"),
        ("subject", None, "question 3: None where a text is expected"),
        ("choices", None, "question 3: no list of choices"),
        ("choices", ["a", "b", None, "d"], "question 3: None where a text is expected"),
        ("choices", ["a", "b", "c"], "question 3: 5 fields, expected 6"),
        ("answer", None, "question 3: answer '(None|nan)', expected one of 0, 1, 2, 3"),
        ("answer", 4, "question 3: answer '4', expected one of 0, 1, 2, 3"),
    ],
)
def test_a_bad_row_of_the_hubs_mmlu_is_named(column, value, says, tmp_path):
    records = write_mmlu_hub(tmp_path)
    path = records[1].path
    rows = pd.read_parquet(path).to_dict("records")
    rows = [{**r, "choices": list(r["choices"])} for r in rows]
    rows[3][column] = value
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
    with pytest.raises(InputError, match=says):
        mmlu.read(records, Mmlu(release="hub"), seed=0)


@pytest.mark.parametrize("percent", range(0, 100, 5))
@pytest.mark.parametrize("release", ["tar", "hub"])
def test_an_archive_cut_at_any_byte_is_an_input_error(release, percent, tmp_path):
    records = {"tar": write_mmlu_tar, "hub": write_mmlu_hub}[release](tmp_path)
    path = tmp_path / records[-1].path
    data = path.read_bytes()
    # The end of a tar archive is padding; its last tenth may be gone unnoticed.
    path.write_bytes(data[: len(data) * percent * 9 // 1000])
    with pytest.raises(InputError):
        mmlu.read(records, Mmlu(release=release), seed=0)


def test_a_subject_that_is_missing_or_unknown_is_named(tmp_path):
    records = write_mmlu_csv(tmp_path)
    with pytest.raises(InputError, match="subjects anatomy are unknown or missing"):
        mmlu.read([r for r in records if "anatomy" not in r.name], Mmlu(), seed=0)
    strange = replace(records[0], name="mmlu/dev/alchemy_dev.csv")
    with pytest.raises(InputError, match="subjects alchemy are unknown or missing"):
        mmlu.read([*records, strange], Mmlu(), seed=0)
    with pytest.raises(InputError, match="alchemy is not SUBJECT_dev or SUBJECT_test"):
        mmlu.read([replace(records[0], name="mmlu/dev/alchemy.csv")], Mmlu(), seed=0)


def test_bbh_in_both_releases_is_one_table(tmp_path):
    table = bbh.read(write_bbh(tmp_path), Bbh(), seed=0)
    assert table.groupby("split").size().to_dict() == {"prompt": 27, "test": 162}
    assert (table["subject"].nunique(), table["task"].nunique()) == (27, 23)
    assert table["question_id"].is_unique
    hub = []
    prompts = [r for r in write_bbh(tmp_path) if "cot-prompts" in r.name]
    for name in FILES:
        path = tmp_path / f"{name}.parquet"
        rows = table[(table["subject"] == name) & (table["split"] == "test")][["input", "target"]]
        rows.to_parquet(path)
        hub.append(record(path, f"bbh/hub/{name}.parquet"))
    pd.testing.assert_frame_equal(bbh.read([*hub, *prompts], Bbh(release="hub"), seed=0), table)


def without(data, number, key):
    del data["examples"][number][key]
    return data


BAD_BBH = [
    (lambda d: without(d, 4, "target"), "snarks.json: example 4: no target"),
    (lambda d: without(d, 0, "input"), "snarks.json: example 0: no input"),
    (lambda d: {**d, "examples": [*d["examples"], "text"]}, "example 6: no input"),
    (lambda d: {**d, "examples": [{"input": "q", "target": 3}]}, "example 0: no target"),
    (lambda d: {**d, "examples": [{"input": "q", "target": " "}]}, "example 0: no target"),
    (lambda d: {**d, "examples": []}, "no list of examples"),
    (lambda d: {"canary": "c"}, "no list of examples"),
    (lambda d: d["examples"], "no list of examples"),
    (lambda d: json.dumps(d)[:-9], "not JSON"),
    (lambda d: "", "not JSON"),
    (lambda d: {**d, "examples": d["examples"][:5]}, "number of examples is 161, expected 162"),
]


@pytest.mark.parametrize(("change", "says"), BAD_BBH)
def test_a_bad_example_of_bbh_is_named(change, says, tmp_path):
    with pytest.raises(InputError, match=says):
        bbh.read(write_bbh(tmp_path, change), Bbh(), seed=0)


def test_a_missing_or_strange_file_of_bbh(tmp_path):
    records = write_bbh(tmp_path)
    with pytest.raises(InputError, match="number of files is 26, expected 27"):
        bbh.read(records[1:], Bbh(), seed=0)
    with pytest.raises(InputError, match="number of prompts is 26, expected 27"):
        bbh.read(records[:-1], Bbh(), seed=0)
    with pytest.raises(InputError, match="riddles is not one of the 27 files"):
        bbh.read([replace(records[0], name="bbh/bbh/riddles.json")], Bbh(), seed=0)


def test_an_empty_prompt_of_bbh_is_named(tmp_path):
    records = write_bbh(tmp_path)
    (tmp_path / "snarks.txt").write_text("\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"snarks\.txt: the prompt is empty"):
        bbh.read(records, Bbh(), seed=0)


def test_a_subset_of_bbh_keeps_the_first_three_as_examples(tmp_path):
    records = write_bbh(tmp_path)
    subset = bbh.read(records, Bbh(per_subject=2), seed=3)
    assert (subset["split"] == "prompt").sum() == 27
    asked = subset[subset["split"] == "test"]
    assert (asked.groupby("subject").size() == 5).all()
    for _, rows in asked.groupby("subject"):
        numbers = rows["question_id"].str[-3:].astype(int).tolist()
        assert numbers[:3] == [0, 1, 2]
        assert numbers == sorted(numbers)


@pytest.mark.parametrize("kind", ["mmlu", "bbh"])
@pytest.mark.parametrize("value", [0, -1, 2.5, "3", True])
def test_per_subject_is_an_integer_from_1(kind, value):
    with pytest.raises(InputError, match=r"per_subject: .* is not allowed"):
        read_source({"type": kind, "per_subject": value}, "questions")


@pytest.mark.parametrize("kind", ["mmlu", "bbh"])
def test_an_unknown_release_names_the_known_ones(kind):
    with pytest.raises(InputError, match="release: 'zip' is not allowed; allowed: "):
        read_source({"type": kind, "release": "zip"}, "questions")


@given(st.integers(0, 2**32), st.lists(st.integers(1, 30), min_size=1, max_size=8), st.data())
@settings(max_examples=60, deadline=None)
def test_subsets_are_stratified_nested_and_ordered(seed, sizes, data):
    table = pd.DataFrame(
        {"subject": [f"s{i}" for i, size in enumerate(sizes) for _ in range(size)]}
    )
    table["id"] = np.arange(len(table))
    none = pd.Series(False, index=table.index)
    small, large = sorted(data.draw(st.tuples(st.integers(1, 30), st.integers(1, 30))))
    first = stratified(table, small, seed, keep=none)
    second = stratified(table, large, seed, keep=none)
    assert first.groupby("subject").size().tolist() == [min(small, size) for size in sizes]
    assert set(first["id"]) <= set(second["id"])
    assert first["id"].is_monotonic_increasing
    # A subject's draw does not depend on which other subjects there are.
    only = table["subject"] == "s0"
    alone = stratified(table[only], small, seed, keep=none[only])
    assert alone["id"].tolist() == first[first["subject"] == "s0"]["id"].tolist()


def test_every_question_is_drawn_equally_often():
    table = pd.DataFrame({"subject": ["s"] * 10, "id": range(10)})
    none = pd.Series(False, index=table.index)
    drawn = np.zeros(10)
    for seed in range(300):
        drawn[stratified(table, 3, seed, keep=none)["id"]] += 1
    # Binomial(300, .3): sd 7.9; ten counts stay within 4 sd.
    assert abs(drawn - 90).max() < 32


def test_no_subset_is_all_rows():
    table = pd.DataFrame({"subject": ["s"] * 3})
    assert stratified(table, None, 0, keep=pd.Series(False, index=table.index)) is table


def test_categories_are_the_papers_counts():
    categories = pd.read_csv(RESOURCES / "categories/mmlu.csv")
    assert categories["subject"].is_unique
    assert categories.groupby("category").size().to_dict() == {
        "STEM": 18, "Humanities": 13, "Social Sciences": 12, "Others": 14,
    }  # fmt: skip
    tasks = pd.read_csv(RESOURCES / "categories/bbh.csv")
    assert tasks["subject"].is_unique
    assert tasks.drop_duplicates("task").groupby("category").size().to_dict() == {
        "algorithmic": 8, "language understanding": 3, "world knowledge": 5, "multilingual": 1,
        "others": 6,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ({"instruction": "a"}, "not a list of rows"),
        ([], "not a list of rows"),
        ([{"instruction": "a", "output": "b"}], "row 0: no input"),
        ([{"instruction": "a", "input": "", "output": 3}], "row 0: no output"),
        ([{"instruction": " ", "input": "", "output": ""}], "row 0: the instruction is empty"),
        (["text"], "row 0: no instruction"),
    ],
)
def test_bad_instruction_data_is_named(rows, says, tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(rows), encoding="utf-8")
    with pytest.raises(InputError, match=says):
        alpaca.read([record(tmp_path / "a.json")])


def test_instruction_data_keep_their_three_fields(tmp_path):
    rows = [{"instruction": "a", "input": "", "output": "b", "text": "prompt"}]
    (tmp_path / "a.json").write_text(json.dumps(rows), encoding="utf-8")
    assert alpaca.read([record(tmp_path / "a.json")]) == [
        {"instruction": "a", "input": "", "output": "b"}
    ]


def test_wikitext_is_cut_at_titles_not_at_sections(tmp_path):
    text = "\n = One =\n\n Text a .\n\n = = Part = =\n\n More .\n\n = Two ( film ) =\n\n Text b .\n"
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    articles = wikitext2.read([record(tmp_path / "a.txt")])
    assert [article.split("\n")[0] for article in articles] == [" = One =", " = Two ( film ) ="]
    assert "More" in articles[0]
    (tmp_path / "b.txt").write_text("no title\n", encoding="utf-8")
    with pytest.raises(InputError, match="no article title"):
        wikitext2.read([record(tmp_path / "b.txt")])


def test_pairs_of_blimp_are_read_and_drawn(tmp_path):
    table = blimp.read(write_blimp(tmp_path), Blimp(), seed=0)
    assert len(table) == 16 and set(table["split"]) == {"test"}
    row = table[table["question_id"] == "causative.003"].iloc[0]
    assert (row["good"], row["bad"]) == ("A heron sees 3 boats.", "A heron see 3 boats.")
    assert (row["subject"], row["task"], row["category"]) == ("causative", "agreement", "syntax")
    some = blimp.read(write_blimp(tmp_path), Blimp(per_subject=3), seed=0)
    assert some.groupby("subject").size().tolist() == [3, 3]
    assert set(some["question_id"]) <= set(table["question_id"])


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "causative.jsonl: line 3: not JSON"),
        ("[]", "line 3: not a pair with sentence_good, sentence_bad"),
        (json.dumps(blimp_pair("causative", 0) | {"sentence_bad": " "}), "line 3: not a pair"),
        (json.dumps(blimp_pair("causative", 0) | {"field": 1}), "line 3: not a pair"),
        (None, "number of pairs is 7, expected 8"),
    ],
)
def test_a_line_of_blimp_that_is_no_pair_is_named(tmp_path, line, says):
    records = write_blimp(tmp_path)
    path = tmp_path / "causative.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[2:3] = [] if line is None else [line]
    path.write_text("".join(f"{each}\n" for each in lines), encoding="utf-8")
    with pytest.raises(InputError, match=says):
        blimp.read(records, Blimp(), seed=0)


def test_paradigms_are_chosen_by_name():
    assert len(blimp.raw_files(Blimp())) == 67
    (file,) = blimp.raw_files(Blimp(paradigms=["causative"]))
    assert file.path == "blimp/data/causative.jsonl" and file.digest.startswith("sha256:")
    with pytest.raises(InputError, match="paradigms: 'causativ' is not allowed; allowed: adjunct_"):
        blimp.raw_files(Blimp(paradigms=["causativ"]))
