"""Answers in the words of chat models: what is found in them, and what a run makes of it."""

from itertools import pairwise

import pandas as pd
import pytest
import torch
from brainalign.analysis.capabilities import summarise
from brainalign.capability import generation, multiple_choice
from brainalign.capability.answering import answer
from brainalign.capability.extraction import Form, extract, finished
from brainalign.capability.tasks import Task
from hypothesis import given
from hypothesis import strategies as st
from worlds import capability_world as world
from worlds.entries import asked

LETTERED = "Which?\nOptions:\n(A) 12/24/1937\n(B) 01/02/1990\n(C) none"
LISTED = "Is it so?\nOptions:\n- valid \n- invalid"
# (question, target) → texts that give the target, and texts that do not
CASES = {
    (LETTERED, "(B)"): (
        [
            " (B)", "B", "B.", "(b)", "(B) 01/02/1990", "The answer is (B).", "Answer: (B)",
            "**(B)**", "Option (B)", "The correct answer is (B) 01/02/1990", "01/02/1990", "A: (B)",
            "I think it is (B)", "The correct option is:\n\n**B) 01/02/1990**", r"\boxed{B}",
            "The final answer is $\\boxed{(B)}$<|im_end|>", "B because it is earlier",
            "<think>\n(A)? The answer is (C).\n</think>\n\nThe answer is **B**.",
            "Let me see.\n\nThe answer is (B).", "(B)\n\nQ: And now?\nA: (C)",
            "Comparing (A) and (B) helps.\nSo the answer is B",
        ],
        [
            "", "(A)", "A date is needed", "A) no, (B)", "<think>\nIs it (B)?", "I'd say so",
            "The answer is not (B).", "(A) and (B)", "(D)", "The answer is (C), not (B).",
        ],
    ),
    ("Is it so?", "Yes"): (
        [
            "Yes", "yes.", "YES", "Yes, because", "**Yes**", "Answer: Yes", "The answer is Yes.",
            "Yes\nQ: more", "There is no doubt about it.\n\nYes.", "Does he lie? Yes", "'Yes'",
        ],
        ["No", "No, yes was wrong", "Yesterday", "I have no idea", "The answer is no."],
    ),
    ("not True is", "False"): (
        ["False", "not True is False", "The expression evaluates to False."],
        ["True and False is True", "It is not False"],
    ),
    (LISTED, "valid"): (
        ["valid", "The argument is deductively valid.", "Answer: deductively valid"],
        ["invalid", "The argument is not valid.", "The argument is invalid."],
    ),
    ("How many?", "-24"): (
        ["-24", "= -24", "The answer is -24.", "-24.", "4 - 28 = -24", "\N{MINUS SIGN}24", "-24.0"],
        ["24", "-2", "-240", "-24 and 3 make -21", "The answer is 24, not -24"],
    ),
    ("How many?", "1200"): (["1,200", "You have 1,200 animals."], ["1", "12", "1200.5"]),
    ("Close it.", "> ) }"): (["> ) }", ">)}", "`> ) }`", "The answer is > ) }."], ["> )", ") > }"]),
    ("Sort: boat apple", "apple boat"): (
        [
            "apple boat", "apple, boat", "Sure!\n\napple boat", "Sorted words:\n\n**Apple boat**",
            "Answer: apple boat.",
        ],
        ["boat apple", "apple", "Sure!"],
    ),
}  # fmt: skip


def of(form: str, scoring: str, **options: object) -> Task:
    return asked({"format": form, "scoring": scoring, **options})


@pytest.mark.parametrize(
    ("question", "target", "text", "right"),
    [
        (*asked, text, right)
        for asked, texts in CASES.items()
        for right, some in zip((True, False), texts, strict=True)
        for text in some
    ],
)
def test_answers_are_extracted_however_they_are_worded(
    question: str, target: str, text: str, right: bool
) -> None:
    row = {"input": question, "target": target}
    verdict = generation.judge_written(row, text, False, of("generation", "direct"))
    assert verdict["correct"] == right, verdict["prediction"]


def test_legacy_stays_as_published() -> None:
    """InstructEval: the stripped text starts with the target, and nothing else counts."""
    legacy = of("generation", "legacy")
    for (question, target), texts in CASES.items():
        for text in (*texts[0], *texts[1]):
            row = {"input": question, "target": target}
            verdict = generation.judge_written(row, text, False, legacy)
            assert verdict["correct"] == text.strip().startswith(target)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("So the answer is (B).", "(B)"),
        ("If so, the answer is (A). But no.\nSo the answer is (C).", "(C)"),
        ("The answer is: **(B)**", "(B)"),
        ("Therefore, the correct answer is (B).", "(B)"),
        ("The Answer is (B)", "(B)"),
        ("(A) is early.\n\n(B) is late.\n\n**Final answer:** B", "(B)"),
        ("The answer is (B).\n\nQ: Another\nA: So the answer is (C).", "(B)"),
        ("(B)", None),
        ("<think>The answer is (B).", None),
    ],
)
def test_a_reasoned_answer_is_the_last_one_stated(text: str, answer: str | None) -> None:
    form = Form.of(LETTERED, "(B)")
    result = extract(text, form, reasoned=True)
    assert (result and form.canonical(result)) == answer


def test_why_no_answer_was_extracted() -> None:
    row = {"input": LETTERED, "target": "(B)", "choices": ["a", "b", "c"], "gold": 1}
    for judge, form in (
        (generation.judge_written, "generation"),
        (multiple_choice.judge_written, "multiple-choice"),
    ):
        for scoring in ("direct", "legacy"):
            task = of(form, scoring)
            for text, cut, reason in (
                ("(B)" if form == "generation" else "B", True, ""),
                ("Well, let us", True, "cut"),
                ("Who knows?", False, "nothing"),
                ("<think>It", True, "thinking"),
            ):
                assert judge(row, text, False, task, cut)["unanswered"] == reason, (form, text)


def test_letters_of_multiple_choice() -> None:
    row = {"choices": ["a river", "a stone", "a lamp"], "gold": 1}
    direct, legacy = of("multiple-choice", "direct"), of("multiple-choice", "legacy")
    for text, is_direct, is_legacy in (
        (" B", 1, 1), (" B.", 1, 1), ("(B", 1, 0), ("**B**", 1, 0), ("The answer is B", 1, 0),
        ("a stone", 1, 0), ("B. a stone", 1, 1), ("Because", 0, 1), ("D", 0, 0), (" A", 0, 0),
    ):  # fmt: skip
        for task, right in ((direct, is_direct), (legacy, is_legacy)):
            verdict = multiple_choice.judge_written(row, text, False, task)
            assert verdict["correct"] == right, (text, task.scoring)


@given(st.text("AB() .:\n*<think>/Qanswer isNo", max_size=60))
def test_what_is_settled_is_not_changed_by_what_follows(text: str) -> None:
    for form in (Form.of(LETTERED, "(B)"), Form.of("Is it?", "no"), Form.of("Sort", "x y")):
        if finished(f"{text}\n", form) and "<" not in text:
            assert extract(text, form) == extract(f"{text}\nThe answer is (A).\n\nNo.", form)


REPLIES = (
    "(B)", "The answer is (B).", "**(B)**", "Sure!\n\nThe correct answer is (B) 01/02/1990.",
    "<think>\nIs it (A)? The answer is no.\n</think>\n\n(B)", "Answer: B", r"\boxed{B}",
    "First, I compare the dates.\n\nThe later one is 1990.\n\nSo it is option (B).",
    "b) 01/02/1990",
)  # fmt: skip


@pytest.mark.parametrize("scoring", ["direct", "legacy"])
def test_a_chat_model_with_nine_right_answers_gets_nine(scoring: str) -> None:
    """The network writes the reply of a script, token by token; all else is what a study runs."""
    model = world.model("gpt2")
    questions = pd.DataFrame(
        {
            "question_id": [f"q{k}" for k in range(11)], "split": "test", "subject": "dates",
            "task": "dates", "category": "others", "target": "(B)",
            "input": [f"[{k}] {LETTERED}" for k in range(11)],
        }
    )  # fmt: skip
    replies = {f"[{k}]": reply for k, reply in enumerate(REPLIES)}
    replies |= {"[9]": "<think>\nI wonder", "[10]": "I cannot say."}
    of_task = of("generation", scoring, shots=0, chat=True, max_new_tokens=400)
    tokenizer, writing = model.tokenizer, []

    def script(_module: object, args: tuple, kwargs: dict, output: object) -> None:
        ids = kwargs["input_ids"]
        if ids.shape[1] > 1:  # a prompt (one question a batch), not a token of the reply
            text = tokenizer.decode(ids[0])
            reply = replies[text[text.index("[") : text.index("]") + 1]]
            # Whatever the merges are, the reply is written character by character.
            writing[:] = [t for c in reply for t in tokenizer(c)["input_ids"]] + [1]
        output.logits[:] = 0
        output.logits[0, -1, writing.pop(0)] = 9

    handle = model.model.register_forward_hook(script, with_kwargs=True)
    try:
        records = [r for one in range(11) for b in answer(
            model, questions.iloc[[one]], of_task, batch_tokens=1) for r in b]  # fmt: skip
    finally:
        handle.remove()
    answers = pd.DataFrame(records)
    said = answers["generated"].tolist()
    if scoring == "direct":
        assert answers["correct"].tolist() == [1.0] * 9 + [0.0] * 2
        assert answers["unanswered"].tolist() == [""] * 9 + ["thinking", "nothing"]
        assert all(a.startswith(b.rstrip()) for a, b in zip(REPLIES, said, strict=False))
        full = summarise(answers).iloc[0]
        assert full[["unanswered", "n_nothing", "n_cut", "n_thinking"]].tolist() == [
            2 / 11,
            1,
            0,
            1,
        ]
    else:  # as published: only texts that start with "(B)"
        assert answers["correct"].sum() == sum(reply.startswith("(B)") for reply in REPLIES)
    assert all(a < b for a, b in pairwise(answers["question_id"].str[1:].astype(int)))


def test_a_block_that_the_template_opens_is_reasoning() -> None:
    from brainalign.capability.prompts import Prompt
    from brainalign.capability.scorers import _opening

    assert _opening(Prompt((1,), "<|assistant|>\n<think>\n", 0)) == "<think>\n"
    assert _opening(Prompt((1,), "Use <think> to think.\nAnswer:", 0)) == ""
    form = Form.of(LETTERED, "(B)")
    assert extract("<think>\n" + "(A)? no\n</think>\n(B)", form) == "B"
    assert extract("<think>\n" + "(A)? no", form) is None
    assert torch.is_inference_mode_enabled() is False
