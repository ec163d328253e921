import numpy as np
import pytest
import torch
from problems import DOUBLE, Matrix, imp_solution, masked_hessian

from lth.measure.curvature.krylov import KrylovBasis
from lth.measure.curvature.spectrum import search
from lth.measure.curvature.subspace import (
    chance_overlap,
    in_all_parameters,
    leading_eigenvectors,
    mask_overlap,
    participation_ratio,
    share_inside,
    shares_by_parameter,
    subspace_overlap,
)
from lth.network.space import LevelSpace


def orthonormal(rows: int, columns: int, seed: int = 0) -> torch.Tensor:
    drawn = torch.randn(columns, rows, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))
    return torch.linalg.qr(drawn)[0].T


@pytest.mark.parametrize("density", [0.2])
def test_eigenvectors_of_a_network_are_those_of_its_dense_hessian(density):
    operator, dense = masked_hessian(density, 30)
    basis = KrylovBasis(operator, 0, operator.dimension)
    found = search(basis, 6, tolerance=1e-6)
    vectors = leading_eigenvectors(basis, 6).double()
    _, expected = np.linalg.eigh(dense.numpy())
    assert found.converged
    torch.testing.assert_close(vectors @ vectors.T, torch.eye(6, dtype=DOUBLE), rtol=0, atol=1e-5)
    overlap = subspace_overlap(vectors, torch.from_numpy(expected[:, ::-1][:, :6].T.copy()))
    assert overlap == pytest.approx(1, abs=1e-5)
    residuals = (dense @ vectors.T - vectors.T * torch.from_numpy(found.eigenvalues)).norm(dim=0).numpy()
    assert (residuals <= found.residuals + 1e-5 * found.eigenvalues[0]).all()


@pytest.mark.parametrize("k", [0, 31])
def test_more_eigenvectors_than_the_basis_holds_are_refused(k):
    basis = KrylovBasis(Matrix(torch.diag(torch.arange(1.0, 101.0, dtype=DOUBLE))), 0, 60)
    for _ in range(30):
        basis.grow()
    with pytest.raises(ValueError, match=f"k={k} eigenvectors of a basis of 30 vectors"):
        leading_eigenvectors(basis, k)


def test_the_overlap_depends_on_the_spans_alone_and_by_chance_is_k_over_n():
    first, second = orthonormal(5, 200), orthonormal(5, 200, seed=1)
    turned = orthonormal(5, 5, seed=2) @ first
    assert subspace_overlap(first, turned) == pytest.approx(1)
    assert subspace_overlap(turned, second) == pytest.approx(subspace_overlap(first, second))
    seen = [subspace_overlap(orthonormal(5, 200, seed), first) for seed in range(10, 60)]
    error = np.std(seen, ddof=1) / np.sqrt(len(seen))
    assert abs(np.mean(seen) - chance_overlap(5, 5, 200)) < 4 * error


def test_vectors_of_two_spaces_are_compared_in_all_parameters():
    solution, other = imp_solution(1), imp_solution(2)
    wide, narrow = LevelSpace(solution.mask, solution.final), LevelSpace(other.mask, solution.final)
    vectors = orthonormal(3, narrow.dimension).float()
    with pytest.raises(ValueError, match="embed both in all parameters"):
        subspace_overlap(vectors, orthonormal(3, wide.dimension))
    full = in_all_parameters(narrow, vectors)
    assert full.shape == (3, wide.full_dimension)
    within = torch.stack([wide.restrict(wide.unflatten(vector)) for vector in full])
    assert subspace_overlap(full, in_all_parameters(wide, within)) == pytest.approx(1, abs=1e-5)
    kept = narrow.flatten(narrow.embed(torch.ones(narrow.dimension))) != 0
    assert mask_overlap(full, kept) == pytest.approx(1, abs=1e-5)


def test_shares_of_the_parameters_sum_to_one():
    solution = imp_solution(1)
    space = LevelSpace(solution.mask, solution.final)
    vectors = orthonormal(2, space.dimension).float()
    shares = shares_by_parameter(space, vectors)
    np.testing.assert_allclose(sum(shares.values()), 1, atol=1e-5)
    assert set(shares) == set(solution.final.parameters)


def test_a_random_vector_is_spread_over_a_third_of_its_coordinates():
    ratio = participation_ratio(orthonormal(20, 3000))
    np.testing.assert_allclose(ratio.mean() / 3000, 1 / 3, rtol=0.05)


def test_a_displacement_lies_in_a_span_or_out_of_it():
    vectors = orthonormal(4, 50)
    inside = vectors.T @ torch.ones(4, dtype=DOUBLE)
    beside = orthonormal(5, 50)[4]
    beside = beside - vectors.T @ (vectors @ beside)
    assert share_inside(vectors, inside) == pytest.approx(1)
    assert share_inside(vectors, inside / inside.norm() + beside / beside.norm()) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="displacement is zero"):
        share_inside(vectors, torch.zeros(50))
