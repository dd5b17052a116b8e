"""No file is read or written in the encoding of whoever runs the workflow."""

import ast
import re

import pytest
from conftest import REPOSITORY

PROGRAMS = sorted(
    path for folder in ("scripts", "benchmarks") for path in (REPOSITORY / folder).rglob("*.py")
)
RULES = sorted([REPOSITORY / "Snakefile", *(REPOSITORY / "rules").glob("*.smk")])
NOT_TEXT = ("tarfile", "zipfile", "gzip", "archive")  # whose `open` has bytes


def in_the_locale_s_encoding(tree):
    """The lines of calls that leave the encoding of a text file to the locale."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or {"encoding", None} & {k.arg for k in node.keywords}:
            continue
        called = node.func
        name = getattr(called, "attr", getattr(called, "id", ""))
        method = isinstance(called, ast.Attribute)
        read = name == "read_text" and method and not node.args
        written = name == "write_text" and len(node.args) < 2
        if read or written or name == "FileHandler":
            yield node.lineno
        elif name == "open" and getattr(getattr(called, "value", None), "id", "") not in NOT_TEXT:
            position = 0 if method else 1
            modes = [*node.args[position:], *(k.value for k in node.keywords if k.arg == "mode")]
            mode = modes[0].value if modes and isinstance(modes[0], ast.Constant) else "r"
            if "b" not in str(mode):
                yield node.lineno


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.name)
def test_every_text_file_has_an_encoding(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert list(in_the_locale_s_encoding(tree)) == []


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_every_text_file_of_the_rules_has_an_encoding(path):
    text = path.read_text(encoding="utf-8")
    assert re.findall(r"(?:read_text|open)\((?![^)]*utf-8)[^)]*\)", text) == []


def test_calls_without_an_encoding_are_seen():
    code = (
        "p.read_text()\np.write_text(x)\np.open()\nopen(p, 'a')\np.open('rb')\nopen(p, mode='wb')"
    )
    assert list(in_the_locale_s_encoding(ast.parse(code))) == [1, 2, 3, 4]
