"""Models of studies from short entries: keys that a test does not care about are filled in."""

from collections.abc import Mapping
from typing import Any

from brainalign.models.stages import Stages
from brainalign.settings import read
from brainalign.study.model_settings import Model
from brainalign.study.models import StudyModel, all_models
from brainalign.training.settings import Experiment

FILLED: dict[str, dict[str, Any]] = {
    "hub": {"id": "owner/name", "revision": "main"},
    "pretrain": {
        "architecture": "decoder-only", "layers": 2, "width": 8, "heads": 2, "steps": 1,
        "batch_tokens": 64, "learning_rate": 0.001,
    },
}  # fmt: skip


def models_of(
    entries: Mapping[str, Any],
    tuning: Mapping[str, Any] | None = None,
    stages: Mapping[str, Any] | None = None,
) -> dict[str, StudyModel]:
    """The models of a study with these entries in `models`, `tuning` and `stages`."""
    read_entries = {
        name: read({**entry, "source": filled(entry["source"])}, Model)
        for name, entry in entries.items()
    }
    return all_models(
        read_entries,
        read(dict(tuning or {}), dict[str, Experiment]),
        read(dict(stages or {}), dict[str, Stages]),
    )


def filled(source: Mapping[str, Any]) -> dict[str, Any]:
    """A source with the keys that have to be given."""
    parts = {key: filled(source[key]) for key in ("base", "delta") if key in source}
    return FILLED.get(source["type"], {}) | dict(source) | parts
