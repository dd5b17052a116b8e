"""Files that come with the project."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
RESOURCES, CAPTIONS = PROJECT / "resources", PROJECT / "report"


def published(name: str) -> Path:
    """A table of the paper."""
    return RESOURCES / "published" / f"{name}.csv"


# Templates, style sheets and scripts of the report's pages.
PAGE_PARTS = tuple(p for p in sorted(CAPTIONS.glob("*.*")) if p.suffix in (".html", ".css", ".js"))


def caption(name: str) -> Path:
    """The caption of a figure, or of a table (`tables/NAME`), in reStructuredText."""
    return CAPTIONS / f"{name}.rst"
