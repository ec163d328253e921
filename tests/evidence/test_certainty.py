import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t, ttest_1samp

from lth.evidence.certainty import estimate_mean

FINITE = st.floats(-1e6, 1e6, allow_nan=False)


@pytest.mark.parametrize("alpha", [0.05, 0.04, 0.005])
def test_interval_and_p_are_those_of_the_one_sample_t_test(alpha):
    values = [0.3, -0.1, 0.8, 0.45, 0.2]
    estimate = estimate_mean(values, alpha=alpha)
    expected = ttest_1samp(values, 0).confidence_interval(1 - 2 * alpha)
    assert estimate.mean == pytest.approx(np.mean(values))
    assert estimate.deviation == pytest.approx(np.std(values, ddof=1))
    assert (estimate.low, estimate.high) == pytest.approx((expected.low, expected.high))
    assert estimate.p_above == pytest.approx(ttest_1samp(values, 0, alternative="greater").pvalue)
    assert estimate.p_below == pytest.approx(ttest_1samp(values, 0, alternative="less").pvalue)


@pytest.mark.parametrize("alpha", [0.05, 0.01, 0.001])
def test_two_seeds_have_the_quantile_of_cauchy(alpha):
    # With one degree of freedom t is Cauchy's, whose quantile is tan(π (p - 1/2)); and s / √2 is half the gap.
    estimate = estimate_mean([1.0, 4.0], alpha=alpha)
    half = math.tan(math.pi * (0.5 - alpha)) * 1.5
    assert (estimate.mean, estimate.low, estimate.high) == pytest.approx((2.5, 2.5 - half, 2.5 + half))


@pytest.mark.parametrize("values", [[0.5, 1.0, 1.5], [-0.2, 0.6, 0.3, 0.9], [1.0, 1.3]])
@pytest.mark.parametrize("resolution", [0.0, 0.1])
def test_the_end_of_an_interval_is_at_zero_where_alpha_is_p(values, resolution):
    p = estimate_mean(values, resolution=resolution).p_above
    assert estimate_mean(values, resolution=resolution, alpha=p).low == pytest.approx(0, abs=1e-9)


def test_an_interval_covers_the_mean_as_often_as_it_says():
    draws = np.random.default_rng(0).normal(0.7, 2.0, size=(2000, 4))
    estimates = [estimate_mean(row.tolist()) for row in draws]
    covered = np.mean([estimate.low <= 0.7 <= estimate.high for estimate in estimates])
    # Three standard errors of a share of 2000 draws: 3 √(0.9 · 0.1 / 2000).
    assert covered == pytest.approx(0.90, abs=0.0202)


def test_one_seed_has_a_mean_and_can_decide_nothing():
    estimate = estimate_mean([3.0])
    assert (estimate.mean, estimate.low, estimate.high, estimate.p_above) == (3.0, None, None, None)
    assert estimate.method == "one seed: no interval"
    assert not estimate.testable


def test_missing_seeds_are_left_out_and_counted_and_leave_nothing_to_decide():
    estimate = estimate_mean([1.0, None, 2.0, None, 4.0])
    whole = estimate_mean([1.0, 2.0, 4.0])
    assert (estimate.low, estimate.mean, estimate.high) == (whole.low, whole.mean, whole.high)
    assert (estimate.num_missing, estimate.measured, estimate.num_positive) == (2, (1.0, 2.0, 4.0), 3)
    assert estimate.method == "mean and 90 % t interval over 3 seeds, 2 missing"
    assert (estimate.testable, whole.testable) == (False, True)


def test_nothing_measured_has_no_mean():
    estimate = estimate_mean([None, None])
    assert (estimate.mean, estimate.low, estimate.p_below, estimate.num_missing) == (None, None, None, 2)
    assert not estimate.testable


# Values that agree perfectly


@pytest.mark.parametrize("value", [0.02, 1e-9, 7.0])
def test_seeds_that_all_agree_have_no_more_spread_than_float32_hides(value):
    estimate = estimate_mean([value] * 3)  # 0.1 + 0.1 + 0.1 is not 0.3
    assert estimate.mean == value
    assert estimate.p_above < 1e-12
    assert estimate.low == pytest.approx(value, rel=1e-6)
    assert estimate_mean([-value] * 3).p_below == estimate.p_above


def test_seeds_that_are_all_at_zero_are_on_neither_side():
    estimate = estimate_mean([0.0, 0.0, 0.0])
    assert (estimate.low, estimate.high, estimate.p_above, estimate.p_below) == (0, 0, 0.5, 0.5)


@pytest.mark.parametrize(
    ("steps", "seeds", "decides"), [(1, 3, False), (2, 3, True), (1, 5, True), (2, 2, False), (0, 9, False)]
)
def test_of_a_count_of_examples_it_takes_so_many_seeds_that_agree(steps, seeds, decides):
    estimate = estimate_mean([steps / 360] * seeds, resolution=1 / 360)
    assert (estimate.p_above <= 0.05) == decides


@pytest.mark.parametrize("values", [[1, 2, 2], [3, 3, 3, 4], [1, 1], [2, 5, 3, 2, 4]])
def test_no_values_that_round_to_those_seen_give_a_larger_p_or_a_longer_interval(values):
    estimate = estimate_mean(values, resolution=1.0)
    stream = np.random.default_rng(0)
    corners = np.array(list(product((-0.5, 0.5), repeat=len(values))))
    inside = stream.uniform(-0.5, 0.5, size=(300, len(values)))
    possible = [estimate_mean(row.tolist()) for row in np.array(values) + np.concatenate([corners, inside])]
    assert estimate.p_above == pytest.approx(max(each.p_above for each in possible))
    assert estimate.low == pytest.approx(min(each.low for each in possible))
    assert estimate.high == pytest.approx(max(each.high for each in possible))


@pytest.mark.parametrize("spread", [0.1, 0.3, 0.6, 2.0])
def test_a_rounded_statistic_errs_at_most_as_often_as_it_says(spread):
    draws = np.round(np.random.default_rng(3).normal(0.0, spread, size=(2000, 3)))
    wrong = np.mean([estimate_mean(row.tolist(), resolution=1.0).p_above <= 0.05 for row in draws])
    assert wrong <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 2000)


@pytest.mark.parametrize(("centre", "spread"), [(-0.372, 0.1), (-0.116, 0.3), (-0.1, 0.6)])
def test_three_seeds_that_agree_on_a_step_beside_zero_prove_nothing(centre, spread):
    # Steps are at 0.1, -0.9, …; about a tenth of the seeds are a step lower, and the mean is zero.
    draws = np.round(np.random.default_rng(3).normal(centre, spread, size=(2000, 3))) + 0.1
    wrong = np.mean([estimate_mean(row.tolist(), resolution=1.0).p_above <= 0.05 for row in draws])
    unwarned = np.mean([estimate_mean(row.tolist()).p_above <= 0.05 for row in draws])
    assert wrong <= 0.05 < 0.15 < unwarned


@pytest.mark.parametrize("values", [[1.0, 1.1, 0.9], [0.02, -0.01], [-3.0, -2.0, -2.5, 0.1]])
@pytest.mark.parametrize("exponent", [-900, -600, -100, 100, 600, 900])
def test_p_and_effect_do_not_depend_on_the_unit_however_large_or_small_it_makes_the_values(values, exponent):
    seen, scaled = (estimate_mean(each) for each in (values, [math.ldexp(value, exponent) for value in values]))
    assert (scaled.p_above, scaled.p_below, scaled.effect_low) == (seen.p_above, seen.p_below, seen.effect_low)
    assert (scaled.low, scaled.high) == (math.ldexp(seen.low, exponent), math.ldexp(seen.high, exponent))


@pytest.mark.parametrize(
    "values", [[1e308, 1.7e308], [5e-324, 5e-324], [-1.7e308, 1.7e308], [1e-310, 3e-310, 2e-310]]
)
def test_values_at_the_ends_of_what_a_float_holds_have_a_p(values):
    assert 0 <= estimate_mean(values).p_above <= 0.5


@pytest.mark.parametrize("values", [[1, 2, 2], [-3, -3, -4], [1, 0, 1, 0, 0], [2, 2]])
@pytest.mark.parametrize("resolution", [0.0, 1.0])
def test_the_effect_is_the_one_that_the_test_is_taken_at(values, resolution):
    estimate = estimate_mean([float(value) for value in values], resolution=resolution)
    above, below = (
        t.sf(root * effect, len(values) - 1)
        for root, effect in (
            (math.sqrt(len(values)), estimate.effect_low),
            (-math.sqrt(len(values)), estimate.effect_high),
        )
    )
    assert (estimate.p_above, estimate.p_below) == pytest.approx((above, below))


@given(st.lists(st.none() | FINITE, max_size=8), st.randoms(), st.sampled_from([0.0, 0.25]))
def test_order_of_seeds_does_not_change_a_bit(values, random, resolution):
    shuffled = list(values)
    random.shuffle(shuffled)
    first, second = (estimate_mean(each, resolution=resolution) for each in (values, shuffled))
    assert (first.mean, first.low, first.high) == (second.mean, second.low, second.high)
    assert (first.p_above, first.p_below) == (second.p_above, second.p_below)


@given(st.lists(FINITE, min_size=2, max_size=8), st.sampled_from([0.0, 0.25]))
def test_turning_the_sign_turns_the_sides(values, resolution):
    seen = estimate_mean(values, resolution=resolution)
    turned = estimate_mean([-value for value in values], resolution=resolution)
    assert (turned.p_above, turned.p_below) == pytest.approx((seen.p_below, seen.p_above))
    assert (turned.low, turned.high) == pytest.approx((-seen.high, -seen.low))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_value_that_is_not_finite_is_refused(value):
    with pytest.raises(ValueError, match="give None"):
        estimate_mean([1.0, value])


@pytest.mark.parametrize(
    "wrong", [{"alpha": 0.0}, {"alpha": 0.5}, {"resolution": -1.0}, {"resolution": math.inf}]
)
def test_what_is_out_of_range_is_refused(wrong):
    with pytest.raises(ValueError, match="out of range"):
        estimate_mean([1.0, 2.0], **wrong)
