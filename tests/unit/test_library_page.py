"""The code of docs/library.md runs, and gives what scikit-learn and transformers give."""

import re

import numpy as np
import pytest
import torch
from brainalign.errors import InputError
from conftest import REPOSITORY
from sklearn.linear_model import Ridge
from worlds.tiny_checkpoints import network, tokenizer, write

BLOCKS = re.findall(
    r"```python\n(.*?)```", (REPOSITORY / "docs" / "library.md").read_text("utf-8"), re.DOTALL
)


def test_activations_against_responses():
    rng = np.random.default_rng(0)
    story = np.repeat(list("abcdefgh"), 20)
    activations = rng.normal(size=(160, 12))
    responses = activations @ rng.normal(size=(12, 5)) + rng.normal(size=(160, 5))
    names = {"activations": activations, "responses": responses, "story": story}
    exec(BLOCKS[0], names)
    expected = []
    for split in names["benchmark"].splits:
        model = Ridge(1.0).fit(activations[split.train], responses[split.train])
        predicted = model.predict(activations[split.test])
        pairs = zip(predicted.T, responses[split.test].T, strict=True)
        expected.append([np.corrcoef(p, t)[0, 1] for p, t in pairs])
    assert len(expected) == 4
    # The page's penalties are chosen between 1e-3 and 1e3, which matters little here.
    np.testing.assert_allclose(names["r"], np.mean(expected, axis=0), atol=0.01)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"activations": np.full((160, 12), np.nan)}, "features: 160 rows hold NaN or Inf"),
        ({"activations": np.zeros((12, 160))}, "features have 12 rows, responses 160"),
        ({"activations": np.zeros(160)}, r"features: shape \(160,\), expected \[row, unit\]"),
        ({"responses": np.zeros((160, 2, 2))}, r"responses: shape \(160, 2, 2\)"),
        ({"story": np.repeat(list("abcdef"), 25)}, "160 rows, but groups of 150"),
    ],
)
def test_arrays_that_do_not_fit_are_named(change, message):
    rng = np.random.default_rng(0)
    arrays = {
        "activations": rng.normal(size=(160, 12)), "responses": rng.normal(size=(160, 5)),
        "story": np.repeat(list("abcdefgh"), 20),
    }  # fmt: skip
    with pytest.raises(InputError, match=message):
        exec(BLOCKS[0], arrays | change)


def test_surprisal_of_a_text(tmp_path):
    write("gpt2", tmp_path)
    names = {"folder": tmp_path}
    exec(BLOCKS[1], names)
    bits = names["bits"].to_numpy()
    ids = tokenizer()("The old man is here", return_tensors="pt", add_special_tokens=False)
    with torch.no_grad():
        logits = network("gpt2")(**ids).logits.log_softmax(-1)
    first = len(tokenizer().tokenize("The"))  # has no value: nothing precedes it
    nats = -logits[0, :-1].gather(1, ids["input_ids"][0, 1:, None])[first - 1 :].sum().item()
    assert bits[1:].sum() == pytest.approx(nats / np.log(2), abs=1e-3)
