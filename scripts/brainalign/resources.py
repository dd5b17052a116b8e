"""Files that come with the project."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
RESOURCES, CAPTIONS = PROJECT / "resources", PROJECT / "report"


def published(name: str) -> Path:
    """A table of the paper."""
    return RESOURCES / "published" / f"{name}.csv"


PAGE_PARTS = tuple(CAPTIONS / name for name in ("table.css", "page.css", "table.js", "print.js"))


def page_part(name: str) -> str:
    """A style sheet or script of the report's pages."""
    return (CAPTIONS / name).read_text(encoding="utf-8")


def caption(name: str) -> Path:
    """The caption of a figure, or of a table (`tables/NAME`), in reStructuredText."""
    return CAPTIONS / f"{name}.rst"
