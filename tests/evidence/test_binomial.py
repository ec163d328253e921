"""The interval of an accuracy, against scipy's and by counting how often it holds the truth."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from lth.errors import InputError
from lth.evidence.binomial import num_examples, wilson_interval


@pytest.mark.parametrize(("right", "examples"), [(0, 5), (9, 10), (355, 360), (360, 360), (5000, 10_000)])
def test_the_interval_is_wilson_s(right, examples):
    expected = binomtest(right, examples).proportion_ci(0.95, method="wilson")
    found = wilson_interval(right / examples, examples)
    assert found == pytest.approx((expected.low, expected.high), abs=1e-12)


@pytest.mark.parametrize(("truth", "examples"), [(0.97, 360), (0.9, 100), (0.5, 30)])
def test_it_holds_the_truth_in_about_95_of_100_test_sets(truth, examples):
    counts = np.arange(examples + 1)
    chances = [math.comb(examples, k) * truth**k * (1 - truth) ** (examples - k) for k in counts.tolist()]
    held = [low <= truth <= high for low, high in (wilson_interval(k / examples, examples) for k in counts)]
    assert 0.92 < float(np.dot(chances, held)) < 0.98


@pytest.mark.parametrize(
    ("shares", "count"),
    [
        ([348 / 360, 349 / 360, 1.0], 360),
        ([9999 / 10_000], 10_000),
        ([math.nan, 0.5], 2),
        ([0.95 + 1e-9 * math.pi], None),
        ([], None),
        ([math.nan], None),
    ],
)
def test_the_number_of_examples_is_the_least_that_gives_all_accuracies(shares, count):
    assert num_examples(shares) == count


@pytest.mark.parametrize(("share", "examples"), [(1.1, 10), (-0.1, 10), (0.5, 0), (math.nan, 3)])
def test_what_is_no_share_of_examples_is_refused(share, examples):
    with pytest.raises(InputError, match="has no interval"):
        wilson_interval(share, examples)
