"""A task of the config's section `capability`: how questions are put and answers judged."""

from typing import Annotated, Literal

from brainalign.datasets.question_settings import Bbh, Blimp, Mmlu, OwnQuestions, SimulatedQuestions
from brainalign.errors import InputError
from brainalign.settings import Settings, key, tag_of

Shots = Annotated[int, key("worked examples before each question", ge=0, le=5)]
# InstructEval's prompts.
LEGACY_PROMPT_TOKENS = 2048


class Asking(Settings, tag_field="format", frozen=True):
    """How questions are put."""

    max_new_tokens: (
        Annotated[int, key("tokens of a written answer; default: by scoring", ge=1)] | None
    ) = None
    max_prompt_tokens: (
        Annotated[
            int,
            key("tokens of a prompt; default: the model's window, of scoring legacy 2048", ge=1),
        ]
        | None
    ) = None


class MultipleChoice(Asking, tag="multiple-choice", kw_only=True, frozen=True):
    """Questions with choices (as MMLU)."""

    scoring: Annotated[
        Literal["loglikelihood", "loglikelihood-text", "legacy", "direct"],
        key(
            "loglikelihood: the likeliest letter; loglikelihood-text: the likeliest answer; "
            "legacy: the published scoring; direct: a written letter"
        ),
    ]
    shots: Shots = 5
    normalisation: Annotated[
        Literal["none", "characters", "tokens"] | None,
        key("what an answer's log-likelihood is divided by (loglikelihood-text: characters)"),
    ] = None

    def __post_init__(self) -> None:
        if self.normalisation and self.scoring != "loglikelihood-text":
            raise InputError(
                f"normalisation: only scoring loglikelihood-text has it, not {self.scoring}"
            )


class Generation(Asking, tag="generation", kw_only=True, frozen=True):
    """Questions with written answers (as BIG-Bench Hard)."""

    scoring: Annotated[
        Literal["legacy", "direct", "chain-of-thought"],
        key(
            "legacy: the published scoring; direct: an answer at once; "
            "chain-of-thought: an answer after reasoning"
        ),
    ]
    shots: Shots = 3


class MinimalPairs(Settings, tag_field="format", tag="minimal-pairs", frozen=True):
    """Pairs of sentences, one of which is acceptable (as BLiMP)."""

    scoring: Annotated[Literal["sentences"], key("the likelier sentence")] = "sentences"


QuestionSource = Annotated[
    SimulatedQuestions | Mmlu | Bbh | OwnQuestions, key("where the questions come from")
]


class MultipleChoiceTask(MultipleChoice, tag="multiple-choice", kw_only=True, frozen=True):
    """Questions with choices (as MMLU)."""

    questions: QuestionSource

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.questions, Bbh):
            raise InputError("format: 'multiple-choice', but questions of type bbh are generation")

    @property
    def asking(self) -> MultipleChoice:
        """What a job depends on, beside the questions."""
        names = MultipleChoice.__struct_fields__
        return MultipleChoice(**{name: getattr(self, name) for name in names})


class GenerationTask(Generation, tag="generation", kw_only=True, frozen=True):
    """Questions with written answers (as BIG-Bench Hard)."""

    questions: QuestionSource

    def __post_init__(self) -> None:
        if isinstance(self.questions, Mmlu):
            raise InputError("format: 'generation', but questions of type mmlu are multiple-choice")
        if self.scoring == "chain-of-thought" and not isinstance(self.questions, Bbh):
            raise InputError(
                f"scoring: questions of type {tag_of(self.questions)} have no chains of thought to "
                "show"
            )

    @property
    def asking(self) -> Generation:
        """What a job depends on, beside the questions."""
        names = Generation.__struct_fields__
        return Generation(**{name: getattr(self, name) for name in names})


class MinimalPairsTask(MinimalPairs, tag="minimal-pairs", kw_only=True, frozen=True):
    """Pairs of sentences, one of which is acceptable (as BLiMP)."""

    questions: Annotated[SimulatedQuestions | Blimp, key("where the pairs come from")]

    @property
    def asking(self) -> MinimalPairs:
        """What a job depends on, beside the pairs."""
        return MinimalPairs(scoring=self.scoring)


Task = MultipleChoiceTask | GenerationTask | MinimalPairsTask
