"""Everything measured at one level of a study, and its names as metrics.

In level-L space: w(L) and its baseline m(L) ⊙ w(L-1), the "projected" point. In level L-1 space: w(L), the
"reverse" projection, and w(L-1), the "previous" solution. The two points of a space share one cutoff and
one set of directions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from lth.measure.curvature.spectrum import Spectrum
from lth.measure.curvature.trace import Trace
from lth.measure.interpolation import Interpolation, barrier_over_mean
from lth.measure.kind.survey import curvature_from, line_from, radii_from
from lth.measure.packed import Packed
from lth.measure.radius import BasinRadii
from lth.measure.surveyor import Curvature, Line
from lth.plan.jobs import CurvatureJob, Job, LineJob, RadiiJob
from lth.plan.place import Place, Point
from lth.setting.setting import DirectionNorm

# Suffixes of the metrics; the solution itself, in its own space, has none.
SOLUTION, PROJECTED, REVERSE, PREVIOUS = "", "_projected", "_reverse", "_previous"


@dataclass(frozen=True)
class LevelAnalysis:
    """The geometry of level L, by the suffixes of this module; level 0 has no previous level."""

    level: int
    density: float
    spectra: Mapping[str, Spectrum]  # at SOLUTION, and PROJECTED and REVERSE where L > 0
    radii: Mapping[str, BasinRadii]  # the same and PREVIOUS
    line: Interpolation | None  # from w(L-1) to w(L), BatchNorm statistics interpolated
    drawn: Tensor  # (m,), int64: positions in the full training split that curvature and radii are of
    traces: Mapping[str, Trace] = field(default_factory=dict)
    line_anew: Interpolation | None = None  # the same line, BatchNorm statistics estimated anew

    def metrics(self) -> dict[str, float]:
        """Return the numbers to log, by metric name, without those that `warnings` says there are none of."""
        numbers: dict[str, float] = {}
        for suffix, spectrum in self.spectra.items():
            if spectrum.num_positive == len(spectrum.eigenvalues):
                numbers[f"landscape/log_eig_product{suffix}"] = spectrum.log_eig_product
        for suffix, radii in self.radii.items():
            numbers[f"landscape/radius_mean{suffix}"] = radii.mean
        for suffix, trace in self.traces.items():
            numbers[f"landscape/hessian_trace{suffix}"] = trace.estimate
        for name, line in (("", self.line), ("_anew", self.line_anew)):
            if line is not None and line.is_finite:
                numbers[f"landscape/barrier_loss{name}"] = line.barrier_loss
                numbers[f"landscape/barrier_error{name}"] = line.barrier_error
                numbers[f"landscape/barrier_loss_over_mean{name}"] = barrier_over_mean(line.train_loss)
                numbers[f"landscape/barrier_error_over_mean{name}"] = barrier_over_mean(line.test_error)
        return numbers

    def diagnostics(self) -> dict[str, float]:
        """Return what it took to get the numbers and how far they can be trusted, by metric name."""
        numbers: dict[str, float] = {}
        for suffix, spectrum in self.spectra.items():
            numbers[f"solver/positive_eigenvalues{suffix}"] = spectrum.num_positive
            numbers[f"solver/hessian_products{suffix}"] = spectrum.num_products
            numbers[f"solver/spectrum_converged{suffix}"] = float(spectrum.converged)
            exists = spectrum.num_positive == len(spectrum.eigenvalues)
            if exists and (width := spectrum.log_eig_width) < np.inf:
                numbers[f"solver/log_eig_product_interval{suffix}"] = width
        for suffix, radii in self.radii.items():
            numbers[f"solver/radius_censored{suffix}"] = radii.num_censored
            numbers[f"solver/radius_cutoff{suffix}"] = radii.cutoff
        for suffix, trace in self.traces.items():
            numbers[f"solver/hessian_trace_standard_error{suffix}"] = trace.standard_error
        return numbers

    def warnings(self) -> list[str]:
        """Return what a reader of the numbers must know: what is missing, not converged or only a bound."""
        found = []
        for suffix, spectrum in self.spectra.items():
            if spectrum.num_positive < len(spectrum.eigenvalues):
                found.append(
                    f"log_eig_product{suffix} does not exist: only {spectrum.num_positive} of the "
                    f"{len(spectrum.eigenvalues)} leading eigenvalues are positive; lower k"
                )
            if not spectrum.converged:
                found.append(f"log_eig_product{suffix} did not converge in {spectrum.num_products} products")
        for suffix, radii in self.radii.items():
            if radii.num_censored:
                found.append(
                    f"radius_mean{suffix} is a lower bound: {radii.num_censored} of {len(radii.radii)} "
                    "directions never left the basin"
                )
        if self.line is not None and not self.line.is_finite:
            found.append("the line to the level before has losses that are not finite, so it has no barrier")
        return found

    def arrays(self) -> dict[str, np.ndarray]:
        """Return every raw number by name, from which the figures can be drawn again."""
        raw: dict[str, np.ndarray] = {"drawn_examples": self.drawn.numpy()}
        for suffix, spectrum in self.spectra.items():
            raw[f"eigenvalues{suffix}"] = spectrum.eigenvalues
            raw[f"eigenvalue_upper_bounds{suffix}"] = spectrum.upper
            raw[f"eigenvalue_residuals{suffix}"] = spectrum.residuals
        for suffix, radii in self.radii.items():
            raw[f"radii{suffix}"] = radii.radii
            raw[f"radii_direction_lengths{suffix}"] = radii.lengths
            raw[f"radii_censored{suffix}"] = radii.censored
        for suffix, trace in self.traces.items():
            raw[f"trace_inside{suffix}"] = np.array(trace.inside)
            raw[f"trace_samples{suffix}"] = trace.samples
        for prefix, line in (("line", self.line), ("line_anew", self.line_anew)):
            if line is not None:
                raw |= {f"{prefix}_{name}": values for name, values in vars(line).items()}
        return raw


def analysis_from(
    level: int, density: float, measured: Mapping[Job, Packed], direction_norm: DirectionNorm, drawn: Tensor
) -> LevelAnalysis:
    """Put together what was measured at a level; any part may be missing.

    Args:
        level: L.
        density: Of m(L).
        measured: The stored numbers of jobs of this level.
        direction_norm: Which of the radii to show.
        drawn: Positions in the full training split that curvature and radii are of.

    Raises:
        PackedResultError: If stored numbers are not those of their job.
    """
    points = {SOLUTION: Point.at(Place.imp(level))}
    if level > 0:
        points |= {
            PROJECTED: Point.projection(level),
            REVERSE: Point.reverse(level),
            PREVIOUS: Point.at(Place.imp(level - 1)),
        }
    curvature: dict[Point, Curvature] = {}
    radii: dict[Point, BasinRadii] = {}
    line: Line | None = None
    for job, stored in measured.items():
        if isinstance(job, CurvatureJob):
            curvature[job.point] = curvature_from(stored)
        elif isinstance(job, RadiiJob) and job.direction_norm == direction_norm:
            radii |= radii_from(stored, job)
        elif isinstance(job, LineJob):
            line = line_from(stored)
    here = {suffix: curvature[point] for suffix, point in points.items() if point in curvature}
    return LevelAnalysis(
        level=level,
        density=density,
        spectra={suffix: found.spectrum for suffix, found in here.items()},
        radii={suffix: radii[point] for suffix, point in points.items() if point in radii},
        line=None if line is None else line.stored,
        drawn=drawn,
        traces={suffix: found.trace for suffix, found in here.items()},
        line_anew=None if line is None else line.anew,
    )
