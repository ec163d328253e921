import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_1samp

from lth.evidence.certainty import estimate_mean, verdict_on

FINITE = st.floats(-1e6, 1e6, allow_nan=False)


def test_interval_is_that_of_the_one_sample_t_test():
    values = [0.3, -0.1, 0.8, 0.45, 0.2]
    estimate = estimate_mean(values)
    expected = ttest_1samp(values, 0).confidence_interval(0.95)
    assert estimate.mean == pytest.approx(np.mean(values))
    assert (estimate.low, estimate.high) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize("comparisons", [1, 3, 13])
def test_two_seeds_have_the_quantile_of_cauchy(comparisons):
    # With one degree of freedom t is Cauchy's, whose quantile is tan(π (p - 1/2)); and s / √2 is half the gap.
    estimate = estimate_mean([1.0, 4.0], comparisons=comparisons)
    half = math.tan(math.pi * (0.5 - 0.025 / comparisons)) * 1.5
    assert (estimate.mean, estimate.low, estimate.high) == pytest.approx((2.5, 2.5 - half, 2.5 + half))


def test_more_comparisons_need_more_confidence_and_a_longer_interval():
    one, ten = estimate_mean([1.0, 2.0, 4.0]), estimate_mean([1.0, 2.0, 4.0], comparisons=10)
    assert (one.confidence, ten.confidence) == pytest.approx((0.95, 0.995))
    assert ten.low < one.low < one.mean == ten.mean < one.high < ten.high


def test_an_interval_covers_the_mean_as_often_as_it_says():
    draws = np.random.default_rng(0).normal(0.7, 2.0, size=(2000, 4))
    estimates = [estimate_mean(row.tolist()) for row in draws]
    covered = np.mean([estimate.low <= 0.7 <= estimate.high for estimate in estimates])
    # Three standard errors of a share of 2000 draws: 3 √(0.95 · 0.05 / 2000).
    assert covered == pytest.approx(0.95, abs=0.0147)


def test_all_intervals_of_a_claim_cover_at_once_even_if_levels_depend_on_each_other():
    stream = np.random.default_rng(1)
    shared, own = stream.normal(size=(2000, 1, 4)), stream.normal(size=(2000, 5, 4))
    claims = [[estimate_mean(row.tolist(), comparisons=5) for row in levels] for levels in shared + own]
    covered = np.mean([all(each.low <= 0 <= each.high for each in claim) for claim in claims])
    assert covered >= 0.95 - 0.0147  # Bonferroni is a bound from below; tolerance as above


def test_one_seed_has_a_mean_and_no_interval():
    estimate = estimate_mean([3.0])
    assert (estimate.mean, estimate.low, estimate.high) == (3.0, None, None)
    assert estimate.method == "one seed: no interval"
    assert verdict_on(estimate) == "undecided"


def test_missing_seeds_are_left_out_and_counted():
    estimate = estimate_mean([1.0, None, 2.0, None, 4.0])
    whole = estimate_mean([1.0, 2.0, 4.0])
    assert (estimate.low, estimate.mean, estimate.high) == (whole.low, whole.mean, whole.high)
    assert (estimate.num_missing, estimate.measured, estimate.num_positive) == (2, (1.0, 2.0, 4.0), 3)
    assert estimate.method == "mean and 95 % t interval over 3 seeds, 2 missing"


def test_nothing_measured_is_undecided():
    estimate = estimate_mean([None, None])
    assert (estimate.mean, estimate.low, estimate.high, estimate.num_missing) == (None, None, None, 2)
    assert verdict_on(estimate) == "undecided"


@pytest.mark.parametrize("value", [0.1, 0.0, -0.1])
def test_equal_values_have_no_interval_and_decide_nothing(value):
    estimate = estimate_mean([value] * 3)  # 0.1 + 0.1 + 0.1 is not 0.3
    assert (estimate.low, estimate.mean, estimate.high) == (None, value, None)
    assert "no spread" in estimate.method
    assert verdict_on(estimate) == "undecided"


def test_a_seed_without_a_value_leaves_it_undecided_whatever_the_others_say():
    estimate = estimate_mean([1.0, 1.1, 1.2, None])
    assert estimate.low is not None
    assert estimate.low > 0
    assert verdict_on(estimate) == "undecided"


@pytest.mark.parametrize(
    ("values", "verdict"),
    [([1.0, 1.1, 1.2], "supported"), ([-1.0, -1.1, -1.2], "refuted"), ([1.0, -0.5, 1.2], "undecided")],
)
def test_a_verdict_needs_the_whole_interval_on_one_side(values, verdict):
    assert verdict_on(estimate_mean(values)) == verdict


@given(st.lists(st.none() | FINITE, max_size=8), st.randoms())
def test_order_of_seeds_does_not_change_a_bit(values, random):
    shuffled = list(values)
    random.shuffle(shuffled)
    first, second = estimate_mean(values, comparisons=3), estimate_mean(shuffled, comparisons=3)
    assert (first.mean, first.low, first.high) == (second.mean, second.low, second.high)


@given(st.lists(FINITE, min_size=2, max_size=8))
def test_turning_the_sign_turns_the_verdict(values):
    turned = {"supported": "refuted", "refuted": "supported", "undecided": "undecided"}
    assert verdict_on(estimate_mean([-value for value in values])) == turned[verdict_on(estimate_mean(values))]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_value_that_is_not_finite_is_refused(value):
    with pytest.raises(ValueError, match="give None"):
        estimate_mean([1.0, value])


def test_no_comparison_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        estimate_mean([1.0], comparisons=0)
