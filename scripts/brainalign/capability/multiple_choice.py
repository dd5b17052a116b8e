"""Multiple-choice questions (MMLU): the answer that a model finds most likely, or writes."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import torch

from brainalign.capability.batches import Context
from brainalign.capability.decoding import TIE
from brainalign.capability.extraction import Form, extract, unanswered
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
    write, header = instructeval_choice, instructeval_header(subject)
    if task.scoring == "loglikelihood-text":
        write, header = cloze, cloze_header(subject)
    rows = questions[questions["split"] == "test"].to_dict("records")
    shots = dev.head(task.shots).to_dict("records")
    return QuestionSet(
        header,
        tuple(write(row["question"], row["choices"], row["gold"]) for row in shots),
        tuple(rows),
        tuple(write(row["question"], row["choices"], row["gold"]) for row in rows),
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
        for index, text in enumerate(texts):
            ids[index, : len(text) - 1] = torch.tensor(list(text[:-1]))
        rows = torch.tensor([row for row, _ in part])
        logits, _ = context.select(rows).read(ids)
        further = torch.log_softmax(logits, dim=-1)
        for index, (row, choice) in enumerate(part):
            rest = torch.tensor(list(texts[index][1:]), device=further.device)
            values = further[index, : len(rest)].gather(1, rest[:, None])
            sums[row][choice] += float(values.sum())
    return sums


def judge_likeliest(
    row: Mapping[str, Any], values: Sequence[float], tokens: Sequence[int], task: Task
) -> dict[str, Any]:
    """The answer of the largest log-likelihood.

    Answers nearer than `TIE` to it tie with it: each of k has a k-th of the credit, so that no
    letter is preferred, and `prediction` is -1.

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
        "prediction": near[0] if len(near) == 1 else -1,
        "correct": (row["gold"] in near) / len(near),
        "tie": len(near) > 1,
        "unanswered": "",
        "choice_loglikelihoods": list(values),
        "choice_tokens": list(tokens),
        "normalisation": task.normalisation,
    }


def form_of(row: Mapping[str, Any]) -> Form:
    """What the answers to a question of the table look like."""
    return Form.of_choices(row["choices"])


def judge_written(
    row: Mapping[str, Any], text: str, tied: bool, task: Task, cut: bool = False
) -> dict[str, Any]:
    """Whether the text is right; `prediction` is -1 where no letter was found.

    `legacy`: stripped, it starts with the right letter (InstructEval). `direct`: the answer in it
    (`extraction.extract`) is the right letter, or the text of the right choice.

    Parameters
    ----------
    tied : whether a choice of a token was a tie.
    cut : whether the text ran into its length limit.
    """
    letters, form = LETTERS[: len(row["choices"])], form_of(row)
    if task.scoring == "legacy":
        letter = text.strip()[:1]
    else:
        answer = extract(text, form)
        letter = "" if answer is None else form.canonical(answer)[1]
    prediction = letters.index(letter) if letter and letter in letters else -1
    return {
        "gold": int(row["gold"]),
        "prediction": prediction,
        "correct": float(prediction == row["gold"]),
        "tie": tied,
        "generated": text,
        "unanswered": unanswered(text, letter if prediction >= 0 else None, cut),
    }
