"""Faults of own files that show without reading them whole are named before anything runs."""

import gzip
from pathlib import Path

import pandas as pd
import pytest
from brainalign.settings import read
from brainalign.study.check_own import covariate_faults, own_faults
from brainalign.study.settings import Study

HEADER = "stimulus_id;text;context_group;position;split_group;letters"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def study(path, **benchmark):
    source = {"type": "own", "stimuli": path, "responses": "times.csv", "kind": "reading-times"}
    return read(
        {
            "seed": 1,
            "models": {"length": {"source": {"type": "baseline", "kind": "length"}}},
            "datasets": {"words": {"source": source}},
            "behavior": {"words": {"dataset": "words", "mode": "controlled", **benchmark}},
        },
        Study,
    )


def written(form):
    table = pd.DataFrame([range(6)], columns=HEADER.split(";"))
    if form == "words.parquet":
        table.to_parquet(form)
    elif form == "words.csv.gz":
        Path(form).write_bytes(gzip.compress(table.to_csv(index=False).encode()))
    else:
        table.to_csv(form, index=False, sep=";")
    return form


@pytest.mark.parametrize("form", ["words.csv", "words.csv.gz", "words.parquet"])
def test_a_covariate_that_nothing_makes_is_named_with_the_columns(form):
    made = study(written(form), covariates=["letters", "next(length)", "log_frequency", "position"])
    assert list(covariate_faults(made)) == []
    (fault,) = covariate_faults(study(form, covariates=["length", "concreteness^2"]))
    assert fault == (
        f"behavior.words.covariates: column concreteness is neither in {form} nor made; the "
        f"columns found are {HEADER.replace(';', ', ')}"
    )


def test_the_default_covariates_are_all_made():
    assert list(covariate_faults(study(written("words.csv")))) == []


def test_files_that_are_absent_or_unreadable_are_left_to_their_job():
    assert list(covariate_faults(study("nowhere.csv", covariates=["x"]))) == []
    Path("bad.csv").write_bytes("text,ä".encode("utf-16"))
    assert list(covariate_faults(study("bad.csv", covariates=["x"]))) == []
    Path("bad.parquet").write_bytes(b"text")
    assert list(covariate_faults(study("bad.parquet", covariates=["x"]))) == []


def brain_study(folds=3, **source):
    keys = {"stimuli": "words.csv", "responses": "brain.csv", "kind": "brain", **source}
    return read(
        {
            "seed": 1,
            "models": {
                "mine": {"source": {"type": "folder", "path": "mine"}, "family": "x"},
            },
            "datasets": {"stories": {"source": {"type": "own", **keys}}},
            "alignment": {
                "stories": {
                    "dataset": "stories",
                    "mode": "controlled",
                    "regression": {"type": "ridge"},
                    "split": {"scheme": "grouped", "folds": folds},
                    "aggregate": "median-within-subject",
                    "layers": "nested",
                }
            },
            "capability": {
                "quiz": {
                    "questions": {"type": "own", "path": "quiz.csv"},
                    "format": "multiple-choice",
                    "scoring": "loglikelihood",
                }
            },
        },
        Study,
    )


def fill():
    rows = "".join(f"s{i},A b,{i % 3},{i},g{i % 3}\n" for i in range(6))
    names = "stimulus_id,text,context_group,position,split_group\n"
    Path("words.csv").write_text(names + rows)
    Path("brain.csv").write_text("stimulus_id,anna.IFG\ns0,1.5\n")
    Path("strings.csv").write_text("stimulus_id,text,condition\na,dax,non-word\n")
    Path("targets.csv").write_text("subject,region\nanna,IFG\n")
    Path("quiz.csv").write_text("question,A,B,answer\nWho?,I,you,A\n")
    Path("mine").mkdir()
    Path("mine/config.json").write_text("{}")


def test_complete_files_have_no_fault():
    fill()
    assert list(own_faults(brain_study())) == []
    assert list(own_faults(brain_study(targets="targets.csv"))) == []
    Path("brain.csv").write_text("")
    Path("words.csv").unlink()
    assert list(own_faults(brain_study(folds=9))) == []


COLUMNS = {
    "stimuli": ("words.csv", "split_group", "story", {}, "datasets.stories.source: words.csv: "
                "column split_group is missing; the columns found are stimulus_id, text, "),
    "responses": ("brain.csv", "stimulus_id", "id", {}, "datasets.stories.source: brain.csv: column"
                  " stimulus_id is missing (is it 'id'?); the columns found are id, anna.IFG"),
    "targets": ("targets.csv", "subject", "Subject", {"targets": "targets.csv"},
                "targets.csv: column subject is missing (is it 'Subject'?)"),
    "scans": ("words.csv", "text", "text", {"tr": 2.0}, "column onset is missing"),
    "localizer": ("strings.csv", "condition", "kind",
                  {"stimuli": "strings.csv", "kind": "localizer", "responses": None},
                  "strings.csv: column condition is missing"),
    "questions": ("quiz.csv", "answer", "Answer", {}, "capability.quiz.questions: quiz.csv: column "
                  "answer is missing (is it 'Answer'?)"),
}  # fmt: skip


@pytest.mark.parametrize("case", COLUMNS)
def test_a_missing_column_is_named_before_anything_runs(case):
    fill()
    path, name, other, keys, says = COLUMNS[case]
    Path(path).write_text(Path(path).read_text().replace(name, other, 1))
    (fault,) = own_faults(brain_study(**keys))
    assert says in fault


def test_a_checkpoint_without_config_and_too_many_folds_are_named():
    fill()
    Path("mine/config.json").unlink()
    Path("mine/tokenizer_config.json").write_text("{}", encoding="utf-8")
    assert list(own_faults(brain_study(folds=4))) == [
        "models.mine.source: mine has no config.json; expected a folder with config.json, a "
        "tokenizer and safetensors",
        "alignment.stories.split.folds: 4, but column split_group of words.csv has 3 values; "
        "expected at most 3",
    ]
