"""A benchmark of the config's section `behavior`: how surprisal is held against reading times."""

from typing import Annotated, Literal

from brainalign.behavior.terms import STANDARD, columns_of
from brainalign.datasets.measures import EVENTS
from brainalign.datasets.names import NOT_AVERAGE, Models
from brainalign.errors import InputError
from brainalign.settings import Settings, key, part


class SplitHalf(Settings, tag_field="method", tag="split-half", frozen=True):
    """Reliability of the mean over readers, from random halves of them."""

    n: Annotated[int, key("halvings", ge=1)] = 10
    seed: Annotated[int, key("of the halvings; default: the study's", ge=0)] | None = None


class NoCeiling(Settings, tag_field="method", tag="none", frozen=True):
    """No ceiling."""


Ceiling = SplitHalf | NoCeiling


class MixedModel(Settings, frozen=True):
    """A mixed model of single times, as lme4's `(1 + slopes || reader) + (1 | item)`."""

    slopes: Annotated[
        tuple[str, ...],
        key("regressors whose slopes differ between readers (bits: surprisal)", unique=True),
    ] = ("bits",)
    items: Annotated[Literal["word", "sentence"], key("what has a random intercept")] = "word"
    held_out: Annotated[bool, key("the gain on held-out stories, too (two fits per story)")] = True


class LegacyFit(Settings, tag_field="mode", tag="legacy", frozen=True):
    """What the paper's score of a model depends on."""

    measure: (
        Annotated[
            str, key("of a dataset that holds several: gaze, total, skipping, …", min_length=1)
        ]
        | None
    ) = None
    skip_sentence_initial: Annotated[bool, key("leave sentence-initial words out")] = True
    ceiling: Annotated[Ceiling, key("how reliable the readers' mean is")] = SplitHalf()

    @property
    def fit(self) -> "LegacyFit":
        """What a job depends on: not the benchmark's names."""
        return part(self, ControlledFit if isinstance(self, ControlledFit) else LegacyFit)


class ControlledFit(LegacyFit, tag="controlled", frozen=True):
    """What the controlled measures of a model depend on."""

    covariates: Annotated[
        tuple[str, ...],
        key(
            "terms of columns of the stimuli: NAME, NAME^2, NAME*NAME, next(NAME) (of the next "
            "word), spline(NAME)",
            unique=True,
        ),
    ] = STANDARD
    spillover: Annotated[
        int, key("previous words whose surprisal and covariates count, too", ge=0)
    ] = 2
    times: Annotated[Literal["raw", "log"], key("raw: ms; log: their natural logarithm")] = "raw"
    mixed_model: Annotated[MixedModel | None, key("of single readers' times")] = None

    def __post_init__(self) -> None:
        for term in self.covariates:
            try:
                columns_of(term)
            except InputError as error:
                raise InputError(f"covariates: {error}") from None
            if term.startswith("spline(") and columns_of(term)[0] in self.covariates:
                raise InputError(f"covariates: {columns_of(term)[0]} is part of {term}; give one")
        if self.times == "log" and self.measure in EVENTS:
            raise InputError(f"times: log, but {self.measure} is 0 or 1, not a duration")


DatasetName = Annotated[str, key("a dataset of the study", names="dataset of this study")]
ReportAs = (
    Annotated[
        str,
        key(
            "what tables call the data; default: the dataset (and the measure)",
            pattern=NOT_AVERAGE,
            allowed="a name other than average, which is the mean's in tables",
        ),
    ]
    | None
)


class LegacyReading(LegacyFit, tag="legacy", kw_only=True, frozen=True):
    """r of surprisal with the mean reading time of each word, as in the paper."""

    dataset: DatasetName
    report_as: ReportAs = None
    models: Models = None


class ControlledReading(ControlledFit, tag="controlled", kw_only=True, frozen=True):
    """The gain of surprisal over covariates of the word and of the words before."""

    dataset: DatasetName
    report_as: ReportAs = None
    models: Models = None
    by_layer: Annotated[
        tuple[Literal["surprisal", "states"], ...],
        key(
            "depth profiles of models with weights: what each layer adds to the covariates, by its "
            "surprisal (logit lens), by its states (ridge)",
            unique=True,
        ),
    ] = ()


ReadingBenchmark = LegacyReading | ControlledReading
