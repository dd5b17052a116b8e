"""A model's answers to the questions of a task, one record per question."""

import hashlib
from collections.abc import Container, Iterator
from itertools import groupby
from typing import Any

import pandas as pd

from brainalign.capability import generation, minimal_pairs, multiple_choice
from brainalign.capability.batches import BATCH_TOKENS, Context, contexts
from brainalign.capability.prompts import Prompt, Prompter, QuestionSet
from brainalign.capability.scorers import Row, Scorer, make_scorer
from brainalign.capability.tasks import Task, check_questions
from brainalign.errors import InputError
from brainalign.models.loading import LanguageModel

Record = dict[str, Any]


def answer(
    model: LanguageModel,
    questions: pd.DataFrame,
    task: Task,
    *,
    where: str = "questions",
    batch_tokens: int = BATCH_TOKENS,
    done: Container[str] = (),
) -> Iterator[list[Record]]:
    """Answer the questions of a task, subject by subject and batch by batch.

    Parameters
    ----------
    questions : questions/{task}.parquet (docs/architecture.md, "Files"; `tasks.COLUMNS`).
    where : the questions' file, for errors.
    batch_tokens : tokens of a batch, padding included. It changes no answer.
    done : ids of questions that are answered already.

    Yields
    ------
    The records of a batch: rows of capability/{model}/{task}.parquet.

    Raises
    ------
    InputError : the questions are malformed, or some do not fit the model's window; nothing is
        answered then.
    """
    check_questions(questions, task, where)
    if task.format == "minimal-pairs":
        yield from minimal_pairs.answer(
            model, questions, task, batch_tokens=batch_tokens, done=done
        )
        return
    form = multiple_choice if task.format == "multiple-choice" else generation
    prompter = Prompter(
        model.tokenizer, encoder_decoder=model.architecture == "encoder-decoder", chat=task.chat
    )
    scorer = make_scorer(model, task, prompter)
    try:
        subjects = [
            form.question_set(rows, task) for _, rows in questions.groupby("subject", sort=False)
        ]
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    # Held one subject at a time: the tokens of all prompts together would take much memory.
    overlong = [
        fault for asked in subjects for fault in _prompts(model, task, scorer, prompter, asked)[1]
    ]
    if overlong:
        raise InputError(f"{where}: {len(overlong)} questions do not fit; {overlong[0]}")
    for asked in subjects:
        prompts, _ = _prompts(model, task, scorer, prompter, asked)
        # Prompts that lost a shot share less: they are read apart, or nobody shares the shots.
        prompts.sort(key=lambda pair: -pair[1].shots)
        for _, alike in groupby(prompts, key=lambda pair: pair[1].shots):
            yield from _answer_alike(model, task, scorer, list(alike), batch_tokens, done)


def _prompts(
    model: LanguageModel, task: Task, scorer: Scorer, prompter: Prompter, asked: QuestionSet
) -> tuple[list[tuple[Row, Prompt]], list[str]]:
    """The questions of a subject as the model reads them; why others do not fit."""
    prompts: list[tuple[Row, Prompt]] = []
    overlong: list[str] = []
    for row, item in zip(asked.rows, asked.items, strict=True):
        try:
            limit = _limit(model, task, scorer.new_tokens(row))
            prompts.append((row, prompter.prompt(asked.header, asked.shots, item.body, limit)))
        except InputError as error:
            overlong.append(f"question {row['question_id']}: {error}")
    return prompts, overlong


def _limit(model: LanguageModel, task: Task, new_tokens: int) -> int:
    """How many tokens a prompt may have."""
    window = model.max_context - (0 if model.architecture == "encoder-decoder" else new_tokens)
    return min(window, task.max_prompt_tokens or window)


def _answer_alike(
    model: LanguageModel,
    task: Task,
    scorer: Scorer,
    prompts: list[tuple[Row, Prompt]],
    batch_tokens: int,
    done: Container[str],
) -> Iterator[list[Record]]:
    """Answer questions whose prompts begin alike."""
    stems = [scorer.stem(row, prompt) for row, prompt in prompts]
    finished = {index for index, (row, _) in enumerate(prompts) if row["question_id"] in done}
    new_tokens = max(scorer.new_tokens(row) for row, _ in prompts)

    def judge(positions: list[int], context: Context) -> list[Record]:
        batch = [prompts[index] for index in positions]
        verdicts = scorer.answers(
            context, [row for row, _ in batch], [prompt for _, prompt in batch]
        )
        return [
            _record(row, prompt, verdict, task)
            for (row, prompt), verdict in zip(batch, verdicts, strict=True)
            if row["question_id"] not in done
        ]

    batch_tokens = int(min(batch_tokens, scorer.enough))
    yield from contexts(
        model, stems, judge, batch_tokens=batch_tokens, new_tokens=new_tokens, done=finished
    )


def _record(row: Row, prompt: Prompt, verdict: dict[str, Any], task: Task) -> Record:
    return {
        "question_id": row["question_id"],
        "subject": row["subject"],
        "task": row.get("task", row["subject"]),
        "category": row["category"],
        **verdict,
        "shots": task.shots,
        "shots_kept": prompt.shots,
        "prompt_tokens": len(prompt.ids),
        "truncated": prompt.shots < task.shots,
        "prompt_sha256": hashlib.sha256(prompt.text.encode()).hexdigest(),
        "scoring": task.scoring,
    }
