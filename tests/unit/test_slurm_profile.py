"""The SLURM profile knows the workflow's rules."""

import re

import yaml
from brainalign.study.groups import TURN
from brainalign.study.resources import (
    parameter_count,
    reading_minutes,
    training_gpus,
    training_memory_mb,
)
from brainalign.training.settings import Tune
from conftest import REPOSITORY
from worlds.study_models import models_of


def rules(*files):
    text = "".join(
        (REPOSITORY / "rules" / f"{name}.smk").read_text(encoding="utf-8") for name in files
    )
    return set(re.findall(r"^(?:use rule \w+ as|rule) (\w+)(?: with)?:", text, re.MULTILINE))


def test_tables_and_figures_are_submitted_in_groups_and_groups_name_rules():
    groups = yaml.safe_load(
        (REPOSITORY / "profiles/slurm/config.yaml").read_text(encoding="utf-8")
    )["groups"]
    assert rules("analysis", "figures") <= set(groups)
    assert set(groups) <= rules(*(path.stem for path in (REPOSITORY / "rules").glob("*.smk")))


def profile():
    return yaml.safe_load((REPOSITORY / "profiles/slurm/config.yaml").read_text(encoding="utf-8"))


def test_members_of_groups_take_turns_and_nothing_else_is_limited():
    """A limit on memory, say, would cut what any job asks for to it."""
    assert profile()["resources"] == [f"{TURN}=1"]
    assert profile()["set-resource-scopes"] == [f"{TURN}=local"]
    assert profile()["default-resources"][TURN] == 1
    assert profile()["keep-incomplete"] is True


def test_what_runs_at_the_submitting_node_takes_no_turns():
    local = {
        name
        for path in (REPOSITORY / "rules").glob("*.smk")
        for block in re.findall(r"^localrules:\n((?: +\w+,\n)+)", path.read_text("utf-8"), re.M)
        for name in re.findall(r"\w+", block)
    }
    assert "fetch_model" in local
    assert profile()["set-resources"] == {name: {TURN: 0} for name in local}


def test_the_papers_groups_fit_the_partitions_at_every_attempt():
    """All that reads with a model in turn: the largest ones, and the largest without a GPU."""
    partitions = (REPOSITORY / "profiles/slurm/partitions.yaml").read_text(encoding="utf-8")
    longest = min(p["max_runtime"] for p in yaml.safe_load(partitions)["partitions"].values())
    config = yaml.safe_load((REPOSITORY / "studies/aw2024.yaml").read_text(encoding="utf-8"))
    models = models_of(config["models"], config["tuning"])
    jobs = ["activations"] * 5 + ["endless surprisal", "surprisal", "next_word_loss"]
    for name in ("vicuna-33b", "t5-xxl", "t5-small"):
        asked = [
            reading_minutes(kind, name, models, "auto", 1 + profile()["retries"])
            for kind in [*jobs, *["capability"] * 4]
        ]
        assert sum(asked) <= longest


def test_the_papers_trainings_fit_the_partition_with_gpus_at_every_attempt():
    profile = REPOSITORY / "profiles/slurm"
    attempts = 1 + yaml.safe_load((profile / "config.yaml").read_text(encoding="utf-8"))["retries"]
    partition = yaml.safe_load((profile / "partitions.yaml").read_text(encoding="utf-8"))[
        "partitions"
    ]["gpu"]
    config = yaml.safe_load((REPOSITORY / "studies/aw2024.yaml").read_text(encoding="utf-8"))
    models = models_of(config["models"], config["tuning"])
    rule = (
        (REPOSITORY / "rules/models.smk")
        .read_text(encoding="utf-8")
        .partition("rule instruction_tune:")[2]
    )
    asked = re.search(r"runtime=run_time\((\d+), (\d+)\)", rule)
    minutes, per_billion = map(int, asked.groups())
    trained = [name for name, model in models.items() if isinstance(model.source, Tune)]
    assert trained
    for name in trained:
        longest = attempts * (minutes + per_billion * parameter_count(name, models) / 1e9)
        assert longest <= partition["max_runtime"]
        assert training_memory_mb(name, models, attempts) <= partition["max_mem_mb"]
        assert 0 < training_gpus(name, models) <= partition["max_gpu"]
