"""Which module reads a source; the type `natural-stories` is read by `natural_stories.py`.

Readers are imported by name, when they are needed: the code of one is none of another's.

A reader has `raw_files(source) -> list[RawFile]` and `read`, which takes the located files and
returns, by the kind of data:

- dataset: `read(records, source) -> Prepared`
- questions: `read(records, source, seed) -> DataFrame`
- text, instructions: `read(records) -> list` of articles, of samples
- surprisal: `read(records, source, stimuli) -> PublishedSurprisal`
"""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from brainalign.datasets.question_settings import RealQuestions
from brainalign.datasets.settings import RealDataset
from brainalign.datasets.surprisal_settings import PublishedSurprisal
from brainalign.datasets.text_settings import Alpaca, RealText
from brainalign.resources import RESOURCES
from brainalign.settings import read, tag_of

Readable = RealDataset | RealQuestions | RealText | Alpaca | PublishedSurprisal
KINDS: Mapping[str, Any] = {
    "dataset": RealDataset,
    "questions": RealQuestions,
    "text": RealText,
    "instructions": Alpaca,
    "surprisal": PublishedSurprisal,
}


def read_source(source: object, kind: str) -> Any:
    """A source of a `kind` of data (a key of `KINDS`) from its mapping.

    Raises
    ------
    InputError : it is none of the classes of this kind, or has another fault.
    """
    return read(source, KINDS[kind], "source")


def reader(source: Readable) -> ModuleType:
    """The module that reads a source."""
    return import_module(f"brainalign.datasets.{_stem(source)}")


def reader_files(source: Readable) -> list[Path]:
    """The module that reads a source, and what of resources/ is named like it."""
    stem = _stem(source)
    tables = sorted(RESOURCES.glob(f"*/{stem}[._]*"))  # lists of raw files, categories, texts
    return [Path(__file__).with_name(f"{stem}.py"), *tables]


def _stem(source: Readable) -> str:
    return source.reader or tag_of(source).replace("-", "_")
