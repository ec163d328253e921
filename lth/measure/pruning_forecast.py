"""The loss after weights are pruned and nothing is trained again, beside what the curvature forecasts of it.

    L(w + δ) ≈ L(w) + gᵀδ + ½ δᵀHδ,  δ = -w on the weights that go, zero elsewhere

Paul et al. take a solution for a minimum, without gᵀδ, and read from its flatness how much can be pruned. By
one product with H the form is exact. From a spectrum it is that of the part of δ in the k leading eigenvectors,
and of the rest what a random direction of its length would have: the mean of the other eigenvalues.

Source: Paul et al. 2022, arXiv 2210.03044.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from lth.brief import brief
from lth.measure.curvature.krylov import SymmetricOperator


@dataclass(frozen=True)
class PruningForecast:
    """Loss over the share of weights pruned, measured and forecast; shares ascend."""

    pruned: np.ndarray  # (f,): share of the kept weights that goes
    loss: np.ndarray  # (f,): nats an example
    slope: np.ndarray  # (f,): gᵀδ
    quadratic: np.ndarray  # (f,): ½ δᵀHδ, by a product with H
    spectral: np.ndarray  # (f,): the same from leading eigenvectors and the trace
    inside: np.ndarray  # (f,): share of ‖δ‖² in those eigenvectors
    at_point: float  # loss with nothing pruned
    eigenvalues: int  # k

    __repr__ = brief

    def forecast(self, form: np.ndarray) -> np.ndarray:
        """Return the loss that a form forecasts, (f,)."""
        return self.at_point + form

    def largest(self, losses: np.ndarray, cutoff: float) -> float:
        """Return the largest share before a curve of losses first exceeds a cutoff; see `largest_share`."""
        return largest_share(
            np.concatenate([[0.0], self.pruned]), np.concatenate([[self.at_point], losses]), cutoff
        )


def largest_share(shares: np.ndarray, losses: np.ndarray, cutoff: float) -> float:
    """Return the share at which losses first exceed a cutoff, on the line between two of them.

    It is the first share where the loss there exceeds it already, and the last where none does. A loss that is
    not finite exceeds it.

    Args:
        shares: Ascending, (f,).
        losses: At each, (f,).
        cutoff: In the unit of the losses.

    Example:
        >>> largest_share(np.array([0.0, 0.5, 1.0]), np.array([0.0, 0.2, 1.2]), 0.7)
        0.75
    """
    above = np.flatnonzero(~(losses <= cutoff))
    if len(above) == 0:
        return float(shares[-1])
    first = int(above[0])
    if first == 0:
        return float(shares[0])
    low, high = losses[first - 1], losses[first]
    part = (cutoff - low) / (high - low) if np.isfinite(high) else 0.0
    return float(shares[first - 1] + part * (shares[first] - shares[first - 1]))


def quadratic_form(operator: SymmetricOperator, change: Tensor) -> float:
    """Return ½ δᵀHδ by one product with H.

    Args:
        operator: H.
        change: δ, (n,).

    Example:
        >>> import torch
        >>> from lth.measure.curvature.matrix import MatrixOperator
        >>> quadratic_form(MatrixOperator(torch.diag(torch.tensor([2.0, 4.0]))), torch.tensor([1.0, 3.0]))
        19.0
    """
    product = operator(change.to(operator.dtype))
    return float(change.double() @ product.double()) / 2


def spectral_form(
    inner: np.ndarray, length: float, eigenvalues: np.ndarray, trace: float, dimension: int
) -> float:
    """Return ½ [Σ λᵢ (qᵢᵀδ)² + (tr H - Σ λᵢ) / (D - k) · (‖δ‖² - Σ (qᵢᵀδ)²)].

    It is exact of a δ in the eigenvectors, and of a random one on average.

    Args:
        inner: qᵢᵀδ of the k leading eigenvectors, (k,).
        length: ‖δ‖².
        eigenvalues: λᵢ, (k,).
        trace: tr H.
        dimension: D, at least k.

    Example:
        >>> spectral_form(np.array([1.0]), 10.0, np.array([2.0]), 6.0, 2)  # of diag(2, 4) and δ = (1, 3)
        19.0
    """
    squares = np.square(inner)
    others = dimension - len(eigenvalues)
    mean = (trace - float(eigenvalues.sum())) / others if others else 0.0
    rest = max(0.0, length - float(squares.sum()))
    return (float(eigenvalues @ squares) + mean * rest) / 2
