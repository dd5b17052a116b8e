"""Faults of own files that show without reading them whole are named before anything runs."""

import gzip
import sys
from pathlib import Path

import nibabel
import numpy as np
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


def brain_study(folds=3, **keys):
    """A study of own brain data; `keys` of the benchmark, and of the source."""
    benchmark = {
        "dataset": "stories",
        "mode": "controlled",
        "regression": {"type": "ridge"},
        "split": {"scheme": "grouped", "folds": folds},
        "aggregate": "median-within-subject",
        "layers": "nested",
    }
    benchmark |= {name: keys.pop(name) for name in {*benchmark, "timing"} & set(keys)}
    source = {"stimuli": "words.csv", "responses": "brain.csv", "kind": "brain", **keys}
    return read(
        {
            "seed": 1,
            "models": {
                "mine": {"source": {"type": "folder", "path": "mine"}, "family": "x"},
            },
            "datasets": {"stories": {"source": {"type": "own", **source}}},
            "alignment": {"stories": benchmark},
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
        "alignment.stories.split: too few groups for the outer folds: split.scheme grouped has 4 "
        "folds of 3 groups; expected 4 or more groups (split_group of the stimuli, runs of timed "
        "data); column split_group of words.csv has 3",
    ]


def test_groups_for_the_folds_inside_the_folds_are_counted_too():
    fill()
    assert list(own_faults(brain_study(folds=3))) == []
    (fault,) = own_faults(brain_study(folds=2))
    assert fault.startswith("alignment.stories.regression.selection: folds-per-target: too few ")
    assert fault.endswith("; column split_group of words.csv has 3")


def test_held_out_rows_need_a_file_that_marks_them():
    fill()
    (fault,) = own_faults(brain_study(split={"scheme": "held-out"}))
    assert fault.startswith("alignment.stories.split.scheme: held-out, but only a netCDF file says")
    netcdf = {"responses": "brain.nc", "kind": None}
    assert list(own_faults(brain_study(split={"scheme": "held-out"}, **netcdf))) == []


# Scans -------------------------------------------------------------------------------------------

AFFINE = np.diag([3.0, 3.0, 3.0, 1.0])
GRID = (6, 5, 4)
RUNS = {"anna": ["a1.nii.gz", "a2.nii.gz"], "ben": ["b1.nii", "b2.nii"]}
TIMING = {"features": "fir", "delays": [1]}


def write_scan(path, shape=(*GRID, 4), affine=AFFINE, tr=2.0):
    image = nibabel.Nifti1Image(np.ones(shape, np.int16), affine)
    image.header.set_xyzt_units("mm", "sec")
    if len(shape) > 3:
        image.header.set_zooms((3.0, 3.0, 3.0, tr))
    image.to_filename(path)


def scan_study(responses=RUNS, timing=TIMING, tr=2.0, **keys):
    """Two subjects, who hear eight words in two runs of four volumes."""
    onset = "".join(f"s{i},A b,{i % 3},{i},g{i % 3},{2 * i + 0.5}\n" for i in range(8))
    names = "stimulus_id,text,context_group,position,split_group,onset\n"
    if not Path("words.csv").exists():
        Path("words.csv").write_text(names + onset)
    keys = {"split": {"scheme": "contiguous"}, "atlas": "mask.nii.gz"} | keys
    return brain_study(timing=timing, responses=responses, tr=tr, **keys)


def fill_scans():
    fill()
    Path("words.csv").unlink()
    write_scan("mask.nii.gz", GRID)
    for path in (*RUNS["anna"], *RUNS["ben"]):
        write_scan(path)


def in_words(old, new):
    def edit():
        scan_study()
        path = Path("words.csv")
        path.write_text(path.read_text().replace(old, new))

    return edit


def keep_words(n):
    scan_study()
    path = Path("words.csv")
    path.write_text("\n".join(path.read_text().splitlines()[: n + 1]) + "\n")


SCANS = {
    "a mask of another shape": (
        lambda: write_scan("mask.nii.gz", (5, 5, 4)),
        "a1.nii.gz: shape (6, 5, 4, 4), expected [x, y, z, volume] on the grid of the atlas, "
        "(5, 5, 4) (mask.nii.gz); resample the atlas to the scans",
    ),
    "a mask that lies elsewhere": (
        lambda: write_scan("mask.nii.gz", GRID, AFFINE * 2),
        "a1.nii.gz: lies elsewhere in space than the atlas, mask.nii.gz",
    ),
    "a mask without affine": (
        lambda: write_scan("mask.nii.gz", GRID, None), "mask.nii.gz: no affine",
    ),
    "a mask over time": (
        lambda: write_scan("mask.nii.gz"), "mask.nii.gz: shape (6, 5, 4, 4), expected whole",
    ),
    "a run on another grid": (
        lambda: write_scan("b2.nii", (6, 5, 5, 4)), "b2.nii: shape (6, 5, 5, 4), expected",
    ),
    "another repetition time": (
        lambda: write_scan("b1.nii", tr=1.5),
        "b1.nii: its header says 1.5 s between volumes, source.tr 2 s",
    ),
    "a volume alone": (lambda: write_scan("b1.nii", GRID), "b1.nii: shape (6, 5, 4), expected"),
    "a shorter run": (
        lambda: write_scan("b1.nii", (*GRID, 3)),
        "the runs of ben have [3, 4] volumes, those of anna [4, 4]; cut them to the same lengths",
    ),
    "no scan": (lambda: Path("b1.nii").write_text("text"), "b1.nii: not a whole NIfTI file"),
    "a run without words": (
        lambda: keep_words(4), "responses: run 2 (8 to 16 s) has volumes, but no stimulus",
    ),
    "a word after the scan": (
        in_words("14.5", "99"), "words.csv: row 9: stimulus s7: onset: 99 s is after the last",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", SCANS)
def test_scans_that_do_not_fit_are_named_before_anything_runs(case):
    fill_scans()
    assert list(own_faults(scan_study(voxels=True))) == []
    spoil, says = SCANS[case]
    spoil()
    (fault,) = own_faults(scan_study(voxels=True))
    assert fault.startswith("datasets.stories.source: ") and says in fault, fault


def test_no_more_than_the_header_of_a_scan_is_read():
    fill_scans()
    content = Path("b1.nii").read_bytes()
    Path("b1.nii").write_bytes(content[:352])
    assert list(own_faults(scan_study())) == []
    packed = Path("a1.nii.gz").read_bytes()
    assert len(packed) < 1000  # of zeros and ones: cut it in the middle of the data
    write_noise("a1.nii.gz")
    packed = Path("a1.nii.gz").read_bytes()
    Path("a1.nii.gz").write_bytes(packed[: len(packed) // 2])
    assert list(own_faults(scan_study())) == []


def write_noise(path):
    values = np.random.default_rng(0).integers(0, 30_000, (*GRID, 4)).astype(np.int16)
    image = nibabel.Nifti1Image(values, AFFINE)
    image.header.set_xyzt_units("mm", "sec")
    image.header.set_zooms((3.0, 3.0, 3.0, 2.0))
    image.to_filename(path)


def test_scans_that_are_not_there_are_left_to_the_run():
    fill_scans()
    for path in ("a1.nii.gz", "b2.nii", "mask.nii.gz"):
        Path(path).unlink()
    assert list(own_faults(scan_study())) == []
    write_scan("b1.nii", GRID)
    Path("a2.nii.gz").unlink()
    assert list(own_faults(scan_study())) == []


def test_a_volume_per_stimulus():
    fill_scans()
    assert list(own_faults(scan_study(timing=None, tr=None))) == []
    for path in (*RUNS["anna"], *RUNS["ben"]):
        write_scan(path, (*GRID, 5))
    (fault,) = own_faults(scan_study(timing=None, tr=None))
    assert "responses: 10 volumes of a subject for 8 stimuli of words.csv; expected a" in fault


def test_folds_of_scans_hold_out_runs():
    fill_scans()
    grouped = {"scheme": "grouped", "folds": 2}
    once = {
        "regression": {"type": "ridge", "selection": "loo-per-target"},
        "layers": {"depth": 0.5},
    }
    assert list(own_faults(scan_study(split=grouped, **once))) == []
    (fault,) = own_faults(scan_study(split=grouped))
    assert fault.startswith("alignment.stories.regression.selection: folds-per-target: too few ")
    assert fault.endswith("expected 4 or more groups (split_group of the stimuli, runs of timed "
                          "data); source.responses has 2")  # fmt: skip
    (fault,) = own_faults(scan_study(split=grouped | {"folds": 3}, **once))
    assert fault.startswith("alignment.stories.split: too few groups for the outer folds")


@pytest.mark.parametrize("runs", [None, [5, 5]])
def test_folds_of_an_array_hold_out_its_runs(runs):
    fill()
    source = {"responses": "a.npy", "targets": "targets.csv", "runs": runs, "tr": 2.0}
    Path("words.csv").unlink()
    (fault,) = own_faults(brain_study(3, timing=TIMING, **source))
    assert fault.endswith(f"source.runs has {1 if runs is None else 2}")


def test_without_nibabel_jobs_check_the_scans(monkeypatch):
    fill_scans()
    write_scan("mask.nii.gz", (5, 5, 4))
    monkeypatch.setitem(sys.modules, "nibabel", None)
    assert list(own_faults(scan_study())) == []
