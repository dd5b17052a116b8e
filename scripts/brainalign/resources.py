"""Files that come with the project."""

from pathlib import Path

RESOURCES = Path(__file__).resolve().parents[2] / "resources"


def published(name: str) -> Path:
    """A table of the paper."""
    return RESOURCES / "published" / f"{name}.csv"
