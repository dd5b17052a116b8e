"""Questions with a free answer (BIG-Bench Hard): the text that a model writes."""

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

from brainalign.capability.extraction import Form, extract, unanswered
from brainalign.capability.prompts import Item, QuestionSet, instructeval_generation
from brainalign.capability.tasks import Task
from brainalign.errors import InputError

ANSWER = "the answer is"


def question_set(questions: pd.DataFrame, task: Task) -> QuestionSet:
    """The questions of one file and its worked examples.

    The examples are the file's first `shots` questions, which are then not asked; where it has
    questions of split `dev`, the first of these, and all others are asked. For `chain-of-thought`,
    and for `direct` where the table has them, they are the published ones instead (the row of split
    `prompt`), and every question is asked.

    Raises
    ------
    InputError : no question is left to ask; the published examples are missing or too few.
    """
    subject = str(questions["subject"].iloc[0])
    asked = questions[questions["split"] == "test"].to_dict("records")
    published = questions.loc[questions["split"] == "prompt", "input"]
    reasoned = task.scoring == "chain-of-thought"
    if reasoned and published.empty:
        raise InputError(f"subject {subject}: no published examples (a row of split prompt)")
    if task.scoring != "legacy" and len(published):
        header, shots = published_examples(published.iloc[0], reasoned=reasoned, where=subject)
        if len(shots) < task.shots:
            raise InputError(f"subject {subject}: {len(shots)} examples for {task.shots} shots")
        write = chain_of_thought if reasoned else question_and_answer
        items = tuple(write(row["input"], row["target"]) for row in asked)
        return QuestionSet(header, tuple(shots[: task.shots]), tuple(asked), items)
    shown = questions[questions["split"] == "dev"].to_dict("records")
    if shown:
        if len(shown) < task.shots:
            raise InputError(
                f"subject {subject}: {len(shown)} questions of split dev, too few for "
                f"{task.shots} shots"
            )
        asked = [*shown[: task.shots], *asked]
    if len(asked) <= task.shots:
        raise InputError(
            f"subject {subject}: {len(asked)} questions, none is left beside {task.shots} shots"
        )
    items = tuple(instructeval_generation(row["input"], row["target"]) for row in asked)
    return QuestionSet("", items[: task.shots], tuple(asked[task.shots :]), items[task.shots :])


def question_and_answer(text: str, target: str) -> Item:
    """A question as the published prompts put it, answered without reasoning."""
    return Item(f"Q: {text}\nA:", f" {target}")


def chain_of_thought(text: str, reasoning: str) -> Item:
    """A question as the published prompts put it, to be answered step by step.

    The reasoning brings the white space before it: a line break, in one of the files a space.
    """
    return Item(f"Q: {text}\nA: Let's think step by step.", reasoning)


def published_examples(text: str, *, reasoned: bool, where: str) -> tuple[str, list[Item]]:
    """The instruction and the worked examples of a published prompt (Suzgun et al. 2023).

    Parameters
    ----------
    text : instruction, then examples, each "Q: …\\nA: Let's think step by step.\\n…So the answer is
        X."; a blank line between. A canary line and a dashed line above are left out.
    reasoned : whether the examples keep their reasoning, or just the answer.

    Raises
    ------
    InputError : an example has not this form.
    """
    text = re.sub(r"\A.*canary GUID.*\n-+\n", "", text)
    instruction, *examples = re.split(r"\n\nQ: ", text.strip())
    items: list[Item] = []
    for example in examples:
        question, cue, reasoning = example.partition("\nA: Let's think step by step.")
        answer = published_answer(reasoning)
        if not cue or answer is None:
            raise InputError(f"{where}: example {len(items)} of the published prompt has no answer")
        items.append(
            chain_of_thought(question, reasoning.rstrip())
            if reasoned
            else question_and_answer(question, answer)
        )
    return f"{instruction}\n\n", items


def published_answer(text: str) -> str | None:
    """What stands after the last "the answer is", up to the end of its line; None: nowhere."""
    index = text.rfind(ANSWER)
    if index < 0:
        return None
    answer = text[index + len(ANSWER) :].lstrip(" :").partition("\n")[0].strip()
    return answer.removesuffix(".").strip()


def form_of(row: Mapping[str, Any]) -> Form:
    """What the answers to a question of the table look like."""
    return Form.of(row["input"], row["target"])


def judge_written(
    row: Mapping[str, Any], text: str, tied: bool, task: Task, cut: bool = False
) -> dict[str, Any]:
    """Whether the text is right.

    `legacy`: stripped, it starts with the target (InstructEval; "12" is right where 1 is).
    Else the answer in it (`extraction.extract`) equals the target as the question's form compares.

    Parameters
    ----------
    tied : whether a choice of a token was a tie.
    cut : whether the text ran into its length limit.
    """
    form, target = form_of(row), row["target"]
    answer = extract(text, form, reasoned=task.scoring == "chain-of-thought")
    if task.scoring == "legacy":
        prediction = text.strip()
        correct = prediction.startswith(target)
    else:
        prediction = answer or ""
        correct = answer is not None and form.canonical(answer) == form.canonical(target)
    return {
        "gold": target,
        "prediction": prediction,
        "correct": float(correct),
        "tie": tied,
        "generated": text,
        "unanswered": "" if correct else unanswered(text, answer, cut),
    }
