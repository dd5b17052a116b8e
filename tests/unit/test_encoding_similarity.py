"""RSA, CKA and variance partitioning against their formulas and planted truths."""

import numpy as np
import pytest
from brainalign.encoding.alignment import align
from brainalign.encoding.banded import banded_r2, unique_variance
from brainalign.encoding.similarity import cka, correlation_distance, gram_matrix, rsa
from brainalign.encoding.splits import contiguous, inner_splits, shuffled
from brainalign.errors import InputError
from brainalign.formats.activations import open_activations, write_activations
from scipy.stats import ortho_group, spearmanr
from sklearn.linear_model import Ridge as SklearnRidge
from test_encoding_alignment import overall, planted, tables

SPLIT = {"scheme": "shuffled", "folds": 10, "train": 0.1, "seed": 1}  # Brain-Score: 90 % subsets


def pair(seed=0, n=40):
    random = np.random.default_rng(seed)
    x = random.standard_normal((n, 30)) + 2
    return x, x[:, :10] @ random.standard_normal((10, 15)) + random.standard_normal((n, 15))


def centred(gram):
    h = np.eye(len(gram)) - 1 / len(gram)
    return h @ gram @ h


def test_rsa_is_the_formula():
    x, y = pair()
    upper = np.triu_indices(40, 1)
    truth = spearmanr((1 - np.corrcoef(x))[upper], (1 - np.corrcoef(y))[upper])[0]
    assert rsa(correlation_distance(x), correlation_distance(y)) == pytest.approx(truth, abs=1e-12)


def test_cka_is_the_formula():
    x, y = pair()
    a, b = centred(x @ x.T), centred(y @ y.T)
    truth = (a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum())
    assert cka(gram_matrix(x), gram_matrix(y)) == pytest.approx(truth, abs=1e-12)


def test_invariances():
    """CKA: rotation, scale and shift of units; RSA: scale and shift of each row."""
    x, y = pair()
    turned = 7 * (x @ ortho_group.rvs(30, random_state=0)) + 3
    same = cka(gram_matrix(x), gram_matrix(y))
    assert cka(gram_matrix(turned), gram_matrix(y)) == pytest.approx(same)
    assert cka(gram_matrix(x), gram_matrix(x)) == pytest.approx(1)
    rows = np.arange(1, 41)[:, None]
    once = rsa(correlation_distance(x), correlation_distance(y))
    assert rsa(correlation_distance(rows * x + rows), correlation_distance(y)) == pytest.approx(
        once
    )


def test_a_row_without_a_pattern_has_no_similarity():
    x, y = pair()
    x[4] = 1.0
    assert np.isnan(rsa(correlation_distance(x), correlation_distance(y)))


def reference(x, y, name, ids):
    """Brain-Score's metric on its ten subsets of 90 % of the stimuli."""
    scores = []
    for split in shuffled(ids, 10, 0.1, 1):
        a, b = x[split.test], y[split.test]
        upper = np.triu_indices(len(a), 1)
        if name == "rsa":
            scores.append(spearmanr((1 - np.corrcoef(a))[upper], (1 - np.corrcoef(b))[upper])[0])
        else:
            a, b = centred(a @ a.T), centred(b @ b.T)
            scores.append((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))
    return np.mean(scores)


@pytest.mark.parametrize("name", ["rsa", "cka"])
def test_pooled_and_per_subject_scores_of_a_model(name, tmp_path):
    features, y, _ = planted()
    y += np.linspace(0, 3, y.shape[1])  # targets differ in level, which a dissimilarity sees
    stimuli, dataset = tables(y)
    ids = stimuli["stimulus_id"].tolist()
    write_activations({"f": features.astype(np.float32)}, ids, tmp_path / "a.safetensors", {})
    file = open_activations(tmp_path / "a.safetensors")
    entry = {"regression": {"type": name}, "split": SPLIT, "aggregate": "median-pooled"}
    pooled = align(file, stimuli, dataset, entry, "cpu", 0)
    x = features.astype(np.float32).astype(np.float64)
    assert overall(pooled, "f")["r"] == pytest.approx(reference(x, y, name, ids), abs=1e-6)
    each = align(file, stimuli, dataset, entry | {"aggregate": "mean"}, "cpu", 0)
    truth = [reference(x, y[:, 40 * s : 40 * s + 40], name, ids) for s in range(3)]
    assert overall(each, "f")["r"] == pytest.approx(np.mean(truth), abs=1e-6)
    subjects = each[(each["region"] == "all") & (each["fold"] == -1) & (each["subject"] != "all")]
    np.testing.assert_allclose(subjects["r"], truth, atol=1e-6)
    with pytest.raises(InputError, match="pca is fitted to training rows"):
        bad = entry | {"reduce": {"method": "pca", "dimensions": 2}}
        align(file, stimuli, dataset, bad, "cpu", 0)


def spaces(seed=0, n=200, noise=1.0):
    """Responses that hold 40 % of a model's own features and 30 % of nuisance."""
    random = np.random.default_rng(seed)
    nuisance, own = random.standard_normal((n, 5)), random.standard_normal((n, 8))
    shared = own @ random.standard_normal((8, 30)) / np.sqrt(8) * 2
    model = np.hstack([own, nuisance[:, :2]])
    y = (
        shared
        + nuisance @ random.standard_normal((5, 30))
        + noise * random.standard_normal((n, 30))
    )
    return model, nuisance, own, y


def folds(n, k=4):
    splits = contiguous(n, k, 5)
    scheme = {"scheme": "contiguous", "gap": 5}
    return splits, [inner_splits(scheme, split.train, None, 3) for split in splits]


def test_one_band_is_ridge():
    _, nuisance, _, y = spaces()
    splits, inner = folds(200)
    split = splits[1]
    x = nuisance[split.train] - nuisance[split.train].mean(axis=0)
    alpha = 3.0
    scale = (x**2).sum() / len(x)
    model = SklearnRidge(alpha * scale).fit(nuisance[split.train], y[split.train])
    truth = y[split.test] - y[split.train].mean(axis=0)
    error = y[split.test] - model.predict(nuisance[split.test])
    expected = 1 - (error**2).sum(axis=0) / (truth**2).sum(axis=0)
    ours = banded_r2({"nuisance": nuisance}, y, split, inner[1], [alpha], 1, 0)
    np.testing.assert_allclose(ours, expected, atol=1e-8)


def test_unique_variance_is_what_only_the_model_holds():
    model, nuisance, own, y = spaces()
    splits, inner = folds(200)
    alphas = np.logspace(-4, 3, 8)
    together, added = unique_variance(model, {"nuisance": nuisance}, y, splits, inner, alphas, 30)
    weights = np.linalg.lstsq(np.hstack([own, nuisance]), y, rcond=None)[0]
    unique = (own @ weights[:8]).var(axis=0) / y.var(axis=0)
    assert added.mean() == pytest.approx(unique.mean(), abs=0.05)
    assert together.mean() > added.mean()
    _, nothing = unique_variance(
        nuisance[:, :3], {"nuisance": nuisance}, y, splits, inner, alphas, 30
    )
    assert abs(nothing.mean()) < 0.02
