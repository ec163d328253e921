"""Euclidean distances and cosines between solutions, over all their parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lth.brief import brief
from lth.errors import InputError
from lth.network.weights import Weights


@dataclass(frozen=True)
class Distances:
    """How far solutions lie from each other."""

    names: tuple[str, ...]  # (n,)
    euclidean: np.ndarray  # (n, n), L2, zero on the diagonal
    cosine: np.ndarray  # (n, n), in [-1, 1], one on the diagonal

    __repr__ = brief


def distance(a: Weights, b: Weights) -> float:
    """Return ‖a - b‖ over all parameters, in float64.

    Example:
        >>> import torch
        >>> a, b = (Weights({"w": torch.tensor(w)}, {}) for w in ([3.0, 0.0], [0.0, 4.0]))
        >>> distance(a, b)
        5.0
    """
    total = sum(
        float((a.parameters[name].double() - b.parameters[name].double()).square().sum())
        for name in a.parameters
    )
    return float(np.sqrt(total))


def norm(weights: Weights) -> float:
    """Return ‖w‖ over all parameters, in float64.

    Example:
        >>> import torch
        >>> norm(Weights({"w": torch.tensor([3.0]), "b": torch.tensor([4.0])}, {}))
        5.0
    """
    return float(np.sqrt(sum(float(tensor.double().square().sum()) for tensor in weights.parameters.values())))


def pairwise(solutions: Mapping[str, Weights]) -> Distances:
    """Return ‖a - b‖ and a·b / (‖a‖ ‖b‖) for every pair, in float64; BatchNorm statistics do not count.

    Raises:
        ValueError: If a solution is all zero, and so has no direction.

    Example:
        >>> import torch
        >>> a, b = (Weights({"w": torch.tensor(w)}, {}) for w in ([3.0, 0.0], [0.0, 4.0]))
        >>> found = pairwise({"a": a, "b": b})
        >>> found.euclidean.tolist(), found.cosine.tolist()
        ([[0.0, 5.0], [5.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]])
    """
    names, count = tuple(solutions), len(solutions)
    squares, products = np.zeros((count, count)), np.zeros((count, count))
    for tensor in next(iter(solutions.values())).parameters if solutions else ():
        # A tensor at a time, so that float64 copies of whole networks never exist.
        flats = [
            weights.parameters[tensor].detach().cpu().double().reshape(-1) for weights in solutions.values()
        ]
        for i in range(count):
            for j in range(i + 1):
                squares[i, j] += float((flats[i] - flats[j]).square().sum())
                products[i, j] += float(flats[i] @ flats[j])
    norms = np.sqrt(np.diag(products))
    for name, length in zip(names, norms, strict=True):
        if length == 0:
            raise InputError(f"all parameters of {name} are zero, so it has no cosine with anything")
    cosine = np.clip(products / np.outer(norms, norms), -1, 1)
    np.fill_diagonal(cosine, 1)
    return Distances(names, _symmetric(np.sqrt(squares)), _symmetric(cosine))


def _symmetric(lower: np.ndarray) -> np.ndarray:
    full: np.ndarray = np.tril(lower) + np.tril(lower, -1).T
    return full


@dataclass(frozen=True)
class Travel:
    """How far two trainings went from the rewind point they share, m(L-1) ⊙ wk; L from 1."""

    level: np.ndarray  # (levels,), int64
    to_previous: np.ndarray  # (levels,): ‖w(L-1) - m(L-1) ⊙ wk‖
    to_solution: np.ndarray  # (levels,): ‖w(L) - m(L-1) ⊙ wk‖

    __repr__ = brief


def travel(starts: Sequence[Weights], solutions: Sequence[Weights]) -> Travel:
    """Return the distances of Fig. 3.

    Args:
        starts: m(L) ⊙ wk for L = 0, 1, …; the last may be left out.
        solutions: w(L) for L = 0, 1, ….

    Example:
        >>> import torch
        >>> start, dense, level_1 = (Weights({"w": torch.tensor([w])}, {}) for w in (1.0, 4.0, 3.0))
        >>> found = travel([start], [dense, level_1])
        >>> found.to_previous.tolist(), found.to_solution.tolist()
        ([3.0], [2.0])
    """
    levels = range(1, len(solutions))
    return Travel(
        level=np.array(levels, dtype=np.int64),
        to_previous=np.array([distance(solutions[level - 1], starts[level - 1]) for level in levels]),
        to_solution=np.array([distance(solutions[level], starts[level - 1]) for level in levels]),
    )
