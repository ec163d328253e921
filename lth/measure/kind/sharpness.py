"""Adaptive sharpness at a point, in the point's space, over the examples that curvature and radii are of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lth.measure.kind.site import Site
from lth.measure.packed import Packed
from lth.measure.sharpness import Sharpness, mean_and_error, sharpness_at
from lth.plan.jobs import SharpnessJob
from lth.setting.setting import AnalysisSetting

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

SERIES = ("gaussian", "uniform", "worst_2", "worst_inf")  # two averages, two worst cases


def take(job: SharpnessJob, site: Site, analysis: AnalysisSetting) -> Mapping[str, DataclassInstance]:
    """Measure the sharpness at the job's point, and return it for storing."""
    surveyor = site.surveyor
    located = site.at(job.point).to(surveyor.device)
    found = sharpness_at(
        surveyor.network,
        located.weights,
        located.space,
        surveyor.examples,
        rho=analysis.rho,
        draws=analysis.directions,
        objective=surveyor.objective,
        seed=surveyor.seed,
        label=job.name,
    )
    return {"sharpness": found}


def read(stored: Packed, _job: SharpnessJob) -> Sharpness:
    """Return what `take` stored."""
    return stored.read(Sharpness, "sharpness")


def numbers(found: Sharpness, _job: SharpnessJob) -> dict[str, float]:
    """Return means and their standard errors, by metric name, which ends in the size of the change."""
    metrics = {}
    for series in SERIES:
        for rho, values in zip(found.rho, getattr(found, series), strict=True):
            mean, error = mean_and_error(values)
            metrics[f"landscape/sharpness_{series}_{rho:g}"] = mean
            if error is not None:
                metrics[f"solver/sharpness_{series}_{rho:g}_standard_error"] = error
    return metrics
