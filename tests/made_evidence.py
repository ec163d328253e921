"""Evidence of a study that never ran: smooth made-up numbers, in which every claim of the paper holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, get_args

import numpy as np

from lth.evidence.evidence import Attained, Evidence
from lth.measure.curvature.spectrum import Spectrum
from lth.measure.curvature.trace import Trace
from lth.measure.distance import Travel
from lth.measure.function_space import Functions
from lth.measure.interpolation import Interpolation
from lth.measure.kept_path import Reached
from lth.measure.kind.aligned import MATCHINGS, TREATMENTS, Aligned, Match, Units
from lth.measure.kind.curvature import Curvature, Size
from lth.measure.kind.distances import StudyDistances
from lth.measure.kind.function import ALL_LAYERS, Masks, StudyFunctions
from lth.measure.kind.layers import LayerSpectra
from lth.measure.kind.line import Line
from lth.measure.kind.matched import AtOneLoss, Lower
from lth.measure.kind.parts import OfPart
from lth.measure.kind.path import StudyPaths
from lth.measure.kind.subspaces import Compared, Localised, Subspaces
from lth.measure.kind.surface import LevelSurface
from lth.measure.layer_spectra import LayerCurvature
from lth.measure.mass import NoisyLoss
from lth.measure.pruning_forecast import PruningForecast
from lth.measure.radius import BasinRadii
from lth.measure.sharpness import Sharpness
from lth.measure.surface import Marker, Surface
from lth.measure.trajectory import Trajectories
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
    places,
    places_of,
    study_jobs,
    surface_job,
)
from lth.plan.place import Place, Point
from lth.setting.preset import PRESETS
from lth.setting.setting import DirectionNorm, Setting, with_overrides
from lth.training.evaluate import Evaluation
from lth.training.train import EpochRecord

OUTSIDERS = ("random_init", "random_prune_one_shot")
K = 6


def made_evidence(seed: int = 0, last: int = 3, **overrides: object) -> Evidence:
    """Return evidence with noise of its own for each seed, small against every effect."""
    setting = with_overrides(
        PRESETS["digits"], {"seed": seed, "levels": last, "k": K, "directions": 20, **overrides}
    )
    stream = np.random.default_rng(seed)
    jobs = study_jobs(last, setting.analysis)
    everywhere = places(last)
    attained = {place: _attained(place, stream) for place in places_of(last, setting.analysis)}
    results: tuple[tuple[type[Job], Callable[[Any], Any]], ...] = (  # one after the other along the stream
        (CurvatureJob, lambda job: _curvature(job.point, setting, stream)),
        (RadiiJob, lambda job: {point: _radii(job, point, setting, stream) for point in job.points}),
        (LineJob, lambda job: _line(job, setting, stream)),
        (SurfaceJob, lambda _: _surface(everywhere, last)),
        (MarkersJob, lambda job: tuple(Marker(place, 0.5, 1.5, 0.4, 0.3) for place in job.shown)),
        (DistanceJob, lambda job: _distances(list(job.places), last, stream)),
        (MatchedJob, lambda job: _matched(job, setting, stream)),
        (SubspaceJob, lambda job: _subspaces(job, setting, stream)),
        (PartJob, lambda job: _part(job, setting, stream)),
        (FunctionJob, lambda job: _functions(job, stream)),
        (SharpnessJob, lambda job: _sharpness(job, setting, stream)),
        (PathJob, _paths),
        (ForecastJob, lambda job: _forecast(job, setting, stream)),
        (AlignedJob, lambda job: _aligned(setting, stream)),
        (VolumeJob, lambda job: {beside: _volume(job, setting, stream) for beside in job.beside}),
        (LayersJob, lambda job: _layers(job, setting, stream)),
        (MassJob, lambda job: _mass(job, setting, stream)),
    )
    return Evidence(
        setting=setting,
        last=last,
        attained=attained,
        measured={job: make(job) for kind, make in results for job in jobs if isinstance(job, kind)},
        runs={job.name: f"{index:032x}" for index, job in enumerate(jobs)}
        | {place.name: f"{index:031x}a" for index, place in enumerate(attained)},
    )


def with_results(
    evidence: Evidence,
    *,
    curvature: Mapping[Point, Curvature] | None = None,
    radii: Mapping[RadiiJob, Mapping[Point, BasinRadii]] | None = None,
    lines: Mapping[LineJob, Line] | None = None,
    matched: Mapping[MatchedJob, AtOneLoss] | None = None,
    volumes: Mapping[VolumeJob, Mapping[Point, LocalVolume]] | None = None,
    masses: Mapping[Point, NoisyLoss] | None = None,
    surface: LevelSurface | None = None,
    distances: StudyDistances | None = None,
) -> Evidence:
    """Return the evidence with everything that was measured of these kinds replaced."""
    given: dict[type[Job], Mapping[Any, Any]] = {}
    if curvature is not None:
        given[CurvatureJob] = {CurvatureJob(point): found for point, found in curvature.items()}
    if radii is not None:
        given[RadiiJob] = radii
    if lines is not None:
        given[LineJob] = lines
    if matched is not None:
        given[MatchedJob] = matched
    if volumes is not None:
        given[VolumeJob] = volumes
    if masses is not None:
        given[MassJob] = {MassJob(point): found for point, found in masses.items()}
    if surface is not None:
        given[SurfaceJob] = {surface_job(evidence.last, evidence.setting.analysis): surface}
    if distances is not None:
        given[DistanceJob] = {DistanceJob(tuple(places(evidence.last))): distances}
    measured = {job: found for job, found in evidence.measured.items() if type(job) not in given}
    for found in given.values():
        measured |= found
    return replace(evidence, measured=measured)


def _attained(place: Place, stream: np.random.Generator) -> Attained:
    good = place.kind == "imp"
    rate = 0.4 - 0.02 * place.level - (0 if good else 0.05)
    start = 0 if place.level == 0 else 2
    epochs = range(start, 12)
    accuracy = 0.97 if good else 0.95
    return Attained(
        density=0.8**place.level,
        history=tuple(
            EpochRecord(
                epoch,
                Evaluation(2.3 * float(np.exp(-rate * epoch) + stream.random() * 1e-4), accuracy),
                Evaluation(0.2, accuracy - 0.001 * float(stream.random())),
            )
            for epoch in epochs
        ),
    )


def _curvature(point: Point, setting: Setting, stream: np.random.Generator) -> Curvature:
    height = {"solution": 1.0, "projection": 1.5, "reverse": 1.2, "next_larger": 2.0}[point.form]
    if point.place.kind != "imp":
        height = 1.8
    values = height * np.geomspace(20, 0.5, setting.analysis.k) * (1 + 1e-3 * stream.random())
    return Curvature(
        Spectrum(values, values * (1 + 1e-6), 1e-5 * values, 0.0, 40, converged=True),
        Trace(0.0, 60 * height + stream.standard_normal(setting.analysis.trace_probes)),
        Size(weight_norm=12.0, dimension=2000 - 100 * point.place.level),
    )


def _matched(job: MatchedJob, setting: Setting, stream: np.random.Generator) -> AtOneLoss:
    """The flatter one ended lower; where it had the other's loss it is a little less flat."""
    norms: tuple[DirectionNorm, ...] = get_args(DirectionNorm) if job.share_a_space else ()
    found = _curvature(job.flatter, setting, stream)
    whole = found.spectrum
    spectrum = replace(whole, eigenvalues=1.05 * whole.eigenvalues, upper=1.05 * whole.upper)
    return AtOneLoss(
        moved=job.flatter,
        ends=Lower(job.flatter.name, 0.008, 0.012 + 1e-4 * float(stream.random())),
        reached=Reached(9.5, 0.012, 0.012, 8.0, 11.0, 14),
        curvature=replace(found, spectrum=spectrum),
        radii={norm: _radii(RadiiJob((job.flatter,), norm), job.flatter, setting, stream) for norm in norms},
    )


def _subspaces(job: SubspaceJob, setting: Setting, stream: np.random.Generator) -> Subspaces:
    """Ever more of the first j eigenvectors are shared, and a level keeps nine tenths of its coordinates."""
    k, level = setting.analysis.k, job.level
    dimension = round(2000 * 0.9**level)
    rising = np.linspace(0.1, 0.5, k) + 0.01 * stream.random(k)
    parameters = ("conv.weight", "fc.weight")
    shares = np.stack([np.linspace(0.6, 0.7, k), np.linspace(0.4, 0.3, k)])
    sizes = np.array([dimension // 2, dimension - dimension // 2])
    localised = Localised(np.full(k, 0.1 * dimension), shares, parameters, sizes, dimension)
    if level == 0:
        return Subspaces(localised, None)
    shared = [rising * share for share in (1.0, 1.8, 0.9, 1.2)]
    moved = [0.02 * rising, 0.1 * rising, 0.05 * rising]
    before = round(2000 * 0.9 ** (level - 1))
    return Subspaces(localised, Compared(*shared, np.full(k, 0.97), *moved, dimension, before))


def _part(job: PartJob, setting: Setting, stream: np.random.Generator) -> OfPart:
    """Eigenvalues grow by 2 % with every part that the examples are divided into."""
    found = _curvature(job.point, setting, stream)
    larger, spectrum = 1 + 0.02 * (job.parts - 1), found.spectrum
    values = replace(spectrum, eigenvalues=larger * spectrum.eigenvalues, upper=larger * spectrum.upper)
    return OfPart(144 // job.parts, replace(found, spectrum=values))


def _functions(job: FunctionJob, stream: np.random.Generator) -> StudyFunctions:
    """Outsiders compute something else, and deeper layers are less alike."""
    count = len(job.places)
    far = np.array([4.0 if place.kind in OUTSIDERS else 1.0 for place in job.places])
    apart = np.maximum(far[:, None], far[None, :]) * (1 - np.eye(count)) * (1 + 0.01 * stream.random())
    layers, parts = ("conv", "fc"), ("conv.weight", "fc.weight", ALL_LAYERS)
    alike = np.stack([1 - depth * apart for depth in (0.02, 0.1)])
    shares = np.stack([1 - depth * apart for depth in (0.05, 0.1, 0.08)])
    functions = Functions(0.01 * apart, 0.05 * apart + 0.001 * np.tri(count, k=-1), apart, layers, alike, 360)
    masks = Masks(
        tuple(place.name for place in job.places), parts, shares, 0.4 * shares, shares, 0.5 + 0 * shares
    )
    return StudyFunctions(job.places, functions, masks)


def _sharpness(job: SharpnessJob, setting: Setting, stream: np.random.Generator) -> Sharpness:
    """It is larger at what pruning leaves, and at baselines."""
    height = 1.0 if job.point.form == "solution" and job.point.place.kind == "imp" else 2.0
    rho = np.array(setting.analysis.rho)
    draws, batches = setting.analysis.directions, 2
    of = [
        factor * height * rho[:, None] ** 2 * (1 + 0.01 * stream.random((len(rho), count)))
        for factor, count in ((5.0, draws), (1.7, draws), (20.0, batches), (900.0, batches))
    ]
    return Sharpness(rho, of[0], of[1], of[2], of[3], loss=0.01, dimension=2000)


def _paths(job: PathJob) -> StudyPaths:
    """Trainings of four kept points, straight in x and bent in y."""
    count = len(job.places)
    training, step = np.repeat(np.arange(count), 4), np.tile(np.arange(4.0), count)
    x, y = step + 0.5 * training, 0.2 * step**2
    held = np.full(count, 0.3)
    ways = Trajectories(
        training, 3 * step, x, y, 1 + 0 * x, x, y, np.array([0.7, 0.2, 0.1]), 0.4, held, 2 * held
    )
    return StudyPaths(job.places, ways)


def _layers(job: LayersJob, setting: Setting, stream: np.random.Generator) -> LayerSpectra:
    """The last layer is the sharpest, and flat in all but two directions, so that it has no log-product."""
    found = _curvature(job.point, setting, stream)
    values = np.geomspace(4, 0.5, setting.analysis.layer_k)
    few = np.where(np.arange(len(values)) < 2, 3 * values, 0.0)
    whole, small = found.spectrum, {"conv1": values, "conv2": values / 2, "fc": few}
    height = 1.3 if job.point.form == "projection" else 1.0
    layers = {
        name: LayerCurvature(
            replace(
                whole,
                eigenvalues=height * each,
                upper=height * each + 1e-4,
                residuals=1e-5 * each,
                noise=1e-6,
                failure_probability=1e-6,
            ),
            found.trace,
            400,
        )
        for name, each in small.items()
    }
    return LayerSpectra(layers, (), 144)


def _forecast(job: ForecastJob, setting: Setting, stream: np.random.Generator) -> PruningForecast:
    """The loss is above its forecast, which a spectrum puts lower still."""
    shares = np.linspace(0.1, 0.9, 9)
    rise = (1 + job.level) * shares**2 * (1 + 1e-3 * stream.random())
    k = setting.analysis.k
    return PruningForecast(shares, 0.01 + rise, 0.01 * rise, 0.5 * rise, 0.25 * rise, 0.1 + 0 * rise, 0.01, k)


def _volume(job: VolumeJob, setting: Setting, stream: np.random.Generator) -> LocalVolume:
    """Directions differ by half a nat, so that every mean is an estimate; ordered as the paper has them."""
    a_weight = {"solution": -2.0, "projection": -2.1, "reverse": -2.2, "next_larger": -2.4}[job.point.form]
    if job.point.place.kind != "imp":
        a_weight = -2.3
    dimension, count = 2000 - 100 * job.point.place.level, setting.analysis.volume_directions
    spread = np.linspace(-0.5, 0.5, count) + 0.01 * stream.random(count)
    return LocalVolume(
        log_volumes=dimension * (a_weight + 0.001 * float(stream.random())) + spread,
        censored=np.zeros(count, dtype=bool),
        cutoff=0.12,
        loss=0.02,
        dimension=dimension,
        preconditioned=setting.analysis.k,
        num_evaluations=16 * count,
    )


def _mass(job: MassJob, setting: Setting, stream: np.random.Generator) -> NoisyLoss:
    """Of a loss under noise that is exponential, as many nats wide as the paper orders basins."""
    nats = {"solution": 2.0, "projection": 3.0, "reverse": 4.0, "next_larger": 6.0}[job.point.form]
    if job.point.place.kind != "imp":
        nats = 5.0
    each = setting.analysis.mass_draws // 4
    count = round(nats * each * (1 + 0.01 * float(stream.random())))
    cutoff = 0.02 + setting.analysis.cutoff_margin
    return NoisyLoss(
        levels=np.tile(np.linspace(3.0, 1.01 * cutoff, count), 4),
        run=np.repeat(np.arange(4), count),
        ends=np.full(4, 0.99 * cutoff),
        particles=each,
        sigma=0.07,
        lowest=cutoff,
        loss=0.02,
        dimension=2000 - 100 * job.point.place.level,
        accepted=0.4,
        num_evaluations=4 * each + 32 * count,
    )


def _radii(job: RadiiJob, point: Point, setting: Setting, stream: np.random.Generator) -> BasinRadii:
    mean = {"solution": 0.23, "projection": 0.18, "reverse": 0.15, "next_larger": 0.1}[point.form]
    count = setting.analysis.directions
    return BasinRadii(
        radii=mean + 0.002 * stream.random(count),
        lengths=np.full(count, 1.0 if job.direction_norm == "plain" else 12.0),
        censored=np.zeros(count, dtype=bool),
        cutoff=0.12,
        loss=0.02,
        dimension=2000,
        num_evaluations=9 * count,
    )


def _line(job: LineJob, setting: Setting, stream: np.random.Generator) -> Line:
    height = 1.5 if job.end.place.kind in OUTSIDERS else 0.3 if job.end.place.kind != "imp" else 0.04
    if job.start.form == "projection" and job.end.place.kind == "imp":
        height = 0.0
    return Line(*(_path(h + 0.001 * float(stream.random()), setting) for h in (height, height / 2)))


def _aligned(setting: Setting, stream: np.random.Generator) -> Aligned:
    """A barrier that is smaller where units are matched and statistics estimated anew, and does not vanish."""
    heights = {"identity": 3.0, "weights": 1.2, "activations": 0.6}
    lines = {
        (matching, treatment): _path(
            heights[matching] / (1 + (treatment != "stored")) + 0.01 * float(stream.random()), setting
        )
        for matching in MATCHINGS
        for treatment in TREATMENTS
    }
    matches = {matching: Match(0.9, 0.2, 0.8, 0.4, 3, converged=True) for matching in MATCHINGS}
    return Aligned(Units(3, 40, 12, 2, ("0.weight.1: an input",), ""), matches, lines)


def _path(height: float, setting: Setting) -> Interpolation:
    alphas = np.linspace(0, 1, setting.analysis.points)
    hump = height * 4 * alphas * (1 - alphas)
    return Interpolation(alphas, 0.01 + hump, 0.001 + 0 * hump, 0.1 + hump, 0.03 + 0.01 * hump)


def _surface(everywhere: list[Place], last: int) -> LevelSurface:
    x, y = np.linspace(-2, 6, 7), np.linspace(-2, 5, 7)
    markers = tuple(
        Marker(place, 0.8 * index, 3.0 if place.kind in OUTSIDERS else 0.3 * index, 0.5, 0.01 + 0.001 * index)
        for index, place in enumerate(everywhere)
    )
    loss = 0.01 + 0.1 * (x[None, :] ** 2 + y[:, None] ** 2)
    corners = (Place.imp(0), Place.imp(last), Place("random_init", last))
    return LevelSurface(Surface(x, y, loss, markers), corners, cutoff=0.02)


def _distances(everywhere: list[Place], last: int, stream: np.random.Generator) -> StudyDistances:
    count = len(everywhere)
    far = (1 + 1e-3 * stream.random()) * np.array(
        [20.0 if place.kind in OUTSIDERS else 1.0 for place in everywhere]
    )
    position = np.arange(count, dtype=np.float64)
    euclidean = np.abs(position[:, None] - position[None, :]) * 0.5 + np.maximum(far[:, None], far[None, :])
    np.fill_diagonal(euclidean, 0)
    cosine = np.exp(-euclidean / 30)
    travel = Travel(
        level=np.arange(1, last + 1),
        to_previous=5.0 + stream.random(last) * 0.01,
        to_solution=4.5 + stream.random(last) * 0.01,
    )
    return StudyDistances(tuple(everywhere), euclidean, cosine, travel)
