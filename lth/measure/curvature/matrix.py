"""A matrix that is at hand, as an operator: its spectrum is known, so what is asked of it can be checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lth.errors import InputError


@dataclass(frozen=True)
class MatrixOperator:
    """A dense symmetric matrix that is multiplied with, as a `SymmetricOperator`.

    Raises:
        ValueError: If `entries` is not a symmetric matrix of floating-point numbers.

    Example:
        >>> import torch
        >>> matrix = MatrixOperator(torch.tensor([[2.0, 1.0], [1.0, 2.0]]))
        >>> matrix(torch.tensor([1.0, 1.0]))  # an eigenvector, of the eigenvalue 3
        tensor([3., 3.])
    """

    entries: Tensor  # (n, n)

    def __post_init__(self) -> None:
        shape = tuple(self.entries.shape)
        if len(shape) != 2 or shape[0] != shape[1] or not self.entries.is_floating_point():
            raise InputError(f"entries are {self.entries.dtype} of shape {shape}; expected floats of (n, n)")
        if not torch.equal(self.entries, self.entries.T):
            raise InputError("entries are not symmetric; give (A + Aᵀ) / 2")

    @property
    def dimension(self) -> int:
        """Side of the matrix."""
        return len(self.entries)

    @property
    def device(self) -> torch.device:
        """Where its entries are."""
        return self.entries.device

    @property
    def dtype(self) -> torch.dtype:
        """Precision of its entries, and of the products."""
        return self.entries.dtype

    def __call__(self, vector: Tensor) -> Tensor:
        """Return A v for `vector`, (n,)."""
        return self.entries @ vector


class ProductOperator:
    """A matrix of another library as an operator: whatever has a `shape` and is multiplied with by `@`.

    curvlinops' operators are such, `ProductOperator(HessianLinearOperator(…))`, and tensors.

    Args:
        matrix: Symmetric.
        device: Where its vectors live; by default its own `device`.
        dtype: Of its products; by default its own.

    Example:
        >>> from lth.measure.curvature.spectrum import leading_spectrum
        >>> matrix = torch.diag(torch.arange(1.0, 9.0))
        >>> leading_spectrum(ProductOperator(matrix), 2, seed=0).eigenvalues.round(3).tolist()
        [8.0, 7.0]
    """

    def __init__(
        self, matrix: Any, *, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> None:
        rows, columns = matrix.shape
        if rows != columns:
            raise InputError(f"a matrix of {rows} × {columns} is not symmetric")
        self._matrix, self._dimension = matrix, int(rows)
        self._device = torch.device(getattr(matrix, "device", "cpu")) if device is None else device
        own = getattr(matrix, "dtype", None)
        self._dtype = dtype or (own if isinstance(own, torch.dtype) else torch.float32)

    @property
    def dimension(self) -> int:
        """Side of the matrix."""
        return self._dimension

    @property
    def device(self) -> torch.device:
        """Where vectors live."""
        return self._device

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the products."""
        return self._dtype

    def __call__(self, vector: Tensor) -> Tensor:
        """Return the product with `vector`, (dimension,)."""
        product: Tensor = self._matrix @ vector.to(self._dtype)
        return product.to(vector.dtype)
