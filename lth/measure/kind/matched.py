"""Curvature and radii of the lower of two points, at the place of its training where it had the other's loss.

Eigenvalues of a cross-entropy loss shrink with the loss itself: near its end the Hessian is about
Jᵀ(diag p - p pᵀ)J, and p (1 - p) goes to zero as the examples are fitted (Sagun et al. 2017, arXiv 1706.04454;
Cohen et al. 2021, arXiv 2103.00065, see it late in training). So of two points with different losses the lower
one seems the flatter, wherever it lies. Here one thing alone is changed: the lower point goes back along its
training to where its loss, over the examples that are measured on, was that of the other, which stays.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from lth.measure.kept_path import Reached, trace_back
from lth.measure.kind import curvature
from lth.measure.kind.curvature import Curvature, curvature_at
from lth.measure.kind.radii import radii_at
from lth.measure.kind.site import Site
from lth.measure.packed import Packed
from lth.measure.radius import BasinRadii
from lth.measure.surveyor import MaskedPoint
from lth.plan.jobs import CurvatureJob, MatchedJob
from lth.plan.place import Point
from lth.setting.setting import AnalysisSetting, DirectionNorm
from lth.setting.terms import terms
from lth.training.evaluate import Evaluator

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


@dataclass(frozen=True)
class Lower:
    """Which of the two points lies lower, and by how much."""

    name: str
    loss: float  # where its training ended, nats an example
    loss_of_other: float


@dataclass(frozen=True)
class AtOneLoss:
    """What the lower of two points was where its training had the loss of the other."""

    moved: Point
    ends: Lower
    reached: Reached
    curvature: Curvature
    radii: Mapping[DirectionNorm, BasinRadii]  # empty if the two are in different spaces


def take(job: MatchedJob, site: Site, analysis: AnalysisSetting) -> Mapping[str, DataclassInstance]:
    """Find the place, measure there, and return it for storing."""
    surveyor = site.surveyor
    evaluate = Evaluator(surveyor.network, surveyor.examples, objective=surveyor.objective)
    losses = {
        point: evaluate(site.at(point).to(surveyor.device).weights).loss for point in (job.sharper, job.flatter)
    }
    moved, other = sorted(losses, key=lambda point: losses[point] if math.isfinite(losses[point]) else math.inf)
    path, mask = site.path(moved.needs[0]), site.at(moved).mask

    def at(epoch: float) -> MaskedPoint:
        return MaskedPoint(mask.apply(path.at(epoch)), mask).to(surveyor.device)

    reached = trace_back(lambda epoch: evaluate(at(epoch).weights).loss, path.epochs, losses[other])
    located = at(reached.epoch)
    found = curvature_at(
        surveyor, located, analysis, f"{moved.name} at {terms().of_loss(f'{reached.wanted:.3g}')}", site.keeper
    )
    surveyor.release()
    norms = get_args(DirectionNorm) if job.share_a_space else ()
    return {
        "ends": Lower(moved.name, losses[moved], losses[other]),
        "reached": reached,
        "spectrum": found.spectrum,
        "trace": found.trace,
        "size": found.size,
        **{norm: radii_at(surveyor, {moved: located}, norm, analysis)[moved] for norm in norms},
    }


def read(stored: Packed, job: MatchedJob) -> AtOneLoss:
    """Return what `take` stored.

    Raises:
        PackedResultError: If it is not of the job's points.
    """
    ends = stored.read(Lower, "ends")
    (moved,) = stored.keyed([ends.name], {point.name: point for point in (job.sharper, job.flatter)})
    norms: tuple[DirectionNorm, ...] = get_args(DirectionNorm)
    return AtOneLoss(
        moved,
        ends,
        stored.read(Reached, "reached"),
        curvature.read_named(stored),
        {norm: stored.read(BasinRadii, norm) for norm in norms if norm in stored.names},
    )


def numbers(found: AtOneLoss, _job: MatchedJob) -> dict[str, float]:
    """Return what is read off it, by metric name: what is measured anywhere, and where this was."""
    return {
        **curvature.numbers(found.curvature, CurvatureJob(found.moved)),
        **{f"landscape/{norm}_radius_mean": radii.mean for norm, radii in found.radii.items()},
        "matched/loss": found.reached.wanted,
        "matched/loss_at_end": found.ends.loss,
        "matched/epoch": found.reached.epoch,
        "matched/is_there": float(found.reached.is_there),
    }
