"""The code digest changes with what runs, and with nothing else."""

from pathlib import Path
from typing import get_args

import pytest
from brainalign.datasets.question_settings import Mmlu, RealQuestions
from brainalign.datasets.registry import reader, reader_files
from brainalign.datasets.settings import Alice, Own, RealDataset
from brainalign.study import digest
from brainalign.study.digest import reachable, source_digest

SCRIPT = '"""Doc."""\nfrom brainalign.part.inner import double\n\nprint(double(2))\n'
INNER = '''"""Doc."""
from brainalign.part import deep


def double(x):
    """Twice."""
    return deep.times(x, 2)
'''
DEEP = "def times(a, b):\n    return a * b\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    package = tmp_path / "brainalign" / "part"
    package.mkdir(parents=True)
    (tmp_path / "brainalign" / "__init__.py").write_text("", encoding="utf-8")
    (package / "__init__.py").write_text("", encoding="utf-8")
    (package / "inner.py").write_text(INNER, encoding="utf-8")
    (package / "deep.py").write_text(DEEP, encoding="utf-8")
    (package / "other.py").write_text("x = 1\n", encoding="utf-8")
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    return tmp_path


def fresh_digest(tree: Path) -> str:
    for cached in (digest._tree, digest._imported, digest._normalised):
        cached.cache_clear()
    return source_digest(tree / "script.py")


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("script.py", '"""Doc."""', '"""Another docstring."""\n# and a comment'),
        ("script.py", "print(double(2))", "print(\n    double(2)\n)"),
        ("brainalign/part/inner.py", '"""Twice."""', '"""Two times x."""'),
        ("brainalign/part/deep.py", "a * b", "a * b  # the product"),
        ("brainalign/part/other.py", "x = 1", "x = 2"),
    ],
)
def test_same_code_same_digest(tree: Path, file: str, old: str, new: str) -> None:
    before = fresh_digest(tree)
    path = tree / file
    assert old in path.read_text(encoding="utf-8")
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    assert fresh_digest(tree) == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("script.py", "double(2)", "double(3)"),
        ("brainalign/part/inner.py", "x, 2", "x, 3"),
        ("brainalign/part/deep.py", "a * b", "a + b"),
        ("brainalign/part/__init__.py", "", "flag = True\n"),
    ],
)
def test_other_code_other_digest(tree: Path, file: str, old: str, new: str) -> None:
    before = fresh_digest(tree)
    path = tree / file
    path.write_text(
        path.read_text(encoding="utf-8").replace(old, new) if old else new, encoding="utf-8"
    )
    assert fresh_digest(tree) != before


def test_import_inside_a_function_counts(tree: Path) -> None:
    inner = tree / "brainalign" / "part" / "inner.py"
    inner.write_text(
        "def double(x):\n    from brainalign.part.deep import times\n    return times(x, 2)\n",
        encoding="utf-8",
    )
    before = fresh_digest(tree)
    (tree / "brainalign" / "part" / "deep.py").write_text(DEEP.replace("*", "-"), encoding="utf-8")
    assert fresh_digest(tree) != before


def test_every_script_of_the_project_has_another_digest(repository: Path) -> None:
    scripts = sorted((repository / "scripts").glob("*.py"))
    assert scripts
    assert len({source_digest(script) for script in scripts}) == len(scripts)


def test_modules_imported_by_name_and_tables_count(tree: Path) -> None:
    other, table = tree / "brainalign" / "part" / "other.py", tree / "table.csv"
    table.write_text("a,b\n", encoding="utf-8")
    digests = [source_digest(tree / "script.py", other, table)]
    for path, text in ((other, "x = 2\n"), (table, "a,c\n")):
        path.write_text(text, encoding="utf-8")
        fresh_digest(tree)  # forgets what was read
        digests.append(source_digest(tree / "script.py", other, table))
    assert len(set(digests)) == 3


def test_a_reader_changes_the_digest_of_its_datasets_alone(repository: Path) -> None:
    script = repository / "scripts" / "prepare_dataset.py"
    classes = (*get_args(RealDataset), *get_args(RealQuestions))
    for source in classes:
        files = reader_files(source)
        assert files[0].is_file() and files[0] not in reachable(script)
        assert reader(source).__file__ == str(files[0])
    folder = repository / "resources"
    assert folder / "categories" / "mmlu.csv" in reader_files(Mmlu())
    assert folder / "texts" / "alice_chapter1.txt" in reader_files(Alice())
    assert reader_files(Own("a.csv", "a.nc")) == [
        repository / "scripts" / "brainalign" / "datasets" / "own.py"
    ]


@pytest.mark.parametrize(
    ("script", "others"),
    [
        ("capability", ("analysis", "figures", "encoding", "behavior", "simulation")),
        ("activations", ("analysis", "figures", "encoding", "behavior", "capability")),
        ("surprisal", ("analysis", "figures", "encoding", "capability", "simulation")),
        ("instruction_tune", ("analysis", "figures", "encoding", "capability", "simulation")),
        ("alignment", ("analysis", "figures", "capability", "training", "simulation")),
    ],
)
def test_what_runs_a_model_reaches_no_other_trade(
    repository: Path, script: str, others: tuple[str, ...]
) -> None:
    """An edit of a table, a figure or another trade's settings must rerun no model."""
    library = repository / "scripts" / "brainalign"
    reached = reachable(repository / "scripts" / f"{script}.py")
    folders = {path.relative_to(library).parts[0] for path in reached if library in path.parents}
    assert not folders & set(others)


def test_a_new_brain_dataset_asks_no_question_again(repository: Path) -> None:
    settings = repository / "scripts" / "brainalign" / "datasets" / "settings.py"
    assert settings not in reachable(repository / "scripts" / "capability.py")
