"""What an edit reruns: exactly the jobs concerned, and nothing when nothing changed."""

from collections.abc import Callable

import pytest

from workflow.conftest import Study

pytestmark = pytest.mark.workflow

TABLES = {
    "scores", "behaviors", "capabilities", "losses", "contrasts", "correlations", "baselines",
    "profiles", "mixed_effects", "headline", "pages",
}  # fmt: skip


def rules(jobs: set[str]) -> set[str]:
    return {job.split()[0] for job in jobs}


def test_finished_study_has_nothing_to_do(finished_study: Callable[[], Study]) -> None:
    assert finished_study().jobs() == set()


def test_a_label_reruns_tables_and_figures_only(finished_study: Callable[[], Study]) -> None:
    study = finished_study()
    study.config["models"]["sim-decoder-s"]["label"] = "Small"
    study.config["models"]["sim-decoder-s"]["parameters"] = 123456
    found = rules(study.jobs())
    assert {"scores", "behaviors", "capabilities"} <= found
    assert all(r in TABLES or r.startswith("plot_") for r in found)


def test_a_tuned_model_reruns_alone(finished_study: Callable[[], Study]) -> None:
    study = finished_study()
    study.config["models"]["sim-decoder-s-instruct"]["source"]["samples"] = 96
    jobs = study.jobs()
    per_model = {job for job in jobs if " " in job and not job.startswith("plot_")}
    assert "instruction_tune sim-decoder-s-instruct" in per_model
    assert all("sim-decoder-s-instruct" in job for job in per_model)
    assert {"activations", "surprisal", "capability", "alignment", "behavior"} <= rules(per_model)


def test_an_added_model_adds_its_own_jobs(finished_study: Callable[[], Study]) -> None:
    study = finished_study()
    study.config["models"]["newcomer"] = {
        "source": {"type": "untrained", "of": "sim-decoder-s", "seed": 9},
        "family": "sim-decoder",
    }
    per_model = {job for job in study.jobs() if " " in job and not job.startswith("plot_")}
    assert "initialise_untrained newcomer" in per_model
    assert all("newcomer" in job for job in per_model)


def test_an_added_benchmark_extracts_nothing(finished_study: Callable[[], Study]) -> None:
    study = finished_study()
    first = next(iter(study.config["alignment"]))
    study.config["alignment"]["another"] = {
        **study.config["alignment"][first],
        "aggregate": "mean",
    }
    jobs = study.jobs()
    assert {job for job in jobs if job.startswith("ceiling")} == {"ceiling another"}
    assert all(job.endswith(",another") for job in jobs if job.startswith("alignment"))
    assert not rules(jobs) & {"activations", "baseline_activations", "surprisal", "pretrain_model"}


def test_narrowing_leaves_the_other_models_out(study: Study) -> None:
    jobs = study.jobs("--config", "only=sim-decoder-s,oasm")
    assert "pretrain_model sim-decoder-s" in jobs
    assert not any("untrained" in job or "instruct" in job.split()[-1] for job in jobs)


def test_a_comment_reruns_nothing_and_a_formula_its_rules(
    finished_study: Callable[[], Study], tmp_path
) -> None:
    import shutil

    from conftest import REPOSITORY

    study = finished_study()
    code = tmp_path / "code"
    shutil.copytree(
        REPOSITORY,
        code,
        ignore=shutil.ignore_patterns(
            ".git", ".venv", "results", "downloads", ".snakemake", "logs"
        ),
    )
    module = code / "scripts" / "brainalign" / "encoding" / "correlation.py"
    study.code = code
    source = module.read_text()
    # A copy of the project has its published tables at another path, which is another input.
    moved = study.jobs()
    assert rules(moved) <= {"published_check", "plot_published", "headline", "pages"}
    module.write_text("# a comment\n" + source)
    assert study.jobs() == moved
    module.write_text(source + "\nAN_EDITED_FORMULA = 1\n")
    found = rules(study.jobs())
    assert {"alignment", "ceiling", "scores"} <= found
    assert not found & {
        "activations",
        "pretrain_model",
        "surprisal",
        "capability",
        "simulate_dataset",
    }
