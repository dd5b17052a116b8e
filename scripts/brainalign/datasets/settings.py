"""Where published data come from: a class for each type of `source`."""

from typing import Annotated, ClassVar, Literal

from brainalign.datasets.measures import MEASURES
from brainalign.settings import Settings, key


class Source(Settings, tag_field="type", frozen=True):
    """Where data come from.

    timed : rows are volumes of a scan. reading : responses are reading times. neighbours : rows
    follow each other in a text or scan. measures : several of each word, a region each; a benchmark
    names one. None: only the files tell.
    """

    timed: ClassVar[bool | None] = False
    reading: ClassVar[bool | None] = False
    neighbours: ClassVar[bool | None] = True
    measures: ClassVar[tuple[str, ...] | None] = ()


class Own(Source, tag="own", frozen=True):
    """Your own data (docs/adding-a-dataset.md)."""

    timed = reading = neighbours = measures = None

    stimuli: Annotated[str, key("table of stimuli: CSV or Parquet")]
    responses: Annotated[str, key("responses: netCDF-4")]
    citation: Annotated[str, key("for the data card")] = ""


class Alice(Source, tag="alice", frozen=True):
    """Alice in Wonderland: fMRI of 27 listeners."""

    timed = True

    radius: Annotated[Literal["10mm", "6mm"], key("of the spheres that are averaged")] = "10mm"


class NaturalStories(Source, tag="natural-stories", frozen=True):
    """Natural Stories: self-paced reading times."""

    reading = True

    readers: Annotated[Literal["mean", "each"], key("their mean, or every reader")] = "mean"


class NaturalStoriesMaze(Source, tag="natural-stories-maze", frozen=True):
    """Natural Stories: maze times of single readers."""

    reading = True


class ReadingBrain(Source, tag="reading-brain", frozen=True):
    """Reading Brain: eye movements, several measures; a benchmark names one."""

    reading = True
    measures = MEASURES


class Pereira2018(Source, tag="pereira2018", frozen=True):
    """Pereira 2018: fMRI of sentences in passages."""

    experiment: Annotated[Literal[243, 384], key("number of sentences")]
    passages: Annotated[Literal["index", "label"], key("what a context group is")] = "index"


class Blank2014(Source, tag="blank2014", frozen=True):
    """Blank 2014: fMRI of stories, 12 regions."""


class Wehbe2014(Source, tag="wehbe2014", frozen=True):
    """Wehbe 2014: fMRI of a chapter, word by word."""

    timed = True


class Futrell2018(Source, tag="futrell2018", frozen=True):
    """Futrell 2018: reading times as Brain-Score packages them."""

    reading = True


class Tuckute2024(Source, tag="tuckute2024", frozen=True):
    """Tuckute 2024: fMRI of 1,000 sentences without context."""

    neighbours = False


class Fedorenko2016(Source, tag="fedorenko2016", frozen=True):
    """Fedorenko 2016: electrodes, sentences word by word."""


class Questions(Settings, tag_field="type", frozen=True):
    """Where questions come from."""


class SimulatedQuestions(Questions, tag="simulated", frozen=True):
    """Questions on the simulated world."""


class Mmlu(Questions, tag="mmlu", frozen=True):
    """MMLU, multiple choice."""

    release: Annotated[Literal["csv", "tar", "hub"], key("which files are read")] = "csv"
    per_subject: Annotated[int, key("questions of each subject; null: all", ge=1)] | None = None


class Bbh(Questions, tag="bbh", frozen=True):
    """BIG-Bench Hard, written answers."""

    release: Annotated[Literal["json", "hub"], key("which files are read")] = "json"
    per_subject: Annotated[int, key("questions of each task; null: all", ge=1)] | None = None


class Blimp(Questions, tag="blimp", frozen=True):
    """BLiMP, minimal pairs of sentences."""

    paradigms: Annotated[list[str], key("which of the 67; default: all")] | None = None
    per_subject: Annotated[int, key("pairs of each paradigm; null: all", ge=1)] | None = None


class OwnQuestions(Questions, tag="own", frozen=True):
    """Your own questions (docs/adding-questions.md)."""

    path: Annotated[
        str,
        key(
            "table of questions",
            pattern=r"\.(csv|tsv|parquet|jsonl)$",
            allowed="a path that ends in .csv, .tsv, .parquet or .jsonl",
        ),
    ]


class TextSource(Settings, tag_field="type", frozen=True):
    """Where a running text comes from."""


class SimulatedText(TextSource, tag="simulated", frozen=True):
    """Documents of the simulated world that no model was trained on."""


class Wikitext2(TextSource, tag="wikitext2", frozen=True):
    """WikiText-2."""

    split: Annotated[Literal["test", "validation"], key("which part")] = "test"


class OwnText(TextSource, tag="own", frozen=True):
    """Your own running text, in UTF-8 (docs/adding-questions.md)."""

    path: Annotated[str, key("the text", pattern=r"\.txt$", allowed="a path that ends in .txt")]
