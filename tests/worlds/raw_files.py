"""Every kind of raw file in small: who writes it, who reads it."""

import json

import pandas as pd
from brainalign.datasets import (
    alice,
    bbh,
    blank2014,
    blimp,
    fedorenko2016,
    futrell2018,
    langloc,
    lebel2023,
    mmlu,
    narratives,
    natural_stories,
    natural_stories_maze,
    pereira2018,
    petit_prince,
    reading_brain,
    tuckute2024,
    wehbe2014,
    wikitext2,
)
from brainalign.formats.datasets import check_responses, check_stimuli
from dataset_files import (
    blank,
    fedorenko,
    futrell,
    pereira,
    record,
    source_of,
    tuckute,
    write_hdf5,
    write_langloc,
    write_maze,
    write_netcdf3,
    write_two_readers,
    write_wehbe,
)

from worlds import alice as alice_world
from worlds import listening as listening_world
from worlds import natural_stories as stories_world
from worlds import questions as questions_world


def prepared(module, keys):
    """Reads as the rule does: what comes out is checked before it is written."""
    source = source_of(module, **keys)

    def read(records):
        dataset = module.read(records, source)
        check_stimuli(dataset.stimuli, "stimuli")
        check_responses(dataset.responses, dataset.stimuli, "responses")
        json.dumps(dataset.card, allow_nan=False)
        return dataset

    return read


def questions(module, keys):
    return lambda records: module.read(records, source_of(module, **keys), seed=0)


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


def listening_files(write):
    def files(folder):
        write(folder)
        return listening_world.records(folder)

    return files


def bbh_hub(folder):
    prompts = [r for r in questions_world.write_bbh(folder) if "cot-prompts" in r.name]
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
LEBEL = (
    listening_files(listening_world.write_lebel),
    prepared(lebel2023, {"subjects": ("UTS01",), "stories": tuple(listening_world.LEBEL)}),
)
NARRATIVES = (
    listening_files(listening_world.write_narratives),
    prepared(
        narratives,
        {
            "scans": {"tunnel": listening_world.SCANS["tunnel"][:1]},
            "derivative": "fmriprep",
            "space": "MNI152NLin2009cAsym",
            "confounds": "acompcor",
        },
    ),
)
NARRATIVES_SCAN = "ds002345/derivatives/fmriprep/sub-004/func/sub-004_task-tunnel"
PETIT_PRINCE = (
    listening_files(listening_world.write_petit_prince),
    prepared(petit_prince, {"runs": listening_world.RUNS, "sections": (1, 2)}),
)
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
    "langloc": (write_langloc, prepared(langloc, {}), "langloc_fmri_run1_stim_set1.csv"),
    "lebel2023, words": (*LEBEL, "ds003020/derivative/TextGrids/souls.TextGrid"),
    "lebel2023, scan": (*LEBEL, "ds003020/derivative/preprocessed_data/UTS01/souls.hf5"),
    "narratives, words": (*NARRATIVES, "ds002345/stimuli/gentle/tunnel/align.csv"),
    "narratives, scan": (
        *NARRATIVES,
        f"{NARRATIVES_SCAN}_space-MNI152NLin2009cAsym_res-native_desc-preproc_bold.nii.gz",
    ),
    "narratives, confounds": (*NARRATIVES, f"{NARRATIVES_SCAN}_desc-confounds_regressors.tsv"),
    "narratives, components": (*NARRATIVES, f"{NARRATIVES_SCAN}_desc-confounds_regressors.json"),
    "petit-prince, words": (*PETIT_PRINCE, "ds003643/annotation/EN/lppEN_word_information.csv"),
    "petit-prince, scan": (
        *PETIT_PRINCE,
        "ds003643/derivatives/sub-EN057/func/"
        "sub-EN057_task-lppEN_run-21_space-MNIColin27_desc-preproc_bold.nii.gz",
    ),
    "mmlu, csv": (questions_world.write_mmlu_csv, questions(mmlu, {}), "anatomy_test.csv.gz"),
    "mmlu, hub": (
        questions_world.write_mmlu_hub,
        questions(mmlu, {"release": "hub"}),
        "test-00000-of-00001.parquet",
    ),
    "bbh, json": (questions_world.write_bbh, questions(bbh, {}), "snarks.json"),
    "bbh, hub": (bbh_hub, questions(bbh, {"release": "hub"}), "snarks.parquet"),
    "blimp": (questions_world.write_blimp, questions(blimp, {}), "causative.jsonl"),
    "wikitext2": (wikitext_files, wikitext2.read, "test.txt"),
}
