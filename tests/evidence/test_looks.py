import numpy as np
import pytest
from scipy.stats import ttest_1samp

from lth.evidence.certainty import ALPHA
from lth.evidence.looks import error_of_look, number_of_look


def test_all_looks_there_can_be_spend_alpha_and_no_more():
    spent = np.cumsum([error_of_look(number) for number in range(1, 2001)])
    assert spent[-1] < ALPHA
    assert spent[-1] == pytest.approx(ALPHA, rel=1e-3)
    assert spent[0] == pytest.approx(0.8 * ALPHA)


@pytest.mark.parametrize(
    ("earlier", "seeds", "number"),
    [
        ([], [0, 1, 2], 1),
        ([[0, 1, 2]], [0, 1, 2, 3, 4], 2),
        ([[0, 1, 2], [0, 1, 2, 3, 4]], [2, 0, 1], 1),  # the same report again
        ([[0, 1, 2], [0, 1, 2], [2, 1, 0]], [5, 6], 2),
        ([[0], [1], []], [0, 1], 1),  # one seed decides nothing
        ([[0, 1]], [0], 2),
    ],
)
def test_a_look_is_a_report_with_another_set_of_seeds_that_could_decide(earlier, seeds, number):
    assert number_of_look(earlier, seeds) == number


def test_five_looks_at_growing_seeds_err_at_most_as_often_as_one_may():
    draws = np.random.default_rng(0).normal(size=(4000, 15))
    looks = (3, 5, 7, 10, 15)
    p = np.array([ttest_1samp(draws[:, :seeds], 0, axis=1, alternative="greater").pvalue for seeds in looks])
    spending = np.array([error_of_look(number) for number in range(1, 6)])[:, None]
    tolerance = 3 * np.sqrt(ALPHA * (1 - ALPHA) / 4000)
    assert (p <= ALPHA).any(axis=0).mean() > 2 * ALPHA  # what it mends
    assert (p <= spending).any(axis=0).mean() <= ALPHA + tolerance


@pytest.mark.parametrize("number", [0, -1, -7])
def test_a_look_before_the_first_is_refused(number):
    with pytest.raises(ValueError, match="the first is 1"):
        error_of_look(number)
