"""What tables call the data of a benchmark, and the models that it names."""

from collections.abc import Mapping
from typing import Annotated, Any

from brainalign.settings import key

NOT_AVERAGE = "^(?!average$)."
"""Names of data; `average` is that of the mean in tables."""

Models = (
    Annotated[
        tuple[str, ...],
        key(
            "the models that it is for; default: all",
            min_length=1,
            unique=True,
            names="model of this study",
        ),
    ]
    | None
)


def reported_as(benchmark: Mapping[str, Any]) -> str:
    """What tables call a benchmark's data: its `report_as`, else its dataset, with the measure
    where it names one (`reading-brain gaze`)."""
    named = [benchmark["dataset"], benchmark.get("measure")]
    return str(benchmark.get("report_as") or " ".join(filter(None, named)))
