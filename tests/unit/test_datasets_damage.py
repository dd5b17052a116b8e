"""Every kind of raw file, cut at every 5 % and with flipped bytes: an InputError or the content.

Hashes are left out here (records are unverified): this is what readers find by themselves.
"""

import json

import numpy as np
import pandas as pd
import pytest
import test_datasets_alice as alice_world
import test_datasets_natural_stories as stories_world
import test_datasets_questions as questions_world
from brainalign.datasets import (
    alice,
    bbh,
    blank2014,
    fedorenko2016,
    futrell2018,
    mmlu,
    natural_stories,
    natural_stories_maze,
    pereira2018,
    reading_brain,
    tuckute2024,
    wehbe2014,
    wikitext2,
)
from brainalign.errors import InputError
from brainalign.formats.datasets import check_responses, check_stimuli
from dataset_files import (
    blank,
    fedorenko,
    futrell,
    pereira,
    record,
    tuckute,
    write_hdf5,
    write_maze,
    write_netcdf3,
    write_two_readers,
    write_wehbe,
)

small_counts = questions_world.small_counts  # MMLU and BBH are small here, too


def prepared(module, source):
    """Reads as the rule does: what comes out is checked before it is written."""

    def read(records):
        dataset = module.read(records, source)
        check_stimuli(dataset.stimuli, "stimuli")
        check_responses(dataset.responses, dataset.stimuli, "responses")
        json.dumps(dataset.card, allow_nan=False)
        return dataset

    return read


def questions(module, source):
    return lambda records: module.read(records, source, seed=0)


def assembly(module, world, write, source=None, dimension="neuroid"):
    def files(folder):
        return [record(write(folder / "a.nc", *world(), dimension))]

    return files, prepared(module, source or {}), "a.nc"


def alice_files(folder):
    alice_world.write_world(folder)
    return alice_world.records(folder)


def stories_files(readers):
    def files(folder):
        stories_world.write_world(folder)
        return stories_world.records(folder, readers)

    return files


def bbh_hub(folder):
    prompts = [r for r in questions_world.write_bbh(folder) if "cot-prompts" in r["name"]]
    hub = []
    for name in questions_world.FILES:
        path = folder / f"{name}.parquet"
        rows = [{"input": f"{name} {i}?", "target": "(A)"} for i in range(6)]
        pd.DataFrame(rows).to_parquet(path)
        hub.append(record(path, f"bbh/hub/{name}.parquet"))
    return [*hub, *prompts]


def wikitext_files(folder):
    (folder / "test.txt").write_text(
        "".join(f" = Title {i} = \n\n Text .\n" for i in range(9)), encoding="utf-8"
    )
    return [record(folder / "test.txt", "wikitext2/test.txt")]


ALICE = prepared(alice, {})
MEANS = prepared(natural_stories, {"readers": "mean"})
EACH = prepared(natural_stories, {"readers": "each"})
WEHBE = prepared(wehbe2014, {})
# name → (writer of the records, reader, the file that is damaged)
KINDS = {
    "pereira2018": assembly(pereira2018, pereira, write_hdf5, {"experiment": 243}),
    "pereira2018, netCDF-3": assembly(pereira2018, pereira, write_netcdf3, {"experiment": 243}),
    "blank2014": assembly(blank2014, blank, write_hdf5),
    "blank2014, netCDF-3": assembly(blank2014, blank, write_netcdf3),
    "fedorenko2016": assembly(fedorenko2016, fedorenko, write_hdf5),
    "fedorenko2016, netCDF-3": assembly(fedorenko2016, fedorenko, write_netcdf3),
    "tuckute2024": assembly(tuckute2024, tuckute, write_hdf5),
    "tuckute2024, netCDF-3": assembly(tuckute2024, tuckute, write_netcdf3),
    "futrell2018": assembly(futrell2018, futrell, write_hdf5, dimension="subject"),
    "futrell2018, netCDF-3": assembly(futrell2018, futrell, write_netcdf3, dimension="subject"),
    "alice, words": (alice_files, ALICE, alice_world.NAME),
    "alice, courses": (alice_files, ALICE, "10mm/s18-timecourses.txt"),
    "alice, movement": (alice_files, ALICE, "s22-rp_run05.e02.txt"),
    "alice, word rate": (alice_files, ALICE, "s22-rate.txt"),
    "natural-stories, words": (stories_files("mean"), MEANS, "all_stories.tok"),
    "natural-stories, means": (stories_files("mean"), MEANS, "processed_wordinfo.tsv"),
    "natural-stories, readers": (stories_files("each"), EACH, "processed_RTs.tsv"),
    "natural-stories-maze": (write_maze, prepared(natural_stories_maze, {}), "boyce_2023.tsv"),
    "reading-brain": (write_two_readers, prepared(reading_brain, {}), "sub-01.tsv"),
    "wehbe2014, voxels": (write_wehbe, WEHBE, "fMRI/data_subject_N.npy"),
    "wehbe2014, scans": (write_wehbe, WEHBE, "fMRI/time_fmri.npy"),
    "wehbe2014, runs": (write_wehbe, WEHBE, "fMRI/runs_fmri.npy"),
    "wehbe2014, times": (write_wehbe, WEHBE, "fMRI/time_words_fmri.npy"),
    "wehbe2014, words": (write_wehbe, WEHBE, "stimuli_words.npy"),
    "wehbe2014, masks": (write_wehbe, WEHBE, "HP_subj_roi_inds.npy"),
    "mmlu, csv": (questions_world.write_mmlu_csv, questions(mmlu, {}), "anatomy_test.csv.gz"),
    "mmlu, hub": (
        questions_world.write_mmlu_hub,
        questions(mmlu, {"release": "hub"}),
        "test-00000-of-00001.parquet",
    ),
    "bbh, json": (questions_world.write_bbh, questions(bbh, {}), "snarks.json"),
    "bbh, hub": (bbh_hub, questions(bbh, {"release": "hub"}), "snarks.parquet"),
    "wikitext2": (wikitext_files, wikitext2.read, "test.txt"),
}
# Cut between two words or two rows it is a smaller file of the kind; its published hash tells.
UNNOTICED = {"wikitext2", "natural-stories-maze", "reading-brain"}

# A flip may make HDF5 ask for gigabytes. Each has a published hash; Tuckute's stands for all.
HDF5 = {"pereira2018", "blank2014", "fedorenko2016", "futrell2018"}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Files and records of one kind, written once."""
    made = {}

    def of(kind):
        if kind not in made:
            made[kind] = tmp_path_factory.mktemp("raw") / "files"
            made[kind].mkdir()
            files, _, name = KINDS[kind]
            folder = made[kind]
            records = files(folder / "w" if files is write_wehbe else folder)
            path = folder / "w" / name if files is write_wehbe else folder / name
            made[kind] = records, path, path.read_bytes()
        return made[kind]

    return of


@pytest.mark.parametrize("kind", KINDS)
def test_whole_it_is_read(kind, world):
    records, path, data = world(kind)
    path.write_bytes(data)
    KINDS[kind][1](records)


@pytest.mark.parametrize("percent", range(0, 100, 5))
@pytest.mark.parametrize("kind", sorted(set(KINDS) - UNNOTICED))
def test_cut_at_any_place_it_is_an_input_error(kind, percent, world):
    records, path, data = world(kind)
    path.write_bytes(data[: len(data) * percent // 100])
    with pytest.raises(InputError) as error:
        KINDS[kind][1](records)
    assert "\n" not in str(error.value).strip()


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in HDF5])
def test_a_flipped_byte_is_an_input_error_or_unnoticed(kind, seed, world):
    """A flip in the values may pass (the hash tells); nothing but an InputError is ever raised."""
    records, path, data = world(kind)
    rng = np.random.default_rng(seed)
    broken = bytearray(data)
    # Headers are where most can go wrong, and make up little of a file.
    place = rng.integers(0, len(data) if seed % 2 else min(len(data), 2000))
    broken[place] ^= rng.integers(1, 256)
    path.write_bytes(bytes(broken))
    try:
        KINDS[kind][1](records)
    except InputError as error:
        assert str(error)
