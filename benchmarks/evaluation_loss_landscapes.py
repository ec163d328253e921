"""loss-landscapes in `benchmarks.evaluation`; the variant is the batch size, or `whole`.

Its own metric `Loss` evaluates all images as one batch. With a batch size, a subclass of its `Metric` takes
the mean of batches, which its users would have to write themselves.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from benchmarks.evaluation_setup import SPEC, Command, EvaluationSetup, Problem, Tour, line, load_problem, plane
from lth.network import build_network


def prepare(setup: EvaluationSetup, variant: str) -> Callable[[Command], Tour]:
    """Return a function that evaluates the line or the plane.

    Raises:
        ValueError: If the setup names no checkout.
    """
    if setup.loss_landscapes is None:
        raise ValueError("loss-landscapes needs its checkout")
    sys.path.insert(0, str(setup.loss_landscapes))
    library: Any = import_module("loss_landscapes")
    problem = load_problem(setup)
    models = []
    for corner in problem.corners:
        model = build_network(SPEC, 0).eval()
        model.load_state_dict(corner)
        models.append(model)
    metric = _metric(problem, variant)

    @torch.no_grad()
    def tour(command: Command) -> Tour:
        # Deep copies, because it moves the first model.
        began = time.perf_counter()
        if command == "line":
            losses = library.linear_interpolation(*models[:2], metric, setup.points, deepcopy_model=True)
            return Tour(time.perf_counter() - began, tuple(losses.tolist()), line(setup.points))
        if command == "plane":
            losses = library.planar_interpolation(*models, metric, setup.grid, deepcopy_model=True)
            return Tour(time.perf_counter() - began, tuple(losses.reshape(-1).tolist()), plane(setup.grid))
        raise ValueError("loss-landscapes evaluates no points of one's own choice")

    return tour


def _metric(problem: Problem, variant: str) -> Any:
    metrics: Any = import_module("loss_landscapes.metrics")
    if variant == "whole":
        return metrics.Loss(cross_entropy, problem.inputs, problem.labels)
    batches = list(
        zip(torch.split(problem.inputs, int(variant)), torch.split(problem.labels, int(variant)), strict=True)
    )

    class MeanOfBatches(metrics.Metric):  # type: ignore[misc]
        def __call__(self, wrapper: Any) -> float:
            def total(inputs: Tensor, labels: Tensor) -> float:
                return cross_entropy(wrapper.forward(inputs), labels, reduction="sum").item()

            return sum(total(*batch) for batch in batches) / len(problem.labels)

    return MeanOfBatches()
