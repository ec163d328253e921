"""How many seeds it takes to decide a claim, if what was seen is how it is."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from scipy.special import chdtri, nctdtr, stdtrit

from lth.errors import InputError

POWER = 0.8
COVERAGE = 0.8  # of the range that a deviation over seeds is given
MOST_SEEDS = 1000  # of one study


@dataclass(frozen=True)
class SeedsNeeded:
    """How many seeds in all would decide with a power of 80 %; None is more than 1,000."""

    expected: int | None  # with the spread that was seen
    fewest: int | None  # with the smallest that it may well be
    most: int | None  # with the largest


def power_of_t(effect: float, seeds: int, alpha: float) -> float:
    """Return how often a one-sided t test at α rejects a mean of zero where the mean is `effect` deviations.

    P(T' > t(1 - α, n - 1)) with T' of the noncentral t with n - 1 degrees of freedom and noncentrality effect
    √n; 1 where what is missed is too little to be computed.

    Raises:
        ValueError: If there are fewer than two seeds.

    Example:
        >>> round(power_of_t(0.5, 27, 0.05), 3)
        0.812
    """
    if seeds < 2:
        raise InputError(f"a t test of {seeds} seeds does not exist; take at least 2")
    critical = float(stdtrit(seeds - 1, 1 - alpha))
    missed = float(nctdtr(seeds - 1, effect * math.sqrt(seeds), critical))
    # SciPy has no number (nan) for some that are below 1e-200.
    return 1.0 if math.isnan(missed) else 1 - missed


def range_of_deviation(deviation: float, seeds: int) -> tuple[float, float]:
    """Return the interval that a true standard deviation lies in, 10 % beyond either end.

    s √((n - 1) / χ²) with the quantiles 0.9 and 0.1 of χ² with n - 1 degrees of freedom; for normal values.
    """
    tail = (1 - COVERAGE) / 2
    quantiles = (float(chdtri(seeds - 1, tail)), float(chdtri(seeds - 1, 1 - tail)))
    low, high = (deviation * math.sqrt((seeds - 1) / quantile) for quantile in quantiles)
    return low, high


def seeds_to_reject(effects: Sequence[float], alpha_of: Callable[[int], float]) -> int | None:
    """Return the smallest number of seeds, in all, that rejects in every case with a power of 80 %.

    The powers that the cases miss add up to at most 20 %: enough whatever the dependence of the cases.

    Args:
        effects: Mean over standard deviation of each case.
        alpha_of: Returns α of each case's one-sided test from the number of seeds, with which it may grow.

    Returns:
        The number; None if it is above 1,000, as it always is if a mean is at most zero.
    """

    def enough(seeds: int) -> bool:
        alpha = alpha_of(seeds)
        return alpha > 0 and sum(1 - power_of_t(effect, seeds, alpha) for effect in effects) <= 1 - POWER

    return None if not effects or min(effects) <= 0 else _smallest(enough)


def seeds_needed(effects: Sequence[float], seeds: int, alpha_of: Callable[[int], float]) -> SeedsNeeded:
    """Return how many seeds would reject in every case, and how uncertain that is.

    Args:
        effects: Mean over standard deviation of each case, as the test has it: of a discrete statistic the
            least within its resolution, which more seeds don't make finer.
        seeds: Over which they were taken, at least 2.
        alpha_of: Returns α of each case's one-sided test from the number of seeds in all.
    """
    shortest, longest = range_of_deviation(1.0, seeds)

    def with_spread(times: float) -> int | None:
        return seeds_to_reject([effect / times for effect in effects], alpha_of)

    return SeedsNeeded(with_spread(1.0), with_spread(shortest), with_spread(longest))


def _smallest(enough: Callable[[int], bool]) -> int | None:
    """Return the smallest number of seeds that is enough, by halving: power grows with seeds."""
    if not enough(MOST_SEEDS):
        return None
    low, high = 1, MOST_SEEDS  # not enough, enough
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
