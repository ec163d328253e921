"""The exact test that a mean is above zero which supposes no normal values, only as many above as below."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lth.errors import InputError

FEWEST = 5  # with four seeds the smallest p that there is, 1/16, is above 5 %
MOST = 32  # above, half the sums fill memory, and t needs no help
_ROUNDING = 1e-12  # of the sum of sizes: sums that differ by less are equal


def sign_flip_p(values: Sequence[float]) -> float | None:
    """Return the share of the 2ⁿ ways to choose the signs of n values that give at least the sum that is seen.

    Were the values symmetric around a mean of at most zero, every choice of signs would be at least as likely
    to give as large a sum. p is at least 2⁻ⁿ.

    The 2ⁿ sums are those of two halves: for each sum of one, the sums of the other that are large enough are
    counted in a sorted list.

    Args:
        values: Finite, (n,).

    Returns:
        p; None with fewer than five values, where it can't fall below 5 %, or more than 32.

    Raises:
        ValueError: If a value is not finite.

    Source: Fisher 1935, "The design of experiments", section 21.

    Example:
        >>> sign_flip_p([0.3, 0.1, 0.2, 0.5, 0.4])  # no other choice of signs gives as much
        0.03125
    """
    if not np.isfinite(values).all():
        raise InputError("a value is not finite; leave out seeds that have none")
    if not FEWEST <= len(values) <= MOST:
        return None
    sizes = np.sort(np.abs(np.asarray(values, dtype=np.float64)))
    first, second = _sums(sizes[::2]), np.sort(_sums(sizes[1::2]))
    seen = float(np.sum(np.sort(values))) - _ROUNDING * float(sizes.sum())
    enough = len(second) - np.searchsorted(second, seen - first, side="left")
    return float(enough.sum()) / 2.0 ** len(values)


def _sums(sizes: np.ndarray) -> np.ndarray:
    """Return Σ ± size over all choices of signs, (2ⁿ,)."""
    sums = np.zeros(1)
    for size in sizes:
        sums = np.concatenate([sums + size, sums - size])
    return sums
