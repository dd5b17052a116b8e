"""A tuning experiment: which jobs its checkpoints have."""

from pathlib import Path

import pytest
import yaml
from conftest import REPOSITORY

from workflow.conftest import Study, with_tuning

pytestmark = pytest.mark.workflow

SCORING = {"alignment", "behavior", "capability", "next_word_loss"}


def scored(jobs: set[str], model: str) -> set[str]:
    """What a model is scored on by these jobs."""
    result = (job.split() for job in jobs if " " in job)
    return {
        names.split(",")[1]
        for rule, names in result
        if rule in SCORING and names.split(",")[0] == model
    }


def test_checkpoints_are_scored_on_what_the_experiment_names(study: Study) -> None:
    names = ["sim-passages-controlled", "sim-reading-legacy", "mmlu-sim"]
    study.config["tuning"] = {
        "e": {
            "base": "sim-decoder-s",
            "arms": ["instruction", "shuffled"],
            "checkpoints": [16, 32],
            "recipe": {"samples": 32, "epochs": 1, "prompt": "plain"},
        }
    }
    sections = ("alignment", "behavior", "capability", "next_word")
    everything = {name for section in sections for name in study.config[section]}
    checkpoints = [f"sim-decoder-s-{arm}" for arm in ("instruction-s1-16", "shuffled-s1-32")]
    jobs = study.jobs()
    assert all(scored(jobs, model) == everything for model in checkpoints)

    study.config["tuning"]["e"]["scored_on"] = names
    jobs = study.jobs()
    assert all(scored(jobs, model) == set(names) for model in checkpoints)
    assert f"activations {checkpoints[0]},sim-passages" in jobs
    # The base's tuned partner is a model as all others are, and so is the base.
    assert scored(jobs, "sim-decoder-s-instruction-s1-32") == everything
    assert scored(jobs, "sim-decoder-s") == everything


def test_a_cut_manifest_is_named_when_jobs_are_planned(study: Study) -> None:
    study.config = with_tuning(study.config)
    name = "results/models/sim-decoder-s-instruction-s1-64/manifest.json"
    manifest = study.folder / name
    manifest.parent.mkdir(parents=True)
    manifest.write_text('{"continued_from": "sim-dec', encoding="utf-8")
    done = study.plan()
    said = done.stdout + done.stderr
    assert done.returncode != 0
    assert f"{name}: not JSON" in said
    assert "remove it and run again" in said
    assert "Traceback" not in said
    assert "InputFunctionException" not in said


def test_a_chain_is_made_here_and_followed(study: Study) -> None:
    tuned = {"source": {"type": "tune", "of": "sim-decoder-s", "prompt": "plain"}}
    preferring = {
        "source": {"type": "tune", "of": "tuned", "arm": "preference", "prompt": "plain"},
        "base": "sim-decoder-s",
    }
    study.config["models"] |= {"tuned": tuned, "preferring": preferring}
    chain = ["sim-decoder-s", "tuned", "preferring"]
    study.config["stages"] = {"post-training": {"type": "chain", "models": chain}}
    table = "results/tables/trajectory.csv"
    jobs = study.jobs(table)
    assert {"instruction_tune tuned", "instruction_tune preferring", "trajectory"} <= jobs
    sections = ("alignment", "behavior", "capability", "next_word")
    everything = {name for section in sections for name in study.config[section]}
    assert all(scored(jobs, model) == everything for model in chain)
    assert "instruction_tune sim-decoder-s-instruct" not in jobs


@pytest.mark.parametrize(
    ("name", "model"),
    [("pythia", "pythia-160m-step0"), ("olmo2", "olmo2-1b-stage1-step300-tokens1B")],
)
def test_studies_of_what_others_trained_plan_every_checkpoint(
    tmp_path: Path, name: str, model: str
) -> None:
    config = yaml.safe_load((REPOSITORY / f"studies/{name}.yaml").read_text(encoding="utf-8"))
    study = Study(tmp_path, config)
    jobs = study.jobs(f"results/{name}/tables/trajectory.csv")
    revisions = [entry.get("revisions", []) for entry in config["stages"].values()]
    of_checkpoints = {job for job in jobs if job.startswith("fetch_model ")}
    assert f"fetch_model {model}" in of_checkpoints
    assert len(of_checkpoints) >= sum(map(len, revisions)) + 1
    sections = ("alignment", "behavior", "capability", "next_word")
    everything = {name for section in sections for name in config[section]}
    assert scored(jobs, model) == everything


@pytest.mark.long
def test_states_and_activations_go_once_nothing_needs_them(study: Study) -> None:
    study.config = with_tuning(study.config) | {"keep": "scores"}
    models = [f"sim-decoder-s-instruction-s1-{samples}" for samples in (32, 64)]
    scores = [f"results/alignment/{name}/sim-passages-legacy.parquet" for name in models]
    study.run(*scores)
    results = study.folder / "results"
    assert all((results / "models" / name / "checkpoint").exists() for name in models)
    assert not list(results.glob("models/*/state"))
    assert not list(results.glob("activations/*/*"))
    assert study.jobs(*scores) == set()
    # A later one is trained from the base again; those that are there stay.
    study.config["tuning"]["sim"]["checkpoints"] = [32, 64, 80]
    last = "sim-decoder-s-instruction-s1-80"
    assert study.jobs(f"results/models/{last}/manifest.json") == {f"instruction_tune {last}"}


def test_a_base_that_is_read_in_two_presentations_can_be_tuned(study: Study) -> None:
    study.config = with_tuning(study.config)
    study.config["models"]["sim-decoder-s"]["presentations"] = ["raw", "instruction"]
    jobs = study.jobs()
    last = "sim-decoder-s-instruction-s1-64"
    assert f"instruction_tune {last}" in jobs
    assert f"surprisal {last}-as-instruction,sim-reading" in jobs
    assert f"instruction_tune {last}-as-instruction" not in jobs
