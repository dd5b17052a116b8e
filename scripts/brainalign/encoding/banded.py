"""Variance partitioning: what a feature space explains beyond others, by banded ridge."""

from collections.abc import Mapping, Sequence

import numpy as np

from brainalign.encoding.regression import Design
from brainalign.encoding.splits import Split


def banded_r2(
    spaces: Mapping[str, np.ndarray],
    responses: np.ndarray,
    split: Split,
    inner: Sequence[Split],
    alphas: Sequence[float],
    candidates: int,
    seed: int,
) -> np.ndarray:
    """R² of every target on a fold's test rows, with a penalty of its own per feature space.

    Parameters
    ----------
    spaces : name → features [row, unit]. Each is scaled to a training Gram matrix of mean
        eigenvalue 1, so that `alphas` mean the same for all.
    responses : [row, target].
    inner : folds as positions in the training rows, which choose the penalties.
    candidates : random weightings of the spaces that are tried (Dirichlet; himalaya's
        `solve_multiple_kernel_ridge_random_search`, Dupré la Tour et al. 2022).

    Returns
    -------
    float64 [target]: 1 - squared error / squared distance from the training mean. Not clipped: a
    target that is predicted worse than by its training mean is negative. NaN where a target is
    constant over the test rows.
    """
    from himalaya.backend import set_backend
    from himalaya.kernel_ridge import solve_multiple_kernel_ridge_random_search

    set_backend("numpy")
    grams, crosses = [], []
    for values in spaces.values():
        gram, cross = Design.of_features(values).gram_form(split.train, split.test)
        scale = np.trace(gram) / len(gram) or 1.0
        grams.append(gram / scale)
        crosses.append(cross / scale)
    mean = responses[split.train].mean(axis=0, dtype=np.float64)
    fitted = responses[split.train] - mean
    folds = [(part.train, part.test) for part in inner]
    deltas, weights, _ = solve_multiple_kernel_ridge_random_search(
        np.stack(grams), fitted, n_iter=candidates, alphas=np.asarray(alphas, dtype=np.float64),
        cv=folds, return_weights="dual", random_state=seed, progress_bar=False,
    )  # fmt: skip
    prediction = np.zeros((split.test.size, responses.shape[1]))
    for cross, delta in zip(crosses, deltas, strict=True):
        prediction += np.exp(delta) * (cross @ weights)
    truth = responses[split.test] - mean
    total = (truth**2).sum(axis=0)
    constant = np.ptp(responses[split.test], axis=0) == 0
    return np.where(
        constant,
        np.nan,
        1 - ((truth - prediction) ** 2).sum(axis=0) / np.where(total > 0, total, 1),
    )


def unique_variance(
    features: np.ndarray,
    beyond: Mapping[str, np.ndarray],
    responses: np.ndarray,
    splits: Sequence[Split],
    inner: Sequence[Sequence[Split]],
    alphas: Sequence[float],
    candidates: int = 100,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """R² of all spaces together and what `features` add to it, [fold, target] each.

    The second is R²(features and the others) - R²(the others). It is negative where the features
    only add noise.
    """
    together, added = [], []
    for split, folds in zip(splits, inner, strict=True):
        options = (responses, split, folds, alphas, candidates, seed)
        whole = banded_r2({**beyond, "features": features}, *options)
        together.append(whole)
        added.append(whole - banded_r2(beyond, *options))
    return np.stack(together), np.stack(added)
