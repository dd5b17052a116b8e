"""Shared places: the repository, the mirror of real data."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the working tree under test."""
    return REPOSITORY


def mirror_folder() -> Path:
    """Where real raw data would be."""
    return Path(os.environ.get("BRAINALIGN_MIRROR", REPOSITORY.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def mirror() -> Path:
    """The local folder of real raw data; the test is skipped where there is none."""
    folder = mirror_folder()
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} is not a folder (set BRAINALIGN_MIRROR)")
    return folder


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """torch on one thread, for results that are the same bit for bit."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
