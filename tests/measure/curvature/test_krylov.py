import dataclasses

import numpy as np
import pytest
import torch
from problems import DOUBLE, Matrix
from torch import Tensor

from lth.measure.curvature import krylov
from lth.measure.curvature.krylov import KrylovBasis


def symmetric(size: int, dtype: torch.dtype = DOUBLE) -> Tensor:
    entries = torch.randn(size, size, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))
    return (entries + entries.T).to(dtype)


def vectors(basis: KrylovBasis) -> Tensor:
    return basis.vectors(0, len(basis)).double()


def ends(basis: KrylovBasis) -> Tensor:
    return torch.stack([end for end, _ in basis._ends])


def check(basis: KrylovBasis, entries: Tensor, tolerance: float) -> None:
    """Assert that V is orthonormal and A V = V T + F C, with F of unit vectors orthogonal to V."""
    v, f, known = vectors(basis), ends(basis), basis
    torch.testing.assert_close(v @ v.T, torch.eye(len(v), dtype=DOUBLE), rtol=0, atol=tolerance)
    torch.testing.assert_close(v @ f.T, torch.zeros(len(v), len(f), dtype=DOUBLE), rtol=0, atol=tolerance)
    torch.testing.assert_close(f.norm(dim=1), torch.ones(len(f), dtype=DOUBLE), rtol=0, atol=tolerance)
    inside, leaving = torch.from_numpy(known.inside), torch.from_numpy(basis.leaving_by_end)
    norms = torch.from_numpy(known.leaving).norm(dim=0)  # in whatever orthonormal basis
    torch.testing.assert_close((leaving.T @ f).norm(dim=1), norms, rtol=tolerance, atol=tolerance)
    scale = float(entries.double().norm())
    expected = inside @ v + leaving.T @ f
    torch.testing.assert_close(v @ entries.double(), expected, rtol=0, atol=tolerance * scale)
    assert known.noise <= tolerance * scale


@pytest.mark.parametrize(("dtype", "tolerance"), [(DOUBLE, 1e-13), (torch.float32, 2e-6)])
def test_products_leave_the_basis_only_along_its_open_ends(dtype, tolerance):
    entries = symmetric(120, dtype)
    basis = KrylovBasis(Matrix(entries, entries.dtype), 0, 40)
    for _ in range(15):
        basis.grow()
    check(basis, entries, tolerance)
    basis.start_afresh()
    for _ in range(15):
        basis.grow()
    assert (basis.num_starts, basis.num_products, len(basis), len(ends(basis))) == (2, 30, 30, 2)
    check(basis, entries, tolerance)
    basis.restart(12)
    check(basis, entries, tolerance)
    for _ in range(28):
        basis.grow()
    check(basis, entries, tolerance)
    with pytest.raises(ValueError, match="full with 40 vectors"):
        basis.grow()


def test_a_restart_keeps_the_leading_ritz_values():
    basis = KrylovBasis(Matrix(symmetric(90)), 0, 60)
    for _ in range(50):
        basis.grow()
    before = np.linalg.eigvalsh(basis.inside)[::-1]
    basis.restart(20)
    assert len(basis) == 20
    np.testing.assert_allclose(np.diag(basis.inside), before[:20], rtol=1e-12)


@pytest.mark.parametrize(("dtype", "tolerance"), [(DOUBLE, 1e-12), (torch.float32, 1e-4)])
@pytest.mark.parametrize("starts", [1, 2, 3, 5])
def test_a_basis_that_spans_everything_has_no_open_end_and_the_eigenvalues_of_the_matrix(
    starts, dtype, tolerance
):
    entries = symmetric(30, dtype)
    basis = KrylovBasis(Matrix(entries, entries.dtype), 0, 30)
    for step in range(30):
        assert not basis.is_complete
        basis.grow()
        if step < starts - 1:
            basis.start_afresh()
    known = basis
    assert basis.is_complete
    assert known.leaving.shape == (0, 30)
    expected = np.linalg.eigvalsh(entries.double().numpy())
    np.testing.assert_allclose(np.linalg.eigvalsh(known.inside), expected, atol=tolerance)


def test_where_no_direction_is_left_a_new_start_changes_nothing():
    entries = symmetric(10)
    basis = KrylovBasis(Matrix(entries, entries.dtype), 0, 10)
    for _ in range(9):
        basis.grow()
    basis.start_afresh()
    assert basis.num_starts == 1
    basis.grow()
    assert basis.is_complete


def test_what_is_outside_is_no_larger_than_estimated_once_the_leading_eigenvalues_are_inside():
    eigenvalues = torch.cat([torch.linspace(0, 1, 180, dtype=DOUBLE), torch.arange(2, 22, dtype=DOUBLE)])
    basis = KrylovBasis(Matrix(torch.diag(eigenvalues)), 0, 200)
    for _ in range(70):
        basis.grow()
    v = vectors(basis)
    rest = torch.eye(200, dtype=DOUBLE) - v.T @ v
    outside = float(torch.linalg.eigvalsh(rest @ torch.diag(eigenvalues) @ rest)[-1])
    assert outside <= basis.seen_outside <= 1.1


def test_before_enough_vectors_tell_nothing_is_known_of_what_is_outside():
    basis = KrylovBasis(Matrix(symmetric(50)), 0, 50)
    for _ in range(5):
        basis.grow()
    assert basis.seen_outside == np.inf


def test_basis_and_projection_depend_on_the_seed_alone():
    found = []
    for seed in (3, 3, 4):
        torch.manual_seed(len(found))
        basis = KrylovBasis(Matrix(symmetric(50)), seed, 50)
        for _ in range(10):
            basis.grow()
        found.append(basis.inside)
    assert np.array_equal(found[0], found[1])
    assert not np.allclose(found[0], found[2])


@pytest.mark.parametrize("dtype", [DOUBLE, torch.float32])
@pytest.mark.parametrize("kept_after", [3, 14, 40, 63, 75])
def test_a_resumed_basis_goes_on_to_the_same_bits(dtype, kept_after):
    entries = symmetric(150, dtype)

    def advance(basis: KrylovBasis, steps: range) -> None:
        for step in steps:
            if step == 10:
                basis.start_afresh()
            if len(basis) < 50:
                basis.grow()
            elif step < 70:
                basis.prove()
            else:
                basis.restart(20)
                basis.grow()

    whole = KrylovBasis(Matrix(entries, dtype), 0, 50)
    advance(whole, range(kept_after))
    state = whole.state()
    parts = [whole.vectors(start, min(start + 7, len(whole))) for start in range(0, len(whole), 7)]
    advance(whole, range(kept_after, 80))
    resumed = KrylovBasis.resumed(Matrix(entries, dtype), 0, state, parts)
    advance(resumed, range(kept_after, 80))
    for name, value in vars(whole.state()).items():
        assert np.array_equal(value, getattr(resumed.state(), name)), name
    assert torch.equal(whole.vectors(0, len(whole)), resumed.vectors(0, len(resumed)))
    assert np.array_equal(whole.inside, resumed.inside)


@pytest.mark.parametrize("lost", ["a vector", "an end", "the dimension", "width", "precision"])
def test_a_state_that_does_not_fit_its_vectors_is_refused(lost):
    basis = KrylovBasis(Matrix(symmetric(30)), 0, 20)
    for _ in range(8):
        basis.grow()
    state, vectors = basis.state(), basis.vectors(0, 8)
    matrix = Matrix(symmetric(30))
    if lost == "a vector":
        vectors = vectors[:7]
    elif lost == "an end":
        state = dataclasses.replace(state, ends=state.ends[:0])
    elif lost == "the dimension":
        state = dataclasses.replace(state, ends=state.ends[:, :29])
    elif lost == "width":
        vectors = vectors[:, :1]
    else:
        vectors = vectors.float()
    with pytest.raises(ValueError, match=r"has no state of shapes|expected \(…, 30\), torch.float64"):
        KrylovBasis.resumed(matrix, 0, state, [vectors])


def test_inner_products_of_long_float32_vectors_are_not_summed_in_float32_alone():
    """At 14.7 M weights that erred by a third where 89 is the truth, which hid the eigenvalues in noise."""
    size = 2_000_000
    stream = torch.Generator().manual_seed(0)
    basis = krylov._Vectors(size, torch.float32, torch.device("cpu"))
    unit = torch.randn(size, generator=stream, dtype=DOUBLE)
    unit /= unit.norm()
    basis.append(unit)
    exact = float(basis.rows(0, 1)[0].double() @ (88.6 * unit).float().double())
    # 2^16 terms in float32: their rounding, 6e-8 each, adds up at random or is far below that in blocked sums
    assert abs(float(basis.inner(88.6 * unit)[0]) - exact) < 1e-6 * exact


def confirming(matrix: Matrix, capacity: int, steps: int) -> KrylovBasis:
    """Return a basis whose second start has grown by so many vectors, or gone on where there was no room."""
    basis = KrylovBasis(matrix, 0, capacity)
    for _ in range(40):
        basis.grow()
    basis.start_afresh()
    for _ in range(steps):
        if len(basis) < capacity:
            basis.grow()
        else:
            basis.prove()
    return basis


@pytest.mark.parametrize("dtype", [DOUBLE, torch.float32])
@pytest.mark.parametrize("room", [1, 2, 9])
def test_a_recurrence_that_goes_on_beyond_a_full_basis_proves_what_it_would_prove_inside(dtype, room):
    entries = symmetric(150, dtype)
    inside = confirming(Matrix(entries, dtype), 100, 30)
    beyond = confirming(Matrix(entries, dtype), 40 + room, 30)
    assert (len(inside), len(beyond), beyond.since, beyond.num_products) == (70, 40 + room, 30, 70)
    tolerance = 1e-10 if dtype == DOUBLE else 1e-3
    assert beyond.proved_outside == pytest.approx(inside.proved_outside, rel=tolerance)
    assert beyond.ritz_outside == pytest.approx(inside.ritz_outside, rel=tolerance)
    check(beyond, entries, 1e-13 if dtype == DOUBLE else 2e-6)
    proved = beyond.proved_outside
    beyond.restart(30)
    assert beyond.proved_outside >= proved  # of more that is outside then
    grown = KrylovBasis.resumed(beyond.matrix, 0, beyond.state(), [beyond.vectors(0, 30)])
    grown.grow()
    check(grown, entries, 1e-13 if dtype == DOUBLE else 3e-6)


def test_a_recurrence_that_ends_beyond_a_full_basis_proves_its_own_largest_value():
    """Every start sees each of the two values once, so the second ends after two vectors, as the first did."""
    basis = KrylovBasis(Matrix(torch.diag(torch.tensor([1.0, 2.0], dtype=DOUBLE).repeat(20))), 0, 3)
    for _ in range(3):
        basis.grow()
    assert basis.is_confirming
    basis.prove()
    assert not basis.is_confirming
    assert 2 <= basis.proved_outside < 2 + 1e-8, "but for what β, which is rounding, may hide"


def test_without_a_start_that_confirms_nothing_is_proved():
    basis = KrylovBasis(Matrix(symmetric(50)), 0, 10)
    for _ in range(10):
        basis.grow()
    with pytest.raises(ValueError, match="no start of the basis confirms what is outside"):
        basis.prove()


def test_a_product_that_is_not_finite_is_refused_beyond_a_full_basis_too():
    matrix = Matrix(symmetric(60))
    basis = confirming(matrix, 42, 2)
    matrix.entries[:] = float("nan")
    with pytest.raises(ValueError, match="not finite"):
        basis.prove()
