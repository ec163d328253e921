import math

import numpy as np
import pytest
import torch
from problems import (
    DOUBLE,
    Matrix,
    masked_hessian,
)
from torch import Tensor

from lth.measure.curvature.krylov import KrylovBasis
from lth.measure.curvature.trace import Trace, deflated_trace


def random_symmetric(dimension: int, seed: int = 0) -> Tensor:
    drawn = torch.randn(dimension, dimension, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))
    return drawn + drawn.T


def hutchinson_trace(matrix, probes: int, *, seed: int) -> Trace:
    """Return the estimate with an empty basis."""
    return deflated_trace(KrylovBasis(matrix, seed, 3), probes, seed=seed)


def grown(matrix, size: int) -> KrylovBasis:
    basis = KrylovBasis(matrix, 0, max(3, size))
    for _ in range(size):
        basis.grow()
    return basis


@pytest.mark.parametrize("diagonal", [[3.0], [1.0, -2.0, 4.0], list(range(-5, 100))])
def test_every_sample_of_a_diagonal_matrix_is_its_trace(diagonal):
    """The signs square to one, and whole numbers add up without rounding."""
    found = hutchinson_trace(Matrix(torch.tensor(diagonal, dtype=DOUBLE).diag()), 5, seed=0)
    assert found.samples.tolist() == [sum(diagonal)] * 5
    assert found.estimate == sum(diagonal)
    assert found.standard_error == 0


def test_probes_are_signs():
    seen = []
    matrix = Matrix(torch.eye(50, dtype=DOUBLE))

    class Watched(Matrix):
        def __call__(self, vector: Tensor) -> Tensor:
            seen.append(vector)
            return super().__call__(vector)

    hutchinson_trace(Watched(matrix.entries), 4, seed=0)
    assert len(seen) == 4
    assert all(torch.equal(vector.abs(), torch.ones(50, dtype=DOUBLE)) for vector in seen)
    assert all((vector > 0).any() and (vector < 0).any() for vector in seen)
    assert len({tuple(vector.tolist()) for vector in seen}) == 4


@pytest.mark.parametrize("seed", range(3))
def test_the_estimate_lies_within_its_standard_errors_of_the_trace(seed):
    matrix = random_symmetric(30, seed)
    found = hutchinson_trace(Matrix(matrix), 400, seed=seed)
    # Four standard errors: of a normal mean, one seed in 16,000 lies beyond them.
    assert abs(found.estimate - float(matrix.trace())) < 4 * found.standard_error
    # The identity would be exact: that the matrix is not diagonal is what is tested.
    assert found.standard_error > 0.5


def test_the_variance_of_a_sample_is_twice_the_sum_of_the_squares_off_the_diagonal():
    matrix = random_symmetric(20)
    off = matrix - matrix.diag().diag()
    expected = 2 * float(off.square().sum())
    samples = hutchinson_trace(Matrix(matrix), 2000, seed=1).samples
    # The sample is a sum of 190 independent-in-pairs terms, near enough to normal that the variance of 2000 of
    # them errs by sqrt(2 / 2000) = 3.2%, or 4% with the heavier tails of a quadratic form; five of the latter.
    assert samples.var(ddof=1) == pytest.approx(expected, rel=0.2)
    # twice or half as much, the mistakes that forget the symmetry, lie far outside
    assert samples.var(ddof=1) != pytest.approx(expected / 2, rel=0.2)


def test_the_standard_error_is_the_deviation_over_the_root_of_the_number():
    found = Trace(10.0, np.array([1.0, 2.0, 6.0]))
    assert found.estimate == 13.0
    # squares of the deviations: 4 + 1 + 9, over 3 - 1, is 7
    assert found.standard_error == pytest.approx(math.sqrt(7 / 3), rel=1e-15)


@pytest.mark.parametrize("density", [1.0, 0.5])
def test_samples_at_a_network_are_those_of_the_dense_hessian_in_its_space(density):
    operator, dense = masked_hessian(density, 30)
    found = hutchinson_trace(operator, 60, seed=0)
    # The same signs on both sides, so float64 is all that differs: sums of up to 242² entries of order one.
    expected = hutchinson_trace(Matrix(dense), 60, seed=0).samples
    np.testing.assert_allclose(found.samples, expected, rtol=1e-9, atol=1e-8)
    assert operator.num_products == 60
    off = dense - dense.diag().diag()
    exact_error = math.sqrt(2 * float(off.square().sum()) / 60)
    # four of the standard errors on paper, of which one seed in 16,000 falls outside
    assert abs(found.estimate - float(dense.trace())) < 4 * exact_error


def test_the_same_seed_takes_the_same_samples_and_another_does_not():
    matrix = Matrix(random_symmetric(12))
    first, again, other = (hutchinson_trace(matrix, 6, seed=seed) for seed in (3, 3, 4))
    assert np.array_equal(first.samples, again.samples)
    assert not np.array_equal(first.samples, other.samples)
    assert len(set(first.samples.tolist())) > 1


def test_more_probes_begin_with_the_fewer():
    matrix = Matrix(random_symmetric(12))
    few, many = (hutchinson_trace(matrix, probes, seed=3).samples for probes in (3, 7))
    assert np.array_equal(many[:3], few)


def test_the_global_random_state_plays_no_part_and_stays_as_it_is():
    matrix = Matrix(random_symmetric(12))
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = hutchinson_trace(matrix, 3, seed=0)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert np.array_equal(hutchinson_trace(matrix, 3, seed=0).samples, first.samples)


def test_products_may_be_of_single_precision():
    class Single(Matrix):
        def __call__(self, vector: Tensor) -> Tensor:
            return super().__call__(vector).float()

    matrix = random_symmetric(12)
    single, double = (hutchinson_trace(kind(matrix), 3, seed=0).samples for kind in (Single, Matrix))
    # 12 products rounded to float32, of entries up to about 20
    np.testing.assert_allclose(single, double, atol=12 * 20 * 2**-24)
    assert single.dtype == np.float64


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_product_that_is_not_finite_raises(value):
    matrix = torch.eye(3, dtype=DOUBLE)
    matrix[1, 1] = value
    with pytest.raises(ValueError, match="a Hessian-vector product is not finite"):
        hutchinson_trace(Matrix(matrix), 2, seed=0)


@pytest.mark.parametrize("probes", [1, 0, -1])
def test_fewer_than_two_probes_raise_and_are_named(probes):
    with pytest.raises(ValueError, match=f"probes={probes} give no standard error; take at least 2"):
        hutchinson_trace(Matrix(torch.eye(3, dtype=DOUBLE)), probes, seed=0)


@pytest.mark.parametrize(("dtype", "tolerance"), [(DOUBLE, 1e-11), (torch.float32, 3e-4)])
def test_samples_are_of_what_is_outside_the_basis(dtype, tolerance):
    entries = random_symmetric(40)
    basis = grown(Matrix(entries, dtype), 12)
    v = basis.vectors(0, 12).double()
    rest = torch.eye(40, dtype=DOUBLE) - v.T @ v
    found = deflated_trace(basis, 5, seed=0)
    assert found.inside == pytest.approx(float((v @ entries @ v.T).trace()), abs=tolerance * 40)
    expected = hutchinson_trace(Matrix(rest @ entries @ rest), 5, seed=0)
    np.testing.assert_allclose(found.samples, expected.samples, atol=tolerance * 40)


def test_what_stands_out_is_known_once_it_is_in_the_basis():
    """Hutchinson's variance is that of the outliers, which a basis of their number and a few more holds."""
    eigenvalues = torch.cat(
        [torch.linspace(50, 100, 10, dtype=DOUBLE), torch.linspace(0, 1, 190, dtype=DOUBLE)]
    )
    turn = torch.linalg.qr(random_symmetric(200))[0]
    matrix = Matrix(turn @ eigenvalues.diag() @ turn.T)
    plain, deflated = hutchinson_trace(matrix, 20, seed=1), deflated_trace(grown(matrix, 25), 20, seed=1)
    # On paper the errors are √(2 Σ λ² / 20), about 76, and about 2.5 without the outliers.
    assert deflated.standard_error < plain.standard_error / 10
    # four standard errors, of which one seed in 16,000 falls outside
    assert abs(deflated.estimate - float(eigenvalues.sum())) < 4 * deflated.standard_error


def test_a_basis_of_everything_knows_the_trace_and_takes_no_product():
    matrix = Matrix(random_symmetric(9))
    basis = grown(matrix, 9)
    found = deflated_trace(basis, 4, seed=0)
    assert matrix.count == 9
    assert found.estimate == pytest.approx(float(matrix.entries.trace()), abs=1e-12)
    assert found.standard_error == 0


def test_an_interrupted_estimate_goes_on_to_the_same_bits():
    basis = grown(Matrix(random_symmetric(30)), 5)
    kept: list[list[float]] = []
    whole = deflated_trace(basis, 6, seed=0, keep=lambda samples: kept.append(list(samples)))
    assert [len(samples) for samples in kept] == [1, 2, 3, 4, 5, 6]
    again = deflated_trace(basis, 6, seed=0, samples=kept[2])
    assert np.array_equal(whole.samples, again.samples)
    assert np.array_equal(deflated_trace(basis, 6, seed=0, samples=kept[-1]).samples, whole.samples)
