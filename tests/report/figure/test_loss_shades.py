import numpy as np
import pytest

from lth.report.figure.loss_shades import Shades, round_losses, shades_of


def test_range_is_that_of_the_losses():
    assert shades_of(np.array([3.0, 0.5, 2.0])) == Shades(0.5, 3.0, "neither")


def test_losses_past_five_decades_are_marked_as_beyond_the_scale():
    assert shades_of(np.array([1e-2, 1e7])) == Shades(1e-2, 1e3, "max")


def test_zero_losses_are_marked_as_below_the_scale():
    assert shades_of(np.array([0.0, 1.0, 2.0])) == Shades(1.0, 2.0, "min")


def test_there_is_no_range_without_losses():
    assert shades_of(np.array([])) is None


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.01, 100, [0.01, 0.1, 1, 10, 100]),
        (0.02, 4, [0.03, 0.1, 0.3, 1, 3]),
        (0.5, 0.9, [0.5, 0.56, 0.64, 0.72, 0.8, 0.88]),
    ],
)
def test_labelled_losses_are_round_and_within_the_range(low, high, expected):
    ticks = round_losses(Shades(low, high, "neither"))
    assert low <= ticks.min() <= ticks.max() <= high
    if high / low > 10:
        np.testing.assert_allclose(ticks, expected)
    assert 4 <= len(ticks) <= 12
