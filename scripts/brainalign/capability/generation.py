"""Questions with a free answer (BIG-Bench Hard): the text that a model writes."""

import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

from brainalign.capability.prompts import Item, QuestionSet, instructeval_generation
from brainalign.capability.tasks import Task
from brainalign.errors import InputError

# A letter in brackets, or alone: "(B) 12/24/1937", "B.", "(B".
OPTION = re.compile(r"\(?([A-Z])(?:\)|[.:]|$|\s*$)")
ANSWER = "the answer is"


def question_set(questions: pd.DataFrame, task: Task) -> QuestionSet:
    """The questions of one file and its worked examples.

    The examples are the file's first `shots` questions, which are then not asked. For
    `chain-of-thought`, and for `direct` where the table has them, they are the published ones
    instead (the row of split `prompt`), and every question is asked.

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
        put = chain_of_thought if reasoned else question_and_answer
        items = tuple(put(row["input"], row["target"]) for row in asked)
        return QuestionSet(header, tuple(shots[: task.shots]), tuple(asked), items)
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
        answer = extract_reasoned(reasoning)
        if not cue or answer is None:
            raise InputError(f"{where}: example {len(items)} of the published prompt has no answer")
        items.append(
            chain_of_thought(question, reasoning.rstrip())
            if reasoned
            else question_and_answer(question, answer)
        )
    return f"{instruction}\n\n", items


def extract_direct(text: str) -> str:
    """The answer that a text begins with: its first line that is not empty."""
    return text.strip().partition("\n")[0].strip()


def extract_reasoned(text: str) -> str | None:
    """What stands after the last "the answer is", up to the end of its line; None: nowhere."""
    place = text.rfind(ANSWER)
    if place < 0:
        return None
    answer = text[place + len(ANSWER) :].lstrip(" :").partition("\n")[0].strip()
    return answer.removesuffix(".").strip()


def normalise(answer: str, question: str) -> str:
    """An answer as it is compared.

    A question with options (A), (B), … is answered by an option's letter, where the answer
    begins with one. Else case, repeated white space, commas between words or digits, quotes and a
    full stop at the end make no difference.
    """
    answer = answer.strip()
    option = OPTION.match(answer)
    if "\n(A) " in question and option:
        return f"({option[1]})"
    answer = re.sub(r"(?<=\w),", " " if re.search(r"[^\W\d]", answer) else "", answer)
    return " ".join(answer.casefold().strip("\"'`").removesuffix(".").split())


def judge_written(row: Mapping[str, Any], text: str, tied: bool, task: Task) -> dict[str, Any]:
    """Whether the text is right.

    `legacy`: stripped, it starts with the target (InstructEval; "12" is right where 1 is).
    Else the answer in it equals the target after `normalise`.
    """
    target = row["target"]
    if task.scoring == "legacy":
        prediction = text.strip()
        correct = prediction.startswith(target)
    else:
        extract = extract_reasoned if task.scoring == "chain-of-thought" else extract_direct
        prediction = extract(text) or ""
        correct = normalise(prediction, row["input"]) == normalise(target, row["input"])
    return {
        "gold": target,
        "prediction": prediction,
        "correct": correct,
        "tie": tied,
        "generated": text,
    }
