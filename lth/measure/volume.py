"""The local volume of a basin, by importance sampling of the directions that it is measured along.

The basin is what the point sees of {loss ≤ cutoff} along rays; R(u) is its radius along u (`radius`). In n
dimensions its volume is that of the unit ball, V, times the mean of Rⁿ over unit directions. Of directions P z
with an invertible P, z on the unit sphere and radii in multiples of P z, it is just as well

    Vol = V |det P| E[R(P z)ⁿ],

without bias, whatever P is. In thousands of dimensions P decides what N draws see of it: log Rⁿ varies by
hundreds over random directions, and the mean is made of those that are not drawn. Where the loss is quadratic
and P is H^(-1/2), every draw has the same radius, and one is exact. Here P is that along the leading
eigenvectors of the Hessian H, and one scale on all that is orthogonal to them. Draws of their own tell that
scale, as the one at which the mean of log (|det P| Rⁿ) is largest: by Jensen it is below log Vol, and the gap
is a Kullback-Leibler divergence.

What is left of the tail is told from the draws (`tail`). Where it is too heavy, the mean is a lower bound of
the volume and no estimate: that a mean of draws exceeds Vol / δ has at most the chance δ (Markov), whatever the
tail. Volumes are those of Lebesgue, in units of the weights: comparable in one space under one cutoff; between
spaces of equally many dimensions as well; and beyond that in nats a dimension at most.

A network that classifies its examples right, with a linear layer last, has a basin without end: along the
weights of that layer a cross-entropy falls for ever, and so it does along directions near them. Its volume is
infinite; what is found is the part that the draws see, and the tail says so.

Source: Scherlis and Belrose 2025 (arXiv 2501.18812), who weight by a Gaussian around zero where this has none,
take a divergence of predictions for the loss, and precondition by the moments of Adam.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.special import gammaln
from scipy.stats import t
from torch import Tensor

from lth.brief import brief
from lth.errors import InputError
from lth.measure.mass import losses_around
from lth.measure.radius import BasinRadii, basin_radii
from lth.measure.tail import largest_index, tail_index
from lth.network.space import LevelSpace
from lth.network.weights import Weights
from lth.randomness import generator
from lth.training.evaluate import Evaluator

Losses = Callable[[Iterable[Tensor]], Sequence[float]]

_ERROR = 0.05  # of an interval
_SMALLEST, _LARGEST = 0.1, 1e3  # radii searched, in multiples of what is typical of a direction
_FURTHEST = 1e9  # the same, before anything is known
_LOG_VOLUME_TOLERANCE, _LOG_RADIUS_TOLERANCE = 1e-3, 1e-7  # nats; what float32 weights resolve
_PILOTS = 4  # directions that tell the scale of the rest, of their own draws
_PILOT_TOLERANCE = 1e-4
_RESOLVED = 5e-7  # of the largest eigenvalue: what float32 products may hide
_STEP, _MOST_STEPS = 2.0, 20  # factor between scales that are tried


@dataclass(frozen=True)
class LocalVolume:
    """The volume of a basin in the space of a point, from the volumes that single directions stand for."""

    log_volumes: np.ndarray  # (num_directions,): log (V |det P| Rⁿ); where censored, a lower bound
    censored: np.ndarray  # (num_directions,), bool: the loss never crossed the cutoff within the search
    cutoff: float  # nats an example
    loss: float  # at the point itself
    dimension: int  # n
    preconditioned: int  # dimensions along which P has a scale of its own
    num_evaluations: int

    __repr__ = brief

    @property
    def estimate(self) -> float:
        """Log of the mean over the directions, nats; a lower bound unless `is_estimated`."""
        return float(np.logaddexp.reduce(self.log_volumes)) - math.log(len(self.log_volumes))

    @property
    def per_weight(self) -> float:
        """The same a dimension of the space."""
        return self.estimate / self.dimension

    @property
    def typical(self) -> float:
        """Mean of the logarithms, nats: no larger than the logarithm of the mean (Jensen)."""
        return float(self.log_volumes.mean())

    @property
    def num_censored(self) -> int:
        """Number of directions that never crossed."""
        return int(self.censored.sum())

    @property
    def num_effective(self) -> float:
        """So many equal directions would tell the mean as well: (Σ w)² / Σ w²."""
        weights = np.exp(self.log_volumes - self.log_volumes.max())
        return float(weights.sum() ** 2 / (weights**2).sum())

    @property
    def tail(self) -> float:
        """The index k of the tail of what directions stand for (`lth.measure.tail`)."""
        return tail_index(self.log_volumes)

    @property
    def is_estimated(self) -> bool:
        """Whether the mean over the directions is known: its tail is light enough, and every ray crossed.

        Volumes that differ by no more than the search leaves open are equal, and of these there is no tail.
        """
        if self.num_censored or math.isnan(self.tail):
            return False
        is_equal = float(np.ptp(self.log_volumes)) <= 2 * self.dimension * _tolerance(self.dimension)
        return is_equal or self.tail <= largest_index(len(self.log_volumes))

    @property
    def interval(self) -> tuple[float, float]:
        """What log Vol lies between with 95 %, nats: (`estimate` - log 20, ∞) where it is but a lower bound.

        That bound holds of any distribution (Markov). An interval with two ends is Student's t of the mean, on
        the scale of its logarithm, and how exact radii are; it rests on the tail that was seen.
        """
        if not self.is_estimated:
            return self.estimate + math.log(_ERROR), math.inf
        count = len(self.log_volumes)
        weights = np.exp(self.log_volumes - self.log_volumes.max())
        error = float(weights.std(ddof=1) / weights.mean()) / math.sqrt(count)
        half = float(t.ppf(1 - _ERROR / 2, count - 1)) * error + self.dimension * _tolerance(self.dimension)
        return self.estimate - half, self.estimate + half


@dataclass(frozen=True)
class Preconditioner:
    """P: scales along orthonormal vectors, and one on all that is orthogonal to them.

    Example:
        >>> stretch = Preconditioner(torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([4.0]), 0.5, 3)
        >>> stretch(torch.ones(3)).tolist(), float(torch.tensor(stretch.log_det).exp())
        ([4.0, 0.5, 0.5], 1.0)
    """

    vectors: Tensor  # (k, n), orthonormal rows
    scales: Tensor  # (k,), positive
    rest: float  # positive
    dimension: int  # n

    def __call__(self, vector: Tensor) -> Tensor:
        """Return P z, (n,)."""
        along = self.vectors @ vector
        return self.rest * vector + self.vectors.T @ ((self.scales - self.rest).to(along) * along)

    @property
    def log_det(self) -> float:
        """The logarithm of det P."""
        outside = self.dimension - len(self.vectors)
        return float(self.scales.double().log().sum()) + outside * math.log(self.rest)

    def times(self, factor: float) -> Preconditioner:
        """Return P as many times as large."""
        return replace(self, scales=self.scales * factor, rest=self.rest * factor)


def quadratic_preconditioner(
    eigenvalues: np.ndarray, vectors: Tensor, trace: float, trace_error: float
) -> Preconditioner:
    """Return H^(-1/2), as far as H is known: by eigenpairs, and of the rest by the mean that the trace leaves.

    Eigenvalues that are not positive beyond float32's rounding count to the rest. Where the mean of that is not
    above zero beyond twice its error, the rest has the scale of the last eigenvector; `fitted` goes on.

    Args:
        eigenvalues: (k,), largest first.
        vectors: (k, n), orthonormal rows.
        trace: Of H.
        trace_error: Its standard error.

    Example:
        >>> made = quadratic_preconditioner(np.array([16.0]), torch.eye(3)[:1], trace=24.0, trace_error=0.0)
        >>> made(torch.ones(3)).tolist()
        [0.25, 0.5, 0.5]
    """
    count = int((eigenvalues > max(0.0, _RESOLVED * float(eigenvalues.max()))).sum())
    known, dimension = eigenvalues[:count], vectors.shape[1]
    least = float(known[-1]) if count else 1.0
    outside = dimension - count
    left, doubt = trace - float(known.sum()), 2 * trace_error
    mean = left / outside if outside and left > doubt else least
    scales = torch.from_numpy(known**-0.5).to(vectors.device)
    # No larger than the last of the leading ones, which it is but for rounding.
    return Preconditioner(vectors[:count], scales, min(mean, least) ** -0.5, dimension)


def fitted(
    preconditioner: Preconditioner,
    losses: Losses,
    draws: Sequence[Tensor],
    cutoff: float,
    loss_at_point: float,
) -> Preconditioner:
    """Return P with the scale of the rest that suits the basin, and so large that a typical radius is 1.

    The scale goes up or down by factors of two while the mean of log (|det P| Rⁿ) over the draws grows.

    Args:
        preconditioner: To begin with.
        losses: Of displacements from the point, each (n,).
        draws: z, each (n,); not those that the volume is of.
        cutoff: Absolute, nats an example.
        loss_at_point: At the point.

    Example:
        2 x² is ½ at a distance of ½, which is then that of the draws.

        >>> known = Preconditioner(torch.zeros(0, 1), torch.zeros(0), 1.0, 1)
        >>> losses = lambda steps: [2 * float(step) ** 2 for step in steps]
        >>> found = fitted(known, losses, [torch.ones(1), -torch.ones(1)], cutoff=0.5, loss_at_point=0.0)
        >>> [round(each, 2) for each in found(torch.ones(1)).tolist()]
        [0.5]
    """

    def tried(factor: float) -> tuple[float, Preconditioner]:
        stretched = replace(preconditioner, rest=preconditioner.rest * factor)
        at = _radii(stretched, losses, draws, cutoff, loss_at_point, _PILOT_TOLERANCE, _FURTHEST)
        scaled = stretched.times(math.exp(float(np.log(at.radii).mean())))
        return scaled.log_det, scaled

    best = tried(1.0)
    if len(preconditioner.vectors) in (0, preconditioner.dimension):
        return best[1]
    for step in (_STEP, 1 / _STEP):
        before = best[0]
        for power in range(1, _MOST_STEPS):
            found = tried(step**power)
            if found[0] <= best[0]:
                break
            best = found
        if best[0] > before:
            break
    return best[1]


def sphere_draws(
    restrict: Callable[[Tensor], Tensor], length: int, count: int, seed: int, purpose: str = "volume"
) -> Iterator[Tensor]:
    """Yield z on the unit sphere of a space: drawn for all parameters, then restricted, then normalised.

    So two spaces of one network are looked at along the same draws.

    Args:
        restrict: Returns the free coordinates, (n,), of a vector of all.
        length: Of a vector of all.
        count: How many.
        seed: Of the streams.
        purpose: Of the streams.

    Example:
        >>> (drawn,) = sphere_draws(lambda full: full[:2], length=3, count=1, seed=0)
        >>> round(float(drawn.norm()), 6), len(drawn)
        (1.0, 2)
    """
    for index in range(count):
        drawn = restrict(torch.randn(length, generator=generator(seed, purpose, index)))
        yield (drawn.double() / drawn.double().norm()).float()


def local_volume(
    losses: Losses,
    preconditioner: Preconditioner,
    draws: Iterable[Tensor],
    cutoff: float,
    *,
    loss_at_point: float,
    label: str = "volume",
) -> LocalVolume:
    """Return the volume of the basin around a point, from its radii along P z.

    Args:
        losses: Of displacements from the point, each (n,).
        preconditioner: P, so large that a typical radius is about 1.
        draws: z, each (n,), on the unit sphere, from a stream that P does not depend on.
        cutoff: Absolute, nats an example; compared basins share it.
        loss_at_point: At the point.
        label: What the progress bar says.

    Raises:
        ValueError: If the point lies above the cutoff, or one of the two is not finite.

    Example:
        The ellipse ½ (x² + 4 y²) ≤ 2 has half-axes 2 and 1: its area is 2π.

        >>> loss = lambda steps: [float(x @ torch.diag(torch.tensor([1.0, 4.0])) @ x) / 2 for x in steps]
        >>> root = Preconditioner(torch.eye(2), torch.tensor([1.0, 0.5]), 1.0, 2)
        >>> found = local_volume(loss, root, sphere_draws(lambda z: z, 2, 30, 0), 2.0, loss_at_point=0.0)
        >>> round(math.exp(found.estimate) / math.pi, 2), found.is_estimated
        (2.0, True)
    """
    dimension = preconditioner.dimension
    found = _radii(preconditioner, losses, draws, cutoff, loss_at_point, _tolerance(dimension), _LARGEST, label)
    if len(found.radii) == 0:
        raise InputError("no directions to measure a volume along; draw at least one")
    return LocalVolume(
        log_volumes=log_ball(dimension) + preconditioner.log_det + dimension * np.log(found.radii),
        censored=found.censored,
        cutoff=cutoff,
        loss=loss_at_point,
        dimension=dimension,
        preconditioned=len(preconditioner.vectors),
        num_evaluations=found.num_evaluations,
    )


def _tolerance(dimension: int) -> float:
    """Return how exact the logarithm of a radius is to be."""
    return max(_LOG_VOLUME_TOLERANCE / dimension, _LOG_RADIUS_TOLERANCE)


def _radii(
    preconditioner: Preconditioner,
    losses: Losses,
    draws: Iterable[Tensor],
    cutoff: float,
    loss_at_point: float,
    tolerance: float,
    largest: float,
    label: str = "",
) -> BasinRadii:
    return basin_radii(
        lambda step: losses([step])[0],
        preconditioner.vectors.new_zeros(preconditioner.dimension),
        (preconditioner(draw.to(preconditioner.vectors)) for draw in draws),
        cutoff,
        dimension=preconditioner.dimension,
        loss_at_point=loss_at_point,
        tolerance=tolerance,
        smallest=_SMALLEST,
        largest=largest,
        label=label,
        losses=losses,
    )


def volumes_at(
    space: LevelSpace,
    weights: Weights,
    evaluate: Evaluator,
    preconditioner: Preconditioner,
    cutoffs: Collection[float],
    *,
    loss_at_point: float,
    directions: int,
    seed: int,
    label: str = "volume",
) -> dict[float, LocalVolume]:
    """Return the local volume of weights in a space under each of several cutoffs, along the same draws.

    Args:
        space: Which coordinates may move.
        weights: The point.
        evaluate: Its losses.
        preconditioner: P, which is fitted to the smallest cutoff.
        cutoffs: Absolute, nats an example.
        loss_at_point: At the weights.
        directions: How many.
        seed: Of the draws.
        label: What progress bars say.

    Raises:
        ValueError: If the point lies above a cutoff, or a loss is not finite.

    Example:
        (w - 2)² stays under ¼ within an interval of length 1, of log volume 0.

        >>> from lth.data.drained import examples_of
        >>> from lth.network.mask import Mask
        >>> from lth.training.objective import Objective
        >>> network = torch.nn.Linear(1, 1, bias=False)
        >>> weights = Weights({"weight": torch.tensor([[2.0]])}, {})
        >>> examples = examples_of((torch.tensor([[1.0]]), torch.tensor([[2.0]])))
        >>> evaluate = Evaluator(network, examples, objective=Objective("mse"))
        >>> known = quadratic_preconditioner(np.array([2.0]), torch.eye(1), trace=2.0, trace_error=0.0)
        >>> space = LevelSpace(Mask.dense(network), weights)
        >>> found = volumes_at(space, weights, evaluate, known, [0.25], loss_at_point=0.0, directions=3, seed=0)
        >>> abs(round(found[0.25].estimate, 2))
        0.0
    """
    losses = losses_around(space, weights, evaluate)

    def draws(count: int, purpose: str) -> Iterator[Tensor]:
        return sphere_draws(restrict, space.full_dimension, count, seed, purpose)

    def restrict(full: Tensor) -> Tensor:
        return space.restrict(space.unflatten(full.to(preconditioner.vectors.device)))

    pilots = list(draws(_PILOTS, "volume_pilot"))
    suited = fitted(preconditioner, losses, pilots, min(cutoffs), loss_at_point)
    return {
        cutoff: local_volume(
            losses,
            suited,
            draws(directions, "volume"),
            cutoff,
            loss_at_point=loss_at_point,
            label=f"{label} up to {cutoff:.3g}",
        )
        for cutoff in sorted(set(cutoffs))
    }


def log_ball(dimension: int) -> float:
    """Return the logarithm of the volume of the unit ball.

    Example:
        >>> round(math.exp(log_ball(3)) / math.pi, 4)
        1.3333
    """
    return dimension / 2 * math.log(math.pi) - float(gammaln(dimension / 2 + 1))
