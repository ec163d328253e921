"""The algebraically largest eigenvalues of a symmetric matrix known by its products, and their log-product.

Lanczos with full reorthogonalisation: every new basis vector is orthogonalised twice against all others, in
float64, so no ghost copies of converged eigenvalues appear (Paige 1976 explains how they do). It stops when
each of the k leading Ritz pairs has met the tolerance, not after a fixed number of steps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from scipy.linalg import eigh_tridiagonal
from torch import Tensor

from lth.progress import progress
from lth.randomness import generator

_INVARIANT = 1e-14  # a remainder this small against the matrix is rounding
_NOISE = 1e-6  # of the largest eigenvalue: float32 products resolve no smaller one
_CHECK_EVERY = 10  # steps between looks at the Ritz values, whose cost grows with the square of the steps


class SymmetricOperator(Protocol):
    """A symmetric matrix that can only be multiplied with."""

    @property
    def dimension(self) -> int:
        """Side of the matrix."""

    @property
    def device(self) -> torch.device:
        """Where vectors live."""

    def __call__(self, vector: Tensor) -> Tensor:
        """Return the product with `vector`, (dimension,)."""


class TooFewPositiveEigenvaluesError(ValueError):
    """Fewer than k of the leading eigenvalues are positive, so their log-product does not exist."""


@dataclass(frozen=True)
class Spectrum:
    """The leading eigenvalues of a symmetric matrix, largest first."""

    eigenvalues: np.ndarray  # (k,), float64
    residuals: np.ndarray  # (k,): ‖A y - θ y‖ of each Ritz pair; an eigenvalue lies within it of θ
    num_products: int
    converged: bool  # every residual is at most `tolerance · θ`

    @property
    def num_positive(self) -> int:
        """How many of the k are positive beyond doubt: above their residual and the noise of the products."""
        noise = _NOISE * np.abs(self.eigenvalues).max()
        return int((self.eigenvalues > self.residuals + noise).sum())

    @property
    def log_eig_product(self) -> float:
        """Σ log λᵢ over the k eigenvalues, natural logarithm (the inverse basin volume; docs/protocol.md).

        Raises:
            TooFewPositiveEigenvaluesError: If one of them is not positive beyond doubt.
        """
        if self.num_positive < len(self.eigenvalues):
            raise TooFewPositiveEigenvaluesError(
                f"only {self.num_positive} of the {len(self.eigenvalues)} leading eigenvalues are positive "
                f"beyond rounding; set k to at most {self.num_positive}"
            )
        return float(np.log(self.eigenvalues).sum())


def leading_spectrum(
    matrix: SymmetricOperator,
    k: int,
    *,
    seed: int,
    tolerance: float = 1e-3,
    max_products: int | None = None,
    label: str = "eigenvalues",
) -> Spectrum:
    """Return the k algebraically largest eigenvalues of `matrix`.

    Args:
        matrix: Products may be float32; the basis and the recurrence are float64.
        k: How many, at most the dimension.
        seed: Of the random start vector. One start can miss further copies of a multiple eigenvalue;
            Hessians of trained networks have none but by accident.
        tolerance: Largest residual of a Ritz pair relative to its Ritz value.
        max_products: Give up after so many; by default `10 k + 100`, at most the dimension.
        label: What the progress bar says.

    Returns:
        The spectrum; `converged` is False if `max_products` were spent before the tolerance was met.

    Raises:
        ValueError: If k is out of range or a product is not finite.
    """
    dimension = matrix.dimension
    if not 1 <= k <= dimension:
        raise ValueError(f"k={k} eigenvalues of a matrix of side {dimension}; choose k from 1 to {dimension}")
    limit = min(dimension, 10 * k + 100 if max_products is None else max_products)
    if limit < k:
        raise ValueError(f"max_products={limit} can't give k={k} eigenvalues; allow at least k")
    basis = _Basis(dimension, matrix.device)
    diagonal: list[float] = []
    off_diagonal: list[float] = []
    vector = _random_unit_vector(matrix, seed, "start")
    for step in progress(range(1, limit + 1), label):
        basis.append(vector)
        product = matrix(vector).double()
        diagonal.append(float(vector @ product))
        if not math.isfinite(diagonal[-1]):
            raise ValueError("a Hessian-vector product is not finite; the point is outside the network's range")
        remainder = basis.orthogonalise(product)
        off_diagonal.append(float(remainder.norm()))
        invariant = off_diagonal[-1] <= _INVARIANT * max(map(abs, diagonal))
        if step >= k and (step == limit or (step % _CHECK_EVERY == 0 and not invariant)):
            values, residuals = _ritz(diagonal, off_diagonal, k, complete=step == dimension)
            converged = bool((residuals <= tolerance * np.abs(values)).all())
            if converged or step == limit:
                return Spectrum(values, residuals, step, converged)
        if invariant:  # all residuals vanish, yet copies of an eigenvalue may lie outside: go on there
            remainder = basis.orthogonalise(_random_unit_vector(matrix, seed, f"restart {step}"))
            off_diagonal[-1] = 0.0
        vector = remainder / remainder.norm()
    raise AssertionError("the last step of the loop returns")


def _random_unit_vector(matrix: SymmetricOperator, seed: int, purpose: str) -> Tensor:
    stream = generator(seed, "lanczos", purpose)
    vector = torch.randn(matrix.dimension, dtype=torch.float64, generator=stream)
    unit: Tensor = vector / torch.linalg.vector_norm(vector)
    return unit.to(matrix.device)


class _Basis:
    """Orthonormal vectors in blocks, so that memory grows with the steps taken and nothing is copied."""

    _BLOCK = 32

    def __init__(self, dimension: int, device: torch.device) -> None:
        self._dimension, self._device = dimension, device
        self._blocks: list[Tensor] = []  # each (_BLOCK, dimension), float64
        self._size = 0

    def append(self, vector: Tensor) -> None:
        if self._size % self._BLOCK == 0:
            block = torch.zeros(self._BLOCK, self._dimension, dtype=torch.float64, device=self._device)
            self._blocks.append(block)
        self._blocks[-1][self._size % self._BLOCK] = vector
        self._size += 1

    def orthogonalise(self, vector: Tensor) -> Tensor:
        """Return the part of `vector` orthogonal to the basis; twice is enough (Parlett 1998, section 6.9)."""
        for _ in range(2):
            for block in self._blocks:
                vector = vector.addmv(block.T, block @ vector, alpha=-1)
        return vector


def _ritz(
    diagonal: list[float], off_diagonal: list[float], k: int, *, complete: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return the k largest Ritz values, largest first, and their residuals |β s_last|."""
    size = len(diagonal)
    values, vectors = eigh_tridiagonal(
        np.array(diagonal), np.array(off_diagonal[:-1]), select="i", select_range=(size - k, size - 1)
    )
    beta = 0.0 if complete else off_diagonal[-1]
    return values[::-1].copy(), np.abs(beta * vectors[-1])[::-1].copy()
