"""Adaptive sharpness: how much the loss rises when every weight changes by a share of itself.

    S_avg(ρ) = E_δ L(w + δ) - L(w)                              δ ~ N(0, ρ² w²), or uniform in |δᵢ| ≤ ρ|wᵢ|
    S_max(ρ) = E_S max { L_S(w + δ) : ‖δ/|w|‖_p ≤ ρ } - L_S(w)  p = 2 or ∞, S a batch of the examples

Relative to each weight, it stays as it is when weights are rescaled without changing the function, as before
BatchNorm or a ReLU. A pruned weight is zero, and stays so.

Near a minimum S_avg is ½ρ² tr A (a third of that if uniform) and S_max of p = 2 is ½ρ² λ_max(A), A = |w| H |w|.

Source: Kwon et al. 2021, arXiv 2102.11600 (ASAM); Andriushchenko et al. 2023, arXiv 2302.07011, with c = |w|.
There Auto-PGD searches the worst case; here conditional gradients, which rise at every step of a convex loss.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from lth.bar import progress
from lth.brief import brief
from lth.data import Examples
from lth.errors import InputError
from lth.measure.slope import loss_and_slope
from lth.network.folded import Folded
from lth.network.space import LevelSpace
from lth.network.weights import Weights
from lth.randomness import generator
from lth.training.evaluate import Evaluator
from lth.training.objective import CROSS_ENTROPY, Objective

Order = Literal["2", "inf"]
Sloped = Callable[[Tensor], tuple[float, Tensor]]  # from weights to a loss and its gradient
ORDERS: tuple[Order, ...] = ("2", "inf")
BATCH = 128  # examples at most that one worst case is of, as in SAM and the sources
_STEPS = 20  # gradients that a worst case is searched with, as many as in arXiv 2302.07011


@dataclass(frozen=True)
class Sharpness:
    """How much the loss rises at r sizes of the change, draw by draw and batch by batch; in its own unit."""

    rho: np.ndarray  # (r,)
    gaussian: np.ndarray  # (r, draws): at δ ~ N(0, ρ² w²), each the mean of δ and -δ
    uniform: np.ndarray  # (r, draws): at δ uniform in |δᵢ| ≤ ρ|wᵢ|
    worst_2: np.ndarray  # (r, batches): the most that was found in ‖δ/|w|‖₂ ≤ ρ, a lower bound
    worst_inf: np.ndarray  # (r, batches): the same in |δᵢ| ≤ ρ|wᵢ|
    loss: float  # at the point itself
    dimension: int  # coordinates that can change: those of the space that are not zero

    __repr__ = brief


def mean_and_error(values: np.ndarray) -> tuple[float, float | None]:
    """Return the mean over draws or batches, and its standard error; None of a single one.

    Example:
        >>> mean_and_error(np.array([1.0, 3.0])), mean_and_error(np.array([2.0]))
        ((2.0, 1.0), (2.0, None))
    """
    count = len(values)
    error = float(values.std(ddof=1)) / math.sqrt(count) if count > 1 else None
    return float(values.mean()), error


def sharpness_at(
    network: nn.Module,
    weights: Weights,
    space: LevelSpace,
    examples: Examples,
    *,
    rho: Sequence[float],
    draws: int,
    objective: Objective = CROSS_ENTROPY,
    seed: int = 0,
    label: str = "sharpness",
) -> Sharpness:
    """Measure the adaptive sharpness of a network at a point, on coordinates of a space.

    Args:
        network: Gives the structure.
        weights: The point, on the device of the examples.
        space: Which coordinates may change.
        examples: What the loss is the mean over; a worst case is that of up to 128 of them.
        rho: Sizes of the change, relative to each weight.
        draws: Random changes that an average is of; the same at every size, and at every point.
        objective: The loss.
        seed: Of the draws, and of where a search for the worst case begins.
        label: What the progress bar says.

    Raises:
        ValueError: If a size is not positive, or there are no draws.

    Example:
        (w - 2)² rises from 0 at w = 2 to (2ρ)² at worst.

        >>> from lth.data.drained import examples_of
        >>> from lth.network.mask import Mask
        >>> from lth.training.objective import Objective
        >>> network = nn.Linear(1, 1, bias=False)
        >>> weights = Weights({"weight": torch.tensor([[2.0]])}, {})
        >>> space, loss = LevelSpace(Mask.dense(network), weights), Objective("mse")
        >>> examples = examples_of((torch.tensor([[1.0]]), torch.tensor([[2.0]])))
        >>> found = sharpness_at(network, weights, space, examples, rho=[0.5], draws=2, objective=loss)
        >>> found.worst_2.tolist()
        [[1.0]]
    """
    if not all(0 < size < math.inf for size in rho):
        raise InputError(f"rho={','.join(map(str, rho))}: sizes of a change must be positive")
    if draws < 1:
        raise InputError(f"draws={draws} have no average; take at least 1")
    evaluate = Evaluator(network, examples, objective=objective)
    point = space.flatten(weights.parameters)

    def losses(points: Iterable[Tensor]) -> list[float]:
        every = (Weights(space.unflatten(flat), weights.buffers) for flat in points)
        return [found.loss for found in evaluate.many(every)]

    order = torch.randperm(len(examples), generator=generator(seed, "sharpness_batches"))
    batches = [examples.take(index) for index in torch.tensor_split(order, math.ceil(len(order) / BATCH))]
    sloped = [
        partial(loss_and_slope, Folded(network, point.device), weights, space, some, objective)
        for some in batches
    ]
    return adaptive_sharpness(
        losses, sloped, point, space.project(point.abs()), rho=rho, draws=draws, seed=seed, label=label
    )


def adaptive_sharpness(
    losses: Callable[[Iterable[Tensor]], Sequence[float]],
    sloped: Sequence[Sloped],
    point: Tensor,
    scale: Tensor,
    *,
    rho: Sequence[float],
    draws: int,
    seed: int,
    label: str = "sharpness",
) -> Sharpness:
    """Return the sharpness of any loss of a vector, changed by δ = scale · z.

    Args:
        losses: Of many vectors, (n,) each: what averages are of.
        sloped: Loss and gradient on each batch: what the worst cases are of.
        point: w, (n,).
        scale: |w| where a coordinate may change, zero elsewhere, (n,).
        rho: Sizes of z.
        draws: Of z, for averages.
        seed: Of the draws.
        label: What the progress bar says.

    Example:
        Of ½ a w² at w = 2, a = 3, the worst case is ½ a w² ((1 + ρ)² - 1).

        >>> def sloped(w): return float(1.5 * w.square().sum()), 3 * w
        >>> def losses(points): return [sloped(each)[0] for each in points]
        >>> w = torch.tensor([2.0], dtype=torch.float64)
        >>> found = adaptive_sharpness(losses, [sloped], w, w.abs(), rho=[0.5], draws=2, seed=0)
        >>> found.worst_2.tolist(), found.worst_inf.tolist()
        ([[7.5]], [[7.5]])
    """
    (at_point,) = losses([point])
    averages = {}
    for kind in ("gaussian", "uniform"):
        found = np.array([losses(_changed(point, scale, size, kind, draws, seed)) for size in rho])
        averages[kind] = found.reshape(len(rho), draws, 2).mean(axis=2) - at_point
    searches = [(size, order, batch) for order in ORDERS for size in rho for batch in range(len(sloped))]
    worst = []
    for size, order, batch in progress(searches, label, unit="ascent"):
        start = scale.ne(0) * _draw(len(point), "uniform", seed, "sharpness_start", batch).to(point)
        worst.append(_worst(sloped[batch], point, scale, size, order, start))
    most = np.array(worst).reshape(len(ORDERS), len(rho), len(sloped))
    return Sharpness(
        np.array(rho, dtype=np.float64),
        averages["gaussian"],
        averages["uniform"],
        most[0],
        most[1],
        at_point,
        int(scale.count_nonzero()),
    )


def _draw(count: int, kind: str, seed: int, *purpose: str | int) -> Tensor:
    """Return numbers from a stream of their own: normal, or uniform in [-1, 1]."""
    stream = generator(seed, *purpose)
    if kind == "gaussian":
        return torch.randn(count, generator=stream)
    return 2 * torch.rand(count, generator=stream) - 1


def _changed(point: Tensor, scale: Tensor, size: float, kind: str, draws: int, seed: int) -> Iterator[Tensor]:
    """Yield every draw and its opposite, so that what the slope makes of one the other takes back."""
    for index in range(draws):
        change = size * scale * _draw(len(point), kind, seed, f"sharpness_{kind}", index).to(point)
        yield point + change
        yield point - change


def _worst(sloped: Sloped, point: Tensor, scale: Tensor, size: float, order: Order, start: Tensor) -> float:
    """Return the most that the loss rises in the ball, as far as conditional gradients find it.

    From the best place it goes towards the point of the ball that the gradient there makes the largest: all the
    way, and after a step that did not rise half as far as before.
    """
    before, _ = sloped(point)
    best = _farthest(start, size, order)
    highest, slope = sloped(point + scale * best)
    share = 1.0
    for _ in range(_STEPS - 1):
        target = _farthest(scale * slope, size, order)
        tried = best + share * (target - best)
        value, found = sloped(point + scale * tried)
        if value > highest:
            best, highest, slope = tried, value, found
        else:  # a loss that is not finite, too
            share /= 2
    return max(0.0, highest - before) if math.isfinite(highest - before) else math.nan


def _farthest(direction: Tensor, size: float, order: Order) -> Tensor:
    """Return the z of the ball with the largest inner product with a direction."""
    if order == "inf":
        return size * direction.sign()
    length = float(direction.double().norm())
    return direction * (size / length) if length > 0 else direction
