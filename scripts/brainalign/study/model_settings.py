"""The config's section `models`: an entry, whose `source` is of one of many types."""

from typing import Annotated, Literal

from brainalign.datasets.surprisal_settings import Presentation, PublishedSurprisal, SurprisalTable
from brainalign.errors import InputError
from brainalign.models.settings import Baseline, Fetched, ScoredOn
from brainalign.settings import Settings, key
from brainalign.training.settings import Pretrain, Tune, Untrained

ModelSource = Fetched | Pretrain | Tune | Untrained | Baseline | PublishedSurprisal


class Model(Settings, frozen=True):
    """A model: where it comes from, whom it is compared with, how it reads.

    A model with `source.of` has family, parameters and the keys from dtype to scored_on from that
    model, unless its entry says otherwise.
    """

    source: Annotated[ModelSource, key("where it comes from")]
    base: (
        Annotated[
            str,
            key(
                "the vanilla partner of a tuned model in contrasts (tune implies it)",
                names="model of this study",
            ),
        ]
        | None
    ) = None
    tuned: Annotated[
        bool, key("instruction-tuned, though its vanilla partner is not in the study")
    ] = False
    family: (
        Annotated[str, key("models compared among themselves; default: its own", min_length=1)]
        | None
    ) = None
    label: (
        Annotated[str, key("name in figures; default: the entry's name", min_length=1)] | None
    ) = None
    parameters: (
        Annotated[float, key("number of parameters; default: counted in the weights", gt=0)] | None
    ) = None
    published: (
        Annotated[str, key("name in resources/published/models.csv; default: the entry's name")]
        | None
    ) = None
    dtype: Annotated[
        Literal["float32", "bfloat16", "float16"] | None,
        key("of the weights; default: float32"),
    ] = None
    max_context: (
        Annotated[int, key("maximum context in tokens, where the tokenizer's limit is wrong", ge=2)]
        | None
    ) = None
    chat: Annotated[
        bool | None, key("put texts and questions into the tokenizer's chat template")
    ] = None
    presentations: (
        Annotated[
            tuple[Presentation, ...],
            key(
                "how texts are presented, the first counts; default: raw", min_length=1, unique=True
            ),
        ]
        | None
    ) = None
    bos: Annotated[
        Literal["default", "none", "tokenizer"] | None,
        key("what texts begin with; default: what the tokenizer puts there by itself"),
    ] = None
    decoder_input: Annotated[
        Literal["shifted", "start"] | None,
        key("what the decoder of an encoder-decoder reads; default: shifted"),
    ] = None
    surprisal: Annotated[
        Literal["prefix", "infilling", "teacher-forcing"] | None,
        key("surprisal of an encoder-decoder; default: prefix"),
    ] = None
    scored_on: ScoredOn = None
    trust_remote_code: Annotated[bool, key("run code from the model's repository")] = False

    def __post_init__(self) -> None:
        if not isinstance(self.source, PublishedSurprisal):
            return
        # Published surprisal has a file for each presentation, and its source may name one.
        if self.chat is not None:
            raise InputError(
                "chat: only models with weights have it; for published surprisal the source says "
                "it (presentation: chat)"
            )
        named = self.source.presentation
        if self.presentations and named is not None:
            raise InputError(
                f"source.presentation: {named!r}, but presentations are given, too; give one of "
                "them"
            )
        if len(self.presentations or ()) > 1 and isinstance(self.source, SurprisalTable):
            raise InputError(
                "presentations: your table is of one presentation; make a model of each table"
            )
