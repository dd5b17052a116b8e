"""Natural Stories on a small world, sentences, covariates and the lag profile."""

import json

import numpy as np
import pandas as pd
import pytest
from brainalign.behavior.reliability import reliability
from brainalign.behavior.settings import SplitHalf
from brainalign.datasets import natural_stories
from brainalign.datasets.reading_times import lag_profile, lean, warn_if_misaligned
from brainalign.datasets.registry import read_source
from brainalign.datasets.settings import NaturalStories
from brainalign.datasets.words import covariates, sentences, unknown_words
from brainalign.errors import InputError
from brainalign.formats.datasets import (
    check_responses,
    check_stimuli,
    read_responses,
    read_stimuli,
    write_dataset,
)
from wordfreq import iter_wordlist, zipf_frequency
from worlds.natural_stories import TEXT, WORDS, records, time_of, write_world


@pytest.fixture
def folder(tmp_path):
    write_world(tmp_path)
    return tmp_path


def read(folder, readers="mean"):
    return natural_stories.read(records(folder, readers), NaturalStories(readers=readers))


def test_means_join_their_words(folder):
    prepared = read(folder)
    check_stimuli(prepared.stimuli, "stimuli")
    check_responses(prepared.responses, prepared.stimuli, "responses")
    assert prepared.stimuli["text"].tolist() == [word for word, _, _ in WORDS]
    expected = [time_of(zone, item) for _, zone, item in WORDS]
    assert prepared.responses["responses"].values[:, 0].tolist() == expected
    assert prepared.responses["target_id"].values.tolist() == ["mean"]
    json.dumps(prepared.card, allow_nan=False)


def test_means_come_with_their_spread_and_number_of_readers(folder, tmp_path):
    prepared = read(folder)
    for name, expected in (
        ("sd", [10.5 * item for _, _, item in WORDS]),
        ("n", [50 + zone for _, zone, _ in WORDS]),
        ("log_mean", [np.log(time_of(zone, item) - 5) for _, zone, item in WORDS]),
        ("log_sd", [np.log(1 + item / 9) for _, _, item in WORDS]),
    ):
        assert prepared.responses[name].dims == ("stimulus", "target")
        assert prepared.responses[name].values[:, 0].tolist() == expected
    paths = tmp_path / "stimuli.parquet", tmp_path / "responses.nc"
    write_dataset(prepared.stimuli, prepared.responses, *paths)
    responses = read_responses(paths[1], read_stimuli(paths[0]))
    result = reliability(responses, None, SplitHalf(), 0)
    assert (result.method, result.note) == ("at least analytic", "")
    mean = prepared.responses["responses"].values[:, 0]
    noise = np.mean([(10.5 * item) ** 2 / (50 + zone) for _, zone, item in WORDS])
    assert result.value == pytest.approx(1 - noise / np.var(mean, ddof=1))
    assert "sd" not in read(folder, "each").responses


@pytest.mark.parametrize("sd, n, says", [
    (-1.0, 5.0, "sd of stimulus 01.0003 is -1.0"),
    (1.0, 0.0, "n of stimulus 01.0003 is 0.0"),
])  # fmt: skip
def test_a_spread_that_cannot_be_is_refused(folder, sd, n, says):
    prepared = read(folder)
    responses = prepared.responses.copy(deep=True).astype(float)
    responses["sd"][2, 0], responses["n"][2, 0] = sd, n
    with pytest.raises(InputError, match=says):
        check_responses(responses, prepared.stimuli, "responses")


def test_a_spread_without_a_number_of_readers_is_refused(folder):
    prepared = read(folder)
    with pytest.raises(InputError, match="variable sd without n"):
        check_responses(prepared.responses.drop_vars("n"), prepared.stimuli, "responses")
    wrong = prepared.responses.assign(n=("stimulus", np.full(len(WORDS), 50)))
    with pytest.raises(InputError, match="dimensions of n"):
        check_responses(wrong, prepared.stimuli, "responses")
    with pytest.raises(InputError, match="variable log_mean without log_sd"):
        check_responses(prepared.responses.drop_vars("log_sd"), prepared.stimuli, "responses")
    wrong = prepared.responses.copy(deep=True)
    wrong["log_mean"][4, 0] = -np.inf
    with pytest.raises(
        InputError, match=r"log_mean of stimulus 01\.0005 is -inf, expected a finite"
    ):
        check_responses(wrong, prepared.stimuli, "responses")


def test_the_card_says_on_which_side_the_profile_leans(folder):
    for end, words in ((1, "previous"), (-1, "next")):
        profile = {"-1": 0.1 - end / 50, "0": 0.3, "1": 0.1 + end / 50, "-2": 0.0, "2": 0.0}
        note = lean(profile)
        assert note.startswith(f"word length goes better with the {words} word's reading time")
        assert "0.120" in note and "0.080" in note
    card = read(folder).card
    assert lean(card["lag_profile"]) in card["notes"]


def test_every_reader_is_a_target_and_unread_is_nan(folder):
    prepared = read(folder, "each")
    check_responses(prepared.responses, prepared.stimuli, "responses")
    values = prepared.responses["responses"].values
    assert prepared.responses["target_id"].values.tolist() == [f"A{r:02d}" for r in range(66)]
    zone = np.array([zone for _, zone, _ in WORDS])
    time = np.array([time_of(zone, item) for _, zone, item in WORDS])
    np.testing.assert_array_equal(values[:, 7], time + 7 - (49 + zone) / 2)
    np.testing.assert_array_equal(np.isnan(values[:, 60]), zone <= 10)  # 50 + zone readers a word
    assert read(folder).card["lag_profile"] == prepared.card["lag_profile"]


def test_per_reader_times_of_another_release_are_refused(folder):
    """The times of the old release stand one word later: as many rows, other means."""
    table = pd.read_csv(folder / RTS, sep="\t", quoting=3)
    table["RT"] = table.groupby(["WorkerId", "item"])["RT"].shift(1, fill_value=250.0)
    table.to_csv(folder / RTS, sep="\t", quoting=3, index=False)
    with pytest.raises(InputError, match=r"word 01\.0001 has 51 readers .* of another release"):
        read(folder, "each")


def test_sentences_end_at_their_marks_except_in_speech_and_after_mr():
    words = TEXT.split()
    sentence, position = sentences(words)
    by_sentence = [
        " ".join(w for w, s in zip(words, sentence, strict=True) if s == n)
        for n in range(1, sentence.max() + 1)
    ]
    assert by_sentence == [
        'The "old" king spoke, and nobody listened!', "'Come here!' he said.", "Mr. Fox ran.",
        "Who came?",
    ]  # fmt: skip
    assert position.tolist() == [1, 2, 3, 4, 5, 6, 7, 1, 2, 3, 4, 1, 2, 3, 1, 2]


def test_covariates_of_words():
    table = covariates(["the", "bradfordian", "the,", "zzqxv"])
    assert table["length"].tolist() == [3, 11, 4, 5]
    assert table["punctuation"].tolist() == [False, False, True, False]
    assert table["log_frequency"][0] == table["log_frequency"][2] == pytest.approx(7.73, abs=0.05)
    assert table["frequency_known"].tolist() == [True, False, True, False]
    *_, rarest = iter_wordlist("en")
    assert table["log_frequency"][3] == pytest.approx(zipf_frequency(rarest, "en"), abs=0.01)
    assert unknown_words(table.assign(text="the")[:1]) == []
    (note,) = unknown_words(table.assign(text=["the", "bradfordian", "the,", "zzqxv"]))
    assert note.startswith("2 words outside wordfreq's list (first 'bradfordian')")


def test_a_lag_profile_by_hand_stays_inside_the_stories():
    """Brute force over pairs of words."""
    rng = np.random.default_rng(0)
    length, times = rng.integers(1, 12, 40).astype(float), rng.normal(300, 30, 40)
    story = np.repeat([1, 2, 3], [15, 5, 20])
    times[7] = np.nan
    profile = lag_profile(length, times, story)
    for lag in (-2, -1, 0, 1, 2):
        pairs = [
            (length[i], times[i - lag])
            for i in range(40)
            if 0 <= i - lag < 40 and story[i] == story[i - lag] and not np.isnan(times[i - lag])
        ]
        assert profile[str(lag)] == pytest.approx(np.corrcoef(np.array(pairs).T)[0, 1])


@pytest.mark.parametrize(("shift", "peak"), [(-1, "1"), (0, "0"), (1, "-1"), (2, "-2")])
def test_the_lag_profile_peaks_where_the_times_were_moved(shift, peak):
    rng = np.random.default_rng(1)
    length = rng.integers(1, 12, 500)
    times = 300 + 10 * np.roll(length, shift) + rng.normal(0, 20, 500)
    profile = lag_profile(length, times, np.ones(500))
    assert max(profile, key=profile.get) == peak
    assert bool(warn_if_misaligned(profile, "this file")) == (shift != 0)


def test_a_corrected_release_that_is_shifted_gets_a_warning(folder, monkeypatch):
    warned = []
    monkeypatch.setattr("brainalign.datasets.reading_times.LOG.warning", warned.append)
    rng = np.random.default_rng(2)
    lines = ["word\tzone\titem"]
    info = ["word\tzone\titem\tmeanItemRT\tsdItemRT\tnItem\tgmeanItemRT\tgsdItemRT"]
    lengths = rng.integers(1, 12, 300)
    for zone in range(1, 300):
        lines.append(f"{'x' * lengths[zone]}\t{zone}\t1")
        time = 300 + 10 * lengths[zone - 1]
        info.append(f"{'x' * lengths[zone]}\t{zone}\t1\t{time}\t9\t50\t{time}\t1.1")
    (folder / "all_stories.tok").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "processed_wordinfo.tsv").write_text("\n".join(info) + "\n", encoding="utf-8")
    card = read(folder).card
    assert "the reading times are shifted" in card["notes"][-1]
    assert "1 word(s) later" in card["notes"][-1]
    assert warned == [card["notes"][-1]]


def replaced(name, old, new, count=1):
    def apply(folder):
        text = (folder / name).read_text(encoding="utf-8")
        assert old in text
        (folder / name).write_text(text.replace(old, new, count), encoding="utf-8")

    return apply


def in_seconds(folder, name, column):
    """Times divided by 1000."""
    head, *rows = (folder / name).read_text(encoding="utf-8").splitlines()
    cells = [row.split("\t") for row in rows]
    for row in cells:
        row[column] = str(float(row[column]) / 1000)
    lines = [head, *("\t".join(row) for row in cells)]
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


TOK, INFO, RTS = "all_stories.tok", "processed_wordinfo.tsv", "processed_RTs.tsv"
BAD = {
    "no column": ("mean", replaced(TOK, "zone", "place"), "column zone is missing; it has word"),
    "no times": ("mean", replaced(INFO, "meanItemRT", "mean"), "column meanItemRT is missing"),
    "no spread": ("mean", replaced(INFO, "sdItemRT", "sd"), "column sdItemRT is missing"),
    "odd spread": ("mean", replaced(INFO, "313.0\t10.5", "313.0\t-2"), "sdItemRT '-2', expected"),
    "odd number": ("mean", replaced(INFO, "53\t313.0", "x\t313.0"), "nItem 'x', expected"),
    "out of order": ("mean", replaced(TOK, "king\t3", "king\t9"), "word 4 is out of order"),
    "twice": ("mean", replaced(TOK, "king\t3", "king\t2"), "word 2 is out of order"),
    "story back": ("mean", replaced(TOK, "The\t1\t2", "The\t1\t0"), "story 0, word 1 is out of"),
    "no number": ("mean", replaced(TOK, "king\t3", "king\tthird"), "zone holds other than whole"),
    "empty word": ("mean", replaced(TOK, "king\t3", "\t3"), "the word is empty"),
    "other word": ("mean", replaced(INFO, "king\t3\t1", "kong\t3\t1"), "'kong', expected 'king'"),
    "time twice": ("mean", replaced(INFO, "king\t3\t1", "king\t2\t1"), "item 1, zone 2 appears tw"),
    "untimed": ("mean", replaced(INFO, "king\t3\t1", "king\t99\t1"), "32 timed words, 31 of them"),
    "no time": ("mean", replaced(INFO, "53\t313.0", "53\tNA"), "meanItemRT 'NA', expected milli"),
    "negative": ("mean", replaced(INFO, "53\t313.0", "53\t-1"), "expected milliseconds"),
    "empty table": (
        "mean",
        lambda f: (f / INFO).write_text("", encoding="utf-8"),
        "cut short: its last line has no end",
    ),
    "reader twice": (
        "each",
        replaced(RTS, "A01\tThe", "A00\tThe"),
        "WorkerId A00, .* appears twice",
    ),
    "strange word": ("each", replaced(RTS, "king\t3\t1", "king\t99\t1"), "story 1 has no word 99"),
    "no RT": ("each", replaced(RTS, "313.0", "slow"), "RT 'slow', expected milliseconds"),
    "negative RT": ("each", replaced(RTS, "313.0", "-5"), "RT '-5', expected milliseconds"),
    "infinite RT": ("each", replaced(RTS, "313.0", "inf"), "has 51 readers with mean inf"),
    "fewer readers": (
        "each",
        replaced(RTS, "A52\tking\t3\t1\t339.0\n", ""),
        r"01\.0003 has 52 readers with mean .* expected 53 with 313\.00",
    ),
    "seconds": (
        "mean",
        lambda f: in_seconds(f, INFO, 4),
        "the median reading time is 0.3.* ms; these",
    ),
    "seconds each": (
        "each",
        lambda f: in_seconds(f, RTS, 4),
        "the median reading time is 0.3.* ms",
    ),
    "no reader": ("each", replaced(RTS, "WorkerId", "Worker"), "column WorkerId is missing"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_row_is_named(case, folder):
    readers, damage, says = BAD[case]
    damage(folder)
    with pytest.raises(InputError, match=says):
        read(folder, readers)


def test_an_unknown_choice_of_readers_names_the_known_ones():
    with pytest.raises(InputError, match="readers: 'all' is not allowed; allowed: each, mean"):
        read_source({"type": "natural-stories", "readers": "all"}, "dataset")
