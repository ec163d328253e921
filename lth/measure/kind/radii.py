"""Basin radii at the points of one space, under one cutoff and along the same draws."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from torch import Tensor

from lth.measure.distance import norm
from lth.measure.kind.site import Site
from lth.measure.packed import Packed
from lth.measure.radius import BasinRadii, basin_radii, random_directions
from lth.measure.surveyor import MaskedPoint, Surveyor
from lth.network.space import LevelSpace
from lth.network.weights import Weights
from lth.plan.jobs import RadiiJob, suffixes
from lth.plan.place import Point
from lth.setting.setting import AnalysisSetting, DirectionNorm
from lth.training.evaluate import Evaluator

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_FIRST_RADIUS, _LAST_RADIUS = 0.05, 1e4  # of the search, in multiples of ‖w‖


def radii_at(
    surveyor: Surveyor,
    points: Mapping[Point, MaskedPoint],
    direction_norm: DirectionNorm,
    analysis: AnalysisSetting,
) -> dict[Point, BasinRadii]:
    """Measure points of one space under one cutoff, a margin above the worst, along the same draws."""
    evaluate = Evaluator(surveyor.network, surveyor.examples, objective=surveyor.objective)
    moved = {point: located.to(surveyor.device) for point, located in points.items()}
    losses = {point: evaluate(located.weights).loss for point, located in moved.items()}
    cutoff = max(losses.values()) + analysis.cutoff_margin
    found = {}
    for point, located in moved.items():
        weights, space = located.weights, located.space
        # Both kinds of direction are searched from one length on: a filter-normalised one is as long as w.
        scale = norm(weights) if direction_norm == "plain" else 1.0
        found[point] = basin_radii(
            _loss_in(space, weights, evaluate),
            space.flatten(weights.parameters),
            random_directions(space, weights, analysis.directions, direction_norm, seed=surveyor.seed),
            cutoff,
            dimension=space.dimension,
            loss_at_point=losses[point],
            smallest=_FIRST_RADIUS * scale,
            largest=_LAST_RADIUS * scale,
            label=f"radii at {point.name}",
            losses=_losses_in(space, weights, evaluate),
        )
    return found


def _loss_in(space: LevelSpace, weights: Weights, evaluate: Evaluator) -> Callable[[Tensor], float]:
    return lambda flat: evaluate(Weights(space.unflatten(flat), weights.buffers)).loss


def _losses_in(
    space: LevelSpace, weights: Weights, evaluate: Evaluator
) -> Callable[[Iterable[Tensor]], list[float]]:
    def losses(vectors: Iterable[Tensor]) -> list[float]:
        points = (Weights(space.unflatten(flat), weights.buffers) for flat in vectors)
        return [found.loss for found in evaluate.many(points)]

    return losses


def take(job: RadiiJob, site: Site, analysis: AnalysisSetting) -> Mapping[str, DataclassInstance]:
    """Measure the radii at the job's points, and return them for storing, by the name of the point."""
    located = {point: site.at(point) for point in job.points}
    found = radii_at(site.surveyor, located, job.direction_norm, analysis)
    return {point.name: radii for point, radii in found.items()}


def read(stored: Packed, job: RadiiJob) -> dict[Point, BasinRadii]:
    """Return what `take` stored."""
    return {point: stored.read(BasinRadii, point.name) for point in job.points}


def numbers(found: Mapping[Point, BasinRadii], job: RadiiJob) -> dict[str, float]:
    """Return what is read off the radii of all points, by metric name: the same at every level.

    The directions' norm comes first, for plain radii are no filter-normalised ones; the ending says at which
    point, as in all numbers of a level.
    """
    norm, endings, metrics = job.direction_norm, suffixes(job.level), {}
    for point, radii in found.items():
        end = endings.get(point, "")  # of a baseline or method, which is measured alone
        metrics[f"landscape/{norm}_radius_mean{end}"] = radii.mean
        metrics[f"solver/{norm}_radius_censored{end}"] = radii.num_censored
        metrics[f"solver/{norm}_radius_cutoff"] = radii.cutoff
    return metrics


def numbers_at(radii: BasinRadii) -> dict[str, float]:
    """Return what is read off the radii of one point, by metric name."""
    metrics = {
        "landscape/radius_mean": radii.mean,
        "solver/radius_censored": radii.num_censored,
        "solver/radius_cutoff": radii.cutoff,
    }
    if radii.standard_error is not None:
        metrics["solver/radius_standard_error"] = radii.standard_error
    return metrics
