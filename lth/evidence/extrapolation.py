"""What a number that was measured on n, n/2, n/4, … examples would be on more of them, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Measured:
    """A number, measured on every one of disjoint parts of a sample that are equally large."""

    size: float  # examples of a part
    values: tuple[float, ...]  # one a part

    @property
    def mean(self) -> float:
        """Over the parts."""
        return float(np.mean(self.values))


@dataclass(frozen=True)
class Extrapolated:
    """What it would be on more examples."""

    value: float
    uncertainty: float  # about a standard error


def extrapolate(measured: Sequence[Measured], size: float = math.inf) -> Extrapolated:
    """Return what a number would be on `size` examples.

    Its bias is taken to be b / n: the line in 1 / n through the two largest sizes goes on to 1 / size. Parts of
    a size make up the sample, so what chance put into it is in both sizes alike and leaves b alone. What is
    not known is the sample itself, as far as others would be drawn (the standard deviation over the smallest
    parts over √parts, times √(1 - n / size)), and what is not like 1 / n: how far the parabola through three
    sizes ends from the line, or, of two sizes, the whole of the correction. Both are added in squares.

    Args:
        measured: Of n, n/2, … examples, the largest first; two sizes at least.
        size: How many; at least n.

    Example:
        Of 10 + 300 / n on 100, 50 and 25 examples, without chance, the limit is 10.

        >>> found = extrapolate([Measured(100, (13,)), Measured(50, (16, 16)), Measured(25, (22, 22, 22, 22))])
        >>> round(found.value, 6), round(found.uncertainty, 6)
        (10.0, 0.0)
    """
    x = 1 / np.array([each.size for each in measured])
    means, to = np.array([each.mean for each in measured]), 1 / size
    line = _through(x[:2], means[:2], to)
    beyond = _through(x[:3], means[:3], to) if len(measured) > 2 else means[0]
    finest = measured[-1].values
    sampled = float(np.std(finest, ddof=1)) / math.sqrt(len(finest)) * math.sqrt(max(0.0, 1 - to / x[0]))
    return Extrapolated(line, math.hypot(sampled, float(beyond) - line))


def _through(x: np.ndarray, y: np.ndarray, at: float) -> float:
    """Return the value of the polynomial through all points (Lagrange)."""
    terms = [
        y[i] * np.prod([(at - x[j]) / (x[i] - x[j]) for j in range(len(x)) if j != i]) for i in range(len(x))
    ]
    return float(np.sum(terms))
