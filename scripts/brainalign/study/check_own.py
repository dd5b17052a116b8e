"""Faults of the user's files that show before anything runs.

The columns of tables, the config of checkpoints, the headers of scans and surfaces against each
other and the stimuli, the number of split groups and of runs.
"""

import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pandas as pd

from brainalign.behavior.settings import ControlledReading
from brainalign.behavior.terms import columns_of
from brainalign.datasets.own_covariates import MADE
from brainalign.datasets.own_csv import BEGINNING, without_edges
from brainalign.datasets.own_findings import Findings
from brainalign.datasets.own_form import require_targets, run_names
from brainalign.datasets.own_keys import ARRAYS, NETCDF, TABLES
from brainalign.datasets.own_questions import check_columns
from brainalign.datasets.own_response_table import require_responses
from brainalign.datasets.own_table import (
    DELIMITED,
    STIMULI,
    header,
    read_table,
    require_stimuli,
    require_strings,
)
from brainalign.datasets.question_settings import OwnQuestions
from brainalign.datasets.raw import open_unpacked, unpacked
from brainalign.datasets.settings import Own
from brainalign.encoding.splits import HeldOut
from brainalign.errors import InputError
from brainalign.models.settings import Folder
from brainalign.study.check_own_scans import check_stimuli_of, run_lengths
from brainalign.study.settings import Study


def own_faults(study: Study) -> Iterator[str]:
    """A line for each fault of the user's files that shows without reading them whole.

    A file that is not there or not readable is not looked at: Snakemake or its job names it.
    """
    yield from _table_faults(study)
    yield from _folder_faults(study)
    yield from _scan_faults(study)
    yield from _fold_faults(study)
    yield from covariate_faults(study)


def covariate_faults(study: Study) -> Iterator[str]:
    """A line for each column that a benchmark's covariates or a dataset's word classes need, and an
    own table has not.

    Columns that are made where a table lacks them are none; a file that is not there is not looked
    at.
    """
    for name, dataset in study.datasets.items():
        if isinstance(dataset.source, Own) and "classes" in dataset.text:
            columns = _columns_of(dataset.source.stimuli)
            if columns is not None and "word_classes" not in columns:
                yield (
                    f"datasets.{name}.text: classes needs the column word_classes, which "
                    f"{dataset.source.stimuli} has not; the columns found are {', '.join(columns)}"
                )
    for name, benchmark in study.behavior.items():
        source = study.datasets[benchmark.dataset].source
        if not (isinstance(source, Own) and isinstance(benchmark, ControlledReading)):
            continue
        path, columns = source.stimuli, _columns_of(source.stimuli)
        if columns is None:
            continue
        needed = dict.fromkeys(c for term in benchmark.covariates for c in columns_of(term))
        for column in needed:
            if column not in columns and column not in MADE:
                yield (
                    f"behavior.{name}.covariates: column {column} is neither in {path} nor made; "
                    f"the columns found are {', '.join(columns)}"
                )


def _table_faults(study: Study) -> Iterator[str]:
    """A line for each table of stimuli, responses, targets or questions that lacks a column."""
    for name, dataset in study.datasets.items():
        source = dataset.source
        if not isinstance(source, Own):
            continue
        stimuli = partial(require_stimuli, timed=source.tr is not None)
        checks: dict[str, Callable[[list[str], str], None]] = {
            source.stimuli: require_strings if source.localizer else stimuli
        }
        if isinstance(source.responses, str):
            checks[source.responses] = partial(require_responses, source=source)
            if source.targets is not None:
                checks[source.targets] = require_targets
        for path, check in checks.items():
            if fault := _fault(path, check):
                yield f"datasets.{name}.source: {fault}"
    for name, task in study.capability.items():
        if not isinstance(task.questions, OwnQuestions):
            continue
        if fault := _fault(task.questions.path, check_columns):
            yield f"capability.{name}.questions: {fault}"


def _fault(path: str, check: Callable[[list[str], str], None]) -> str:
    """What a check of a table's columns finds; nothing where it is no table or cannot be read."""
    columns = _columns_of(path)
    try:
        if columns is not None:
            check(columns, path)
    except InputError as error:
        return str(error)
    return ""


def _folder_faults(study: Study) -> Iterator[str]:
    for name, model in study.models.items():
        if not isinstance(model.source, Folder):
            continue
        folder = Path(model.source.path)
        # A folder with an adapter has another error.
        files = ("config.json", "adapter_config.json")
        if folder.is_dir() and not any((folder / file).is_file() for file in files):
            yield (
                f"models.{name}.source: {folder} has no config.json; expected a folder with "
                "config.json, a tokenizer and safetensors"
            )


def _scan_faults(study: Study) -> Iterator[str]:
    """A line for each dataset of scans or surfaces that do not fit each other, atlas or stimuli."""
    for name, dataset in study.datasets.items():
        source = dataset.source
        if not (isinstance(source, Own) and source.images):
            continue
        try:
            lengths, table = run_lengths(source), _stimuli_of(source)
            if lengths is not None and table is not None:
                check_stimuli_of(source, lengths, *table)
        except InputError as error:
            yield f"datasets.{name}.source: {error}"


def _fold_faults(study: Study) -> Iterator[str]:
    """A line for each benchmark whose folds hold out more groups than the user's files have."""
    known: dict[tuple[str, bool], tuple[list[str], str] | None] = {}
    for name, benchmark in study.alignment.items():
        source, timed = study.datasets[benchmark.dataset].source, benchmark.timing is not None
        if not isinstance(source, Own) or source.localizer:
            continue
        if isinstance(benchmark.split, HeldOut) and source.form not in NETCDF:
            yield (
                f"alignment.{name}.split.scheme: held-out, but only a netCDF file says which rows "
                "are held out (coordinate held_out); take grouped, or write such a file"
            )
            continue
        if (benchmark.dataset, timed) not in known:
            known[benchmark.dataset, timed] = _runs_of(source) if timed else _groups_of(source)
        groups, where = known[benchmark.dataset, timed] or ([], "")
        try:
            if groups:
                benchmark.require_groups(groups)
        except InputError as error:
            yield f"alignment.{name}.{error}; {where} has {len(set(groups))}"


def _groups_of(source: Own) -> tuple[list[str], str] | None:
    """The groups of the stimuli, and the column that has them; None where they are not known."""
    table = _stimuli_of(source)
    if table is None:
        return None
    groups = table[0]["split_group"].dropna().map(without_edges).tolist()
    return groups, f"column split_group of {source.stimuli}"


def _runs_of(source: Own) -> tuple[list[str], str] | None:
    """The run of each volume, and the key that says it; None where they are not known."""
    if source.form in ARRAYS and source.tr is not None:
        return run_names(source.runs or [1]), "source.runs"
    try:
        lengths = run_lengths(source) if source.images else None
    except InputError:
        return None  # which has been said of the dataset
    return None if lengths is None else (run_names(lengths), "source.responses")


def _stimuli_of(source: Own) -> tuple[pd.DataFrame, list[int]] | None:
    """The table of stimuli and the row of each; None where it cannot be read, or lacks columns."""
    path = Path(source.stimuli)
    try:
        content = unpacked(path.read_bytes(), str(path))
        table, rows = read_table(content, str(path), STIMULI, Findings())
        require_stimuli(table, str(path), timed=source.tr is not None)
    except (InputError, OSError, zlib.error, EOFError):
        return None  # the dataset's job names what is wrong with the file
    return table, rows


def _columns_of(table: str) -> list[str] | None:
    """The columns of a table; None where it is none, is empty, not there, or not readable."""
    path = Path(table)
    if not (path.name.removesuffix(".gz").endswith(TABLES) and path.is_file()):
        return None
    try:
        if path.name.removesuffix(".gz").endswith(DELIMITED):
            with open_unpacked(path) as file:
                return header(file.read(BEGINNING), table) or None
        return header(unpacked(path.read_bytes(), str(path)), table) or None
    except (InputError, OSError, zlib.error, EOFError):
        return None  # the dataset's job names what is wrong with the file
