"""How the loss rises as ever more of a solution is pruned, and what its curvature forecasts of that.

The smallest weights go, as at the next level: of the whole network, or of every layer where `scope` says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from lth.bar import progress
from lth.measure.curvature.krylov import KrylovBasis
from lth.measure.curvature.subspace import eigenvector_parts
from lth.measure.kind.curvature import Curvature, curvature_at
from lth.measure.kind.site import Site
from lth.measure.packed import Packed
from lth.measure.pruning_forecast import PruningForecast, quadratic_form, spectral_form
from lth.measure.slope import loss_and_slope
from lth.measure.surveyor import MaskedPoint, Surveyor
from lth.network.folded import Folded
from lth.network.prune import prune_smallest, prune_to
from lth.network.weights import Weights
from lth.plan.jobs import ForecastJob
from lth.setting.setting import AnalysisSetting, PruningSetting
from lth.training.evaluate import BATCH, Evaluator

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_STEPS = 40  # of the share that goes, which is also told at `prune_fraction`
_VECTOR_BYTES = 2**29  # of eigenvectors at once


@dataclass(frozen=True)
class Pruned:
    """What is left of a point where so much of it goes."""

    share: float  # of the weights that were kept
    weights: Weights


def take(job: ForecastJob, site: Site, analysis: AnalysisSetting) -> Mapping[str, DataclassInstance]:
    """Prune the job's point further and further, and return loss and forecasts for storing."""
    surveyor, here = site.surveyor, site.at(job.point)
    left = list(_further(here, site.setting.pruning))
    point = here.space.restrict(here.weights.parameters)
    changes = [(here.space.restrict(pruned.weights.parameters) - point).to(surveyor.device) for pruned in left]
    located = here.to(surveyor.device)
    inner = np.zeros((len(changes), analysis.k))

    def project(basis: KrylovBasis) -> None:
        rows = max(1, _VECTOR_BYTES // (4 * len(point)))
        done = 0
        for part in eigenvector_parts(basis, analysis.k, rows):
            for index, change in enumerate(changes):
                inner[index, done : done + len(part)] = [
                    float(each.double() @ change.double()) for each in part
                ]
            done += len(part)

    curvature = curvature_at(surveyor, located, analysis, job.point.name, site.keeper, project)
    evaluate = Evaluator(surveyor.network, surveyor.examples, objective=surveyor.objective)
    ends = evaluate.many(pruned.weights.to(surveyor.device) for pruned in left)
    at_point = evaluate(located.weights).loss
    forms = _forms(surveyor, located, changes, inner, curvature, job.name)
    losses = np.array([found.loss for found in ends])
    return {
        "forecast": PruningForecast(
            np.array([pruned.share for pruned in left]), losses, *forms, at_point, analysis.k
        )
    }


def _forms(
    surveyor: Surveyor,
    located: MaskedPoint,
    changes: list[Tensor],
    inner: np.ndarray,
    curvature: Curvature,
    label: str,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return slope, exact form, the spectrum's, and the share of each change in its vectors, (f,) each."""
    operator, slope = surveyor.hessian(located), _slope(surveyor, located)
    lengths = np.array([float(change.double().square().sum()) for change in changes])
    eigenvalues, trace = curvature.spectrum.eigenvalues, curvature.trace.estimate
    quadratic = [quadratic_form(operator, change) for change in progress(changes, label, unit="product")]
    spectral = [
        spectral_form(of_change, float(length), eigenvalues, trace, operator.dimension)
        for of_change, length in zip(inner, lengths, strict=True)
    ]
    slopes = [float(slope.double() @ change.double()) for change in changes]
    inside = np.square(inner).sum(axis=1) / np.where(lengths > 0, lengths, np.nan)
    return np.array(slopes), np.array(quadratic), np.array(spectral), inside


def _further(located: MaskedPoint, pruning: PruningSetting) -> Iterator[Pruned]:
    """Yield what is left where ever more goes, ascending; not where nothing goes, or nothing would be left."""
    shares = {*(step / _STEPS for step in range(1, _STEPS)), pruning.prune_fraction}
    prune, mask = partial(prune_smallest, located.weights), located.mask
    sizes = {name: int(kept.sum()) for name, kept in mask.keep.items()}
    seen = {0, mask.num_kept}
    for share in sorted(shares):
        if pruning.scope == "layer":
            left = prune_to({name: size - round(share * size) for name, size in sizes.items()}, mask, prune)
        else:
            left = prune(mask, round(share * mask.num_kept))
        if left.num_kept not in seen:
            seen.add(left.num_kept)
            yield Pruned((mask.num_kept - left.num_kept) / mask.num_kept, left.apply(located.weights))


def _slope(surveyor: Surveyor, located: MaskedPoint) -> Tensor:
    """Return the gradient of the mean loss in the point's space, (dimension,)."""
    examples, space = surveyor.examples, located.space
    function, flat = Folded(surveyor.network, surveyor.device), space.flatten(located.weights.parameters)
    total = torch.zeros(space.full_dimension, dtype=torch.float64, device=flat.device)
    for index in torch.split(torch.arange(len(examples)), BATCH["cpu"]):
        some = examples.take(index)
        _, slope = loss_and_slope(function, located.weights, space, some, surveyor.objective, flat)
        total += slope.double() * len(some)
    return space.restrict(space.unflatten(total / len(examples)))


def read(stored: Packed, _job: ForecastJob) -> PruningForecast:
    """Return what `take` stored."""
    return stored.read(PruningForecast, "forecast")


def numbers(found: PruningForecast, _job: ForecastJob) -> dict[str, float]:
    """Return how much the loss rises where half of the weights go, and what was forecast, by metric name."""
    half = int(np.abs(found.pruned - 0.5).argmin()) if len(found.pruned) else None
    if half is None:
        return {}
    return {
        "landscape/rise_pruned_by_half": float(found.loss[half] - found.at_point),
        "landscape/rise_pruned_by_half_quadratic": float(found.quadratic[half]),
        "landscape/rise_pruned_by_half_spectral": float(found.spectral[half]),
    }
