"""The loss surface of a study: which plane, which solutions over it, and which sublevel set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from torch import nn

from lth.brief import brief
from lth.data import Examples
from lth.measure.kind.site import Site
from lth.measure.packed import Packed
from lth.measure.surface import Marker, Surface, loss_surface, plane_through
from lth.network.weights import Weights
from lth.plan.jobs import SurfaceJob
from lth.plan.place import Place
from lth.setting.setting import AnalysisSetting
from lth.training.evaluate import Evaluator
from lth.training.objective import CROSS_ENTROPY, Objective

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


@dataclass(frozen=True)
class LevelSurface:
    """A surface with the solutions that span its plane."""

    surface: Surface
    corners: tuple[Place, Place, Place]
    cutoff: float  # loss of the worst IMP solution drawn: its sublevel set holds all of them

    __repr__ = brief


def surface_over(
    network: nn.Module,
    job: SurfaceJob,
    solutions: Mapping[Place, Weights],
    examples: Examples,
    grid: int,
    objective: Objective = CROSS_ENTROPY,
) -> LevelSurface:
    """Draw the solutions of `job` over the plane through its corners.

    Args:
        network: Gives the structure.
        job: Which corners, and which solutions.
        solutions: Final weights of all that the job needs.
        examples: What the loss is the mean over.
        grid: Points a side.
        objective: The loss.

    Raises:
        ValueError: If the three corners lie on one line.
    """
    evaluate = Evaluator(network, examples, objective=objective)
    finals = {place: solutions[place].to(examples.labels.device) for place in job.needs}
    first, second, third = (finals[place] for place in job.corners)
    plane = plane_through(first, second, third)
    surface = loss_surface(
        lambda weights: evaluate(weights).loss,
        plane,
        finals,
        grid,
        label=job.name,
        losses=lambda points: [found.loss for found in evaluate.many(points)],
    )
    of_imp = [marker.loss for marker in surface.markers if marker.place.kind == "imp"]
    cutoff = max(of_imp or [marker.loss for marker in surface.markers])
    return LevelSurface(surface, job.corners, cutoff)


@dataclass(frozen=True)
class StoredSurface:
    """A `LevelSurface` as arrays and names."""

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


def take(job: SurfaceJob, site: Site, analysis: AnalysisSetting) -> Mapping[str, DataclassInstance]:
    """Measure the job's surface, and return it for storing."""
    finals = {place: site.load(place).final for place in job.needs}
    surveyor = site.surveyor
    found = surface_over(surveyor.network, job, finals, surveyor.examples, analysis.grid, surveyor.objective)
    return {"surface": stored_surface(found)}


def stored_surface(found: LevelSurface) -> StoredSurface:
    """Return the surface as arrays and names."""
    surface, markers = found.surface, found.surface.markers
    return StoredSurface(
        surface.x,
        surface.y,
        surface.loss,
        tuple(marker.place.name for marker in markers),
        np.array([marker.x for marker in markers]),
        np.array([marker.y for marker in markers]),
        np.array([marker.distance for marker in markers]),
        np.array([marker.loss for marker in markers]),
        tuple(place.name for place in found.corners),
        found.cutoff,
    )


def read(stored: Packed, job: SurfaceJob) -> LevelSurface:
    """Return what `take` stored.

    Raises:
        PackedResultError: If the numbers are not those of a surface with the job's solutions.
    """
    flat = stored.read(StoredSurface, "surface")
    places = stored.keyed(flat.names, {place.name: place for place in job.needs})
    columns = (flat.marker_x, flat.marker_y, flat.marker_distance, flat.marker_loss)
    markers = tuple(
        Marker(place, *map(float, numbers)) for place, *numbers in zip(places, *columns, strict=True)
    )
    return LevelSurface(Surface(flat.x, flat.y, flat.loss, markers), job.corners, flat.cutoff)


def numbers(found: LevelSurface, _job: SurfaceJob) -> dict[str, float]:
    """Return what is read off a surface, by metric name."""
    return {"landscape/sublevel_cutoff": found.cutoff}
