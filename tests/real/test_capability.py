"""Real questions: MMLU, BBH and BLiMP from the mirror, put to tiny random models and to SmolLM2."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from brainalign.capability.answering import answer
from brainalign.capability.extraction import Form, extract
from brainalign.capability.generation import published_examples, question_set
from brainalign.capability.multiple_choice import question_set as choice_set
from brainalign.capability.tasks import check_questions
from brainalign.datasets import bbh, blimp, mmlu
from brainalign.datasets.question_settings import Bbh, Blimp, Mmlu
from brainalign.datasets.raw import locate
from brainalign.models.loading import load
from worlds import capability_world as world
from worlds.capability_world import published_prompt
from worlds.entries import asked

pytestmark = pytest.mark.real
LEGACY = {
    form: asked({"format": form, "scoring": "legacy"}) for form in ("multiple-choice", "generation")
}


@pytest.fixture(scope="module")
def mmlu_questions(mirror: Path) -> pd.DataFrame:
    source = Mmlu()
    return mmlu.read(locate(mmlu.raw_files(source), mirror, mirror), source, seed=0)


@pytest.fixture(scope="module")
def bbh_questions(mirror: Path) -> pd.DataFrame:
    source = Bbh()
    return bbh.read(locate(bbh.raw_files(source), mirror, mirror), source, seed=0)


def test_all_of_mmlu_is_well_formed(mmlu_questions: pd.DataFrame) -> None:
    check_questions(mmlu_questions, LEGACY["multiple-choice"], "mmlu")
    sets = [
        choice_set(rows, LEGACY["multiple-choice"])
        for _, rows in mmlu_questions.groupby("subject", sort=False)
    ]
    assert len(sets) == 57
    assert sum(len(asked.items) for asked in sets) == 14042
    assert {len(asked.shots) for asked in sets} == {5}
    by_category = mmlu_questions.groupby("category")["subject"].nunique()
    assert sorted(by_category) == [12, 13, 14, 18]


def test_bbh_leaves_the_first_three_of_each_file_unscored(bbh_questions: pd.DataFrame) -> None:
    check_questions(bbh_questions, LEGACY["generation"], "bbh")
    sets = [
        question_set(rows, LEGACY["generation"])
        for _, rows in bbh_questions.groupby("subject", sort=False)
    ]
    assert sum(len(asked.items) for asked in sets) == 6511 - 27 * 3
    assert bbh_questions["task"].nunique() == 23


def test_published_prompts_have_three_examples_and_their_direct_answers(
    mirror: Path, bbh_questions: pd.DataFrame
) -> None:
    """The answer-only prompt is the published one without its reasoning, word for word."""
    files = sorted((mirror / "bbh" / "cot-prompts").glob("*.txt"))
    assert {file.stem for file in files} == set(bbh_questions["subject"])
    for file in files:
        text = file.read_text(encoding="utf-8")
        header, reasoned = published_examples(text, reasoned=True, where=file.stem)
        _, direct = published_examples(text, reasoned=False, where=file.stem)
        full = header + "\n\n".join(item.body + item.answer for item in reasoned)
        assert full in text
        assert "canary" not in full
        assert len(direct) == 3
        for item in direct:
            answers = [line for line in text.splitlines() if "answer is" in line]
            assert any(item.answer in line for line in answers), (file.stem, item.answer)


def test_every_target_matches_itself_and_no_other_of_its_file(bbh_questions: pd.DataFrame) -> None:
    """No two different targets of a question are one when compared."""
    for subject, rows in bbh_questions[bbh_questions["split"] == "test"].groupby("subject"):
        for question, target in zip(rows["input"], rows["target"], strict=True):
            form = Form.of(question, target)
            same = {form.canonical(t) for t in (target, *form.options)}
            assert len(same) == 1 + len(set(form.options) - {target.strip("()")}), (subject, target)
        words = [t for t in rows["target"].unique() if Form.of("", t).kind != "option"]
        assert len({Form.of("", t).canonical(t) for t in words}) == len(words), subject


WORDINGS = (
    " {}", "{}.", "**{}**", "The answer is {}.", "The correct answer is: {}", "Answer: {}",
    "Let me see.\n\nThe final answer is **{}**.<|im_end|>",
    "<think>\nIs the answer (A)? No.\n</think>\n\n{}", " {}\n\nQ: Another?\nA: The answer is none",
)  # fmt: skip


def test_every_target_is_extracted_however_it_is_worded(bbh_questions: pd.DataFrame) -> None:
    """All 6,511 targets in nine wordings of chat models.

    A preamble cannot be told from an answer that may be any text (word_sorting).
    """
    asked = bbh_questions[bbh_questions["split"] == "test"]
    missed = []
    for question, target in zip(asked["input"], asked["target"], strict=True):
        form = Form.of(question, target)
        for wording in WORDINGS:
            if form.kind == "text" and wording.startswith("Let me see"):
                continue
            answer = extract(wording.format(target), form)
            if answer is None or form.canonical(answer) != form.canonical(target):
                missed.append((wording, target, answer))
    assert not missed, (len(missed), missed[:5])


def test_reasoned_answers_are_those_of_the_published_rule(
    mirror: Path, bbh_questions: pd.DataFrame
) -> None:
    """The 81 worked examples of Suzgun et al.: what follows the last "the answer is"."""
    for file in sorted((mirror / "bbh" / "cot-prompts").glob("*.txt")):
        _, items = published_examples(file.read_text(), reasoned=True, where=file.stem)
        rows = bbh_questions[bbh_questions["subject"] == file.stem]
        target = rows.loc[rows["split"] == "test", "target"].iloc[0]
        for item in items:
            form = Form.of(item.body.rpartition("\nA:")[0], target)
            published = item.answer.rpartition("the answer is")[2].strip().removesuffix(".")
            answer = extract(item.answer, form, reasoned=True)
            assert answer is not None, (file.stem, published)
            assert form.canonical(answer) == form.canonical(published), file.stem


@pytest.mark.parametrize("kind", ["llama", "t5"])
def test_some_real_questions_are_answered(
    kind: str, mmlu_questions: pd.DataFrame, bbh_questions: pd.DataFrame
) -> None:
    model = world.model(kind, max_context=8192)
    number = mmlu_questions.groupby(["split", "subject"]).cumcount()
    some = mmlu_questions[(mmlu_questions["split"] == "dev") | (number < 1)]
    some = some[some["subject"].isin(some["subject"].unique()[:8])]
    of = asked({"format": "multiple-choice", "scoring": "loglikelihood", "shots": 1})
    assert sum(len(batch) for batch in answer(model, some, of)) == 8
    few = bbh_questions[bbh_questions.groupby("subject").cumcount() < 3]
    few = few[few["subject"].isin(few["subject"].unique()[:6])]
    options = {"format": "generation", "scoring": "direct", "shots": 1, "max_new_tokens": 4}
    assert sum(len(batch) for batch in answer(model, few, asked(options))) == 12


def test_a_real_model_scores_real_questions_as_one_pass_each_does(
    manifest: dict[str, Any], mmlu_questions: pd.DataFrame
) -> None:
    model = load(manifest)
    number = mmlu_questions.groupby(["split", "subject"]).cumcount()
    some = mmlu_questions[(mmlu_questions["split"] == "dev") | (number < 2)]
    some = some[some["subject"].isin(["abstract_algebra", "anatomy"])]
    of = asked({"format": "multiple-choice", "scoring": "loglikelihood"})
    rows = some.set_index("question_id", drop=False)
    records = [record for batch in answer(model, some, of) for record in batch]
    assert len(records) == 4
    letters = [model.tokenizer(f" {letter}")["input_ids"] for letter in "ABCD"]
    for record in records:
        text = published_prompt(some, rows.loc[record["question_id"]], 5, letters=True)
        with torch.no_grad():
            logits = model.model(torch.tensor([model.tokenizer(text)["input_ids"]])).logits[0, -1]
        truth = [float(logits.log_softmax(-1)[token]) for [token] in letters]
        assert record["choice_loglikelihoods"] == pytest.approx(truth, abs=1e-4)
        assert record["prediction"] == truth.index(max(truth))


@pytest.fixture(scope="module")
def blimp_pairs(mirror: Path) -> pd.DataFrame:
    source = Blimp()
    return blimp.read(locate(blimp.raw_files(source), mirror, mirror), source, seed=0)


def test_all_of_blimp_is_well_formed(blimp_pairs: pd.DataFrame) -> None:
    check_questions(blimp_pairs, asked({"format": "minimal-pairs"}), "blimp")
    assert len(blimp_pairs) == 67_000
    assert blimp_pairs[["subject", "task", "category"]].nunique().tolist() == [67, 12, 4]
    sizes = blimp_pairs.groupby("task")["subject"].nunique()
    assert sizes["argument_structure"] == 9 and sizes["island_effects"] == 8  # as published
    assert (blimp_pairs["good"] == blimp_pairs["bad"]).sum() == 7


def test_a_real_model_finds_sentences_as_likely_as_one_pass_each_does(
    manifest: dict[str, Any], blimp_pairs: pd.DataFrame
) -> None:
    model = load(manifest)
    some = blimp_pairs[blimp_pairs["subject"] == "regular_plural_subject_verb_agreement_1"].head(12)
    batches = answer(model, some, asked({"format": "minimal-pairs"}))
    answers = pd.DataFrame([record for batch in batches for record in batch])
    for result, *sentences in zip(
        answers["choice_loglikelihoods"], some["good"], some["bad"], strict=True
    ):
        for value, sentence in zip(result, sentences, strict=True):
            ids = [model.tokenizer.bos_token_id, *model.tokenizer(f" {sentence}")["input_ids"]]
            with torch.no_grad():
                logits = model.model(torch.tensor([ids])).logits[0, :-1].double()
            truth = logits.log_softmax(1)[range(len(ids) - 1), ids[1:]].sum()
            assert value == pytest.approx(float(truth), abs=1e-3)
    assert answers["correct"].mean() > 0.7  # it has learnt agreement
