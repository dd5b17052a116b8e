"""Where published surprisal comes from: a class for each release, and for a table of one's own."""

from typing import Annotated, ClassVar, Literal

from brainalign.datasets.settings import NaturalStories, NaturalStoriesMaze, Source
from brainalign.settings import Settings, key

Presentation = Literal["raw", "chat", "instruction", "prefix"]


class Surprisal(Settings, tag_field="type", frozen=True):
    """Surprisal that others computed; its model has no weights here.

    fitted : the class of the dataset whose reading times the release's fits are of. counts_tokens :
    the release says how many tokens each word has.
    """

    reader: ClassVar[str] = ""
    fitted: ClassVar[type[Source] | None] = None
    counts_tokens: ClassVar[bool] = False

    def is_of(self, name: str, source: Settings) -> bool:
        """Whether its words are those of a dataset, by name and source."""
        return isinstance(source, NaturalStories | NaturalStoriesMaze)


class Kuribayashi2024(Surprisal, tag="surprisal release=kuribayashi2024", frozen=True):
    """Surprisal that Kuribayashi et al. 2024 published; no weights."""

    reader = "kuribayashi2024"
    fitted = NaturalStories

    model: Annotated[str, key("a model of the release", min_length=1)]
    presentation: Annotated[Presentation | None, key("how texts were presented")] = None


class Michaelov2024(Surprisal, tag="surprisal release=michaelov2024", frozen=True):
    """Surprisal that Michaelov et al. 2024 published; no weights."""

    reader = "michaelov2024"
    fitted = NaturalStoriesMaze
    counts_tokens = True

    model: Annotated[str, key("a model of the release", min_length=1)]
    presentation: Annotated[Presentation | None, key("how texts were presented")] = None


class Columns(Settings, frozen=True):
    """Names of the columns of a table of surprisal."""

    word: Annotated[str, key("of the words")] = "word"
    surprisal: Annotated[str, key("of their surprisal")] = "surprisal"


class SurprisalTable(Surprisal, tag="surprisal", frozen=True):
    """A table of surprisal, a row per word of a dataset; no weights."""

    reader = "surprisal_table"

    path: Annotated[
        str,
        key(
            "the table",
            pattern=r"\.(csv|tsv|parquet)$",
            allowed="a path that ends in .csv, .tsv or .parquet",
        ),
    ]
    dataset: Annotated[
        str, key("the dataset of the study whose words it has", names="dataset of this study")
    ]
    unit: Annotated[Literal["bits", "nats"], key("of the surprisal")]
    columns: Annotated[Columns, key("names of its columns")] = Columns()
    context: Annotated[str, key("what preceded the words, for the record")] = "not stated"
    citation: Annotated[str, key("for the record")] = ""
    presentation: Annotated[Presentation | None, key("how texts were presented")] = None

    def is_of(self, name: str, source: Settings) -> bool:
        """Whether its words are those of a dataset, by name and source."""
        return self.dataset == name


PublishedSurprisal = Kuribayashi2024 | Michaelov2024 | SurprisalTable
