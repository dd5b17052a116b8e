"""A study without a tuned model ends with its figures: what needs pairs says that there is none."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from workflow.conftest import Study

pytestmark = pytest.mark.workflow


@pytest.mark.parametrize(
    "only",
    [["sim-decoder-s", "sim-decoder-s-untrained", "oasm"], ["oasm"]],
    ids=["vanilla", "none"],
)
def test_it_runs_to_its_end(
    finished_study: Callable[[], Study], tmp_path: Path, only: list[str]
) -> None:
    finished = finished_study()
    folder = shutil.copytree(finished.folder, tmp_path / "study")
    study = Study(folder, finished.config | {"only": only})
    tables = folder / "results" / "tables"
    shutil.rmtree(tables)
    shutil.rmtree(folder / "results" / "figures")
    study.run()
    scores = pd.read_csv(tables / "scores.csv")
    assert set(scores["model"]) == set(only)
    headline = pd.read_csv(tables / "headline.csv").set_index("question")
    tuning = headline.loc["Does instruction tuning raise brain alignment?"]
    assert tuning[tuning["simulated"]]["legacy"].str.startswith("not computable").all()
    assert (folder / "results" / "figures" / "alignment.svg").exists()
