"""Pages that list what there is: the reading order of each folder, the table of figures."""

import ast
import re
from fnmatch import fnmatch
from typing import get_args

import pytest
from brainalign.datasets.settings import RealDataset
from brainalign.settings import tag_of
from conftest import REPOSITORY

LIBRARY = REPOSITORY / "scripts" / "brainalign"
FOLDERS = sorted(path.parent for path in LIBRARY.glob("*/__init__.py"))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_a_reading_order_names_modules_that_are_there(folder):
    order = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
    names = re.findall(r"`([a-z0-9_*]+)`", order)
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    assert names
    absent = [n for n in names if not any(fnmatch(module, n) for module in modules)]
    assert not [n for n in absent if not (LIBRARY / n).exists() and n not in ("tuning", "stages")]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_a_reading_order_names_every_module(folder):
    """Readers of datasets are named like their sources, and single figures like their files."""
    order = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
    named = re.findall(r"`([\w*]+)`", order)
    modules = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    if folder.name == "datasets":
        modules -= {(c.reader or tag_of(c)).replace("-", "_") for c in get_args(RealDataset)}
    if folder.name == "figures":
        scripts = (REPOSITORY / "scripts").glob("plot_*.py")
        modules -= {path.stem.removeprefix("plot_") for path in scripts}
    assert {m for m in modules if not any(fnmatch(m, n) for n in named)} == set()


def test_every_figure_has_a_row_in_the_page_of_outputs():
    page = (REPOSITORY / "docs" / "outputs.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `(\w+)", page.partition("# The figures")[2], re.MULTILINE))
    scripts = (REPOSITORY / "scripts").glob("plot_*.py")
    figures = {path.stem.removeprefix("plot_") for path in scripts}
    assert {name for name in figures if name not in rows and f"{name}s" not in rows} == set()
