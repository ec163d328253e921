import pytest
import torch

from lth.measure import MatrixOperator, leading_spectrum


def test_a_matrix_at_hand_is_multiplied_with_in_its_own_precision():
    matrix = MatrixOperator(torch.tensor([[1.0, 2.0], [2.0, 5.0]], dtype=torch.float64))
    assert matrix(torch.tensor([1.0, 1.0], dtype=torch.float64)).tolist() == [3.0, 7.0]
    assert (matrix.dimension, matrix.dtype, matrix.device.type) == (2, torch.float64, "cpu")


def test_the_spectrum_of_a_matrix_at_hand_is_that_of_numpy():
    half = torch.randn(30, 30, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    entries = half @ half.T
    found = leading_spectrum(MatrixOperator((entries + entries.T) / 2), k=5, seed=0, tolerance=1e-10)
    expected = torch.linalg.eigvalsh(entries).flip(0)[:5]
    torch.testing.assert_close(torch.from_numpy(found.eigenvalues.copy()), expected, rtol=1e-8, atol=0)


@pytest.mark.parametrize(
    "entries",
    [
        torch.zeros(2, 3),
        torch.zeros(3),
        torch.eye(2, dtype=torch.int64),
        torch.tensor([[1.0, 2.0], [0.0, 1.0]]),
    ],
    ids=["not square", "a vector", "integers", "not symmetric"],
)
def test_what_is_no_symmetric_matrix_is_refused(entries):
    with pytest.raises(ValueError, match=r"expected floats|not symmetric"):
        MatrixOperator(entries)
