"""Captions: one for every figure, well-formed once Snakemake has filled in their templates."""

import re
from types import SimpleNamespace

import pytest
from brainalign.figures.captions import caption, title
from brainalign.resources import caption as caption_file
from conftest import REPOSITORY
from docutils.core import publish_string
from docutils.utils import Reporter
from jinja2 import Environment, StrictUndefined

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


WILDCARDS = {"benchmark": "passages-legacy", "dataset": "passages", "model": "sim-gpt"}
STUDIES = [
    {"pages": [["a"]] * pages, "tuning": tuning, "stages": stages}
    for pages, tuning, stages in ((1, True, False), (2, False, True), (1, True, True))
]


@pytest.mark.parametrize("params", STUDIES, ids=str)
@pytest.mark.parametrize("path", CAPTIONS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_caption_is_well_formed(path, params):
    given = {"wildcards": SimpleNamespace(**WILDCARDS), "params": SimpleNamespace(**params)}
    environment = Environment(trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    template = environment.from_string(path.read_text(encoding="utf-8"))  # as Snakemake does
    text = template.render(snakemake=SimpleNamespace(**given), files=[])
    problems = Reporter.WARNING_LEVEL
    publish_string(
        text, settings_overrides={"halt_level": problems, "report_level": problems}
    )  # raises on any warning
    assert "{" not in text
    if path.stem != "workflow":
        assert caption(path, params, **WILDCARDS) == text
        assert re.search(r"\n\n\*What it cannot show:\*", text)
        assert ("Each page has some families" in text) <= (len(params["pages"]) > 1)
    if path.stem == "trajectory" and path.parent.name == "report":
        assert title(text) == "Along " + "instruction " * (not params["stages"]) + (
            "tuning" if not params["stages"] else "training"
        )
        assert ("samples" in text) == params["tuning"] and ("stage" in text) == params["stages"]


@pytest.mark.parametrize("name", ["alignment", "layer_curves", "reading_measures"])
def test_a_caption_speaks_of_pages_where_there_are_several(name):
    texts = [caption(caption_file(name), {"pages": [[]] * pages}) for pages in (1, 2)]
    assert ["Each page" in text for text in texts] == [False, True]


def test_captions_name_no_study_and_no_model_that_a_study_may_lack():
    """Those of figures that only a study with the paper's or others' published numbers has may."""
    known = {"published", "published_fits", "measured_published", "workflow"}
    for path in (REPOSITORY / "report").glob("*.rst"):
        if path.stem not in known:
            text = path.read_text(encoding="utf-8")
            assert not re.search(r"studies/|Flan|Pythia|SmolLM|OASM", text), path.stem


@pytest.mark.parametrize(
    "path",
    [path for path in CAPTIONS if path.stem != "workflow"],
    ids=lambda path: f"{path.parent.name}-{path.stem}",
)
def test_caption_says_what_cannot_be_shown(path):
    assert "cannot show" in path.read_text(encoding="utf-8")
