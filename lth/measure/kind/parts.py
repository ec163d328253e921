"""Curvature at a point over a part of the examples: how much a log-product depends on their number.

The largest eigenvalue of a mean of few examples is larger on average than that of many (it is convex in the
matrix), and directions outside the span of a few have none: so numbers of different samples do not compare
without a look at how they change with the size (arXiv 2410.14325).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lth.brief import brief
from lth.measure.kind import curvature
from lth.measure.kind.curvature import Curvature, curvature_at
from lth.measure.kind.site import Site
from lth.measure.packed import Packed
from lth.plan.jobs import CurvatureJob, PartJob
from lth.setting.setting import AnalysisSetting

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


@dataclass(frozen=True)
class Counted:
    """How large a part is."""

    examples: int


@dataclass(frozen=True)
class OfPart:
    """The Hessian over a part of the examples."""

    examples: int
    curvature: Curvature

    __repr__ = brief


def take(job: PartJob, site: Site, analysis: AnalysisSetting) -> Mapping[str, DataclassInstance]:
    """Measure the curvature of the job's part of the examples, and return it for storing."""
    label = f"{job.point.name}, part {job.part} of {job.parts}"
    found = curvature_at(
        site.surveyor, site.at(job.point), analysis, label, site.keeper, share=(job.part, job.parts)
    )
    counted = Counted(len(site.surveyor.chosen((job.part, job.parts))))
    return {"counted": counted, "spectrum": found.spectrum, "trace": found.trace, "size": found.size}


def read(stored: Packed, _job: PartJob) -> OfPart:
    """Return what `take` stored."""
    return OfPart(stored.read(Counted, "counted").examples, curvature.read_named(stored))


def numbers(found: OfPart, job: PartJob) -> dict[str, float]:
    """Return what is read off it, by metric name: as of a curvature of all examples."""
    return {"examples": found.examples, **curvature.numbers(found.curvature, CurvatureJob(job.point))}
