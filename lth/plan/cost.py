"""How long a task may take, before anything of it is done: from its size, and from rates that were measured.

    seconds = examples · passes · (each + products / rate) / threads + overhead

counted in forward passes of an example: a training step is worth two to five, a product with the Hessian six,
on a CPU as on a GPU. It is right within a factor of two or so where the network is like those that were
measured; what tasks take then corrects it (`lth.plan.rest`).

Source: docs/benchmarks.md, of which each rate names the line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, get_args

from lth.plan.jobs import (
    CurvatureJob,
    DensityJob,
    DistanceJob,
    LineJob,
    MatchedJob,
    PartJob,
    RadiiJob,
    SubspaceJob,
    SurfaceJob,
)
from lth.plan.place import Place
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

_PRODUCT = 6.0  # passes; "curvature" and "gpu"
_PRODUCTS, _PRODUCTS_EACH = 25, 2.25  # of a spectrum, at first and for each eigenvalue; "curvature_cost"
_LOSSES = 6.3  # of a radius along one direction; "gpu", radii at two points
_LOSSES_BACK = 20  # along a training, until it has the loss that is wanted
_BATCHNORM = 2  # a line is measured under both ways of treating its statistics
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
    overhead = _TRAINING_OVERHEAD if isinstance(task.node, Place) else _OVERHEAD
    passes = _passes(task, setting, size, hardware.training[precision])
    return overhead + passes * (hardware.each + size.products / hardware.rate) / threads


def _passes(task: Task, setting: Setting, size: Size, training: float) -> float:
    """Return the forward passes of an example that a task is worth."""
    node, analysis = task.node, setting.analysis
    if isinstance(node, Place):
        epochs = setting.training.fine_tune_epochs if node.kind == "fine_tune" else setting.training.epochs
        return epochs * size.train * training
    examples = analysis.hessian_examples.of(size.train)
    curvature = (_PRODUCTS + _PRODUCTS_EACH * analysis.k + analysis.trace_probes) * _PRODUCT * examples
    if isinstance(node, CurvatureJob):
        return curvature
    if isinstance(node, PartJob):
        return curvature / node.parts
    if isinstance(node, MatchedJob):
        norms = len(get_args(DirectionNorm)) if node.share_a_space else 0
        return curvature + (_LOSSES_BACK + norms * analysis.directions * _LOSSES) * examples
    if isinstance(node, DensityJob):
        return analysis.density_probes * analysis.density_steps * _PRODUCT * examples
    if isinstance(node, RadiiJob):
        return len(node.points) * analysis.directions * _LOSSES * examples
    if isinstance(node, LineJob):
        return _BATCHNORM * analysis.points * (size.train + size.test)
    if isinstance(node, SurfaceJob):
        return (analysis.grid**2 + len(node.shown)) * examples
    assert isinstance(node, DistanceJob | SubspaceJob) or not hasattr(node, "needs")
    return 0.0  # what is of weights and eigenvectors alone, and what only puts together
