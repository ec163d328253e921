"""The loss surface of a study: which plane, which solutions over it, and which sublevel set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import nn

from lth.data import Examples
from lth.measure.surface import Marker, Surface, loss_surface, plane_through
from lth.network.weights import Weights
from lth.plan.jobs import SurfaceJob
from lth.plan.place import Place
from lth.training.evaluate import Evaluator


@dataclass(frozen=True)
class LevelSurface:
    """A surface with the names of the solutions that span its plane."""

    surface: Surface
    corners: tuple[str, str, str]
    cutoff: float  # loss of the worst IMP solution drawn: its sublevel set holds all of them


def survey_surface(
    network: nn.Module, job: SurfaceJob, solutions: Mapping[Place, Weights], examples: Examples, grid: int
) -> LevelSurface:
    """Draw the solutions of `job` over the plane through its corners.

    Args:
        network: Gives the structure.
        job: Which corners, and which solutions.
        solutions: Final weights of all that the job needs.
        examples: What the loss is the mean over.
        grid: Points a side.

    Raises:
        ValueError: If the three corners lie on one line.
    """
    device = examples.labels.device
    evaluate = Evaluator(network, examples)
    points = {place.name: solutions[place].to(device) for place in job.needs}
    first, second, third = (place.name for place in job.corners)
    surface = loss_surface(
        lambda weights: evaluate(weights).loss,
        plane_through(points[first], points[second], points[third]),
        points,
        grid,
        label=job.name,
    )
    imp = {place.name for place in job.needs if place.kind == "imp"}
    of_imp = [marker.loss for marker in surface.markers if marker.name in imp]
    cutoff = max(of_imp or [marker.loss for marker in surface.markers])
    return LevelSurface(surface, (first, second, third), cutoff)


@dataclass(frozen=True)
class FlatSurface:
    """A `LevelSurface` as arrays alone, for storing."""

    x: np.ndarray
    y: np.ndarray
    loss: np.ndarray
    names: tuple[str, ...]
    marker_x: np.ndarray
    marker_y: np.ndarray
    marker_distance: np.ndarray
    marker_loss: np.ndarray
    corners: tuple[str, ...]
    cutoff: float


def flatten(drawn: LevelSurface) -> FlatSurface:
    """Return the surface as arrays."""
    surface, markers = drawn.surface, drawn.surface.markers
    return FlatSurface(
        surface.x,
        surface.y,
        surface.loss,
        tuple(marker.name for marker in markers),
        np.array([marker.x for marker in markers]),
        np.array([marker.y for marker in markers]),
        np.array([marker.distance for marker in markers]),
        np.array([marker.loss for marker in markers]),
        drawn.corners,
        drawn.cutoff,
    )


def unflatten(flat: FlatSurface) -> LevelSurface:
    """Return what `flatten` was given."""
    columns = (flat.marker_x, flat.marker_y, flat.marker_distance, flat.marker_loss)
    markers = tuple(
        Marker(name, *map(float, numbers)) for name, *numbers in zip(flat.names, *columns, strict=True)
    )
    first, second, third = flat.corners
    return LevelSurface(Surface(flat.x, flat.y, flat.loss, markers), (first, second, third), flat.cutoff)
