"""lth in `benchmarks.evaluation`: `interpolate` and `loss_surface` over its `Evaluator`."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.evaluation_setup import SPEC, Command, Coordinates, EvaluationSetup, Tour, line, load_problem
from lth.data import Examples
from lth.measure.interpolation import interpolate
from lth.measure.surface import Plane, loss_surface, plane_through
from lth.network import build_network
from lth.network.weights import Weights
from lth.training.evaluate import Evaluation, Evaluator

_NOT_EVALUATED = Evaluation(0.0, 0.0)


def prepare(setup: EvaluationSetup, _variant: str) -> Callable[[Command], Tour]:
    """Return a function that evaluates the line, the plane, or given points of the plane."""
    problem = load_problem(setup)
    network = build_network(SPEC, 0)
    a, b, c = (_weights(network, corner) for corner in problem.corners)
    nothing = torch.zeros(3, 1, 1)
    evaluate = Evaluator(network, Examples(problem.inputs, problem.labels, nothing, nothing + 1))

    def loss(weights: Weights) -> float:
        return evaluate(weights).loss

    def on_line() -> Tour:
        known = {0.0: (_NOT_EVALUATED, _NOT_EVALUATED)}  # the peers do not evaluate a
        began = time.perf_counter()
        found = interpolate(evaluate, lambda _: _NOT_EVALUATED, a, b, setup.points + 1, known=known)
        return Tour(time.perf_counter() - began, tuple(found.train_loss[1:].tolist()), line(setup.points))

    def on_plane() -> Tour:
        began = time.perf_counter()
        through = plane_through(a, b, c)
        found = loss_surface(loss, through, {}, setup.grid)
        seconds = time.perf_counter() - began
        where = _oblique(through, np.array([(x, y) for y in found.y for x in found.x]))
        return Tour(seconds, tuple(found.loss.reshape(-1).tolist()), where)

    def at(points: Coordinates) -> Tour:
        through = plane_through(a, b, c)
        began = time.perf_counter()
        places = np.array(points) @ through.corner_coordinates[1:]
        losses = tuple(loss(through.weights_at(float(x), float(y))) for x, y in places)
        return Tour(time.perf_counter() - began, losses, points)

    def tour(command: Command) -> Tour:
        if isinstance(command, tuple):
            return at(command)
        return {"line": on_line, "plane": on_plane}[command]()

    return tour


def _weights(network: nn.Module, state: dict[str, Tensor]) -> Weights:
    network.load_state_dict(state)
    return Weights.of(network)


def _oblique(through: Plane, places: np.ndarray) -> Coordinates:
    """Return (s, t) of points (x, y) of the plane, (n, 2)."""
    coordinates = np.linalg.solve(through.corner_coordinates[1:].T, places.T).T
    return tuple((float(s), float(t)) for s, t in coordinates)
