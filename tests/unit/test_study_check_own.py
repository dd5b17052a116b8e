"""Columns that benchmarks need and own tables lack are named before anything runs."""

import gzip
from pathlib import Path

import pandas as pd
import pytest
from brainalign.settings import read
from brainalign.study.check_own import covariate_faults
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
def test_a_covariate_that_nothing_makes_is_named_with_the_columns_found(form):
    made = study(written(form), covariates=["letters", "next(length)", "log_frequency", "position"])
    assert list(covariate_faults(made)) == []
    (fault,) = covariate_faults(study(form, covariates=["length", "concreteness^2"]))
    assert fault == (
        f"behavior.words.covariates: column concreteness is neither in {form} nor made; the "
        f"columns found are {HEADER.replace(';', ', ')}"
    )


def test_the_default_covariates_are_all_made():
    assert list(covariate_faults(study(written("words.csv")))) == []


def test_files_that_are_absent_or_unreadable_are_left_to_their_own_job():
    assert list(covariate_faults(study("nowhere.csv", covariates=["x"]))) == []
    Path("bad.csv").write_bytes("text,ä".encode("utf-16"))
    assert list(covariate_faults(study("bad.csv", covariates=["x"]))) == []
    Path("bad.parquet").write_bytes(b"text")
    assert list(covariate_faults(study("bad.parquet", covariates=["x"]))) == []
