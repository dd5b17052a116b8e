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
    """A line for each column that a benchmark's covariates need, and an own table has not.

    Columns that are made where a table lacks them are none; a file that is not there is not looked
    at.
    """
    for name, benchmark in study.behavior.items():
        source = study.datasets[benchmark.dataset].source
        if not (isinstance(source, Own) and isinstance(benchmark, ControlledReading)):
            continue
        path = Path(source.stimuli)
        if not path.is_file():
            continue
        try:
            columns = _columns(path)
        except (InputError, OSError, zlib.error, EOFError):
            continue  # the dataset's own job names what is wrong with the file
        needed = dict.fromkeys(c for term in benchmark.covariates for c in columns_of(term))
        for column in needed:
            if column not in columns and column not in MADE:
                yield (
                    f"behavior.{name}.covariates: column {column} is neither in {path} nor made; "
                    f"the columns found are {', '.join(columns)}"
                )


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
