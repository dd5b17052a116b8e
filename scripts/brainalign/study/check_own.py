"""What of the user's own tables can be checked before anything runs: their columns."""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

from brainalign.behavior.settings import ControlledReading
from brainalign.behavior.terms import columns_of
from brainalign.datasets.own_covariates import MADE
from brainalign.datasets.own_csv import header_of
from brainalign.datasets.settings import Own
from brainalign.errors import InputError
from brainalign.study.settings import Study


def covariate_faults(study: Study) -> Iterator[str]:
    """A line for each column that a benchmark's covariates or a dataset's word classes need, and an
    own table has not.

    Columns that are made where a table lacks them are none; a file that is not there is not looked
    at.
    """
    for name, dataset in study.datasets.items():
        if isinstance(dataset.source, Own) and "classes" in dataset.text:
            columns = _columns_of(dataset.source)
            if columns is not None and "word_classes" not in columns:
                yield (
                    f"datasets.{name}.text: classes needs the column word_classes, which "
                    f"{dataset.source.stimuli} has not; the columns found are {', '.join(columns)}"
                )
    for name, benchmark in study.behavior.items():
        source = study.datasets[benchmark.dataset].source
        if not (isinstance(source, Own) and isinstance(benchmark, ControlledReading)):
            continue
        path, columns = source.stimuli, _columns_of(source)
        if columns is None:
            continue
        needed = dict.fromkeys(c for term in benchmark.covariates for c in columns_of(term))
        for column in needed:
            if column not in columns and column not in MADE:
                yield (
                    f"behavior.{name}.covariates: column {column} is neither in {path} nor made; "
                    f"the columns found are {', '.join(columns)}"
                )


def _columns_of(source: Own) -> list[str] | None:
    """The columns of the table of stimuli; None where it is not there or not readable."""
    path = Path(source.stimuli)
    if not path.is_file():
        return None
    try:
        return _columns(path)
    except (InputError, OSError, zlib.error, EOFError):
        return None  # the dataset's own job names what is wrong with the file


def _columns(path: Path) -> list[str]:
    if path.name.removesuffix(".gz").endswith(".parquet"):
        from pyarrow import ArrowException
        from pyarrow.parquet import read_schema

        try:
            return list(read_schema(path).names)
        except ArrowException as error:
            raise InputError(str(error)) from error
    content = path.read_bytes()
    unpacked = gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
    return header_of(unpacked, str(path))
