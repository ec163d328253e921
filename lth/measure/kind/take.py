"""Which room measures which job.

A room holds all that is particular to its kind: `take` measures a job and returns its results by name, as
`lth.measure.packed` stores them; `read` returns them from what was stored; `numbers` are the metrics read off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from lth.measure.kind import (
    aligned,
    curvature,
    density,
    distances,
    forecast,
    function,
    layers,
    line,
    markers,
    mass,
    matched,
    parts,
    path,
    radii,
    sharpness,
    subspaces,
    surface,
    volume,
)
from lth.measure.kind.site import Site
from lth.measure.packed import Packed
from lth.plan.jobs import (
    AlignedJob,
    CurvatureJob,
    DensityJob,
    DistanceJob,
    ForecastJob,
    FunctionJob,
    Job,
    LayersJob,
    LineJob,
    MarkersJob,
    MassJob,
    MatchedJob,
    PartJob,
    PathJob,
    RadiiJob,
    SharpnessJob,
    SubspaceJob,
    SurfaceJob,
    VolumeJob,
)
from lth.setting.setting import AnalysisSetting
from lth.training.determinism import repeatable
from lth.training.threads import threads

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


class Room(Protocol):
    """A module of this package, for one type of job."""

    @property
    def take(self) -> Callable[[Any, Site, AnalysisSetting], Mapping[str, DataclassInstance]]:
        """Measure a job; parameters of the analysis are read from what is handed over alone."""

    @property
    def read(self) -> Callable[[Packed, Any], Any]:
        """Return what `take` stored of a job."""

    @property
    def numbers(self) -> Callable[[Any, Any], dict[str, float]]:
        """Return what is read off the result of a job, by metric name."""


@dataclass(frozen=True)
class Kind:
    """How a type of job is measured."""

    room: Room
    of_sample: bool = True  # of the examples that `hessian_examples` counts alone
    of_hessian: bool = False  # uses the gradient graphs that the surveyor keeps from one to the next
    goes_on: bool = False  # its progress can be kept, and it goes on from there to the same bits


KINDS: Mapping[type[Job], Kind] = {
    CurvatureJob: Kind(curvature, of_hessian=True, goes_on=True),
    DensityJob: Kind(density, of_hessian=True),
    RadiiJob: Kind(radii),
    LineJob: Kind(line, of_sample=False),
    SurfaceJob: Kind(surface),
    MarkersJob: Kind(markers),
    DistanceJob: Kind(distances, of_sample=False),
    MatchedJob: Kind(matched, of_hessian=True, goes_on=True),
    SubspaceJob: Kind(subspaces),
    PartJob: Kind(parts, of_hessian=True, goes_on=True),
    FunctionJob: Kind(function, of_sample=False),
    SharpnessJob: Kind(sharpness),
    PathJob: Kind(path, of_sample=False),
    ForecastJob: Kind(forecast, of_hessian=True, goes_on=True),
    VolumeJob: Kind(volume, of_hessian=True, goes_on=True),
    MassJob: Kind(mass),
    AlignedJob: Kind(aligned),
    LayersJob: Kind(layers, of_hessian=True, goes_on=True),
}


def kind_of(job: Job) -> Kind:
    """Return how a job is measured."""
    return KINDS[type(job)]


def take(job: Job, site: Site) -> Mapping[str, DataclassInstance]:
    """Do a job and return its results by name, as `lth.measure.packed` stores them.

    It computes repeatably, on as many threads as the network is worth.

    Args:
        job: What to measure.
        site: Where, and how finely.
    """
    kind, surveyor = kind_of(job), site.surveyor
    if not kind.of_hessian:
        surveyor.release()
    with repeatable(*surveyor.devices), threads(surveyor.threads):
        return kind.room.take(job, site, site.setting.analysis)


def read(stored: Packed, job: Job) -> Any:
    """Return what a job found, as its room's `read` does.

    Raises:
        PackedResultError: If the stored numbers are not those of the job.
    """
    return kind_of(job).room.read(stored, job)


def numbers(job: Job, found: Any) -> dict[str, float]:
    """Return what is read off the result of a job, by metric name."""
    return kind_of(job).room.numbers(found, job)
