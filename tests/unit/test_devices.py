"""Where a model or a regression runs, for every `device` that a study may name."""

import shutil

import pytest
import torch
from brainalign.devices import choose_device
from brainalign.errors import InputError


@pytest.fixture
def gpus(monkeypatch):
    """Makes torch find so many GPUs."""

    def pretend(n: int) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: n > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: n)
        monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}" if n else None)

    return pretend


@pytest.mark.parametrize(
    ("requested", "n", "chosen"),
    [
        ("auto", 0, "cpu"),
        ("auto", 1, "cuda"),
        ("cpu", 2, "cpu"),
        ("cuda", 1, "cuda"),
        ("cuda:0", 1, "cuda:0"),
        ("cuda:1", 2, "cuda:1"),
        ("sharded", 0, "cpu"),
        ("sharded", 2, "cuda"),
    ],
)
def test_every_device_of_the_schema_is_chosen(gpus, requested, n, chosen):
    gpus(n)
    assert choose_device(requested) == chosen


@pytest.mark.parametrize(
    ("requested", "n", "said"),
    [
        ("cuda", 0, "finds no GPU"),
        ("cuda:1", 1, "device: cuda:1.*finds 1 GPU"),
        ("gpu", 1, "'gpu'.*cuda:N"),
        ("cuda:x", 1, "'cuda:x'"),
    ],
)
def test_a_device_that_is_not_there_is_an_error(gpus, requested, n, said):
    gpus(n)
    with pytest.raises(InputError, match=said):
        choose_device(requested)
