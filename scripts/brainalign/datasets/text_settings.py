"""Where running text and instruction data come from: a class for each type of source."""

from typing import Annotated, ClassVar, Literal

from brainalign.settings import Settings, key


class TextSource(Settings, tag_field="type", frozen=True):
    """Where a running text comes from."""

    reader: ClassVar[str] = ""


class SimulatedText(TextSource, tag="simulated", frozen=True):
    """Documents of the simulated world that no model was trained on."""


class Wikitext2(TextSource, tag="wikitext2", frozen=True):
    """WikiText-2."""

    split: Annotated[Literal["test", "validation"], key("which part")] = "test"


class OwnText(TextSource, tag="own", frozen=True):
    """Your own running text, in UTF-8 (docs/adding-questions.md)."""

    reader = "own_text"

    path: Annotated[str, key("the text", pattern=r"\.txt$", allowed="a path that ends in .txt")]


RealText = Wikitext2 | OwnText


class Alpaca(Settings, tag_field="type", tag="alpaca", frozen=True):
    """Alpaca's instruction data."""

    reader: ClassVar[str] = ""

    release: Annotated[Literal["full", "subset2000"], key("which file is read")] = "full"
