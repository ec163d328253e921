"""Everything one seed's study found: what claims, figures and reports draw on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from lth.brief import brief
from lth.errors import InputError, LackingError
from lth.measure.curvature.spectrum import Spectrum
from lth.measure.distance import Travel
from lth.measure.kind.aligned import Aligned
from lth.measure.kind.curvature import Curvature
from lth.measure.kind.distances import StudyDistances
from lth.measure.kind.function import StudyFunctions
from lth.measure.kind.layers import LayerSpectra
from lth.measure.kind.line import Line
from lth.measure.kind.matched import AtOneLoss
from lth.measure.kind.parts import OfPart
from lth.measure.kind.path import StudyPaths
from lth.measure.kind.subspaces import Subspaces
from lth.measure.kind.surface import LevelSurface
from lth.measure.mass import Mass, NoisyLoss
from lth.measure.pruning_forecast import PruningForecast
from lth.measure.radius import BasinRadii
from lth.measure.sharpness import Sharpness
from lth.measure.surface import Marker
from lth.measure.volume import LocalVolume
from lth.plan.jobs import (
    AlignedJob,
    CurvatureJob,
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
    shared_space_points,
)
from lth.plan.place import Place, Point
from lth.setting.setting import DirectionNorm, Setting
from lth.training.train import EpochRecord

Key = TypeVar("Key")
Value = TypeVar("Value")
JobOfKind = TypeVar("JobOfKind", bound=Job)


@dataclass(frozen=True)
class Attained:
    """What a training reached."""

    density: float
    history: tuple[EpochRecord, ...]  # in order of epoch

    __repr__ = brief

    @property
    def train_loss(self) -> float:
        """Training loss of the solution, nats an example."""
        return self.history[-1].train.loss

    @property
    def test_accuracy(self) -> float:
        """Share of the test examples that the solution classifies right."""
        return self.history[-1].test.accuracy


@dataclass(frozen=True)
class Evidence:
    """All numbers of a study of one seed, and the run each is from; or those of a part of it."""

    setting: Setting
    last: int  # level
    attained: Mapping[Place, Attained]
    measured: Mapping[Job, Any]  # what the job's room reads from what was stored of it (`lth.measure.kind`)
    runs: Mapping[str, str]  # run id by the name of a solution or a job
    former: frozenset[str] = frozenset()  # names of what an earlier version of lth stored
    seconds: float | None = None  # that all of it took, one task after the other; None if it is not known

    __repr__ = brief

    @property
    def seed(self) -> int:
        """Of the study."""
        return self.setting.seed

    @property
    def levels(self) -> range:
        """The levels that have a level before them: 1 … last."""
        return range(1, self.last + 1)

    @property
    def curvature(self) -> Mapping[Point, Curvature]:
        """The Hessian at each point it was measured at."""
        return _Measured(self.measured, CurvatureJob, CurvatureJob, lambda job: job.point)

    @property
    def radii(self) -> Mapping[RadiiJob, Mapping[Point, BasinRadii]]:
        """Radii at the points of each space."""
        return _Measured(self.measured, RadiiJob, lambda job: job, lambda job: job)

    @property
    def lines(self) -> Mapping[LineJob, Line]:
        """Loss and error on each line."""
        return _Measured(self.measured, LineJob, lambda job: job, lambda job: job)

    @property
    def matched(self) -> Mapping[MatchedJob, AtOneLoss]:
        """Curvature and radii of compared points at one loss; nothing if the study did not measure it."""
        return _Measured(self.measured, MatchedJob, lambda job: job, lambda job: job)

    @property
    def subspaces(self) -> Mapping[SubspaceJob, Subspaces]:
        """What eigenvectors span at each level; nothing if the study did not keep them."""
        return _Measured(self.measured, SubspaceJob, lambda job: job, lambda job: job)

    @property
    def parts(self) -> Mapping[PartJob, OfPart]:
        """Curvature over parts of the examples; nothing if the study did not divide them."""
        return _Measured(self.measured, PartJob, lambda job: job, lambda job: job)

    @property
    def sharpness(self) -> Mapping[Point, Sharpness]:
        """How sharp the loss is at each point where a study measured it."""
        return _Measured(self.measured, SharpnessJob, SharpnessJob, lambda job: job.point)

    @property
    def forecasts(self) -> Mapping[Point, PruningForecast]:
        """The loss where ever more of a solution is pruned, and what was forecast of it."""
        return _Measured(self.measured, ForecastJob, ForecastJob, lambda job: job.point)

    @property
    def functions(self) -> StudyFunctions:
        """What solutions compute, beside each other.

        Raises:
            LackingError: If the study did not measure it.
        """
        found: StudyFunctions = self.measured[self._only(FunctionJob)]
        return found

    @property
    def paths(self) -> StudyPaths:
        """The ways of the levels' trainings.

        Raises:
            LackingError: If the study did not measure them.
        """
        found: StudyPaths = self.measured[self._only(PathJob)]
        return found

    def has(self, kind: type[Job]) -> bool:
        """Say whether a kind of measurement is there."""
        return any(isinstance(job, kind) for job in self.measured)

    @property
    def volumes(self) -> Mapping[VolumeJob, Mapping[Point, LocalVolume]]:
        """Local volumes at each point, by the point it is compared with; nothing if they were not measured."""
        return _Measured(self.measured, VolumeJob, lambda job: job, lambda job: job)

    def volume(self, point: Point, beside: Point) -> LocalVolume | None:
        """Return the local volume at a point under the cutoff it shares with another; None if not measured."""
        for job, found in self.volumes.items():
            if job.point == point:
                return found.get(beside)
        return None

    @property
    def masses(self) -> Mapping[Point, NoisyLoss]:
        """The loss under Gaussian noise at each point; nothing if it was not measured."""
        return _Measured(self.measured, MassJob, MassJob, lambda job: job.point)

    def mass_cutoff(self, point: Point, beside: Point) -> float | None:
        """Return the cutoff that the masses at two points share, nats; None if there is none."""
        if point not in self.masses or beside not in self.masses:
            return None
        losses = [self.masses[each].loss for each in (point, beside)]
        return max(losses) + self.setting.analysis.cutoff_margin if np.isfinite(losses).all() else None

    def mass(self, point: Point, beside: Point) -> Mass | None:
        """Return the mass at a point under the cutoff it shares with another; None if there is none."""
        cutoff = self.mass_cutoff(point, beside)
        return None if cutoff is None else self.masses[point].under(cutoff)

    @property
    def aligned(self) -> Mapping[AlignedJob, Aligned]:
        """Lines between solutions with units matched; nothing if the study did not match them."""
        return _Measured(self.measured, AlignedJob, lambda job: job, lambda job: job)

    @property
    def layers(self) -> Mapping[Point, LayerSpectra]:
        """The Hessian of every layer for itself, at each point where a study measured it."""
        return _Measured(self.measured, LayersJob, LayersJob, lambda job: job.point)

    @property
    def surface(self) -> LevelSurface:
        """The loss surface of the study."""
        found: LevelSurface = self.measured[self._only(SurfaceJob)]
        return found

    @property
    def sublevel_cutoff(self) -> float:
        """The c of the sublevel set that Fig. 13 draws and R5 judges by, nats; not finite if a loss is not.

        The largest loss of w(0) … w(N), over the examples that lines and the surface are measured on, plus the
        `cutoff_margin` of basins.
        """
        markers = self.surface.surface.markers
        losses = [marker.loss for marker in markers if marker.place.kind == "imp"]
        return float(np.max(losses)) + self.setting.analysis.cutoff_margin

    @property
    def markers(self) -> tuple[Marker, ...]:
        """Every solution over the plane of the surface, the methods last."""
        further = [self.measured[job] for job in self.measured if isinstance(job, MarkersJob)]
        return (*self.surface.surface.markers, *(marker for found in further for marker in found))

    @property
    def distances(self) -> StudyDistances:
        """Distances between the paper's solutions."""
        return self._distances[0]

    @property
    def all_distances(self) -> StudyDistances:
        """Distances between all solutions, methods among them."""
        return self._distances[-1]

    @property
    def _distances(self) -> list[StudyDistances]:
        """The distances between the paper's solutions, then those with methods, if there are any."""
        jobs = [job for job in self.measured if isinstance(job, DistanceJob)]
        if not jobs:
            raise LackingError("distances")
        return [self.measured[job] for job in sorted(jobs, key=lambda job: len(job.places))]

    @property
    def travel(self) -> Travel:
        """How far trainings went from their rewind points."""
        return self.distances.travel

    def _only(self, kind: type[Job]) -> Job:
        for job in self.measured:
            if isinstance(job, kind):
                return job
        raise LackingError(_CALLED.get(kind, "distances"))

    def log_eig_product(self, point: Point, cut: int | None = None) -> float | None:
        """Return Σ log λᵢ over the leading eigenvalues; None if one of them is not positive beyond doubt.

        Args:
            point: Where.
            cut: Of how many leading eigenvalues, if not of all that were measured.
        """
        return log_eig_product(self.curvature[point].spectrum, cut)

    def scaled_log_eig_product(self, point: Point) -> float | None:
        """Return Σ log(λᵢ ‖w‖²), which depends less on the scale of the weights.

        Rescaling all weights that BatchNorm follows by c divides their part of the Hessian by c², and ‖w‖²
        makes up for it: exactly only where those weights are all of the norm and of the eigenvectors.
        """
        raw, found = self.log_eig_product(point), self.curvature[point]
        if raw is None:
            return None
        return raw + 2 * len(found.spectrum.eigenvalues) * float(np.log(found.size.weight_norm))

    def radii_at(self, level: int, point: Point, direction_norm: DirectionNorm | None = None) -> BasinRadii:
        """Return the radii at a point as they were compared at a level.

        Args:
            level: Level L, whose comparisons are in level-L space and in level L-1 space.
            point: One of the four compared there.
            direction_norm: The setting's own if not given.
        """
        norm = direction_norm or self.setting.analysis.direction_norm
        for shared in shared_space_points(level):
            if point in shared:
                return self.radii[RadiiJob(shared, norm)][point]
        raise InputError(f"no radii at {point.name} are compared at level {level}")

    def steepness(self, level: int, beside: int) -> float | None:
        """Return how fast the log training loss of `level` falls, in nats an epoch, positive where it falls.

        It is minus the least-squares slope over the epochs that the histories of `level` and `beside` share;
        None if they share fewer than two, or a loss there is not finite.
        """
        epochs = self._shared_epochs(level, beside)
        losses = [
            record.train.loss for record in self.attained[Place.imp(level)].history if record.epoch in epochs
        ]
        if len(losses) < 2 or not np.isfinite(losses).all():
            return None
        logs = np.log(np.maximum(losses, np.finfo(np.float64).tiny))
        return float(-np.polyfit(sorted(epochs), logs, 1)[0])

    def _shared_epochs(self, *levels: int) -> set[int]:
        histories = [{record.epoch for record in self.attained[Place.imp(level)].history} for level in levels]
        return set.intersection(*histories)


_CALLED: Mapping[type[Job], str] = {
    SurfaceJob: "surface",
    FunctionJob: "functions",
    PathJob: "ways of trainings",
}


def log_eig_product(spectrum: Spectrum, cut: int | None = None) -> float | None:
    """Return Σ log λᵢ over the leading eigenvalues; None if one of them is not positive beyond doubt."""
    count = len(spectrum.eigenvalues) if cut is None else cut
    if spectrum.num_positive < count:
        return None
    return float(np.log(spectrum.eigenvalues[:count]).sum())


class Read(Mapping[Key, Value]):
    """What is there of something, read from where it lies when it is first asked for.

    Args:
        keys: Of what is there.
        read: Returns what is there under a key.
    """

    def __init__(self, keys: Iterable[Key], read: Callable[[Key], Value]) -> None:
        self._keys, self._read = dict.fromkeys(keys), read

    def __getitem__(self, key: Key) -> Value:
        if key not in self._keys:
            raise LackingError(str(getattr(key, "name", key)))
        return self._read(key)

    def __iter__(self) -> Iterator[Key]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: object) -> bool:
        return key in self._keys  # without reading


class _Measured(Mapping[Key, Value]):
    """The results of one kind of job, by what tells its jobs apart."""

    def __init__(
        self,
        measured: Mapping[Job, Any],
        kind: type[JobOfKind],
        job_of: Callable[[Key], JobOfKind],
        key_of: Callable[[JobOfKind], Key],
    ) -> None:
        self._measured, self._job_of = measured, job_of
        self._keys = {key_of(job): None for job in measured if isinstance(job, kind)}

    def __getitem__(self, key: Key) -> Value:
        if key not in self._keys:
            raise LackingError(self._job_of(key).name)
        found: Value = self._measured[self._job_of(key)]
        return found

    def __iter__(self) -> Iterator[Key]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: object) -> bool:
        return key in self._keys  # without reading what was found
