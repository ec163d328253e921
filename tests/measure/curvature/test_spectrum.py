import re

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from problems import (
    DOUBLE,
    SPEC,
    Matrix,
    dense_hessian,
    dense_solution,
    free_coordinates,
    imp_solution,
    masked_hessian,
    random_examples,
    training_data,
)
from torch import Tensor
from tqdm import tqdm

from lth.errors import InputError
from lth.measure.curvature.hessian import HessianOperator
from lth.measure.curvature.krylov import KrylovBasis
from lth.measure.curvature.matrix import MatrixOperator
from lth.measure.curvature.spectrum import (
    Spectrum,
    TooFewPositiveEigenvaluesError,
    basis_capacity,
    leading_spectrum,
    search,
)
from lth.network import build_network
from lth.network.space import LevelSpace


def with_spectrum(eigenvalues: np.ndarray, seed: int = 0) -> Tensor:
    """Return a symmetric matrix with these eigenvalues and random eigenvectors."""
    generator = np.random.default_rng(seed)
    q, _ = np.linalg.qr(generator.standard_normal((len(eigenvalues), len(eigenvalues))))
    matrix = q @ np.diag(eigenvalues) @ q.T
    return torch.from_numpy((matrix + matrix.T) / 2)


class Diagonal:
    """A diagonal matrix, of which a product is a few multiplications; with noise of that size if asked."""

    def __init__(self, diagonal: np.ndarray, dtype: torch.dtype = DOUBLE, noise: float = 0.0) -> None:
        self.diagonal = torch.from_numpy(diagonal).to(dtype)
        self.dimension, self.dtype, self.device = len(diagonal), dtype, torch.device("cpu")
        self._noise, self._stream = noise, torch.Generator().manual_seed(0)

    def __call__(self, vector: Tensor) -> Tensor:
        product = self.diagonal * vector
        if self._noise == 0:
            return product
        drawn = torch.randn(self.dimension, generator=self._stream, dtype=self.dtype)
        return product + self._noise * product.norm() * drawn / drawn.norm()


SPECTRA = {
    "positive": np.linspace(1, 50, 200),
    "negative": -np.linspace(1, 50, 60),
    "indefinite": np.linspace(-80, 50, 200),  # the largest magnitude is negative: top is algebraic
    "decaying": np.logspace(2, -6, 200),
    "outliers over a bulk": np.concatenate([np.linspace(-0.01, 0.01, 290), 2.0 ** np.arange(10)]),
    "clustered": np.concatenate([np.linspace(0, 1, 80), 5 + 0.05 * np.arange(6), 9 + 0.05 * np.arange(6)]),
}


@pytest.mark.parametrize("name", SPECTRA)
@pytest.mark.parametrize("k", [1, 12])
def test_leading_eigenvalues_are_those_of_numpy(name, k):
    matrix = Matrix(with_spectrum(SPECTRA[name]))
    spectrum = leading_spectrum(matrix, k, seed=0, tolerance=1e-6, max_products=matrix.dimension)
    expected = np.linalg.eigvalsh(matrix.entries.numpy())[::-1][:k]
    assert spectrum.converged
    # Each errs by no more than the log-product may; that is at most 47 here.
    np.testing.assert_allclose(spectrum.eigenvalues, expected, rtol=1e-6 * 47)
    assert spectrum.num_products == matrix.count


def spectra(sizes: st.SearchStrategy[int]) -> st.SearchStrategy[np.ndarray]:
    """Clustered, near-equal, multiple and negative eigenvalues, over several orders of magnitude."""
    scales = st.sampled_from([1e-3, 1.0, 30.0])
    clusters = st.tuples(
        st.floats(-1, 1), scales, st.sampled_from([0.0, 1e-9, 1e-4, 1e-2, 1.0]), st.integers(1, 25)
    )

    def eigenvalues(parts: list[tuple[float, float, float, int]], size: int) -> np.ndarray:
        stream = np.random.default_rng(size)
        drawn = [scale * (at + spread * stream.standard_normal(count)) for at, scale, spread, count in parts]
        bulk = 1e-2 * stream.standard_normal(size)
        return np.concatenate([bulk, *drawn])

    return st.builds(eigenvalues, st.lists(clusters, min_size=1, max_size=6), sizes)


@settings(max_examples=40)
@given(spectra(st.integers(60, 120)), st.integers(1, 15), st.sampled_from([40, 2000]), st.integers(0, 3))
def test_the_certificate_never_excludes_the_truth(eigenvalues, k, vectors, seed):
    entries = with_spectrum(eigenvalues, seed)
    matrix = Matrix(entries)
    found = leading_spectrum(matrix, k, seed=seed, memory_budget=max(vectors, k + 50) * matrix.dimension * 8)
    truth = np.sort(eigenvalues)[::-1][:k]
    slack = found.noise + 1e-12 * np.abs(eigenvalues).max()
    assert (found.eigenvalues <= truth + slack).all()
    if found.converged:
        assert (truth <= found.upper + slack).all()
    if found.converged and found.num_positive == k:
        lower, upper = found.log_eig_interval
        assert lower - 1e-9 <= np.log(truth).sum() <= upper + 1e-9
        assert upper - lower <= 1e-3 * max(1, abs(found.log_eig_product))


@pytest.mark.parametrize("name", SPECTRA)
def test_eigenvalues_lie_between_their_bounds_and_within_their_residuals(name):
    matrix = Matrix(with_spectrum(SPECTRA[name]))
    spectrum = leading_spectrum(matrix, 8, seed=1)
    expected = np.linalg.eigvalsh(matrix.entries.numpy())[::-1][:8]
    assert spectrum.converged
    slack = 1e-12 * np.abs(expected).max()  # rounding of numpy's own answer
    assert (np.abs(spectrum.eigenvalues - expected) <= spectrum.residuals + slack).all()
    assert (spectrum.eigenvalues <= expected + slack).all()
    assert (expected <= spectrum.upper + slack).all()


def test_the_interval_is_as_narrow_as_asked_and_a_narrower_one_takes_more_products():
    truth, counts = float(np.log(SPECTRA["decaying"][:20]).sum()), []
    for tolerance in (1e-1, 1e-3):
        matrix = Matrix(with_spectrum(SPECTRA["decaying"]))
        spectrum = leading_spectrum(matrix, 20, seed=0, tolerance=tolerance)
        lower, upper = spectrum.log_eig_interval
        assert spectrum.converged
        assert lower - 1e-12 <= truth <= upper + 1e-12
        assert 0 < upper - lower <= tolerance * abs(spectrum.log_eig_product)
        counts.append(matrix.count)
    assert counts == sorted(set(counts))


def test_more_positive_eigenvalues_than_there_are_have_no_interval():
    spectrum = Spectrum(np.array([2.0, -1.0]), np.array([2.0, -1.0]), np.zeros(2), 0.0, 4, converged=True)
    with pytest.raises(TooFewPositiveEigenvaluesError, match="only 1 of the 2"):
        _ = spectrum.log_eig_interval


@pytest.mark.parametrize("copies", [2, 3, 7])
def test_copies_of_an_eigenvalue_that_one_start_is_blind_to_are_found_before_the_space_is_exhausted(copies):
    bulk = np.linspace(0, 1, 590)
    matrix = Matrix(torch.diag(torch.from_numpy(np.concatenate([bulk, [5.0] * copies, [7.0, 8.0, 9.0]]))))
    spectrum = leading_spectrum(matrix, 3 + copies, seed=0, max_products=10_000)
    np.testing.assert_allclose(spectrum.eigenvalues, [9, 8, 7] + [5] * copies, rtol=1e-3)
    assert spectrum.converged
    assert matrix.count < matrix.dimension / 2


def test_copies_that_enter_by_rounding_alone_are_found():
    """After one start has converged, what it was blind to is in the remainder and nowhere else."""
    outliers = np.geomspace(1.5, 40, 12)
    eigenvalues = np.concatenate([np.geomspace(1e-4, 5, 1500), outliers, [outliers[10]] * 2])
    spectrum = leading_spectrum(Matrix(torch.diag(torch.from_numpy(eigenvalues))), 5, seed=0)
    assert spectrum.converged
    np.testing.assert_allclose(spectrum.eigenvalues, np.sort(eigenvalues)[::-1][:5], rtol=1e-3)


@pytest.mark.parametrize("seed", range(6))
def test_a_second_start_does_not_keep_the_search_from_converging(seed):
    stream = np.random.default_rng(seed)
    k = int(stream.integers(5, 17))
    eigenvalues = np.concatenate(
        [
            0.3 * np.abs(stream.standard_normal(1500)),
            stream.uniform(1, 40, k),
            [20.0] * int(stream.integers(1, 4)),
        ]
    )
    spectrum = leading_spectrum(Matrix(torch.diag(torch.from_numpy(eigenvalues))), k, seed=seed)
    truth = np.sort(eigenvalues)[::-1][:k]
    assert spectrum.converged
    assert (spectrum.eigenvalues <= truth + 1e-9).all()
    assert (truth <= spectrum.upper + 1e-9).all()


def test_a_log_product_near_zero_has_an_interval_as_narrow_as_asked():
    eigenvalues = np.concatenate([np.geomspace(0.25, 4, 20), np.linspace(-1e-3, 1e-3, 300)])
    spectrum = leading_spectrum(Matrix(with_spectrum(eigenvalues)), 20, seed=0)
    lower, upper = spectrum.log_eig_interval
    assert spectrum.converged
    assert lower - 1e-9 <= 0 <= upper
    assert upper - lower <= 1e-3


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("found", "k"), [([3.0, 2.0, 1.0], 2), ([], 2), ([1.0] * 500, 3)])
def test_a_matrix_whose_products_stay_inside_a_few_dimensions_is_done_soon(dtype, found, k):
    diagonal = torch.tensor([*found, *[0.0] * (500 - len(found))], dtype=dtype)
    matrix = Matrix(torch.diag(diagonal), dtype)
    spectrum = leading_spectrum(matrix, k, seed=0, max_products=400)
    np.testing.assert_allclose(spectrum.eigenvalues, diagonal.sort(descending=True).values[:k], atol=1e-5)
    assert spectrum.converged
    assert matrix.count < 60


@pytest.mark.parametrize("vectors", [58, 1000])
def test_float32_products_and_a_float32_basis_give_certified_eigenvalues(vectors):
    eigenvalues = np.concatenate([np.geomspace(1e-3, 2, 600), [7.0, 7.0, 7.0, 9.0]])
    matrix = Matrix(with_spectrum(eigenvalues), torch.float32)
    spectrum = leading_spectrum(matrix, 8, seed=0, memory_budget=vectors * matrix.dimension * 4)
    truth = np.sort(eigenvalues)[::-1][:8]
    assert spectrum.converged
    slack = spectrum.noise + 1e-5
    assert (spectrum.eigenvalues <= truth + slack).all()
    assert (truth <= spectrum.upper + slack).all()


BELOW = np.linspace(0.5, 1e-3, 400)
MULTIPLE = {
    "at the k-th place": np.concatenate([np.geomspace(50, 2, 10), np.full(25, 1.0), BELOW, BELOW / 2]),
    "on top": np.concatenate([np.full(5, 9.0), np.geomspace(8, 2, 30), BELOW]),
    "two of them": np.concatenate([np.full(6, 9.0), np.full(9, 3.0), BELOW]),
    "all but equal": np.concatenate([np.geomspace(50, 2, 30), 1 + 1e-9 * np.arange(9), BELOW]),
    "across the k-th place": np.concatenate([np.geomspace(50, 2, 30), np.full(12, 1.0), BELOW]),
}


@pytest.mark.parametrize(("seed", "dtype"), [(0, DOUBLE), (1, torch.float32)])
@pytest.mark.parametrize("name", MULTIPLE)
def test_a_multiple_eigenvalue_is_found_as_often_as_it_is_there_or_the_interval_still_holds_it(
    name, seed, dtype
):
    matrix = Diagonal(MULTIPLE[name], dtype)
    k = 35 if len(MULTIPLE[name]) > 430 else 15
    found = leading_spectrum(matrix, k, seed=seed)
    truth = np.sort(matrix.diagonal.double().numpy())[::-1][:k]
    assert (found.eigenvalues - found.noise <= truth).all()
    assert (truth <= found.upper + found.noise).all()
    lower, upper = found.log_eig_interval
    assert lower <= np.log(truth).sum() <= upper
    if found.converged:
        np.testing.assert_allclose(found.eigenvalues, truth, rtol=1e-2)


@pytest.mark.parametrize("most", [180, 250])
def test_a_last_start_that_still_finds_something_confirms_nothing(most):
    """27 of 384 such matrices were certified to a wrong interval, the claim confirmed against itself."""
    matrix = Diagonal(MULTIPLE["at the k-th place"])
    found = leading_spectrum(matrix, 35, seed=0, max_products=most)
    assert found.converged is bool(found.log_eig_width <= 1e-3 * found.log_eig_product)
    assert found.log_eig_interval[1] >= np.log(MULTIPLE["at the k-th place"][:35]).sum()
    assert not found.converged


@pytest.mark.parametrize("k", [10, 20, 29])
def test_double_products_resolve_a_dynamic_range_that_float32_does_not(k):
    eigenvalues = np.geomspace(1, 1e-12, 30)
    found = leading_spectrum(Diagonal(np.concatenate([eigenvalues, np.zeros(60)])), k, seed=0)
    assert found.converged
    assert found.num_positive == k
    lower, upper = found.log_eig_interval
    assert lower <= np.log(eigenvalues[:k]).sum() <= upper
    single = leading_spectrum(Diagonal(np.concatenate([eigenvalues, np.zeros(60)]), torch.float32), k, seed=0)
    assert single.num_positive < max(k, 16)


@pytest.mark.parametrize(
    ("dtype", "scale"),
    [(torch.float32, 1e-33), (torch.float32, 1e35), (DOUBLE, 1e-280), (DOUBLE, 1e200)],
)
@pytest.mark.parametrize("shape", [np.geomspace(1, 1e-6, 60), np.append([3.0, 2.0, 1.0], np.zeros(40))])
def test_a_matrix_near_either_end_of_the_numbers_there_are_is_certified_as_any_is(dtype, scale, shape):
    """Squares of its entries are beyond them."""
    matrix = Diagonal(scale * shape, dtype)
    truth = np.sort(matrix.diagonal.double().numpy())[::-1][:4] / scale
    found, of_one = (leading_spectrum(each, 4, seed=0) for each in (matrix, Diagonal(shape, dtype)))
    low, high = (found.eigenvalues - found.noise) / scale, (found.upper + found.noise) / scale
    assert found.converged
    assert (low <= truth).all()
    assert (truth <= high).all()
    assert found.noise / scale < 2 * of_one.noise
    assert (np.abs(found.eigenvalues / scale - truth) <= found.residuals / scale).all()
    assert np.isfinite(found.residuals).all()


@pytest.mark.parametrize("size", [1e-7, 1e-4])
@pytest.mark.parametrize("seed", range(3))
def test_noise_in_the_products_is_in_the_interval(size, seed):
    eigenvalues = np.concatenate([np.geomspace(30, 1, 20), np.linspace(0.2, -0.1, 300)])
    found = leading_spectrum(Diagonal(eigenvalues, noise=size), 15, seed=seed, tolerance=1e-2)
    assert found.noise > 0
    assert (found.eigenvalues - found.noise <= eigenvalues[:15]).all()
    assert (eigenvalues[:15] <= found.upper + found.noise).all()


@pytest.mark.parametrize(("size", "dimension"), [(1e-14, 50), (2e-14, 500)])
def test_a_small_eigenvalue_above_zeros_is_not_lost_where_the_recurrence_ends(size, dimension):
    """What it adds to β is smaller than itself, by as much as the start has little of its direction."""
    diagonal = np.array([1.0, size, *[0.0] * dimension])
    for seed in range(12):
        found = search(KrylovBasis(Diagonal(diagonal), seed, 60), 2)
        assert found.upper[1] + found.noise >= size, seed


@pytest.mark.parametrize("dimension", [10_000, 300_000])
def test_long_double_vectors_are_as_long_as_they_are_taken_for(dimension):
    leading = [10.0, 5.0, 2.0, 1.0]
    diagonal = np.concatenate([leading, np.linspace(0.3, -0.1, dimension)])
    found = search(KrylovBasis(Diagonal(diagonal), 0, 60), 4)
    assert found.converged
    assert (found.eigenvalues - found.noise <= leading).all()
    assert (found.upper + found.noise >= leading).all()


def test_no_residual_or_bound_is_finer_than_the_products_resolve():
    """Copies of one eigenvalue end the recurrence at once, with nothing left over."""
    found = leading_spectrum(Diagonal(np.full(50, 3.0), torch.float32), 4, seed=0)
    resolved = np.finfo(np.float32).eps * 3.0
    assert (found.residuals >= resolved).all()
    assert found.noise >= resolved
    lower, upper = found.log_eig_interval
    assert lower < 4 * np.log(3) < upper


def test_the_last_product_allowed_does_not_make_an_unconfirmed_interval_converged():
    free = leading_spectrum(Matrix(with_spectrum(SPECTRA["decaying"])), 8, seed=0)
    assert free.converged
    stopped = leading_spectrum(
        Matrix(with_spectrum(SPECTRA["decaying"])), 8, seed=0, max_products=free.num_products - 6
    )
    np.testing.assert_allclose(stopped.eigenvalues, free.eigenvalues, rtol=1e-6)
    assert not stopped.converged


# "negative" adds nothing on top.
@pytest.mark.parametrize("name", ["decaying", "outliers over a bulk", "clustered", "positive", "indefinite"])
@pytest.mark.parametrize("room", [0, 5])
def test_a_basis_that_is_restarted_finds_the_same_eigenvalues(name, room):
    matrix = Matrix(with_spectrum(np.concatenate([np.linspace(-1e-3, 1e-3, 300), SPECTRA[name]])))
    spectrum = leading_spectrum(
        matrix, 6, seed=0, memory_budget=(56 + room) * matrix.dimension * 8, max_products=2000
    )
    expected = np.linalg.eigvalsh(matrix.entries.numpy())[::-1][:6]
    assert spectrum.converged
    np.testing.assert_allclose(spectrum.eigenvalues, expected, rtol=1e-3 * 30)
    slack = spectrum.noise + 1e-12 * np.abs(expected).max()
    assert (spectrum.eigenvalues <= expected + slack).all()
    assert (expected <= spectrum.upper + slack).all()


@pytest.mark.parametrize(
    "diagonal",
    [np.linspace(5, 0, 150), np.repeat(np.linspace(5, 0, 50), 3), np.geomspace(5, 0.5, 150)],
    ids=["even", "in threes", "geometric"],
)
def test_what_restarts_round_in_float64_is_in_the_noise(diagonal):
    """Eighteen times the basis is recombined, and no product rounds more than an entry."""
    basis = KrylovBasis(Diagonal(diagonal), seed=0, capacity=22)
    found = search(basis, 6, tolerance=0.0, max_products=300)
    assert basis.num_restarts > 10
    assert (found.eigenvalues - found.noise <= diagonal[:6]).all()
    assert found.noise < 1e-13 * diagonal[0]


BELOW = np.linspace(1, -1, 129)
HIDDEN = {
    "a large negative one is dropped": (np.append(BELOW, -1e8), 350),
    "a larger one": (np.append(BELOW, -1e14), 350),
    "several of them": (np.concatenate([BELOW, [-1e9, -1e10, -3e10]]), 350),
    "a remainder is dropped": (np.concatenate([[1e10, 1e5, 1, 1e-3], np.linspace(1e-4, -1e-4, 126)]), 60),
    "a remainder below many alike": (np.concatenate([np.full(4, 1e9), np.linspace(1e-6, -1e-6, 126)]), 60),
}


@pytest.mark.parametrize("seed", [0, 3])
@pytest.mark.parametrize(("diagonal", "most"), HIDDEN.values(), ids=HIDDEN)
def test_what_rounds_by_something_the_basis_no_longer_holds_is_in_the_noise(diagonal, most, seed):
    basis = KrylovBasis(Diagonal(diagonal), seed=seed, capacity=27)
    found = search(basis, 10, max_products=most)
    truth = np.sort(diagonal)[::-1][:10]
    assert (found.eigenvalues - found.noise <= truth).all()
    assert not found.converged or (truth <= found.upper + found.noise).all()


@pytest.mark.parametrize(("dtype", "seed"), [(DOUBLE, 0), (torch.float32, 1)])
def test_close_eigenvalues_in_half_the_memory_take_few_more_products(dtype, seed):
    """As of a trained VGG-16: from the fourth on they lie a few thousandths apart, beyond the last one too."""
    stream = np.random.default_rng(seed)
    close = 2.4 * np.exp(-np.cumsum(stream.uniform(2e-3, 6e-3, 80)))
    values = np.concatenate([[40, 14, 5], close, 1.7 * np.exp(-np.arange(200) / 40), np.zeros(1500)])
    found = []
    for capacity in (600, 110):
        basis = KrylovBasis(Diagonal(values, dtype), 0, capacity)
        found.append(search(basis, 40))
        assert found[-1].converged
        truth = np.sort(basis.matrix.diagonal.double().numpy())[::-1][:40]
        assert (found[-1].eigenvalues - found[-1].noise <= truth).all()
        assert (truth <= found[-1].upper + found[-1].noise).all()
    assert basis.num_restarts > 0
    whole, restarted = (spectrum.num_products for spectrum in found)
    assert whole > 200
    assert restarted < 1.15 * whole


def test_where_rounding_hides_more_than_was_asked_the_bounds_are_as_close_as_products_get_them():
    """Σ log λ is near zero, so a thousandth is asked, and float32 leaves more than that open."""
    values = np.concatenate([[40.0, 7.5, 5.8], np.geomspace(2.9, 0.1434, 17), np.linspace(0.05, -0.4, 600)])
    found = leading_spectrum(Diagonal(values, torch.float32), 20, seed=0)
    assert abs(found.log_eig_product) < 1
    assert found.log_eig_width > 1e-3
    assert found.converged
    low, high = found.log_eig_interval
    assert low <= np.log(np.sort(values)[-20:]).sum() <= high


class Large:
    """As large as VGG-16, and never multiplied with."""

    dimension, dtype, device = 14_724_042, torch.float32, torch.device("cpu")

    def __call__(self, vector: torch.Tensor) -> torch.Tensor:
        raise AssertionError("too large for a test")


def test_a_basis_for_vgg16_holds_182_vectors_and_a_larger_budget_more():
    assert basis_capacity(Large(), 100) == 182
    assert basis_capacity(Large(), 132) == 182
    assert basis_capacity(Large(), 100, 20 * 2**30) == 364


@pytest.mark.parametrize(("k", "budget", "needed"), [(133, 10, "183 vectors"), (100, 8, "150 vectors")])
def test_a_k_that_does_not_fit_the_budget_is_told_by_its_name_before_anything_is_computed(k, budget, needed):
    with pytest.raises(InputError, match=rf"k={k} needs a basis of {needed} .*raise memory_budget"):
        basis_capacity(Large(), k, budget * 2**30)
    with pytest.raises(InputError, match="raise memory_budget"):
        leading_spectrum(Large(), k, seed=0, memory_budget=budget * 2**30)


def test_a_whole_space_needs_no_room_besides():
    matrix = Matrix(with_spectrum(np.arange(1.0, 21.0)))
    assert basis_capacity(matrix, 3, 20 * 20 * 8) == 20
    with pytest.raises(InputError, match="20 vectors"):
        basis_capacity(matrix, 3, 20 * 20 * 8 - 1)


def test_a_basis_that_finds_no_memory_says_what_to_lower(monkeypatch):
    def full(*_shape: int, **_options: object) -> torch.Tensor:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")

    basis = KrylovBasis(Matrix(with_spectrum(np.arange(1.0, 21.0))), 0, 20)
    monkeypatch.setattr(torch, "empty", full)
    with pytest.raises(InputError, match=r"no memory on cpu for 32 more.*lower memory_budget"):
        basis.grow()


def test_products_in_float32_give_the_spectrum_of_float64_to_their_precision():
    entries = with_spectrum(SPECTRA["decaying"])
    exact = np.linalg.eigvalsh(entries.numpy())[::-1][:20]
    spectrum = leading_spectrum(Matrix(entries, torch.float32), 20, seed=0, tolerance=1e-4)
    # Products err by about 6e-8·sqrt(200)·100 ≈ 1e-4 absolutely at worst, the 20th eigenvalue is 17.
    np.testing.assert_allclose(spectrum.eigenvalues, exact, rtol=2e-4)


def test_log_eig_product_is_the_sum_of_natural_logarithms():
    spectrum = leading_spectrum(Matrix(torch.diag(torch.tensor([1.0, 2, 4, 8], dtype=DOUBLE))), 3, seed=0)
    assert spectrum.log_eig_product == pytest.approx(np.log(64), rel=1e-12)  # exhausted space: rounding only


@pytest.mark.parametrize("eigenvalues", [[5.0, 3.0, 0.0, -1.0], [5.0, 3.0, -0.5, -1.0]])
def test_fewer_than_k_positive_eigenvalues_raise_and_say_how_many_there_are(eigenvalues):
    spectrum = Spectrum(np.array(eigenvalues), np.array(eigenvalues), np.zeros(4), 0.0, 4, converged=True)
    with pytest.raises(TooFewPositiveEigenvaluesError, match=r"only 2 of the 4 .* set k to at most 2"):
        _ = spectrum.log_eig_product


def test_few_positive_eigenvalues_of_an_indefinite_matrix_raise():
    eigenvalues = np.concatenate([-np.linspace(1, 2, 30), [1.0, 2.0, 3.0]])
    spectrum = leading_spectrum(Matrix(with_spectrum(eigenvalues)), 5, seed=0)
    with pytest.raises(TooFewPositiveEigenvaluesError, match="only 3 of the 5"):
        _ = spectrum.log_eig_product


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("seed", range(4))
def test_rounding_of_a_zero_eigenvalue_does_not_count_as_positive(dtype, seed):
    """A Hessian of rank 3, as of few examples: no product of its 5 leading eigenvalues exists."""
    eigenvalues = np.concatenate([np.zeros(60), [1.0, 2.0, 3.0]])
    spectrum = leading_spectrum(Matrix(with_spectrum(eigenvalues, seed), dtype), 5, seed=seed)
    with pytest.raises(TooFewPositiveEigenvaluesError, match="only 3 of the 5"):
        _ = spectrum.log_eig_product


def test_a_search_stopped_early_is_flagged_as_not_converged():
    matrix = Matrix(with_spectrum(SPECTRA["positive"]))
    spectrum = leading_spectrum(matrix, 10, seed=0, max_products=12)
    assert not spectrum.converged
    assert spectrum.num_products == 12
    assert spectrum.residuals.max() > 1e-3 * spectrum.eigenvalues.min()


def test_multiple_eigenvalues_are_found_once_the_krylov_space_is_exhausted():
    diagonal = torch.tensor([3.0] * 4 + [1.0] * 4 + [-2.0] * 2, dtype=DOUBLE)
    spectrum = leading_spectrum(Matrix(torch.diag(diagonal)), 8, seed=0)
    np.testing.assert_allclose(spectrum.eigenvalues, [3] * 4 + [1] * 4, rtol=1e-12)
    assert spectrum.converged


def test_the_identity_and_the_zero_matrix_are_exhausted_at_every_step():
    identity = leading_spectrum(Matrix(torch.eye(6, dtype=DOUBLE)), 6, seed=0)
    np.testing.assert_allclose(identity.eigenvalues, 1, rtol=1e-12)
    zero = leading_spectrum(Matrix(torch.zeros(6, 6, dtype=DOUBLE)), 6, seed=0)
    np.testing.assert_array_equal(zero.eigenvalues, 0)


@pytest.mark.parametrize("dtype", [DOUBLE, torch.float32])
@pytest.mark.parametrize("kept_after", [1, 15, 24, 25, 35, 36, 39, 46])
def test_a_search_that_was_interrupted_goes_on_to_the_same_bits(dtype, kept_after):
    """Before and after a look, a restart of the basis, its second start, and where that has no room."""
    drawn = torch.randn(200, 200, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))
    turn = torch.linalg.qr(drawn)[0]
    eigenvalues = torch.cat([torch.linspace(3, 9, 10, dtype=DOUBLE), torch.linspace(-1, 1, 190, dtype=DOUBLE)])
    entries = (turn * eigenvalues) @ turn.T
    kept = []

    def basis() -> KrylovBasis:
        return KrylovBasis(Matrix(entries, dtype), 0, 24)

    whole = basis()

    def keep():
        kept.append((whole.state(), whole.vectors(0, len(whole))))

    found = search(whole, 10, keep=keep)
    assert found.converged
    assert whole.num_starts == 2
    assert whole.num_restarts >= 1
    assert len(kept) == found.num_products > 46
    assert len(kept[38][0].beyond) > 0
    state, vectors = kept[kept_after - 1]
    resumed = KrylovBasis.resumed(Matrix(entries, dtype), 0, state, [vectors])
    again = search(resumed, 10)
    for name, value in vars(found).items():
        assert np.array_equal(value, getattr(again, name)), name
    at_the_end = KrylovBasis.resumed(Matrix(entries, dtype), 0, kept[-1][0], [kept[-1][1]])
    assert np.array_equal(search(at_the_end, 10).eigenvalues, found.eigenvalues)
    assert at_the_end.matrix.count == 0


def test_no_copies_of_a_converged_eigenvalue_appear():
    """Without reorthogonalisation 100 steps on a matrix with one huge eigenvalue return it several times."""
    eigenvalues = np.concatenate([np.linspace(0.1, 1, 149), [1e6]])
    matrix = Matrix(with_spectrum(eigenvalues))
    spectrum = leading_spectrum(matrix, 5, seed=0, tolerance=1e-6, max_products=150)
    np.testing.assert_allclose(spectrum.eigenvalues, eigenvalues[::-1][:5], rtol=1e-6)


def test_all_eigenvalues_of_a_small_matrix_can_be_asked_for():
    matrix = Matrix(with_spectrum(np.array([-3.0, 0.5, 2.0, 7.0])))
    spectrum = leading_spectrum(matrix, 4, seed=0)
    np.testing.assert_allclose(spectrum.eigenvalues, [7, 2, 0.5, -3], rtol=1e-12)
    assert spectrum.converged
    assert leading_spectrum(Matrix(torch.full((1, 1), 4.0, dtype=DOUBLE)), 1, seed=0).eigenvalues == [4]


def test_same_seed_gives_the_same_bits():
    first, second = (leading_spectrum(Matrix(with_spectrum(SPECTRA["decaying"])), 5, seed=3) for _ in range(2))
    assert np.array_equal(first.eigenvalues, second.eigenvalues)
    assert np.array_equal(first.residuals, second.residuals)


@pytest.mark.parametrize("k", [0, -1, 5])
def test_k_outside_the_matrix_raises_and_names_the_range(k):
    with pytest.raises(ValueError, match=f"k={k} .* choose k from 1 to 4"):
        leading_spectrum(Matrix(torch.eye(4, dtype=DOUBLE)), k, seed=0)


@pytest.mark.parametrize("tolerance", [-1e-3, float("nan")])
def test_a_tolerance_that_nothing_meets_is_refused_before_a_product_is_spent(tolerance):
    matrix = Matrix(torch.eye(5, dtype=DOUBLE))
    with pytest.raises(InputError, match=f"tolerance={tolerance} .* give one of at least 0, such as 1e-3"):
        leading_spectrum(matrix, 2, seed=0, tolerance=tolerance)
    assert matrix.count == 0


def test_fewer_products_than_k_raise():
    with pytest.raises(ValueError, match="max_products=2 can't give k=3"):
        leading_spectrum(Matrix(torch.eye(4, dtype=DOUBLE)), 3, seed=0, max_products=2)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_product_that_is_not_finite_raises(value):
    with pytest.raises(ValueError, match="not finite"):
        leading_spectrum(Matrix(torch.full((4, 4), value, dtype=DOUBLE)), 1, seed=0)


def test_leading_eigenvalues_of_a_network_are_those_of_its_dense_hessian():
    solution, examples = imp_solution(1), training_data().train
    network = build_network(SPEC, 0)
    operator = HessianOperator(network, solution.final, LevelSpace(solution.mask, solution.final), examples)
    free = free_coordinates(solution.mask, solution.final)
    dense = dense_hessian(solution.final, examples)[free][:, free]
    expected = np.linalg.eigvalsh(dense.numpy())[::-1][:10]
    spectrum = leading_spectrum(operator, 10, seed=0)
    assert spectrum.converged
    # Residuals of at most 1e-3 (error quadratic in them for well separated ones), float32 products
    assert (np.abs(spectrum.eigenvalues - expected) <= spectrum.residuals + 1e-5 * expected[0]).all()


@pytest.mark.parametrize(
    ("tolerance", "former"),
    [(1e-3, (18.56311408046964, 18.564970176575844)), (1e-2, (18.56311408046964, 18.581655691015943))],
)
def test_the_interval_of_a_network_overlaps_the_one_that_the_former_certificate_gave(tolerance, former):
    operator, _ = masked_hessian(1.0, 30)
    found = leading_spectrum(operator, 8, seed=0, tolerance=tolerance)
    lower, upper = found.log_eig_interval
    assert found.converged
    assert found.failure_probability == 1e-6
    assert lower <= former[1]
    assert former[0] <= upper
    assert found.num_products <= 50


def test_a_spectrum_of_before_counts_as_positive_what_it_counted_then():
    values = np.array([1.0, 1e-3, 1e-7])
    former, new = (
        Spectrum(values, values, np.array([0.0, 2e-3, 0.0]), 0.0, 4, True, chance) for chance in (np.nan, 1e-6)
    )
    assert (former.num_positive, new.num_positive) == (1, 3)


@pytest.mark.parametrize("level", [1, 2])
def test_eigenvalues_interlace_between_the_spaces_of_two_levels(level):
    solution = imp_solution(level)
    previous = dense_solution() if level == 1 else imp_solution(level - 1)
    network, examples = build_network(SPEC, 0), random_examples(30)
    inside, outside = (
        leading_spectrum(
            HessianOperator(network, solution.final, LevelSpace(mask, solution.final), examples, dtype=DOUBLE),
            12,
            seed=0,
            tolerance=1e-6,
        )
        for mask in (solution.mask, previous.mask)
    )
    assert (inside.eigenvalues <= outside.eigenvalues * (1 + 2e-6)).all()
    assert inside.log_eig_product < outside.log_eig_product


@pytest.mark.parametrize("density", [1.0, 0.5, 0.2])
def test_log_products_agree_with_the_dense_float64_hessian_to_1e_5_under_masks(density):
    operator, dense = masked_hessian(density, 30)
    expected = np.linalg.eigvalsh(dense.numpy())[::-1][:8]
    found = leading_spectrum(operator, 8, seed=0, tolerance=1e-6)
    assert found.converged
    np.testing.assert_allclose(found.eigenvalues, expected, rtol=1e-5)
    assert found.log_eig_product == pytest.approx(np.log(expected).sum(), rel=1e-5)


@settings(max_examples=12)
@given(spectra(st.integers(60, 80)), st.floats(0, 3), st.integers(0, 3))
def test_a_perturbation_moves_no_eigenvalue_by_more_than_its_norm(eigenvalues, size, seed):
    """Weyl's inequality, which bounds of 1e-6 leave room for; ‖E‖ is that of a random E of this size."""
    entries = with_spectrum(eigenvalues, seed)
    change = with_spectrum(np.linspace(-size, size, len(eigenvalues)), seed + 1)
    k = 5
    before, after = (
        leading_spectrum(Matrix(matrix), k, seed=seed, tolerance=1e-6, max_products=2000)
        for matrix in (entries, entries + change)
    )
    slack = 1e-5 * max(1.0, np.abs(eigenvalues).max())
    assert (np.abs(after.eigenvalues - before.eigenvalues) <= size + slack).all()


@settings(max_examples=12)
@given(spectra(st.integers(60, 80)), st.integers(1, 10), st.integers(0, 3))
def test_eigenvalues_of_a_principal_submatrix_interlace(eigenvalues, dropped, seed):
    """Cauchy: λᵢ of all ≥ λᵢ of a part ≥ λᵢ₊ₘ of all, m coordinates left out."""
    entries = with_spectrum(eigenvalues, seed)
    k = 5
    whole = leading_spectrum(Matrix(entries), k + dropped, seed=seed, tolerance=1e-6, max_products=2000)
    part = leading_spectrum(
        Matrix(entries[dropped:, dropped:]), k, seed=seed, tolerance=1e-6, max_products=2000
    )
    slack = 1e-5 * max(1.0, np.abs(eigenvalues).max())
    assert (part.eigenvalues <= whole.eigenvalues[:k] + slack).all()
    assert (whole.eigenvalues[dropped:] <= part.eigenvalues + slack).all()


@pytest.mark.parametrize(
    ("signs", "told"),
    [
        (1, r"log_eig_product within [\d.e-]+, asked 0\.0\d+$"),
        (-1, "^0 of 3 eigenvalues known to be positive$"),
    ],
)
def test_the_bar_of_a_spectrum_shows_how_far_it_is_known(signs, told, monkeypatch):
    texts = []

    def shown(*_: object, **__: object) -> tqdm:
        bar = tqdm(disable=True)
        bar.set_postfix_str = lambda text, **_: texts.append(text)
        return bar

    monkeypatch.setattr("lth.measure.curvature.spectrum.progress", shown)
    matrix = MatrixOperator(torch.diag(signs * (torch.arange(40.0) + 1)))
    assert leading_spectrum(matrix, 3, seed=0).converged
    assert re.search(told, texts[-1])
