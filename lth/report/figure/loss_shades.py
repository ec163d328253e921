"""Which losses a logarithmic colour scale tells apart, and the round ones to label on it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from matplotlib.ticker import MaxNLocator

_MOST_DECADES = 5.0  # above the lowest loss; the shades of a basin would merge if its far walls had any

Extension = Literal["neither", "min", "max", "both"]
_EXTENSIONS: Mapping[tuple[bool, bool], Extension] = {
    (False, False): "neither",
    (True, False): "min",
    (False, True): "max",
    (True, True): "both",
}


@dataclass(frozen=True)
class Shades:
    """The range of losses that colours tell apart."""

    lowest: float  # nats, positive
    highest: float  # nats, above `lowest`
    extend: Extension  # at which ends losses beyond take the end's colour


def shades_of(losses: np.ndarray) -> Shades | None:
    """Return the range of the colours for finite losses, (m,); None if there is no loss at all."""
    if not losses.size:
        return None
    positive = losses[losses > 0]
    if not positive.size:
        return Shades(0.1, 1.0, "min")
    lowest, highest = float(positive.min()), float(losses.max())
    below = bool(losses.min() <= 0)
    above = highest > lowest * 10**_MOST_DECADES
    highest = min(highest, lowest * 10**_MOST_DECADES)
    if highest < lowest * (1 + 1e-6):  # one loss everywhere: put it in the middle of some range
        lowest, highest = lowest / 1.1, highest * 1.1
    return Shades(lowest, highest, _EXTENSIONS[below, above])


def round_losses(shades: Shades) -> np.ndarray:
    """Return round losses within the range, few enough to label; evenly spaced if it is narrow."""
    low, high = shades.lowest, shades.highest
    decades = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    for factors in ([1], [1, 3], [1, 2, 5]):
        ticks: np.ndarray = np.multiply.outer(decades, factors).ravel()
        ticks = ticks[(ticks >= low) & (ticks <= high)]
        if len(ticks) >= 4:
            return ticks
    ticks = np.asarray(MaxNLocator(6).tick_values(low, high))
    return ticks[(ticks >= low) & (ticks <= high)]


def boundary(losses: np.ndarray, cutoff: float) -> tuple[np.ndarray, float]:
    """Return heights of grid points, and the height at which {loss ≤ cutoff} ends between them.

    They are log₁₀ of the losses, as shades are. From a solution to a grid point of a thousand times its loss,
    losses that rose evenly would end the set where nobody sees it. Of a cutoff that is not positive they are
    the losses.

    Args:
        losses: Of any shape, nats; what is not finite stays so.
        cutoff: Nats.

    Example:
        >>> boundary(np.array([0.01, 1.0]), 0.1)
        (array([-2.,  0.]), -1.0)
    """
    if cutoff <= 0:
        return losses, cutoff
    positive = losses[np.isfinite(losses) & (losses > 0)]
    floor = positive.min(initial=cutoff) / 10  # of losses of zero
    return np.log10(np.maximum(losses, floor)), math.log10(cutoff)
