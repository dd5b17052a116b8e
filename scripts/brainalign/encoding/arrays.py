"""Where arrays live: numpy on the CPU, torch tensors on a GPU, one code path for both.

On the CPU torch still does the largest products, see `in_torch`.
"""

from typing import Any

import numpy as np
import scipy.linalg
from array_api_compat import array_namespace, device, is_torch_array

# A numpy array or a torch tensor; `array_namespace` tells which.
Array = Any

# Operations of fewer multiplications are not worth the second that torch's import takes.
LARGE = 10**8
# A gap of fewer rows costs less as columns of zeros than as two products.
GAP = 64


def to_device(values: np.ndarray, where: str) -> Array:
    """`values` [...] on a device, of their dtype: as they are on the `cpu`, else a torch tensor."""
    if where == "cpu":
        return values
    import torch

    return torch.as_tensor(values, device=where)


def fetch(values: Array) -> np.ndarray:
    """`values` [...] as a numpy array in main memory, of their dtype."""
    return values.cpu().numpy() if is_torch_array(values) else np.asarray(values)


def rows_of(values: Array, rows: np.ndarray) -> Array:
    """The rows `rows`, int [row], of a matrix `values` [row, column], of its dtype; a view where
    they are consecutive."""
    if rows.size and rows[-1] - rows[0] == rows.size - 1 and (np.diff(rows) == 1).all():
        return values[int(rows[0]) : int(rows[-1]) + 1]
    return array_namespace(values).take(values, like(values, rows), axis=0)


def runs_of(rows: np.ndarray) -> list[slice]:
    """Runs of consecutive rows that hold the increasing `rows`, int [row], and few others
    between."""
    first = np.flatnonzero(np.diff(rows, prepend=rows[:1] - GAP - 1) > GAP)
    last = np.append(first[1:], rows.size) - 1
    return [slice(a, b + 1) for a, b in zip(rows[first].tolist(), rows[last].tolist(), strict=True)]


def diagonal(matrix: Array) -> Array:
    """The diagonal [row] of a square matrix [row, row] as a view that can be written, of its
    dtype."""
    if is_torch_array(matrix):
        return matrix.diagonal()
    return np.lib.stride_tricks.as_strided(matrix, (len(matrix),), (sum(matrix.strides),))


def solve_factored(factor: Array, right: Array) -> Array:
    """(L L')⁻¹ right [row, column] for a lower Cholesky factor L [row, row], of its dtype.

    The array standard has no triangular solver."""
    if is_torch_array(factor):
        import torch

        return torch.cholesky_solve(right, factor)
    return scipy.linalg.cho_solve((factor, True), right, check_finite=False)


def solve_triangular(factor: Array, right: Array) -> Array:
    """L⁻¹ right [row, column] for a lower triangular L [row, row], of its dtype."""
    if is_torch_array(factor):
        import torch

        return torch.linalg.solve_triangular(factor, right, upper=False)
    return scipy.linalg.solve_triangular(factor, right, lower=True, check_finite=False)


def inverse_factored(factor: Array) -> Array:
    """(L L')⁻¹ [row, row] for a lower Cholesky factor L [row, row], of its dtype."""
    if is_torch_array(factor) and factor.device.type != "cpu":
        import torch

        return torch.cholesky_inverse(factor)
    # Transposed it is in LAPACK's order, and its other half is zero before and after.
    upper, _ = scipy.linalg.lapack.dpotri(fetch(factor).T, lower=False)
    inverse = upper + upper.T
    np.fill_diagonal(inverse, upper.diagonal())
    return like(factor, inverse)


def in_torch(values: Array, multiplications: float) -> Array:
    """`values` [...] as a torch tensor of the same memory and dtype, if that pays for what follows.

    torch's matrix library (MKL on Intel's and AMD's processors) takes less time than numpy's
    OpenBLAS for factors and for products with few rows; for a Gram matrix and sums, numpy does.
    """
    if is_torch_array(values) or multiplications < LARGE:
        return values
    import torch

    return torch.from_numpy(values)


def product(left: Array, right: Array, total: Array | None = None) -> Array:
    """left [row, k] @ right [k, column], of the kind and dtype of `left`; added to `total` in place
    if there is one."""
    multiplications = left.shape[0] * left.shape[1] * right.shape[1]
    parts = [in_torch(values, multiplications) for values in (left, right)]
    if total is None:
        result = parts[0] @ parts[1]
        return result if is_torch_array(left) else fetch(result)
    if is_torch_array(parts[0]):
        in_torch(total, multiplications).addmm_(*parts)
    else:
        total += parts[0] @ parts[1]
    return total


def trapezoid_product(left: Array, right: Array) -> Array:
    """left @ right, of their dtype, where `left` [row, column] is zero below the diagonal.

    BLAS takes half the operations for the triangle; torch has no such product.
    """
    n_rows = left.shape[0]
    if is_torch_array(left):
        return left @ right
    (multiply,) = scipy.linalg.get_blas_funcs(("trmm",), (left, right))
    # Transposed, rows are columns in BLAS' order, and the triangle is a lower one.
    result = multiply(1.0, left[:, :n_rows].T, right[:n_rows, :].T, side=1, lower=1).T
    if left.shape[1] > n_rows:
        product(left[:, n_rows:], right[n_rows:, :], result)
    return result


def column_products(left: Array, right: Array) -> Array:
    """Sums over rows of `left` times `right` [row, column]: [column], of their dtype.

    numpy's einsum makes no matrix of the products first."""
    if is_torch_array(left):
        return (left * right).sum(dim=0)
    return np.einsum("ij,ij->j", left, right)


def like(values: Array, other: Any, dtype: Any = None) -> Array:
    """`other` [...] as an array of the kind, dtype (unless one is given) and device of `values`."""
    return array_namespace(values).asarray(other, dtype=dtype, device=device(values))
