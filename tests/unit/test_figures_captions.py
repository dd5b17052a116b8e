"""Captions: one for every figure, well-formed once Snakemake has filled in their templates."""

import re
from types import SimpleNamespace

import pytest
from conftest import REPOSITORY
from docutils.core import publish_string
from docutils.utils import Reporter
from jinja2 import StrictUndefined, Template

CAPTIONS = sorted((REPOSITORY / "report").glob("*.rst"))
REPORTED = re.findall(r'reported\("(\w+)"\)', (REPOSITORY / "rules/analysis.smk").read_text())
FIGURES = {path.stem.removeprefix("plot_") for path in (REPOSITORY / "scripts").glob("plot_*.py")}


def test_every_figure_has_a_caption():
    assert FIGURES | {"workflow", "headline"} <= {path.stem for path in CAPTIONS}


def test_every_table_of_the_report_has_a_caption_and_every_caption_a_use():
    assert {"scores", "contrasts", "published_check"} <= set(REPORTED)
    captions = {path.stem for path in CAPTIONS}
    assert captions == FIGURES | set(REPORTED) | {"workflow", "headline"}


@pytest.mark.parametrize("path", CAPTIONS, ids=lambda path: path.stem)
def test_caption_is_well_formed(path):
    snakemake = SimpleNamespace(
        wildcards=SimpleNamespace(benchmark="passages-legacy", dataset="passages"),
    )
    text = Template(path.read_text(), undefined=StrictUndefined).render(snakemake=snakemake)
    problems = Reporter.WARNING_LEVEL
    publish_string(
        text, settings_overrides={"halt_level": problems, "report_level": problems}
    )  # raises on any warning
    assert "{" not in text


@pytest.mark.parametrize("name", sorted(FIGURES))
def test_caption_says_what_a_figure_cannot_show(name):
    text = (REPOSITORY / "report" / f"{name}.rst").read_text()
    assert "What it cannot show" in text
