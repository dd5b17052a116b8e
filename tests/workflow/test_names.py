"""Names that look like numbers or like nothing: the tables are those of plain names."""

import random
import re
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from brainalign.formats.tables import read_json, read_table, write_json, write_table
from brainalign.natural_order import natural
from invented_results import ANALYSIS_RULES, WORLD_RULES, write_results

from workflow.conftest import Study

pytestmark = [pytest.mark.workflow, pytest.mark.long]

SIZES = {"layers": 3, "subjects": 4, "regions": 3, "questions": 40}
TABLES = (
    "scores", "subjects", "layers", "behaviors", "stories", "capabilities", "accuracies", "losses",
    "contrasts", "correlations", "baselines", "profiles", "mixed_effects", "headline",
)  # fmt: skip
SEEDS = (0,)
# What the config takes as the name of a model, dataset, benchmark, task or text.
IN_CONFIG = (
    "NA", "None", "nan", "NaN", "null", "NULL", "007", "7", "1e5", "100000", "True", "false", "inf",
    "N.A", "0", "00", "1.0", "1.50", "2024-01-01", "0x1F", "yes", "no", "Infinity", "nil",
)  # fmt: skip
# What data may call a subject, region, story, task or category besides.
IN_DATA = (
    "-", "--", "#N/A", "n/a", "<NA>", "?", "Zoë", "名前", "١٢", "1,5", 'a "b"', "-inf", "+1", ".",
)  # fmt: skip
# Labels and families of models are free, too.
LABELS = {
    "lbl0": "NA", "lbl1": "nan", "lbl2": "1e5", "lbl3": "-", "lbl4": "None", "lbl5": "01",
    "fama": "007", "famb": "N/A", "famc": "null",
}  # fmt: skip


def names_of(config: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The nouns that the config names, and those that the invented results do."""
    sections = ("models", "datasets", "alignment", "behavior", "capability", "next_word")
    named = [name for section in sections for name in config[section]]
    data = [f"{noun}{i}" for noun, n in (("subject", 8), ("region", 3), ("story", 10), ("task", 4))
            for i in range(n)]  # fmt: skip
    return named, [*data, "STEM", "Humanities"]


def plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """A study of two families under names that no word of any table holds."""
    models: dict[str, Any] = {}
    for i, (family, kind) in enumerate(product("abc", ("vanilla", "tuned"))):
        models[f"mdl-{family}-{kind}"] = {
            "source": {"type": "hub", "id": "a/b", "revision": "c"},
            "parameters": 1e8 * (i // 2 + 1), "family": f"fam{family}", "label": f"lbl{i}",
            **({"base": f"mdl-{family}-vanilla"} if kind == "tuned" else {}),
        }  # fmt: skip
    models["mdl-oasm"] = {"source": {"type": "baseline", "kind": "oasm"}}
    study = {**config, "models": models}
    for section in ("alignment", "behavior", "capability", "next_word"):
        study[section] = {
            f"bm-{i}-{section.strip('_')[:4]}": e for i, e in enumerate(config[section].values())
        }
    datasets = {name: f"set{i}" for i, name in enumerate(config["datasets"])}
    study["datasets"] = {datasets[name]: e for name, e in config["datasets"].items()}
    for section in ("alignment", "behavior"):
        for name, entry in study[section].items():
            entry = {k: v for k, v in entry.items() if k != "unique_variance"}
            study[section][name] = {**entry, "dataset": datasets[entry["dataset"]]}
    study["capability"] = {n: e for n, e in study["capability"].items()
                           if e["format"] == "multiple-choice"}  # fmt: skip
    return study


def drawn(named: list[str], data: list[str], seed: int) -> dict[str, str]:
    """Other names for all, in the same order: whatever sorts by name sorts alike.

    The names of the config are sorted as text, those in data with their numbers by size.
    """
    rng = random.Random(seed)
    pools = (named, IN_CONFIG, str), (data, (*IN_CONFIG, *IN_DATA), natural)
    return {
        name: odd
        for names, pool, key in pools
        for name, odd in zip(
            sorted(names, key=key), sorted(rng.sample(pool, len(names)), key=key), strict=True
        )
    }


def renamed(value: Any, names: Mapping[str, str]) -> Any:
    """A config, a record or a cell under other names."""
    if isinstance(value, dict):
        return {names.get(key, key): renamed(inner, names) for key, inner in value.items()}
    return names.get(value, value) if isinstance(value, str) else value


def tables(
    folder: Path, config: dict[str, Any], names: Mapping[str, str]
) -> dict[str, pd.DataFrame]:
    """The tables of invented results that stand under other names: each cell as text."""
    write_results(folder / "plain", config, **SIZES)
    root = folder / "results"
    for path in sorted((folder / "plain").rglob("*.*")):
        relative = path.relative_to(folder / "plain").with_suffix("")
        parts = [names.get(part, part) for part in relative.parts]
        target = Path(f"{root.joinpath(*parts)}{path.suffix}")
        if path.suffix == ".parquet":
            write_table(read_table(path).map(renamed, names=names), target)
        else:
            write_json(renamed(read_json(path), names), target)
    Study(folder, renamed(config, names)).run(
        "--rerun-triggers", "mtime", "--allowed-rules", *ANALYSIS_RULES, *WORLD_RULES, "--",
        *(f"results/tables/{name}.csv" for name in TABLES),
    )  # fmt: skip
    read = {"dtype": str, "keep_default_na": False, "na_filter": False}
    return {name: pd.read_csv(root / "tables" / f"{name}.csv", **read) for name in TABLES}


def test_tables_are_those_of_plain_names(tmp_path: Path, small_config: dict[str, Any]) -> None:
    config = plain(small_config)
    named, data = names_of(config)
    result = tables(tmp_path / "a", config, {})
    for seed in SEEDS:
        names = drawn(named, data, seed) | LABELS
        word = re.compile("|".join(sorted(map(re.escape, names), key=len, reverse=True)))
        for name, table in tables(tmp_path / f"b{seed}", config, names).items():
            expected = result[name].map(lambda cell: word.sub(lambda m: names[m[0]], cell))  # noqa: B023
            pd.testing.assert_frame_equal(table, expected, obj=f"{name}, seed {seed}")
