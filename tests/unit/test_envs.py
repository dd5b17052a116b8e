"""`--sdm conda`: every rule's environment has what its script imports, at the versions tested."""

import ast
import csv
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from brainalign.study.digest import reachable
from conftest import REPOSITORY

CONDA_NAMES = {"torch": "pytorch"}  # of import and of PyPI → of conda-forge
RULE = re.compile(r"^rule (\w+):\n(.*?)(?=^\S|\Z)", re.MULTILINE | re.DOTALL)
ENVS = sorted((REPOSITORY / "envs").glob("*.yaml"))


def rules() -> Iterator[tuple[str, str, str]]:
    """Name, environment file and script of every rule that runs a script."""
    for file in sorted((REPOSITORY / "rules").glob("*.smk")):
        for name, body in RULE.findall(file.read_text(encoding="utf-8")):
            env = re.search(r'conda:\s*"\.\./(.+?)"', body)
            script = re.search(r'script:\s*"\.\./(.+?)"', body)
            assert env and script, f"{file.name}: rule {name} has no conda: or no script:"
            yield name, env[1], script[1]


def packages(env: Path) -> dict[str, str]:
    """Package → version of an environment file, names as conda-forge has them."""
    lines = yaml.safe_load(env.read_text(encoding="utf-8"))["dependencies"]
    return {_name(name): version for name, version in (line.split(" =") for line in lines)}


def third_party(script: Path) -> dict[str, str]:
    """Packages that a script and all project code below it import → a file that does.

    Imports inside functions count: each is reached by some config. Those for type checkers do not.
    """
    found = {}
    readers = REPOSITORY / "scripts" / "brainalign" / "datasets"
    files = reachable(script)
    if readers / "registry.py" in files:  # it imports readers by name
        files |= reachable(script, *readers.glob("*.py"))
    for path in sorted(files):
        for node in _run_time(ast.parse(path.read_text(encoding="utf-8"))):
            modules = (
                [str(node.module)]
                if isinstance(node, ast.ImportFrom)
                else [alias.name for alias in node.names]
            )
            for module in modules:
                top = module.split(".")[0]
                if top not in {*sys.stdlib_module_names, "brainalign"}:
                    found[_name(top)] = path.name
    return found


def _run_time(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield from _run_time(child)


def _name(package: str) -> str:
    plain = package.strip().lower().replace("_", "-")
    return CONDA_NAMES.get(plain, plain)


def pinned(file: str) -> dict[str, str]:
    """Package → version of a pip requirements file."""
    lines = (REPOSITORY / file).read_text(encoding="utf-8").splitlines()
    pairs = (line.split("==") for line in lines if "==" in line)
    return {_name(name): version.strip() for name, version in pairs}


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
        seen = {_name(row["package"]): row for row in csv.DictReader(file)}
    pins = {name: version for env in ENVS for name, version in packages(env).items()}
    assert pins == {name: row["version"] for name, row in seen.items()}
    for name, row in seen.items():
        assert re.fullmatch(r"20\d\d-[01]\d", row["seen"]), name
        assert row["builds"] and row["source"].startswith("https://"), name
