"""The ways that the trainings of all levels went, on the plane of the surface and on their principal axes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lth.brief import brief
from lth.measure.kind.site import Site
from lth.measure.packed import Packed
from lth.measure.surface import plane_through
from lth.measure.trajectory import Trajectories, trajectories
from lth.network.weights import Weights
from lth.plan.jobs import PathJob
from lth.plan.place import Place
from lth.setting.setting import AnalysisSetting

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_MOST = 64  # points of a training


@dataclass(frozen=True)
class Named:
    """Which trainings they are."""

    names: tuple[str, ...]  # of the solutions


@dataclass(frozen=True)
class StudyPaths:
    """The ways of trainings, with the solutions that they ended in."""

    places: tuple[Place, ...]
    paths: Trajectories

    __repr__ = brief

    def of(self, place: Place) -> np.ndarray:
        """Return which points are of the training of a solution, (points,), bool."""
        found: np.ndarray = self.paths.training == self.places.index(place)
        return found


def take(job: PathJob, site: Site, _analysis: AnalysisSetting) -> Mapping[str, DataclassInstance]:
    """Find where the job's trainings went, and return it for storing.

    Raises:
        ValueError: If one kept no weights on its way.
    """
    plane = plane_through(*(site.load(place).final for place in job.corners))
    kept = [site.path(place) for place in job.places]
    epochs = [_thinned(path.epochs) for path in kept]

    def read(training: int) -> list[Weights]:
        return [kept[training].at(epoch) for epoch in epochs[training]]

    found = trajectories(plane, epochs, read)
    return {"named": Named(tuple(place.name for place in job.places)), "paths": found}


def _thinned(epochs: tuple[float, ...]) -> tuple[float, ...]:
    """Return at most so many of them, both ends among them."""
    if len(epochs) <= _MOST:
        return epochs
    chosen = np.unique(np.linspace(0, len(epochs) - 1, _MOST).round().astype(int))
    return tuple(epochs[index] for index in chosen)


def read(stored: Packed, job: PathJob) -> StudyPaths:
    """Return what `take` stored.

    Raises:
        PackedResultError: If it is not of the job's trainings.
    """
    names = stored.read(Named, "named").names
    places = stored.keyed(names, {place.name: place for place in job.places})
    return StudyPaths(places, stored.read(Trajectories, "paths"))


def numbers(found: StudyPaths, _job: PathJob) -> dict[str, float]:
    """Return how much the plane and the principal axes hold, by metric name."""
    paths = found.paths
    return {
        "landscape/path_in_plane": paths.in_plane,
        "landscape/path_in_two_axes": float(paths.explained[:2].sum()),
    }
