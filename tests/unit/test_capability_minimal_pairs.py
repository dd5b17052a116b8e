"""Minimal pairs: a plain loop over sentences gives the same log-likelihoods and verdicts."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from brainalign.analysis.capabilities import accuracy_table, summarise
from brainalign.capability import minimal_pairs
from brainalign.capability.answering import answer
from brainalign.capability.minimal_pairs import loglikelihoods
from brainalign.errors import InputError
from eager_attention import eager
from worlds.entries import asked
from worlds.families import every
from worlds.reading_models import ALL, tiny

SENTENCES = (
    "The miller walked slowly.",
    "The miller walk slowly.",
    "Nobody had seen the heron, with a lantern and a loaf of bread!",
    "Nobody had see the heron, with a lantern and a loaf of bread!",
    "Was it?",
    "It was the wind.",
)


@torch.no_grad()
def naive(model, sentence: str, method: str = "prefix") -> float:
    """One sentence, read alone (masked: once for each token), by transformers' own logits."""
    tokenizer = model.tokenizer
    ids = tokenizer(f" {sentence}", add_special_tokens=False)["input_ids"]
    part = range(len(ids))
    with eager(model.model) as network:
        if model.architecture == "decoder-only":
            begin = tokenizer.bos_token_id
            logits = network(input_ids=torch.tensor([[begin, *ids]])).logits[0, :-1]
        elif model.architecture == "encoder-decoder":
            between = [tokenizer.get_vocab()["<extra_id_0>"]] if method == "infilling" else []
            start = model.model.config.decoder_start_token_id
            logits = network(
                input_ids=torch.tensor([[*between, tokenizer.eos_token_id]]),
                decoder_input_ids=torch.tensor([[start, *between, *ids]]),
            ).logits[0, len(between) : -1]
        else:
            rows = []
            for k in part:
                hidden = [*ids[:k], tokenizer.mask_token_id, *ids[k + 1 :]]
                full = [tokenizer.cls_token_id, *hidden, tokenizer.sep_token_id]
                rows.append(network(input_ids=torch.tensor([full])).logits[0, k + 1])
            logits = torch.stack(rows)
    return float(logits.double().log_softmax(1)[part, ids].sum())


@pytest.mark.parametrize("name", every(ALL))
@pytest.mark.parametrize("batch_tokens", [7, 1024])
def test_loglikelihoods_are_those_of_a_plain_loop(name, batch_tokens):
    model = tiny(name)
    result, tokens = loglikelihoods(model, SENTENCES, SENTENCES, batch_tokens=batch_tokens)
    assert result == pytest.approx([naive(model, text) for text in SENTENCES], abs=1e-4)
    encoded = [model.tokenizer(f" {s}", add_special_tokens=False)["input_ids"] for s in SENTENCES]
    assert tokens == list(map(len, encoded))


def test_an_encoder_reads_the_sentinel_alone_by_infilling():
    model = tiny("t5")
    actual, _ = loglikelihoods(model, SENTENCES, SENTENCES, "infilling")
    assert actual == pytest.approx([naive(model, s, "infilling") for s in SENTENCES], abs=1e-4)
    assert actual != pytest.approx([naive(model, s) for s in SENTENCES], abs=1e-2)


def test_the_end_of_text_stands_before_a_sentence_where_nothing_begins_one():
    """As in lm-eval; Qwen's tokenizers have no BOS token."""
    tokenizer = tiny("gpt2").tokenizer
    made = type(tokenizer)(tokenizer_object=tokenizer.backend_tokenizer, eos_token="<|end|>")
    model = dataclasses.replace(tiny("gpt2"), tokenizer=made)
    assert made.bos_token_id is None
    measured, _ = loglikelihoods(model, SENTENCES, SENTENCES)
    assert measured == pytest.approx([naive(tiny("gpt2"), s) for s in SENTENCES], abs=1e-4)
    nothing = type(tokenizer)(tokenizer_object=tokenizer.backend_tokenizer)
    with pytest.raises(InputError, match="no token that begins or ends a text"):
        loglikelihoods(dataclasses.replace(model, tokenizer=nothing), SENTENCES, SENTENCES)


def pairs(n: int = 6) -> pd.DataFrame:
    """Pairs of two paradigms; the first of each are the same sentence twice."""
    rng = np.random.default_rng(0)
    words = ["miller", "heron", "lantern", "river", "bread", "fog", "boots"]
    rows = []
    for paradigm, phenomenon in (("agreement_one", "agreement"), ("island_two", "islands")):
        for i in range(n):
            good = " ".join(rng.choice(words, 5))
            bad = good if i == 0 else " ".join(rng.permutation(good.split()))
            rows.append((f"{paradigm}.{i:03d}", "test", paradigm, phenomenon, "syntax", good, bad))
    columns = ["question_id", "split", "subject", "task", "category", "good", "bad"]
    return pd.DataFrame(rows, columns=columns)


def judged(questions, done=()) -> pd.DataFrame:
    task = asked({"format": "minimal-pairs"})
    batches = answer(tiny("gpt2"), questions, task, done=done)
    return pd.DataFrame([record for batch in batches for record in batch])


def test_the_likelier_sentence_is_chosen_and_a_tie_counts_half():
    questions = pairs()
    answers = judged(questions)
    good, bad = ([naive(tiny("gpt2"), s) for s in questions[side]] for side in ("good", "bad"))
    twins = questions["good"] == questions["bad"]
    expected = np.where(twins, 0.5, np.array(good) > np.array(bad))
    assert answers["correct"].tolist() == expected.tolist()
    assert answers["tie"].tolist() == twins.tolist()
    assert set(answers["prediction"]) == {-1, 0, 1}
    total = summarise(answers).set_index("category").loc["all"]
    assert total["accuracy"] == pytest.approx(expected.mean())
    table = accuracy_table(answers)
    by_paradigm = table[table["level"] == "subject"].set_index("subject")["accuracy"]
    assert by_paradigm["island_two"] == pytest.approx(expected[6:].mean())
    assert set(table.loc[table["level"] == "task", "task"]) == {"agreement", "islands"}


def test_what_is_judged_already_changes_nothing(monkeypatch):
    monkeypatch.setattr(minimal_pairs, "PAIRS", 4)
    questions = pairs()
    complete = judged(questions)
    done = set(questions["question_id"][:6])  # a batch and a half
    rest = judged(questions, done)
    pd.testing.assert_frame_equal(rest, complete.iloc[6:].reset_index(drop=True))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"good": ""}, r"question agreement_one\.002: no good"),
        ({"bad": None}, r"question agreement_one\.002: no bad"),
        ({"bad": "heron " * 600}, r"pair agreement_one\.002 \(bad\): \d+ tokens"),
    ],
)
def test_bad_pairs_are_named(change, message):
    questions = pairs()
    for column, value in change.items():
        questions.loc[2, column] = value
    with pytest.raises(InputError, match=message):
        judged(questions)
