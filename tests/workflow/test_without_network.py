"""`fetch_everything` gathers what a study needs; the study then runs in a network namespace without
interfaces. Raw data and text are real ones of the mirror; the model is a tiny one of the test."""

import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from worlds.tiny_checkpoints import write

from workflow.conftest import Study

pytestmark = [pytest.mark.workflow, pytest.mark.real]

OFFLINE = ("unshare", "--map-root-user", "--net")
MODEL = {"source": {"type": "hub", "id": "owner/tiny", "revision": "main"}}
TUNED = {
    "source": {
        "type": "tune", "of": "tiny", "instructions": "alpaca-subset2000", "prompt": "plain",
        "samples": 64, "epochs": 1, "batch_size": 8, "max_length": 256,
    }
}  # fmt: skip


@pytest.fixture
def fetched_study(study: Study, mirror: Path) -> Study:
    """A study of which everything has to be fetched: model, data, text, questions, instructions."""
    if subprocess.run([*OFFLINE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no network namespace can be made here")
    for position in ("natural_stories", "wikitext2", "bbh", "instructions"):
        if not (mirror / position).exists():
            pytest.skip(f"no real data: {mirror} has no {position}")
        (study.folder / "mirror").mkdir(exist_ok=True)
        (study.folder / "mirror" / position).symlink_to(mirror.resolve() / position)
    write("gpt2", study.folder / "mirror" / "models" / "owner--tiny", n_positions=256)
    behavior = study.config["behavior"]["sim-reading-legacy"]
    bbh = study.config["capability"]["bbh-sim"]
    kept: dict[str, Any] = {key: study.config[key] for key in ("study", "seed")}
    study.config = kept | {
        "mirror": "mirror",
        "models": {"tiny": MODEL, "tuned": TUNED},
        "datasets": {"stories": {"source": {"type": "natural-stories"}, "context": "window:4"}},
        "behavior": {"stories": {**behavior, "dataset": "stories"}},
        "capability": {"bbh": {**bbh, "questions": {"type": "bbh"}, "max_new_tokens": 1}},
        "next_word": {
            "wikitext2": {"source": {"type": "wikitext2"}, "documents": "whole", "max_tokens": 500}
        },
    }
    return study


def test_a_study_gathered_on_one_machine_runs_on_one_without_network(fetched_study: Study) -> None:
    study = fetched_study
    study.run("fetch_everything")
    downloads = study.folder / "downloads"
    sums = dict(
        line.split("  ")[::-1]
        for line in (downloads / "default.sha256").read_text(encoding="utf-8").splitlines()
    )
    assert {Path(name).parts[0] for name in sums} == {
        "natural_stories", "wikitext2", "bbh", "instructions", "models",
    }  # fmt: skip
    for name, digest in sums.items():
        assert hashlib.sha256((downloads / name).read_bytes()).hexdigest() == digest

    for gone in ("mirror", "results", ".snakemake"):
        shutil.rmtree(study.folder / gone)
    study.config["mirror"] = None
    study.within = OFFLINE
    # Not all: the answers to six thousand questions take minutes.
    study.run(
        "results/tables/losses.csv", "results/tables/behaviors.csv", "results/questions/bbh.parquet"
    )


def test_what_was_not_gathered_is_named(fetched_study: Study) -> None:
    fetched_study.config["mirror"] = None
    fetched_study.within = OFFLINE
    done = fetched_study.snakemake("--cores", "2", "--keep-going", "fetch_everything")
    assert done.returncode != 0
    assert "owner/tiny" in done.stderr
    assert "natural_stories" in done.stderr
