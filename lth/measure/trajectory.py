"""The ways that trainings went through weight space, on a plane that is given and on their principal axes.

A plane shows what it holds and hides the rest, so how much it holds stands beside every picture. Principal axes
hold the most that a plane can, and much of any path: of a random walk in many dimensions the first two have
61 % and 15 % of the variance, and it bends over them as an arch (Antognini and Sohl-Dickstein 2018, arXiv
1806.08805).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from lth.brief import brief
from lth.errors import InputError
from lth.measure.surface import Plane
from lth.network.weights import Weights

_AXES = 10  # at most, of which the explained variance is told
_COORDINATES = 2**16  # at once, in float64
_HELD_BYTES = 2**31  # of points that are read once; beyond it each training is read again for every other one


@dataclass(frozen=True)
class Trajectories:
    """Where trainings were: on the plane, off it, and on the axes along which all points vary most."""

    training: np.ndarray  # (points,), int64: which one, from 0 on
    epoch: np.ndarray  # (points,), ascending within a training
    x: np.ndarray  # (points,), L2, in the coordinates of the plane
    y: np.ndarray
    distance: np.ndarray  # (points,), L2, from the plane
    first: np.ndarray  # (points,), L2 from the mean of all points, along the first principal axis
    second: np.ndarray
    explained: np.ndarray  # (axes,): share of the variance of all points along each principal axis, descending
    in_plane: float  # share of the same variance that the plane holds
    moved_in_plane: (
        np.ndarray
    )  # (trainings,): of the squared displacement from start to end; NaN where there is none
    moved_in_axes: np.ndarray  # (trainings,): of it the share in the first two principal axes

    __repr__ = brief


def trajectories(
    plane: Plane, epochs: Sequence[Sequence[float]], read: Callable[[int], Sequence[Weights]]
) -> Trajectories:
    """Return where trainings were, on a plane and on their own principal axes.

    Args:
        plane: Through three solutions.
        epochs: Of the points of each training, ascending, at least two.
        read: Returns the points of a training by its position, in this order.

    Raises:
        ValueError: If a training has fewer than two points, or all points are one.

    Example:
        >>> from lth.measure.surface import plane_through
        >>> points = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [3.0, 4.0, 0.0]])
        >>> a, b, c, end = (Weights({"w": point}, {}) for point in points)
        >>> found = trajectories(plane_through(a, b, c), [(0.0, 1.0)], lambda _: [a, end])
        >>> found.x.tolist(), found.y.tolist(), found.explained.round(6).tolist(), found.in_plane
        ([0.0, 3.0], [0.0, 4.0], [1.0], 1.0)
    """
    if short := [len(each) for each in epochs if len(each) < 2]:
        raise InputError(f"a training with {short[0]} kept points went no way; give at least 2 of each")
    feet, inner = _seen(plane, epochs, read)
    centred = _centred(inner)
    total = float(np.trace(centred))
    if total <= 0:
        raise InputError("all points of the trainings are one, so there is no way to draw")
    values, vectors = np.linalg.eigh(centred)
    values, vectors = values[::-1].clip(0), vectors[:, ::-1]
    along = vectors[:, :2] * np.sqrt(values[:2])
    ends = _ends(epochs)
    along = along * np.where(along[ends[0][1]] < along[ends[0][0]], -1, 1)  # the first one goes right and up
    lengths = np.array([inner[a, a] + inner[b, b] - 2 * inner[a, b] for a, b in ends])
    lengths = np.where(lengths > 0, lengths, np.nan)
    return Trajectories(
        training=np.repeat(np.arange(len(epochs)), list(map(len, epochs))),
        epoch=np.array([epoch for each in epochs for epoch in each], dtype=np.float64),
        x=feet[:, 0],
        y=feet[:, 1],
        distance=feet[:, 2],
        first=along[:, 0],
        second=along[:, 1],
        explained=(values / total)[: min(_AXES, len(feet) - 1)],
        in_plane=float(np.square(feet[:, :2] - feet[:, :2].mean(axis=0)).sum() / total),
        moved_in_plane=_moved(feet[:, :2], ends) / lengths,
        moved_in_axes=_moved(along, ends) / lengths,
    )


def _seen(
    plane: Plane, epochs: Sequence[Sequence[float]], read: Callable[[int], Sequence[Weights]]
) -> tuple[np.ndarray, np.ndarray]:
    """Return x, y and the distance from the plane of each point, (points, 3), and their inner products."""
    ends, count = _ends(epochs), sum(map(len, epochs))
    feet, inner = np.zeros((count, 3)), np.zeros((count, count))

    def points(training: int) -> Tensor:
        every = read(training)
        for index, weights in enumerate(every, start=ends[training][0]):
            xy, distance = plane.coordinates(weights)
            feet[index] = [*xy, distance]
        return torch.stack([_flat(weights) for weights in every])

    of_one = sum(tensor.numel() * 4 for tensor in plane.corners[0].parameters.values())
    held = lru_cache(maxsize=max(2, _HELD_BYTES // (of_one * max(map(len, epochs)))))(points)
    for row, (first, last) in enumerate(ends):
        for column, (begin, end) in enumerate(ends[: row + 1]):
            block = _inner(held(row), held(column), plane.origin)
            inner[first : last + 1, begin : end + 1] = block
            inner[begin : end + 1, first : last + 1] = block.T
    return feet, inner


def _ends(epochs: Sequence[Sequence[float]]) -> list[tuple[int, int]]:
    """Return the positions of the first and the last point of each training among all points."""
    after = np.cumsum([len(each) for each in epochs])
    return [(int(end) - len(each), int(end) - 1) for end, each in zip(after, epochs, strict=True)]


def _flat(weights: Weights) -> Tensor:
    return torch.cat([tensor.reshape(-1) for tensor in weights.parameters.values()])


def _inner(first: Tensor, second: Tensor, origin: Tensor) -> np.ndarray:
    """Return the inner products of points less the origin, (n, m), in float64."""
    found = torch.zeros(len(first), len(second), dtype=torch.float64, device=first.device)
    for start in range(0, len(origin), _COORDINATES):
        some = slice(start, start + _COORDINATES)
        one, other = (points[:, some].double() - origin[some] for points in (first, second))
        found += one @ other.T
    inner: np.ndarray = found.cpu().numpy()
    return inner


def _centred(inner: np.ndarray) -> np.ndarray:
    """Return the inner products of points less their mean."""
    rows = inner.mean(axis=0)
    found: np.ndarray = inner - rows[:, None] - rows[None, :] + inner.mean()
    return found


def _moved(coordinates: np.ndarray, ends: Sequence[tuple[int, int]]) -> np.ndarray:
    """Return the squared displacements from the first to the last point of each training."""
    return np.array([np.square(coordinates[end] - coordinates[start]).sum() for start, end in ends])
