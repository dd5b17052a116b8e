"""Folders of the library import in one direction: the order that docs/architecture.md states."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "scripts" / "brainalign"


def stated_order(page: str) -> list[str]:
    """The folders of the line with arrows."""
    (line,) = re.findall(r"^`\w+` →[^.]*?`\w+`$", page, flags=re.MULTILINE)
    return re.findall(r"`(\w+)`", line)


def imported(code: str) -> Iterator[str]:
    """The dotted names that a module imports, those in `import_module(f"name.{…}")` among them."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and "import_module" in ast.unparse(node.func):
            name = node.args[0].values[0] if isinstance(node.args[0], ast.JoinedStr) else None
            yield from [name.value.rstrip(".")] if isinstance(name, ast.Constant) else []
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def upward(library: Path, order: list[str]) -> list[str]:
    """Imports of a folder from one that does not come before it; modules beside the folders come
    before all of them."""
    rank = {name: number for number, name in enumerate(order)}
    faults = []
    for path in sorted(library.rglob("*.py")):
        where = path.relative_to(library)
        importing = rank[where.parts[0]] if len(where.parts) > 1 else -1
        for name in imported(path.read_text(encoding="utf-8")):
            package, folder, *_ = [*name.split("."), ""]
            if package == "brainalign" and rank.get(folder, -1) > importing:
                faults.append(f"{where} imports {name}")
    return faults


def test_the_order_names_every_folder() -> None:
    order = stated_order((ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"))
    assert sorted(order) == sorted(path.parent.name for path in LIBRARY.glob("*/__init__.py"))


def test_folders_import_only_from_those_before_them() -> None:
    order = stated_order((ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"))
    assert upward(LIBRARY, order) == []


class Runtime(ast.NodeTransformer):
    """Takes out imports that only type checkers see."""

    def visit_If(self, node: ast.If) -> ast.AST | None:
        return None if ast.unparse(node.test) == "TYPE_CHECKING" else node


def test_only_study_imports_snakemake() -> None:
    importing = set()
    for path in LIBRARY.parent.rglob("*.py"):
        code = ast.unparse(Runtime().visit(ast.parse(path.read_text(encoding="utf-8"))))
        if any(name.split(".")[0] == "snakemake" for name in imported(code)):
            importing.add(path.parent)
    assert importing == {LIBRARY / "study"}


@pytest.mark.parametrize(
    "code",
    [
        'import_module(f"brainalign.high.{name}")',
        "import brainalign.high.top",
        "from brainalign.high.top import x",
        "from brainalign import high",
        "def f():\n    from brainalign.high import top",
    ],
)
@pytest.mark.parametrize("where", ["low/bottom.py", "beside.py"])
def test_an_import_from_a_later_folder_is_seen(tmp_path: Path, code: str, where: str) -> None:
    (tmp_path / "low").mkdir()
    (tmp_path / "high").mkdir()
    (tmp_path / "high" / "top.py").write_text("from brainalign.low import bottom\n", "utf-8")
    (tmp_path / where).write_text(code, encoding="utf-8")
    (fault,) = upward(tmp_path, ["low", "high"])
    assert fault.startswith(f"{where} imports brainalign.high")
