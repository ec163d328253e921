"""A study as a graph: which solutions it trains, and which measurements it takes of them.

    dense <- level 1 <- level 2 <- …                  trainings
                 ^-- seven baselines of a level
    curvature, radii, lines, surface, distances, …    jobs, each of the solutions it `needs`

Nodes are plain values. Each is done once, wherever the solutions it needs can be loaded, and found again by the
content key that `lth.plan.keys` gives it; nothing here says in which order, process or machine.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from lth.errors import InputError
from lth.plan.place import BASELINES, METHODS, Copy, Kind, Place, Point, parse_place
from lth.setting.choice import value_hint
from lth.setting.setting import AnalysisSetting, DirectionNorm

Measure = Literal[
    "spectra",
    "radii",
    "lines",
    "surface",
    "distances",
    "matched",
    "subspaces",
    "parts",
    "density",
    "function",
    "sharpness",
    "path",
    "forecast",
    "volume",
    "mass",
    "aligned",
    "layers",
]
MEASURES: tuple[Measure, ...] = get_args(Measure)  # of a study; from `matched` on if its setting says so


class _Job(ABC):
    """What is measured at points of a study, or between them."""

    @property
    def name(self) -> str:
        """What a person calls it."""
        return self._words()

    @abstractmethod
    def _words(self) -> str:
        """Return the name."""

    @abstractmethod
    def _at(self) -> Sequence[Point]:
        """Return the points it is at."""

    @property
    def needs(self) -> tuple[Place, ...]:
        """The solutions it reads."""
        return tuple(dict.fromkeys(place for point in self._at() for place in point.needs))

    @property
    def reads(self) -> tuple[CurvatureJob, ...]:
        """The measurements whose eigenvectors it reads."""
        return ()

    @property
    def share(self) -> tuple[int, int] | None:
        """Which of how many parts of the examples it is of; None: of all that are measured on."""
        return None

    @property
    def level(self) -> int:
        """The level it is shown at."""
        return max(point.place.level for point in self._at())


@dataclass(frozen=True)
class CurvatureJob(_Job):
    """Leading Hessian eigenvalues and the trace at a point."""

    point: Point
    measure: Measure = "spectra"

    def _words(self) -> str:
        return f"curvature at {self.point.name}"

    def _at(self) -> Sequence[Point]:
        return (self.point,)


@dataclass(frozen=True)
class DensityJob(_Job):
    """The density of all Hessian eigenvalues at a point."""

    point: Point
    measure: Measure = "density"

    def _words(self) -> str:
        return f"spectral density at {self.point.name}"

    def _at(self) -> Sequence[Point]:
        return (self.point,)


@dataclass(frozen=True)
class RadiiJob(_Job):
    """Basin radii at points of one space, under one cutoff and along the same draws."""

    points: tuple[Point, ...]
    direction_norm: DirectionNorm
    measure: Measure = "radii"

    def _words(self) -> str:
        return f"{self.direction_norm} radii at {' and '.join(point.name for point in self.points)}"

    def _at(self) -> Sequence[Point]:
        return self.points


@dataclass(frozen=True)
class LineJob(_Job):
    """Loss and error on the straight line between two points."""

    start: Point
    end: Point
    measure: Measure = "lines"

    def _words(self) -> str:
        first, second = self.start.place, self.end.place
        if isinstance(first, Copy) and isinstance(second, Copy) and first.origin == second.origin:
            return f"line between copies {first.number} and {second.number} of {first.origin}"
        return f"line from {self.start.name} to {self.end.name}"

    def _at(self) -> Sequence[Point]:
        return (self.start, self.end)


@dataclass(frozen=True)
class SurfaceJob(_Job):
    """The loss on the plane through three solutions, with others over it."""

    corners: tuple[Place, Place, Place]
    shown: tuple[Place, ...]
    measure: Measure = "surface"

    def _words(self) -> str:
        first, second, third = (place.name for place in self.corners)
        return f"surface through {first}, {second} and {third}"

    def _at(self) -> Sequence[Point]:
        return [Point.at(place) for place in (*self.corners, *self.shown)]


@dataclass(frozen=True)
class MarkersJob(_Job):
    """Where further solutions lie over the plane of a surface, which stays as it is without them."""

    corners: tuple[Place, Place, Place]
    shown: tuple[Place, ...]
    measure: Measure = "surface"

    def _words(self) -> str:
        first, second, third = (place.name for place in self.corners)
        return f"{len(self.shown)} methods over the plane through {first}, {second} and {third}"

    def _at(self) -> Sequence[Point]:
        return [Point.at(place) for place in (*self.corners, *self.shown)]


@dataclass(frozen=True)
class DistanceJob(_Job):
    """Distances and cosines between solutions, and of levels from their rewind points."""

    places: tuple[Place, ...]
    measure: Measure = "distances"

    def _words(self) -> str:
        return f"distances between {len(self.places)} solutions"

    def _at(self) -> Sequence[Point]:
        return [Point.at(place) for place in self.places]


@dataclass(frozen=True)
class MatchedJob(_Job):
    """Curvature and radii at the lower of two points, where its training had the loss of the other.

    At the other nothing is measured: it is where it was. Which of them is the lower, their losses tell.
    """

    sharper: Point  # where the paper finds the smaller basin
    flatter: Point
    measure: Measure = "matched"

    @property
    def share_a_space(self) -> bool:
        """Whether both are seen in one space, so that radii compare."""
        return self.sharper.needs[-1] == self.flatter.needs[-1]

    def _words(self) -> str:
        return f"{self.sharper.name} and {self.flatter.name} at one loss"

    def _at(self) -> Sequence[Point]:
        return (self.sharper, self.flatter)


@dataclass(frozen=True)
class SubspaceJob(_Job):
    """What the leading eigenvectors at a level's points say, of which its spectra keep them."""

    point: Point  # the solution of the level
    measure: Measure = "subspaces"

    @property
    def points(self) -> tuple[Point, ...]:
        """Where eigenvectors are read: at w(L); above level 0 also at the points it is compared with."""
        return tuple(suffixes(self.point.place.level))

    @property
    def reads(self) -> tuple[CurvatureJob, ...]:
        """The measurements whose eigenvectors it reads."""
        return tuple(map(CurvatureJob, self.points))

    def _words(self) -> str:
        return f"subspaces at {self.point.name}"

    def _at(self) -> Sequence[Point]:
        return self.points


@dataclass(frozen=True)
class PartJob(_Job):
    """Leading Hessian eigenvalues and the trace at a point, over one of several parts of the examples."""

    point: Point
    part: int  # from 1 on
    parts: int
    measure: Measure = "parts"

    @property
    def share(self) -> tuple[int, int]:
        """Which of how many parts of the examples it is of."""
        return self.part, self.parts

    def _words(self) -> str:
        return f"curvature at {self.point.name} over part {self.part} of {self.parts} of the examples"

    def _at(self) -> Sequence[Point]:
        return (self.point,)


@dataclass(frozen=True)
class FunctionJob(_Job):
    """What solutions compute of the test examples, layer by layer, and their masks, between all of them."""

    places: tuple[Place, ...]
    measure: Measure = "function"

    def _words(self) -> str:
        return f"functions of {len(self.places)} solutions"

    def _at(self) -> Sequence[Point]:
        return [Point.at(place) for place in self.places]


@dataclass(frozen=True)
class SharpnessJob(_Job):
    """How much the loss rises when each weight at a point changes by a share of itself."""

    point: Point
    measure: Measure = "sharpness"

    def _words(self) -> str:
        return f"sharpness at {self.point.name}"

    def _at(self) -> Sequence[Point]:
        return (self.point,)


@dataclass(frozen=True)
class PathJob(_Job):
    """The ways of trainings, on the plane through three solutions and on their own principal axes."""

    corners: tuple[Place, Place, Place]
    places: tuple[Place, ...]
    measure: Measure = "path"

    def _words(self) -> str:
        first, second, third = (place.name for place in self.corners)
        return f"ways of {len(self.places)} trainings over {first}, {second} and {third}"

    def _at(self) -> Sequence[Point]:
        return [Point.at(place) for place in (*self.corners, *self.places)]


@dataclass(frozen=True)
class ForecastJob(_Job):
    """The loss where ever more of a point is pruned and nothing trained again, beside its forecast."""

    point: Point
    measure: Measure = "forecast"

    def _words(self) -> str:
        return f"pruning further at {self.point.name}"

    def _at(self) -> Sequence[Point]:
        return (self.point,)


@dataclass(frozen=True)
class VolumeJob(_Job):
    """The local volume at a point, under the cutoff that it shares with each point it is compared with."""

    point: Point
    beside: tuple[Point, ...]  # compared with it; without any, the cutoff is its own
    from_kept: bool = False  # whether its directions are made of eigenvectors that the spectrum kept
    measure: Measure = "volume"

    @property
    def reads(self) -> tuple[CurvatureJob, ...]:
        """The measurements whose eigenvectors it reads."""
        return (CurvatureJob(self.point),) if self.from_kept else ()

    @property
    def level(self) -> int:
        """The level it is shown at."""
        return self.point.place.level

    def _words(self) -> str:
        return f"local volume at {self.point.name}"

    def _at(self) -> Sequence[Point]:
        return (self.point, *self.beside)


@dataclass(frozen=True)
class MassJob(_Job):
    """The share of a Gaussian around a point that lies in its basin."""

    point: Point
    measure: Measure = "mass"

    def _words(self) -> str:
        return f"mass at {self.point.name}"

    def _at(self) -> Sequence[Point]:
        return (self.point,)


@dataclass(frozen=True)
class AlignedJob(_Job):
    """Loss and error between two points as they are, and with the units of one matched to the other."""

    start: Point
    end: Point  # whose units are permuted
    measure: Measure = "aligned"

    def _words(self) -> str:
        return f"aligned line from {self.start.name} to {self.end.name}"

    def _at(self) -> Sequence[Point]:
        return (self.start, self.end)


@dataclass(frozen=True)
class LayersJob(_Job):
    """Leading eigenvalues and trace of the Hessian of every layer for itself, at a point."""

    point: Point
    measure: Measure = "layers"

    def _words(self) -> str:
        return f"curvature of layers at {self.point.name}"

    def _at(self) -> Sequence[Point]:
        return (self.point,)


Job = (
    CurvatureJob
    | DensityJob
    | RadiiJob
    | LineJob
    | SurfaceJob
    | MarkersJob
    | DistanceJob
    | MatchedJob
    | SubspaceJob
    | PartJob
    | FunctionJob
    | SharpnessJob
    | PathJob
    | ForecastJob
    | VolumeJob
    | MassJob
    | AlignedJob
    | LayersJob
)


def places(last: int, every_level: Iterable[str] = (), methods: Iterable[str] = ()) -> list[Place]:
    """Return every solution of a study whose last level is `last`, each after those it is pruned from.

    Args:
        last: The last level.
        every_level: The baselines and methods that are wanted at all levels, not at the last alone.
        methods: The methods beyond the paper's baselines that are wanted at all.

    Raises:
        ValueError: If a name is unknown, or one of `every_level` is of a method that is not wanted.
    """
    if unknown := sorted(set(methods) - set(METHODS)):
        raise InputError(
            f"methods={','.join(unknown)} is unknown; choose from {', '.join(METHODS)}, or none"
            f"{value_hint(unknown[0], METHODS)}"
        )
    kinds = [*BASELINES, *(kind for kind in METHODS if kind in set(methods))]
    wanted = set(every_level)
    known = (*BASELINES, *METHODS)
    if unknown := sorted(wanted - set(known)):
        raise InputError(
            f"every_level={','.join(unknown)} is unknown; choose from {', '.join(known)}, or none"
            f"{value_hint(unknown[0], known)}"
        )
    if missing := sorted(wanted - set(kinds)):
        names = ",".join(missing)
        raise InputError(f"every_level={names}, but the study trains it nowhere; add methods={names}")
    at_last = [Place(kind, last) for kind in kinds] if last > 0 else []
    before = [Place(kind, level) for kind in kinds if kind in wanted for level in range(1, last)]
    return [*[Place.imp(level) for level in range(last + 1)], *before, *at_last]


def places_of(last: int, setting: AnalysisSetting) -> list[Place]:
    """Return every solution of a study of this setting."""
    return places(last, setting.every_level, setting.all_methods)


def shared_space_points(level: int) -> tuple[tuple[Point, ...], ...]:
    """Return the points whose radii are compared at a level, a tuple a space.

    In level-L space w(L) and m(L) ⊙ w(L-1); in level L-1 space w(L-1) and w(L). Level 0 has w(0) alone.
    """
    if level == 0:
        return ((Point.at(Place.imp(0)),),)
    return (Point.at(Place.imp(level)), Point.projection(level)), (
        Point.at(Place.imp(level - 1)),
        Point.reverse(level),
    )


def suffixes(level: int) -> dict[Point, str]:
    """Return what the metrics of each point of a level end in; those of w(L), in its own space, in nothing."""
    solution = {Point.at(Place.imp(level)): ""}
    if level == 0:
        return solution
    return solution | {
        Point.projection(level): "_projected",
        Point.reverse(level): "_reverse",
        Point.at(Place.imp(level - 1)): "_previous",
    }


def successive_line(level: int) -> LineJob:
    """Return the line from w(L-1) to w(L)."""
    return LineJob(Point.at(Place.imp(level - 1)), Point.at(Place.imp(level)))


def level_jobs(level: int) -> list[Job]:
    """Return what is measured at a level of IMP."""
    points = [Point.at(Place.imp(level))]
    if level > 0:
        points = [
            Point.at(Place.imp(level)),
            Point.reverse(level),
            Point.projection(level),
            Point.next_larger(level),
        ]
    jobs: list[Job] = [CurvatureJob(point) for point in points]
    jobs += [
        RadiiJob(shared, norm) for norm in get_args(DirectionNorm) for shared in shared_space_points(level)
    ]
    return jobs if level == 0 else [*jobs, successive_line(level)]


def baseline_jobs(last: int, every_level: Iterable[str] = (), methods: Iterable[str] = ()) -> list[Job]:
    """Return what is measured at baselines and methods, and on lines that may leave the sublevel set."""
    pruned, solution = Point.projection(last), Point.at(Place.imp(last))
    at_baselines = [place for place in places(last, every_level, methods) if place.kind != "imp"]
    jobs: list[Job] = [CurvatureJob(Point.at(place)) for place in at_baselines]
    outside = [Point.at(Place(kind, last)) for kind in ("random_init", "random_prune", "random_prune_one_shot")]
    return [
        *jobs,
        *[LineJob(pruned, end) for end in (solution, *outside)],
        *[LineJob(solution, end) for end in outside],
        *[
            LineJob(start, Point.at(place))
            for place in method_places(last, methods)
            for start in (solution, pruned)
        ],
    ]


def method_places(last: int, methods: Iterable[str]) -> list[Place]:
    """Return the methods beyond the paper's baselines that a study trains, at its last level."""
    return [Place(kind, last) for kind in METHODS if last > 0 and kind in set(methods)]


def own_radii(place: Place, setting: AnalysisSetting) -> RadiiJob:
    """Return the radii at a solution alone, in the space of its own mask, up to a margin above its own loss."""
    return RadiiJob((Point.at(place),), setting.direction_norm)


def method_jobs(last: int, setting: AnalysisSetting) -> list[Job]:
    """Return what is measured of all ways to the density of a level beside each other, where there are methods.

    The paper's own radii, distances and surface stay what they are without methods.
    """
    methods = method_places(last, setting.all_methods)
    if not methods:
        return []
    every = places(last, methods=setting.all_methods)
    return [
        *[own_radii(place, setting) for place in every if place.level == last],
        MarkersJob(surface_job(last, setting).corners, tuple(methods)),
        DistanceJob(tuple(every)),
    ]


def projection_matched(level: int) -> MatchedJob:
    """Return m(L) ⊙ w(L-1) and w(L) at one loss, in level-L space."""
    return MatchedJob(Point.projection(level), Point.at(Place.imp(level)))


def reverse_matched(level: int) -> MatchedJob:
    """Return w(L) and w(L-1) at one loss, in level L-1 space."""
    return MatchedJob(Point.reverse(level), Point.at(Place.imp(level - 1)))


def baseline_matched(kind: Kind, level: int) -> MatchedJob:
    """Return a baseline and w(L) at one loss, each in the space of its own mask."""
    return MatchedJob(Point.at(Place(kind, level)), Point.at(Place.imp(level)))


def matched_jobs(last: int) -> list[MatchedJob]:
    """Return the comparisons of curvature and radii that are made at one loss too."""
    jobs = [pair(level) for level in range(1, last + 1) for pair in (projection_matched, reverse_matched)]
    compared: tuple[Kind, ...] = ("one_shot", "fine_tune")
    return jobs + [baseline_matched(kind, last) for kind in compared if last > 0]


def subspace_jobs(last: int) -> list[SubspaceJob]:
    """Return what eigenvectors are asked at every level."""
    return [SubspaceJob(Point.at(Place.imp(level))) for level in range(last + 1)]


def part_jobs(last: int, halvings: int) -> list[PartJob]:
    """Return curvature over halves, quarters and so on of the examples, at w(L) and m(L) ⊙ w(L-1)."""
    solutions = [Point.at(Place.imp(level)) for level in range(last + 1)]
    points = [*solutions, *map(Point.projection, range(1, last + 1))]
    divisions = [2**halving for halving in range(1, halvings + 1)]
    return [
        PartJob(point, part, parts) for point in points for parts in divisions for part in range(1, parts + 1)
    ]


def layers_jobs(last: int) -> list[LayersJob]:
    """Return the curvature of layers at every level, and at what pruning leaves of each level before."""
    solutions = [Point.at(Place.imp(level)) for level in range(last + 1)]
    return [LayersJob(point) for point in (*solutions, *map(Point.projection, range(1, last + 1)))]


def density_jobs(last: int) -> list[DensityJob]:
    """Return the spectral density at every level."""
    return [DensityJob(Point.at(Place.imp(level))) for level in range(last + 1)]


def sharpness_jobs(last: int, setting: AnalysisSetting) -> list[SharpnessJob]:
    """Return sharpness at every solution, and at what pruning leaves of each level before."""
    points = [*map(Point.at, places_of(last, setting)), *map(Point.projection, range(1, last + 1))]
    return [SharpnessJob(point) for point in points]


def volume_pairs(last: int, methods: Iterable[str] = ()) -> list[tuple[Point, Point]]:
    """Return the points whose local volumes are compared, each pair under one cutoff.

    In level-L space w(L) and m(L) ⊙ w(L-1), in level L-1 space w(L-1) and w(L); in spaces of equally many
    dimensions m(L) ⊙ w(L-1) and w(L-1) without the next-larger band, and w(N) and each solution beside it.
    """
    solution, pairs = Point.at(Place.imp(last)), list[tuple[Point, Point]]()
    for level in range(1, last + 1):
        pairs += [
            (Point.projection(level), Point.at(Place.imp(level))),
            (Point.reverse(level), Point.at(Place.imp(level - 1))),
            (Point.next_larger(level), Point.projection(level)),
        ]
    others = [place for place in places(last, (), methods) if place.kind != "imp"]
    return [*pairs, *((Point.at(place), solution) for place in others)]


def volume_jobs(last: int, setting: AnalysisSetting) -> list[VolumeJob]:
    """Return the local volume at every point that is compared, once under each of its cutoffs."""
    beside: dict[Point, list[Point]] = {Point.at(Place.imp(level)): [] for level in range(last + 1)}
    for first, second in volume_pairs(last, setting.all_methods):
        beside.setdefault(first, []).append(second)
        beside.setdefault(second, []).append(first)
    kept = setting.vectors == "on"
    return [VolumeJob(point, tuple(others), kept) for point, others in beside.items()]


def mass_jobs(last: int, setting: AnalysisSetting) -> list[MassJob]:
    """Return the mass at every point whose volume is compared."""
    return [MassJob(job.point) for job in volume_jobs(last, setting)]


def aligned_line(kind: Kind, last: int) -> AlignedJob:
    """Return the line from m(L) ⊙ w(L-1) to a baseline, which for random_init is that of the paper's Fig. 9."""
    return AlignedJob(Point.projection(last), Point.at(Place(kind, last)))


def aligned_jobs(last: int) -> list[AlignedJob]:
    """Return the lines on which it is asked whether a barrier survives alignment.

    From the pruned point and from w(L) at the last level to the baselines that lie elsewhere, of which
    random_init has units of its own from the start; and from each level to the next.
    """
    if last == 0:
        return []
    outside: tuple[Kind, ...] = ("random_init", "random_prune_one_shot")
    solution = Point.at(Place.imp(last))
    return [
        *(aligned_line(kind, last) for kind in outside),
        *(AlignedJob(solution, Point.at(Place(kind, last))) for kind in outside),
        *(AlignedJob(line.start, line.end) for line in map(successive_line, range(1, last + 1))),
    ]


def surface_job(last: int, setting: AnalysisSetting) -> SurfaceJob:
    """Return the surface through the setting's three solutions, every solution up to level `last` drawn.

    Raises:
        ValueError: If the setting names a solution that the study does not have.
    """
    return SurfaceJob(_corners(last, setting), tuple(places(last)))


def path_job(last: int, setting: AnalysisSetting) -> PathJob:
    """Return the ways of all levels' trainings over the plane of the surface.

    Raises:
        ValueError: If the setting names a solution that the study does not have.
    """
    return PathJob(_corners(last, setting), tuple(map(Place.imp, range(last + 1))))


def _corners(last: int, setting: AnalysisSetting) -> tuple[Place, Place, Place]:
    known = (*BASELINES, *(place.kind for place in method_places(last, setting.all_methods)))
    first, second, third = (parse_place(written, last, known) for written in setting.plane)
    if len({first, second, third}) < 3:
        raise InputError(f"plane={','.join(setting.plane)} names one solution twice; name three of 0 … {last}")
    return first, second, third


def study_jobs(last: int, setting: AnalysisSetting) -> list[Job]:
    """Return every measurement of a study.

    Raises:
        ValueError: If the setting names a solution that the study does not have.
    """
    jobs = [job for level in range(last + 1) for job in level_jobs(level)]
    return [
        *jobs,
        *baseline_jobs(last, setting.every_level, setting.all_methods),
        *method_jobs(last, setting),
        surface_job(last, setting),
        DistanceJob(tuple(places(last))),
        *(matched_jobs(last) if setting.matched_loss == "on" else []),
        *(subspace_jobs(last) if setting.vectors == "on" else []),
        *part_jobs(last, setting.halvings),
        *beyond_jobs(last, setting),
    ]


BEYOND: Mapping[Measure, Callable[[int, AnalysisSetting], Sequence[Job]]] = {
    "density": lambda last, _setting: density_jobs(last),
    "function": lambda last, setting: [FunctionJob(tuple(places_of(last, setting)))],
    "sharpness": lambda last, setting: sharpness_jobs(last, setting),
    "path": lambda last, setting: [path_job(last, setting)],
    "forecast": lambda last, _setting: [ForecastJob(Point.at(Place.imp(level))) for level in range(last + 1)],
    "volume": lambda last, setting: [*volume_jobs(last, setting), *mass_jobs(last, setting)],
    "aligned": lambda last, _setting: aligned_jobs(last),
    "layers": lambda last, _setting: layers_jobs(last),
}  # what is measured of a study whose last level is this where `beyond` names it


def beyond_jobs(last: int, setting: AnalysisSetting) -> list[Job]:
    """Return what a study measures beyond the paper because its setting names it.

    Raises:
        ValueError: If the setting names what is not known.
    """
    if unknown := sorted(set(setting.beyond) - BEYOND.keys()):
        raise InputError(
            f"beyond={','.join(unknown)} is unknown; choose from {', '.join(BEYOND)}, or none"
            f"{value_hint(unknown[0], tuple(BEYOND))}"
        )
    return [job for measure, jobs in BEYOND.items() if measure in setting.beyond for job in jobs(last, setting)]


def chosen(jobs: Iterable[Job], measures: Iterable[Measure]) -> list[Job]:
    """Return the jobs that are of one of the measures."""
    wanted = set(measures)
    return [job for job in jobs if job.measure in wanted]


def parse_measures(written: str) -> tuple[Measure, ...]:
    """Read `spectra,radii`; `all` is every measure that a study takes.

    Raises:
        ValueError: If a name is unknown.
    """
    if written.strip() == "all":
        return MEASURES
    named = {part.strip() for part in written.split(",")}
    known: tuple[Measure, ...] = get_args(Measure)
    if unknown := sorted(named - set(known)):
        raise InputError(
            f"measures={written!r}: {', '.join(map(repr, unknown))} unknown; known are {', '.join(known)}"
            f"{value_hint(unknown[0], known, 'measures')}"
        )
    return tuple(measure for measure in known if measure in named)
