"""The two ways to answer: choose the likeliest of given answers, or write one."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from brainalign.capability import generation, multiple_choice
from brainalign.capability.batches import Context
from brainalign.capability.decoding import Writer, greedy
from brainalign.capability.extraction import OPENED, TURN_ENDS, finished
from brainalign.capability.prompts import Prompt, Prompter
from brainalign.capability.tasks import Task
from brainalign.models.loading import LanguageModel

Row = Mapping[str, Any]


class Scorer(Protocol):
    """What it takes to answer a question whose prompt has been read.

    enough : tokens of a batch beyond which nothing gets faster.
    """

    enough: float

    def new_tokens(self, row: Row) -> int:
        """How many tokens may be read after the prompt."""

    def stem(self, row: Row, prompt: Prompt) -> Sequence[int]:
        """The tokens to read before the answer."""

    def answers(
        self, context: Context, rows: Sequence[Row], prompts: Sequence[Prompt]
    ) -> list[dict[str, Any]]:
        """What a record says of the answer, one per row of the context."""


def make_scorer(model: LanguageModel, task: Task, prompter: Prompter) -> Scorer:
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

    def new_tokens(self, row: Row) -> int:
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
    """Writes the answer, greedily.

    A `legacy` answer is one line, and the model's end token ends it, as in InstructEval. Any
    other goes on until it is settled (`extraction.finished`) or the model ends its turn.
    """

    enough = math.inf  # each pass over the weights writes one token of every row

    def __init__(self, model: LanguageModel, task: Task) -> None:
        self.task = task
        self.form = multiple_choice if task.format == "multiple-choice" else generation
        legacy = task.scoring == "legacy"
        self.writer = Writer(model.model, model.tokenizer, () if legacy else TURN_ENDS)
        # InstructEval gives T5 a length that counts the decoder's start token.
        counts_start = legacy and model.architecture == "encoder-decoder"
        self.max_new_tokens = task.max_new_tokens - counts_start

    def new_tokens(self, row: Row) -> int:
        return self.max_new_tokens - 1

    def stem(self, row: Row, prompt: Prompt) -> Sequence[int]:
        return prompt.ids

    def answers(
        self, context: Context, rows: Sequence[Row], prompts: Sequence[Prompt]
    ) -> list[dict[str, Any]]:
        before = [_opening(prompt) for prompt in prompts]

        def ends(row: int, tokens: list[int]) -> bool:
            return self.writer.ends(
                tokens, lambda text: self._settled(rows[row], before[row] + text)
            )

        tokens, tied = greedy(context, self.max_new_tokens, ends)
        return [
            self.form.judge_written(
                row, before[k] + self.writer.text(tokens[k]), tied[k], self.task,
                cut=not ends(k, tokens[k]),
            )
            for k, row in enumerate(rows)
        ]  # fmt: skip

    def _settled(self, row: Row, text: str) -> bool:
        if self.task.scoring == "legacy":
            return "\n" in text.lstrip()
        reasoned = self.task.scoring == "chain-of-thought"
        return finished(text, self.form.form_of(row), reasoned=reasoned)


def _opening(prompt: Prompt) -> str:
    """The mark of reasoning that a chat template begins the reply with, or nothing."""
    result = re.search(rf"(?:{OPENED.pattern})\s*$", prompt.text, re.I)
    return result[0] if result else ""
