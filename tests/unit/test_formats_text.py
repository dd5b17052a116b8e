"""Text files: any encoding is read right or refused in words; lines end at line feeds."""

import json
import re
import string

import pytest
from brainalign.errors import InputError
from brainalign.formats.text import decode, lines, read_text
from brainalign.training.samples import read_samples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

ANY = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
# Any character of a text but NUL and those that end lines in files.
LINE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\n\ufeff"))
LATIN = st.text(string.ascii_letters + " ,.\n", min_size=1)


@ANY
@given(
    text=st.lists(LINE.filter(bool), min_size=1),
    end=st.sampled_from(["\n", "\r\n"]),
    mark=st.booleans(),
    last=st.booleans(),
)
def test_lines_are_those_of_the_file(text, end, mark, last, tmp_path):
    content = end.join(text) + (end if last else "")
    (tmp_path / "a.txt").write_bytes((b"\xef\xbb\xbf" if mark else b"") + content.encode())
    assert lines(read_text(tmp_path / "a.txt")) == text


def test_line_ends_of_old_macs_and_carriage_returns_inside_lines(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"one\rtwo\r")
    assert lines(read_text(tmp_path / "a.txt")) == ["one", "two"]
    (tmp_path / "a.txt").write_bytes(b"one\rtwo\nthree")
    assert lines(read_text(tmp_path / "a.txt")) == ["one\rtwo", "three"]
    (tmp_path / "a.txt").write_bytes(b"")
    assert lines(read_text(tmp_path / "a.txt")) == []


@given(text=LATIN, encoding=st.sampled_from(["utf-16", "utf-32", "utf-16-le", "utf-16-be"]))
def test_other_unicode_encodings_are_named(text, encoding):
    with pytest.raises(InputError, match=r"^f: .*UTF-(16|32).*save it as UTF-8") as error:
        decode(text.encode(encoding), "f")
    assert "\n" not in str(error.value)


@given(
    before=LATIN,
    word=st.sampled_from(["Jörg", "naïve", "Zoë", "müde"]),
    after=LATIN,
    mark=st.booleans(),
)
def test_latin_1_is_named_with_its_line_and_word(before, word, after, mark):
    content = f"{before}{word}{after}".encode("latin-1")
    line = f"{before}{word}"[: len(before)].count("\n") + 1
    with pytest.raises(InputError, match=rf"^f: line {line}: byte 0x.. is not UTF-8") as error:
        decode((b"\xef\xbb\xbf" if mark else b"") + content, "f")
    assert word in str(error.value) and "\n" not in str(error.value)


SAID = st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip)


@ANY
@given(
    chats=st.lists(st.tuples(SAID, SAID), min_size=1),
    end=st.sampled_from(["\n", "\r\n", "\n\n"]),
    ascii=st.booleans(),
)
def test_chats_are_read_whatever_was_said(chats, end, ascii, tmp_path):
    rows = [
        {"messages": [{"role": "user", "content": a}, {"role": "assistant", "content": b}]}
        for a, b in chats
    ]
    content = end.join(json.dumps(row, ensure_ascii=ascii) for row in rows)
    (tmp_path / "a.jsonl").write_bytes(content.encode())
    samples = read_samples(tmp_path / "a.jsonl")
    assert [(sample["instruction"], sample["output"]) for sample in samples] == chats


@ANY
@given(
    rows=st.lists(
        st.tuples(SAID, st.none() | st.text(st.characters(exclude_categories=["Cs"]))), min_size=1
    ),
    mark=st.booleans(),
)
def test_alpaca_samples_are_read_whatever_they_say(rows, mark, tmp_path):
    samples = [{"instruction": a, "input": b, "output": a} for a, b in rows]
    content = json.dumps(samples, ensure_ascii=False).encode()
    (tmp_path / "a.json").write_bytes((b"\xef\xbb\xbf" if mark else b"") + content)
    result = read_samples(tmp_path / "a.json")
    assert [(sample["instruction"], sample["input"]) for sample in result] == [
        (a, b or "") for a, b in rows
    ]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('[{"instruction": "a", "output": "b", "output": "c"}]', "key 'output' stands twice"),
        (
            '[{"instruction": "a", "input": 3, "output": "c"}]',
            "sample 0 has no input: 3, expected text",
        ),
        ('[{"instruction": null, "output": "c"}]', "sample 0 has no instruction"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_samples_at_fault_are_named(content, says, tmp_path):
    (tmp_path / "a.json").write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(says)):
        read_samples(tmp_path / "a.json")


def test_zeros_in_a_text_are_damage_of_a_file_that_was_made_here_or_another_encoding(tmp_path):
    path = tmp_path / "samples.json"
    path.write_bytes(b"one\ntwo\n" + bytes(20) + b"\n")
    with pytest.raises(InputError) as raised:
        read_text(path)
    for part in (f"{path}: line 3 holds NUL", "remove it and run again", "save it as UTF-8"):
        assert part in str(raised.value)
