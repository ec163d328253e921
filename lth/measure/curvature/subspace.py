"""Leading eigenvectors of a symmetric matrix, and what the subspace they span says of a network.

Vectors are rows, (k, n), in the coordinates of the space that the matrix acts on, float32 if its products are.
An eigenvector is known to an angle of about its residual over the distance to the next eigenvalue; within a
cluster of eigenvalues only their span is. What is said of a vector at a time is worth reading only where an
eigenvalue stands alone; what is said of a span, where its last eigenvalue stands apart from the next.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from lth.errors import InputError
from lth.measure.curvature.krylov import KrylovBasis
from lth.network.space import LevelSpace

_COORDINATES = 2**16  # at once


def leading_eigenvectors(basis: KrylovBasis, k: int) -> Tensor:
    """Return the Ritz vectors of the k largest Ritz values, orthonormal rows, (k, dimension).

    Args:
        basis: In which `search` has found as many eigenvalues; is not changed.
        k: At most as many as the basis has vectors.

    Raises:
        ValueError: If the basis is smaller.

    Example:
        >>> from lth.measure.curvature.matrix import MatrixOperator
        >>> from lth.measure.curvature.spectrum import search
        >>> basis = KrylovBasis(MatrixOperator(torch.diag(torch.arange(100.0) + 1)), seed=0, capacity=60)
        >>> found = search(basis, k=2)
        >>> leading_eigenvectors(basis, 2).abs().argmax(dim=1).tolist()
        [99, 98]
    """
    return torch.cat(list(eigenvector_parts(basis, k, k)))


def eigenvector_parts(basis: KrylovBasis, k: int, rows: int) -> Iterator[Tensor]:
    """Yield the same in parts of at most so many rows, so that no more than that is in memory at once.

    Example:
        >>> from lth.measure.curvature.matrix import MatrixOperator
        >>> from lth.measure.curvature.spectrum import search
        >>> basis = KrylovBasis(MatrixOperator(torch.diag(torch.arange(100.0) + 1)), seed=0, capacity=60)
        >>> found = search(basis, k=3)
        >>> [len(part) for part in eigenvector_parts(basis, 3, rows=2)]
        [2, 1]
    """
    if not 1 <= k <= len(basis):
        raise InputError(
            f"k={k} eigenvectors of a basis of {len(basis)} vectors; choose k from 1 to {len(basis)}"
        )
    _, vectors = np.linalg.eigh(basis.inside)
    leading = vectors[:, ::-1][:, :k]
    for start in range(0, k, rows):
        yield basis.combined(leading[:, start : start + rows])


def subspace_overlap(first: Tensor, second: Tensor) -> float:
    """Return ‖Q₁Q₂ᵀ‖²_F / k, the mean squared cosine of the principal angles, from 0 to 1.

    It is 1 of one span, 0 of orthogonal ones. Of a fixed k-dimensional span and a random one in n dimensions it
    is k / n on average (`chance_overlap`).

    Args:
        first: Q₁, orthonormal rows, (k, n).
        second: Q₂, orthonormal rows, (l, n), in the same coordinates; k is the smaller of the two numbers.

    Raises:
        ValueError: If they are of different lengths.

    Source: arXiv 2504.14701.

    Example:
        >>> subspace_overlap(torch.eye(4)[:2], torch.eye(4)[1:3])
        0.5
    """
    if first.shape[1] != second.shape[1]:
        raise InputError(
            f"vectors of {first.shape[1]} and {second.shape[1]} coordinates; embed both in all parameters "
            "(`in_all_parameters`)"
        )
    return float(np.square(_inner(first, second)).sum()) / min(len(first), len(second))


def nested_overlaps(first: Tensor, second: Tensor) -> np.ndarray:
    """Return the overlap of the first j vectors of each with the first j of the other, for j = 1 … k, (k,).

    Args:
        first: Q₁, orthonormal rows, (k, n), in the order of their eigenvalues.
        second: Q₂, orthonormal rows, (k, n), in the same coordinates.

    Source: arXiv 2504.14701.

    Example:
        >>> nested_overlaps(torch.eye(4)[:2], torch.eye(4)[1:3]).tolist()
        [0.0, 0.5]
    """
    squares = np.square(_inner(first, second))
    corners = squares.cumsum(axis=0).cumsum(axis=1).diagonal()
    return np.asarray(corners / np.arange(1, len(corners) + 1))


def _inner(first: Tensor, second: Tensor) -> np.ndarray:
    """Return Q₁Q₂ᵀ, summed in float64 over some coordinates at a time: copies of all would be gigabytes."""
    found = torch.zeros(len(first), len(second), dtype=torch.float64, device=first.device)
    pairs = zip(torch.split(first, _COORDINATES, 1), torch.split(second, _COORDINATES, 1), strict=True)
    for one, other in pairs:
        found += one.double() @ other.double().T
    inner: np.ndarray = found.cpu().numpy()
    return inner


def chance_overlap(first: int, second: int, dimension: int) -> float:
    """Return the mean overlap of a span of `first` dimensions with a random one of `second`.

    Example:
        >>> chance_overlap(10, 10, 1000)
        0.01
    """
    return max(first, second) / dimension


def mask_overlap(vectors: Tensor, kept: Tensor) -> float:
    """Return the share of a span that lies in the kept coordinates: ‖Q m‖²_F / k; by chance |m| / n.

    Args:
        vectors: Q, orthonormal rows, (k, n).
        kept: m, (n,), true where a coordinate is kept.

    Example:
        >>> mask_overlap(torch.eye(4)[:2], torch.tensor([True, False, False, True]))
        0.5
    """
    return float(vectors[:, kept].double().square().sum()) / len(vectors)


def in_all_parameters(space: LevelSpace, vectors: Tensor) -> Tensor:
    """Return vectors of a space, (k, dimension), as vectors of all parameters, (k, full_dimension).

    So the eigenvectors of two levels' spaces can be compared: a pruned coordinate is zero.

    Example:
        >>> from lth.network.mask import Mask
        >>> from lth.network.weights import Weights
        >>> weights = Weights({"weight": torch.ones(1, 3)}, {})
        >>> space = LevelSpace(Mask({"weight": torch.tensor([[True, False, True]])}), weights)
        >>> in_all_parameters(space, torch.tensor([[0.5, 2.0]])).tolist()
        [[0.5, 0.0, 2.0]]
    """
    return torch.stack([space.flatten(space.embed(vector)) for vector in vectors])


def participation_ratio(vectors: Tensor) -> np.ndarray:
    """Return 1 / Σ vᵢ⁴ of each unit vector, (k,): over how many coordinates it is spread, from 1 to n.

    Its inverse is the inverse participation ratio. A random vector of n coordinates has about n / 3.

    Example:
        >>> participation_ratio(torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.5, 0.5, 0.5, 0.5]])).tolist()
        [1.0, 4.0]
    """
    return np.array([_participation(vector.double().square()) for vector in vectors])


def _participation(squares: Tensor) -> float:
    return float(squares.sum().square() / squares.square().sum())


def shares_by_parameter(space: LevelSpace, vectors: Tensor) -> Mapping[str, np.ndarray]:
    """Return the share of each unit vector's squared norm in each parameter, (k,) by name; they sum to one.

    Example:
        >>> from lth.network.mask import Mask
        >>> from lth.network.weights import Weights
        >>> weights = Weights({"weight": torch.ones(1, 2), "bias": torch.ones(1)}, {})
        >>> space = LevelSpace(Mask({"weight": torch.ones(1, 2, dtype=torch.bool)}), weights)
        >>> shares = shares_by_parameter(space, torch.tensor([[0.6, 0.0, 0.8]]))
        >>> {name: share.round(2).tolist() for name, share in shares.items()}
        {'weight': [0.36], 'bias': [0.64]}
    """
    shares = [
        {name: float(part.double().square().sum()) for name, part in space.embed(vector).items()}
        for vector in vectors
    ]
    return {name: np.array([of_one[name] for of_one in shares]) for name in shares[0]}


def nested_shares(vectors: Tensor, displacement: Tensor) -> np.ndarray:
    """Return `share_inside` of the first j vectors, for j = 1 … k, (k,).

    Example:
        >>> nested_shares(torch.eye(3)[:2], torch.tensor([3.0, 4.0, 0.0])).round(2).tolist()
        [0.36, 1.0]
    """
    length = float(displacement.double().square().sum())
    if length == 0:
        raise InputError(
            "the displacement is zero, so no share of it lies anywhere; compare two different points"
        )
    return np.asarray(np.square(_inner(vectors, displacement[None])[:, 0]).cumsum() / length)


def share_inside(vectors: Tensor, displacement: Tensor) -> float:
    """Return ‖Q d‖² / ‖d‖², how much of a displacement lies in the span; by chance k / n.

    Args:
        vectors: Q, orthonormal rows, (k, n).
        displacement: d, (n,), in the same coordinates, w(L) - w(L-1) say.

    Raises:
        ValueError: If d is zero.

    Example:
        >>> share_inside(torch.eye(3)[:1], torch.tensor([3.0, 4.0, 0.0]))
        0.36
    """
    return float(nested_shares(vectors, displacement)[-1])
