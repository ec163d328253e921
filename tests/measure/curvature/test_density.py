import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import (
    DOUBLE,
    Matrix,
    masked_hessian,
)
from torch import Tensor

from lth.measure.curvature.density import SpectralDensity, spectral_density
from lth.measure.curvature.krylov import KrylovBasis
from lth.randomness import stream_seed


def symmetric(size: int, seed: int = 0) -> Tensor:
    entries = torch.randn(size, size, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))
    return (entries + entries.T) / size**0.5


def first_vector(matrix: Matrix, seed: int, probe: int) -> Tensor:
    basis = KrylovBasis(matrix, stream_seed(seed, "density", probe), 3)
    basis.grow()
    return basis.vectors(0, 1)[0]


@given(size=st.integers(3, 40), steps=st.integers(1, 8), seed=st.integers(0, 100))
@settings(max_examples=40)
def test_a_quadrature_is_exact_up_to_degree_2m_minus_1(size, steps, seed):
    steps = min(steps, size)
    matrix = Matrix(symmetric(size, seed))
    found = spectral_density(matrix, probes=2, steps=steps, seed=seed)
    for probe in range(2):
        power = unit = first_vector(matrix, seed, probe)
        for degree in range(2 * steps):
            quadrature = float((found.weights[probe] * found.nodes[probe] ** degree).sum())
            # entries of the powers stay below 4^degree; all is float64
            assert quadrature == pytest.approx(float(unit @ power), abs=1e-12 * 4.0**degree)
            power = matrix.entries @ power


def test_all_steps_give_the_eigenvalues_themselves():
    matrix = Matrix(symmetric(12))
    found = spectral_density(matrix, probes=3, steps=12, seed=0)
    expected = np.linalg.eigvalsh(matrix.entries.numpy())
    for row in found.nodes:
        np.testing.assert_allclose(row, expected, atol=1e-12)


def test_counts_and_means_lie_within_their_standard_errors_of_the_truth():
    eigenvalues = torch.cat([torch.linspace(-1, 1, 270, dtype=DOUBLE), torch.linspace(5, 9, 30, dtype=DOUBLE)])
    found = spectral_density(Matrix(eigenvalues.diag()), probes=40, steps=30, seed=0)
    # Four standard errors: of a normal mean, one seed in 16,000 lies beyond them.
    count, error = found.count_above(3.0)
    assert abs(count - 30) < 4 * error
    assert 0 < error < 3  # of one vector: 300 · √(2 · 0.1 · 0.9 / 300) = 7.3, over √40
    for f in (np.exp, np.square, lambda x: x):
        mean, error = found.mean(f)
        assert abs(mean - float(f(eigenvalues.numpy()).mean())) < 4 * error


def test_the_smoothed_density_integrates_to_one_and_is_that_of_the_eigenvalues():
    eigenvalues = torch.linspace(-1, 1, 200, dtype=DOUBLE)
    found = spectral_density(Matrix(eigenvalues.diag()), probes=30, steps=40, seed=1)
    at, width = np.linspace(-3, 3, 601), 0.2
    density, low, high = found.smoothed(at, width, alpha=1e-6)
    assert np.trapezoid(density, at) == pytest.approx(1.0, abs=1e-9)
    away = (at[:, None] - eigenvalues.numpy()) / width
    expected = (np.exp(-0.5 * away**2) / (width * np.sqrt(2 * np.pi))).mean(axis=1)
    # Points are not independent: an interval of a millionth, and what a quadrature of 40 nodes resolves.
    assert ((low - 1e-3 < expected) & (expected < high + 1e-3)).all()
    assert (high - low < density).mean() > 0.5


@pytest.mark.parametrize(("probes", "at"), [(10, 9.0), (10, 5.01), (5, 0.5), (20, 9.03)])
def test_the_interval_of_the_density_holds_the_truth_in_95_of_100_cases_also_at_a_lone_eigenvalue(probes, at):
    """Two standard errors held it in 83 at a lone eigenvalue, from ten vectors."""
    eigenvalues, width = np.append(np.linspace(0, 1, 97), [5, 5.02, 9]), 0.03
    truth = (np.exp(-0.5 * ((at - eigenvalues) / width) ** 2) / (width * np.sqrt(2 * np.pi))).mean()
    stream, cases, held = np.random.default_rng(0), 2000, 0
    for _ in range(cases):
        squares = stream.standard_normal((probes, 100)) ** 2
        found = SpectralDensity(
            np.tile(eigenvalues, (probes, 1)), squares / squares.sum(axis=1, keepdims=True), 100
        )
        _, low, high = found.smoothed(np.array([at]), width)
        held += int(low[0] <= truth <= high[0])
    assert 0.92 < held / cases < 0.985


def test_a_density_far_from_every_eigenvalue_is_zero_and_surely_so():
    found = SpectralDensity(np.full((2, 1), 2.0), np.ones((2, 1)), 10)
    assert [end.tolist() for end in found.smoothed(np.array([1e3]), 0.1)] == [[0.0]] * 3


def test_the_standard_error_is_the_deviation_over_the_root_of_the_number():
    found = SpectralDensity(np.array([[1.0], [2.0], [6.0]]), np.ones((3, 1)), 10)
    assert found.mean(lambda nodes: nodes) == (3.0, pytest.approx((7 / 3) ** 0.5, rel=1e-15))
    assert found.count_above(1.5)[0] == pytest.approx(20 / 3)


def test_a_krylov_space_that_ends_early_leaves_the_quadrature_exact():
    """Of two eigenvalues it ends after two steps; what comes from another start then has no weight."""
    matrix = Matrix(torch.tensor([2.0, 2.0, 2.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0], dtype=DOUBLE).diag())
    found = spectral_density(matrix, probes=2, steps=5, seed=0)
    for probe in range(2):
        unit = first_vector(matrix, 0, probe)
        for power in (1, 2, 3):
            expected = float(unit @ (matrix.entries.diag() ** power * unit))
            quadrature = float((found.weights[probe] * found.nodes[probe] ** power).sum())
            assert quadrature == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("density", [1.0, 0.5])
def test_the_density_of_a_network_is_that_of_its_dense_hessian(density):
    operator, dense = masked_hessian(density, 20)
    found = spectral_density(operator, probes=3, steps=10, seed=0)
    expected = spectral_density(Matrix(dense), probes=3, steps=10, seed=0)
    np.testing.assert_allclose(found.nodes, expected.nodes, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(found.weights, expected.weights, rtol=1e-5, atol=1e-9)


def test_the_same_seed_gives_the_same_bits_and_another_does_not():
    matrix = Matrix(symmetric(20))
    first, again, other = (spectral_density(matrix, probes=2, steps=5, seed=seed) for seed in (3, 3, 4))
    assert np.array_equal(first.nodes, again.nodes)
    assert not np.array_equal(first.nodes, other.nodes)
    assert not np.array_equal(first.nodes[0], first.nodes[1])


@pytest.mark.parametrize(
    ("probes", "steps", "named"), [(1, 2, "probes=1"), (2, 0, "steps=0"), (2, 6, "steps=6")]
)
def test_what_is_out_of_range_raises_and_is_named(probes, steps, named):
    with pytest.raises(ValueError, match=named):
        spectral_density(Matrix(torch.eye(5, dtype=DOUBLE)), probes=probes, steps=steps, seed=0)
