"""The leading eigenvalues and the trace of the Hessian at a point, in the point's space."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lth.brief import brief
from lth.measure.curvature.krylov import KrylovBasis, SymmetricOperator
from lth.measure.curvature.spectrum import Spectrum, basis_capacity, search
from lth.measure.curvature.trace import Trace, deflated_trace
from lth.measure.distance import norm
from lth.measure.eigenvector_files import FOLDER, EigenvectorFiles, eigenvector_files
from lth.measure.kind.curvature_progress import CurvatureKeeper, CurvatureProgress
from lth.measure.kind.site import Site
from lth.measure.packed import Packed
from lth.measure.surveyor import MaskedPoint, Share, Surveyor
from lth.plan.jobs import CurvatureJob
from lth.setting.setting import AnalysisSetting

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


@dataclass(frozen=True)
class Size:
    """What the scale of a curvature or a radius is read against: BatchNorm makes a network scale-invariant."""

    weight_norm: float  # ‖w‖ over all parameters
    dimension: int  # of the space


@dataclass(frozen=True)
class Curvature:
    """The Hessian at a point, in the point's space."""

    spectrum: Spectrum
    trace: Trace
    size: Size

    __repr__ = brief


def curvature_at(
    surveyor: Surveyor,
    located: MaskedPoint,
    analysis: AnalysisSetting,
    label: str,
    keeper: CurvatureKeeper | None = None,
    finish: Callable[[KrylovBasis], None] | None = None,
    share: Share | None = None,
) -> Curvature:
    """Return the leading eigenvalues and the trace of the Hessian in the point's space.

    Args:
        surveyor: Gives network, examples and seed.
        located: The point.
        analysis: How many eigenvalues, and of how many probes the trace.
        label: What the progress bars say.
        keeper: Is given the progress when it says so; what it finds is gone on from.
        finish: Is called with the basis when all is found.
        share: Of the examples; None: all.
    """
    located = located.to(surveyor.device)
    operator = surveyor.hessian(located, share)
    spectrum, trace = spectrum_and_trace(
        operator, surveyor, analysis.k, analysis.trace_probes, label, keeper, finish
    )
    return Curvature(spectrum, trace, Size(norm(located.weights), operator.dimension))


def spectrum_and_trace(
    operator: SymmetricOperator,
    surveyor: Surveyor,
    k: int,
    probes: int,
    label: str,
    keeper: CurvatureKeeper | None = None,
    finish: Callable[[KrylovBasis], None] | None = None,
) -> tuple[Spectrum, Trace]:
    """Return k leading eigenvalues of a matrix and its trace, from one basis; else as `curvature_at`."""
    capacity = basis_capacity(operator, k, surveyor.memory_budget)
    found = keeper.find(operator, surveyor.seed, capacity) if keeper is not None else None
    progress = found or CurvatureProgress(KrylovBasis(operator, surveyor.seed, capacity))

    def keep(reached: CurvatureProgress) -> None:
        nonlocal progress
        progress = reached
        if keeper is not None and keeper.is_due():
            keeper.keep(reached)

    spectrum = search(
        progress.basis,
        k,
        keep=lambda: keep(progress),
        label=f"eigenvalues at {label}",
    )
    trace = deflated_trace(
        progress.basis,
        probes,
        seed=surveyor.seed,
        samples=progress.samples,
        keep=lambda samples: keep(replace(progress, samples=tuple(samples))),
        label=f"trace at {label}",
    )
    if finish is not None:
        finish(progress.basis)
    return spectrum, trace


def take(job: CurvatureJob, site: Site, analysis: AnalysisSetting) -> Mapping[str, DataclassInstance]:
    """Measure the curvature at the job's point, and return it for storing."""
    names: list[str] = []

    def keep_vectors(basis: KrylovBasis) -> None:
        assert site.keep_file is not None
        for name, content in eigenvector_files(basis, analysis.k):
            site.keep_file(f"{FOLDER}/{name}", content)
            names.append(name)

    is_kept = site.keep_file is not None and analysis.vectors == "on"
    finish = keep_vectors if is_kept else None
    found = curvature_at(site.surveyor, site.at(job.point), analysis, job.point.name, site.keeper, finish)
    kept = {"eigenvectors": EigenvectorFiles(tuple(names))} if is_kept else {}
    return {"spectrum": found.spectrum, "trace": found.trace, "size": found.size, **kept}


def read(stored: Packed, _job: CurvatureJob) -> Curvature:
    """Return what `take` stored."""
    return read_named(stored)


def kept_vectors(stored: Packed) -> EigenvectorFiles | None:
    """Return in which files the eigenvectors are; None if they were not kept."""
    return stored.read(EigenvectorFiles, "eigenvectors") if "eigenvectors" in stored.names else None


def read_named(stored: Packed) -> Curvature:
    """Return the curvature among results that hold one."""
    return Curvature(stored.read(Spectrum, "spectrum"), stored.read(Trace, "trace"), stored.read(Size, "size"))


def numbers(found: Curvature, _job: CurvatureJob) -> dict[str, float]:
    """Return what is read off a curvature, by metric name; without a log-product where there is none."""
    spectrum = found.spectrum
    metrics = {
        "landscape/hessian_trace": found.trace.estimate,
        "landscape/weight_norm": found.size.weight_norm,
        "solver/hessian_trace_standard_error": found.trace.standard_error,
        "solver/positive_eigenvalues": spectrum.num_positive,
        "solver/hessian_products": spectrum.num_products,
        "solver/spectrum_converged": float(spectrum.converged),
    }
    if spectrum.num_positive == len(spectrum.eigenvalues):
        metrics["landscape/log_eig_product"] = spectrum.log_eig_product
        if (width := spectrum.log_eig_width) < np.inf:
            metrics["solver/log_eig_product_interval"] = width
            if not np.isnan(spectrum.failure_probability):
                metrics["solver/log_eig_product_failure_probability"] = spectrum.failure_probability
    return metrics
