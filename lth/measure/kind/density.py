"""The density of all eigenvalues of the Hessian at a point, in the point's space."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lth.measure.curvature.density import SpectralDensity, spectral_density
from lth.measure.kind.site import Site
from lth.measure.packed import Packed
from lth.plan.jobs import DensityJob
from lth.setting.setting import AnalysisSetting

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_STANDING_OUT = 0.01  # of the largest eigenvalue: what exceeds that is counted


def take(job: DensityJob, site: Site, analysis: AnalysisSetting) -> Mapping[str, DataclassInstance]:
    """Measure the density at the job's point, and return it for storing."""
    operator = site.surveyor.hessian(site.at(job.point).to(site.surveyor.device))
    density = spectral_density(
        operator,
        probes=analysis.density_probes,
        steps=min(analysis.density_steps, operator.dimension),
        seed=site.surveyor.seed,
        label=f"spectral density at {job.point.name}",
    )
    return {"density": density}


def read(stored: Packed, _job: DensityJob) -> SpectralDensity:
    """Return what `take` stored."""
    return stored.read(SpectralDensity, "density")


def numbers(found: SpectralDensity, _job: DensityJob) -> dict[str, float]:
    """Return how many eigenvalues stand out, and the trace, each with its standard error, by metric name."""
    threshold = _STANDING_OUT * float(found.nodes.max())
    count, count_error = found.count_above(threshold)
    mean, mean_error = found.mean(lambda eigenvalues: eigenvalues)
    return {
        "landscape/eigenvalues_standing_out": count,
        "solver/eigenvalues_standing_out_standard_error": count_error,
        "landscape/hessian_trace_of_density": found.dimension * mean,
        "solver/hessian_trace_of_density_standard_error": found.dimension * mean_error,
    }
