"""Questions are answered in smaller batches where a GPU's memory does not suffice."""

import math

import pandas as pd
import pytest
import torch
from brainalign.capability import batches
from brainalign.capability.answering import answer
from brainalign.capability.scorers import Likeliest, Written
from brainalign.errors import InputError
from brainalign.models import memory
from worlds import capability_world as world
from worlds.entries import asked

FULL = torch.OutOfMemoryError("CUDA out of memory")
SCORINGS = {
    "likeliest": (Likeliest, {"format": "multiple-choice", "scoring": "loglikelihood"}),
    "written": (Written, {"format": "generation", "scoring": "legacy", "max_new_tokens": 4}),
}


def answers(kind: str, scoring: str) -> pd.DataFrame:
    questions = world.multiple_choice() if scoring == "likeliest" else world.generation()
    task = asked({**SCORINGS[scoring][1], "shots": 2})
    result = [record for batch in answer(world.model(kind), questions, task) for record in batch]
    return pd.DataFrame(result).sort_values("question_id", ignore_index=True)


@pytest.mark.parametrize("kind", ["gpt2", "t5"])
@pytest.mark.parametrize("scoring", SCORINGS)
def test_batches_that_do_not_fit_are_halved_and_change_no_answer(kind, scoring, monkeypatch):
    expected = answers(kind, scoring)
    scorer, sizes = SCORINGS[scoring][0], []
    full = scorer.answers

    def small(self, context, rows, prompts):
        sizes.append(len(rows))
        if len(rows) > 2:
            raise FULL
        return full(self, context, rows, prompts)

    monkeypatch.setattr(scorer, "answers", small)
    actual = answers(kind, scoring)
    assert max(sizes) > 2
    exact = [name for name in expected if name != "choice_loglikelihoods"]
    pd.testing.assert_frame_equal(actual[exact], expected[exact])


def test_one_prompt_that_does_not_fit_is_an_error(monkeypatch):
    def full(*_):
        raise FULL

    monkeypatch.setattr(Likeliest, "answers", full)
    with pytest.raises(InputError, match="does not suffice for one prompt of"):
        answers("gpt2", "likeliest")


def test_a_tokens_keys_and_values_are_counted():
    model = world.model("gpt2")
    config = model.model.config
    per_layer = 2 * config.n_embd * 4  # keys and values, float32
    assert batches.token_bytes(model, 5) == {torch.device("cpu"): config.n_layer * per_layer}


def test_tokens_follow_the_fullest_device(monkeypatch):
    free = {torch.device("cuda:0"): 1000.0, torch.device("cuda:1"): 300.0}
    monkeypatch.setattr(memory, "free_bytes", free.__getitem__)
    share = memory.CACHE_SHARE
    assert memory.cached_tokens(dict.fromkeys(free, 10)) == pytest.approx(30 * share)
    monkeypatch.undo()
    assert math.isinf(memory.cached_tokens({torch.device("cpu"): 10}))
