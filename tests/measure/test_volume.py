"""Volumes of basins that are known on paper, and what is said where the draws can't tell them."""

import math

import numpy as np
import pytest
import torch
from scipy.special import gammaln
from torch import Tensor

from lth.measure.radius import basin_radii
from lth.measure.tail import largest_index, tail_index
from lth.measure.volume import (
    LocalVolume,
    Preconditioner,
    fitted,
    local_volume,
    log_ball,
    quadratic_preconditioner,
    sphere_draws,
)

HEIGHT = 0.5  # of the cutoff over the loss at the point


def draws(dimension: int, count: int, seed: int = 0, purpose: str = "volume") -> list[Tensor]:
    return list(sphere_draws(lambda full: full, dimension, count, seed, purpose))


def identity(dimension: int) -> Preconditioner:
    return Preconditioner(torch.zeros(0, dimension), torch.zeros(0), 1.0, dimension)


def quadratic(curvature: np.ndarray):
    """½ Σ hᵢ xᵢ²."""
    each = torch.from_numpy(curvature)
    return lambda steps: [float((step.double() ** 2 @ each) / 2) for step in steps]


def log_ellipsoid(curvature: np.ndarray) -> float:
    """Of ½ Σ hᵢ xᵢ² ≤ HEIGHT."""
    return log_ball(len(curvature)) + 0.5 * float(np.log(2 * HEIGHT / curvature).sum())


def measured(losses, preconditioner, count=100, seed=0):
    dimension = preconditioner.dimension
    pilots = draws(dimension, 4, seed, "volume_pilot")
    suited = fitted(preconditioner, losses, pilots, HEIGHT, 0.0)
    return local_volume(losses, suited, draws(dimension, count, seed), HEIGHT, loss_at_point=0.0)


def of_leading(curvature: np.ndarray, k: int) -> Preconditioner:
    return quadratic_preconditioner(curvature[:k], torch.eye(len(curvature))[:k], float(curvature.sum()), 0.0)


def made(log_volumes: np.ndarray, censored: int = 0) -> LocalVolume:
    count = len(log_volumes)
    return LocalVolume(log_volumes, np.arange(count) < censored, 0.2, 0.1, 3, 0, count)


@pytest.mark.parametrize("dimension", [2, 30, 1000])
@pytest.mark.parametrize("curvature", [1e-4, 1.0, 300.0])
def test_a_ball_has_its_volume_without_a_preconditioner(dimension, curvature):
    each = np.full(dimension, curvature)
    found = measured(quadratic(each), identity(dimension), count=25)
    low, high = found.interval
    assert low <= log_ellipsoid(each) <= high
    assert high - low < 0.01


@pytest.mark.parametrize("dimension", [5, 1000])
def test_a_quadratic_is_exact_by_the_determinant_whatever_its_anisotropy(dimension):
    """With P = H^(-1/2) every direction stands for the whole volume."""
    curvature = np.geomspace(1e3, 1e-3, dimension)
    found = measured(quadratic(curvature), of_leading(curvature, dimension), count=25)
    assert np.ptp(found.log_volumes) < 0.01
    assert found.estimate == pytest.approx(log_ellipsoid(curvature), abs=0.01)


@pytest.mark.parametrize("seed", range(2))
def test_an_ellipsoid_in_1000_dimensions_needs_a_preconditioner_and_is_then_within_the_interval(seed):
    stream = np.random.default_rng(seed)
    curvature = np.concatenate([np.geomspace(1e5, 10, 50), stream.uniform(0.95, 1.05, 950)])
    truth, losses = log_ellipsoid(curvature), quadratic(curvature)
    naive = measured(losses, identity(1000), count=50)
    found = measured(losses, of_leading(curvature, 50))
    assert naive.estimate < truth - 100 * math.log(10)
    assert not naive.is_estimated
    assert naive.interval[0] < truth < naive.interval[1] == math.inf
    assert found.is_estimated
    assert found.interval[0] < truth < found.interval[1] < found.interval[0] + 2


@pytest.mark.parametrize("power", [1.5, 3.0])
def test_a_lopsided_basin_of_no_quadratic_has_its_volume_within_the_interval(power):
    """Σ |xᵢ / sᵢ|^p ≤ 1 with another sᵢ on either side: Π (sᵢ⁺ + sᵢ⁻) Γ(1 + 1/p)ⁿ / Γ(1 + n/p)."""
    up, down = np.linspace(1.0, 1.6, 6), np.linspace(1.4, 0.8, 6)

    def losses(steps):
        points = [step.double().numpy() for step in steps]
        return [HEIGHT * float((np.abs(x / np.where(x > 0, up, down)) ** power).sum()) for x in points]

    truth = float(np.log(up + down).sum()) + 6 * gammaln(1 + 1 / power) - gammaln(1 + 6 / power)
    found = measured(losses, identity(6), count=200)
    assert found.is_estimated
    assert found.interval[0] < truth < found.interval[1] < found.interval[0] + 0.5


@pytest.mark.parametrize("start", [1e-3, 1e-1, 10.0, 1e3])
def test_the_scale_of_the_rest_is_found_wherever_it_is_looked_for_first(start):
    curvature = np.concatenate([np.geomspace(1e4, 100, 10), np.full(190, 1.0)])
    begun = Preconditioner(torch.eye(200)[:10], torch.from_numpy(curvature[:10] ** -0.5), start, 200)
    found = fitted(begun, quadratic(curvature), draws(200, 4), HEIGHT, 0.0)
    assert 0.5 < found.rest / float(found.scales[0] * 100) < 2  # its step


def test_eigenvalues_that_are_not_positive_and_a_trace_within_its_error_give_no_scale_that_is_not_one():
    eigenvalues, vectors = np.array([4.0, -1.0]), torch.eye(5)[:2]
    for trace in (-3.0, 0.0, 4.5):  # the rest has a mean of at most 0.1, which is uncertain by 2
        made_of = quadratic_preconditioner(eigenvalues, vectors, trace, trace_error=1.0)
        assert (made_of.scales.tolist(), made_of.rest) == ([0.5], 0.5)
    assert quadratic_preconditioner(-(eigenvalues**2), vectors, -1.0, 0.1).rest == 1.0


@pytest.mark.parametrize("k", [0, 1, 3])
def test_the_determinant_is_that_of_what_a_preconditioner_does(k):
    vectors = torch.linalg.qr(torch.randn(4, 4, generator=torch.Generator().manual_seed(0)).double())[0][:k]
    stretch = Preconditioner(vectors, torch.tensor([2.0, 0.1, 7.0], dtype=torch.float64)[:k], 0.3, 4)
    matrix = torch.stack([stretch(unit) for unit in torch.eye(4).double()])
    assert stretch.log_det == pytest.approx(float(matrix.det().log()))
    assert stretch.times(3.0).log_det == pytest.approx(stretch.log_det + 4 * math.log(3))


def test_radii_are_those_of_the_search_along_single_directions():
    curvature, (drawn,) = np.array([1.0, 4.0, 9.0]), draws(3, 1)
    found = local_volume(quadratic(curvature), identity(3), [drawn], HEIGHT, loss_at_point=0.0)
    alone = basin_radii(
        lambda x: quadratic(curvature)([x])[0], torch.zeros(3), [drawn], HEIGHT, dimension=3, tolerance=1e-6
    )
    assert found.log_volumes[0] == pytest.approx(log_ball(3) + 3 * math.log(alone.radii[0]), abs=1e-2)


@pytest.mark.parametrize("censored", [1, 50])
def test_with_a_ray_that_never_crosses_the_mean_is_a_lower_bound(censored):
    found = made(np.zeros(50), censored)
    assert found.num_censored == censored
    assert not found.is_estimated
    assert found.interval == (pytest.approx(-math.log(20)), math.inf)
    assert made(np.zeros(50)).is_estimated


def test_a_basin_without_end_is_all_censored():
    found = local_volume(lambda steps: [0.0 for _ in steps], identity(3), draws(3, 30), 1.0, loss_at_point=0.0)
    assert found.num_censored == 30


@pytest.mark.parametrize("count", [1, 5, 20])
def test_so_few_directions_tell_a_lower_bound_alone(count):
    assert math.isnan(tail_index(np.zeros(count)))
    assert not made(np.zeros(count)).is_estimated


@pytest.mark.parametrize("spread", [5.0, 20.0, 1000.0])
def test_where_the_largest_draw_is_most_of_the_mean_it_is_told_to_be_a_lower_bound(spread):
    """Log-normal weights in 200 samples: the mean is missed by orders, and the bound holds all the same."""
    stream = np.random.default_rng(0)
    samples = [made(spread * stream.standard_normal(100)) for _ in range(200)]
    truth = spread**2 / 2
    assert sum(found.is_estimated for found in samples) <= 4
    assert np.mean([found.interval[0] <= truth for found in samples]) >= 0.95


@pytest.mark.parametrize("spread", [0.01, 0.3, 0.7])
def test_a_light_tail_is_estimated_with_an_interval_that_holds_the_truth(spread):
    stream = np.random.default_rng(1)
    samples = [made(spread * stream.standard_normal(100)) for _ in range(200)]
    estimated = [found.interval for found in samples if found.is_estimated]
    assert len(estimated) >= 160
    assert np.mean([low <= spread**2 / 2 <= high for low, high in estimated]) >= 0.9


@pytest.mark.parametrize("index", [0.1, 0.4, 0.8, 1.5])
def test_the_tail_index_is_that_of_pareto_weights(index):
    stream = np.random.default_rng(2)
    found = [tail_index(-index * np.log(stream.random(2000))) for _ in range(20)]
    assert np.mean(found) == pytest.approx(index, abs=0.12)
    assert (np.mean(found) <= largest_index(2000)) == (index < 0.7)


def test_the_number_of_directions_that_count_is_told():
    assert made(np.zeros(40)).num_effective == pytest.approx(40)
    assert made(np.array([0.0] + [-1000.0] * 39)).num_effective == pytest.approx(1)
