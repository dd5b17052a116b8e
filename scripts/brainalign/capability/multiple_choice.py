"""Multiple-choice questions (MMLU): the answer that a model finds most likely, or writes."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import torch

from brainalign.capability.batches import Context
from brainalign.capability.decoding import TIE
from brainalign.capability.prompts import (
    LETTERS,
    QuestionSet,
    cloze,
    cloze_header,
    instructeval_choice,
    instructeval_header,
)
from brainalign.capability.tasks import Task
from brainalign.errors import InputError


def question_set(questions: pd.DataFrame, task: Task) -> QuestionSet:
    """The questions of one subject (split `test`), with the first of its split `dev` as shots.

    Raises
    ------
    InputError : there are fewer dev questions than shots.
    """
    subject = str(questions["subject"].iloc[0])
    dev = questions[questions["split"] == "dev"]
    if len(dev) < task.shots:
        raise InputError(
            f"subject {subject}: {len(dev)} questions of split dev, too few for {task.shots} shots"
        )
    put, header = instructeval_choice, instructeval_header(subject)
    if task.scoring == "loglikelihood-text":
        put, header = cloze, cloze_header(subject)
    rows = questions[questions["split"] == "test"].to_dict("records")
    shots = dev.head(task.shots).to_dict("records")
    return QuestionSet(
        header,
        tuple(put(row["question"], row["choices"], row["gold"]) for row in shots),
        tuple(rows),
        tuple(put(row["question"], row["choices"], row["gold"]) for row in rows),
    )


def answers(row: Mapping[str, Any], task: Task) -> list[str]:
    """The answers to choose among, each as it would follow the prompt."""
    if task.scoring == "loglikelihood-text":
        return [f" {choice}" for choice in row["choices"]]
    return [f" {letter}" for letter in LETTERS[: len(row["choices"])]]


@torch.inference_mode()
def loglikelihoods(
    context: Context, continuations: Sequence[Sequence[Sequence[int]]]
) -> list[list[float]]:
    """The log-probability (nats) of each continuation of each row of a context.

    The rows are read once: a continuation's first token is judged by the logits at the row's end,
    and only the further tokens of those that have some are read.

    Parameters
    ----------
    context : what the rows have read.
    continuations : [row][choice][token], no continuation empty.
    """
    first = torch.log_softmax(context.logits, dim=-1)
    sums = [[float(first[row, ids[0]]) for ids in some] for row, some in enumerate(continuations)]
    longer = [
        (row, choice)
        for row, some in enumerate(continuations)
        for choice, ids in enumerate(some)
        if len(ids) > 1
    ]
    n_rows = len(continuations)
    for start in range(0, len(longer), n_rows):  # no more rows at once than the context has
        part = longer[start : start + n_rows]
        texts = [continuations[row][choice] for row, choice in part]
        width = max(map(len, texts)) - 1
        ids = torch.zeros(len(part), width, dtype=torch.long, device=context.mask.device)
        for place, text in enumerate(texts):
            ids[place, : len(text) - 1] = torch.tensor(list(text[:-1]))
        rows = torch.tensor([row for row, _ in part])
        logits, _ = context.select(rows).read(ids)
        further = torch.log_softmax(logits, dim=-1)
        for place, (row, choice) in enumerate(part):
            rest = torch.tensor(list(texts[place][1:]), device=further.device)
            values = further[place, : len(rest)].gather(1, rest[:, None])
            sums[row][choice] += float(values.sum())
    return sums


def judge_likeliest(
    row: Mapping[str, Any], values: Sequence[float], tokens: Sequence[int], task: Task
) -> dict[str, Any]:
    """The answer of the largest log-likelihood; the first of those nearer than `TIE` to it.

    Parameters
    ----------
    row : the question.
    values : a log-likelihood per choice.
    tokens : how many tokens each choice has.
    """
    sizes = {
        "none": [1] * len(values),
        "characters": [len(choice) for choice in row["choices"]],
        "tokens": list(tokens),
    }[task.normalisation]
    weighed = [value / size for value, size in zip(values, sizes, strict=True)]
    near = [choice for choice, value in enumerate(weighed) if value >= max(weighed) - TIE]
    return {
        "gold": int(row["gold"]),
        "prediction": near[0],
        "correct": near[0] == row["gold"],
        "tie": len(near) > 1,
        "choice_loglikelihoods": list(values),
        "choice_tokens": list(tokens),
        "normalisation": task.normalisation,
    }


def judge_written(row: Mapping[str, Any], text: str, tied: bool, task: Task) -> dict[str, Any]:
    """Right if the text, stripped, starts with the right letter (InstructEval); -1: no letter."""
    letter = text.strip()[:1]
    letters = LETTERS[: len(row["choices"])]
    prediction = letters.index(letter) if letter and letter in letters else -1
    return {
        "gold": int(row["gold"]),
        "prediction": prediction,
        "correct": prediction == row["gold"],
        "tie": tied,
        "generated": text,
    }
