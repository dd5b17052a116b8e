"""Language units: planted ones are found, ranked as llm-localization does, and kept in scores."""

import numpy as np
import pandas as pd
import pytest
import torch
from brainalign.analysis.unit_overlap import unit_overlap
from brainalign.datasets.localizer import conditions
from brainalign.encoding.language_units import MODEL, choose_units, selectivity, with_units
from brainalign.encoding.settings import Reduction
from brainalign.errors import InputError
from brainalign.formats.activations import open_activations, write_activations
from brainalign.settings import read
from scipy.stats import ttest_ind
from worlds.encoding import CONTROLLED, overall, planted, tables
from worlds.entries import align, simulate
from worlds.extraction import extract
from worlds.reading_models import TEXT, tiny

WIDTHS = {"embedding": 20, "layer.1": 20, "layer.2": 20, "final": 20}


def reduction(method="localizer", dimensions=5, among="layer"):
    entry = {"method": method, "dimensions": dimensions, "among": among}
    return read(entry if method == "random" else entry | {"localizer": "loc"}, Reduction)


def localizer(n=60):
    """Stimuli and conditions: every other one a sentence."""
    ids = [f"s{i}" for i in range(n)]
    return conditions(ids, ids, [i % 2 == 0 for i in range(n)], "x", "x")


def file_of(folder, layers, ids):
    path = folder / "activations.safetensors"
    write_activations({n: v.astype(np.float32) for n, v in layers.items()}, list(ids), path, {})
    return open_activations(path)


@pytest.fixture
def world(tmp_path):
    """Five units of each layer prefer sentences, five others non-words; the sign is at random."""
    random = np.random.default_rng(0)
    stimuli, responses = localizer()
    sentence = np.arange(60) % 2 == 0
    layers, likes, dislikes = {}, {}, {}
    for name, width in WIDTHS.items():
        size = 1 + 0.3 * random.random((60, width))
        picked = random.permutation(width)[:10]
        likes[name], dislikes[name] = np.sort(picked[:5]), np.sort(picked[5:])
        size[np.ix_(sentence, likes[name])] += 1
        size[np.ix_(~sentence, dislikes[name])] += 1
        layers[name] = size * random.choice([-1, 1], size.shape)
    file = file_of(tmp_path, layers, stimuli["stimulus_id"])
    return selectivity(file, stimuli, responses), likes, dislikes


def test_planted_units_are_selected_with_precision_one(world):
    t, likes, dislikes = world
    for method, planted_units in (("localizer", likes), ("nonwords", dislikes)):
        result = choose_units(WIDTHS, reduction(method), t, 0)
        assert list(result) == list(WIDTHS)
        for name in WIDTHS:
            np.testing.assert_array_equal(result[name], planted_units[name])
    blocks = choose_units(WIDTHS, reduction(dimensions=10, among="model"), t, 0)
    assert list(blocks) == ["layer.1", "layer.2"]
    for name in blocks:
        np.testing.assert_array_equal(blocks[name], likes[name])


def test_a_share_is_as_good_as_the_number_it_makes(world):
    t, likes, _ = world
    actual = choose_units(WIDTHS, reduction(dimensions=0.25), t, 0)
    assert all(np.array_equal(actual[name], likes[name]) for name in WIDTHS)
    assert {len(u) for u in choose_units(WIDTHS, reduction(dimensions=0.001), t, 0).values()} == {1}


def test_random_units_are_seeded_and_know_nothing_of_the_localizer(world):
    _, likes, _ = world
    first = choose_units(WIDTHS, reduction("random"), None, 0)
    again = choose_units(WIDTHS, reduction("random"), None, 0)
    other = choose_units(WIDTHS, reduction("random"), None, 1)
    assert all(np.array_equal(first[n], again[n]) and len(first[n]) == 5 for n in WIDTHS)
    assert any(not np.array_equal(first[n], other[n]) for n in WIDTHS)
    shared = [
        np.intersect1d(choose_units(WIDTHS, reduction("random"), None, seed)[n], likes[n]).size
        for seed in range(200)
        for n in WIDTHS
    ]
    assert np.mean(shared) == pytest.approx(5 * 5 / 20, abs=0.1)  # 6 standard errors


def test_constant_units_come_last_and_more_units_than_there_are_are_refused(tmp_path):
    stimuli, responses = localizer()
    values = np.random.default_rng(0).random((60, 6))
    values[:, 2] = 3.0
    t = selectivity(
        file_of(tmp_path, {"layer.1": values}, stimuli["stimulus_id"]), stimuli, responses
    )
    assert t["t"].isna().tolist() == [False, False, True, False, False, False]
    for method in ("localizer", "nonwords"):
        chosen = choose_units({"layer.1": 6}, reduction(method), t, 0)["layer.1"]
        assert chosen.tolist() == [0, 1, 3, 4, 5]
    with pytest.raises(InputError, match=r"reduce\.dimensions: 7, but layer\.1 has 6 units"):
        choose_units({"layer.1": 6}, reduction(dimensions=7), t, 0)
    with pytest.raises(InputError, match=r"layer\.1 has 6 units there, but 7 here"):
        choose_units({"layer.1": 7}, reduction(), t, 0)


@pytest.mark.parametrize("k", [1, 7, 40])
def test_the_ranking_is_that_of_llm_localization(tmp_path, k):
    """Its computation: the last token's activations after every block, absolute, Welch's t of
    sentences and non-words, the k greatest of all blocks."""
    words = [word for word in TEXT.lower().split() if word.isalpha()]
    random = np.random.default_rng(3)
    texts = [" ".join(words[i : i + 8]) for i in range(0, 80, 4)]
    texts += [" ".join(random.permutation(words)[:8]) for _ in range(20)]
    ids = [f"s{i}" for i in range(40)]
    stimuli, responses = conditions(ids, texts, [True] * 20 + [False] * 20, "x", "x")
    model = tiny("gpt2")

    blocks = model.model.transformer.h
    theirs = np.zeros((len(blocks), 40, model.model.config.n_embd))
    with torch.inference_mode():
        for row, text in enumerate(texts):
            tokens = model.tokenizer(text, return_tensors="pt")["input_ids"]
            states = []
            hooks = [
                block.register_forward_hook(
                    lambda _, __, output, into=states: into.append(
                        output[0] if isinstance(output, tuple) else output
                    )
                )
                for block in blocks
            ]
            model.model(input_ids=tokens)
            for hook in hooks:
                hook.remove()
            theirs[:, row] = [state.reshape(-1, state.shape[-1])[-1].numpy() for state in states]
    size = np.abs(theirs)
    wanted = ttest_ind(size[:, :20], size[:, 20:], axis=1, equal_var=False).statistic
    _, rank = np.unique(-wanted, return_inverse=True)
    mask = (rank < k).reshape(wanted.shape)

    layers, _ = extract(model, stimuli, "none", "last", bos="none")
    file = file_of(tmp_path, layers, ids)
    t = selectivity(file, stimuli, responses)
    of_blocks = t[t["layer"].str.startswith("layer.")]["t"].to_numpy().reshape(wanted.shape)
    np.testing.assert_allclose(of_blocks, wanted, rtol=1e-3, atol=1e-3)
    widths = {name: file.width(name) for name in file.layers}
    chosen = choose_units(widths, reduction(dimensions=k, among="model"), t, 0)
    measured = np.zeros_like(mask)
    for i in range(len(blocks)):
        measured[i, chosen[f"layer.{i + 1}"]] = True
    np.testing.assert_array_equal(measured, mask)


@pytest.mark.parametrize("layers", ["best", "nested"])
@pytest.mark.parametrize("among", ["layer", "model"])
def test_a_benchmark_of_units_is_that_of_their_columns(tmp_path, layers, among):
    features, y, _ = planted()
    random = np.random.default_rng(1)
    values = {
        f"layer.{i}": np.hstack([features, random.standard_normal((len(y), 14))])[
            :, random.permutation(20)
        ]
        for i in (1, 2)
    }
    stimuli, dataset = tables(y)
    file = file_of(tmp_path, values, stimuli["stimulus_id"])
    t = pd.DataFrame(
        {
            "layer": np.repeat(["layer.1", "layer.2"], 20),
            "unit": np.tile(np.arange(20), 2),
            "t": random.standard_normal(40),
        }
    )
    entry = CONTROLLED | {"layers": layers}
    reduce = {"method": "localizer", "dimensions": 6, "among": among, "localizer": "loc"}
    seen = align(file, stimuli, dataset, entry | {"reduce": reduce}, "cpu", 0, selectivity=t)
    chosen = choose_units({"layer.1": 20, "layer.2": 20}, read(reduce, Reduction), t, 0)
    parts = {name: values[name][:, at] for name, at in chosen.items()}
    if among == "model":
        parts = {MODEL: np.hstack(list(parts.values()))}
    (tmp_path / "by hand").mkdir()
    by_hand = file_of(tmp_path / "by hand", parts, stimuli["stimulus_id"])
    wanted = align(by_hand, stimuli, dataset, entry, "cpu", 0)
    assert set(seen["reduction"]) == {"localizer 6"}
    columns = ["layer", "subject", "region", "fold", "r", "chosen", "units_per_row"]
    pd.testing.assert_frame_equal(seen[columns], wanted[columns])
    assert overall(seen, next(iter(parts)))["units_per_row"] == pytest.approx(6 / 220)


def test_units_that_are_read_say_how_they_were_chosen(world, tmp_path):
    t, likes, _ = world
    values = {n: np.random.default_rng(1).random((4, w)) for n, w in WIDTHS.items()}
    file = file_of(tmp_path, values, "abcd")
    kept = with_units(file, reduction(), t, 0)
    assert kept.layers == tuple(WIDTHS)
    np.testing.assert_allclose(
        kept.layer("layer.2"), values["layer.2"][:, likes["layer.2"]], rtol=1e-6
    )
    assert kept.metadata["reduction"] == dict.fromkeys(WIDTHS, "localizer 5")


def pair(t, other, family="f"):
    models = {
        "base": {"base": None, "family": family, "simulated": False},
        "tuned": {"base": "base", "family": family, "simulated": False},
    }
    return models, {("base", "loc"): t, ("tuned", "loc"): other}


def drawn(random):
    names = np.repeat(list(WIDTHS), list(WIDTHS.values()))
    units = np.concatenate([np.arange(width) for width in WIDTHS.values()])
    return pd.DataFrame({"layer": names, "unit": units, "t": random.standard_normal(80)})


def test_the_same_units_overlap_wholly_and_random_ones_by_chance(world):
    t, _, _ = world
    same = unit_overlap(*pair(t, t), [reduction()], [])
    assert same["overlap"].tolist() == [1.0] * 6  # all layers, each of four, the mean
    assert same["chance"].to_numpy() == pytest.approx([5 / 20] * 6)
    assert (same.loc[same["level"] == "pair", "p"] < 1e-3).all()
    random = np.random.default_rng(0)
    for among, of_all in (("layer", 5 / 20), ("model", 5 / 40)):
        asked = [reduction(among=among)]
        rows = [
            unit_overlap(*pair(drawn(random), drawn(random)), asked, []).iloc[0] for _ in range(120)
        ]
        table = pd.DataFrame(rows)
        assert set(table["layer"]) == {"all"}
        assert table["chance"].to_numpy() == pytest.approx([of_all] * 120)
        error = table["overlap"].std() / np.sqrt(120)
        assert abs(table["overlap"].mean() - of_all) < 4 * error
        assert (table["p"] <= 0.05).mean() <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 120)
        inside = table["overlap"].between(table["chance_low"], table["chance_high"])
        assert inside.mean() > 0.92


def test_the_mean_over_pairs_has_an_interval_over_families(world):
    t, _, _ = world
    random = np.random.default_rng(0)
    models, files = {}, {}
    for family in "abc":
        models |= {
            family: {"base": None, "family": family, "simulated": True},
            f"{family}-tuned": {"base": family, "family": family, "simulated": True},
        }
        files |= {(family, "loc"): t, (f"{family}-tuned", "loc"): drawn(random)}
    table = unit_overlap(models, files, [reduction()], ["loc"])
    (full,) = table[table["level"] == "overall"].to_dict("records")
    pairs = table[(table["level"] == "pair") & (table["layer"] == "all")]
    assert full["n"] == 3 and full["simulated"]
    assert full["above_chance"] == pytest.approx(pairs["above_chance"].mean())
    half = 4.302653 * pairs["above_chance"].std() / np.sqrt(3)  # t of 2 degrees of freedom
    assert full["high"] - full["above_chance"] == pytest.approx(half, rel=1e-5)
    one = unit_overlap(*pair(t, t), [reduction()], [])
    assert "one family" in one[one["level"] == "overall"]["note"].item()


def test_models_of_other_widths_are_not_compared(world):
    t, _, _ = world
    table = unit_overlap(*pair(t, t[t["unit"] < 10]), [reduction()], [])
    assert "layers of the two differ" in table["note"].item()


def test_a_simulated_localizer_has_sentences_and_lists_of_their_words():
    made = simulate("localizer", {"sentences": 30}, {}, 1)
    sentence = made.responses["responses"].values[:, 0] == 1
    texts = made.stimuli["text"].to_numpy()
    assert sentence.tolist() == [True] * 30 + [False] * 30
    assert all(text[0].isupper() and text[-1] in ".?" for text in texts[:30])
    lengths = [len(text.split()) for text in texts]
    assert lengths[:30] == lengths[30:]
    words = {word.rstrip(".,?:") for text in texts[:30] for word in text.split()[1:]}
    assert {word for text in texts[30:] for word in text.split()} <= words
