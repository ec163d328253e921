"""How heavy the tail of positive weights is: whether their mean says what it is the mean of.

The k of a generalised Pareto distribution fitted to the largest of them: moments up to 1/k exist. A mean of N
weights is near the truth up to k = 0.7, and for small N up to 1 - 1 / log₁₀ N alone; beyond it, the weights
that the mean is made of were most likely not drawn. A tail that was not drawn at all is not seen by this.

Source: Vehtari, Simpson, Gelman, Yao and Gabry 2024 (arXiv 1507.02646); Zhang and Stephens 2009 for the fit.
"""

from __future__ import annotations

import math

import numpy as np

_MOST = 0.7
_LEAST_TAIL = 5  # weights that a fit needs
_PRIOR_WEIGHTS, _PRIOR_INDEX = 10, 0.5  # a fit counts as if so many weights had said this
_QUARTILE_SHARE, _GRID = 3, 30  # of the fit's prior


def tail_index(log_weights: np.ndarray) -> float:
    """Return k of the tail of weights given by their logarithms, (N,).

    It is minus infinity where the largest are equal, infinite where they are orders of magnitude apart, and NaN
    of fewer than 21 weights, whose tail is too short for a fit.

    Example:
        Weights u^(-k) of uniform u have the tail k.

        >>> uniform = (np.arange(1000) + 0.5) / 1000
        >>> [round(tail_index(-k * np.log(uniform)), 1) for k in (0.2, 0.5, 1.0)]
        [0.2, 0.5, 0.9]
    """
    count = len(log_weights)
    size = math.ceil(min(0.2 * count, 3 * math.sqrt(count)))
    if size < _LEAST_TAIL:
        return math.nan
    weights = np.exp(np.sort(log_weights) - log_weights.max())
    excess = weights[-size:] - weights[-size - 1]
    if excess[-1] == 0:
        return -math.inf
    if excess[math.floor(size / 4 + 0.5) - 1] == 0:
        return math.inf
    return (size * _fitted(excess) + _PRIOR_WEIGHTS * _PRIOR_INDEX) / (size + _PRIOR_WEIGHTS)


def _fitted(excess: np.ndarray) -> float:
    """Return k of a generalised Pareto distribution, from ascending excesses over its threshold.

    θ = -k / scale is averaged over a grid under its profile likelihood and a prior; k is then the mean of
    log(1 - θ x), in the sign in which a heavy tail is positive.
    """
    size = len(excess)
    points = _GRID + math.isqrt(size)
    spread = 1 - np.sqrt(points / (np.arange(points) + 0.5))
    theta = 1 / excess[-1] + spread / (_QUARTILE_SHARE * excess[math.floor(size / 4 + 0.5) - 1])
    index = np.log1p(-theta[:, None] * excess).mean(axis=1)
    likelihood = size * (np.log(-theta / index) - index - 1)
    share = np.exp(likelihood - likelihood.max())
    return float(np.log1p(-(theta @ share / share.sum()) * excess).mean())


def largest_index(count: int) -> float:
    """Return up to which tail index the mean of so many weights is believed.

    Example:
        >>> [round(largest_index(count), 2) for count in (50, 100, 10_000)]
        [0.41, 0.5, 0.7]
    """
    return min(_MOST, 1 - 1 / math.log10(count))
