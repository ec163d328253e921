"""The path of a training as far as its weights were kept, and where on it the loss was a given one.

Between two kept epochs the path is the straight line between their weights, BatchNorm statistics interpolated
like them: at a kept epoch it is what was trained, bit for bit. Late in training the loss falls along such a
line without a barrier (on digits from epoch 16 to 30; compare Frankle et al. 2020, arXiv 1912.05671); early, at
a large learning rate, it need not. How far apart the kept epochs are is told with every place.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from scipy.optimize import brentq

from lth.errors import InputError
from lth.network.weights import Weights, affine_combination

_STEPS = 8  # between two kept epochs, in which the loss is looked at on the way back
_CLOSE = 1e-3  # of the wanted loss: how near counts as there
_FAR = 1e30  # nats: what a loss that is not finite counts as


@dataclass(frozen=True)
class Reached:
    """A place on the path of a training, and how its loss compares with the one that was wanted."""

    epoch: float  # of the place
    loss: float  # there, nats an example
    wanted: float
    kept_before: float  # the kept epochs that the place lies between; both its own if it is one of them
    kept_after: float
    num_evaluations: int

    @property
    def is_there(self) -> bool:
        """Whether the loss is the wanted one, to a thousandth of it."""
        return math.isfinite(self.wanted) and abs(self.loss - self.wanted) <= _CLOSE * abs(self.wanted)


class KeptPath:
    """Weights along a training: those that were kept, and straight lines between them.

    Args:
        epochs: After which weights were kept, ascending.
        read: Returns those of one of them; asked for two at a time, when they are needed.

    Example:
        >>> import torch
        >>> ends = {2.0: torch.tensor([0.0]), 4.0: torch.tensor([8.0])}
        >>> path = KeptPath((2.0, 4.0), lambda epoch: Weights({"w": ends[epoch]}, {}))
        >>> path.at(2.5).parameters["w"].item()
        2.0
    """

    def __init__(self, epochs: Sequence[float], read: Callable[[float], Weights]) -> None:
        self.epochs = tuple(epochs)
        self._read = lru_cache(maxsize=2)(read)

    def between(self, epoch: float) -> tuple[float, float]:
        """Return the kept epochs that an epoch lies between: twice the same if it is one of them.

        Raises:
            ValueError: If it is not on the path.
        """
        before = max((kept for kept in self.epochs if kept <= epoch), default=None)
        after = min((kept for kept in self.epochs if kept >= epoch), default=None)
        if before is None or after is None:
            raise InputError(f"epoch {epoch:g} is not on a path from {self.epochs[0]:g} to {self.epochs[-1]:g}")
        return before, after

    def at(self, epoch: float) -> Weights:
        """Return the weights at an epoch of the path.

        Raises:
            ValueError: If it is not on the path.
        """
        before, after = self.between(epoch)
        if before == after:
            return self._read(before)
        share = (epoch - before) / (after - before)
        return affine_combination([self._read(before), self._read(after)], [1 - share, share])


def trace_back(loss_at: Callable[[float], float], epochs: Sequence[float], wanted: float) -> Reached:
    """Return the last place of a path, counted from its end, where the loss is the wanted one.

    From the end it looks back in eighths of the way between kept epochs until the loss is no longer below the
    wanted one, and closes in on the crossing by Brent's method on the log of the loss. An end that is at or
    above the wanted loss stays where it is. Of a path that stays below, the kept place with the highest loss is
    returned; `is_there` is then false.

    Args:
        loss_at: Loss at an epoch, nats an example; one that is not finite counts as above any other.
        epochs: Those that were kept, ascending.
        wanted: Nats an example.

    Example:
        A loss of exp(-epoch) was 1e-3 after 3 ln 10 epochs.

        >>> found = trace_back(lambda epoch: math.exp(-epoch), (0.0, 1.0, 4.0, 16.0), 1e-3)
        >>> round(found.epoch, 6), found.kept_before, found.kept_after, found.is_there
        (6.907755, 4.0, 16.0, True)
    """
    seen: dict[float, float] = {}

    def loss(epoch: float) -> float:
        if epoch not in seen:
            seen[epoch] = loss_at(epoch)
        return seen[epoch]

    def excess(epoch: float) -> float:
        found = loss(epoch) if math.isfinite(loss(epoch)) else _FAR
        return _log(found) - _log(wanted)

    def reached(epoch: float, before: float, after: float) -> Reached:
        return Reached(epoch, loss(epoch), wanted, before, after, len(seen))

    if excess(epochs[-1]) >= 0:
        return reached(epochs[-1], epochs[-1], epochs[-1])
    for before, after in reversed(list(pairwise(epochs))):
        inner = after
        for step in range(1, _STEPS + 1):
            outer = before if step == _STEPS else after + (before - after) * step / _STEPS
            if excess(outer) >= 0:
                epoch = float(brentq(excess, outer, inner, xtol=1e-9 * (after - before)))
                return reached(epoch, before, after)
            inner = outer
    highest = max(epochs, key=loss)
    return reached(highest, highest, highest)


def _log(loss: float) -> float:
    return math.log(max(loss, 1e-300))
