"""Plans of studies with language units, altered texts, and surprisal as a predictor of brains."""

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from workflow.conftest import Study

NETWORKS = ("sim-decoder-s", "sim-decoder-s-instruct", "sim-decoder-s-untrained")

pytestmark = pytest.mark.workflow


def test_an_altered_text_is_read_and_scored_for_a_separate_table(study: Study) -> None:
    before = study.jobs()
    study.config["datasets"]["sim-passages"]["text"] = ["shuffled:sentence", "surrogate"]
    altered, random = "sim-passages-shuffled-sentence", "sim-passages-surrogate"
    expected = {f"alter_text {altered}", "text_controls", "plot_text_controls"}
    for model in NETWORKS:
        expected |= {f"activations {model},{altered}", f"surrogate_activations {model},{random}"}
        expected |= {
            f"alignment {model},sim-passages-{mode}-{control}"
            for mode in ("legacy", "controlled")
            for control in ("shuffled-sentence", "surrogate")
        }
    assert study.jobs() - before == expected


OWN_LOCALIZER = {"type": "own", "kind": "localizer", "stimuli": "strings.csv"}


@pytest.mark.parametrize(
    ("source", "made_by"),
    [
        ({"type": "simulated", "kind": "localizer"}, {"simulate_dataset loc"}),
        (OWN_LOCALIZER, {"fetch_dataset loc", "prepare_dataset loc"}),
    ],
)
def test_language_units_are_compared_between_tuned_and_vanilla_models(
    study: Study, source: dict[str, str], made_by: set[str]
) -> None:
    before = study.jobs()
    study.config["datasets"]["loc"] = {"source": source}
    study.config["alignment"]["units"] = {
        **study.config["alignment"]["sim-passages-controlled"], "companion": True,
        "report_as": "units",
        "reduce": {"method": "localizer", "dimensions": 0.1, "localizer": "loc"},
    }  # fmt: skip
    expected = made_by | {"plot_dataset loc", "ceiling units", "unit_overlap"}
    for model in NETWORKS:
        expected |= {f"activations {model},loc", f"selectivity {model},loc"}
        expected |= {f"alignment {model},units"}
    assert study.jobs() - before == expected


def test_surprisal_predicts_brain_responses_as_a_baseline(study: Study) -> None:
    before = study.jobs()
    source = {"type": "baseline", "kind": "surprisal", "of": "sim-decoder-s"}
    study.config["models"]["bits"] = {"source": source}
    assert study.jobs() - before == {
        "surprisal sim-decoder-s,sim-passages", "surprisal_activations bits,sim-passages",
        "alignment bits,sim-passages-legacy", "alignment bits,sim-passages-controlled",
    }  # fmt: skip


@pytest.mark.long
def test_maps_of_a_tuned_model_take_its_vanilla_partner(
    finished_study: Callable[[], Study], tmp_path: Path
) -> None:
    """Simulated targets have no coordinates: the record says so, of both models together."""
    finished = finished_study()
    folder = shutil.copytree(finished.folder, tmp_path / "study")
    config = copy.deepcopy(finished.config)
    name = next(iter(config["alignment"]))
    config["alignment"][name]["targets"] = True
    study = Study(folder, config)
    target = f"results/maps/sim-decoder-s-instruct/{name}"
    assert {f"maps sim-decoder-s-instruct,{name}", *(
        f"alignment_of_targets {model},{name}"
        for model in ("sim-decoder-s", "sim-decoder-s-instruct")
    )} == study.jobs("--", target)  # fmt: skip
    study.run("--", target)
    record = json.loads((folder / target / "maps.json").read_text(encoding="utf-8"))
    assert record["maps"] == [] and record["none"]
