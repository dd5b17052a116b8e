"""Shared, batched, cached scoring against one forward pass per question and answer."""

from itertools import takewhile

import pandas as pd
import pytest
import torch
from brainalign.capability import batches
from brainalign.capability.answering import answer
from brainalign.capability.multiple_choice import judge_likeliest
from brainalign.capability.prompts import LETTERS
from brainalign.capability.tasks import Task
from brainalign.errors import InputError
from brainalign.models.architectures import FAMILIES
from brainalign.models.loading import LanguageModel
from unit.eager_attention import eager
from worlds import capability_world as world
from worlds.capability_world import published_prompt
from worlds.entries import asked
from worlds.families import crossed, every


def task(form: str, scoring: str, **options: object) -> Task:
    return asked({"format": form, "scoring": scoring, **options})


def table(model: LanguageModel, questions: pd.DataFrame, of: Task, **options) -> pd.DataFrame:
    """The answers in the questions' order."""
    records = [record for batch in answer(model, questions, of, **options) for record in batch]
    frame = pd.DataFrame(records).set_index("question_id")
    order = questions["question_id"][questions["question_id"].isin(frame.index)]
    return frame.loc[order].reset_index()


@torch.no_grad()
def one_by_one(model: LanguageModel, text: str, continuation: str) -> float:
    """log p(continuation | text): one pass over the whole text, nothing shared or padded."""
    ids = model.tokenizer(text)["input_ids"]
    if model.architecture == "encoder-decoder":
        new = model.tokenizer(continuation, add_special_tokens=False)["input_ids"]
        decoder = [model.model.config.decoder_start_token_id, *new[:-1]]
        with eager(model.model) as network:
            logits = network(
                input_ids=torch.tensor([ids]), decoder_input_ids=torch.tensor([decoder])
            ).logits[0]
    else:
        full = model.tokenizer(text + continuation)["input_ids"]
        assert full[: len(ids)] == ids
        new = full[len(ids) :]
        with eager(model.model) as network:
            logits = network(input_ids=torch.tensor([full[:-1]]), use_cache=False).logits[0]
    logp = logits.double().log_softmax(-1)[-len(new) :]
    return float(sum(logp[position, token] for position, token in enumerate(new)))


def test_every_family_that_answers_is_compared() -> None:
    answering = {
        kind for kind, of in FAMILIES.items() if of.architecture != "masked" and of.memory != "none"
    }
    assert {world.model(kind).model.config.model_type for kind in world.ALL} == answering


@pytest.mark.parametrize(
    ("kind", "scoring"), crossed(world.ALL, "loglikelihood", "loglikelihood-text")
)
def test_loglikelihoods_equal_one_by_one(kind: str, scoring: str) -> None:
    model, questions = world.model(kind), world.multiple_choice()
    answers = table(model, questions, task("multiple-choice", scoring, shots=3))
    rows = questions.set_index("question_id", drop=False)
    letters = scoring == "loglikelihood"
    assert len(answers) == 14
    for _, result in answers.iterrows():
        row = rows.loc[result["question_id"]]
        text = published_prompt(questions, row, 3, letters)
        options = list("ABCD") if letters else row["choices"]
        truth = [one_by_one(model, text, f" {option}") for option in options]
        assert result["choice_loglikelihoods"] == pytest.approx(truth, abs=1e-4)
        sizes = [1 if letters else len(option) for option in options]
        weighed = [value / size for value, size in zip(truth, sizes, strict=True)]
        assert result["tie"] or result["prediction"] == weighed.index(max(weighed))
        assert result["tie"] or result["correct"] == (result["prediction"] == row["gold"])
        assert result["prompt_tokens"] == len(model.tokenizer(text)["input_ids"])


@torch.no_grad()
def greedy_one_by_one(model: LanguageModel, text: str, n: int) -> list[int]:
    """Greedy decoding without cache, batch or early stop other than the end token."""
    ids, new = model.tokenizer(text)["input_ids"], []
    for _ in range(n):
        if model.architecture == "encoder-decoder":
            decoder = [model.model.config.decoder_start_token_id, *new]
            with eager(model.model) as network:
                output = network(
                    input_ids=torch.tensor([ids]), decoder_input_ids=torch.tensor([decoder])
                )
        else:
            with eager(model.model) as network:
                output = network(input_ids=torch.tensor([ids + new]), use_cache=False)
        new.append(int(output.logits[0, -1].argmax()))
        if new[-1] == model.tokenizer.eos_token_id:
            break
    return new


@pytest.mark.parametrize("kind", every(world.ALL))
def test_generation_equals_one_by_one(kind: str) -> None:
    """Every text is what the plain loop writes, up to the line's end, and is judged alike."""
    model, questions = world.model(kind), world.generation()
    answers = table(model, questions, task("generation", "legacy", max_new_tokens=12))
    rows = questions.set_index("question_id", drop=False)
    assert len(answers) == 2 * (8 - 3)
    for _, result in answers.iterrows():
        row = rows.loc[result["question_id"]]
        shots = questions[questions["subject"] == row["subject"]].head(3)
        text = "".join(f"{s.input}\nAnswer: {s.target}\n\n" for s in shots.itertuples())
        text += f"{row['input']}\nAnswer:"
        n = 12 - (kind in world.ENCODER_DECODER)  # InstructEval counts T5's start token
        complete = model.tokenizer.decode(
            greedy_one_by_one(model, text, n), skip_special_tokens=True
        )
        assert result["tie"] or complete.startswith(result["generated"])
        assert (
            result["tie"]
            or complete == result["generated"]
            or "\n" in result["generated"].strip(" ")
        )
        assert result["correct"] == complete.strip().startswith(row["target"])


@pytest.mark.parametrize("kind", ["gpt2", "mistral", "t5"])
@pytest.mark.parametrize(
    ("form", "scoring"),
    [
        ("multiple-choice", "loglikelihood"),
        ("multiple-choice", "loglikelihood-text"),
        ("multiple-choice", "legacy"),
        ("generation", "legacy"),
    ],
)
def test_batch_size_changes_no_answer(kind: str, form: str, scoring: str) -> None:
    model = world.model(kind)
    questions = world.multiple_choice() if form == "multiple-choice" else world.generation()
    of = task(form, scoring, shots=2)
    alone = table(model, questions, of, batch_tokens=1)
    for batch_tokens in (700, 100_000):
        together = table(model, questions, of, batch_tokens=batch_tokens)
        exact = [name for name in alone if name != "choice_loglikelihoods"]
        pd.testing.assert_frame_equal(together[exact], alone[exact])
        if "choice_loglikelihoods" in alone:
            for one, other in zip(
                alone["choice_loglikelihoods"], together["choice_loglikelihoods"], strict=True
            ):
                assert one == pytest.approx(other, abs=1e-4)


def test_a_subjects_shots_are_read_once() -> None:
    """Tokens read: the shared prefix once, then what differs; not shots × questions."""
    model, questions = world.model("gpt2"), world.multiple_choice(n_test=12)
    read = []
    handle = model.model.register_forward_pre_hook(
        lambda module, args, kwargs: read.append(kwargs["input_ids"].numel()), with_kwargs=True
    )
    try:
        answers = table(model, questions, task("multiple-choice", "loglikelihood"))
    finally:
        handle.remove()
    rows = questions.set_index("question_id", drop=False)
    most = 0
    for _, group in answers.groupby("subject"):
        texts = [
            published_prompt(questions, rows.loc[key], 5, True) for key in group["question_id"]
        ]
        tokens = [model.tokenizer(text)["input_ids"] for text in texts]
        columns = zip(*tokens, strict=False)
        shared = sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))
        most += shared + len(tokens) * (max(map(len, tokens)) - shared)
    assert sum(read) == most < 0.4 * answers["prompt_tokens"].sum()


@pytest.mark.parametrize("form", ["multiple-choice", "generation"])
def test_padding_that_rows_have_in_common_is_not_read(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row by row nothing but the rows' own tokens is read, and every answer is the same."""
    model = world.model("llama")
    questions = world.multiple_choice() if form == "multiple-choice" else world.generation()
    of = task(form, "loglikelihood" if form == "multiple-choice" else "legacy", shots=2)
    together = table(model, questions, of)
    padded, positions, read = [], [], batches._read_parts

    def count(model, first, rows, capacity):
        before = len(padded)
        handle = model.model.register_forward_pre_hook(
            lambda module, args, kwargs: padded.append(kwargs["input_ids"].numel()),
            with_kwargs=True,
        )
        result = read(model, first, rows, capacity)
        handle.remove()
        assert sum(padded[before:]) == sum(map(len, rows))
        positions.append(len(rows) * max(map(len, rows)))
        return result

    monkeypatch.setattr(batches, "PART_TOKENS", 1)
    monkeypatch.setattr(batches, "_read_parts", count)
    alone = table(model, questions, of)
    assert form == "generation" or sum(padded) < sum(positions)  # those rows are of one length
    exact = [name for name in alone if name != "choice_loglikelihoods"]
    pd.testing.assert_frame_equal(together[exact], alone[exact])
    if form == "multiple-choice":
        for one, other in zip(
            alone["choice_loglikelihoods"], together["choice_loglikelihoods"], strict=True
        ):
            assert one == pytest.approx(other, abs=1e-4)


def test_shots_are_dropped_until_the_prompt_fits_and_that_is_recorded() -> None:
    questions = world.multiple_choice()
    all_rows = table(
        world.model("gpt2"), questions, task("multiple-choice", "loglikelihood")
    ).set_index("question_id")
    limit = int(all_rows["prompt_tokens"].median())
    small = world.model("gpt2", max_context=limit)
    answers = table(small, questions, task("multiple-choice", "loglikelihood"))
    rows = questions.set_index("question_id", drop=False)
    assert set(answers["shots_kept"]) >= {4, 5}
    for _, actual in answers.iterrows():
        kept = actual["shots_kept"]
        row = rows.loc[actual["question_id"]]
        lengths = [
            len(small.tokenizer(published_prompt(questions, row, shots, True))["input_ids"])
            for shots in range(6)
        ]
        assert lengths[kept] == actual["prompt_tokens"] <= limit
        assert kept == 5 or lengths[kept + 1] > limit
        assert actual["truncated"] == (kept < 5)
        assert actual["shots"] == 5
        truth = one_by_one(small, published_prompt(questions, row, kept, True), " C")
        assert actual["choice_loglikelihoods"][2] == pytest.approx(truth, abs=1e-4)


def test_a_question_that_never_fits_is_named_before_any_is_answered() -> None:
    questions = world.multiple_choice()
    at = questions.index[questions["question_id"] == "deep_water-8"][0]
    questions.loc[at, "question"] = "What holds the river? " * 60
    small = world.model("gpt2", max_context=400)
    batches = answer(
        small, questions, task("multiple-choice", "loglikelihood"), where="bank.parquet"
    )
    with pytest.raises(InputError, match=r"bank\.parquet: 1 questions do not fit; question deep_w"):
        next(batches)


def test_answers_already_given_are_not_computed_again_and_change_nothing() -> None:
    model, questions = world.model("llama"), world.multiple_choice()
    of = task("multiple-choice", "loglikelihood")
    batches = list(answer(model, questions, of, batch_tokens=120))
    done = {record["question_id"] for record in batches[0]} | {batches[2][0]["question_id"]}
    rest = [
        record for batch in answer(model, questions, of, batch_tokens=120, done=done)
        for record in batch
    ]  # fmt: skip
    every = [record for batch in batches for record in batch]
    assert rest == [record for record in every if record["question_id"] not in done]


def test_ties_are_split_evenly_and_counted() -> None:
    """A model without weights finds all letters alike: accuracy is chance, whatever the letters."""
    answers = table(
        world.model("gpt2", scale=0.0), world.multiple_choice(),
        task("multiple-choice", "loglikelihood"),
    )  # fmt: skip
    assert answers["tie"].all() and (answers["prediction"] == -1).all()
    assert (answers["correct"] == 0.25).all()
    row, of = {"choices": list("abcd"), "gold": 2}, task("multiple-choice", "loglikelihood")
    for values, credit in (
        ([0, 0, 0, -1], 1 / 3), ([0, 0, -1, 0], 0), ([-1, -2, 0, -3], 1), ([-2, -2, -1, -1], 0.5),
    ):  # fmt: skip
        assert judge_likeliest(row, values, [1] * 4, of)["correct"] == credit


def test_all_tokens_of_a_split_letter_are_scored_and_recorded() -> None:
    answers = table(
        world.model("gpt2-split"), world.multiple_choice(),
        task("multiple-choice", "loglikelihood"),
    )  # fmt: skip
    assert all(tokens == [2, 2, 2, 2] for tokens in answers["choice_tokens"])


def test_chat_renders_the_prompt_in_the_template() -> None:
    """The reply begins a turn: the letter has no space before it."""
    model, questions = world.model("llama"), world.multiple_choice()
    answers = table(model, questions, task("multiple-choice", "loglikelihood", chat=True))
    row = questions.set_index("question_id", drop=False).loc[answers["question_id"].iloc[3]]
    text = f"<s>user\n{published_prompt(questions, row, 5, True)}</s>\n<s>assistant\n"
    ids = model.tokenizer(text + "B", add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        logits = model.model(input_ids=torch.tensor([ids[:-1]])).logits[0, -1]
    truth = float(logits.log_softmax(-1)[ids[-1]])
    assert answers["choice_loglikelihoods"].iloc[3][1] == pytest.approx(truth, abs=1e-4)


def test_legacy_letters_are_what_the_text_starts_with() -> None:
    model, questions = world.model("llama"), world.multiple_choice()
    answers = table(model, questions, task("multiple-choice", "legacy"))
    for _, actual in answers.iterrows():
        letter = LETTERS[actual["gold"]]
        assert actual["correct"] == actual["generated"].strip().startswith(letter)
        assert (actual["prediction"] == -1) == (actual["generated"].strip()[:1] not in [*"ABCD"])


def test_normalisation_decides() -> None:
    """The same sums, divided by one, characters or tokens, and the largest quotient wins."""
    model, questions = world.model("gpt2"), world.multiple_choice()
    rows = questions.set_index("question_id")
    for normalisation in ("none", "characters", "tokens"):
        answers = table(
            model, questions, task("multiple-choice", "loglikelihood-text",
                                   normalisation=normalisation),
        )  # fmt: skip
        for _, actual in answers.iterrows():
            sizes = {
                "none": [1] * 4,
                "characters": [len(c) for c in rows.loc[actual["question_id"], "choices"]],
                "tokens": actual["choice_tokens"],
            }[normalisation]
            values = actual["choice_loglikelihoods"]
            weighed = [value / size for value, size in zip(values, sizes, strict=True)]
            assert actual["tie"] or weighed[actual["prediction"]] == max(weighed)
            assert actual["normalisation"] == normalisation


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda q: q.at[7, "choices"].pop(), "deep_water-7 has 3 choices, the others have 4"),
        (lambda q: q.__setitem__("gold", q["gold"].mask(q.index == 6, 4)), "deep_water-6: gold 4"),
        (lambda q: q.__setitem__("split", "test"), "0 questions of split dev, too few for 5"),
        (lambda q: q.__delitem__("choices"), "column choices is missing"),
        (lambda q: q.at[7, "choices"].__setitem__(1, ""), "deep_water-7: an empty choice"),
        (lambda q: q.__setitem__("question_id", "x"), "question_id x is repeated"),
        (lambda q: q.__setitem__("split", "dev"), "no question of split test"),
    ],
)
def test_bad_questions_are_named(change, message: str) -> None:
    questions = world.multiple_choice()
    change(questions)
    with pytest.raises(InputError, match=message) as error:
        list(
            answer(
                world.model("gpt2"), questions, task("multiple-choice", "loglikelihood"),
                where="results/questions/mmlu.parquet",
            )
        )  # fmt: skip
    assert "results/questions/mmlu.parquet" in str(error.value)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"format": "essay"}, "format: 'essay' is not allowed; allowed: multiple-choice"),
        ({"format": "generation", "scoring": "loglikelihood"}, "scoring: 'loglikelihood'"),
        ({"format": "multiple-choice", "scoring": "legacy", "shots": -1}, "shots: -1"),
        ({"format": "multiple-choice", "scoring": "legacy", "shots": True}, "shots: True"),
        (
            {"format": "multiple-choice", "scoring": "loglikelihood-text", "normalisation": "x"},
            "normalisation: 'x'",
        ),
    ],
)
def test_bad_tasks_are_named(entry: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        asked(entry)


def test_chat_without_a_template_is_an_error() -> None:
    tokens = world.tokenizer("bytes")
    template, tokens.chat_template = tokens.chat_template, None
    try:
        with pytest.raises(InputError, match="no chat template"):
            list(
                answer(
                    world.model("gpt2"), world.generation(),
                    task("generation", "legacy", chat=True),
                )
            )  # fmt: skip
    finally:
        tokens.chat_template = template


def test_batches_cover_every_row_once() -> None:
    lengths = [5, 9, 9, 2, 7, 1, 9]
    for alike in (False, True):
        actual, order = [], sorted(range(7), key=lambda row: -lengths[row])
        while order:
            actual.append(batches._batch(order, lengths, 40, held=4, alike=alike))
            order = order[len(actual[-1]) :]
        assert sorted(row for rows in actual for row in rows) == list(range(7))
        for rows in actual:
            widths = {lengths[row] for row in rows}
            assert len(rows) * (4 + max(widths)) <= 40
            assert not alike or len(widths) == 1
