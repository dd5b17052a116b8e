"""The study that benchmarks/analysis.py times."""

import sys

from brainalign.study.check import config_faults
from brainalign.study.models import role
from conftest import REPOSITORY


def test_the_study_that_is_timed_is_valid_and_has_the_papers_models(monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path, str(REPOSITORY / "benchmarks")])
    from analysis_study import MODELS, large_config

    config = large_config()
    assert config_faults(config) == []
    networks = [name for name, model in config["models"].items() if role(model) != "baseline"]
    assert len(networks) == MODELS
