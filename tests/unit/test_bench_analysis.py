"""The study that benchmarks/analysis.py times."""

import sys

from brainalign.study.check import config_faults
from conftest import REPOSITORY


def test_the_study_that_is_timed_is_valid_and_has_the_papers_models(monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path, str(REPOSITORY / "benchmarks")])
    from analysis_study import MODELS, large_config

    config = large_config()
    assert config_faults(config) == []
    networks = [m for m in config["models"].values() if m["source"]["type"] != "baseline"]
    assert len(networks) == MODELS
