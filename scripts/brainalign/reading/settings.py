"""How models read: the config's sections `datasets` and `next_word`."""

from typing import Annotated, Literal

from brainalign.datasets.settings import RealDataset
from brainalign.datasets.text_settings import RealText, SimulatedText
from brainalign.errors import InputError
from brainalign.settings import Settings, key
from brainalign.simulation.settings import (
    Chapter,
    Localizer,
    Passages,
    Reading,
    Story,
    WholeBrain,
)

CONTEXTS = "passage|story|corpus|sentence|reversed|none|window:[1-9][0-9]*"
CONTROLS = rf"shuffled:(sentence|passage)|classes|surrogate|context:({CONTEXTS})"
DatasetSource = Passages | Story | Chapter | WholeBrain | Reading | Localizer | RealDataset


class Dataset(Settings, frozen=True):
    """Data, and how models read their stimuli."""

    source: Annotated[DatasetSource, key("where the data come from")]
    context: Annotated[
        str,
        key(
            "what precedes a stimulus: all before it in its passage or story, the last L words, "
            "all before it (corpus), its sentence so far, all in reverse order, nothing",
            pattern=rf"^({CONTEXTS})$",
            allowed="passage, story, corpus, sentence, reversed, none, or window:L with L words",
        ),
    ] = "story"
    pooling: Annotated[
        Literal["last", "mean", "sum"], key("activations over the stimulus' tokens")
    ] = "last"
    text: Annotated[
        tuple[
            Annotated[
                str,
                key(
                    "",
                    pattern=rf"^({CONTROLS})$",
                    allowed="shuffled:sentence, shuffled:passage, classes, surrogate, or context: "
                    "and one of the contexts",
                ),
            ],
            ...,
        ],
        key("what the text is altered to, beside the text as it is", unique=True),
    ] = ()
    stride: (
        Annotated[
            int,
            key("surprisal beyond the model's limit: tokens of context a word may lose", ge=1),
        ]
        | None
    ) = None
    whitespace: Annotated[
        Literal["leading", "trailing", "by-tokenizer"],
        key(
            "surprisal: the space belongs to the word after it (leading), before it (trailing), "
            "or as the model's tokens have it (by-tokenizer)"
        ),
    ] = "leading"


class Text(Settings, frozen=True):
    """A running text whose next words are predicted; contexts never cross documents."""

    source: Annotated[SimulatedText | RealText, key("where the text comes from")]
    documents: Annotated[
        Literal["whole", "lines"], key("whole: the text is one stream; lines: one document a line")
    ] = "whole"
    window: Annotated[int, key("tokens in view; default: the model's limit", ge=2)] | None = None
    stride: Annotated[int, key("tokens scored per window; default: half of it", ge=1)] | None = None
    max_tokens: Annotated[int, key("tokens read at most; default: all", ge=1)] | None = None

    def __post_init__(self) -> None:
        if self.stride and self.window and self.stride >= self.window:
            raise InputError(f"stride: {self.stride}, expected less than its window")
