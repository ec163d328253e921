"""How long a task may take, before anything of it is done: from its size, and from rates that were measured.

    seconds = examples · passes · (each + products / rate) / threads + overhead

counted in forward passes of an example: a training step is worth two to five, a product with the Hessian six,
on a CPU as on a GPU. It is right within a factor of two or so where the network is like those that were
measured; what tasks take then corrects it (`lth.plan.rest`).

Source: docs/benchmarks.md, of which each rate names the line.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, get_args

from lth.plan.jobs import (
    AlignedJob,
    CurvatureJob,
    DensityJob,
    DistanceJob,
    ForecastJob,
    FunctionJob,
    LayersJob,
    LineJob,
    MarkersJob,
    MassJob,
    MatchedJob,
    PartJob,
    PathJob,
    RadiiJob,
    SharpnessJob,
    SubspaceJob,
    SurfaceJob,
    VolumeJob,
)
from lth.plan.place import Beside, Copy, DenseState, OtherDense, Place
from lth.plan.tasks import Task
from lth.setting.setting import DirectionNorm, Setting


@dataclass(frozen=True)
class Hardware:
    """What some hardware does of a network's forward pass.

    Args:
        name: For a person.
        rate: Products, of a multiplication and an addition, a second; of one thread of a CPU, or of a GPU.
        each: Seconds that an example takes besides, in all layers that multiply nothing; of one thread, too.
        training: By precision, how many forward passes a training step of an example is worth, evaluations
            after the epoch included.
    """

    name: str
    rate: float
    each: float
    training: Mapping[str, float]


# "training" (lth, with its evaluations), "evaluation" (a plane) and "busy": ResNet-20, and the digits' network.
CPU: Final = Hardware("a CPU with AVX-512", 31e9, 3.3e-5, {"fp32": 3.6, "bf16": 2.4})
# "gpu": ResNet-20 captured as a CUDA graph, losses on a plane.
H100: Final = Hardware("an H100", 5.5e12, 2e-6, {"fp32": 5.4, "bf16": 2.2})

_SHARP = 2.0  # gradients of a sharpness-aware step
_PRODUCT = 6.0  # passes; "curvature" and "gpu"
_PRODUCTS, _PRODUCTS_EACH = 25, 2.25  # of a spectrum, at first and for each eigenvalue; "curvature_cost"
_LOSSES = 6.3  # of a radius along one direction; "gpu", radii at two points
_LOSSES_VOLUME = 16  # of a radius along a direction of a volume, closer in: one ellipsoid, 17
_LOSSES_PILOTS = 400  # of the directions that tell a volume's preconditioner
_LOSSES_MASS = 40  # of each draw of a mass: eight for each nat that the basin is smaller than the Gaussian
_LOSSES_BACK = 20  # along a training, until it has the loss that is wanted
_SLOPES, _SLOPE = 21, 3.0  # gradients of a worst case, and how many passes each is
_SHARES = 40  # of the weights, at each of which a product forecasts a loss
_EACH_LAYER, _BLOCK = 20, 0.3  # layers that `each` stands for; of a product, that a layer's takes
_LAYERS = 4  # a pass whose layers' outputs are held against those of the other examples of their batch
_BATCHNORM = 2  # a line is measured under both ways of treating its statistics
_MATCHINGS = 3  # of units: none, by weights, by activations; each under three treatments, two of which estimate
_TRAINING_OVERHEAD, _OVERHEAD = 3.0, 1.0  # seconds of tracking, drawing and loading a task; "overhead"


@dataclass(frozen=True)
class Size:
    """How much a study computes with.

    Args:
        train: Training examples.
        test: Test examples.
        products: Of a forward pass of one example.
    """

    train: int
    test: int
    products: float


def seconds_of(
    task: Task, setting: Setting, size: Size, hardware: Hardware, precision: str, threads: int = 1
) -> float:
    """Return how long a task may take.

    Args:
        task: Of a study.
        setting: The study's.
        size: Of its data and network.
        hardware: That computes it.
        precision: That it is trained in, `fp32` or `bf16`.
        threads: Of a CPU, that share it.
    """
    is_solution = isinstance(task.node, Place) and not isinstance(task.node, Beside)
    overhead = _TRAINING_OVERHEAD if is_solution else _OVERHEAD
    passes = _passes(task, setting, size, hardware.training[precision])
    return overhead + passes * (hardware.each + size.products / hardware.rate) / threads


def _passes(task: Task, setting: Setting, size: Size, training: float) -> float:
    """Return the forward passes of an example that a task is worth."""
    node, analysis = task.node, setting.analysis
    if isinstance(node, Place):
        sharp = setting.training.sam_rho > 0 or node.kind == "safe"
        return _epochs(task, node, setting, size) * size.train * training * (_SHARP if sharp else 1)
    examples = analysis.hessian_examples.of(size.train)
    curvature = (_PRODUCTS + _PRODUCTS_EACH * analysis.k + analysis.trace_probes) * _PRODUCT * examples
    if isinstance(node, CurvatureJob):
        return curvature
    if isinstance(node, ForecastJob):
        return curvature + _SHARES * (_PRODUCT + 1) * examples
    if isinstance(node, PartJob):
        return curvature / node.parts
    if isinstance(node, LayersJob):
        products = _PRODUCTS + _PRODUCTS_EACH * analysis.layer_k + analysis.trace_probes
        groups = sum(_EACH_LAYER if said == "each" else 1 for said in analysis.layers)
        return groups * products * _BLOCK * _PRODUCT * examples
    if isinstance(node, MatchedJob):
        norms = len(get_args(DirectionNorm)) if node.share_a_space else 0
        return curvature + (_LOSSES_BACK + norms * analysis.directions * _LOSSES) * examples
    if isinstance(node, VolumeJob):
        found = (analysis.k + analysis.trace_probes) * _PRODUCT * examples if node.from_kept else curvature
        cutoffs = max(1, len(node.beside))
        return found + (_LOSSES_PILOTS + cutoffs * analysis.volume_directions * _LOSSES_VOLUME) * examples
    if isinstance(node, MassJob):
        return _LOSSES_MASS * analysis.mass_draws * examples
    if isinstance(node, DensityJob):
        return analysis.density_probes * analysis.density_steps * _PRODUCT * examples
    if isinstance(node, RadiiJob):
        return len(node.points) * analysis.directions * _LOSSES * examples
    if isinstance(node, LineJob):
        return _BATCHNORM * analysis.points * (size.train + size.test)
    if isinstance(node, AlignedJob):
        evaluated = analysis.align_points * (size.train + size.test)
        return _MATCHINGS * (3 * evaluated + 2 * analysis.align_points * size.train)
    if isinstance(node, SurfaceJob):
        return (analysis.grid**2 + len(node.shown)) * examples
    if isinstance(node, FunctionJob):
        return _LAYERS * len(node.places) * size.test
    if isinstance(node, SharpnessJob):
        return len(analysis.rho) * 2 * (2 * analysis.directions + _SLOPES * _SLOPE) * examples
    if isinstance(node, MarkersJob):
        return len(node.shown) * examples
    assert isinstance(node, DistanceJob | SubspaceJob | PathJob) or not hasattr(node, "needs")
    return 0.0  # what is of weights and eigenvectors alone, and what only puts together


def _epochs(task: Task, place: Place, setting: Setting, size: Size) -> float:
    """Return the epochs that a training takes: those beside a study's go a part of its way."""
    if place.kind == "fine_tune":
        return setting.training.fine_tune_epochs
    if not isinstance(place, Beside):
        return setting.training.epochs * (1 + place.level if place.kind == "cyclic_random" else 1)
    of_epoch = math.ceil(size.train / setting.training.batch_size)
    if isinstance(place, Copy | OtherDense):
        return setting.training.epochs - place.step / of_epoch
    before = max((need.node.step for need in task.needs if isinstance(need.node, DenseState)), default=0)
    return (place.step - before) / of_epoch
