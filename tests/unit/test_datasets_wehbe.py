"""Wehbe2014's folder at its real lengths, and the pickle in it that must not run code."""

import contextlib
import io
import os
import pickle
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from brainalign.datasets import wehbe2014
from brainalign.datasets.raw import locate
from brainalign.datasets.restricted_pickle import load_object
from brainalign.datasets.settings import Wehbe2014
from brainalign.encoding.timing import kept_volumes
from brainalign.errors import InputError
from brainalign.formats.datasets import check_responses, check_stimuli
from dataset_files import wehbe_records, write_wehbe
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.fixture
def folder(tmp_path):
    write_wehbe(tmp_path / "wehbe")
    return tmp_path / "wehbe"


def read(folder):
    return wehbe2014.read(wehbe_records(folder), Wehbe2014())


def test_the_folder_becomes_language_voxels_of_eight_subjects(folder):
    prepared = read(folder)
    check_stimuli(prepared.stimuli, "stimuli")
    check_responses(prepared.responses, prepared.stimuli, "responses")
    assert prepared.responses["responses"].shape == (1351, 8 * 16)
    raw = np.load(folder / "fMRI/data_subject_K.npy")
    ours = prepared.responses["responses"].values[:, prepared.responses["subject"].values == "K"]
    kept = ~np.isnan(ours).any(axis=1)
    np.testing.assert_array_equal(ours[kept], raw[:, :16].astype(np.float32))
    regions = prepared.responses["region"].values[:16]
    assert regions[0] == "PostTemp"  # also in IFG: the first of the list counts
    assert regions[6] == "IFG"
    assert "8 voxels lie in several regions" in " ".join(prepared.card["notes"])


def test_the_folder_that_is_not_here_is_named_with_its_paths(tmp_path):
    """It has to be had by hand: the error says from where, and where to put it."""
    (tmp_path / "mirror").mkdir()
    with pytest.raises(InputError) as error:
        locate(wehbe2014.raw_files(Wehbe2014()), tmp_path / "mirror", tmp_path / "downloads")
    for part in (
        "wehbe2014/fMRI/time_fmri.npy is not here", "has to be downloaded by hand",
        "github.com/mtoneva/brain_language_nlp", "github.com/awwkl/brain_language_summarization",
        f"put it at {tmp_path}/mirror/wehbe2014/fMRI/time_fmri.npy or {tmp_path}/downloads/wehbe20",
    ):  # fmt: skip
        assert part in str(error.value)


def test_volumes_are_all_of_the_scan_with_nan_at_the_edges_of_runs(folder):
    responses = read(folder).responses
    times, runs = np.load(folder / "fMRI/time_fmri.npy"), np.load(folder / "fMRI/runs_fmri.npy")
    by_hand = np.concatenate([np.flatnonzero(runs == run)[20:-15] for run in (1, 2, 3, 4)])
    measured = np.flatnonzero(~np.isnan(responses["responses"].values).all(axis=1))
    np.testing.assert_array_equal(measured, by_hand)
    np.testing.assert_array_equal(responses["onset"], times - times[0])
    np.testing.assert_array_equal(responses["run"], runs)


def test_the_engine_keeps_the_measured_volumes_when_it_trims(folder):
    responses = read(folder).responses
    kept = kept_volumes(responses["run"].values, (20, 15))
    assert kept.size == 1211
    assert not np.isnan(responses["responses"].values[kept]).any()


def test_a_word_lies_in_the_last_volume_that_begins_strictly_before_it(folder):
    """Brute force of Toneva & Wehbe's rule, a loop over words and volumes."""
    stimuli = read(folder).stimuli
    times, runs = np.load(folder / "fMRI/time_fmri.npy"), np.load(folder / "fMRI/runs_fmri.npy")
    word_times = np.load(folder / "fMRI/time_words_fmri.npy")
    for i in (0, 1, 7, 1290, 1291, 1292, 2600, 5175):
        volume = max(v for v in range(1351) if times[v] < word_times[i])
        assert stimuli["split_group"][i] == f"run{int(runs[volume])}"
        assert stimuli["onset"][i] == pytest.approx(word_times[i] - times[0])


FULL_SIZE = """
import re, sys
from pathlib import Path
from brainalign.datasets import wehbe2014
from brainalign.datasets.settings import Wehbe2014
from dataset_files import wehbe_records
prepared = wehbe2014.read(wehbe_records(Path(sys.argv[1])), Wehbe2014())
peak = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
print((prepared.responses["subject"] == "F").sum().item(), peak / 1024)
"""


@pytest.mark.long
def test_a_subject_of_full_size_within_1500_mb(tmp_path, repository):
    """1,211 × 27,905 voxels, 5,018 of them in the language network; subjects are read in turn."""
    folder, rng = tmp_path / "wehbe", np.random.default_rng(0)
    write_wehbe(folder)
    np.save(folder / "fMRI/data_subject_F.npy", rng.standard_normal((1211, 27905)))
    masks = load_object((folder / "HP_subj_roi_inds.npy").read_bytes(), "masks")
    masks["F"] = {name: np.arange(27905) < 5018 for name in masks["F"]}
    np.save(folder / "HP_subj_roi_inds.npy", np.array(masks, dtype=object), allow_pickle=True)
    path = f"{repository / 'scripts'}:{repository / 'tests'}"
    done = subprocess.run(
        [sys.executable, "-c", FULL_SIZE, folder],
        capture_output=True, text=True, check=True, env={"PYTHONPATH": path},
    )  # fmt: skip
    voxels, megabytes = map(float, done.stdout.split())
    assert voxels == 5018
    assert megabytes < 1500


def test_mark_up_goes_and_punctuation_stays(folder):
    stimuli = read(folder).stimuli
    assert stimuli["text"][:4].tolist() == ["Harry", "had", "never", "believed."]
    assert stimuli["punctuation"][:4].tolist() == [False, False, False, True]


class Malicious:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def npy_with(pickled: bytes) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": "|O", "fortran_order": False, "shape": ()}
    )
    return stream.getvalue() + pickled


def call_of(module: str, name: str, argument: str) -> bytes:
    """A pickle that calls module.name(argument), in the text protocol."""
    return f"c{module}\n{name}\n(V{argument}\ntR.".encode()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"), ("posix", "system"), ("subprocess", "check_output"), ("builtins", "eval"),
        ("builtins", "exec"), ("builtins", "getattr"), ("builtins", "open"), ("io", "open"),
        ("importlib", "import_module"), ("numpy", "load"), ("numpy", "fromfile"),
        ("numpy", "memmap"), ("numpy.core.multiarray", "scalar"), ("_codecs", "decode"),
        ("_codecs", "lookup"), ("_codecs", "register"), ("codecs", "encode"),
        ("copyreg", "_reconstructor"),
    ],
)  # fmt: skip
def test_a_pickle_that_names_anything_else_is_refused_before_it_runs(module, name, tmp_path):
    trace = tmp_path / "trace"
    with pytest.raises(InputError, match=f"refused or damaged: it names {module}"):
        load_object(npy_with(call_of(module, name, f"touch {trace}")), "masks.npy")
    assert not trace.exists()


def test_a_malicious_object_array_in_the_folder_is_one_clear_error(folder, tmp_path):

    trace = tmp_path / "trace"
    array = np.array(Malicious(os.system, f"touch {trace}"), dtype=object)
    np.save(folder / "HP_subj_roi_inds.npy", array, allow_pickle=True)
    with pytest.raises(InputError, match=r"HP_subj_roi_inds\.npy: its pickle is refused"):
        read(folder)
    assert not trace.exists()


def test_an_array_larger_than_its_content_is_refused():
    """NumPy's own rebuilding would believe the size."""
    pickled = pickle.dumps(np.array({"F": np.zeros(5, bool)}, dtype=object), protocol=2)
    assert pickled.count(b"K\x05\x85") == 1  # the tuple (5,)
    huge = pickled.replace(b"K\x05\x85", b"J\xff\xff\xff\x7f\x85")
    with pytest.raises(InputError, match=r"5 entries for an array of shape \(2147483647,\)"):
        load_object(npy_with(huge), "masks.npy")


def test_an_array_of_anything_but_objects_and_masks_is_refused():
    pickled = pickle.dumps(np.array({"F": np.zeros(5)}, dtype=object), protocol=2)
    with pytest.raises(InputError, match="an array of 'f8'"):
        load_object(npy_with(pickled), "masks.npy")


def test_another_encoding_than_numpys_is_refused():
    with pytest.raises(InputError, match="encoding 'rot13'"):
        load_object(npy_with(b"c_codecs\nencode\n(Vabc\nVrot13\ntR."), "masks.npy")


@pytest.mark.parametrize("protocol", range(5))
def test_what_numpy_writes_is_read_whatever_the_protocol(protocol):
    masks = {"F": {"all": np.array([True, False]), "IFG": np.array([False, True])}}
    pickled = pickle.dumps(np.array(masks, dtype=object), protocol=protocol)
    again = load_object(npy_with(pickled), "masks.npy")
    np.testing.assert_array_equal(again["F"]["all"], masks["F"]["all"])
    assert again["F"]["IFG"].dtype == bool


def test_the_old_name_of_numpys_core_is_read_too():
    pickled = pickle.dumps(np.array({"F": np.array([True])}, dtype=object), protocol=2)
    assert b"numpy._core.multiarray" in pickled
    old = pickled.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert load_object(npy_with(old), "masks.npy")["F"].tolist() == [True]


MASKS = npy_with(
    pickle.dumps(np.array({"F": {"all": np.array([True, False])}}, dtype=object), protocol=2)
)


@given(st.integers(0, len(MASKS) - 1), st.integers(1, 255))
@settings(max_examples=1000, deadline=None)
def test_a_flipped_byte_of_the_pickle_never_raises_anything_but_an_input_error(index, flip):
    broken = bytearray(MASKS)
    broken[index] ^= flip
    with contextlib.suppress(InputError):
        load_object(bytes(broken), "masks.npy")


def test_a_number_of_a_remembered_object_takes_no_gigabytes():
    """Python's unpickler makes a table of its objects up to the largest number."""
    broken = npy_with(b"\x80\x02Nr" + (2**24).to_bytes(4, "little") + b".")  # None, LONG_BINPUT
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="number 16777216"):
            load_object(broken, "masks.npy")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2**20


@given(st.integers(0, len(MASKS) - 1))
@settings(max_examples=100, deadline=None)
def test_a_pickle_cut_anywhere_is_an_input_error(length):
    with pytest.raises(InputError, match=r"masks\.npy"):
        load_object(MASKS[:length], "masks.npy")


def change(folder, name, edit):
    values = np.load(folder / name)
    np.save(folder / name, edit(values))


@pytest.mark.parametrize(
    ("name", "edit", "says"),
    [
        ("fMRI/time_fmri.npy", lambda v: v[:-1], r"shape \(1350,\), expected 1351 numbers"),
        ("fMRI/time_fmri.npy", lambda v: v[::-1].copy(), "entry 1 .* is not after"),
        ("fMRI/time_words_fmri.npy", lambda v: v[::-1].copy(), "entry 1 .* is not after"),
        ("fMRI/time_words_fmri.npy", lambda v: np.where(v > 1000, np.nan, v), "is nan"),
        ("fMRI/time_words_fmri.npy", lambda v: v - 20, "before the first volume"),
        ("fMRI/runs_fmri.npy", lambda v: v[::-1].copy() * 0 + 1, "expected 4 in one piece"),
        ("fMRI/runs_fmri.npy", lambda v: np.roll(v, 5), "expected 4 in one piece"),
        ("fMRI/runs_fmri.npy", lambda v: np.where(np.arange(1351) > 1340, 4, np.minimum(v, 3)),
         "no volume beyond"),
        ("stimuli_words.npy", lambda v: v[:100], "expected 5176 words"),
        ("stimuli_words.npy", lambda v: np.arange(5176), "expected 5176 words"),
        ("stimuli_words.npy", lambda v: np.where(np.arange(5176) == 7, "a\0b", v), "word 7 holds"),
        ("fMRI/data_subject_H.npy", lambda v: v[:-1], r"expected \(1211, voxels\)"),
        ("fMRI/data_subject_H.npy", lambda v: v[:, :-1], "29 voxels, but .30. in the masks of H"),
        ("fMRI/data_subject_H.npy", lambda v: v.astype(int), r"expected \(1211, voxels\)"),
    ],
)  # fmt: skip
def test_a_wrong_array_is_named(name, edit, says, folder):
    change(folder, name, edit)
    with pytest.raises(InputError, match=says):
        read(folder)


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda m: m.pop("N"), "subject N: no boolean mask all"),
        (lambda m: m["K"].pop("MFG"), "subject K: no boolean mask MFG"),
        (lambda m: m["K"].update(MFG="no"), "subject K: no boolean mask MFG"),
        (lambda m: m["K"].update(all=np.zeros(30, bool)), "no voxel of subject K"),
        (lambda m: m["K"].update(IFG=np.zeros(29, bool)), "30 voxels, but .29, 30."),
    ],
)
def test_wrong_masks_are_named(edit, says, folder):
    masks = load_object((folder / "HP_subj_roi_inds.npy").read_bytes(), "masks")
    edit(masks)
    np.save(folder / "HP_subj_roi_inds.npy", np.array(masks, dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=says):
        read(folder)


def test_an_object_array_among_the_numbers_is_refused(folder):
    np.save(folder / "fMRI/time_fmri.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"not a whole \.npy file of numbers"):
        read(folder)
