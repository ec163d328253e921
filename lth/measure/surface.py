"""The loss on the plane through three solutions, and where every other solution lies over that plane."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from lth.bar import progress
from lth.brief import brief
from lth.errors import InputError
from lth.network.weights import Weights
from lth.plan.place import Place

_MARGIN = 0.25  # of the extent of what is drawn, around it


@dataclass(frozen=True)
class Plane:
    """The plane through a, b and c: x along b - a, y along the part of c - a orthogonal to it, in L2 units."""

    corners: tuple[Weights, Weights, Weights]
    origin: Tensor  # a, (full_dimension,), float64
    axes: Tensor  # (2, full_dimension), orthonormal, float64
    corner_coordinates: np.ndarray  # (3, 2)

    __repr__ = brief

    def coordinates(self, weights: Weights) -> tuple[np.ndarray, float]:
        """Return the (x, y) nearest to `weights`, and their L2 distance from the plane."""
        offset = _flatten(weights) - self.origin
        xy = self.axes @ offset
        return xy.cpu().numpy(), float((offset - self.axes.T @ xy).norm())

    def weights_at(self, x: float, y: float) -> Weights:
        """Return the point (x, y), with BatchNorm statistics carried over from the corners.

        With c the affine coefficients of the point (Σ c = 1), running means are Σ cᵢ μᵢ and running variances
        Π σᵢ^(2 cᵢ): both equal a corner's at that corner, and the variance stays positive outside the
        triangle, where Σ cᵢ σᵢ² would not.
        """
        coefficients = self._affine_coefficients(x, y)
        flat = self.origin + x * self.axes[0] + y * self.axes[1]
        first = self.corners[0]
        parts = torch.split(flat, [tensor.numel() for tensor in first.parameters.values()])
        parameters = {
            name: part.reshape(tensor.shape).to(tensor.dtype)
            for (name, tensor), part in zip(first.parameters.items(), parts, strict=True)
        }
        buffers = {
            name: _carry_over(name, [corner.buffers[name] for corner in self.corners], coefficients)
            for name in first.buffers
        }
        return Weights(parameters, buffers)

    def _affine_coefficients(self, x: float, y: float) -> np.ndarray:
        system = np.vstack([self.corner_coordinates.T, np.ones(3)])  # (3, 3)
        return np.linalg.solve(system, np.array([x, y, 1.0]))


@dataclass(frozen=True)
class Marker:
    """A solution drawn on the plane."""

    place: Place
    x: float
    y: float
    distance: float  # from the plane, L2
    loss: float  # of the solution itself, not of its foot on the plane


@dataclass(frozen=True)
class Surface:
    """Losses on a rectangular grid of a plane, and the solutions over it."""

    x: np.ndarray  # (grid,), L2
    y: np.ndarray  # (grid,), L2
    loss: np.ndarray  # (grid, grid), row by y, column by x; NaN or infinite where the network's output is
    markers: tuple[Marker, ...]

    __repr__ = brief


def plane_through(a: Weights, b: Weights, c: Weights) -> Plane:
    """Return the plane through three solutions, by Gram-Schmidt on b - a and c - a in float64.

    Raises:
        ValueError: If the three lie on one line.

    Example:
        >>> points = torch.tensor([[0.0, 0.0, 0.0], [3.0, 0.0, 0.0], [1.0, 2.0, 0.0], [1.0, 1.0, 5.0]])
        >>> a, b, c, elsewhere = (Weights({"w": point}, {}) for point in points)
        >>> plane = plane_through(a, b, c)
        >>> plane.corner_coordinates.tolist()
        [[0.0, 0.0], [3.0, 0.0], [1.0, 2.0]]
        >>> nearest, distance = plane.coordinates(elsewhere)
        >>> nearest.tolist(), distance
        ([1.0, 1.0], 5.0)
    """
    origin, flat_b, flat_c = _flatten(a), _flatten(b), _flatten(c)
    along = flat_b - origin
    length = along.norm()
    toward_c = flat_c - origin
    first = along / length.clamp_min(torch.finfo(torch.float64).tiny)
    across = toward_c - (first @ toward_c) * first
    across = across - (first @ across) * first
    if float(length) == 0 or float(across.norm()) <= 1e-6 * float(toward_c.norm()):
        raise InputError("the three solutions lie on one line, so they span no plane; name three others")
    axes = torch.stack([first, across / across.norm()])
    corners = np.array([[0.0, 0.0], [float(length), 0.0], (axes @ toward_c).tolist()])
    return Plane((a, b, c), origin, axes, corners)


def loss_surface(
    loss: Callable[[Weights], float],
    plane: Plane,
    solutions: Mapping[Place, Weights],
    grid: int,
    *,
    label: str = "surface",
    losses: Callable[[Iterable[Weights]], Sequence[float]] | None = None,
) -> Surface:
    """Evaluate the loss on a grid that covers the corners and every solution's foot, with a margin.

    The lines of the grid are evenly spaced but for the one nearest to each corner, or its neighbour where two
    corners share the nearest, which goes through it: a narrow valley through two corners would else fall
    between two lines.

    Args:
        loss: Of weights.
        plane: What the grid lies on.
        solutions: By name, what is drawn over it.
        grid: Points a side.
        label: What the progress bar says.
        losses: The same of many weights, where that is faster than one after the other; asked row by row.

    Example:
        Over the plane through 0 and two unit vectors, ‖w‖² is x² + y².

        >>> a, b, c = (Weights({"w": w}, {}) for w in torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
        >>> plane = plane_through(a, b, c)
        >>> found = loss_surface(lambda w: float(w.parameters["w"].square().sum()), plane, {}, grid=5)
        >>> bool(np.allclose(found.loss, found.x**2 + found.y[:, None] ** 2))
        True
    """
    feet = {place: plane.coordinates(weights) for place, weights in solutions.items()}
    covered = np.vstack([plane.corner_coordinates, *[xy for xy, _ in feet.values()]])
    low, high = covered.min(axis=0), covered.max(axis=0)
    margin = _MARGIN * (high - low).max()
    xs, ys = (
        _through(np.linspace(low[axis] - margin, high[axis] + margin, grid), plane.corner_coordinates[:, axis])
        for axis in (0, 1)
    )
    evaluate = losses if losses is not None else lambda points: list(map(loss, points))
    rows = np.empty((grid, grid))
    with progress(None, label, total=grid**2, unit="point") as bar:
        for row, y in zip(rows, ys, strict=True):
            row[:] = evaluate(_counted((plane.weights_at(float(x), float(y)) for x in xs), bar.update))
    markers = tuple(
        Marker(place, float(xy[0]), float(xy[1]), distance, loss(solutions[place]))
        for place, (xy, distance) in feet.items()
    )
    return Surface(xs, ys, rows, markers)


def _counted(points: Iterable[Weights], count: Callable[[], object]) -> Iterator[Weights]:
    """Yield points, and count each when the next one is asked for."""
    for point in points:
        yield point
        count()


def _through(lines: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Return evenly spaced lines with an inner one moved to each corner, the nearest, each its own.

    Where there are fewer inner lines than corners, some corners stay off the grid.
    """
    inner, places = lines[1:-1], np.unique(corners)
    chosen, of_corner = linear_sum_assignment((inner[:, None] - places) ** 2)  # both ascend then
    moved = lines.copy()
    moved[1 + chosen] = places[of_corner]
    return np.sort(moved)


def _carry_over(name: str, buffers: list[Tensor], coefficients: np.ndarray) -> Tensor:
    first = buffers[0]
    if not first.is_floating_point():
        return first
    logarithmic = name.endswith("running_var") and all(bool((buffer > 0).all()) for buffer in buffers)
    values = [buffer.double().log() if logarithmic else buffer.double() for buffer in buffers]
    total = sum((c * value for c, value in zip(coefficients, values, strict=True)), torch.zeros_like(values[0]))
    return (total.exp() if logarithmic else total).to(first.dtype)


def _flatten(weights: Weights) -> Tensor:
    return torch.cat([tensor.reshape(-1).double() for tensor in weights.parameters.values()])
