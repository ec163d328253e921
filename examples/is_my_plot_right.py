"""Is my plot right? A surface and a way of training of which every number is known, drawn as a study's are.

The loss is one more than Himmelblau's function of two weights, (a² + b - 11)² + (a + b² - 7)², which is zero at
four points. The plane goes through three of them, so the picture must show three basins at their corners, the
fourth where it lies, and contours that no axis squeezes: one unit of L2 is as long in x as in y. Over it goes
gradient descent from (0, 0), which ends in the basin at (3, 2).

    python -m examples.is_my_plot_right

writes `himmelblau.png` here, and says by how much any number of it is wrong.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

import lth
from lth.measure.surface import Surface, plane_through
from lth.measure.trajectory import Trajectories, trajectories
from lth.network import Weights
from lth.plan.place import Place
from lth.report.figure.path import draw_paths
from lth.report.figure.saved import saved

MINIMA = ((3.0, 2.0), (-2.805118, 3.131312), (-3.779310, -3.283186), (3.584428, -1.848126))
STEPS, RATE = 40, 0.01  # of gradient descent


class Weight(nn.Module):
    """Returns its two weights for every example, so that a loss of outputs is one of weights."""

    def __init__(self, at: tuple[float, float]) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([at]))

    def forward(self, x: Tensor) -> Tensor:
        """Return the weights, (n, 2)."""
        return self.weight.expand(len(x), 2)


def himmelblau(weights: Tensor, _targets: Tensor | None = None) -> Tensor:
    """Return the loss of pairs of weights, (n, 2), a value a pair, (n,)."""
    a, b = weights.unbind(dim=1)
    return 1 + (a.square() + b - 11).square() + (a + b.square() - 7).square()


def way_down() -> list[Weights]:
    """Return the points of gradient descent from (0, 0)."""
    weight, points = torch.zeros(1, 2, requires_grad=True), []
    for _ in range(STEPS):
        points.append(Weights({"weight": weight.detach().clone()}, {}))
        (slope,) = torch.autograd.grad(himmelblau(weight).sum(), weight)
        weight = (weight - RATE * slope).detach().requires_grad_()
    return points


def checked(grid: int = 41) -> tuple[Surface, Trajectories, float]:
    """Return the surface, the way over it, and the largest relative error of a loss on the grid."""
    models = [Weight(at) for at in MINIMA]
    surface = lth.surface(models, (torch.zeros(1, 1), torch.zeros(1, 2)), grid=grid, loss=himmelblau)
    corners = np.array(MINIMA[:3])
    x_axis = (corners[1] - corners[0]) / np.linalg.norm(corners[1] - corners[0])
    y_axis = np.array([-x_axis[1], x_axis[0]])
    y_axis *= np.sign(y_axis @ (corners[2] - corners[0]))  # toward the third
    x, y = np.meshgrid(surface.x, surface.y)
    points = corners[0] + x[..., None] * x_axis + y[..., None] * y_axis
    exact = himmelblau(torch.from_numpy(points.reshape(-1, 2))).numpy().reshape(x.shape)
    error = float(np.abs(surface.loss - exact).max() / exact.max())
    plane = plane_through(*(Weights.of(model) for model in models[:3]))
    ways = trajectories(plane, [range(STEPS)], lambda _training: way_down())
    return surface, ways, error


def drawn(surface: Surface, ways: Trajectories) -> Figure:
    """Return the picture."""
    corners = (Place.imp(0), Place.imp(1), Place.imp(2))
    return draw_paths(ways, {Place.imp(0): np.ones(STEPS, dtype=bool)}, corners, surface)


if __name__ == "__main__":
    surface, ways, error = checked()
    Path("himmelblau.png").write_bytes(saved(drawn(surface, ways), "himmelblau")["himmelblau.png"])
    print(f"himmelblau.png: every loss in it is right to {error:.1e} of the highest,")  # noqa: T201
    print(f"and its plane holds {ways.in_plane:.6f} of a way that lies in it")  # noqa: T201
