"""Where arrays live: numpy on the CPU, torch tensors on a GPU, one code path for both."""

from typing import Any

import numpy as np
import scipy.linalg
from array_api_compat import array_namespace, device, is_torch_array

# A numpy array or a torch tensor; which of the two is told by `array_namespace`.
Array = Any


def place(values: np.ndarray, where: str) -> Array:
    """`values` on a device: as they are on the `cpu`, a torch tensor elsewhere."""
    if where == "cpu":
        return values
    import torch

    return torch.as_tensor(values, device=where)


def fetch(values: Array) -> np.ndarray:
    """`values` as a numpy array in main memory."""
    return values.cpu().numpy() if is_torch_array(values) else np.asarray(values)


def rows_of(values: Array, rows: np.ndarray) -> Array:
    """The rows `rows` of a matrix; a view where they are consecutive."""
    if rows.size and rows[-1] - rows[0] == rows.size - 1 and (np.diff(rows) == 1).all():
        return values[int(rows[0]) : int(rows[-1]) + 1]
    return array_namespace(values).take(values, like(values, rows), axis=0)


def solve_factored(factor: Array, right: Array) -> Array:
    """(L L')⁻¹ right for a lower Cholesky factor L; the array standard has no triangular solver."""
    if is_torch_array(factor):
        import torch

        return torch.cholesky_solve(right, factor)
    return scipy.linalg.cho_solve((factor, True), right, check_finite=False)


def inverse_factored(factor: Array) -> Array:
    """(L L')⁻¹ for a lower Cholesky factor L."""
    if is_torch_array(factor):
        import torch

        return torch.cholesky_inverse(factor)
    # Transposed it is in LAPACK's own order, and its other half is zero before and after.
    upper, _ = scipy.linalg.lapack.dpotri(factor.T, lower=False)
    inverse = upper + upper.T
    np.fill_diagonal(inverse, upper.diagonal())
    return inverse


def column_products(left: Array, right: Array) -> Array:
    """Sums over rows of products [column]; numpy's einsum makes no matrix of them first."""
    if is_torch_array(left):
        return (left * right).sum(dim=0)
    return np.einsum("ij,ij->j", left, right)


def like(values: Array, other: Any, dtype: Any = None) -> Array:
    """`other` as an array of the same kind, on the same device, as `values`."""
    return array_namespace(values).asarray(other, dtype=dtype, device=device(values))
