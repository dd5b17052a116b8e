"""Names of reading measures, and of a benchmark's data in tables."""

from collections.abc import Mapping
from typing import Any

DURATIONS = ("first-fixation", "gaze", "go-past", "total")  # ms, of words that were fixated
EVENTS = ("skipping", "regression-out", "regression-in")  # 0 or 1: their mean is a share
MEASURES = (*DURATIONS, *EVENTS)


def reported_as(benchmark: Mapping[str, Any]) -> str:
    """What tables call a benchmark's data: its `report_as`, else its dataset, with the measure
    where it names one (`reading-brain gaze`)."""
    named = [benchmark["dataset"], benchmark.get("measure")]
    return str(benchmark.get("report_as") or " ".join(filter(None, named)))
