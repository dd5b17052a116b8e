"""BIG-Bench Hard: 23 reasoning tasks in 27 files (Suzgun et al. 2022), from two releases."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from brainalign.datasets.prepared import expect
from brainalign.datasets.question_counts import BBH
from brainalign.datasets.question_settings import Bbh
from brainalign.datasets.raw import RawFile, Record, raw_table, table_rows, text
from brainalign.datasets.subset import stratified
from brainalign.errors import InputError
from brainalign.formats.tables import read_table
from brainalign.resources import RESOURCES

LICENCE = "MIT"
FILES, EXAMPLES = 27, BBH
SHOTS = 3  # the first three examples of a file serve as worked examples of the legacy prompt
PROMPTS = "bbh/cot-prompts/"

COLUMNS = ["question_id", "split", "subject", "task", "category", "input", "target"]


def raw_files(source: Bbh) -> list[RawFile]:
    """27 files, the authors' `json` or lukaemon/bbh on the `hub`, and the authors' 27 prompts."""
    folder = "bbh/bbh/" if source.release == "json" else "bbh/hub/"
    table = raw_table("bbh", LICENCE)
    return [file for path, file in table.items() if path.startswith((folder, PROMPTS))]


def read(records: Sequence[Record], source: Bbh, seed: int) -> pd.DataFrame:
    """The questions table (docs/architecture.md), in the files' order.

    Beside the questions (split `test`) it has a row per file of split `prompt`, whose `input` is
    the authors' prompt of three worked examples, its canary included, and whose `target` is empty.
    With `per_subject`, the first three questions of each file stay beside that many others: they
    are the examples of the legacy prompt.

    Raises
    ------
    InputError : a file is not JSON of that form, an example lacks input or target, a prompt is
        empty, a file is missing.
    """
    reader = _from_json if source.release == "json" else _from_hub
    lists = read_table(RESOURCES / "categories" / "bbh.csv").set_index("subject")
    rows = []
    for record in records:
        subject = record.name.split("/")[-1].rpartition(".")[0]
        if subject not in lists.index:
            raise InputError(f"{record.path}: {subject} is not one of the {FILES} files")
        about = (subject, lists.loc[subject, "task"], lists.loc[subject, "category"])
        if record.name.startswith(PROMPTS):
            rows.append((f"{subject}.prompt", "prompt", *about, _prompt(record), ""))
        else:
            for i, (given, target) in enumerate(reader(record)):
                rows.append((f"{subject}.{i:03d}", "test", *about, given, target))
    table = pd.DataFrame(rows, columns=COLUMNS)
    where, prompt = f"bbh ({source.release})", table["split"] == "prompt"
    expect(table[~prompt]["subject"].nunique(), FILES, where, "number of files")
    expect(int(prompt.sum()), FILES, where, "number of prompts")
    expect(int((~prompt).sum()), EXAMPLES, where, "number of examples")
    shots = table.groupby(["split", "subject"]).cumcount() < SHOTS
    return stratified(table, source.per_subject, seed, keep=prompt | shots)


def _prompt(record: Record) -> str:
    prompt = text(record)
    if not prompt.strip():
        raise InputError(f"{record.path}: the prompt is empty")
    return prompt


def _from_json(record: Record) -> Iterator[tuple[str, str]]:
    where = record.path
    try:
        data = json.loads(text(record))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not JSON ({error})") from error
    examples = data.get("examples") if isinstance(data, dict) else None
    if not isinstance(examples, list) or not examples:
        raise InputError(f"{where}: no list of examples")
    for number, example in enumerate(examples):
        yield _example(example if isinstance(example, dict) else {}, f"{where}: example {number}")


def _from_hub(record: Record) -> Iterator[tuple[str, str]]:
    for number, example in enumerate(table_rows(record, ("input", "target"))):
        yield _example(example, f"{record.path}: example {number}")


def _example(example: Mapping[Any, Any], where: str) -> tuple[str, str]:
    for key in ("input", "target"):
        if not isinstance(example.get(key), str) or not example[key].strip():
            raise InputError(f"{where}: no {key}")
    return example["input"], example["target"]
