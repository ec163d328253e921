"""One job of a study: from solutions to results that can be stored, and back from what was stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from torch import nn

from lth.measure.curvature.density import SpectralDensity
from lth.measure.curvature.spectrum import Spectrum
from lth.measure.curvature.trace import Trace
from lth.measure.distance import Distances, Travel, pairwise, travel
from lth.measure.interpolation import Interpolation
from lth.measure.kind.surface import FlatSurface, LevelSurface, flatten, survey_surface, unflatten
from lth.measure.packed import Packed
from lth.measure.radius import BasinRadii
from lth.measure.surveyor import Curvature, CurvatureKeeper, Line, MaskedPoint, Size, Surveyor, masked_point
from lth.network.weights import Weights
from lth.plan.jobs import CurvatureJob, DensityJob, DistanceJob, Job, LineJob, RadiiJob, SurfaceJob
from lth.plan.place import Place, Point
from lth.setting.amount import ALL
from lth.setting.setting import Setting
from lth.solution.solution import Solution
from lth.training.evaluate import Evaluation

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Load = Callable[[Place], Solution]


def perform(
    job: Job,
    load: Load,
    surveyor: Surveyor,
    network: nn.Module,
    setting: Setting,
    keeper: CurvatureKeeper | None = None,
) -> Mapping[str, DataclassInstance]:
    """Do a job and return its results by name, as `lth.packed` stores them.

    Args:
        job: What to measure.
        load: Returns a solution the job needs.
        surveyor: Measures; it may keep what the next job shares.
        network: Gives the structure.
        setting: Of the study.
        keeper: Of a curvature's progress.
    """

    def located(point: Point) -> MaskedPoint:
        needed = {place: load(place) for place in point.needs}
        return masked_point(point, needed, setting.pruning.prune_fraction)

    if isinstance(job, CurvatureJob):
        found = surveyor.curvature(located(job.point), job.point.name, keeper)
        return {"spectrum": found.spectrum, "trace": found.trace, "size": found.size}
    if isinstance(job, DensityJob):
        return {"density": surveyor.density(located(job.point), job.point.name)}
    if isinstance(job, RadiiJob):
        return surveyor.radii({point.name: located(point) for point in job.points}, job.direction_norm)
    if isinstance(job, LineJob):
        ends = {0.0: job.start, 1.0: job.end}
        known = {
            alpha: logged
            for alpha, point in ends.items()
            if point.form == "solution" and (logged := _logged(load(point.place), setting)) is not None
        }
        line = surveyor.line(located(job.start).weights, located(job.end).weights, job.name, known)
        return {"stored": line.stored} | ({"anew": line.anew} if line.anew is not None else {})
    if isinstance(job, SurfaceJob):
        finals = {place: load(place).final for place in job.needs}
        drawn = survey_surface(network, job, finals, surveyor.examples, setting.analysis.grid)
        return {"surface": flatten(drawn)}
    return _distances(job, load)


def _distances(job: DistanceJob, load: Load) -> Mapping[str, DataclassInstance]:
    finals: dict[str, Weights] = {}
    starts, levels = [], []
    for place in sorted(job.places, key=lambda place: place.kind != "imp"):  # the levels first, in their order
        solution = load(place)
        finals[place.name] = solution.final
        if place.kind == "imp":
            levels.append(solution.final)
            starts.append(solution.mask.apply(solution.rewind.weights))
    ordered = {place.name: finals[place.name] for place in job.places}
    return {"distances": pairwise(ordered), "travel": travel(starts, levels)}


def curvature_from(stored: Packed) -> Curvature:
    """Return what a `CurvatureJob` found."""
    return Curvature(stored.read(Spectrum, "spectrum"), stored.read(Trace, "trace"), stored.read(Size, "size"))


def density_from(stored: Packed) -> SpectralDensity:
    """Return what a `DensityJob` found."""
    return stored.read(SpectralDensity, "density")


def radii_from(stored: Packed, job: RadiiJob) -> dict[Point, BasinRadii]:
    """Return what a `RadiiJob` found."""
    return {point: stored.read(BasinRadii, point.name) for point in job.points}


def line_from(stored: Packed) -> Line:
    """Return what a `LineJob` found."""
    anew = stored.read(Interpolation, "anew") if "anew" in stored.names else None
    return Line(stored.read(Interpolation, "stored"), anew)


def surface_from(stored: Packed) -> LevelSurface:
    """Return what a `SurfaceJob` found."""
    return unflatten(stored.read(FlatSurface, "surface"))


def distances_from(stored: Packed) -> tuple[Distances, Travel]:
    """Return what a `DistanceJob` found."""
    return stored.read(Distances, "distances"), stored.read(Travel, "travel")


def _logged(solution: Solution, setting: Setting) -> tuple[Evaluation, Evaluation] | None:
    """Return what was logged at the end of a training, if it was on the examples of this study."""
    own, here = solution.setting.data.train_examples, setting.data.train_examples
    if own != here or (here != ALL and solution.setting.seed != setting.seed):
        return None
    last = solution.history[-1]
    return last.train, last.test
