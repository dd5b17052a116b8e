"""A model's word vectors: against transformers, and as what a lexical state leaves to no layer."""

import re

import numpy as np
import pytest
import torch
from brainalign.formats.activations import open_activations, write_activations
from brainalign.reading.embeddings import input_embeddings
from worlds.encoding import overall, tables
from worlds.entries import align
from worlds.extraction import extract
from worlds.reading_models import TEXT, stories, tiny


@pytest.mark.parametrize("kind", ["gpt2", "llama", "t5", "bert"])
def test_vectors_are_the_mean_of_the_embedding_table_over_the_stimulus_tokens(kind):
    model = tiny(kind)
    stimuli = stories()
    vectors, facts = input_embeddings(model, stimuli, "none")
    table = model.model.get_input_embeddings().weight
    for row, text in enumerate(stimuli["text"]):
        plain = re.sub(r"\s+([.,!?;:])", r"\1", text)
        ids = model.tokenizer(plain, add_special_tokens=False)["input_ids"]
        truth = table[torch.tensor(ids)].float().mean(dim=0).detach().numpy()
        np.testing.assert_allclose(vectors[row], truth, atol=1e-6)
    assert facts["context"] == "none"


def test_a_lexical_state_leaves_nothing_beyond_word_vectors(tmp_path):
    """Responses follow the mean word vector; layers hold it, mixed with the context's."""
    model, random = tiny("llama"), np.random.default_rng(0)
    words = [word for word in dict.fromkeys(TEXT.split()) if word.isalpha()]
    texts = [" ".join(random.choice(words, 6)) for _ in range(240)]
    stimuli, _ = tables(np.zeros((240, 40)))
    stimuli["text"] = texts
    vectors, _ = input_embeddings(model, stimuli, "none")
    state = vectors - vectors.mean(axis=0)
    state /= state.std()
    signal = state @ random.standard_normal((state.shape[1], 40)) / np.sqrt(state.shape[1])
    y = signal + random.standard_normal(signal.shape)
    stimuli_of_y, dataset = tables(y)
    layers, _ = extract(model, stimuli, "passage", "mean")
    wide = np.hstack([layers["embedding"], layers["layer.1"]])
    length = np.array([[len(text), text.count("e")] for text in texts])
    files = {}
    known = {"embedding": vectors, "length": length, "layer": wide}
    for name, values in known.items():
        path = tmp_path / f"{name}.safetensors"
        ids = list(stimuli["stimulus_id"])
        write_activations({name: values.astype(np.float32)}, ids, path, {})
        files[name] = open_activations(path)
    entry = {
        "regression": {
            "type": "ridge", "selection": "folds-per-target", "inner_folds": 3,
            "alphas": {"low": 1e-3, "high": 1e3, "n": 7, "relative": True},
        },
        "split": {"scheme": "grouped", "folds": 4, "seed": 1},
        "unique_variance": {"beyond": ["x"], "candidates": 2},
    }  # fmt: skip

    def unique(*names):
        nuisance = {name: files[name] for name in names}
        table = align(files["layer"], stimuli_of_y, dataset, entry, "cpu", 0, nuisance)
        return overall(table, "layer")["unique_r2"]

    assert unique("length") > 0.05
    assert -0.01 < unique("length", "embedding") < 0.01
