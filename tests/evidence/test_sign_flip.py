from itertools import product

import numpy as np
import pytest
from scipy.stats import permutation_test

from lth.evidence.sign_flip import sign_flip_p


@pytest.mark.parametrize(
    "values",
    [[0.3, -0.1, 0.8, 0.45, 0.2], [1, 2, 3, -4, 5, -6, 7, 0.5], [0.1] * 5, [-0.2, 0.1, 0.3, -0.4, 0.5, 0.6]],
)
def test_p_is_that_of_scipys_exact_permutation_test(values):
    expected = permutation_test(
        (values,),
        lambda sample, axis: np.sum(sample, axis=axis),
        permutation_type="samples",
        alternative="greater",
        n_resamples=np.inf,
    )
    assert sign_flip_p(values) == pytest.approx(expected.pvalue)


@pytest.mark.parametrize("count", [5, 6, 11])
def test_p_counts_every_choice_of_signs(count):
    values = np.random.default_rng(count).normal(0.4, 1.0, size=count)
    signs = np.array(list(product((-1, 1), repeat=count)))
    assert sign_flip_p(values.tolist()) == np.mean(signs @ np.abs(values) >= values.sum() - 1e-9)


@pytest.mark.parametrize("count", [5, 20, 32])
def test_seeds_that_all_agree_have_the_smallest_p_there_is(count):
    assert sign_flip_p([0.1] * count) == 2.0**-count


def test_ties_count_as_large_enough():
    assert sign_flip_p([0.0] * 6) == 1
    assert sign_flip_p([0.1, 0.2, 0.3, 0.0, 0.0]) == 4 / 32


@pytest.mark.parametrize("count", [0, 1, 4, 33])
def test_too_few_seeds_to_fall_below_alpha_or_too_many_to_count_have_none(count):
    assert sign_flip_p([1.0] * count) is None


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), -float("inf")])
def test_a_value_that_is_not_finite_is_refused(odd):
    with pytest.raises(ValueError, match="not finite"):
        sign_flip_p([1.0, 2.0, 3.0, 4.0, odd])
