"""LeBel2023 on a tree of its layout: two subjects, three stories, one of them with repeats."""

import json
import tracemalloc

import h5py
import nibabel
import numpy as np
import pandas as pd
import pytest
from brainalign.datasets import lebel2023
from brainalign.datasets.settings import Lebel2023
from brainalign.encoding.benchmark import read_benchmark
from brainalign.encoding.ceilings import noise_ceiling
from brainalign.encoding.responses import gather_responses
from brainalign.encoding.settings import FromRepeats, Ridge, Scoring, Timing
from brainalign.encoding.splits import Grouped, HeldOut
from brainalign.formats import datasets as formats
from brainalign.formats.datasets import (
    check_responses,
    check_stimuli,
    read_responses,
    read_stimuli,
    write_dataset,
)
from worlds.listening import (
    AFFINE,
    LEBEL,
    SHAPE,
    lebel_mask,
    lebel_values,
    lebel_words,
    nifti,
    records,
    refused,
    textgrid,
    write,
    write_lebel,
)

ROOT = "ds003020/derivative"
SUBJECTS = ("UTS01", "UTS02")
SOURCE = Lebel2023(SUBJECTS, tuple(LEBEL))
FIRST = {"souls": 0, "life": 26, "wheretheressmoke": 56}  # rows: volumes and 5 at each end


@pytest.fixture
def folder(tmp_path):
    write_lebel(tmp_path)
    return tmp_path


def read(folder, source=SOURCE):
    return lebel2023.read(records(folder), source)


def test_every_file_of_the_tree_is_asked_for_at_openneuro(folder):
    files = {file.path: file.url for file in lebel2023.raw_files(SOURCE)}
    assert set(files) == {record.name for record in records(folder)}
    name = "ds003020/derivative/preprocessed_data/UTS01/souls.hf5"
    assert files[name] == f"https://s3.amazonaws.com/openneuro.org/{name}"
    without = lebel2023.raw_files(Lebel2023(SUBJECTS, tuple(LEBEL), places=False))
    assert set(files) - {file.path for file in without} == {
        f"ds003020/derivative/pycortex-db/{s}/transforms/{s}_auto/mask_thick.nii.gz"
        for s in SUBJECTS
    }
    assert len(Lebel2023().stories) == 27


def test_stories_follow_each_other_on_one_clock(folder):
    prepared = read(folder)
    check_stimuli(prepared.stimuli, "stimuli")
    check_responses(prepared.responses, prepared.stimuli, "responses")
    stimuli, responses = prepared.stimuli, prepared.responses
    # The first story has 26 volumes of 2 s, then a pause of one.
    assert responses["onset"].values[[0, 25, 26]].tolist() == [0, 50, 54]
    assert responses["run"].values[[0, 25, 26, -1]].tolist() == [
        "souls", "souls", "life", "wheretheressmoke"
    ]  # fmt: skip
    assert responses["held_out"].values.tolist() == [0] * 56 + [1] * 25
    for story in LEBEL:
        part = stimuli[stimuli["split_group"] == story]
        assert set(part["context_group"]) == {story}
        # Labels come every second; of nine in turn, four are no words.
        seconds = [i for i in range(2 * (LEBEL[story] + 10) - 1) if i % 9 in (1, 3, 4, 6, 8)]
        begins = responses["onset"].values[FIRST[story]]
        np.testing.assert_allclose(part["onset"], begins + np.array(seconds) + 0.5)
        np.testing.assert_allclose(part["offset"], begins + np.array(seconds) + 1.25)
        assert part["text"].tolist()[:5] == ["the", "old", "miller", "walked", "down"]


def test_the_second_of_two_tiers_has_the_words_whatever_its_name(folder):
    before = read(folder).stimuli
    write(folder / ROOT / "TextGrids/souls.TextGrid", textgrid(*lebel_words("souls"), name="orth"))
    pd.testing.assert_frame_equal(read(folder).stimuli, before)


def test_responses_are_those_of_the_files_and_the_mean_of_repeats(folder):
    responses = read(folder).responses
    values = responses["responses"]
    assert values.dtype == np.float32
    for subject in SUBJECTS:
        part = values[:, responses["subject"].values == subject].values
        for story, first in FIRST.items():
            n = LEBEL[story]
            expected = lebel_values(subject, story).mean(axis=0)
            np.testing.assert_allclose(part[first + 5 : first + 5 + n], expected, atol=1e-6)
            assert np.isnan(part[first : first + 5]).all()
            assert np.isnan(part[first + 5 + n : first + 10 + n]).all()


def test_repeats_are_kept_beside_their_mean(folder):
    prepared = read(folder)
    responses = prepared.responses
    rows = FIRST["wheretheressmoke"] + 5 + np.arange(LEBEL["wheretheressmoke"])
    assert responses["repeated"].values.tolist() == rows.tolist()
    for subject in SUBJECTS:
        part = responses["repeats"].values[:, :, responses["subject"].values == subject]
        np.testing.assert_allclose(part, lebel_values(subject, "wheretheressmoke"), rtol=1e-6)
    mean = responses["repeats"].values.astype(float).mean(axis=0)
    np.testing.assert_allclose(responses["responses"].values[rows], mean, atol=1e-6)
    once = [story for story in LEBEL if story != "wheretheressmoke"]
    for subject in SUBJECTS:
        for story in once:
            assert len(lebel_values(subject, story)) == 1
    alone = read(folder, Lebel2023(SUBJECTS, tuple(once), ("life",))).responses
    assert "repeats" not in alone and "repeated" not in alone


def test_held_out_stories_are_tested_and_their_repeats_give_a_ceiling(folder):
    prepared = read(folder)
    timing = Timing(trim=(5, 5), delays=(1, 2))
    scoring = Scoring(Ridge(inner_folds=2), HeldOut(), timing=timing)
    benchmark = read_benchmark(scoring, prepared.stimuli, prepared.responses, seed=0)
    (split,) = benchmark.splits
    kept = gather_responses(prepared.responses, timing).volumes
    runs = prepared.responses["run"].values[kept]
    assert set(runs[split.test]) == {"wheretheressmoke"}
    assert set(runs[split.train]) == {"souls", "life"}
    ceilings = noise_ceiling(
        prepared.stimuli, prepared.responses, scoring, FromRepeats(bootstraps=2), 0
    )
    n_targets = prepared.responses.sizes["target"]
    assert ceilings["explainable_variance"].notna().sum() >= n_targets


def test_the_card_says_what_was_averaged_and_that_no_real_file_was_met(folder):
    card = read(folder).card
    assert card["repeats_averaged"] == {"wheretheressmoke": {"UTS01": 3, "UTS02": 3}}
    assert card["held_out_stories"] == ["wheretheressmoke"]
    assert "has not met the real files" in card["notes"][0]
    assert card["dropped"] == []
    json.dumps(card, allow_nan=False)


def test_a_map_of_the_coordinates_is_the_mask(folder):
    """By the inverse affine, a target is a voxel of the mask, in the order of pycortex."""
    responses = read(folder).responses
    for subject in SUBJECTS:
        part = responses.isel(target=responses["subject"].values == subject)
        affine = np.array(json.loads(responses.attrs["affine"])[subject])
        np.testing.assert_allclose(affine, AFFINE)
        assert json.loads(responses.attrs["grid"])[subject] == list(SHAPE)
        coordinates = np.stack([part[axis].values for axis in "xyz"], axis=1)
        voxels = nibabel.affines.apply_affine(np.linalg.inv(affine), coordinates)
        np.testing.assert_allclose(voxels, voxels.round(), atol=1e-5)
        drawn = np.zeros(SHAPE, int)
        order = [tuple(voxel) for voxel in voxels.round().astype(int).tolist()]
        for voxel in order:
            drawn[voxel] += 1
        np.testing.assert_array_equal(drawn, lebel_mask(subject))
        assert order == sorted(order, key=lambda voxel: voxel[::-1])


def test_what_is_written_is_read_again(folder):
    prepared = read(folder)
    write_dataset(prepared.stimuli, prepared.responses, folder / "s.parquet", folder / "r.nc")
    again = read_responses(folder / "r.nc", read_stimuli(folder / "s.parquet"))
    np.testing.assert_array_equal(again["responses"], prepared.responses["responses"])
    assert again.attrs["affine"] == prepared.responses.attrs["affine"]
    assert again["held_out"].values.tolist() == prepared.responses["held_out"].values.tolist()


def test_a_block_of_targets_lies_together_in_the_file(folder, monkeypatch):
    monkeypatch.setattr(formats, "BLOCK", 81 * 4)  # 81 volumes
    prepared = read(folder)
    write_dataset(prepared.stimuli, prepared.responses, folder / "s.parquet", folder / "r.nc")
    with h5py.File(folder / "r.nc") as file:
        assert file["responses"].chunks == (81, 5)
        expected = prepared.responses["responses"].values[:, 5:10]
        np.testing.assert_array_equal(file["responses"][:, 5:10], expected)


def test_a_benchmark_holds_out_stories_and_meets_no_nan(folder):
    prepared = read(folder)
    timing = Timing(trim=(5, 5), delays=(1, 2))
    responses = gather_responses(prepared.responses, timing)
    assert np.isfinite(responses.values).all()
    scoring = Scoring(Ridge(inner_folds=2), Grouped(), timing=timing)
    benchmark = read_benchmark(scoring, prepared.stimuli, prepared.responses, seed=0)
    stories = prepared.responses["run"].values[responses.volumes]
    held_out = [set(stories[split.test].tolist()) for split in benchmark.splits]
    assert sorted(map(tuple, held_out)) == sorted((story,) for story in LEBEL)
    for split, names in zip(benchmark.splits, held_out, strict=True):
        assert not names & set(stories[split.train].tolist())


def edit(story, change, subject="UTS02", name=None):
    """Changes an array of a scan."""

    def apply(folder):
        path = folder / ROOT / f"preprocessed_data/{subject}/{story}.hf5"
        with h5py.File(path, "r+") as file:
            for key in [name] if name else list(file):
                values = change(file[key][()])
                del file[key]
                file[key] = values

    return apply


def assigned(index, value):
    def change(values):
        values[index] = value
        return values

    return change


def test_rules_for_what_holds_nothing_are_recorded(folder):
    complete = read(folder).responses
    edit("souls", assigned((slice(None), 0), 3.0))(folder)  # constant in one story
    edit("life", assigned((7, 2), np.nan))(folder)  # a gap
    edit("souls", assigned(slice(0, 2), np.nan), "UTS01")(folder)  # padding
    prepared = read(folder)
    first = int(lebel_mask("UTS01").sum())
    kept = np.delete(np.arange(complete.sizes["target"]), [first, first + 2])
    expected = complete["responses"].values[:, kept]
    expected[5:7, :first] = np.nan
    np.testing.assert_array_equal(prepared.responses["responses"].values, expected)
    np.testing.assert_array_equal(
        prepared.responses["repeats"].values, complete["repeats"].values[:, :, kept]
    )
    for name in ("target_id", "subject", "x", "y", "z"):
        np.testing.assert_array_equal(prepared.responses[name], complete[name].values[kept])
    whys = [entry["why"] for entry in prepared.card["dropped"]]
    assert [entry["n"] for entry in prepared.card["dropped"]] == [1, 1, 2]
    assert whys[0].startswith("constant in a scan, first ") and "UTS02/souls.hf5" in whys[0]
    assert whys[1].startswith("NaN in a volume in which others") and "UTS02/life.hf5" in whys[1]
    assert whys[2].startswith("NaN in all targets (they stay NaN), first 2 of ")
    assert "UTS01/souls.hf5" in whys[2]


def test_a_padded_volume_of_one_repeat_is_the_mean_of_the_others(folder):
    edit("wheretheressmoke", assigned((1, 4), np.nan), "UTS01", "individual_repeats")(folder)
    values = read(folder).responses["responses"].values
    part = values[FIRST["wheretheressmoke"] + 5 + 4, : int(lebel_mask("UTS01").sum())]
    expected = lebel_values("UTS01", "wheretheressmoke")[[0, 2], 4].mean(axis=0)
    np.testing.assert_allclose(part, expected, atol=1e-6)
    repeated = read(folder).responses["repeated"].values
    assert FIRST["wheretheressmoke"] + 5 + 4 not in repeated
    assert repeated.size == LEBEL["wheretheressmoke"] - 1
    assert any("1 volumes of repeated stories are NaN" in n for n in read(folder).card["notes"])


def overwrite(name, content):
    return lambda folder: write(folder / ROOT / name, content)


def grid(words, end, **keys):
    return overwrite("TextGrids/souls.TextGrid", textgrid(words, end, **keys))


WORDS = [("one", 1.0, 2.0), ("two", 2.0, 3.0)]
MASK = "pycortex-db/UTS01/transforms/UTS01_auto/mask_thick.nii.gz"
FLAT = AFFINE * [[1], [1], [0], [1]]
BAD = {
    "TextGrid longer than the scan": (
        grid(WORDS, 90.0),
        r"souls\.TextGrid: the words of story souls end at 90\.0 s, but its scan at 52\.0 s "
        r"\(.*UTS01/souls\.hf5, 16 volumes\); expected at most 30 s between them",
    ),
    "TextGrid shorter": (grid(WORDS, 20.0), r"souls end at 20\.0 s, but its scan at 52\.0 s"),
    "no transcript": (
        lambda f: (f / ROOT / "TextGrids/life.TextGrid").unlink(),
        r"TextGrids/life\.TextGrid: the transcript of story life is not among the raw files",
    ),
    "no words": (grid([("sp", 1.0, 2.0), ("", 2.0, 3.0)], 52.0), "story souls has no words"),
    "no tier of words": (
        overwrite("TextGrids/souls.TextGrid", textgrid(WORDS, 52.0, name="w")
                  .replace('"IntervalTier"\n"phone"', '"TextTier"\n"phone"')
                  .replace('\n0.0\n52.0\n"AH0"', '\n0.0\n"AH0"')),
        r"souls\.TextGrid: no tier of words; its tiers are: w",
    ),
    "no scan": (
        lambda f: (f / ROOT / "preprocessed_data/UTS02/life.hf5").unlink(),
        r"UTS02/life\.hf5: a scan is not among the raw files",
    ),
    "a scan of another length": (
        edit("life", lambda v: v[:-1]),
        r"UTS02/life\.hf5: 19 volumes, but .*UTS01/life\.hf5 has 20: scans of story life are of "
        "different length",
    ),
    "repeats of another length": (
        edit("wheretheressmoke", lambda v: v[:, :-1], name="individual_repeats"),
        "repeats of 14 volumes, but their mean has 15: repeats of story wheretheressmoke are of "
        "different length",
    ),
    "other voxels in a story": (
        edit("life", lambda v: v[:, :-1]), r"life\.hf5: \d+ voxels, but .*souls\.hf5 has \d+"
    ),
    "only NaN": (edit("life", lambda v: v * np.nan), r"life\.hf5: all volumes hold only NaN"),
    "infinite": (edit("life", assigned((3, 1), np.inf)), r"life\.hf5: volume 3: infinite"),
    "integers": (edit("life", lambda v: v.astype(int)), r"resp is i of shape \(20, \d+\)"),
    "three axes": (edit("life", lambda v: v[None]), r"expected floating point numbers \[volume"),
    "another array": (
        overwrite("preprocessed_data/UTS01/souls.hf5", b""), "not a whole HDF5 file"
    ),
    "a mask of other voxels": (
        overwrite(MASK, nifti(np.ones(SHAPE))), r"mask_thick\.nii\.gz: 60 voxels, but .* has \d+"
    ),
    "an empty mask": (overwrite(MASK, nifti(np.zeros(SHAPE))), "no voxel is above 0"),
    "no affine": (
        overwrite(MASK, nifti(lebel_mask("UTS01"), sform=0)),
        r"no affine \(sform_code and qform_code are 0\): voxels have no coordinates",
    ),
    "a singular affine": (
        overwrite(MASK, nifti(lebel_mask("UTS01"), affine=FLAT)),
        r"mask_thick.*: the affine .* cannot be inverted: voxels have no coordinates",
    ),
    "no image": (overwrite(MASK, b"mask"), r"mask_thick\.nii\.gz: not a whole NIfTI image"),
    "all constant": (
        lambda f: [edit("souls", lambda v: v * 0, s)(f) for s in SUBJECTS],
        "no target varies in all scans",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_named_in_one_line(case, folder):
    damage, says = BAD[case]
    damage(folder)
    with refused(says):
        read(folder)


def test_scans_are_read_one_by_one_and_responses_are_held_once(tmp_path):
    """2,200 volumes of 6,000 voxels in 20 stories, some voxels left out: at most half more."""
    voxels, volumes, stories = 6000, 100, [f"story{i:02d}" for i in range(20)]
    rng = np.random.default_rng(0)
    for story in stories:
        words = [("word", 1.0 + i, 1.5 + i) for i in range(200)]
        write(tmp_path / ROOT / f"TextGrids/{story}.TextGrid", textgrid(words, 220.0))
        path = tmp_path / ROOT / f"preprocessed_data/UTS03/{story}.hf5"
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w") as file:
            values = rng.standard_normal((volumes, voxels), np.float32)
            values[:, :100] = 0
            file["data"] = values
    files = records(tmp_path)
    source = Lebel2023(("UTS03",), tuple(stories), (), places=False)
    tracemalloc.start()
    prepared = lebel2023.read(files, source)
    check_responses(prepared.responses, prepared.stimuli, "responses")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    size = (volumes + 10) * len(stories) * voxels * 4
    assert prepared.responses["responses"].shape == (2200, 5900)
    assert peak < 1.5 * size, peak / size
