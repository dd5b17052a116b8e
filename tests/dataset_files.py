"""Writers of raw files in the structure of the real ones, independent of the readers' libraries.

Brain-Score's netCDF-4 is written with h5py alone (dimension scales by hand) and with xarray; its
netCDF-3 with SciPy's writer (strings as character arrays).
"""

from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import h5py
import numpy as np
from brainalign.datasets.raw import Record
from brainalign.datasets.registry import KINDS
from scipy.io import netcdf_file


def record(path: Path, name: str | None = None, verified: bool = False) -> Record:
    """What `locate` would say of a file, as far as readers use it."""
    return Record(name or path.name, str(path), "0" * 64, verified=verified)


def source_of(module: ModuleType, **keys: object) -> Any:
    """The settings of a reader's source."""
    name = module.__name__.rpartition(".")[2]
    classes = [c for kind in KINDS.values() for c in get_args(kind) or (kind,)]
    tags = {c.reader or str(c.__struct_config__.tag).replace("-", "_"): c for c in classes}
    return tags[name](**keys)


def write_hdf5(path, values, rows, targets, target_dimension="neuroid", name="data"):
    """An assembly as netCDF-4: h5py only, strings of variable length."""
    with h5py.File(path, "w") as file:
        scales = {}
        for dimension, n in (("presentation", len(values)), (target_dimension, values.shape[1])):
            scale = file.create_dataset(dimension, data=np.zeros(n, np.float32))
            scale.make_scale(f"This is a netCDF dimension but not a netCDF variable. {n:10d}")
            scales[dimension] = scale
        array = file.create_dataset(name, data=values)
        array.dims[0].attach_scale(scales["presentation"])
        array.dims[1].attach_scale(scales[target_dimension])
        for dimension, levels in (("presentation", rows), (target_dimension, targets)):
            for level, entries in levels.items():
                if isinstance(entries[0], str):
                    data = np.array(entries, dtype=object)
                    variable = file.create_dataset(level, data=data, dtype=h5py.string_dtype())
                else:
                    variable = file.create_dataset(level, data=np.asarray(entries))
                variable.dims[0].attach_scale(scales[dimension])
        file[name].attrs["coordinates"] = " ".join([*rows, *targets])
    return path


def write_netcdf3(path, values, rows, targets, target_dimension="neuroid", name="data"):
    """An assembly as netCDF-3: SciPy only, strings as [n, longest] characters, targets first."""
    with netcdf_file(path, "w", version=2) as file:
        file.createDimension("presentation", len(values))
        file.createDimension(target_dimension, values.shape[1])
        array = file.createVariable(name, "d", (target_dimension, "presentation"))
        array[:] = values.T
        for dimension, levels in (("presentation", rows), (target_dimension, targets)):
            for level, entries in levels.items():
                if isinstance(entries[0], str):
                    encoded = [text.encode("utf-8") for text in entries]
                    longest = max(map(len, encoded))
                    if f"string{longest}" not in file.dimensions:
                        file.createDimension(f"string{longest}", longest)
                    variable = file.createVariable(level, "c", (dimension, f"string{longest}"))
                    variable[:] = np.array(encoded, f"S{longest}").view("S1").reshape(-1, longest)
                    variable._Encoding = "utf-8"
                else:
                    variable = file.createVariable(level, "i", (dimension,))
                    variable[:] = np.asarray(entries, np.int32)
    return path


def pereira(n_topics=3, n_subjects=4, voxels=5, seed=0):
    """Two experiments: 2 passages of 3 sentences a topic; the last subject did the second only."""
    rng = np.random.default_rng(seed)
    rows = {
        name: []
        for name in (
            "stimulus_id", "stimulus", "sentence", "experiment", "stimulus_num",
            "passage_index", "passage_label", "passage_category", "story",
        )
    }  # fmt: skip
    for experiment in ("384sentences", "243sentences"):
        number = 0
        for topic in range(n_topics):
            for passage in range(2):
                for _ in range(3):
                    text = f"Sentence {number} on topic{topic}, for {experiment} – naïve."
                    rows["stimulus_id"].append(f"{experiment}.{number}")
                    rows["stimulus"].append(text)
                    rows["sentence"].append(text)
                    rows["experiment"].append(experiment)
                    rows["stimulus_num"].append(number)
                    rows["passage_index"].append(2 * topic + passage + 1)
                    rows["passage_label"].append(f"topic{topic}")
                    rows["passage_category"].append(f"topic{topic}")
                    rows["story"].append(f"{experiment}.topic{topic}")
                    number += 1
    subjects = [f"s{i:02d}" for i in range(n_subjects) for _ in range(voxels)]
    targets = {
        "neuroid_id": [f"{s}.{v}" for v, s in enumerate(subjects)],
        "subject": subjects,
        "voxel_num": list(range(len(subjects))),
        "atlas": ["language"] * len(subjects),
        "roi": ["LH_IFG" if v % 2 else "RH_IFG" for v in range(len(subjects))],
    }
    values = rng.standard_normal((len(rows["stimulus_id"]), len(subjects)))
    last = np.array(subjects) == subjects[-1]
    first_experiment = np.array(rows["experiment"]) == "384sentences"
    values[np.ix_(first_experiment, last)] = np.nan
    return values, rows, targets


def blank(seed=0):
    """Two stories of 5 sentences of 2-3 fragments; 2 subjects × 3 regions."""
    rng = np.random.default_rng(seed)
    names = (
        "stimulus_id",
        "stimulus",
        "story",
        "sentence_number_in_story",
        "part_number_in_sentence",
    )
    rows = {name: [] for name in names}
    for story in ("Boar", "Aqua"):
        for sentence in range(12):
            for part in range(2 + sentence % 2):
                rows["stimulus_id"].append(f"{story}.{sentence}.{part}")
                rows["stimulus"].append(f"fragment {part} of {sentence} ")
                rows["story"].append(story)
                rows["sentence_number_in_story"].append(sentence)
                rows["part_number_in_sentence"].append(part)
    regions = ["01_LH_PostTemp", "02_LH_AntTemp", "03_LH_IFG"]
    subjects = ["061", "085"]
    targets = {
        "neuroid_id": [f"{s}.{r}" for r in regions for s in subjects],
        "subject_id": [s for _ in regions for s in subjects],
        "fROI_area": [r for r in regions for _ in subjects],
    }
    return rng.standard_normal((len(rows["story"]), len(targets["neuroid_id"]))), rows, targets


def futrell(readers=6, seed=0, shift=1):
    """Two stories; reading time grows with word length, `shift` words late (the old release)."""
    rng = np.random.default_rng(seed)
    text = (
        "If you were to journey to the North of England, you would come to a valley that is "
        "surrounded by extraordinarily high moors. It is there that you find Bradford, a town. "
    ) * 6
    rows = {
        name: []
        for name in (
            "word", "word_core", "story_id", "word_id", "word_within_sentence_id", "sentence_id",
            "stimulus_id",
        )
    }  # fmt: skip
    sentence, position = 1, 0
    for story in (1, 2):
        for word_id, word in enumerate(text.split(), start=1):
            position += 1
            rows["word"].append(word)
            rows["word_core"].append(word.strip(".,"))
            rows["story_id"].append(story)
            rows["word_id"].append(word_id)
            rows["word_within_sentence_id"].append(position)
            rows["sentence_id"].append(sentence)
            rows["stimulus_id"].append(len(rows["stimulus_id"]) + 1)
            if word.endswith("."):
                sentence, position = sentence + 1, 0
    length = np.array([len(word) for word in rows["word"]], float)
    values = 300 + 10 * np.roll(length, shift)[:, None] + rng.normal(0, 5, (len(length), readers))
    values[rng.random(values.shape) < 0.2] = np.nan
    targets = {
        "subject_id": [f"A{reader:03d}" for reader in range(readers)],
        "correct": list(range(readers)),
    }
    return values, rows, targets


def fedorenko(n_sentences=4, electrodes=(4, 3), seed=0):
    """Sentences of 8 words × electrodes of each subject; ids are whole numbers from 0."""
    rng = np.random.default_rng(seed)
    n, n_targets = 8 * n_sentences, sum(electrodes)
    words = [f"WORD{i % 255}" for i in range(n)]
    rows = {
        "stimulus_id": list(range(n)),
        "stimulus": words,
        "word": words,
        "word_num": [i % 8 for i in range(n)],
        "sentence_id": [i // 8 for i in range(n)],
    }
    subjects = np.repeat(np.arange(len(electrodes)) + 1, electrodes).tolist()
    targets = {"neuroid_id": list(range(n_targets)), "subject_UID": subjects}
    return rng.standard_normal((n, n_targets)), rows, targets


def tuckute(seed=0):
    """20 sentences, one target."""
    rng = np.random.default_rng(seed)
    rows = {
        "stimulus_id": list(range(1, 21)),
        "stimulus": [f"Sentence number {i} stands alone." for i in range(1, 21)],
    }
    return rng.standard_normal((20, 1)), rows, {"neuroid_id": [1]}


def pereira_full():
    """627 × 13,553: 10 subjects, 9 of them with the 384, 6 with the 243 sentences; known sum."""
    rng = np.random.default_rng(0)
    rows = {name: [] for name in pereira()[1]}
    for experiment, count, passages in (("384sentences", 384, 96), ("243sentences", 243, 72)):
        for i in range(count):
            passage = i * passages // count
            topic = f"topic{passage * 24 // passages:02d}"
            text = f"This is sentence number {i} of {experiment}."
            label = topic if passages == 72 else f"{topic}.{passage % 4}"
            for name, entry in (
                ("stimulus_id", f"{experiment}.{i}"), ("stimulus", text), ("sentence", text),
                ("experiment", experiment), ("stimulus_num", i), ("passage_index", passage + 1),
                ("passage_label", label), ("passage_category", topic),
                ("story", f"{experiment}.{topic}"),
            ):  # fmt: skip
                rows[name].append(entry)
    # 5 subjects did both: 12,195 + 8,121 voxels are 13,553 different ones.
    both, first, second = 6763, 5432, 1358
    subjects = [*(f"{i % 5:03d}" for i in range(both)), *(f"{5 + i % 4:03d}" for i in range(first))]
    subjects += ["009"] * second
    targets = {
        "neuroid_id": [f"{s}.{v}" for v, s in enumerate(subjects)],
        "subject": subjects,
        "voxel_num": list(range(len(subjects))),
        "atlas": ["language"] * len(subjects),
        "roi": ["LH_PostTemp"] * len(subjects),
    }
    values = rng.standard_normal((627, len(subjects)))
    values[:384, both + first :] = np.nan
    values[384:, both : both + first] = np.nan
    measured = ~np.isnan(values)
    return values + (1935595.263162177 - np.nansum(values)) / measured.sum(), rows, targets


def blank_full():
    """1,317 × 60: 8 stories, 5 subjects × 12 regions."""
    rng = np.random.default_rng(0)
    stories = (
        "Aqua", "Boar", "Elvis", "HighSchool", "KingOfBirds", "MatchstickSeller", "MrSticky",
        "Tulips",
    )  # fmt: skip
    rows = {name: [] for name in blank()[1]}
    for i in range(1317):
        story = i * 8 // 1317
        n = i - -(-story * 1317 // 8)
        for name, entry in (
            ("stimulus_id", f"{stories[story]}.{n // 3}.{n % 3}"), ("stimulus", f"fragment {i} "),
            ("story", stories[story]), ("sentence_number_in_story", n // 3),
            ("part_number_in_sentence", n % 3),
        ):  # fmt: skip
            rows[name].append(entry)
    regions = [f"{i:02d}_{side}" for i, side in enumerate(["LH", "RH"] * 6, start=1)]
    subjects = ["061", "085", "088", "090", "098"]
    targets = {
        "neuroid_id": [f"{s}.{r}" for r in regions for s in subjects],
        "subject_id": [s for _ in regions for s in subjects],
        "fROI_area": [r for r in regions for _ in subjects],
    }
    return rng.standard_normal((1317, 60)), rows, targets


def futrell_full():
    """10,256 words of 10 stories and 481 sentences × 180 readers, half of the times missing."""
    rng = np.random.default_rng(0)
    story = np.arange(10256) * 10 // 10256
    sentence = np.arange(10256) * 481 // 10256
    words = [f"word{i % 97}" for i in range(10256)]
    rows = {
        "word": words,
        "word_core": words,
        "story_id": (story + 1).tolist(),
        "word_id": (np.arange(10256) - np.searchsorted(story, story) + 1).tolist(),
        "word_within_sentence_id": (
            np.arange(10256) - np.searchsorted(sentence, sentence) + 1
        ).tolist(),
        "sentence_id": (sentence + 1).tolist(),
        "stimulus_id": list(range(1, 10257)),
    }
    values = rng.normal(330, 100, (10256, 180))
    values[rng.random(values.shape) < 0.5] = np.nan
    readers = [f"A{reader:03d}" for reader in range(180)]
    return values, rows, {"subject_id": readers, "correct": [6] * 180}


def fedorenko_full():
    """52 sentences of 8 words × 97 electrodes of 5 subjects."""
    return fedorenko(52, [47, 8, 9, 15, 18])


def tuckute_full():
    """1,000 sentences × 1."""
    rng = np.random.default_rng(0)
    rows = {
        "stimulus_id": list(range(1, 1001)),
        "stimulus": [f"Sentence number {i} stands alone." for i in range(1, 1001)],
    }
    return rng.standard_normal((1000, 1)), rows, {"neuroid_id": [1]}


def write_wehbe(folder: Path, voxels: int = 30, seed: int = 0) -> list[dict]:
    """The preprocessed folder at its real lengths, few voxels a subject; numpy's own writer."""
    rng = np.random.default_rng(seed)
    (folder / "fMRI").mkdir(parents=True)
    times = np.arange(1351) * 2.0
    runs = np.repeat([1, 2, 3, 4], [338, 338, 338, 337]).astype(float)
    np.save(folder / "fMRI/time_fmri.npy", times)
    np.save(folder / "fMRI/runs_fmri.npy", runs)
    np.save(folder / "fMRI/time_words_fmri.npy", np.linspace(20.0, 2693.0, 5176))
    words = np.array([["Harry", "had", "never@", "believed."][i % 4] for i in range(5176)], "<U14")
    np.save(folder / "stimuli_words.npy", words)
    names = ("PostTemp", "AntTemp", "AngularG", "IFG", "MFG", "IFGorb", "pCingulate", "dmpfc")
    masks = {}
    for subject in "FHIJKLMN":
        values = rng.standard_normal((1211, voxels))
        np.save(folder / f"fMRI/data_subject_{subject}.npy", values)
        regions = {name: np.zeros(voxels, bool) for name in names}
        for i, name in enumerate(names):
            regions[name][2 * i : 2 * i + 2] = True
        regions["IFG"][0] = True  # shared with PostTemp
        masks[subject] = {"all": np.any(list(regions.values()), axis=0), **regions}
    np.save(folder / "HP_subj_roi_inds.npy", np.array(masks, dtype=object), allow_pickle=True)
    return wehbe_records(folder)


def wehbe_records(folder: Path) -> list[dict]:
    """Records of every file of the folder, under the mirror's names."""
    return [
        record(path, f"wehbe2014/{path.relative_to(folder)}")
        for path in sorted(folder.rglob("*.npy"))
    ]


SENTENCES = [["One", "fox", "ran."], ["It", "was", '"quick"', "too."]]
STORY_NAMES = (
    "Boar", "Aqua", "MatchstickSeller", "KingOfBirds", "Elvis", "MrSticky", "HighSchool",
    "Roswell", "Tulips", "Tourettes",
)  # fmt: skip


def write_ten_stories(folder):
    """Natural Stories' words, small: ten stories of the same two sentences."""
    lines = ["word\tzone\titem"]
    for story in range(1, 11):
        words = [word for sentence in SENTENCES for word in sentence]
        lines += [f"{word}\t{zone}\t{story}" for zone, word in enumerate(words, start=1)]
    path = folder / "all_stories.tok"
    path.write_text("\n".join(lines) + "\n")
    return record(path, "natural_stories/all_stories.tok")


def write_story_surprisal(folder, rows=None):
    """All words of the stories but each first; its sentences begin elsewhere than ours."""
    if rows is None:
        positions = [(0, 2), (0, 3), (0, 4), (1, 1), (1, 2), (1, 3)]
        rows = [
            (name, *index, story + zone / 100, zone)
            for story, name in enumerate(STORY_NAMES, start=1)
            for zone, index in enumerate(positions, start=2)
        ]
    lines = ["docid\tsentid\tsentpos\tSurprisal\tNumTokens"]
    lines += ["\t".join(map(str, row)) for row in rows]
    path = folder / "pythia.output"
    path.write_text("\n".join(lines) + "\n")
    name = "futrell_2018_dl.surprisal.EleutherAI__pythia-160m.causal.output"
    return record(path, f"surprisal_michaelov2024/{name}")


MAZE_ROWS = [
    (700, 3, 5.5, "s2", "Boar", 0, 2), (800, 4, 5.5, "s1", "Boar", 0, 3),
    (650, 7, 5.5, "s2", "Aqua", 1, 2), (900, 2, 5.5, "s2", "Boar", 0, 4),
]  # fmt: skip


def write_maze(folder, rows=MAZE_ROWS):
    """Maze times of a few words, with the words and the numbering of sentences."""
    lines = ["rt\twlen\tunigramsurp\tsubject\tdocid\tsentid\tsentpos"]
    lines += ["\t".join(map(str, row)) for row in rows]
    path = folder / "boyce_2023.tsv"
    path.write_text("\n".join(lines) + "\n")
    times = record(path, "surprisal_michaelov2024/boyce_2023.tsv")
    return [write_ten_stories(folder), times, write_story_surprisal(folder)]


# (sentence, word number or '.', word, ms, start) of one reader.
FIXATIONS = [
    ("t.01.01", 1, "A", 200, 0), ("t.01.01", 3, "n/a", 100, 300), ("t.01.01", ".", "n/a", 90, 450),
    ("t.01.01", 2, "cat", 120, 600), ("t.01.02", 1, "B.", 150, 50),
]  # fmt: skip


def write_fixations(folder, subject="sub-01", rows=FIXATIONS):
    """A table of events of the Reading Brain project."""
    head = "onset\tWords\tCURRENT_FIX_DURATION\tCURRENT_FIX_INTEREST_AREA_ID\tCURRENT_FIX_START"
    lines = [f"{head}\tSentenceID", "n/a\tn/a\t.\t.\t.\t."]
    lines += [f"0\t{w}\t{ms}\t{number}\t{start}\t{s}" for s, number, w, ms, start in rows]
    path = folder / f"{subject}.tsv"
    path.write_text("\n".join(lines) + "\n")
    return record(path, f"reading_brain_l1/{subject}/func/{subject}_task-read_run-1_events.tsv")


def write_two_readers(folder):
    """Two readers of one text; the second read its first sentence alone."""
    second = [("t.01.01", 2, "cat", 300, 10)]
    return [write_fixations(folder), write_fixations(folder, "sub-02", second)]


def write_langloc(folder):
    """A set of the language localizer: 24 sentences and 24 strings of non-words."""
    head = ",".join(f"stim{i}" for i in range(1, 15))
    rows = [
        ",".join([str(i + 1), *(f"{stem}{i}W{k}" for k in range(12)), condition])
        for i, (stem, condition) in enumerate([("CAT", "S"), ("BLIG", "N")] * 24)
    ]
    path = folder / "langloc_fmri_run1_stim_set1.csv"
    path.write_text("\n".join([head, *rows]) + "\n")
    return [record(path, f"fedorenko2010_langloc/{path.name}")]
