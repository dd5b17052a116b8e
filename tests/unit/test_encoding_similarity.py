"""RSA and CKA against their formulas."""

from itertools import permutations

import numpy as np
import pytest
from brainalign.encoding.similarity import (
    PairCentring,
    Similarity,
    cka,
    correlation_distance,
    debiased_cka,
    gram_matrix,
    rsa,
)
from brainalign.encoding.splits import shuffled
from brainalign.errors import InputError
from brainalign.formats.activations import open_activations, write_activations
from scipy.stats import ortho_group, spearmanr
from worlds.encoding import overall, planted, tables
from worlds.entries import align

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
    biased = {"estimator": "biased"} if name == "cka" else {}  # as Brain-Score's
    entry = {"regression": {"type": name} | biased, "split": SPLIT, "aggregate": "median-pooled"}
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


def unbiased_hsic(k, other):
    """Song et al. 2012, equation 5."""
    m = len(k)
    k, h = k - np.diag(np.diag(k)), other - np.diag(np.diag(other))
    one = np.ones(m)
    sums = (one @ k @ one) * (one @ h @ one) / ((m - 1) * (m - 2))
    return (np.trace(k @ h) + sums - 2 * (one @ k @ h @ one) / (m - 2)) / (m * (m - 3))


def all_pairs(n):
    return PairCentring(~np.eye(n, dtype=bool))


def test_debiased_cka_is_made_of_the_unbiased_hsic_of_song_et_al():
    x, y = pair(n=23)
    k, h = x @ x.T, y @ y.T
    truth = unbiased_hsic(k, h) / np.sqrt(unbiased_hsic(k, k) * unbiased_hsic(h, h))
    assert debiased_cka(gram_matrix(x), gram_matrix(y), all_pairs(23)) == pytest.approx(
        truth, abs=1e-12
    )


def test_the_unbiased_hsic_is_the_mean_over_all_quadruples_of_rows():
    """Its definition as a U-statistic (Gretton et al. 2005), by brute force over seven rows."""
    x, y = pair(n=7)
    k, h = gram_matrix(x), gram_matrix(y)
    terms = [
        k[i, j] * (h[i, j] + h[q, r] - 2 * h[i, q]) for i, j, q, r in permutations(range(7), 4)
    ]
    centring = all_pairs(7)
    hsic = (centring(k) * centring(h)).sum() / (7 * 4)
    assert hsic == pytest.approx(np.mean(terms), rel=1e-10)


@pytest.mark.parametrize("n_blocks", [2, 5])
def test_centring_over_some_pairs_is_least_squares(n_blocks):
    """Of the entries of a symmetric matrix on a sum of one number per row."""
    blocks = np.arange(20) % n_blocks
    apart = blocks[:, None] != blocks
    gram = gram_matrix(pair(n=20)[0])
    first, second = np.nonzero(apart)
    design = np.eye(20)[first] + np.eye(20)[second]
    fitted = design @ np.linalg.lstsq(design, gram[apart], rcond=None)[0]
    centred = PairCentring(apart)(gram)
    np.testing.assert_allclose(centred[apart], gram[apart] - fitted, atol=1e-9)
    assert not centred[~apart].any()


def test_independent_data_have_a_debiased_cka_of_zero():
    """At 39 rows, the tenth of Pereira2018 that a fold tests on; the biased one is near 1."""
    values = []
    for seed in range(60):
        random = np.random.default_rng(seed)
        grams = [gram_matrix(random.standard_normal((39, width))) for width in (768, 2000)]
        values.append((debiased_cka(*grams, all_pairs(39)), cka(*grams)))
    debiased, biased = np.array(values).T
    assert abs(debiased.mean()) < 0.01
    assert biased.mean() > 0.95


def drifting(seed, stories=8, rows=60, targets=60):
    """Responses that are AR(1) drift and noise, and features that are time alone (OASM)."""
    random = np.random.default_rng(seed)
    y = random.standard_normal((stories, rows, targets))
    for row in range(1, rows):
        y[:, row] = 0.9 * y[:, row - 1] + np.sqrt(1 - 0.81) * y[:, row]
    y = y.reshape(-1, targets)
    y += 0.8 * random.standard_normal(y.shape)
    distance = np.subtract.outer(np.arange(rows), np.arange(rows))
    oasm = np.kron(np.eye(stories), np.exp(-0.5 * (distance / 2.2) ** 2))
    return oasm, y, np.repeat(np.arange(stories), rows)


@pytest.mark.parametrize("name", ["rsa", "cka"])
def test_time_alone_is_not_similar_to_drift_where_pairs_are_apart(name):
    def mean_over_folds(metric, seed):
        oasm, y, stories = drifting(seed)
        features, responses = metric.matrix(oasm), metric.matrix(y)
        folds = [np.flatnonzero(stories // 4 == fold) for fold in range(2)]
        parts = [np.ix_(rows, rows) for rows in folds]
        return np.mean(
            [
                metric.comparison(rows)(features[part], responses[part])
                for rows, part in zip(folds, parts, strict=True)
            ]
        )

    contexts = drifting(0)[2]
    near = [mean_over_folds(Similarity(name), seed) for seed in range(3)]
    apart = [mean_over_folds(Similarity(name, contexts=contexts), seed) for seed in range(12)]
    assert np.mean(near) > 0.15
    assert abs(np.mean(apart)) <= 0.02


def test_a_gap_leaves_out_neighbours():
    x, y = pair()
    rows = np.arange(100, 140)
    r = Similarity("rsa", gap=3).comparison(rows)(correlation_distance(x), correlation_distance(y))
    first, second = np.triu_indices(40, 4)
    a, b = (1 - np.corrcoef(v)[first, second] for v in (x, y))
    assert r == pytest.approx(spearmanr(a, b)[0], abs=1e-12)


def test_folds_of_one_context_group_have_no_pairs_apart():
    with pytest.raises(InputError, match=r"regression.pairs: 0 pairs of the 10 test rows"):
        Similarity("rsa", contexts=np.repeat([0, 1], 10)).apart(np.arange(10))


def test_blocks_change_their_order_and_stay_complete():
    contexts = np.array(["b", "b", "a", "a", "a", "c"])
    order = Similarity("rsa", contexts=contexts).permuted(6, np.random.default_rng(0))
    assert sorted(order) == list(range(6))
    blocks = "".join(contexts[order])
    assert all(name in blocks for name in ("bb", "aaa"))
    order = Similarity("cka", gap=4).permuted(10, np.random.default_rng(3))
    runs = np.split(order, np.flatnonzero(np.diff(order) != 1) + 1)
    assert sorted(map(len, runs)) in ([2, 4, 4], [2, 8], [4, 6], [10])


@pytest.mark.long
@pytest.mark.parametrize("name", ["rsa", "cka"])
def test_the_permutation_test_holds_its_level_and_finds_true_features(name, tmp_path):
    """Through the scores of a model: features that drift, of no relation to the responses."""
    pairs = {"contexts": "apart"}
    entry = {
        "regression": {"type": name, "pairs": pairs, "permutations": 39},
        "split": {"scheme": "grouped", "folds": 3, "seed": 1},
        "aggregate": "median-pooled",
        "layers": "best",
    }

    def p_of(values, y, seed):
        stimuli, dataset = tables(y)
        path = tmp_path / "a.safetensors"
        ids = stimuli["stimulus_id"].tolist()
        write_activations({"f": values.astype(np.float32)}, ids, path, {})
        table = align(open_activations(path), stimuli, dataset, entry, "cpu", seed)
        return overall(table, "f")["r_p"]

    draws = [planted(seed) for seed in range(30)]
    null = [
        p_of(other[1][:120, :40], y[:120], seed)
        for seed, ((_, y, _), other) in enumerate(zip(draws, draws[1:] + draws[:1], strict=True))
    ]
    true = [p_of(features[:120], y[:120], 0) for features, y, _ in draws[:5]]
    assert np.mean(np.array(null) <= 0.05) <= 0.14  # 5 of 30 or more: 1.6 % of draws at .05
    assert np.median(true) <= 0.05
