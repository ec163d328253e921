"""A plain loop in `benchmarks.evaluation`; the variant is the batch size."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from benchmarks.evaluation_setup import SPEC, Command, EvaluationSetup, Tour, line, load_problem, plane
from lth.network import build_network


def prepare(setup: EvaluationSetup, variant: str) -> Callable[[Command], Tour]:
    """Return a function that loads every point's weights into the network and evaluates it."""
    problem = load_problem(setup)
    model = build_network(SPEC, 0).eval()
    batches = [
        (inputs.contiguous(), labels)
        for inputs, labels in zip(
            torch.split(problem.inputs, int(variant)), torch.split(problem.labels, int(variant)), strict=True
        )
    ]

    own = {"line": line(setup.points), "plane": plane(setup.grid)}

    @torch.no_grad()
    def loss(state: dict[str, Tensor]) -> float:
        model.load_state_dict(state)
        total = 0.0
        for inputs, labels in batches:
            total += cross_entropy(model(inputs), labels, reduction="sum").item()
        return total / len(problem.labels)

    def tour(command: Command) -> Tour:
        points = command if isinstance(command, tuple) else own[command]
        began = time.perf_counter()
        losses = tuple(loss(_state_at(problem.corners, *point)) for point in points)
        return Tour(time.perf_counter() - began, losses, points)

    return tour


def _state_at(corners: tuple[dict[str, Tensor], ...], s: float, t: float) -> dict[str, Tensor]:
    a, b, c = corners
    return {
        name: tensor + s * (b[name] - tensor) + t * (c[name] - tensor) if tensor.is_floating_point() else tensor
        for name, tensor in a.items()
    }
