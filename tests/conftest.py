"""Shared places: the repository, the mirror of real data."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the working tree under test."""
    return REPOSITORY


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The local folder of real raw data; the test is skipped where there is none."""
    folder = Path(os.environ.get("BRAINALIGN_MIRROR", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} is not a folder (set BRAINALIGN_MIRROR)")
    return folder
