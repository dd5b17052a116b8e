"""What a capability task asks for, checked."""

from dataclasses import dataclass
from typing import Self

import pandas as pd

from brainalign.capability.settings import (
    LEGACY_PROMPT_TOKENS,
    Generation,
    MinimalPairs,
    MultipleChoice,
)
from brainalign.errors import InputError
from brainalign.settings import tag_of

# InstructEval's lengths: 2 tokens for a letter, 32 for a BBH answer.
NEW_TOKENS = {
    ("multiple-choice", "legacy"): 2,
    ("multiple-choice", "direct"): 32,
    ("generation", "legacy"): 32,
    ("generation", "direct"): 32,
    ("generation", "chain-of-thought"): 512,
}
COLUMNS = {
    "multiple-choice": (
        "question_id", "split", "subject", "category", "question", "choices", "gold",
    ),
    "generation": ("question_id", "split", "subject", "task", "category", "input", "target"),
    "minimal-pairs": ("question_id", "split", "subject", "task", "category", "good", "bad"),
}  # fmt: skip


@dataclass(frozen=True)
class Task:
    """How questions are put and answers judged (docs/methods/capability.md).

    format : `multiple-choice`, `generation` or `minimal-pairs`.
    scoring : see the classes of `settings`.
    shots : worked examples before each question; fewer where the prompt would not fit.
    max_new_tokens : length limit of a generated answer (unused by log-likelihoods).
    max_prompt_tokens : length limit of a prompt beside the model's window; None: the window only.
    chat : whether the prompt is put into the tokenizer's chat template, as the user's message.
    normalisation : what a text's log-likelihood is divided by before the largest decides
        (`loglikelihood-text` only).
    method : how an encoder-decoder model reads minimal pairs (`reading.prediction.predictor`).
    """

    format: str
    scoring: str
    shots: int
    max_new_tokens: int = 0
    max_prompt_tokens: int | None = None
    chat: bool = False
    normalisation: str = "none"
    method: str = "prefix"

    @classmethod
    def of(
        cls,
        asking: MultipleChoice | Generation | MinimalPairs,
        chat: bool = False,
        method: str = "prefix",
    ) -> Self:
        """A task as the config describes it, its defaults by scoring filled in."""
        form, scoring = tag_of(asking), asking.scoring
        if isinstance(asking, MinimalPairs):
            return cls(form, scoring, shots=0, method=method)
        normalisation = getattr(asking, "normalisation", None) or (
            "characters" if scoring == "loglikelihood-text" else "none"
        )
        limit = LEGACY_PROMPT_TOKENS if scoring == "legacy" else None
        return cls(
            format=form,
            scoring=scoring,
            shots=asking.shots,
            max_new_tokens=asking.max_new_tokens or NEW_TOKENS.get((form, scoring), 0),
            max_prompt_tokens=asking.max_prompt_tokens or limit,
            chat=chat,
            normalisation=normalisation,
        )


def check_questions(questions: pd.DataFrame, task: Task, where: str) -> None:
    """Raise an InputError that names the first question at fault, if any; `COLUMNS` has the columns
    of each format.
    """
    missing = [name for name in COLUMNS[task.format] if name not in questions.columns]
    if missing:
        raise InputError(f"{where}: column {', '.join(missing)} is missing (format {task.format})")
    if not (questions["split"] == "test").any():
        raise InputError(f"{where}: no question of split test")
    ids = questions["question_id"]
    if ids.duplicated().any():
        raise InputError(f"{where}: question_id {ids[ids.duplicated()].iloc[0]} is repeated")
    if task.format == "multiple-choice":
        _check_choices(questions, where)
    else:
        texts = ("input", "target") if task.format == "generation" else ("good", "bad")
        for column in texts:
            empty = ~questions[column].map(lambda text: isinstance(text, str) and text != "")
            if column == "target":  # a published prompt has none
                empty &= questions["split"] != "prompt"
            if empty.any():
                raise InputError(f"{where}: question {ids[empty].iloc[0]}: no {column}")


def _check_choices(questions: pd.DataFrame, where: str) -> None:
    counts = questions["choices"].map(len)
    usual = int(counts.mode().iloc[0])
    odd = counts != usual
    if odd.any():
        raise InputError(
            f"{where}: question {questions.loc[odd, 'question_id'].iloc[0]} has "
            f"{counts[odd].iloc[0]} choices, the others have {usual}"
        )
    if not 2 <= usual <= 26:
        raise InputError(f"{where}: questions of {usual} choices, expected 2 to 26")
    outside = ~questions["gold"].isin(range(usual))
    if outside.any():
        raise InputError(
            f"{where}: question {questions.loc[outside, 'question_id'].iloc[0]}: gold "
            f"{questions.loc[outside, 'gold'].iloc[0]}, expected 0 to {usual - 1}"
        )
    for name, texts in (("question", questions["question"]), ("choice", questions["choices"])):
        empty = texts.map(lambda value: not all([value] if isinstance(value, str) else value))
        if empty.any():
            raise InputError(
                f"{where}: question {questions.loc[empty, 'question_id'].iloc[0]}: an empty {name}"
            )
