"""What each kind of measurement looks like as an MLflow run: its numbers, what is read off them, a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from lth.measure.curvature.density import SpectralDensity
from lth.measure.kind.survey import curvature_from, density_from, line_from, radii_from, surface_from
from lth.measure.packed import Packed
from lth.measure.radius import BasinRadii
from lth.measure.surveyor import Curvature, Line
from lth.plan.jobs import CurvatureJob, DensityJob, Job, LineJob, RadiiJob, SurfaceJob
from lth.plan.place import Point
from lth.report.figure.density import draw_density
from lth.report.figure.interactive_surface import surface_html
from lth.report.figure.interpolation import draw_interpolation
from lth.report.figure.surface import draw_surface
from lth.study.record.load import MEASUREMENT
from lth.tracking.run import RunLog

_STANDING_OUT = 0.01  # of the largest eigenvalue: what exceeds that is counted


def log_measurement(run: RunLog, job: Job, content: bytes, positions: Sequence[int], seconds: float) -> None:
    """Log the packed numbers of a measurement, then what is read off them, then a figure where it has one."""
    run.file(MEASUREMENT, content)
    if job.measure in ("spectra", "density", "radii", "surface"):
        run.json(list(positions), "measured_examples.json")
    stored = Packed(content)
    if isinstance(job, CurvatureJob):
        numbers = _curvature_numbers(curvature_from(stored))
    elif isinstance(job, DensityJob):
        density = density_from(stored)
        numbers = _density_numbers(density)
        run.figure(draw_density(density, job.point.name), "spectral_density.png")
    elif isinstance(job, RadiiJob):
        numbers = _radii_numbers(radii_from(stored, job))
    elif isinstance(job, LineJob):
        line = line_from(stored)
        numbers = _line_numbers(line)
        run.figure(draw_interpolation(line.stored, job.start.name, job.end.name), "interpolation.png")
    elif isinstance(job, SurfaceJob):
        surface = surface_from(stored)
        numbers = {"landscape/sublevel_cutoff": surface.cutoff}
        run.figure(draw_surface(surface.surface, surface.corners, cutoff=surface.cutoff), "surface.png")
        run.file("surface.html", surface_html(surface).encode())
    else:
        numbers = {}
    run.metrics({**numbers, "time/measuring_seconds": seconds}, job.level)


def _curvature_numbers(found: Curvature) -> dict[str, float]:
    spectrum = found.spectrum
    numbers = {
        "landscape/hessian_trace": found.trace.estimate,
        "landscape/weight_norm": found.size.weight_norm,
        "solver/hessian_trace_standard_error": found.trace.standard_error,
        "solver/positive_eigenvalues": spectrum.num_positive,
        "solver/hessian_products": spectrum.num_products,
        "solver/spectrum_converged": float(spectrum.converged),
    }
    if spectrum.num_positive == len(spectrum.eigenvalues):
        numbers["landscape/log_eig_product"] = spectrum.log_eig_product
        if (width := spectrum.log_eig_width) < np.inf:
            numbers["solver/log_eig_product_interval"] = width
    return numbers


def _density_numbers(found: SpectralDensity) -> dict[str, float]:
    """Return how many eigenvalues stand out, and the trace, each with its standard error."""
    threshold = _STANDING_OUT * float(found.nodes.max())
    count, count_error = found.count_above(threshold)
    mean, mean_error = found.mean(lambda eigenvalues: eigenvalues)
    return {
        "landscape/eigenvalues_standing_out": count,
        "solver/eigenvalues_standing_out_standard_error": count_error,
        "landscape/hessian_trace_of_density": found.dimension * mean,
        "solver/hessian_trace_of_density_standard_error": found.dimension * mean_error,
    }


def _radii_numbers(found: Mapping[Point, BasinRadii]) -> dict[str, float]:
    numbers = {}
    for point, radii in found.items():
        numbers[f"radius_mean/{point.name}"] = radii.mean
        numbers[f"solver/radius_censored {point.name}"] = radii.num_censored
        numbers["solver/radius_cutoff"] = radii.cutoff
    return numbers


def _line_numbers(line: Line) -> dict[str, float]:
    numbers = {}
    for name, path in (("", line.stored), ("_anew", line.anew)):
        if path is not None and path.is_finite:
            numbers[f"landscape/barrier_loss{name}"] = path.barrier_loss
            numbers[f"landscape/barrier_error{name}"] = path.barrier_error
    return numbers
