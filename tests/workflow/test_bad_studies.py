"""Studies whose results say little: tables and figures say why not, and nothing crashes."""

import copy
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from brainalign.formats.tables import read_table, write_table
from invented_results import ANALYSIS_RULES, FIGURE_RULES, WORLD_RULES, write_results

from workflow.conftest import Study

pytestmark = [pytest.mark.workflow, pytest.mark.long]

SIZES = {"layers": 4, "subjects": 3, "regions": 2, "questions": 40}
# The number of a table that a study may not have; `note` then says why.
NUMBERS = {"contrasts": "p", "correlations": "r", "mixed_effects": "estimate",
           "profiles": "correlation", "baselines": "p"}  # fmt: skip
ALWAYS = ("scores", "behaviors", "headline", *NUMBERS)
FIGURES = ("layer_curves", "profiles", "alignment", "legacy_controlled", "improvement",
           "correlates", "behavior", "mixed_effects", "baselines")  # fmt: skip


def finish(study: Study, tables: tuple[str, ...], figures: tuple[str, ...]) -> None:
    """Run the end of the pipeline on result files that nothing made."""
    study.run(
        "--rerun-triggers", "mtime",
        "--allowed-rules", *ANALYSIS_RULES, *FIGURE_RULES, *WORLD_RULES, "--",
        *(f"results/tables/{name}.csv" for name in tables),
        *(f"results/figures/{name}.svg" for name in figures),
    )  # fmt: skip


def tables_of(study: Study) -> dict[str, pd.DataFrame]:
    """Every table, after a look that no number is missing without a reason."""
    folder = study.folder / "results" / "tables"
    tables = {path.stem: pd.read_csv(path) for path in folder.glob("*.csv")}
    for name, number in NUMBERS.items():
        missing = tables[name][tables[name][number].isna()]
        assert missing["note"].notna().all(), (name, missing)
    assert tables["headline"][["legacy", "controlled"]].notna().all().all()
    return tables


def words(study: Study, figure: str) -> str:
    """The text of a figure, a blank between the lines."""
    svg = (study.folder / "results" / "figures" / f"{figure}.svg").read_text(encoding="utf-8")
    return " ".join(re.findall(r">([^<>\n]+)<", svg))


def test_one_model_without_a_pair_or_capability(
    tmp_path: Path, small_config: dict[str, Any]
) -> None:
    config = copy.deepcopy(small_config)
    config["models"] = {"sim-decoder-s": config["models"]["sim-decoder-s"]}
    del config["capability"], config["next_word"]
    del config["alignment"]["sim-passages-controlled"]["unique_variance"]
    write_results(tmp_path / "results", config, **SIZES)
    study = Study(tmp_path, config)
    finish(study, ALWAYS, FIGURES)
    tables = tables_of(study)
    assert tables["scores"]["r"].notna().all()
    assert tables["correlations"]["r"].isna().all()
    headline = tables["headline"]
    rows = headline[headline["data"].str.startswith("this study")]
    assert rows["legacy"].str.startswith("not computable").any()
    for figure in ("improvement", "correlates", "mixed_effects", "baselines"):
        assert "not computable" in words(study, figure), figure


@pytest.mark.parametrize(
    ("kept", "tables", "figures"),
    [
        ("behavior", ("behaviors", "contrasts", "correlations", "headline"), ("behavior",)),
        ("capability", ("capabilities", "contrasts", "headline"), ()),
    ],
)
def test_a_study_of_one_kind_of_data(
    kept: str,
    tables: tuple[str, ...],
    figures: tuple[str, ...],
    tmp_path: Path,
    small_config: dict[str, Any],
) -> None:
    """No brains: reading times alone, or questions alone."""
    sections = ("alignment", "behavior", "capability", "next_word")
    config = {key: value for key, value in small_config.items() if key not in sections}
    config[kept] = small_config[kept]
    if kept == "behavior":
        used = {entry["dataset"] for entry in config["behavior"].values()}
        config["datasets"] = {name: config["datasets"][name] for name in used}
    else:
        del config["datasets"]
    write_results(tmp_path / "results", config, **SIZES)
    study = Study(tmp_path, config)
    finish(study, tables, figures)
    folder = tmp_path / "results" / "tables"
    contrasts = pd.read_csv(folder / "contrasts.csv")
    assert set(contrasts["kind"]) == {{"behavior": "reading-times"}.get(kept, kept)}
    assert contrasts["absolute"].notna().any()


def test_one_pair_that_ties_on_everything_and_a_benchmark_without_a_score(
    tmp_path: Path, small_config: dict[str, Any]
) -> None:
    """One family, every score and answer alike; r of the tuned model undefined on one benchmark."""
    root = tmp_path / "results"
    write_results(root, small_config, **SIZES, spread=0)
    missing = root / "alignment" / "sim-decoder-s-instruct" / "sim-passages-controlled.parquet"
    write_table(read_table(missing).assign(r=np.nan, r2=np.nan, n_undefined=100), missing)
    study = Study(tmp_path, small_config)
    finish(study, (*ALWAYS, "capabilities", "losses"), (*FIGURES, "losses"))
    tables = tables_of(study)
    contrasts = tables["contrasts"]
    assert contrasts["p"].isna().all()
    brain = contrasts[(contrasts["kind"] == "brain") & (contrasts["mode"] == "controlled")]
    assert brain["absolute"].isna().all() and brain["note"].notna().all()
    assert set(contrasts.loc[contrasts["mode"] == "legacy", "absolute"].dropna()) == {0.0}
    assert tables["correlations"]["r"].isna().all()
    for figure in ("improvement", "correlates", "mixed_effects"):
        assert "not computable" in words(study, figure), figure
