"""The SLURM profile knows the workflow's rules."""

import re

import yaml
from conftest import REPOSITORY


def rules(*files):
    text = "".join((REPOSITORY / "rules" / f"{name}.smk").read_text() for name in files)
    return set(re.findall(r"^rule (\w+):", text, re.MULTILINE))


def test_tables_and_figures_are_submitted_in_groups_and_groups_name_rules():
    groups = yaml.safe_load((REPOSITORY / "profiles/slurm/config.yaml").read_text())["groups"]
    assert rules("analysis", "figures") <= set(groups)
    assert set(groups) <= rules(*(path.stem for path in (REPOSITORY / "rules").glob("*.smk")))
