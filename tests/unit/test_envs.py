"""`--sdm conda`: every rule's environment has what its script imports, at the versions tested."""

import csv
import re
from pathlib import Path

import pytest
from conftest import REPOSITORY
from rule_environments import conda_name, packages, rules, third_party

ENVS = sorted((REPOSITORY / "envs").glob("*.yaml"))


def pinned(file: str) -> dict[str, str]:
    """Package → version of a pip requirements file."""
    lines = (REPOSITORY / file).read_text(encoding="utf-8").splitlines()
    pairs = (line.split("==") for line in lines if "==" in line)
    return {conda_name(name): version.strip() for name, version in pairs}


@pytest.mark.parametrize(
    ("rule", "env", "script"), list(rules()), ids=lambda value: Path(value).stem
)
def test_the_environment_has_what_the_script_imports(rule: str, env: str, script: str) -> None:
    missing = {
        package: file
        for package, file in third_party(REPOSITORY / script).items()
        if package not in packages(REPOSITORY / env)
    }
    assert not missing, f"rule {rule}: {env} lacks what these files import: {missing}"


def test_there_are_rules_and_they_import_something() -> None:
    scripts = {name: script for name, _, script in rules()}
    assert {"fetch_model", "alignment", "headline"} <= set(scripts)
    assert {"pytorch", "numpy"} <= set(third_party(REPOSITORY / scripts["alignment"]))
    assert "snakemake" not in third_party(REPOSITORY / scripts["alignment"])


@pytest.mark.parametrize("env", ENVS, ids=lambda path: path.stem)
def test_versions_are_those_of_pip(env: Path) -> None:
    pip = pinned("constraints.txt")
    assert pinned("requirements.txt").items() <= pip.items()
    versions = {name: version for name, version in packages(env).items() if name != "python"}
    assert versions == {name: pip.get(name) for name in versions}


def test_every_version_was_seen_on_conda_forge() -> None:
    with (REPOSITORY / "envs" / "conda-forge.csv").open(encoding="utf-8") as file:
        seen = {conda_name(row["package"]): row for row in csv.DictReader(file)}
    pins = {name: version for env in ENVS for name, version in packages(env).items()}
    assert pins == {name: row["version"] for name, row in seen.items()}
    for name, row in seen.items():
        assert re.fullmatch(r"20\d\d-[01]\d", row["seen"]), name
        assert row["builds"] and row["source"].startswith("https://"), name
