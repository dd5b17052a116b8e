"""Published surprisal and the readers' data beside it, on small files of their structure."""

import gzip
import json

import numpy as np
import pandas as pd
import pytest
from brainalign.behavior.measures import of_measure
from brainalign.datasets import (
    kuribayashi2024,
    michaelov2024,
    natural_stories,
    natural_stories_maze,
    reading_brain,
    surprisal_table,
)
from brainalign.datasets.measures import MEASURES
from brainalign.datasets.names import reported_as
from brainalign.datasets.registry import read_source, reader
from brainalign.datasets.settings import NaturalStoriesMaze, Own, ReadingBrain
from brainalign.datasets.surprisal_settings import (
    Columns,
    Kuribayashi2024,
    Michaelov2024,
    SurprisalTable,
)
from brainalign.errors import InputError
from brainalign.formats.datasets import check_responses, check_stimuli
from dataset_files import (
    SENTENCES,
    STORY_NAMES,
    record,
    write_fixations,
    write_maze,
    write_story_surprisal,
    write_ten_stories,
    write_two_readers,
)

LN2 = float(np.log(2))


@pytest.fixture
def stimuli(tmp_path):
    return natural_stories.story_words(write_ten_stories(tmp_path))[1]


def nats(story, sentence, word):
    return story + sentence / 10 + word / 100


def kuribayashi(tmp_path, words=SENTENCES, change=None):
    tokens = {str(story): words for story in (1, 10, 2, 3, 4, 5, 6, 7, 8, 9)}
    values = {
        story: [[nats(int(story), i, j) for j in range(len(s))] for i, s in enumerate(words)]
        for story in tokens
    }
    if change:
        change(values)
    paths = []
    for name, content in (("tokens.json", tokens), ("gpt2/surprisal.json", values)):
        path = tmp_path / f"{name.replace('/', '_')}.gz"
        path.write_bytes(gzip.compress(json.dumps(content).encode()))
        paths.append(record(path, f"{kuribayashi2024.FOLDER}/{name}"))
    return paths


def test_sentence_surprisal_is_joined_in_the_order_of_story_numbers(stimuli, tmp_path):
    result = kuribayashi2024.read(kuribayashi(tmp_path), Kuribayashi2024(model="gpt2"), stimuli)
    expected = [
        np.nan if word == 0 else nats(story, sentence, word) / LN2
        for story in range(1, 11)
        for sentence, words in enumerate(SENTENCES)
        for word in range(len(words))
    ]
    np.testing.assert_allclose(result.bits, expected, rtol=1e-12)
    summary = result.summary()
    assert (summary["words"], summary["undefined"]) == (70, 20)
    assert summary["context"] == "sentence"
    table = result.table(stimuli)
    assert table["word"].tolist() == stimuli["text"].tolist()


def other_word(values):
    values["3"][1] = values["3"][1][:-1]


def negative(values):
    values["4"][1][2] = -0.5


def infinite(values):
    values["10"][0][1] = float("inf")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (other_word, "story 3 has other sentences"),
        (negative, r"story04, position 6, word '\"quick\"': surprisal -0.5"),
        (infinite, "story10, position 2, word 'fox': surprisal inf"),
        (lambda values: values.pop("7"), "story 7 has other sentences"),
        (lambda values: values.update({"11": [[1.0]]}), "story 11 has other sentences"),
        (lambda values: values["2"][0].__setitem__(1, "much"), "a surprisal is no number"),
        (lambda values: values.update({"2": 5}), "not the release's JSON"),
    ],
)
def test_values_that_are_no_surprisal_are_refused(change, message, stimuli, tmp_path):
    with pytest.raises(InputError, match=message):
        kuribayashi2024.read(
            kuribayashi(tmp_path, change=change), Kuribayashi2024(model="gpt2"), stimuli
        )


def test_another_text_is_refused_with_both_words(stimuli, tmp_path):
    other = [["One", "fox", "sat."], SENTENCES[1]]
    with pytest.raises(InputError, match=r"story01, position 3 is 'sat\.', expected 'ran\.'"):
        kuribayashi2024.read(kuribayashi(tmp_path, other), Kuribayashi2024(model="gpt2"), stimuli)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"model": "gpt3"}, "has no model 'gpt3'; it has .*gpt2-large"),
        ({"model": "gpt2", "presentation": "prefix"}, "in presentation raw, not in prefix"),
        ({"model": "gpt2", "presentation": "chat"}, "gpt2 in presentation raw, not in chat"),
        (
            {"model": "text-davinci-003", "presentation": "chat"},
            "in presentation raw, instruction, not in chat",
        ),
    ],
)
def test_what_a_release_has_not_is_named(source, message):
    with pytest.raises(InputError, match=message):
        kuribayashi2024.raw_files(Kuribayashi2024(**source))


def test_a_release_of_one_presentation_has_no_other():
    source = Michaelov2024("pythia-160m", "chat")
    with pytest.raises(InputError, match="pythia-160m in presentation raw, not in chat"):
        michaelov2024.raw_files(source)


def test_the_releases_hold_26_and_14_models_and_five_chat_prompts():
    assert len(kuribayashi2024.models()) == 26
    assert len(michaelov2024.models()) == 14
    chat = []
    for model in kuribayashi2024.models():
        try:
            kuribayashi2024.raw_files(Kuribayashi2024(model=model, presentation="chat"))
            chat.append(model)
        except InputError:
            continue
    assert chat == ["Llama-2-13b-chat-hf", "Llama-2-70b-chat-hf", "Llama-2-7b-chat-hf"]


def test_story_surprisal_leaves_the_first_word_of_a_story_undefined(stimuli, tmp_path):
    actual = michaelov2024.read(
        [write_story_surprisal(tmp_path)], Michaelov2024(model="pythia-160m"), stimuli
    )
    first = stimuli["position"] == 1
    assert np.isnan(actual.bits[first]).all() and np.isnan(actual.n_tokens[first]).all()
    expected = [
        (int(group[5:]) + zone / 100) / LN2
        for group, zone in zip(stimuli["context_group"], stimuli["position"], strict=True)
        if zone > 1
    ]
    np.testing.assert_allclose(actual.bits[~first], expected, rtol=1e-12)
    assert actual.n_tokens[1] == 2


def story_rows(value):
    """All rows of a table, the surprisal of one of them `value`."""
    return [
        (name, 0, position, value if (name, position) == ("Aqua", 3) else 4.0, 1)
        for name in STORY_NAMES
        for position in range(2, 8)
    ]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("Boar", 0, 2, 1.0, 1)], "story Boar has 1 words, expected 6"),
        ([("Bear", 0, 2, 1.0, 1)], "docid 'Bear' is no story"),
        (
            [("Boar", 0, position, 1.0, 1) for position in range(2, 8)],
            "9 of 10 stories are missing",
        ),
        ([("Boar", 0, 2, "?", 1)], r"line 2: Surprisal '\?', expected a number"),
        (story_rows(-0.5), r"story02, position 3, word 'ran\.': surprisal -0.5, expected a number"),
        (story_rows("inf"), r"story02, position 3, word 'ran\.': surprisal inf, expected a number"),
    ],
)
def test_a_damaged_release_is_refused(rows, message, stimuli, tmp_path):
    with pytest.raises(InputError, match=message):
        michaelov2024.read(
            [write_story_surprisal(tmp_path, rows)], Michaelov2024(model="pythia-160m"), stimuli
        )


def test_maze_times_are_joined_by_the_authors_sentences(stimuli, tmp_path):
    prepared = natural_stories_maze.read(write_maze(tmp_path), NaturalStoriesMaze())
    check_stimuli(prepared.stimuli, "stimuli")
    check_responses(prepared.responses, prepared.stimuli, "responses")
    assert prepared.responses["subject"].values.tolist() == ["s1", "s2"]
    measured = {
        (prepared.stimuli["stimulus_id"][row], str(prepared.responses["subject"].values[column])): v
        for (row, column), v in np.ndenumerate(prepared.responses["responses"].values)
        if not np.isnan(v)
    }
    assert measured == {
        ("01.0002", "s2"): 700, ("01.0003", "s1"): 800, ("02.0006", "s2"): 650,
        ("01.0004", "s2"): 900,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((0, 3, 5.5, "s2", "Boar", 0, 2), "line 3: reader s2, story Boar.*milliseconds above 0"),
        ((-5, 3, 5.5, "s2", "Boar", 0, 2), "milliseconds above 0"),
        ((700, 4, 5.5, "s1", "Boar", 0, 3), "appears twice for this reader"),
        ((700, 9, 5.5, "s2", "Boar", 0, 2), "another length than the word"),
        ((700, 3, 5.5, "s2", "Boar", 7, 2), "is no word of the stories"),
    ],
)
def test_maze_times_that_cannot_be_are_refused(row, message, stimuli, tmp_path):
    rows = [(800, 4, 5.5, "s1", "Boar", 0, 3), row]
    with pytest.raises(InputError, match=message):
        natural_stories_maze.read(write_maze(tmp_path, rows), NaturalStoriesMaze())


def test_maze_times_in_seconds_are_refused(stimuli, tmp_path):
    rows = [(0.8, 4, 5.5, "s1", "Boar", 0, 3), (0.7, 3, 5.5, "s2", "Boar", 0, 2)]
    with pytest.raises(InputError, match=r"median reading time is 0\.75 ms; these are seconds"):
        natural_stories_maze.read(write_maze(tmp_path, rows), NaturalStoriesMaze())


def surprisal_file(tmp_path, stimuli, **more):
    table = pd.DataFrame({"word": stimuli["text"], "surprisal": np.arange(len(stimuli)) / 2.0})
    for name, value in more.items():
        table[name] = value
    path = tmp_path / "mine.csv"
    table.to_csv(path, index=False)
    return path


def read_file(path, stimuli, unit="bits", **source):
    return surprisal_table.read(
        [record(path, str(path))], SurprisalTable(str(path), "mine", unit, **source), stimuli
    )


def test_a_users_table_in_bits_and_nats(stimuli, tmp_path):
    path = surprisal_file(tmp_path, stimuli)
    in_bits = read_file(path, stimuli)
    in_nats = read_file(path, stimuli, unit="nats")
    np.testing.assert_allclose(in_bits.bits, np.arange(70) / 2)
    np.testing.assert_allclose(in_nats.bits, np.arange(70) / 2 / LN2, rtol=1e-12)


def test_other_columns_tabs_and_empty_cells(stimuli, tmp_path):
    table = pd.DataFrame({"w": stimuli["text"], "s": ["", *["7.5"] * 69]})
    path = tmp_path / "mine.tsv"
    path.write_text("w\ts\n" + "\n".join("\t".join(row) for row in table.to_numpy()) + "\n")
    seen = read_file(path, stimuli, columns=Columns("w", "s"))
    assert np.isnan(seen.bits[0]) and (seen.bits[1:] == 7.5).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.rename(columns={"word": "token"}), "column word is missing; it has token"),
        (lambda t: t.iloc[:-1], "69 words, expected 70"),
        (lambda t: t.iloc[:-7], "63 words, expected 70"),  # the last story is missing
        (lambda t: t.iloc[7:], "63 words, expected 70"),
        (
            lambda t: t.assign(word=t["word"].str.rstrip(".")),  # marks are separate tokens
            r"story01, position 3 is 'ran', expected 'ran\.': .* another tokenisation",
        ),
        (lambda t: t.assign(surprisal=float("inf")), "surprisal inf, expected a number from 0 up"),
        (lambda t: t.iloc[::-1], r"story01, position 1 is 'too\.', expected 'One'"),
        (lambda t: t.assign(surprisal="high"), "line 2: surprisal 'high', expected a number"),
        (lambda t: t.assign(surprisal=-1.0), "surprisal -1, expected a number from 0 up"),
        (lambda t: t.assign(surprisal=""), "no word has a surprisal"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(change, message, stimuli, tmp_path):
    path = surprisal_file(tmp_path, stimuli)
    change(pd.read_csv(path)).to_csv(path, index=False)
    with pytest.raises(InputError, match=message):
        read_file(path, stimuli)


def test_nats_called_bits_are_warned_about_with_the_number(stimuli, tmp_path, caplog):
    path = surprisal_file(tmp_path, stimuli, surprisal=3.6)
    read_file(path, stimuli)
    assert "3.60 bits per word on average" in caplog.text


def test_sources_find_their_readers_and_datasets():
    release = read_source(
        {"type": "surprisal", "release": "michaelov2024", "model": "pythia-160m"}, "surprisal"
    )
    table = read_source(
        {"type": "surprisal", "path": "a.csv", "dataset": "mine", "unit": "bits"}, "surprisal"
    )
    assert reader(release) is michaelov2024
    assert reader(table) is surprisal_table
    assert release.is_of("x", NaturalStoriesMaze())
    assert not release.is_of("x", ReadingBrain())
    assert table.is_of("mine", Own("a.csv", "a.nc"))
    assert not table.is_of("other", Own("a.csv", "a.nc"))


def test_eye_movements_become_measures_by_reader(tmp_path):
    prepared = reading_brain.read(write_two_readers(tmp_path), ReadingBrain())
    check_stimuli(prepared.stimuli, "stimuli")
    check_responses(prepared.responses, prepared.stimuli, "responses")
    assert prepared.stimuli["text"].tolist() == ["A", "cat", "n/a", "B."]
    assert prepared.stimuli["position"].tolist() == [1, 2, 3, 4]
    assert prepared.stimuli["word_in_sentence"].tolist() == [1, 2, 3, 1]
    nan = float("nan")
    expected = {
        "total": [[200, 120, 100, 150], [nan, 300, nan, nan]],
        "gaze": [[200, nan, 100, 150], [nan, 300, nan, nan]],
        # The second reader has no fixation on the second sentence: it is not known to be skipped.
        "skipping": [[0, 1, 0, 0], [1, 0, 1, nan]],
        "regression-out": [[0, nan, 1, 0], [nan, 0, nan, nan]],
    }
    for measure, values in expected.items():
        shown = of_measure(prepared.responses, measure)
        np.testing.assert_equal(shown["responses"].values.T, values, err_msg=measure)
        assert shown.attrs["units"] == ("ms" if measure in ("total", "gaze") else "share")
    assert prepared.card["dropped"][0]["n"] == 1


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("t.01.01", 2, "cat", 0, 10), "line 3: ms '0', expected milliseconds above 0"),
        (("t.01.01", "x", "cat", 90, 10), "line 3: word 'x', expected a number"),
        (("t.01.01", 2, "dog", 90, 10), "sentence t.01.01, word 2 is 'dog' for one reader"),
        (("t.01.02", 3, "end.", 90, 10), "no reader fixated the word before word 3"),
        (("t.01.01", 2, "cat", -90, 10), "line 3: ms '-90', expected milliseconds above 0"),
    ],
)
def test_eye_movements_that_cannot_be_are_refused(row, message, tmp_path):
    tables = [write_fixations(tmp_path), write_fixations(tmp_path, "sub-02", [row])]
    with pytest.raises(InputError, match=message):
        reading_brain.read(tables, ReadingBrain())


def test_fixations_that_begin_at_one_time_are_refused(tmp_path):
    rows = [("t.01.01", 1, "A", 200, 0), ("t.01.01", 1, "A", 200, 0)]
    with pytest.raises(
        InputError, match=r"line 4: sentence t\.01\.01 has two fixations .* at 0 ms"
    ):
        reading_brain.read([write_fixations(tmp_path, rows=rows)], ReadingBrain())


def test_fixations_in_seconds_are_refused(tmp_path):
    rows = [("t.01.01", 1, "A", 0.2, 0), ("t.01.01", 2, "cat", 0.1, 300)]
    with pytest.raises(InputError, match=r"median reading time is .* ms; these are seconds"):
        reading_brain.read([write_fixations(tmp_path, rows=rows)], ReadingBrain())


def test_a_measure_must_be_named_and_be_there(tmp_path):
    responses = reading_brain.read([write_fixations(tmp_path)], ReadingBrain()).responses
    with pytest.raises(InputError, match="the benchmark must name one"):
        of_measure(responses, None)
    with pytest.raises(InputError, match="no measure 'pupil'; they hold first-fixation"):
        of_measure(responses, "pupil")
    assert set(responses["region"].values.tolist()) == set(MEASURES)


def test_tables_call_a_measure_of_a_dataset_by_both_names():
    assert reported_as({"dataset": "rb", "measure": "gaze"}) == "rb gaze"
    assert reported_as({"dataset": "rb", "measure": "gaze", "report_as": "eyes"}) == "eyes"
    assert reported_as({"dataset": "rb"}) == "rb"
