"""Models with weights, read in several presentations: brain scores and contrasts of them."""

import copy
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from workflow.conftest import Study

pytestmark = [pytest.mark.workflow, pytest.mark.long]

PAIR = ("sim-decoder-s", "sim-decoder-s-instruct")


def test_a_pair_is_scored_on_brain_data_in_each_presentation(
    finished_study: Callable[[], Study], tmp_path: Path
) -> None:
    finished = finished_study()
    folder = shutil.copytree(finished.folder, tmp_path / "study")
    models = copy.deepcopy(finished.config["models"])
    for name in PAIR:
        models[name] |= {"presentations": ["raw", "instruction", "prefix"]}
    models["sim-decoder-s-untrained"]["presentations"] = ["raw"]  # else its twin's
    study = Study(folder, finished.config | {"models": models})
    read = [f"{name}-as-{p}" for name in PAIR for p in ("instruction", "prefix")]
    brain, behavior = (list(study.config[kind]) for kind in ("alignment", "behavior"))
    expected = {f"activations {name},sim-passages" for name in read}
    expected |= {f"alignment {name},{benchmark}" for name in read for benchmark in brain}
    expected |= {f"surprisal {name},sim-reading" for name in read}
    expected |= {f"behavior {name},{benchmark}" for name in read for benchmark in behavior}
    target = "results/tables/presentations.csv"
    assert study.jobs(target) == expected | {"presentations"}
    study.run(target)

    table = pd.read_csv(folder / target)
    table = table[(table["kind"] == "brain") & (table["level"] == "pair")]
    tuned = table[table["comparison"] == "tuned - vanilla"]
    assert set(tuned["presentation"]) == {"raw", "instruction", "prefix"}
    weights = table[table["comparison"] == "presentation - first"]
    assert set(weights["model"]) == set(read)
    assert (weights["absolute"] != 0).all()  # what stands before a text changes its states
    # The four differences of two models in two presentations add up.
    for mode in ("legacy", "controlled"):
        part, change = (
            rows[(rows["mode"] == mode) & (rows["dataset"] == "sim-passages")].set_index(key)[
                "absolute"
            ]
            for rows, key in ((tuned, "presentation"), (weights, "model"))
        )
        vanilla, instructed = (change[f"{name}-as-instruction"] for name in PAIR)
        assert part["instruction"] - part["raw"] == pytest.approx(instructed - vanilla, abs=1e-8)
