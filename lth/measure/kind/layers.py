"""The Hessian of every layer for itself at a point: its leading eigenvalues, certified, and its trace."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lth.brief import brief
from lth.measure.curvature.hessian import HessianOperator
from lth.measure.curvature.spectrum import Spectrum
from lth.measure.curvature.trace import Trace
from lth.measure.kind.curvature import spectrum_and_trace
from lth.measure.kind.curvature_progress import CurvatureKeeper
from lth.measure.kind.site import Site
from lth.measure.layer_spectra import LayerCurvature, block_of
from lth.measure.packed import Packed, pack
from lth.measure.surveyor import Surveyor
from lth.network.layer_groups import layer_groups
from lth.plan.jobs import LayersJob
from lth.setting.setting import AnalysisSetting

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_NOT_IN_METRICS = re.compile(r"[^\w. /-]", re.ASCII)


@dataclass(frozen=True)
class Layers:
    """Which layers there are, and what they were measured on."""

    names: tuple[str, ...]  # as the setting writes them, or that of the layer
    dimensions: tuple[int, ...]  # coordinates of each that are free to move
    examples: int


@dataclass(frozen=True)
class LayerSpectra:
    """The block of the Hessian of every layer."""

    layers: Mapping[str, LayerCurvature]  # those that have a coordinate left
    gone: tuple[str, ...]  # the others
    examples: int

    __repr__ = brief


def take(job: LayersJob, site: Site, analysis: AnalysisSetting) -> Mapping[str, DataclassInstance]:
    """Measure layer after layer at the job's point, and return it for storing."""
    surveyor = site.surveyor
    located = site.at(job.point).to(surveyor.device)
    whole = surveyor.hessian(located)
    mask = located.mask
    groups = layer_groups(surveyor.network, analysis.layers, mask.keep, mask.frozen)
    blocks = {name: block_of(whole, located.weights, mask, group) for name, group in groups.items()}
    sizes = tuple(0 if block is None else block.dimension for block in blocks.values())
    found: dict[str, DataclassInstance] = {"layers": Layers(tuple(blocks), sizes, len(surveyor.chosen(None)))}
    for index, (name, block) in enumerate(blocks.items()):
        if block is not None:
            found |= _of_block(f"{name}, {job.point.name}", index, block, surveyor, analysis, site.keeper)
    return found


def _of_block(
    label: str,
    index: int,
    block: HessianOperator,
    surveyor: Surveyor,
    analysis: AnalysisSetting,
    keeper: CurvatureKeeper | None,
) -> dict[str, DataclassInstance]:
    """Return spectrum and trace of a layer, which an earlier process may have found already."""
    part = None if keeper is None else keeper.part(f"layer {index}")
    if part is not None and (kept := part.finished()) is not None:
        stored = Packed(kept)
        return {name: stored.read(kind, name) for name, kind in _named(index).items()}
    k = min(analysis.layer_k, block.dimension)
    both = spectrum_and_trace(block, surveyor, k, analysis.trace_probes, label, part)
    found: dict[str, DataclassInstance] = dict(zip(_named(index), both, strict=True))
    if part is not None:
        part.finish(pack(found))
    return found


def _named(index: int) -> dict[str, type[Spectrum] | type[Trace]]:
    return {f"spectrum {index}": Spectrum, f"trace {index}": Trace}


def read(stored: Packed, _job: LayersJob) -> LayerSpectra:
    """Return what `take` stored."""
    layers = stored.read(Layers, "layers")
    there = [
        (index, name, dimension)
        for index, (name, dimension) in enumerate(zip(layers.names, layers.dimensions, strict=True))
    ]
    return LayerSpectra(
        {
            name: LayerCurvature(
                stored.read(Spectrum, f"spectrum {index}"), stored.read(Trace, f"trace {index}"), dimension
            )
            for index, name, dimension in there
            if dimension
        },
        tuple(name for _, name, dimension in there if not dimension),
        layers.examples,
    )


def numbers(found: LayerSpectra, _job: LayersJob) -> dict[str, float]:
    """Return what is read off every layer, by metric name; without a log-product where there is none."""
    metrics: dict[str, float] = {"layers/examples": found.examples}
    for name, layer in found.layers.items():
        spectrum, own = layer.spectrum, f"layers/{_NOT_IN_METRICS.sub('_', name)}"
        metrics |= {
            f"{own}/largest_eigenvalue": float(spectrum.eigenvalues[0]),
            f"{own}/hessian_trace": layer.trace.estimate,
            f"{own}/hessian_trace_standard_error": layer.trace.standard_error,
            f"{own}/hessian_products": spectrum.num_products,
            f"{own}/spectrum_converged": float(spectrum.converged),
        }
        if spectrum.num_positive == len(spectrum.eigenvalues):
            metrics[f"{own}/log_eig_product"] = spectrum.log_eig_product
            metrics[f"{own}/log_eig_product_interval"] = spectrum.log_eig_width
    return metrics
