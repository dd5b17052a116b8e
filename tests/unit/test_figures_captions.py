"""Captions: one for every figure, well-formed once Snakemake has filled in their templates."""

from types import SimpleNamespace

import pytest
from conftest import REPOSITORY
from docutils.core import publish_string
from docutils.utils import Reporter
from jinja2 import StrictUndefined, Template

CAPTIONS = sorted((REPOSITORY / "report").glob("*.rst"))
FIGURES = {path.stem.removeprefix("plot_") for path in (REPOSITORY / "scripts").glob("plot_*.py")}


def test_every_figure_has_a_caption():
    assert FIGURES | {"workflow", "headline"} <= {path.stem for path in CAPTIONS}


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
