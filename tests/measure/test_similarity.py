"""CKA against a mean over all quadruples of examples, against doubly centred matrices, and its invariances."""

from itertools import permutations

import numpy as np
import pytest
import torch

from lth.measure.similarity import cka_of, gram, linear_cka, unbiased_hsic

STREAM = torch.Generator().manual_seed(0)


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=STREAM, dtype=torch.float64)


def over_quadruples(first: np.ndarray, second: np.ndarray) -> float:
    """Return the mean of k_ij (l_ij + l_qr - 2 l_iq) over distinct i, j, q, r: what is unbiased by its form."""
    terms = [
        first[i, j] * (second[i, j] + second[q, r] - 2 * second[i, q])
        for i, j, q, r in permutations(range(len(first)), 4)
    ]
    return float(np.mean(terms))


def doubly_centred(kernel: np.ndarray) -> np.ndarray:
    """Return the U-centred matrix of Székely and Rizzo (2014), whose inner products are unbiased."""
    count = len(kernel)
    free = kernel - np.diag(np.diag(kernel))
    rows = free.sum(axis=0)
    found = free - (rows[:, None] + rows[None, :]) / (count - 2) + free.sum() / ((count - 1) * (count - 2))
    return found - np.diag(np.diag(found))


@pytest.mark.parametrize(("first", "second"), [(1, 1), (2, 9), (9, 3)])
def test_hsic_is_the_mean_over_all_quadruples_of_examples(first, second):
    x, y = draw(7, first), draw(7, second) + 5
    kernels = [np.asarray(each @ each.T) for each in (x, y)]  # not centred: the mean must not matter
    found = unbiased_hsic(torch.stack([gram(x), gram(y)])).numpy()
    expected = [[over_quadruples(one, other) for other in kernels] for one in kernels]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("features", [2, 40])
def test_cka_is_the_cosine_of_doubly_centred_matrices(features):
    x, y = draw(25, features), draw(25, 3)
    y = y + x[:, :1]
    a, b = (doubly_centred(np.asarray(each @ each.T)) for each in (x, y))
    expected = (a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum())
    assert linear_cka(x, y) == pytest.approx(expected, rel=1e-9)


def test_of_many_examples_it_is_that_of_explicit_centring_matrices():
    x = draw(700, 2)
    y = x @ draw(2, 3) + draw(700, 3)
    centring = np.eye(700) - 1 / 700
    a, b = (centring @ np.asarray(each @ each.T) @ centring for each in (x, y))
    biased = (a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum())
    assert linear_cka(x, y) == pytest.approx(biased, abs=0.01)


def test_neither_a_rotation_a_scale_a_shift_nor_their_order_changes_it():
    x, y = draw(30, 5), draw(30, 4)
    x[:, 0] += y[:, 0]
    rotation, _ = torch.linalg.qr(draw(5, 5))
    assert linear_cka(3 * x @ rotation + 7, y) == pytest.approx(linear_cka(x, y), rel=1e-9)
    assert linear_cka(y, x) == pytest.approx(linear_cka(x, y), rel=1e-9)
    assert linear_cka(x, 0.1 * x - 2) == pytest.approx(1, rel=1e-12)


def test_of_independent_layers_wider_than_the_examples_it_is_zero_where_the_biased_one_is_not():
    found, biased = [], []
    centring = np.eye(20) - 1 / 20
    for _ in range(40):
        x, y = draw(20, 200), draw(20, 200)
        found.append(linear_cka(x, y))
        a, b = (centring @ np.asarray(each @ each.T) @ centring for each in (x, y))
        biased.append((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(40)
    assert np.mean(biased) > 0.8


def test_a_layer_that_does_not_vary_has_none():
    found = cka_of(unbiased_hsic(torch.stack([gram(torch.ones(6, 3)), gram(draw(6, 2))])))
    assert found[0, 1].isnan()
    assert float(found[1, 1]) == pytest.approx(1)


def test_what_has_no_unbiased_estimate_or_is_of_other_examples_is_refused():
    with pytest.raises(ValueError, match="3 examples have no unbiased HSIC; give at least 4"):
        linear_cka(draw(3, 2), draw(3, 2))
    with pytest.raises(ValueError, match="outputs on 5 and 6 examples"):
        linear_cka(draw(5, 2), draw(6, 2))
