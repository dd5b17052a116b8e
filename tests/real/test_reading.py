"""Reading Natural Stories and WikiText-2 with SmolLM2-135M-Instruct."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from brainalign.models.loading import load
from brainalign.reading.contexts import chains
from brainalign.reading.next_word import next_word_loss
from brainalign.reading.sequences import plan
from brainalign.reading.surprisal import layer_surprisal, word_surprisal
from worlds.extraction import extract

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def model(manifest):
    return load(manifest)


@pytest.fixture(scope="module")
def story(real_file):
    path = real_file("natural_stories/all_stories.tok")
    table = pd.read_csv(path, sep="\t", quoting=3).query("item == 1")
    return pd.DataFrame(
        {
            "stimulus_id": table["zone"].astype(str),
            "text": table["word"],
            "context_group": "1",
            "position": table["zone"],
        }
    ).reset_index(drop=True)


@pytest.fixture(scope="module")
def fragments(story):
    """The story's first 105 words, seven at a time."""
    texts = [" ".join(story["text"][k : k + 7]) for k in range(0, 105, 7)]
    return pd.DataFrame(
        {
            "stimulus_id": [f"f{k}" for k in range(15)],
            "text": texts,
            "context_group": "1",
            "position": range(15),
        }
    )


def test_perplexity_on_wikitext(model, wikitext):
    loss = next_word_loss(model, [wikitext], window=1024, max_tokens=1024)
    assert loss["tokens"] == 1023
    assert loss["perplexity"] == pytest.approx(13.9, abs=0.1)
    assert 0.9 < loss["bits_per_byte"] < 1.1


def test_the_logit_lens_is_that_of_transformers_hidden_states(model, story):
    """Its last hidden state has had the final norm, the others have not; the head is tied."""
    words = story[:20]
    bits_by_layer = layer_surprisal(model, words, "story")
    bits = word_surprisal(model, words, "story")["bits"]
    np.testing.assert_allclose(bits_by_layer["layer.30"], bits, rtol=0, atol=1e-6, equal_nan=True)
    network = model.model
    ids = model.tokenizer(" ".join(words["text"][:2]), return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        states = network(input_ids=ids, output_hidden_states=True).hidden_states
        n_first = len(model.tokenizer(words["text"][0])["input_ids"])
        for k, state in enumerate(states):
            layer = f"layer.{k}" if k else "embedding"
            state = state if k == 30 else network.model.norm(state)
            logp = torch.log_softmax(network.lm_head(state)[0].double(), -1)
            bits = logp[range(n_first - 1, ids.shape[1] - 1), ids[0, n_first:]].sum()
            assert bits_by_layer[layer][1] == pytest.approx(-float(bits) / np.log(2), rel=1e-4)


def test_shared_sequences_hold_the_tokens_of_every_single_text(model, story):
    """Each of 1,073 growing texts, tokenised whole by itself, is what the plan feeds."""
    made = chains(story, "story")
    for limit in (8192, 300):
        laid = plan(made, model.tokenizer, limit, list(story["stimulus_id"]), share=True)
        for sequence in laid.sequences:
            for row, stop in zip(sequence.rows, sequence.stops, strict=True):
                text = made[0].text[: made[0].ends[row]]
                expected = model.tokenizer(text)["input_ids"][-limit:]
                assert sequence.ids[:stop].tolist() == expected, text[-40:]


@pytest.mark.parametrize("limit", [8192, 64])
def test_activations_equal_one_forward_per_fragment(model, fragments, limit):
    short = dataclasses.replace(model, max_context=limit)
    layers, metadata = extract(short, fragments, "story")
    assert metadata["sequences"] == 1 + metadata["truncated"]
    for row in range(15):
        ids = model.tokenizer(" ".join(fragments["text"][: row + 1]))["input_ids"][-limit:]
        with torch.inference_mode():
            states = model.model(torch.tensor([ids]), output_hidden_states=True).hidden_states
        for k, name in enumerate(["embedding", *(f"layer.{k}" for k in range(1, 30)), "final"]):
            expected = states[k][0, -1].numpy()
            scale = max(1.0, float(np.abs(expected).max()))
            assert np.abs(layers[name][row] - expected).max() < 1e-5 * scale, (row, name)


def test_surprisal_goes_with_that_of_gpt3(model, story, mirror):
    """Two models of English agree about which words are unexpected."""
    path = mirror / "natural_stories" / "all_stories_gpt3.csv.gz"
    tokens = pd.read_csv(path).query("story == 0").iloc[1:]
    ends = np.cumsum(story["text"].str.len() + 1)  # words joined by single spaces
    last = tokens["offset"] + tokens["token"].str.len()
    words = np.searchsorted(ends, last, side="left")
    keep = words < 300
    theirs = np.bincount(words[keep], -tokens["logprob"][keep] / np.log(2), minlength=300)
    ours = word_surprisal(model, story[:300], "story")["bits"]
    assert ours.isna().sum() == 1
    assert np.corrcoef(ours[1:], theirs[1:])[0, 1] > 0.7
