"""Alice on a small world: a TextGrid and courses of three subjects, written line by line."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from brainalign.datasets import alice
from brainalign.datasets.printed import printed
from brainalign.datasets.registry import read_source
from brainalign.datasets.settings import Alice
from brainalign.errors import InputError
from brainalign.formats.datasets import check_responses, check_stimuli
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds.alice import LABELS, NAME, records, textgrid, write_world


@pytest.fixture
def folder(tmp_path):
    write_world(tmp_path)
    return tmp_path


def read(folder):
    return alice.read(records(folder), Alice())


def test_words_pauses_and_times(folder):
    stimuli = read(folder).stimuli
    check_stimuli(stimuli, "stimuli")
    assert stimuli["text"].tolist() == ["Alice", "was", "very", 'so "called"', "tired"]
    assert stimuli["onset"].tolist() == [0.0, 0.5, 2.5, 3.0, 3.5]
    assert stimuli["offset"].tolist() == [0.5, 1.0, 3.0, 3.5, 4.0]
    assert stimuli["phrase_id"].tolist() == [1, 1, 2, 2, 2]
    assert stimuli["word_in_phrase"].tolist() == [1, 2, 1, 2, 3]
    assert stimuli[["length", "log_frequency", "punctuation"]].notna().all().all()
    # "Alice was" begins the chapter; "very" and "tired" follow there; so "called" is not in print.
    assert stimuli["sentence_id"].tolist() == [1] * 5
    assert stimuli["word_in_sentence"].tolist() == [1, 2, 3, 4, 5]


def test_text_is_printed_and_its_parts_are_one_row_from_first_onset_to_last_offset():
    labels = ["sp", "making", "a", "daisy", "chain", "sp", "why", "I", "would", "n't", "sp", "say"]
    stimuli, counts, changed = alice._words(textgrid(labels), "grid")
    assert stimuli["text"].tolist() == [
        "making",
        "a",
        "daisy-chain",
        "Why,",
        "I",
        "wouldn't",
        "say",
    ]
    assert stimuli["onset"].tolist() == [0.0, 0.5, 1.0, 2.5, 3.0, 3.5, 5.0]
    assert stimuli["offset"].tolist() == [0.5, 1.0, 2.0, 3.0, 3.5, 4.5, 5.5]
    assert stimuli["length"].tolist() == [6, 1, 11, 4, 1, 8, 3]
    assert stimuli["punctuation"].tolist() == [False] * 3 + [True] + [False] * 3
    assert stimuli["phrase_id"].tolist() == [1, 1, 1, 2, 2, 2, 3]
    assert stimuli["word_in_phrase"].tolist() == [1, 2, 3, 1, 2, 3, 1]
    assert counts == {"pauses": 3, "unlabelled": 0, "spoken": 9}
    assert "9 spoken words are 7 printed ones; 1 clitics and 1 other parts" in changed[0]
    assert changed[1].startswith("0 were said")


def test_courses_nuisance_and_the_silent_subject(folder):
    prepared = read(folder)
    responses = prepared.responses
    check_responses(responses, prepared.stimuli, "responses")
    assert responses["target_id"].values.tolist()[:6] == [f"s18.{r}" for r in alice.REGIONS]
    course = np.loadtxt(folder / "10mm/s22-timecourses.txt")
    np.testing.assert_array_equal(responses["responses"].values[:, 6:], course)
    movement = np.loadtxt(folder / "s22-rp_run05.e02.txt")
    nuisance = responses["nuisance"].sel(subject_id="s22")
    np.testing.assert_array_equal(nuisance.values[:, 2:], movement[10:])
    np.testing.assert_array_equal(
        nuisance.sel(regressor="sound_power"), np.loadtxt(folder / "s22-sndpwr.txt")
    )
    dropped = {entry["what"]: entry for entry in prepared.card["dropped"]}
    assert dropped["subject"]["why"] == "only zeros: s33"
    assert dropped["pauses"]["n"] == 4
    assert dropped["unlabelled intervals"]["n"] == 1
    json.dumps(prepared.card, allow_nan=False)


def spoken(text):
    words = printed(text.split(), PRINT)
    by_sentence = words.groupby("sentence_id")["text"].agg(" ".join)
    return by_sentence.to_dict(), words["word_in_sentence"].tolist(), int(words["otherwise"].sum())


PRINT = """'Why, I wouldn't fall off a rabbit-hole!' she said. (It was true.) Down it went--very
far--and 'stop!' cried she. Who's there?"""
TOKENS = PRINT.replace("--", "-- ").split()


def test_what_is_said_word_by_word_is_read_as_it_is_printed():
    said = "why I would n't fall off a rabbit hole she said It was true Down it went very far and "
    sentences, positions, otherwise = spoken(said + "stop cried she who 's there")
    assert sentences == {
        1: "'Why, I wouldn't fall off a rabbit-hole!' she said.", 2: "(It was true.)",
        3: "Down it went-- very far-- and 'stop!' cried she.", 4: "Who's there?",
    }  # fmt: skip
    assert positions == [*range(1, 10), *range(1, 4), *range(1, 10), *range(1, 3)]
    assert otherwise == 0


def test_words_that_are_said_otherwise():
    sentences, _, otherwise = spoken("why I would not fall it was very true up it went so whos")
    assert sentences == {
        # would not: printed as one word. Not in print, as said: very, up, so. whos: as printed.
        1: "'Why, I wouldn't fall", 2: "(It was very true.) up", 3: "it went-- so", 4: "Who's",
    }  # fmt: skip
    assert otherwise == 4  # would not, very, up, so
    assert spoken("so nobody said")[0] == {1: "so nobody said."}
    assert spoken("I wood n't fall of a")[0] == {1: "I wouldn't fall off a"}
    two_in_print = printed(["and", "its", "true"], "And it is true, 'was' it not?")
    assert two_in_print["text"].tolist() == ["And", "it is", "true,"]
    assert two_in_print["first"].tolist() == two_in_print["last"].tolist() == [0, 1, 2]


def test_every_part_of_the_print_has_the_prints_words_and_sentences():
    said = [re.sub(r"[^\w'-]", "", token).strip("'-").split("-") for token in TOKENS]
    words = [part for parts in said for part in parts]
    full = printed(words, PRINT)
    assert full["text"].tolist() == TOKENS
    assert full["sentence_id"].max() == 4
    assert not full["otherwise"].any()
    columns = ["text", "sentence_id", "otherwise"]
    for cut in range(1, len(TOKENS)):
        first = full["first"][cut]
        pd.testing.assert_frame_equal(printed(words[:first], PRINT)[columns], full[columns][:cut])
        last = printed(words[first:], PRINT)
        pd.testing.assert_frame_equal(last[columns], full[columns][cut:].reset_index(drop=True))


@given(st.lists(st.sampled_from([*"abc", "a'b", "'s", "why", "Who's", "rabbit", "hole", "went"])))
@settings(max_examples=50, deadline=None)
def test_every_spoken_word_is_in_one_row_and_no_printed_word_in_two(words):
    if not words:
        return
    rows = printed(words, PRINT)
    held = [i for row in rows.itertuples() for i in range(row.first, row.last + 1)]
    assert held == list(range(len(words)))
    assert rows["sentence_id"].is_monotonic_increasing
    in_print = [word for text in rows["text"] for word in text.split() if word in TOKENS]
    for word in set(in_print) - set(words):
        assert in_print.count(word) <= TOKENS.count(word)


def overwrite(name, text):
    return lambda folder: (folder / name).write_text(text, encoding="utf-8")


def edited(name, edit):
    def apply(folder):
        values = edit(np.loadtxt(folder / name))
        np.savetxt(folder / name, values)

    return apply


def another_movement(folder):
    (folder / "s18-rp_other.txt").write_text(
        (folder / "s18-rp_run05.e02.txt").read_text(encoding="utf-8"), encoding="utf-8"
    )


BAD = {
    "fewer volumes": (
        edited("10mm/s18-timecourses.txt", lambda v: v[:-1]), r"\(361, 6\), expected \(362, 6\)"
    ),
    "fewer regions": (
        edited("10mm/s18-timecourses.txt", lambda v: v[:, :-1]), r"\(362, 5\), expected \(362, 6\)"
    ),
    "not a number": (
        edited("10mm/s18-timecourses.txt", lambda v: np.where(v > v.max() - 1e-9, np.nan, v)),
        r"s18-timecourses\.txt: row \d+: not finite",
    ),
    "text": (overwrite("s22-rate.txt", "word rate\n"), r"s22-rate\.txt: not a table of numbers"),
    "ragged": (overwrite("s22-rate.txt", "1\n2 3\n"), r"s22-rate\.txt: not a table of numbers"),
    "short movement": (
        edited("s22-rp_run05.e02.txt", lambda v: v[10:]), r"\(362, 6\), expected \(372, 6\)"
    ),
    "no movement": (lambda f: (f / "s22-rp_run05.e02.txt").unlink(), "0 movement files"),
    "two movements": (another_movement, "2 movement files, expected 1"),
    "no TextGrid": (overwrite(NAME, "words\n"), "0 whole intervals, expected a TextGrid"),
    "fewer intervals": (
        overwrite(NAME, textgrid(LABELS, declared=12)), "10 whole intervals, expected 12"
    ),
    "words out of order": (overwrite(NAME, textgrid(LABELS, step=-0.5)), "is out of order"),
    "no time": (
        overwrite(NAME, textgrid(LABELS).replace("xmax = 20.5", "xmax = 2o.5", 1)),
        "a time is no number",
    ),
    "nan": (
        overwrite(NAME, textgrid(LABELS).replace("xmax = 20.5", "xmax = nan", 1)), "out of order"
    ),
    "no words": (overwrite(NAME, textgrid(["sp", "", "sp"])), "no words, only pauses"),
    "infinite": (
        overwrite(NAME, textgrid(LABELS).replace("xmax = 24.5", "xmax = inf")), "out of order"
    ),
    "nobody": (
        lambda f: [p.unlink() for p in f.glob("10mm/s[12]*")], "no subject has time courses"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_named(case, folder):
    damage, says = BAD[case]
    damage(folder)
    with pytest.raises(InputError, match=says):
        read(folder)


@given(st.lists(st.sampled_from(["sp", "", "word", "a", "it's"]), min_size=1, max_size=40))
@settings(max_examples=50, deadline=None)
def test_phrases_are_the_runs_of_words_between_pauses(labels):
    words, counts, _ = alice._words(textgrid(["sp", *labels, "end"]), "grid")
    assert sum(counts.values()) == len(labels) + 2
    runs = " ".join(label or "_" for label in [*labels, "end"]).split("sp")
    lengths = [n for n in (len(run.replace("_", "").split()) for run in runs) if n]
    assert words.groupby("phrase_id").size().tolist() == lengths
    assert (words.groupby("phrase_id")["word_in_phrase"].max().tolist()) == lengths


def test_an_unknown_radius_names_the_known_ones():
    with pytest.raises(InputError, match="radius: '8mm' is not allowed; allowed: 10mm, 6mm"):
        read_source({"type": "alice", "radius": "8mm"}, "dataset")
