"""docs/datasets.md against the code: every data card has its fields, and they are the readers'."""

import ast
import csv
import re
from importlib import import_module
from typing import ClassVar, get_args, get_origin, get_type_hints

import pytest
from brainalign.datasets.registry import KINDS as SOURCES
from brainalign.datasets.registry import reader
from brainalign.datasets.settings import RealDataset, Source
from brainalign.resources import RESOURCES
from worlds.raw_files import KINDS

FIELDS = ("responses", "subjects", "units", "TR", "source", "licence", "hash", "left out")
# name of the section and of the type → how tests of damage write it small
CARDS = {
    "alice": "alice, words",
    "pereira2018": "pereira2018",
    "blank2014": "blank2014",
    "wehbe2014": "wehbe2014, words",
    "fedorenko2016": "fedorenko2016",
    "tuckute2024": "tuckute2024",
    "natural-stories": "natural-stories, means",
    "natural-stories-maze": "natural-stories-maze",
    "reading-brain": "reading-brain",
    "futrell2018": "futrell2018",
    "langloc": "langloc",
    "lebel2023": "lebel2023, words",
    "narratives": "narratives, words",
    "petit-prince": "petit-prince, words",
}
NOT_BRAIN = [SOURCES[kind] for kind in ("questions", "text", "instructions")]
TABLES = {
    c.__struct_config__.tag: c
    for kind in NOT_BRAIN
    for c in get_args(kind) or (kind,)
    if c.__struct_config__.tag != "own"
}


@pytest.fixture(scope="module")
def page(repository):
    """The text of each section and the rows of its two-column table."""
    result = {}
    text = (repository / "docs/datasets.md").read_text(encoding="utf-8")
    for heading, body in re.findall(r"^###? ([^\n]+)\n(.*?)(?=^##|\Z)", text, re.M | re.S):
        rows = re.findall(r"^\| ([^|]+) \| ([^|\n]+) \|$", body, re.M)
        result[heading] = body, dict(rows)
    return result


def test_every_dataset_of_the_registry_has_a_section_or_page(page):
    assert set(CARDS) == {c.__struct_config__.tag for c in get_args(RealDataset)} - {"own"}
    assert set(CARDS) | {"mmlu", "bbh", "Alpaca and WikiText-2"} <= set(page)


@pytest.mark.parametrize("name", CARDS)
def test_a_card_has_every_field_as_the_reader_has_it(name, page, tmp_path):
    _, rows = page[name]
    assert [field for field in FIELDS if field not in rows] == []
    files, read, _ = KINDS[CARDS[name]]
    prepared = read(files(tmp_path / "w" if name == "wehbe2014" else tmp_path))
    attributes, card = prepared.responses.attrs, prepared.card
    assert card["responses"]["shape"] == list(prepared.responses["responses"].shape)
    assert card["subjects"] and card["raw_sha256"]
    assert (card["units"], card["tr"]) == (attributes["units"], attributes.get("tr"))
    assert (card["source"], card["licence"]) == (attributes["source"], attributes["licence"])
    for entry in card["dropped"]:
        assert entry["what"] and entry["why"] and entry["n"] >= 0
    assert rows["units"] == attributes["units"]
    assert rows["source"] == attributes["source"]
    assert attributes["licence"].startswith(rows["licence"])
    assert rows["TR"].startswith(f"{attributes['tr']:g} s" if "tr" in attributes else ("none", "2"))
    module = import_module(f"brainalign.datasets.{name.replace('-', '_')}")
    digest = getattr(module, "SHA1", None)
    assert digest is None or f"sha1 `{digest}`" in rows["hash"]


@pytest.mark.parametrize("name", ["alice", "natural_stories", "mmlu", "bbh", "alpaca", "wikitext2"])
def test_published_hashes_are_on_the_page_or_in_the_table_that_it_names(name, page):
    section = {"natural_stories": "natural-stories"}.get(name, name)
    body, _ = page[section if section in page else "Alpaca and WikiText-2"]
    if f"resources/raw/{name}.csv" in body:
        assert (RESOURCES / "raw" / f"{name}.csv").exists()
        return
    with (RESOURCES / "raw" / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        digests = [row["sha256"] for row in csv.DictReader(file) if row["sha256"]]
    assert digests
    assert [digest for digest in digests if digest not in body] == []


@pytest.mark.parametrize("name", TABLES)
def test_licences_of_questions_and_texts(name, page):
    body, _ = page[name if name in page else "Alpaca and WikiText-2"]
    assert reader(TABLES[name]).LICENCE in body


def test_the_page_on_readers_has_every_attribute_of_the_class_with_its_default(repository):
    text = (repository / "docs/adding-a-dataset.md").read_text(encoding="utf-8")
    section = text[text.index("## A reader for a published dataset") :]
    listed = re.findall(r"^\| `(\w+)` \| `([^`]+)` \|", section, re.M)
    hints = get_type_hints(Source)
    attributes = [name for name, hint in hints.items() if get_origin(hint) is ClassVar]
    expected = {name: getattr(Source, name) for name in attributes if not name.startswith("_")}
    assert {name: ast.literal_eval(default) for name, default in listed} == expected
