"""The SLURM profile knows the workflow's rules."""

import re

import yaml
from brainalign.study.models import all_models
from brainalign.study.resources import parameter_count, training_gpus, training_memory_mb
from conftest import REPOSITORY


def rules(*files):
    text = "".join(
        (REPOSITORY / "rules" / f"{name}.smk").read_text(encoding="utf-8") for name in files
    )
    return set(re.findall(r"^rule (\w+):", text, re.MULTILINE))


def test_tables_and_figures_are_submitted_in_groups_and_groups_name_rules():
    groups = yaml.safe_load(
        (REPOSITORY / "profiles/slurm/config.yaml").read_text(encoding="utf-8")
    )["groups"]
    assert rules("analysis", "figures") <= set(groups)
    assert set(groups) <= rules(*(path.stem for path in (REPOSITORY / "rules").glob("*.smk")))


def test_the_papers_trainings_fit_the_partition_with_gpus_at_every_attempt():
    profile = REPOSITORY / "profiles/slurm"
    attempts = 1 + yaml.safe_load((profile / "config.yaml").read_text(encoding="utf-8"))["retries"]
    partition = yaml.safe_load((profile / "partitions.yaml").read_text(encoding="utf-8"))[
        "partitions"
    ]["gpu"]
    models = all_models(
        yaml.safe_load((REPOSITORY / "studies/aw2024.yaml").read_text(encoding="utf-8"))
    )
    rule = (
        (REPOSITORY / "rules/models.smk")
        .read_text(encoding="utf-8")
        .partition("rule instruction_tune:")[2]
    )
    asked = re.search(r"runtime=run_time\((\d+), (\d+)\)", rule)
    minutes, per_billion = map(int, asked.groups())
    trained = [name for name, model in models.items() if model["source"]["type"] == "tune"]
    assert trained
    for name in trained:
        longest = attempts * (minutes + per_billion * parameter_count(name, models) / 1e9)
        assert longest <= partition["max_runtime"]
        assert training_memory_mb(name, models, attempts) <= partition["max_mem_mb"]
        assert 0 < training_gpus(name, models) <= partition["max_gpu"]
