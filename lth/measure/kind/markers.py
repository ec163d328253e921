"""Where further solutions lie over the plane of a study's loss surface."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lth.measure.kind.site import Site
from lth.measure.packed import Packed
from lth.measure.surface import Marker, plane_through
from lth.plan.jobs import MarkersJob
from lth.setting.setting import AnalysisSetting
from lth.training.evaluate import Evaluator

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


@dataclass(frozen=True)
class StoredMarkers:
    """Markers as arrays and names."""

    names: tuple[str, ...]
    x: np.ndarray
    y: np.ndarray
    distance: np.ndarray
    loss: np.ndarray


def take(job: MarkersJob, site: Site, _analysis: AnalysisSetting) -> Mapping[str, DataclassInstance]:
    """Project the job's solutions onto its plane, and return where they lie for storing."""
    surveyor = site.surveyor
    evaluate = Evaluator(surveyor.network, surveyor.examples, objective=surveyor.objective)
    first, second, third = (site.load(place).final.to(surveyor.device) for place in job.corners)
    plane = plane_through(first, second, third)
    rows = []
    for place in job.shown:
        weights = site.load(place).final.to(surveyor.device)
        (x, y), distance = plane.coordinates(weights)
        rows.append((float(x), float(y), distance, evaluate(weights).loss))
    columns = np.array(rows, dtype=np.float64).T
    return {"markers": StoredMarkers(tuple(place.name for place in job.shown), *columns)}


def read(stored: Packed, job: MarkersJob) -> tuple[Marker, ...]:
    """Return what `take` stored.

    Raises:
        PackedResultError: If the numbers are not those of the job's solutions.
    """
    flat = stored.read(StoredMarkers, "markers")
    places = stored.keyed(flat.names, {place.name: place for place in job.shown})
    columns = zip(flat.x, flat.y, flat.distance, flat.loss, strict=True)
    return tuple(Marker(place, *map(float, row)) for place, row in zip(places, columns, strict=True))


def numbers(_found: tuple[Marker, ...], _job: MarkersJob) -> dict[str, float]:
    """Return nothing: no one of them stands for all."""
    return {}
