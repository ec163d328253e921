"""The local volume at a point, along directions that its Hessian preconditions, under each of its cutoffs.

A cutoff is that of a comparison: as for radii, a margin above the worse of the two points. The other point
takes the same, in its own measurement, and the same draws of directions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from lth.measure.curvature.hessian import HessianOperator
from lth.measure.curvature.krylov import KrylovBasis
from lth.measure.curvature.subspace import leading_eigenvectors
from lth.measure.kind.curvature import curvature_at
from lth.measure.kind.site import Site
from lth.measure.packed import Packed
from lth.measure.surveyor import MaskedPoint
from lth.measure.volume import LocalVolume, Preconditioner, quadratic_preconditioner, volumes_at
from lth.plan.jobs import VolumeJob
from lth.plan.place import Point
from lth.randomness import generator
from lth.setting.setting import AnalysisSetting
from lth.training.evaluate import Evaluator

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def take(job: VolumeJob, site: Site, analysis: AnalysisSetting) -> Mapping[str, DataclassInstance]:
    """Measure the volume under each cutoff, and return it for storing, by the name of the point compared with.

    A point whose loss is not finite gives no cutoff, and nothing is measured beside it.
    """
    surveyor = site.surveyor
    evaluate = Evaluator(surveyor.network, surveyor.examples, objective=surveyor.objective)
    located = site.at(job.point).to(surveyor.device)
    own = evaluate(located.weights).loss
    ends = {point: evaluate(site.at(point).to(surveyor.device).weights).loss for point in job.beside}
    highest = {point: max(own, loss) for point, loss in ends.items() if math.isfinite(loss)}
    cutoffs = {point: loss + analysis.cutoff_margin for point, loss in (highest or {job.point: own}).items()}
    found = volumes_at(
        located.space,
        located.weights,
        evaluate,
        _preconditioner(job, site, located, analysis),
        cutoffs.values(),
        loss_at_point=own,
        directions=analysis.volume_directions,
        seed=surveyor.seed,
        label=f"volume at {job.point.name}",
    )
    return {point.name: found[cutoff] for point, cutoff in cutoffs.items()}


def _preconditioner(
    job: VolumeJob, site: Site, located: MaskedPoint, analysis: AnalysisSetting
) -> Preconditioner:
    """Return P as the curvature at the point gives it, from eigenvectors that are at hand or are found now."""
    if job.from_kept:
        assert site.vectors is not None
        vectors = site.vectors(job.point).to(site.surveyor.device)
        return _of_vectors(site.surveyor.hessian(located), vectors, analysis.trace_probes, site.surveyor.seed)
    kept: list[Tensor] = []

    def keep(basis: KrylovBasis) -> None:
        kept.append(leading_eigenvectors(basis, analysis.k).float())

    found = curvature_at(site.surveyor, located, analysis, job.point.name, site.keeper, keep)
    (vectors,) = kept
    return quadratic_preconditioner(
        found.spectrum.eigenvalues, vectors, found.trace.estimate, found.trace.standard_error
    )


def _of_vectors(hessian: HessianOperator, vectors: Tensor, probes: int, seed: int) -> Preconditioner:
    """Return P from eigenvectors, with a product for the eigenvalue of each, and some for the trace."""
    eigenvalues = np.array([float(v.double() @ hessian(v.to(hessian.dtype)).double()) for v in vectors])
    order = np.argsort(-eigenvalues)
    rest = []
    for index in range(probes):
        stream = generator(seed, "trace", index)
        bits = torch.randint(2, (hessian.dimension,), generator=stream, dtype=torch.int8)
        probe = (2 * bits - 1).float().to(vectors.device)
        probe = probe - vectors.T @ (vectors @ probe)
        rest.append(float(probe.double() @ hessian(probe.to(hessian.dtype)).double()))
    trace, error = float(eigenvalues.sum() + np.mean(rest)), float(np.std(rest, ddof=1)) / math.sqrt(probes)
    return quadratic_preconditioner(eigenvalues[order], vectors[order.tolist()], trace, error)


def read(stored: Packed, job: VolumeJob) -> dict[Point, LocalVolume]:
    """Return what `take` stored, by the point compared with; by its own if it was compared with none."""
    points = {point.name: point for point in (*job.beside, job.point)}
    keys = Packed.keyed(stored.names, points)
    return {point: stored.read(LocalVolume, point.name) for point in keys}


def numbers(found: Mapping[Point, LocalVolume], _job: VolumeJob) -> dict[str, float]:
    """Return what is read off the volume under the first cutoff, by metric name: where the paper compares."""
    volume = next(iter(found.values()))
    lower, upper = volume.interval
    return {
        "landscape/log_volume": volume.estimate,
        "landscape/log_volume_per_weight": volume.per_weight,
        "solver/log_volume_lower": lower,
        **({"solver/log_volume_upper": upper} if math.isfinite(upper) else {}),
        "solver/log_volume_estimated": float(volume.is_estimated),
        **({"solver/log_volume_tail_index": volume.tail} if math.isfinite(volume.tail) else {}),
        "solver/log_volume_censored": volume.num_censored,
        "solver/log_volume_cutoff": volume.cutoff,
        "solver/log_volume_evaluations": volume.num_evaluations,
    }
