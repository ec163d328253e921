"""How sure a mean over seeds is: intervals of Student's t, and the verdict they give on a claim.

A seed is one study from its own initialisation, and the unit that is repeated. What a claim compares is
subtracted within a seed first, so the values here are paired differences: what seeds have in common, such as an
easy initialisation, cancels.

An interval has confidence 1 - α/m, α = 0.05, for a claim of m comparisons (Bonferroni): all m intervals hold
at once with probability at least 1 - α, whatever their dependence, and levels of one study are dependent.
Nothing is corrected across claims.

"No barrier" does not follow from a test of "barrier > 0" that fails to reject: it takes an equivalence test
against a margin. The statistic is barrier - margin, and an interval below zero (`refuted`) is that result:
the mean barrier is smaller than the margin, one-sided, at level α/(2m), as one end of the interval is used.

Sources: Student 1908, "The probable error of a mean"; Dunn 1961, "Multiple comparisons among means"; Schuirmann
1987, "A comparison of the two one-sided tests procedure", of which a barrier, never negative, needs one side.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from scipy.special import stdtrit  # quantiles of Student's t; scipy.stats takes a second to load

from lth.errors import InputError

ALPHA = 0.05  # chance that any of a claim's intervals misses its mean

Verdict = Literal["supported", "refuted", "undecided"]


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds, and the interval it lies in."""

    values: tuple[float | None, ...]  # one a seed; None where there is none
    mean: float | None  # of the values there are; None if there are none
    low: float | None  # None with fewer than two values, or none that differ
    high: float | None
    comparisons: int  # m

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
        """1 - α/m, which the interval has where there is one."""
        return 1 - ALPHA / self.comparisons

    @property
    def method(self) -> str:
        """What was computed, in words."""
        count, missing = len(self.measured), f", {self.num_missing} missing" if self.num_missing else ""
        if count == 0:
            return f"no value{missing}"
        if self.low is None:
            return f"{'one seed' if count == 1 else 'no spread over seeds'}{missing}: no interval"
        return f"mean and {100 * self.confidence:.4g} % t interval over {count} seeds{missing}"


def estimate_mean(values: Sequence[float | None], *, comparisons: int = 1) -> Estimate:
    """Return the mean over seeds with its two-sided t interval.

    mean ± t(1 - α/(2m), n - 1) s / √n, with s² = Σ (x - mean)² / (n - 1) over the n values there are.

    The interval is exact if the values are independent and normal. Values that are all the same number have
    s = 0, from which nothing is known of a spread that n seeds happened not to show: no interval. Two seeds
    that differ give an interval, a very wide one.

    Args:
        values: One a seed, finite; None where it was not measured or does not exist. Those are left out.
        comparisons: m >= 1, how many intervals the claim reads at once.

    Returns:
        The estimate, the same to the last bit in whatever order the values come; without an interval if n < 2
        or s = 0.

    Raises:
        ValueError: If a value is not finite, or `comparisons` is below 1.
    """
    if comparisons < 1:
        raise InputError(f"comparisons={comparisons} is out of range; expected at least 1")
    measured = [value for value in values if value is not None]
    if odd := [value for value in measured if not math.isfinite(value)]:
        raise InputError(f"a value is {odd[0]}; give None for a seed that has none")
    count = len(measured)
    if count < 2:
        return Estimate(tuple(values), measured[0] if measured else None, None, None, comparisons)
    if min(measured) == max(measured):
        return Estimate(tuple(values), measured[0], None, None, comparisons)
    mean = math.fsum(measured) / count
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in measured) / (count - 1))
    quantile = float(stdtrit(count - 1, 1 - ALPHA / (2 * comparisons)))
    half = quantile * deviation / math.sqrt(count)
    return Estimate(tuple(values), mean, mean - half, mean + half, comparisons)


def verdict_on(estimate: Estimate) -> Verdict:
    """Return what an estimate says of a claim that its mean is > 0.

    `supported` if the whole interval is above zero, `refuted` if it is below, else `undecided`. Always
    `undecided` without an interval, and if a seed has no value: which seeds have one may depend on what it is.
    """
    if estimate.low is None or estimate.high is None or estimate.num_missing > 0:
        return "undecided"
    if estimate.low > 0:
        return "supported"
    return "refuted" if estimate.high < 0 else "undecided"
