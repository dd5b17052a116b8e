"""RSA and CKA against their formulas."""

import numpy as np
import pytest
from brainalign.encoding.alignment import align
from brainalign.encoding.similarity import cka, correlation_distance, gram_matrix, rsa
from brainalign.encoding.splits import shuffled
from brainalign.errors import InputError
from brainalign.formats.activations import open_activations, write_activations
from scipy.stats import ortho_group, spearmanr
from worlds.encoding import overall, planted, tables

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


def test_rows_that_are_all_alike_have_no_similarity():
    """A width at which the products of equal rows differ in their last digits."""
    random = np.random.default_rng(0)
    same, y = np.tile(random.standard_normal(300), (60, 1)), random.standard_normal((60, 20))
    assert np.isnan(rsa(correlation_distance(same), correlation_distance(y)))
    assert np.isnan(cka(gram_matrix(same), gram_matrix(y)))


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
