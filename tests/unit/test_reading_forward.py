"""Batches: filled under a budget, halved where the memory does not suffice."""

import pytest
import torch
from brainalign.errors import InputError
from brainalign.reading.forward import batch_budget, in_batches
from worlds.extraction import extract
from worlds.naive_reading import agree
from worlds.reading_models import stories, tiny

FULL = {
    "GPU": torch.OutOfMemoryError("CUDA out of memory"),
    "CPU": RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
}


def record(limit, error):
    """A work that fails beyond `limit` sequences, and the batches that it has done."""
    done, tried = [], []

    def work(batch):
        tried.append(len(batch))
        if len(batch) > limit:
            raise error
        done.append(batch)

    return work, done, tried


def test_longest_first_under_the_budget():
    work, done, _ = record(100, None)
    in_batches([3, 9, 5, 5, 2, 30], 20, work, "x")
    assert done == [[5], [1, 2], [3, 0, 4]]


@pytest.mark.parametrize("kind", FULL)
def test_batches_that_do_not_fit_are_halved_and_stay_so(kind):
    work, done, tried = record(2, FULL[kind])
    in_batches([4] * 11, 32, work, "x")
    assert sorted(k for batch in done for k in batch) == list(range(11))
    assert tried == [8, 4, *[2] * 5, 1]


def test_one_sequence_that_does_not_fit_is_an_error():
    work, done, _ = record(0, FULL["GPU"])
    with pytest.raises(InputError, match="does not suffice for one sequence of 7 tokens"):
        in_batches([7, 3], 64, work, "x")
    assert not done


def test_other_errors_are_not_taken_for_a_full_memory():
    work, _, tried = record(0, RuntimeError("size mismatch"))
    with pytest.raises(RuntimeError, match="size mismatch"):
        in_batches([7, 3], 64, work, "x")
    assert tried == [2]


def test_halving_changes_no_activations(monkeypatch):
    expected, _ = extract(tiny("gpt2"), stories(), "none")
    model = tiny.__wrapped__("gpt2")
    forward = model.model.transformer.forward

    def small(input_ids, **options):
        if len(input_ids) > 3:
            raise FULL["GPU"]
        return forward(input_ids=input_ids, **options)

    monkeypatch.setattr(model.model.transformer, "forward", small)
    actual, _ = extract(model, stories(), "none")
    agree(actual, expected)


def test_budgets():
    assert batch_budget(torch.device("cpu"), 77) == 77
    assert batch_budget(torch.device("cpu")) < batch_budget(torch.device("cuda"))
    with pytest.raises(InputError, match="batch_tokens is 0"):
        batch_budget(torch.device("cpu"), 0)
