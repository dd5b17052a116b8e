"""The environment files of rules, and what their scripts import."""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import yaml
from brainalign.study.digest import reachable
from conftest import REPOSITORY

CONDA_NAMES = {"torch": "pytorch"}  # of import and of PyPI → of conda-forge
RULE = re.compile(r"^rule (\w+):\n(.*?)(?=^\S|\Z)", re.MULTILINE | re.DOTALL)


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
    return {conda_name(name): version for name, version in (line.split(" =") for line in lines)}


def third_party(script: Path) -> dict[str, str]:
    """Packages that a script and all project code below it import → a file that does.

    Imports inside functions count: each is reached by some config. Those for type checkers do not.
    """
    result = {}
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
                    result[conda_name(top)] = path.name
    return result


def _run_time(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif not (isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"):
            yield from _run_time(child)


def conda_name(package: str) -> str:
    plain = package.strip().lower().replace("_", "-")
    return CONDA_NAMES.get(plain, plain)
