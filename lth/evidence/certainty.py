"""How sure a mean over seeds is: its interval of Student's t, and its p on either side of zero.

A seed is one study from its own initialisation, and the unit that is repeated. What a claim compares is
subtracted within a seed first, so the values here are paired differences: what seeds have in common, such as an
easy initialisation, cancels.

Values that agree perfectly. A number is known only to some resolution: a difference of accuracies to one test
example, every other statistic to the rounding of float32. Values that are all alike therefore have no spread of
zero, but one that this resolution hides. For a discrete statistic the test is taken at the least favourable
values that lie within half a step of those that were seen: then it errs at most as often as t itself would on
the values before rounding. What that can and can't: on 360 test examples, three seeds that are all one example
better decide nothing (p = 0.06), three that are all two better do (p = 0.02).

"No barrier" does not follow from a test of "barrier > 0" that fails to reject: it takes an equivalence test
against a margin. The statistic is barrier - margin, and a mean below zero is that result.

Sources: Student 1908, "The probable error of a mean"; Schuirmann 1987, "A comparison of the two one-sided tests
procedure", of which a barrier that only has to be small needs one side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import stdtr, stdtrit  # Student's t and its quantiles; scipy.stats takes a second to load

from lth.errors import InputError

ALPHA = 0.05  # chance of a wrong verdict on a claim
FLOAT32 = 2.0**-23  # to which share of a value it is known


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds, the interval it lies in, and what speaks against a mean above or below zero."""

    values: tuple[float | None, ...]  # one a seed; None where there is none
    mean: float | None  # of the values there are; None if there are none
    deviation: float | None  # over seeds, no smaller than the resolution lets know; None with fewer than two
    low: float | None  # None with fewer than two values
    high: float | None
    p_above: float | None  # of such values or more if the mean were at most zero; None with fewer than two
    p_below: float | None  # the same if it were at least zero
    alpha: float = ALPHA  # at each end of the interval
    # Mean over deviation, the least and the most that values within the resolution give; None as p is.
    effect_low: float | None = None
    effect_high: float | None = None
    resolution: float = 0.0  # by how much two values differ at least, if they do

    @property
    def measured(self) -> tuple[float, ...]:
        """The values there are."""
        return tuple(value for value in self.values if value is not None)

    @property
    def num_missing(self) -> int:
        """How many seeds have no value, and are left out."""
        return len(self.values) - len(self.measured)

    @property
    def num_positive(self) -> int:
        """How many seeds agree in sign with a claim that says "> 0"."""
        return sum(value > 0 for value in self.measured)

    @property
    def confidence(self) -> float:
        """1 - 2α, which the interval has where there is one."""
        return 1 - 2 * self.alpha

    @property
    def testable(self) -> bool:
        """Whether it can decide anything: two values or more, and of no seed none.

        Which seeds have a value may depend on what it is.
        """
        return self.p_above is not None and self.num_missing == 0

    @property
    def method(self) -> str:
        """What was computed, in words."""
        count, missing = len(self.measured), f", {self.num_missing} missing" if self.num_missing else ""
        if count == 0:
            return f"no value{missing}"
        if self.low is None:
            return f"one seed{missing}: no interval"
        return f"mean and {100 * self.confidence:.4g} % t interval over {count} seeds{missing}"


def estimate_mean(values: Sequence[float | None], *, alpha: float = ALPHA, resolution: float = 0.0) -> Estimate:
    """Return the mean over seeds with its t interval and one-sided p values.

    mean ± t(1 - α, n - 1) s / √n, with s² = Σ (x - mean)² / (n - 1) over the n values there are;
    p_above = P(T > √n mean / s), T of Student's t with n - 1 degrees of freedom.

    They are exact if the values are independent and normal, and for normal values that were rounded to
    multiples of `resolution` on the safe side: the interval is the widest, and each p below one half the
    largest, that values within half of it give. The interval lies above zero where p_above < α, below it where
    p_below < α.

    Args:
        values: One a seed, finite; None where it was not measured or does not exist. Those are left out.
        alpha: Chance that the mean is beyond one end of the interval, in (0, 0.5).
        resolution: By how much two values differ at least, if they differ; 0 for one that varies continuously,
            whose spread counts as no smaller than the rounding of float32.

    Returns:
        The estimate, the same to the last bit in whatever order the values come; without an interval if n < 2.

    Raises:
        ValueError: If a value is not finite, or `alpha` or `resolution` is out of range.
    """
    if not 0 < alpha < 0.5:
        raise InputError(f"alpha={alpha} is out of range; expected a number between 0 and 0.5")
    if not 0 <= resolution < math.inf:
        raise InputError(f"resolution={resolution} is out of range; expected a number of at least 0")
    measured = sorted(value for value in values if value is not None)
    if odd := [value for value in measured if not math.isfinite(value)]:
        raise InputError(f"a value is {odd[0]}; give None for a seed that has none")
    count = len(measured)
    if count < 2:
        mean = measured[0] if measured else None
        return Estimate(tuple(values), mean, None, None, None, None, None, alpha, resolution=resolution)
    mean, spread = _moments(measured)
    possible = _least_favourable(measured, resolution)
    quantile = float(stdtrit(count - 1, 1 - alpha)) / math.sqrt(count)
    statistics = [_statistic(*moments, count) for moments in possible]
    return Estimate(
        values=tuple(values),
        mean=mean,
        deviation=max(spread, resolution / 2),
        low=min(middle - quantile * deviation for middle, deviation in possible),
        high=max(middle + quantile * deviation for middle, deviation in possible),
        p_above=float(stdtr(count - 1, -min(statistics))),
        p_below=float(stdtr(count - 1, max(statistics))),
        alpha=alpha,
        effect_low=min(statistics) / math.sqrt(count),
        effect_high=max(statistics) / math.sqrt(count),
        resolution=resolution,
    )


def _moments(measured: Sequence[float]) -> tuple[float, float]:
    """Return mean and standard deviation, the latter no smaller than float32 lets know it."""
    largest = max(map(abs, measured))
    scale = 2.0 ** min(math.frexp(largest)[1], 1023)  # changes no bit, and keeps squares in range
    scaled = [value / scale for value in measured]
    if measured[0] == measured[-1]:
        mean, deviation = scaled[0], 0.0
    else:
        mean = math.fsum(scaled) / len(scaled)
        squares = math.fsum((value - mean) ** 2 for value in scaled)
        deviation = math.sqrt(squares / (len(scaled) - 1))
    return mean * scale, max(deviation * scale, FLOAT32 * largest)


def _least_favourable(ascending: Sequence[float], resolution: float) -> list[tuple[float, float]]:
    """Return mean and deviation of the values within half a resolution that could bound t, or the interval.

    t is quasiconcave in the values where it is positive, and mean - q s is concave, so that either is least in
    a corner of the box; and among corners with as many values moved up, where those are the largest.
    """
    if resolution == 0:
        return [_moments(ascending)]
    half, count = resolution / 2, len(ascending)
    corners = (
        [value - half if index < down else value + half for index, value in enumerate(ascending)]
        for down in range(count + 1)
    )
    return [_moments(corner) for corner in corners]


def _statistic(mean: float, deviation: float, count: int) -> float:
    if mean == 0 or deviation == 0:  # a deviation of zero is one that is too small to be written
        return 0.0 if mean == 0 else math.copysign(math.inf, mean)
    return math.sqrt(count) * mean / deviation
