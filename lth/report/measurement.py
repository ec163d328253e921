"""What is drawn of a single measurement: a figure for each type of job that has one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from matplotlib.figure import Figure

from lth.measure.curvature.density import SpectralDensity
from lth.measure.kind.aligned import Aligned
from lth.measure.kind.line import Line
from lth.measure.kind.surface import LevelSurface
from lth.plan.jobs import AlignedJob, DensityJob, Job, LineJob, SurfaceJob
from lth.report.figure.aligned import draw_aligned
from lth.report.figure.density import draw_density
from lth.report.figure.interactive import has_plotly
from lth.report.figure.interactive_surface import surface_html
from lth.report.figure.interpolation import draw_interpolation
from lth.report.figure.surface import draw_surface

Drawn = Mapping[str, Figure | str]  # a figure or a page, by its file's name


def draw_measurement(job: Job, found: Any) -> Drawn:
    """Return what is drawn of the result of a job (`lth.measure.kind.take.read`), which may be nothing."""
    draw = _DRAWN.get(type(job))
    return {} if draw is None else draw(job, found)


def _density(job: DensityJob, found: SpectralDensity) -> Drawn:
    return {"spectral_density.png": draw_density(found, job.point.name)}


def _line(job: LineJob, found: Line) -> Drawn:
    return {"interpolation.png": draw_interpolation(found.stored, job.start, job.end)}


def _surface(_job: SurfaceJob, found: LevelSurface) -> Drawn:
    drawn = draw_surface(found.surface, found.corners, cutoff=found.cutoff)
    return {"surface.png": drawn, **({"surface.html": surface_html(found)} if has_plotly() else {})}


def _aligned(job: AlignedJob, found: Aligned) -> Drawn:
    return {"aligned_line.png": draw_aligned([found], f"{job.start.symbol} → {job.end.symbol}")}


_DRAWN: Mapping[type[Job], Callable[[Any, Any], Drawn]] = {
    AlignedJob: _aligned,
    DensityJob: _density,
    LineJob: _line,
    SurfaceJob: _surface,
}
