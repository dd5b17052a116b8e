"""Fewer dimensions, so that the width of a layer is not what is measured."""

import numpy as np
import scipy.linalg
from scipy.sparse.linalg import LinearOperator, eigsh


def principal_components(values: np.ndarray, train: np.ndarray, k: int) -> np.ndarray:
    """Scores [row, k] of `values` [row, unit] on the first k principal components of the rows
    `train`.

    Centred by the training rows; float64; the sign of a component is that of its largest loading.
    With fewer than k directions in the training rows there are fewer columns, with none a column
    of zeros.
    """
    if not np.ptp(values[train], axis=0).any():
        return np.zeros((len(values), 1))
    x = values.astype(np.float64)
    x -= x[train].mean(axis=0)
    fitted = x[train]
    k = min(k, min(fitted.shape))
    if 10 * k < min(fitted.shape):
        # Lanczos from a fixed start: a few products with the matrix instead of its whole spectrum.
        start = np.ones(fitted.shape[1])
        gram = LinearOperator(
            (fitted.shape[1],) * 2, matvec=lambda v: fitted.T @ (fitted @ v), dtype=np.float64
        )
        loadings = eigsh(gram, k=k, which="LM", v0=start)[1][:, ::-1]
    else:
        loadings = scipy.linalg.svd(fitted, full_matrices=False)[2][:k].T
    size = np.linalg.norm(fitted @ loadings, axis=0)  # singular values
    loadings = loadings[:, size > max(fitted.shape) * np.finfo(np.float64).eps * size.max()]
    largest = np.abs(loadings).argmax(axis=0)
    loadings = loadings * np.sign(loadings[largest, np.arange(loadings.shape[1])])
    return x @ loadings


def random_projection(values: np.ndarray, k: int, seed: int) -> np.ndarray:
    """Gaussian random projection of `values` [row, unit] (Johnson & Lindenstrauss 1984), float64
    [row, k]."""
    directions = np.random.default_rng(seed).standard_normal((values.shape[1], k)) / np.sqrt(k)
    return values.astype(np.float64) @ directions
