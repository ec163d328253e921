"""What was measured, as a table for a terminal: every number with its unit and within how much it is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from lth.evidence.table import aligned, plus_minus, rounded
from lth.measure.curvature.density import SpectralDensity
from lth.measure.curvature.spectrum import Spectrum
from lth.measure.curvature.trace import Trace
from lth.measure.interpolation import Interpolation
from lth.measure.kind import density as density_room
from lth.measure.kind import subspaces as subspace_room
from lth.measure.kind.aligned import MATCHINGS, TREATMENTS, Aligned
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
from lth.measure.mass import NoisyLoss
from lth.measure.pruning_forecast import PruningForecast
from lth.measure.radius import BasinRadii
from lth.measure.sharpness import Sharpness, mean_and_error
from lth.measure.surface import Marker
from lth.measure.volume import LocalVolume
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
from lth.plan.place import Point
from lth.report.exhibit.lines import STORED, treatments
from lth.report.exhibit.radii import DIRECTIONS, UNITS
from lth.setting.terms import terms

Row = tuple[str, str, str, str]  # what, where, value and unit


def said(found: Iterable[tuple[Job, Any]]) -> str:
    """Return the numbers of measurements, a row each, in their order; empty if there is none.

    Args:
        found: Jobs and what their rooms read of what was stored of them (`lth.measure.kind`).
    """
    rows = [row for job, result in found for row in _SAID[type(job)](job, result)]
    if not rows:
        return ""
    return "\n".join("  ".join(cells).rstrip() for cells in aligned([("", "", "", ""), *rows], right=[2])[1:])


def _curvature(job: CurvatureJob, found: Curvature) -> list[Row]:
    return _of_spectrum(found.spectrum, found.trace, _at(job.point))


def _of_spectrum(spectrum: Spectrum, trace: Trace, where: str) -> list[Row]:
    count = len(spectrum.eigenvalues)
    if spectrum.num_positive < count:
        product = f"none: only {spectrum.num_positive} of {count} eigenvalues are surely positive"
    else:
        product = plus_minus(spectrum.log_eig_product, spectrum.log_eig_width)
    doubt = "" if spectrum.converged else " (NOT CONVERGED)"
    largest, unit = float(spectrum.eigenvalues[0]), terms().curvature_unit
    return [
        ("log_eig_product", where, product, f"Σ ln λ of {count}{doubt}"),
        ("largest eigenvalue", where, rounded(largest), unit),
        (
            "Hessian trace",
            where,
            plus_minus(trace.estimate, trace.standard_error),
            terms().curvature_unit,
        ),
    ]


def _radii(job: RadiiJob, found: Mapping[Point, BasinRadii]) -> list[Row]:
    unit = UNITS[job.direction_norm].removeprefix("radius (").removesuffix(")")
    return [
        (
            f"mean radius, {DIRECTIONS[job.direction_norm]}",
            _at(point),
            _mean(radii),
            f"{unit}, up to {terms().of_loss(rounded(radii.cutoff))}" + _censored(radii),
        )
        for point, radii in found.items()
    ]


def _mean(radii: BasinRadii) -> str:
    bound = "≥ " if radii.num_censored else ""
    error = radii.standard_error
    return bound + (rounded(radii.mean) if error is None else plus_minus(radii.mean, error))


def _censored(radii: BasinRadii) -> str:
    return f"; {radii.num_censored} of {len(radii.radii)} never cross" if radii.num_censored else ""


def _line(job: LineJob, found: Line) -> list[Row]:
    where = f"{job.start.symbol} → {job.end.symbol}"
    rows = []
    for name, path in treatments(found).items():
        how = "" if name == STORED else f", BatchNorm {name}"
        for what, value, unit in _barriers(path):
            rows.append((f"barrier, {what}{how}", where, value, unit))
    return rows


def _barriers(path: Interpolation) -> list[tuple[str, str, str]]:
    if not path.is_finite:
        gone = f"none: {path.num_not_finite} points are not finite"
        return [("training loss", gone, "")]
    return [
        ("training loss", rounded(path.barrier_loss), terms().loss_unit),
        (terms().error_name, rounded(terms().scale * path.barrier_error), terms().error_unit),
    ]


def _surface(job: SurfaceJob, found: LevelSurface) -> list[Row]:
    worst = ("loss of the worst IMP solution", job.name, rounded(found.cutoff), terms().loss_unit)
    return [worst, *_of_markers(found.surface.markers)]


def _markers(_job: MarkersJob, found: Sequence[Marker]) -> list[Row]:
    return _of_markers(found)


def _of_markers(markers: Sequence[Marker]) -> list[Row]:
    return [
        (
            f"loss at {marker.place.name}",
            f"{marker.distance:.3f} (L2) off the plane",
            rounded(marker.loss),
            terms().loss_unit,
        )
        for marker in markers
    ]


def _distances(_job: DistanceJob, found: StudyDistances) -> list[Row]:
    """Return how far the last level is from each other solution."""
    places = found.places
    last = max(index for index, place in enumerate(places) if place.kind == "imp")
    return [
        (
            f"distance of {places[last].name}",
            f"to {place.name}",
            rounded(float(found.euclidean[last, index])),
            f"L2; cosine {float(found.cosine[last, index]):.3f}",
        )
        for index, place in enumerate(places)
        if index != last
    ]


def _density(job: DensityJob, found: SpectralDensity) -> list[Row]:
    numbers, where = density_room.numbers(found, job), _at(job.point)
    named = (
        ("eigenvalues standing out", "eigenvalues_standing_out", "above a hundredth of the largest"),
        ("Hessian trace", "hessian_trace_of_density", f"{terms().curvature_unit}, of the density"),
    )
    return [
        (what, where, plus_minus(numbers[f"landscape/{name}"], numbers[f"solver/{name}_standard_error"]), unit)
        for what, name, unit in named
    ]


def _matched(_job: MatchedJob, found: AtOneLoss) -> list[Row]:
    """Return what the lower of two points has where its training had the other's loss."""
    if not found.reached.is_there:
        gone = f"none: its kept training never had {terms().of_loss(rounded(found.reached.wanted))}"
        return [("at one loss", _at(found.moved), gone, "")]
    back = f" at {terms().of_loss(rounded(found.reached.wanted))}, epoch {found.reached.epoch:.1f}"
    rows = _curvature(CurvatureJob(found.moved), found.curvature)
    for norm, radii in found.radii.items():
        rows += _radii(RadiiJob((found.moved,), norm), {found.moved: radii})
    return [(what + back, where, value, unit) for what, where, value, unit in rows]


def _subspaces(job: SubspaceJob, found: Subspaces) -> list[Row]:
    """Return what all k leading eigenvectors at a level span, beside what a random span would."""
    said, compared = subspace_room.numbers(found, job), found.compared
    at, k = _at(job.point), len(found.localised.participation)
    rows = [("spread of an eigenvector", at, rounded(said["subspace/participation"]), "of its coordinates")]
    if compared is None:
        return rows
    by_chance = f"of {k}; {rounded(said['subspace/chance_before'])} by chance"
    return [
        *rows,
        ("overlap with the level before", at, rounded(said["subspace/levels"]), by_chance),
        ("overlap of its two spaces", at, rounded(said["subspace/spaces"]), by_chance),
        ("share of w(L) - w(L-1) in them", at, rounded(said["subspace/moved_after"]), by_chance),
        (
            "share of those before that is kept",
            at,
            rounded(said["subspace/kept"]),
            f"{rounded(said['subspace/kept_by_chance'])} by chance",
        ),
    ]


def _parts(job: PartJob, found: OfPart) -> list[Row]:
    over = f" over {found.examples} examples"
    rows = _curvature(CurvatureJob(job.point), found.curvature)
    return [(what + over, where, value, unit) for what, where, value, unit in rows]


def _function(_job: FunctionJob, found: StudyFunctions) -> list[Row]:
    """Return how far what the last level computes is from what each other solution does."""
    functions, places = found.functions, found.places
    last = max((place for place in places if place.kind == "imp"), key=lambda place: place.level)
    on = f"of {functions.examples} test examples"
    rows = []
    for place in places:
        if place == last:
            continue
        disagreement, kl, rms = (
            float(found.between(matrix, last, place))
            for matrix in (functions.disagreement, functions.kl, functions.rms)
        )
        between = f"{last.name} and {place.name}"
        if found.is_of_classes:
            rows.append(("disagreement", between, rounded(100 * disagreement), f"% {on}"))
        if found.has_kl:
            rows.append(("KL of predictions", between, rounded(kl), f"nats, {on}"))
        else:
            rows.append(("distance of outputs", between, rounded(rms), f"root mean square, {on}"))
    return rows


def _sharpness(job: SharpnessJob, found: Sharpness) -> list[Row]:
    rows = []
    for what, values, over in (
        ("average, normal", found.gaussian, "draws"),
        ("average, uniform", found.uniform, "draws"),
        ("worst in ‖δ/|w|‖₂ ≤ ρ", found.worst_2, "batches"),
        ("worst in |δ/w| ≤ ρ", found.worst_inf, "batches"),
    ):
        for rho, several in zip(found.rho, values, strict=True):
            mean, error = mean_and_error(several)
            written = rounded(mean) if error is None else plus_minus(mean, error)
            unit = f"{terms().loss_unit}, of {len(several)} {over}, at ρ = {rho:g}"
            rows.append((f"sharpness, {what}", _at(job.point), written, unit.removeprefix(", ")))
    return rows


def _paths(_job: PathJob, found: StudyPaths) -> list[Row]:
    paths, of = found.paths, "% of the variance of all points"
    rows = [
        ("ways of trainings", "in the plane of the surface", f"{100 * paths.in_plane:.1f}", of),
        ("ways of trainings", "in two principal axes", f"{100 * paths.explained[:2].sum():.1f}", of),
    ]
    for place, held in zip(found.places, paths.moved_in_plane, strict=True):
        rows.append(("from start to end", place.name, f"{100 * held:.1f}", "% of the squared L2 in the plane"))
    return rows


def _forecast(job: ForecastJob, found: PruningForecast) -> list[Row]:
    """Return loss and forecasts where about a quarter, half and three quarters of the weights go."""
    rows = []
    for wanted in (0.25, 0.5, 0.75) if len(found.pruned) else ():
        index = int(np.abs(found.pruned - wanted).argmin())
        forecasts = [rounded(float(found.forecast(form)[index])) for form in (found.quadratic, found.spectral)]
        unit = f"{terms().loss_unit}; forecast {forecasts[0]} by δᵀHδ, {forecasts[1]} by the spectrum"
        what = f"loss without {100 * found.pruned[index]:.3g} % of its weights"
        rows.append((what, _at(job.point), rounded(float(found.loss[index])), unit))
    return rows


def _volume(job: VolumeJob, found: Mapping[Point, LocalVolume]) -> list[Row]:
    """Return the volume under each cutoff, and how far it is known: a mean that is not tells a bound."""
    return [
        (
            "log volume" + ("" if beside == job.point else f" beside {beside.symbol}"),
            _at(job.point),
            _within(volume),
            f"nats in {volume.dimension} dimensions, up to {terms().of_loss(rounded(volume.cutoff))}"
            + (f"; {volume.num_censored} of {len(volume.censored)} never cross" if volume.num_censored else ""),
        )
        for beside, volume in found.items()
    ]


def _within(volume: LocalVolume) -> str:
    low, high = volume.interval
    if not volume.is_estimated:
        return f"≥ {rounded(low)}"
    return plus_minus(volume.estimate, (high - low) / 2)


def _mass(job: MassJob, found: NoisyLoss) -> list[Row]:
    """Return the mass of the basin under the lowest cutoff that was gone down to."""
    mass = found.under(found.lowest)
    low, high = mass.interval
    value = plus_minus(mass.estimate, (high - low) / 2) if mass.is_estimated else f"≤ {rounded(high)}"
    unit = f"nats in {found.dimension} dimensions, up to {terms().of_loss(rounded(found.lowest))}"
    return [("log mass", _at(job.point), value, f"{unit}, σ = {rounded(found.sigma)}")]


def _aligned(job: AlignedJob, found: Aligned) -> list[Row]:
    where = f"{job.start.symbol} → {job.end.symbol}"
    units = found.units
    said = (
        f"in {units.groups} groups; {units.fixed_axes} of {units.axes} axes are fixed"
        if not units.why
        else units.why
    )
    rows = [("units that may be permuted", where, str(units.units), said)]
    for (matching, treatment), path in found.lines.items():
        what, value, unit = _barriers(path)[0]
        rows.append((f"barrier, {what}, {MATCHINGS[matching]}, {TREATMENTS[treatment]}", where, value, unit))
    return rows


def _layers(job: LayersJob, found: LayerSpectra) -> list[Row]:
    """Return the largest eigenvalue of every layer, and behind it what else is known of its block."""
    rows = []
    for name, layer in found.layers.items():
        (_, _, product, of), *_, (_, _, trace, _) = _of_spectrum(layer.spectrum, layer.trace, "")
        unit = (
            f"{terms().curvature_unit}, largest of its {layer.dimension} coordinates; log_eig_product "
            f"{product}, {of}; trace {trace}; over {found.examples} examples"
        )
        rows.append((f"layer {name}", _at(job.point), rounded(float(layer.spectrum.eigenvalues[0])), unit))
    gone = [(f"layer {name}", _at(job.point), "none", "of its coordinates is left") for name in found.gone]
    return [*rows, *gone]


def _at(point: Point) -> str:
    return f"at {point.symbol}"


_SAID: Mapping[type[Job], Callable[[Any, Any], list[Row]]] = {
    CurvatureJob: _curvature,
    DensityJob: _density,
    RadiiJob: _radii,
    LineJob: _line,
    SurfaceJob: _surface,
    MarkersJob: _markers,
    DistanceJob: _distances,
    MatchedJob: _matched,
    SubspaceJob: _subspaces,
    PartJob: _parts,
    FunctionJob: _function,
    SharpnessJob: _sharpness,
    PathJob: _paths,
    ForecastJob: _forecast,
    VolumeJob: _volume,
    MassJob: _mass,
    AlignedJob: _aligned,
    LayersJob: _layers,
}
