"""Depth profiles of reading times: what the key by_layer adds to a study, and its table."""

import copy
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from workflow.conftest import Study

NETWORKS = ("sim-decoder-s", "sim-decoder-s-instruct", "sim-decoder-s-untrained")
BENCHMARK = "sim-reading-controlled"
TABLE, FIGURE = "results/tables/reading_profiles.csv", "results/figures/reading_profiles.svg"

pytestmark = pytest.mark.workflow


def profiled(study: Study, *predictors: str) -> Study:
    study.config["behavior"][BENCHMARK]["by_layer"] = list(predictors)
    return study


def test_the_key_adds_its_jobs(study: Study) -> None:
    before = study.jobs()
    expected = {"reading_profiles", "plot_reading_profiles"}
    for model in NETWORKS:
        expected |= {f"layer_surprisal {model},sim-reading", f"reading_profile {model},{BENCHMARK}"}
    assert profiled(study, "surprisal").jobs() - before == expected
    expected |= {f"activations {model},sim-reading" for model in NETWORKS}
    assert profiled(study, "surprisal", "states").jobs() - before == expected
    study.config["models"]["random"] = {
        "source": {"type": "baseline", "kind": "random", "width": 24}
    }
    features = {"baseline_activations random,sim-reading", f"reading_profile random,{BENCHMARK}"}
    assert features < study.jobs() - before - expected


@pytest.mark.long
def test_a_finished_study_runs_them_alone_and_its_table_agrees_with_the_others(
    finished_study: Callable[[], Study], tmp_path: Path
) -> None:
    finished = finished_study()
    folder = shutil.copytree(finished.folder, tmp_path / "study")
    study = Study(folder, copy.deepcopy(finished.config))
    unedited = study.jobs()
    expected = {"reading_profiles", "plot_reading_profiles", "pages", "report"}
    for model in NETWORKS:
        expected |= {f"layer_surprisal {model},sim-reading", f"activations {model},sim-reading"}
        expected |= {f"reading_profile {model},{BENCHMARK}"}
    profiled(study, "surprisal", "states")
    assert study.jobs() - unedited == expected
    study.run("--", TABLE, FIGURE)
    table = pd.read_csv(folder / TABLE)
    counts = table.groupby(["model", "predictor"])["layer"].nunique()
    assert counts.index.tolist() == [(m, p) for m in NETWORKS for p in ("states", "surprisal")]
    scores = pd.read_csv(folder / "results/tables/behaviors.csv")
    scores = scores[scores["benchmark"] == BENCHMARK].set_index(["model", "measure"])
    lens = table[(table["predictor"] == "surprisal") & (table["layer"] != "nested")]
    for model, layers in lens.groupby("model"):
        last = layers.sort_values("layer_index").iloc[-1]
        gain = scores.loc[(model, "delta_loglik_per_word"), "value"]
        assert last["delta_loglik_per_word"] == pytest.approx(gain, abs=1e-9)
        written = pd.read_parquet(folder / f"results/surprisal/{model}/sim-reading.parquet")
        by_layer = pd.read_parquet(folder / f"results/layer_surprisal/{model}/sim-reading.parquet")
        assert abs(by_layer[last["layer"]] - written["bits"]).max() < 1e-6
    assert (folder / FIGURE).exists()
