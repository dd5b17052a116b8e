"""The paper's tables: planned where a study asks for them, or has data or a model of the paper."""

from typing import Any

import pytest

from workflow.conftest import Study

pytestmark = pytest.mark.workflow

PUBLISHED = {"double_descent", "published_check", "plot_published"}
MMLU = {
    "questions": {"type": "mmlu", "per_subject": 1}, "format": "multiple-choice", "shots": 0,
    "scoring": "legacy",
}  # fmt: skip
NATURAL_STORIES = {"source": {"type": "natural-stories"}, "context": "story"}
LLAMA = {"source": {"type": "hub", "id": "a/b", "revision": "main"}, "published": "llama-7b"}
OWN = {"source": {"type": "hub", "id": "a/b", "revision": "main"}}


@pytest.mark.parametrize(
    ("change", "planned"),
    [
        ({}, False),
        ({"models": {"mine": OWN}}, False),
        ({"published_tables": True}, True),
        ({"capability": {"mmlu": MMLU}}, True),
        ({"datasets": {"natural-stories": NATURAL_STORIES}}, True),
        ({"models": {"llama": LLAMA}}, True),
    ],
    ids=["nothing", "another model", "asked for", "a task", "a dataset", "a model"],
)
def test_it_has_the_paper_s_tables(study: Study, change: dict[str, Any], planned: bool) -> None:
    assert study.config.pop("published_tables") is True
    for key, value in change.items():
        study.config[key] = {**study.config[key], **value} if isinstance(value, dict) else value
    assert (study.jobs() & PUBLISHED) == (PUBLISHED if planned else set())
