"""BIG-Bench Hard: worked examples, where an answer ends, what it says."""

import pandas as pd
import pytest
import torch
from brainalign.capability.answering import answer
from brainalign.capability.decoding import Writer
from brainalign.capability.generation import (
    judge_written,
    published_answer,
    published_examples,
    question_set,
)
from brainalign.capability.tasks import Task
from brainalign.errors import InputError
from worlds import capability_world as world
from worlds.entries import asked

# The form of the published prompts, with a text of our own.
PUBLISHED = """BENCHMARK DATA, canary GUID 0
-----
Sort words.

Q: Sort the words: lamp boat
A: Let's think step by step.
The letters: "lamp" l, "boat" b.

We have b < l. So the answer is boat lamp.

Q: Sort the words: river apple
Take care.
A: Let's think step by step.
"river" r, "apple" a. So the answer is apple river."""


def task(scoring: str, **options: object) -> Task:
    return asked({"format": "generation", "scoring": scoring, **options})


def with_published() -> pd.DataFrame:
    questions = world.generation()
    prompts = questions.groupby("subject", as_index=False).first()
    prompts = prompts.assign(
        question_id=prompts["subject"] + "-prompt", split="prompt", input=PUBLISHED, target=""
    )
    return pd.concat([questions, prompts], ignore_index=True)


def test_published_examples_with_and_without_their_reasoning() -> None:
    header, direct = published_examples(PUBLISHED, reasoned=False, where="sorting")
    assert header == "Sort words.\n\n"
    assert [item.body + item.answer for item in direct] == [
        "Q: Sort the words: lamp boat\nA: boat lamp",
        "Q: Sort the words: river apple\nTake care.\nA: apple river",
    ]
    header, reasoned = published_examples(PUBLISHED, reasoned=True, where="sorting")
    full = header + "\n\n".join(item.body + item.answer for item in reasoned)
    assert full == PUBLISHED.partition("-----\n")[2]


def test_a_published_example_without_answer_is_named() -> None:
    broken = PUBLISHED.replace("So the answer is boat lamp", "That is all")
    with pytest.raises(InputError, match="sorting: example 0"):
        published_examples(broken, reasoned=True, where="sorting")


def test_first_items_are_examples_and_not_asked() -> None:
    questions = world.generation()
    one = questions[questions["subject"] == "sorting_two"]
    asked = question_set(one, task("legacy"))
    assert [row["question_id"] for row in asked.rows] == list(one["question_id"][3:])
    assert [item.body for item in asked.shots] == [f"{text}\nAnswer:" for text in one["input"][:3]]
    assert asked.header == ""
    published = with_published()
    one = published[published["subject"] == "sorting_two"]
    assert len(question_set(one, task("direct", shots=2)).rows) == 8
    assert len(question_set(one, task("legacy")).rows) == 5


def test_chain_of_thought_needs_the_published_prompts() -> None:
    with pytest.raises(InputError, match=r"bbh\.parquet: subject sorting_two: no published"):
        list(
            answer(world.model("gpt2"), world.generation(), task("chain-of-thought"),
                   where="bbh.parquet")
        )  # fmt: skip
    with pytest.raises(InputError, match="2 examples for 3 shots"):
        list(answer(world.model("gpt2"), with_published(), task("chain-of-thought")))


def test_chain_of_thought_end_to_end() -> None:
    of = task("chain-of-thought", shots=2, max_new_tokens=6)
    batches = answer(world.model("gpt2"), with_published(), of)
    records = [record for batch in batches for record in batch]
    assert len(records) == 16
    row = world.generation().iloc[0]
    text = PUBLISHED.partition("-----\n")[2]
    text += f"\n\nQ: {row['input']}\nA: Let's think step by step."
    result = next(r for r in records if r["question_id"] == row["question_id"])
    assert result["prompt_tokens"] == len(world.tokenizer("bytes")(text)["input_ids"])


@pytest.mark.parametrize(
    ("written", "question", "target", "right"),
    [
        ("(B) 12/24/1937", "When?\nOptions:\n(A) x\n(B) y", "(B)", True),
        (" B.", "When?\nOptions:\n(A) x\n(B) y", "(B)", True),
        ("(A)", "When?\nOptions:\n(A) x\n(B) y", "(B)", False),
        ("B", "What is the second letter?", "b", True),
        ("Because", "When?\nOptions:\n(A) x\n(B) y", "(B)", False),
        ("A Room", "Which?\nOptions:\n(A) x\n(B) y", "(A)", False),
        ("True", "not False is", "True", True),
        ("true.", "not False is", "True", True),
        ("12", "How many?", "1", False),
        ("1,200", "How many?", "1200", True),
        ("-7", "(1 - 8) =", "7", False),
        ("] ] }", "Input: { [ [", "] ]  }", True),
        ("] ] ]", "Input: { [ [", "] ] }", False),
        ("apple, boat, tower", "Sort", "apple boat tower", True),
        ("apple tower boat", "Sort", "apple boat tower", False),
        ("invalid", "valid or invalid?", "valid", False),
        ('"yes"', "plausible?", "yes", True),
        ("", "plausible?", "yes", False),
    ],
)
def test_exact_match_of_the_extracted_answer(
    written: str, question: str, target: str, right: bool
) -> None:
    row = {"input": question, "target": target}
    assert judge_written(row, written, False, task("direct"))["correct"] == right


def test_the_published_answer_follows_the_last_statement() -> None:
    text = "\nIf so, the answer is 4. But no.\nSo the answer is (C).\n\nQ: What"
    assert published_answer(text) == "(C)"
    assert published_answer("I do not know.") is None
    assert published_answer("So the answer is ] } ].") == "] } ]"


def test_legacy_is_a_prefix_match() -> None:
    """InstructEval's rule, with its known fault: 12 is right where 1 is."""
    row = {"input": "How many?", "target": "1"}
    assert judge_written(row, " 12\n", False, task("legacy"))["correct"]
    assert not judge_written(row, " 12\n", False, task("direct"))["correct"]


def test_an_answer_ends_with_the_end_token_or_where_a_line_settles_it() -> None:
    model = world.model("gpt2")
    writer = Writer(model.model, model.tokenizer)

    def ends(text: str, settled=lambda text: "\n" in text.lstrip()) -> bool:
        return writer.ends(model.tokenizer(text, add_special_tokens=False)["input_ids"], settled)

    assert not ends(" river")
    assert ends(" river\n")
    assert not ends("\n")  # nothing is written yet
    assert ends("\n river\n")
    assert not ends(" river\n", lambda text: False)
    with_end = [*model.tokenizer(" river")["input_ids"], 1]
    assert writer.ends(with_end, lambda text: False)
    assert writer.text(with_end) == " river"


def test_a_turn_ends_with_its_mark_but_not_in_legacy() -> None:
    """`<s>` stands for a chat model's end of turn, which its configs do not name."""
    model = world.model("gpt2")
    assert 2 in Writer(model.model, model.tokenizer, ("<s>", "<|im_end|>")).end_tokens
    assert 2 not in Writer(model.model, model.tokenizer).end_tokens


def test_a_file_without_questions_beside_the_examples_is_named() -> None:
    with pytest.raises(InputError, match="sorting_two: 3 questions, none is left beside 3 shots"):
        list(answer(world.model("gpt2"), world.generation(3), task("legacy")))


def test_a_masked_model_is_refused() -> None:
    from dataclasses import replace

    model = replace(world.model("gpt2"), architecture="masked")
    with pytest.raises(InputError, match="masked generates no answers"):
        list(answer(model, world.generation(), task("legacy")))


def test_end_token_of_the_generation_config_counts_too() -> None:
    model = world.model("llama")
    old = model.model.generation_config.eos_token_id
    model.model.generation_config.eos_token_id = [1, 77]
    try:
        assert Writer(model.model, model.tokenizer).end_tokens == {1, 77}
    finally:
        model.model.generation_config.eos_token_id = old
    assert torch.is_inference_mode_enabled() is False


def test_questions_of_split_dev_are_the_worked_examples_and_all_others_are_asked() -> None:
    columns = {"subject": "s", "task": "s", "category": "s"}
    rows = [("d0", "dev"), ("d1", "dev"), ("t0", "test"), ("t1", "test")]
    table = pd.DataFrame(
        {"question_id": i, "split": split, "input": f"in {i}", "target": i, **columns}
        for i, split in rows
    )
    asked_of = question_set(table, task("direct", shots=1))
    assert [row["question_id"] for row in asked_of.rows] == ["t0", "t1"]
    assert [(shot.body, shot.answer) for shot in asked_of.shots] == [("in d0\nAnswer:", " d0")]
    with pytest.raises(InputError, match="2 questions of split dev, too few for 3 shots"):
        question_set(table, task("direct", shots=3))
