"""What a capability task asks for, checked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import pandas as pd

from brainalign.errors import InputError

SCORINGS = {
    "multiple-choice": ("loglikelihood", "loglikelihood-text", "legacy", "direct"),
    "generation": ("legacy", "direct", "chain-of-thought"),
}
SHOTS = {"multiple-choice": 5, "generation": 3}
# InstructEval's lengths: 2 tokens for a letter, 32 for a BBH answer, prompts of up to 2048.
NEW_TOKENS = {
    ("multiple-choice", "legacy"): 2,
    ("multiple-choice", "direct"): 32,
    ("generation", "legacy"): 32,
    ("generation", "direct"): 32,
    ("generation", "chain-of-thought"): 512,
}
LEGACY_PROMPT_TOKENS = 2048
NORMALISATIONS = ("none", "characters", "tokens")
COLUMNS = {
    "multiple-choice": (
        "question_id", "split", "subject", "category", "question", "choices", "gold",
    ),
    "generation": ("question_id", "split", "subject", "task", "category", "input", "target"),
}  # fmt: skip


@dataclass(frozen=True)
class Task:
    """How questions are put and answers judged (docs/methods/capability.md).

    format : `multiple-choice` or `generation`.
    scoring : one of `SCORINGS[format]`.
    shots : worked examples before each question; fewer where the prompt would not fit.
    max_new_tokens : length limit of a generated answer (unused by log-likelihoods).
    max_prompt_tokens : length limit of a prompt beside the model's window; None: the window only.
    chat : whether the prompt is put into the tokenizer's chat template, as the user's message.
    normalisation : what a text's log-likelihood is divided by before the largest decides
        (`loglikelihood-text` only).
    """

    format: str
    scoring: str
    shots: int
    max_new_tokens: int = 0
    max_prompt_tokens: int | None = None
    chat: bool = False
    normalisation: str = "none"

    @classmethod
    def from_config(cls, entry: Mapping[str, Any]) -> Self:
        """Read a task of the config; keys that say nothing of the scoring are ignored.

        Raises
        ------
        InputError : a key is missing or its value is not one of those allowed.
        """
        form = entry.get("format")
        if form not in SCORINGS:
            raise InputError(f"format: {form!r}, expected one of {', '.join(SCORINGS)}")
        scoring = entry.get("scoring")
        if scoring not in SCORINGS[form]:
            raise InputError(
                f"scoring: {scoring!r}, expected one of {', '.join(SCORINGS[form])} "
                f"for format {form}"
            )
        if entry.get("normalisation") and scoring != "loglikelihood-text":
            raise InputError(f"normalisation: of scoring loglikelihood-text, not of {scoring}")
        normalisation = entry.get("normalisation") or (
            "characters" if scoring == "loglikelihood-text" else "none"
        )
        if normalisation not in NORMALISATIONS:
            raise InputError(
                f"normalisation: {normalisation!r}, expected one of {', '.join(NORMALISATIONS)}"
            )
        limit = LEGACY_PROMPT_TOKENS if scoring == "legacy" else None
        if entry.get("max_prompt_tokens") is not None:
            limit = _integer(entry, "max_prompt_tokens", 0, at_least=1)
        return cls(
            format=form,
            scoring=scoring,
            shots=_integer(entry, "shots", SHOTS[form], at_least=0),
            max_new_tokens=_integer(
                entry, "max_new_tokens", NEW_TOKENS.get((form, scoring), 0), at_least=0
            ),
            max_prompt_tokens=limit,
            chat=bool(entry.get("chat", False)),
            normalisation=normalisation,
        )


def check_questions(questions: pd.DataFrame, task: Task, where: str) -> None:
    """Raise an InputError that names the first question at fault, if any."""
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
        for column in ("input", "target"):
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


def _integer(entry: Mapping[str, Any], key: str, default: int, at_least: int) -> int:
    value = entry.get(key)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or value < at_least:
        raise InputError(f"{key}: {value!r}, expected an integer of at least {at_least}")
    return value
