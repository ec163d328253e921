"""The mass of a basin: the share of a Gaussian around the point that lies in {loss ≤ cutoff}.

    M(c) = P(L(w + σ z) ≤ c),  z ~ N(0, I) on the n coordinates that may move

It is the volume of the basin within a Gaussian window, over that of the window. The volume of all of it is
infinite for many a trained network, or made of directions that no sample has (`volume`). This one is at most 1,
and what lies far outside of the window counts for nothing.

A small share is reached by splitting. Of N draws the one of the largest loss is replaced by a copy of another
one, moved so that it stays N(0, σ²) below that loss, until all lie in the basin. If a replacement is as good as
an independent draw, their number is Poisson with the mean -N log M: that is the estimate and its interval,
which is widened by as much as independent runs differ by more. The losses of those replaced tell M of every
larger cutoff.

Source: Scherlis and Belrose 2025 (arXiv 2501.18812) measure basins by a Gaussian; the splitting is that of
Guyader, Hengartner and Matzner-Løber 2011 (Appl. Math. Optim. 64), the moves are those of Cotter et al. 2013
(arXiv 1202.0709), which leave a Gaussian as it is in any dimension.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import chi2
from torch import Tensor

from lth.bar import progress
from lth.brief import brief
from lth.errors import InputError
from lth.network.space import LevelSpace
from lth.network.weights import Weights
from lth.randomness import generator
from lth.training.evaluate import Evaluator

Losses = Callable[[Iterable[Tensor]], Sequence[float]]

_ERROR = 0.05  # of an interval
_RUNS = 4  # independent ones, whose differences widen the interval
_MOVES = 8  # of a new particle
_DEEPEST = 15.0  # nats: a mass below e^-15 is told as a bound
_SEEN = 3.0  # nats: a mass of e^-3 costs 25 losses a draw
_WANTED, _GAIN = 0.35, 0.5  # share of moves that are accepted, and how fast their length follows it
_SHORTEST = 0.01  # move, as a share of an independent draw


@dataclass(frozen=True)
class Mass:
    """The share of a Gaussian under a cutoff; its logarithms are in nats."""

    estimate: float  # of the logarithm; where not `is_estimated`, an upper bound
    interval: tuple[float, float]  # 95 %; from minus infinity, where it is but a bound
    is_estimated: bool


@dataclass(frozen=True)
class NoisyLoss:
    """The lower tail of the loss under Gaussian noise: what was replaced on the way down to it."""

    levels: np.ndarray  # (replaced,): losses of the particles that were replaced, run after run, descending
    run: np.ndarray  # (replaced,), int: of which run
    ends: np.ndarray  # (runs,): the largest loss in each run at its end
    particles: int  # N of a run
    sigma: float  # of the noise, in units of the weights
    lowest: float  # the cutoff that was gone down to
    loss: float  # at the point itself
    dimension: int  # n
    accepted: float  # share of the moves
    num_evaluations: int

    __repr__ = brief

    def under(self, cutoff: float) -> Mass:
        """Return the mass of {loss ≤ cutoff}.

        Args:
            cutoff: At least `lowest`; below that the mass is but bounded.
        """
        runs = len(self.ends)
        counts = np.bincount(self.run[self.levels > cutoff], minlength=runs)
        count, draws = int(counts.sum()), runs * self.particles
        mean = count / runs
        excess = float(counts.var(ddof=1)) / mean if mean > 0 and runs > 1 else 1.0
        widened = math.sqrt(max(1.0, excess))
        middle = count / draws
        least = float(chi2.ppf(_ERROR / 2, 2 * count)) / 2 / draws if count else 0.0
        most = float(chi2.ppf(1 - _ERROR / 2, 2 * count + 2)) / 2 / draws
        low, high = middle + widened * (most - middle), max(0.0, middle - widened * (middle - least))
        if not (self.ends <= cutoff).all():
            return Mass(-high, (-math.inf, -high), is_estimated=False)
        return Mass(-middle, (-low, -high), is_estimated=True)

    def narrower(self, cutoff: float) -> float | None:
        """Return the σ at which the mass of {loss ≤ cutoff} would be e^-3, if losses rise as σ² does.

        The loss that a share e^-3 of the noise stays under tells it. `sigma` itself where that is under the
        cutoff; None where every loss that was seen is infinite.

        Args:
            cutoff: Above the loss at the point.
        """
        replaced = math.ceil(_SEEN * len(self.ends) * self.particles)
        if len(self.levels) < replaced:
            return self.sigma
        levels = np.sort(self.levels)[::-1]
        finite = levels[np.isfinite(levels)]
        if len(finite) == 0:
            return None
        reached = min(levels[replaced - 1], finite[0])
        allowed = cutoff - self.loss
        return self.sigma * math.sqrt(allowed / max(allowed, float(reached) - self.loss))


def noisy_loss(
    losses: Losses,
    dimension: int,
    sigma: float,
    cutoff: float,
    *,
    loss_at_point: float,
    draws: int,
    seed: int,
    device: torch.device | None = None,
    label: str = "mass",
) -> NoisyLoss:
    """Return the loss under noise down to a cutoff, or of a point whose loss is not finite no further.

    Args:
        losses: Of displacements from the point, each (n,).
        dimension: n.
        sigma: Of the noise.
        cutoff: Absolute; of this and all larger ones the mass is known then.
        loss_at_point: At the point.
        draws: Of the noise, in all runs together.
        seed: Of the noise.
        device: Of the displacements.
        label: What the progress bar says.

    Raises:
        ValueError: If the point lies above the cutoff, or draws are too few.

    Example:
        ½ ‖x‖² stays under 1 in a circle of radius √2, in which a standard normal lies with 1 - 1/e.

        >>> loss = lambda steps: [float(x @ x) / 2 for x in steps]
        >>> found = noisy_loss(loss, 2, 1.0, 1.0, loss_at_point=0.0, draws=400, seed=0)
        >>> mass = found.under(1.0)
        >>> mass.interval[0] < math.log(1 - 1 / math.e) < mass.interval[1]
        True
    """
    if loss_at_point > cutoff:
        raise InputError(
            f"the loss at the point is {loss_at_point}, above the cutoff {cutoff}; raise the cutoff"
        )
    if not 0 < sigma < math.inf or (math.isnan(cutoff) and math.isfinite(loss_at_point)):
        raise InputError(f"sigma={sigma} and cutoff={cutoff}; give a positive finite width, and a number")
    if draws < 2 * _RUNS:
        raise InputError(f"{draws} draws are too few for {_RUNS} runs; give at least {2 * _RUNS}")
    each = draws // _RUNS
    most = math.ceil(_DEEPEST * each) if math.isfinite(loss_at_point) else 0
    runs = []
    with progress(None, label, total=None, unit="draw") as bar:
        for index in range(_RUNS):
            stream = generator(seed, "mass", index)
            split = _Splitting(
                losses, dimension, sigma, each, stream, device or torch.device("cpu"), bar.update
            )
            split.go_down(cutoff, most)
            runs.append(split)
    return NoisyLoss(
        levels=np.concatenate([run.levels for run in runs]),
        run=np.concatenate([np.full(len(run.levels), index) for index, run in enumerate(runs)]),
        ends=np.array([max(run.losses) for run in runs]),
        particles=each,
        sigma=sigma,
        lowest=cutoff,
        loss=loss_at_point,
        dimension=dimension,
        accepted=sum(run.accepted for run in runs) / max(1, sum(run.moves for run in runs)),
        num_evaluations=sum(each + run.moves for run in runs),
    )


def losses_around(space: LevelSpace, weights: Weights, evaluate: Evaluator) -> Losses:
    """Return the losses of displacements from a point, each (n,) of its space.

    Example:
        >>> from torch import nn
        >>> from lth.data import Examples
        >>> from lth.network.mask import Mask
        >>> network = nn.Linear(1, 2, bias=False)
        >>> point = Weights({"weight": torch.zeros(2, 1)}, {})
        >>> space = LevelSpace(Mask({"weight": torch.tensor([[True], [False]])}), point)
        >>> data = Examples(torch.ones(2, 1), torch.tensor([0, 0]), None, None)
        >>> losses_around(space, point, Evaluator(network, data))([torch.zeros(1)])  # its first is ln 2
        [0.693147...]
    """

    def moved(step: Tensor) -> Weights:
        steps = space.embed(step)
        return Weights({name: w + steps[name] for name, w in weights.parameters.items()}, weights.buffers)

    return lambda steps: [found.loss for found in evaluate.many(map(moved, steps))]


def root_mean_square(tensors: Iterable[Tensor]) -> float:
    """Return the root mean square of all entries.

    Example:
        >>> root_mean_square([torch.tensor([3.0, 4.0]), torch.zeros(2)])
        2.5
    """
    every = torch.cat([tensor.double().reshape(-1) for tensor in tensors])
    return float(every.square().mean().sqrt())


class _Splitting:
    """Particles under noise, the worst of which is replaced as long as it is too high."""

    def __init__(
        self,
        losses: Losses,
        dimension: int,
        sigma: float,
        count: int,
        stream: torch.Generator,
        device: torch.device,
        told: Callable[[int], object],
    ) -> None:
        self._of, self._told, self._stream = losses, told, stream
        self._sigma, self._dimension, self._device = sigma, dimension, device
        self._length = 1.0  # of a move, as a share of an independent draw
        self._particles = [self._draw() for _ in range(count)]
        self.losses = [_finite(loss) for loss in losses(self._particles)]
        self._ties = [self._tie() for _ in range(count)]
        told(count)
        self.levels: list[float] = []
        self.moves = self.accepted = 0

    def _draw(self) -> Tensor:
        return self._sigma * torch.randn(self._dimension, generator=self._stream).to(self._device)

    def _tie(self) -> float:
        """Return what orders particles of one loss, as where it is infinite or flat."""
        return torch.rand((), generator=self._stream).item()

    def go_down(self, cutoff: float, most: int) -> None:
        """Replace the worst particle until all are under the cutoff, or so many were replaced."""
        while len(self.levels) < most and max(self.losses) > cutoff:
            heights = list(zip(self.losses, self._ties, strict=True))
            level = max(heights)
            below = [index for index, height in enumerate(heights) if height < level]
            if not below:
                return
            parent = below[int(torch.randint(len(below), (), generator=self._stream))]
            worst = heights.index(level)
            self._particles[worst], (self.losses[worst], self._ties[worst]) = self._moved(parent, level)
            self.levels.append(level[0])

    def _moved(self, parent: int, level: tuple[float, float]) -> tuple[Tensor, tuple[float, float]]:
        """Return a particle from another one, moved under a level, with its loss and order among equals."""
        particle, height, accepted = self._particles[parent], (self.losses[parent], self._ties[parent]), 0
        for _ in range(_MOVES):
            tried = math.sqrt(1 - self._length**2) * particle + self._length * self._draw()
            (found,) = self._of([tried])
            reached = (_finite(found), self._tie())
            if reached < level:
                particle, height, accepted = tried, reached, accepted + 1
        self._told(1)
        self.moves += _MOVES
        self.accepted += accepted
        self._length *= math.exp(_GAIN * (accepted / _MOVES - _WANTED))
        self._length = min(1.0, max(_SHORTEST, self._length))
        return particle, height


def _finite(loss: float) -> float:
    return loss if math.isfinite(loss) else math.inf
