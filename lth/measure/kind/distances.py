"""How far the solutions of a study lie from each other, and how far their trainings went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lth.brief import brief
from lth.measure.distance import Distances, Travel, pairwise, travel
from lth.measure.kind.site import Site
from lth.measure.packed import Packed
from lth.network.weights import Weights
from lth.plan.jobs import DistanceJob
from lth.plan.place import Place
from lth.setting.setting import AnalysisSetting

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


@dataclass(frozen=True)
class StudyDistances:
    """Distances and cosines between solutions, and of levels from their rewind points."""

    places: tuple[Place, ...]  # (n,)
    euclidean: np.ndarray  # (n, n), L2, zero on the diagonal
    cosine: np.ndarray  # (n, n), in [-1, 1], one on the diagonal
    travel: Travel

    __repr__ = brief


def take(job: DistanceJob, site: Site, _analysis: AnalysisSetting) -> Mapping[str, DataclassInstance]:
    """Measure the distances between the job's solutions, and return them for storing."""
    finals: dict[Place, Weights] = {}
    starts, levels = [], []
    for place in sorted(job.places, key=lambda place: place.kind != "imp"):  # the levels first, in their order
        solution = site.load(place)
        finals[place] = solution.final
        if place.kind == "imp":
            levels.append(solution.final)
            starts.append(solution.mask.apply(solution.rewind.weights))
    ordered = {place.name: finals[place] for place in job.places}
    return {"distances": pairwise(ordered), "travel": travel(starts, levels)}


def read(stored: Packed, job: DistanceJob) -> StudyDistances:
    """Return what `take` stored.

    Raises:
        PackedResultError: If the numbers are not those of distances between the job's solutions.
    """
    found = stored.read(Distances, "distances")
    places = stored.keyed(found.names, {place.name: place for place in job.places})
    return StudyDistances(places, found.euclidean, found.cosine, stored.read(Travel, "travel"))


def numbers(_found: StudyDistances, _job: DistanceJob) -> dict[str, float]:
    """Return nothing: distances are between many, and no one of them stands for all."""
    return {}
