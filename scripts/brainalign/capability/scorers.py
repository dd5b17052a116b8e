"""The two ways to answer: choose the likeliest of given answers, or write one."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from brainalign.capability import generation, multiple_choice
from brainalign.capability.batches import Context
from brainalign.capability.decoding import Writer, greedy
from brainalign.capability.prompts import Prompt, Prompter
from brainalign.capability.tasks import Task
from brainalign.models.loading import LanguageModel

Row = Mapping[str, Any]
STOPS = {"chain-of-thought": "\n\n"}  # any other answer is one line


class Scorer(Protocol):
    """What it takes to answer a question whose prompt has been read.

    enough : tokens of a batch beyond which nothing gets faster.
    """

    enough: float

    def room(self, row: Row) -> int:
        """How many tokens may be read after the prompt."""

    def stem(self, row: Row, prompt: Prompt) -> Sequence[int]:
        """The tokens to read before the answer."""

    def answers(
        self, context: Context, rows: Sequence[Row], prompts: Sequence[Prompt]
    ) -> list[dict[str, Any]]:
        """What a record says of the answer, one per row of the context."""


def scorer(model: LanguageModel, task: Task, prompter: Prompter) -> Scorer:
    """The way that a task asks for."""
    if task.scoring.startswith("loglikelihood"):
        return Likeliest(task, prompter)
    return Written(model, task)


class Likeliest:
    """Chooses the answer of the largest log-likelihood."""

    enough: float = 4096

    def __init__(self, task: Task, prompter: Prompter) -> None:
        self.task = task
        self.prompter = prompter

    def room(self, row: Row) -> int:
        return self.prompter.longest(multiple_choice.answers(row, self.task)) - 1

    def stem(self, row: Row, prompt: Prompt) -> Sequence[int]:
        overlap, _ = self._continuations(row, prompt)
        return prompt.ids[: len(prompt.ids) - overlap]

    def answers(
        self, context: Context, rows: Sequence[Row], prompts: Sequence[Prompt]
    ) -> list[dict[str, Any]]:
        texts = [self._continuations(*pair)[1] for pair in zip(rows, prompts, strict=True)]
        values = multiple_choice.loglikelihoods(context, texts)
        return [
            multiple_choice.judge_likeliest(row, of_row, [len(ids) for ids in text], self.task)
            for row, of_row, text in zip(rows, values, texts, strict=True)
        ]

    def _continuations(self, row: Row, prompt: Prompt) -> tuple[int, list[tuple[int, ...]]]:
        return self.prompter.continuations(prompt, multiple_choice.answers(row, self.task))


class Written:
    """Writes the answer, greedily."""

    enough = math.inf  # each pass over the weights writes one token of every row

    def __init__(self, model: LanguageModel, task: Task) -> None:
        self.task = task
        self.writer = Writer(model.model, model.tokenizer, STOPS.get(task.scoring, "\n"))
        # InstructEval gives T5 a length that counts the decoder's start token.
        counts_start = task.scoring == "legacy" and model.architecture == "encoder-decoder"
        self.max_new_tokens = task.max_new_tokens - counts_start

    def room(self, row: Row) -> int:
        return self.max_new_tokens - 1

    def stem(self, row: Row, prompt: Prompt) -> Sequence[int]:
        return prompt.ids

    def answers(
        self, context: Context, rows: Sequence[Row], prompts: Sequence[Prompt]
    ) -> list[dict[str, Any]]:
        tokens, tied = greedy(context, self.max_new_tokens, self.writer.ends)
        judge = (
            multiple_choice.judge_written
            if self.task.format == "multiple-choice"
            else generation.judge_written
        )
        return [
            judge(row, self.writer.text(new), tie, self.task)
            for row, new, tie in zip(rows, tokens, tied, strict=True)
        ]
