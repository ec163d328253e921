"""Adaptive sharpness of quadratics in closed form, of a network against its own slope, and its invariances."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product

import numpy as np
import pytest
import torch
from problems import DOUBLE, SPEC, random_examples, random_mask, random_state, reference_logits
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from lth.measure import library
from lth.measure.sharpness import adaptive_sharpness, mean_and_error, sharpness_at
from lth.network import build_network
from lth.network.space import LevelSpace
from lth.network.weights import Weights

STREAM = torch.Generator().manual_seed(0)


@dataclass
class Quadratic:
    """L(w) = ½ (w - m)ᵀ H (w - m)."""

    hessian: Tensor
    minimum: Tensor

    def sloped(self, point: Tensor) -> tuple[float, Tensor]:
        slope = self.hessian @ (point - self.minimum)
        return float((point - self.minimum) @ slope / 2), slope

    def losses(self, points: Iterable[Tensor]) -> list[float]:
        return [self.sloped(point)[0] for point in points]


def quadratic(dimension: int) -> Quadratic:
    """Return one whose minimum is no coordinate's zero; its Hessian has positive entries."""
    factor = torch.rand(dimension, dimension, generator=STREAM, dtype=DOUBLE)
    return Quadratic(factor @ factor.T, torch.randn(dimension, generator=STREAM, dtype=DOUBLE))


def measured(loss: Quadratic, rho: list[float], draws: int = 4):
    point = loss.minimum
    return adaptive_sharpness(loss.losses, [loss.sloped], point, point.abs(), rho=rho, draws=draws, seed=0)


def scaled(loss: Quadratic) -> Tensor:
    """Return |w| H |w| at the minimum."""
    return loss.hessian * torch.outer(loss.minimum.abs(), loss.minimum.abs())


@pytest.mark.parametrize("dimension", [1, 7, 60])
def test_averages_at_a_minimum_are_half_the_trace_and_a_third_of_it(dimension):
    loss = quadratic(dimension)
    found, trace = measured(loss, [0.1, 2.0], draws=300), float(scaled(loss).trace())
    for size, rho in enumerate([0.1, 2.0]):
        for values, expected in ((found.gaussian, trace / 2), (found.uniform, trace / 6)):
            mean, error = mean_and_error(values[size])
            assert abs(mean - rho**2 * expected) < 3 * error


@pytest.mark.parametrize("dimension", [1, 7, 60])
@pytest.mark.parametrize("rho", [0.1, 2.0])
def test_the_worst_of_an_ellipsoid_at_a_minimum_is_half_the_largest_eigenvalue(dimension, rho):
    loss = quadratic(dimension)
    largest = float(torch.linalg.eigvalsh(scaled(loss))[-1])
    assert float(measured(loss, [rho]).worst_2[0, 0]) == pytest.approx(rho**2 * largest / 2, rel=1e-3)


def test_the_worst_of_a_box_is_that_of_its_best_corner():
    loss = quadratic(7)
    corners = [torch.tensor(signs, dtype=DOUBLE) for signs in product([-1.0, 1.0], repeat=7)]
    matrix = scaled(loss)
    worst = max(float(0.5**2 * corner @ matrix @ corner / 2) for corner in corners)
    assert float(measured(loss, [0.5]).worst_inf[0, 0]) == pytest.approx(worst, rel=1e-9)


def test_away_from_a_minimum_the_slope_adds_to_the_worst_and_nothing_to_the_average():
    loss = quadratic(7)
    point = loss.minimum + 1
    tilted = adaptive_sharpness(loss.losses, [loss.sloped], point, point.abs(), rho=[1e-4], draws=4, seed=0)
    slope = (point.abs() * loss.sloped(point)[1]).norm()
    assert float(tilted.worst_2[0, 0]) == pytest.approx(1e-4 * float(slope), rel=1e-2)
    assert abs(tilted.gaussian).max() < 1e-3 * float(tilted.worst_2[0, 0])


def test_what_is_zero_does_not_change_and_is_not_counted():
    loss = quadratic(6)
    kept = torch.tensor([1, 1, 0, 1, 0, 0], dtype=DOUBLE)
    scale = kept * loss.minimum.abs()
    found = adaptive_sharpness(loss.losses, [loss.sloped], loss.minimum, scale, rho=[1.0], draws=2, seed=0)
    inner = (loss.hessian * torch.outer(scale, scale))[kept.bool()][:, kept.bool()]
    assert found.dimension == 3
    assert float(found.worst_2[0, 0]) == pytest.approx(float(torch.linalg.eigvalsh(inner)[-1]) / 2, rel=1e-3)


def test_close_to_a_point_of_a_masked_network_the_worst_is_that_of_its_slope():
    network = build_network(SPEC, 3)
    mask = random_mask(network, 0.5)
    point, examples = mask.apply(random_state(Weights.of(network))), random_examples(12)
    space = LevelSpace(mask, point)
    found = sharpness_at(network, point, space, examples, rho=[1e-3], draws=1)
    exact = {name: tensor.to(DOUBLE).requires_grad_() for name, tensor in point.parameters.items()}
    logits = reference_logits(exact, point.buffers, examples.images.to(DOUBLE))
    slopes = torch.autograd.grad(cross_entropy(logits, examples.labels), list(exact.values()))
    slope = space.restrict(dict(zip(exact, slopes, strict=True))) * space.restrict(point.parameters)
    assert float(found.worst_2[0, 0]) == pytest.approx(1e-3 * float(slope.norm()), rel=0.05)
    assert float(found.worst_inf[0, 0]) == pytest.approx(
        1e-3 * float(slope.abs().sum()), rel=0.3
    )  # with its kinks
    assert found.dimension == int(space.restrict(point.parameters).count_nonzero())


def test_a_rescaling_that_leaves_the_function_leaves_it():
    """Of ReLU networks, which scale, as neither curvature nor radii do."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6, bias=False), nn.ReLU(), nn.Linear(6, 3, bias=False))
    data = (torch.randn(20, 4), torch.arange(20) % 3)
    before = library.sharpness(model, data, 0.05, draws=3)
    with torch.no_grad():
        model[0].weight.mul_(8)
        model[2].weight.div_(8)
    after = library.sharpness(model, data, 0.05, draws=3)
    for name in ("gaussian", "uniform", "worst_2", "worst_inf"):
        np.testing.assert_allclose(getattr(after, name), getattr(before, name), rtol=1e-3)


def test_worst_cases_are_of_batches_of_128_examples_and_every_example_is_in_one():
    model = nn.Linear(3, 2)
    for count, batches in ((128, 1), (129, 2), (300, 3)):
        data = (torch.randn(count, 3, generator=STREAM), torch.arange(count) % 2)
        assert library.sharpness(model, data, 0.1, draws=1).worst_2.shape == (1, batches)


def test_a_frozen_parameter_does_not_change():
    model = nn.Sequential(nn.Linear(3, 3).requires_grad_(False), nn.Linear(3, 2, bias=False))
    found = library.sharpness(model, (torch.ones(8, 3), torch.arange(8) % 2), 0.1, draws=1)
    assert found.dimension == 6


def test_a_loss_that_is_not_finite_gives_no_number():
    def sloped(point: Tensor) -> tuple[float, Tensor]:
        return math.nan, torch.full_like(point, math.nan)

    found = adaptive_sharpness(
        lambda points: [math.nan for _ in points],
        [sloped],
        torch.ones(2),
        torch.ones(2),
        rho=[1.0],
        draws=2,
        seed=0,
    )
    assert np.isnan(found.worst_2).all()
    assert np.isnan(found.gaussian).all()


@pytest.mark.parametrize("rho", [0.0, -0.1, math.inf, math.nan])
def test_a_size_that_is_not_positive_is_refused(rho):
    with pytest.raises(ValueError, match="sizes of a change must be positive"):
        library.sharpness(nn.Linear(1, 2), (torch.ones(4, 1), torch.arange(4) % 2), rho)
