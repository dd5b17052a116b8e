"""Studies that lack something end with their figures: no tuned model, a model scored on a part."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from worlds.tiny_checkpoints import write

from workflow.conftest import Study

pytestmark = [pytest.mark.workflow, pytest.mark.long]


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


def test_a_masked_model_is_scored_on_brain_data_alone(
    finished_study: Callable[[], Study], tmp_path: Path
) -> None:
    finished = finished_study()
    folder = shutil.copytree(finished.folder, tmp_path / "study")
    write("bert", folder / "bert")
    brain = list(finished.config["alignment"])
    bert = {"source": {"type": "folder", "path": "bert"}, "scored_on": brain}
    study = Study(folder, finished.config | {"models": finished.config["models"] | {"bert": bert}})
    alone = {job for job in study.jobs() if "bert" in job}
    assert alone == {
        "fetch_model bert", "activations bert,sim-passages",
        *(f"alignment bert,{benchmark}" for benchmark in brain),
    }  # fmt: skip
    study.run()
    tables = {
        path.stem: pd.read_csv(path) for path in (folder / "results" / "tables").glob("*.csv")
    }
    assert tables["scores"].set_index("model").loc["bert", "r"].notna().all()
    for name in ("behaviors", "capabilities", "losses"):
        assert "bert" not in set(tables[name]["model"])
