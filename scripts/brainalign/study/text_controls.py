"""The family of benchmarks that a dataset's key `text` makes: the text as it is, and altered.

Each control of a dataset is read as a separate dataset, `DATASET-CONTROL`, and scored against the
same responses on the same folds as each benchmark of the dataset: `BENCHMARK-CONTROL`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from brainalign.encoding.settings import BrainBenchmark, NoCeiling, Similarity
from brainalign.reading.settings import Dataset
from brainalign.reading.text_controls import altered_context


@dataclass(frozen=True)
class Altered:
    """The dataset or benchmark that an altered one is made of, and the control."""

    of: str
    control: str


def altered_name(name: str, control: str) -> str:
    """What a dataset or benchmark is called under a control."""
    return f"{name}-{control.replace(':', '-')}"


def altered_datasets(datasets: Mapping[str, Dataset]) -> dict[str, Altered]:
    """Name of each altered dataset → what it is made of."""
    return {
        altered_name(name, control): Altered(name, control)
        for name, dataset in datasets.items()
        for control in dataset.text
    }


def altered_benchmarks(
    benchmarks: Mapping[str, BrainBenchmark], datasets: Mapping[str, Dataset]
) -> dict[str, Altered]:
    """Name of each altered benchmark → what it is made of: neither companions nor similarities are
    scored on altered texts."""
    return {
        altered_name(name, control): Altered(name, control)
        for name, benchmark in benchmarks.items()
        if not benchmark.companion and not isinstance(benchmark.regression, Similarity)
        for control in datasets[benchmark.dataset].text
    }


def read_altered(dataset: Dataset, control: str) -> Dataset:
    """How a dataset is read under a control."""
    return replace(dataset, text=(), context=altered_context(control) or dataset.context)


def scored_altered(benchmark: BrainBenchmark) -> BrainBenchmark:
    """How an altered text is scored: as the text as it is, without what is of the responses alone,
    beyond baselines, or of single targets."""
    return replace(
        benchmark, companion=True, ceiling=NoCeiling(), unique_variance=None, targets=False,
        chance=None,
    )  # fmt: skip
