"""A digest of the project code that a script runs, blind to comments, docstrings and layout."""

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = "brainalign"


def source_digest(script: str | Path, *others: Path) -> str:
    """Digest of a script and of every project module that it imports, transitively.

    Taken from the syntax trees, so that an edited formula changes it and an edited comment,
    docstring or line break does not.

    Parameters
    ----------
    script : a program that lies beside the package `brainalign`.
    others : modules that it imports by name, and tables that these read.

    Returns
    -------
    16 hexadecimal digits.
    """
    script = Path(script)
    digest = hashlib.sha256()
    modules = [path for path in others if path.suffix == ".py"]
    for path in sorted(reachable(script, *modules)):
        digest.update(path.relative_to(script.parent).as_posix().encode())
        digest.update(_normalised(path).encode())
    for path in sorted(set(others) - set(modules)):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def reachable(script: Path, *modules: Path) -> set[Path]:
    """A script that lies beside the package, modules, and the project files they lead to."""
    result: set[Path] = set()
    waiting = [script, *modules]
    while waiting:
        path = waiting.pop()
        if path not in result:
            result.add(path)
            waiting += _imported(path, script.parent)
    return result


@cache
def _imported(path: Path, root: Path) -> tuple[Path, ...]:
    """The project files that the imports of one file name, at any depth of nesting."""
    modules: set[str] = set()
    for node in _statements(_tree(path)):
        if isinstance(node, ast.Import):
            modules |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            modules |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
    files = []
    for module in sorted(modules):
        parts = module.split(".")
        if parts[0] != PACKAGE:
            continue
        for depth in range(1, len(parts) + 1):
            stem = root.joinpath(*parts[:depth])
            files += [f for f in (stem.with_suffix(".py"), stem / "__init__.py") if f.is_file()]
    return tuple(files)


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    """The module, its statements and those inside them: a tenth of all nodes of its tree."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        for part in ("body", "orelse", "finalbody", "handlers", "cases"):
            waiting += getattr(node, part, ())


@cache
def _normalised(path: Path) -> str:
    tree = _tree(path)
    for node in _statements(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:]
    return ast.dump(tree)
