"""Captions: one for every figure, well-formed once Snakemake has filled in their templates."""

import re
from types import SimpleNamespace

import pytest
from conftest import REPOSITORY
from docutils.core import publish_string
from docutils.utils import Reporter
from jinja2 import StrictUndefined, Template

CAPTIONS = sorted((REPOSITORY / "report").rglob("*.rst"))
TABLES = set(
    re.findall(
        r"^## (\w+)\.csv$",
        (REPOSITORY / "docs/outputs.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
)
FIGURES = {path.stem.removeprefix("plot_") for path in (REPOSITORY / "scripts").glob("plot_*.py")}


def captions(folder):
    return {path.stem for path in (REPOSITORY / folder).glob("*.rst")}


def test_every_figure_has_a_caption_and_every_caption_a_figure():
    assert captions("report") == FIGURES | {"workflow"}


def test_every_table_has_a_caption():
    assert {"scores", "contrasts", "published_check"} <= TABLES
    assert captions("report/tables") >= TABLES


@pytest.mark.parametrize("path", CAPTIONS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_caption_is_well_formed(path):
    snakemake = SimpleNamespace(
        wildcards=SimpleNamespace(benchmark="passages-legacy", dataset="passages", model="sim-gpt"),
    )
    text = Template(path.read_text(encoding="utf-8"), undefined=StrictUndefined).render(
        snakemake=snakemake, files=[]
    )
    problems = Reporter.WARNING_LEVEL
    publish_string(
        text, settings_overrides={"halt_level": problems, "report_level": problems}
    )  # raises on any warning
    assert "{" not in text


@pytest.mark.parametrize(
    "path",
    [path for path in CAPTIONS if path.stem != "workflow"],
    ids=lambda path: f"{path.parent.name}-{path.stem}",
)
def test_caption_says_what_cannot_be_shown(path):
    assert "cannot show" in path.read_text(encoding="utf-8")
