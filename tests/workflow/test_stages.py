"""Checkpoints that others trained: revisions of a hub's repository, chains, folders given back."""

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from workflow.conftest import Study, with_tuning

pytestmark = [pytest.mark.workflow, pytest.mark.long]

BASE, BENCHMARK = "sim-decoder-s", "sim-passages-legacy"
TABLES = ("results/tables/trajectory.csv", "results/tables/arms.csv")


def tables(study: Study) -> list[pd.DataFrame]:
    return [pd.read_csv(study.folder / path) for path in TABLES]


def copied(study: Study, folder: Path, config: dict[str, Any]) -> Study:
    """The study in another folder, with all that it has made, and another config."""
    shutil.copytree(study.folder, folder, dirs_exist_ok=True, symlinks=True)
    return Study(folder, config, study.code)


@pytest.fixture(scope="module")
def tuned(finished_study: Callable[[], Study], tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The finished study with a tuning experiment of three arms with a held-out loss, run."""
    plain = finished_study()
    study = copied(plain, tmp_path_factory.mktemp("tuned"), with_tuning(plain.config))
    study.config["tuning"]["sim"]["arms"] = ["instruction", "shuffled", "preference"]
    study.config["tuning"]["sim"]["recipe"] |= {"samples": 80, "held_out": 8}
    study.run(*TABLES)
    return study


def test_an_experiment_given_back_as_folders_has_its_tables(
    tuned: Study, finished_study: Callable[[], Study], tmp_path: Path
) -> None:
    given = []
    for folder in sorted((tuned.folder / "results/models").glob(f"{BASE}-*-s1-*")):
        manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
        source, facts = manifest["source"], manifest["training"]
        given.append(
            {
                "source": {"type": "folder", "path": str(folder / "checkpoint")},
                "arm": source["arm"], "seed": source["seed"], "samples": source["checkpoint"],
                **{key: facts[key] for key in ("tokens", "learned_tokens", "held_out_loss")},
            }
        )  # fmt: skip
    assert len(given) == 6
    plain = finished_study()
    study = copied(plain, tmp_path, copy.deepcopy(plain.config))
    entry = {
        "type": "checkpoints", "base": BASE, "checkpoints": given, "scored_on": [BENCHMARK]
    }  # fmt: skip
    study.config["stages"] = {"sim": entry}
    study.run(*TABLES)
    for theirs, ours in zip(tables(tuned), tables(study), strict=True):
        pd.testing.assert_frame_equal(
            theirs.sort_values(list(theirs)[:9], ignore_index=True),
            ours.sort_values(list(theirs)[:9], ignore_index=True),
        )
    assert len(tables(study)[0]) > 12 and set(tables(study)[0]["kind"]) == {"brain", "held-out"}


def test_a_new_revision_runs_its_jobs_alone(tuned: Study, tmp_path: Path) -> None:
    study = copied(tuned, tmp_path, copy.deepcopy(tuned.config))
    made = tuned.folder / "results/models"
    for revision, name in (
        ("step32", f"{BASE}-instruction-s1-32"), ("step64", f"{BASE}-instruction-s1-64"),
        ("step8", f"{BASE}-shuffled-s1-32"), ("main", f"{BASE}-instruct"),
    ):  # fmt: skip
        shutil.copytree(made / name / "checkpoint", tmp_path / f"mirror/models/a--b@{revision}")
    study.config |= {"mirror": "mirror"}
    del study.config["tuning"]
    study.config["models"]["b"] = {"source": {"type": "hub", "id": "a/b", "revision": "main"}}
    revisions = {
        "type": "revisions", "of": "b", "revisions": ["step8", "step32"], "tokens_per_step": 10,
        "final_step": 90, "scored_on": [BENCHMARK],
    }  # fmt: skip
    chain = {"type": "chain", "models": [BASE, f"{BASE}-instruct"]}
    study.config["stages"] = {"steps": revisions, "chain": chain}
    study.run(TABLES[0], "results/figures/trajectory.svg")
    assert study.jobs(TABLES[0]) == set()

    table = tables(study)[0]
    steps = table[(table["experiment"] == "steps") & (table["quantity"] == "sim-passages")]
    result = dict(
        zip(steps["model"], zip(steps["position"], steps["tokens"], strict=True), strict=True)
    )
    assert result == {"b-step8": (8, 80), "b-step32": (32, 320), "b": (90, 900)}
    scores = pd.read_parquet(study.folder / f"results/alignment/b-step8/{BENCHMARK}.parquet")
    assert len(scores) and steps["value"].nunique() == 3
    stages = table[table["experiment"] == "chain"]
    assert list(dict.fromkeys(stages["model"])) == [BASE, f"{BASE}-instruct"]
    assert {"brain", "capability", "next-word", "reading-times"} == set(stages["kind"])
    assert stages["tokens"].isna().all() and set(stages["position"]) == {0, 1}

    revisions["revisions"] = ["step8", "step32", "step64"]
    assert study.jobs(TABLES[0]) == {
        "fetch_model b-step64", "activations b-step64,sim-passages",
        f"alignment b-step64,{BENCHMARK}", "trajectory",
    }  # fmt: skip
