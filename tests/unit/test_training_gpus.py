"""Where the model lies that is tuned, by the number of GPUs."""

from types import SimpleNamespace

import pytest
import torch
from brainalign.errors import InputError
from brainalign.models import tuning

MANIFEST = {"name": "large", "dtype": "bfloat16"}


@pytest.mark.parametrize(("n_gpus", "asked"), [(0, "cpu"), (1, "cpu"), (2, "sharded")])
def test_layers_lie_on_all_gpus_where_there_are_several(
    n_gpus: int, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def load(manifest, device, threads):
        calls.append((manifest["dtype"], device, threads))
        return SimpleNamespace(model=SimpleNamespace(hf_device_map={"h.0": 0, "h.1": 1}))

    monkeypatch.setattr(torch.cuda, "device_count", lambda: n_gpus)
    monkeypatch.setattr(tuning, "load", load)
    tuning.load_base(MANIFEST, 3)
    assert calls == [("float32", asked, 3)]


@pytest.mark.parametrize("place", ["cpu", "disk"])
def test_weights_that_the_gpus_do_not_hold_are_an_error(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    outside = SimpleNamespace(model=SimpleNamespace(hf_device_map={"h.0": 0, "h.1": place}))
    monkeypatch.setattr(tuning, "load", lambda *_: outside)
    with pytest.raises(InputError, match="model large: 2 GPUs do not hold its weights in float32"):
        tuning.load_base(MANIFEST, 1)
