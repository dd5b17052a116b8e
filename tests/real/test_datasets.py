"""The real raw files of the mirror, read whole: counts, sums and published values."""

import gzip
import io
import json
import re
import tarfile
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from brainalign.datasets import (
    alice,
    alpaca,
    bbh,
    langloc,
    mmlu,
    natural_stories,
    pereira2018,
    wikitext2,
)
from brainalign.datasets.prepared import Prepared
from brainalign.datasets.question_settings import Bbh, Mmlu
from brainalign.datasets.raw import locate
from brainalign.datasets.settings import Alice, Langloc, NaturalStories, Pereira2018
from brainalign.datasets.text_settings import Alpaca, Wikitext2
from brainalign.figures.dataset_page import dataset_page
from brainalign.figures.style import drawing, save
from brainalign.formats.datasets import read_responses, read_stimuli, write_dataset
from brainalign.resources import RESOURCES
from dataset_files import record, source_of, write_hdf5
from matplotlib.text import Text

pytestmark = pytest.mark.real


def read(module, source, mirror, tmp_path):
    return module.read(locate(module.raw_files(source), mirror, tmp_path / "downloads"), source)


def round_trip(prepared: Prepared, tmp_path: Path) -> None:
    stimuli, responses = tmp_path / "stimuli.parquet", tmp_path / "responses.nc"
    write_dataset(prepared.stimuli, prepared.responses, stimuli, responses)
    again = read_responses(responses, read_stimuli(stimuli))
    np.testing.assert_array_equal(again["responses"], prepared.responses["responses"])
    json.dumps(prepared.card, allow_nan=False)


@pytest.fixture(scope="module")
def alice_10mm(mirror, tmp_path_factory):
    return read(alice, Alice("10mm"), mirror, tmp_path_factory.mktemp("alice"))


def test_alice_has_27_subjects_6_regions_362_volumes_and_2084_printed_words(alice_10mm, tmp_path):
    assert dict(alice_10mm.responses.sizes) == {
        "volume": 362, "target": 162, "subject_id": 27, "regressor": 8,
    }  # fmt: skip
    assert len(alice_10mm.stimuli) == 2084
    assert "s33" not in alice_10mm.card["subjects"]
    assert {"what": "subject", "n": 1, "why": "only zeros: s33"} in alice_10mm.card["dropped"]
    round_trip(alice_10mm, tmp_path)


def test_alice_courses_are_the_files_numbers(alice_10mm, mirror):
    for subject in ("s18", "s53"):
        file = np.loadtxt(mirror / f"alice_fmri/10mm/{subject}-timecourses.txt")
        ours = alice_10mm.responses["responses"].values[
            :, alice_10mm.responses["subject"].values == subject
        ]
        np.testing.assert_array_equal(ours, file)


def test_alice_leave_one_out_correlations_are_the_published_ones(alice_10mm):
    """Mean over subjects of r(subject, mean of the other 26), z-scored courses, no cleaning."""
    expected = {"LPTL": 0.39, "LATL": 0.28, "LIPL": 0.27, "LPreM": 0.19, "RATL": 0.14, "LIFG": 0.12}
    responses = alice_10mm.responses
    for region, published in expected.items():
        courses = responses["responses"].values[:, responses["region"].values == region]
        z = (courses - courses.mean(0)) / courses.std(0)
        total = z.sum(axis=1, keepdims=True)
        r = [np.corrcoef(z[:, i], (total - z[:, [i]])[:, 0])[0, 1] for i in range(z.shape[1])]
        assert np.mean(r) == pytest.approx(published, abs=0.006), region


def test_alice_words_lie_inside_the_scan_and_the_first_begins_at_60_ms(alice_10mm):
    stimuli = alice_10mm.stimuli
    assert stimuli["onset"].iloc[0] == pytest.approx(0.0589, abs=1e-3)
    assert stimuli["offset"].iloc[-1] < 724
    assert (stimuli["offset"] > stimuli["onset"]).all()
    assert stimuli["onset"].is_monotonic_increasing


def test_alice_has_the_covariates_of_the_printed_chapter(alice_10mm):
    stimuli = alice_10mm.stimuli
    names = ["length", "punctuation", "sentence_id", "word_in_sentence", "position"]
    assert stimuli[names].notna().all().all()
    assert stimuli["log_frequency"].notna().mean() > 0.99
    assert stimuli["sentence_id"].nunique() == stimuli["sentence_id"].max() == 69
    assert stimuli["sentence_id"].is_monotonic_increasing
    by_sentence = stimuli.groupby("sentence_id")["text"].agg(" ".join)
    assert by_sentence[15] == "Down, down, down."
    assert by_sentence[33] == "'I hope they'll remember her saucer of milk at tea-time."
    # Every sentence ends with a mark, also the last one, which the recording cuts at a comma.
    assert stimuli.groupby("sentence_id")["punctuation"].last().all()
    # Readers pause at marks: most pauses follow one, and few words inside a clause do.
    last = stimuli["phrase_id"] != stimuli["phrase_id"].shift(-1)
    assert last[stimuli["punctuation"]].mean() > 0.5 > 0.2 > last[~stimuli["punctuation"]].mean()
    joined, otherwise = alice_10mm.card["changed"]
    assert "2127 spoken words are 2084 printed ones; 26 clitics and 17 other parts" in joined
    assert otherwise.startswith("14 were said")


def test_alice_is_the_printed_chapter_but_for_what_was_not_said(alice_10mm):
    """The printed words and ours differ in stretches of one or two, and in the unread end."""
    text = (RESOURCES / "texts" / "alice_chapter1.txt").read_text(encoding="utf-8")
    chapter = re.sub(r"(?<=\w)--(?=\w)", "-- ", text).split()
    ours = " ".join(alice_10mm.stimuli["text"]).split()
    blocks = SequenceMatcher(None, chapter, ours, autojunk=False).get_opcodes()
    *others, end = [block for block in blocks if block[0] != "equal"]
    assert len(ours) - sum(d - c for _, _, _, c, d in others) > 2080
    assert max(max(b - a, d - c) for _, a, b, c, d in others) <= 2
    assert (end[0], end[2]) == ("delete", len(chapter))


def test_alice_word_rate_rises_where_the_words_are(alice_10mm):
    """The authors' word-rate regressor follows our word times: the clocks agree."""
    counts, _ = np.histogram(alice_10mm.stimuli["onset"], bins=np.arange(363) * 2.0)
    rate = alice_10mm.responses["nuisance"].sel(subject_id="s18", regressor="word_rate").values
    lags = {lag: np.corrcoef(counts[: 362 - lag], rate[lag:])[0, 1] for lag in range(8)}
    assert max(lags, key=lags.get) in (2, 3)  # a haemodynamic response peaks after 4-6 s
    assert max(lags.values()) > 0.6


def test_alice_6mm_differs_in_values_only(alice_10mm, mirror, tmp_path):
    other = read(alice, Alice("6mm"), mirror, tmp_path)
    pd.testing.assert_frame_equal(other.stimuli, alice_10mm.stimuli)
    assert (other.responses["target_id"].values == alice_10mm.responses["target_id"].values).all()
    r = np.corrcoef(
        other.responses["responses"].values[:, 0], alice_10mm.responses["responses"].values[:, 0]
    )[0, 1]
    assert 0.8 < r < 0.9999


def test_natural_stories_counts_and_lag_profile(mirror, tmp_path):
    prepared = read(natural_stories, NaturalStories(), mirror, tmp_path)
    assert len(prepared.stimuli) == 10256
    assert prepared.stimuli["context_group"].nunique() == 10
    assert prepared.card["sentences"] == 481
    published = {"-2": 0.080, "-1": 0.146, "0": 0.322, "1": 0.252, "2": 0.035}
    assert prepared.card["lag_profile"] == pytest.approx(published, abs=0.0015)
    assert not any("shifted" in note for note in prepared.card["notes"])
    leaning = [note for note in prepared.card["notes"] if "goes better with the previous" in note]
    assert len(leaning) == 1
    round_trip(prepared, tmp_path)


def test_natural_stories_reading_times_go_with_the_wordinfo_rows(mirror, tmp_path):
    """Every mean, found again in the raw table by a plain split of its lines."""
    prepared = read(natural_stories, NaturalStories(), mirror, tmp_path)
    with gzip.open(
        mirror / "natural_stories/processed_wordinfo.tsv.gz", "rt", encoding="utf-8"
    ) as file:
        lines = [line.rstrip("\n").split("\t") for line in file][1:]
    raw = {
        f"{int(line[2]):02d}.{int(line[1]):04d}": (
            line[0],
            *map(float, (line[4], line[5], line[3])),
        )
        for line in lines
    }
    stimuli = prepared.stimuli
    columns = [prepared.responses[name].values[:, 0] for name in ("responses", "sd", "n")]
    for name, word, *moments in zip(stimuli["stimulus_id"], stimuli["text"], *columns, strict=True):
        assert raw[name] == (word, *moments)


@pytest.mark.parametrize(
    ("module", "n", "says"),
    [
        (
            alice,
            362 * 162,
            ["line and number: their mean", "Left out: 1 subject (only zeros: s33)."],
        ),
        (natural_stories, 10256, ["not computable: it needs the same responses", "N = 1 targets"]),
    ],
)
def test_a_real_dataset_has_its_page_of_plots(module, n, says, mirror, tmp_path):
    prepared = read(module, source_of(module), mirror, tmp_path)
    with drawing():
        figure = dataset_page(prepared.stimuli, prepared.responses, prepared.card)
        save(figure, tmp_path / "page.svg", tmp_path / "page.png")
    lines = " ".join(" ".join(text.get_text() for text in figure.findobj(Text)).split())
    for line in (f"N = {n} responses", "Missing values", "Autocorrelation", *says):
        assert line in lines
    assert (tmp_path / "page.svg").stat().st_size > 10_000


def pereira_sentences(mirror):
    """The levels that Brain-Score's file has, from the published sentences of the mirror."""
    table = pd.read_csv(mirror / "pereira2018_stimuli/Pereira2018_stimulus_set_20220209.csv")
    names = {"sentence": "stimulus", "sentence_num": "stimulus_num"}
    return table.rename(columns=names).assign(sentence=table["sentence"])


@pytest.mark.parametrize(
    ("experiment", "passages", "groups"),
    [(243, "index", 72), (243, "label", 24), (384, "index", 96), (384, "label", 96)],
)
def test_pereiras_sentences_in_brain_scores_structure(
    experiment, passages, groups, mirror, tmp_path
):
    """Real sentences and groups; the responses, which are not in the mirror, are noise."""
    table = pereira_sentences(mirror)
    levels = ("stimulus_id", "stimulus", "sentence", "experiment", "stimulus_num", "passage_index",
              "passage_label", "passage_category", "story")  # fmt: skip
    values = np.random.default_rng(0).standard_normal((len(table), 3))
    targets = {"neuroid_id": ["a", "b", "c"], "subject": ["1", "1", "2"], "roi": ["x"] * 3}
    path = write_hdf5(tmp_path / "a.nc", values, {n: table[n].tolist() for n in levels}, targets)
    source = Pereira2018(experiment, passages)
    prepared = pereira2018.read([record(path)], source)
    round_trip(prepared, tmp_path)
    assert prepared.card["context_groups"] == groups
    assert prepared.card["split_groups"] == 24
    part = table[table["experiment"] == f"{experiment}sentences"]
    assert prepared.stimuli["stimulus_id"].tolist() == part["stimulus_id"].tolist()
    assert prepared.stimuli["text"].tolist() == part["sentence"].tolist()
    np.testing.assert_array_equal(prepared.responses["responses"].values, values[part.index])


def test_mmlu_counts_and_categories(mirror, tmp_path):
    records = locate(mmlu.raw_files(Mmlu()), mirror, tmp_path)
    table = mmlu.read(records, Mmlu(), seed=0)
    assert table.groupby("split").size().to_dict() == {"dev": 285, "test": 14042}
    assert table["subject"].nunique() == 57
    subjects = table.groupby("category")["subject"].nunique()
    assert subjects.to_dict() == {
        "STEM": 18, "Humanities": 13, "Social Sciences": 12, "Others": 14,
    }  # fmt: skip
    assert (table["choices"].map(len) == 4).all()
    assert table["question_id"].is_unique


def test_mmlu_from_the_authors_archive_and_the_hub_is_the_same_table(mirror, tmp_path):
    """The other releases, rebuilt from the CSV files in their own form, read back to one table."""
    records = locate(mmlu.raw_files(Mmlu()), mirror, tmp_path)
    table = mmlu.read(records, Mmlu(), seed=0)
    archive = tmp_path / "data.tar"
    with tarfile.open(archive, "w") as tar:
        for (split, subject), rows in table.groupby(["split", "subject"], sort=False):
            lines = [[q, *c, "ABCD"[g]] for q, c, g in rows[["question", "choices", "gold"]].values]
            data = pd.DataFrame(lines).to_csv(header=False, index=False).encode()
            info = tarfile.TarInfo(f"data/{split}/{subject}_{split}.csv")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    pd.testing.assert_frame_equal(
        mmlu.read([record(archive, "mmlu/data.tar")], Mmlu(release="tar"), seed=0), table
    )

    hub = []
    for split in ("dev", "test"):
        path = tmp_path / f"{split}-00000-of-00001.parquet"
        table[table["split"] == split].rename(columns={"gold": "answer"})[
            ["question", "subject", "choices", "answer"]
        ].to_parquet(path)
        hub.append(record(path, f"mmlu/hub/{path.name}"))
    pd.testing.assert_frame_equal(mmlu.read(hub, Mmlu(release="hub"), seed=0), table)


def test_bbh_counts_and_categories(mirror, tmp_path):
    table = bbh.read(locate(bbh.raw_files(Bbh()), mirror, tmp_path), Bbh(), seed=0)
    assert table.groupby("split").size().to_dict() == {"prompt": 27, "test": 6511}
    assert (table["subject"].nunique(), table["task"].nunique()) == (27, 23)
    tasks = table.groupby("category")["task"].nunique().to_dict()
    assert tasks == {
        "algorithmic": 8, "language understanding": 3, "world knowledge": 5,
        "multilingual": 1, "others": 6,
    }  # fmt: skip


def test_bbh_prompts_hold_three_worked_examples_each(mirror, tmp_path):
    table = bbh.read(locate(bbh.raw_files(Bbh()), mirror, tmp_path), Bbh(), seed=0)
    for row in table[table["split"] == "prompt"].itertuples():
        assert "canary GUID" in row.input.splitlines()[0], row.subject
        assert len(re.findall(r"^Q: ", row.input, re.MULTILINE)) == 3, row.subject
        assert len(re.findall(r"[Ss]o the answer is", row.input)) == 3, row.subject


@pytest.mark.parametrize(("module", "kept"), [(mmlu, 285), (bbh, 81 + 27)])
def test_subsets_are_nested_seeded_and_stratified(module, kept, mirror, tmp_path):
    records = locate(module.raw_files(source_of(module)), mirror, tmp_path)
    small = module.read(records, source_of(module, per_subject=2), seed=1)
    large = module.read(records, source_of(module, per_subject=5), seed=1)
    other = module.read(records, source_of(module, per_subject=2), seed=2)
    subjects = small["subject"].nunique()
    assert len(small) == kept + 2 * subjects
    assert set(small["question_id"]) < set(large["question_id"])
    assert set(small["question_id"]) != set(other["question_id"])
    full = module.read(records, source_of(module), seed=1)["question_id"].tolist()
    positions = [full.index(name) for name in small["question_id"]]
    assert positions == sorted(positions)


def test_alpaca_subset_and_wikitext(mirror, tmp_path):
    rows = alpaca.read(locate(alpaca.raw_files(Alpaca("subset2000")), mirror, tmp_path))
    assert len(rows) == 2000
    assert sum(bool(row["input"]) for row in rows) == 455
    articles = wikitext2.read(locate(wikitext2.raw_files(Wikitext2()), mirror, tmp_path))
    assert all(re.match(r" = [^=]+ =", article) for article in articles)
    assert 55 < len(articles) < 65  # the test split holds 62 titles, 60 of them articles


def test_the_localizer_has_240_sentences_and_240_strings_of_non_words(mirror, tmp_path):
    prepared = read(langloc, Langloc(), mirror, tmp_path)
    sentence = prepared.responses["responses"].values[:, 0]
    assert (sentence == 1).sum() == (sentence == 0).sum() == 240
    assert prepared.card["raw_verified"] and prepared.stimuli["stimulus_id"].is_unique
    assert set(prepared.stimuli["text"].str.split().str.len()) == {12}
    words = [set(" ".join(part).split()) for _, part in prepared.stimuli["text"].groupby(sentence)]
    assert "the" in words[1] and "the" not in words[0]
    round_trip(prepared, tmp_path)
