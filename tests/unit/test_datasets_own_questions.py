"""Questions and texts of the user's own: read as pandas and json wrote them; faults by row."""

import json

import pandas as pd
import pytest
from brainalign.datasets import own_questions, own_text
from brainalign.datasets.own_questions import check_shots
from brainalign.datasets.question_settings import OwnQuestions
from brainalign.datasets.registry import read_source, reader
from brainalign.errors import InputError
from dataset_files import record

SOURCE = OwnQuestions("a.csv")
CHOICES = pd.DataFrame(
    {
        "question": ["Two and two?", "The sky is", "Fire is, cold?"],
        "A": ["3", "green", "yes"], "B": ["4", "blue", "no"], "C": ["5", "red", None],
        "answer": ["B", "blue", "b"], "split": ["dev", "test", "test"],
        "subject": ["sums", "colours", "colours"],
    }
)  # fmt: skip
GOLD = [1, 1, 1]


def written(folder, frame, ending, **options):
    path = folder / f"quiz.{ending}"
    if ending == "parquet":
        frame.to_parquet(path)
    elif ending == "jsonl":
        rows = [{k: v for k, v in row.items() if v is not None} for row in frame.to_dict("records")]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    else:
        frame.to_csv(path, index=False, sep="\t" if ending == "tsv" else ",", **options)
    return record(path, str(path))


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet", "jsonl"])
def test_choices_are_read_from_every_kind_of_file(tmp_path, ending):
    table = own_questions.read([written(tmp_path, CHOICES, ending)], SOURCE, 0)
    assert table["gold"].tolist() == GOLD
    assert table["question"].tolist() == CHOICES["question"].tolist()
    assert [list(choices) for choices in table["choices"]] == [
        ["3", "4", "5"], ["green", "blue", "red"], ["yes", "no"],
    ]  # fmt: skip
    assert table["split"].tolist() == ["dev", "test", "test"]
    assert table["category"].tolist() == table["subject"].tolist() == CHOICES["subject"].tolist()
    assert table["question_id"].is_unique


def test_written_answers_have_their_input_and_target(tmp_path):
    frame = pd.DataFrame({"question": ["1 + 1?", "Say hi."], "answer": [2.0, "hi"]})
    table = own_questions.read([written(tmp_path, frame, "jsonl")], SOURCE, 0)
    assert table["input"].tolist() == ["1 + 1?", "Say hi."]
    assert table["target"].tolist() == ["2", "hi"]
    assert set(table["subject"]) == set(table["task"]) == {"quiz"}


def test_a_list_of_choices_and_a_number_from_0(tmp_path):
    path = tmp_path / "quiz.jsonl"
    row = {"question": "q", "choices": ["x", "y"], "answer": 1}
    path.write_text(json.dumps(row), encoding="utf-8")
    table = own_questions.read([record(path, str(path))], SOURCE, 0)
    assert table["gold"].tolist() == [1] and table["choices"][0] == ["x", "y"]


def test_a_spreadsheet_of_another_country_is_read(tmp_path):
    """Semicolons and a byte order mark, as Excel writes them."""
    path = tmp_path / "quiz.csv"
    CHOICES.to_csv(path, index=False, sep=";", encoding="utf-8-sig")
    table = own_questions.read([record(path, str(path))], SOURCE, 0)
    assert table["gold"].tolist() == GOLD and table["question"][2] == "Fire is, cold?"
    path.write_bytes(b"sep=;\r\n" + CHOICES.to_csv(index=False, sep=";").encode())
    again = own_questions.read([record(path, str(path))], SOURCE, 0)
    ids = "question_id"  # they have the row's number in the file
    pd.testing.assert_frame_equal(again.drop(columns=ids), table.drop(columns=ids))
    path.write_bytes(b"PK\x03\x04")
    with pytest.raises(InputError, match="an Excel workbook"):
        own_questions.read([record(path, str(path))], SOURCE, 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"answer": "Z"}, r"row 3: answer 'Z', expected a letter from A to C, or the text"),
        ({"question": " "}, r"row 3: column question is empty"),
        ({"split": "train"}, r"row 3: split is 'train', expected test .* or dev"),
        ({"A": "blue"}, r"row 3: answer 'blue' is both a letter and the text of another"),
        ({"A": ""}, r"row 3: choice A is empty"),
        ({"subject": "all"}, r"row 3: subject 'all'"),
    ],
)
def test_faults_are_named_by_the_row_of_the_spreadsheet(tmp_path, change, message):
    frame = CHOICES.copy()
    for column, cell in change.items():
        frame.loc[1, column] = cell
    with pytest.raises(InputError, match=rf"quiz\.csv: {message}"):
        own_questions.read([written(tmp_path, frame, "csv")], SOURCE, 0)


def test_columns_that_are_missing_are_named_beside_those_that_are_there(tmp_path):
    with pytest.raises(InputError, match=r"column answer is missing; its columns, .* question, A"):
        own_questions.read([written(tmp_path, CHOICES.drop(columns="answer"), "csv")], SOURCE, 0)
    capital = CHOICES.rename(columns={"answer": "Answer"})
    with pytest.raises(InputError, match=r"column answer is missing \(is it 'Answer'\?\); its"):
        own_questions.read([written(tmp_path, capital, "csv")], SOURCE, 0)
    with pytest.raises(InputError, match="columns A, C are choices, expected A, B"):
        own_questions.read([written(tmp_path, CHOICES.drop(columns="B"), "csv")], SOURCE, 0)
    twice = CHOICES.assign(question_id=["a", "b", "a"])
    with pytest.raises(InputError, match="row 4: question_id a is repeated"):
        own_questions.read([written(tmp_path, twice, "csv")], SOURCE, 0)
    with pytest.raises(InputError, match="no questions"):
        own_questions.read([written(tmp_path, CHOICES.head(0), "csv")], SOURCE, 0)


def test_too_few_worked_examples_are_said_before_a_model_reads(tmp_path):
    table = own_questions.read([written(tmp_path, CHOICES, "csv")], SOURCE, 0)
    colours = table[table["subject"] == "colours"]
    check_shots(colours, 0, "quiz.csv")
    with pytest.raises(InputError, match=r"subject colours: 0 rows of split dev .* shots: 5"):
        check_shots(colours, 5, "quiz.csv")
    with pytest.raises(InputError, match="subject sums: no question of split test"):
        check_shots(table, 0, "quiz.csv")


def test_a_text_is_one_article_in_its_lines(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_bytes(b"\xef\xbb\xbfOne day.\r\nAnother.\r\n\r\n")
    assert own_text.read([record(path, str(path))]) == ["One day.\nAnother."]
    path.write_text(" \n", encoding="utf-8")
    with pytest.raises(InputError, match="the text is empty"):
        own_text.read([record(path, str(path))])


def test_readers_are_of_the_kind_that_is_asked(tmp_path):
    for kind, ending, module in (("questions", "csv", own_questions), ("text", "txt", own_text)):
        path = str(tmp_path / f"mine.{ending}")
        source = read_source({"type": "own", "path": path}, kind)
        assert reader(source) is module
        (file,) = module.raw_files(source)
        assert file.path == path
