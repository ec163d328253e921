"""Basin radii along random directions (arXiv 1906.03291, section 4; eq. 3 and 5 of arXiv 2403.15022).

The radius along d is the smallest r > 0 with Loss(w + r d) > cutoff. For plain directions d is a unit vector
and r an L2 distance. For filter-normalised ones (Li et al. 2018, arXiv 1712.09913) each filter of d has the
norm of its filter of w, so r is relative to the weights, which BatchNorm makes the meaningful scale.

No volume is made of them. It is Vol(unit n-ball) times the mean of rⁿ over all directions, and in a thousand
dimensions the mean of rⁿ over some twenty of them is that of the longest, far below the truth. The mean of r
itself is known, to its standard error.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass
from itertools import islice, pairwise

import numpy as np
import torch
from scipy.optimize import brentq
from torch import Tensor

from lth.bar import progress
from lth.brief import brief
from lth.errors import InputError
from lth.network.space import LevelSpace
from lth.network.weights import Weights
from lth.randomness import generator
from lth.setting.setting import DirectionNorm

_FAR_OUTSIDE = 1e6  # nats: what a loss that is not finite counts as, for a bracket needs a number
_NOWHERE = math.log(
    1e-30
)  # of a radius no float32 weights resolve: the loss at the point is not the one that was given

_DIRECTION_BYTES = 2**28  # of directions that are searched together


@dataclass(frozen=True)
class BasinRadii:
    """How far the loss stays at or under a cutoff, direction by direction."""

    radii: np.ndarray  # (num_directions,), in multiples of the direction; where censored, a lower bound
    lengths: np.ndarray  # (num_directions,): L2 norms of the directions, 1 if they are plain
    censored: np.ndarray  # (num_directions,), bool: the loss never crossed the cutoff within the search
    cutoff: float  # nats an example
    loss: float  # at the point itself
    dimension: int  # of the space
    num_evaluations: int

    __repr__ = brief

    @property
    def mean(self) -> float:
        """Mean radius; a lower bound if any direction is censored."""
        return float(self.radii.mean())

    @property
    def num_censored(self) -> int:
        """Number of directions that never crossed."""
        return int(self.censored.sum())

    @property
    def standard_error(self) -> float | None:
        """Of the mean, over the directions: s / √count; of that of the bounds if any direction is censored.

        None of a single direction, which has no spread.
        """
        count = len(self.radii)
        return float(self.radii.std(ddof=1)) / math.sqrt(count) if count > 1 else None


def random_directions(
    space: LevelSpace, weights: Weights, count: int, norm: DirectionNorm, *, seed: int
) -> Iterator[Tensor]:
    """Yield `count` directions of the space at `weights`, each (full_dimension,), float32, zero where pruned.

    They come from one full-length seeded stream each, then are masked, then normalised: two solutions, and
    two spaces, of one network are probed along the same draws.

    Plain directions have norm 1. Filter-normalised ones have, filter by filter (slices of the first axis of
    parameters with at least two axes), the norm of the weights there; the other parameters (biases,
    BatchNorm) stay put, as Li et al. do.

    Args:
        space: Which coordinates may move.
        weights: The point, whose filters give the norms of filter-normalised directions.
        count: How many.
        norm: `plain` or `filter`.
        seed: Of the streams.

    Example:
        >>> from lth.network import Mask
        >>> weights = Weights({"w": torch.zeros(1, 3)}, {})
        >>> space = LevelSpace(Mask({"w": torch.tensor([[True, False, True]])}), weights)
        >>> (direction,) = random_directions(space, weights, 1, "plain", seed=0)
        >>> float(direction[1]), round(float(direction.norm()), 6)  # zero where pruned, of norm 1
        (0.0, 1.0)
    """
    device = next(iter(weights.parameters.values())).device
    for index in range(count):
        full = torch.randn(space.full_dimension, generator=generator(seed, "direction", index)).to(device)
        masked = space.project(full)
        if norm == "plain":
            yield (masked.double() / masked.double().norm()).float()
        else:
            yield space.flatten(_match_filters(space.unflatten(masked), weights.parameters))


def _match_filters(direction: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    matched = {}
    for name, tensor in direction.items():
        if tensor.ndim < 2:
            matched[name] = torch.zeros_like(tensor)
            continue
        axes = tuple(range(1, tensor.ndim))
        wanted = torch.linalg.vector_norm(weights[name], dim=axes, keepdim=True)
        present = torch.linalg.vector_norm(tensor, dim=axes, keepdim=True)
        matched[name] = torch.where(present > 0, tensor * (wanted / present), 0.0)
    return matched


def basin_radii(
    loss: Callable[[Tensor], float],
    point: Tensor,
    directions: Iterable[Tensor],
    cutoff: float,
    *,
    dimension: int,
    loss_at_point: float | None = None,
    tolerance: float = 1e-3,
    smallest: float = 0.05,
    growth: float = 1.5,
    resolution: float = 1.25,
    largest: float = 1e4,
    label: str = "radii",
    losses: Callable[[Iterable[Tensor]], Sequence[float]] | None = None,
) -> BasinRadii:
    """Return the radius of the basin around `point` along each direction.

    Radii grow by the factor `growth` from `smallest` until the loss exceeds the cutoff. Below the first that
    does, the loss is looked at again so often that no two radii are further apart than by the factor
    `resolution`: a rise above the cutoff that growth stepped over ends the basin. Brent's method on log r then
    closes in on the crossing. A loss that is not finite lies outside the basin. May still be jumped: a rise
    narrower than `resolution`, and one that is over below `smallest`; where the loss at `smallest` is above the
    cutoff already, one that lies below the first smaller radius, in steps of `growth`, that is inside again. Of
    several crossings within the last step any may be returned.

    Args:
        loss: Of a full-length vector of parameters, (full_dimension,).
        point: The solution, (full_dimension,).
        directions: Each (full_dimension,).
        cutoff: Absolute, nats an example; two compared solutions share it.
        dimension: Of the space the directions lie in.
        loss_at_point: If it is known already.
        tolerance: Relative, of each radius.
        smallest: The first radius tried, in multiples of a direction.
        growth: Above 1.
        resolution: Above 1: the widest rise, as a factor, that may be jumped.
        largest: A direction that has not crossed by then is censored.
        label: What the progress bar says.
        losses: The same of many vectors, where that is faster than one after the other, as it is where each
            answer has to be waited for. Directions are then searched together, as many as fit into 256 MiB,
            and every one of them gets the radius that it gets alone.

    Raises:
        ValueError: If the point itself lies above the cutoff, or one of the two is not finite.

    Example:
        Of the loss ½ wᵀHw the radius along a unit vector u is √(2 · cutoff / uᵀHu); here H is diag(1, 4).

        >>> H = torch.diag(torch.tensor([1.0, 4.0]))
        >>> loss = lambda w: float(w @ H @ w) / 2
        >>> found = basin_radii(loss, torch.zeros(2), torch.eye(2), cutoff=2.0, dimension=2)
        >>> found.radii.round(2).tolist()
        [2.0, 1.0]
    """
    at_point = loss(point) if loss_at_point is None else loss_at_point
    if not (math.isfinite(at_point) and math.isfinite(cutoff)):
        raise InputError(f"the loss at the point is {at_point} and the cutoff {cutoff}; both must be finite")
    if at_point > cutoff:
        raise InputError(f"the loss at the point is {at_point}, above the cutoff {cutoff}; raise the cutoff")
    evaluate = losses if losses is not None else lambda vectors: list(map(loss, vectors))
    found, lengths, evaluations = [], [], 0
    total = len(directions) if isinstance(directions, Sized) else None
    with progress(None, label, total=total, unit="direction") as bar:
        for group in _groups(directions, _DIRECTION_BYTES if losses is not None else 0):
            searches = [_Search(tolerance, smallest, growth, resolution, largest) for _ in group]
            evaluations += _search_together(searches, group, point, cutoff, evaluate)
            found += [each.crossing for each in searches]
            lengths += [float(direction.double().norm()) for direction in group]
            bar.update(len(group))
    return BasinRadii(
        radii=np.array([radius for radius, _ in found]),
        lengths=np.array(lengths),
        censored=np.array([censored for _, censored in found]),
        cutoff=cutoff,
        loss=at_point,
        dimension=dimension,
        num_evaluations=evaluations + (loss_at_point is None),
    )


def _search_together(
    searches: Sequence[_Search],
    directions: Sequence[Tensor],
    point: Tensor,
    cutoff: float,
    losses: Callable[[Iterable[Tensor]], Sequence[float]],
) -> int:
    """Finish every search, asking for one loss of each at a time; return how many losses that took."""
    evaluations = 0
    while True:
        asked = [
            (each, log_r, along)
            for each, along in zip(searches, directions, strict=True)
            if (log_r := each.asked()) is not None
        ]
        if not asked:
            return evaluations
        evaluations += len(asked)
        found = losses(point + math.exp(log_r) * along for _, log_r, along in asked)
        for (search, log_r, _), loss in zip(asked, found, strict=True):
            search.learn(log_r, _excess(loss, cutoff))


def _excess(loss: float, cutoff: float) -> float:
    above = loss - cutoff
    if not math.isfinite(above):
        return _FAR_OUTSIDE
    return above if above != 0 else -sys.float_info.min  # at the cutoff is still inside


def _groups(directions: Iterable[Tensor], most_bytes: int) -> Iterator[list[Tensor]]:
    """Yield directions in lists that fit into so many bytes, one at least; later ones are made later."""
    every = iter(directions)
    for first in every:
        room = most_bytes // max(1, first.numel() * first.element_size())
        yield [first, *islice(every, max(0, room - 1))]


class _NotKnown(Exception):  # noqa: N818 # it is a question
    """A search came to a radius at which nothing is known yet."""

    def __init__(self, log_r: float) -> None:
        super().__init__(log_r)
        self.log_r = log_r


class _Search:
    """The search along one direction, which is told the excess of the loss wherever it comes.

    It begins anew with all that is known whenever it is told something: that takes no evaluation, and lets
    other directions be asked at the same time.
    """

    def __init__(self, *how: float) -> None:
        self._how = how  # arguments of `_crossing`
        self._known: dict[float, float] = {}  # excess by the logarithm of a radius
        self.crossing = (math.nan, False)  # when nothing more is asked

    def asked(self) -> float | None:
        """Return the logarithm of the radius that is to be tried next; None when the search is over."""
        try:
            self.crossing = _crossing(self._at, *self._how)
        except _NotKnown as asked:
            return asked.log_r
        return None

    def learn(self, log_r: float, excess: float) -> None:
        """Take note of the excess at the logarithm of a radius."""
        self._known[log_r] = excess

    def _at(self, log_r: float) -> float:
        if log_r not in self._known:
            raise _NotKnown(log_r)
        return self._known[log_r]


def _crossing(
    at: Callable[[float], float],
    tolerance: float,
    smallest: float,
    growth: float,
    resolution: float,
    largest: float,
) -> tuple[float, bool]:
    """Return the first crossing, and False; or the largest radius tried, and True if it never crosses.

    `at` is the excess of the loss at a logarithm of a radius, and is asked for some of them twice.
    """
    step, last = math.log(growth), math.log(largest)
    inside, outside = -math.inf, math.log(smallest)
    tried = [outside]
    while at(outside) <= 0 and outside < last:
        inside, outside = outside, min(outside + step, last)
        tried.append(outside)
    censored = at(outside) <= 0
    rise = _jumped(at, tried if censored else tried[:-1], math.log(resolution))
    if rise is not None:
        inside, outside = rise
    elif censored:
        return largest, True
    if inside == -math.inf:  # crossed at once: walk inwards until back inside
        inside = outside - step
        while at(inside) > 0:
            if inside < _NOWHERE:
                raise InputError("the loss is above the cutoff however near the point; is loss_at_point right?")
            inside, outside = inside - step, inside
    return math.exp(brentq(at, inside, outside, xtol=tolerance)), False


def _jumped(at: Callable[[float], float], inside: Sequence[float], apart: float) -> tuple[float, float] | None:
    """Return the first two of ever more radii between those `inside` of which the second is outside, if any.

    Args:
        at: The excess of the loss at a logarithm of a radius.
        inside: Logarithms of radii, ascending, none of them outside.
        apart: How far they may be apart.
    """
    for low, high in pairwise(inside):
        parts = math.ceil((high - low) / apart - 1e-9)
        points = [low + (high - low) * part / parts for part in range(parts + 1)]
        for before, after in pairwise(points[:-1]):
            if at(after) > 0:
                return before, after
    return None
