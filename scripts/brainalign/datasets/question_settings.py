"""Where questions come from: a class for each type of `questions` of a task."""

from typing import Annotated, ClassVar, Literal

from brainalign.settings import Settings, key


class Questions(Settings, tag_field="type", frozen=True):
    """Where questions come from.

    of_paper : the tables of Aw et al. 2024 have accuracies on them.
    """

    reader: ClassVar[str] = ""
    of_paper: ClassVar[bool] = False


class SimulatedQuestions(Questions, tag="simulated", frozen=True):
    """Questions on the simulated world."""


class Mmlu(Questions, tag="mmlu", frozen=True):
    """MMLU, multiple choice."""

    of_paper = True

    release: Annotated[Literal["csv", "tar", "hub"], key("which files are read")] = "csv"
    per_subject: Annotated[int, key("questions of each subject; null: all", ge=1)] | None = None


class Bbh(Questions, tag="bbh", frozen=True):
    """BIG-Bench Hard, written answers."""

    of_paper = True

    release: Annotated[Literal["json", "hub"], key("which files are read")] = "json"
    per_subject: Annotated[int, key("questions of each task; null: all", ge=1)] | None = None


class Blimp(Questions, tag="blimp", frozen=True):
    """BLiMP, minimal pairs of sentences."""

    paradigms: Annotated[list[str], key("which of the 67; default: all")] | None = None
    per_subject: Annotated[int, key("pairs of each paradigm; null: all", ge=1)] | None = None


class OwnQuestions(Questions, tag="own", frozen=True):
    """Your own questions (docs/adding-questions.md)."""

    reader = "own_questions"

    path: Annotated[
        str,
        key(
            "table of questions",
            pattern=r"\.(csv|tsv|parquet|jsonl)$",
            allowed="a path that ends in .csv, .tsv, .parquet or .jsonl",
        ),
    ]


RealQuestions = Mmlu | Bbh | Blimp | OwnQuestions
