"""`snakemake cost`: a study's costs, before anything has run."""

from pathlib import Path

import pytest
from brainalign.settings import read
from brainalign.study.costs import summary
from brainalign.study.settings import Study as StudySettings

from workflow.conftest import Study

pytestmark = pytest.mark.workflow


def test_cost_prints_the_sums_and_runs_nothing_else(study: Study) -> None:
    done = study.snakemake("--cores", "1", "cost")
    assert done.returncode == 0, done.stderr[-4000:]
    assert summary(read(study.config, StudySettings), Path("no such folder")) in done.stdout
    results = study.folder / "results"
    assert {path.name for path in results.rglob("*") if path.is_file()} == {"cost.log"}


@pytest.mark.parametrize("named", [True, False])
def test_a_config_without_a_name_hears_where_its_results_go(study: Study, named: bool) -> None:
    if named:
        study.config["study"] = "mine"
    said = study.plan("--cores", "1", "cost").stderr
    assert ("this config has no key study: its results go to results/" in said) != named
