"""Power and seeds needed. Numbers of statsmodels 0.15 (`TTestPower`, alternative="larger") are pinned."""

import math

import numpy as np
import pytest
from scipy.stats import chi2, ttest_1samp

from lth.evidence.power import (
    MOST_SEEDS,
    SeedsNeeded,
    power_of_t,
    range_of_deviation,
    seeds_needed,
    seeds_to_reject,
)


def always(alpha):
    return lambda _seeds: alpha


@pytest.mark.parametrize(
    ("effect", "seeds", "alpha", "expected"),
    [
        (0.5, 20, 0.05, 0.6951493382443411),
        (2.0, 3, 0.05, 0.7121592030328323),
        (4.0, 3, 0.04, 0.9769429017984387),
        (1.0, 5, 0.005, 0.12837681378178156),
        (8.0, 2, 0.05, 0.9232485239668071),
        (0.3, 100, 0.01, 0.7364842243934746),
    ],
)
def test_power_is_that_of_statsmodels(effect, seeds, alpha, expected):
    assert power_of_t(effect, seeds, alpha) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("effect", "seeds"), [(1.0, 5), (2.0, 3), (40.0, 2)])
def test_power_is_how_often_a_t_test_rejects(effect, seeds):
    draws = np.random.default_rng(0).normal(effect, 1.0, size=(4000, seeds))
    rejected = ttest_1samp(draws, 0, axis=1, alternative="greater").pvalue <= 0.05
    assert power_of_t(effect, seeds, 0.05) == pytest.approx(rejected.mean(), abs=0.024)


@pytest.mark.parametrize(
    ("effect", "alpha", "expected"),  # statsmodels' solve_power, rounded up
    [(0.5, 0.05, 27), (1.0, 0.05, 8), (2.0, 0.04, 4), (0.3, 0.01, 115), (1.5, 0.005, 9)],
)
def test_seeds_to_reject_are_those_of_statsmodels(effect, alpha, expected):
    assert seeds_to_reject([effect], always(alpha)) == expected


@pytest.mark.parametrize("effects", [[1.0, 1.0], [0.5, 0.6, 3.0], [2.0] * 10])
def test_all_cases_together_need_at_least_the_seeds_of_the_weakest_and_have_the_power(effects):
    seeds = seeds_to_reject(effects, always(0.05))
    assert seeds >= seeds_to_reject([min(effects)], always(0.05))
    missed = [1 - power_of_t(effect, seeds, 0.05) for effect in effects]
    fewer = [1 - power_of_t(effect, seeds - 1, 0.05) for effect in effects]
    assert sum(missed) <= 0.2 < sum(fewer)


@pytest.mark.parametrize("alpha", [0.05, 0.004, 0.0001])
def test_an_effect_that_is_never_missed_has_all_the_power_and_takes_no_more_seeds_than_a_smaller_one(alpha):
    effects = np.concatenate([np.arange(2.0, 20.0, 0.25), np.geomspace(20, 1e9, 40)])
    assert [power_of_t(effect, 200, alpha) for effect in effects] == [1.0] * len(effects)
    needed = [seeds_to_reject([effect], always(alpha)) for effect in effects]
    assert needed == sorted(needed, reverse=True)
    assert [seeds_to_reject([0.5, effect], always(alpha)) for effect in effects] == [
        seeds_to_reject([0.5], always(alpha))
    ] * len(effects)


@pytest.mark.parametrize("effects", [[], [0.0], [1.0, -0.1], [0.01]])
def test_no_number_of_seeds_is_enough_without_an_effect(effects):
    assert seeds_to_reject(effects, always(0.05)) is None


@pytest.mark.parametrize("known", [3, 8, 20])
def test_seeds_that_have_no_error_to_spend_reject_nothing(known):
    expected = max(seeds_to_reject([1.0], always(0.01)), known + 1)
    assert seeds_to_reject([1.0], lambda seeds: 0.01 if seeds > known else 0.0) == expected


@pytest.mark.parametrize("seeds", [3, 5, 10])
def test_the_spread_of_few_seeds_is_uncertain_as_chi_square_says(seeds):
    expected = [2.0 * math.sqrt((seeds - 1) / chi2.ppf(tail, seeds - 1)) for tail in (0.9, 0.1)]
    assert range_of_deviation(2.0, seeds) == pytest.approx(expected)


def test_a_small_effect_at_few_seeds_needs_a_number_between_wide_limits():
    needed = seeds_needed([1.0], 3, always(0.05))
    assert needed == SeedsNeeded(expected=8, fewest=5, most=61)
    assert seeds_needed([0.07], 3, always(0.05)).most is None
    assert seeds_needed([0.07], 3, always(0.05)).expected is None
    assert MOST_SEEDS == 1000


@pytest.mark.parametrize("seeds", [1, 0, -3])
def test_a_test_of_less_than_two_seeds_is_refused(seeds):
    with pytest.raises(ValueError, match="at least 2"):
        power_of_t(1.0, seeds, 0.05)
