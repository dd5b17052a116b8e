"""Instruction data: Alpaca's JSON, and chats as JSON lines."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from brainalign.errors import REMAKE, InputError
from brainalign.formats.text import lines, read_text

Sample = dict[str, str]
"""`instruction`, and `input`, `output`, `history` (what was said before), which may be empty; of a
preference pair also `rejected`: the output that `output` is preferred to."""


def read_samples(path: str | Path) -> list[Sample]:
    """Read instruction samples: a JSON list as Alpaca's, or (`.jsonl`) a chat per line.

    Alpaca's samples have `instruction`, `output`, and `input` if any (null is none). A chat is
    `{"messages": [{"role": "system" | "user" | "assistant", "content": TEXT}, ...]}`; each of its
    answers is a sample, with all that was said before in its `history`.

    A sample may have `rejected`, the worse of two outputs (of a chat: beside its `messages`, of its
    last answer): a preference pair.

    An empty output is a sample too (Alpaca has some): the model learns to end at once.

    Raises
    ------
    InputError : no such file, not JSON, no list, or a sample without instruction or output, by
        its number or line.
    """
    text = read_text(path)
    samples = list(_chats(text, path) if str(path).endswith(".jsonl") else _alpaca(text, path))
    if not samples:
        raise InputError(f"{path}: there are no samples")
    return samples


def _alpaca(text: str, path: str | Path) -> Iterator[Sample]:
    rows = _parsed(text, str(path))
    if not isinstance(rows, list):
        raise InputError(f"{path}: expected a list of samples")
    for number, row in enumerate(rows):
        for key, empty in (("instruction", False), ("output", True), ("input", True)):
            value = row.get(key) if isinstance(row, dict) else None
            if key == "input" and isinstance(row, dict) and value is None:
                value = ""
            if not isinstance(value, str) or not (empty or value.strip()):
                given = f": {value!r}, expected text" if value is not None else ""
                raise InputError(f"{path}: sample {number} has no {key}{given}")
        yield {
            "instruction": row["instruction"],
            "input": row.get("input") or "",
            "output": row["output"],
            "history": "",
            **_rejected(row, f"{path}: sample {number}"),
        }


def _chats(text: str, path: str | Path) -> Iterator[Sample]:
    for number, line in enumerate(lines(text), 1):
        if not line.strip():
            continue
        where = f"{path}: line {number}"
        row = _parsed(line, where)
        messages = row.get("messages") if isinstance(row, dict) else None
        if not isinstance(messages, list) or not all(map(_is_message, messages)):
            raise InputError(
                f'{where}: expected {{"messages": [...]}}, each with role (system, user or '
                "assistant) and content"
            )
        *earlier, last = _answers(messages, where)
        yield from [*earlier, {**last, **_rejected(row, where)}]


def _rejected(row: dict[str, Any], where: str) -> Sample:
    """The worse output of a sample, if it has one."""
    rejected = row.get("rejected")
    if rejected is None:
        return {}
    if not isinstance(rejected, str):
        raise InputError(f"{where}: rejected is {rejected!r}, expected text")
    return {"rejected": rejected}


def _is_message(message: Any) -> bool:
    return (
        isinstance(message, dict)
        and message.get("role") in ("system", "user", "assistant")
        and isinstance(message.get("content"), str)
    )


def _answers(messages: Sequence[dict[str, str]], where: str) -> Iterator[Sample]:
    roles = [message["role"] for message in messages]
    turns = roles[1:] if roles[:1] == ["system"] else roles
    if not turns or turns != ["user", "assistant"] * (len(turns) // 2):
        raise InputError(
            f"{where}: after the system's message, if any, user and assistant take turns and the "
            f"assistant ends; found {', '.join(roles) or 'nothing'}"
        )
    for i, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        if not messages[i - 1]["content"].strip():
            raise InputError(f"{where}: message {i - 1} of the user is empty")
        yield {
            "instruction": messages[i - 1]["content"],
            "input": "",
            "output": message["content"],
            "history": "\n\n".join(before["content"] for before in messages[: i - 1]),
        }


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=lambda pairs: _unique(pairs, where))
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(f"{where}: not JSON ({error}); {REMAKE}") from error


def _unique(pairs: Sequence[tuple[str, Any]], where: str) -> dict[str, Any]:
    """A JSON object; of a key that stands twice, JSON readers keep the last in silence."""
    sample = dict(pairs)
    if len(sample) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise InputError(f"{where}: key {twice!r} stands twice in one object")
    return sample
